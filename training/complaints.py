"""Loaders for the labelled complaints that recipes and benchmarks use. The seeds alone are part of this project."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapor_nlp.taxonomy.taxonomy import Taxonomy, load_labels
from lapor_nlp.text.clean import clean
from lapor_nlp.text.tokens import Tokens
from lapor_nlp.text.wordlist import Wordlist

HERE = Path(__file__).parent


YES, NO = "ya", "tidak"


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A text with its labels by question (topic, kind, urgent, pengawasan, out_of_scope), and where it came from."""

    text: str
    labels: Mapping[str, str]
    source: str
    time: str | None = None

    @property
    def topic(self) -> str | None:
        return self.labels.get("topic")


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def surabaya(path: Path) -> list[Labelled]:
    """City complaints with the city's own topics carried over to ours; topics without a counterpart are left out."""
    carried = load_labels("surabaya")
    rows = ((row["text"], carried.get(row.get("topic") or "")) for row in read_jsonl(path))
    return [Labelled(text=text, labels={"topic": topic}, source="surabaya") for text, topic in rows if topic]


def surabaya_offices(path: Path, *, like: Path, fewest: int = 20) -> list[Labelled]:
    """All city complaints, labelled with our topic where there is one, the city's own topic, and the office.

    Offices with less than `fewest` rows in the file `like` are left out.
    """
    carried = load_labels("surabaya")
    counts = Counter(office(row.get("agency") or "") for row in read_jsonl(like))
    found = []
    for row in read_jsonl(path):
        labels = {
            "topic": carried.get(row.get("topic") or ""),
            "topic_surabaya": row.get("topic"),
            "agency_surabaya": office(row.get("agency") or ""),
        }
        if counts[labels["agency_surabaya"] or ""] < fewest:
            del labels["agency_surabaya"]
        kept = {head: label for head, label in labels.items() if label}
        found.append(Labelled(text=row["text"], labels=kept, source="surabaya", time=row.get("date")))
    return found


def office(name: str) -> str:
    """The office as one class: all kelurahan are one, all kecamatan another."""
    return next((kind for kind in ("Kelurahan", "Kecamatan") if name.startswith(kind)), name)


def national(path: Path) -> list[Labelled]:
    """National complaints of 2017, labelled by reading (labels/lapor_2017.csv), repeats of a template left out."""
    with (HERE / "labels" / "lapor_2017.csv").open(encoding="utf-8") as file:
        labels = {row["id"]: row for row in csv.DictReader(file)}
    found = [
        Labelled(
            text=f"{row.get('title') or ''}\n{row['text_no_addressee']}",
            labels=_answers(labels[str(row["id"])]),
            source="nasional",
        )
        for row in read_jsonl(path)
        if str(row["id"]) in labels
    ]
    return without_repeats(found)


def seeds() -> list[Labelled]:
    """Reports written for this project (seeds/*.jsonl)."""
    return [
        Labelled(text=row["text"], labels=_answers(row), source=f"seed-{row['language']}")
        for path in sorted((HERE / "seeds").glob("*.jsonl"))
        for row in read_jsonl(path)
    ]


def descriptions(taxonomy: Taxonomy) -> list[Labelled]:
    """The name of each topic with each part of its description, as very short reports."""
    return [
        Labelled(text=f"{topic.name}. {part.strip()}", labels={"topic": topic.code}, source="taksonomi")
        for topic in taxonomy
        for part in topic.description.split(",")
        if topic.code != "lainnya"
    ]


def _answers(row: Mapping[str, Any]) -> dict[str, str]:
    """Labels of a row. One that is out of scope has no topic and no kind."""
    yes = {name: str(row.get(name, 0)).lower() in ("1", "true") for name in ("urgent", "pengawasan", "out_of_scope")}
    answers = {name: YES if value else NO for name, value in yes.items()}
    return answers if yes["out_of_scope"] else {**answers, "topic": row["topic"], "kind": row["kind"]}


def without_repeats(rows: Iterable[Labelled], *, words: int = 12) -> list[Labelled]:
    """Rows whose last `words` words (of letters) did not come before: templates are sent by many people."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for row in rows:
        key = tuple("".join(c for c in word if c.isalpha()) for word in row.text.lower().split()[-words:])
        if len(key) < words or key not in seen:
            kept.append(row)
        seen.add(key)
    return kept


def tokens_of(rows: Iterable[Labelled], wordlist: Wordlist) -> list[Tokens]:
    return [wordlist.tokens(clean(row.text)) for row in rows]


def folds(rows: Sequence[Labelled], count: int) -> list[list[int]]:
    """Row numbers of `count` folds, every count-th row each."""
    return [list(range(k, len(rows), count)) for k in range(count)]
