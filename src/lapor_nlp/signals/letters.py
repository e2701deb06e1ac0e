"""Letters: whether a word could be one, by its pairs of letters."""

from __future__ import annotations

import math
from collections.abc import Iterable

_EDGE = "`"
_ALPHABET = 27
_SMOOTH = 0.3


class Letters:
    """How usual the letter pairs of a word are, next to those of known words.

    Letters(["jalan", "rusak", ...]).score("asdkjh") is far below .score("kalurahan"). The score is the mean log
    probability of a letter after the one before it, word ends included; no word is looked up.
    """

    def __init__(self, words: Iterable[str]) -> None:
        pairs: dict[str, int] = {}
        firsts: dict[str, int] = {}
        for word in words:
            for a, b in _pairs(word):
                pairs[a + b] = pairs.get(a + b, 0) + 1
                firsts[a] = firsts.get(a, 0) + 1
        letters = [chr(code) for code in range(ord(_EDGE), ord("z") + 1)]
        self._logs = {
            a + b: math.log((pairs.get(a + b, 0) + _SMOOTH) / (firsts.get(a, 0) + _SMOOTH * _ALPHABET))
            for a in letters
            for b in letters
        }

    def score(self, word: str) -> float:
        """Mean log probability of the letters of a lower-case word; 0 when it has others than a to z."""
        logs = [self._logs.get(a + b, 0.0) for a, b in _pairs(word)]
        return sum(logs) / len(logs)


def _pairs(word: str) -> Iterable[tuple[str, str]]:
    return zip(_EDGE + word, word + _EDGE, strict=True)
