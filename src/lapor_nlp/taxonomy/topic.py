"""Topic: one matter that citizens report, at the grain that decides who answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """One leaf of the taxonomy, a row of `topics.csv`.

    `kategori` is the path in the official SP4N-LAPOR! list from the top category down; `urusan` the affair of
    government by which agencies are chosen.
    """

    code: str
    name: str
    kategori: tuple[str, ...]
    urusan: str
    description: str = ""

    @property
    def category(self) -> str:
        """The official top category, as in `PERHUBUNGAN`."""
        return self.kategori[0]
