"""Trace: what is remembered of a report so that repeats of it can be found. It holds no text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAME = 0x80
"""The bit of a word's mark that says: no common word."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trace:
    """One report as the detector sees it.

    `vector` holds whole numbers, shape (numbers kept,): the encoder's projection times 127; None without an encoder.
    `words` are hashes of its different words, ascending, shape (n,); `marks` their rarity in eighths (below 128), with
    the bit NAME where the word is no common one. `address` holds the parts of an address, shape (m, 3): kind, hash of
    what is told apart, hash of how. Codes are of Kemendagri; `time` is in minutes since 1970 (UTC where the report
    said so),
    `sender` a hash; `recurring` says that the topic is one whose faults come back, `again` that the text itself speaks
    of an earlier report.
    """

    id: str
    vector: NDArray[np.int8] | None
    words: NDArray[np.uint32]
    marks: NDArray[np.uint8]
    address: NDArray[np.uint32]
    kabkota: str | None = None
    kecamatan: str | None = None
    desa: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    time: int | None = None
    topic: str = ""
    recurring: bool = False
    again: bool = False
    sender: int | None = None
    confidential: bool = False
