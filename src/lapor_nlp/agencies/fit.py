"""fit: is the office that a reporter chose the right one?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lapor_nlp.agencies.instansi import Catalogue
from lapor_nlp.agencies.office import Office, Responsibility
from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.phrases import Match, PhraseTable
from lapor_nlp.text.tokens import Tokens, words

FITS = "fits"
PARENT = "parent"
DIFFERS = "differs"
UNKNOWN = "unknown"

_PARTS = ("kabupaten", "kota", "provinsi", "lewati")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenAgency:
    """What to say of the office that the reporter picked.

    `verdict` is `fits`, `parent` (the right government or body, the office is a part of it), `differs` or `unknown`
    (no office of the tables is meant, or no responsibility is known). `better` is the office to send it to instead,
    None when it fits or nothing better is known.
    """

    name: str
    verdict: str
    better: Office | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A name taken apart: the offices it can mean, and the region as (kind, compact name), both may be unknown."""

    keys: frozenset[str]
    kind: str | None
    region: str
    text: str


class OfficeNames:
    """Recognises office names however they are written.

    names.read("DPUPKP Kab. Sleman") -> keys {dinas-pu, dinas-perkim}, kind "kabupaten", region "sleman"
    """

    def __init__(self, catalogue: Catalogue, aliases: tuple[tuple[str, str], ...], parts: Mapping[str, str]) -> None:
        self.catalogue = catalogue
        self._kinds = {word: part for word, part in parts.items() if part != "lewati"}
        self._skipped = frozenset(parts) - frozenset(self._kinds)
        self._aliases = aliases
        self._keys = tuple(key for _, key in aliases)
        self._table = PhraseTable(phrase for phrase, _ in aliases)
        provinces = ((a, p.name) for p in catalogue.provinces.values() for a in (*p.aliases, p.name))
        self._provinces = {_compact(alias): _compact(_bare(name)) for alias, name in provinces}

    @classmethod
    def load(
        cls, folder: Path | None = None, *, names: Path | None = None, catalogue: Catalogue | None = None
    ) -> OfficeNames:
        """From aliases.csv, name_parts.csv and the tables of the catalogue; the packaged ones by default.

        A `catalogue` at hand (`Directory.catalogue`, of the same folder and names) is not loaded again.
        """
        home = DATA / "agencies" if folder is None else folder
        if catalogue is None:
            catalogue = Catalogue.load(home, names)
        parts = dict(_parts(home / "name_parts.csv"))
        return cls(catalogue, tuple(_aliases(home / "aliases.csv", catalogue)), parts)

    def phrases(self, key: str) -> tuple[str, ...]:
        """How the office `key` is written in name fields, in the phrase syntax of lapor_nlp.text.phrases."""
        return tuple(phrase for phrase, other in self._aliases if other == key)

    def read(self, name: str) -> Reading:
        """Takes a name apart; an unknown one has no keys."""
        parts = [word for word in words(name)[0] if word not in self._skipped]
        tokens = Tokens(tuple(parts), tuple(parts), tuple(range(len(parts))), tuple(range(1, len(parts) + 1)))
        matches = _longest(self._table.find(tokens))
        keys = frozenset(self._keys[m.row] for m in matches)
        kind, rest = self._region(parts, max((m.last for m in matches), default=-1))
        region = _compact(" ".join(rest))
        if kind in (None, "provinsi") and region in self._provinces:
            kind, region = "provinsi", self._provinces[region]
        return Reading(keys, kind, region, _compact(" ".join(parts)))

    def _region(self, parts: list[str], last: int) -> tuple[str | None, list[str]]:
        for at, part in enumerate(parts):
            if part in self._kinds:
                return self._kinds[part], parts[at + 1 :]
        return None, parts[last + 1 :]

    def same(self, a: str, b: str) -> bool:
        """Whether two names mean the same office. A name without region fits any region of that office."""
        first, second = self.read(a), self.read(b)
        if first.text == second.text:
            return True
        if not first.keys & second.keys:
            return False
        if all(not self.catalogue[key].is_local for key in first.keys & second.keys):
            return True
        return _same_region(first, second)

    def judge(self, chosen: str, responsibility: Responsibility) -> ChosenAgency:
        """The verdict on `chosen`, see ChosenAgency."""
        best = responsibility.best
        reading = self.read(chosen)
        if best is None or (not reading.keys and not any(self.same(chosen, o.name) for o in responsibility.offices)):
            return ChosenAgency(name=chosen, verdict=UNKNOWN, better=best)
        accepted = responsibility.offices if responsibility.undecided else (best,)
        for office in accepted:
            if any(self.same(chosen, name) for name in (office.name, office.full_name)):
                return ChosenAgency(name=chosen, verdict=FITS)
        for office in accepted:
            if self._is_parent(reading, office):
                return ChosenAgency(name=chosen, verdict=PARENT, better=office)
        return ChosenAgency(name=chosen, verdict=DIFFERS, better=best)

    def _is_parent(self, reading: Reading, office: Office) -> bool:
        parents = set(self._ancestors(office.key))
        if not reading.keys & parents:
            return False
        if all(not self.catalogue[key].is_local for key in reading.keys & parents):
            return True
        return _same_region(reading, self.read(office.name))

    def _ancestors(self, key: str) -> Iterator[str]:
        row = self.catalogue[key]
        if row.kind == "bumd" and row.is_local:
            yield "pemda"
        while row.parent is not None:
            yield row.parent
            row = self.catalogue[row.parent]


