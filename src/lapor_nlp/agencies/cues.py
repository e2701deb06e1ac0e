"""Cues: the words of a report that decide which level or office answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.evidence import Evidence
from lapor_nlp.tables import read_table
from lapor_nlp.text.phrases import Match, PhraseTable
from lapor_nlp.text.tokens import Tokens

NEGATION = "~bukan"
LANDMARK = "~patokan"


@dataclass(frozen=True, slots=True)
class Cues:
    """The cues of one text: name to where it first stands."""

    found: Mapping[str, Evidence]

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def first(self, name: str) -> int | None:
        """Offset of the first mention, None when the cue is absent."""
        evidence = self.found.get(name)
        return None if evidence is None else evidence.start


class CueTable:
    """Finds the phrases of cues.csv.

    The cue `~bukan` lists words that deny a cue straight after them ("bukan jalan desa"), `~patokan` words
    that make it a landmark ("di depan RSUD"); such a mention does not count.
    """

    def __init__(self, names: tuple[str, ...], phrases: tuple[str, ...]) -> None:
        self._names = names
        self._table = PhraseTable(phrases)
        self.names = frozenset(names) - {NEGATION, LANDMARK}

    @classmethod
    def load(cls, path: Path) -> CueTable:
        """From a table cue,phrase,note. Raises DataFileError with the line of a phrase that cannot be compiled."""
        names, phrases = [], []
        for line, row in read_table(path, ("cue", "phrase", "note")):
            if not row["cue"]:
                raise DataFileError(path, "a phrase without the name of its cue", line=line)
            try:
                PhraseTable([row["phrase"]])
            except ValueError as error:
                raise DataFileError(path, str(error), line=line) from error
            names.append(row["cue"])
            phrases.append(row["phrase"])
        return cls(tuple(names), tuple(phrases))

    def find(self, tokens: Tokens) -> Cues:
        """All cues of a text; a denied or landmark mention is left out."""
        matches = self._table.find(tokens)
        blocked = {m.last + 1: m.first for m in matches if self._names[m.row] in (NEGATION, LANDMARK)}
        found: dict[str, Evidence] = {}
        for match in matches:
            name = self._names[match.row]
            if name not in found and name not in (NEGATION, LANDMARK) and not _is_blocked(match, blocked):
                found[name] = Evidence(code=name, start=match.start, end=match.end)
        return Cues(found)


def _is_blocked(match: Match, blocked: Mapping[int, int]) -> bool:
    return match.first in blocked
