"""Command: predict, a head's ranked labels for each row of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from lapor_nlp.batch.readers import Row, read_numbered
from lapor_nlp.bundle import Bundle
from lapor_nlp.cli.app import AsJson, app, print_json
from lapor_nlp.console import printable
from lapor_nlp.decision import Failure
from lapor_nlp.errors import BundleError, ReadError, ReportError
from lapor_nlp.report import Report, field_of, given_id
from lapor_nlp.scorer import Scorer

_CHUNK = 256
_SHOWN = 5
_TOPIC = "topic"

BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model folder, or pointer to one.")]
TextColumn = Annotated[str | None, typer.Option("--text", help="Column of the texts; text, isi, laporan by default.")]
TitleColumn = Annotated[str | None, typer.Option("--title", help="Column of the titles; title or judul by default.")]
IdColumn = Annotated[str | None, typer.Option("--id", help="Column of the ids; id by default, else the line number.")]


@app.command()
def predict(
    bundle: BundleFolder,
    file: Annotated[Path, typer.Argument(help="A file: .jsonl, .csv, .tsv, .txt or .parquet.")],
    head: Annotated[str | None, typer.Option(help="The head that answers; topic by default, or the only one.")] = None,
    as_json: AsJson = False,
    top: Annotated[str | None, typer.Option(help="How many labels, or all; 5 by default, with --json all.")] = None,
    text: TextColumn = None,
    title: TitleColumn = None,
    id: IdColumn = None,
) -> None:
    """Rank the labels of a head for each row of a file.

    Exit code 0: all rows answered; 1: some could not be read (each has an error in its place); 2: nothing could be
    done.
    """
    most = _most(top, None if as_json else _SHOWN)
    named = [name for name in (text, title, id) if name is not None]
    rows = _with_columns(_rows(file, named), file, named)
    scorer = Scorer.load(bundle)
    name = head or default_head(scorer.bundle)
    items = (_item(number, row, text, title, id) for number, row in rows)
    failed = 0
    while chunk := list(islice(items, _CHUNK)):
        for answer in _answers(scorer, name, chunk, most):
            failed += "error" in answer
            if as_json:
                print_json(answer)
            else:
                print(_line(answer), flush=True)
    if failed:
        typer.echo(f"{failed} rows could not be read; each has an error in its place.", err=True)
        raise typer.Exit(1)


def default_head(bundle: Bundle) -> str:
    """The head `topic`, or the only one there is. Raises BundleError when there are several others."""
    heads = sorted(bundle.classifier.labels)
    if _TOPIC in heads:
        return _TOPIC
    if len(heads) > 1:
        raise BundleError(bundle.name, f"has several heads: {', '.join(heads)}; name one with --head")
    return heads[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bad:
    """A row that cannot be answered."""

    line: int
    failure: Failure


def _most(top: str | None, default: int | None) -> int | None:
    if top is None:
        return default
    if top == "all":
        return None
    if not top.isdecimal() or int(top) < 1:
        raise typer.BadParameter("give a number from 1 up, or all", param_hint="--top")
    return int(top)


def _rows(file: Path, named: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Numbered rows; of a Parquet file the named columns and those that may be text, title or id."""
    if file.suffix.lower() != ".parquet":
        return read_numbered(file)
    from lapor_nlp.batch.parquet import read_parquet

    return read_parquet(file, lambda names: [n for n in names if n in named or field_of(n) in ("text", "title", "id")])


def _with_columns(rows: Iterator[tuple[int, Row]], file: Path, columns: list[str]) -> Iterator[tuple[int, Row]]:
    """The same rows. Raises ReadError when the first that can be read lacks one of the columns."""
    begin: list[tuple[int, Row]] = []
    for number, row in rows:
        begin.append((number, row))
        if not isinstance(row, ReadError):
            if absent := [name for name in columns if name not in row]:
                raise ReadError(f"has no column {', '.join(absent)} among its {len(row)}", path=file, line=number)
            break
    return chain(begin, rows)


def _item(number: int, row: Row, text: str | None, title: str | None, id: str | None) -> Report | _Bad:
    """What is read of a row: its text, title and id. Other columns may hold anything."""
    if isinstance(row, ReadError):
        return _Bad(line=number, failure=Failure(id=None, code=row.code, text=str(row)))
    named = {"text": text, "title": title}
    values: dict[str, Any] = {
        field: row.get(column) if column is not None else _first(row, field) for field, column in named.items()
    }
    given = given_id(row) if id is None else given_id({"id": row.get(id)})
    try:
        return Report.from_mapping({"id": given or str(number), **values})
    except ReportError as error:
        return _Bad(line=number, failure=Failure(id=given, code=error.code, text=str(error)))


def _first(row: Mapping[str, Any], field: str) -> Any:
    return next((value for key, value in row.items() if field_of(key) == field and value not in ("", None)), None)


def _answers(scorer: Scorer, head: str, chunk: list[Report | _Bad], most: int | None) -> Iterator[dict[str, Any]]:
    reports = [item for item in chunk if isinstance(item, Report)]
    scores = scorer.score([report.reading for report in reports], [head])
    judged = scorer.answers(head, scores)
    found = iter(zip(scores.predictions(), judged.confidence, judged.alone, scores.truncated, strict=True))
    for item in chunk:
        if isinstance(item, _Bad):
            yield {**item.failure.to_dict(), "line": item.line}
            continue
        predictions, confidence, alone, truncated = next(found)
        prediction = predictions[head]
        yield {
            "id": item.id,
            "head": head,
            "labels": list(prediction.labels[:most]),
            "scores": [round(score, 6) for score in prediction.scores[:most]],
            "confidence": round(float(confidence), 4),
            "alone": bool(alone),
            "truncated": bool(truncated),
        }


def _line(answer: Mapping[str, Any]) -> str:
    """One line for a person: id, confidence, alone or ask, then label and score by turns, parted by tabs."""
    if "error" in answer:
        cells = [answer["id"] or f"line {answer['line']}", "error", answer["error"]["text"]]
    else:
        cells = [answer["id"], f"{answer['confidence']:.2f}", "alone" if answer["alone"] else "ask"]
        for label, score in zip(answer["labels"], answer["scores"], strict=True):
            cells += [label, f"{score:.3f}"]
    return "\t".join(" ".join(printable(cell).split()) for cell in cells)
