"""Drift: does traffic still look like the rows that the policy was fitted on? Unlabelled reports are enough to ask.

They show that reports, or the model's answers to them, have changed. They cannot show that offices now answer for other
things than before: for that, label some fresh rows and recalibrate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from lapor_nlp.bundle import Bundle
from lapor_nlp.classifier.classifier import Scores
from lapor_nlp.errors import BundleError

Verdict = Literal["ok", "watch", "recalibrate"]

_VERDICTS: tuple[Verdict, ...] = ("ok", "watch", "recalibrate")
_DOUBT = 0.01
_SOME, _MUCH = 0.1, 0.25
_BINS = 10
_FEWEST_EXPECTED = 5
_FEWEST_ALONE = 50
_SURE = 2.33
_OTHERS = ""

Floats = NDArray[np.float64]


class Answered(Protocol):
    """A head's answers to texts, as `scorer.Answers` holds them."""

    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def group(self) -> NDArray[np.int64]: ...
    @property
    def confidence(self) -> Floats: ...
    @property
    def alone(self) -> NDArray[np.bool_]: ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Observed:
    """What is looked at in some texts: `numbers` by name, each of shape (texts,), and the answers of each head."""

    numbers: Mapping[str, Floats]
    heads: Mapping[str, Answered]

    def __len__(self) -> int:
        return len(next(iter(self.numbers.values())))

    @classmethod
    def of(cls, texts: Sequence[str], scores: Scores, heads: Mapping[str, Answered]) -> Observed:
        """Length, rarity of words and cuts of the texts, and what the heads say of them."""
        numbers = {
            "words": np.array([len(text.split()) for text in texts], dtype=np.float64),
            "rarity": scores.rarity,
            "truncated": scores.truncated.astype(np.float64),
        }
        return cls(numbers=numbers, heads=heads)


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of values by bin: by numbers between `edges`, or by `names`, of which the last stands for all others."""

    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        bins = len(self.names) or len(self.edges) + 1
        if len(self.counts) != bins or min(self.counts) < 0 or sum(self.counts) == 0:
            raise ValueError("a histogram needs a count for each bin, and some values")

    @classmethod
    def of_numbers(cls, values: Floats) -> Histogram:
        """Ten bins that hold about the same number of values; fewer where values are equal."""
        inner = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1], method="higher"))
        edges = tuple(float(edge) for edge in inner[inner > values.min()])
        return cls(counts=tuple(_binned(values, edges).tolist()), edges=edges)

    @classmethod
    def of_names(cls, names: Sequence[str], numbers: NDArray[np.int64]) -> Histogram:
        """A bin for each name that occurs; `numbers` are positions in `names`."""
        counts = np.bincount(numbers, minlength=len(names))
        kept = np.flatnonzero(counts).tolist()
        return cls(counts=(*counts[kept].tolist(), 0), names=(*(names[k] for k in kept), _OTHERS))

    def count_numbers(self, values: Floats) -> NDArray[np.int64]:
        """Counts of other values in the same bins."""
        return _binned(values, self.edges)

    def count_names(self, names: Sequence[str], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts of other names in the same bins."""
        places = {name: place for place, name in enumerate(self.names)}
        of_name = np.array([places.get(name, len(places) - 1) for name in names], dtype=np.int64)
        return np.bincount(of_name[numbers], minlength=len(places)).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        bins = {"names": list(self.names)} if self.names else {"edges": list(self.edges)}
        return {**bins, "counts": list(self.counts)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What calibrated confidences say of a head's answers, without labels.

    `right` is the share of right answers, `alone` the share acted on alone, `alone_wrong` that of wrong ones among
    them (None when there are none).
    """

    right: float
    alone: float
    alone_wrong: float | None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What traffic looked like when the policy was fitted: a histogram for each thing looked at.

    The names are those of Observed.numbers, and `HEAD.confidence` and `HEAD.groups` for each head; `expected` is what
    each head was expected to do, `risks` the risks that their policies were fitted for.
    """

    histograms: Mapping[str, Histogram]
    expected: Mapping[str, Expected]
    risks: Mapping[str, float]

    @classmethod
    def of(cls, observed: Observed, risks: Mapping[str, float]) -> Reference:
        """Raises ValueError when nothing was observed."""
        if not len(observed):
            raise ValueError("a reference needs some texts")
        histograms = {name: Histogram.of_numbers(values) for name, values in observed.numbers.items()}
        for head, answers in observed.heads.items():
            histograms[f"{head}.confidence"] = Histogram.of_numbers(answers.confidence)
            histograms[f"{head}.groups"] = Histogram.of_names(answers.groups, answers.group)
        expected = {head: _Sums(answers).expected() for head, answers in observed.heads.items()}
        return cls(histograms=histograms, expected=expected, risks={head: risks[head] for head in observed.heads})

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> Reference:
        """The reference that a bundle holds. Raises BundleError when it holds none."""
        if not bundle.reference:
            raise BundleError(
                bundle.name, "keeps no picture of the traffic it was fitted on; lapor-nlp recalibrate makes one"
            )
        try:
            return cls(
                histograms={
                    name: Histogram(**{key: tuple(values) for key, values in about.items()})
                    for name, about in bundle.reference["histograms"].items()
                },
                expected={head: Expected(**about) for head, about in bundle.reference["expected"].items()},
                risks=dict(bundle.reference["risks"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError(bundle.name, f"keeps a picture of traffic that cannot be read: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for Bundle.reference."""
        return {
            "histograms": {name: histogram.to_dict() for name, histogram in self.histograms.items()},
            "expected": {
                head: {"right": e.right, "alone": e.alone, "alone_wrong": e.alone_wrong}
                for head, e in self.expected.items()
            },
            "risks": dict(self.risks),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """How far one thing has moved.

    `psi` is the population stability index less what chance alone would give, `jensen_shannon` the divergence in bits,
    `p` the chance of such a difference, or a greater one, were there none.
    """

    name: str
    psi: float
    jensen_shannon: float
    p: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What the traffic seen so far says: a verdict with reasons, each shift, and what each head is expected to do."""

    rows: int
    verdict: Verdict
    reasons: tuple[str, ...]
    shifts: tuple[Shift, ...]
    expected: Mapping[str, Expected]

    def to_dict(self) -> dict[str, Any]:
        """As `lapor-nlp drift --json` prints it."""
        return {
            "rows": self.rows,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "shifts": [
                {
                    "name": shift.name,
                    "verdict": shift.verdict,
                    "psi": round(shift.psi, 4),
                    "jensen_shannon": round(shift.jensen_shannon, 4),
                    "p": float(f"{shift.p:.3g}"),
                }
                for shift in self.shifts
            ],
            "expected": {
                head: {
                    "right": round(e.right, 4),
                    "alone": round(e.alone, 4),
                    "alone_wrong": None if e.alone_wrong is None else round(e.alone_wrong, 4),
                }
                for head, e in self.expected.items()
            },
        }


class DriftMonitor:
    """Counts traffic in the bins of a reference. Any number of threads may add and ask.

    monitor = DriftMonitor(Reference.of_bundle(scorer.bundle))
    monitor.add(Observed.of(texts, scores, {"topic": scorer.answers("topic", scores)}))
    monitor.signal().verdict
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._lock = Lock()
        self._rows = 0
        self._counts = {name: np.zeros(len(h.counts), dtype=np.int64) for name, h in reference.histograms.items()}
        self._sums = {head: _Sums() for head in reference.expected}

    def add(self, observed: Observed) -> None:
        """Count some texts. Raises KeyError when they lack a number or head that the reference has."""
        histograms = self.reference.histograms
        counts = {name: histograms[name].count_numbers(observed.numbers[name]) for name in observed.numbers}
        sums = {}
        for head in self.reference.expected:
            answers = observed.heads[head]
            name = f"{head}.confidence"
            counts[name] = histograms[name].count_numbers(answers.confidence)
            name = f"{head}.groups"
            counts[name] = histograms[name].count_names(answers.groups, answers.group)
            sums[head] = _Sums(answers)
        with self._lock:
            self._rows += len(observed)
            for name, values in counts.items():
                self._counts[name] += values
            for head, more in sums.items():
                self._sums[head] += more

    def signal(self) -> Signal:
        """What was seen since the monitor was made. Of few texts only great changes can be told from chance."""
        with self._lock:
            rows = self._rows
            counts = {name: values.copy() for name, values in self._counts.items()}
            sums = {head: _Sums() + values for head, values in self._sums.items()}
        if not rows:
            return Signal(rows=0, verdict="ok", reasons=("no texts were seen",), shifts=(), expected={})
        shifts = tuple(
            _shift(name, np.array(histogram.counts), counts[name], _DOUBT / len(counts))
            for name, histogram in self.reference.histograms.items()
        )
        found: list[tuple[Verdict, str]] = [
            (shift.verdict, _sentence(shift)) for shift in shifts if shift.verdict != "ok"
        ]
        for head, values in sums.items():
            found += _about_head(head, self.reference.expected[head], values, self.reference.risks[head])
        order = sorted(found, key=lambda item: -_VERDICTS.index(item[0]))
        return Signal(
            rows=rows,
            verdict=order[0][0] if order else "ok",
            reasons=tuple(text for _, text in order) or (f"nothing has moved beyond chance in {rows:,} texts",),
            shifts=shifts,
            expected={head: values.expected() for head, values in sums.items()},
        )


class _Sums:
    """Sums over a head's answers, from which Expected follows."""

    def __init__(self, answers: Answered | None = None) -> None:
        self.rows = self.alone = 0
        self.confidence = self.squares = self.alone_confidence = self.alone_squares = 0.0
        if answers is not None:
            sure = answers.confidence[answers.alone]
            self.rows, self.alone = len(answers.confidence), len(sure)
            self.confidence, self.squares = float(answers.confidence.sum()), float((answers.confidence**2).sum())
            self.alone_confidence, self.alone_squares = float(sure.sum()), float((sure**2).sum())

    def __add__(self, other: _Sums) -> _Sums:
        result = _Sums()
        for name, value in vars(self).items():
            setattr(result, name, value + getattr(other, name))
        return result

    def expected(self) -> Expected:
        return Expected(
            right=self.confidence / self.rows,
            alone=self.alone / self.rows,
            alone_wrong=1 - self.alone_confidence / self.alone if self.alone else None,
        )

    def spread(self) -> float:
        """The standard error of the mean confidence."""
        return _error(self.rows, self.confidence, self.squares)

    def alone_spread(self) -> float:
        """The standard error of the mean confidence of what goes alone."""
        return _error(self.alone, self.alone_confidence, self.alone_squares)


def _error(rows: int, total: float, squares: float) -> float:
    mean = total / rows
    return float(np.sqrt(max(0.0, squares / rows - mean * mean) / rows))


def _binned(values: Floats, edges: Sequence[float]) -> NDArray[np.int64]:
    places = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right")
    return np.bincount(places, minlength=len(edges) + 1).astype(np.int64)


def _shift(name: str, before: NDArray[np.int64], after: NDArray[np.int64], doubt: float) -> Shift:
    """Compare two counts of the same bins; rare bins are joined, so that chance is told well."""
    before, after = _joined(before, after)
    old, new = int(before.sum()), int(after.sum())
    bins = len(before)
    p, q = (before + 0.5) / (old + 0.5 * bins), (after + 0.5) / (new + 0.5 * bins)
    by_chance = (bins - 1) * (1 / old + 1 / new)
    psi = max(0.0, float(((q - p) * np.log(q / p)).sum()) - by_chance)
    middle = (p + q) / 2
    divergence = float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2)
    square = float(((np.sqrt(new / old) * before - np.sqrt(old / new) * after) ** 2 / (before + after)).sum())
    chance = float(gammaincc((bins - 1) / 2, square / 2)) if bins > 1 else 1.0
    verdict: Verdict = "ok"
    if chance < doubt and psi > _SOME:
        grave = psi > _MUCH and name.endswith((".confidence", ".groups"))
        verdict = "recalibrate" if grave else "watch"
    return Shift(name=name, psi=psi, jensen_shannon=divergence, p=chance, verdict=verdict)


def _joined(before: NDArray[np.int64], after: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    both = before + after
    smaller = min(before.sum(), after.sum())
    rare = both * (smaller / both.sum()) < _FEWEST_EXPECTED
    if not rare.any():
        return before, after
    joined = [np.append(counts[~rare], counts[rare].sum()) for counts in (before, after)]
    kept = joined[0] + joined[1] > 0
    return joined[0][kept], joined[1][kept]


def _sentence(shift: Shift) -> str:
    what = {
        "words": "the length of the texts",
        "rarity": "how rare their words are",
        "truncated": "the share of texts too long to be read whole",
    }
    head, _, part = shift.name.partition(".")
    parts = {"confidence": f"how sure the model is ({head})", "groups": f"what the texts are about ({head})"}
    subject = what.get(shift.name) or parts.get(part, shift.name)
    return f"{subject} has changed {'much' if shift.psi > _MUCH else 'somewhat'} (PSI {shift.psi:.2f})"


def _about_head(head: str, before: Expected, sums: _Sums, risk: float) -> list[tuple[Verdict, str]]:
    """What the confidences of a head say of its accuracy and of the risk."""
    now = sums.expected()
    found: list[tuple[Verdict, str]] = []
    wrong = now.alone_wrong if sums.alone >= _FEWEST_ALONE else None
    if wrong is not None and wrong - _SURE * sums.alone_spread() > max(risk, before.alone_wrong or 0.0):
        text = f"{head}: {wrong:.1%} of what goes alone is expected to be wrong, more than {risk:.1%}"
        found.append(("recalibrate", text))
    fall = before.right - now.right
    if fall > 0.03 and fall > _SURE * sums.spread():
        text = f"{head}: {now.right:.1%} of the answers are expected to be right, {fall:.1%} fewer than before"
        found.append(("recalibrate" if fall > 0.08 else "watch", text))
    return found
