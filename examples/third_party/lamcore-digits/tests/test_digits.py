"""What digits mean, and the contracts that all components keep."""

from lamcore_digits import Digits, PixelClassifier, RightLabels

from lamcore.testing import ArchitectureContract, MetricContract, SourceContract


class TestDigits(SourceContract):
    component = Digits()
    most = 100


class TestPixelClassifier(ArchitectureContract):
    component = PixelClassifier(width=32)
    records = PixelClassifier.example_records()


class TestRightLabels(MetricContract):
    component = RightLabels()
    records = PixelClassifier.example_records()


def test_there_are_1797_pictures_of_64_numbers_and_ten_digits():
    records = [record for rows in Digits().load().values() for record in rows]
    assert len(records) == 1797
    assert {len(record["image"]) for record in records} == {64}
    assert {record["intent"] for record in records} == set("0123456789")


def test_one_of_two_right_labels_is_a_half():
    metric = RightLabels()
    counts = [metric.count({"intent": "1"}, {"intent": label}) for label in ("1", "2")]
    sums = {name: sum(count[name] for count in counts) for name in counts[0]}
    assert metric.score(sums) == {"right_labels": 0.5}
