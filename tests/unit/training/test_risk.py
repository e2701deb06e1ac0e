from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lapor_nlp.decision import Policy
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.training.calibration import error_bound
from lapor_nlp.training.risk import (
    ASSUMED_ROOM,
    Room,
    acts_alone,
    find_room,
    fit_policy,
    fit_threshold,
    rows_needed,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def world(seed: int, rows: int, spoil: float = 0.0) -> tuple[Floats, Bools]:
    """Confidences and whether the answers were right; `spoil` of the right answers turn wrong whatever is said."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.3, 1, rows) ** 0.2
    return confidence, (random.uniform(size=rows) < confidence) & (random.uniform(size=rows) >= spoil)


def alone_wrong(confidence: Floats, right: Bools, threshold: float | None) -> float:
    alone = confidence >= (np.inf if threshold is None else threshold)
    return float((~right[alone]).mean()) if alone.any() else 0.0


def test_no_threshold_from_too_few_rows() -> None:
    assert fit_threshold(np.linspace(0.9, 1, 58), np.ones(58, dtype=bool), risk=0.05, assurance=0.95) is None
    assert fit_threshold(np.linspace(0.9, 1, 59), np.ones(59, dtype=bool), risk=0.05, assurance=0.95) == 0.9


def test_no_threshold_when_the_surest_are_wrong() -> None:
    confidence = np.linspace(0, 1, 1000)
    assert fit_threshold(confidence, confidence < 0.9, risk=0.05, assurance=0.95) is None


def test_equal_confidences_go_together() -> None:
    confidence = np.array([0.9] * 400 + [0.5] * 400)
    right = np.array([True] * 399 + [False] + [False] * 400)
    assert fit_threshold(confidence, right, risk=0.05, assurance=0.95) == 0.9


def test_the_second_sequence_finds_what_the_first_misses() -> None:
    confidence = np.linspace(1, 0, 2000)
    right = np.arange(2000) < 240
    threshold = fit_threshold(confidence, right, risk=0.05, assurance=0.95)
    assert threshold is not None
    assert 0.8 < threshold < 0.95


def test_the_stated_risk_holds_in_nine_of_ten_worlds() -> None:
    later, came = world(0, 200_000)
    kept, acted = 0, 0
    for seed in range(1, 61):
        threshold = fit_threshold(*world(seed, 1500), risk=0.05, assurance=0.95)
        acted += threshold is not None
        kept += alone_wrong(later, came, threshold) <= 0.05
    assert kept >= 54
    assert acted >= 50


@given(st.integers(0, 10_000), st.integers(60, 900), st.floats(0, 0.2), st.sampled_from([0.02, 0.05, 0.1]))
def test_what_goes_alone_is_within_the_bound(seed: int, rows: int, spoil: float, risk: float) -> None:
    confidence, right = world(seed, rows, spoil)
    threshold = fit_threshold(confidence, right, risk=risk, assurance=0.9, room=0.8)
    if threshold is not None:
        alone = confidence >= threshold
        wrong = int((~right[alone]).sum())
        assert error_bound(wrong, int(alone.sum()), 0.9) <= risk
        assert wrong <= 0.8 * risk * alone.sum()


def test_rows_needed() -> None:
    assert rows_needed(0.05, 0.95) == 59
    assert rows_needed(0.1, 0.9) == 22
    more = rows_needed(0.05, 0.95, 0.03)
    assert error_bound(int(np.ceil(0.03 * more)), more, 0.95) <= 0.05
    assert more > rows_needed(0.05, 0.95, 0.02) > 59


def drifting(rows: int, steps: Any) -> tuple[Floats, Bools, list[int]]:
    """Rows in order of time, one stretch for each number in `steps`: how much is spoilt in it."""
    parts = [world(40 + k, rows, spoil) for k, spoil in enumerate(steps)]
    confidence = np.concatenate([part[0] for part in parts])
    return confidence, np.concatenate([part[1] for part in parts]), list(range(len(confidence)))


def test_room_is_assumed_without_times_or_with_few_dated_rows() -> None:
    confidence, right, times = drifting(1000, [0.0, 0.0])
    assumed = Room(part=ASSUMED_ROOM, measured=False)
    assert find_room(confidence, right, None, risk=0.05, assurance=0.95) == assumed
    assert find_room(confidence, right, times, risk=0.05, assurance=0.95) == assumed
    assert find_room(confidence, right, [None] * 2000, risk=0.05, assurance=0.95) == assumed


def test_room_is_all_of_the_risk_where_nothing_drifts_and_less_where_labels_do() -> None:
    steady = find_room(*drifting(600, [0.0] * 14), risk=0.05, assurance=0.95)
    assert steady.measured
    assert steady.tests == 12
    worse = find_room(*drifting(600, [0.01 * (k % 3) for k in range(14)]), risk=0.05, assurance=0.95)
    assert worse.part < steady.part


def test_few_looks_at_the_past_earn_no_more_than_the_assumed_room() -> None:
    confidence, _, times = drifting(600, [0.0] * 6)
    room = find_room(confidence, np.ones(3600, dtype=bool), times, risk=0.05, assurance=0.95)
    assert room == Room(part=ASSUMED_ROOM, measured=True, tests=4, held=4)


def test_times_need_no_order() -> None:
    confidence, right, times = drifting(600, [0.0, 0.01, 0.02, 0.0, 0.01, 0.02])
    order = np.random.default_rng(5).permutation(len(times))
    shuffled = find_room(confidence[order], right[order], [times[i] for i in order], risk=0.05, assurance=0.95)
    assert shuffled == find_room(confidence, right, times, risk=0.05, assurance=0.95)


def test_a_policy_keeps_the_risk_later_where_a_plain_threshold_does_not() -> None:
    raw, right, times = drifting(700, [0.0, 0.01, 0.0, 0.02, 0.01, 0.0, 0.015])
    later, came = world(99, 40_000, 0.015)
    fit = fit_policy(raw, right, ["air"] * len(raw), times=times)
    assert fit.guaranteed
    assert fit.coverage > 0.2
    confidence = np.array([fit.policy.calibrated(value) for value in later.tolist()])
    assert (~came[acts_alone(fit.policy, confidence, ["air"] * len(later))]).mean() <= 0.05
    ranked = np.argsort(-raw)
    errors = np.cumsum(~right[ranked]) / np.arange(1, len(raw) + 1)
    plain = raw[ranked][np.flatnonzero(errors <= 0.05)[-1]]
    assert alone_wrong(later, came, float(plain)) > 0.05


def test_a_group_that_is_wrong_beyond_doubt_is_held_back() -> None:
    raw, right = world(7, 4000)
    groups = np.where(np.arange(4000) % 10 == 0, "bpjs", "jalan")
    spoilt = right & ~((groups == "bpjs") & (np.random.default_rng(8).uniform(size=4000) < 0.4))
    fit = fit_policy(raw, spoilt, groups.tolist(), risk=0.1)
    assert fit.policy.by_group == {"bpjs": None}
    assert any("bpjs never goes alone" in warning for warning in fit.warnings)
    assert fit_policy(raw, right, groups.tolist(), risk=0.1).policy.by_group == {}


def test_figures_are_those_of_the_policy() -> None:
    raw, right = world(11, 3000)
    fit = fit_policy(raw, right, ["air", "jalan"] * 1500, risk=0.08)
    confidence = np.array([fit.policy.calibrated(value) for value in raw.tolist()])
    alone = acts_alone(fit.policy, confidence, ["air", "jalan"] * 1500)
    assert fit.coverage == alone.mean()
    assert fit.error == (~right[alone]).mean()
    assert fit.bound <= 0.08
    assert set(fit.figures) == {"alone", "alone_wrong", "alone_wrong_bound", "room"}


def test_strange_texts_lose_their_confidence_and_familiar_ones_do_not() -> None:
    raw, right = world(13, 3000)
    rarity = np.random.default_rng(14).normal(6, 0.5, 3000)
    policy = fit_policy(raw, right, ["air"] * 3000, rarity=rarity, risk=0.1).policy
    assert policy.familiar == pytest.approx(np.quantile(rarity, 0.99))
    assert policy.calibrated(0.999, 6.5) == policy.calibrated(0.999)
    assert policy.calibrated(0.999, policy.familiar + 1) < 0.4
    assert fit_policy(raw, right, ["air"] * 3000, risk=0.1).policy.familiar is None


def test_the_rest_of_a_former_policy_stays() -> None:
    raw, right = world(15, 2000)
    former = Policy(act_alone=0.5, place=0.6, review_pengawasan=False, measure="share", by_group={"air": None})
    policy = fit_policy(raw, right, ["air"] * 2000, risk=0.2, former=former).policy
    assert (policy.place, policy.review_pengawasan, policy.risk) == (0.6, False, 0.2)
    assert (policy.measure, policy.by_group) == ("lead", {})


@pytest.mark.parametrize(
    ("rows", "spoil", "says"),
    [
        (40, 0.0, "needs at least 59 rows, all right; there are 40"),
        (300, 0.0, "rows would do"),
        (3000, 0.3, "train on"),
    ],
)
def test_nothing_goes_alone_without_the_bound_and_it_says_why(rows: int, spoil: float, says: str) -> None:
    raw, right = world(21, rows, spoil)
    if not spoil:
        surest = np.argsort(-raw)
        right[surest[:110]] = True
        right[surest[[5, 30]]] = False
        right[surest[150:]] = False
    fit = fit_policy(raw, right, ["air"] * rows)
    assert not fit.guaranteed
    assert (fit.coverage, fit.error, fit.bound) == (0.0, None, 1.0)
    assert [says in warning for warning in fit.warnings] == [True]


@pytest.mark.parametrize("all_right", [True, False])
def test_answers_that_are_all_alike(all_right: bool) -> None:
    fit = fit_policy(np.full(500, 0.9), np.full(500, all_right), ["air"] * 500)
    assert fit.coverage == float(all_right)


def test_unusable_input() -> None:
    with pytest.raises(TrainingDataError, match="no labelled rows"):
        fit_policy(np.array([]), np.array([], dtype=bool), [])
    with pytest.raises(TrainingDataError, match="between 0 and 1"):
        fit_policy(np.array([0.5]), np.array([True]), ["air"], risk=5.0)
    with pytest.raises(ValueError, match="same length"):
        fit_policy(np.array([0.5]), np.array([True]), ["air", "jalan"])
