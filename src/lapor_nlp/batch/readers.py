"""Readers: reports out of files and pipes, row by row; a row that cannot be read is an error in its place."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from lapor_nlp.errors import ReadError
from lapor_nlp.report import field_of, given_id
from lapor_nlp.text.clean import is_binary_like

MAX_LINE = 2_000_000
"""Longest line that is read, in bytes. A longer one gives an error in its place."""

FORMATS = ("jsonl", "csv", "tsv", "txt")

MAX_RECORD = 500
"""Most lines that one record of a table may take."""

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "txt"}

Row = Mapping[str, Any] | ReadError


def read_file(path: Path, form: str | None = None) -> Iterator[Row]:
    """Rows of a file: JSON lines, CSV or TSV with a header, or text with one report a line.

    `form` is one of FORMATS; by default the suffix tells, else the first line. Rows without an id get the number of
    their line as id. Raises ReadError when the file cannot be opened or its header does not do.
    """
    with _opened(path) as file:
        yield from read_stream(file, name=str(path), form=form or _SUFFIXES.get(path.suffix.lower()))


def read_numbered(path: Path, form: str | None = None) -> Iterator[tuple[int, Row]]:
    """Rows of a file with the number of the line that each begins on, as they stand.

    As `read_file`, but no id is filled in, and the header of a table may hold any columns.
    """
    with _opened(path) as file:
        yield from _numbered(file, str(path), form or _SUFFIXES.get(path.suffix.lower()), any_header=True)


def read_stream(stream: BinaryIO, *, name: str = "-", form: str | None = None) -> Iterator[Row]:
    """Rows of an open binary stream, as `read_file`. `name` stands in error messages."""
    for number, row in _numbered(stream, name, form, any_header=False):
        yield row if isinstance(row, ReadError) else _with_id(row, number)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ReadError(f"cannot be opened: {error.strerror}", path=path) from error


def _numbered(stream: BinaryIO, name: str, form: str | None, *, any_header: bool) -> Iterator[tuple[int, Row]]:
    lines = _lines(stream, name)
    first = next(lines, None)
    if first is None:
        return
    form = form or _guess(first[1], name)
    if form not in FORMATS:
        raise ReadError(f"has an unknown format {form!r}; use one of {', '.join(FORMATS)}", path=name)
    chained = _chain(first, lines)
    if form == "jsonl":
        yield from _json_rows(chained, name)
    elif form == "txt":
        yield from _text_rows(chained)
    else:
        yield from _table_rows(chained, name, "\t" if form == "tsv" else ",", any_header=any_header)


_Line = tuple[int, str | ReadError]


def _chain(first: _Line, rest: Iterator[_Line]) -> Iterator[_Line]:
    yield first
    yield from rest


def _lines(stream: BinaryIO, name: str) -> Iterator[_Line]:
    number = 0
    while raw := stream.readline(MAX_LINE + 1):
        number += 1
        if len(raw) > MAX_LINE and not raw.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, ReadError(f"is longer than {MAX_LINE:,} bytes; split it", path=name, line=number)
            continue
        if number == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        try:
            yield number, raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            yield (
                number,
                ReadError(
                    f"is not UTF-8 (byte {error.start + 1}); save the file as UTF-8, or convert it: "
                    "iconv -f WINDOWS-1252 -t UTF-8",
                    path=name,
                    line=number,
                ),
            )


def _guess(first: str | ReadError, name: str) -> str:
    """The format by the first line."""
    if isinstance(first, ReadError):
        return "txt"
    if first.lstrip().startswith("{"):
        return "jsonl"
    if first.lstrip().startswith("["):
        raise ReadError("holds a JSON list; write one object a line (jq -c '.[]')", path=name, line=1)
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        cells = [field_of(cell) for cell in first.split(delimiter)]
        if len(cells) > 1 and ("text" in cells or "title" in cells):
            return form
    return "txt"


def _json_rows(lines: Iterator[_Line], name: str) -> Iterator[tuple[int, Row]]:
    for number, line in lines:
        if isinstance(line, ReadError):
            yield number, line
            continue
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, ReadError(f"is not a JSON object: {error}", path=name, line=number)
            continue
        if isinstance(row, Mapping):
            yield number, row
        else:
            yield number, ReadError(f"is not a JSON object but a {type(row).__name__}", path=name, line=number)


def _text_rows(lines: Iterator[_Line]) -> Iterator[tuple[int, Row]]:
    for number, line in lines:
        if isinstance(line, ReadError):
            yield number, line
        elif line.strip():
            if is_binary_like(line):
                yield number, ReadError("looks like binary data, not text", line=number)
            else:
                yield number, {"text": line}


def _table_rows(lines: Iterator[_Line], name: str, delimiter: str, *, any_header: bool) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(MAX_LINE)
    header: list[str] | None = None
    for number, cells in _records(lines, name, delimiter):
        if header is None:
            if isinstance(cells, ReadError):
                raise cells
            header = [cell.strip() for cell in cells]
            if not any_header:
                _check_header(header, name, number)
        elif isinstance(cells, ReadError):
            yield number, cells
        elif len(cells) != len(header):
            shape = f"has {len(cells)} cells where the header has {len(header)}; is a quote missing?"
            yield number, ReadError(shape, path=name, line=number)
        elif any(cell.strip() for cell in cells):
            yield number, dict(zip(header, cells, strict=True))


def _check_header(header: list[str], name: str, number: int) -> None:
    if not {"text", "title"} & {field_of(cell) for cell in header}:
        hint = "; is it parted by semicolons? save it with commas" if len(header) == 1 and ";" in header[0] else ""
        message = f"has {len(header)} columns in its header, and none is text, isi or judul{hint}"
        raise ReadError(message, path=name, line=number)


def _records(lines: Iterator[_Line], name: str, delimiter: str) -> Iterator[tuple[int, list[str] | ReadError]]:
    """Records of a table with the number of their first line.

    A record goes on while a quote is open, over at most MAX_RECORD lines. When it then does not make sense, its first
    line alone is an error, and the lines after it are read anew, so that one lost quote costs one row.
    """
    waiting: deque[_Line] = deque()
    while True:
        line = waiting.popleft() if waiting else next(lines, None)
        if line is None:
            return
        number, text = line
        if isinstance(text, ReadError):
            yield number, text
            continue
        parts = [text]
        quotes = text.count('"')
        taken: list[_Line] = []
        while quotes % 2 and len(taken) < MAX_RECORD:
            following = waiting.popleft() if waiting else next(lines, None)
            if following is None:
                break
            taken.append(following)
            if isinstance(following[1], ReadError):
                break
            parts.append(following[1])
            quotes += following[1].count('"')
        try:
            rows = list(csv.reader(["\n".join(parts)], delimiter=delimiter, strict=True)) if quotes % 2 == 0 else []
        except csv.Error:
            rows = []
        if len(rows) == 1:
            yield number, rows[0]
        elif text.strip():
            yield number, ReadError("has a broken quote; the row is left out", path=name, line=number)
            waiting.extendleft(reversed(taken))


def _with_id(row: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    return row if given_id(row) is not None else {**row, "id": str(number)}
