"""Fitting of pair models."""

from __future__ import annotations

import numpy as np
import pytest

from lapor_nlp.duplicates.features import FEATURES
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.training.pairs import JudgedPairs, clusters_of, fit_pairs, unseen_odds


def made(count: int = 400, noise: float = 0.5) -> JudgedPairs:
    random = np.random.default_rng(3)
    same = np.arange(count) % 3 == 0
    features = np.zeros((count, len(FEATURES)))
    features[:, FEATURES.index("wording")] = same + random.normal(size=count) * noise
    features[:, FEATURES.index("names")] = random.normal(size=count)
    features[:, FEATURES.index("desa")] = features[:, FEATURES.index("topic")] = 1
    return JudgedPairs(features=features, same=same, weights=np.zeros(count), clusters=np.arange(count, dtype=np.int32))


def test_what_tells_them_apart_gets_the_weight() -> None:
    model = fit_pairs(made(), precision=0.9, recall=0.8)
    assert model.weights["wording"] > 5 * abs(model.weights["names"])
    assert model.metrics["auc"] > 0.85
    assert model.suggest_recall is not None
    assert model.suggest_recall >= 0.8
    assert model.merge_precision is not None
    assert model.merge_precision >= 0.9
    assert model.merge is not None
    assert model.merge > model.suggest


def test_no_threshold_when_nothing_tells_them_apart() -> None:
    assert fit_pairs(made(noise=50.0)).merge is None


def test_pairs_of_one_report_are_never_on_both_sides() -> None:
    pairs = made(60)
    one = JudgedPairs(
        features=pairs.features,
        same=pairs.same,
        weights=pairs.weights,
        clusters=np.repeat(np.arange(20), 3).astype(np.int32),
    )
    odds = unseen_odds(one)
    assert np.isfinite(odds).all()
    changed = pairs.features.copy()
    changed[0, FEATURES.index("wording")] += 5
    moved = unseen_odds(JudgedPairs(features=changed, same=one.same, weights=one.weights, clusters=one.clusters))
    assert np.allclose(odds[1:3], moved[1:3])
    assert not np.allclose(odds[3:], moved[3:])


def test_left_out_features_get_no_weight() -> None:
    assert "names" not in fit_pairs(made(), leave_out=("names",)).weights


def test_clusters() -> None:
    assert clusters_of([("a", "b"), ("c", "d"), ("b", "e")]).tolist() in ([0, 1, 0], [1, 0, 1])


def test_too_few_pairs() -> None:
    with pytest.raises(TrainingDataError, match="judge more"):
        fit_pairs(made(30))
