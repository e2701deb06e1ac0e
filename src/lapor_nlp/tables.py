"""Reading the packaged tables: CSV files with a header, UTF-8, and lines that may be comments (#)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from lapor_nlp.errors import DataFileError

DATA = Path(__file__).parent / "data"
"""The folder of the packaged tables."""


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV table as (line number, row), values stripped.

    Lines that begin with # are comments and name the source of the facts. Raises DataFileError when the file
    cannot be read, lacks one of `columns`, or has a row with another number of cells than the header.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(path, f"cannot be read: {error}") from error
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not numbered:
        raise DataFileError(path, "is empty; a header line is expected")
    header = [name.strip() for name in next(csv.reader([numbered[0][1]]))]
    absent = [name for name in columns if name not in header]
    if absent:
        raise DataFileError(path, f"lacks the columns {', '.join(absent)}", line=numbered[0][0])
    for number, line in numbered[1:]:
        cells = next(csv.reader([line]))
        if len(cells) != len(header):
            raise DataFileError(path, f"has {len(cells)} cells where the header has {len(header)}", line=number)
        yield number, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
