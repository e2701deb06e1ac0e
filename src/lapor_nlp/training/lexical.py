"""Fitting the lexical model: features, linear heads, and thinning the weights for shipping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.classifier.features import FeatureSettings, LexicalFeatures, inverse_document_frequency
from lapor_nlp.classifier.lexical import LexicalHead, LexicalModel
from lapor_nlp.errors import MissingExtraError, TrainingDataError
from lapor_nlp.text.tokens import Tokens

try:
    from sklearn.svm import LinearSVC
except ModuleNotFoundError as error:
    raise MissingExtraError("train", "scikit-learn") from error


@dataclass(frozen=True, kw_only=True)
class LexicalConfig:
    """How a head is fitted.

    `strength` is the inverse regularisation of the one-against-rest linear SVM; a label's rows weigh
    (rows / (labels * rows of the label)) ** `balance`; `kept` is how many of the largest weights a head keeps for each
    label, on average (all when None); `fewest` the least number of texts a feature must occur in.
    """

    features: FeatureSettings = field(default_factory=FeatureSettings)
    strength: float = 0.15
    balance: float = 0.5
    kept: int | None = None
    fewest: int = 2
    seed: int = 7


def fit_lexical(
    texts: Sequence[Tokens],
    labels: Mapping[str, Sequence[str | None]],
    config: LexicalConfig,
    *,
    weights: Sequence[float] | None = None,
) -> LexicalModel:
    """Fit a head for each key of `labels`.

    Each value holds one label a text, None where it is not known; `weights` are weights of texts. Raises
    TrainingDataError when a head has fewer than two labels.
    """
    features = LexicalFeatures(config.features)
    counts = features.counts(texts)
    idf = inverse_document_frequency(counts, config.fewest)
    matrix = features.weigh(counts, idf)
    matrix.eliminate_zeros()
    heads = {}
    for name, column in labels.items():
        known = [i for i, label in enumerate(column) if label is not None]
        heads[name] = fit_head(
            matrix[known],
            [label for label in column if label is not None],
            config,
            weights=None if weights is None else [weights[i] for i in known],
        )
    return LexicalModel(settings=config.features, idf=idf, heads=heads)


def fit_head(
    matrix: csr_matrix, labels: Sequence[str], config: LexicalConfig, *, weights: Sequence[float] | None = None
) -> LexicalHead:
    """Fit a head on features of shape (texts, width)."""
    counts = Counter(labels)
    if len(counts) < 2:
        raise TrainingDataError(f"needs rows of at least two labels, has {len(counts)}: {', '.join(counts) or 'none'}")
    share = len(labels) / len(counts)
    rows = np.array([(share / counts[label]) ** config.balance for label in labels])
    if weights is not None:
        rows = rows * np.asarray(weights)
    svm = LinearSVC(C=config.strength, random_state=config.seed)
    svm.fit(matrix, np.array(labels), sample_weight=rows)
    coef, bias = svm.coef_, svm.intercept_
    if len(counts) == 2:
        coef, bias = np.vstack([-coef, coef]), np.concatenate([-bias, bias])
    return LexicalHead(
        labels=tuple(str(label) for label in svm.classes_),
        weights=thin(coef.T, None if config.kept is None else config.kept * len(counts)),
        bias=bias.astype(np.float32),
    )


def thin(weights: NDArray[np.floating], kept: int | None) -> csr_matrix:
    """The `kept` largest weights by absolute value as a sparse matrix of the same shape."""
    weights = weights.astype(np.float32)
    if kept is not None and kept < np.count_nonzero(weights):
        limit = np.partition(np.abs(weights).ravel(), weights.size - kept)[weights.size - kept]
        weights = np.where(np.abs(weights) >= limit, weights, np.float32(0))
    return csr_matrix(weights)
