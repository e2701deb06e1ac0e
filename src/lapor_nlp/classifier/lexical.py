"""LexicalModel: linear heads over hashed n-grams. Light, fast, and it knows which words moved it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.classifier.features import FeatureSettings, LexicalFeatures
from lapor_nlp.text.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class LexicalHead:
    """One question with its labels: margins = features @ weights + bias.

    `weights` has shape (width, len(labels)) and is sparse, `bias` (len(labels),).
    """

    labels: tuple[str, ...]
    weights: csr_matrix
    bias: NDArray[np.float32]


class LexicalModel:
    """Heads that share one set of features and one table of document frequencies `idf`, shape (width,)."""

    def __init__(
        self, *, settings: FeatureSettings, idf: NDArray[np.float32], heads: Mapping[str, LexicalHead]
    ) -> None:
        self.features = LexicalFeatures(settings)
        self.idf = idf
        self.heads = dict(heads)
        words = idf[: idf.size // 2]
        self._never_seen = float(words.max(initial=0.0)) + 1
        self._rarity = np.where(words > 0, words, self._never_seen).astype(np.float64)

    def matrix(self, texts: Sequence[Tokens]) -> csr_matrix:
        """The weighted features of texts, shape (len(texts), width)."""
        return self.features.weigh(self.features.counts(texts), self.idf)

    def rarity(self, counts: csr_matrix) -> NDArray[np.float64]:
        """How rare the different words and neighbours of each text are on average, shape (rows of `counts`,).

        The mean of their inverse document frequencies; a word never seen counts one more than the rarest, and a text
        without words like such a word. Complaints like those learnt from lie close together; other languages and
        nonsense lie above.
        """
        words = counts.indices < len(self._rarity)
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))[words]
        sums = np.bincount(rows, weights=self._rarity[counts.indices[words]], minlength=counts.shape[0])
        numbers = np.bincount(rows, minlength=counts.shape[0])
        result = np.full(counts.shape[0], self._never_seen)
        return np.divide(sums, numbers, out=result, where=numbers > 0)

    def word_rarity(self, words: Sequence[str]) -> NDArray[np.float64]:
        """How rare each word is: its inverse document frequency, one more than the rarest if never seen. Shape (n,)."""
        return self._rarity[[self.features.column(word) for word in words]] if words else np.empty(0)

    def margins(self, matrix: csr_matrix, head: str) -> NDArray[np.float32]:
        """Raw scores of a head, shape (rows of `matrix`, labels of `head`)."""
        chosen = self.heads[head]
        raw: NDArray[np.float32] = (matrix @ chosen.weights).toarray()
        return raw + chosen.bias

    def gains(self, tokens: Tokens, head: str, first: int, second: int) -> NDArray[np.float64]:
        """What each token adds to the margin of column `first` over column `second`, shape (len(tokens),)."""
        chosen = self.heads[head]
        row = self.matrix([tokens])
        values = dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
        ids, owners = self.features.ids_and_owners(tokens)
        unique, inverse, count = np.unique(ids, return_inverse=True, return_counts=True)
        picked = chosen.weights[unique][:, [first, second]].toarray()
        gain = np.array([values.get(int(c), 0.0) for c in unique]) * (picked[:, 0] - picked[:, 1]) / count
        return np.bincount(owners, weights=gain[inverse], minlength=len(tokens)).astype(np.float64)
