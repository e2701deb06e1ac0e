"""Sources: rows out of a table, JSON lines, Parquet or a folder of `datasets`, brought into one shape or rejected."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lapor_nlp.batch.parquet import read_parquet
from lapor_nlp.batch.readers import Row, read_numbered
from lapor_nlp.errors import MissingExtraError, ReadError, ReportError, TrainingDataError
from lapor_nlp.report import Report, field_of
from lapor_nlp.text.clean import is_binary_like

try:
    import pyarrow as pa
    from datasets import Dataset, load_from_disk
except ModuleNotFoundError as error:
    raise MissingExtraError("train", "datasets") from error

BLOCK = 10_000
"""Rows that are held in memory at a time."""

KEPT = 100
"""How many rejects, and how many times that cannot be read, are kept with their line."""

EMPTY, UNREADABLE, UNUSABLE = "empty", "unreadable", "unusable"
"""Why a row is rejected: no text; its line cannot be read; a value in it cannot be used."""

WIB = timezone(timedelta(hours=7))
"""Western Indonesian time, to which times with an offset are carried."""

_TEXT_FORMS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_FIELDS = {
    "nomor": "id",
    "no_laporan": "id",
    "nomor_laporan": "id",
    "created_at": "time",
    "waktu": "time",
    "tanggal_laporan": "time",
    "wilayah": "kabkota",
    "region": "kabkota",
}
_REGIONS = ("kabkota", "kecamatan", "provinsi", "desa")
_MISSING = frozenset(("", "nan", "NaN", "NAN", "null", "NULL", "None", "NaT", "<NA>", "N/A", "#N/A"))
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]")
_SHAPES = 1000
_LONGEST_TIME = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Intake:
    """What became of the rows of a source that did not enter the table.

    `rejects` and `unread_times` hold the first KEPT as (line, reason); `rejected` counts all by EMPTY, UNREADABLE,
    UNUSABLE; `unlabelled` counts rows with a text but no label.
    """

    rejects: tuple[tuple[int, str], ...] = ()
    rejected: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    unlabelled: int = 0
    unread_times: tuple[tuple[int, str], ...] = ()
    unread_time_count: int = 0


def parse_time(value: object) -> datetime | None:
    """A time without offset, or None for an absent one.

    Accepts times and dates, ISO 8601 text, day first as in 31/12/2025 or 31-12-2025 08.30, each also followed by WIB,
    WITA or WIT, and seconds or milliseconds since 1970. Raises ValueError for anything else.
    """
    if _is_missing(value):
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    moment = value if isinstance(value, datetime) else _moment(str(value).strip())
    plain = moment if moment.tzinfo is None else moment.astimezone(WIB).replace(tzinfo=None)
    return datetime(*plain.timetuple()[:6], plain.microsecond)


_DAY_FIRST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ ,T]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?)?")
_EPOCH = re.compile(r"(\d{10})(\d{3})?(?:\.0+)?")
_ZONES = {"WIB": 7, "WITA": 8, "WIT": 9}


def _moment(text: str) -> datetime:
    if match := _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(match[1]) + int(match[2] or 0) / 1000, UTC)
    rest, _, zone = text.rpartition(" ")
    if zone in _ZONES:
        return _moment(rest).replace(tzinfo=timezone(timedelta(hours=_ZONES[zone])))
    if match := _DAY_FIRST.fullmatch(text):
        day, _, month, year, hour, minute, second = match.groups(default="0")
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second))
    return datetime.fromisoformat(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Names of columns as the caller gave them; None is for finding by the usual names."""

    text: str | None
    id: str | None
    time: str | None
    title: str | None
    region: str | None
    labels: tuple[str, ...]


