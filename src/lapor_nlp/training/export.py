"""Export: a trained encoder as an ONNX graph from token numbers to pooled vectors, and its weights back out of one.

The graph reads texts of one length at a time, so it needs neither padding nor a mask, and answers the same for a text
whatever stands beside it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.encoder.onnx import FULL, GRAPH, INPUT, ORIGIN, OUTPUT, TOKENIZER
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import BundleError, EncoderError, MissingExtraError
from lapor_nlp.training.quantisation import channel_ranges, dequantised, quantise

try:
    import onnx
    import torch
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import numpy_helper
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerFast
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "torch") from error

_OPSET = 17
_MOST_BYTES = 2**31 - 2**24
"""What one ONNX file can hold."""

_EXPECTED: tuple[tuple[type[Warning], str], ...] = (
    (DeprecationWarning, "You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, "The feature will be removed"),
    (torch.jit.TracerWarning, "Converting a tensor to a Python boolean"),  # type: ignore[attr-defined]
)
"""What torch says of any export."""


def export_encoder(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    settings: EncoderSettings,
    folder: Path,
    *,
    texts: Sequence[str],
    int8: bool,
    keep_fp32: bool,
) -> EncoderSettings:
    """Write encoder.onnx, tokenizer.json and encoder.json into `folder`, and return the settings to load them with.

    With `int8` the weights are whole numbers, fitted to `texts` (some hundreds), and `keep_fp32` keeps the graph in
    single precision beside them as encoder.fp32.onnx. encoder.json says how to get the weights back, see
    `restore_weights`.

    Raises EncoderError when the model cannot be exported or the folder cannot be written.
    """
    size = sum(parameter.numel() * 4 for parameter in model.parameters())
    if size > _MOST_BYTES:
        raise EncoderError(f"the encoder has {size / 1e9:.1f} GB of weights, ONNX holds 2.1; take a smaller one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as staging:
            written = Path(staging)
            exact = _traced(model, settings, written / FULL)
            names = _initializers(model, exact)
            undo: Mapping[str, str] = {}
            if int8:
                rows = Tokeniser(tokenizer.backend_tokenizer, settings)(texts).ids
                quantised = quantise(exact, channel_ranges(exact, [np.array(row, dtype=np.int64) for row in rows]))
                (written / GRAPH).write_bytes(quantised.model.SerializeToString())
                undo = quantised.undo
            else:
                os.replace(written / FULL, written / GRAPH)
            weights = {
                name: {"initializer": initializer, "transposed": transposed, "undo": undo.get(initializer)}
                for name, (initializer, transposed) in names.items()
            }
            config = {key: value for key, value in model.config.to_dict().items() if key != "_name_or_path"}
            origin = {"config": config, "weights": weights}
            (written / ORIGIN).write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")
            (written / TOKENIZER).write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
            (folder / FULL).unlink(missing_ok=True)
            for name in (GRAPH, ORIGIN, TOKENIZER, *([FULL] if int8 and keep_fp32 else [])):
                os.replace(written / name, folder / name)
    except OSError as error:
        raise EncoderError(
            f"{folder} could not be written: {error.strerror}; free some room or choose another"
        ) from error
    return replace(settings, precision="int8" if int8 else "fp32")


def restore_weights(folder: Path, model: PreTrainedModel) -> None:
    """Give `model`, made of the configuration in encoder.json, the weights of the encoder exported to `folder`.

    Those of encoder.fp32.onnx if it was kept, else the rounded ones: off by at most half a step, of which a column (of
    a table: a row) has 127 up to its largest weight.

    Raises BundleError when the folder's files fit neither together nor the model.
    """
    path = folder / FULL if (folder / FULL).is_file() else folder / GRAPH
    try:
        weights = json.loads((folder / ORIGIN).read_text(encoding="utf-8"))["weights"]
        arrays = {i.name: numpy_helper.to_array(i) for i in onnx.load(str(path)).graph.initializer}
        state = {}
        for name, parameter in model.named_parameters():
            at = weights[name]
            array = dequantised(arrays, at["initializer"], at["undo"])
            state[name] = torch.from_numpy(np.array(array.T if at["transposed"] else array))
            if state[name].shape != parameter.shape:
                raise ValueError(f"{name} has another shape")
    except (OSError, ValueError, KeyError, TypeError, DecodeError) as error:
        raise BundleError(path, f"its weights cannot be read back ({error}); export the encoder again") from error
    model.load_state_dict(state, strict=False)


class _Pooled(nn.Module):
    """From token numbers, shape (texts, tokens), to vectors, shape (texts, dimension).

    The mean is a product, which ONNX Runtime works out for each text by itself. Its reductions add up in another order
    when there are more texts.
    """

    def __init__(self, model: PreTrainedModel, pooling: str) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling
        self.takes_types = "token_type_ids" in inspect.signature(model.forward).parameters

    def forward(self, input_ids: Tensor) -> Tensor:
        types = {"token_type_ids": torch.zeros_like(input_ids)} if self.takes_types else {}
        states: Tensor = self.model(input_ids=input_ids, **types).last_hidden_state
        if self.pooling == "cls":
            return states[:, 0]
        share = torch.ones_like(input_ids, dtype=states.dtype).unsqueeze(1) / input_ids.shape[1]
        return (share @ states).squeeze(1)


def _traced(model: PreTrainedModel, settings: EncoderSettings, path: Path) -> onnx.ModelProto:
    """The graph in single precision, also written to `path`. The model stays as it is."""
    attention, training = model.config._attn_implementation, model.training
    example = torch.full((2, 9), settings.pad_id + 1, dtype=torch.long)
    try:
        model.set_attn_implementation("eager")
        with warnings.catch_warnings():
            for category, message in _EXPECTED:
                warnings.filterwarnings("ignore", message=message, category=category)
            torch.onnx.export(
                _Pooled(model, settings.pooling).eval(),
                (example.to(model.device),),
                str(path),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "texts", 1: "tokens"}, OUTPUT: {0: "texts"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    except (RuntimeError, ValueError, TypeError) as error:
        raise EncoderError(f"{model.config.model_type} cannot be exported to ONNX: {error}") from error
    finally:
        model.set_attn_implementation(attention)
        model.train(training)
    graph = _direct(onnx.load(str(path)))
    onnx.save(graph, str(path))
    return graph


def _direct(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with weights read straight, where torch reads equal ones by way of an Identity (as in ALBERT)."""
    graph = model.graph
    initializers = {initializer.name for initializer in graph.initializer}
    same = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Identity" and n.input[0] in initializers}
    nodes = [node for node in graph.node if node.output[0] not in same]
    for node in nodes:
        node.input[:] = [same.get(name, name) for name in node.input]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _initializers(model: PreTrainedModel, graph: onnx.ModelProto) -> dict[str, tuple[str, bool]]:
    """For each parameter the initializer that holds it, found by value, and whether it stands there transposed."""
    found = {_mark(numpy_helper.to_array(i)): i.name for i in graph.graph.initializer}
    names = {}
    for name, parameter in model.named_parameters():
        array = parameter.detach().cpu().numpy()
        for transposed in (False, True):
            initializer = found.get(_mark(array.T if transposed else array))
            if initializer is not None:
                names[name] = (initializer, transposed)
                break
    return names


def _mark(array: NDArray[Any]) -> tuple[tuple[int, ...], bytes]:
    return array.shape, hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()
