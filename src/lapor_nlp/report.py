"""Report: the one input type. It refuses what cannot be used and says what to do instead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from numbers import Integral, Real
from typing import Any

from lapor_nlp.errors import ReportError

MAX_TEXT = 100_000
"""Longest text that is accepted, in characters. The longest real complaints have about 8,000."""

MAX_FIELD = 500
"""Longest value of any short field, in characters."""

_ALIASES = {
    "tracking_id": "id",
    "judul": "title",
    "isi": "text",
    "isi_laporan": "text",
    "laporan": "text",
    "tanggal": "time",
    "tanggal_kejadian": "time",
    "date": "time",
    "lat": "latitude",
    "lintang": "latitude",
    "lon": "longitude",
    "lng": "longitude",
    "bujur": "longitude",
    "province": "provinsi",
    "regency": "kabkota",
    "kabupaten": "kabkota",
    "kota": "kabkota",
    "district": "kecamatan",
    "village": "desa",
    "kelurahan": "desa",
    "instansi": "chosen_agency",
    "instansi_tujuan": "chosen_agency",
    "rahasia": "confidential",
    "anonim": "anonymous",
    "pelapor_id": "sender",
    "sender_key": "sender",
}
"""Column names of the national platform and common English ones, to field names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One complaint, aspiration or question, as the citizen sent it.

        Report(id="L-81", text="Lampu jalan mati di Jl Kaliurang km 5, Sleman")

    `latitude`/`longitude` are WGS84 degrees and come together or not at all. `provinsi`, `kabkota`,
    `kecamatan` and `desa` are what a form's place fields hold: a name or a Kemendagri code; unknown
    ones are noted in the decision, not refused. `chosen_agency` is the instansi that the reporter picked. A report
    that is `confidential` (rahasia) is routed like any other. Nothing is trimmed or
    rewritten: spans in a decision count code points in `text` as given here. `sender` is an opaque key, the same for
    all reports of one person; it is only ever compared, and kept as a hash.

    Raises ReportError with the field's name.
    """

    id: str
    text: str = field(repr=False)
    title: str | None = field(default=None, repr=False)
    time: datetime | None = None
    latitude: float | None = None
    longitude: float | None = None
    provinsi: str | None = None
    kabkota: str | None = None
    kecamatan: str | None = None
    desa: str | None = None
    chosen_agency: str | None = field(default=None, repr=False)
    confidential: bool = False
    anonymous: bool = False
    sender: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_string("id", self.id, MAX_FIELD)
        if not self.id.strip():
            raise ReportError("id", "is empty; give each report an id of its own")
        _check_string("text", self.text, MAX_TEXT)
        for name in ("title", "provinsi", "kabkota", "kecamatan", "desa", "chosen_agency", "sender"):
            value = getattr(self, name)
            if value is not None:
                _check_string(name, value, MAX_FIELD)
        if self.time is not None and not isinstance(self.time, datetime):
            raise ReportError("time", f"must be a datetime, not {type(self.time).__name__}")
        if (self.latitude is None) != (self.longitude is None):
            missing = "latitude" if self.latitude is None else "longitude"
            raise ReportError(missing, "is missing; give latitude and longitude together, or neither")
        if self.latitude is not None and self.longitude is not None:
            _check_degrees("latitude", self.latitude, 90)
            _check_degrees("longitude", self.longitude, 180)
        for name in ("confidential", "anonymous"):
            if not isinstance(getattr(self, name), bool):
                raise ReportError(name, "must be true or false")

    @property
    def reading(self) -> str:
        """What the library reads: the title, a line break and the text; or the text alone."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    @property
    def text_offset(self) -> int:
        """Where `text` starts inside `reading`."""
        return len(self.title) + 1 if self.title else 0

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> Report:
        """Build a report from a row of JSON or CSV.

        Accepts the field names above and those of the national platform (`isi`, `judul`, `instansi_tujuan`,
        `rahasia`, `lat`, `lon`, ...); empty strings, null and NaN count as absent; ISO 8601 times, numbers and
        yes/no words in strings are parsed; a title may stand without a text; other columns are ignored. Where two
        columns mean the same field, the first that is not empty counts.

        Raises ReportError with the field's name.
        """
        if not isinstance(row, Mapping):
            raise ReportError("row", f"must be an object with fields, not {type(row).__name__}")
        values: dict[str, Any] = {}
        for key, value in row.items():
            name = field_of(key)
            if name is not None and name not in values and not _is_absent(value):
                values[name] = value
        if "title" in values:
            values.setdefault("text", "")
        for name in ("id", "text"):
            if name not in values:
                raise ReportError(name, f"is missing or empty; each report needs the fields id and text{_got(row)}")
        for name, value in values.items():
            if name in ("latitude", "longitude"):
                values[name] = _parse_degrees(name, value)
            elif name in ("confidential", "anonymous"):
                values[name] = _parse_flag(name, value)
            elif name == "time":
                values[name] = _parse_time(value)
            elif name in ("id", "provinsi", "kabkota", "kecamatan", "desa", "sender") and isinstance(value, Integral):
                values[name] = value if isinstance(value, bool) else str(value)
        return cls(**values)


