"""Few-shot start: a new label learnt from its description and a handful of examples.

Its rows enter training with raised weights (`starting_examples`); a head over an encoder that was trained without it
gets a column at once (`new_column`), which serves as it stands or to go on from.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from lapor_nlp.classifier.classifier import DenseHead
from lapor_nlp.errors import MissingExtraError, TrainingDataError
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.heads import Column

try:
    from sklearn.covariance import ledoit_wolf
except ModuleNotFoundError as error:
    raise MissingExtraError("train", "scikit-learn") from error

EXAMPLE_WEIGHT = 10.0
PART_WEIGHT = 3.0
"""Weights of an example and of a part of a description, where an ordinary row has 1.

On city complaints they lift the F1 of a topic with eight examples and its description from 0.53 to 0.70 in the lexical
model; all of its rows give 0.76 (mean of six topics, benchmarks/bench_labels.py).
"""

FEW = 20
"""Most rows of a label with a description that count as examples."""

_SHARE = 0.2
_CARE = 1.0


@dataclass(frozen=True, kw_only=True)
class NewLabel:
    """A label that few rows are known for. `description` lists what it covers, parted by commas."""

    label: str
    name: str = ""
    description: str = ""
    examples: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The name with each part of the description, as very short reports; just the name without a description."""
        parts = [part.strip() for part in self.description.split(",") if part.strip()]
        name = self.name.strip()
        if not parts:
            return (name,) if name else ()
        return tuple(f"{name}. {part}" if name else part for part in parts)


def starting_examples(labels: Sequence[NewLabel], head: str) -> Examples:
    """The examples and descriptions of new labels as weighted rows of `head`, to be trained on with all others.

    Raises TrainingDataError when a label has neither.
    """
    texts: list[str] = []
    names: list[str] = []
    weights: list[float] = []
    real: list[bool] = []
    for new in labels:
        if not new.parts and not new.examples:
            raise TrainingDataError(f"the new label {new.label!r} has no description and no examples; give either")
        for text, weight in [(e, EXAMPLE_WEIGHT) for e in new.examples] + [(p, PART_WEIGHT) for p in new.parts]:
            texts.append(text)
            names.append(new.label)
            weights.append(weight)
            real.append(weight == EXAMPLE_WEIGHT)
    return Examples(texts=texts, labels={head: names}, weights=weights, real=real)


def read_descriptions(path: Path) -> list[NewLabel]:
    """Labels with their descriptions from a CSV with the columns label, description and, if there is one, name.

    Raises TrainingDataError naming the file and what is wrong with it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainingDataError(f"{path} cannot be read as CSV: {error}") from error
    if not rows or not {"label", "description"} <= set(rows[0]):
        raise TrainingDataError(f"{path} needs rows with the columns label and description")
    return [
        NewLabel(label=row["label"].strip(), name=row.get("name") or "", description=row["description"] or "")
        for row in rows
        if (row["label"] or "").strip()
    ]


def with_descriptions(rows: Examples, labels: Sequence[NewLabel], head: str) -> Examples:
    """Rows with the descriptions of labels as more rows, and the rows of those labels that have few of them raised."""
    counts = Counter(rows.labels[head])
    few = {new.label for new in labels if counts[new.label] <= FEW}
    before = [1.0] * len(rows) if rows.weights is None else list(rows.weights)
    raised = [
        weight * EXAMPLE_WEIGHT if label in few else weight
        for weight, label in zip(before, rows.labels[head], strict=True)
    ]
    added = starting_examples(labels, head)
    nothing = [None] * len(added)
    return Examples(
        texts=[*rows.texts, *added.texts],
        labels={
            name: [*column, *(added.labels[head] if name == head else nothing)] for name, column in rows.labels.items()
        },
        weights=[*raised, *(added.weights or ())],
        times=None if rows.times is None else [*rows.times, *nothing],
        real=[*([True] * len(rows) if rows.real is None else rows.real), *(added.real or ())],
    )


def prototype_head(
    vectors: NDArray[np.float32], labels: Sequence[str], label_names: Sequence[str], shrink: float = 2.0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights, shape (dimension, len(label_names)), and bias of a head that compares vectors with a prototype a label.

    A prototype is the mean vector of a label's rows, drawn towards the mean of all as if `shrink` more rows lay there.
    Distances are those of the rows about their prototypes (linear discriminant analysis, covariance after Ledoit and
    Wolf), so that few rows suffice. Raises TrainingDataError when a label has no row.
    """
    columns = {name: column for column, name in enumerate(label_names)}
    at = np.array([columns[label] for label in labels], dtype=np.int64)
    counts = np.bincount(at, minlength=len(columns))
    if not counts.all():
        absent = ", ".join(name for name, count in zip(label_names, counts, strict=True) if not count)
        raise TrainingDataError(f"no rows of {absent}: a prototype needs at least one")
    points = vectors.astype(np.float64)
    centre = points.mean(axis=0)
    sums = np.zeros((len(columns), points.shape[1]))
    np.add.at(sums, at, points)
    means = sums / counts[:, None]
    covariance, _ = ledoit_wolf(points - means[at], assume_centered=True)
    away = (means - centre) * (counts / (counts + shrink))[:, None]
    weights = np.linalg.solve(covariance + 1e-9 * np.eye(len(covariance)), away.T)
    bias = -0.5 * (away.T * weights).sum(axis=0) - centre @ weights + np.log(counts / counts.sum())
    return weights.astype(np.float32), bias.astype(np.float32)


