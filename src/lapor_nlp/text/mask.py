"""Masker: finds personal data in a report, so that it is masked before anything is kept, logged or shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.clean import blank_tags, fold
from lapor_nlp.text.names import NameFinder

_GATES: dict[str, Callable[[str], object]] = {
    "digits": re.compile(r"\d(?:[^\w\n]{0,3}\d){6}").search,
    "digits5": re.compile(r"\d{5}").search,
    "plate": re.compile(
        r"\d(?:(?<=[A-Za-z]\d)(?<![A-Za-z]{3}\d)|(?<=[A-Za-z][ .\-]\d)(?<![A-Za-z]{3}[ .\-]\d)"
        r"|(?<=[A-Za-z][ .\-]{2}\d)(?<![A-Za-z]{3}[ .\-]{2}\d))"
    ).search,
    "at": re.compile(r"@|[([ ]at[)\] ]").search,
}
_NUMBER = re.compile(r"\d{6,}")
_NAME_TAG = "[NAMA]"

_Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Personal data at [start, end), code points of the text given.

    `kind` is nik, kk, npwp, bpjs, pln, customer, phone, email, plate, account, card, passport, sim, id_number
    or name.
    """

    kind: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Masked:
    """A text with each finding replaced by a tag such as [NIK] or [NAMA], and the way back to the original."""

    text: str
    findings: tuple[Finding, ...]
    spans: tuple[tuple[int, int], ...]
    """Where the tag of each finding stands in `text`."""

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original text behind [start, end) of `text`; a tag touched stands for its whole finding.

        "HP [TELEPON] ya": (3, 12) -> the whole phone number
        """
        return _moved(start, end, tuple(zip(self.spans, self._originals(), strict=True)))

    def masked_span(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of `text` that holds [start, end) of the original; the way back of `original_span`."""
        return _moved(start, end, tuple(zip(self._originals(), self.spans, strict=True)))

    def _originals(self) -> tuple[tuple[int, int], ...]:
        return tuple((f.start, f.end) for f in self.findings)


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: str
    pattern: re.Pattern[str]
    cue: re.Pattern[str] | None
    window: int
    refuse: re.Pattern[str] | None
    check: Callable[[str], bool]
    rank: int
    gate: str


