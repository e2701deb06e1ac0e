"""Cues: the phrases of the tables, found in the words of a report."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import read_table
from lapor_nlp.text.phrases import PhraseTable
from lapor_nlp.text.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Span:
    """Where a cue stands: offsets [start, end) into the text, words `first` to `last` inclusive."""

    start: int
    end: int
    first: int
    last: int


class Cues:
    """Finds the cues of cues.csv (phrases), patterns.csv (regular expressions) and unions.csv (of other cues).

    Cues.load(folder).find(text, tokens) -> {"api": [Span(...)], "orang": [Span(...), Span(...)]}
    """

    def __init__(
        self,
        phrases: Sequence[tuple[str, str]],
        patterns: Mapping[str, tuple[str, re.Pattern[str]]],
        unions: Mapping[str, tuple[str, ...]],
    ) -> None:
        self._table = PhraseTable(phrase for _, phrase in phrases)
        self._phrases = phrases
        self._names = [name for name, _ in phrases]
        self._patterns = patterns
        self._unions: dict[str, list[str]] = {}
        for union, members in unions.items():
            for member in members:
                self._unions.setdefault(member, []).append(union)
        self.names = frozenset(self._names) | frozenset(patterns) | frozenset(unions)

    @classmethod
    def load(cls, folder: Path) -> Cues:
        """Raises DataFileError, with the line, for a phrase, macro, pattern or member that cannot be used."""
        source = folder / "macros.csv"
        macros: dict[str, str] = {}
        for line, row in read_table(source, ("name", "words")):
            _refuse_twice(row["name"], macros, source, line)
            macros[row["name"]] = row["words"]
        phrases: list[tuple[str, str]] = []
        source = folder / "cues.csv"
        for line, row in read_table(source, ("cue", "phrases")):
            for phrase in filter(None, map(str.strip, row["phrases"].split(";"))):
                try:
                    expanded = _expand(phrase, macros)
                    PhraseTable(expanded)
                except (KeyError, ValueError) as error:
                    raise DataFileError(source, f"cannot use the phrase {phrase!r}: {error}", line=line) from error
                phrases.extend((row["cue"], one) for one in expanded)
        patterns: dict[str, tuple[str, re.Pattern[str]]] = {}
        source = folder / "patterns.csv"
        for line, row in read_table(source, ("cue", "needs", "pattern")):
            _refuse_twice(row["cue"], patterns, source, line)
            try:
                patterns[row["cue"]] = (row["needs"], re.compile(row["pattern"], re.IGNORECASE))
            except re.error as error:
                raise DataFileError(source, f"cannot use the pattern: {error}", line=line) from error
        known = {name for name, _ in phrases}.union(patterns)
        unions: dict[str, tuple[str, ...]] = {}
        source = folder / "unions.csv"
        for line, row in read_table(source, ("cue", "members")):
            _refuse_twice(row["cue"], unions, source, line)
            unions[row["cue"]] = members = tuple(row["members"].split())
            if absent := set(members) - known:
                raise DataFileError(source, f"unknown cues: {', '.join(sorted(absent))}", line=line)
        return cls(phrases, patterns, unions)

    def find(self, text: str, tokens: Tokens) -> dict[str, list[Span]]:
        """All cues with the places where they stand, in order; a cue that is not there is no key."""
        found: dict[str, list[Span]] = {}
        for match in self._table.find(tokens):
            span = Span(match.start, match.end, match.first, match.last)
            found.setdefault(self._names[match.row], []).append(span)
        for name, (needs, pattern) in self._patterns.items():
            if not any(char in text for char in needs):
                continue
            spans = [_span(m.start(), m.end(), tokens) for m in pattern.finditer(text)]
            if spans:
                found[name] = spans
        for member in [name for name in found if name in self._unions]:
            for union in self._unions[member]:
                found.setdefault(union, []).extend(found[member])
        return found

    def vocabulary(self, skip: frozenset[str] = frozenset()) -> frozenset[str]:
        """The whole words that stand in the phrases, those of the cues in `skip` left out."""
        return frozenset(
            word
            for name, phrase in self._phrases
            if name not in skip
            for part in phrase.split()
            for word in part.split("|")
            if word.isalpha()
        )


def _refuse_twice(name: str, seen: Container[str], source: Path, line: int) -> None:
    if name in seen:
        raise DataFileError(source, f"{name} stands twice", line=line)


def _expand(phrase: str, macros: Mapping[str, str]) -> list[str]:
    """The phrases that a cell stands for: macros put in, and choices of several words (`ular|king_kobra`) apart."""
    slots = []
    for part in re.sub(r"@(\w+)", lambda match: macros[match.group(1)], phrase).split():
        choices = part.split("|")
        single = "|".join(choice for choice in choices if "_" not in choice)
        slots.append([single] * bool(single) + [choice.replace("_", " ") for choice in choices if "_" in choice])
    return [" ".join(words) for words in product(*slots)]


def _span(start: int, end: int, tokens: Tokens) -> Span:
    """The span of a pattern, with the words nearest to it."""
    first = max(0, bisect_right(tokens.ends, start))
    last = max(first, bisect_right(tokens.starts, max(start, end - 1)) - 1)
    return Span(start, end, first, last)
