"""Command: drift, whether unlabelled traffic still looks like what the model was fitted on."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from lapor_nlp.batch.readers import Row, read_file
from lapor_nlp.cli.app import app, print_json
from lapor_nlp.cli.predict import BundleFolder
from lapor_nlp.console import printable
from lapor_nlp.drift import DriftMonitor, Observed, Reference, Signal
from lapor_nlp.errors import ReadError, ReportError
from lapor_nlp.report import Report
from lapor_nlp.scorer import Scorer

_CHUNK = 1024


@app.command()
def drift(
    bundle: BundleFolder,
    file: Annotated[Path, typer.Argument(help="Reports, unlabelled: .jsonl, .csv, .tsv or .txt.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say whether reports still look like those that the model was fitted on: ok, watch or recalibrate.

    Exit code 0: it could be said, whatever it is; 2: nothing could be done.
    """
    scorer = Scorer.load(bundle)
    monitor = DriftMonitor(Reference.of_bundle(scorer.bundle))
    unread = 0
    rows = read_file(file)
    while chunk := list(islice(rows, _CHUNK)):
        texts = [text for text in map(_reading, chunk) if text is not None]
        monitor.add(observe(scorer, texts, list(monitor.reference.expected)))
        unread += len(chunk) - len(texts)
    signal = monitor.signal()
    if not signal.rows:
        raise ReadError("holds no report that can be read", path=file)
    if as_json:
        print_json(
            {"bundle": scorer.bundle.name, "version": scorer.bundle.version, "unread": unread, **signal.to_dict()}
        )
    else:
        for line in _lines(signal):
            typer.echo(printable(line))
    if unread:
        typer.echo(f"{unread} rows could not be read and are left out.", err=True)


def observe(scorer: Scorer, texts: list[str], heads: list[str]) -> Observed:
    """What a monitor counts of some texts."""
    scores = scorer.score(texts, heads)
    return Observed.of(texts, scores, {head: scorer.answers(head, scores) for head in heads})


def _reading(row: Row) -> str | None:
    """The text of a row as the router reads it; None when it cannot be read."""
    if isinstance(row, ReadError):
        return None
    try:
        return Report.from_mapping(row).reading
    except ReportError:
        return None


def _lines(signal: Signal) -> list[str]:
    lines = [f"{signal.verdict}: {signal.rows:,} reports"]
    lines += [f"  {reason}" for reason in signal.reasons]
    for head, expected in signal.expected.items():
        wrong = "" if expected.alone_wrong is None else f", of which {expected.alone_wrong:.1%} wrong"
        lines.append(
            f"  {head}: about {expected.right:.1%} right, {expected.alone:.1%} alone{wrong}, by its confidence"
        )
    if signal.verdict == "recalibrate":
        lines.append("  label some of these reports and run lapor-nlp recalibrate")
    elif signal.verdict == "ok":
        lines.append("  that offices now answer for other things cannot be seen without labels")
    return lines
