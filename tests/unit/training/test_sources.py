from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("datasets")
from lapor_nlp.training.sources import parse_time


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2025-03-01", datetime(2025, 3, 1)),
        ("20250301", datetime(2025, 3, 1)),
        (20250301, datetime(2025, 3, 1)),
        ("2025-03-01 09:30:15", datetime(2025, 3, 1, 9, 30, 15)),
        ("2025-03-01T09:30:00+07:00", datetime(2025, 3, 1, 9, 30)),
        ("2025-03-01T02:30:00Z", datetime(2025, 3, 1, 9, 30)),
        ("2025-03-01 09:30 WIB", datetime(2025, 3, 1, 9, 30)),
        ("2025-03-01 11:30 WIT", datetime(2025, 3, 1, 9, 30)),
        ("31/12/2025", datetime(2025, 12, 31)),
        ("1-2-2025 08.05", datetime(2025, 2, 1, 8, 5)),
        ("01.02.2025, 8:05:09", datetime(2025, 2, 1, 8, 5, 9)),
        (1740796200, datetime(2025, 3, 1, 9, 30)),
        ("1740796200000", datetime(2025, 3, 1, 9, 30)),
        (1740796200.0, datetime(2025, 3, 1, 9, 30)),
        (date(2025, 3, 1), datetime(2025, 3, 1)),
        (datetime(2025, 3, 1, 2, 30, tzinfo=UTC), datetime(2025, 3, 1, 9, 30)),
        (datetime(2025, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=7))), datetime(2025, 3, 1, 9, 30)),
        ("", None),
        (None, None),
        (float("nan"), None),
        ("NaT", None),
    ],
)
def test_times(given: object, meant: datetime | None) -> None:
    assert parse_time(given) == meant


@pytest.mark.parametrize("given", ["kemarin", "12/31/2025", "1/2-2025", "45000", "31/02/2025", "2025-13-01", "1/2/25"])
def test_times_that_are_not_guessed(given: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(given)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)))
def test_day_first_and_iso_agree(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    assert parse_time(moment.strftime("%d/%m/%Y %H:%M:%S")) == parse_time(moment.isoformat()) == moment
