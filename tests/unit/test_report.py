from __future__ import annotations

import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.errors import LaporError, ReportError
from lapor_nlp.report import MAX_TEXT, Report, given_id


def test_reading_puts_the_title_first() -> None:
    report = Report(id="1", title="Lampu mati", text="Di gang tiga.")
    assert report.reading == "Lampu mati\nDi gang tiga."
    assert report.reading[report.text_offset :] == report.text


def test_without_title_the_reading_is_the_text() -> None:
    report = Report(id="1", text="Di gang tiga.")
    assert (report.reading, report.text_offset) == ("Di gang tiga.", 0)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": "  "}, "id"),
        ({"id": 5}, "id"),
        ({"text": None}, "text"),
        ({"text": b"abc"}, "text"),
        ({"text": "x" * (MAX_TEXT + 1)}, "text"),
        ({"text": "rusak \ud800"}, "text"),
        ({"text": "PK\x00\x03"}, "text"),
        ({"title": 3}, "title"),
        ({"desa": "x" * 501}, "desa"),
        ({"latitude": -7.0}, "longitude"),
        ({"longitude": 110.0}, "latitude"),
        ({"latitude": 110.0, "longitude": -7.0}, "latitude"),
        ({"latitude": -7.0, "longitude": 200.0}, "longitude"),
        ({"latitude": math.nan, "longitude": 110.0}, "latitude"),
        ({"latitude": math.inf, "longitude": 110.0}, "latitude"),
        ({"latitude": "-7", "longitude": 110.0}, "latitude"),
        ({"latitude": True, "longitude": 110.0}, "latitude"),
        ({"time": "2026-01-01"}, "time"),
        ({"confidential": "ya"}, "confidential"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(fields: dict[str, object], field: str) -> None:
    with pytest.raises(ReportError) as caught:
        Report(**{"id": "1", "text": "Jalan rusak", **fields})  # type: ignore[arg-type]
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


def test_empty_text_is_a_report() -> None:
    assert Report(id="1", text="").reading == ""


def test_a_row_of_the_platform() -> None:
    report = Report.from_mapping(
        {
            "Tracking ID": 991,
            "judul": "Sampah",
            "isi": "Sampah menumpuk",
            "tanggal kejadian": "2026-03-01",
            "lat": "-7.75",
            "lon": 110.4,
            "kota": "Sleman",
            "instansi tujuan": "Pemkab Sleman",
            "rahasia": "ya",
            "sumber": "web",
        }
    )
    assert report == Report(
        id="991",
        title="Sampah",
        text="Sampah menumpuk",
        time=datetime(2026, 3, 1),
        latitude=-7.75,
        longitude=110.4,
        kabkota="Sleman",
        chosen_agency="Pemkab Sleman",
        confidential=True,
    )


def test_blank_and_nan_count_as_absent() -> None:
    report = Report.from_mapping({"id": "1", "text": "Air mati", "lat": math.nan, "lon": "", "title": None})
    assert (report.latitude, report.longitude, report.title) == (None, None, None)


def test_the_first_filled_column_counts() -> None:
    assert Report.from_mapping({"id": "1", "text": "", "isi": "Air mati"}).text == "Air mati"


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"text": "Air mati"}, "id"),
        ({"id": "1"}, "text"),
        ({"id": "1", "text": "  "}, "text"),
        ({}, "id"),
        ({"id": "1", "text": "Air mati", "lat": "tujuh", "lon": "110"}, "latitude"),
        ({"id": "1", "text": "Air mati", "time": "kemarin"}, "time"),
        ({"id": "1", "text": "Air mati", "rahasia": "mungkin"}, "confidential"),
        ({"id": "1", "text": ["Air mati"]}, "text"),
        (["id"], "row"),
    ],
)
def test_bad_rows_name_the_field(row: object, field: str) -> None:
    with pytest.raises(ReportError) as caught:
        Report.from_mapping(row)  # type: ignore[arg-type]
    assert caught.value.field == field


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.binary(max_size=5), st.just([1])
)


@given(
    st.dictionaries(
        st.sampled_from(["id", "text", "isi", "title", "lat", "lon", "time", "rahasia", "desa", "x"]), VALUES
    )
)
def test_any_row_gives_a_report_or_a_clear_error(row: dict[str, object]) -> None:
    try:
        report = Report.from_mapping(row)
    except LaporError:
        return
    assert report.id.strip()
    assert report.reading.strip()


def test_an_error_never_repeats_what_a_row_holds() -> None:
    for row in (
        {"081200001234": "x", "Budi Santoso": "y"},
        {"id": "1", "text": "Air mati", "lat": "81234567890", "lon": "1"},
        {"id": "1", "text": "Air mati", "rahasia": "Budi Santoso"},
    ):
        with pytest.raises(ReportError) as caught:
            Report.from_mapping(row)
        assert not any(secret in str(caught.value) for secret in ("0812", "8123", "Budi"))


def test_a_report_in_a_log_shows_no_text() -> None:
    report = Report(id="1", text="NIK 3404071212900001", title="Budi", chosen_agency="Pak Budi")
    assert "Budi" not in repr(report)
    assert "3404" not in repr(report)


def test_a_title_may_stand_alone() -> None:
    report = Report.from_mapping({"id": "1", "judul": "Lampu mati di Sleman", "isi": ""})
    assert (report.text, report.title) == ("", "Lampu mati di Sleman")


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    report = Report.from_mapping(
        {"id": numpy.int64(7), "text": "Air mati", "lat": numpy.float32(-7.5), "lon": numpy.float64(110.0)}
    )
    assert (report.id, report.latitude) == ("7", -7.5)


@pytest.mark.parametrize(
    ("row", "expected"),
    [({"tracking_id": "L-1"}, "L-1"), ({"ID": 5}, "5"), ({"id": math.nan}, None), ({"id": "\ud800"}, "?"), ({}, None)],
)
def test_the_id_of_a_bad_row(row: dict[str, object], expected: str | None) -> None:
    assert given_id(row) == expected
