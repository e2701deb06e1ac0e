"""Quantisation: an encoder's ONNX graph with whole-number weights, a quarter of the size and more than twice as fast.

Every row of activations (one token) gets its own scale while the graph runs, so that a text's answer depends on no
other text, and no token with huge activations blurs the others. ONNX Runtime's own dynamic quantisation has one scale
for a whole batch: answers change with the batch.

Outputs of layer normalisation have a few channels that dwarf the others. They are evened out first: a channel is divided
by s, and the weights that read it are multiplied by s, with s = sqrt(largest activation / largest weight)
(SmoothQuant, Xiao et al. 2023, alpha 0.5).
"""

from __future__ import annotations

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

INT8, SCALE = ".int8", ".scale"
"""A weight NAME is kept as NAME.int8, and NAME.scale with one number for each column (for each row of a table)."""

_CONTRIB = "com.microsoft"
_TOP = 127
_SMALLEST = 1e-8
_ONE, _MIDDLE, _STEP, _LEAST = "int8.one", "int8.middle", "int8.step", "int8.least"
_SHARED: dict[str, np.generic] = {
    _ONE: np.float32(1),
    _MIDDLE: np.uint8(128),
    _STEP: np.float32(1 / _TOP),
    _LEAST: np.float32(_SMALLEST),
}


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """The graph, and for each weight that was evened out the initializer its rows are multiplied by to undo that."""

    model: onnx.ModelProto
    undo: Mapping[str, str]


def quantise(model: onnx.ModelProto, peaks: Mapping[str, Floats]) -> Quantised:
    """A graph in which matrices that activations are multiplied by, and tables of embeddings, are int8.

    `peaks` is what `channel_peaks` found; inputs that it does not name are not evened out.
    """
    graph = model.graph
    weights = {initializer.name: numpy_helper.to_array(initializer) for initializer in graph.initializer}
    products, lookups = _products(graph, weights), _lookups(graph, weights)
    constants: dict[str, NDArray[np.generic] | np.generic] = dict(_SHARED)
    divisors: dict[str, str] = {}
    undo: dict[str, str] = {}
    for inputs, names in _groups(products):
        factors = None
        if all(name in peaks for name in inputs):
            factors = _factors([peaks[name] for name in inputs], [weights[name] for name in names])
            divisor = f"{names[0]}.undo"
            constants[divisor] = 1 / factors
            divisors |= dict.fromkeys(inputs, divisor)
            undo |= dict.fromkeys(names, divisor)
        for name in names:
            matrix = weights[name] if factors is None else weights[name] * factors[:, None]
            constants[name + INT8], scale = _whole(matrix, axis=0)
            constants[name + SCALE] = scale[0]
            constants[name + ".zero"] = np.zeros(matrix.shape[1], dtype=np.int8)
    for name in {node.input[0] for node in lookups.values()}:
        constants[name + INT8], constants[name + SCALE] = _whole(weights[name], axis=1)

    nodes: list[NodeProto] = []
    rounded: set[str] = set()
    for node in graph.node:
        if node.output[0] in products:
            if node.input[0] not in rounded:
                nodes += _rounding(node.input[0], divisors.get(node.input[0]))
                rounded.add(node.input[0])
            nodes += _product(node)
        elif node.output[0] in lookups:
            nodes += _lookup(node)
        else:
            nodes.append(node)
    read = {name for node in nodes for name in node.input}
    kept = [initializer for initializer in graph.initializer if initializer.name in read]
    new = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items() if name in read]
    return Quantised(
        model=helper.make_model(
            helper.make_graph(nodes, graph.name, graph.input, graph.output, [*kept, *new]),
            opset_imports=[*model.opset_import, helper.make_opsetid(_CONTRIB, 1)],
            ir_version=model.ir_version,
        ),
        undo=undo,
    )


def channel_peaks(model: onnx.ModelProto, rows: Iterable[NDArray[np.int64]]) -> dict[str, Floats]:
    """The largest absolute value of each channel of inputs to be evened out: outputs of layer normalisation, and others
    that meet the same weights.

    `rows` holds the token numbers of texts, each of shape (tokens,). The arrays have shape (channels,).
    """
    weights = {initializer.name: numpy_helper.to_array(initializer) for initializer in model.graph.initializer}
    normed = {node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"}
    groups = _groups(_products(model.graph, weights))
    names = [name for inputs, _ in groups if not normed.isdisjoint(inputs) for name in inputs]
    if not names:
        return {}
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    options = SessionOptions()
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    peaks: dict[str, Floats] = {}
    for row in rows:
        for name, values in zip(names, session.run(names, {"input_ids": row[None]}), strict=True):
            peak = np.abs(values).max(axis=(0, 1))
            peaks[name] = np.maximum(peaks[name], peak) if name in peaks else peak
    return peaks


def dequantised(weights: Mapping[str, NDArray[Any]], name: str, undo: str | None) -> Floats:
    """The weight `name` in single precision out of a graph's initializers, whether it was quantised or not."""
    if name in weights:
        return np.asarray(weights[name], dtype=np.float32)
    matrix = weights[name + INT8].astype(np.float32) * weights[name + SCALE]
    return matrix if undo is None else matrix * weights[undo][:, None]


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
    return np.sqrt(activations / weights).astype(np.float32)


def _whole(matrix: Floats, *, axis: int) -> tuple[NDArray[np.int8], Floats]:
    """Whole numbers up to 127 and the scales along `axis`, which is kept with length 1."""
    scale = (np.maximum(np.abs(matrix).max(axis=axis, keepdims=True), _SMALLEST) / _TOP).astype(np.float32)
    return np.rint(matrix / scale).astype(np.int8), scale


def _rounding(name: str, divisor: str | None) -> list[NodeProto]:
    """From the activations `name` to NAME.q, numbers of 0 to 255 around 128, and NAME.step, the scale of each row."""
    even = name if divisor is None else f"{name}.even"
    nodes = [
        helper.make_node("Abs", [even], [f"{name}.abs"]),
        helper.make_node("ReduceMax", [f"{name}.abs"], [f"{name}.peak"], axes=[-1], keepdims=1),
        helper.make_node("Max", [f"{name}.peak", _LEAST], [f"{name}.most"]),
        helper.make_node("Mul", [f"{name}.most", _STEP], [f"{name}.step"]),
        helper.make_node("Div", [even, f"{name}.step"], [f"{name}.steps"]),
        helper.make_node("QuantizeLinear", [f"{name}.steps", _ONE, _MIDDLE], [f"{name}.q"]),
    ]
    return nodes if divisor is None else [helper.make_node("Mul", [name, divisor], [even]), *nodes]


def _product(node: NodeProto) -> list[NodeProto]:
    activations, weight = node.input
    output = node.output[0]
    return [
        helper.make_node(
            "MatMulIntegerToFloat",
            [f"{activations}.q", weight + INT8, _ONE, weight + SCALE, _MIDDLE, f"{weight}.zero"],
            [f"{output}.steps"],
            domain=_CONTRIB,
        ),
        helper.make_node("Mul", [f"{output}.steps", f"{activations}.step"], [output]),
    ]


def _lookup(node: NodeProto) -> list[NodeProto]:
    table, rows = node.input
    output = node.output[0]
    return [
        helper.make_node("Gather", [table + INT8, rows], [f"{output}.q"]),
        helper.make_node("Gather", [table + SCALE, rows], [f"{output}.step"]),
        helper.make_node("Cast", [f"{output}.q"], [f"{output}.steps"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{output}.steps", f"{output}.step"], [output]),
    ]
