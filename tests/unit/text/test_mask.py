from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA
from lapor_nlp.text.mask import Masker

MASKER = Masker.load()
CASES = [json.loads(line) for line in (Path(__file__).parent / "masking_cases.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("case", [c for c in CASES if c["pii"]], ids=lambda c: c["id"])
def test_personal_data_is_found(case: dict[str, Any]) -> None:
    text = case["text"]
    found = {text[f.start : f.end]: f.kind for f in MASKER.find(text)}
    for string, kind in case["pii"].items():
        assert any(string in span and kind == of for span, of in found.items()), (string, found)
    for span in found:
        assert any(string in span and len(span) <= len(string) + 8 for string in case["pii"]), found


@pytest.mark.parametrize("case", [c for c in CASES if not c["pii"]], ids=lambda c: c["id"])
def test_look_alikes_stay(case: dict[str, Any]) -> None:
    assert MASKER.mask(case["text"]).text == case["text"]


def test_enough_cases_stand_in_the_file() -> None:
    assert sum(bool(c["pii"]) for c in CASES) >= 60
    assert sum(not c["pii"] for c in CASES) >= 60


def test_tags() -> None:
    text = "NIK 3404071212900001, HP 0812-0000-1111, a.n. Siti Aminah, siti@example.com"
    assert MASKER.mask(text).text == "NIK [NIK], HP [TELEPON], a.n. [NAMA], [EMAIL]"


def test_spans_map_back_and_forth() -> None:
    text = "HP 0812-0000-1111 ya, nama saya Siti Aminah, warga RT 5"
    masked = MASKER.mask(text)
    assert masked.text == "HP [TELEPON] ya, nama saya [NAMA], warga RT 5"
    at = masked.text.index("warga")
    start, end = masked.original_span(at, at + 5)
    assert text[start:end] == "warga"
    assert masked.masked_span(start, end) == (at, at + 5)
    inside = masked.text.index("TELE")
    assert text[slice(*masked.original_span(inside, inside + 2))] == "0812-0000-1111"
    assert masked.text[slice(*masked.masked_span(5, 8))] == "[TELEPON]"
    assert masked.original_span(0, len(masked.text)) == (0, len(text))


NIKS = st.builds(
    "{:02}{:02}{:02}{:02}{:02}{:02}{:04}".format,
    st.integers(11, 96),
    st.integers(1, 79),
    st.integers(1, 40),
    st.integers(1, 31) | st.integers(41, 71),
    st.integers(1, 12),
    st.integers(0, 99),
    st.integers(1, 9999),
)
NEIGHBOURS = st.lists(
    st.text(alphabet="abikNmorstuRp \n.,-:()/;12345608", max_size=12)
    | st.sampled_from(
        ["1,", "12.", "500.000,", "3404071212900001,", "081234567890/", "5678 ", "Rp", "\n", "08", "A-", "_"]
    ),
    max_size=3,
).map("".join)
LAYOUTS = ((16,), (4, 4, 4, 4), (6, 6, 4), (2, 2, 2, 6, 4), (2, 4, 6, 4), (8, 8), (6, 10), (12, 4))


def _surviving(before: str, written: str, after: str) -> str:
    """What is left of `written` when it stands between the two."""
    text = before + written + after
    start, end = len(before), len(before) + len(written)
    hidden = {at for finding in MASKER.find(text) for at in range(finding.start, finding.end)}
    return "".join(text[at] for at in range(start, end) if text[at].isdigit() and at not in hidden)


@given(NEIGHBOURS, NIKS, st.sampled_from(LAYOUTS), st.sampled_from([" ", ".", "-", " - "]), NEIGHBOURS)
def test_no_digit_of_a_nik_survives(before: str, nik: str, layout: tuple[int, ...], blank: str, after: str) -> None:
    ends = [sum(layout[: n + 1]) for n in range(len(layout))]
    written = blank.join(nik[end - size : end] for end, size in zip(ends, layout, strict=True))
    assert _surviving(before.rstrip("0123456789"), written, after.lstrip("0123456789")) == ""


@given(
    NEIGHBOURS,
    st.sampled_from([" NIK ", " nik: ", "\nKTP no. ", " N I K "]),
    NIKS,
    st.lists(st.sampled_from(["", " ", ".", "-"]), min_size=15, max_size=15),
    NEIGHBOURS,
)
def test_no_digit_survives_behind_the_cue_however_it_is_grouped(
    before: str, cue: str, nik: str, blanks: list[str], after: str
) -> None:
    written = "".join(digit + blank for digit, blank in zip(nik, [*blanks, ""], strict=True))
    assert _surviving(before + cue, written, after.lstrip("0123456789")) == ""


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("3578214708916604,3578214708916605", "[NIK],[NIK]"),
        ("1,3578214708916604,Budi", "1,[NIK],Budi"),
        ("NIK 35.7821.470891.6604", "NIK [NIK]"),
        ("N I K 3 5 7 8 2 1 4 7 0 8 9 1 6 6 0 4 ya", "N I K [NIK] ya"),
        ("nik: 35782147O891660O belum aktif", "nik: [NIK] belum aktif"),
        ("ktp 3578 2147 O891 66l4", "ktp [NIK]"),
        ("0812000011110,0812000011112", "[TELEPON],[TELEPON]"),
        ("0812000011110/0812000011112", "[TELEPON]/[TELEPON]"),
        ("BPJS 0001 2000 3000 4", "BPJS [BPJS]"),
        ("<b>Nama</b>: Siti Aminah<br>", "<b>Nama</b>: [NAMA]<br>"),
        ("WA 62812 00001111", "WA [TELEPON]"),
        ("WA+62812 00001111", "WA[TELEPON]"),
    ],
)
def test_numbers_in_a_row_and_odd_writings(text: str, masked: str) -> None:
    assert MASKER.mask(text).text == masked


