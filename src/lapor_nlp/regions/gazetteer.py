"""Gazetteer: provinces, kabupaten/kota, kecamatan and desa with their Kemendagri codes."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table

FOLDER = DATA / "regions"
"""The folder of the packaged region tables."""

_KABKOTA_PREFIX = {
    "kabupaten": "Kabupaten",
    "kabupaten_adm": "Kabupaten Administrasi",
    "kota": "Kota",
    "kota_adm": "Kota Administrasi",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """One region. `name` is bare (`Sleman`), `kind` one of provinsi, kabupaten, kota, kabupaten_adm, kota_adm,
    kecamatan, desa, kelurahan. Degrees are those of the centroid; None for desa and kelurahan.
    """

    code: str
    name: str
    kind: str
    latitude: float | None = None
    longitude: float | None = None

    @property
    def full_name(self) -> str:
        """The name with its kind, except below the kabupaten/kota: `Kabupaten Sleman`, `Provinsi Bali`, `Mlati`."""
        if self.kind == "provinsi":
            return self.name if self.name.startswith("Daerah ") else f"Provinsi {self.name}"
        prefix = _KABKOTA_PREFIX.get(self.kind)
        return f"{prefix} {self.name}" if prefix else self.name


class Gazetteer:
    """All regions by code.

    Gazetteer.load().get("34.04.06").name -> "Mlati"
    """

    def __init__(
        self, regions: dict[str, Region], villages: dict[str, str], level_names: dict[str, dict[str, str]]
    ) -> None:
        self._regions = regions
        self._villages = villages
        self._level_names = level_names
        self._children: dict[str, list[str]] = {}
        for code in regions:
            if len(code) > 2:
                self._children.setdefault(code[:-3], []).append(code)

    @classmethod
    def load(cls, folder: Path | None = None) -> Gazetteer:
        """Read `wilayah.tsv.gz`, `desa.tsv.gz` and `level_names.csv`. Raises DataFileError."""
        folder = folder or FOLDER
        regions = {}
        path = folder / "wilayah.tsv.gz"
        for number, line in enumerate(_lines(path)[1:], 1):
            cells = line.split("\t")
            if len(cells) != 5:
                raise DataFileError(path, "has a row without five cells", line=number)
            code, name, kind, lat, lon = cells
            regions[code] = Region(
                code=code,
                name=name,
                kind=kind,
                latitude=float(lat) if lat else None,
                longitude=float(lon) if lon else None,
            )
        villages = {line[:8]: line[9:] for line in _lines(folder / "desa.tsv.gz")}
        rows = read_table(folder / "level_names.csv", ("code", "kecamatan", "desa", "kelurahan"))
        return cls(regions, villages, {row["code"]: row for _, row in rows})

    def get(self, code: str) -> Region | None:
        """The region with this code, at any level; None when there is none."""
        if len(code) <= 8:
            return self._regions.get(code)
        for suffix, name in self.villages(code[:8]):
            if suffix == code[9:]:
                return Region(code=code, name=name, kind="kelurahan" if suffix[0] == "1" else "desa")
        return None

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and self.get(code) is not None

    def children(self, code: str) -> list[str]:
        """Codes one level below a province or kabupaten/kota, in order."""
        return self._children.get(code, [])

    def provinces(self) -> list[Region]:
        return [region for code, region in self._regions.items() if len(code) == 2]

    def kabkota(self) -> list[Region]:
        return [region for code, region in self._regions.items() if len(code) == 5]

    def kecamatan(self) -> list[Region]:
        return [region for code, region in self._regions.items() if len(code) == 8]

    def villages(self, kecamatan: str) -> list[tuple[str, str]]:
        """(last four digits of the code, name) of each desa of a kecamatan."""
        line = self._villages.get(kecamatan)
        return [(item[:4], item[4:]) for item in line.split("\t")] if line else []

    def village_lines(self) -> dict[str, str]:
        """Kecamatan code to the packed line of its desa (`NNNNname`, tab-separated), for building an index."""
        return self._villages

    def level_name(self, code: str) -> str:
        """What a kecamatan or desa is called where it lies: `kapanewon`, `nagari`, `distrik`, `kelurahan`, ..."""
        for length in (5, 2):
            row = self._level_names.get(code[:length])
            if row is not None:
                if len(code) == 8:
                    return row["kecamatan"]
                return row["kelurahan"] if code[9] == "1" else row["desa"]
        if len(code) == 8:
            return "kecamatan"
        return "kelurahan" if code[9] == "1" else "desa"


def _lines(path: Path) -> list[str]:
    try:
        with gzip.open(path, "rb") as packed:
            text = packed.read().decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataFileError(path, f"cannot be read: {error}") from error
    return [line for line in text.split("\n") if line and line[0] != "#"]
