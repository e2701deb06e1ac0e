from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapor_nlp.errors import TrainingDataError

pytest.importorskip("datasets")
from lapor_nlp.taxonomy.migration import OpenLabel, parse_migrations
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.taxonomy.topic import Topic
from lapor_nlp.training.carry import carry_labels
from lapor_nlp.training.table import Table, read_labelled

TAXONOMY = Taxonomy(
    name="coba",
    version="3",
    topics=tuple(Topic(code=code, name=code, kategori=("X",), urusan="x") for code in ("drainase", "jalan", "pdam")),
    migrations=parse_migrations(
        Path("migrations.json"),
        [
            {"from": "1", "to": "2", "changes": [{"op": "rename", "old": ["parit"], "new": ["got"]}]},
            {
                "from": "2",
                "to": "3",
                "changes": [
                    {"op": "rename", "old": ["got"], "new": ["drainase"]},
                    {"op": "merge", "old": ["lubang", "aspal"], "new": ["jalan"]},
                    {"op": "split", "old": ["air"], "new": ["pdam", "drainase"]},
                ],
            },
        ],
    ),
)


def table(folder: Path, topics: list[str | None]) -> Table:
    rows = [{"text": f"laporan {k}", "topic": topic, "kind": "aduan"} for k, topic in enumerate(topics)]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_labelled(path, labels=["topic", "kind"])


def test_labels_are_carried_over_several_versions(tmp_path: Path) -> None:
    carried, unsure = carry_labels(table(tmp_path, ["parit", "aspal", "air", None, "air", "jalan"]), TAXONOMY)
    assert carried.labels("topic") == ["drainase", "jalan", None, None, None, "jalan"]
    assert carried.labels("kind") == ["aduan"] * 6
    assert unsure == (OpenLabel(label="air", reason="split", choices=("pdam", "drainase"), rows=2),)


def test_the_version_that_explains_most_rows_is_taken(tmp_path: Path) -> None:
    carried, _ = carry_labels(table(tmp_path, ["got", "lubang", "zzz"]), TAXONOMY)
    assert carried.labels("topic") == ["drainase", "jalan", "zzz"]


def test_present_labels_stay_even_with_a_wrong_one_among_them(tmp_path: Path) -> None:
    rows = table(tmp_path, ["drainase", "jalan", "zzz"])
    assert carry_labels(rows, TAXONOMY) == (rows, ())


def test_a_named_version(tmp_path: Path) -> None:
    rows = table(tmp_path, ["parit", "jalan"])
    carried, _ = carry_labels(rows, TAXONOMY, from_version="2")
    assert carried.labels("topic") == ["parit", "jalan"]
    with pytest.raises(TrainingDataError, match="no migration leads from 9 to 3"):
        carry_labels(rows, TAXONOMY, from_version="9")


def test_rows_that_lose_their_only_label_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,topic\nAir mati,air\nGot mampet,got\n", encoding="utf-8")
    carried, _ = carry_labels(read_labelled(path, labels=["topic"]), TAXONOMY)
    assert list(carried.texts) == ["Got mampet"]


def test_without_topics(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,kind\nAir mati,aduan\n", encoding="utf-8")
    with pytest.raises(TrainingDataError, match="no head 'topic'"):
        carry_labels(read_labelled(path, labels=["kind"]), TAXONOMY)
