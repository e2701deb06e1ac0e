"""Heads carried over: what a head learnt under old labels, in the columns of new ones, so that training starts warm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, hstack
from scipy.sparse.linalg import lsqr
from scipy.special import logsumexp

from lapor_nlp.classifier.classifier import DenseHead
from lapor_nlp.classifier.lexical import LexicalHead
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.taxonomy.migration import Migration

Fates = Mapping[str, Sequence[str]]
"""What became of each old label: one new label when it was renamed or merged, several when split, none when retired.
A label that is not named stays."""

Column = tuple[NDArray[np.float32], float]
"""Weights, shape (dimension,), and bias of one label."""

_STEP = 1.0
_DAMP = 0.5


def fates_of(labels: Sequence[str], migrations: Sequence[Migration]) -> dict[str, tuple[str, ...]]:
    """What becomes of each label through migrations applied one after another."""
    fates: dict[str, tuple[str, ...]] = {label: (label,) for label in labels}
    for migration in migrations:
        step = {old: change.new for change in migration.changes for old in change.old}
        fates = {label: tuple(new for at in now for new in step.get(at, (at,))) for label, now in fates.items()}
    return fates


def carry_dense(
    old: DenseHead,
    fates: Fates,
    labels: Sequence[str],
    *,
    vectors: NDArray[np.float32] | None = None,
    added: Mapping[str, Column] | None = None,
) -> DenseHead:
    """A head over the encoder for `labels` out of one for older labels.

    A label renamed keeps its column; one retired, or not among `labels`, is dropped; each part of a split takes its
    column less log(parts), so that together they are as likely as before. A label merged should be as likely as its
    parts together, which no column can be for all texts: it is the one that comes closest (least squares) on
    `vectors`, shape (texts, dimension), a few hundred of any texts; without them the parts' leads over the average
    label are added up. A new label takes the column in `added`, else that of the average label less a step, with which
    it is never first.

    On city complaints a merged label had the first place exactly where its parts together would in 0.96 of the texts
    with `vectors` and 0.94 without them, the encoder left as it is (benchmarks/bench_labels.py); in 0.99 and 0.98 with
    a fine-tuned encoder. Raises TrainingDataError when no label is carried over.
    """
    sources = _sources(old.labels, fates, labels)
    columns = np.vstack([old.weights, old.bias]).astype(np.float64)
    average = columns.mean(axis=1)
    extended = None if vectors is None else np.column_stack([vectors, np.ones(len(vectors))]).astype(np.float64)
    result = np.empty((len(columns), len(labels)))
    for number, label in enumerate(labels):
        parts = [_share(columns[:, at], count) for at, count in sources[label]]
        if not parts and added is not None and label in added:
            result[:, number] = np.append(*added[label])
        elif not parts:
            result[:, number] = average
            result[-1, number] -= _STEP
        else:
            result[:, number] = parts[0] if len(parts) == 1 else _merged(np.column_stack(parts), average, extended)
    weights, bias = result[:-1].astype(np.float32), result[-1].astype(np.float32)
    return DenseHead(labels=tuple(labels), weights=weights, bias=bias)


def carry_lexical(old: LexicalHead, fates: Fates, labels: Sequence[str]) -> LexicalHead:
    """A head over the words for `labels` out of one for older labels.

    As `carry_dense`, but a merged label takes from its parts, for each feature, the weight that is larger in size, and
    the largest bias: on city complaints it had the first place where its parts together would in 0.98 of the texts.
    Parts of a split are copies. A new label has no weights and a bias below all others.

    Raises TrainingDataError when no label is carried over.
    """
    sources = _sources(old.labels, fates, labels)
    weights = csc_matrix(old.weights)
    columns, bias = [], np.full(len(labels), old.bias.min() - _STEP, dtype=np.float32)
    for number, label in enumerate(labels):
        taken = [at for at, _ in sources[label]]
        if taken:
            bias[number] = old.bias[taken].max()
        columns.append(_stronger(weights[:, taken]))
    return LexicalHead(labels=tuple(labels), weights=csr_matrix(hstack(columns)), bias=bias)


def _sources(old: Sequence[str], fates: Fates, labels: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """For each new label the old columns it comes from, each with the number of labels that share it."""
    sources: dict[str, list[tuple[int, int]]] = {label: [] for label in labels}
    if len(sources) != len(labels):
        raise TrainingDataError("a label of the new head is named twice")
    for at, label in enumerate(old):
        now = [new for new in dict.fromkeys(fates.get(label, (label,))) if new in sources]
        for new in now:
            sources[new].append((at, len(now)))
    if not any(sources.values()):
        raise TrainingDataError(
            f"none of the {len(old)} former labels is among the {len(labels)} new ones: train from the start, or give "
            "the migration between them"
        )
    return sources


def _share(column: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """A column of weights and bias as each of `count` labels that share it has it."""
    result = column.copy()
    result[-1] -= np.log(count)
    return result


def _merged(
    parts: NDArray[np.float64], average: NDArray[np.float64], vectors: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """One column for several, shape (dimension + 1, parts); `vectors` end with a 1 each."""
    if vectors is None:
        result: NDArray[np.float64] = average + (parts - average[:, None]).sum(axis=1)
        return result
    start = parts.mean(axis=1)
    missing = logsumexp(vectors @ parts, axis=1) - vectors @ start
    spread = float(np.sqrt(vectors.var(axis=0).sum()))
    moved: NDArray[np.float64] = start + lsqr(vectors, missing, damp=_DAMP * spread)[0]
    return moved


def _stronger(columns: csc_matrix) -> csc_matrix:
    """Of each row the value largest in size, shape (width, 1); nothing for no columns."""
    if columns.shape[1] == 0:
        return csc_matrix((columns.shape[0], 1), dtype=columns.dtype)
    return reduce(_larger, [columns[:, at] for at in range(columns.shape[1])])


def _larger(one: csc_matrix, other: csc_matrix) -> csc_matrix:
    """Entry by entry the one of two columns that is larger in size; the higher when they are equally large."""
    highest, lowest = one.maximum(other), one.minimum(other)
    takes_lowest = abs(lowest) > abs(highest)
    return csc_matrix(highest - highest.multiply(takes_lowest) + lowest.multiply(takes_lowest))
