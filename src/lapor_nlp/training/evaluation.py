"""Evaluation: how a bundle's head answers labelled rows, in figures, tables and curves."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from lapor_nlp.decision import BundleId
from lapor_nlp.errors import BundleError, TrainingDataError
from lapor_nlp.scorer import Scorer
from lapor_nlp.text.clean import clean
from lapor_nlp.text.mask import Masker
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.calibration import expected_calibration_error

OTHERS = "(others)"
"""Stands for all labels, or values of a slice, that have no row of their own."""

UNKNOWN = "(unknown)"
"""Stands for the value of rows that have none."""

_BLOCK = 4096
_SMALLEST = 1e-9
_BINS = 10
_POINTS = 200
_PAIRS = 20
_MATRIX = 15
_VALUES = 30
_MISTAKES = 30
_SHOWN = 300
_LENGTHS = (10, 25, 50, 100, 200)

Names = NDArray[np.object_]


class Rows(Protocol):
    """Labelled rows, as `lapor_nlp.training.table.Table` holds them."""

    def __len__(self) -> int: ...
    @property
    def texts(self) -> Sequence[str]: ...
    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def times(self) -> Sequence[datetime | None]: ...
    @property
    def regions(self) -> Sequence[str | None]: ...
    def labels(self, head: str) -> Sequence[str | None]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """A head's answers to the rows that have a label, in order. All arrays have shape (rows,).

    `at` is the number of each row in the table, `chance` the probability that its label got, 0 for a label that the
    bundle does not know. `group_right` says whether the group of the first label is right, `confidence` how sure the
    policy is of that, `alone` whether it would act alone. A row with an unknown label is wrong in every respect.
    """

    head: str
    bundle: BundleId
    known: tuple[str, ...]
    risk: float
    threshold: float | None
    unlabelled: int
    at: NDArray[np.int64]
    truth: Names
    predicted: Names
    chance: NDArray[np.float64]
    top3: NDArray[np.bool_]
    group_right: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    alone: NDArray[np.bool_]
    truncated: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.truth == self.predicted, dtype=np.bool_)

    @property
    def losses(self) -> NDArray[np.float64]:
        """The log loss of each row, at most 20.7: that of an unknown label."""
        losses: NDArray[np.float64] = -np.log(np.maximum(self.chance, _SMALLEST))
        return losses


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """`count` of `total`, with the Clopper-Pearson interval that holds the true share with probability 0.95."""

    count: int
    total: int
    value: float | None
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> Share:
        """`value` is None and the interval 0 to 1 when there is nothing to count."""
        if not total:
            return cls(count=0, total=0, value=None, low=0.0, high=1.0)
        interval = binomtest(count, total).proportion_ci(0.95, "exact")
        return cls(count=count, total=total, value=count / total, low=float(interval.low), high=float(interval.high))


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassScore:
    """One label: `rows` that bear it, `predicted` that were given it, and the mean confidence of these.

    `precision` and `confidence` are None when it was never given, `recall` when no row bears it.
    """

    label: str
    known: bool
    rows: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float
    confidence: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Confused:
    """`rows` of the label `true` were given the label `predicted`: `share` of all that bear it."""

    true: str
    predicted: str
    rows: int
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Confusion:
    """The pairs most often confused, and rows by true (down) and given (across) label for the commonest labels.

    The last column of `matrix`, headed OTHERS, takes the given labels that have no column.
    """

    pairs: tuple[Confused, ...]
    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bin:
    """Rows of like confidence: its mean, and the share of them whose group was right."""

    confidence: float
    right: Share


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """Acting alone from this confidence up would cover this share of the rows, with this share of wrong groups."""

    confidence: float
    coverage: float
    error: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Operating:
    """What the policy does on these rows: the share it acts on alone, and how much of that is wrong.

    `risk` is the share of wrong that the policy was fitted for, `threshold` its general one.
    """

    coverage: Share
    error: Share
    risk: float
    threshold: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """The rows that share a `value` of a `trait`: length in words, month, region, language or truncated."""

    trait: str
    value: str
    accuracy: Share
    top3: float
    coverage: float
    error: Share


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A row that got a wrong label with great confidence. `text` is masked and cut; None when it was not asked for."""

    id: str
    true: str
    predicted: str
    confidence: float
    alone: bool
    text: str | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a head did on labelled rows.

    `unknown` counts rows by labels that the bundle does not know; they count as wrong everywhere. `macro_f1` is over
    the labels that occur in the rows. `calibration_error`, `reliability` and `curve` are about the group of an answer
    and its confidence. `data` is their `fingerprint`.
    """

    head: str
    bundle: BundleId
    data: str
    rows: int
    unlabelled: int
    unknown: Mapping[str, int]
    accuracy: Share
    top3: float
    macro_f1: float
    group_accuracy: float
    log_loss: float
    calibration_error: float
    truncated: int
    alone: Operating
    classes: tuple[ClassScore, ...]
    confusion: Confusion
    reliability: tuple[Bin, ...]
    curve: tuple[Point, ...]
    slices: tuple[Slice, ...]
    mistakes: tuple[Mistake, ...]

    @property
    def micro_f1(self) -> float:
        """The same as the accuracy, since each row has one label and gets one."""
        return self.accuracy.value or 0.0

    def summary(self) -> dict[str, Any]:
        """The main figures, small enough to be kept in a bundle."""
        alone = self.alone
        figures = {
            "rows": self.rows,
            "data": self.data,
            "unlabelled": self.unlabelled,
            "unknown": sum(self.unknown.values()),
            "accuracy": self.micro_f1,
            "accuracy_interval": [self.accuracy.low, self.accuracy.high],
            "top3": self.top3,
            "micro_f1": self.micro_f1,
            "macro_f1": self.macro_f1,
            "group_accuracy": self.group_accuracy,
            "log_loss": self.log_loss,
            "calibration_error": self.calibration_error,
            "truncated": self.truncated,
            "coverage": alone.coverage.value,
            "alone_error": alone.error.value,
            "alone_error_interval": [alone.error.low, alone.error.high],
            "risk": alone.risk,
            "threshold": alone.threshold,
        }
        rounded: dict[str, Any] = _rounded(figures)
        return rounded

    def to_dict(self) -> dict[str, Any]:
        """Everything but the texts of the mistakes."""
        mistakes = [{key: value for key, value in asdict(row).items() if key != "text"} for row in self.mistakes]
        details = {
            "unknown_labels": dict(self.unknown),
            "classes": [asdict(row) for row in self.classes],
            "confusion": asdict(self.confusion),
            "reliability": [asdict(row) for row in self.reliability],
            "risk_coverage": [asdict(row) for row in self.curve],
            "slices": [asdict(row) for row in self.slices],
            "mistakes": mistakes,
        }
        return {"head": self.head, "bundle": asdict(self.bundle), **self.summary(), **_rounded(details)}


def evaluate(
    scorer: Scorer, table: Rows, head: str, *, column: str | None = None, masker: Masker | None = None
) -> Evaluation:
    """How `head` answers the rows of a table that have a label in `column`, which by default is named like the head.

    With a masker, the worst mistakes bear their masked texts. Raises BundleError when the bundle lacks the head,
    TrainingDataError when no row is labelled or the head knows none of the labels.
    """
    return summarise(judge(scorer, table, head, column=column), table, scorer.wordlist, masker=masker)


def judge(scorer: Scorer, table: Rows, head: str, *, column: str | None = None) -> Judged:
    """The answers row by row; arguments and errors as `evaluate`."""
    heads = scorer.bundle.classifier.labels
    if head not in heads:
        there = ", ".join(sorted(heads))
        message = f"has no head {head!r}; it has {there}: say which column holds its labels (--label HEAD=COLUMN)"
        raise BundleError(scorer.bundle.name, message)
    known = heads[head]
    given = table.labels(head if column is None else column)
    at = np.array([i for i, label in enumerate(given) if label is not None], dtype=np.int64)
    truth: Names = np.array([given[i] for i in at], dtype=object)
    _check_labels(set(truth), known, f"{head} of {scorer.bundle.name}", head if column is None else column)
    column_of = {label: k for k, label in enumerate(known)}
    target = np.array([column_of.get(label, -1) for label in truth], dtype=np.int64)
    parts = [_answers(scorer, head, texts, target[rows]) for rows, texts in _blocks(table, at)]
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    policy = scorer.bundle.policy(head)
    return Judged(
        head=head,
        bundle=scorer.bundle.id,
        known=known,
        risk=policy.risk,
        threshold=policy.act_alone,
        unlabelled=len(given) - len(at),
        at=at,
        truth=truth,
        predicted=np.array(known, dtype=object)[joined.pop("first")],
        **joined,
    )


def summarise(judged: Judged, table: Rows, wordlist: Wordlist, *, masker: Masker | None = None) -> Evaluation:
    """The figures of answers to the rows of `table`, the one that they were judged on."""
    right, confidence = judged.right, judged.confidence
    classes = _classes(judged)
    present = [row.f1 for row in classes if row.rows]
    known = set(judged.known)
    prints, traits = _read_texts(judged, table, wordlist)
    return Evaluation(
        head=judged.head,
        bundle=judged.bundle,
        data=_joined(prints),
        rows=len(right),
        unlabelled=judged.unlabelled,
        unknown=dict(Counter(label for label in judged.truth if label not in known).most_common()),
        accuracy=Share.of(int(right.sum()), len(right)),
        top3=float(judged.top3.mean()),
        macro_f1=sum(present) / len(present),
        group_accuracy=float(judged.group_right.mean()),
        log_loss=float(judged.losses.mean()),
        calibration_error=expected_calibration_error(confidence, judged.group_right, _BINS),
        truncated=int(judged.truncated.sum()),
        alone=Operating(
            coverage=Share.of(int(judged.alone.sum()), len(right)),
            error=_alone_error(judged, np.ones(len(right), dtype=np.bool_)),
            risk=judged.risk,
            threshold=judged.threshold,
        ),
        classes=classes,
        confusion=_confusion(judged),
        reliability=_reliability(confidence, judged.group_right),
        curve=risk_coverage(confidence, judged.group_right),
        slices=_slices(judged, traits),
        mistakes=_mistakes(judged, table, masker),
    )


def risk_coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_], most: int = _POINTS) -> tuple[Point, ...]:
    """The share of wrong answers at each coverage, from the surest down; equal confidences are taken together.

    At most `most` points, evenly spaced, the last of which covers everything.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], np.cumsum(~right[order])
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    if len(ends) > most:
        ends = ends[np.unique(np.linspace(len(ends) - 1, 0, most).astype(np.int64))]
    return tuple(
        Point(confidence=float(ranked[k]), coverage=(k + 1) / len(ranked), error=float(wrong[k] / (k + 1)))
        for k in ends.tolist()
    )


