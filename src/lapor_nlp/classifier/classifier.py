"""Classifier: every head's answer to a text, out of its words (lexical) and its meaning (encoder), as one distribution.

The probabilities of a head are softmax(mix.lexical * margins + mix.encoder * logits): the two weights were fitted on
held-out texts, so that they also calibrate. One encoder pass serves all heads, and its vector is handed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.classifier.lexical import LexicalModel
from lapor_nlp.classifier.prediction import Prediction, WordWeight
from lapor_nlp.encoder.encoder import Encoded, Encoder
from lapor_nlp.evidence import Evidence
from lapor_nlp.text.tokens import Tokens

_MOST_PASSES = 48


@dataclass(frozen=True, kw_only=True)
class DenseHead:
    """One question over the encoder's vector: logits = vectors @ weights + bias.

    `weights` has shape (dimension, len(labels)), `bias` (len(labels),).
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Projection:
    """From the encoder's vector to one in which reports of one matter lie close together.

    `weights` has shape (dimension, numbers kept), `bias` (numbers kept,).
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors of length 1, shape (texts, numbers kept), of vectors of shape (texts, dimension)."""
        projected = vectors @ self.weights + self.bias
        lengths = np.linalg.norm(projected, axis=1, keepdims=True)
        result: NDArray[np.float32] = projected / np.clip(lengths, 1e-9, None)
        return result


@dataclass(frozen=True, kw_only=True, slots=True)
class Mix:
    """The weights of the two models in a head's answer; both at least 0."""

    lexical: float
    encoder: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """The answers to texts, in order.

    `probabilities` holds for each head an array of shape (texts, labels of the head); `vectors` the encoder's pooled
    output, shape (texts, dimension), None without an encoder; `truncated` which texts were too long for the encoder;
    `rarity` how rare the words of each text are, see `LexicalModel.rarity`. The last two have shape (texts,).
    """

    labels: Mapping[str, tuple[str, ...]]
    probabilities: Mapping[str, NDArray[np.float64]]
    vectors: NDArray[np.float32] | None
    truncated: NDArray[np.bool_]
    rarity: NDArray[np.float64]

    def predictions(self) -> list[dict[str, Prediction]]:
        """The predictions of every head, one mapping a text."""
        columns = [
            [(head, prediction) for prediction in _ranked(self.labels[head], probabilities)]
            for head, probabilities in self.probabilities.items()
        ]
        return [dict(row) for row in zip(*columns, strict=True)]


