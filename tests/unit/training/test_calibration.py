from __future__ import annotations

import numpy as np
import pytest

from lapor_nlp.classifier.classifier import softmax
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.text.tokens import Tokens, words
from lapor_nlp.training.calibration import (
    error_bound,
    expected_calibration_error,
    fit_sharpness,
    fit_threshold,
)

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


def test_no_threshold_from_too_few_rows() -> None:
    assert fit_threshold(np.full(58, 0.99), np.ones(58, dtype=bool), risk=0.05, assurance=0.95) is None


def test_no_threshold_when_the_surest_are_wrong() -> None:
    confidence = np.linspace(0, 1, 1000)
    assert fit_threshold(confidence, confidence < 0.9, risk=0.05, assurance=0.95) is None


def test_the_stated_risk_holds_in_at_least_nine_of_ten_worlds() -> None:
    kept = 0
    for _ in range(60):
        confidence = RANDOM.uniform(size=1500)
        right = RANDOM.uniform(size=1500) < 0.5 + confidence / 2
        threshold = fit_threshold(confidence, right, risk=0.05, assurance=0.95)
        if threshold is None:
            kept += 1
            continue
        fresh = RANDOM.uniform(threshold, 1, 40_000)
        kept += float(np.mean(1 - (0.5 + fresh / 2))) <= 0.05
    assert kept >= 54


def test_equal_scores_are_taken_together() -> None:
    confidence = np.array([0.9] * 400 + [0.5] * 400)
    right = np.array([True] * 399 + [False] + [False] * 400)
    assert fit_threshold(confidence, right, risk=0.05, assurance=0.95) == 0.9


def test_one_label_cannot_be_learnt() -> None:
    with pytest.raises(TrainingDataError, match="at least two labels"):
        fit_lexical([_tokens("air mati"), _tokens("air keruh")], {"topic": ["air", "air"]}, LexicalConfig())
