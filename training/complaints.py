"""Loaders for the labelled complaints that recipes and benchmarks use. The seeds alone are part of this project."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapor_nlp.taxonomy.taxonomy import load_labels
from lapor_nlp.text.clean import clean
from lapor_nlp.text.tokens import Tokens
from lapor_nlp.text.wordlist import Wordlist

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """A text with its topic, and the source it came from."""

    text: str
    topic: str
    source: str


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def surabaya(path: Path) -> list[Labelled]:
    """City complaints with the city's own topics carried over to ours; topics without a counterpart are left out."""
    carried = load_labels("surabaya")
    rows = ((row["text"], carried.get(row.get("topic") or "")) for row in read_jsonl(path))
    return [Labelled(text=text, topic=topic, source="surabaya") for text, topic in rows if topic]


def national(path: Path) -> list[Labelled]:
    """National complaints of 2017, labelled by reading (labels/lapor_2017.csv), repeats of a template left out."""
    with (HERE / "labels" / "lapor_2017.csv").open(encoding="utf-8") as file:
        labels = {row["id"]: row for row in csv.DictReader(file)}
    found = [
        Labelled(
            text=f"{row.get('title') or ''}\n{row['text_no_addressee']}",
            topic=labels[str(row["id"])]["topic"],
            source="nasional",
        )
        for row in read_jsonl(path)
        if str(row["id"]) in labels and labels[str(row["id"])]["out_of_scope"] == "0"
    ]
    return without_repeats(found)


def seeds() -> list[Labelled]:
    """Reports written for this project (seeds/*.jsonl); those out of scope are left out."""
    return [
        Labelled(text=row["text"], topic=row["topic"], source=f"seed-{row['language']}")
        for path in sorted((HERE / "seeds").glob("*.jsonl"))
        for row in read_jsonl(path)
        if not row.get("out_of_scope")
    ]


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


def tokens_of(texts: Iterable[str], wordlist: Wordlist) -> list[Tokens]:
    return [wordlist.tokens(clean(text)) for text in texts]


def folds(rows: Sequence[Labelled], count: int) -> list[list[int]]:
    """Row numbers of `count` folds, every count-th row each."""
    return [list(range(k, len(rows), count)) for k in range(count)]
