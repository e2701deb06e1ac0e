"""Rules: how cues add up to a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.evidence import Evidence
from lapor_nlp.signals.cues import Span
from lapor_nlp.tables import read_table


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One row of rules.csv: `cues` must all stand within `within` words of the first (None: anywhere), and none of
    `absent` may, in the same stretch."""

    question: str
    id: str
    cues: tuple[str, ...]
    absent: tuple[str, ...]
    within: int | None
    weight: float
    group: str

    @property
    def code(self) -> str:
        """`question/id`, the code of the evidence."""
        return f"{self.question}/{self.id}"

    def fires(self, found: Mapping[str, list[Span]]) -> tuple[Span, ...] | None:
        """The places that make the rule true, one a cue; None when it does not hold."""
        for name in self.cues:
            if name not in found:
                return None
        if self.within is None:
            if any(name in found for name in self.absent):
                return None
            return tuple(found[name][0] for name in self.cues)
        for anchor in found[self.cues[0]]:
            spans = [anchor]
            for name in self.cues[1:]:
                near = min(found[name], key=lambda span: _apart(anchor, span))
                if _apart(anchor, near) > self.within:
                    break
                spans.append(near)
            else:
                if not any(_apart(anchor, s) <= self.within for name in self.absent for s in found.get(name, ())):
                    return tuple(spans)
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sum:
    """What the rules of one question add up to; `group` is that of the strongest rule, up to a slash."""

    total: float
    evidence: tuple[Evidence, ...]
    group: str


class Rules:
    """The rules of one question: a bias and, of each group, the strongest rule that holds."""

    def __init__(self, bias: float, rules: list[Rule]) -> None:
        self.bias = bias
        self._by_cue: dict[str, list[Rule]] = {}
        for rule in rules:
            self._by_cue.setdefault(rule.cues[0], []).append(rule)

    def add_up(self, found: Mapping[str, list[Span]]) -> Sum:
        """The sum for the cues of one report, with the places of the rules that count, strongest first."""
        best: dict[str, tuple[Rule, tuple[Span, ...]]] = {}
        for name in found:
            for rule in self._by_cue.get(name, ()):
                held = best.get(rule.group)
                if held is not None and abs(held[0].weight) >= abs(rule.weight):
                    continue
                spans = rule.fires(found)
                if spans is not None:
                    best[rule.group] = (rule, spans)
        ranked = sorted(best.values(), key=lambda pair: (-pair[0].weight, pair[0].id))
        evidence = tuple(
            Evidence(code=rule.code, start=span.start, end=span.end)
            for rule, spans in ranked
            for span in dict.fromkeys(spans)
        )
        group = ranked[0][0].group.split("/")[0] if ranked and ranked[0][0].weight > 0 else ""
        return Sum(total=self.bias + sum(rule.weight for rule, _ in ranked), evidence=evidence, group=group)


def load_rules(folder: Path, cues: frozenset[str]) -> dict[str, Rules]:
    """The rules of questions.csv and rules.csv by question; `cues` are the names a rule may use.

    Raises DataFileError, with the line, for a rule that cannot be used.
    """
    source = folder / "questions.csv"
    biases = {}
    for line, row in read_table(source, ("question", "bias")):
        if row["question"] in biases:
            raise DataFileError(source, f"the question {row['question']} stands twice", line=line)
        biases[row["question"]] = _number(row["bias"], source, line)
    source = folder / "rules.csv"
    rules: dict[str, list[Rule]] = {question: [] for question in biases}
    codes = set()
    for line, row in read_table(source, ("question", "id", "cues", "within", "weight", "group")):
        names = row["cues"].split("+")
        rule = Rule(
            question=row["question"],
            id=row["id"],
            cues=tuple(name for name in names if not name.startswith("!")),
            absent=tuple(name[1:] for name in names if name.startswith("!")),
            within=int(_number(row["within"], source, line)) if row["within"] else None,
            weight=_number(row["weight"], source, line),
            group=row["group"],
        )
        if rule.question not in rules:
            raise DataFileError(source, f"unknown question {rule.question!r}", line=line)
        if unknown := {*rule.cues, *rule.absent} - cues:
            raise DataFileError(source, f"unknown cues: {', '.join(sorted(unknown))}", line=line)
        if not rule.cues or not rule.group or not rule.id or rule.code in codes:
            raise DataFileError(source, "a rule needs an id of its own, a group and a cue", line=line)
        codes.add(rule.code)
        rules[rule.question].append(rule)
    return {question: Rules(bias, rules[question]) for question, bias in biases.items()}


def _apart(one: Span, other: Span) -> int:
    """Words between two spans; 0 when they touch or overlap."""
    return max(0, other.first - one.last - 1, one.first - other.last - 1)


def _number(cell: str, source: Path, line: int) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise DataFileError(source, f"{cell!r} is not a number", line=line) from error
