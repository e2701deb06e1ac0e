"""Rules: which office answers for a topic, given what the report says and where it is."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.agencies.cues import Cues
from lapor_nlp.agencies.instansi import Catalogue
from lapor_nlp.agencies.questions import read_questions
from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import read_table

FACTS = frozenset(("@urgent", "@pengawasan", "@tempat", "@provinsi", "@desa", "@kelurahan", "@kecamatan"))
"""What a condition may ask besides cues: urgent, alleged abuse, a kab/kota is known, only a province is known,
a desa / kelurahan / kecamatan is known."""

_TERM = re.compile(r"(!?)([^\s|<!]+(?:\|[^\s|<!]+)*)|([^\s|<!]+)<([^\s|<!]+)")


@dataclass(frozen=True, slots=True)
class Term:
    """One condition: any of `names` holds (or none, when `denied`), or `names[0]` stands before `names[1]`."""

    names: tuple[str, ...]
    denied: bool = False
    ordered: bool = False

    def holds(self, cues: Cues, facts: Set[str]) -> bool:
        if self.ordered:
            first, second = cues.first(self.names[0]), cues.first(self.names[1])
            return first is not None and (second is None or first <= second)
        return any(n in cues.found or n in facts for n in self.names) != self.denied


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of rules.csv. `offices` are (key, level or None); no office means that nobody answers."""

    name: str
    when: tuple[Term, ...]
    regions: tuple[str, ...]
    offices: tuple[tuple[str, str | None], ...]
    unit: str | None
    priority: int
    question: str | None
    tie: bool
    line: int

    def applies(self, cues: Cues, facts: Set[str], region: str | None) -> bool:
        """Whether the conditions hold in a region; a rule bound to regions needs a known one."""
        if self.regions and not (region is not None and region.startswith(self.regions)):
            return False
        return all(term.holds(cues, facts) for term in self.when)


class RuleTable:
    """All rules, ready by topic: own rules first, then those of the topic's urusan, then those for any topic."""

    def __init__(self, path: Path, rules: Mapping[str, tuple[Rule, ...]], questions: Mapping[str, str]) -> None:
        self._path = path
        self._rules = rules
        self._cache: dict[tuple[str, str], tuple[Rule, ...]] = {}
        self.questions = questions

    @property
    def subjects(self) -> frozenset[str]:
        """Topic codes and `urusan:NAME` that have rules of their own."""
        return frozenset(self._rules)

    @classmethod
    def load(cls, folder: Path, catalogue: Catalogue, cues: Set[str]) -> RuleTable:
        """From rules.csv and questions.csv; every instansi, level, cue and question named must exist."""
        questions = read_questions(folder / "questions.csv")
        path = folder / "rules.csv"
        columns = ("rule", "topic", "when", "region", "offices", "unit", "priority", "tie", "question_if_missing")
        by_subject: dict[str, list[Rule]] = {}
        names = set()
        for line, row in read_table(path, (*columns, "source", "effective_from")):
            rule = _parse(path, line, row, catalogue, cues)
            if rule.name in names:
                raise DataFileError(path, f"the rule {rule.name} stands twice", line=line)
            if rule.question is not None and rule.question not in questions:
                raise DataFileError(path, f"questions.csv has no {rule.question}", line=line)
            names.add(rule.name)
            for subject in row["topic"].split("|"):
                by_subject.setdefault(subject, []).append(rule)
        ordered = {s: tuple(sorted(rules, key=lambda r: (-r.priority, r.line))) for s, rules in by_subject.items()}
        return cls(path, ordered, questions)

    def check(self, topics: Mapping[str, str], regions: Container[str]) -> None:
        """Raises DataFileError with the first line whose topic, urusan or region is not there; see Directory.check."""
        known = {"*", *topics, *(f"urusan:{urusan}" for urusan in topics.values())}
        pairs = ((rule, subject) for subject, rules in self._rules.items() for rule in rules)
        for rule, subject in sorted(pairs, key=lambda pair: pair[0].line):
            if subject not in known:
                raise DataFileError(self._path, f"the taxonomy has no topic {subject!r}", line=rule.line)
            for region in rule.regions:
                if region not in regions:
                    raise DataFileError(self._path, f"the gazetteer has no region {region!r}", line=rule.line)

    def of(self, topic: str, urusan: str) -> tuple[Rule, ...]:
        """The rules to try for a topic, in order."""
        key = (topic, urusan)
        rules = self._cache.get(key)
        if rules is None:
            groups = (self._rules.get(subject, ()) for subject in (topic, f"urusan:{urusan}", "*"))
            rules = self._cache[key] = tuple(rule for group in groups for rule in group)
        return rules

    def choose(self, topic: str, urusan: str, cues: Cues, facts: Set[str], region: str | None) -> Rule | None:
        """The first rule that applies."""
        for rule in self.of(topic, urusan):
            if rule.applies(cues, facts, region):
                return rule
        return None


def _parse(path: Path, line: int, row: Mapping[str, str], catalogue: Catalogue, cues: Set[str]) -> Rule:
    if not row["rule"] or not row["topic"]:
        raise DataFileError(path, "a rule needs a name and a topic", line=line)
    try:
        priority = int(row["priority"])
    except ValueError:
        raise DataFileError(path, f"the priority {row['priority']!r} is not a whole number", line=line) from None
    if row["tie"] not in ("", "ya"):
        raise DataFileError(path, f"tie is {row['tie']!r}; write ya or nothing", line=line)
    offices = []
    for cell in filter(None, row["offices"].split("|")):
        key, _, level = cell.partition("@")
        problem = catalogue.problem(key, level or None)
        if problem:
            raise DataFileError(path, problem, line=line)
        offices.append((key, level or None))
    return Rule(
        name=row["rule"],
        when=tuple(_term(path, line, part, cues) for part in row["when"].split()),
        regions=tuple(r for r in row["region"].split("|") if r not in ("", "*")),
        offices=tuple(offices),
        unit=row["unit"] or None,
        priority=priority,
        question=row["question_if_missing"] or None,
        tie=row["tie"] == "ya",
        line=line,
    )


def _term(path: Path, line: int, part: str, cues: Set[str]) -> Term:
    match = _TERM.fullmatch(part)
    if match is None:
        raise DataFileError(path, f"{part!r} is not a condition (a|b, !a|b or a<b)", line=line)
    denied, names, before, after = match.groups()
    term = Term((before, after), ordered=True) if before else Term(tuple(names.split("|")), denied=bool(denied))
    for name in term.names:
        if name not in cues and (term.ordered or name not in FACTS):
            raise DataFileError(path, f"cues.csv has no {name}", line=line)
    return term
