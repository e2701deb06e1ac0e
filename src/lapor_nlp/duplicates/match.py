"""Match: an earlier report that a report repeats, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Relation = Literal["same", "related"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairEvidence:
    """Why two reports are taken for one, or not. It never holds text.

    `meaning` and `wording` are cosines (None where one has no vector); `shared` counts the parts of an address that
    both name, by kind; `differing` are kinds of parts that both name and differ in; `metres` between their pins; `days`
    apart;
    `same_topic`; `same_place` is the finest administrative unit in common (`desa`, `kecamatan`, `kabkota`);
    `says_again`: the report itself speaks of an earlier one; `same_sender`; `verdict`: an officer joined them.
    """

    meaning: float | None
    wording: float
    shared: dict[str, int] = field(default_factory=dict)
    differing: tuple[str, ...] = ()
    metres: float | None = None
    days: float | None = None
    same_topic: bool = False
    same_place: str | None = None
    says_again: bool = False
    same_sender: bool | None = None
    verdict: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {
            "meaning": None if self.meaning is None else round(self.meaning, 4),
            "wording": round(self.wording, 4),
            "shared": dict(self.shared),
            "differing": list(self.differing),
            "metres": None if self.metres is None else round(self.metres),
            "days": None if self.days is None else round(self.days, 2),
            "same_topic": self.same_topic,
            "same_place": self.same_place,
            "says_again": self.says_again,
            "same_sender": self.same_sender,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """One earlier report.

    `relation` is `same` (the same incident or request) or `related` (the same matter in the same area: to be handled
    together).
    `probability` is that of `same`; `merge` says that it is high enough to join the two without asking. `parent` is the
    report at the head of the group that officers have put the earlier one in, or its own id.
    """

    id: str
    parent: str
    relation: Relation
    probability: float
    merge: bool
    evidence: PairEvidence

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form."""
        return {
            "id": self.id,
            "parent": self.parent,
            "relation": self.relation,
            "probability": round(self.probability, 4),
            "merge": self.merge,
            "evidence": self.evidence.to_dict(),
        }
