"""Examples: labelled texts as training takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Texts with one label a text for each head, None where it is not known; `weights` default to 1;
    `real` is False for rows that were made up, on which no policy is fitted.

    The sequences may stand on disk; they are read in order, in slices.
    """

    texts: Sequence[str]
    labels: Mapping[str, Sequence[str | None]]
    weights: Sequence[float] | None = None
    times: Sequence[datetime | None] | None = None
    real: Sequence[bool] | None = None

    def __len__(self) -> int:
        return len(self.texts)
