"""Rebuild the bundle models/lexical-2026.11: the lexical topic model.

    python training/lexical_2026_11.py COMPLAINTS --out models/lexical-2026.11

COMPLAINTS is a folder with surabaya_train.jsonl, surabaya_dev.jsonl and lapor_2017_national.jsonl; the reports written
for this project stand in training/seeds. Trained on surabaya_train, the national rows and the seeds; calibrated on
surabaya_dev and on out-of-fold predictions for national rows and seeds. Takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from complaints import Labelled, folds, national, seeds, surabaya, tokens_of
from numpy.typing import NDArray

from lapor_nlp.bundle import Bundle, save_bundle
from lapor_nlp.classifier.lexical import Head, LexicalModel, softmax
from lapor_nlp.decision import Policy
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.calibration import expected_calibration_error, fit_odds, fit_sharpness, fit_threshold
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical

CONFIG = LexicalConfig(strength=0.15, balance=0.5, kept=2_500_000)
WEIGHTS = {"surabaya": 1.0, "nasional": 2.0, "seed": 3.0}
FOLDS = 5
RISK, ASSURANCE = 0.05, 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("complaints", type=Path)
    parser.add_argument("--out", type=Path, default=Path("models/lexical-2026.11"))
    arguments = parser.parse_args()

    taxonomy, wordlist = Taxonomy.load(), Wordlist.load()
    city = surabaya(arguments.complaints / "surabaya_train.jsonl")
    country = national(arguments.complaints / "lapor_2017_national.jsonl")
    written = seeds()
    held_out = surabaya(arguments.complaints / "surabaya_dev.jsonl")
    print(f"surabaya {len(city)}, national {len(country)}, seeds {len(written)}, held out {len(held_out)}", flush=True)

    model = fit(city + country + written, wordlist)
    labels = model.heads["topic"].labels
    pooled = [(held_out, margins(model, held_out, wordlist))]
    for rows, others in ((country, city + written), (written, city + country)):
        pooled.append((rows, out_of_fold(rows, others, labels, wordlist)))
    judged, scores = keep_known(pooled, labels)

    truth = [labels.index(row.topic) for row in judged]
    traffic = np.array([row.source in ("surabaya", "nasional") for row in judged])
    sharpness = fit_sharpness(scores[traffic], [t for t, real in zip(truth, traffic, strict=True) if real])
    probabilities = softmax(sharpness * scores)
    affair = [taxonomy[label].urusan for label in labels]
    raw, right = by_affair(probabilities, truth, affair)
    slope, intercept = fit_odds(raw[traffic], right[traffic])
    policy = Policy(act_alone=None, risk=RISK, assurance=ASSURANCE, slope=slope, intercept=intercept)
    confidence = np.array([policy.calibrated(value) for value in raw])
    policy = replace(
        policy, act_alone=fit_threshold(confidence[traffic], right[traffic], risk=RISK, assurance=ASSURANCE)
    )
    metrics = report(judged, probabilities, truth, confidence, right, policy.act_alone)
    metrics["calibration_error_cross_fitted"] = cross_fitted_error(raw[traffic], right[traffic])
    print(json.dumps(metrics, indent=1))

    head = model.heads["topic"]
    calibrated = Head(labels=head.labels, weights=head.weights, bias=head.bias, sharpness=sharpness)
    bundle = Bundle(
        name="lexical",
        version="2026.11",
        taxonomy=taxonomy.version,
        model=LexicalModel(settings=CONFIG.features, idf=model.idf, heads={"topic": calibrated}),
        policy=policy,
        metrics=metrics,
        origin={
            "recipe": "training/lexical_2026_11.py",
            "rows": {"surabaya_train": len(city), "national_2017": len(country), "seeds": len(written)},
            "strength": CONFIG.strength,
            "balance": CONFIG.balance,
            "kept": CONFIG.kept,
            "seed": CONFIG.seed,
        },
    )
    card = (Path(__file__).parent / "lexical_2026_11.md").read_text(encoding="utf-8")
    print(save_bundle(bundle, arguments.out, card=card))


def fit(rows: list[Labelled], wordlist: Wordlist) -> LexicalModel:
    return fit_lexical(
        tokens_of((row.text for row in rows), wordlist),
        [row.topic for row in rows],
        CONFIG,
        weights=[WEIGHTS[row.source.split("-")[0]] for row in rows],
    )


def margins(model: LexicalModel, rows: list[Labelled], wordlist: Wordlist) -> NDArray[np.float32]:
    return model.margins(model.matrix(tokens_of((row.text for row in rows), wordlist)), "topic")


def out_of_fold(
    rows: list[Labelled], others: list[Labelled], labels: tuple[str, ...], wordlist: Wordlist
) -> NDArray[np.float32]:
    """Margins for `rows`, each from a model that did not see it, in the columns of `labels`."""
    result = np.full((len(rows), len(labels)), -2.0, dtype=np.float32)
    for part in folds(rows, FOLDS):
        unseen = set(part)
        model = fit(others + [row for i, row in enumerate(rows) if i not in unseen], wordlist)
        columns = [labels.index(label) for label in model.heads["topic"].labels]
        result[np.ix_(part, columns)] = margins(model, [rows[i] for i in part], wordlist)
        print(".", end="", flush=True)
    print(flush=True)
    return result


def keep_known(
    pooled: list[tuple[list[Labelled], NDArray[np.float32]]], labels: tuple[str, ...]
) -> tuple[list[Labelled], NDArray[np.float32]]:
    judged = [row for rows, _ in pooled for row in rows]
    scores = np.vstack([scores for _, scores in pooled])
    known = [i for i, row in enumerate(judged) if row.topic in labels]
    return [judged[i] for i in known], scores[known]


def by_affair(
    probabilities: NDArray[np.float64], truth: list[int], affair: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Probability that the affair of the first topic is right, and whether it is."""
    kinds = sorted(set(affair))
    member = np.array([[a == kind for kind in kinds] for a in affair], dtype=np.float64)
    sums = probabilities @ member
    first = np.array([kinds.index(affair[k]) for k in probabilities.argmax(axis=1)])
    wanted = np.array([kinds.index(affair[k]) for k in truth])
    return sums[np.arange(len(first)), first], first == wanted


