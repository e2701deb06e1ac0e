"""Mixing: how much the words and how much the encoder say in a head's answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from lapor_nlp.classifier.classifier import Mix, softmax


def mixed(mix: Mix, margins: NDArray[np.floating], logits: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
    """Probabilities, shape (texts, labels), of margins (words) and logits (encoder) of the same shape."""
    joined = mix.lexical * margins.astype(np.float64)
    return softmax(joined if logits is None else joined + mix.encoder * logits)


def fit_mix(
    margins: NDArray[np.floating],
    logits: NDArray[np.floating] | None,
    truth: Sequence[int] | NDArray[np.int64],
    *,
    weights: NDArray[np.floating] | None = None,
) -> Mix:
    """The weights, both at least 0, that make the log loss of `truth` (column numbers) least.

    `margins` and `logits` have shape (texts, labels) and must come from texts that neither model was trained on.
    """
    target = np.asarray(truth)
    at = np.arange(len(target))
    rows = np.ones(len(target)) if weights is None else np.asarray(weights, dtype=np.float64)
    parts = [margins.astype(np.float64)] + ([] if logits is None else [logits.astype(np.float64)])

    def loss(factors: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        joined = sum((f * part for f, part in zip(factors, parts, strict=True)), start=np.zeros_like(parts[0]))
        probabilities = softmax(joined)
        value = -(rows * np.log(np.clip(probabilities[at, target], 1e-12, 1.0))).sum() / rows.sum()
        slopes = [(rows * ((probabilities * part).sum(axis=1) - part[at, target])).sum() / rows.sum() for part in parts]
        return float(value), np.array(slopes)

    start = np.array([1.0] if logits is None else [1.0, 0.5])
    found = minimize(loss, x0=start, jac=True, bounds=[(0.0, 100.0)] * len(parts), method="L-BFGS-B").x
    return Mix(lexical=float(found[0]), encoder=float(found[1]) if logits is not None else 0.0)
