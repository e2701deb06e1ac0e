"""Quantisation: an encoder's ONNX graph with whole-number weights, a quarter of the size and more than twice as fast.

Every row of activations (one token) gets its own scale while the graph runs, so that a text's answer depends on no
other text, and no token with huge activations blurs the others. ONNX Runtime's own dynamic quantisation has one scale
for a whole batch: answers change with the batch.

A few channels dwarf the others. They are evened out first: a channel is divided by s, and the weights that read it are
multiplied by s, with s = sqrt(largest activation / largest weight) (SmoothQuant, Xiao et al. 2023, alpha 0.5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

from lapor_nlp.errors import MissingExtraError

try:
    import onnx
    from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    raise MissingExtraError("train", "onnx") from error

Floats = NDArray[np.float32]

_WHOLE, _SCALE, _ZERO = ".int8", ".scale", ".zero"
"""A weight NAME is kept as NAME.int8 and NAME.scale, one number for each column (for each row of a table); where it is
a factor in products there is NAME.zero, which of the whole numbers means 0."""

_CONTRIB = "com.microsoft"
_TOP = 127
_SMALLEST = 1e-8
_ONE_SIDED = 0.05
_ONE, _LEAST = "int8.one", "int8.least"
_BOTH_SIDES, _UPWARDS = ("int8.middle", "int8.step"), ("int8.bottom", "int8.upward_step")
_SHARED: dict[str, NDArray[Any]] = {
    _ONE: np.array(1, dtype=np.float32),
    _LEAST: np.array(_SMALLEST, dtype=np.float32),
    _BOTH_SIDES[0]: np.array(128, dtype=np.uint8),
    _BOTH_SIDES[1]: np.array(1 / _TOP, dtype=np.float32),
    _UPWARDS[0]: np.array(0, dtype=np.uint8),
    _UPWARDS[1]: np.array(1 / 255, dtype=np.float32),
}
"""Constants of every graph. Activations become 128 and up to 127 more or less; one-sided ones, shifted up, 0 to 255."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The least and the largest value of each channel of a tensor, both of shape (channels,)."""

    low: Floats
    high: Floats

    def joined(self, other: Range) -> Range:
        return Range(low=np.minimum(self.low, other.low), high=np.maximum(self.high, other.high))

    @property
    def peaks(self) -> Floats:
        """The largest absolute value of each channel."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def shift(self) -> float | None:
        """What makes all values positive, where few were much below 0 (after GELU); None for others."""
        lowest = float(self.low.min())
        return max(0.0, -lowest) if lowest >= -_ONE_SIDED * float(self.high.max()) else None


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """The graph, and for each weight that was evened out the initializer its rows are multiplied by to undo that."""

    model: onnx.ModelProto
    undo: Mapping[str, str]


def quantise(model: onnx.ModelProto, ranges: Mapping[str, Range]) -> Quantised:
    """A graph in which matrices that activations are multiplied by, and tables of embeddings, are int8.

    `ranges` is what `channel_ranges` found.
    """
    graph = model.graph
    weights = _weights(graph)
    products, lookups = _products(graph, weights), _lookups(graph, weights)
    readers = Counter(node.input[1] for node in products.values())
    constants = dict(_SHARED)
    divisors: dict[str, str] = {}
    undo: dict[str, str] = {}
    for inputs, names in _groups(products):
        factors = _factors([ranges[name].peaks for name in inputs], [weights[name] for name in names])
        divisor = f"{names[0]}.undo"
        constants[divisor] = 1 / factors
        divisors |= dict.fromkeys(inputs, divisor)
        undo |= dict.fromkeys(names, divisor)
        for name in names:
            whole, scale = _whole(weights[name] * factors[:, None], axis=0)
            zero = np.zeros(len(scale[0]), dtype=np.int8)
            constants[name + _SCALE] = scale[0]
            constants[name + _WHOLE], constants[name + _ZERO] = (
                (_unsigned(whole), _unsigned(zero)) if readers[name] > 1 else (whole, zero)
            )
    for name in dict.fromkeys(node.input[0] for node in lookups.values()):
        constants[name + _WHOLE], constants[name + _SCALE] = _whole(weights[name], axis=1)

    nodes: list[NodeProto] = []
    rounded: set[str] = set()
    for node in graph.node:
        output = node.output[0]
        if output in products:
            name, weight = node.input
            shift = ranges[name].shift
            if name not in rounded:
                rounded.add(name)
                nodes += _rounding(name, divisors[name], upwards=shift is not None)
                if shift is not None:
                    constants[f"{name}.shift"] = (shift * constants[divisors[name]]).astype(np.float32)
            nodes += _product(node, upwards=shift is not None)
            if shift is not None:
                columns = dequantised(constants, weight, undo[weight]).sum(axis=0, dtype=np.float64)
                constants[f"{output}.surplus"] = (-shift * columns).astype(np.float32)
        elif output in lookups:
            nodes += _lookup(node)
        else:
            nodes.append(node)
    read = {name for node in nodes for name in node.input}
    kept = [initializer for initializer in graph.initializer if initializer.name in read]
    new = [numpy_helper.from_array(array, name) for name, array in constants.items() if name in read]
    return Quantised(
        model=helper.make_model(
            helper.make_graph(nodes, graph.name, graph.input, graph.output, [*kept, *new]),
            opset_imports=[*model.opset_import, helper.make_opsetid(_CONTRIB, 1)],
            ir_version=model.ir_version,
        ),
        undo=undo,
    )


def channel_ranges(model: onnx.ModelProto, rows: Iterable[NDArray[np.int64]]) -> dict[str, Range]:
    """The ranges of all activations that weights are multiplied by, over texts of the token numbers `rows`.

    Each row has shape (tokens,).
    """
    names = list(dict.fromkeys(node.input[0] for node in _products(model.graph, _weights(model.graph)).values()))
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ranges: dict[str, Range] = {}
    for row in rows:
        for name, values in zip(names, session.run(names, {"input_ids": row[None]}), strict=True):
            here = Range(low=values.min(axis=(0, 1)), high=values.max(axis=(0, 1)))
            ranges[name] = ranges[name].joined(here) if name in ranges else here
    return ranges


def dequantised(weights: Mapping[str, NDArray[Any]], name: str, undo: str | None) -> Floats:
    """The weight `name` in single precision out of a graph's initializers, whether it was quantised or not."""
    if name in weights:
        return np.asarray(weights[name], dtype=np.float32)
    whole = weights[name + _WHOLE].astype(np.float32)
    if name + _ZERO in weights:
        whole -= weights[name + _ZERO]
    matrix: Floats = whole * weights[name + _SCALE]
    return matrix if undo is None else matrix * weights[undo][:, None]


