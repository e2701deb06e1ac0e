"""Questions: what to ask when the office, its level or its region is open."""

from __future__ import annotations

from pathlib import Path

from lapor_nlp.agencies.template import fields
from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import read_table

WHICH_REGION = "wilayah"
WHICH_OF = "wilayah-ganda"
"""The questions that every table needs: where it is; which of several places ({pilihan}) it is."""


def read_questions(path: Path) -> dict[str, str]:
    """Code to text. Raises DataFileError, with the line, for a row that stands twice or holds an unknown field."""
    questions: dict[str, str] = {}
    for line, row in read_table(path, ("code", "text")):
        code, text = row["code"], row["text"]
        if not code or not text:
            raise DataFileError(path, "a question needs a code and a text", line=line)
        if code in questions:
            raise DataFileError(path, f"the question {code} stands twice", line=line)
        wanted = {"pilihan"} if code == WHICH_OF else set()
        try:
            held = fields(text)
        except ValueError as error:
            raise DataFileError(path, f"{code}: {error}", line=line) from error
        if held != wanted:
            expected = "{pilihan} and no other field" if wanted else "no {field}"
            raise DataFileError(path, f"{code} must hold {expected}", line=line)
        questions[code] = text
    for code in (WHICH_REGION, WHICH_OF):
        if code not in questions:
            raise DataFileError(path, f"lacks the question {code}")
    return questions
