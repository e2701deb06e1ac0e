"""The packaged gazetteer: complete, small, documented, and readable by code."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lapor_nlp.errors import DataFileError
from lapor_nlp.regions.gazetteer import FOLDER, Gazetteer


def test_holds_every_region(gazetteer: Gazetteer) -> None:
    assert len(gazetteer.provinces()) == 38
    assert len(gazetteer.kabkota()) == 514
    assert len(gazetteer.kecamatan()) == 7285
    assert sum(len(gazetteer.villages(region.code)) for region in gazetteer.kecamatan()) == 83762


@pytest.mark.parametrize(
    ("code", "name", "kind", "full"),
    [
        ("34", "Daerah Istimewa Yogyakarta", "provinsi", "Daerah Istimewa Yogyakarta"),
        ("51", "Bali", "provinsi", "Provinsi Bali"),
        ("34.04", "Sleman", "kabupaten", "Kabupaten Sleman"),
        ("32.73", "Bandung", "kota", "Kota Bandung"),
        ("31.74", "Jakarta Selatan", "kota_adm", "Kota Administrasi Jakarta Selatan"),
        ("34.04.06", "Mlati", "kecamatan", "Mlati"),
        ("34.04.06.2001", "Sinduadi", "desa", "Sinduadi"),
        ("36.71.05.1005", "Kenanga", "kelurahan", "Kenanga"),
    ],
)
def test_get(gazetteer: Gazetteer, code: str, name: str, kind: str, full: str) -> None:
    region = gazetteer.get(code)
    assert region is not None
    assert (region.name, region.kind, region.full_name) == (name, kind, full)


@pytest.mark.parametrize("code", ["", "00", "34.99", "34.04.99", "34.04.06.9999", "99.99.99.2001"])
def test_unknown_codes(gazetteer: Gazetteer, code: str) -> None:
    assert gazetteer.get(code) is None


def test_children(gazetteer: Gazetteer) -> None:
    assert gazetteer.children("34") == ["34.01", "34.02", "34.03", "34.04", "34.71"]
    assert len(gazetteer.children("34.04")) == 17


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("34.04.06", "kapanewon"),
        ("34.71.01", "kemantren"),
        ("34.04.06.2001", "kalurahan"),
        ("13.07.05.2001", "nagari"),
        ("13.77.01.2001", "desa"),
        ("11.71.01.2001", "gampong"),
        ("91.03.01", "distrik"),
        ("91.03.01.2001", "kampung"),
        ("51.03.01.1001", "kelurahan"),
        ("35.07.01.2001", "desa"),
        ("35.07.01", "kecamatan"),
    ],
)
def test_level_names(gazetteer: Gazetteer, code: str, name: str) -> None:
    assert gazetteer.level_name(code) == name


def test_centroids_lie_in_the_archipelago(gazetteer: Gazetteer) -> None:
    for region in [*gazetteer.kabkota(), *gazetteer.kecamatan()]:
        if region.latitude is not None and region.longitude is not None:
            assert -11.5 < region.latitude < 6.5, region
            assert 94.5 < region.longitude < 141.5, region


def test_data_is_small_and_documented() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 1_600_000
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "cahyadsn/wilayah" in readme
    assert "Permission is hereby granted" in readme
    for path in FOLDER.iterdir():
        assert path.name in readme or path.name == "README.md"


def test_packed_files_carry_no_time() -> None:
    for name in ("wilayah.tsv.gz", "desa.tsv.gz"):
        assert (FOLDER / name).read_bytes()[4:8] == b"\0\0\0\0"


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(b"code\tname\n11\tAceh\n")])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    for path in FOLDER.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "wilayah.tsv.gz").write_bytes(content)
    with pytest.raises(DataFileError, match=r"wilayah\.tsv\.gz"):
        Gazetteer.load(tmp_path)