def _weights(graph: GraphProto) -> dict[str, NDArray[Any]]:
    return {initializer.name: numpy_helper.to_array(initializer) for initializer in graph.initializer}


def _products(graph: GraphProto, weights: Mapping[str, NDArray[Any]]) -> dict[str, NodeProto]:
    """Products of activations and a matrix of weights, by output."""
    return {n.output[0]: n for n in graph.node if n.op_type == "MatMul" and _is_matrix(weights.get(n.input[1]))}


def _lookups(graph: GraphProto, weights: Mapping[str, NDArray[Any]]) -> dict[str, NodeProto]:
    """Look-ups of rows in a table of weights, by output."""
    return {n.output[0]: n for n in graph.node if n.op_type == "Gather" and _is_matrix(weights.get(n.input[0]))}


def _is_matrix(array: NDArray[Any] | None) -> bool:
    return array is not None and array.ndim == 2 and array.dtype == np.float32


def _groups(products: Mapping[str, NodeProto]) -> list[tuple[list[str], list[str]]]:
    """Inputs and weights that must be evened out alike, since they meet in a product, or through another of the group.

    Query, key and value read one input; layers that share their weights (ALBERT) read them with many inputs.
    """
    groups: list[tuple[list[str], list[str]]] = []
    for node in products.values():
        inputs, names = [node.input[0]], [node.input[1]]
        apart = []
        for group in groups:
            if node.input[0] in group[0] or node.input[1] in group[1]:
                inputs, names = [*group[0], *inputs], [*group[1], *names]
            else:
                apart.append(group)
        groups = [*apart, (list(dict.fromkeys(inputs)), list(dict.fromkeys(names)))]
    return groups


