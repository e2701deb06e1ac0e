"""Likeness: what a vector must keep so that reports of one matter lie close together, learnt beside the labels.

Fine-tuning on labels pulls all reports of a topic together and forgets what tells one street from another. The encoder
as it was before still knows; so its vectors, whitened, are the target of a projection trained at the same time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS_A_DIMENSION = 4


def targets(vectors: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    """Whitened vectors of length 1, shape (texts, at most `dimension`), of vectors of shape (texts, width).

    Directions in which texts vary little count as much as those in which they vary much, so that the few words of a
    place weigh beside the many of a subject. With few texts there are fewer dimensions.
    """
    kept = max(1, min(dimension, vectors.shape[1], len(vectors) // _ROWS_A_DIMENSION))
    centred = vectors - vectors.mean(axis=0)
    values, directions = np.linalg.eigh(np.atleast_2d(np.cov(centred, rowvar=False, ddof=0)))
    scales = np.sqrt(np.clip(values[::-1][:kept], 1e-9, None))
    whitened = centred @ (directions[:, ::-1][:, :kept] / scales)
    lengths = np.linalg.norm(whitened, axis=1, keepdims=True)
    result: NDArray[np.float32] = (whitened / np.clip(lengths, 1e-9, None)).astype(np.float32)
    return result
