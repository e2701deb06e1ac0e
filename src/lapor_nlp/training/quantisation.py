"""Quantisation: an encoder's ONNX graph with whole-number weights, a quarter of the size and more than twice as fast.

Every row of activations (one token) gets its own scale when the graph runs, so that a text's answer depends on no other
text and on no token with a huge activation. What ONNX Runtime's own dynamic quantisation does, one scale for a whole
batch, changes answers with the batch, and loses what is small beside the largest activation.

Outputs of layer normalisation have a few channels that dwarf the others. They are evened out first: a channel is
divided by s and the weights that read it are multiplied by s, with s = sqrt(largest activation / largest weight)
(SmoothQuant, Xiao et al. 2023, alpha 0.5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.errors import MissingExtraError

try:
    import onnx
    from onnx import NodeProto, TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "onnx") from error

Floats = NDArray[np.float32]

INT8, SCALE = ".int8", ".scale"
"""A weight NAME is stored as NAME.int8, and NAME.scale of one number a column (a row, for tables)."""

_TOP = 127
_SMALLEST = 1e-8


@dataclass(frozen=True, kw_only=True)
class Quantised:
    """The graph, and for each weight that was multiplied the initializer it is multiplied by to be as it was."""

    model: onnx.ModelProto
    undo: Mapping[str, str]


def uneven_inputs(model: onnx.ModelProto) -> list[str]:
    """Names of the tensors to be evened out: outputs of layer normalisation that are multiplied by weights."""
    normed = {node.output[0] for node in model.graph.node if node.op_type == "LayerNormalization"}
    return [name for name in _readers(model) if name in normed]


def quantise(model: onnx.ModelProto, peaks: Mapping[str, Floats]) -> Quantised:
    """Every matrix that activations are multiplied by, and every table of embeddings, as int8. `model` stays as it is.

    `peaks` holds the largest absolute value of each channel, shape (channels,), of the tensors in `uneven_inputs`.
    """
    weights = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    readers = _readers(model)
    tables = {n.input[0] for n in model.graph.node if n.op_type == "Gather" and _is_matrix(weights.get(n.input[0]))}
    smoothing = _smoothing(readers, weights, peaks)
    constants: dict[str, NDArray[np.generic]] = {
        "int8.one": np.float32(1),
        "int8.zero_point": np.uint8(128),
        "int8.step": np.float32(1 / _TOP),
        "int8.smallest": np.float32(_SMALLEST),
    }
    undo = {}
    for group, factors in smoothing.items():
        constants[f"{group}.undo"] = 1 / factors
    for name, nodes in readers.items():
        group = _group_of(name, smoothing, readers)
        for node in nodes:
            weight = node.input[1]
            matrix = weights[weight]
            if group is not None:
                matrix = matrix * smoothing[group][:, None]
                undo[weight] = f"{group}.undo"
            constants[weight + INT8], constants[weight + SCALE] = _whole(matrix, axis=0)
            constants[weight + ".zero"] = np.zeros(matrix.shape[1], dtype=np.int8)
    for table in tables:
        constants[table + INT8], constants[table + SCALE] = _whole(weights[table], axis=1)
    return Quantised(model=model, undo=undo)
