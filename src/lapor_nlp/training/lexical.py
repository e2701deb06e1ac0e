"""Fitting the lexical model: features, linear heads, and thinning the weights for shipping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.classifier.features import FeatureSettings, LexicalFeatures, inverse_document_frequency
from lapor_nlp.classifier.lexical import Head, LexicalModel
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
    (rows / (labels * rows of the label)) ** `balance`; `kept` is how many of the largest weights a head keeps (all
    when None); `fewest` the least number of texts a feature must occur in.
    """

    features: FeatureSettings = field(default_factory=FeatureSettings)
    strength: float = 0.15
    balance: float = 0.5
    kept: int | None = None
    fewest: int = 2
    seed: int = 7


def fit_lexical(
    texts: Sequence[Tokens],
    labels: Sequence[str],
    config: LexicalConfig,
    *,
    weights: Sequence[float] | None = None,
    head: str = "topic",
) -> LexicalModel:
    """Fit one head on labelled texts; its sharpness is 1 until it is calibrated.

    `weights` are weights of rows. Raises TrainingDataError when there are fewer than two labels.
    """
    features = LexicalFeatures(config.features)
    counts = features.counts(texts)
    idf = inverse_document_frequency(counts, config.fewest)
    matrix = features.weigh(counts, idf)
    matrix.eliminate_zeros()
    fitted = fit_head(matrix, labels, config, weights=weights)
    return LexicalModel(settings=config.features, idf=idf, heads={head: fitted})


def fit_head(
    matrix: csr_matrix, labels: Sequence[str], config: LexicalConfig, *, weights: Sequence[float] | None = None
) -> Head:
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
    return Head(
        labels=tuple(str(label) for label in svm.classes_),
        weights=thin(coef.T, config.kept),
        bias=bias.astype(np.float32),
        sharpness=1.0,
    )


def thin(weights: NDArray[np.floating], kept: int | None) -> csr_matrix:
    """The `kept` largest weights by absolute value as a sparse matrix of the same shape."""
    weights = weights.astype(np.float32)
    if kept is not None and kept < np.count_nonzero(weights):
        limit = np.partition(np.abs(weights).ravel(), weights.size - kept)[weights.size - kept]
        weights = np.where(np.abs(weights) >= limit, weights, np.float32(0))
    return csr_matrix(weights)
