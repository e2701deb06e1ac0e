from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.text.phrases import PhraseTable
from lapor_nlp.text.tokens import Tokens, words


def tokens(text: str, **standard: str) -> Tokens:
    forms, starts, ends = words(text)
    return Tokens(forms, tuple(standard.get(form, form) for form in forms), starts, ends)


def found(phrase: str, text: str, **standard: str) -> list[str]:
    return [text[m.start : m.end] for m in PhraseTable([phrase]).find(tokens(text, **standard))]


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("jalan rusak", "Jalan rusak di sini", ["Jalan rusak"]),
        ("jalan rusak", "jalan yang rusak", []),
        ("bocor*", "pipa bocornya parah", ["bocornya"]),
        ("kades|lurah", "Pak Lurah dan kades", ["Lurah", "kades"]),
        ("lampu ... mati", "lampu jalan mati", ["lampu jalan mati"]),
        ("lampu ... mati", "lampu mati", ["lampu mati"]),
        ("lampu ... mati", "lampu a b c mati", ["lampu a b c mati"]),
        ("lampu ... mati", "lampu a b c d mati", []),
        ("tiang ? miring", "tiang listrik miring", ["tiang listrik miring"]),
        ("tiang ? miring", "tiang miring", []),
        ("jum'at", "hari Jum'at", ["Jum'at"]),
    ],
)
def test_phrases(phrase: str, text: str, expected: list[str]) -> None:
    assert found(phrase, text) == expected


def test_a_written_or_a_standard_form_fits() -> None:
    assert found("jalan rusak", "jln rsk", jln="jalan", rsk="rusak") == ["jln rsk"]
    assert found("jln rusak", "jln rusak", jln="jalan") == ["jln rusak"]


def test_a_standard_form_of_two_words_counts_as_two() -> None:
    assert found("lampu merah mati", "bangjo mati", bangjo="lampu merah") == ["bangjo mati"]
    assert found("ada di mana", "ada dmn", dmn="di mana") == ["ada dmn"]


def test_matches_come_in_order_with_their_rows_and_words() -> None:
    table = PhraseTable(["air mati", "air", "mati*"])
    matches = table.find(tokens("air mati"))
    assert [(m.row, m.first, m.last) for m in matches] == [(0, 0, 1), (1, 0, 0), (2, 1, 1)]


@pytest.mark.parametrize("phrase", ["", "  ", "... air", "air ...", "? air", "air|", "a*b", "-"])
def test_a_phrase_that_cannot_be_used_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"phrase|word"):
        PhraseTable([phrase])


@given(st.text(max_size=60))
def test_word_offsets_point_at_their_words(text: str) -> None:
    forms, starts, ends = words(text)
    assert [text[s:e].lower() for s, e in zip(starts, ends, strict=True)] == list(forms)
    assert list(starts) == sorted(set(starts))