class Masker:
    """Finds personal data with the rules of `personal_data.csv` and the name cues of `name_cues.csv`.

        masker = Masker.load()
        masker.mask("NIK 3404071212900001, HP 0812-0000-1111").text -> "NIK [NIK], HP [TELEPON]"

    Numbers that name no person stay: amounts, dates, distances, RT/RW, ticket and report numbers, laws, hotlines.
    Names are found only behind a cue ("nama saya", "a.n.", "Pak"); a name without one is not found. Places,
    street addresses, offices and schools stay, since they route the report. Not an anonymiser: what a text tells
    about a person in other words remains.
    """

    def __init__(self, rules: tuple[_Rule, ...], tags: dict[str, str], names: NameFinder) -> None:
        self._rules = rules
        self._tags = tags
        self._names = names

    @classmethod
    def load(cls, path: Path | None = None) -> Masker:
        """From a folder with the tables; the packaged one by default. Raises DataFileError for a row that is wrong."""
        folder = DATA / "text" if path is None else path
        codes: dict[str, list[str]] = {"begins": [], "ends_not": []}
        for line, row in read_table(folder / "plates.csv", ("code", "kind")):
            if row["kind"] not in codes:
                raise DataFileError(folder / "plates.csv", "kind must be begins or ends_not", line=line)
            codes[row["kind"]].append(row["code"])
        rules, tags = [], {"name": _NAME_TAG}
        source = folder / "personal_data.csv"
        columns = ("kind", "tag", "pattern", "cue", "window", "refuse", "check", "rank", "gate")
        for line, row in read_table(source, columns):
            pattern = row["pattern"].replace("@PLATE@", "|".join(codes["begins"]))
            pattern = pattern.replace("@STOP@", "|".join(codes["ends_not"]))
            try:
                rule = _Rule(
                    row["kind"],
                    re.compile(pattern),
                    re.compile(row["cue"], re.IGNORECASE) if row["cue"] else None,
                    int(row["window"]),
                    re.compile(rf"(?:^|(?<=\W))(?:{row['refuse']})", re.IGNORECASE) if row["refuse"] else None,
                    _check(row["check"]),
                    int(row["rank"]),
                    row["gate"],
                )
            except (re.error, ValueError) as error:
                raise DataFileError(source, f"cannot be used: {error}", line=line) from error
            if rule.pattern.groups > 1:
                raise DataFileError(source, "cannot be used: a pattern has at most one group", line=line)
            if rule.gate not in _GATES:
                raise DataFileError(source, f"gate must be one of {', '.join(_GATES)}", line=line)
            rules.append(rule)
            if tags.setdefault(row["kind"], row["tag"]) != row["tag"]:
                raise DataFileError(source, f"the kind {row['kind']} has two tags", line=line)
        return cls(tuple(rules), tags, NameFinder.load(folder))

    def find(self, text: str) -> tuple[Finding, ...]:
        """Personal data in order of its place, without overlaps."""
        folded = fold(text)
        found = self._found(folded)
        if "<" in folded and (plain := blank_tags(folded)) != folded:
            found += self._found(plain)
        if not found:
            return ()
        return tuple(Finding(kind=kind, start=start, end=end) for start, end, kind in _resolved(found))

    def mask(self, text: str) -> Masked:
        """The text with a tag in place of each finding; the rest of the text is not changed."""
        findings = self.find(text)
        pieces, spans, at, length = [], [], 0, 0
        for finding in findings:
            tag = self._tags[finding.kind]
            pieces += [text[at : finding.start], tag]
            length += finding.start - at
            spans.append((length, length + len(tag)))
            length += len(tag)
            at = finding.end
        return Masked(text="".join([*pieces, text[at:]]), findings=findings, spans=tuple(spans))

    def _found(self, text: str) -> list[tuple[int, int, int, str]]:
        """Rank, start, end and kind of what stands in a folded text; they may overlap."""
        found = [(rule.rank, start, end, rule.kind) for rule, start, end in self._numbers(text)]
        return found + [(0, start, end, "name") for start, end in self._names.find(text)]

    def _numbers(self, text: str) -> Iterator[tuple[_Rule, int, int]]:
        open_gates = {gate for gate, search in _GATES.items() if search(text)}
        if not open_gates:
            return
        for rule in self._rules:
            if rule.gate not in open_gates:
                continue
            for match in rule.pattern.finditer(text):
                start, end = match.span(rule.pattern.groups)
                if rule.refuse and rule.refuse.search(text[max(0, start - 40) : start]):
                    continue
                if rule.cue and not _has_cue(rule.cue, text[max(0, start - rule.window) : start]):
                    continue
                if rule.check(match.group()):
                    yield rule, start, end


def _has_cue(cue: re.Pattern[str], before: str) -> bool:
    """Whether the cue stands in `before`, with no longer number behind it."""
    last = 0
    for number in _NUMBER.finditer(before):
        last = number.end()
    return cue.search(before, last) is not None


def _resolved(found: list[tuple[int, int, int, str]]) -> list[tuple[int, int, str]]:
    """Findings that overlap become one, named by the highest rank, then the longest."""
    merged: list[tuple[int, int, str, int]] = []
    for rank, start, end, kind in sorted(found, key=lambda f: (f[1], -f[2])):
        if not merged or start >= merged[-1][1]:
            merged.append((start, end, kind, rank))
            continue
        first, last, named, best = merged[-1]
        if rank > best:
            named, best = kind, rank
        merged[-1] = (first, max(last, end), named, best)
    return [(start, end, kind) for start, end, kind, _ in merged]


def _moved(start: int, end: int, pairs: tuple[tuple[_Span, _Span], ...]) -> _Span:
    """[start, end) of one text in the other; `pairs` are the stretches that differ, old and new."""
    first, last = start, end
    for old, new in pairs:
        if old[1] <= start:
            first = start + new[1] - old[1]
        elif old[0] <= start:
            first = new[0]
        if old[1] < end:
            last = end + new[1] - old[1]
        elif old[0] < end:
            last = new[1]
    return first, max(first, last)


def _check(text: str) -> Callable[[str], bool]:
    if not text:
        return lambda match: True
    if text == "luhn":
        return _is_luhn
    name, _, limits = text.partition("=")
    low, _, high = limits.partition("-")
    if name != "digits":
        raise ValueError(f"check {text!r} is not digits=a-b or luhn")
    least, most = int(low), int(high)
    return lambda match: least <= sum(c.isdigit() for c in match) <= most


def _is_luhn(match: str) -> bool:
    digits = [int(c) for c in match if c.isdigit()]
    doubled = [2 * d - 9 if d > 4 else 2 * d for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
