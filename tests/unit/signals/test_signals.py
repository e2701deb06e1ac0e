from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.errors import DataFileError
from lapor_nlp.signals.reading import KINDS, Flag, SignalReading
from lapor_nlp.signals.signals import DOCUMENT_CUES, Signals
from lapor_nlp.tables import DATA
from lapor_nlp.text.clean import clean
from lapor_nlp.text.tokens import Tokens, words
from lapor_nlp.text.wordlist import Wordlist

SENTENCES: list[dict[str, Any]] = [
    json.loads(line) for line in (Path(__file__).parent / "sentences.jsonl").read_text(encoding="utf-8").splitlines()
]
SIGNALS = Signals.load()
WORDLIST = Wordlist.load()
FLAGS = ("urgent", "pengawasan", "out_of_scope")


def read(text: str) -> SignalReading:
    cleaned = clean(text)
    return SIGNALS.read(cleaned, WORDLIST.tokens(cleaned))


def read_as_written(text: str) -> SignalReading:
    forms, starts, ends = words(clean(text))
    return SIGNALS.read(clean(text), Tokens(forms, forms, starts, ends))


@pytest.fixture(scope="module")
def readings() -> list[SignalReading]:
    return [read(row["text"]) for row in SENTENCES]


def test_the_sentences_cover_each_question() -> None:
    for flag in FLAGS:
        assert sum(row[flag] for row in SENTENCES) >= 40
    for kind in KINDS:
        assert sum(row["kind"] == kind for row in SENTENCES) >= 40
    assert sum(not any(row[flag] for flag in FLAGS) and not row["missing"] for row in SENTENCES) >= 100


def test_kind(readings: list[SignalReading]) -> None:
    right = sum(reading.kind == row["kind"] for reading, row in zip(readings, SENTENCES, strict=True))
    assert right >= 0.95 * len(SENTENCES)


@pytest.mark.parametrize("flag", [*FLAGS, "missing"])
def test_flags(flag: str, readings: list[SignalReading]) -> None:
    answers = [bool(getattr(reading, flag)) for reading in readings]
    truth = [bool(row[flag]) for row in SENTENCES]
    right = sum(a and t for a, t in zip(answers, truth, strict=True))
    assert right >= 0.95 * sum(truth)
    assert right >= 0.97 * sum(answers)


def test_a_real_complaint_is_hardly_ever_thrown_away(readings: list[SignalReading]) -> None:
    thrown = [row["id"] for reading, row in zip(readings, SENTENCES, strict=True)
              if reading.out_of_scope and not row["out_of_scope"]]  # fmt: skip
    assert thrown == []


def test_the_reason_of_being_out_of_scope(readings: list[SignalReading]) -> None:
    pairs = [(reading.out_of_scope.reason, row["reason"]) for reading, row in zip(readings, SENTENCES, strict=True)
             if reading.out_of_scope and row["out_of_scope"]]  # fmt: skip
    assert sum(given == wanted for given, wanted in pairs) >= 0.85 * len(pairs)
    assert {reason for reason, _ in pairs} == {row["reason"] for row in SENTENCES} - {""}


def test_the_tables_know_slang_without_the_word_list() -> None:
    answers = [read_as_written(row["text"]) for row in SENTENCES]
    for flag in FLAGS:
        found = sum(bool(getattr(a, flag)) for a, row in zip(answers, SENTENCES, strict=True) if row[flag])
        assert found >= 0.9 * sum(row[flag] for row in SENTENCES)


def test_evidence_names_the_rule_and_the_words() -> None:
    text = "Pak, ada ular kobra masuk dapur, ada bayi di rumah"
    reading = read(text)
    assert reading.urgent.value
    assert reading.urgent.reason == "satwa"
    codes = {e.code for e in reading.urgent.evidence}
    assert "urgent/satwa-rumah" in codes
    assert "ular" in {text[e.start : e.end] for e in reading.urgent.evidence}


def test_every_evidence_code_is_a_row_of_the_rules(readings: list[SignalReading]) -> None:
    lines = (DATA / "signals" / "rules.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if line and not line.startswith("#"))
    codes = {f"{row['question']}/{row['id']}" for row in rows}
    seen = {e.code for r in readings for e in (*r.kind_evidence, *r.urgent.evidence, *r.out_of_scope.evidence)}
    assert seen
    assert seen <= codes


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", ("isi",)),
        ("😡😡 123 !!", ("isi",)),
        ("min gimana nih kok gini terus", ("objek",)),
        ("Pelayanannya payah sekali di Kota Bekasi", ("objek",)),
        ("Lampu jalan mati di Kota Bekasi", ()),
        ("air mati", ()),
    ],
)
def test_missing(text: str, missing: tuple[str, ...]) -> None:
    assert read(text).missing == missing


