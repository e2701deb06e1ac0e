"""Decision: what the library says of one report, and Policy: when it may act alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.match import Match

_SMALLEST = 1e-6
_STEEP = 8.0
"""What one unit of rarity beyond the familiar takes from a confidence, in log odds."""

Measure = Literal["share", "lead"]
Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why an action was chosen. `code` is stable and for machines, `text` is Indonesian and for people.

    Codes: `confident`, `topic_uncertain`, `region_uncertain`, `region_ambiguous`, `region_needed`, `region_conflict`,
    `level_undecided`, `nobody_responsible`, `agency_differs`, `pengawasan`, `urgent`, `object_missing`,
    `text_empty`, `out_of_scope`, `not_calibrated`.
    """

    code: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """When the library may act alone on a head's answer. Fitted on held-out data and stored in a bundle.

    An answer counts as right when its group is: the affair (urusan) of a topic, for other heads the label itself.
    `act_alone` is the least confidence in it; `risk` is the share of wrong answers among those acted on alone that it
    was fitted for, held with probability `assurance` (Clopper-Pearson bound); None in `act_alone` means that no
    threshold met the risk, so that nothing is done alone. `by_group` holds thresholds of groups that have their own
    (None: never alone). `slope` and `intercept` carry what the model says, in log odds, to a calibrated confidence:
    the probability of the group ("share"), or its part of what it and its likeliest rival have ("lead", which tells
    right from wrong better). A text whose rarity is above `familiar` loses confidence fast: nonsense, other languages.
    `place` is the least confidence of the place; reports that allege misuse of office go to a person while
    `review_pengawasan` holds.
    """

    act_alone: float | None
    risk: float = 0.05
    assurance: float = 0.95
    slope: float = 1.0
    intercept: float = 0.0
    place: float = 0.8
    review_pengawasan: bool = True
    by_group: Mapping[str, float | None] = field(default_factory=dict)
    measure: Measure = "lead"
    familiar: float | None = None

    def __post_init__(self) -> None:
        numbers = [self.risk, self.assurance, self.slope, self.intercept, self.place]
        numbers += [n for n in (self.act_alone, self.familiar, *self.by_group.values()) if n is not None]
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            raise ValueError("a policy must hold finite numbers")
        if self.measure not in ("share", "lead"):
            raise ValueError(f"a policy cannot measure by {self.measure!r}")

    def threshold(self, group: str) -> float | None:
        """The least confidence at which an answer of `group` is acted on alone; None: never."""
        return self.by_group.get(group, self.act_alone) if self.act_alone is not None else None

    def calibrated(self, raw: float, rarity: float = 0.0) -> float:
        """The calibrated confidence of a raw one, see `measured`; rises with it. `rarity` is that of the text."""
        bounded = min(max(raw, _SMALLEST), 1 - _SMALLEST)
        odds = self.slope * math.log(bounded / (1 - bounded)) + self.intercept
        if self.familiar is not None and rarity > self.familiar:
            odds -= _STEEP * (rarity - self.familiar)
        return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0


