"""Suggest: which rows a person should look at next, unlabelled ones worth a label and labels that look wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.classifier.classifier import Scores, softmax
from lapor_nlp.classifier.features import FeatureSettings, LexicalFeatures, inverse_document_frequency
from lapor_nlp.errors import MissingExtraError, TrainingDataError
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.calibration import fit_sharpness
from lapor_nlp.training.lexical import LexicalConfig, fit_head
from lapor_nlp.training.splits import grouped_folds, repeat_groups
from lapor_nlp.training.table import Table

try:
    from cleanlab.filter import find_label_issues
    from sklearn.decomposition import TruncatedSVD
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "cleanlab") from error

SHORTLIST, LEAST_SHORTLIST = 4, 200
"""How many of the most undecided rows are looked at for each that is suggested, and how many at least."""

NEAR_REPEAT = 0.8
"""Likeness in words (cosine) from which of two rows only one is suggested."""

LEAST_TEXTS = 10
"""Different texts that a label needs, for its rows to be doubted: of a rarer one the models know too little."""

_DIMENSIONS = 64
_BLOCK = 8192
_ABSENT = -2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """An unlabelled row worth a label. `score` tells how undecided the model is, 1 when two labels are even."""

    row: int
    why: str
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Doubt:
    """A labelled row that looks wrong. `score` is how improbable the model finds the given label."""

    row: int
    given: str
    suggested: str
    score: float


@dataclass(frozen=True, kw_only=True, eq=False)
class OutOfFold:
    """Probabilities of shape (rows, labels), each row's from a model that saw neither it nor a repeat of it.

    `labels` are those with at least LEAST_TEXTS different texts.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]


def to_label(
    scores: Scores,
    texts: Sequence[str],
    *,
    head: str,
    count: int,
    seed: int = 7,
    wordlist: Wordlist | None = None,
) -> list[Suggestion]:
    """At most `count` rows worth a label for `head`, best first: undecided, and unlike one another.

    Of the rows on which the first two labels lie closest, drawn as k-means++ draws its centres, so that what comes
    first already covers what the model does not know. Distances are those of the encoder's vectors, without an encoder
    those of the words. Rows that repeat one another are suggested once, so that there may be fewer than `count`.
    """
    undecided, first, second = _closest(scores.probabilities[head])
    order = _first_of_groups(np.argsort(-undecided, kind="stable"), repeat_groups(texts))
    shortlist = order[: max(SHORTLIST * count, LEAST_SHORTLIST)]
    if not len(shortlist):
        return []
    words = _words([texts[int(row)] for row in shortlist], Wordlist.load() if wordlist is None else wordlist)
    vectors = _reduced(words, seed) if scores.vectors is None else scores.vectors[shortlist]
    names, probabilities = scores.labels[head], scores.probabilities[head]
    suggestions = []
    for at in _spread(undecided[shortlist], _centred(vectors), words, count, seed):
        row = int(shortlist[at])
        one, other = (f"{names[k]} {probabilities[row, k]:.2f}" for k in (first[row], second[row]))
        suggestions.append(Suggestion(row=row, why=f"{one} or {other}", score=round(float(undecided[row]), 4)))
    return suggestions


def looks_wrong(
    labels: Sequence[str | None], probabilities: NDArray[np.float64], label_names: Sequence[str]
) -> list[Doubt]:
    """Rows whose label looks wrong, most doubtful first.

    `probabilities` has shape (rows, labels) and must come from a model that did not learn from these rows, see
    `out_of_fold_probabilities`. How many rows are doubted is told by the confident joint (cleanlab), which ones by how
    improbable their label is; where all rows bear one label, those with another first label are doubted. Rows without a
    label, or with one that is not among `label_names`, are passed over.
    """
    columns = {name: column for column, name in enumerate(label_names)}
    rows = np.array([row for row, label in enumerate(labels) if label in columns], dtype=np.int64)
    if not len(rows):
        return []
    given = np.array([columns[label] for label in labels if label in columns], dtype=np.int64)
    judged = probabilities[rows]
    if len(np.unique(given)) < 2:
        doubted = np.argsort(judged[:, given[0]], kind="stable")
    else:
        doubted = find_label_issues(
            given, judged, filter_by="low_self_confidence", return_indices_ranked_by="self_confidence", n_jobs=1
        )
    best = judged.argmax(axis=1)
    return [
        Doubt(
            row=int(rows[at]),
            given=label_names[given[at]],
            suggested=label_names[best[at]],
            score=round(float(1 - judged[at, given[at]]), 4),
        )
        for at in doubted
        if best[at] != given[at]
    ]


