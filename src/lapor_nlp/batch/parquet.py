"""Rows out of Parquet files, a block at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lapor_nlp.errors import MissingExtraError, ReadError

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise MissingExtraError("train", "pyarrow") from error

_BLOCK = 1000


def read_parquet(
    path: Path, choose: Callable[[Sequence[str]], Sequence[str]] | None = None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Rows with their number, from 1, of the columns that `choose` takes from those there; of all by default.

    Raises ReadError when the file cannot be opened or is no Parquet file.
    """
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for batch in file.iter_batches(batch_size=_BLOCK, columns=names if choose is None else list(choose(names))):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except OSError as error:
        raise ReadError(f"cannot be read: {error.strerror or error}", path=path) from error
    except pa.ArrowException as error:
        raise ReadError(f"is damaged or no Parquet file: {error}", path=path) from error