def measured(group: Number, rival: Number, measure: Measure) -> Number:
    """A raw confidence from the probability of a group, above 0, and that of the likeliest label outside it."""
    return group / (group + rival) if measure == "lead" else group


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicChoice:
    """A topic with its calibrated probability."""

    code: str
    name: str
    score: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionChoice:
    """A kabupaten/kota (or province) with the confidence and the stretches of text that named it."""

    code: str
    name: str
    confidence: float
    spans: tuple[tuple[int, int], ...] = ()
    source: str = "text"
    kecamatan: str | None = None
    kecamatan_name: str | None = None
    desa: str | None = None
    desa_name: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AgencyChoice:
    """An office: its usual and local name, level of government, region it serves, and the rule that chose it.

    `level` is one of pusat, provinsi, kabkota, desa, bumn, bumd, vertikal.
    """

    name: str
    level: str
    region: str | None
    rule: str
    local_name: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenAgencyCheck:
    """Whether the instansi that the reporter picked fits.

    `verdict` is `fits`, `parent` (the right government, whose unit answers), `differs` or `unknown`; `better` is
    the office to send it to instead, if one is known.
    """

    given: str
    verdict: str
    better: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """A yes/no answer with its score in [0, 1] and the phrases that support it, as (rule, start, end).

    `group` is the kind of the strongest support where there are kinds (`iklan`, `uji_coba`, ...), else empty.
    """

    value: bool
    score: float
    group: str = ""
    evidence: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonalData:
    """A stretch of `text` that holds personal data of the given kind; the data itself is not repeated."""

    kind: str
    span: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleId:
    """The model that decided."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """Everything the library says of one report.

    Spans count code points in the report's `text`; what was found in the title has a negative start (counted
    back from the beginning of the text). `confidence` is the probability that the affair of the first topic is right.
    `questions` are what to ask the reporter, in Indonesian. `duplicates` are earlier reports that it repeats or that
    belong with it, likeliest first; empty without a store.
    """

    id: str
    action: str
    reasons: tuple[Reason, ...]
    confidence: float
    topic: TopicChoice
    topic_alternatives: tuple[TopicChoice, ...]
    category: str
    category_path: tuple[str, ...]
    regions: tuple[RegionChoice, ...]
    agency: AgencyChoice | None
    agency_alternatives: tuple[AgencyChoice, ...]
    chosen_agency: ChosenAgencyCheck | None
    kind: str
    kind_score: float
    urgent: bool
    pengawasan: bool
    out_of_scope: bool
    signals: Mapping[str, Flag]
    questions: tuple[str, ...]
    personal_data: tuple[PersonalData, ...]
    language: str
    bundle: BundleId
    taxonomy: str
    notes: tuple[str, ...] = ()
    duplicates: tuple[Match, ...] = ()

    @property
    def region(self) -> RegionChoice | None:
        """The best region, if any was found."""
        return self.regions[0] if self.regions else None

    def to_dict(self) -> dict[str, Any]:
        """The stable JSON form, as `lapor-nlp route --json` prints it."""
        return {
            "id": self.id,
            "action": self.action,
            "reasons": [{"code": r.code, "text": r.text} for r in self.reasons],
            "confidence": _rounded(self.confidence),
            "topic": {
                "code": self.topic.code,
                "name": self.topic.name,
                "score": _rounded(self.topic.score),
                "alternatives": [
                    {"code": t.code, "name": t.name, "score": _rounded(t.score)} for t in self.topic_alternatives
                ],
            },
            "category": self.category,
            "category_path": list(self.category_path),
            "regions": [_region_dict(r) for r in self.regions],
            "agency": _agency_dict(self.agency),
            "agency_alternatives": [_agency_dict(a) for a in self.agency_alternatives],
            "chosen_agency": None
            if self.chosen_agency is None
            else {
                "given": self.chosen_agency.given,
                "verdict": self.chosen_agency.verdict,
                "better": self.chosen_agency.better,
            },
            "kind": self.kind,
            "kind_score": _rounded(self.kind_score),
            "urgent": self.urgent,
            "pengawasan": self.pengawasan,
            "out_of_scope": self.out_of_scope,
            "signals": {
                name: {
                    "value": flag.value,
                    "score": _rounded(flag.score),
                    "group": flag.group,
                    "evidence": [{"rule": rule, "span": [start, end]} for rule, start, end in flag.evidence],
                }
                for name, flag in self.signals.items()
            },
            "questions": list(self.questions),
            "personal_data": [{"kind": p.kind, "span": list(p.span)} for p in self.personal_data],
            "language": self.language,
            "duplicates": [match.to_dict() for match in self.duplicates],
            "notes": list(self.notes),
            "bundle": {"name": self.bundle.name, "version": self.bundle.version, "sha256": self.bundle.sha256},
            "taxonomy": self.taxonomy,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A row that could not be read, in its place in a stream. `error` has the stable code and what to do."""

    id: str | None
    code: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "error": {"code": self.code, "text": self.text}}


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _region_dict(region: RegionChoice) -> dict[str, Any]:
    return {
        "code": region.code,
        "name": region.name,
        "confidence": _rounded(region.confidence),
        "spans": [list(span) for span in region.spans],
        "source": region.source,
        "kecamatan": None if region.kecamatan is None else {"code": region.kecamatan, "name": region.kecamatan_name},
        "desa": None if region.desa is None else {"code": region.desa, "name": region.desa_name},
    }


def _agency_dict(agency: AgencyChoice | None) -> dict[str, Any] | None:
    if agency is None:
        return None
    return {
        "name": agency.name,
        "local_name": agency.local_name,
        "level": agency.level,
        "region": agency.region,
        "unit": agency.unit,
        "rule": agency.rule,
    }
