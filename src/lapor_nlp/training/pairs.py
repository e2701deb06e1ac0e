"""Fitting a PairModel on judged pairs of reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.stats import beta

from lapor_nlp.duplicates.detector import in_order
from lapor_nlp.duplicates.features import FEATURES, compare, mergeable
from lapor_nlp.duplicates.model import PairModel
from lapor_nlp.errors import MissingExtraError, TrainingDataError
from lapor_nlp.report import Report
from lapor_nlp.router import Router

try:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, roc_auc_score
except ModuleNotFoundError as error:
    raise MissingExtraError("train", "scikit-learn") from error

_STRENGTH = 0.1
_FOLDS, _ROUNDS = 5, 5
_FEWEST = 20
_FEWEST_MERGED = 10
_MARGIN = 0.02
"""How much more recall than asked for is wanted on the pairs that the threshold is chosen by."""


@dataclass(frozen=True, kw_only=True)
class JudgedPairs:
    """Pairs with the verdict of a reader.

    `features` of `compare`, shape (pairs, len(FEATURES)); `same`, `weights` (how many pairs of traffic each stands
    for) and
    `clusters` (pairs that share a report, directly or along a chain, have one number), each of shape (pairs,).
    """

    features: NDArray[np.float64]
    same: NDArray[np.bool_]
    weights: NDArray[np.float64]
    clusters: NDArray[np.int32]


def clusters_of(pairs: Sequence[tuple[str, str]]) -> NDArray[np.int32]:
    """A number for each pair: the same for pairs that share a report, directly or along a chain."""
    number = {name: i for i, name in enumerate(sorted({name for pair in pairs for name in pair}))}
    first, second = ([number[pair[side]] for pair in pairs] for side in (0, 1))
    graph = coo_matrix((np.ones(len(pairs)), (first, second)), shape=(len(number), len(number)))
    groups: NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return groups[first]


def fit_pairs(
    pairs: JudgedPairs, *, leave_out: Sequence[str] = (), precision: float = 0.98, recall: float = 0.85
) -> PairModel:
    """A logistic regression on the features, with thresholds chosen on probabilities of pairs it had not seen.

    `leave_out` names features that get no weight. Raises TrainingDataError when there are too few pairs of either kind.
    """
    for kind, count in (("same", int(pairs.same.sum())), ("other", int((~pairs.same).sum()))):
        if count < _FEWEST:
            raise TrainingDataError(f"there are {count} {kind} pairs, at least {_FEWEST} are needed; judge more pairs")
    unseen = unseen_odds(pairs, leave_out)
    slope, intercept = _calibration(unseen, pairs)
    weights, constant = _fit(pairs, np.arange(len(pairs.same)), leave_out)
    probability = 1 / (1 + np.exp(-(slope * unseen + intercept)))
    suggest, found = _suggest(probability, pairs.same, min(1.0, recall + _MARGIN))
    allowed = mergeable(pairs.features)
    merge, kept, bound = _merge(probability[allowed], pairs.same[allowed], precision)
    merged = np.zeros(len(allowed), dtype=np.bool_) if merge is None else allowed & (probability >= merge)
    return PairModel(
        weights={name: round(slope * float(w), 5) for name, w in zip(FEATURES, weights, strict=True) if w},
        intercept=round(slope * constant + intercept, 5),
        suggest=suggest,
        merge=merge,
        suggest_recall=found,
        merge_precision=kept,
        metrics={
            "pairs": len(pairs.same),
            "same": int(pairs.same.sum()),
            "auc": round(float(roc_auc_score(pairs.same, unseen)), 4),
            "average_precision": round(float(average_precision_score(pairs.same, unseen)), 4),
            "merged": int(merged.sum()),
            "merge_recall": round(float(merged[pairs.same].mean()), 4),
            "merge_precision_at_least": bound,
        },
    )


def unseen_odds(pairs: JudgedPairs, leave_out: Sequence[str] = ()) -> NDArray[np.float64]:
    """Log odds of each pair by models that saw no pair of its cluster: the mean of some rounds of folds. Shape
    (pairs,).
    """
    total = np.zeros(len(pairs.same))
    for seed in range(_ROUNDS):
        order = np.random.default_rng(seed).permutation(int(pairs.clusters.max()) + 1)[pairs.clusters]
        for fold in range(_FOLDS):
            test = order % _FOLDS == fold
            if test.any():
                weights, constant = _fit(pairs, np.flatnonzero(~test), leave_out)
                total[test] += pairs.features[test] @ weights + constant
    result: NDArray[np.float64] = total / _ROUNDS
    return result


def _fit(pairs: JudgedPairs, rows: NDArray[np.int64], leave_out: Sequence[str]) -> tuple[NDArray[np.float64], float]:
    """Weights on the features as they are, and the constant."""
    chosen = pairs.features[rows]
    mean, spread = chosen.mean(axis=0), chosen.std(axis=0)
    used = (spread > 1e-9) & ~np.isin(FEATURES, list(leave_out))
    model = LogisticRegression(C=_STRENGTH, max_iter=1000)
    model.fit((chosen[:, used] - mean[used]) / spread[used], pairs.same[rows])
    weights = np.zeros(len(FEATURES))
    weights[used] = model.coef_[0] / spread[used]
    return weights, float(model.intercept_[0] - weights @ mean)


def _calibration(odds: NDArray[np.float64], pairs: JudgedPairs) -> tuple[float, float]:
    """From log odds to those of traffic: by the pairs whose share of it is known, or all if there are none."""
    known = pairs.weights > 0 if (pairs.weights > 0).any() else np.ones(len(odds), dtype=np.bool_)
    weights = pairs.weights[known] if (pairs.weights > 0).any() else None
    model = LogisticRegression(C=1e3).fit(odds[known, None], pairs.same[known], sample_weight=weights)
    return max(0.1, float(model.coef_[0, 0])), float(model.intercept_[0])


def _suggest(probability: NDArray[np.float64], same: NDArray[np.bool_], recall: float) -> tuple[float, float]:
    """The highest threshold that finds `recall` of the same pairs, and how much it finds."""
    falling = np.sort(probability[same])[::-1]
    threshold = np.floor(falling[min(len(falling) - 1, int(np.ceil(recall * len(falling))) - 1)] * 1e4) / 1e4
    return float(threshold), round(float((falling >= threshold).mean()), 4)


def _merge(
    probability: NDArray[np.float64], same: NDArray[np.bool_], precision: float
) -> tuple[float | None, float | None, float | None]:
    """The lowest threshold above which `precision` of the pairs are the same, that precision, and what it is at
    least.
    """
    order = np.argsort(-probability, kind="stable")
    right = np.cumsum(same[order])
    share = right / np.arange(1, len(order) + 1)
    fitting = np.flatnonzero(share >= precision)
    if not len(fitting) or fitting[-1] + 1 < _FEWEST_MERGED:
        return None, None, None
    last = int(fitting[-1])
    hits, count = int(right[last]), last + 1
    bound = float(beta.ppf(0.05, hits, count - hits + 1)) if hits else 0.0
    threshold = float(np.ceil(probability[order[last]] * 1e4) / 1e4) if last + 1 < len(order) else 0.0
    return threshold, round(hits / count, 4), round(bound, 4)


def read_pairs(
    router: Router, pairs: Sequence[tuple[Report, Report]], same: Sequence[bool], weights: Sequence[float] | None = None
) -> JudgedPairs:
    """Judged pairs as a router reads them; the later report of each, by time, is the one that may repeat the other."""
    traces = router.traces([report for pair in pairs for report in pair])
    rows = []
    for first, second in zip(traces[::2], traces[1::2], strict=True):
        earlier, later = in_order(first, second)
        rows.append(compare(later, [earlier])[0])
    return JudgedPairs(
        features=np.array(rows).reshape(-1, len(FEATURES)),
        same=np.array(same, dtype=np.bool_),
        weights=np.zeros(len(pairs)) if weights is None else np.array(weights, dtype=np.float64),
        clusters=clusters_of([(first.id, second.id) for first, second in pairs]),
    )