def fits(chosen: str, responsibility: Responsibility, names: OfficeNames | None = None) -> ChosenAgency:
    """Whether the office `chosen` by the reporter is the one responsible.

    fits("Pemkab Sleman", r).verdict -> "parent" when r names the Dinas Pekerjaan Umum Kabupaten Sleman
    """
    return (names or _packaged()).judge(chosen, responsibility)


def same_office(a: str, b: str) -> bool:
    """Whether two names mean the same office, by the packaged tables.

    same_office("DPUPR Kab. Sleman", "Dinas Pekerjaan Umum Kabupaten Sleman") -> True
    """
    return _packaged().same(a, b)


@cache
def _packaged() -> OfficeNames:
    return OfficeNames.load()


def _aliases(path: Path, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    known = {row.key for row in catalogue}
    for line, cells in read_table(path, ("alias", "instansi")):
        if cells["instansi"] not in known:
            raise DataFileError(path, f"instansi.csv has no {cells['instansi']}", line=line)
        try:
            PhraseTable([cells["alias"]])
        except ValueError as error:
            raise DataFileError(path, str(error), line=line) from error
        yield cells["alias"], cells["instansi"]
    for row in catalogue:
        for name in {row.display, row.name, row.short}:
            phrase = " ".join(words(re.sub(r"\{\w+\}", " ", name))[0])
            if phrase:
                yield phrase, row.key


def _parts(path: Path) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for line, cells in read_table(path, ("word", "part")):
        if cells["part"] not in _PARTS:
            raise DataFileError(path, f"part must be one of {', '.join(_PARTS)}", line=line)
        if cells["word"] in seen:
            raise DataFileError(path, f"the word {cells['word']} stands twice", line=line)
        seen.add(cells["word"])
        yield cells["word"], cells["part"]


def _longest(matches: list[Match]) -> list[Match]:
    """Matches that lie inside no longer one."""
    return [
        m
        for m in matches
        if not any((o.first <= m.first and m.last <= o.last) and (o.last - o.first > m.last - m.first) for o in matches)
    ]


def _same_region(a: Reading, b: Reading) -> bool:
    if not a.region or not b.region:
        return not (a.kind and b.kind) or a.kind == b.kind or not (a.region or b.region)
    return a.region == b.region and (a.kind is None or b.kind is None or a.kind == b.kind)


def _bare(name: str) -> str:
    return name.removeprefix("Provinsi ")


def _compact(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())
