"""NameIndex: from words to the regions that carry them as a name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.regions.gazetteer import FOLDER, Gazetteer
from lapor_nlp.tables import read_table
from lapor_nlp.text.tokens import words

LONGEST = 6
"""Longest name that is looked for, in words."""

_KINDS = ("name", "part", "around", "none")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one name can mean.

    `readings` are (kab/kota, kecamatan or "", share): the shares add up to 1. `latent` are readings that count
    only when something else speaks for their kab/kota. `province` is a two-digit code or "". `around` are the
    beginnings of codes of regions in whose neighbourhood people use the name. `level` is kabkota, part,
    kecamatan, provinsi or none (the words mean something else).
    """

    level: str
    readings: tuple[tuple[str, str, float], ...] = ()
    latent: tuple[tuple[str, str], ...] = ()
    province: str = ""
    around: tuple[str, ...] = ()


class NameIndex:
    """Dictionaries over lower-case words parted by blanks.

    `bare` holds names that count without a word for their level; `kabkota`, `kecamatan`, `province` and `desa` are
    looked up behind such a word ("kab", "kec.", "desa"). `heads` is the length of the longest name by first word.
    """

    def __init__(
        self, gazetteer: Gazetteer, aliases: Iterable[tuple[list[str], str, str]], abbreviations: dict[str, str]
    ) -> None:
        self.abbreviations = abbreviations
        self.kabkota: dict[str, list[str]] = {}
        self.kecamatan: dict[str, list[str]] = {}
        self.province: dict[str, str] = {}
        parts: dict[str, list[str]] = {}
        around: dict[str, list[str]] = {}
        none: set[str] = set()
        for region in gazetteer.provinces():
            self.province[key(region.name)] = region.code
        for region in gazetteer.kabkota():
            self.kabkota.setdefault(key(region.name), []).append(region.code)
        for region in gazetteer.kecamatan():
            for form in _forms(region.name, abbreviations):
                _add(self.kecamatan, form, region.code)
        notable: set[tuple[str, str]] = set()
        for codes, alias, kind in aliases:
            form = key(alias)
            if kind == "none":
                none.add(form)
            elif kind == "around":
                around.setdefault(form, []).extend(codes)
            else:
                for code in codes:
                    if len(code) == 2:
                        self.province.setdefault(form, code)
                    elif len(code) == 5:
                        _add(self.kabkota if kind == "name" else parts, form, code)
                    else:
                        _add(self.kecamatan, form, code)
                        notable.add((form, code))
        self.bare: dict[str, Entry] = {}
        for form in {*self.kabkota, *self.kecamatan, *self.province, *parts, *around, *none}:
            if form in none and form not in self.kabkota and form not in parts:
                self.bare[form] = Entry("none")
            else:
                self.bare[form] = self._entry(form, parts.get(form, []), around.get(form, []), notable)
        self._add_joined()
        self.heads: dict[str, int] = {}
        for form in self.bare:
            first, _, _ = form.partition(" ")
            self.heads[first] = max(self.heads.get(first, 0), min(form.count(" ") + 1, LONGEST))
        for short, full in abbreviations.items():
            if full in self.heads:
                self.heads[short] = max(self.heads.get(short, 0), self.heads[full])
        self.desa = _desa_index(gazetteer)

    @classmethod
    def load(cls, gazetteer: Gazetteer, folder: Path | None = None) -> NameIndex:
        """Read `aliases.csv` and `abbreviations.csv`. Raises DataFileError."""
        path = (folder or FOLDER) / "aliases.csv"
        rows = []
        for number, row in read_table(path, ("code", "alias", "kind")):
            codes = row["code"].split()
            if row["kind"] not in _KINDS or (not codes and row["kind"] != "none") or not row["alias"]:
                raise DataFileError(path, f"kind must be one of {', '.join(_KINDS)}, with a code", line=number)
            if row["kind"] != "around" and any(gazetteer.get(code) is None for code in codes):
                raise DataFileError(path, f"names an unknown code in {row['code']}", line=number)
            rows.append((codes, row["alias"], row["kind"]))
        shortened = read_table((folder or FOLDER) / "abbreviations.csv", ("short", "full"))
        return cls(gazetteer, rows, {row["short"]: row["full"] for _, row in shortened})

    def nearly(self, word: str, level: str) -> str | None:
        """The one-word name of a kabkota or kecamatan that differs by one letter, when just one does.

            nearly("slemen", "kabkota") -> "sleman"

        Words under five letters get no answer. Meant for what stands behind "kab", "kota" or "kec".
        """
        if len(word) < 5:
            return None
        near = {name for form in _deletions(word) for name in self._deleted[level].get(form, ())}
        near = {name for name in near if name != word and _one_edit(word, name)}
        return near.pop() if len(near) == 1 else None

    @cached_property
    def _deleted(self) -> dict[str, dict[str, list[str]]]:
        """Each one-word name with one letter left out, by level; built at the first need."""
        tables: dict[str, dict[str, list[str]]] = {}
        for level, names in (("kabkota", self.kabkota), ("kecamatan", self.kecamatan)):
            table: dict[str, list[str]] = {}
            for name in names:
                if " " not in name and len(name) >= 5:
                    for form in _deletions(name):
                        table.setdefault(form, []).append(name)
            tables[level] = table
        return tables

    def _entry(self, form: str, parts: list[str], around: list[str], notable: set[tuple[str, str]]) -> Entry:
        kabs = self.kabkota.get(form, [])
        kecs = self.kecamatan.get(form, [])
        province = self.province.get(form, "")
        if kabs:
            named = [(code, "") for code in kabs]
            named += [(code[:5], code) for code in kecs if (form, code) in notable]
            level = "kabkota"
        elif province:
            named, level = [], "provinsi"
        elif parts:
            own = {code[:5]: code for code in kecs}
            named, level = [(code, own.get(code, "")) for code in parts], "part"
        else:
            first: dict[str, str] = {}
            for code in kecs:
                first.setdefault(code[:5], code)
            named, level = list(first.items()), "kecamatan"
        if not named and not province:
            return Entry("area", around=tuple(around))
        taken = {kab for kab, _ in named}
        share = 1 / len(named) if named else 0.0
        return Entry(
            level,
            tuple((kab, kec, share) for kab, kec in named),
            tuple((code[:5], code) for code in kecs if code[:5] not in taken),
            province,
            tuple(around),
        )

    def _add_joined(self) -> None:
        """Names of several words written as one ("kutautara"), and one word written as two ("bukit tinggi")."""
        leading = {form.split(" ", 1)[0] for form in self.bare if " " in form}
        extra: dict[str, Entry] = {}
        for form, entry in self.bare.items():
            if entry.level == "none" or len(form) < 8:
                continue
            if " " in form:
                extra.setdefault(form.replace(" ", ""), entry)
            else:
                for at in range(4, len(form) - 2):
                    if form[:at] in leading:
                        extra.setdefault(f"{form[:at]} {form[at:]}", entry)
        for form, entry in extra.items():
            self.bare.setdefault(form, entry)


