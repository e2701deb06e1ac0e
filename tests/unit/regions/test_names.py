"""The name index and the hand-written tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapor_nlp.errors import DataFileError
from lapor_nlp.regions.cues import Cues
from lapor_nlp.regions.gazetteer import FOLDER, Gazetteer
from lapor_nlp.regions.names import NameIndex, key


@pytest.fixture(scope="module")
def names(gazetteer: Gazetteer) -> NameIndex:
    return NameIndex.load(gazetteer)


def test_every_kabkota_is_found_by_its_name(names: NameIndex, gazetteer: Gazetteer) -> None:
    for region in gazetteer.kabkota():
        entry = names.bare[key(region.name)]
        assert any(kab == region.code for kab, _, _ in entry.readings), region


def test_shares_add_up(names: NameIndex) -> None:
    for name, entry in names.bare.items():
        if entry.readings:
            assert sum(share for _, _, share in entry.readings) == pytest.approx(1.0), name


def test_twins_and_kecamatan_elsewhere(names: NameIndex) -> None:
    assert {kab for kab, _, _ in names.bare["tangerang"].readings} == {"36.03", "36.71"}
    assert ("35.04", "35.04.05") in {(kab, kec) for kab, kec in names.bare["bandung"].latent} or any(
        kab == "35.04" for kab, _ in names.bare["bandung"].latent
    )


@pytest.mark.parametrize(
    "written", ["kulon progo", "kulonprogo", "kutautara", "kuta utara", "bukit tinggi", "toli toli"]
)
def test_joined_and_parted(names: NameIndex, written: str) -> None:
    assert names.bare[written].readings


@pytest.mark.parametrize(
    ("word", "level", "name"),
    [
        ("slemen", "kabkota", "sleman"),
        ("karawng", "kabkota", "karawang"),
        ("karawanng", "kabkota", "karawang"),
        ("sidaorjo", "kabkota", "sidoarjo"),
        ("balaraj", "kecamatan", "balaraja"),
        ("sleman", "kabkota", None),
        ("xyzabc", "kabkota", None),
        ("btu", "kabkota", None),
    ],
)
def test_one_letter_off(names: NameIndex, word: str, level: str, name: str | None) -> None:
    assert names.nearly(word, level) == name


def test_aliases_name_their_source() -> None:
    for table in ("aliases.csv", "abbreviations.csv", "level_names.csv", "deciders.csv", "roles.csv"):
        lines = (FOLDER / table).read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines if line and not line.startswith("#")]
        assert rows[0].endswith("source"), table
        assert all(row.rsplit(",", 1)[-1].strip() for row in rows[1:]), table


def test_common_words_are_listed_once() -> None:
    lines = (FOLDER / "common_words.txt").read_text(encoding="utf-8").splitlines()
    words = [line for line in lines if line and not line.startswith("#")]
    assert len(words) == len(set(words))
    assert all(word == word.strip().lower() for word in words)


@pytest.mark.parametrize(
    ("table", "row", "loader"),
    [
        ("aliases.csv", "34.99,Nirwana,name,test", NameIndex),
        ("aliases.csv", "34.04,Nirwana,nonsense,test", NameIndex),
        ("aliases.csv", ",Nirwana,part,test", NameIndex),
        ("contexts.csv", "dekat sekali,nonsense", Cues),
        ("roles.csv", "other,high,0,0,no,test", Cues),
        ("roles.csv", "other,1.5,0,0,no,test", Cues),
        ("tricky_names.csv", "nama,sometimes,,", Cues),
        ("deciders.csv", "pak camat,kecamatan,,test", Cues),
    ],
)
def test_bad_rows_are_refused(
    tmp_path: Path, gazetteer: Gazetteer, table: str, row: str, loader: type[NameIndex] | type[Cues]
) -> None:
    for path in FOLDER.iterdir():
        if path.suffix in (".csv", ".txt"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / table).open("a", encoding="utf-8") as file:
        file.write(row + "\n")
    read = Cues.load if loader is Cues else lambda folder: NameIndex.load(gazetteer, folder)
    with pytest.raises(DataFileError, match=table.replace(".", r"\.")):
        read(tmp_path)
