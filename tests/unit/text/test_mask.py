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


FILLER = st.text(alphabet="abik mnorstu .,-:()\n12345Rp/", max_size=30)


@given(FILLER, st.sampled_from(["{}", "NIK {}", "nik:{}", "({})", "KTP no.{}", "rek {}", "wa {}"]), FILLER)
def test_no_digit_of_a_nik_survives(before: str, frame: str, after: str) -> None:
    nik = "3578214708916604"
    masked = MASKER.mask(f"{before} {frame.format(nik)} {after}")
    for length in (16, 8, 6):
        assert not any(nik[i : i + length] in masked.text for i in range(17 - length))


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


@pytest.mark.parametrize("text", ["", " ", "a" * 30_000, "@" * 30_000, "1" * 30_000, "0 8 " * 8_000, "pak " * 8_000])
def test_odd_and_long_texts_end(text: str) -> None:
    MASKER.find(text)


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("personal_data.csv", "x,[X],(,,0,,,1,digits", "cannot be used"),
        ("personal_data.csv", "x,[X],a,,0,,digits,1,digits", "cannot be used"),
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
