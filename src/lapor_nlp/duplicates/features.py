"""What a report and an earlier one have in common, and what sets them apart, as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.address import KINDS
from lapor_nlp.duplicates.trace import NAME, Trace

FEATURES = (
    "meaning",
    "no_meaning",
    "wording",
    "names",
    "rarest_name",
    "street",
    "other_street",
    "rt_rw",
    "other_rt_rw",
    "number",
    "other_number",
    "days",
    "no_days",
    "same_days",
    "desa",
    "other_desa",
    "other_kecamatan",
    "near",
    "far",
    "topic",
    "again",
    "short",
    "recurring_days",
    "vague",
)
"""The columns of `compare`, in order."""

_NEAR, _FAR = 100.0, 500.0
_SOON = math.log1p(3)
_FEW_WORDS = 15
_EARTH = 6_371_000.0
_SPOT = [KINDS.index(kind) for kind in ("gang", "nomor", "blok", "tiang", "km", "nama")]
_RT_RW = [KINDS.index("rt"), KINDS.index("rw")]
_STREET = [KINDS.index("jalan")]


def compare(report: Trace, others: Sequence[Trace]) -> NDArray[np.float64]:
    """Features of a report with each of some earlier ones, shape (len(others), len(FEATURES)).

    `meaning` is the cosine of the vectors, `wording` that of the words weighted by rarity, `names` of the words that
    are no common ones, `rarest_name` the rarity of the rarest name in common; `street`, `rt_rw` and `number` count
    parts of addresses in common, the `other_` columns kinds of parts that both name and differ in; `days` is log(1 +
    days apart).
    """
    count = len(others)
    result = np.zeros((count, len(FEATURES)))
    if not count:
        return result
    column = {name: result[:, i] for i, name in enumerate(FEATURES)}
    _meaning(report, others, column)
    _wording(report, others, column)
    _address(report, others, column)
    for i, other in enumerate(others):
        days = days_apart(report, other)
        column["days"][i] = 0.0 if days is None else math.log1p(days)
        column["no_days"][i] = days is None
        column["same_days"][i] = days is not None and days < 2
        column["desa"][i] = report.desa is not None and report.desa == other.desa
        column["other_desa"][i] = _differ(report.desa, other.desa)
        column["other_kecamatan"][i] = _differ(report.kecamatan, other.kecamatan)
        distance = metres(report, other)
        column["near"][i] = 0.0 if distance is None else max(0.0, 1 - distance / _NEAR)
        column["far"][i] = 0.0 if distance is None else min(1.0, max(0.0, distance - _NEAR) / (_FAR - _NEAR))
        column["topic"][i] = report.topic == other.topic
        column["recurring_days"][i] = column["days"][i] * (report.recurring and other.recurring)
        column["vague"][i] = _is_vague(report) and _is_vague(other)
    column["again"][:] = report.again
    column["short"][:] = [1 / math.sqrt(1 + min(len(report.words), len(other.words))) for other in others]
    return result


def mergeable(features: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which pairs may be joined without asking if they are likely enough, shape (pairs,).

    The same topic, nothing in the addresses that differs, a place in common (desa, pin, or street and number), a text
    that tells one case from the next, and no fault that may have come back since.
    """
    column = {name: features[:, i] for i, name in enumerate(FEATURES)}
    nothing_differs = column["other_number"] + column["other_street"] + column["other_rt_rw"] == 0
    place = (column["desa"] > 0) | (column["near"] > 0) | ((column["street"] > 0) & (column["number"] > 0))
    fresh = column["recurring_days"] < _SOON
    result: NDArray[np.bool_] = nothing_differs & place & fresh & (column["vague"] == 0) & (column["topic"] > 0)
    return result


def days_apart(report: Trace, other: Trace) -> float | None:
    """Days between two reports, None when one of them has no time."""
    return None if report.time is None or other.time is None else abs(report.time - other.time) / 1440


