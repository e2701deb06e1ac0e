"""SqliteStore: traces in one directory, for one machine. SQLite is the truth; vectors are in memory as well.

    DIRECTORY/traces.sqlite     (and SQLite's -wal and -shm beside it while it is open)

A put or delete is on disk when it returns (write-ahead log, full sync) and whole or not there. Other processes may
read and write at the same time; writers wait for one another. What is deleted is overwritten, in the log as well.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.index import Entries, VectorIndex
from lapor_nlp.duplicates.store import LOOKED_THROUGH, NEWEST, Link, kept_keys
from lapor_nlp.duplicates.trace import Trace
from lapor_nlp.errors import StoreError

FORMAT = 1
"""Version of the file's layout that this release writes."""

FILE = "traces.sqlite"

_LOADED = 50_000
_COLUMNS = (
    "row, id, space, vector, words, marks, address, kabkota, kecamatan, desa, "
    "latitude, longitude, time, topic, recurring, again, sender, confidential"
)
_LAYOUT = f"""
CREATE TABLE space (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE report (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, space INTEGER NOT NULL, vector BLOB,
    words BLOB NOT NULL, marks BLOB NOT NULL, address BLOB NOT NULL, kabkota TEXT, kecamatan TEXT, desa TEXT,
    latitude REAL, longitude REAL, time INTEGER, topic TEXT NOT NULL, recurring INTEGER NOT NULL, again INTEGER NOT
    NULL, sender INTEGER, confidential INTEGER NOT NULL);
CREATE TABLE holding (key INTEGER, row INTEGER, place TEXT, PRIMARY KEY (key, row)) WITHOUT ROWID;
CREATE TABLE gone (number INTEGER PRIMARY KEY AUTOINCREMENT, row INTEGER NOT NULL);
CREATE TABLE link (child TEXT, parent TEXT, repeats INTEGER NOT NULL, PRIMARY KEY (child, parent)) WITHOUT ROWID;
CREATE INDEX link_parent ON link (parent);
PRAGMA user_version = {FORMAT};
"""


