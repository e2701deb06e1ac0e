"""Tokens: the words of a cleaned text with their offsets, and their standard forms."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The words of one text, as parallel tuples of the same length.

    `forms` are lower-case as written, `standard` the Indonesian standard forms (slang, abbreviations and
    regional words replaced; the form itself where there is nothing to replace; a standard form may hold
    spaces, when one written word stands for several), `starts`/`ends` are code-point offsets.
    """

    forms: tuple[str, ...]
    standard: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.forms)


def words(text: str) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """Lower-case words of a text with their start and end offsets.

    words("Jl. Mawar no 5") -> ("jl", "mawar", "no", "5"), (0, 4, 10, 13), (2, 9, 12, 14)
    """
    forms, starts, ends = [], [], []
    for match in _WORD.finditer(text):
        forms.append(match.group().lower())
        starts.append(match.start())
        ends.append(match.end())
    return tuple(forms), tuple(starts), tuple(ends)
