"""Commands: duplicates, what repeats what; in a store, in a file, or for judged pairs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from lapor_nlp.batch.grouping import Grouped, group
from lapor_nlp.batch.readers import read_file, read_numbered
from lapor_nlp.batch.review import review_page
from lapor_nlp.bundle import default_folder, resolve, save_bundle
from lapor_nlp.cli.app import AsJson, Model, app, print_json
from lapor_nlp.console import printable
from lapor_nlp.decision import Failure
from lapor_nlp.duplicates.detector import in_order
from lapor_nlp.duplicates.sqlite import SqliteStore
from lapor_nlp.errors import LaporError, ReadError
from lapor_nlp.files import write_whole
from lapor_nlp.report import Report
from lapor_nlp.router import Router

duplicates = typer.Typer(no_args_is_help=True, help="Find reports that repeat others.")
app.add_typer(duplicates, name="duplicates")

Store = Annotated[Path, typer.Argument(help="Folder of the store; begun where there is none.")]
File = Annotated[Path, typer.Argument(help="Reports: .jsonl, .csv, .tsv or .txt.")]
_CHUNK = 256


@duplicates.command("remember")
def remember(
    store: Store,
    file: File,
    bundle: Model = None,
    missing: Annotated[
        bool, typer.Option("--missing", help="Pass over what is kept with this model: after a stop, or a new model.")
    ] = False,
) -> None:
    """Keep the reports of a file in a store. No text is kept.

    Exit code 0: all kept; 1: some rows could not be read; 2: nothing could be done.
    """
    router = Router.load(bundle, store=store)
    kept = router.store
    assert isinstance(kept, SqliteStore)
    rows = _missing(file, kept) if missing else read_file(file)
    failures = router.remember(rows)
    typer.echo(f"{len(kept):,} reports in {store}")
    _told(failures)


@duplicates.command("forget")
def forget(
    store: Store, ids: Annotated[list[str], typer.Argument(help="Ids of reports.")], bundle: Model = None
) -> None:
    """Delete reports from a store for good, with their vectors and verdicts."""
    router = Router.load(bundle, store=_existing(store))
    typer.echo(f"{router.forget(ids):,} of {len(set(ids)):,} reports were there and are deleted")


@duplicates.command("link")
def link(
    store: Store,
    child: Annotated[str, typer.Argument(help="Id of the report that repeats.")],
    parent: Annotated[str, typer.Argument(help="Id of the earlier report.")],
    bundle: Model = None,
    no: Annotated[bool, typer.Option("--no", help="It does not repeat it.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take the verdict back.")] = False,
) -> None:
    """Keep an officer's verdict on two reports."""
    router = Router.load(bundle, store=_existing(store))
    if undo:
        typer.echo("taken back" if router.unlink(child, parent) else "there was no such verdict")
    else:
        router.link(child, parent, repeats=not no)
        typer.echo("kept")


