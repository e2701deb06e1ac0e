"""MemoryStore: traces in memory, for the reports of one call and for grouping a file. Gone with the process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.index import Entries, VectorIndex
from lapor_nlp.duplicates.store import LOOKED_THROUGH, NEWEST, Link, kept_keys
from lapor_nlp.duplicates.trace import Trace


class MemoryStore:
    """See TraceStore. `dimension` is the number of numbers of a vector."""

    def __init__(self, dimension: int) -> None:
        self._lock = RLock()
        self._index = VectorIndex(dimension)
        self._traces: dict[int, Trace] = {}
        self._rows: dict[str, int] = {}
        self._holding: dict[int, dict[int, None]] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._traces)

    def put(self, traces: Sequence[Trace]) -> None:
        """Keep traces; one with the id of an earlier one takes its place."""
        with self._lock:
            latest = list({trace.id: trace for trace in traces}.values())
            self._drop([trace.id for trace in latest])
            rows = np.arange(self._next, self._next + len(latest))
            self._next += len(latest)
            for row, trace in zip(rows.tolist(), latest, strict=True):
                self._traces[row], self._rows[trace.id] = trace, row
                for key in kept_keys(trace):
                    self._holding.setdefault(key, {})[row] = None
            self._index.add(entries(rows, latest, self._index.dimension))

    def delete(self, ids: Iterable[str]) -> int:
        """Forget reports and their verdicts; how many there were."""
        with self._lock:
            gone = set(ids)
            for pair in [pair for pair in self._links if gone & set(pair)]:
                del self._links[pair]
            return self._drop(gone)

    def rows_of(self, ids: Sequence[str]) -> dict[str, int]:
        """The row of each id that is kept."""
        return {name: row for name in ids if (row := self._rows.get(name)) is not None}

    def fetch(self, rows: Sequence[int]) -> list[Trace]:
        """The traces of rows that are kept, in the order asked for."""
        return [trace for row in rows if (trace := self._traces.get(row)) is not None]

    def nearest(self, vector: NDArray[np.int8], most: int, *, place: str | None) -> list[tuple[int, float]]:
        """Up to `most` rows with the cosine of their vectors, best first."""
        with self._lock:
            return self._index.nearest(vector, most, place=place)

    def holding(self, key: int, *, place: str | None) -> list[int]:
        """Rows that hold a key, newest first."""
        with self._lock:
            latest = islice(reversed(self._holding.get(key, {})), LOOKED_THROUGH)
            fitting = (r for r in latest if place is None or self._traces[r].kabkota in (place, None))
            return list(islice(fitting, NEWEST))

    def put_link(self, link: Link) -> None:
        """Keep a verdict."""
        self._links[link.child, link.parent] = link

    def delete_link(self, child: str, parent: str) -> bool:
        """Take a verdict back."""
        return self._links.pop((child, parent), None) is not None

    def links(self, ids: Iterable[str]) -> list[Link]:
        """The verdicts in which any of the reports stands."""
        with self._lock:
            asked = set(ids)
            return [self._links[pair] for pair in sorted(self._links) if asked & set(pair)]

    def close(self) -> None:
        """Nothing to let go of."""

    def _drop(self, ids: Iterable[str]) -> int:
        rows = [row for name in ids if (row := self._rows.pop(name, None)) is not None]
        for row in rows:
            for key in kept_keys(self._traces.pop(row)):
                holders = self._holding[key]
                del holders[row]
                if not holders:
                    del self._holding[key]
        self._index.remove(rows)
        return len(rows)


def entries(rows: NDArray[np.int64], traces: Sequence[Trace], dimension: int) -> Entries:
    """Traces as entries of a VectorIndex."""
    vectors = np.zeros((len(traces), dimension), dtype=np.int8)
    has = np.zeros(len(traces), dtype=np.bool_)
    for at, trace in enumerate(traces):
        if trace.vector is not None:
            vectors[at], has[at] = trace.vector, True
    return Entries(rows=rows, vectors=vectors, has=has, places=[trace.kabkota for trace in traces])
