"""FakeEncoder: vectors out of the letters of words, for tests and trials; nothing is learnt and nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

from lapor_nlp.encoder.encoder import Encoded, EncoderSettings


class FakeEncoder:
    """Gives each word, in lower case, a fixed random vector, and each text the mean of its words' vectors.

    Texts with words in common have similar vectors, an empty text has zeros. Of more than `settings.longest` words the
    first are read.
    """

    def __init__(self, settings: EncoderSettings | None = None) -> None:
        self.settings = settings or EncoderSettings(dimension=16)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The vectors of texts, in order."""
        words = [(self.settings.prefix + text).lower().split() for text in texts]
        vectors = np.zeros((len(texts), self.settings.dimension), dtype=np.float32)
        for row, those in enumerate(words):
            for word in those[: self.settings.longest]:
                vectors[row] += np.random.default_rng(crc32(word.encode())).standard_normal(self.settings.dimension)
            vectors[row] /= max(1, min(len(those), self.settings.longest))
        return Encoded(
            vectors=vectors, truncated=np.array([len(those) > self.settings.longest for those in words], dtype=np.bool_)
        )
