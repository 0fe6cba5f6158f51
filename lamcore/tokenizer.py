"""Train or load the run's tokenizer: text <-> ids, one tokenizer a text column (the same one where it is joint)."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, groupby, pairwise
from pathlib import Path
from typing import Any

import tokenizers as hf
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from lamcore.errors import LamcoreError
from lamcore.kinds import Subwords, TokenizerPlan
from lamcore.store import loads

SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
SPACE = "▁"
UNUSED = dict.fromkeys(("padding", "truncation", "post_processor"))
"""Parts of a tokenizer.json that are left out: lamcore pads, cuts and adds marks itself."""
PARTS = {
    "model": "BPE Unigram WordLevel WordPiece",
    "normalizer": "BertNormalizer Lowercase NFC NFD NFKC NFKD Nmt Prepend Replace Sequence Strip StripAccents",
    "pre_tokenizer": "BertPreTokenizer ByteLevel CharDelimiterSplit Digits Metaspace Punctuation Sequence "
    "UnicodeScripts Whitespace WhitespaceSplit",
    "decoder": "BPEDecoder ByteFallback ByteLevel Fuse Metaspace Replace Sequence Strip WordPiece",
}
"""Components that a tokenizer.json may have: none with an expression of its own, none that fails hard."""
SEQUENCES = ("normalizers", "pretokenizers", "decoders")
OPEN = {*SEQUENCES, "vocab", "merges", "pattern"}
LONGEST_PIECE, LONGEST_SETTING = 100_000, 100


class Pieces(str):
    """A text that is cut into pieces already: `encode` gives these ids."""

    ids: list[int]


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
        self._symbols = {*range(4), *inner.get_added_tokens_decoder()}

    @cached_property
    def _ranks(self) -> dict[tuple[str, ...], int]:
        return {tuple(pair): i for i, pair in enumerate(json.loads(self._inner.to_str())["model"].get("merges", []))}

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's ids, without begin or end."""
        if odd := [text for text in texts if not isinstance(text, str)]:
            raise LamcoreError(f"{odd[0]!r:.80} is no text, but stands where the model reads or learns a text.")
        with guarded("A text can't be cut into pieces"):
            cut = self._inner.encode_batch_fast(list(texts), add_special_tokens=False)
        return [text.ids if isinstance(text, Pieces) else e.ids for text, e in zip(texts, cut, strict=True)]

    def dropped(self, texts: Sequence[str], rate: float, rng: random.Random) -> list[Pieces]:
        """Cut texts with a share of the merges passed over: BPE-dropout (Provilkov et al. 2020); symbols stay whole."""
        if not self._ranks:
            raise LamcoreError("tokenizer.dropout is for BPE, and this tokenizer has no merges: set it to 0.")
        result, ranks = [Pieces(text) for text in texts], self._ranks
        for text, e in zip(result, self._inner.encode_batch(list(texts), add_special_tokens=False), strict=True):
            text.ids = []
            for _, places in groupby(range(len(e.ids)), e.word_ids.__getitem__):
                pieces, ids = zip(*((e.tokens[i], e.ids[i]) for i in places), strict=True)
                if self._symbols.isdisjoint(ids):
                    parts = [*"".join(pieces)]
                    while kept := [
                        (ranks[p], i) for i, p in enumerate(pairwise(parts)) if p in ranks and rng.random() >= rate
                    ]:
                        at = min(kept)[1]
                        parts[at : at + 2] = [parts[at] + parts[at + 1]]
                    ids = tuple(map(self._inner.token_to_id, parts))
                text.ids.extend(ids)
        return result

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of each sequence of ids; padding, begin and end leave nothing."""
        plain = [[i for i in sequence if i > self.eos or i == self.unk] for sequence in ids]
        with guarded("Pieces can't be joined to a text"):
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


def extended(tokenizer: Mapping[str, Tokenizer], symbols: Sequence[str]) -> dict[str, Tokenizer]:
    """Return {column: tokenizer} whose texts `symbols` are one piece each, those that are new after all others."""
    made = {}
    for one in {id(one): one for one in tokenizer.values()}.values():
        inner = hf.Tokenizer.from_str(one.to_json())
        inner.add_special_tokens([*symbols])
        made[id(one)] = Tokenizer(inner)
    return {name: made[id(one)] for name, one in tokenizer.items()}


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
    with guarded(f"{path} is no tokenizer that can be read"):
        return _made(path.read_bytes())


@contextlib.contextmanager
def guarded(problem: str) -> Iterator[None]:
    """Turn whatever the library makes of a text or a file into one line."""
    try:
        yield
    except (KeyboardInterrupt, LamcoreError):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        raise LamcoreError(f"{problem}: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


def _made(content: bytes) -> Tokenizer:
    """Return the tokenizer that a tokenizer.json describes, checked before the library sees it: some kill a process."""
    given = {**loads(content), **UNUSED}
    for part, allowed in PARTS.items():
        _check(_components(given[part]), allowed.split())
    pieces = given["model"]["vocab"]
    ids = pieces if isinstance(pieces, dict) else {piece: i for i, (piece, _) in enumerate(pieces)}
    added = {one["content"]: one["id"] for one in given["added_tokens"]}
    every = {**ids, **added}
    if len(ids) < len(pieces) or sorted(every.values()) != list(range(len(every))):
        raise ValueError("its ids are not 0, 1, 2, ..., each for one piece")
    if any(ids.get(piece, i) != i for piece, i in added.items()) or not all(0 < len(p) <= LONGEST_PIECE for p in every):
        raise ValueError(f"an added piece has two ids, or a piece is empty or longer than {LONGEST_PIECE}")
    made = Tokenizer(hf.Tokenizer.from_str(json.dumps(given)))
    if made.size != len(every):
        raise ValueError(f"it has {len(every)} pieces, of which {made.size} can be used")
    return made


def _components(part: Any) -> list[dict[str, Any]]:
    """Return a part of a tokenizer and the parts within."""
    inner = [one for name in SEQUENCES for one in part.get(name, ())] if part else []
    return [part, *chain.from_iterable(map(_components, inner))] if part else []


def _check(components: list[dict[str, Any]], allowed: list[str]) -> None:
    """Raise ValueError for a component that is not allowed, or that could make a text endless."""
    kinds = [one["type"] for one in components]
    if odd := {*kinds} - {*allowed} or {kind for kind in {*kinds} - {"Replace", "Sequence"} if kinds.count(kind) > 1}:
        raise ValueError(f"it has {', '.join(map(str, odd))}; it may have {', '.join(allowed)}, each once")
    for one in components:
        if "pattern" in one and not 0 < len(one["pattern"].get("String", "")) >= len(one["content"]):
            raise ValueError("in it a Replace puts something else than a text of at most the same length for a text")
        settings = [value for key, value in one.items() if key not in OPEN and value is not None]
        if not all(isinstance(value, int | float | str) and len(str(value)) <= LONGEST_SETTING for value in settings):
            raise ValueError(f"a {one['type']} in it has a setting that is too long")


def files_of(tokenizer: Mapping[str, Tokenizer]) -> dict[str, str]:
    """Return {file name: JSON}: one tokenizer.json, or one a column where they differ."""
    joint = len({id(one) for one in tokenizer.values()}) == 1
    return {"tokenizer.json" if joint else f"tokenizer-{name}.json": one.to_json() for name, one in tokenizer.items()}


def read(files: Mapping[str, bytes], columns: Iterable[str]) -> dict[str, Tokenizer]:
    """Make again, for the text columns named, what `files_of` gave."""
    made = {}
    for name in [name for name in files if name.startswith("tokenizer")]:
        with guarded(f"{name} is no tokenizer that can be read"):
            made[name] = _made(files[name])
    return {column: made.get("tokenizer.json") or made[f"tokenizer-{column}.json"] for column in columns}
