"""PhraseTable: finds the phrases of a table in the words of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lapor_nlp.text.tokens import Tokens

_GAP = 3


@dataclass(frozen=True, slots=True)
class Match:
    """Phrase number `row` was found at [start, end), offsets into the text; words `first` to `last` inclusive."""

    row: int
    start: int
    end: int
    first: int
    last: int


class PhraseTable:
    """A compiled list of phrases, searched over words rather than characters.

    A phrase is one or more words parted by blanks. A word may be `jalan` (that word), `bocor*` (words that
    begin so), `kades|lurah` (one of these), `?` (any one word) or `...` (up to three words, between two
    others). A word of the text fits when its written or its standard form does, so that
    `jalan rusak` also finds "jln rusak", and "dalan rusak" where the text is Javanese. A standard form of
    several words counts as those words.

        PhraseTable(["lampu ... mati", "gelap gulita"]).find(tokens)

    The matches are in order of their place in the text. Raises ValueError for an empty phrase
    or one that begins or ends with a gap.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self._exact: dict[str, list[int]] = {}
        self._prefix: dict[str, list[int]] = {}
        self._words: list[tuple[_Word, ...]] = []
        for row, phrase in enumerate(phrases):
            parts = phrase.lower().split()
            if not parts:
                raise ValueError("an empty phrase")
            if parts[0] in ("...", "?") or parts[-1] == "...":
                raise ValueError(f"the phrase {phrase!r} begins or ends with a gap")
            compiled = tuple(_Word.compile(part) for part in parts)
            self._words.append(compiled)
            for word in compiled[0].exact:
                self._exact.setdefault(word, []).append(row)
            for prefix in compiled[0].prefixes:
                self._prefix.setdefault(prefix, []).append(row)
        self._lengths = sorted({len(p) for p in self._prefix})

    def find(self, tokens: Tokens) -> list[Match]:
        """All matches in `tokens`, each phrase at most once for each starting word."""
        units, owners = _units(tokens)
        matches = []
        for at, unit in enumerate(units):
            seen: set[int] = set()
            for form in unit:
                seen.update(self._exact.get(form, ()))
                for length in self._lengths:
                    if length > len(form):
                        break
                    seen.update(self._prefix.get(form[:length], ()))
            for row in sorted(seen):
                last = _extend(self._words[row], 1, units, at + 1)
                if last is not None:
                    first_word, last_word = owners[at], owners[last]
                    matches.append(
                        Match(row, tokens.starts[first_word], tokens.ends[last_word], first_word, last_word)
                    )
        return matches


@dataclass(frozen=True, slots=True)
class _Word:
    exact: frozenset[str]
    prefixes: tuple[str, ...]
    any: bool = False
    gap: bool = False

    @classmethod
    def compile(cls, part: str) -> _Word:
        if part == "...":
            return cls(frozenset(), (), gap=True)
        if part == "?":
            return cls(frozenset(), (), any=True)
        choices = part.split("|")
        if not all(re.fullmatch(r"[^\W_]+(?:['’][^\W_]+)?\*?", c) for c in choices):
            raise ValueError(f"{part!r} is not a word, word*, word|word, ? or ...")
        return cls(
            frozenset(c for c in choices if not c.endswith("*")),
            tuple(c[:-1] for c in choices if c.endswith("*")),
        )

    def fits(self, unit: tuple[str, ...]) -> bool:
        if self.any:
            return True
        return any(form in self.exact or (self.prefixes and form.startswith(self.prefixes)) for form in unit)


def _units(tokens: Tokens) -> tuple[list[tuple[str, ...]], list[int]]:
    """Single words with their alternatives, and the token each belongs to."""
    units: list[tuple[str, ...]] = []
    owners: list[int] = []
    for i, (form, standard) in enumerate(zip(tokens.forms, tokens.standard, strict=True)):
        parts = standard.split(" ")
        for k, part in enumerate(parts):
            units.append((part,) if part == form or k else (form, part))
            owners.append(i)
    return units, owners


def _extend(phrase: tuple[_Word, ...], k: int, units: list[tuple[str, ...]], at: int) -> int | None:
    """Index of the last unit of a match of phrase[k:] from `at`, or None."""
    if k == len(phrase):
        return at - 1
    if phrase[k].gap:
        for skip in range(_GAP + 1):
            last = _extend(phrase, k + 1, units, at + skip)
            if last is not None:
                return last
        return None
    if at < len(units) and phrase[k].fits(units[at]):
        return _extend(phrase, k + 1, units, at + 1)
    return None
