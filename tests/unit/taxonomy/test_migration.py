from __future__ import annotations

from pathlib import Path

import pytest

from lapor_nlp.errors import DataFileError
from lapor_nlp.taxonomy.migration import OpenLabel, chain, parse_migrations

FILE = Path("migrations.json")
STEP = {
    "from": "1",
    "to": "2",
    "changes": [
        {"op": "add", "new": ["mbg"]},
        {"op": "rename", "old": ["parit"], "new": ["drainase"]},
        {"op": "merge", "old": ["lubang", "aspal"], "new": ["jalan-rusak"]},
        {"op": "split", "old": ["air"], "new": ["pdam", "sumur"], "why": "two offices"},
        {"op": "retire", "old": ["corona"]},
    ],
}


def test_labels_carry_over_in_order() -> None:
    (migration,) = parse_migrations(FILE, [STEP])
    carried = migration.carry(["parit", "lubang", "aspal", "air", "corona", "sampah", "air"])
    assert carried.labels == ("drainase", "jalan-rusak", "jalan-rusak", None, None, "sampah", None)


def test_what_cannot_be_carried_is_listed_with_its_choices() -> None:
    (migration,) = parse_migrations(FILE, [STEP])
    assert migration.carry(["air", "corona", "air", "sampah"]).open == (
        OpenLabel(label="air", reason="split", choices=("pdam", "sumur"), rows=2),
        OpenLabel(label="corona", reason="retired", choices=(), rows=1),
    )


def test_a_chain_of_versions() -> None:
    steps = parse_migrations(FILE, [STEP, {"from": "2", "to": "3", "changes": []}])
    assert [m.to_version for m in chain(steps, "1", "3")] == ["2", "3"]
    assert chain(steps, "3", "3") == ()
    with pytest.raises(KeyError, match="no migration"):
        chain(steps, "3", "1")


def test_a_circle_of_versions_ends() -> None:
    steps = parse_migrations(FILE, [{"from": "1", "to": "2", "changes": []}, {"from": "2", "to": "1", "changes": []}])
    with pytest.raises(KeyError):
        chain(steps, "1", "9")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"op": "rename", "old": ["a", "b"], "new": ["c"]}, "cannot go from 2 to 1"),
        ({"op": "merge", "old": ["a"], "new": ["c"]}, "cannot go"),
        ({"op": "split", "old": ["a"], "new": ["c"]}, "cannot go"),
        ({"op": "add", "old": ["a"], "new": ["c"]}, "cannot go"),
        ({"op": "retire", "old": [], "new": []}, "cannot go"),
        ({"op": "erase", "old": ["a"]}, "one of"),
        ("rename", "one of"),
        ({"op": "rename", "old": "ab", "new": ["c"]}, "lists of topic codes"),
        ({"op": "rename", "old": 1, "new": ["c"]}, "lists of topic codes"),
    ],
)
def test_wrong_changes_are_refused(change: object, message: str) -> None:
    with pytest.raises(DataFileError, match=message):
        parse_migrations(FILE, [{"from": "1", "to": "2", "changes": [change]}])


def test_a_code_changes_only_once_in_a_step() -> None:
    changes = [{"op": "rename", "old": ["a"], "new": ["b"]}, {"op": "retire", "old": ["a"]}]
    with pytest.raises(DataFileError, match="changed twice"):
        parse_migrations(FILE, [{"from": "1", "to": "2", "changes": changes}])


def test_changes_must_be_a_list() -> None:
    with pytest.raises(DataFileError, match="must be a list"):
        parse_migrations(FILE, [{"from": "1", "to": "2", "changes": None}])
