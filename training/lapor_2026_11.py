"""Rebuild the bundle models/lapor-2026.11: words and encoder for topic, kind, flags and Surabaya's offices.

    python training/lapor_2026_11.py COMPLAINTS ENCODER --out models/lapor-2026.11

COMPLAINTS is a folder with surabaya_train.jsonl, surabaya_dev.jsonl and lapor_2017_national.jsonl; ENCODER the folder
of e5-small-id. The reports written for this project stand in training/seeds. Learnt from surabaya_train, seven eighths
of the national rows, eleven twelfths of the seeds and the names of the topics; mix, blends and policies are fitted on
surabaya_dev and the rows held out. Takes about an hour on two cores; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from complaints import Labelled, descriptions, national, seeds, surabaya_offices

from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.splits import repeat_groups
from lapor_nlp.training.train import train

HEADS = ("topic", "kind", "urgent", "pengawasan", "out_of_scope", "agency_surabaya")
CONFIG = TrainConfig(
    encoder=None,
    heads=HEADS,
    auxiliary=("topic_surabaya",),
    epochs=4.0,
    likeness=3.0,
    batch=16,
    balance=0.4,
    longest=128,
    patience=8,
    fewest=2,
)
WEIGHTS = {"surabaya": 1.0, "nasional": 2.0, "seed": 2.0, "taksonomi": 2.0}
HELD_OUT = {"nasional": 8, "seed": 12}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("complaints", type=Path)
    parser.add_argument("encoder", help="folder of e5-small-id, or another encoder")
    parser.add_argument("--out", type=Path, default=Path("models/lapor-2026.11"))
    parser.add_argument("--epochs", type=float, default=CONFIG.epochs)
    parser.add_argument("--restart", action="store_true")
    arguments = parser.parse_args()

    taxonomy = Taxonomy.load()
    learnt, kept = held_out(national(arguments.complaints / "lapor_2017_national.jsonl") + seeds())
    city = arguments.complaints / "surabaya_train.jsonl"
    rows = surabaya_offices(city, like=city) + learnt + descriptions(taxonomy)
    judged = surabaya_offices(arguments.complaints / "surabaya_dev.jsonl", like=city) + kept
    config = replace(CONFIG, encoder=arguments.encoder, epochs=arguments.epochs)
    trained = train(
        examples(rows, config),
        examples(judged, config),
        config,
        arguments.out,
        taxonomy=taxonomy,
        name="lapor",
        version="2026.11",
        origin={
            "recipe": "training/lapor_2026_11.py",
            "sources": dict(Counter(row.source.split("-")[0] for row in rows)),
        },
        card=lambda _: (Path(__file__).parent / "lapor_2026_11.md").read_text(encoding="utf-8"),
        restart=arguments.restart,
    )
    print(json.dumps(trained.metrics, indent=1))
    print(*trained.warnings, sep="\n")
    print(trained.folder, trained.sha256)


def held_out(rows: Sequence[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
    """Rows to learn from and every so many-th group of repeats to judge by."""
    groups = repeat_groups(row.text for row in rows)
    learnt: list[Labelled] = []
    kept: list[Labelled] = []
    for row, group in zip(rows, groups, strict=True):
        (kept if group % HELD_OUT[row.source.split("-")[0]] == 0 else learnt).append(row)
    return learnt, kept


def examples(rows: Iterable[Labelled], config: TrainConfig) -> Examples:
    """Rows as training takes them."""
    rows = list(rows)
    return Examples(
        texts=[row.text for row in rows],
        labels={head: [row.labels.get(head) for row in rows] for head in (*config.heads, *config.auxiliary)},
        weights=[WEIGHTS[row.source.split("-")[0]] for row in rows],
        times=[None if row.time is None else datetime.fromisoformat(row.time) for row in rows],
        real=[row.source in ("surabaya", "nasional") for row in rows],
    )


if __name__ == "__main__":
    main()
