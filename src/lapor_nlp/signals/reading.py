"""SignalReading: what a report wants, how pressing it is and whether it belongs here."""

from __future__ import annotations

from dataclasses import dataclass

from lapor_nlp.evidence import Evidence

PENGADUAN = "pengaduan"
ASPIRASI = "aspirasi"
PERMINTAAN_INFORMASI = "permintaan_informasi"
KINDS = (PENGADUAN, ASPIRASI, PERMINTAAN_INFORMASI)
"""Something is wrong; a wish or proposal; a question."""

OBJEK = "objek"
ISI = "isi"
"""What a report may lack: the matter it is about, or any content."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Flag:
    """A yes/no answer with its score in [0, 1] (yes from 0.5 up) and the rules that spoke, the strongest first.

    `reason` is the group of the strongest rule when the answer is yes (for out_of_scope: `iklan`, `uji_coba`,
    `urusan_pribadi`, `bukan_layanan_publik`, `tanpa_isi`, `bahasa_asing`), else empty.
    """

    value: bool
    score: float
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""

    def __bool__(self) -> bool:
        return self.value


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalReading:
    """The answers to the other questions an officer asks of a report.

    `kind` is one of KINDS. `missing` names what the report lacks: `objek` (no matter is named) or `isi` (no words
    at all). Whether a place is missing is not judged here. `kind` of a report that is out of scope is `pengaduan`.
    """

    kind: str
    kind_score: float
    kind_evidence: tuple[Evidence, ...]
    urgent: Flag
    pengawasan: Flag
    out_of_scope: Flag
    missing: tuple[str, ...] = ()
