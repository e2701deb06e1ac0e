"""Commands that say which bundle is current: promote, rollback, history."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lapor_nlp.bundle import resolve
from lapor_nlp.cli.app import app, print_json
from lapor_nlp.cli.evaluate import Labels, Resamples, Seed, Texts, judge_heads, parse_labels, read_test
from lapor_nlp.cli.predict import TitleColumn
from lapor_nlp.console import printable
from lapor_nlp.errors import BundleError
from lapor_nlp.registry import POINTER, Entry, stored_evidence
from lapor_nlp.registry import history as read_history
from lapor_nlp.registry import promote as move_pointer
from lapor_nlp.registry import rollback as move_back
from lapor_nlp.scorer import Scorer

Pointer = Annotated[Path, typer.Argument(metavar="POINTER", help="Pointer file, or the folder that holds `current`.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def promote(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Model folder that is to become the current one.")],
    pointer: Annotated[Path | None, typer.Option(help="Pointer file; `current` beside the folder by default.")] = None,
    test: Annotated[
        Path | None, typer.Option(help="Labelled rows on which to compare it with the current one.")
    ] = None,
    labels: Labels = None,
    text: Texts = "text",
    title: TitleColumn = None,
    force: Annotated[bool, typer.Option("--force", help="Promote it even if it is worse or was not compared.")] = False,
    resamples: Resamples = 1000,
    seed: Seed = 7,
    as_json: Json = False,
) -> None:
    """Make a model the current one; refused when it is worse than the present one beyond noise.

    With --test both answer the same labelled rows; otherwise the figures that they keep of themselves are compared.
    """
    path = resolve(bundle).absolute().parent / POINTER if pointer is None else pointer
    evidence = None
    if path.exists():
        columns = {} if test is None else parse_labels(labels)
        evidence = _compare(bundle, path, test, columns, text, title, (resamples, seed))
    entry = move_pointer(bundle, path, evidence=evidence, forced=force)
    _show(path, entry, as_json)


@app.command()
def rollback(pointer: Pointer, as_json: Json = False) -> None:
    """Go back to the model that was current before."""
    path = _pointer(pointer)
    _show(path, move_back(path), as_json)


@app.command()
def history(
    pointer: Pointer, as_json: Annotated[bool, typer.Option("--json", help="One object a change.")] = False
) -> None:
    """List which models were current, oldest first."""
    for entry in read_history(_pointer(pointer)):
        if as_json:
            print_json(asdict(entry))
        else:
            print(_line(entry))


def _compare(
    bundle: Path,
    pointer: Path,
    test: Path | None,
    columns: dict[str, str],
    text: str,
    title: str | None,
    draws: tuple[int, int],
) -> dict[str, Any] | None:
    """What speaks for or against a bundle beside the current one; None when the two cannot be compared."""
    new = Scorer.load(bundle)
    try:
        current = Scorer.load(pointer)
    except BundleError:
        return None
    if test is None:
        return stored_evidence(new.bundle, current.bundle)
    from lapor_nlp.training.bootstrap import as_evidence

    table = read_test(test, columns, text=text, title=title)
    contest = judge_heads(new, current, table, columns, resamples=draws[0], seed=draws[1])
    return as_evidence(new.bundle.sha256, current.bundle.sha256, contest.comparisons, test.name)


def _pointer(path: Path) -> Path:
    return path / POINTER if path.is_dir() else path


def _show(pointer: Path, entry: Entry, as_json: bool) -> None:
    if as_json:
        print_json(asdict(entry))
    else:
        print(f"{pointer} -> {_line(entry)}")


def _line(entry: Entry) -> str:
    how = ("rolled back" if entry.rollback else "promoted") + (", forced" if entry.forced else "")
    compared = f", compared on {entry.evidence['test']}" if entry.evidence else ""
    return printable(f"{entry.bundle} {entry.sha256[:12]} {entry.when or '(time unknown)'} {how}{compared}")