def _resolve(names: Sequence[str], wanted: Columns) -> dict[str, str]:
    """The column for each of text, id, time, title, region and the labels, as far as there is one."""
    alike = {_plain(name): name for name in reversed(names)} | {name: name for name in names}
    named = {head: alike.get(head) or alike.get(_plain(head)) for head in wanted.labels}
    found = {label_column(head): name for head, name in named.items() if name is not None}
    taken = set(found.values())
    meaning: dict[str | None, str] = {}
    for name in names:
        if name not in taken:
            meaning.setdefault(field_of(name) or _FIELDS.get(_plain(name)), name)
    asked = (("text", wanted.text), ("id", wanted.id), ("time", wanted.time), ("title", wanted.title))
    for what, given in asked:
        column = None if given is None else alike.get(given) or alike.get(_plain(given))
        if column is None and given in (None, what):
            column = meaning.get(what)
        if column is not None:
            found[what] = column
    if wanted.title is None and found.get("title") == found.get("text"):
        found.pop("title", None)
    if wanted.region is not None:
        region = alike.get(wanted.region) or alike.get(_plain(wanted.region))
    else:
        region = next((meaning[level] for level in _REGIONS if level in meaning), None)
    return found if region is None else {**found, "region": region}


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def label_column(head: str) -> str:
    """The Arrow column of a head."""
    return f"label:{head}"


def _absent(found: Mapping[str, str], wanted: Columns) -> list[str]:
    """The wanted columns that are not there."""
    absent = [] if "text" in found or (wanted.text == "text" and "title" in found) else [str(wanted.text)]
    named = {"id": wanted.id, "time": wanted.time, "title": wanted.title, "region": wanted.region}
    absent += [name for what, name in named.items() if name is not None and what not in found]
    return absent + [head for head in wanted.labels if label_column(head) not in found]


class Reading:
    """Turns rows of a source into rows of a table, and counts what could not be used."""

    def __init__(self, path: Path, wanted: Columns) -> None:
        self._path = path
        self._wanted = wanted
        self._rejects: list[tuple[int, str]] = []
        self._rejected: Counter[str] = Counter()
        self._unread: list[tuple[int, str]] = []
        self._unread_count = 0
        self._unlabelled = 0

    def intake(self) -> Intake:
        return Intake(
            rejects=tuple(self._rejects),
            rejected=MappingProxyType(dict(self._rejected)),
            unlabelled=self._unlabelled,
            unread_times=tuple(self._unread),
            unread_time_count=self._unread_count,
        )

    def rows(self, source: Iterable[tuple[int, Row]]) -> Iterator[dict[str, Any]]:
        fixed = self._path.suffix.lower() not in (".jsonl", ".ndjson")
        shapes: dict[tuple[str, ...], dict[str, str]] = {}
        found: dict[str, str] = {}
        seen: dict[str, None] = {}
        for number, row in source:
            if isinstance(row, ReadError):
                self._reject(number, UNREADABLE, str(row).removeprefix(f"{self._path}:{number}: "))
                continue
            names = tuple(row)
            columns = shapes.get(names)
            if columns is None:
                if len(shapes) >= _SHAPES:
                    shapes.clear()
                shapes[names] = columns = _resolve(names, self._wanted)
                found.update(columns)
                if len(seen) < KEPT:
                    seen.update(dict.fromkeys(names))
                if fixed:
                    self._check_columns(found, seen)
            made = self._row(number, row, columns)
            if made is not None:
                yield made
        if not seen:
            first = f": line {self._rejects[0][0]} {self._rejects[0][1]}" if self._rejects else ""
            raise TrainingDataError(f"{self._path} holds no rows that can be read{first}")
        self._check_columns(found, seen)

    def _check_columns(self, found: Mapping[str, str], seen: Iterable[str]) -> None:
        if absent := _absent(found, self._wanted):
            names = list(seen)
            semicolons = len(names) == 1 and ";" in names[0]
            hint = "; it seems parted by semicolons: save it with commas" if semicolons else ""
            there = f"its columns are {', '.join(names)}{hint}"
            raise TrainingDataError(f"{self._path} has no column {', '.join(absent)}; {there}")

    def _row(self, number: int, row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any] | None:
        values = {what: None if _is_missing(row[name]) else row[name] for what, name in columns.items()}
        text, title = values.get("text"), values.get("title")
        if text is None and title is None:
            self._reject(number, EMPTY, "has no text")
            return None
        try:
            given = _label_of("id", values.get("id")) or str(number)
            report = Report(id=given, text="" if text is None else text, title=title)
            labels = {
                label_column(head): _label_of(head, values.get(label_column(head))) for head in self._wanted.labels
            }
            region = _label_of("region", values.get("region"))
        except ReportError as error:
            self._reject(number, UNUSABLE, str(error))
            return None
        if _CONTROL.search(report.text) and is_binary_like(report.text):
            self._reject(number, UNUSABLE, "text: looks like binary data, not text")
            return None
        if labels and not any(label is not None for label in labels.values()):
            self._unlabelled += 1
            return None
        time = self._time(number, values.get("time"))
        return {"id": report.id, "text": report.reading, "time": time, "region": region, **labels}

    def _time(self, number: int, value: object) -> datetime | None:
        try:
            return parse_time(value)
        except (ValueError, OverflowError):
            self._unread_count += 1
            if len(self._unread) < KEPT:
                self._unread.append((number, _excerpt(str(value))))
            return None

    def _reject(self, number: int, why: str, reason: str) -> None:
        self._rejected[why] += 1
        if len(self._rejects) < KEPT:
            self._rejects.append((number, reason))