def out_of_fold_probabilities(
    table: Table, head: str, folds: int = 5, *, config: LexicalConfig | None = None, seed: int = 7
) -> OutOfFold:
    """What lexical models say of each row of a table, none of which saw the row or a repeat of it.

    Raises TrainingDataError when fewer than two labels have LEAST_TEXTS different texts.
    """
    config = LexicalConfig() if config is None else config
    labels, groups = np.array(table.labels(head), dtype=object), repeat_groups(table.texts)
    different = Counter(label for label, _ in set(zip(labels, groups.tolist(), strict=True)) if label is not None)
    names = tuple(sorted(label for label, count in different.items() if count >= LEAST_TEXTS))
    if len(names) < 2:
        raise TrainingDataError(
            f"{table.source}: {len(names)} of the {len(different)} labels of {head} have {LEAST_TEXTS} different "
            "texts, it takes two to doubt one; give more rows, or a model that was not trained on these"
        )
    columns = {name: column for column, name in enumerate(names)}
    known = np.array([label in columns for label in labels], dtype=np.bool_)
    wordlist = Wordlist.load()
    features = LexicalFeatures(config.features)
    counts = features.counts([wordlist.tokens(clean(text)) for text in table.texts])
    matrix = features.weigh(counts, inverse_document_frequency(counts, config.fewest))
    margins = np.full((len(table), len(names)), _ABSENT, dtype=np.float64)
    for part in grouped_folds(groups, folds, seed):
        learnt = known.copy()
        learnt[part] = False
        fitted = fit_head(matrix[learnt], labels[learnt].tolist(), config)
        found = (matrix[part] @ fitted.weights).toarray() + fitted.bias
        margins[np.ix_(part, np.array([columns[label] for label in fitted.labels]))] = found
    sharpness = fit_sharpness(margins[known], [columns[label] for label in labels[known]])
    return OutOfFold(labels=names, probabilities=softmax(sharpness * margins))


def _closest(
    probabilities: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """For each row 1 minus the lead of the first label over the second, and the columns of the two."""
    rows = len(probabilities)
    undecided = np.empty(rows)
    first, second = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    for start in range(0, rows, _BLOCK):
        part = probabilities[start : start + _BLOCK]
        two = np.argpartition(-part, 1, axis=1)[:, :2]
        values = np.take_along_axis(part, two, axis=1)
        stop = start + len(part)
        first[start:stop], second[start:stop] = two.T
        undecided[start:stop] = 1 - (values[:, 0] - values[:, 1])
    return undecided, first, second


def _first_of_groups(order: NDArray[np.int64], groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of `order` that are the first of their group there."""
    firsts = np.sort(np.unique(groups[order], return_index=True)[1])
    return order[firsts]


def _words(texts: Sequence[str], wordlist: Wordlist) -> csr_matrix:
    """Weighted n-grams of texts, rows of length 1; those of a single text count in its length only."""
    features = LexicalFeatures(FeatureSettings())
    counts = features.counts([wordlist.tokens(clean(text)) for text in texts])
    matrix = features.weigh(counts, inverse_document_frequency(counts, 1))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    shared = np.flatnonzero(np.bincount(counts.indices, minlength=features.width) > 1)
    return csr_matrix(matrix[:, shared].multiply(1 / np.where(length > 0, length, 1.0)[:, None]))


def _reduced(words: csr_matrix, seed: int) -> NDArray[np.float32]:
    """The same rows in few dimensions (latent semantic analysis)."""
    dimensions = min(_DIMENSIONS, words.shape[0] - 1, words.shape[1] - 1)
    if dimensions < 2:
        return np.ones((words.shape[0], 1), dtype=np.float32)
    reduced: NDArray[np.float64] = TruncatedSVD(dimensions, random_state=seed).fit_transform(words)
    return reduced.astype(np.float32)


def _centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors about their mean, of length 1."""
    centred = vectors - vectors.mean(axis=0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    result: NDArray[np.float32] = centred / np.where(length > 0, length, 1)
    return result


def _spread(
    undecided: NDArray[np.float64], vectors: NDArray[np.float32], words: csr_matrix, count: int, seed: int
) -> list[int]:
    """Numbers of at most `count` rows, drawn one by one with chances of undecidedness times squared distance."""
    random = np.random.default_rng(seed)
    distance = np.full(len(undecided), 2.0)
    chosen: list[int] = []
    while len(chosen) < count:
        chances = undecided * distance
        total = chances.sum()
        if total <= 0:
            break
        at = int(random.choice(len(chances), p=chances / total)) if chosen else int(chances.argmax())
        chosen.append(at)
        distance = np.minimum(distance, np.maximum(0.0, 2 - 2 * (vectors @ vectors[at])))
        likeness = (words @ words[at].T).toarray().ravel()
        distance[likeness >= NEAR_REPEAT] = 0.0
        distance[at] = 0.0
    return chosen
