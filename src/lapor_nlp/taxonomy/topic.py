"""Topic: one matter that citizens report, at the grain that decides who answers."""

from __future__ import annotations

from dataclasses import dataclass

PLACE_RULES = ("wajib", "perlu", "bebas")
"""Whether an office needs a place: `wajib` always, `perlu` to choose the office, `bebas` not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """One leaf of the taxonomy, a row of `topics.csv`.

    `kategori` is the path in the official SP4N-LAPOR! list from the top category down; `urusan` the affair of
    government by which agencies are chosen; `place` one of PLACE_RULES.
    """

    code: str
    name: str
    kategori: tuple[str, ...]
    urusan: str
    place: str
    description: str = ""

    @property
    def category(self) -> str:
        """The official top category, as in `PERHUBUNGAN`."""
        return self.kategori[0]
