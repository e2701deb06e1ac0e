"""VectorIndex: the vectors of many reports in memory, in compact form, and the nearest of them to one.

Cosine of whole numbers in order of size; exact while few enough reports share the place, else a first pass over their
signs picks `_RESCORED` and only those are compared in full.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EXACT = 20_000
_RESCORED = 4_000
_GROWTH = 1.5
_NOWHERE = -1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Entries:
    """Reports to add: `rows` are their numbers in the store, shape (n,); `vectors` int8, shape (n, numbers kept); `has`
    whether each has a vector; `places` their kab/kota."""

    rows: NDArray[np.int64]
    vectors: NDArray[np.int8]
    has: NDArray[np.bool_]
    places: Sequence[str | None]


class VectorIndex:
    """Rows only ever come with rising numbers. Not thread-safe: its owner locks."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._count = 0
        self._rows = np.empty(0, dtype=np.int64)
        self._vectors = np.empty((0, dimension), dtype=np.int8)
        self._signs = np.empty((0, -(-dimension // 64)), dtype=np.uint64)
        self._place = np.empty(0, dtype=np.int32)
        self._alive = np.empty(0, dtype=np.bool_)
        self._numbers: dict[str, int] = {}
        self._at: dict[int, array[int]] = {}
        self._dead = 0

    def __len__(self) -> int:
        return self._count - self._dead

    def add(self, entries: Entries) -> None:
        """Add reports. Raises ValueError for a row number that is not above those before it."""
        count = len(entries.rows)
        if not count:
            return
        if (np.diff(entries.rows) <= 0).any() or (self._count and entries.rows[0] <= self._rows[self._count - 1]):
            raise ValueError("rows must rise")
        self._reserve(self._count + count)
        at = slice(self._count, self._count + count)
        self._rows[at] = entries.rows
        self._vectors[at] = entries.vectors
        self._signs[at] = _signs(entries.vectors, self._signs.shape[1])
        numbers = [self._number(place) for place in entries.places]
        self._place[at] = numbers
        self._alive[at] = entries.has
        self._dead += int((~entries.has).sum())
        for position, number in enumerate(numbers, self._count):
            self._at.setdefault(number, array("i")).append(position)
        self._count += count

    def remove(self, rows: Sequence[int]) -> None:
        """Take reports out; their vectors are overwritten. Rows that are not there do not matter."""
        for row in rows:
            at = int(np.searchsorted(self._rows[: self._count], row))
            if at < self._count and self._rows[at] == row and self._alive[at]:
                self._alive[at] = False
                self._vectors[at] = 0
                self._signs[at] = 0
                self._dead += 1

    def nearest(self, vector: NDArray[np.int8], most: int, *, place: str | None = None) -> list[tuple[int, float]]:
        """Up to `most` rows with their cosine, best first, newer rows first among equals.

        With a place: among the reports of that place and those without one.
        """
        where = self._pool(place)
        if where is None or len(where) > _EXACT:
            where = self._by_signs(vector, where)
        if not len(where):
            return []
        chosen = self._vectors[where].astype(np.float32)
        mine = vector.astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", chosen, chosen)) * np.linalg.norm(mine)
        scores = (chosen @ mine) / np.maximum(lengths, 1.0)
        order = np.lexsort((-self._rows[where], -scores))[:most]
        return [(int(self._rows[where[i]]), float(scores[i])) for i in order]

    def _pool(self, place: str | None) -> NDArray[np.integer[Any]] | None:
        """The positions to look at; None for all, when they are many."""
        if place is None:
            return np.flatnonzero(self._alive[: self._count]) if self._count <= _EXACT else None
        parts = [self._at.get(number) for number in (self._numbers.get(place, -2), _NOWHERE)]
        found = np.concatenate([np.empty(0, np.int32), *(np.frombuffer(part, np.int32) for part in parts if part)])
        alive: NDArray[np.int32] = found[self._alive[found]]
        return alive

    def _by_signs(self, vector: NDArray[np.int8], where: NDArray[np.integer[Any]] | None) -> NDArray[np.integer[Any]]:
        """The positions whose signs agree most with the vector's; about `_RESCORED`, with all that are equally near."""
        mine = _signs(vector[None, :], self._signs.shape[1])[0]
        signs = self._signs[: self._count] if where is None else self._signs[where]
        distance = np.bitwise_count(signs[:, 0] ^ mine[0])
        for k in range(1, signs.shape[1]):
            distance = distance + np.bitwise_count(signs[:, k] ^ mine[k])
        if where is None and self._dead:
            distance[~self._alive[: self._count]] = 255
        within = np.searchsorted(np.cumsum(np.bincount(distance, minlength=256)[:255]), _RESCORED)
        near = np.flatnonzero(distance <= min(int(within), 254))
        return near if where is None else where[near]

    def _number(self, place: str | None) -> int:
        return _NOWHERE if place is None else self._numbers.setdefault(place, len(self._numbers))

    def _reserve(self, count: int) -> None:
        size = len(self._rows)
        if count <= size:
            return
        size = max(count, int(size * _GROWTH), 1024)
        for name in ("_rows", "_vectors", "_signs", "_place", "_alive"):
            former = getattr(self, name)
            grown = np.empty((size, *former.shape[1:]), dtype=former.dtype)
            grown[: self._count] = former[: self._count]
            setattr(self, name, grown)


def _signs(vectors: NDArray[np.int8], words: int) -> NDArray[np.uint64]:
    """The signs of vectors as bits, shape (n, words)."""
    bits = np.packbits(vectors > 0, axis=1)
    padded = np.zeros((len(vectors), words * 8), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)