@duplicates.command("group")
def group_file(
    file: File,
    out: Annotated[
        Path | None, typer.Option("--out", help="List to review, .csv or .html; else on the screen.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=0, max=1, help="Least probability; by default as suggested.")
    ] = None,
    as_json: AsJson = False,
    bundle: Model = None,
) -> None:
    """Group the repeats in a file, each under its earliest report.

    Exit code 0: all read; 1: some rows could not be read; 2: nothing could be done.
    """
    if out is not None and out.suffix.lower() not in (".csv", ".html"):
        raise ReadError("must end in .csv or .html", path=out)
    router = Router.load(bundle)
    grouped = group(read_file(file), router, threshold=threshold)
    if as_json:
        for found in grouped.groups:
            print_json(
                {
                    "parent": found.parent,
                    "children": [
                        {**found.matches[child].to_dict(), "id": child, "matched": found.matches[child].id}
                        for child in found.children
                    ],
                }
            )
    if out is not None:
        _write(out, _table(grouped) if out.suffix.lower() == ".csv" else _page(grouped, file, router))
    if not as_json:
        if out is None:
            typer.echo(_table(grouped), nl=False)
        repeats = sum(len(found.children) for found in grouped.groups)
        typer.echo(
            f"{grouped.reports:,} reports: {len(grouped.groups):,} groups with {repeats:,} repeats", err=out is None
        )
    _told(grouped.failures)


@duplicates.command("score")
def score(
    pairs: Annotated[
        Path, typer.Argument(help='JSON lines {"a": report, "b": report}; the earlier one is found by time.')
    ],
    as_json: AsJson = False,
    bundle: Model = None,
) -> None:
    """Say for each pair whether the two are the same, related or neither, how likely, and why.

    Exit code 0: all scored; 1: some lines could not be read (each has an error in its place); 2: nothing could be done.
    """
    router = Router.load(bundle)
    failed = 0
    for number, row in _pairs(pairs):
        if isinstance(row, LaporError):
            failed += 1
            result: dict[str, Any] = {"line": number, "error": {"code": row.code, "text": str(row)}}
        else:
            result = {"line": number, **_scored(router, row[0], row[1])}
        if as_json:
            print_json(result)
        else:
            typer.echo(printable(_line(result)))
    _told_lines(failed)


@duplicates.command("fit")
def fit(
    pairs: Annotated[Path, typer.Argument(help='JSON lines {"a": report, "b": report, "same": true or false}.')],
    out: Annotated[Path, typer.Option("--out", help="Folder for the model.")],
    bundle: Model = None,
    precision: Annotated[float, typer.Option(help="Least precision of what is merged alone.", min=0.5, max=1)] = 0.98,
    recall: Annotated[float, typer.Option(help="Least share of repeats that is suggested.", min=0.1, max=1)] = 0.85,
) -> None:
    """Learn from judged pairs how likely two reports are the same, and write the model with it.  [extra: train]"""
    from lapor_nlp.training.pairs import fit_pairs, read_pairs  # (scikit-learn, which only this command needs)

    router = Router.load(bundle)
    both, same = [], []
    for number, row in _pairs(pairs):
        if isinstance(row, LaporError):
            raise ReadError(str(row), path=pairs, line=number)
        verdict = row[2]
        if not isinstance(verdict, bool):
            raise ReadError('must hold "same": true or false', path=pairs, line=number)
        both.append((row[0], row[1]))
        same.append(verdict)
    model = fit_pairs(read_pairs(router, both, same), precision=precision, recall=recall)
    folder = default_folder() if bundle is None else resolve(bundle)
    card = folder / "MODEL_CARD.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else None
    save_bundle(replace(router.bundle, pairs=model), out, card=text)
    merge = "never: no threshold was good enough" if model.merge is None else f"from {model.merge:.2f}"
    typer.echo(f"suggest from {model.suggest:.2f}, merge {merge}; {json.dumps(model.metrics)}")


def _scored(router: Router, first: Report, second: Report) -> dict[str, Any]:
    earlier, later = in_order(*router.traces([first, second]))
    scored = router.detector.score(later, earlier)
    return {
        "a": first.id,
        "b": second.id,
        "relation": scored.relation or "none",
        "probability": round(scored.probability, 4),
        "merge": scored.merge,
        "evidence": scored.evidence.to_dict(),
    }


def _pairs(path: Path) -> Iterator[tuple[int, tuple[Report, Report, Any] | LaporError]]:
    """The two reports of each line, and its verdict if it has one."""
    for number, row in read_numbered(path, "jsonl"):
        if isinstance(row, ReadError):
            yield number, row
            continue
        try:
            sides = [row.get(side) for side in ("a", "b")]
            if not all(isinstance(side, dict) for side in sides):
                raise ReadError(
                    'must hold two reports: {"a": {"text": ...}, "b": {"text": ...}}', path=path, line=number
                )
            named = [{"id": f"{number}{name}", **side} for name, side in zip("ab", sides, strict=True)]  # type: ignore[dict-item]
            yield number, (Report.from_mapping(named[0]), Report.from_mapping(named[1]), row.get("same"))
        except LaporError as error:
            yield number, error


def _missing(file: Path, store: SqliteStore) -> Iterator[Any]:
    """Rows whose report is not kept with this encoder."""
    part: list[Any] = []

    def wanted() -> Iterator[Any]:
        there = store.current([str(row.get("id")) for row in part if not isinstance(row, ReadError)])
        yield from (row for row in part if isinstance(row, ReadError) or str(row.get("id")) not in there)

    for row in read_file(file):
        part.append(row)
        if len(part) == _CHUNK:
            yield from wanted()
            part = []
    yield from wanted()


def _existing(store: Path) -> Path:
    if not store.is_dir():
        raise ReadError("there is no such store; remember reports first", path=store)
    return store


def _table(grouped: Grouped) -> str:
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(("parent", "child", "matched", "probability", "merge", "evidence"))
    for found in grouped.groups:
        for child in found.children:
            match = found.matches[child]
            evidence = json.dumps(match.evidence.to_dict(), ensure_ascii=False)
            table.writerow((found.parent, child, match.id, f"{match.probability:.4f}", int(match.merge), evidence))
    return file.getvalue()


def _page(grouped: Grouped, file: Path, router: Router) -> str:
    wanted = {name for found in grouped.groups for name in (found.parent, *found.children)}
    texts: dict[str, str] = {}
    for row in read_file(file):
        try:
            report = None if isinstance(row, ReadError) else Report.from_mapping(row)
        except LaporError:
            continue
        if report is not None and report.id in wanted:
            texts.setdefault(report.id, router.mask(report.reading).text)
    return review_page(grouped, texts)


def _write(out: Path, text: str) -> None:
    try:
        write_whole(out, text)
    except OSError as error:
        raise ReadError(f"cannot be written: {error.strerror}; choose another place", path=out) from error


def _line(result: dict[str, Any]) -> str:
    if "error" in result:
        return f"{result['line']}: {result['error']['text']}"
    merge = ", may be merged" if result["merge"] else ""
    return f"{result['a']} {result['b']}: {result['relation']}, {result['probability']:.0%}{merge}"


def _told(failures: Any) -> None:
    failures = list(failures)
    for failure in failures[:20]:
        assert isinstance(failure, Failure)
        typer.echo(printable(f"{failure.id or '?'}: {failure.text}"), err=True)
    _told_lines(len(failures))


def _told_lines(failed: int) -> None:
    if failed:
        typer.echo(f"{failed} rows could not be read.", err=True)
        raise typer.Exit(1)
