"""Catalogue: offices by key, and their names in a region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.agencies.office import LEVELS
from lapor_nlp.errors import DataFileError
from lapor_nlp.place import Place
from lapor_nlp.tables import read_table

_LOCAL = ("provinsi", "kabkota", "desa", "vertikal", "bumd")


@dataclass(frozen=True, slots=True)
class Instansi:
    """A row of instansi.csv. `{wilayah}`, `{desa}` or `{kecamatan}` in `display` make it one office per region."""

    key: str
    display: str
    name: str
    short: str
    levels: tuple[str, ...]
    kind: str
    parent: str | None

    @property
    def is_local(self) -> bool:
        return "{" in self.display


@dataclass(frozen=True, slots=True)
class Named:
    """An office's names in one place; `region` is None when the place it needs is not known."""

    name: str
    full_name: str
    local_name: str | None
    level: str
    region: str | None


@dataclass(frozen=True, slots=True)
class Province:
    """A row of provinsi.csv. In a province that is not `autonomous` below, it answers for its kota and kabupaten."""

    name: str
    aliases: tuple[str, ...]
    autonomous: bool


class Catalogue:
    """Names offices: a template filled with the region, or the real name where names.csv has one."""

    def __init__(
        self,
        instansi: Mapping[str, Instansi],
        provinces: Mapping[str, Province],
        names: Mapping[tuple[str, str, str], tuple[str | None, str | None]],
        words: Mapping[tuple[str, str], str],
    ) -> None:
        self._instansi = instansi
        self.provinces = provinces
        self._names = names
        self._words = words

    def __iter__(self) -> Iterator[Instansi]:
        return iter(self._instansi.values())

    def __getitem__(self, key: str) -> Instansi:
        return self._instansi[key]

    @classmethod
    def load(cls, folder: Path, names: Path | None = None) -> Catalogue:
        """From instansi.csv, provinsi.csv, sebutan.csv and names.csv of a folder; `names` is laid over names.csv."""
        instansi = dict(_read_instansi(folder / "instansi.csv"))
        for row in instansi.values():
            if row.parent is not None and row.parent not in instansi:
                raise DataFileError(folder / "instansi.csv", f"{row.key}: there is no parent {row.parent}")
        provinces = {}
        path = folder / "provinsi.csv"
        for line, cells in read_table(path, ("code", "name", "aliases", "autonomous", "source")):
            if cells["autonomous"] not in ("ya", "tidak"):
                raise DataFileError(path, "autonomous must be ya or tidak", line=line)
            aliases = tuple(filter(None, cells["aliases"].split("|")))
            provinces[cells["code"]] = Province(cells["name"], aliases, cells["autonomous"] == "ya")
        table = folder / "sebutan.csv"
        words = {(r["region"], r["level"]): r["word"] for _, r in read_table(table, ("region", "level", "word"))}
        local: dict[tuple[str, str, str], tuple[str | None, str | None]] = {}
        for source in (folder / "names.csv", names):
            if source is not None:
                local.update(_read_names(source, instansi))
        return cls(instansi, provinces, local, words)

    def problem(self, key: str, level: str | None) -> str | None:
        """What is wrong with naming this office at this level, or None."""
        row = self._instansi.get(key)
        if row is None:
            return f"instansi.csv has no {key}"
        if level is None and len(row.levels) > 1:
            return f"{key} exists at {', '.join(row.levels)}: say which, as {key}@{row.levels[0]}"
        if level is not None and level not in row.levels:
            return f"{key} does not exist at the level {level}"
        return None

    def name(self, key: str, level: str | None, place: Place | None) -> Named:
        """The office in a place. A kab/kota office goes up to the province where the province alone is
        known or answers for its kota and kabupaten; it stays without region where the place it needs is not known."""
        row = self._instansi[key]
        at = level or row.levels[0]
        if not row.is_local:
            return Named(row.display, row.name, None, at, None)
        if "{desa}" in row.display or "{kecamatan}" in row.display:
            return self._small(row, at, place)
        if place is None:
            return self._fill(row, at, None, "")
        province = self.provinces.get(place.province)
        climbs = place.is_province or (province is not None and not province.autonomous)
        if at == "kabkota" and climbs and "provinsi" in row.levels:
            at = "provinsi"
        if at == "provinsi" or (at == "bumd" and province is not None and not province.autonomous):
            name = province.name if province is not None else place.name if place.is_province else ""
            return self._fill(row, at, place.province, name)
        if place.is_province:
            return self._fill(row, at, None, "")
        return self._fill(row, at, place.code, place.name)

    def _small(self, row: Instansi, level: str, place: Place | None) -> Named:
        """A desa, kelurahan or kecamatan: bare where the report does not name it."""
        code, kind = ("", None) if place is None else (place.desa or place.kecamatan or place.code, place.desa_kind)
        needed = None if place is None else place.desa if "{desa}" in row.display else place.kecamatan
        fields = {
            "desa": place.desa_name or "" if place is not None and needed else "",
            "kecamatan": place.kecamatan_name or "" if place is not None and needed else "",
            "sebutan": self._word(code, "desa", kind),
            "distrik": self._word(code, "kecamatan", None),
        }
        display, name = (" ".join(text.format(**fields).split()) for text in (row.display, row.name))
        return Named(display, name, None, level, needed)

    def _word(self, code: str, level: str, given: str | None) -> str:
        for end in range(len(code), 1, -1):
            word = self._words.get((code[:end], level))
            if word is not None:
                return word
        if given and given.lower() not in ("desa", "kelurahan"):
            return given.title()
        return self._words[("*", level)]

    def _fill(self, row: Instansi, level: str, region: str | None, wilayah: str) -> Named:
        display = row.display.format(wilayah=wilayah).strip()
        name = row.name.format(wilayah=wilayah).strip()
        if region is None:
            return Named(display, name, None, level, None)
        for end in range(len(region), 1, -1):
            shown, local = self._names.get((region[:end], row.key, level), (None, None))
            if shown or local:
                return Named(shown or display, local or shown or name, local or shown, level, region)
        return Named(display, name, None, level, region)


