"""Paired bootstrap: whether one bundle answers better than another on the same rows, or only seems to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.errors import TrainingDataError
from lapor_nlp.training.evaluation import Judged, f1

DECISIVE = ("accuracy", "macro_f1")
"""The measures that a bundle must not be worse in beyond noise."""

_CELLS = 20_000_000
_TAIL = 2.5

Sums = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One measure of the new and the old bundle: `difference` is new - old, [`low`, `high`] holds it in 95 %.

    `worse_share` is the share of resamples in which the new one is worse; `worse` says that it is so beyond noise: the
    whole interval lies on the bad side of 0. Of `log_loss` less is better, of all others more.
    """

    measure: str
    new: float
    old: float
    difference: float
    low: float
    high: float
    worse_share: float
    worse: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two bundles on the same rows: accuracy, top3, macro_f1, log_loss, and coverage at their own policies.

    `groups` is how many groups of rows were drawn from: as many as rows when each stands for itself.
    """

    rows: int
    groups: int
    resamples: int
    seed: int
    differences: tuple[Difference, ...]

    @property
    def worse(self) -> tuple[str, ...]:
        """The decisive measures in which the new bundle is worse beyond noise."""
        return tuple(d.measure for d in self.differences if d.worse and d.measure in DECISIVE)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "worse": list(self.worse)}


def compare(
    new: Judged, old: Judged, *, groups: Sequence[int] | None = None, resamples: int = 1000, seed: int = 7
) -> Comparison:
    """Compare two bundles' answers by drawing rows anew, both with the same rows each time.

    `groups` holds a number for each judged row: rows that share it, such as repeats of one text, are drawn together.
    The labels that macro-F1 averages over are those in the rows drawn. Raises TrainingDataError when the two did not
    answer the same rows.
    """
    if not np.array_equal(new.at, old.at) or not np.array_equal(new.truth, old.truth):
        raise TrainingDataError("the two models did not answer the same labelled rows; evaluate both on one file")
    rows = len(new.truth)
    group_of = np.arange(rows) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(group_of) != rows:
        raise TrainingDataError(f"there are {len(group_of)} group numbers for {rows} rows; give one for each")
    count = int(group_of.max()) + 1
    sides = [_Side.of(judged, labels) for labels in [_labels(new, old)] for judged in (new, old)]
    whole = [side.measure(np.ones((1, rows), dtype=np.float32)) for side in sides]
    drawn: list[list[dict[str, Sums]]] = [[], []]
    for weights in _draws(group_of, count, resamples, seed):
        for side, found in zip(sides, drawn, strict=True):
            found.append(side.measure(weights))
    differences = []
    for measure in whole[0]:
        here, there = (np.concatenate([part[measure] for part in found]) for found in drawn)
        differences.append(_difference(measure, float(whole[0][measure][0]), float(whole[1][measure][0]), here - there))
    return Comparison(rows=rows, groups=count, resamples=resamples, seed=seed, differences=tuple(differences))


def as_evidence(sha256: str, against: str, comparisons: Mapping[str, Comparison], test: str) -> dict[str, Any]:
    """Comparisons by head in the form that `lapor_nlp.registry.promote` asks for.

    `sha256` and `against` are those of the new and the old bundle; `test` names the rows.
    """
    return {
        "sha256": sha256,
        "against": against,
        "test": test,
        "heads": {head: comparison.to_dict() for head, comparison in comparisons.items()},
        "worse": [f"{head} {measure}" for head, comparison in comparisons.items() for measure in comparison.worse],
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Side:
    """One bundle's answers as sums over rows: `means` has shape (rows, measures), the rest (rows, labels)."""

    means: NDArray[np.float32]
    hits: csr_matrix
    given: csr_matrix
    borne: csr_matrix

    @classmethod
    def of(cls, judged: Judged, labels: Mapping[str, int]) -> _Side:
        truth = np.array([labels[label] for label in judged.truth])
        predicted = np.array([labels[label] for label in judged.predicted])
        columns = [judged.right, judged.top3, judged.losses, judged.alone]
        return cls(
            means=np.column_stack(columns).astype(np.float32),
            hits=_indicator(truth, judged.right, len(labels)),
            given=_indicator(predicted, np.ones_like(judged.right), len(labels)),
            borne=_indicator(truth, np.ones_like(judged.right), len(labels)),
        )

    def measure(self, weights: NDArray[np.float32]) -> dict[str, Sums]:
        """Each measure for each resample; `weights`, shape (resamples, rows), is how often each row was drawn."""
        means = (weights @ self.means).astype(np.float64) / weights.sum(axis=1, keepdims=True)
        accuracy, top3, loss, coverage = means.T
        borne = weights @ self.borne
        by_label = f1(weights @ self.hits, weights @ self.given, borne)
        present = borne > 0
        macro = np.where(present, by_label, 0.0).sum(axis=1) / present.sum(axis=1)
        return {"accuracy": accuracy, "top3": top3, "macro_f1": macro, "log_loss": loss, "coverage": coverage}


def _labels(new: Judged, old: Judged) -> dict[str, int]:
    names = sorted({*new.truth, *new.predicted, *old.predicted})
    return {name: k for k, name in enumerate(names)}


def _indicator(columns: NDArray[np.integer], here: NDArray[np.bool_], width: int) -> csr_matrix:
    """Shape (rows, width): 1 in its column for each row that is `here`."""
    rows = np.flatnonzero(here)
    ones = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((ones, (rows, columns[rows])), shape=(len(here), width))


def _draws(group_of: NDArray[np.integer], count: int, resamples: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """How often each row is drawn, shape (some resamples, rows), in blocks that fit into memory."""
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // len(group_of))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        picked = random.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        drawn = np.bincount(picked.ravel(), minlength=size * count).reshape(size, count)
        yield drawn[:, group_of].astype(np.float32)


def _difference(measure: str, new: float, old: float, resampled: Sums) -> Difference:
    low, high = np.percentile(resampled, [_TAIL, 100 - _TAIL]).tolist()
    less_is_better = measure == "log_loss"
    bad = resampled > 0 if less_is_better else resampled < 0
    return Difference(
        measure=measure,
        new=new,
        old=old,
        difference=new - old,
        low=low,
        high=high,
        worse_share=float(bad.mean()),
        worse=low > 0 if less_is_better else high < 0,
    )