def test_no_digit_of_two_phone_numbers_in_a_row_survives() -> None:
    assert not any(c.isdigit() for c in MASKER.mask("HP 0812-0000-1111 0813-0000-2222").text)


@pytest.mark.parametrize(
    "text",
    [
        "koordinat -7.7955798923456789, 110,3694899923456712",
        "jadwal 11-02-2023 13-04-2023 sampai 01.02.2024 - 03.04.2024",
        "anggaran 1.500.000.000,00 dan 12.500.000.000,50",
    ],
)
def test_amounts_dates_and_coordinates_stay(text: str) -> None:
    assert MASKER.mask(text).text == text


PIECES = [
    "NIK", "3578214708916604", ",", "0812-0000-1111", "jalan", "rusak", "a.n.", "Siti", "warga@example.com", "plat",
    "AB", "1234", "CD", "Pak", "Joko", "😀", "Rp", "500.000", "rek", "BRI", "003401012345501", "\n", "nama", "saya",
]  # fmt: skip


@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=14,
    )
)
def test_nothing_else_changes_and_spans_agree(words: list[str]) -> None:
    text = " ".join(words)
    masked = MASKER.mask(text)
    rebuilt, at = [], 0
    for finding, (start, end) in zip(masked.findings, masked.spans, strict=True):
        rebuilt += [text[at : finding.start], masked.text[start:end]]
        assert finding.start < finding.end
        assert finding.start >= at
        assert masked.original_span(start, end) == (finding.start, finding.end)
        assert masked.masked_span(finding.start, finding.end) == (start, end)
        at = finding.end
    assert "".join([*rebuilt, text[at:]]) == masked.text
    for start, end in ((0, 99), (0, 3), (2, 9)):
        first, last = masked.original_span(min(start, len(masked.text)), min(end, len(masked.text)))
        assert 0 <= first <= last <= len(text)


@given(st.text(max_size=60))
def test_any_text_is_taken(text: str) -> None:
    findings = MASKER.find(text)
    assert all(0 <= f.start < f.end <= len(text) for f in findings)
    assert all(a.end <= b.start for a, b in pairwise(findings))


def test_masking_twice_finds_nothing_new() -> None:
    for case in CASES:
        once = MASKER.mask(case["text"]).text
        assert MASKER.mask(once).text == once


REPEATED = [
    "a", "@", "1", "0 8 ", "pak ", "1 1 ", "1.", "0812 ", "340407-", "08123456789,", "NIK 3 4 ", "SAYA BUDI ",
    "nama: ", "a@a.", "<a ", "B 1234 ", "Siti-", "Moh. ", "KTP 3O ",
]  # fmt: skip


@pytest.mark.parametrize("text", ["", " ", *(piece * (99_999 // len(piece)) for piece in REPEATED)])
def test_odd_and_long_texts_end(text: str) -> None:
    MASKER.find(text)


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("personal_data.csv", "x,[X],(,,0,,,1,digits", "cannot be used"),
        ("personal_data.csv", "x,[X],a,,0,,digits,1,digits", "cannot be used"),
        ("personal_data.csv", "x,[X],(a)(b),,0,,,1,digits", "at most one group"),
        ("personal_data.csv", "x,[X],a,,0,,,1,other", "gate"),
        ("personal_data.csv", "nik,[X],a,,0,,,1,digits", "two tags"),
        ("name_cues.csv", "nama,nama,loud", "manner"),
        ("name_cues.csv", "nama,nama(,strong", "pattern"),
        ("name_words.csv", "joko,other", "group"),
        ("plates.csv", "AB,other,", "kind"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, table: str, row: str, message: str) -> None:
    folder = shutil.copytree(DATA / "text", tmp_path / "text")
    with (folder / table).open("a", encoding="utf-8") as file:
        file.write(row + "\n")
    with pytest.raises(DataFileError, match=message):
        Masker.load(folder)
