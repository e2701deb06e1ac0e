from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import InferenceSession

from lapor_nlp.training.quantisation import Quantised, Range, channel_ranges, dequantised, quantise

RANDOM = np.random.default_rng(11)
TABLE = RANDOM.normal(size=(50, 16)).astype(np.float32)
TABLE[:, 3] *= 40
STEPS = np.abs(TABLE).max(axis=1, keepdims=True) / 127
TABLE = np.rint(TABLE / STEPS) * STEPS
FIRST, SECOND = (RANDOM.normal(size=(16, 8)).astype(np.float32) for _ in range(2))
LAST = RANDOM.normal(size=(8, 4)).astype(np.float32)
ROWS = [RANDOM.integers(0, 50, length) for length in (3, 9, 30)]


def graph(nodes: list[Any], weights: Mapping[str, NDArray[np.float32]], width: int) -> Any:
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])
    out = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["texts", "tokens", width])
    initializers = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    made = helper.make_graph(nodes, "small", [ids], [out], initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def small() -> Any:
    """A table with a loud channel; two products of one input; then one of an input without negative values."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["states"]),
        helper.make_node("MatMul", ["states", "first"], ["a"]),
        helper.make_node("MatMul", ["states", "second"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["positive"]),
        helper.make_node("MatMul", ["positive", "last"], ["vector"]),
    ]
    return graph(nodes, {"table": TABLE, "first": FIRST, "second": SECOND, "last": LAST}, 4)


def shared(table: NDArray[np.float32] = TABLE) -> Any:
    """Two layers of the same weights, as in ALBERT."""
    square = np.abs(RANDOM.normal(size=(16, 16))).astype(np.float32) / 4
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["states"]),
        helper.make_node("MatMul", ["states", "square"], ["once"]),
        helper.make_node("MatMul", ["once", "square"], ["vector"]),
    ]
    return graph(nodes, {"table": table, "square": square}, 16)


def positive() -> Any:
    """The same without a negative value anywhere."""
    return shared(np.abs(TABLE))


def run(model: Any, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input_ids": ids})[0])


def weights(model: Any) -> dict[str, NDArray[Any]]:
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def quantised(model: Any) -> Quantised:
    return quantise(model, channel_ranges(model, ROWS))


@pytest.mark.parametrize("build", [small, shared, positive])
def test_close_to_the_exact_graph(build: Any) -> None:
    model = build()
    ids = RANDOM.integers(0, 50, (4, 20))
    exact, rounded = run(model, ids), run(quantised(model).model, ids)
    assert np.linalg.norm(exact - rounded) < 0.015 * np.linalg.norm(exact)


def test_no_text_and_no_token_depends_on_another() -> None:
    model = quantised(small()).model
    ids = RANDOM.integers(0, 50, (5, 12))
    together = run(model, ids)
    assert np.array_equal(together, np.vstack([run(model, row[None]) for row in ids]))
    assert np.array_equal(together[:1, :4], run(model, ids[:1, :4]))


def test_only_scales_are_left_in_single_precision() -> None:
    for build in (small, shared, positive):
        left = weights(quantised(build()).model)
        assert all(array.ndim < 2 or array.shape[1] == 1 for array in left.values() if array.dtype == np.float32)
        assert {array.dtype for name, array in left.items() if name.endswith(".int8")} <= {
            np.dtype(np.int8),
            np.dtype(np.uint8),
        }


def test_weights_come_back_to_half_a_step() -> None:
    result = quantised(small())
    left = weights(result.model)
    for name, matrix in (("first", FIRST), ("second", SECOND), ("last", LAST)):
        back = dequantised(left, name, result.undo[name])
        even = left[result.undo[name]][:, None]
        assert np.abs(back / even - matrix / even).max() <= 0.51 * left[f"{name}.scale"].max()
    assert np.allclose(dequantised(left, "table", None), TABLE, atol=1e-5)


def test_shared_weights_come_back_too() -> None:
    model = shared()
    result = quantised(model)
    left = weights(result.model)
    back = dequantised(left, "square", result.undo["square"])
    assert left["square.int8"].dtype == np.uint8
    assert np.abs(back - weights(model)["square"]).max() < 0.1


def test_weights_that_were_not_rounded_come_back_as_they_are() -> None:
    assert np.array_equal(dequantised({"first": FIRST}, "first", None), FIRST)


def test_the_given_graph_stays_as_it_is() -> None:
    model = small()
    before = model.SerializeToString(deterministic=True)
    quantised(model)
    assert model.SerializeToString(deterministic=True) == before


def test_evening_out_helps_where_a_channel_is_loud() -> None:
    model = small()
    ranges = channel_ranges(model, ROWS)
    even = {name: Range(low=-np.ones_like(r.low), high=np.ones_like(r.high)) for name, r in ranges.items()}
    even["states"] = Range(low=-np.abs(np.vstack([FIRST.T, SECOND.T])).max(axis=0), high=np.ones(16, dtype=np.float32))
    ids = RANDOM.integers(0, 50, (4, 20))
    exact = run(model, ids)
    error = [np.linalg.norm(run(quantise(model, r).model, ids) - exact) for r in (ranges, even)]
    assert error[0] < error[1] / 1.5


def test_a_row_of_zeros_gives_zeros() -> None:
    model = small()
    ranges = channel_ranges(model, ROWS)
    silent = weights(model)
    silent["table"] = np.where(np.arange(50)[:, None] == 7, 0, TABLE).astype(np.float32)
    del model.graph.initializer[:]
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in silent.items())
    rounded = run(quantise(model, ranges).model, np.array([[7, 8]]))
    assert np.abs(rounded[0, 0]).max() < 1e-5
    assert np.isfinite(rounded).all()


@pytest.mark.parametrize(
    ("low", "high", "shift"), [(-0.17, 30.0, 0.17), (0.5, 9.0, 0.0), (-2.0, 30.0, None), (-1, 1, None)]
)
def test_values_that_are_hardly_ever_negative_are_shifted_up(low: float, high: float, shift: float | None) -> None:
    found = Range(low=np.array([0, low], dtype=np.float32), high=np.array([high, 1], dtype=np.float32)).shift
    assert found == (None if shift is None else pytest.approx(shift))


def test_ranges_are_of_all_texts() -> None:
    found = channel_ranges(small(), ROWS)
    assert set(found) == {"states", "positive"}
    seen = TABLE[np.concatenate(ROWS)]
    assert np.allclose(found["states"].low, seen.min(axis=0))
    assert np.allclose(found["states"].high, seen.max(axis=0))
    assert np.allclose(found["states"].peaks, np.abs(seen).max(axis=0))
