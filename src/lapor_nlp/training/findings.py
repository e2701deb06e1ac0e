"""Findings: what checks found in labelled rows, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lapor_nlp.training.splits import Rows
from lapor_nlp.training.table import Table

SHOWN = 5
"""How many rows or labels a finding names."""

_LONGEST_LABEL = 60

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing to know about the data. An error means that nothing can be learnt until it is put right.

    `code` is stable; `text` says what is the matter and what to do; `count` how many rows or labels it concerns;
    `rows` the ids of the first of them (for rows that could not be read: their lines); `head` the label column.
    """

    code: str
    severity: Severity
    text: str
    count: int
    rows: tuple[str, ...] = ()
    head: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DataReport:
    """What `check` found, errors first. `heads` counts the labels of each head; `rows` are the usable ones."""

    source: str
    rows: int
    rejected: int
    unlabelled: int
    heads: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "source": self.source,
            "usable": self.usable,
            "rows": self.rows,
            "rejected": self.rejected,
            "unlabelled": self.unlabelled,
            "heads": {head: dict(counts) for head, counts in self.heads.items()},
            "findings": [
                {
                    "code": finding.code,
                    "severity": finding.severity,
                    "head": finding.head,
                    "text": finding.text,
                    "count": finding.count,
                    "rows": list(finding.rows),
                }
                for finding in self.findings
            ],
        }

    def lines(self) -> list[str]:
        """The report as a person reads it."""
        lost = f", {self.rejected:,} rejected, {self.unlabelled:,} without a label"
        lines = [f"{self.source}: {self.rows:,} rows{lost if self.rejected or self.unlabelled else ''}"]
        for head, counts in self.heads.items():
            lines.append(f"{head}: {sum(counts.values()):,} rows of {len(counts):,} labels")
        for finding in self.findings:
            where = f" [{finding.head}]" if finding.head else ""
            rows = f" ({', '.join(finding.rows)}{', ...' if finding.count > len(finding.rows) else ''})"
            lines.append(f"{finding.severity}{where} {finding.code}: {finding.text}{rows if finding.rows else ''}")
        errors = sum(finding.severity == "error" for finding in self.findings)
        lines.append("Usable for training." if self.usable else f"Not usable for training: {errors} error(s) above.")
        return lines


class Finder:
    """Makes findings about rows of a table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def rows(
        self, code: str, severity: Severity, text: str, rows: Sequence[int] | Rows, *, head: str | None = None
    ) -> Finding:
        """A finding about these rows."""
        ids = tuple(self.table.ids[int(row)] for row in rows[:SHOWN])
        return Finding(code=code, severity=severity, text=text, count=len(rows), rows=ids, head=head)


def number(count: int, noun: str) -> str:
    """number(1200, "row") -> "1,200 rows" """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def quoted(names: Sequence[str]) -> str:
    """The first of some labels."""
    return ", ".join(map(shown, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")


def shown(label: str) -> str:
    """A label in quotes, cut where it is longer than labels are."""
    return repr(label if len(label) <= _LONGEST_LABEL else label[:_LONGEST_LABEL] + "...")
