from __future__ import annotations

import numpy as np

from lapor_nlp.encoder.encoder import Encoder, EncoderSettings
from lapor_nlp.encoder.fake import FakeEncoder


def test_it_stands_in_for_an_encoder() -> None:
    encoder: Encoder = FakeEncoder(EncoderSettings(dimension=5))
    encoded = encoder.encode(["jalan rusak", ""])
    assert encoded.vectors.shape == (2, 5)
    assert encoded.vectors.dtype == np.float32
    assert not encoded.truncated.any()


def test_a_text_has_one_vector_whatever_stands_beside_it() -> None:
    together = FakeEncoder().encode(["jalan rusak", "air mati", "jalan rusak"]).vectors
    assert np.array_equal(together[0], together[2])
    assert np.array_equal(together[1:2], FakeEncoder().encode(["AIR mati"]).vectors)


def test_common_words_bring_texts_together() -> None:
    road, same_road, water = FakeEncoder().encode(["jalan rusak berat", "jalan rusak parah", "air pdam keruh"]).vectors
    assert np.linalg.norm(road - same_road) < np.linalg.norm(road - water)


def test_words_beyond_the_longest_are_not_read() -> None:
    encoder = FakeEncoder(EncoderSettings(dimension=4, longest=4))
    encoded = encoder.encode(["a b c d", "a b c d e"])
    assert encoded.truncated.tolist() == [False, True]
    assert np.array_equal(encoded.vectors[0], encoded.vectors[1])


def test_no_texts() -> None:
    assert FakeEncoder().encode([]).vectors.shape == (0, 16)