def key(name: str) -> str:
    """Lower-case words of a name parted by one blank: `Toli-Toli` -> `toli toli`."""
    lower = name.lower()
    return lower if lower.replace(" ", "").isalpha() and "  " not in lower else " ".join(words(name)[0])


def _forms(name: str, abbreviations: dict[str, str]) -> list[str]:
    """Ways to write the name of a kecamatan: without its bracket, without apostrophes, `Kep.` in full."""
    bare = name.partition("(")[0].strip()
    form = key(bare)
    forms = [form]
    if "'" in form or "’" in form:
        forms.append(form.replace("'", "").replace("’", ""))
    first, _, rest = form.partition(" ")
    if rest and first in abbreviations:
        forms.append(f"{abbreviations[first]} {rest}")
    if "(" in name:
        forms.append(key(name.partition("(")[2].rstrip(")")))
    return forms


def _add(table: dict[str, list[str]], form: str, code: str) -> None:
    codes = table.setdefault(form, [])
    if code not in codes:
        codes.append(code)


def _desa_index(gazetteer: Gazetteer) -> dict[str, str]:
    """Name of a desa to the codes that carry it, parted by commas (a string is cheaper than a list here)."""
    index: dict[str, str] = {}
    for kecamatan, line in gazetteer.village_lines().items():
        for item in line.split("\t"):
            form = item[4:].lower()
            if not form.isalpha():
                form = key(form)
            code = f"{kecamatan}.{item[:4]}"
            known = index.get(form)
            index[form] = code if known is None else f"{known},{code}"
    return index


def _deletions(word: str) -> list[str]:
    return [word, *(word[:at] + word[at + 1 :] for at in range(len(word)))]


def _one_edit(a: str, b: str) -> bool:
    """Whether one letter added, left out, changed, or two neighbours swapped make one word the other."""
    if abs(len(a) - len(b)) > 1:
        return False
    if len(a) > len(b):
        a, b = b, a
    at = next((k for k in range(len(a)) if a[k] != b[k]), len(a))
    if len(a) < len(b):
        return a[at:] == b[at + 1 :]
    return a[at + 1 :] == b[at + 1 :] or (a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :])
