"""Traces for tests: read from invented sentences by the packaged tables, with vectors of hashed words."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any
from zlib import crc32

import numpy as np

from lapor_nlp.duplicates.reader import TraceReader
from lapor_nlp.duplicates.trace import Trace
from lapor_nlp.place import Location, Place
from lapor_nlp.report import Report
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

DIMENSION = 64
SLEMAN = Place(code="34.04", name="Kabupaten Sleman", confidence=0.9)
BANTUL = Place(code="34.02", name="Kabupaten Bantul", confidence=0.9)


@cache
def wordlist() -> Wordlist:
    return Wordlist.load()


@cache
def reader() -> TraceReader:
    return TraceReader.load(wordlist())


def trace(
    name: str,
    text: str,
    *,
    place: Place | None = SLEMAN,
    topic: str = "penerangan-jalan",
    day: int | None = 1,
    **fields: Any,
) -> Trace:
    """A trace of a text; words weigh the same, the vector is the sum of one direction a word."""
    time = None if day is None else datetime.fromordinal(datetime(2026, 1, 1).toordinal() + day)
    report = Report(id=name, text=text, time=time, **fields)
    tokens = wordlist().tokens(clean(report.reading))
    words = reader().words(tokens)
    vector = sum((direction(word) for word in words), np.zeros(DIMENSION, dtype=np.float32))
    length = float(np.linalg.norm(vector))
    return reader().read(
        report,
        tokens,
        Location(places=() if place is None else (place,)),
        rarity=np.full(len(words), 5.0),
        vector=vector / length if length else vector,
        topic=topic,
    )


def direction(word: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(crc32(word.encode())).normal(size=DIMENSION).astype(np.float32)
