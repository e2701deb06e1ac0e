"""Place and Location: where a report happens, as a set of candidates."""

from __future__ import annotations

from dataclasses import dataclass

from lapor_nlp.evidence import Evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One candidate: a kabupaten/kota, or a province when nothing finer is known.

    `code` is the Kemendagri code (`34.04`; `34` for a province), `name` the full name with its kind
    (`Kabupaten Sleman`, `Kota Bandung`, `Provinsi Bali`). `kecamatan` and `desa` are finer codes
    (`34.04.07`, `34.04.07.2001`) with their bare names, when the report gives them. `confidence` is in [0, 1].
    """

    code: str
    name: str
    confidence: float
    kecamatan: str | None = None
    kecamatan_name: str | None = None
    desa: str | None = None
    desa_name: str | None = None
    desa_kind: str | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def province(self) -> str:
        """The two-digit code of the province."""
        return self.code[:2]

    @property
    def is_province(self) -> bool:
        return len(self.code) == 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """All candidates, best first, and codes of what seemed odd.

    `notes` may hold `given_fields_disagree` (the fields of the form contradict one another),
    `text_and_given_disagree`, `text_and_pin_disagree`, `given_and_pin_disagree`, `pin_outside_indonesia` and
    `given_region_unknown`.
    """

    places: tuple[Place, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Place | None:
        return self.places[0] if self.places else None
