from __future__ import annotations

import json
from pathlib import Path

import pytest

from lapor_nlp.errors import DataFileError, UnknownTopicError
from lapor_nlp.taxonomy.taxonomy import Taxonomy, load_labels

HEADER = "code,name,kategori,urusan,description\n"


def write(folder: Path, topics: str, **files: object) -> Path:
    (folder / "topics.csv").write_text(topics, encoding="utf-8")
    (folder / "version.json").write_text(json.dumps({"name": "ours", "version": "2"}), encoding="utf-8")
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


def test_the_packaged_taxonomy() -> None:
    taxonomy = Taxonomy.load()
    assert 80 <= len(taxonomy) <= 165
    topic = taxonomy["jalan-rusak"]
    assert topic.kategori == ("PEKERJAAN UMUM DAN PENATAAN RUANG", "INFRASTRUKTUR JALAN", "JALAN BERLUBANG")
    assert topic.category == "PEKERJAAN UMUM DAN PENATAAN RUANG"
    assert topic.urusan == "pekerjaan umum"
    assert len({t.category for t in taxonomy}) >= 20


def test_an_unknown_topic_is_named() -> None:
    with pytest.raises(UnknownTopicError, match="jalan-bolong"):
        _ = Taxonomy.load()["jalan-bolong"]


def test_city_labels_point_at_topics() -> None:
    taxonomy = Taxonomy.load()
    labels = load_labels("surabaya")
    assert len(labels) >= 290
    assert labels["PJU"] == "penerangan-jalan"
    assert all(topic is None or topic in taxonomy for topic in labels.values())
    assert sum(topic is None for topic in labels.values()) < len(labels) / 3


def test_a_deployment_brings_its_own(tmp_path: Path) -> None:
    taxonomy = Taxonomy.load(write(tmp_path, HEADER + "got,Got,SELOKAN > GOT,air,\n"))
    assert taxonomy.version == "2"
    assert taxonomy["got"].kategori == ("SELOKAN", "GOT")


@pytest.mark.parametrize(
    ("topics", "message"),
    [
        (HEADER + "got,Got,A,air,\ngot,Got,A,air,\n", "stands twice"),
        (HEADER + ",Got,A,air,\n", "is empty"),
        (HEADER + "got,Got,A\n", "cells"),
        ("code,name\ngot,Got\n", "lacks the columns"),
        ("", "is empty"),
    ],
)
def test_a_wrong_table_names_file_and_line(tmp_path: Path, topics: str, message: str) -> None:
    with pytest.raises(DataFileError, match=message) as caught:
        Taxonomy.load(write(tmp_path, topics))
    assert "topics.csv" in str(caught.value)


def test_category_paths_are_checked_against_the_official_list(tmp_path: Path) -> None:
    tree = {"categories": {"AIR": ["GOT"]}}
    assert Taxonomy.load(write(tmp_path, HEADER + "got,Got,AIR > GOT,air,\n", kategori=tree))
    with pytest.raises(DataFileError, match="SUNGAI"):
        Taxonomy.load(write(tmp_path, HEADER + "got,Got,AIR > SUNGAI,air,\n", kategori=tree))


def test_a_migration_must_lead_to_known_topics(tmp_path: Path) -> None:
    steps = [{"from": "1", "to": "2", "changes": [{"op": "rename", "old": ["parit"], "new": ["selokan"]}]}]
    with pytest.raises(DataFileError, match="selokan"):
        Taxonomy.load(write(tmp_path, HEADER + "got,Got,A,air,\n", migrations=steps))


@pytest.mark.parametrize("tree", [{}, [], {"categories": []}, {"categories": {"AIR": "GOT"}}])
def test_an_official_list_of_another_shape_is_refused(tmp_path: Path, tree: object) -> None:
    with pytest.raises(DataFileError, match=r"kategori\.json"):
        Taxonomy.load(write(tmp_path, HEADER + "got,Got,AIR > GOT,air,\n", kategori=tree))


def test_a_table_saved_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert len(Taxonomy.load(write(tmp_path, "\ufeff" + HEADER + "got,Got,A,air,\n"))) == 1
