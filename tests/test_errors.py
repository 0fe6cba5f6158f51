"""The error for a name that is not there."""

from lamcore.errors import BAD_INPUT, LamcoreError, unknown


def test_an_unknown_name_gets_the_nearest_name_and_the_whole_list():
    error = unknown("metric", "blue", ["chrf", "bleu"], has="Installed")
    assert str(error) == "No metric is called 'blue'. Did you mean 'bleu'? Installed: bleu, chrf."


def test_a_name_that_resembles_none_gets_the_list_alone():
    assert str(unknown("metric", "zzz", ["bleu"])) == "No metric is called 'zzz'. Known: bleu."
    assert str(unknown("metric", "zzz", [])) == "No metric is called 'zzz'. Known: none."


def test_a_mistake_of_the_user_ends_with_two_unless_it_says_otherwise():
    assert LamcoreError("x").exit_code == BAD_INPUT == 2
    assert LamcoreError("x", 5).exit_code == 5