def metres(report: Trace, other: Trace) -> float | None:
    """The distance of the pins of two reports in metres, None when one of them has none."""
    if report.latitude is None or report.longitude is None or other.latitude is None or other.longitude is None:
        return None
    first, second = math.radians(report.latitude), math.radians(other.latitude)
    across = math.radians(other.longitude - report.longitude) / 2
    half = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * math.sin(across) ** 2
    return 2 * _EARTH * math.asin(min(1.0, math.sqrt(half)))


def shared(report: Trace, other: Trace) -> dict[str, int]:
    """How many parts of each kind of an address two reports have in common; kinds with none are absent."""
    mine = {(int(kind), int(value)) for kind, _, value in report.address}
    both = [kind for kind, _, value in other.address if (int(kind), int(value)) in mine]
    return {KINDS[kind]: both.count(kind) for kind in sorted(set(both))}


def differing(report: Trace, other: Trace) -> tuple[str, ...]:
    """The kinds of parts of an address that both reports name, without one in common."""
    mine, theirs = ({(int(k), int(key)) for k, key, _ in trace.address} for trace in (report, other))
    equal = set(shared(report, other))
    return tuple(KINDS[kind] for kind in sorted({kind for kind, _ in mine & theirs}) if KINDS[kind] not in equal)


def _meaning(report: Trace, others: Sequence[Trace], column: dict[str, NDArray[np.float64]]) -> None:
    known = [i for i, other in enumerate(others) if report.vector is not None and other.vector is not None]
    column["no_meaning"][:] = 1.0
    if known:
        vectors = np.array([others[i].vector for i in known], dtype=np.float32)
        mine = np.asarray(report.vector, dtype=np.float32)
        lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(mine)
        column["meaning"][known] = (vectors @ mine) / np.maximum(lengths, 1.0)
        column["no_meaning"][known] = 0.0


def _wording(report: Trace, others: Sequence[Trace], column: dict[str, NDArray[np.float64]]) -> None:
    owners = np.repeat(np.arange(len(others)), [len(other.words) for other in others])
    words = np.concatenate([other.words for other in others])
    marks = np.concatenate([other.marks for other in others])
    weights, mine = _weights(marks), _weights(report.marks)
    both = np.isin(words, report.words, assume_unique=False)
    is_name, my_name = marks >= NAME, report.marks >= NAME
    for feature, chosen, own in (("wording", both, mine), ("names", both & is_name, mine * my_name)):
        inner = np.bincount(owners, weights=np.where(chosen, weights**2, 0), minlength=len(others))
        scale = weights if feature == "wording" else weights * is_name
        lengths = np.sqrt(np.bincount(owners, weights=scale**2, minlength=len(others)) * (own**2).sum())
        column[feature][:] = np.divide(inner, lengths, out=np.zeros(len(others)), where=lengths > 0)
    np.maximum.at(column["rarest_name"], owners, np.where(both & is_name, weights, 0.0))


def _address(report: Trace, others: Sequence[Trace], column: dict[str, NDArray[np.float64]]) -> None:
    owners = np.repeat(np.arange(len(others)), [len(other.address) for other in others])
    kind, key, value = np.concatenate([other.address for other in others]).T
    same, met = np.isin(value, report.address[:, 2]), np.isin(key, report.address[:, 1])
    for agree, differ, kinds in (
        ("street", "other_street", _STREET),
        ("rt_rw", "other_rt_rw", _RT_RW),
        ("number", "other_number", _SPOT),
    ):
        for number in kinds:
            here = kind == number
            equal = np.bincount(owners[here & same], minlength=len(others)) > 0
            keyed = np.bincount(owners[here & met], minlength=len(others)) > 0
            column[agree] += equal
            column[differ] += keyed & ~equal


def _weights(marks: NDArray[np.uint8]) -> NDArray[np.float64]:
    return (marks & ~np.uint8(NAME)).astype(np.float64) / 8


def _is_vague(trace: Trace) -> bool:
    """Whether a report is too short to tell one case from the next, and names no part of an address."""
    return len(trace.words) < _FEW_WORDS and not len(trace.address)


def _differ(first: str | None, second: str | None) -> bool:
    return first is not None and second is not None and first != second
