"""Nearest vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.duplicates import index as module
from lapor_nlp.duplicates.index import Entries, VectorIndex

PLACES = ["34.04", "34.02", None]


def made(count: int, seed: int = 1) -> Entries:
    random = np.random.default_rng(seed)
    centres = random.normal(size=(20, 64))
    vectors = centres[random.integers(0, 20, count)] + random.normal(size=(count, 64)) * 0.6
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Entries(
        rows=np.arange(count) * 2,
        vectors=np.rint(vectors * 127).astype(np.int8),
        has=np.ones(count, dtype=np.bool_),
        places=[PLACES[i % 3] for i in range(count)],
    )


def exact(entries: Entries, vector: np.ndarray, most: int, place: str | None, gone: set[int]) -> list[int]:  # type: ignore[type-arg]
    wanted = vector.astype(float)
    scores = []
    for row, other, home in zip(entries.rows.tolist(), entries.vectors, entries.places, strict=True):
        if row not in gone and (place is None or home in (place, None)):
            length = np.linalg.norm(other.astype(float)) * np.linalg.norm(wanted)
            scores.append((-np.float32(other.astype(float) @ wanted / length), -row))
    return [-row for _, row in sorted(scores)[:most]]


ROWS = st.sets(st.integers(0, 60))


@given(count=st.integers(1, 60), parts=st.integers(1, 5), place=st.sampled_from(PLACES), gone=ROWS)
def test_the_nearest(count: int, parts: int, place: str | None, gone: set[int]) -> None:
    entries, index = made(count), VectorIndex(64)
    for part in np.array_split(np.arange(count), parts):
        index.add(
            Entries(
                rows=entries.rows[part],
                vectors=entries.vectors[part],
                has=entries.has[part],
                places=[entries.places[i] for i in part],
            )
        )
    index.remove([2 * row for row in gone])
    assert len(index) == count - len([row for row in gone if row < count])
    found = index.nearest(entries.vectors[0], 7, place=place)
    assert {row for row, _ in found} == set(exact(entries, entries.vectors[0], 7, place, {2 * row for row in gone}))
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_a_first_pass_over_signs_finds_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    entries, index = made(3000), VectorIndex(64)
    index.add(entries)
    index.remove([0, 2, 4])
    wanted = entries.vectors[::100]
    for place in (None, "34.04"):
        full = [{row for row, _ in index.nearest(vector, 10, place=place)} for vector in wanted]
        with monkeypatch.context() as patch:
            patch.setattr(module, "_EXACT", 100)
            patch.setattr(module, "_RESCORED", 300)
            quick = [{row for row, _ in index.nearest(vector, 10, place=place)} for vector in wanted]
        hits = [len(a & b) / len(a) for a, b in zip(full, quick, strict=True)]
        assert np.mean(hits) >= 0.95
        assert not any(rows & {0, 2, 4} for rows in quick)


def test_what_is_removed_is_overwritten() -> None:
    entries, index = made(10), VectorIndex(64)
    index.add(entries)
    index.remove([6])
    assert not index._vectors[3].any()
    assert index._vectors[4].any()


def test_reports_without_a_vector_are_not_found() -> None:
    entries = made(4)
    entries.has[1] = False
    index = VectorIndex(64)
    index.add(entries)
    assert len(index) == 3
    assert 2 not in [row for row, _ in index.nearest(entries.vectors[0], 10)]


def test_rows_must_rise() -> None:
    index = VectorIndex(64)
    index.add(made(3))
    with pytest.raises(ValueError, match="rise"):
        index.add(made(3))
