"""Splits: parts of labelled rows for learning and for judging, by time, where repeats of a text never straddle."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from lapor_nlp.errors import TrainingDataError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.clean import clean
from lapor_nlp.training.table import Table

ENDS = 12
"""How many words at its beginning, or at its end, make two texts repeats of one template."""

_LETTERS = re.compile(r"[^\W\d_]+")
_COURTESIES = ("greeting", "pronoun", "plea")
_NO_KEY = 0

Rows = NDArray[np.int64]
"""Row numbers, ascending."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Rows to learn from and rows to judge by; unpacks into the two.

    `by` is "time" or "random"; `cut` the time at which the rows to judge by begin. `moved` rows are later than the
    cut, yet stand in `train`, since an earlier row has the same text or template.
    """

    train: Rows
    dev: Rows
    by: str
    cut: datetime | None = None
    moved: int = 0

    def __iter__(self) -> Iterator[Rows]:
        return iter((self.train, self.dev))


def repeat_groups(texts: Iterable[str]) -> Rows:
    """A group number for each text; texts that repeat one another, or one template, share it.

    Repeats have the same letters throughout, or the same first or last ENDS words, greetings and pleas apart; digits,
    case and punctuation do not count. Groups are numbered as they first appear. Linear in the length of the texts.
    """
    keys = np.fromiter((repeat_keys(text) for text in texts), dtype=np.dtype((np.int64, 3)))
    size = len(keys)
    ones, others = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for column in keys.T:
        rows = np.flatnonzero(column != _NO_KEY)
        _, first, inverse = np.unique(column[rows], return_index=True, return_inverse=True)
        ones.append(rows)
        others.append(rows[first[inverse]])
    one, other = np.concatenate(ones), np.concatenate(others)
    links = coo_matrix((np.ones(len(one), dtype=bool), (one, other)), shape=(size, size))
    _, groups = connected_components(links, directed=False)
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def repeat_keys(text: str) -> tuple[int, int, int]:
    """What repeats have in common: numbers of the whole text, its beginning and its end, 0 where it is too short.

    Good for comparing within one run of the program only.
    """
    words = _LETTERS.findall(clean(text).lower())
    if not words:
        return hash(" ".join(text.split())) or 1, _NO_KEY, _NO_KEY
    courtesies = _courtesies()
    telling = [word for word in words if word not in courtesies]
    if len(telling) < ENDS:
        return hash(" ".join(words)) or 1, _NO_KEY, _NO_KEY
    return hash(" ".join(words)) or 1, hash(" ".join(telling[:ENDS])) or 1, hash(" ".join(telling[-ENDS:])) or 1


@cache
def _courtesies() -> frozenset[str]:
    path = DATA / "signals" / "empty_words.csv"
    kinds = (row for _, row in read_table(path, ("kind", "words")) if row["kind"] in _COURTESIES)
    return frozenset(word for row in kinds for word in row["words"].split())


def split(table: Table, share: float = 0.15, *, seed: int = 7, groups: Rows | None = None) -> Split:
    """The best split there is: by time when at least half of the rows have one and not all the same, else random."""
    times = _moments(table.times)
    known = times[~np.isnat(times)]
    if 2 * len(known) >= len(times) and len(np.unique(known)) > 1:
        return split_by_time(table, share, groups=groups)
    return split_at_random(table, share, seed=seed, groups=groups)


def split_by_time(table: Table, share: float = 0.15, *, groups: Rows | None = None) -> Split:
    """The latest `share` of the rows to judge by, the others to learn from.

    A group of repeats goes where its earliest row belongs; one without any time is learnt from. `groups` are those of
    `repeat_groups(table.texts)`. Raises TrainingDataError when one part would be empty.
    """
    groups = repeat_groups(table.texts) if groups is None else groups
    times = _moments(table.times)
    begins = _begins(times, groups)
    dated = np.sort(begins[groups][~np.isnat(begins[groups])])
    starts = np.unique(dated)
    if len(starts) < 2:
        raise TrainingDataError(f"{len(dated):,} of {len(times):,} rows have a time, all the same; give a dev file")
    cut = max(dated[len(dated) - max(1, round(share * len(dated)))], starts[1])
    dev = (begins >= cut)[groups]
    moved = int((~dev & (times >= cut)).sum())
    return _checked(Split(train=np.flatnonzero(~dev), dev=np.flatnonzero(dev), by="time", cut=cut.item(), moved=moved))


def split_at_random(table: Table, share: float = 0.15, *, seed: int = 7, groups: Rows | None = None) -> Split:
    """`share` of the rows of each label of the first head to judge by, the others to learn from.

    Groups of repeats stay together. A label with a single group is learnt from. Raises TrainingDataError when one
    part would be empty.
    """
    groups = repeat_groups(table.texts) if groups is None else groups
    sizes = np.bincount(groups)
    labels = table.labels(table.heads[0]) if table.heads else [None] * len(table)
    strata: dict[str | None, list[int]] = {}
    for group, row in enumerate(np.unique(groups, return_index=True)[1]):
        strata.setdefault(labels[row], []).append(group)
    random = np.random.default_rng(seed)
    chosen = np.zeros(len(sizes), dtype=bool)
    owed = 0.0
    for label in sorted(strata, key=lambda name: (name is not None, name or "")):
        members = random.permutation(strata[label])
        if len(members) < 2:
            continue
        owed += share * sizes[members].sum()
        for group in members[1:]:
            if sizes[group] <= 2 * owed:
                chosen[group] = True
                owed -= sizes[group]
    dev = chosen[groups]
    return _checked(Split(train=np.flatnonzero(~dev), dev=np.flatnonzero(dev), by="random"))


def time_folds(times: Sequence[datetime | None], groups: Rows, count: int) -> list[tuple[Rows, Rows]]:
    """`count` pairs of earlier and later rows, to learn from the past and judge by what came next.

    The rows are cut into `count` + 1 stretches of time of about equal size; each but the first is judged by all before
    it. A group of repeats belongs to the stretch of its earliest row; its rows that are as late as the stretch to
    judge by are left out of the earlier ones. Rows of groups without any time are always earlier. Raises
    TrainingDataError when the times do not give so many stretches.
    """
    moments = _moments(times)
    begins = _begins(moments, groups)[groups]
    known = np.sort(begins[~np.isnat(begins)])
    cuts = np.unique([known[len(known) * k // (count + 1)] for k in range(1, count + 1)]) if len(known) else known
    if len(cuts) < count or (len(known) and cuts[0] == known[0]):
        raise TrainingDataError(f"the times of {len(known):,} rows do not give {count + 1} stretches; ask for fewer")
    folds = []
    for at, cut in enumerate(cuts):
        later = begins >= cut
        if at + 1 < len(cuts):
            later &= begins < cuts[at + 1]
        earlier = ~(begins >= cut) & ~(moments >= cut)
        folds.append((np.flatnonzero(earlier), np.flatnonzero(later)))
    return folds


def grouped_folds(groups: Rows, count: int, seed: int = 7) -> list[Rows]:
    """`count` parts of about equal size that together hold each row once and never part a group.

    Raises TrainingDataError when there are fewer groups than parts.
    """
    sizes = np.bincount(groups)
    if len(sizes) < count or count < 2:
        raise TrainingDataError(f"{len(sizes):,} different texts cannot be cut into {count} parts; ask for fewer")
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    fold_of = np.empty(len(sizes), dtype=np.int64)
    loads = [(0, fold) for fold in range(count)]
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        load, fold = heapq.heappop(loads)
        fold_of[group] = fold
        heapq.heappush(loads, (load + int(sizes[group]), fold))
    return [np.flatnonzero(fold_of[groups] == fold) for fold in range(count)]


def _moments(times: Sequence[datetime | None]) -> NDArray[np.datetime64]:
    return np.array(times, dtype="datetime64[us]")


def _begins(times: NDArray[np.datetime64], groups: Rows) -> NDArray[np.datetime64]:
    """The earliest time of each group, NaT where none is known."""
    begins = np.full(int(groups.max(initial=-1)) + 1, np.datetime64("NaT"), dtype="datetime64[us]")
    known = ~np.isnat(times)
    latest_first = np.argsort(times[known], kind="stable")[::-1]
    begins[groups[known][latest_first]] = times[known][latest_first]
    return begins


def _checked(made: Split) -> Split:
    if not len(made.train) or not len(made.dev):
        raise TrainingDataError(
            f"{len(made.train) + len(made.dev):,} rows cannot be parted into train and dev: too few, or all repeats "
            "of one another; add rows or give a dev file"
        )
    return made
