"""Calibration: probabilities that mean what they say, and bounds on how often they do not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import betaincinv, expit

from lapor_nlp.blend import Blend, log_odds
from lapor_nlp.classifier.classifier import softmax
from lapor_nlp.classifier.prediction import Prediction


def fit_sharpness(
    margins: NDArray[np.floating], truth: Sequence[int], *, weights: NDArray[np.floating] | None = None
) -> float:
    """The factor on margins of shape (texts, labels) that makes the log loss of `truth` (column numbers) least."""
    target = np.asarray(truth)
    rows = np.ones(len(target)) if weights is None else weights

    def loss(log_sharpness: float) -> float:
        probabilities = softmax(np.exp(log_sharpness) * margins)
        picked = np.clip(probabilities[np.arange(len(target)), target], 1e-9, 1.0)
        return float(-(rows * np.log(picked)).sum() / rows.sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 5.0), method="bounded").x))


def expected_calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equally filled bins, weighted by their size."""
    order = np.argsort(confidence)
    gaps = [
        len(part) * abs(float(confidence[part].mean()) - float(right[part].mean()))
        for part in np.array_split(order, bins)
        if len(part)
    ]
    return sum(gaps) / max(1, len(confidence))


def error_bound(wrong: int, total: int, assurance: float) -> float:
    """Upper bound (Clopper-Pearson) on the error rate that holds with probability `assurance`."""
    if total == 0 or wrong >= total:
        return 1.0
    return float(betaincinv(wrong + 1, total - wrong, assurance))


def fit_odds(raw: NDArray[np.floating], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope, at least 0, and intercept on the log odds of raw confidences that make the log loss of `right` least.

    Platt's targets, a little inside 0 and 1, keep both finite when all are right or all wrong.
    """
    bounded = np.clip(raw, 1e-6, 1 - 1e-6)
    odds = np.log(bounded / (1 - bounded))
    yes = int(right.sum())
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (len(right) - yes + 2))

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = parameters[0] * odds + parameters[1]
        over = expit(margin) - target
        value = float((np.logaddexp(0.0, margin) - target * margin).mean())
        return value, np.array([(over * odds).mean(), over.mean()])

    found = minimize(loss, x0=np.array([1.0, 0.0]), jac=True, bounds=[(0.0, None), (None, None)], method="L-BFGS-B").x
    return float(found[0]), float(found[1])


def fit_flag_blend(by_rules: Sequence[float], by_words: Sequence[float], truth: NDArray[np.bool_]) -> Blend:
    """A blend for a yes/no question from scores of rules and head, each in [0, 1], on texts the head did not see.

    The weights make the log loss least; the bias then puts 0.5 where F1 is best.
    """
    odds = np.array([[log_odds(r), log_odds(w)] for r, w in zip(by_rules, by_words, strict=True)])

    def loss(parameters: NDArray[np.floating]) -> float:
        margin = np.where(truth, 1.0, -1.0) * (odds @ parameters[:2] + parameters[2])
        return float(np.logaddexp(0.0, -margin).mean() + 0.002 * (parameters[:2] ** 2).sum())

    start = np.array([0.5, 0.5, 0.0])
    rules, words, bias = minimize(loss, x0=start, bounds=[(0, 5), (0, 5), (None, None)], method="L-BFGS-B").x
    score = odds @ np.array([rules, words]) + bias
    order = np.argsort(-score)
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + truth.sum())
    best = int(np.argmax(f1))
    following = score[order[min(best + 1, len(order) - 1)]]
    return Blend(rules=float(rules), words=float(words), bias=float(bias - (score[order[best]] + following) / 2))


def fit_kind_blend(by_rules: Sequence[str], by_words: Sequence[Prediction], truth: Sequence[str]) -> Blend:
    """A blend for the kind from the rules' label and the head's prediction, which did not see the texts."""
    labels = sorted(set(truth))
    log_words = np.array(
        [[math.log(max(dict(zip(p.labels, p.scores, strict=True))[k], 1e-4)) for k in labels] for p in by_words]
    )
    chosen = np.array([[float(k == r) for k in labels] for r in by_rules])
    target = np.array([labels.index(t) for t in truth])

    def loss(parameters: NDArray[np.floating]) -> float:
        probabilities = softmax(parameters[0] * chosen + parameters[1] * log_words)
        return float(-np.log(np.clip(probabilities[np.arange(len(target)), target], 1e-9, 1)).mean())

    rules, words = minimize(loss, x0=np.array([1.0, 1.0]), method="Nelder-Mead").x
    return Blend(rules=float(rules), words=float(words))
