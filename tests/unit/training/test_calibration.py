from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.classifier.classifier import softmax
from lapor_nlp.decision import Policy
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.text.tokens import Tokens, words
from lapor_nlp.training.calibration import error_bound, expected_calibration_error, fit_odds, fit_sharpness

pytest.importorskip("sklearn")
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical


def _tokens(text: str) -> Tokens:
    forms, starts, ends = words(text)
    return Tokens(forms, forms, starts, ends)


RANDOM = np.random.default_rng(3)


def test_sharpness_is_found_again() -> None:
    margins = RANDOM.normal(size=(4000, 5))
    chances = softmax(2.5 * margins)
    truth = [int(RANDOM.choice(5, p=row)) for row in chances]
    assert fit_sharpness(margins, truth) == pytest.approx(2.5, rel=0.1)


def test_calibration_error_of_honest_and_boastful_scores() -> None:
    confidence = RANDOM.uniform(0.3, 1, 20_000)
    right = RANDOM.uniform(size=20_000) < confidence
    assert expected_calibration_error(confidence, right) < 0.02
    assert expected_calibration_error(np.ones(20_000), right) > 0.3


@pytest.mark.parametrize(("wrong", "total", "bound"), [(0, 59, 0.0495), (0, 0, 1.0), (5, 5, 1.0), (2, 100, 0.0616)])
def test_error_bound(wrong: int, total: int, bound: float) -> None:
    assert error_bound(wrong, total, 0.95) == pytest.approx(bound, abs=5e-4)


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0.5, 0.999))
def test_the_error_bound_lies_above_the_share_and_grows_with_the_assurance(
    total: int, share: float, assurance: float
) -> None:
    wrong = int(share * total)
    assert wrong / total <= error_bound(wrong, total, assurance) <= 1
    assert error_bound(wrong, total, assurance) <= error_bound(wrong, total, (1 + assurance) / 2) + 1e-12


def test_odds_are_found_again() -> None:
    raw = RANDOM.uniform(0.02, 0.98, 30_000)
    truth = Policy(act_alone=None, slope=0.6, intercept=-0.4)
    right = RANDOM.uniform(size=len(raw)) < [truth.calibrated(value) for value in raw.tolist()]
    assert fit_odds(raw, right) == pytest.approx((0.6, -0.4), abs=0.05)


@pytest.mark.parametrize("all_right", [True, False])
def test_odds_stay_finite_when_all_answers_are_alike(all_right: bool) -> None:
    slope, intercept = fit_odds(np.array([0.2, 0.9, 1.0]), np.full(3, all_right))
    assert np.isfinite([slope, intercept]).all()
    assert (Policy(act_alone=None, slope=slope, intercept=intercept).calibrated(0.9) > 0.5) == all_right


def test_a_confidence_that_misleads_is_not_turned_round() -> None:
    raw = RANDOM.uniform(size=5000)
    slope, _ = fit_odds(raw, RANDOM.uniform(size=5000) > raw)
    assert slope == 0


def test_one_label_cannot_be_learnt() -> None:
    with pytest.raises(TrainingDataError, match="at least two labels"):
        fit_lexical([_tokens("air mati"), _tokens("air keruh")], {"topic": ["air", "air"]}, LexicalConfig())
