"""Detector: finds the earlier reports that one repeats. It reads stores; what is remembered is another's choice.

Candidates come from three sides: nearest in meaning, sharing rare words or parts of an address, same sender. Each is
then compared in full, so that how it was found does not matter to its probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.features import FEATURES, compare, days_apart, differing, metres, shared
from lapor_nlp.duplicates.match import Match, PairEvidence, Relation
from lapor_nlp.duplicates.model import PairModel
from lapor_nlp.duplicates.store import NEWEST, Link, TraceStore, asked_keys
from lapor_nlp.duplicates.trace import Trace
from lapor_nlp.errors import ReportError

Audience = Literal["officer", "citizen"]

_CANDIDATES = 64
"""Most candidates from each side."""

_RELATED_DAYS = 120
_RELATED_METRES = 500
_LONGEST_CHAIN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What is said of two reports: `relation` (None: neither), probability of `same`, whether to merge, and why."""

    relation: Relation | None
    probability: float
    merge: bool
    evidence: PairEvidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The matches of a report, likeliest first; `crowded` when so many reports are alike that only the latest were
    compared.
    """

    matches: tuple[Match, ...] = ()
    crowded: bool = False


class Detector:
    """Finds matches in stores. Holds no state of its own."""

    def __init__(self, model: PairModel) -> None:
        self.model = model

    def find(
        self,
        trace: Trace,
        stores: Sequence[TraceStore],
        *,
        most: int = 5,
        audience: Audience = "officer",
    ) -> Found:
        """Matches of a report in stores, of which the first holds the latest reports.

        The report's own id never matches. A citizen is never shown a confidential report, nor anything `related`.
        """
        if not len(trace.words):
            return Found()
        verdicts = _verdicts(trace.id, stores)
        candidates, crowded = self._candidates(trace, stores, [name for name, repeats in verdicts.items() if repeats])
        if audience == "citizen":
            candidates = [other for other in candidates if not other.confidential]
        if not candidates:
            return Found(crowded=crowded)
        candidates = [other for other in candidates if verdicts.get(other.id, True)]
        matches = [
            Match(
                id=other.id,
                parent=other.id,
                relation=scored.relation,
                probability=scored.probability,
                merge=scored.merge,
                evidence=scored.evidence,
            )
            for other, scored in zip(candidates, self._score(trace, candidates, verdicts), strict=True)
            if scored.relation == "same" or (scored.relation and audience == "officer")
        ]
        matches.sort(key=lambda match: (match.relation != "same", -match.probability, match.id))
        return Found(matches=tuple(_with_parent(match, stores) for match in matches[:most]), crowded=crowded)

    def score(self, report: Trace, earlier: Trace) -> Scored:
        """What is said of two reports."""
        return self._score(report, [earlier], {})[0]

    def _candidates(
        self, trace: Trace, stores: Sequence[TraceStore], joined: Sequence[str]
    ) -> tuple[list[Trace], bool]:
        """Traces to compare, in a fixed order, with those of the ids `joined`; and whether too many are alike."""
        near: list[tuple[float, int, int]] = []
        weight: dict[tuple[int, int], int] = {}
        crowded = False
        asked = asked_keys(trace)
        own = [store.rows_of([trace.id]).get(trace.id) for store in stores]
        if trace.vector is not None:
            for number, store in enumerate(stores):
                found = store.nearest(trace.vector, _CANDIDATES + 1, place=trace.kabkota)
                near += [(-cosine, number, -row) for row, cosine in found if row != own[number]]
        for key, value in asked:
            left, full = NEWEST, 0
            for number, store in enumerate(stores):
                rows = [row for row in store.holding(key, place=trace.kabkota)[:left] if row != own[number]]
                left, full = left - len(rows), full + len(rows)
                for row in rows:
                    weight[number, row] = weight.get((number, row), 0) + value
            crowded = crowded or full >= NEWEST
        sharing = sorted(weight, key=lambda at: (-weight[at], at[0], -at[1]))[:_CANDIDATES]
        chosen = dict.fromkeys([(number, -row) for _, number, row in sorted(near)[:_CANDIDATES]] + sharing)
        enough = sum(value for _, value in asked) * 0.9
        crowded = crowded and sum(weight[at] >= enough for at in sharing) >= _CANDIDATES
        traces: dict[str, Trace] = {}
        for number, store in enumerate(stores):
            wanted = [row for at, row in chosen if at == number] + list(store.rows_of(joined).values())
            for other in store.fetch(list(dict.fromkeys(wanted))):
                traces.setdefault(other.id, other)
        return list(traces.values()), crowded

    def _score(self, trace: Trace, others: list[Trace], verdicts: dict[str, bool]) -> list[Scored]:
        if not others:
            return []
        features = compare(trace, others)
        probabilities = self.model.probabilities(features, senders=_senders(trace, others))
        merges = self.model.merges(features, probabilities)
        result = []
        for i, other in enumerate(others):
            evidence = _evidence(trace, other, features[i], verdict=other.id in verdicts)
            probability = 1.0 if evidence.verdict else float(probabilities[i])
            result.append(
                Scored(
                    relation=self._relation(probability, evidence),
                    probability=probability,
                    merge=evidence.verdict or bool(merges[i]),
                    evidence=evidence,
                )
            )
        return result

    def _relation(self, probability: float, evidence: PairEvidence) -> Relation | None:
        if probability >= self.model.suggest:
            return "same"
        near = evidence.metres is not None and evidence.metres <= _RELATED_METRES
        area = near or evidence.same_place == "desa" or "jalan" in evidence.shared
        soon = evidence.days is None or evidence.days <= _RELATED_DAYS
        return "related" if evidence.same_topic and area and soon else None


def check_link(link: Link, stores: Sequence[TraceStore]) -> None:
    """Raises ReportError when a report would repeat itself, directly or along a chain of verdicts."""
    if link.child == link.parent:
        raise ReportError("parent", "is the report itself; name the earlier report")
    if link.repeats and _root(link.parent, stores) == link.child:
        raise ReportError("parent", f"repeats {link.child!r} already, so it cannot be its parent; unlink them first")


def in_order(first: Trace, second: Trace) -> tuple[Trace, Trace]:
    """Two reports, the earlier one first; as they are where a time is missing."""
    if first.time is not None and second.time is not None and first.time > second.time:
        return second, first
    return first, second


def _root(name: str, stores: Sequence[TraceStore]) -> str:
    """The head of the group that a report was put in."""
    for _ in range(_LONGEST_CHAIN):
        parents = [
            link.parent for store in stores for link in store.links([name]) if link.child == name and link.repeats
        ]
        if not parents:
            break
        name = min(parents)
    return name


def _with_parent(match: Match, stores: Sequence[TraceStore]) -> Match:
    return replace(match, parent=_root(match.id, stores))


def _verdicts(name: str, stores: Sequence[TraceStore]) -> dict[str, bool]:
    """What officers said of a report and others: whether they repeat one another."""
    return {
        link.parent if link.child == name else link.child: link.repeats
        for store in stores
        for link in store.links([name])
    }


def _senders(report: Trace, others: Iterable[Trace]) -> NDArray[np.float64]:
    return np.array(
        [0 if None in (report.sender, o.sender) else 1 if report.sender == o.sender else -1 for o in others],
        dtype=np.float64,
    )


_AT = {name: i for i, name in enumerate(FEATURES)}


def _evidence(report: Trace, other: Trace, row: NDArray[np.float64], *, verdict: bool = False) -> PairEvidence:
    place = next(
        (
            unit
            for unit in ("desa", "kecamatan", "kabkota")
            if getattr(report, unit) is not None and getattr(report, unit) == getattr(other, unit)
        ),
        None,
    )
    return PairEvidence(
        meaning=None if row[_AT["no_meaning"]] else float(row[_AT["meaning"]]),
        wording=float(row[_AT["wording"]]),
        shared=shared(report, other),
        differing=differing(report, other),
        metres=metres(report, other),
        days=days_apart(report, other),
        same_topic=report.topic == other.topic,
        same_place=place,
        says_again=report.again,
        same_sender=None if report.sender is None or other.sender is None else report.sender == other.sender,
        verdict=verdict,
    )
