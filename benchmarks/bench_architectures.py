"""Encoders of every shape in use for Indonesian, full size: train two steps, export, load, route. Proof, not quality.

    python benchmarks/bench_architectures.py [--shapes NAME,NAME] [--out benchmarks/results/architectures.json]

Weights are random, vocabularies made up (tests/unit/training/full_size.py): shape, tokenizer class, training, export
and routing are real, the answers are not. Rows are seeds of this project. The largest takes about 8 GB of memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from common import HERE, parser, publish, read_jsonl

from lapor_nlp import Report, Router
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.training.checkpoints import load_checkpoint
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.train import train

sys.path.insert(0, str(HERE.parent / "tests" / "unit" / "training"))
from full_size import SHAPES, Shape

ROWS, DEV, BATCH, TOPICS = 160, 60, 16, 8
REPORT = Report(id="1", text="Lampu jalan mati di Jl Kaliurang km 5, Sleman, sejak pekan lalu")


def main() -> None:
    line = parser(__doc__)
    line.add_argument("--shapes", help=f"names, parted by commas; of {', '.join(SHAPES)}")
    arguments = line.parse_args()
    names = list(SHAPES) if arguments.shapes is None else arguments.shapes.split(",")
    if unknown := [name for name in names if name not in SHAPES]:
        raise SystemExit(f"there is no shape {', '.join(unknown)}; there are {', '.join(SHAPES)}")
    rows = some_rows()
    publish("architectures", {"shapes": {name: proof(SHAPES[name], rows) for name in names}}, arguments.out)


def some_rows() -> list[tuple[str, str]]:
    """Texts with their topic, of the most frequent topics of the seeds."""
    seeds = [row for path in sorted((HERE.parent / "training" / "seeds").glob("*.jsonl")) for row in read_jsonl(path)]
    common = {topic for topic, _ in Counter(row["topic"] for row in seeds if row["topic"]).most_common(TOPICS)}
    return [(row["text"], row["topic"]) for row in seeds if row["topic"] in common][: ROWS + DEV]


def proof(shape: Shape, rows: list[tuple[str, str]]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = shape.write(Path(folder) / "checkpoint")
        loaded = load_checkpoint(str(checkpoint))
        about = {
            "same_shape": list(shape.models),
            "model_class": type(loaded.model).__name__,
            "tokenizer_class": type(loaded.tokenizer).__name__,
            "weights_million": round(sum(p.numel() for p in loaded.model.parameters()) / 1e6, 1),
        }
        del loaded
        config = TrainConfig(
            encoder=str(checkpoint), heads=("topic",), epochs=2 * BATCH / ROWS, batch=BATCH, longest=64, likeness=0
        )
        out = Path(folder) / "bundle"
        started = time.perf_counter()
        trained = train(
            examples(rows[:ROWS]),
            examples(rows[ROWS:]),
            config,
            out,
            taxonomy=Taxonomy.load(),
            version="0",
            say=lambda _: None,
        )
        trained_in = time.perf_counter() - started
        decision = Router.load(out).route(REPORT)
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
        return {
            **about,
            "train_export_seconds": round(trained_in, 1),
            "bundle_mb": round(size / 1e6, 1),
            "agreement_encoder_alone": trained.metrics["agreement_encoder_alone"]["topic"],
            "routed": {"action": decision.action, "region": [region.code for region in decision.regions]},
            "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1),
        }


def examples(rows: list[tuple[str, str]]) -> Examples:
    return Examples(texts=[text for text, _ in rows], labels={"topic": [topic for _, topic in rows]})


if __name__ == "__main__":
    main()
