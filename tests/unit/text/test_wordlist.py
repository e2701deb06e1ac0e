from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist


@pytest.fixture(scope="module")
def wordlist() -> Wordlist:
    return Wordlist.load()


def standard(wordlist: Wordlist, text: str) -> str:
    return " ".join(wordlist.tokens(clean(text)).standard)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jln rusak bgt tlg dibenerin", "jalan rusak banget tolong diperbaiki"),
        ("udh 2 thn ga pernah diaspal", "sudah 2 tahun tidak pernah diaspal"),
        ("ibu2 sama anak2 pd jatoh", "ibu ibu sama anak anak pada jatuh"),
        ("dmn2 sampah, libur2an", "di mana mana sampah libur liburan"),
        ("anak2nya, kejadian2lah", "anak anak kejadian kejadian"),
        ("tolooong banjirrr bangettt", "tolong banjir banget"),
        ("TLG LAMPU JLN MATI", "tolong lampu jalan mati"),
        ("dalan ngarep omahku bolong, ora ono sing ndandani", "jalan depan rumah berlubang tidak ada yang memperbaiki"),
        ("jalan payuneun bumi bolong jarero, teu acan dilereskeun", "jalan depan rumah berlubang dalam tidak belum"),
        ("aia indak iduik, urang sakampuang alah maleh mambayia", "air tidak hidup orang"),
        ("margine benyah, tusing taen melahanga", "jalan rusak tidak pernah diperbaiki"),
        ("banyu kada maalir, ulun handak mandi", "air tidak"),
    ],
)
def test_standard_forms(wordlist: Wordlist, text: str, expected: str) -> None:
    assert standard(wordlist, text).startswith(expected)


def test_a_doubtful_word_needs_two_sure_ones_of_its_language(wordlist: Wordlist) -> None:
    assert standard(wordlist, "tiang listrik miring") == "tiang listrik miring"
    assert standard(wordlist, "tiang uling Dalung, margine benyah latig").startswith("saya dari dalung jalan")
    assert standard(wordlist, "air mati dari kemarin") == "air mati dari kemarin"


def test_a_doubtful_word_follows_the_language_that_leads(wordlist: Wordlist) -> None:
    assert standard(wordlist, "kancaku sing omahe kebanjiran wis ngungsi").split()[1] == "yang"
    assert standard(wordlist, "tusing ada sane teka, sing taen melahanga").split()[4] == "tidak"


@pytest.mark.parametrize(
    "text", ["rumah di RT 5 km 14, Rp 450000", "kode B3 dan A4, SMP2, no resi RR118820334TW", "30rb"]
)
def test_numbers_and_codes_stay(wordlist: Wordlist, text: str) -> None:
    tokens = wordlist.tokens(text)
    for form, standard_form in zip(tokens.forms, tokens.standard, strict=True):
        if any(c.isdigit() for c in form):
            assert standard_form == form


def test_a_name_in_mid_sentence_stays(wordlist: Wordlist) -> None:
    text = "wis suwe dalan menyang Banyu Omah ora didandani"
    assert standard(wordlist, text).split()[4:6] == ["banyu", "omah"]
    assert standard(wordlist, text.lower()).split()[4:6] == ["air", "rumah"]


def test_offsets_and_lengths(wordlist: Wordlist) -> None:
    tokens = wordlist.tokens("Jln dmn2?")
    assert (tokens.forms, tokens.starts, tokens.ends) == (("jln", "dmn2"), (0, 4), (3, 8))


def test_languages_count_distinct_sure_words(wordlist: Wordlist) -> None:
    assert wordlist.languages(["ora", "ora", "iso", "bgt", "tiang"]) == {"jv": 2, "slang": 1}
    assert wordlist.languages([]) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lampu jalan mati sejak seminggu, mohon diperbaiki", "id"),
        ("jln rusak bgt min tlg dong", "id"),
        ("dalane rusak, ora ono sing ndandani", "jv"),
        ("runtah numpuk pisan, bauna teu kuat", "su"),
        ("aia indak iduik, jalan lah rusak bana", "min"),
        ("margine benyah latig, tusing taen kabecikang", "ban"),
        ("", "id"),
    ],
)
def test_language(wordlist: Wordlist, text: str, expected: str) -> None:
    assert wordlist.language(wordlist.tokens(text)) == expected


@given(st.text(max_size=60) | st.text(alphabet="jlnrsk2aioutgd' ANDK.", max_size=60))
def test_tokens_of_any_text(text: str) -> None:
    tokens = WORDLIST.tokens(clean(text))
    assert len(tokens.forms) == len(tokens.standard) == len(tokens.starts) == len(tokens.ends)
    assert all(form and standard_form for form, standard_form in zip(tokens.forms, tokens.standard, strict=True))


WORDLIST = Wordlist.load()


@pytest.mark.parametrize("piece", ["IBU2 ", "AIR2 mati ", "tolooong ", "jln RUSAK2nya ", "wis Ora "])
def test_long_texts_end(piece: str) -> None:
    text = piece * (99_999 // len(piece))
    assert len(WORDLIST.tokens(text)) == len(text.split())


def test_the_table_covers_slang_and_the_regional_languages() -> None:
    rows = Counter(row["language"] for _, row in read_table(DATA / "text" / "words.csv", ("language",)))
    assert rows["slang"] >= 700
    assert min(rows["jv"], rows["su"]) >= 500
    assert min(rows["min"], rows["ban"]) >= 350
    assert min(rows["btw"], rows["bjn"], rows["mly"]) >= 60


def test_no_standard_form_is_itself_slang() -> None:
    rows = [row for _, row in read_table(DATA / "text" / "words.csv", ("form", "standard", "language", "sure"))]
    slang = {r["form"]: r["standard"] for r in rows if r["language"] == "slang" and r["sure"] == "1"}
    again = {r["form"] for r in rows for word in r["standard"].split() if slang.get(word, word) != word}
    assert again == set()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("jln,jalan,xx,1", "language"),
        ("jln,jalan,slang,2", "sure"),
        ("jln rusak,jalan,slang,1", "one word"),
        ("jln,,slang,1", "standard form"),
        ("jln,jalan,slang,1\njln,jalan raya,slang,1", "twice"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "words.csv").write_text(f"form,standard,language,sure\n{row}\n", encoding="utf-8")
    with pytest.raises(DataFileError, match=message):
        Wordlist.load(tmp_path)
