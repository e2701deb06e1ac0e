from __future__ import annotations

import numpy as np

from lapor_nlp.training.likeness import targets


def test_targets_have_length_one_and_every_direction_counts_alike() -> None:
    random = np.random.default_rng(1)
    vectors = (random.normal(size=(3000, 6)) * np.array([100, 10, 1, 1, 0.1, 0.01]) + 7).astype(np.float32)
    found = targets(vectors, 6)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(np.cov(found, rowvar=False) * 6, np.eye(6), atol=0.1)


def test_what_tells_two_apart_in_a_small_direction_is_seen() -> None:
    random = np.random.default_rng(2)
    vectors = (random.normal(size=(500, 3)) * np.array([50, 1, 1])).astype(np.float32)
    pair = np.array([[100, 3, 0], [100, -3, 0]], dtype=np.float32)
    plain = pair[0] @ pair[1] / np.linalg.norm(pair[0]) / np.linalg.norm(pair[1])
    one, other = targets(np.vstack([vectors, pair]), 3)[-2:]
    assert plain > 0.99
    assert one @ other < 0


def test_few_texts_have_few_dimensions() -> None:
    vectors = np.random.default_rng(3).normal(size=(40, 16)).astype(np.float32)
    assert targets(vectors, 128).shape == (40, 10)
    assert targets(vectors[:1], 128).shape == (1, 1)