_FIELDS = frozenset(f.name for f in fields(Report))


def field_of(column: object) -> str | None:
    """The field that a column of a table or a key of JSON means, or None.

    field_of("Isi Laporan") -> "text"
    """
    name = str(column).strip().lower().replace(" ", "_")
    name = _ALIASES.get(name, name)
    return name if name in _FIELDS else None


def given_id(row: Mapping[str, Any]) -> str | None:
    """The id of a row that may be unusable otherwise, at most 100 characters, safe to print."""
    for key, value in row.items():
        if field_of(key) == "id" and not _is_absent(value):
            return str(value)[:100].encode("utf-8", "replace").decode()
    return None


def _check_string(name: str, value: object, longest: int) -> None:
    if not isinstance(value, str):
        raise ReportError(name, f"must be text, not {type(value).__name__}")
    if len(value) > longest:
        raise ReportError(name, f"has {len(value):,} characters; the limit is {longest:,}: shorten or split it")
    if not value.isascii() and any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise ReportError(name, "holds a broken character (lone surrogate); decode the source as UTF-8 again")
    if "\x00" in value:
        raise ReportError(name, "holds a NUL character: this looks like binary data, not text")


def _check_degrees(name: str, value: object, limit: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ReportError(name, f"must be a number of degrees, not {type(value).__name__}")
    if not math.isfinite(degrees := float(value)):
        raise ReportError(name, "is not a finite number; leave the coordinates out when they are unknown")
    if abs(degrees) > limit:
        raise ReportError(name, f"is out of range; degrees run from -{limit} to {limit} (are lat and lon swapped?)")


def _is_absent(value: Any) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and not value.strip()


def _got(row: Mapping[str, Any]) -> str:
    """Which known fields a row has. Unknown keys are counted, not named: they may hold anything."""
    known = sorted({name for name in map(field_of, row) if name is not None})
    return f" (this row has {len(row)} columns; known among them: {', '.join(known) or 'none'})"


def _parse_degrees(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return float(value.strip())
    except ValueError:
        raise ReportError(name, "is not a number; write degrees with a decimal point, such as -7.7690") from None


_FLAGS = {
    **dict.fromkeys(("true", "yes", "ya", "y", "1"), True),
    **dict.fromkeys(("false", "no", "tidak", "n", "0"), False),
}


def _parse_flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    flag = _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise ReportError(name, "must be true or false (ya/tidak also do)")
    return flag


def _parse_time(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ReportError("time", "is not an ISO 8601 time; write 2026-03-01 or 2026-03-01T09:30:00+07:00") from None
