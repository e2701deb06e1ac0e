"""TraceStore: where traces are kept. Kinds of stores give equal answers; they differ in where the data lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.trace import NAME, Trace

KEYS_KEPT = 24
"""Most keys of a report that are kept to find it by its sender, address or wording."""

KEYS_ASKED = 14
"""Most keys of a report that are looked up."""

NEWEST = 200
"""Most reports that are looked at for one key: the latest."""

LOOKED_THROUGH = 1_000
"""Most reports of a key that are looked through for those of one place."""

_SENDER, _PART, _NAME = 400, 96, 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """An officer's verdict on two reports: that `child` repeats `parent`, or that it does not."""

    child: str
    parent: str
    repeats: bool = True


class TraceStore(Protocol):
    """What a store offers. Reports have row numbers that rise with every `put`; safe for several threads."""

    def __len__(self) -> int:
        """The number of reports."""

    def put(self, traces: Sequence[Trace]) -> None:
        """Keep traces, all or none; one with the id of an earlier one takes its place. Raises StoreError."""

    def delete(self, ids: Iterable[str]) -> int:
        """Delete reports for good, with their verdicts; how many there were. Raises StoreError."""

    def rows_of(self, ids: Sequence[str]) -> dict[str, int]:
        """The row of each id that is kept."""

    def fetch(self, rows: Sequence[int]) -> list[Trace]:
        """The traces of rows that are kept, in the order asked for."""

    def nearest(self, vector: NDArray[np.int8], most: int, *, place: str | None) -> list[tuple[int, float]]:
        """Up to `most` rows with the cosine of their vectors, best first, newer first among equals.

        With a place (kab/kota): among the reports of it and those without a place.
        """

    def holding(self, key: int, *, place: str | None) -> list[int]:
        """Rows that hold a key, newest first, at most NEWEST; of the last LOOKED_THROUGH those that fit the place."""

    def put_link(self, link: Link) -> None:
        """Keep a verdict; a later one on the same two takes its place. Raises StoreError."""

    def delete_link(self, child: str, parent: str) -> bool:
        """Take a verdict back; whether there was one."""

    def links(self, ids: Iterable[str]) -> list[Link]:
        """The verdicts in which any of the reports stands, in order of child and parent."""

    def close(self) -> None:
        """Let go of files and connections."""


def keys(trace: Trace) -> list[tuple[int, int]]:
    """What a report can be found by, as (key, weight), heaviest first: sender, address, rare words."""
    found = [] if trace.sender is None else [(_key(b"sender", trace.sender), _SENDER)]
    found += [(_key(b"part", int(value)), _PART) for _, _, value in trace.address]
    found += [
        (_key(b"word", word), (mark & ~NAME) + (_NAME if mark & NAME else 0))
        for word, mark in zip(trace.words.tolist(), trace.marks.tolist(), strict=True)
    ]
    return sorted(dict(found).items(), key=lambda pair: (-pair[1], pair[0]))


def kept_keys(trace: Trace) -> list[int]:
    """The keys that a store keeps of a report."""
    return [key for key, _ in keys(trace)[:KEYS_KEPT]]


def asked_keys(trace: Trace) -> list[tuple[int, int]]:
    """The keys that a report is looked up by, with their weights."""
    return keys(trace)[:KEYS_ASKED]


def _key(kind: bytes, value: int) -> int:
    return crc32(kind + value.to_bytes(8, "little"))
