"""LexicalModel: linear heads over hashed n-grams. Light, fast, and it can say which words moved it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.classifier.features import FeatureSettings, LexicalFeatures
from lapor_nlp.classifier.prediction import Prediction, WordWeight
from lapor_nlp.evidence import Evidence
from lapor_nlp.text.tokens import Tokens


@dataclass(frozen=True, kw_only=True)
class Head:
    """One question with its labels: margins = features @ weights + bias, probabilities = softmax(sharpness * margins).

    `weights` has shape (width, len(labels)) and is sparse, `bias` (len(labels),). `sharpness` was fitted on
    held-out texts so that the probabilities are calibrated.
    """

    labels: tuple[str, ...]
    weights: csr_matrix
    bias: NDArray[np.float32]
    sharpness: float


class LexicalModel:
    """Heads that share one set of features and one table of document frequencies `idf`, shape (width,)."""

    def __init__(self, *, settings: FeatureSettings, idf: NDArray[np.float32], heads: Mapping[str, Head]) -> None:
        self.features = LexicalFeatures(settings)
        self.idf = idf
        self.heads = dict(heads)

    def matrix(self, texts: Sequence[Tokens]) -> csr_matrix:
        """The weighted features of texts, shape (len(texts), width)."""
        return self.features.weigh(self.features.counts(texts), self.idf)

    def margins(self, matrix: csr_matrix, head: str) -> NDArray[np.float32]:
        """Raw scores of a head, shape (rows of `matrix`, labels of `head`)."""
        chosen = self.heads[head]
        raw: NDArray[np.float32] = (matrix @ chosen.weights).toarray()
        return raw + chosen.bias

    def predict(self, texts: Sequence[Tokens], head: str) -> list[Prediction]:
        """One prediction a text, in order."""
        return self._predict(self.matrix(texts), head) if texts else []

    def predict_all(self, texts: Sequence[Tokens]) -> list[dict[str, Prediction]]:
        """The predictions of every head, one mapping a text, in order; features are computed once."""
        if not texts:
            return []
        matrix = self.matrix(texts)
        columns = [[(head, p) for p in self._predict(matrix, head)] for head in self.heads]
        return [dict(row) for row in zip(*columns, strict=True)]

    def _predict(self, matrix: csr_matrix, head: str) -> list[Prediction]:
        chosen = self.heads[head]
        probabilities = softmax(chosen.sharpness * self.margins(matrix, head))
        order = np.argsort(-probabilities, axis=1, kind="stable")
        return [
            Prediction(labels=tuple(chosen.labels[k] for k in ranked), scores=tuple(row[ranked].tolist()))
            for ranked, row in zip(order, probabilities, strict=True)
        ]

    def explain(self, tokens: Tokens, head: str, prediction: Prediction, most: int = 6) -> tuple[WordWeight, ...]:
        """The words that spoke for the first label against the second, strongest first, at most `most`.

        Only words that helped the first label are returned; a weight is the word's part of all that helped.
        """
        if not len(tokens):
            return ()
        chosen = self.heads[head]
        first, second = (chosen.labels.index(label) for label in prediction.labels[:2])
        row = self.matrix([tokens])
        values = dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))
        ids, owners = self.features.ids_and_owners(tokens)
        unique, inverse, count = np.unique(ids, return_inverse=True, return_counts=True)
        picked = chosen.weights[unique][:, [first, second]].toarray()
        gain = np.array([values.get(int(c), 0.0) for c in unique]) * (picked[:, 0] - picked[:, 1]) / count
        by_token = np.bincount(owners, weights=gain[inverse], minlength=len(tokens))
        helped = by_token[by_token > 0].sum()
        if helped <= 0:
            return ()
        best = [int(i) for i in np.argsort(-by_token)[:most] if by_token[i] > 0.02 * helped]
        return tuple(
            WordWeight(
                evidence=Evidence(code="word", start=tokens.starts[i], end=tokens.ends[i]),
                weight=round(float(by_token[i] / helped), 3),
            )
            for i in best
        )


def softmax(margins: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows of probabilities from rows of margins."""
    shifted = np.exp((margins - margins.max(axis=1, keepdims=True)).astype(np.float64))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result
