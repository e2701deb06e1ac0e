"""The data scientist's main command: train."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lapor_nlp.cli.app import app
from lapor_nlp.cli.check import Data, DevFile, IdColumn, Labels, RegionColumn, TextColumn, TimeColumn, TitleColumn
from lapor_nlp.console import printable
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.taxonomy.taxonomy import Taxonomy


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="Model folder to write, such as models/2026-12.")],
    labels: Labels,
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", help="Name on the hub, folder, or bundle to go on from; none: words alone."),
    ] = None,
    text: TextColumn = "text",
    dev: DevFile = None,
    id: IdColumn = None,
    time: TimeColumn = None,
    title: TitleColumn = None,
    region: RegionColumn = None,
    taxonomy: Annotated[Path | None, typer.Option("--taxonomy", help="Folder of your own topics.")] = None,
    describe: Annotated[
        Path | None,
        typer.Option("--describe", help="CSV label,description[,name]: for labels of the first head with few rows."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="TOML file of settings; options win over it.")] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Passes over the rows.")] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Rows in a step.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="By the encoder's width if not given.")
    ] = None,
    longest: Annotated[int | None, typer.Option("--longest", help="Tokens that are read of a text.")] = None,
    layers: Annotated[int | None, typer.Option("--layers", help="Keep so many layers of the encoder.")] = None,
    seed: Annotated[int | None, typer.Option("--seed")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="CPU threads.")] = None,
    risk: Annotated[float | None, typer.Option("--risk", help="Share of what goes alone that may be wrong.")] = None,
    mask_addressee: Annotated[bool, typer.Option("--mask-addressee", help="Blank offices that a text names.")] = False,
    no_int8: Annotated[bool, typer.Option("--no-int8", help="Keep the encoder in single precision.")] = False,
    setting: Annotated[list[str] | None, typer.Option("--set", help="Any other setting: NAME=VALUE.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Today's date if not given.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Drop the checkpoints of an unfinished run.")] = False,
) -> None:
    """Train a classifier on labelled rows and write a model folder.

    The data is checked first. A run that was stopped goes on from its last checkpoint when the same command is given
    again. Exit code 0: written; 2: nothing was written; 130: stopped by Ctrl-C.
    """
    from lapor_nlp.training.command import Columns, train_file

    options = {
        "epochs": epochs,
        "batch": batch,
        "learning_rate": learning_rate,
        "longest": longest,
        "layers": layers,
        "seed": seed,
        "threads": threads,
        "risk": risk,
        "mask_addressee": mask_addressee or None,
        "int8": False if no_int8 else None,
        "encoder": encoder,
    }
    given = {name: value for name, value in options.items() if value is not None}
    heads = tuple(name.strip() for name in labels.split(",") if name.strip())
    try:
        trained = train_file(
            data,
            out,
            dev=dev,
            config=config,
            settings={**dict(map(_setting, setting or ())), **given, "heads": heads},
            columns=Columns(text=text, id=id, time=time, title=title, region=region),
            taxonomy=Taxonomy.load(taxonomy),
            version=version or f"{datetime.now(UTC):%Y.%m.%d}",
            describe=describe,
            restart=restart,
            say=lambda line: typer.echo(printable(line), err=True),
        )
    except KeyboardInterrupt:
        typer.echo(f"\nstopped; give the same command again to go on. {out} was not touched.", err=True)
        raise typer.Exit(130) from None
    for warning in trained.warnings:
        typer.echo(printable(f"warning: {warning}"), err=True)
    for head, figures in trained.metrics["dev"].items():
        shown = ", ".join(
            f"{name} {figures[name]}" for name in ("rows", "accuracy", "top3", "macro_f1") if name in figures
        )
        typer.echo(printable(f"{head}: {shown}"))
    typer.echo(f"written: {trained.folder} {trained.sha256}")


def _setting(given: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as TOML or else as plain text."""
    name, mark, value = given.partition("=")
    if not mark:
        raise TrainingDataError(f"--set {given}: write NAME=VALUE")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value
