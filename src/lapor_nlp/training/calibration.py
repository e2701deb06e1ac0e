"""Calibration: probabilities that mean what they say, and the threshold for acting alone at a stated risk."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import beta

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
    return float(beta.ppf(assurance, wrong + 1, total - wrong))


def fit_threshold(
    confidence: NDArray[np.floating],
    right: NDArray[np.bool_],
    *,
    risk: float,
    assurance: float,
    least: float = 0.1,
    steps: int = 40,
) -> float | None:
    """The lowest threshold at which acting alone is wrong in at most `risk` of cases, with probability `assurance`.

    Thresholds are tried from the strictest down, which acts on the share `least` of the texts, and the search stops at
    the first whose bound exceeds the risk (fixed-sequence testing, so that the assurance holds for the one returned).
    None when not even the strictest holds. Assumes that the texts to come are like those given.
    """
    smallest = int(np.ceil(np.log(1 - assurance) / np.log(1 - risk)))
    if len(confidence) < smallest:
        return None
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], np.cumsum(~right[order])
    best: float | None = None
    for taken in np.unique(np.linspace(max(smallest, least * len(ranked)), len(ranked), steps).astype(int)):
        if taken < len(ranked) and ranked[taken] == ranked[taken - 1]:
            taken = int(np.searchsorted(-ranked, -ranked[taken - 1], side="right"))
        if error_bound(int(wrong[taken - 1]), int(taken), assurance) > risk:
            break
        best = float(ranked[taken - 1])
    return best


def fit_odds(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept on the log odds of raw confidences that make the log loss of `right` least (Platt)."""
    bounded = np.clip(confidence, 1e-6, 1 - 1e-6)
    odds = np.log(bounded / (1 - bounded))

    def loss(parameters: NDArray[np.floating]) -> float:
        margin = np.where(right, 1.0, -1.0) * (parameters[0] * odds + parameters[1])
        return float(np.logaddexp(0.0, -margin).mean())

    slope, intercept = minimize(loss, x0=np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(intercept)


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
