"""Speed of the default bundle against an IndoBERT-shaped pipeline and its own bare session; a step against Trainer.

    python benchmarks/bench_encoder.py [--encoder FOLDER] [--out benchmarks/results/encoder.json]

All in one run, on the same texts (seeds of this project). The pipeline is `transformers.pipeline` in single precision
with a model of IndoBERT-base's shape and random weights: speed depends on the shape alone. The bare session runs the
same graph on the same runs of token numbers, so that the ratio tells what everything else costs (median of seven
rounds, each between two bare ones). With --encoder a training step of ours is timed against plain
`transformers.Trainer` at its defaults on the same rows and batch size.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import HERE, parser, publish, read_jsonl
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, pipeline

from lapor_nlp import Report, Router
from lapor_nlp.encoder.onnx import INPUT, OUTPUT, OnnxEncoder, _runs
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.text.clean import clean
from lapor_nlp.training.checkpoints import load_checkpoint
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.finetune import fine_tune

sys.path.insert(0, str(HERE.parent / "tests" / "unit" / "training"))
from full_size import full_size_indobert

MOST, SLOW, SINGLE, STEPS, BATCH, ROUNDS = 1000, 100, 300, 12, 32, 7


def main() -> None:
    line = parser(__doc__)
    line.add_argument("--encoder")
    arguments = line.parse_args()
    seeds = [row for path in sorted((HERE.parent / "training" / "seeds").glob("*.jsonl")) for row in read_jsonl(path)]
    rows = [row for row in seeds if row["topic"]]
    rows = rows[:: max(1, len(rows) // MOST)][:MOST]
    texts = [row["text"] for row in rows]
    reports = [Report(id=str(i), text=text) for i, text in enumerate(texts)]

    router = Router.load()
    encoder = router.bundle.classifier.encoder
    assert isinstance(encoder, OnnxEncoder)
    list(router.route_many(reports[:100]))
    rounds = []
    for _ in range(ROUNDS):
        alone = bare_seconds(encoder, texts)
        rounds.append((timed(lambda: list(router.route_many(reports))), (alone + bare_seconds(encoder, texts)) / 2))
    routed, bare = np.median(rounds, axis=0)
    singles = sorted(1000 * timed(lambda r=report: router.route(r)) for report in reports[:SINGLE])
    slow = SLOW / pipeline_seconds(texts[:: len(texts) // SLOW][:SLOW])
    result: dict[str, Any] = {
        "texts": len(texts),
        "tokens_mean": round(float(np.mean([len(ids) for ids in encoder._tokeniser(texts).ids])), 1),
        "threads": encoder.threads,
        "reports_per_s": round(len(texts) / routed, 1),
        "bare_session_texts_per_s": round(len(texts) / bare, 1),
        "ratio_to_bare_session": round(float(np.median([b / r for r, b in rounds])), 3),
        "pipeline_indobert_shape_fp32_texts_per_s": round(slow, 2),
        "ratio_to_pipeline": round(len(texts) / routed / slow, 1),
        "one_report_ms": {"p50": round(singles[SINGLE // 2], 1), "p99": round(singles[int(SINGLE * 0.99)], 1)},
    }
    if arguments.encoder:
        result["training"] = training(arguments.encoder, rows)
    publish("encoder", result, arguments.out)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bare_seconds(encoder: OnnxEncoder, texts: list[str]) -> float:
    """The same graph on the same runs, shared out over as many threads, without tokenising or anything else."""
    from concurrent.futures import ThreadPoolExecutor

    ids = encoder._tokeniser([clean(text) for text in texts]).ids
    batches = [np.array([ids[row] for row in run]) for run in _runs([len(row) for row in ids])]
    with ThreadPoolExecutor(encoder.threads) as pool:
        return timed(lambda: list(pool.map(lambda batch: encoder._session.run([OUTPUT], {INPUT: batch}), batches)))


def pipeline_seconds(texts: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = full_size_indobert(Path(folder))
        model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=163)
        classify = pipeline(
            "text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(checkpoint), device="cpu"
        )
        classify(texts[:4], batch_size=4)
        return timed(lambda: classify(texts, batch_size=32, truncation=True, max_length=128))


def training(encoder: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds a step of 32 rows, ours (one head, as plain Trainer has) and plain; same rows, best of two runs."""
    rows = rows[: STEPS * BATCH]
    labels = sorted({row["topic"] for row in rows})
    found = {"ours": 1e9, "trainer": 1e9}
    for _ in range(2):
        found["trainer"] = min(found["trainer"], plain_step(encoder, rows, labels))
        found["ours"] = min(found["ours"], our_step(encoder, rows, labels))
    return {
        "ours_s_a_step": round(found["ours"], 3),
        "trainer_s_a_step": round(found["trainer"], 3),
        "ratio_trainer_to_ours": round(found["trainer"] / found["ours"], 2),
    }


def our_step(encoder: str, rows: list[dict[str, Any]], labels: list[str]) -> float:
    checkpoint = load_checkpoint(encoder)
    settings = checkpoint.settings
    examples = Examples(texts=[row["text"] for row in rows], labels={"topic": [row["topic"] for row in rows]})
    few = Examples(texts=examples.texts[:8], labels={"topic": examples.labels["topic"][:8]})
    config = TrainConfig(encoder=encoder, heads=("topic",), epochs=1, batch=BATCH, likeness=0)
    with tempfile.TemporaryDirectory() as work:
        tuned = fine_tune(
            checkpoint.model,
            Tokeniser(checkpoint.tokenizer.backend_tokenizer, settings),
            examples,
            few,
            {"topic": tuple(labels)},
            config,
            settings=settings,
            work=Path(work),
            quiet=True,
        )
    return tuned.seconds / STEPS


def plain_step(encoder: str, rows: list[dict[str, Any]], labels: list[str]) -> float:
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(labels), dtype=torch.float32)
    data = [
        {**tokenizer("query: " + row["text"], truncation=True, max_length=128), "labels": labels.index(row["topic"])}
        for row in rows
    ]
    with tempfile.TemporaryDirectory() as work:
        arguments = TrainingArguments(
            output_dir=work,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
        outcome = trainer.train()
    return float(outcome.metrics["train_runtime"]) / outcome.global_step


if __name__ == "__main__":
    main()
