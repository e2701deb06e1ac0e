from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from lapor_nlp.decision import BundleId
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.training.bootstrap import Comparison, Difference, as_evidence, compare
from lapor_nlp.training.evaluation import Judged

RANDOM = np.random.default_rng(5)
LABELS = np.array([f"k{k:02}" for k in range(12)], dtype=object)
TRUTH = LABELS[RANDOM.integers(12, size=600)]


def judged(predicted: NDArray[np.object_], truth: NDArray[np.object_] = TRUTH, **changes: object) -> Judged:
    right = truth == predicted
    values = {
        "head": "urusan",
        "bundle": BundleId(name="kecil", version="1", sha256="0" * 64),
        "known": tuple(LABELS),
        "risk": 0.05,
        "threshold": 0.8,
        "unlabelled": 0,
        "at": np.arange(len(truth)),
        "truth": truth,
        "predicted": predicted,
        "chance": np.where(right, 0.8, 0.05),
        "top3": right,
        "group_right": right,
        "confidence": np.full(len(truth), 0.8),
        "alone": np.arange(len(truth)) % 2 == 0,
        "truncated": np.zeros(len(truth), dtype=np.bool_),
        **changes,
    }
    return Judged(**values)  # type: ignore[arg-type]


def spoilt(share: float, seed: int = 1) -> NDArray[np.object_]:
    """The truth with a share of the labels drawn anew."""
    random = np.random.default_rng(seed)
    predicted = TRUTH.copy()
    here = random.uniform(size=len(TRUTH)) < share
    predicted[here] = LABELS[random.integers(12, size=int(here.sum()))]
    return predicted


def by_measure(comparison: Comparison) -> dict[str, Difference]:
    return {difference.measure: difference for difference in comparison.differences}


def test_a_bundle_is_not_worse_than_itself() -> None:
    same = judged(spoilt(0.2))
    comparison = compare(same, same)
    assert comparison.worse == ()
    assert all((d.difference, d.low, d.high, d.worse_share) == (0, 0, 0, 0) for d in comparison.differences)


def test_a_clearly_worse_bundle_is_told_in_both_directions() -> None:
    good, bad = judged(spoilt(0.1)), judged(spoilt(0.5))
    assert compare(bad, good).worse == ("accuracy", "macro_f1")
    there = by_measure(compare(bad, good))
    assert all(there[name].worse for name in ("accuracy", "top3", "macro_f1", "log_loss"))
    assert there["log_loss"].difference > 0
    assert compare(good, bad).worse == ()


def test_a_difference_by_chance_is_not_worse() -> None:
    assert compare(judged(spoilt(0.2, seed=2)), judged(spoilt(0.2, seed=3))).worse == ()


def test_measures_are_those_of_the_rows() -> None:
    new, old = spoilt(0.3), spoilt(0.1)
    found = by_measure(compare(judged(new), judged(old)))
    assert found["accuracy"].new == pytest.approx((new == TRUTH).mean())
    assert found["macro_f1"].new == pytest.approx(f1_score(TRUTH.astype(str), new.astype(str), average="macro"))
    assert found["log_loss"].old == pytest.approx(np.where(old == TRUTH, -np.log(0.8), -np.log(0.05)).mean())
    assert found["coverage"].new == 0.5
    assert found["accuracy"].difference == pytest.approx(found["accuracy"].new - found["accuracy"].old)


def test_resampled_macro_f1_is_that_of_the_rows_drawn() -> None:
    from lapor_nlp.training.bootstrap import _labels, _Side

    one = judged(spoilt(0.3))
    weights = np.random.default_rng(2).integers(0, 3, size=(4, len(TRUTH))).astype(np.float32)
    weights[0, TRUTH == "k03"] = 0
    found = _Side.of(one, _labels(one, one)).measure(weights)["macro_f1"]
    for row, value in zip(weights.astype(int), found, strict=True):
        truth, predicted = np.repeat(TRUTH, row).astype(str), np.repeat(one.predicted, row).astype(str)
        assert value == pytest.approx(f1_score(truth, predicted, average="macro", labels=sorted(set(truth))))


def test_labels_that_only_one_of_the_two_knows() -> None:
    predicted = spoilt(0.1)
    predicted[:50] = "baru"
    assert by_measure(compare(judged(predicted), judged(spoilt(0.1))))["macro_f1"].difference < 0


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        truth = np.full(300, "a", dtype=object)
        new = np.where(random.uniform(size=300) < 0.8, "a", "b").astype(object)
        old = np.where(random.uniform(size=300) < 0.75, "a", "b").astype(object)
        found = by_measure(compare(judged(new, truth), judged(old, truth), resamples=300, seed=seed))["accuracy"]
        hits += found.low <= 0.05 <= found.high
    assert hits >= 52


def test_repeats_widen_the_interval() -> None:
    new, old = spoilt(0.3), spoilt(0.2)
    groups = np.repeat(np.arange(60), 10)
    copied = [np.repeat(values[:60], 10) for values in (new, old, TRUTH)]
    one, other = judged(copied[0], copied[2]), judged(copied[1], copied[2])
    alone, together = (by_measure(compare(one, other, groups=g))["accuracy"] for g in (None, groups.tolist()))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert compare(one, other, groups=groups.tolist()).groups == 60


def test_the_seed_settles_everything() -> None:
    new, old = judged(spoilt(0.3)), judged(spoilt(0.2))
    assert compare(new, old, seed=3) == compare(new, old, seed=3)
    assert compare(new, old, seed=3) != compare(new, old, seed=4)


def test_drawing_in_blocks_draws_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lapor_nlp.training.bootstrap._CELLS", 600 * 7)
    found = by_measure(compare(judged(spoilt(0.5)), judged(spoilt(0.1)), resamples=50))
    assert found["accuracy"].worse_share == 1.0


def test_other_rows_cannot_be_compared() -> None:
    with pytest.raises(TrainingDataError, match="same labelled rows"):
        compare(judged(TRUTH), judged(TRUTH[::-1], TRUTH[::-1]))
    with pytest.raises(TrainingDataError, match="2 group numbers for 600 rows"):
        compare(judged(TRUTH), judged(TRUTH), groups=[1, 2])


def test_as_evidence_for_the_registry() -> None:
    comparison = compare(judged(spoilt(0.5)), judged(spoilt(0.1)))
    evidence = json.loads(json.dumps(as_evidence("new", "old", {"urusan": comparison}, "uji.csv"), allow_nan=False))
    assert (evidence["sha256"], evidence["against"], evidence["test"]) == ("new", "old", "uji.csv")
    assert evidence["worse"] == ["urusan accuracy", "urusan macro_f1"]
    assert evidence["heads"]["urusan"]["rows"] == 600
