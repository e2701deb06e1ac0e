"""Mention: a name found in a text (or a pin, or a field), with all it can mean and how much it says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Mention:
    """One piece of evidence while a text is being read.

    `first`/`last` are word numbers (inclusive), `start`/`end` offsets into the text. `readings` are (kab/kota,
    kecamatan or "", desa or "", share) and `latent` those that need support from elsewhere (see names.Entry).
    `weight` in [0, 1] is how much the mention speaks for the place where the matter happens; a weight of 0 with
    latent readings is a common word that needs support. `typed` says that a word for the level stood before.
    """

    source: str
    level: str
    first: int
    last: int
    start: int
    end: int
    weight: float
    readings: tuple[tuple[str, str, str, float], ...] = ()
    latent: tuple[tuple[str, str, str], ...] = ()
    province: str = ""
    around: tuple[str, ...] = ()
    role: str = "none"
    typed: bool = False
    name: str = ""

    def reads(self, kabkota: str) -> bool:
        return any(reading[0] == kabkota for reading in self.readings)