def fingerprint(texts: Iterable[str], labels: Iterable[str]) -> str:
    """A number in hex for labelled rows: equal for equal rows in any order, so that figures on them can be compared."""
    return _joined(_print(text, label) for text, label in zip(texts, labels, strict=True))


def f1(hits: NDArray[Any], given: NDArray[Any], borne: NDArray[Any]) -> NDArray[np.float64]:
    """F1 of labels from counts of right answers, of rows given a label and of rows that bear it; 0 if all are 0."""
    both = np.asarray(given + borne, dtype=np.float64)
    result: NDArray[np.float64] = np.divide(2.0 * hits, both, out=np.zeros_like(both), where=both > 0)
    return result


def _check_labels(found: set[str], known: Sequence[str], head: str, column: str) -> None:
    if not found:
        raise TrainingDataError(f"no row has a label in the column {column}; nothing can be evaluated")
    if not found & set(known):
        theirs, ours = (", ".join(sorted(labels)[:3]) for labels in (found, set(known)))
        raise TrainingDataError(
            f"the head {head} knows none of the {len(found)} labels in the column {column} ({theirs}, ...); it knows "
            f"{len(known)} others ({ours}, ...): name the column that belongs to it (--label HEAD=COLUMN)"
        )


def _blocks(table: Rows, at: NDArray[np.int64]) -> Iterator[tuple[slice, list[str]]]:
    """The texts of the rows `at`, rising, block by block, with the stretch of `at` that each block holds."""
    for start in range(0, len(table), _BLOCK):
        low, high = np.searchsorted(at, (start, start + _BLOCK)).tolist()
        if low < high:
            texts = table.texts[start : start + _BLOCK]
            yield slice(low, high), [texts[i - start] for i in at[low:high].tolist()]