def _factors(peaks: Sequence[Floats], matrices: Sequence[Floats]) -> Floats:
    """What each channel's weights are multiplied by, shape (channels,)."""
    activations = np.maximum(np.max(peaks, axis=0), _SMALLEST)
    weights = np.maximum(np.max([np.abs(matrix).max(axis=1) for matrix in matrices], axis=0), _SMALLEST)
    factors: Floats = np.sqrt(activations / weights).astype(np.float32)
    return factors


def _whole(matrix: Floats, *, axis: int) -> tuple[NDArray[np.int8], Floats]:
    """Whole numbers up to 127 and the scales along `axis`, which is kept with length 1."""
    scale = (np.maximum(np.abs(matrix).max(axis=axis, keepdims=True), _SMALLEST) / _TOP).astype(np.float32)
    return np.rint(matrix / scale).astype(np.int8), scale


def _unsigned(whole: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Whole numbers around 128.

    For weights that several products share, since ONNX Runtime's conversion for CPUs without VNNI fails on them. Others
    stay signed, which with VNNI is nearly twice as fast.
    """
    return (whole.astype(np.int16) + 128).astype(np.uint8)


def _rounding(name: str, divisor: str, *, upwards: bool) -> list[NodeProto]:
    """From the activations `name` to whole numbers NAME.q, and NAME.step, the scale of each row."""
    even, most = f"{name}.even", f"{name}.most"
    zero, step = _UPWARDS if upwards else _BOTH_SIDES
    return [
        helper.make_node("Mul", [name, divisor], [even]),
        helper.make_node("Add", [even, f"{name}.shift"], [most])
        if upwards
        else helper.make_node("Abs", [even], [most]),
        helper.make_node("ReduceMax", [most], [f"{name}.peak"], axes=[-1], keepdims=1),
        helper.make_node("Max", [f"{name}.peak", _LEAST], [f"{name}.span"]),
        helper.make_node("Mul", [f"{name}.span", step], [f"{name}.step"]),
        helper.make_node("Div", [most if upwards else even, f"{name}.step"], [f"{name}.steps"]),
        helper.make_node("QuantizeLinear", [f"{name}.steps", _ONE, zero], [f"{name}.q"]),
    ]


def _product(node: NodeProto, *, upwards: bool) -> list[NodeProto]:
    """A product of whole numbers, back to scale; what the shift of the activations has added is taken off."""
    name, weight = node.input
    output = node.output[0]
    scaled = f"{output}.with_surplus" if upwards else output
    zero = _UPWARDS[0] if upwards else _BOTH_SIDES[0]
    factors = [f"{name}.q", weight + _WHOLE, _ONE, weight + _SCALE, zero, weight + _ZERO]
    nodes = [
        helper.make_node("MatMulIntegerToFloat", factors, [f"{output}.whole"], domain=_CONTRIB),
        helper.make_node("Mul", [f"{output}.whole", f"{name}.step"], [scaled]),
    ]
    return [*nodes, helper.make_node("Add", [scaled, f"{output}.surplus"], [output])] if upwards else nodes


def _lookup(node: NodeProto) -> list[NodeProto]:
    table, rows = node.input
    output = node.output[0]
    whole, scale, number = f"{output}.row", f"{output}.row_scale", f"{output}.row_steps"
    return [
        helper.make_node("Gather", [table + _WHOLE, rows], [whole]),
        helper.make_node("Gather", [table + _SCALE, rows], [scale]),
        helper.make_node("Cast", [whole], [number], to=TensorProto.FLOAT),
        helper.make_node("Mul", [number, scale], [output]),
    ]
