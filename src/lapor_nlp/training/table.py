"""Table: labelled reports out of a file of any size, checked row by row, kept on disk and mapped into memory."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, overload
from uuid import uuid4

from lapor_nlp.errors import MissingExtraError, TrainingDataError
from lapor_nlp.training.sources import BLOCK, Columns, Intake, Reading, label_column, open_source

try:
    import pyarrow as pa
    from datasets import Dataset
except ModuleNotFoundError as error:
    raise MissingExtraError("train", "datasets") from error


class Column(Sequence[Any]):
    """One column of a table, read from disk as it is used: a walk over it holds one block at a time."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self._dataset = dataset.select_columns([name]).with_format("arrow")
        self._name = name

    def __len__(self) -> int:
        return len(self._dataset)

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return self._dataset[at][self._name].to_pylist()
        return self._dataset[at][self._name][0].as_py()

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self), BLOCK):
            yield from self[start : start + BLOCK]


class Table:
    """Labelled reports. Made by `read_labelled`; the file behind it goes when the last table that uses it goes.

    `texts` are as the router reads them, title first. A label is None where it is not known; no row lacks all.
    """

    def __init__(
        self, dataset: Dataset, *, heads: tuple[str, ...], source: Path, intake: Intake, folder: _Folder
    ) -> None:
        self.dataset = dataset
        self.heads = heads
        self.source = source
        self.intake = intake
        self._folder = folder

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def texts(self) -> Sequence[str]:
        return Column(self.dataset, "text")

    @property
    def ids(self) -> Sequence[str]:
        """Ids as the source gives them, else the line or row number. Not checked for being different."""
        return Column(self.dataset, "id")

    @property
    def times(self) -> list[datetime | None]:
        """Without offset: times that had one are carried to WIB."""
        return Column(self.dataset, "time")[:]

    @property
    def regions(self) -> list[str | None]:
        return _shared(self.dataset, "region")

    @property
    def rejects(self) -> tuple[tuple[int, str], ...]:
        """The first KEPT rows of the source that could not be used, as (line, reason)."""
        return self.intake.rejects

    @property
    def rejected(self) -> int:
        """How many rows of the source could not be used."""
        return sum(self.intake.rejected.values())

    def labels(self, head: str) -> list[str | None]:
        """One label a row."""
        return _shared(self.dataset, self._column(head))

    def select(self, indices: Iterable[int]) -> Table:
        """The rows of these numbers, in this order."""
        rows = [int(i) for i in indices]
        return self._with(self.dataset.select(rows, new_fingerprint=uuid4().hex), self._folder)

    def relabel(self, head: str, change: Callable[[str], str | None]) -> Table:
        """The table with each label of a head changed; rows that keep no label are left out."""
        name = self._column(head)
        carried = lru_cache(maxsize=None)(change)

        def rows() -> Iterator[dict[str, Any]]:
            columns = [label_column(head) for head in self.heads]
            for row in self._rows():
                row[name] = None if row[name] is None else carried(row[name])
                if any(row[column] is not None for column in columns):
                    yield row

        folder = _Folder(self._folder.path.parent)
        return self._with(_store(rows(), self.heads, folder), folder)

    def _rows(self) -> Iterator[dict[str, Any]]:
        dataset = self.dataset.with_format("arrow")
        for start in range(0, len(self), BLOCK):
            yield from dataset[start : start + BLOCK].to_pylist()

    def _with(self, dataset: Dataset, folder: _Folder) -> Table:
        return Table(dataset, heads=self.heads, source=self.source, intake=self.intake, folder=folder)

    def _column(self, head: str) -> str:
        if head not in self.heads:
            raise TrainingDataError(f"the table has no head {head!r}; it has {', '.join(self.heads) or 'none'}")
        return label_column(head)


def read_labelled(
    path: Path,
    *,
    labels: Sequence[str],
    text: str = "text",
    id: str | None = None,
    time: str | None = None,
    title: str | None = None,
    region: str | None = None,
    cache: Path | None = None,
) -> Table:
    """Read labelled reports from CSV, TSV, JSON lines, Parquet or a folder saved by `datasets`.

    `text`, `id`, `time`, `title` and `region` name columns; where they are not given, the names that
    `lapor_nlp.report.field_of` knows count, and nomor, waktu, created_at and the like. Each of `labels` is a column
    and becomes a head; without any the rows stay unlabelled. Rows that cannot be used become rejects. The rows are
    kept in a temporary folder under `cache` (by default that of the system), not in memory.

    Raises ReadError when the source cannot be read at all, TrainingDataError when it lacks a column, holds no rows,
    or when the folder cannot be written.
    """
    path = Path(path)
    if len(set(labels)) != len(labels):
        raise TrainingDataError(f"a label column is named twice: {', '.join(labels)}")
    wanted = Columns(text=text, id=id, time=time, title=title, region=region, labels=tuple(labels))
    reading = Reading(path, wanted)
    folder = _Folder(cache)
    dataset = _store(reading.rows(open_source(path, wanted)), wanted.labels, folder)
    return Table(dataset, heads=wanted.labels, source=path, intake=reading.intake(), folder=folder)


class _Folder:
    """A temporary folder that goes with its last user, or when the program ends."""

    def __init__(self, parent: Path | None) -> None:
        try:
            if parent is not None:
                parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix="lapor-nlp-", dir=parent))
        except OSError as error:
            raise _unwritable(parent or Path(tempfile.gettempdir()), error) from error
        weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _store(rows: Iterator[dict[str, Any]], heads: Sequence[str], folder: _Folder) -> Dataset:
    """Write rows into an Arrow file of the folder, a block at a time, and map it into memory."""
    strings = ("id", "text", "region", *map(label_column, heads))
    schema = pa.schema([*((name, pa.string()) for name in strings), ("time", pa.timestamp("us"))])
    file = folder.path / "rows.arrow"
    with _Writer(file, schema) as writer:
        block: list[dict[str, Any]] = []
        for row in rows:
            block.append(row)
            if len(block) == BLOCK:
                writer.write(block)
                block = []
        writer.write(block)
    return Dataset.from_file(str(file))


class _Writer:
    """An Arrow stream whose failures to write are TrainingDataError."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._file = file
        self._schema = schema

    def __enter__(self) -> _Writer:
        try:
            self._sink = pa.OSFile(str(self._file), "wb")
            self._stream = pa.ipc.new_stream(self._sink, self._schema)
        except OSError as error:
            raise _unwritable(self._file.parent, error) from error
        return self

    def write(self, rows: list[dict[str, Any]]) -> None:
        batch = pa.RecordBatch.from_pylist(rows, schema=self._schema)
        try:
            self._stream.write_batch(batch)
        except OSError as error:
            raise _unwritable(self._file.parent, error) from error

    def __exit__(self, *_: object) -> None:
        try:
            self._stream.close()
            self._sink.close()
        except OSError as error:
            raise _unwritable(self._file.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> TrainingDataError:
    why = error.strerror or str(error)
    return TrainingDataError(f"{folder} cannot be written: {why}; free some space, or name another folder (cache)")


def _shared(dataset: Dataset, name: str) -> list[str | None]:
    """The values of a column of few different texts; equal ones are one object."""
    values: list[str | None] = []
    known: dict[str | None, str | None] = {}
    for value in Column(dataset, name):
        values.append(known.setdefault(value, value))
    return values