def new_column(
    old: DenseHead, vectors: NDArray[np.float32], labels: Sequence[str], examples: NDArray[np.float32]
) -> Column:
    """A column for a label that `old` lacks, out of the vectors of its examples and description, shape (n, dimension).

    `vectors` and `labels` are rows of the old labels, at least one each. The old columns stay as they are: the new one
    is fitted against their joint score (logistic regression with an offset), drawn towards the prototype, with the
    examples raised to a fifth of the weight of all rows.

    On city complaints and an encoder left as it is, eight examples gave F1 0.60 for the new topic, fitting the head
    anew with them 0.11, with all of its rows 0.68 (mean of six, benchmarks/bench_labels.py). Raises TrainingDataError
    when there are no examples.
    """
    if not len(examples):
        raise TrainingDataError("a new label needs the vector of at least one example or description")
    points = np.vstack([vectors, examples]).astype(np.float64)
    new = np.arange(len(points)) >= len(vectors)
    offset = logsumexp(points @ old.weights + old.bias, axis=1)
    start = _start(old, vectors, labels, examples)
    raised = np.where(new, max(1.0, _SHARE * len(vectors) / len(examples)), 1.0)
    care = _CARE * float(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean())

    def loss(column: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = points @ column[:-1] + column[-1] - offset
        moved = column[:-1] - start[:-1]
        slope = raised * (expit(margin) - new)
        value = (raised * np.logaddexp(0, np.where(new, -margin, margin))).sum() + care / 2 * moved @ moved
        return float(value), np.append(points.T @ slope + care * moved, slope.sum())

    found = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found[:-1].astype(np.float32), float(found[-1])


def _start(
    old: DenseHead, vectors: NDArray[np.float32], labels: Sequence[str], examples: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The prototype of the new label as a column beside those of `old`: its lead over the average, in their scale."""
    new = "\0"
    weights, bias = prototype_head(
        np.vstack([vectors, examples]), [*labels, *[new] * len(examples)], [*old.labels, new]
    )
    ours = np.vstack([old.weights, old.bias]).astype(np.float64)
    theirs = np.vstack([weights, bias]).astype(np.float64)
    extended = np.column_stack([vectors, np.ones(len(vectors))])
    one, other = (extended @ (part - part.mean(axis=1, keepdims=True)) for part in (ours, theirs[:, :-1]))
    scale = float((one * other).sum() / max(1e-12, (other * other).sum()))
    start: NDArray[np.float64] = ours.mean(axis=1) + scale * (theirs[:, -1] - theirs[:, :-1].mean(axis=1))
    return start