def _excerpt(value: str) -> str:
    """A value as far as it can be a time; other columns may hold what must not be shown."""
    return repr(value) if len(value) <= _LONGEST_TIME and any(map(str.isdigit, value)) else f"{len(value)} characters"


def _is_missing(value: object) -> bool:
    """Whether a cell is empty, null or not a number, also when a program wrote that as a word."""
    if isinstance(value, str):
        return value.strip() in _MISSING
    return value is None or bool(isinstance(value, float | date) and value != value)


def _label_of(name: str, value: object) -> str | None:
    """A label as text, in one spacing; a yes or no is ya or tidak. Raises ReportError."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "ya" if value else "tidak"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, str | int | float):
        raise ReportError(name, f"must be one label, not {type(value).__name__}")
    label = " ".join(str(value).split())
    if not label.isascii() and any(0xD800 <= ord(char) <= 0xDFFF for char in label):
        raise ReportError(name, "holds a broken character (lone surrogate); decode the source as UTF-8 again")
    return label


def open_source(path: Path, wanted: Columns) -> Iterator[tuple[int, Row]]:
    if path.is_dir():
        return _folder_rows(path, wanted)
    form = path.suffix.lower()
    if form == ".parquet":
        return read_parquet(path, lambda names: _needed(names, wanted))
    if form not in _TEXT_FORMS:
        known = ", ".join((*_TEXT_FORMS, ".parquet"))
        raise TrainingDataError(f"{path}: labelled rows come in {known} or a folder saved by datasets")
    return read_numbered(path, _TEXT_FORMS[form])


def _folder_rows(path: Path, wanted: Columns) -> Iterator[tuple[int, Row]]:
    try:
        dataset = load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise ReadError(f"is no folder that datasets saved, or damaged: {error}", path=path) from error
    if not isinstance(dataset, Dataset):
        first = next(iter(dataset), "train")
        parts = ", ".join(dataset)
        raise ReadError(f"holds several parts ({parts}); name one, as in {path / first}", path=path)
    dataset = dataset.select_columns(_needed(dataset.column_names, wanted)).with_format("arrow")
    return _numbered_rows(dataset.iter(batch_size=BLOCK))


def _needed(names: Sequence[str], wanted: Columns) -> list[str]:
    """The columns to read, or all when some wanted one is absent, so that the message can list them."""
    found = _resolve(names, wanted)
    return list(names) if _absent(found, wanted) else [name for name in names if name in set(found.values())]


def _numbered_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, Row]]:
    number = 0
    for batch in batches:
        for row in batch.to_pylist():
            number += 1
            yield number, row
