from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.special import logsumexp

from lapor_nlp.classifier.classifier import DenseHead, softmax
from lapor_nlp.classifier.lexical import LexicalHead
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.taxonomy.migration import parse_migrations
from lapor_nlp.training.heads import carry_dense, carry_lexical, fates_of

OLD = ("air", "banjir", "jalan", "lampu", "sampah")
SEEDS = st.integers(0, 2**32 - 1)


def dense(seed: int = 1, size: int = 6) -> DenseHead:
    random = np.random.default_rng(seed)
    weights = random.normal(size=(size, len(OLD))).astype(np.float32)
    return DenseHead(labels=OLD, weights=weights, bias=random.normal(size=len(OLD)).astype(np.float32))


def lexical(seed: int = 1, width: int = 40) -> LexicalHead:
    random = np.random.default_rng(seed)
    weights = random.normal(size=(width, len(OLD))) * (random.uniform(size=(width, len(OLD))) < 0.4)
    bias = random.normal(-1, 0.1, len(OLD)).astype(np.float32)
    return LexicalHead(labels=OLD, weights=csr_matrix(weights.astype(np.float32)), bias=bias)


def texts(seed: int, size: int, rows: int = 400) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, size)).astype(np.float32)


def logits(head: DenseHead, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = vectors @ head.weights + head.bias
    return result


def margins(head: LexicalHead, features: NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = csr_matrix(features) @ head.weights.toarray() + head.bias
    return result


@given(seed=SEEDS)
def test_renamed_labels_answer_as_before(seed: int) -> None:
    new = ("banjir", "aspal", "sampah", "pdam", "lampu")
    fates = {"air": ("pdam",), "jalan": ("aspal",)}
    order = [1, 2, 4, 0, 3]
    vectors = texts(seed, 6, rows=20)
    assert np.array_equal(logits(carry_dense(dense(seed), fates, new), vectors), logits(dense(seed), vectors)[:, order])
    features = np.abs(texts(seed, 40, rows=20))
    carried = carry_lexical(lexical(seed), fates, new)
    np.testing.assert_allclose(margins(carried, features), margins(lexical(seed), features)[:, order], atol=1e-4)
    assert carried.weights.nnz == lexical(seed).weights.nnz


def test_a_merged_label_wins_where_either_part_would() -> None:
    old, new = dense(), ("banjir", "jalan-lampu", "air", "sampah")
    fates = {"jalan": ("jalan-lampu",), "lampu": ("jalan-lampu",)}
    learnt, fresh = texts(2, 6), texts(3, 6)
    former = logits(old, fresh)
    together = logsumexp(former[:, [2, 3]], axis=1) > former[:, [0, 1, 4]].max(axis=1)
    for vectors, least in ((learnt, 0.93), (None, 0.85)):
        wins = logits(carry_dense(old, fates, new, vectors=vectors), fresh).argmax(axis=1) == 1
        assert (wins == together).mean() > least


def test_a_merged_label_of_words_takes_the_stronger_word() -> None:
    weights = np.array([[2.0, 0.0, 0.0], [0.0, 1.5, 0.0], [-0.5, 0.2, 1.0], [-0.1, -0.4, 0.0]], dtype=np.float32)
    old = LexicalHead(labels=("a", "b", "c"), weights=csr_matrix(weights), bias=np.array([-1, -0.9, -0.8], np.float32))
    new = carry_lexical(old, {"a": ("ab",), "b": ("ab",)}, ("c", "ab"))
    np.testing.assert_allclose(new.weights.toarray(), [[0, 2], [0, 1.5], [1, -0.5], [0, -0.4]])
    assert new.bias.tolist() == pytest.approx([-0.8, -0.9])
    assert margins(new, np.eye(4, dtype=np.float32)).argmax(axis=1)[:2].tolist() == [1, 1]


def test_merging_leaves_the_other_labels_alone() -> None:
    old = dense()
    new = carry_dense(old, {"jalan": ("x",), "lampu": ("x",)}, ("air", "x", "banjir"))
    assert np.array_equal(new.weights[:, [0, 2]], old.weights[:, [0, 1]])


@given(seed=SEEDS)
def test_parts_of_a_split_are_together_as_likely_as_before(seed: int) -> None:
    old = dense(seed)
    new = carry_dense(old, {"jalan": ("lubang", "aspal")}, ("air", "aspal", "banjir", "lampu", "lubang", "sampah"))
    vectors = texts(seed, 6, rows=20)
    before, after = softmax(logits(old, vectors)), softmax(logits(new, vectors))
    np.testing.assert_allclose(after[:, [1, 4]].sum(axis=1), before[:, 2], rtol=1e-3)
    np.testing.assert_allclose(after[:, 0], before[:, 0], rtol=1e-3)


@given(seed=SEEDS)
def test_a_label_nothing_is_known_of_is_never_first(seed: int) -> None:
    head = carry_dense(dense(seed), {}, ("baru", *OLD))
    assert not (logits(head, texts(seed, 6)).argmax(axis=1) == 0).any()
    words = carry_lexical(lexical(seed), {}, (*OLD, "baru"))
    assert words.weights[:, [5]].nnz == 0
    assert words.bias[5] < words.bias[:5].min()


def test_a_new_label_takes_the_column_given() -> None:
    column = (np.arange(6, dtype=np.float32), 0.5)
    head = carry_dense(dense(), {}, ("baru", *OLD), added={"baru": column})
    assert head.weights[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert head.bias[0] == 0.5


def test_retired_and_absent_labels_are_dropped() -> None:
    head = carry_dense(dense(), {"air": ()}, ("banjir", "jalan"))
    assert head.labels == ("banjir", "jalan")
    assert np.array_equal(head.weights, dense().weights[:, [1, 2]])
    assert carry_lexical(lexical(), {"air": ()}, ("banjir", "jalan")).weights.shape == (40, 2)


@pytest.mark.parametrize("labels", [("x", "y"), ("air", "air")])
def test_heads_that_cannot_be_carried(labels: tuple[str, ...]) -> None:
    with pytest.raises(TrainingDataError, match=r"none of the 5 former labels|named twice"):
        carry_dense(dense(), {}, labels)
    with pytest.raises(TrainingDataError):
        carry_lexical(lexical(), {}, labels)


def test_fates_over_several_versions() -> None:
    steps = parse_migrations(
        Path("migrations.json"),
        [
            {"from": "1", "to": "2", "changes": [{"op": "rename", "old": ["jalan"], "new": ["aspal"]}]},
            {
                "from": "2",
                "to": "3",
                "changes": [
                    {"op": "split", "old": ["aspal"], "new": ["lubang", "retak"]},
                    {"op": "merge", "old": ["air", "banjir"], "new": ["basah"]},
                    {"op": "retire", "old": ["lampu"], "new": []},
                    {"op": "add", "old": [], "new": ["taman"]},
                ],
            },
        ],
    )
    assert fates_of(OLD, steps) == {
        "air": ("basah",),
        "banjir": ("basah",),
        "jalan": ("lubang", "retak"),
        "lampu": (),
        "sampah": ("sampah",),
    }
