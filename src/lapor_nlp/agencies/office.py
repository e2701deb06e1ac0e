"""Office and Responsibility: who answers, why, and what is still open."""

from __future__ import annotations

from dataclasses import dataclass

from lapor_nlp.evidence import Evidence

LEVELS = ("pusat", "provinsi", "kabkota", "desa", "bumn", "bumd", "vertikal")
"""The levels an office can have. `vertikal` belongs to the centre and sits in a region."""

LEVEL_UNDECIDED = "level_undecided"
REGION_NEEDED = "region_needed"
REGION_AMBIGUOUS = "region_ambiguous"
NOBODY = "nobody"
NO_RULE = "no_rule"


@dataclass(frozen=True, kw_only=True, slots=True)
class Office:
    """One office that can act.

    `name` is what a decision shows (`Dinas Pekerjaan Umum Kabupaten Sleman`, `PLN`), `full_name` the official
    one, `local_name` the office's real name in its region where a table gives it, `short` the usual
    abbreviation. `region` is the code of its area of work, None for a national office or when the place is not
    known. `key` is the row of instansi.csv, `unit` the part of the office that handles the matter, `rule`
    the row of rules.csv that named it.
    """

    name: str
    full_name: str
    local_name: str | None
    short: str
    level: str
    region: str | None
    key: str
    unit: str | None
    rule: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Responsibility:
    """The offices that can act, best first, and what could not be decided.

    `undecided` says that the level of government is open: the offices are then the candidates. `question`
    (in Indonesian) settles what is open. `reasons` may hold `level_undecided`, `region_needed`,
    `region_ambiguous`, `nobody` (the rule says that no office answers) and `no_rule` (no rule covers the topic).
    """

    offices: tuple[Office, ...]
    undecided: bool
    question: str | None
    reasons: tuple[str, ...]
    rule: str

    @property
    def best(self) -> Office | None:
        return self.offices[0] if self.offices else None
