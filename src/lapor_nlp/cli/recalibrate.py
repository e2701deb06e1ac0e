"""Command: recalibrate, thresholds fitted anew on fresh labelled rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapor_nlp.bundle import resolve
from lapor_nlp.cli.app import app, print_json
from lapor_nlp.cli.evaluate import Labels, Texts, TimeColumn, parse_labels, read_test
from lapor_nlp.cli.predict import BundleFolder, TitleColumn
from lapor_nlp.console import printable
from lapor_nlp.decision import Policy
from lapor_nlp.scorer import Scorer

if TYPE_CHECKING:
    from lapor_nlp.training.recalibrate import HeadChange


@app.command()
def recalibrate(
    bundle: BundleFolder,
    file: Annotated[
        Path, typer.Argument(help="Fresh labelled rows: .csv, .tsv, .jsonl, .parquet or a datasets folder.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new model; the old one stays unless it is named.")],
    labels: Labels = None,
    text: Texts = "text",
    title: TitleColumn = None,
    time: TimeColumn = None,
    risk: Annotated[
        float | None,
        typer.Option(help="Share of what goes alone that may be wrong, such as 0.05; as before by default."),
    ] = None,
    assurance: Annotated[
        float | None, typer.Option(help="Probability with which the risk is kept, such as 0.95; as before by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Fit confidences and thresholds anew on fresh labelled rows; the model's weights stay.

    The rows should be recent and not have been learnt from.
    """
    from lapor_nlp.training.recalibrate import recalibrate, write

    columns = parse_labels(labels)
    scorer = Scorer.load(bundle)
    table = read_test(file, columns, text=text, title=title, time=time)
    result = recalibrate(scorer, table, columns, risk=risk, assurance=assurance)
    sha256 = write(result, resolve(bundle), out)
    if as_json:
        heads = {change.head: change.to_dict() for change in result.changes}
        print_json({"bundle": str(out), "version": result.bundle.version, "sha256": sha256, "heads": heads})
    else:
        for change in result.changes:
            for line in _lines(change):
                typer.echo(printable(line))
        typer.echo(printable(f"written: {out} ({result.bundle.version})"))
    if table.rejected:
        typer.echo(f"{table.rejected} rows of {file} could not be used and are left out.", err=True)


def _lines(change: HeadChange) -> list[str]:
    """What became of a head, in plain words."""
    fit, policy = change.fit, change.fit.policy
    left_out = f", {change.repeats:,} repeats left out" if change.repeats else ""
    lines = [
        f"{change.head}: {change.rows:,} labelled rows{left_out}",
        f"  goes alone from     {_limit(change.before)} before, {_limit(policy)} now",
        f"  share that goes     {change.alone_before:.1%} before, {fit.coverage:.1%} now, on these rows",
        f"  of it wrong         {_share(change.wrong_before)} before, {_share(fit.error)} now",
    ]
    if fit.guaranteed:
        lines.append(
            f"  bound               at most {fit.bound:.1%} with probability {policy.assurance:.0%}, "
            f"if reports stay like these; stated risk {policy.risk:.1%}"
        )
    lines += [
        f"  {group:<19} {'never alone' if limit is None else _number(limit)}"
        for group, limit in policy.by_group.items()
    ]
    return lines + [f"  warning: {warning}" for warning in change.warnings]


def _limit(policy: Policy) -> str:
    return "nothing" if policy.act_alone is None else _number(policy.act_alone)


def _number(limit: float) -> str:
    return f"{limit:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