class Classifier:
    """Heads over a lexical model and, when there is one, an encoder. Holds no state that changes.

    Raises ValueError when a head's parts do not have the same labels in the same order.
    """

    def __init__(
        self,
        *,
        lexical: LexicalModel,
        mixes: Mapping[str, Mix],
        encoder: Encoder | None = None,
        dense: Mapping[str, DenseHead] | None = None,
        projection: Projection | None = None,
    ) -> None:
        self.lexical = lexical
        self.encoder = encoder
        self.dense = dict(dense or {})
        self.projection = projection
        self.mixes = dict(mixes)
        if set(self.mixes) != set(lexical.heads):
            raise ValueError("each head needs its mix")
        for name, head in self.dense.items():
            if name not in lexical.heads or head.labels != lexical.heads[name].labels:
                raise ValueError(f"the head {name} has other labels over the encoder than over the words")
        if (self.dense or projection) and encoder is None:
            raise ValueError("heads over an encoder need the encoder")

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The labels of each head."""
        return {name: head.labels for name, head in self.lexical.heads.items()}

    def encoding(self, texts: Sequence[str]) -> Future[Encoded] | None:
        """Begin to encode texts in a thread aside, so that their words can be read meanwhile; None without encoder."""
        if self.encoder is None:
            return None
        aside = ThreadPoolExecutor(1)
        future = aside.submit(self.encoder.encode, texts)
        aside.shutdown(wait=False)
        return future

    def score(
        self,
        texts: Sequence[str],
        tokens: Sequence[Tokens],
        heads: Sequence[str] | None = None,
        *,
        encoding: Future[Encoded] | None = None,
    ) -> Scores:
        """The answers of `heads` (all by default) to texts and their tokens; `encoding` where it has begun already."""
        names = list(self.mixes if heads is None else heads)
        begun = self.encoding(texts) if encoding is None else encoding
        counts = self.lexical.features.counts(tokens)
        matrix = self.lexical.features.weigh(counts, self.lexical.idf)
        encoded = None if begun is None else begun.result()
        vectors = None if encoded is None else encoded.vectors
        return Scores(
            labels={name: self.labels[name] for name in names},
            probabilities={name: softmax(logits) for name, logits in self._logits(matrix, vectors, names).items()},
            vectors=vectors,
            truncated=np.zeros(len(texts), dtype=np.bool_) if encoded is None else encoded.truncated,
            rarity=self.lexical.rarity(counts),
        )

    def explain(
        self, text: str, tokens: Tokens, head: str, prediction: Prediction, most: int = 6
    ) -> tuple[WordWeight, ...]:
        """The words that spoke for the first label against the second, strongest first, at most `most`.

        A word's gain is what its n-grams add to the margin in the lexical model, and what the margin of the encoder
        loses when the word is left out. Only words that helped the first label are returned; a weight is the word's
        part of all that helped.
        """
        if not len(tokens) or len(prediction.labels) < 2:
            return ()
        first, second = (self.labels[head].index(label) for label in prediction.labels[:2])
        gains = self.mixes[head].lexical * self.lexical.gains(tokens, head, first, second)
        if head in self.dense and self.mixes[head].encoder > 0:
            gains = gains + self.mixes[head].encoder * self._left_out(text, tokens, head, first, second)
        helped = gains[gains > 0].sum()
        if helped <= 0:
            return ()
        best = [int(i) for i in np.argsort(-gains, kind="stable")[:most] if gains[i] > 0.02 * helped]
        return tuple(
            WordWeight(
                evidence=Evidence(code="word", start=tokens.starts[i], end=tokens.ends[i]),
                weight=round(float(gains[i] / helped), 3),
            )
            for i in best
        )

    def _logits(
        self, matrix: csr_matrix, vectors: NDArray[np.float32] | None, heads: Sequence[str]
    ) -> dict[str, NDArray[np.float64]]:
        result = {}
        for name in heads:
            logits = self.mixes[name].lexical * self.lexical.margins(matrix, name).astype(np.float64)
            if vectors is not None and name in self.dense and self.mixes[name].encoder > 0:
                logits += self.mixes[name].encoder * self.dense_logits(vectors, name)
            result[name] = logits
        return result

    def dense_logits(self, vectors: NDArray[np.float32], head: str) -> NDArray[np.float32]:
        """Logits of a head over the encoder's vectors, shape (texts, labels)."""
        chosen = self.dense[head]
        result: NDArray[np.float32] = vectors @ chosen.weights + chosen.bias
        return result

    def _left_out(self, text: str, tokens: Tokens, head: str, first: int, second: int) -> NDArray[np.float64]:
        """What the encoder's margin loses without each token; long texts lose several neighbours at a time."""
        assert self.encoder is not None
        stretch = -(-len(tokens) // _MOST_PASSES)
        parts = [range(i, min(i + stretch, len(tokens))) for i in range(0, len(tokens), stretch)]
        without = [text[: tokens.starts[p[0]]] + " " + text[tokens.ends[p[-1]] :] for p in parts]
        logits = self.dense_logits(self.encoder.encode([text, *without]).vectors, head)
        margins = (logits[:, first] - logits[:, second]).astype(np.float64)
        gains = np.empty(len(tokens))
        for part, margin in zip(parts, margins[1:], strict=True):
            gains[part.start : part.stop] = (margins[0] - margin) / len(part)
        return gains


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rows of probabilities from rows of logits."""
    if not logits.size:
        return logits.astype(np.float64)
    shifted = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def _ranked(labels: tuple[str, ...], probabilities: NDArray[np.float64]) -> list[Prediction]:
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [
        Prediction(labels=tuple(labels[k] for k in ranked), scores=tuple(row[ranked].tolist()))
        for ranked, row in zip(order, probabilities, strict=True)
    ]
