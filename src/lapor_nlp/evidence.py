"""Evidence: the stretch of a report that supports an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """Why a part of the library says what it says.

    `code` names the row or rule that matched (stable, for machines), `source` where it was found:
    `text` (then `start`/`end` are code-point offsets into the text that was read), `pin`
    (coordinates) or `given` (a field of the report; `start == end == 0` for both).
    """

    code: str
    source: str = "text"
    start: int = 0
    end: int = 0
