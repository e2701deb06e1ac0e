"""Command: evaluate, how well a bundle answers labelled rows, alone or against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from lapor_nlp.cli.app import app, print_json
from lapor_nlp.cli.predict import BundleFolder, IdColumn, TitleColumn
from lapor_nlp.console import printable
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.scorer import Scorer
from lapor_nlp.text.mask import Masker

if TYPE_CHECKING:
    from lapor_nlp.training.bootstrap import Comparison
    from lapor_nlp.training.evaluation import Evaluation, Judged
    from lapor_nlp.training.table import Table

_FIGURES = (
    "accuracy",
    "top3",
    "macro_f1",
    "group_accuracy",
    "log_loss",
    "calibration_error",
    "coverage",
    "alone_error",
)

Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--labels",
        "--label",
        metavar="[HEAD=]COLUMN",
        help="Column of labels, named like its head, or HEAD=COLUMN; several with commas, or again.",
    ),
]
Texts = Annotated[str, typer.Option("--text", help="Column of the texts.")]
TimeColumn = Annotated[str | None, typer.Option("--time", help="Column of the times; tanggal or time by default.")]
RegionColumn = Annotated[str | None, typer.Option("--region", help="Column of the regions; kabkota by default.")]
Resamples = Annotated[int, typer.Option(min=100, help="Draws of the paired bootstrap.")]
Seed = Annotated[int, typer.Option(help="Seed of the draws.")]


@app.command()
def evaluate(
    bundle: BundleFolder,
    file: Annotated[Path, typer.Argument(help="Labelled rows: .csv, .tsv, .jsonl, .parquet or a datasets folder.")],
    labels: Labels = None,
    text: Texts = "text",
    title: TitleColumn = None,
    id: IdColumn = None,
    time: TimeColumn = None,
    region: RegionColumn = None,
    against: Annotated[
        Path | None, typer.Option(help="Another model folder to compare with, on the same rows.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report with tables and curves (one HTML file).")] = None,
    no_texts: Annotated[bool, typer.Option("--no-texts", help="Leave (masked) texts out of the report.")] = False,
    resamples: Resamples = 1000,
    seed: Seed = 7,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each head.")] = False,
) -> None:
    """Say how well a model answers labelled rows: figures, tables, curves; and whether it is better than another."""
    from lapor_nlp.training.evaluation import summarise
    from lapor_nlp.training.html import Section, write_report

    columns = parse_labels(labels)
    scorer = Scorer.load(bundle)
    other = None if against is None else Scorer.load(against)
    table = read_test(file, columns, text=text, title=title, id=id, time=time, region=region)
    contest = judge_heads(scorer, other, table, columns, resamples=resamples, seed=seed)
    masker = Masker.load() if report is not None and not no_texts else None
    sections = []
    for head, judged in contest.new.items():
        former = contest.old.get(head)
        sections.append(
            Section(
                evaluation=summarise(judged, table, scorer.wordlist, masker=masker),
                other=None if former is None else summarise(former, table, scorer.wordlist),
                comparison=contest.comparisons.get(head),
            )
        )
    for section in sections:
        if as_json:
            print_json(_as_dict(section.evaluation, section.other, section.comparison))
        else:
            _show(section.evaluation, section.other, section.comparison)
    if table.rejected:
        typer.echo(f"{table.rejected} rows of {file} could not be used and are left out.", err=True)
    if report is not None:
        settings = {
            "written": datetime.now().astimezone().isoformat(timespec="seconds"),
            "rows from": file,
            "labels": ", ".join(f"{head} from {column}" for head, column in columns.items()),
            "draws": resamples,
            "seed": seed,
        }
        write_report(report, sections, findings=_findings(table), settings=settings)
        typer.echo(f"report: {report}", err=True)


@dataclass(frozen=True, kw_only=True)
class Contest:
    """By head, the answers of the new bundle, of the old one if there is one, and how they compare."""

    new: dict[str, Judged]
    old: dict[str, Judged]
    comparisons: dict[str, Comparison]


def parse_labels(given: Sequence[str] | None) -> dict[str, str]:
    """The column of each head: ["topic=kategori,agency"] -> {"topic": "kategori", "agency": "agency"}.

    Raises TrainingDataError when there is none, or a head is named twice.
    """
    columns: dict[str, str] = {}
    for part in (part.strip() for text in given or () for part in text.split(",")):
        head, _, column = part.partition("=") if "=" in part else (part, "", part)
        if not head.strip() or not column.strip():
            raise TrainingDataError(f"--labels {part!r} names no column; write --labels COLUMN or --label HEAD=COLUMN")
        if head.strip() in columns:
            raise TrainingDataError(f"--labels names the head {head.strip()} twice; one column for each head")
        columns[head.strip()] = column.strip()
    if not columns:
        raise TrainingDataError("say which column holds the labels: --labels COLUMN or --label HEAD=COLUMN")
    return columns


def read_test(
    file: Path,
    columns: dict[str, str],
    *,
    text: str,
    title: str | None = None,
    id: str | None = None,
    time: str | None = None,
    region: str | None = None,
) -> Table:
    """The labelled rows of a file, with the columns that heads are judged by."""
    from lapor_nlp.training.table import read_labelled

    labels = list(dict.fromkeys(columns.values()))
    return read_labelled(file, labels=labels, text=text, title=title, id=id, time=time, region=region)


def judge_heads(
    scorer: Scorer, other: Scorer | None, table: Table, columns: dict[str, str], *, resamples: int, seed: int
) -> Contest:
    """Answers of one or two bundles, compared by groups of repeated texts."""
    from lapor_nlp.training.bootstrap import compare
    from lapor_nlp.training.evaluation import judge
    from lapor_nlp.training.splits import repeat_groups

    new = {head: judge(scorer, table, head, column=column) for head, column in columns.items()}
    if other is None:
        return Contest(new=new, old={}, comparisons={})
    old = {head: judge(other, table, head, column=column) for head, column in columns.items()}
    groups = repeat_groups(table.texts)
    comparisons = {
        head: compare(new[head], old[head], groups=groups[new[head].at].tolist(), resamples=resamples, seed=seed)
        for head in columns
    }
    return Contest(new=new, old=old, comparisons=comparisons)


def _as_dict(evaluation: Evaluation, other: Evaluation | None, comparison: Comparison | None) -> dict[str, object]:
    compared = {} if other is None else {"against": {"bundle": other.to_dict()["bundle"], **other.summary()}}
    if comparison is not None:
        compared["comparison"] = comparison.to_dict()
    return {**evaluation.to_dict(), **compared}


def _show(evaluation: Evaluation, other: Evaluation | None, comparison: Comparison | None) -> None:
    bundle = evaluation.bundle
    grid = Grid(
        title=printable(f"{bundle.name} {bundle.version}, {evaluation.head}: {evaluation.rows:,} labelled rows"),
        title_justify="left",
        box=None,
        show_header=False,
    )
    figures = evaluation.summary()
    for name in _FIGURES:
        value = figures[name]
        note = ""
        if f"{name}_interval" in figures and value is not None:
            note = "{:.3f} to {:.3f}".format(*figures[f"{name}_interval"])
        grid.add_row(name, "-" if value is None else f"{value:.4f}", note)
    Console(highlight=False).print(grid)
    if evaluation.unknown:
        labels = ", ".join(list(evaluation.unknown)[:5])
        count = sum(evaluation.unknown.values())
        Console(highlight=False).print(
            Text(printable(f"{count} rows bear labels that the model does not know; they count as wrong: {labels}"))
        )
    if comparison is not None:
        _show_comparison(evaluation.head, comparison)


def _show_comparison(head: str, comparison: Comparison) -> None:
    """The differences of two bundles in one head as a table."""
    grid = Grid(title=f"{head}: difference, on {comparison.rows:,} rows", title_justify="left", box=None)
    for name in ("measure", "new", "old", "difference", "95 % interval", "worse in"):
        grid.add_column(name, justify="left" if name == "measure" else "right")
    for row in comparison.differences:
        grid.add_row(
            row.measure,
            f"{row.new:.4f}",
            f"{row.old:.4f}",
            f"{row.difference:+.4f}",
            f"{row.low:+.4f} to {row.high:+.4f}",
            f"{row.worse_share:.1%}",
            style="bold red" if row.worse else None,
        )
    Console(highlight=False).print(grid)


def _findings(table: Table) -> list[str]:
    from lapor_nlp.training.checks import check

    return [f"{finding.severity}: {finding.text}" for finding in check(table, taxonomy=None, fewest=1).findings]
