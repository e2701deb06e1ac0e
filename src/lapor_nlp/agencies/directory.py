"""Directory: topic x level of government x place -> the office that answers. Read `assign` first."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from lapor_nlp.agencies.cues import Cues, CueTable
from lapor_nlp.agencies.instansi import Catalogue
from lapor_nlp.agencies.office import (
    LEVEL_UNDECIDED,
    NO_RULE,
    NOBODY,
    REGION_AMBIGUOUS,
    REGION_NEEDED,
    Office,
    Responsibility,
)
from lapor_nlp.agencies.questions import WHICH_OF, WHICH_REGION
from lapor_nlp.agencies.rules import Rule, RuleTable
from lapor_nlp.evidence import Evidence
from lapor_nlp.place import Location, Place
from lapor_nlp.tables import DATA
from lapor_nlp.text.tokens import Tokens

_RIVAL = 0.6  # a second place counts when its confidence reaches this share of the best one
_MOST = 4  # places that are answered for when several share the confidence


class Directory:
    """Answers who is responsible, from the tables of one folder. Holds no state between calls.

    directory.assign("sampah", "lingkungan hidup", tokens, location, urgent=False, pengawasan=False).best.name
    -> "Dinas Lingkungan Hidup Kabupaten Sleman"
    """

    def __init__(self, catalogue: Catalogue, cues: CueTable, rules: RuleTable) -> None:
        self.catalogue = catalogue
        self.cue_table = cues
        self.rules = rules

    @classmethod
    def load(cls, folder: Path | None = None, *, names: Path | None = None) -> Directory:
        """From a folder with instansi, provinsi, sebutan, names, cues, questions and rules (.csv); the packaged
        one by default. `names` is a table like names.csv that is laid over it.

        Raises DataFileError naming file and line for a row that cannot be used.
        """
        home = DATA / "agencies" if folder is None else folder
        catalogue = Catalogue.load(home, names)
        cues = CueTable.load(home / "cues.csv")
        rules = RuleTable.load(home, catalogue, cues.names)
        return cls(catalogue, cues, rules)

    def check(self, topics: Mapping[str, str], regions: Container[str]) -> None:
        """Hold the tables against a taxonomy (`topics`: code to urusan) and the codes of a gazetteer.

        Raises DataFileError naming file and line for a rule about a topic, urusan or region that is not there, and
        for a region code of names, sebutan or provinsi that is not there.
        """
        self.rules.check(topics, regions)
        self.catalogue.check(regions)

    def cues(self, tokens: Tokens) -> Cues:
        """The cues of a text, to hand to several calls of `assign`."""
        return self.cue_table.find(tokens)

    def assign(
        self,
        topic: str,
        urusan: str,
        tokens: Tokens,
        location: Location,
        *,
        urgent: bool = False,
        pengawasan: bool = False,
        cues: Cues | None = None,
    ) -> Responsibility:
        """Who answers for a report on `topic` (of the affair `urusan`) in `location`.

        `tokens` are searched for cues unless `cues` are given. A topic without rules gives no office and the
        reason `no_rule`.
        """
        found = self.cues(tokens) if cues is None else cues
        places = _rivals(location)
        best = places[0] if places else None
        rule = self._rule(topic, urusan, found, best, urgent, pengawasan)
        if rule is None:
            return Responsibility(offices=(), undecided=False, question=None, reasons=(NO_RULE,), rule="")
        if not rule.offices:
            question = self.rules.questions[rule.question] if rule.question else None
            return Responsibility(offices=(), undecided=False, question=question, reasons=(NOBODY,), rule=rule.name)
        offices = self._offices(rule, found, best)
        rivals: list[Office] = []
        for place in places[1:]:
            other = self._rule(topic, urusan, found, place, urgent, pengawasan)
            rivals.extend(self._offices(other, found, place)[:1] if other else ())
        first = offices[0]
        merged = _unique((first, *(o for o in rivals if o.name != first.name), *offices[1:]))
        ambiguous = len({o.name for o in (first, *rivals)}) > 1
        needed = self._lacks_region(rule, first, best)
        return self._conclude(rule, merged, places, ambiguous, needed)

    def _rule(
        self, topic: str, urusan: str, cues: Cues, place: Place | None, urgent: bool, pengawasan: bool
    ) -> Rule | None:
        facts = _facts(place, urgent, pengawasan)
        region = None if place is None else place.code
        return self.rules.choose(topic, urusan, cues, facts, region)

    def _offices(self, rule: Rule, cues: Cues, place: Place | None) -> list[Office]:
        evidence = _evidence(rule, cues)
        offices: list[Office] = []
        for key, level in rule.offices:
            row = self.catalogue[key]
            named = self.catalogue.name(key, level, place)
            offices.append(
                Office(
                    name=named.name,
                    full_name=named.full_name,
                    local_name=named.local_name,
                    short=row.short,
                    level=named.level,
                    region=named.region,
                    key=key,
                    unit=rule.unit if not offices else None,
                    rule=rule.name,
                    evidence=evidence,
                )
            )
        if rule.tie:
            offices.sort(key=lambda office: f"sapa-{office.key}" not in cues)
        return offices

    def _lacks_region(self, rule: Rule, first: Office, place: Place | None) -> bool:
        row = self.catalogue[first.key]
        if not row.is_local:
            return False
        if first.region is None:
            return True
        asked = next((level for key, level in rule.offices if key == first.key), None) or row.levels[0]
        return place is not None and place.is_province and asked == "kabkota" and self._is_autonomous(place)

    def _is_autonomous(self, place: Place) -> bool:
        province = self.catalogue.provinces.get(place.province)
        return province is None or province.autonomous

    def _conclude(
        self, rule: Rule, offices: tuple[Office, ...], places: tuple[Place, ...], ambiguous: bool, needed: bool
    ) -> Responsibility:
        reasons, questions = [], []
        if ambiguous:
            reasons.append(REGION_AMBIGUOUS)
            choice = " atau ".join(place.name for place in places)
            questions.append(self.rules.questions[WHICH_OF].format(pilihan=choice))
        elif needed:
            reasons.append(REGION_NEEDED)
            questions.append(self.rules.questions[WHICH_REGION])
        if rule.question is not None:
            reasons.append(LEVEL_UNDECIDED)
            questions.append(self.rules.questions[rule.question])
        return Responsibility(
            offices=offices,
            undecided=rule.question is not None,
            question=" ".join(questions) or None,
            reasons=tuple(reasons),
            rule=rule.name,
        )


def _rivals(location: Location) -> tuple[Place, ...]:
    best = location.best
    if best is None:
        return ()
    floor = best.confidence * _RIVAL
    return tuple(place for place in location.places if place.confidence >= floor)[:_MOST]


def _facts(place: Place | None, urgent: bool, pengawasan: bool) -> frozenset[str]:
    facts = set()
    if urgent:
        facts.add("@urgent")
    if pengawasan:
        facts.add("@pengawasan")
    if place is not None:
        facts.add("@provinsi" if place.is_province else "@tempat")
        if place.desa:
            facts.add("@kelurahan" if _is_kelurahan(place.desa) else "@desa")
        if place.kecamatan:
            facts.add("@kecamatan")
    return frozenset(facts)


def _is_kelurahan(code: str) -> bool:
    """Kemendagri codes of a kelurahan end in 1xxx, those of a desa in 2xxx."""
    return code.rpartition(".")[2].startswith("1")


def _evidence(rule: Rule, cues: Cues) -> tuple[Evidence, ...]:
    names = dict.fromkeys(name for term in rule.when if not term.denied for name in term.names)
    return tuple(cues.found[name] for name in names if name in cues.found)


def _unique(offices: tuple[Office, ...]) -> tuple[Office, ...]:
    first: dict[tuple[str, str | None], Office] = {}
    for office in offices:
        first.setdefault((office.name, office.region), office)
    return tuple(first.values())
