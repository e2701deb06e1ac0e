"""Wording: the Indonesian sentences that go with reason codes, and the questions to the reporter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.decision import Reason
from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table

_OUT_OF_SCOPE_CATEGORY = "TOPIK LAINNYA"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """Texts by reason code, a row of `reasons.csv` each."""

    texts: Mapping[str, str]
    questions: Mapping[str, str]
    out_of_scope_category: str = _OUT_OF_SCOPE_CATEGORY

    @classmethod
    def load(cls, path: Path | None = None) -> Wording:
        path = path or DATA / "decision" / "reasons.csv"
        texts: dict[str, str] = {}
        questions: dict[str, str] = {}
        for line, row in read_table(path, ("code", "text", "question")):
            if row["code"] in texts:
                raise DataFileError(path, f"the code {row['code']!r} stands twice", line=line)
            try:
                row["text"].format(confidence="")
            except (KeyError, IndexError, ValueError) as error:
                raise DataFileError(path, "the text may hold {confidence} and no other braces", line=line) from error
            texts[row["code"]] = row["text"]
            if row["question"]:
                questions[row["code"]] = row["question"]
        return cls(texts=texts, questions=questions)

    def reason(self, code: str, **values: str) -> Reason:
        """The reason with its sentence filled in. A code without a row is its own sentence."""
        return Reason(code=code, text=self.texts.get(code, code).format(**values))
