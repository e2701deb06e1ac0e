"""Where a report happens: invented sentences by kind of trap, pins, given fields, and properties of any answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapor_nlp.place import Location
from lapor_nlp.regions.locator import Locator
from lapor_nlp.regions.names import NameIndex, key
from lapor_nlp.text.tokens import words

HERE = Path(__file__).parent


def _lines(name: str) -> list[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


SENTENCES = [tuple(part.strip() for part in line.split("|", 2)) for line in _lines("sentences.txt")]
NO_PLACE = _lines("no_place.txt")


def _codes(location: Location) -> list[str]:
    return [place.code for place in location.places]


def test_there_are_enough_sentences() -> None:
    assert len(SENTENCES) >= 250
    assert len(NO_PLACE) >= 200
    assert len({codes[:2] for _, codes, _ in SENTENCES if codes != "-"}) >= 34


@pytest.mark.parametrize(("trap", "expected", "text"), SENTENCES)
def test_sentence(locator: Locator, trap: str, expected: str, text: str) -> None:
    found = _codes(locator.locate(text))
    if expected.endswith("*"):
        assert found[:1] == [expected[:-1]]
    else:
        assert set(found) == (set() if expected == "-" else set(expected.split()))


def test_high_confidence_is_right_on_the_sentences(locator: Locator) -> None:
    sure = []
    for _, expected, text in SENTENCES:
        best = locator.locate(text).best
        if best is not None and best.confidence >= 0.8:
            sure.append(best.code in expected.replace("*", "").split())
    assert len(sure) >= 150
    assert sum(sure) / len(sure) >= 0.99


@pytest.mark.parametrize("change", [str, str.upper, str.lower], ids=["as written", "upper", "lower"])
def test_texts_without_a_place(locator: Locator, change: type[str]) -> None:
    wrong = [text for text in NO_PLACE if locator.locate(change(text)).places]
    assert len(wrong) <= 0.01 * len(NO_PLACE), wrong


@pytest.mark.parametrize(
    ("text", "kecamatan", "desa", "kind"),
    [
        ("Kula warga Sinduadi Mlati", "34.04.06", "34.04.06.2001", "kalurahan"),
        ("Jalan di Nagari Taram kec Harau rusak", "13.07.05", "13.07.05.2001", "nagari"),
        ("Kelurahan Kenanga, Kec. Cipondoh, Kota Tangerang gelap", "36.71.05", "36.71.05.1005", "kelurahan"),
        ("Kapanewon Mlati butuh TPS", "34.04.06", None, None),
    ],
)
def test_finer_levels(locator: Locator, text: str, kecamatan: str, desa: str | None, kind: str | None) -> None:
    best = locator.locate(text).best
    assert best is not None
    assert (best.kecamatan, best.desa, best.desa_kind) == (kecamatan, desa, kind)
    assert best.kecamatan_name


def test_agreement_raises_confidence(locator: Locator) -> None:
    alone, agreed = locator.locate("Mlati gelap").best, locator.locate("Mlati, Sleman gelap").best
    assert alone is not None
    assert agreed is not None
    assert agreed.confidence > alone.confidence


def test_twins_share_the_confidence(locator: Locator) -> None:
    one, two = locator.locate("jalan rusak di Bekasi").places
    assert one.confidence == two.confidence < 0.5


class TestPin:
    def test_alone(self, locator: Locator) -> None:
        best = locator.locate("lampunya mati", latitude=-7.7465, longitude=110.4638).best
        assert best is not None
        assert (best.code, best.kecamatan_name) == ("34.04", "Kalasan")
        assert [e.source for e in best.evidence] == ["pin"]
        assert best.confidence >= 0.85

    def test_settles_twins(self, locator: Locator) -> None:
        location = locator.locate("jalan rusak di Tangerang", latitude=-6.2785, longitude=106.5261)
        assert _codes(location) == ["36.03"]
        assert location.notes == ()
        assert location.places[0].confidence >= 0.95

    def test_disagrees_with_the_text(self, locator: Locator) -> None:
        location = locator.locate("jalan rusak di Kabupaten Bantul", latitude=-7.7467, longitude=110.4638)
        assert set(_codes(location)) == {"34.02", "34.04"}
        assert location.notes == ("text_and_pin_disagree",)

    def test_disagrees_with_a_province(self, locator: Locator) -> None:
        location = locator.locate("Pemprov Bali tolong", latitude=-7.7467, longitude=110.4638)
        assert _codes(location) == ["34.04", "51"]
        assert location.notes == ("text_and_pin_disagree",)

    def test_outranks_an_origin(self, locator: Locator) -> None:
        location = locator.locate("saya asal Bekasi, jalan rusak", latitude=-7.7467, longitude=110.4638)
        assert _codes(location) == ["34.04"]
        assert location.notes == ()

    def test_just_across_the_border_agrees(self, locator: Locator) -> None:
        location = locator.locate("got mampet di Kota Yogyakarta", latitude=-7.7690, longitude=110.3780)
        assert _codes(location)[0] == "34.71"
        assert location.notes == ()

    def test_outside(self, locator: Locator) -> None:
        location = locator.locate("jalan rusak di Sleman", latitude=51.5, longitude=0.1)
        assert _codes(location) == ["34.04"]
        assert location.notes == ("pin_outside_indonesia",)

    def test_the_named_kecamatan_counts_before_the_nearest(self, locator: Locator) -> None:
        best = locator.locate("sampah di Prambanan Sleman", latitude=-7.7465, longitude=110.4638).best
        assert best is not None
        assert best.kecamatan_name == "Prambanan"


class TestGiven:
    @pytest.mark.parametrize(
        ("value", "code"),
        [
            ("Sleman", "34.04"),
            ("Kabupaten Sleman", "34.04"),
            ("KAB. SLEMAN", "34.04"),
            ("34.04", "34.04"),
            ("3404", "34.04"),
            ("Kota Bandung", "32.73"),
            ("Kab. Bandung", "32.04"),
            ("Kota Administrasi Jakarta Selatan", "31.74"),
            ("Kota Adm. Jakarta Selatan", "31.74"),
            ("Kab. Toli-toli", "72.04"),
            ("Gunung Kidul", "34.03"),
        ],
    )
    def test_kabkota(self, locator: Locator, value: str, code: str) -> None:
        location = locator.locate("jalan rusak", kabkota=value)
        assert _codes(location) == [code]
        assert location.notes == ()
        assert location.places[0].confidence >= 0.95
        assert location.places[0].evidence[0].source == "given"

    def test_outranks_the_text(self, locator: Locator) -> None:
        location = locator.locate("jalan rusak di Kabupaten Bantul, Kecamatan Sewon", kabkota="Sleman")
        assert _codes(location) == ["34.04", "34.02"]
        assert location.notes == ("text_and_given_disagree",)
        assert location.places[0].confidence >= location.places[1].confidence

    def test_ambiguous_value(self, locator: Locator) -> None:
        assert set(_codes(locator.locate("jalan rusak", kabkota="Tangerang"))) == {"36.03", "36.71"}
        assert _codes(locator.locate("jalan rusak", kabkota="Tangerang", kecamatan="Balaraja")) == ["36.03"]
        assert _codes(locator.locate("jalan Balaraja rusak", kabkota="Tangerang")) == ["36.03"]

    def test_province(self, locator: Locator) -> None:
        assert _codes(locator.locate("jalan rusak", provinsi="DI Yogyakarta")) == ["34"]
        assert _codes(locator.locate("jalan rusak di Depok", provinsi="Jawa Barat")) == ["32.76"]
        assert _codes(locator.locate("jalan rusak", provinsi="34")) == ["34"]

    def test_desa(self, locator: Locator) -> None:
        best = locator.locate("jalan rusak", kecamatan="Mlati", desa="Sinduadi").best
        assert best is not None
        assert (best.code, best.desa_name) == ("34.04", "Sinduadi")

    @pytest.mark.parametrize("field", ["provinsi", "kabkota", "kecamatan", "desa"])
    @pytest.mark.parametrize("value", ["Negeri Khayalan", "99", "99.99.99.9999"])
    def test_unknown(self, locator: Locator, field: str, value: str) -> None:
        location = locator.locate("jalan rusak", **{field: value})  # type: ignore[arg-type]
        assert location == Location(notes=("given_region_unknown",))

    def test_disagrees_with_the_pin(self, locator: Locator) -> None:
        location = locator.locate("jalan rusak", kabkota="Sleman", latitude=-8.65, longitude=115.15)
        assert _codes(location) == ["34.04", "51.03"]
        assert location.notes == ("given_and_pin_disagree",)

    @pytest.mark.parametrize(
        "fields",
        [
            {"provinsi": "Bali", "kabkota": "Sleman"},
            {"kabkota": "34.04", "desa": "51.03.01.2001"},
            {"kabkota": "Sleman", "kecamatan": "Kuta"},
            {"provinsi": "Bali", "kecamatan": "Mlati"},
            {"kecamatan": "Mlati", "desa": "34.04.07.2001"},
        ],
    )
    def test_fields_that_contradict_one_another(self, locator: Locator, fields: dict[str, str]) -> None:
        assert "given_fields_disagree" in locator.locate("jalan rusak", **fields).notes  # type: ignore[arg-type]

    def test_fields_that_agree(self, locator: Locator) -> None:
        fields = {"provinsi": "DI Yogyakarta", "kabkota": "Sleman", "kecamatan": "Mlati", "desa": "Sinduadi"}
        assert locator.locate("jalan rusak di Sleman", **fields).notes == ()  # type: ignore[arg-type]

    def test_province_disagrees_with_the_text(self, locator: Locator) -> None:
        assert locator.locate("jalan di Badung", provinsi="Jawa Barat").notes == ("text_and_given_disagree",)
        assert locator.locate("jalan di Badung", provinsi="Bali").notes == ()

    def test_empty_fields_are_absent(self, locator: Locator) -> None:
        assert locator.locate("jalan rusak", kabkota=" ", provinsi="") == Location()


_WORDS = """di ke dari kab. Kota kec. desa Kel. jl. saya warga bukan Tangerang SLEMAN Batu malang Depok Kuta Utara Mlati
Padang-Bukittinggi Jakarta Bali DIY , . ( ) - Sinduadi Pak Bupati wali İstanbul ’ 2001 🙂 gunung tetap"""
_PIECES = st.sampled_from([*_WORDS.split(), "\n"])


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(_PIECES, max_size=25).map(" ".join)))
def test_any_text(text: str) -> None:
    locator = _shared()
    location = locator.locate(text)
    confidences = [place.confidence for place in location.places]
    assert confidences == sorted(confidences, reverse=True)
    assert len(set(_codes(location))) == len(location.places)
    for place in location.places:
        assert 0 < place.confidence <= 1
        assert place.evidence
        for evidence in place.evidence:
            assert evidence.source == "text"
            assert 0 <= evidence.start < evidence.end <= len(text)
            _check_span(locator, text[evidence.start : evidence.end], evidence.code)
    assert locator.locate(text) == location


def _check_span(locator: Locator, span: str, code: str) -> None:
    """The words of a span are a name of the region that the code gives (or one letter off, or shortened)."""
    names = _names(locator)
    level, _, region = code.partition(":")
    name = key(" ".join(words(span)[0]))
    if level == "desa":
        assert region in names.desa[name].split(",")
        return
    entry = names.bare.get(name) or names.bare.get(
        names.abbreviations.get(name.split()[0], "") + name[len(name.split()[0]) :]
    )
    if entry is None:
        near = names.nearly(name, "kecamatan" if level == "kecamatan" else "kabkota")
        assert near is not None
        entry = names.bare[near]
    known = {kab for kab, _, _ in entry.readings} | {kab for kab, _ in entry.latent}
    finer = (
        {kec for _, kec, _ in entry.readings} | {kec for _, kec in entry.latent} | set(names.kecamatan.get(name, []))
    )
    around = entry.around or (entry.province,)
    assert region in known | finer or region == entry.province or region.startswith(tuple(filter(None, around)))


_CACHE: dict[str, Locator] = {}


def _shared() -> Locator:
    if "locator" not in _CACHE:
        _CACHE["locator"] = Locator.load()
    return _CACHE["locator"]


def _names(locator: Locator) -> NameIndex:
    return locator._names
