"""Commands of the platform and the operator: route, explain, topics, model."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lapor_nlp.batch.readers import read_file, read_stream
from lapor_nlp.bundle import load_bundle
from lapor_nlp.cli.app import AsJson, Model, app, print_json
from lapor_nlp.console import show_decision, show_explanation, show_line, show_topics
from lapor_nlp.decision import Failure
from lapor_nlp.errors import ReadError, ReportError
from lapor_nlp.report import Report
from lapor_nlp.router import Router
from lapor_nlp.taxonomy.taxonomy import Taxonomy

_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")
_LONGEST_PATH = 255

Source = Annotated[str, typer.Argument(help="A report in quotes, a file (.jsonl, .csv, .tsv, .txt), or - for a pipe.")]
TaxonomyFolder = Annotated[Path | None, typer.Option("--taxonomy", help="Folder of your own topics.")]
AgencyFolder = Annotated[Path | None, typer.Option("--agencies", help="Folder of your own offices and rules.")]
NamesFile = Annotated[Path | None, typer.Option("--names", help="Table of local office names laid over ours.")]
Latitude = Annotated[float | None, typer.Option("--lat", help="Latitude in degrees.")]
Longitude = Annotated[float | None, typer.Option("--lon", help="Longitude in degrees.")]
Kabkota = Annotated[str | None, typer.Option("--kabkota", help="Kabupaten/kota given by the reporter.")]
ChosenAgency = Annotated[str | None, typer.Option("--agency", help="Instansi chosen by the reporter.")]


@app.command()
def route(
    source: Source,
    as_json: AsJson = False,
    lat: Latitude = None,
    lon: Longitude = None,
    kabkota: Kabkota = None,
    agency: ChosenAgency = None,
    bundle: Model = None,
    taxonomy: TaxonomyFolder = None,
    agencies: AgencyFolder = None,
    names: NamesFile = None,
    form: Annotated[str | None, typer.Option("--format", help="jsonl, csv, tsv or txt, if not by the suffix.")] = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="Folder of earlier reports, for duplicates (duplicates remember).")
    ] = None,
) -> None:
    """Route one report, or each of a file. Nothing is remembered by it.

    Exit code 0: all routed; 1: some rows could not be read (each has an error in its place); 2: nothing could be done.
    """
    rows = _rows(source, form)
    if rows is not None and any(value is not None for value in (lat, lon, kabkota, agency)):
        raise ReportError(
            "options", "--lat, --lon, --kabkota and --agency are for a single report; use columns in a file"
        )
    router = Router.load(bundle, taxonomy=taxonomy, agencies=agencies, agency_names=names, store=store)
    if rows is None:
        report = _single(source, lat, lon, kabkota, agency)
        decision = router.route(report)
        if as_json:
            print_json(decision.to_dict())
        else:
            show_decision(decision, router.mask(report.reading).text)
        return
    failed = 0
    for result in router.route_many(rows, chunk=1 if source == "-" else 256):
        failed += isinstance(result, Failure)
        if as_json:
            print_json(result.to_dict())
        else:
            show_line(result)
    if failed:
        typer.echo(f"{failed} rows could not be read; each has an error in its place.", err=True)
        raise typer.Exit(1)


@app.command()
def explain(
    source: Annotated[str, typer.Argument(help="A report in quotes.")],
    lat: Latitude = None,
    lon: Longitude = None,
    kabkota: Kabkota = None,
    agency: ChosenAgency = None,
    bundle: Model = None,
    taxonomy: TaxonomyFolder = None,
    agencies: AgencyFolder = None,
    names: NamesFile = None,
) -> None:
    """Show what moved a decision: the words, the places, the rule."""
    router = Router.load(bundle, taxonomy=taxonomy, agencies=agencies, agency_names=names)
    report = _single(source, lat, lon, kabkota, agency)
    show_explanation(router.explain(report), report, router.mask(report.reading))


@app.command()
def topics(taxonomy: TaxonomyFolder = None, as_json: AsJson = False) -> None:
    """List the topics with their official category and affair."""
    loaded = Taxonomy.load(taxonomy)
    if as_json:
        for topic in loaded:
            print_json(
                {"code": topic.code, "name": topic.name, "category_path": topic.kategori, "urusan": topic.urusan}
            )
    else:
        show_topics(loaded)


@app.command()
def model(bundle: Model = None) -> None:
    """Show which model is used, what it was made from, and how well it did, as JSON."""
    loaded = load_bundle(bundle)
    print_json(
        {
            "name": loaded.name,
            "version": loaded.version,
            "sha256": loaded.sha256,
            "taxonomy": loaded.taxonomy,
            "heads": {name: len(labels) for name, labels in loaded.classifier.labels.items()},
            "policies": {name: asdict(policy) for name, policy in loaded.policies.items()},
            "metrics": loaded.metrics,
            "origin": loaded.origin,
        }
    )


def _rows(source: str, form: str | None) -> Iterator[Any] | None:
    """Rows to route one by one, or None when `source` is itself a report."""
    if source == "-":
        return read_stream(sys.stdin.buffer, form=form)
    if len(source) > _LONGEST_PATH or "\n" in source or "\x00" in source:
        return None
    if os.path.isfile(source):
        return read_file(Path(source), form)
    if os.path.isdir(source):
        raise ReadError("is a folder; name a file", path=source)
    if source.lower().endswith(_FILES):
        raise ReadError("there is no such file", path=source)
    return None


def _single(text: str, lat: float | None, lon: float | None, kabkota: str | None, agency: str | None) -> Report:
    if not text.strip():
        raise ReportError("text", "is empty; put the report in quotes")
    return Report(id="1", text=text, latitude=lat, longitude=lon, kabkota=kabkota, chosen_agency=agency)
