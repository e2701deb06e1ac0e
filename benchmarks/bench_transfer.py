"""Cities that nothing was learnt from: Bandung as it stands, Purbalingga with its own coarse topics in five folds.

    python benchmarks/bench_transfer.py COMPLAINTS ENCODER [--bundle FOLDER] [--out benchmarks/results/transfer.json]

Bandung: complaints among tweets of 2015/16, their subtopics carried to our topics by bandung_topics.csv; the bundle and
its words alone answer without retraining, rivals learn from the very rows that the bundle's topics learnt from.
Purbalingga: six topics that overlap. In each fold the bundle's encoder goes on from where it is with a new head
(`train`, warm start); rivals learn from the same rows. Texts that repeat one another are in one fold. ENCODER is the
folder of the encoder that the rival `frozen` uses.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rivals
from common import HERE, parser, publish, read_jsonl
from sklearn.metrics import f1_score

from lapor_nlp.bundle import default_folder
from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.scorer import Scorer
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.splits import grouped_folds, repeat_groups
from lapor_nlp.training.train import train

sys.path.insert(0, str(HERE.parent / "training"))
from complaints import descriptions, national, seeds, surabaya
from lapor_2026_11 import held_out

FOLDS = 5
HEAD = "bidang"


def main() -> None:
    line = parser(__doc__)
    line.add_argument("complaints", type=Path)
    line.add_argument("encoder", type=Path)
    line.add_argument("--bundle", type=Path, help="model folder; the packaged one by default")
    line.add_argument("--epochs", type=float, default=6.0, help="passes over each fold of Purbalingga")
    arguments = line.parse_args()
    result = {"bandung": bandung(arguments), "purbalingga": purbalingga(arguments)}
    publish("transfer", result, arguments.out)


def bandung(arguments: argparse.Namespace) -> dict[str, Any]:
    taxonomy = Taxonomy.load()
    with (HERE / "bandung_topics.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        carried = {row["subtopic"]: frozenset(row["topics"].split("|")) for row in rows}
    tweets = [
        row
        for row in read_jsonl(arguments.complaints / "bandung_tweets_2015_2016.jsonl")
        if row["kind"] == "keluhan" and row["subtopic"] in carried
    ]
    texts, right = [row["text"] for row in tweets], [carried[row["subtopic"]] for row in tweets]

    def figures(answers: Sequence[str]) -> dict[str, float]:
        hits = np.array([answer in accepted for answer, accepted in zip(answers, right, strict=True)])
        of = [{taxonomy[topic].category for topic in accepted} for accepted in right]
        categories = np.array([taxonomy[a].category in accepted for a, accepted in zip(answers, of, strict=True)])
        kinds = np.array(["|".join(sorted(accepted)) for accepted in right])
        each = [hits[kinds == kind].mean() for kind in sorted(set(kinds))]
        return {
            "topic": round(float(hits.mean()), 4),
            "topic_mean_of_classes": round(float(np.mean(each)), 4),
            "category": round(float(categories.mean()), 4),
        }

    scorer = Scorer.load(arguments.bundle)
    found: dict[str, Any] = {"texts": len(texts), "classes": len({*right})}
    found["bundle"] = figures(topics(scorer, texts))
    found["bundle_words_alone"] = figures(topics(words_alone(scorer), texts))
    learnt, _ = held_out(national(arguments.complaints / "lapor_2017_national.jsonl") + seeds())
    taught = surabaya(arguments.complaints / "surabaya_train.jsonl") + learnt + descriptions(taxonomy)
    taught = [row for row in taught if row.topic in scorer.bundle.classifier.labels["topic"]]
    for name, rival in (("tfidf_svc", rivals.tfidf_svc), ("frozen", rivals.frozen(arguments.encoder))):
        fitted = rival([row.text for row in taught], [str(row.topic) for row in taught])
        found[name] = figures([fitted.labels[i] for i in fitted.score(texts).argmax(axis=1)])
    best = max(found[name]["topic"] for name in ("tfidf_svc", "frozen"))
    return {**found, "ratio_to_best_rival": round(found["bundle"]["topic"] / best, 4)}


def topics(scorer: Scorer, texts: Sequence[str]) -> list[str]:
    labels = scorer.bundle.classifier.labels["topic"]
    return [labels[i] for i in scorer.score(texts, ["topic"]).probabilities["topic"].argmax(axis=1)]


def words_alone(scorer: Scorer) -> Scorer:
    classifier = scorer.bundle.classifier
    bare = Classifier(
        lexical=classifier.lexical, mixes={h: Mix(lexical=max(m.lexical, 1e-3)) for h, m in classifier.mixes.items()}
    )
    return Scorer(bundle=replace(scorer.bundle, classifier=bare), wordlist=scorer.wordlist, taxonomy=scorer.taxonomy)


def purbalingga(arguments: argparse.Namespace) -> dict[str, Any]:
    rows = read_jsonl(arguments.complaints / "purbalingga_2025.jsonl")
    texts, labels = np.array([row["text"] for row in rows]), np.array([row["topic"] for row in rows])
    groups = repeat_groups(texts)
    answers = {
        name: np.empty(len(rows), dtype=labels.dtype) for name in ("ours", "tfidf_svc", "tfidf_logistic", "frozen")
    }
    for test in grouped_folds(groups, FOLDS):
        rest = np.setdiff1d(np.arange(len(rows)), test)
        answers["ours"][test] = warm(arguments, texts, labels, groups, rest, test)
        for name, rival in (
            ("tfidf_svc", rivals.tfidf_svc),
            ("tfidf_logistic", rivals.tfidf_logistic),
            ("frozen", rivals.frozen(arguments.encoder)),
        ):
            fitted = rival(texts[rest].tolist(), labels[rest].tolist())
            answers[name][test] = [fitted.labels[i] for i in fitted.score(texts[test].tolist()).argmax(axis=1)]
    found: dict[str, Any] = {
        name: {
            "accuracy": round(float((given == labels).mean()), 4),
            "macro_f1": round(float(f1_score(labels, given, average="macro")), 4),
        }
        for name, given in answers.items()
    }
    best = {key: max(found[name][key] for name in answers if name != "ours") for key in ("accuracy", "macro_f1")}
    ratios = {key: round(found["ours"][key] / value, 4) for key, value in best.items()}
    return {"texts": len(rows), "folds": FOLDS, **found, "ratio_to_best_rival": ratios}


def warm(arguments: argparse.Namespace, texts: Any, labels: Any, groups: Any, rest: Any, test: Any) -> list[str]:
    """Answers to the rows `test` by a bundle trained on the rows `rest`, of which a seventh fits mix and policy."""
    _, numbers = np.unique(groups[rest], return_inverse=True)
    dev = rest[grouped_folds(numbers, 7)[0]]
    learnt = np.setdiff1d(rest, dev)
    config = TrainConfig(
        encoder=str(arguments.bundle or default_folder()),
        heads=(HEAD,),
        epochs=arguments.epochs,
        batch=16,
        likeness=0,
        patience=100,
        fewest=2,
    )

    def examples(at: Any) -> Examples:
        return Examples(texts=texts[at].tolist(), labels={HEAD: labels[at].tolist()})

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "fold"
        train(examples(learnt), examples(dev), config, out, taxonomy=Taxonomy.load(), version="0", say=lambda _: None)
        scorer = Scorer.load(out)
        known = scorer.bundle.classifier.labels[HEAD]
        found = scorer.score(texts[test].tolist(), [HEAD]).probabilities[HEAD]
    return [known[i] for i in found.argmax(axis=1)]


if __name__ == "__main__":
    main()
