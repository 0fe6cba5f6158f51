"""Train or load the run's tokenizer: text <-> ids, one tokenizer a text column (the same one where it is joint)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from lamcore.errors import LamcoreError
from lamcore.kinds import Subwords, TokenizerPlan

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
SPACE = "▁"


class Tokenizer:
    """Cut text into ids and join ids to text; ids 0 to 3 are padding, unknown, begin and end."""

    pad, unk, bos, eos = 0, 1, 2, 3

    def __init__(self, inner: hf.Tokenizer):
        inner.no_padding()
        inner.no_truncation()
        if [inner.id_to_token(i) for i in range(4)] != SPECIAL:
            raise LamcoreError(f"A tokenizer's first four pieces must be {' '.join(SPECIAL)}.")
        self._inner = inner
        self.size: int = inner.get_vocab_size()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's ids, without begin or end."""
        return [e.ids for e in self._inner.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each sequence of ids; padding, begin and end leave nothing."""
        plain = [[i for i in sequence if i > self.eos or i == self.unk] for sequence in ids]
        return self._inner.decode_batch(plain, skip_special_tokens=False)

    def pieces(self, text: str) -> list[str]:
        """Return the pieces that a text is cut into, for people."""
        return self._inner.encode(text, add_special_tokens=False).tokens

    def to_json(self) -> str:
        return self._inner.to_str(pretty=True)


def learn(plan: TokenizerPlan, texts: Mapping[str, Iterable[str]]) -> dict[str, Tokenizer]:
    """Return {column: tokenizer} learnt from each text column's train texts, or read where the plan names a file.

    What is learnt here is the same every time; unigram and wordpiece are not, so those come from a file only."""
    if plan.file is not None:
        return dict.fromkeys(texts, from_file(Path(plan.file).expanduser()))
    if plan.joint:
        return dict.fromkeys(texts, _train(plan, chain.from_iterable(texts.values()), "tokenizer.size"))
    return {name: _train(plan, column, f"tokenizer.size (of {name})") for name, column in texts.items()}


def _train(plan: TokenizerPlan, texts: Iterable[str], where: str) -> Tokenizer:
    inner, special = _empty(plan.kind), [*SPECIAL, *plan.symbols]
    if plan.kind is Subwords.character:
        alphabet = sorted({character for text in texts for character in text.replace(" ", SPACE)} | {SPACE})
        pieces = special + [character for character in alphabet if character not in special]
        inner.model = models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token=SPECIAL[1])
        inner.add_special_tokens(special)
        return Tokenizer(inner)
    alphabet = pre_tokenizers.ByteLevel.alphabet() if plan.kind is Subwords.byte_bpe else []
    settings: dict[str, Any] = {"special_tokens": special, "initial_alphabet": alphabet, "show_progress": False}
    inner.train_from_iterator(iter(texts), trainers.BpeTrainer(vocab_size=plan.size, **settings))
    if (found := inner.get_vocab_size()) < plan.size:
        raise LamcoreError(f"{where}={plan.size} is more than the train split holds: set it to at most {found}.")
    if found > plan.size:
        raise LamcoreError(f"{where}={plan.size} is less than the {found} characters and symbols there are.")
    return Tokenizer(inner)


def _empty(kind: Subwords) -> hf.Tokenizer:
    """Return an untrained tokenizer: what stands between spaces is cut at punctuation and digits, then into pieces."""
    inner = hf.Tokenizer(models.BPE(unk_token=SPECIAL[1]))
    if kind is Subwords.byte_bpe:
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        return inner
    inner.normalizer = normalizers.Replace("\t", " ")
    space = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first")
    cuts: list[Any] = [space, pre_tokenizers.Punctuation("isolated"), pre_tokenizers.Digits(individual_digits=True)]
    inner.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    inner.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="first")
    return inner


def from_file(path: Path) -> Tokenizer:
    """Read a tokenizer.json, ours or another's whose first four pieces are ours; LamcoreError where it is none."""
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)
        return Tokenizer(hf.Tokenizer.from_str(text))
    except (KeyboardInterrupt, LamcoreError):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        raise LamcoreError(f"{path} is no tokenizer that can be read: {error}") from error


def files_of(tokenizer: Mapping[str, Tokenizer]) -> dict[str, str]:
    """Return {file name: JSON}: one tokenizer.json, or one a column where they differ."""
    joint = len({id(one) for one in tokenizer.values()}) == 1
    return {"tokenizer.json" if joint else f"tokenizer-{name}.json": one.to_json() for name, one in tokenizer.items()}


def read(folder: Path, columns: Iterable[str]) -> dict[str, Tokenizer]:
    """Read back what `files_of` gave, for the text columns named."""
    joint = folder / "tokenizer.json"
    if joint.is_file():
        return dict.fromkeys(columns, from_file(joint))
    return {column: from_file(folder / f"tokenizer-{column}.json") for column in columns}
