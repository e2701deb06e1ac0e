"""Command: suggest, the rows that a person should look at next."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lapor_nlp.cli.app import AsJson, Model, app, print_json
from lapor_nlp.cli.evaluate import Labels, Seed, Texts, parse_labels, read_test
from lapor_nlp.cli.predict import IdColumn, TitleColumn, default_head
from lapor_nlp.console import printable
from lapor_nlp.errors import ReadError, TrainingDataError
from lapor_nlp.files import write_whole
from lapor_nlp.scorer import Scorer
from lapor_nlp.text.mask import Masker

if TYPE_CHECKING:
    from lapor_nlp.training.table import Table

_FORMS = (".csv", ".jsonl")


@app.command()
def suggest(
    file: Annotated[Path, typer.Argument(help="Rows: .csv, .tsv, .jsonl, .parquet or a datasets folder.")],
    bundle: Model = None,
    text: Texts = "text",
    title: TitleColumn = None,
    id: IdColumn = None,
    head: Annotated[str | None, typer.Option(help="Head to label for; topic by default, or the only one.")] = None,
    labels: Labels = None,
    count: Annotated[int, typer.Option(min=1, help="Most rows to suggest.")] = 100,
    with_text: Annotated[bool, typer.Option("--with-text", help="Add the texts, personal data masked.")] = False,
    as_json: AsJson = False,
    out: Annotated[Path | None, typer.Option(help="Write a .csv or .jsonl file instead of printing.")] = None,
    seed: Seed = 7,
) -> None:
    """Suggest unlabelled rows worth a label; with --labels, labelled rows that look wrong.

    Labelled rows are judged by word models that did not see them, or by --bundle if one is given: then it must not have
    been trained on them.
    """
    if out is not None and out.suffix.lower() not in _FORMS:
        raise typer.BadParameter("the file must end in .csv or .jsonl", param_hint="--out")
    columns = {} if labels is None else parse_labels(labels)
    if columns and head is not None:
        raise typer.BadParameter("goes without --labels, which names its heads itself", param_hint="--head")
    table = read_test(file, columns, text=text, title=title, id=id)
    if columns:
        scorer = None if bundle is None else Scorer.load(bundle)
        found = [row for name, column in columns.items() for row in _doubted(table, name, column, scorer, count, seed)]
    else:
        found = _undecided(table, Scorer.load(bundle), head, count, seed)
    rows = _with_ids(found, table, with_text)
    if out is not None:
        _write(rows, out)
        typer.echo(f"{len(rows)} rows: {out}", err=True)
    elif as_json:
        for row in rows:
            print_json(row)
    else:
        for row in rows:
            print("\t".join(" ".join(printable(str(value)).split()) for value in row.values()))
    if table.rejected:
        typer.echo(f"{table.rejected} rows of {file} could not be used and are left out.", err=True)


def _undecided(table: Table, scorer: Scorer, head: str | None, count: int, seed: int) -> list[dict[str, Any]]:
    from lapor_nlp.training.suggest import to_label

    name = head or default_head(scorer.bundle)
    scores = scorer.score(table.texts, [name])
    suggested = to_label(scores, table.texts, head=name, count=count, seed=seed, wordlist=scorer.wordlist)
    return [{"row": s.row, "head": name, "score": s.score, "why": s.why} for s in suggested]


def _doubted(
    table: Table, head: str, column: str, scorer: Scorer | None, count: int, seed: int
) -> list[dict[str, Any]]:
    from lapor_nlp.training.suggest import looks_wrong, out_of_fold_probabilities

    if scorer is None:
        judged = out_of_fold_probabilities(table, column, seed=seed)
        names, probabilities = judged.labels, judged.probabilities
    else:
        scores = scorer.score(table.texts, [head])
        names, probabilities = scores.labels[head], scores.probabilities[head]
    given = table.labels(column)
    if not set(names).intersection(label for label in given if label is not None):
        raise TrainingDataError(
            f"{table.source}: the model knows none of the labels in {column}; leave out --bundle to have them "
            "judged by word models, or map them first"
        )
    doubts = looks_wrong(given, probabilities, names)[:count]
    return [{"row": d.row, "head": head, "score": d.score, "given": d.given, "suggested": d.suggested} for d in doubts]


def _with_ids(found: Sequence[dict[str, Any]], table: Table, with_text: bool) -> list[dict[str, Any]]:
    """The rows by id instead of number, and with masked text if asked for."""
    masker = Masker.load() if with_text else None
    rows = []
    for item in found:
        at = item["row"]
        row = {"id": table.ids[at], **{key: value for key, value in item.items() if key != "row"}}
        if masker is not None:
            row["text"] = masker.mask(table.texts[at]).text
        rows.append(row)
    return rows


def _write(rows: Sequence[dict[str, Any]], out: Path) -> None:
    if out.suffix.lower() == ".csv":
        lines = io.StringIO()
        writer = csv.DictWriter(lines, fieldnames=list(rows[0]) if rows else ["id", "head", "score"])
        writer.writeheader()
        writer.writerows(rows)
        content = lines.getvalue()
    else:
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        write_whole(out, content)
    except OSError as error:
        raise ReadError(f"cannot be written: {error.strerror}; choose another place", path=out) from error
