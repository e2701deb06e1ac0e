"""AddressReader: the parts of an address that a report names, as far as they tell one spot from the next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.tokens import Tokens

KINDS = ("jalan", "gang", "nomor", "blok", "tiang", "rt", "rw", "km", "nama")
"""What a part may be. `nama` is a number that stands right behind a name: Margorukun 5."""

_FURTHER = "lanjutan"
_NAMED = ("gang", "blok")
_STREET_WORDS = 3
_NUMBER = re.compile(r"0*(\d{1,5})([a-z]?)")
_JOINED = re.compile(r"([a-z]{2,5})(\d{1,4}[a-z]?)")
_ROMAN = re.compile(r"(?=[ivx])(x{0,3})(ix|iv|v?i{0,3})")
_VALUES = {"i": 1, "v": 5, "x": 10}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an address. `key` is what is told apart (the kind, or the name before a number), `value` how."""

    kind: str
    key: str
    value: str


class AddressReader:
    """Reads streets, alleys, house numbers, blocks, RT and RW; words of `address_words.csv` begin them.

        AddressReader.load().read(tokens of "Jl Mawar Gang 3 no 12A RT 02 RW 05") ->
            jalan mawar, gang 3, nomor 12a, rt 2, rw 5

    Raises DataFileError for a row that cannot be used.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = {word: kind for word, kind in words.items() if kind != _FURTHER}
        self._further = frozenset(word for word, kind in words.items() if kind == _FURTHER)

    @classmethod
    def load(cls, folder: Path | None = None) -> AddressReader:
        """From a folder with address_words.csv; the packaged one by default."""
        path = (DATA / "duplicates" if folder is None else folder) / "address_words.csv"
        words = {}
        for line, row in read_table(path, ("word", "kind")):
            if row["kind"] not in (*KINDS[:-1], _FURTHER):
                raise DataFileError(path, f"kind must be one of {', '.join(KINDS[:-1])}, {_FURTHER}", line=line)
            words[row["word"].lower()] = row["kind"]
        return cls(words)

    def read(self, tokens: Tokens, names: frozenset[int]) -> frozenset[Part]:
        """The parts of a text's address; `names` are the numbers of the tokens that are no common words."""
        forms = _parted(tokens.forms)
        found = set()
        for at, (form, owner) in enumerate(forms):
            kind = self._words.get(form)
            if kind == "jalan":
                found.update(self._street(forms, at, names))
            elif kind is not None:
                value = self._value(forms, at, kind)
                if value is not None:
                    found.add(Part(kind, kind, value))
            elif owner in names and at + 1 < len(forms):
                value = _number(forms[at + 1][0], roman=True)
                if value is not None:
                    found.add(Part("nama", form, value))
        return frozenset(found)

    def _street(self, forms: list[tuple[str, int]], at: int, names: frozenset[int]) -> list[Part]:
        """The words of the street's name, up to the first common word."""
        found: list[Part] = []
        for form, owner in forms[at + 1 : at + 1 + _STREET_WORDS]:
            if form in self._words or owner not in names or _number(form, roman=True) is not None:
                break
            found.append(Part("jalan", "jalan", form))
        return found

    def _value(self, forms: list[tuple[str, int]], at: int, kind: str) -> str | None:
        """The number behind a word such as `rt`; in `rt/rw 3/5` each takes its own."""
        following = [form for form, _ in forms[at + 1 : at + 4]]
        if kind == "rt" and len(following) == 3 and self._words.get(following[0]) == "rw":
            return _number(following[1])
        if kind == "rw" and at and self._words.get(forms[at - 1][0]) == "rt" and len(following) > 1:
            return _number(following[1])
        if following and self._words.get(following[0]) == "nomor":
            following = following[1:]
        if not following:
            return None
        value = _number(following[0], roman=kind in _NAMED)
        if value is None and kind in _NAMED and following[0] not in self._words:
            further = following[1] if len(following) > 1 else ""
            number = _number(further, roman=True)
            return " ".join([following[0], *([number] if number else [further] if further in self._further else [])])
        return value


def _parted(forms: tuple[str, ...]) -> list[tuple[str, int]]:
    """Words with the number of the token each is from; `rt03` becomes `rt` and `03`."""
    parted: list[tuple[str, int]] = []
    for owner, form in enumerate(forms):
        joined = _JOINED.fullmatch(form)
        parts = joined.groups() if joined else (form,)
        parted += [(part, owner) for part in parts]
    return parted


def _number(form: str, *, roman: bool = False) -> str | None:
    """A number as written in one way, without zeros in front: 03 -> 3, 12A -> 12a, IV -> 4; None if it is none."""
    match = _NUMBER.fullmatch(form)
    if match:
        return match[1] + match[2]
    if roman and _ROMAN.fullmatch(form):
        values = [_VALUES[letter] for letter in form]
        return str(sum(-v if v < max(values[i:]) else v for i, v in enumerate(values)))
    return None
