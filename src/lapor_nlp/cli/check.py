"""The command of the data scientist before training: check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lapor_nlp.cli.app import AsJson, app, print_json
from lapor_nlp.console import printable
from lapor_nlp.taxonomy.taxonomy import Taxonomy

Data = Annotated[Path, typer.Argument(help="CSV, TSV, JSON lines, Parquet, or a folder saved by datasets.")]
Labels = Annotated[str, typer.Option("--labels", help="Label columns, parted by commas.")]
TextColumn = Annotated[str, typer.Option("--text", help="Column of the text.")]
IdColumn = Annotated[str | None, typer.Option("--id", help="Column of the id.")]
TimeColumn = Annotated[str | None, typer.Option("--time", help="Column of the time of reporting.")]
TitleColumn = Annotated[str | None, typer.Option("--title", help="Column of the title.")]
RegionColumn = Annotated[str | None, typer.Option("--region", help="Column of the place.")]
DevFile = Annotated[Path | None, typer.Option("--dev", help="Labelled rows to judge by, with the same columns.")]


@app.command()
def check(
    data: Data,
    labels: Labels,
    text: TextColumn = "text",
    dev: DevFile = None,
    id: IdColumn = None,
    time: TimeColumn = None,
    title: TitleColumn = None,
    region: RegionColumn = None,
    taxonomy: Annotated[Path | None, typer.Option("--taxonomy", help="Folder of your own topics.")] = None,
    fewest: Annotated[int, typer.Option("--fewest", min=1, help="Fewest rows with which a label is learnt.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Look over labelled rows before training.

    Exit code 0: usable, perhaps with warnings; 2: not usable.
    """
    from lapor_nlp.training.checks import check
    from lapor_nlp.training.table import read_labelled

    heads = [name.strip() for name in labels.split(",") if name.strip()]
    tables = [
        read_labelled(path, text=text, labels=heads, id=id, time=time, title=title, region=region)
        for path in (data, dev)
        if path is not None
    ]
    report = check(
        tables[0], taxonomy=Taxonomy.load(taxonomy), dev=tables[1] if dev is not None else None, fewest=fewest
    )
    if as_json:
        print_json(report.to_dict())
    else:
        for line in report.lines():
            typer.echo(printable(line))
    if not report.usable:
        raise typer.Exit(2)
