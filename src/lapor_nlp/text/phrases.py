"""PhraseTable: finds the phrases of a table in the words of a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lapor_nlp.text.tokens import Tokens

_LONGEST_GAP = 3
_REMEMBERED = 100_000
_ANY = -1
_GAP = -2
_SPECIAL = {"?": _ANY, "...": _GAP}


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
        ids: dict[_Word, int] = {}
        self._phrases: list[tuple[int, ...]] = []
        self._needs: list[frozenset[int]] = []
        self._starting: dict[int, list[int]] = {}
        for row, phrase in enumerate(phrases):
            parts = phrase.lower().split()
            if not parts:
                raise ValueError("an empty phrase")
            if parts[0] in ("...", "?") or parts[-1] == "...":
                raise ValueError(f"the phrase {phrase!r} begins or ends with a gap")
            compiled = tuple(
                _SPECIAL[part] if part in _SPECIAL else ids.setdefault(_Word.compile(part), len(ids)) for part in parts
            )
            self._phrases.append(compiled)
            self._needs.append(frozenset(word for word in compiled[1:] if word >= 0))
            self._starting.setdefault(compiled[0], []).append(row)
        self._exact: dict[str, list[int]] = {}
        self._prefix: dict[str, list[int]] = {}
        for word, number in ids.items():
            for form in word.exact:
                self._exact.setdefault(form, []).append(number)
            for prefix in word.prefixes:
                self._prefix.setdefault(prefix, []).append(number)
        self._lengths = sorted({len(prefix) for prefix in self._prefix})
        self._seen: dict[tuple[str, ...], tuple[frozenset[int], tuple[int, ...]]] = {}

    def find(self, tokens: Tokens) -> list[Match]:
        """All matches in `tokens`, each phrase at most once for each starting word."""
        units, owners = _units(tokens)
        seen = self._seen
        looked_up = [seen.get(unit) or self._look_up(unit) for unit in units]
        words = [ids for ids, _ in looked_up]
        present = frozenset[int]().union(*words)
        matches = []
        for at, (_, rows) in enumerate(looked_up):
            for row in rows:
                if not self._needs[row] <= present:
                    continue
                last = _extend(self._phrases[row], 1, words, at + 1)
                if last is not None:
                    first_word, last_word = owners[at], owners[last]
                    matches.append(Match(row, tokens.starts[first_word], tokens.ends[last_word], first_word, last_word))
        return matches

    def _look_up(self, unit: tuple[str, ...]) -> tuple[frozenset[int], tuple[int, ...]]:
        """The words of phrases that a unit fits, and the phrases that may begin with it; remembered."""
        ids: set[int] = set()
        for form in unit:
            ids.update(self._exact.get(form, ()))
            for length in self._lengths:
                if length > len(form):
                    break
                ids.update(self._prefix.get(form[:length], ()))
        rows = sorted({row for number in ids for row in self._starting.get(number, ())})
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[unit] = found = (frozenset(ids), tuple(rows))
        return found


@dataclass(frozen=True, slots=True)
class _Word:
    exact: frozenset[str]
    prefixes: tuple[str, ...]

    @classmethod
    def compile(cls, part: str) -> _Word:
        choices = part.split("|")
        if not all(re.fullmatch(r"[^\W_]+(?:['’][^\W_]+)?\*?", c) for c in choices):
            raise ValueError(f"{part!r} is not a word, word*, word|word, ? or ...")
        return cls(
            frozenset(c for c in choices if not c.endswith("*")),
            tuple(c[:-1] for c in choices if c.endswith("*")),
        )


def _units(tokens: Tokens) -> tuple[list[tuple[str, ...]], list[int]]:
    """Single words with their alternatives, and the token each belongs to."""
    units: list[tuple[str, ...]] = []
    owners: list[int] = []
    for i, (form, standard) in enumerate(zip(tokens.forms, tokens.standard, strict=True)):
        if form == standard:
            units.append((form,))
            owners.append(i)
            continue
        for k, part in enumerate(standard.split(" ")):
            units.append((part,) if part == form or k else (form, part))
            owners.append(i)
    return units, owners


def _extend(phrase: tuple[int, ...], k: int, words: list[frozenset[int]], at: int) -> int | None:
    """Index of the last unit of a match of phrase[k:] from `at`, or None."""
    while k < len(phrase):
        word = phrase[k]
        if word == _GAP:
            for skip in range(_LONGEST_GAP + 1):
                last = _extend(phrase, k + 1, words, at + skip)
                if last is not None:
                    return last
            return None
        if at >= len(words) or (word != _ANY and word not in words[at]):
            return None
        k += 1
        at += 1
    return at - 1
