from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lapor_nlp.classifier.classifier import DenseHead
from lapor_nlp.errors import TrainingDataError

pytest.importorskip("sklearn")
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.fewshot import (
    EXAMPLE_WEIGHT,
    PART_WEIGHT,
    NewLabel,
    new_column,
    prototype_head,
    read_descriptions,
    starting_examples,
    with_descriptions,
)
from lapor_nlp.training.heads import carry_dense

LABELS = ("air", "jalan", "lampu")
CENTRES = 2.0 * np.eye(4, 8)


def rows(label: int, count: int, seed: int = 0) -> NDArray[np.float32]:
    """Vectors about the centre of a label; the fourth is the new one."""
    noise = np.random.default_rng([seed, label]).normal(scale=0.6, size=(count, 8))
    return (CENTRES[label] + noise).astype(np.float32)


def known(seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    return np.vstack([rows(k, 60, seed) for k in range(3)]), [label for label in LABELS for _ in range(60)]


def test_examples_and_parts_of_the_description_become_weighted_rows() -> None:
    new = NewLabel(
        label="jpo", name="Jembatan penyeberangan", description="rusak, gelap ,", examples=("JPO berlubang",)
    )
    made = starting_examples([new, NewLabel(label="taman", name="Taman kota")], "topic")
    assert list(made.texts) == [
        "JPO berlubang",
        "Jembatan penyeberangan. rusak",
        "Jembatan penyeberangan. gelap",
        "Taman kota",
    ]
    assert made.labels == {"topic": ["jpo", "jpo", "jpo", "taman"]}
    assert made.weights == [EXAMPLE_WEIGHT, PART_WEIGHT, PART_WEIGHT, PART_WEIGHT]
    assert made.real == [True, False, False, False]


def test_a_label_with_nothing_to_learn_from() -> None:
    with pytest.raises(TrainingDataError, match="no description and no examples"):
        starting_examples([NewLabel(label="kosong", description=" , ")], "topic")


def test_prototypes_find_their_rows_again() -> None:
    vectors, labels = known()
    vectors, labels = np.vstack([vectors, rows(3, 3)]), [*labels, *["taman"] * 3]
    weights, bias = prototype_head(vectors, labels, (*LABELS, "taman"))
    fresh = np.vstack([rows(k, 40, seed=5) for k in range(4)])
    right = (fresh @ weights + bias).argmax(axis=1) == np.repeat(range(4), 40)
    assert right.mean() > 0.9


def test_shrinking_keeps_a_lone_row_from_claiming_much() -> None:
    vectors, labels = known()
    vectors, labels = np.vstack([vectors, rows(3, 1)]), [*labels, "taman"]
    norms = [
        np.linalg.norm(prototype_head(vectors, labels, (*LABELS, "taman"), shrink=s)[0], axis=0) for s in (0.0, 8.0)
    ]
    assert norms[1][3] < 0.2 * norms[0][3]
    assert norms[1][0] > 0.8 * norms[0][0]


def test_a_prototype_needs_a_row() -> None:
    with pytest.raises(TrainingDataError, match="no rows of taman"):
        prototype_head(*known(), (*LABELS, "taman"))


def test_a_new_column_finds_its_rows_and_leaves_the_others() -> None:
    vectors, labels = known()
    weights, bias = prototype_head(vectors, labels, LABELS)
    old = DenseHead(labels=LABELS, weights=weights, bias=bias)
    head = carry_dense(old, {}, (*LABELS, "taman"), added={"taman": new_column(old, vectors, labels, rows(3, 8))})
    fresh = np.vstack([rows(k, 100, seed=5) for k in range(4)])
    answers = (fresh @ head.weights + head.bias).argmax(axis=1)
    assert (answers[300:] == 3).mean() > 0.9
    assert (answers[:300] == 3).mean() < 0.05
    assert np.array_equal(head.weights[:, :3], old.weights)


def test_a_new_column_needs_an_example() -> None:
    vectors, labels = known()
    old = DenseHead(labels=LABELS, weights=np.zeros((8, 3), np.float32), bias=np.zeros(3, np.float32))
    with pytest.raises(TrainingDataError, match="at least one example"):
        new_column(old, vectors, labels, np.empty((0, 8), np.float32))


def test_descriptions_are_read_and_join_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text(
        'label,name,description\npohon,Pohon tumbang,"dahan patah, akar mengangkat trotoar"\n', encoding="utf-8"
    )
    rows = Examples(texts=["Pohon roboh", "Air mati"], labels={"topic": ["pohon", "air"], "kind": ["x", None]})
    joined = with_descriptions(rows, read_descriptions(path), "topic")
    assert joined.texts[2:] == ["Pohon tumbang. dahan patah", "Pohon tumbang. akar mengangkat trotoar"]
    assert joined.labels == {"topic": ["pohon", "air", "pohon", "pohon"], "kind": ["x", None, None, None]}
    assert joined.weights == [EXAMPLE_WEIGHT, 1.0, PART_WEIGHT, PART_WEIGHT]
    assert joined.real == [True, True, False, False]


@pytest.mark.parametrize("content", ["", "label\npohon\n", "a,b\n1,2\n"])
def test_a_file_without_descriptions(tmp_path: Path, content: str) -> None:
    (tmp_path / "new.csv").write_text(content, encoding="utf-8")
    with pytest.raises(TrainingDataError, match="label and description"):
        read_descriptions(tmp_path / "new.csv")
