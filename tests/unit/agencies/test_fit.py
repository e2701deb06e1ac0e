"""fit: office names as people write them, and the verdict on the office a reporter chose."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lapor_nlp.agencies.directory import Directory
from lapor_nlp.agencies.fit import OfficeNames, fits, same_office
from lapor_nlp.agencies.instansi import Catalogue
from lapor_nlp.agencies.office import Responsibility
from lapor_nlp.errors import DataFileError
from lapor_nlp.place import Location, Place
from lapor_nlp.tables import DATA
from lapor_nlp.text.tokens import Tokens, words

directory = Directory.load()

SLEMAN = Place(code="34.04", name="Kabupaten Sleman", confidence=1.0)


def assign(topic: str, urusan: str, sentence: str, *places: Place) -> Responsibility:
    forms, starts, ends = words(sentence)
    return directory.assign(topic, urusan, Tokens(forms, forms, starts, ends), Location(places=places))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("DPUPKP Kab. Sleman", "Dinas Pekerjaan Umum Kabupaten Sleman"),
        ("Dinas PUPR Kabupaten Badung", "Dinas Pekerjaan Umum Kabupaten Badung"),
        ("Dinas Sumber Daya Air dan Bina Marga Kota Bandung", "Dinas Pekerjaan Umum Kota Bandung"),
        ("Disdukcapil Kota Bandung", "Dinas Kependudukan dan Pencatatan Sipil Kota Bandung"),
        ("Dishub Surabaya", "Dinas Perhubungan Kota Surabaya"),
        ("Dinas Perhubungan DIY", "Dinas Perhubungan Daerah Istimewa Yogyakarta"),
        ("Dinas Perhubungan Provinsi D.I. Yogyakarta", "Dinas Perhubungan Daerah Istimewa Yogyakarta"),
        ("Kementerian PU", "Kementerian Pekerjaan Umum"),
        ("Kementerian Komunikasi dan Digital", "Komdigi"),
        ("PT PLN (Persero)", "PLN"),
        ("Disnakertrans Prov. Jabar", "Dinas Tenaga Kerja Provinsi Jawa Barat"),
        ("BKD Sumbar", "Badan Kepegawaian Daerah Provinsi Sumatera Barat"),
        ("PDAM Kab. Tangerang", "Perumda Tirta Kerta Raharja Kabupaten Tangerang"),
        ("Imigrasi Ngurah Rai", "Kantor Imigrasi Kelas I Khusus TPI Ngurah Rai"),
        ("Kalurahan Wedomartani", "Pemerintah Kalurahan Wedomartani"),
        ("BPN Kabupaten Sleman", "Kantor Pertanahan Kabupaten Sleman"),
        ("Kemenag Kota Bukittinggi", "Kantor Kementerian Agama Kota Bukittinggi"),
        ("DPMPTSP Kota Solok", "Dinas Penanaman Modal dan PTSP Kota Solok"),
        ("Polres Sleman", "Polri"),
        ("RSUD Buleleng", "RSUD Kabupaten Buleleng"),
        ("Dinas Bina Marga Provinsi DKI Jakarta", "Dinas Pekerjaan Umum Provinsi DKI Jakarta"),
        ("Pengadilan Negeri Sleman", "Mahkamah Agung"),
        ("Dinas Perhubungan", "Dinas Perhubungan Kabupaten Bogor"),
        ("satpol pp badung", "Satuan Polisi Pamong Praja Kabupaten Badung"),
    ],
)
def test_names_of_one_office(a: str, b: str) -> None:
    assert same_office(a, b)
    assert same_office(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Dinas Perhubungan Kota Bogor", "Dinas Perhubungan Kabupaten Bogor"),
        ("Dinas Perhubungan Kabupaten Sleman", "Dinas Perhubungan Daerah Istimewa Yogyakarta"),
        ("Dinas Sosial Kota Bogor", "Dinas Perhubungan Kota Bogor"),
        ("Dinas Pendidikan Provinsi Jawa Timur", "Dinas Pendidikan Kota Surabaya"),
        ("BPBD Sleman", "BNPB"),
        ("Kementerian Agama", "Kantor Kementerian Agama Kota Bukittinggi"),
        ("Kementerian Pekerjaan Umum", "Dinas Pekerjaan Umum Kabupaten Sleman"),
        ("Kementerian Sosial", "Dinas Sosial Kabupaten Sleman"),
        ("Telkom", "Telkomsel"),
        ("BPJS Kesehatan", "BPJS Ketenagakerjaan"),
        ("Dinas Kesehatan Kabupaten Sleman", "BPJS Kesehatan"),
        ("Kementerian Perhubungan", "Dinas Perhubungan Kabupaten Sleman"),
        ("BKN", "BNN"),
        ("warung kopi", "Polri"),
    ],
)
def test_names_of_two_offices(a: str, b: str) -> None:
    assert not same_office(a, b)
    assert not same_office(b, a)


def test_every_office_is_itself_and_its_abbreviation() -> None:
    for row in directory.catalogue:
        display = row.display.format(
            wilayah="Kabupaten Sleman", desa="Mulia", kecamatan="Mulia", sebutan="Desa", distrik="Kecamatan"
        )
        assert same_office(display, display)
        assert same_office(row.short, row.display.split(" {")[0]), row.key


@pytest.mark.parametrize(
    ("chosen", "verdict"),
    [
        ("Dinas Lingkungan Hidup Kabupaten Sleman", "fits"),
        ("DLH Sleman", "fits"),
        ("Pemkab Sleman", "parent"),
        ("Pemerintah Kabupaten Sleman", "parent"),
        ("Pemkot Yogyakarta", "differs"),
        ("Dinas Lingkungan Hidup Kota Yogyakarta", "differs"),
        ("Dinas Perhubungan Kabupaten Sleman", "differs"),
        ("Kementerian Lingkungan Hidup", "differs"),
        ("entah kantor apa", "unknown"),
    ],
)
def test_the_verdict_on_a_chosen_office(chosen: str, verdict: str) -> None:
    answer = fits(chosen, assign("sampah", "lingkungan hidup", "sampah menumpuk", SLEMAN))
    assert answer.verdict == verdict
    if verdict == "fits":
        assert answer.better is None
    else:
        assert answer.better is not None
        assert answer.better.name == "Dinas Lingkungan Hidup Kabupaten Sleman"


def test_a_ministry_is_the_parent_of_its_office() -> None:
    answer = assign("sertifikat-tanah", "pertanahan", "sertifikat belum jadi", SLEMAN)
    assert fits("Kementerian ATR/BPN", answer).verdict == "parent"
    assert fits("BPN Sleman", answer).verdict == "fits"


def test_a_local_name_fits() -> None:
    bandung = Place(code="32.73", name="Kota Bandung", confidence=1.0)
    answer = assign("drainase", "pekerjaan umum", "got mampet", bandung)
    assert fits("Dinas Sumber Daya Air dan Bina Marga Kota Bandung", answer).verdict == "fits"


def test_any_candidate_fits_while_the_level_is_open() -> None:
    answer = assign("jalan-rusak", "pekerjaan umum", "jalan raya rusak", SLEMAN)
    assert answer.undecided
    assert fits("Dinas PU DIY", answer).verdict == "fits"
    assert fits("Pemda DIY", answer).verdict == "parent"


def test_nobody_responsible_leaves_the_choice_unknown() -> None:
    assert fits("Polri", assign("lainnya", "lainnya", "halo")).verdict == "unknown"


def test_a_bad_part_of_a_name_is_refused(tmp_path: Path) -> None:
    shutil.copytree(DATA / "agencies", tmp_path / "agencies")
    with (tmp_path / "agencies" / "name_parts.csv").open("a", encoding="utf-8") as file:
        file.write("kata,benua\n")
    with pytest.raises(DataFileError, match="part must be"):
        OfficeNames.load(tmp_path / "agencies")


def test_a_part_of_a_name_stands_once(tmp_path: Path) -> None:
    shutil.copytree(DATA / "agencies", tmp_path / "agencies")
    with (tmp_path / "agencies" / "name_parts.csv").open("a", encoding="utf-8") as file:
        file.write("kab,kota\n")
    with pytest.raises(DataFileError, match="kab stands twice"):
        OfficeNames.load(tmp_path / "agencies")


def test_a_catalogue_at_hand_is_not_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> Catalogue:
        raise AssertionError("loaded again")

    monkeypatch.setattr(Catalogue, "load", load)
    names = OfficeNames.load(catalogue=directory.catalogue)
    assert names.catalogue is directory.catalogue
    assert names.same("DLH Sleman", "Dinas Lingkungan Hidup Kabupaten Sleman")


def test_a_bad_alias_names_file_and_line(tmp_path: Path) -> None:
    shutil.copytree(DATA / "agencies", tmp_path / "agencies")
    path = tmp_path / "agencies" / "aliases.csv"
    line = path.read_text(encoding="utf-8").count("\n") + 1
    original = path.read_text(encoding="utf-8")
    for row, message in (("singkatan,tidak-ada", "tidak-ada"), ("... celah,polri", "gap")):
        path.write_text(f"{original}{row}\n", encoding="utf-8")
        with pytest.raises(DataFileError, match=message) as caught:
            OfficeNames.load(tmp_path / "agencies")
        assert caught.value.line == line