def _read_instansi(path: Path) -> Iterator[tuple[str, Instansi]]:
    columns = ("key", "display", "name", "short", "level", "kind", "parent", "urusan", "source", "effective_from")
    seen = set()
    for line, row in read_table(path, columns):
        levels = tuple(row["level"].split("|"))
        if not row["key"] or not row["display"] or row["key"] in seen:
            raise DataFileError(path, f"{row['key']!r} needs a key of its own and a display name", line=line)
        if not set(levels) <= set(LEVELS):
            raise DataFileError(path, f"level must be one of {', '.join(LEVELS)}", line=line)
        if "{" in row["display"] and not set(levels) <= set(_LOCAL):
            raise DataFileError(path, f"an office of each region cannot be at the level {row['level']}", line=line)
        try:
            for text in (row["display"], row["name"]):
                text.format(wilayah="", desa="", kecamatan="", sebutan="", distrik="")
        except (KeyError, ValueError, IndexError) as error:
            raise DataFileError(path, f"a name holds an unknown {{field}}: {error}", line=line) from error
        seen.add(row["key"])
        yield (
            row["key"],
            Instansi(
                row["key"],
                row["display"],
                row["name"] or row["display"],
                row["short"] or row["display"],
                levels,
                row["kind"],
                row["parent"] or None,
            ),
        )


def _read_names(
    path: Path, instansi: Mapping[str, Instansi]
) -> Iterator[tuple[tuple[str, str, str], tuple[str | None, str | None]]]:
    for line, row in read_table(path, ("region", "instansi", "level", "name", "local_name", "source")):
        office = instansi.get(row["instansi"])
        if office is None or row["level"] not in office.levels:
            raise DataFileError(path, f"instansi.csv has no {row['instansi']} at {row['level']}", line=line)
        if not row["name"] and not row["local_name"]:
            raise DataFileError(path, "give a name or a local_name", line=line)
        yield (row["region"], row["instansi"], row["level"]), (row["name"] or None, row["local_name"] or None)
