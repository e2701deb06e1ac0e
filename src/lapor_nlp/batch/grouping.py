"""Grouping: the repeats among the reports of a file, each group under its earliest report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lapor_nlp.decision import Failure
from lapor_nlp.duplicates.detector import Detector
from lapor_nlp.duplicates.match import Match
from lapor_nlp.duplicates.memory import MemoryStore
from lapor_nlp.duplicates.trace import Trace
from lapor_nlp.errors import LaporError
from lapor_nlp.report import Report
from lapor_nlp.router import Router, check_row, vector_size

_CHUNK = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """A report and those that repeat it, directly or along a chain, in order of time.

    `matches` says for each child which earlier report it matched, and why.
    """

    parent: str
    children: tuple[str, ...]
    matches: Mapping[str, Match]


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """The groups of a file, by their parents' time; `reports` were read, `failures` could not be."""

    groups: tuple[Group, ...]
    reports: int
    failures: tuple[Failure, ...]


def group(
    rows: Iterable[Report | Mapping[str, Any] | LaporError],
    router: Router,
    *,
    threshold: float | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Grouped:
    """Group reports whose probability to be the same is at least `threshold`, by default that of suggestions.

    Reports are taken in order of time (those without one last, in the order given); the answers do not depend on how a
    file is sorted but for such ties. Traces of all reports are held in memory, about 1 kB each, and no text.
    """
    least = router.detector.model.suggest if threshold is None else threshold
    traces: list[Trace] = []
    failures: list[Failure] = []
    for part in _parts(_checked(rows, failures)):
        traces += router.traces(part)
        progress(len(traces))
    traces.sort(key=lambda trace: (trace.time is None, trace.time or 0))
    return Grouped(
        groups=tuple(_groups(traces, router.detector, least, vector_size(router.bundle))),
        reports=len(traces),
        failures=tuple(failures),
    )


def _groups(traces: list[Trace], detector: Detector, least: float, dimension: int) -> Iterator[Group]:
    store = MemoryStore(dimension)
    parents: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    matches: dict[str, Match] = {}
    for trace in traces:
        found = detector.find(trace, [store], most=1).matches
        if found and found[0].relation == "same" and found[0].probability >= least:
            parent = parents[found[0].id]
            matches[trace.id] = found[0]
            children.setdefault(parent, []).append(trace.id)
        else:
            parent = trace.id
        parents[trace.id] = parent
        store.put([trace])
    for parent, repeats in children.items():
        yield Group(parent=parent, children=tuple(repeats), matches={child: matches[child] for child in repeats})


def _checked(rows: Iterable[Report | Mapping[str, Any] | LaporError], failures: list[Failure]) -> Iterator[Report]:
    seen: set[str] = set()
    for row in rows:
        checked = check_row(row, seen)
        if isinstance(checked, Failure):
            failures.append(checked)
        else:
            yield checked


def _parts(reports: Iterator[Report]) -> Iterator[list[Report]]:
    while part := list(islice(reports, _CHUNK)):
        yield part
