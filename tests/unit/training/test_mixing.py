from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")
from lapor_nlp.classifier.classifier import Mix, softmax
from lapor_nlp.training.mixing import fit_mix, mixed


def drawn(words: float, encoder: float, rows: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins and logits, and labels drawn from their mix."""
    random = np.random.default_rng(3)
    margins, logits = random.normal(size=(2, rows, 4))
    chances = softmax(words * margins + encoder * logits).cumsum(axis=1)
    return margins, logits, (random.uniform(size=(rows, 1)) > chances).sum(axis=1).clip(max=3)


@pytest.mark.parametrize(("words", "encoder"), [(2.0, 0.5), (0.5, 1.5), (3.0, 0.0)])
def test_the_mix_that_made_the_labels_is_found_again(words: float, encoder: float) -> None:
    margins, logits, truth = drawn(words, encoder)
    found = fit_mix(margins, logits, truth)
    assert found.lexical == pytest.approx(words, abs=0.2)
    assert found.encoder == pytest.approx(encoder, abs=0.15)


def test_what_tells_nothing_is_not_listened_to() -> None:
    margins, logits, truth = drawn(2.0, 0.0)
    assert fit_mix(margins, -margins + logits, truth).encoder < 0.15


def test_words_alone_are_sharpened() -> None:
    margins, _, truth = drawn(2.5, 0.0)
    assert fit_mix(margins, None, truth) == Mix(lexical=pytest.approx(2.5, rel=0.1), encoder=0.0)


def test_rows_of_no_weight_do_not_count() -> None:
    margins, logits, truth = drawn(2.0, 0.5)
    spoilt = np.concatenate([truth, (truth + 1) % 4])
    weights = np.concatenate([np.ones(len(truth)), np.zeros(len(truth))])
    both = fit_mix(np.vstack([margins] * 2), np.vstack([logits] * 2), spoilt, weights=weights)
    alone = fit_mix(margins, logits, truth)
    assert (both.lexical, both.encoder) == pytest.approx((alone.lexical, alone.encoder), rel=1e-3)


def test_a_mix_gives_probabilities() -> None:
    margins, logits, _ = drawn(1.0, 1.0, rows=5)
    assert np.allclose(mixed(Mix(lexical=2.0, encoder=1.0), margins, logits).sum(axis=1), 1)