class SqliteStore:
    """See TraceStore. Open with `SqliteStore.open`.

    `space` names the encoder whose vectors are compared: those of another are kept, but never compared.
    """

    def __init__(self, connection: sqlite3.Connection, folder: Path, space: str, dimension: int) -> None:
        self.folder = folder
        self._connection = connection
        self._lock = RLock()
        self._index = VectorIndex(dimension)
        with self._writing() as write:
            write("INSERT OR IGNORE INTO space (name) VALUES (?)", (space,))
        self._space = int(self._one("SELECT number FROM space WHERE name = ?", (space,)))
        self._seen_row, self._seen_gone = 0, int(self._one("SELECT max(number) FROM gone") or 0)
        self._version: tuple[int, int] | None = None
        self._refresh()

    @classmethod
    def open(cls, folder: Path | str, *, space: str, dimension: int, wait: float = 30.0) -> SqliteStore:
        """Open a store, or begin one where there is none; `wait` is how many seconds to wait for another writer.

        Raises StoreError when the file is no store, damaged, written by a newer release, or cannot be written.
        """
        path = Path(folder)
        connection = None
        try:
            path.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                path / FILE, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            _prepare(connection, path)
            return cls(connection, path, space, dimension)
        except (OSError, sqlite3.Error) as error:
            if connection is not None:
                connection.close()
            raise _told(path, error) from error
        except StoreError:
            if connection is not None:
                connection.close()
            raise

    def __len__(self) -> int:
        return int(self._one("SELECT count(*) FROM report"))

    def other_spaces(self) -> int:
        """How many reports have a vector of another encoder: they are found by words and place only."""
        return int(self._one("SELECT count(*) FROM report WHERE space != ? AND vector IS NOT NULL", (self._space,)))

    def current(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are kept with this encoder: a rebuild that goes on passes them over."""
        rows = self._many("SELECT id, space FROM report WHERE id IN ({})", ids)
        return {name for name, space in rows if space == self._space}

    def put(self, traces: Sequence[Trace]) -> None:
        """Keep traces, all or none; one with the id of an earlier one takes its place. Raises StoreError."""
        latest = list({trace.id: trace for trace in traces}.values())
        if not latest:
            return
        with self._lock:
            with self._writing() as write:
                self._take_out([trace.id for trace in latest], write)
                for trace in latest:
                    row = write(
                        f"INSERT INTO report ({_COLUMNS}) VALUES (NULL{', ?' * 17})", _record(trace, self._space)
                    ).lastrowid
                    for key in kept_keys(trace):
                        write("INSERT INTO holding VALUES (?, ?, ?)", (key, row, trace.kabkota))
            self._refresh()

    def delete(self, ids: Iterable[str]) -> int:
        """Delete reports for good, with their verdicts; how many there were. Raises StoreError."""
        names = list(dict.fromkeys(ids))
        with self._lock:
            with self._writing() as write:
                count = self._take_out(names, write)
                for name in names:
                    write("DELETE FROM link WHERE child = ? OR parent = ?", (name, name))
            self._refresh()
            self._forget_log()
            return count

    def rows_of(self, ids: Sequence[str]) -> dict[str, int]:
        """The row of each id that is kept."""
        return dict(self._many("SELECT id, row FROM report WHERE id IN ({})", ids))

    def fetch(self, rows: Sequence[int]) -> list[Trace]:
        """The traces of rows that are kept, in the order asked for."""
        found = {
            record[0]: self._trace(record)
            for record in self._many(f"SELECT {_COLUMNS} FROM report WHERE row IN ({{}})", rows)
        }
        return [found[row] for row in rows if row in found]

    def nearest(self, vector: NDArray[np.int8], most: int, *, place: str | None) -> list[tuple[int, float]]:
        """Up to `most` rows with the cosine of their vectors, best first."""
        with self._lock:
            self._refresh()
            return self._index.nearest(vector, most, place=place)

    def holding(self, key: int, *, place: str | None) -> list[int]:
        """Rows that hold a key, newest first."""
        latest = "SELECT row, place FROM holding WHERE key = ? ORDER BY row DESC LIMIT ?"
        if place is None:
            found = self._all(f"SELECT row FROM ({latest})", (key, NEWEST))
        else:
            found = self._all(
                f"SELECT row FROM ({latest}) WHERE place = ? OR place IS NULL LIMIT ?",
                (key, LOOKED_THROUGH, place, NEWEST),
            )
        return [row for (row,) in found]

    def put_link(self, link: Link) -> None:
        """Keep a verdict. Raises StoreError."""
        with self._lock, self._writing() as write:
            write("INSERT OR REPLACE INTO link VALUES (?, ?, ?)", (link.child, link.parent, int(link.repeats)))

    def delete_link(self, child: str, parent: str) -> bool:
        """Take a verdict back; whether there was one. Raises StoreError."""
        with self._lock, self._writing() as write:
            return write("DELETE FROM link WHERE child = ? AND parent = ?", (child, parent)).rowcount > 0

    def links(self, ids: Iterable[str]) -> list[Link]:
        """The verdicts in which any of the reports stands."""
        names = list(ids)
        found = {
            row
            for side in ("child", "parent")
            for row in self._many(f"SELECT child, parent, repeats FROM link WHERE {side} IN ({{}})", names)
        }
        return [Link(child=child, parent=parent, repeats=bool(repeats)) for child, parent, repeats in sorted(found)]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_out(self, ids: Sequence[str], write: _Write) -> int:
        rows = self._many(f"SELECT {_COLUMNS} FROM report WHERE id IN ({{}})", ids)
        for record in rows:
            for key in kept_keys(self._trace(record)):
                write("DELETE FROM holding WHERE key = ? AND row = ?", (key, record[0]))
            write("DELETE FROM report WHERE row = ?", (record[0],))
            write("INSERT INTO gone (row) VALUES (?)", (record[0],))
        return len(rows)

    def _refresh(self) -> None:
        """Take in what this or another process has committed since."""
        with self._lock:
            while True:
                if not self._changed():
                    return
                found = self._all(
                    "SELECT row, kabkota, vector FROM report WHERE space = ? AND row > ? ORDER BY row LIMIT ?",
                    (self._space, self._seen_row, _LOADED),
                )
                if not found:
                    break
                self._seen_row = found[-1][0]
                self._index.add(_entries(found, self._index.dimension))
                self._version = None
            gone = self._all("SELECT number, row FROM gone WHERE number > ? ORDER BY number", (self._seen_gone,))
            if gone:
                self._seen_gone = gone[-1][0]
                self._index.remove([row for _, row in gone])

    def _changed(self) -> bool:
        version = (int(self._one("PRAGMA data_version")), self._connection.total_changes)
        changed, self._version = version != self._version, version
        return changed

    def _trace(self, record: Sequence[Any]) -> Trace:
        vector = record[3] if record[2] == self._space else None
        return Trace(
            id=record[1],
            vector=None if vector is None else np.frombuffer(vector, dtype=np.int8),
            words=np.frombuffer(record[4], dtype="<u4"),
            marks=np.frombuffer(record[5], dtype=np.uint8),
            address=np.frombuffer(record[6], dtype="<u4").reshape(-1, 3),
            kabkota=record[7],
            kecamatan=record[8],
            desa=record[9],
            latitude=record[10],
            longitude=record[11],
            time=record[12],
            topic=record[13],
            recurring=bool(record[14]),
            again=bool(record[15]),
            sender=record[16],
            confidential=bool(record[17]),
        )

    @contextmanager
    def _writing(self) -> Iterator[_Write]:
        """One transaction. Raises StoreError, with nothing changed."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection.execute
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise _told(self.folder, error) from error

    def _forget_log(self) -> None:
        """Empty the write-ahead log, so that what was deleted is in no file; readers may hold it up, then the next
        does it.
        """
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise _told(self.folder, error) from error

    def _all(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise _told(self.folder, error) from error

    def _one(self, sql: str, values: Sequence[Any] = ()) -> Any:
        found = self._all(sql, values)
        return found[0][0] if found else None

    def _many(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """Rows of a query with one list of values, in parts that SQLite can take."""
        found = []
        for start in range(0, len(values), 500):
            part = list(values[start : start + 500])
            found += self._all(sql.format(", ".join("?" * len(part))), part)
        return found


_Write = Callable[..., sqlite3.Cursor]


def _prepare(connection: sqlite3.Connection, folder: Path) -> None:
    """Settings of a connection, and the tables of a new file."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA mmap_size = 1073741824")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                connection.execute("ROLLBACK")
                raise StoreError(folder / FILE, "is a database of something else; choose another folder")
            for statement in filter(str.strip, _LAYOUT.split(";")):
                connection.execute(statement)
            version = FORMAT
        connection.execute("COMMIT")
        _sync_folder(folder)
    if version > FORMAT:
        raise StoreError(folder, f"has format {version}, this release reads up to {FORMAT}: upgrade lapor-nlp")


def _record(trace: Trace, space: int) -> tuple[Any, ...]:
    return (
        trace.id,
        space,
        None if trace.vector is None else trace.vector.tobytes(),
        trace.words.astype("<u4").tobytes(),
        trace.marks.tobytes(),
        trace.address.astype("<u4").tobytes(),
        trace.kabkota,
        trace.kecamatan,
        trace.desa,
        trace.latitude,
        trace.longitude,
        trace.time,
        trace.topic,
        int(trace.recurring),
        int(trace.again),
        trace.sender,
        int(trace.confidential),
    )


def _entries(found: Sequence[tuple[int, str | None, bytes | None]], dimension: int) -> Entries:
    has = np.array([vector is not None for _, _, vector in found], dtype=np.bool_)
    empty = bytes(dimension)
    vectors = np.frombuffer(b"".join(vector or empty for _, _, vector in found), dtype=np.int8)
    return Entries(
        rows=np.array([row for row, _, _ in found], dtype=np.int64),
        vectors=vectors.reshape(len(found), dimension),
        has=has,
        places=[place for _, place, _ in found],
    )


def _told(folder: Path, error: BaseException) -> StoreError:
    """What an error of the database or the disk means, and what to do."""
    text = str(error).lower()
    if isinstance(error, OSError):
        return StoreError(folder, f"cannot be used as a store: {error.strerror}; choose another folder")
    if "locked" in text or "busy" in text:
        return StoreError(folder, "is being written by another process; try again when it has finished")
    if "full" in text or "disk i/o" in text:
        return StoreError(folder, f"cannot be written ({error}); make room on the disk, nothing was changed")
    if "malformed" in text or "not a database" in text or "corrupt" in text:
        return StoreError(
            folder, f"is damaged ({error}); put back a copy, or begin a new store and remember the reports again"
        )
    if "readonly" in text or "unable to open" in text:
        return StoreError(folder, f"cannot be written ({error}); check who owns the folder")
    return StoreError(folder, f"cannot be used ({error})")


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