def cross_fitted_error(raw: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Calibration error when the odds are fitted on every other row and judged on the rest, averaged both ways."""
    errors = []
    for start in (0, 1):
        slope, intercept = fit_odds(raw[start::2], right[start::2])
        policy = Policy(act_alone=None, slope=slope, intercept=intercept)
        judged = np.array([policy.calibrated(value) for value in raw[1 - start :: 2]])
        errors.append(expected_calibration_error(judged, right[1 - start :: 2]))
    return round(sum(errors) / 2, 4)


def report(
    rows: list[Labelled],
    probabilities: NDArray[np.float64],
    truth: list[int],
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    threshold: float | None,
) -> dict[str, object]:
    """Figures by source: how often the topic is right, in the first three, the affair right, and acting alone."""
    ranked = np.argsort(-probabilities, axis=1)
    target = np.array(truth)
    result: dict[str, object] = {"threshold": threshold}
    groups = np.array([row.source.split("-")[0] for row in rows])
    languages = np.array([row.source for row in rows])
    for group in [*Counter(groups), *(name for name in Counter(languages) if "-" in name)]:
        here = (groups == group) | (languages == group)
        alone = here & (confidence >= threshold) if threshold is not None else np.zeros_like(here)
        result[str(group)] = {
            "rows": int(here.sum()),
            "topic": round(float((ranked[here, 0] == target[here]).mean()), 4),
            "top3": round(float((ranked[here, :3] == target[here, None]).any(axis=1).mean()), 4),
            "affair": round(float(right[here].mean()), 4),
            "calibration_error": round(expected_calibration_error(confidence[here], right[here]), 4),
            "alone": round(float(alone.sum() / here.sum()), 4),
            "alone_wrong": round(float((~right[alone]).mean()), 4) if alone.any() else None,
        }
    return result


if __name__ == "__main__":
    main()
