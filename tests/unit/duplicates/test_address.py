"""Parts of addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapor_nlp.duplicates.address import AddressReader
from lapor_nlp.errors import DataFileError
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

READER, WORDS = AddressReader.load(), Wordlist.load()


def parts(text: str) -> set[str]:
    tokens = WORDS.tokens(clean(text))
    names = frozenset(i for i, form in enumerate(tokens.forms) if form.isalpha() and not WORDS.is_common(form))
    return {f"{part.kind} {part.value}" for part in READER.read(tokens, names)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lampu mati di Jl Kaliurang gang 3 no 12A", {"jalan kaliurang", "gang 3", "nomor 12a"}),
        ("warga RT 02 RW 05", {"rt 2", "rw 5"}),
        ("warga RT.02/RW.05", {"rt 2", "rw 5"}),
        ("warga rt/rw 02/05", {"rt 2", "rw 5"}),
        ("warga rt02 rw005", {"rt 2", "rw 5"}),
        ("gang III", {"gang 3"}),
        ("gg IX nomor 4", {"gang 9", "nomor 4"}),
        ("blok C nomor 07", {"blok c", "nomor 7"}),
        ("km 5", {"km 5"}),
        ("di Margorukun 5", {"nama 5"}),
        ("di Margorukun VII", {"nama 7"}),
        ("gang no 8", {"gang 8", "nomor 8"}),
        ("jalan rusak parah", set()),
        ("rt", set()),
        ("", set()),
    ],
)
def test_parts(text: str, expected: set[str]) -> None:
    assert parts(text) == expected


def test_a_wrong_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "address_words.csv").write_text("word,kind\njl,jalan\nlor,arah\n", encoding="utf-8")
    with pytest.raises(DataFileError, match="kind must be one of"):
        AddressReader.load(tmp_path)