def test_the_same_danger_long_ago_is_not_urgent() -> None:
    assert read("Ada warga tertimbun longsor, belum bisa dievakuasi.").urgent.value
    assert not read("Tahun lalu ada warga tertimbun longsor, tembok penahan belum dibangun.").urgent.value


def test_an_urgent_report_is_not_thrown_away() -> None:
    reading = read("Pacar saya mau bunuh diri, dia sudah naik ke atap, tolong kirim petugas")
    assert reading.urgent.value
    assert not reading.out_of_scope.value


def test_a_private_business_is_no_abuse_of_office() -> None:
    assert read("Lurah meminta 200 ribu untuk surat pindah").pengawasan.value
    assert not read("Tukang parkir meminta 5 ribu di minimarket").pengawasan.value


def test_a_flag_is_as_true_as_its_value() -> None:
    assert Flag(value=True, score=0.9)
    assert not Flag(value=False, score=0.1)


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    reading = read(text)
    assert reading.kind in KINDS
    assert 0 <= reading.kind_score <= 1
    for flag in (reading.urgent, reading.pengawasan, reading.out_of_scope):
        assert flag.value == (flag.score >= 0.5)
        assert all(0 <= e.start <= e.end <= len(text) for e in flag.evidence)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("cues.csv", "api,... geni"),
        ("cues.csv", "api,@tidak_ada_macro api"),
        ("cues.csv", "api"),
        ("rules.csv", "urgent,baru,tidak_ada_cue,,1,baru,"),
        ("rules.csv", "urgent,baru,api,,banyak,baru,"),
        ("rules.csv", "apa,baru,api,,1,baru,"),
        ("rules.csv", "urgent,api,api,,1,api,"),
        ("rules.csv", "urgent,baru,!api,,1,baru,"),
        ("patterns.csv", "rusak,(,("),
        ("unions.csv", "gabungan,tidak_ada_cue"),
        ("unions.csv", "masalah,t_rusak"),
        ("patterns.csv", "tanya,?,[?]"),
        ("macros.csv", "tidak,bukan"),
        ("questions.csv", "urgent,-1,"),
        ("empty_words.csv", "pronoun,saya"),
        ("place_words.csv", "preposition,menuju"),
    ],
)
def test_a_table_at_fault_is_refused_with_its_line(table: str, line: str, tmp_path: Path) -> None:
    folder = tmp_path / "signals"
    shutil.copytree(DATA / "signals", folder)
    lines = (folder / table).read_text(encoding="utf-8").splitlines()
    (folder / table).write_text("\n".join([*lines, line]), encoding="utf-8")
    with pytest.raises(DataFileError, match=rf"{table}:{len(lines) + 1}"):
        Signals.load(folder)


def test_the_words_before_a_place_stand_in_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "signals"
    shutil.copytree(DATA / "signals", folder)
    text = clean("Pelayanannya payah sekali di Kota Bekasi")
    assert read(text).missing == ("objek",)
    (folder / "place_words.csv").write_text("kind,words\npreposition,menyang\n", encoding="utf-8")
    assert Signals.load(folder).read(text, WORDLIST.tokens(text)).missing == ()


@pytest.mark.parametrize("path", sorted((DATA / "signals").glob("*.csv")), ids=lambda path: path.name)
def test_every_table_names_its_source_and_licence(path: Path) -> None:
    head = " ".join(line for line in path.read_text(encoding="utf-8").splitlines()[:8] if line.startswith("#"))
    assert "work of the authors of this project; licence MIT" in head


def test_each_question_needs_its_row(tmp_path: Path) -> None:
    folder = tmp_path / "signals"
    shutil.copytree(DATA / "signals", folder)
    (folder / "questions.csv").write_text("question,bias\nurgent,-3\n", encoding="utf-8")
    (folder / "rules.csv").write_text("question,id,cues,within,weight,group\nurgent,api,api,,1,api\n", encoding="utf-8")
    with pytest.raises(DataFileError, match="lacks the questions"):
        Signals.load(folder)


def test_no_cue_has_the_name_of_a_document_cue() -> None:
    lines = (DATA / "signals" / "cues.csv").read_text(encoding="utf-8").splitlines()
    assert not DOCUMENT_CUES & {line.split(",")[0] for line in lines}
