"""Readers: reports out of files and pipes, row by row; a row that cannot be read is an error in its place."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from lapor_nlp.errors import ReadError
from lapor_nlp.text.clean import is_binary_like

MAX_LINE = 2_000_000
"""Longest line that is read, in bytes. A longer one gives an error in its place."""

FORMATS = ("jsonl", "csv", "tsv", "txt")

_SUFFIXES = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".txt": "txt"}

Row = Mapping[str, Any] | ReadError


def read_file(path: Path, form: str | None = None) -> Iterator[Row]:
    """Rows of a file: JSON lines, CSV or TSV with a header, or text with one report a line.

    `form` is one of FORMATS; by default the suffix tells, else the first line. Rows of text, and others without an
    id, get the line number as id. Raises ReadError when the file cannot be opened or its
    header does not do.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise ReadError(f"cannot be opened: {error.strerror}", path=path) from error
    with file:
        yield from read_stream(file, name=str(path), form=form or _SUFFIXES.get(path.suffix.lower()))


def read_stream(stream: BinaryIO, *, name: str = "-", form: str | None = None) -> Iterator[Row]:
    """Rows of an open binary stream, as `read_file`. `name` stands in error messages."""
    lines = _lines(stream, name)
    first = next(lines, None)
    if first is None:
        return
    if form is None:
        form = "jsonl" if isinstance(first[1], str) and first[1].lstrip().startswith("{") else "txt"
    if form not in FORMATS:
        raise ReadError(f"has an unknown format {form!r}; use one of {', '.join(FORMATS)}", path=name)
    chained = _chain(first, lines)
    if form == "jsonl":
        yield from _json_rows(chained, name)
    elif form == "txt":
        yield from _text_rows(chained)
    else:
        yield from _table_rows(chained, name, "\t" if form == "tsv" else ",")


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


def _json_rows(lines: Iterator[_Line], name: str) -> Iterator[Row]:
    for number, line in lines:
        if isinstance(line, ReadError):
            yield line
            continue
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            yield ReadError(f"is not a JSON object: {error}", path=name, line=number)
            continue
        if isinstance(row, Mapping):
            yield row
        else:
            yield ReadError(f"is not a JSON object but a {type(row).__name__}", path=name, line=number)


def _text_rows(lines: Iterator[_Line]) -> Iterator[Row]:
    for number, line in lines:
        if isinstance(line, ReadError):
            yield line
        elif line.strip():
            if is_binary_like(line):
                yield ReadError("looks like binary data, not text", line=number)
            else:
                yield {"id": str(number), "text": line}


def _table_rows(lines: Iterator[_Line], name: str, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE)
    bad: list[ReadError] = []

    def readable() -> Iterator[str]:
        for _, line in lines:
            if isinstance(line, ReadError):
                bad.append(line)
            else:
                yield line + "\n"

    table = csv.reader(readable(), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        try:
            cells = next(table, None)
        except csv.Error as error:
            yield ReadError(f"is broken near here: {error}", path=name, line=table.line_num)
            continue
        while bad:
            yield bad.pop(0)
        if cells is None:
            return
        if header is None:
            header = [cell.strip() for cell in cells]
            known = {cell.lower() for cell in header}
            if not known & {"text", "isi", "isi_laporan", "isi laporan", "laporan"}:
                found = ", ".join(header)[:200]
                raise ReadError(f"has no column text or isi; its header is: {found}", path=name, line=1)
            continue
        if not any(cells):
            continue
        if len(cells) != len(header):
            yield ReadError(
                f"has {len(cells)} cells where the header has {len(header)}; is a quote missing?",
                path=name,
                line=table.line_num,
            )
            continue
        yield dict(zip(header, cells, strict=True))