def _answers(scorer: Scorer, head: str, texts: Sequence[str], target: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The row fields of Judged for some texts; `target` is the column of each label, -1 for one that is not known."""
    scores = scorer.score(texts, [head])
    probabilities = scores.probabilities[head]
    answers = scorer.answers(head, scores)
    group_of = np.array([answers.groups.index(group) for group in scorer.groups(head)])
    known = target >= 0
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    return {
        "first": answers.first,
        "chance": np.where(known, probabilities[np.arange(len(target)), target], 0.0),
        "top3": (best == target[:, None]).any(axis=1),
        "group_right": known & (answers.group == group_of[target]),
        "confidence": answers.confidence,
        "alone": answers.alone,
        "truncated": scores.truncated,
    }


def _classes(judged: Judged) -> tuple[ClassScore, ...]:
    """Labels that occur among the rows or the answers, the commonest first."""
    known = set(judged.known)
    labels, codes = np.unique(np.concatenate([judged.truth, judged.predicted]), return_inverse=True)
    truth, predicted = np.split(codes, 2)
    borne = np.bincount(truth, minlength=len(labels))
    given = np.bincount(predicted, minlength=len(labels))
    hits = np.bincount(truth[judged.right], minlength=len(labels))
    sure = np.bincount(predicted, weights=judged.confidence, minlength=len(labels))
    both = f1(hits, given, borne)
    return tuple(
        ClassScore(
            label=labels[k],
            known=labels[k] in known,
            rows=int(borne[k]),
            predicted=int(given[k]),
            precision=_ratio(hits[k], given[k]),
            recall=_ratio(hits[k], borne[k]),
            f1=float(both[k]),
            confidence=_ratio(sure[k], given[k]),
        )
        for k in np.argsort(-borne, kind="stable").tolist()
    )


def _confusion(judged: Judged) -> Confusion:
    borne = Counter(judged.truth)
    cells = Counter(zip(judged.truth, judged.predicted, strict=True))
    wrong = sorted(((count, pair) for pair, count in cells.items() if pair[0] != pair[1]), key=lambda c: (-c[0], c[1]))
    labels = tuple(label for label, _ in sorted(borne.items(), key=lambda item: (-item[1], item[0]))[:_MATRIX])
    rows = []
    for true in labels:
        row = [cells[true, predicted] for predicted in labels]
        rows.append((*row, borne[true] - sum(row)))
    return Confusion(
        pairs=tuple(
            Confused(true=true, predicted=predicted, rows=count, share=count / borne[true])
            for count, (true, predicted) in wrong[:_PAIRS]
        ),
        labels=labels,
        matrix=tuple(rows),
    )


def _reliability(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Equally filled bins of rising confidence, those that the calibration error is computed from."""
    parts = np.array_split(np.argsort(confidence), _BINS)
    return tuple(
        Bin(confidence=float(confidence[part].mean()), right=Share.of(int(right[part].sum()), len(part)))
        for part in parts
        if len(part)
    )


def _alone_error(judged: Judged, rows: NDArray[np.bool_]) -> Share:
    alone = judged.alone & rows
    return Share.of(int((~judged.group_right[alone]).sum()), int(alone.sum()))


def _read_texts(judged: Judged, table: Rows, wordlist: Wordlist) -> tuple[list[bytes], dict[str, list[str]]]:
    """The print of each row, and its value for each trait by which rows are sliced."""
    prints: list[bytes] = []
    lengths: list[str] = []
    languages: list[str] = []
    for rows, texts in _blocks(table, judged.at):
        for text, label in zip(texts, judged.truth[rows], strict=True):
            prints.append(_print(text, label))
            tokens = wordlist.tokens(clean(text))
            lengths.append(_band(len(tokens)))
            languages.append(wordlist.language(tokens))
    times, regions = table.times, table.regions
    months = [None if times[i] is None else f"{times[i]:%Y-%m}" for i in judged.at]
    traits = {
        "length in words": lengths,
        "month": [month or UNKNOWN for month in months] if any(months) else [],
        "region": [regions[i] or UNKNOWN for i in judged.at] if any(regions) else [],
        "language": languages,
        "truncated": ["yes" if cut else "no" for cut in judged.truncated],
    }
    return prints, {name: values for name, values in traits.items() if values}


def _print(text: str, label: str) -> bytes:
    return hashlib.sha256(f"{label}\0{text}".encode()).digest()


def _joined(prints: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(sorted(prints))).hexdigest()


def _band(words: int) -> str:
    """The stretch of lengths that a number of words falls in; sorts by length."""
    low = 0
    for high in _LENGTHS:
        if words <= high:
            return f"{low:>3}-{high}"
        low = high + 1
    return f"{low:>3}+"


def _slices(judged: Judged, traits: Mapping[str, Sequence[str]]) -> tuple[Slice, ...]:
    """A slice for each value of each trait, sorted; all but the commonest values go into OTHERS."""
    slices = []
    for trait, values in traits.items():
        kept = {value for value, _ in Counter(values).most_common(_VALUES)}
        merged = np.array([value if value in kept else OTHERS for value in values], dtype=object)
        for value in sorted(set(merged), key=lambda v: (v == OTHERS, v)):
            here = merged == value
            slices.append(
                Slice(
                    trait=trait,
                    value=value.strip(),
                    accuracy=Share.of(int(judged.right[here].sum()), int(here.sum())),
                    top3=float(judged.top3[here].mean()),
                    coverage=float(judged.alone[here].mean()),
                    error=_alone_error(judged, here),
                )
            )
    return tuple(slices)


def _mistakes(judged: Judged, table: Rows, masker: Masker | None) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(~judged.right)
    worst = wrong[np.argsort(-judged.confidence[wrong], kind="stable")][:_MISTAKES].tolist()
    ids, texts = table.ids, table.texts
    return tuple(
        Mistake(
            id=ids[int(judged.at[i])],
            true=judged.truth[i],
            predicted=judged.predicted[i],
            confidence=float(judged.confidence[i]),
            alone=bool(judged.alone[i]),
            text=None if masker is None else _shown(masker.mask(texts[int(judged.at[i])]).text),
        )
        for i in worst
    )


def _shown(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else plain[:_SHOWN].rstrip() + " ..."


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _rounded(value: Any) -> Any:
    """The same with every float cut to six decimals."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return value
