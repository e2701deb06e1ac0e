"""Training from files: read, check, split, train."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from lapor_nlp.agencies.addressee import Addressees, offices
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.training.card import card
from lapor_nlp.training.carry import TOPIC, carry_labels
from lapor_nlp.training.checks import check
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.fewshot import read_descriptions, with_descriptions
from lapor_nlp.training.splits import split
from lapor_nlp.training.table import Table, read_labelled
from lapor_nlp.training.train import Trained, train


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which column of a file holds what; None: by its usual names, if it is there."""

    text: str = "text"
    id: str | None = None
    time: str | None = None
    title: str | None = None
    region: str | None = None

    def read(self, path: Path, heads: Sequence[str]) -> Table:
        """The labelled rows of a file."""
        return read_labelled(
            path, labels=heads, text=self.text, id=self.id, time=self.time, title=self.title, region=self.region
        )


def train_file(
    data: Path,
    out: Path,
    *,
    dev: Path | None,
    config: Path | None,
    settings: Mapping[str, Any],
    columns: Columns,
    taxonomy: Taxonomy,
    version: str,
    describe: Path | None = None,
    restart: bool = False,
    say: Callable[[str], None] = print,
) -> Trained:
    """Train on a file of labelled rows; without a `dev` file the latest rows are kept to judge by.

    `settings` win over those of the TOML file `config`. `describe` is a CSV of labels of the first head with their
    descriptions (`fewshot.read_descriptions`): for labels with few rows or none. Raises TrainingDataError when the
    checks find the rows unusable.
    """
    chosen = _config(config, settings)
    tables = [
        _carried(columns.read(path, (*chosen.heads, *chosen.auxiliary)), taxonomy, say)
        for path in (data, dev)
        if path is not None
    ]
    report = check(tables[0], taxonomy=taxonomy, dev=tables[1] if dev is not None else None, fewest=chosen.fewest)
    for line in report.lines():
        say(line)
    if not report.usable:
        raise TrainingDataError(f"{data} cannot be learnt from, see above; nothing was written")
    if dev is None:
        parted = split(tables[0], chosen.dev_share, seed=chosen.seed)
        held = f"from {parted.cut:%Y-%m-%d} on" if parted.cut else "drawn at random, since times are missing"
        say(f"split: {len(parted.train):,} rows to learn from, {len(parted.dev):,} to judge by ({held})")
        if parted.moved:
            say(f"split: {parted.moved:,} later rows are learnt from, since they repeat earlier ones")
        tables = [tables[0].select(parted.train), tables[0].select(parted.dev)]
    rows, judged = (_examples(table, chosen) for table in tables)
    if describe is not None:
        rows = with_descriptions(rows, read_descriptions(describe), chosen.heads[0])
    return train(
        rows,
        judged,
        chosen,
        out,
        taxonomy=taxonomy,
        version=version,
        origin={"data": data.name, "findings": report.to_dict()["findings"]},
        card=lambda metrics: card(out.name, version, chosen, metrics),
        restart=restart,
        say=say,
    )


def _config(path: Path | None, settings: Mapping[str, Any]) -> TrainConfig:
    values: dict[str, Any] = {"encoder": "none"}
    if path is not None:
        try:
            values |= tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TrainingDataError(f"{path} cannot be read as TOML: {error}") from error
    return TrainConfig.from_dict({**values, **settings})


def _carried(table: Table, taxonomy: Taxonomy, say: Callable[[str], None]) -> Table:
    if TOPIC not in table.heads:
        return table
    carried, unsure = carry_labels(table, taxonomy)
    for label in unsure:
        choices = ", ".join(label.choices) or "-"
        say(f"{label.label}: {label.reason}, {label.rows:,} rows left out; choose among {choices}")
    return carried


def _examples(table: Table, config: TrainConfig) -> Examples:
    labels = {head: table.labels(head) for head in table.heads}
    texts = table.texts
    if config.mask_addressee:
        names = {label for column in labels.values() for label in column if label is not None}
        addressees = Addressees(sorted(offices(names)))
        texts = [addressees.mask(text) for text in texts]
    return Examples(texts=texts, labels=labels, weights=recency(table.times, config), times=table.times)


def recency(times: list[datetime | None], config: TrainConfig) -> list[float] | None:
    """Weight of each row by its age, half for each half-life before the latest; undated rows weigh as the mean."""
    half_life = config.recency_half_life_days
    known = [time for time in times if time is not None]
    if half_life is None or not known:
        return None
    latest = max(known)
    weights = [None if t is None else 0.5 ** ((latest - t).total_seconds() / 86_400 / half_life) for t in times]
    mean = float(np.mean([weight for weight in weights if weight is not None]))
    return [1.0 if weight is None else weight / mean for weight in weights]
