"""Catalogue: offices by key, and their names in a region."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.agencies.office import LEVELS
from lapor_nlp.agencies.template import fields
from lapor_nlp.errors import DataFileError
from lapor_nlp.place import Place
from lapor_nlp.tables import read_table

_LOCAL = ("provinsi", "kabkota", "desa", "vertikal", "bumd")
_CALLED = ("desa", "kecamatan")
_SMALL_FIELDS = frozenset(("desa", "kecamatan", "sebutan", "distrik"))


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
    line: int

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


@dataclass(frozen=True, slots=True)
class RegionCell:
    """A region code and the line of a table that names it."""

    code: str
    path: Path
    line: int


class Catalogue:
    """Names offices: a template filled with the region, or the real name where names.csv has one."""

    def __init__(
        self,
        instansi: Mapping[str, Instansi],
        provinces: Mapping[str, Province],
        names: Mapping[tuple[str, str, str], tuple[str | None, str | None]],
        words: Mapping[tuple[str, str], str],
        regions: tuple[RegionCell, ...] = (),
    ) -> None:
        self._instansi = instansi
        self.provinces = provinces
        self._names = names
        self._words = words
        self._regions = regions

    def __iter__(self) -> Iterator[Instansi]:
        return iter(self._instansi.values())

    def __getitem__(self, key: str) -> Instansi:
        return self._instansi[key]

    @classmethod
    def load(cls, folder: Path, names: Path | None = None) -> Catalogue:
        """From instansi.csv, provinsi.csv, sebutan.csv and names.csv of a folder; `names` is laid over names.csv."""
        path = folder / "instansi.csv"
        instansi = dict(_read_instansi(path))
        _check_parents(path, instansi)
        cells: list[RegionCell] = []
        provinces = _read_provinces(folder / "provinsi.csv", cells)
        words = _read_words(folder / "sebutan.csv", cells)
        local: dict[tuple[str, str, str], tuple[str | None, str | None]] = {}
        for source in (folder / "names.csv", names):
            if source is not None:
                local.update(_read_names(source, instansi, cells))
        return cls(instansi, provinces, local, words, tuple(cells))

    def check(self, regions: Container[str]) -> None:
        """Raises DataFileError for the first line of a table whose region code is not in the gazetteer."""
        for cell in self._regions:
            if cell.code not in regions:
                raise DataFileError(cell.path, f"the gazetteer has no region {cell.code!r}", line=cell.line)

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
                shown, local = (text and text.format(wilayah=wilayah).strip() for text in (shown, local))
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
        _check_fields(path, line, row["display"], row["name"])
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
                line,
            ),
        )


def _check_fields(path: Path, line: int, display: str, name: str) -> None:
    """A name may hold what its display can be filled with: the region, or a desa or kecamatan and what it is called."""
    try:
        shown, named = fields(display), fields(name)
    except ValueError as error:
        raise DataFileError(path, str(error), line=line) from error
    known = _SMALL_FIELDS if shown.intersection(_CALLED) else shown & {"wilayah"}
    if wrong := (shown | named) - known:
        raise DataFileError(path, f"a name cannot hold {{{min(wrong)}}} here", line=line)


def _check_parents(path: Path, instansi: Mapping[str, Instansi]) -> None:
    for row in instansi.values():
        above, seen = row.parent, {row.key}
        while above is not None:
            if above not in instansi:
                raise DataFileError(path, f"{row.key}: there is no parent {above}", line=row.line)
            if above in seen:
                raise DataFileError(path, f"{row.key}: its parents go round in a circle at {above}", line=row.line)
            seen.add(above)
            above = instansi[above].parent


def _read_provinces(path: Path, cells: list[RegionCell]) -> dict[str, Province]:
    provinces: dict[str, Province] = {}
    for line, row in read_table(path, ("code", "name", "aliases", "autonomous", "source")):
        if row["autonomous"] not in ("ya", "tidak"):
            raise DataFileError(path, "autonomous must be ya or tidak", line=line)
        if row["code"] in provinces:
            raise DataFileError(path, f"the province {row['code']} stands twice", line=line)
        cells.append(RegionCell(row["code"], path, line))
        aliases = tuple(filter(None, row["aliases"].split("|")))
        provinces[row["code"]] = Province(row["name"], aliases, row["autonomous"] == "ya")
    return provinces


def _read_words(path: Path, cells: list[RegionCell]) -> dict[tuple[str, str], str]:
    called: dict[tuple[str, str], str] = {}
    for line, row in read_table(path, ("region", "level", "word")):
        key = (row["region"], row["level"])
        if row["level"] not in _CALLED or not row["word"]:
            raise DataFileError(path, f"give a word, and as level one of {', '.join(_CALLED)}", line=line)
        if key in called:
            raise DataFileError(path, f"{' '.join(key)} stands twice", line=line)
        if row["region"] != "*":
            cells.append(RegionCell(row["region"], path, line))
        called[key] = row["word"]
    for level in _CALLED:
        if ("*", level) not in called:
            raise DataFileError(path, f"lacks the row *,{level} for all other regions")
    return called


def _read_names(
    path: Path, instansi: Mapping[str, Instansi], cells: list[RegionCell]
) -> dict[tuple[str, str, str], tuple[str | None, str | None]]:
    names: dict[tuple[str, str, str], tuple[str | None, str | None]] = {}
    for line, row in read_table(path, ("region", "instansi", "level", "name", "local_name", "source")):
        office = instansi.get(row["instansi"])
        if office is None or row["level"] not in office.levels:
            raise DataFileError(path, f"instansi.csv has no {row['instansi']} at {row['level']}", line=line)
        if not row["name"] and not row["local_name"]:
            raise DataFileError(path, "give a name or a local_name", line=line)
        try:
            held = fields(row["name"]) | fields(row["local_name"])
        except ValueError as error:
            raise DataFileError(path, str(error), line=line) from error
        if not held <= {"wilayah"}:
            raise DataFileError(path, "a name may hold {wilayah} and no other field", line=line)
        key = (row["region"], row["instansi"], row["level"])
        if key in names:
            raise DataFileError(path, f"{' '.join(key)} stands twice", line=line)
        cells.append(RegionCell(row["region"], path, line))
        names[key] = (row["name"] or None, row["local_name"] or None)
    return names
