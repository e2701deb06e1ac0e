"""TraceReader: from a report that was read to its trace."""

from __future__ import annotations

from datetime import UTC
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.address import KINDS, AddressReader
from lapor_nlp.duplicates.trace import NAME, Trace
from lapor_nlp.place import Location
from lapor_nlp.report import Report
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.phrases import PhraseTable
from lapor_nlp.text.tokens import Tokens
from lapor_nlp.text.wordlist import Wordlist

_MOST_WORDS = 96
_MOST_PARTS = 24
_SURE_PLACE = 0.5


class TraceReader:
    """Reads traces. What is kept of a text is bounded: its rarest words and the first parts of an address."""

    def __init__(
        self, *, wordlist: Wordlist, addresses: AddressReader, again: PhraseTable, recurring: frozenset[str]
    ) -> None:
        self._wordlist = wordlist
        self._addresses = addresses
        self._again = again
        self._recurring = recurring

    @classmethod
    def load(cls, wordlist: Wordlist, folder: Path | None = None) -> TraceReader:
        """From a folder with address_words.csv, again.csv and recurring.csv; the packaged one by default. Raises
        DataFileError.
        """
        path = DATA / "duplicates" if folder is None else folder
        phrases = [row["phrase"] for _, row in read_table(path / "again.csv", ("phrase",))]
        return cls(
            wordlist=wordlist,
            addresses=AddressReader.load(folder),
            again=PhraseTable(phrases),
            recurring=frozenset(row["topic"] for _, row in read_table(path / "recurring.csv", ("topic",))),
        )

    def words(self, tokens: Tokens) -> list[str]:
        """The different words of a text in standard form, in order."""
        return list(dict.fromkeys(part for standard in tokens.standard for part in standard.split(" ")))

    def read(
        self,
        report: Report,
        tokens: Tokens,
        location: Location,
        *,
        rarity: NDArray[np.float64],
        vector: NDArray[np.float32] | None,
        topic: str,
    ) -> Trace:
        """The trace of a report. `rarity` is that of `words(tokens)`, `vector` the projection, of length 1."""
        words = self.words(tokens)
        marks = np.clip(np.rint(rarity * 8), 0, NAME - 1).astype(np.uint8)
        common = self._wordlist.is_common
        marks |= np.where([common(word) or not word.isalpha() for word in words], 0, NAME).astype(np.uint8)
        hashes = np.array([crc32(word.encode()) for word in words], dtype=np.uint32)
        kept = np.argsort(-(marks & ~np.uint8(NAME)).astype(np.int16), kind="stable")[:_MOST_WORDS]
        kept = kept[np.argsort(hashes[kept], kind="stable")]
        best = location.best
        if best is not None and (best.is_province or best.confidence < _SURE_PLACE):
            best = None
        return Trace(
            id=report.id,
            vector=None if vector is None else np.rint(vector * 127).astype(np.int8),
            words=hashes[kept],
            marks=marks[kept],
            address=self._address(tokens),
            kabkota=None if best is None else best.code,
            kecamatan=None if best is None else best.kecamatan,
            desa=None if best is None else best.desa,
            latitude=report.latitude,
            longitude=report.longitude,
            time=_minutes(report),
            topic=topic,
            recurring=topic in self._recurring,
            again=bool(self._again.find(tokens)),
            sender=None if report.sender is None else _hash(report.sender),
            confidential=report.confidential,
        )

    def _address(self, tokens: Tokens) -> NDArray[np.uint32]:
        names = frozenset(
            i for i, form in enumerate(tokens.forms) if form.isalpha() and not self._wordlist.is_common(form)
        )
        parts = sorted(
            (KINDS.index(part.kind), crc32(part.key.encode()), crc32(f"{part.key} {part.value}".encode()))
            for part in self._addresses.read(tokens, names)
        )
        return np.array(parts[:_MOST_PARTS], dtype=np.uint32).reshape(-1, 3)


def _hash(sender: str) -> int:
    """A number of 63 bits that SQLite can hold."""
    return int.from_bytes(sha256(sender.encode("utf-8", "replace")).digest()[:8], "little") >> 1


def _minutes(report: Report) -> int | None:
    if report.time is None:
        return None
    time = report.time if report.time.tzinfo is not None else report.time.replace(tzinfo=UTC)
    return int(time.timestamp() // 60)
