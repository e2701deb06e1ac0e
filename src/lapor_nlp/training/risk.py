"""Risk: from labelled answers to a policy that keeps the share of wrong answers among those acted on alone.

Two things are held apart. The bound: were the reports to come like the rows given, then the share of wrong answers
stays at or below the stated risk with the stated probability (Clopper-Pearson, fixed-sequence testing). The room:
complaints drift, so that the share seen on the rows must lie well below the risk; how far is learnt by going through
the rows in order of time, fitting on the earlier ones and looking at the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from lapor_nlp.decision import Policy
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.training.calibration import error_bound, fit_odds

ASSUMED_ROOM = 0.7
"""The part of the risk that the rows may use up where drift cannot be measured on them. On eleven months of city
complaints this kept the risk in nine of ten later months."""

_CHAINS = ((0.3, 0.8), (0.1, 0.2))
"""Where sequences of thresholds begin, as the share of rows acted on alone, and their part of the allowed doubt."""

_STEP = 0.02
_ROOMS = tuple(round(1.0 - 0.05 * k, 2) for k in range(13))
_HELD = 0.9
_BLOCK = 600
_MOST_BLOCKS = 24
_FIRST = 2
_FEWEST_TESTS = 3
_ENOUGH_TESTS = 10
_FEWEST_IN_GROUP = 20
_FAMILIAR = 0.99
_FEWEST_FOR_FAMILIAR = 200

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """How much of the risk the rows may use up: `part`, at most 1.

    `measured` says whether it comes from going through the rows by time; then the risk was kept in `held` of `tests`
    later blocks.
    """

    part: float
    measured: bool
    tests: int = 0
    held: int = 0


@dataclass(frozen=True, kw_only=True)
class RiskFit:
    """A policy, and what it does on the rows that it was fitted on.

    `coverage` is the share of rows acted on alone, `error` the share of wrong answers among them (None when there are
    none), `bound` the Clopper-Pearson bound on it. `warnings` are sentences.
    """

    policy: Policy
    rows: int
    coverage: float
    error: float | None
    bound: float
    room: Room
    warnings: tuple[str, ...] = ()

    @property
    def guaranteed(self) -> bool:
        """Whether something may go alone at all; it never does without the bound."""
        return self.policy.act_alone is not None

    @property
    def figures(self) -> dict[str, Any]:
        """The figures as JSON."""
        return {
            "alone": round(self.coverage, 4),
            "alone_wrong": None if self.error is None else round(self.error, 4),
            "alone_wrong_bound": round(self.bound, 4),
            "room": {
                "part": self.room.part,
                "measured": self.room.measured,
                "held": f"{self.room.held} of {self.room.tests}",
            },
        }


def fit_policy(
    raw: NDArray[np.floating],
    right: Bools,
    groups: Sequence[str],
    *,
    times: Sequence[Any] | None = None,
    rarity: NDArray[np.floating] | None = None,
    risk: float = 0.05,
    assurance: float = 0.95,
    former: Policy | None = None,
) -> RiskFit:
    """The policy that acts alone as often as the risk allows.

    `raw` holds raw confidences (`decision.measured`, by "lead") of rows that the model did not see, `right` whether the
    group was right, `groups` the group of each answer, `times` when each report came (anything that sorts, None where
    unknown), `rarity` that of the texts; all of the same length. Rows should not repeat one another. What is not fitted
    here is taken from `former`.

    Raises TrainingDataError when there are no rows, or risk or assurance are not between 0 and 1.
    """
    _check(raw, right, groups, times, rarity, risk, assurance)
    raw = np.asarray(raw, dtype=np.float64)
    rare = np.zeros(len(raw)) if rarity is None else np.asarray(rarity, dtype=np.float64)
    slope, intercept = fit_odds(raw, right)
    policy = replace(
        former or Policy(act_alone=None),
        act_alone=None,
        risk=risk,
        assurance=assurance,
        slope=slope,
        intercept=intercept,
        by_group={},
        measure="lead",
        familiar=float(np.quantile(rare, _FAMILIAR)) if len(rare) >= _FEWEST_FOR_FAMILIAR and rare.any() else None,
    )
    confidence = np.array([policy.calibrated(*pair) for pair in zip(raw.tolist(), rare.tolist(), strict=True)])
    room = find_room(confidence, right, times, risk=risk, assurance=assurance)
    threshold = fit_threshold(confidence, right, risk=risk, assurance=assurance, room=room.part)
    warnings = _about_room(room, times, risk)
    if threshold is None:
        warnings = [_why_none(confidence, right, risk, assurance, room.part)]
    else:
        names = np.asarray(groups)
        own = _own_thresholds(confidence, right, names, threshold, risk, assurance, room.part)
        policy = replace(policy, act_alone=threshold, by_group=own)
        warnings += [_about_group(name, names, confidence, right, threshold, limit) for name, limit in own.items()]
    alone = acts_alone(policy, confidence, groups)
    taken, wrong = int(alone.sum()), int((alone & ~right).sum())
    return RiskFit(
        policy=policy,
        rows=len(raw),
        coverage=taken / len(raw),
        error=wrong / taken if taken else None,
        bound=error_bound(wrong, taken, assurance),
        room=room,
        warnings=tuple(warnings),
    )


def fit_threshold(
    confidence: Floats, right: Bools, *, risk: float, assurance: float, room: float = 1.0
) -> float | None:
    """The lowest threshold at which acting alone is wrong in at most `risk` of cases, with probability `assurance`.

    Thresholds are tried from a strict one down, each acting on more rows; a sequence ends at the first that fails, so
    that the assurance holds for the last that passed (fixed-sequence testing). One passes when the Clopper-Pearson
    bound on its errors is at most `risk`, and their share at most `room` * `risk`. There are two sequences that share
    the allowed doubt: one begins where 30 % of the rows go alone, one at 10 %. None when neither has a threshold that
    passes. Assumes that rows to come are like those given.
    """
    total = len(confidence)
    order = np.argsort(-confidence, kind="stable")
    ranked, wrong = confidence[order], np.cumsum(~right[order])
    most = 0
    for first, sure in _chains(total, risk, assurance):
        for taken in _steps(ranked, first):
            mistakes = int(wrong[taken - 1])
            if mistakes > room * risk * taken or error_bound(mistakes, taken, sure) > risk:
                break
            most = max(most, taken)
    return float(ranked[most - 1]) if most else None


def rows_needed(risk: float, assurance: float, error: float = 0.0) -> int:
    """The least rows acted on alone whose bound is within the risk when the share `error`, below it, of them is wrong.

    rows_needed(0.05, 0.95) == 59
    """
    high = low = int(np.ceil(np.log(1 - assurance) / np.log(1 - risk)))
    while error_bound(int(np.ceil(error * high)), high, assurance) > risk:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if error_bound(int(np.ceil(error * middle)), middle, assurance) > risk:
            low = middle + 1
        else:
            high = middle
    return high


def find_room(confidence: Floats, right: Bools, times: Sequence[Any] | None, *, risk: float, assurance: float) -> Room:
    """The largest part of the risk that, used up on earlier rows, kept the risk on the next block in 9 of 10 cases.

    Rows with a time are cut into blocks of at least 600 in order of time; rows without one belong to every fit. Fewer
    than three blocks to look at: ASSUMED_ROOM. Fewer than ten: at most that.
    """
    dated = [] if times is None else [i for i, time in enumerate(times) if time is not None]
    blocks = min(_MOST_BLOCKS, len(dated) // _BLOCK)
    tests = blocks - _FIRST
    if tests < _FEWEST_TESTS or times is None:
        return Room(part=ASSUMED_ROOM, measured=False)
    parts = np.array_split(np.array(sorted(dated, key=lambda i: times[i])), blocks)
    undated = np.setdiff1d(np.arange(len(confidence)), dated)
    held = 0
    for part in _ROOMS:
        held = 0
        for number in range(_FIRST, blocks):
            earlier, later = np.concatenate([undated, *parts[:number]]), parts[number]
            threshold = fit_threshold(confidence[earlier], right[earlier], risk=risk, assurance=assurance, room=part)
            alone = confidence[later] >= (np.inf if threshold is None else threshold)
            held += int((~right[later][alone]).sum()) <= risk * int(alone.sum())
        if held >= _HELD * tests:
            break
    if tests < _ENOUGH_TESTS:
        part = min(part, ASSUMED_ROOM)
    return Room(part=part, measured=True, tests=tests, held=held)


def acts_alone(policy: Policy, confidence: Floats, groups: Sequence[str]) -> Bools:
    """Which answers a policy acts on alone, from calibrated confidences and groups."""
    limits = {group: policy.threshold(group) for group in set(groups)}
    least = np.array([np.inf if limits[group] is None else limits[group] for group in groups], dtype=np.float64)
    return np.asarray(confidence >= least, dtype=np.bool_)


def _check(
    raw: NDArray[np.floating],
    right: Bools,
    groups: Sequence[str],
    times: Sequence[Any] | None,
    rarity: NDArray[np.floating] | None,
    risk: float,
    assurance: float,
) -> None:
    if not len(raw):
        raise TrainingDataError("there are no labelled rows to fit a policy on; give some that the model did not see")
    columns = [right, groups, *(column for column in (times, rarity) if column is not None)]
    if any(len(column) != len(raw) for column in columns):
        raise ValueError("the columns must have the same length")
    if not 0 < risk < 1 or not 0 < assurance < 1:
        raise TrainingDataError(
            f"risk ({risk}) and assurance ({assurance}) must lie between 0 and 1, such as 0.05, 0.95"
        )


def _chains(total: int, risk: float, assurance: float) -> Iterator[tuple[int, float]]:
    """The first number of rows of each sequence of thresholds, and the assurance that it must have.

    Few rows have one sequence, which begins at the least that could pass.
    """
    least = rows_needed(risk, assurance)
    few = total * _CHAINS[0][0] <= least
    for share, part in ((0.0, 1.0),) if few else _CHAINS:
        sure = 1 - (1 - assurance) * part
        first = max(rows_needed(risk, sure), int(share * total))
        if first <= total:
            yield first, sure


def _steps(ranked: Floats, first: int) -> Iterator[int]:
    """How many rows each threshold of a sequence acts on; equal confidences go together."""
    total = len(ranked)
    step = max(1, int(_STEP * total))
    taken = 0
    for wanted in [*range(first, total, step), total]:
        if wanted > taken:
            taken = int(np.searchsorted(-ranked, -ranked[wanted - 1], side="right"))
            yield taken


def _own_thresholds(
    confidence: Floats, right: Bools, groups: NDArray[Any], threshold: float, risk: float, assurance: float, room: float
) -> dict[str, float | None]:
    """Stricter thresholds of groups that are wrong more often than the risk beyond doubt (Holm over all groups)."""
    alone = confidence >= threshold
    doubts = {}
    for name in sorted(set(groups[alone].tolist())):
        mine = alone & (groups == name)
        if mine.sum() >= _FEWEST_IN_GROUP:
            doubts[name] = float(binom.sf(int((mine & ~right).sum()) - 1, int(mine.sum()), risk))
    own: dict[str, float | None] = {}
    for rank, name in enumerate(sorted(doubts, key=lambda name: doubts[name])):
        if doubts[name] > (1 - assurance) / (len(doubts) - rank):
            break
        mine = groups == name
        limit = fit_threshold(confidence[mine], right[mine], risk=risk, assurance=assurance, room=room)
        own[name] = None if limit is None else max(limit, threshold)
    return own


def _about_room(room: Room, times: Sequence[Any] | None, risk: float) -> list[str]:
    if room.measured and room.held < _HELD * room.tests:
        return [
            f"labels drift: even when at most {room.part * risk:.1%} were wrong on earlier rows, more than {risk:.1%} "
            f"were wrong in {room.tests - room.held} of {room.tests} later blocks; recalibrate often, on fresh rows"
        ]
    if room.measured:
        return []
    known = "the rows have no time" if times is None else f"fewer than {(_FIRST + _FEWEST_TESTS) * _BLOCK:,} dated rows"
    return [
        f"drift could not be measured ({known}): room is assumed, at most {room.part * risk:.1%} wrong on these rows"
    ]


def _why_none(confidence: Floats, right: Bools, risk: float, assurance: float, room: float) -> str:
    """Why no threshold was found, and what would help."""
    total = len(confidence)
    least = rows_needed(risk, assurance)
    promise = f"{risk:.1%} wrong with probability {assurance:.0%}"
    if total < least:
        return f"nothing goes alone: {promise} needs at least {least} rows, all right; there are {total}"
    taken = max(least, int(_CHAINS[0][0] * total))
    error = float((~right[np.argsort(-confidence, kind="stable")[:taken]]).mean())
    surest = f"of the surest {taken} of {total:,} rows {error:.1%} are wrong"
    if error > room * risk:
        return (
            f"nothing goes alone: {surest}, at most {room * risk:.1%} may be; "
            "train on more rows, merge labels that are mixed up, or state a higher risk"
        )
    rows = max(total + 1, int(np.ceil(rows_needed(risk, assurance, error) * total / taken)))
    return f"nothing goes alone: {surest}, too few to promise {promise}; about {rows:,} rows would do"


def _about_group(
    name: str, groups: NDArray[Any], confidence: Floats, right: Bools, threshold: float, limit: float | None
) -> str:
    mine = (groups == name) & (confidence >= threshold)
    what = "never goes alone" if limit is None else f"goes alone only from {limit:.3f} up"
    return f"{name} {what}: {int((mine & ~right).sum())} of {int(mine.sum())} above the common threshold were wrong"
