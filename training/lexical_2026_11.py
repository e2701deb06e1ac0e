"""Rebuild the bundle models/lexical-2026.11: lexical heads for topic, kind, urgent, pengawasan and out_of_scope.

    python training/lexical_2026_11.py COMPLAINTS --out models/lexical-2026.11

COMPLAINTS is a folder with surabaya_train.jsonl, surabaya_dev.jsonl and lapor_2017_national.jsonl; the reports
written for this project stand in training/seeds. Trained on surabaya_train, the national rows, the seeds and the names
of the topics; calibrated on surabaya_dev and on out-of-fold predictions for national rows and seeds. Takes about three
minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from complaints import NO, YES, Labelled, descriptions, folds, national, seeds, surabaya, tokens_of
from joblib import Parallel, delayed
from numpy.typing import NDArray

from lapor_nlp.blend import FLAGS, KIND, Blend
from lapor_nlp.bundle import Bundle, save_bundle
from lapor_nlp.classifier.lexical import LexicalModel, softmax
from lapor_nlp.classifier.prediction import Prediction
from lapor_nlp.decision import Policy
from lapor_nlp.signals.signals import Signals
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.calibration import (
    expected_calibration_error,
    fit_flag_blend,
    fit_kind_blend,
    fit_odds,
    fit_sharpness,
    fit_threshold,
)
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical

CONFIG = LexicalConfig(strength=0.15, balance=0.5, kept=16_000)
WEIGHTS = {"surabaya": 1.0, "nasional": 2.0, "seed": 3.0, "taksonomi": 3.0}
QUESTIONS = ("topic", KIND, *FLAGS)
FOLDS = 5
RISK, ASSURANCE = 0.05, 0.95

Margins = dict[str, NDArray[np.float32]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("complaints", type=Path)
    parser.add_argument("--out", type=Path, default=Path("models/lexical-2026.11"))
    arguments = parser.parse_args()

    taxonomy, wordlist = Taxonomy.load(), Wordlist.load()
    city = surabaya(arguments.complaints / "surabaya_train.jsonl") + descriptions(taxonomy)
    country = national(arguments.complaints / "lapor_2017_national.jsonl")
    read = country + seeds()
    held_out = surabaya(arguments.complaints / "surabaya_dev.jsonl")
    print(f"city {len(city)}, national {len(country)}, seeds {len(read) - len(country)}, held out {len(held_out)}")

    model = fit(city + read, wordlist)
    unseen = out_of_fold(read, city, model, wordlist)
    judged = held_out + read
    topics = np.vstack([margins(model, held_out, wordlist)["topic"], unseen["topic"]])
    sharpness, policy, metrics = calibrate_topic(judged, topics, model, taxonomy)
    blends, sharp, flags = calibrate_signals(read, unseen, model, wordlist)
    metrics["signals_cross_validated"] = flags
    print(json.dumps(metrics, indent=1))

    heads = {name: replace(head, sharpness={"topic": sharpness, **sharp}[name]) for name, head in model.heads.items()}
    bundle = Bundle(
        name="lexical",
        version="2026.11",
        taxonomy=taxonomy.version,
        model=LexicalModel(settings=CONFIG.features, idf=model.idf, heads=heads),
        policy=policy,
        blends=blends,
        metrics=metrics,
        origin={
            "recipe": "training/lexical_2026_11.py",
            "rows": dict(Counter(row.source.split("-")[0] for row in city + read)),
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
        tokens_of(rows, wordlist),
        {question: [row.labels.get(question) for row in rows] for question in QUESTIONS},
        CONFIG,
        weights=[WEIGHTS[row.source.split("-")[0]] for row in rows],
    )


def margins(model: LexicalModel, rows: list[Labelled], wordlist: Wordlist) -> Margins:
    matrix = model.matrix(tokens_of(rows, wordlist))
    return {question: model.margins(matrix, question) for question in QUESTIONS}


def out_of_fold(rows: list[Labelled], others: list[Labelled], model: LexicalModel, wordlist: Wordlist) -> Margins:
    """Margins for `rows`, each from a model that did not see it, in the columns of `model`."""

    def one(part: list[int]) -> Margins:
        unseen = set(part)
        fitted = fit(others + [row for i, row in enumerate(rows) if i not in unseen], wordlist)
        found = margins(fitted, [rows[i] for i in part], wordlist)
        aligned = {}
        for question, values in found.items():
            labels = model.heads[question].labels
            aligned[question] = np.full((len(part), len(labels)), -2.0, dtype=np.float32)
            aligned[question][:, [labels.index(label) for label in fitted.heads[question].labels]] = values
        return aligned

    parts = folds(rows, FOLDS)
    done = Parallel(n_jobs=2)(delayed(one)(part) for part in parts)
    result = {q: np.empty((len(rows), len(model.heads[q].labels)), dtype=np.float32) for q in QUESTIONS}
    for part, found in zip(parts, done, strict=True):
        for question in QUESTIONS:
            result[question][part] = found[question]
    return result


def calibrate_topic(
    rows: list[Labelled], scores: NDArray[np.float32], model: LexicalModel, taxonomy: Taxonomy
) -> tuple[float, Policy, dict[str, Any]]:
    """Sharpness and policy from real complaints only, figures for each source."""
    labels = model.heads["topic"].labels
    known = [i for i, row in enumerate(rows) if row.topic in labels]
    rows, scores = [rows[i] for i in known], scores[known]
    truth = np.array([labels.index(row.topic or "") for row in rows])
    real = np.array([not row.source.startswith("seed") for row in rows])
    sharpness = fit_sharpness(scores[real], truth[real].tolist())
    probabilities = softmax(sharpness * scores)
    raw, right = by_affair(probabilities, truth, [taxonomy[label].urusan for label in labels])
    slope, intercept = fit_odds(raw[real], right[real])
    policy = Policy(act_alone=None, risk=RISK, assurance=ASSURANCE, slope=slope, intercept=intercept)
    confidence = np.array([policy.calibrated(value) for value in raw])
    threshold = fit_threshold(confidence[real], right[real], risk=RISK, assurance=ASSURANCE)
    metrics = by_source(rows, probabilities, truth, confidence, right, threshold)
    metrics["calibration_error_cross_fitted"] = cross_fitted_error(raw[real], right[real])
    return sharpness, replace(policy, act_alone=threshold), metrics


def calibrate_signals(
    rows: list[Labelled], unseen: Margins, model: LexicalModel, wordlist: Wordlist
) -> tuple[dict[str, Blend], dict[str, float], dict[str, Any]]:
    """Blends of rules and heads, the sharpness of the heads, and figures, all from rows that the heads did not see."""
    signals = Signals.load()
    by_rules = [signals.read(clean(row.text), wordlist.tokens(clean(row.text))) for row in rows]
    blends: dict[str, Blend] = {}
    sharp: dict[str, float] = {}
    figures: dict[str, Any] = {}
    for flag in FLAGS:
        labels = model.heads[flag].labels
        truth = np.array([row.labels[flag] == YES for row in rows])
        sharp[flag] = fit_sharpness(unseen[flag], [labels.index(YES if yes else NO) for yes in truth])
        words = softmax(sharp[flag] * unseen[flag])[:, labels.index(YES)]
        rules = [getattr(reading, flag).score for reading in by_rules]
        blends[flag] = fit_flag_blend(rules, words.tolist(), truth)
        said = np.array([blends[flag].flag(r, float(w)) >= 0.5 for r, w in zip(rules, words, strict=True)])
        figures[flag] = {**precision_recall(said, truth), "rules": precision_recall(np.array(rules) >= 0.5, truth)}
    here = [i for i, row in enumerate(rows) if KIND in row.labels]
    labels = model.heads[KIND].labels
    truth_kind = [rows[i].labels[KIND] for i in here]
    sharp[KIND] = fit_sharpness(unseen[KIND][here], [labels.index(kind) for kind in truth_kind])
    words = softmax(sharp[KIND] * unseen[KIND][here])
    predictions = [Prediction(labels=labels, scores=tuple(row.tolist())) for row in words]
    chosen = [by_rules[i].kind for i in here]
    blends[KIND] = fit_kind_blend(chosen, predictions, truth_kind)
    said_kind = [blends[KIND].kind(rule, p)[0] for rule, p in zip(chosen, predictions, strict=True)]
    figures[KIND] = {
        "accuracy": round(float(np.mean([a == b for a, b in zip(said_kind, truth_kind, strict=True)])), 4),
        "rules": round(float(np.mean([a == b for a, b in zip(chosen, truth_kind, strict=True)])), 4),
    }
    return blends, sharp, figures


def precision_recall(said: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, float]:
    both = float((said & truth).sum())
    return {
        "precision": round(both / max(1.0, float(said.sum())), 4),
        "recall": round(both / max(1.0, float(truth.sum())), 4),
        "of": int(truth.sum()),
    }


def by_affair(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], affair: list[str]
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


def by_source(
    rows: list[Labelled],
    probabilities: NDArray[np.float64],
    truth: NDArray[np.int64],
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    threshold: float | None,
) -> dict[str, Any]:
    """How often the topic is right, in the first three, the affair right, and acting alone, for each source."""
    ranked = np.argsort(-probabilities, axis=1)
    groups = np.array([row.source.split("-")[0] for row in rows])
    languages = np.array([row.source for row in rows])
    result: dict[str, Any] = {}
    for group in [*Counter(groups), *(name for name in Counter(languages) if "-" in name)]:
        here = (groups == group) | (languages == group)
        alone = here & (confidence >= threshold) if threshold is not None else np.zeros_like(here)
        result[str(group)] = {
            "rows": int(here.sum()),
            "topic": round(float((ranked[here, 0] == truth[here]).mean()), 4),
            "top3": round(float((ranked[here, :3] == truth[here, None]).any(axis=1).mean()), 4),
            "affair": round(float(right[here].mean()), 4),
            "calibration_error": round(expected_calibration_error(confidence[here], right[here]), 4),
            "alone": round(float(alone.sum() / here.sum()), 4),
            "alone_wrong": round(float((~right[alone]).mean()), 4) if alone.any() else None,
        }
    return result


if __name__ == "__main__":
    main()
