from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.text.clean import clean, fold, is_binary_like


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jalan rusak, no 5!", "Jalan rusak, no 5!"),
        ("a\tb\x07c", "a b c"),
        ("baris satu\r\nbaris dua\rtiga", "baris satu \nbaris dua\ntiga"),
        ("satu\\ndua\\ttiga", "satu  dua  tiga"),
        ("jln <b>rusak</b>", "jln    rusak    "),
        ("<br/>banjir<p class='x'>", "     banjir             "),
        ("air &amp; listrik&nbsp;mati", "air &     listrik      mati"),
        ("&#8220;bau&#8221;", '"      bau"      '),
        ("itâ€™s", "it'  s"),
        ("\u201cmacet\u201d \u2018parah\u2019", "\"macet\" 'parah'"),
        ("Ｂａｎｊｉｒ １２", "Banjir 12"),
        ("\U0001d413\U0001d428\U0001d425\U0001d428\U0001d427\U0001d420", "Tolong"),
        ("macet😀👍🏽 total", "macet    total"),
        ("to\u200blong", "to long"),
        ("sanés kéné", "sanes kene"),
        ("٠٨١٢", "0812"),
        ("jam 7 \u2013 9\u2026", "jam 7 - 9."),
        ("kurang < 5 km & lebih > 3 km, 30°C", "kurang < 5 km & lebih > 3 km, 30°C"),
        ("", ""),
    ],
)
def test_clean_blanks_what_is_no_text(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_an_address_in_angle_brackets_is_no_tag() -> None:
    assert clean("dari <warga@example.com>") == "dari <warga@example.com>"


def test_fold_keeps_what_a_tag_holds() -> None:
    text = '<a href="mailto:warga@example.com">'
    assert fold(text) == text
    assert clean(text).strip() == ""


@given(st.text(max_size=80) | st.text(alphabet="<>&;#x0123456789abnrt\\/ â€™œ\r\nÂÃ©ðŸ˜€\u200d", max_size=60))
def test_clean_keeps_the_length_of_any_text(text: str) -> None:
    assert len(clean(text)) == len(text)
    assert len(fold(text)) == len(text)


def test_clean_survives_every_code_point() -> None:
    every = "".join(map(chr, range(0x110000)))
    assert len(clean(every)) == len(every)


def test_a_long_run_of_open_tags_takes_linear_time() -> None:
    text = "<a " * 50_000
    assert len(clean(text)) == len(text)


def test_binary_is_told_from_text() -> None:
    assert is_binary_like("PK\x03\x04\x00\x00\x14")
    assert not is_binary_like("Jalan rusak\r\n\tdi RT 5")
    assert not is_binary_like("")
