from __future__ import annotations

import pytest

from lapor_nlp.agencies.addressee import Addressees, mask_addressee, offices

LABELS = (
    "Dinas Perhubungan",
    "Dinas Sosial",
    "Kecamatan Depok",
    "Kecamatan Ngaglik",
    "PDAM Tirta Segar",
    "Inspektorat",
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Yth. Dinas Perhubungan, lampu mati", {"Dinas Perhubungan"}),
        ("mohon DISHUB dan dinsos turun", {"Dinas Perhubungan", "Dinas Sosial"}),
        ("Dinas&nbsp;Sosial lambat", {"Dinas Sosial"}),
        ("jalan di kecamatan Depok rusak", {"Kecamatan Depok"}),
        ("pak camat, jalan rusak", set()),
        ("keluhan soal perhubungan laut", set()),
        ("sudah lapor inspektorat", {"Inspektorat"}),
        ("tagihan pdam tirta segar naik", {"PDAM Tirta Segar"}),
        ("", set()),
    ],
)
def test_offices_that_a_text_names(text: str, named: set[str]) -> None:
    assert Addressees(LABELS).named(text) == named


def test_a_name_that_two_labels_share_tells_neither() -> None:
    shared = Addressees(["Dinas Sosial Kota Malang", "Dinas Sosial Kota Batu"])
    assert shared.named("Yth. dinsos") == frozenset()
    assert shared.named("Yth. Dinas Sosial Kota Batu") == {"Dinas Sosial Kota Batu"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Yth. Dishub Sleman, lampu mati", "Yth. instansi Sleman, lampu mati"),
        ("Dinas Sosial dan dinas  perhubungan", "instansi dan instansi"),
        ("Got mampet", "Got mampet"),
        ("😀 ke Dinas Sosial", "😀 ke instansi"),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert mask_addressee(text, LABELS) == masked
    assert not Addressees(LABELS).named(masked)


def test_only_offices_are_masked() -> None:
    assert mask_addressee("Dinsos: jalan rusak", {"jalan rusak", "Dinas Sosial"}) == "instansi: jalan rusak"


def test_names_inside_one_another_are_masked_once() -> None:
    assert mask_addressee("ke Dinas Sosial Kota Batu", ["Dinas Sosial", "Dinas Sosial Kota Batu"]) == "ke instansi"


def test_labels_that_are_no_offices() -> None:
    topics = ("sampah", "jalan-rusak", "air", "!!")
    assert offices((*topics, "Dinas Sosial")) == {"Dinas Sosial"}
    assert Addressees(topics).named("air mati, jalan rusak, sampah") == {"sampah", "jalan-rusak"}
