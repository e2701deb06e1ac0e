from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("transformers")
import tiny
import torch

from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.encoder.onnx import OnnxEncoder
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import BundleError, EncoderError
from lapor_nlp.training import export as module
from lapor_nlp.training.checkpoints import Checkpoint, keep_layers, load_checkpoint, restore_checkpoint
from lapor_nlp.training.export import export_encoder, restore_weights

TEXTS = [*tiny.SENTENCES, "Air", "", " ".join(tiny.SENTENCES)]


def checkpoint(folder: Path, build: Callable[[Path], Path] = tiny.indobert) -> Checkpoint:
    return load_checkpoint(str(build(folder / "checkpoint")))


def export(
    start: Checkpoint, folder: Path, *, int8: bool = True, keep_fp32: bool = False, pooling: str = "mean"
) -> EncoderSettings:
    return export_encoder(
        start.model,
        start.tokenizer,
        replace(start.settings, pooling=pooling),
        folder,
        texts=tiny.SENTENCES,
        int8=int8,
        keep_fp32=keep_fp32,
    )


def vectors(start: Checkpoint, pooling: str = "mean") -> NDArray[np.float32]:
    """Of TEXTS, by torch, one by one."""
    start.model.eval()
    rows = Tokeniser(start.tokenizer.backend_tokenizer, start.settings)(TEXTS).ids
    with torch.inference_mode():
        states = [start.model(input_ids=torch.tensor([row])).last_hidden_state[0] for row in rows]
    return np.array([(s[0] if pooling == "cls" else s.mean(0)).numpy() for s in states])


def least_cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(axis=1) / lengths).min())


def train_a_step(start: Checkpoint) -> None:
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW(start.model.parameters(), lr=1e-3)
    start.model.train()
    for row in Tokeniser(start.tokenizer.backend_tokenizer, start.settings)(tiny.SENTENCES[:4]).ids:
        start.model(input_ids=torch.tensor([row])).last_hidden_state.pow(2).mean().backward()
    optimizer.step()


@pytest.mark.parametrize("name", list(tiny.BUILDERS))
def test_each_kind_of_encoder_trains_exports_and_comes_back(tmp_path: Path, name: str) -> None:
    start = checkpoint(tmp_path, tiny.BUILDERS[name])
    before = vectors(start)
    train_a_step(start)
    exact = vectors(start)
    assert not np.allclose(before, exact, atol=1e-3)

    settings = export(start, tmp_path / "int8")
    rounded = OnnxEncoder.load(tmp_path / "int8", settings).encode(TEXTS).vectors
    assert settings.precision == "int8"
    assert least_cosine(rounded, exact) > 0.98

    settings = export(start, tmp_path / "fp32", int8=False)
    assert settings.precision == "fp32"
    assert np.allclose(OnnxEncoder.load(tmp_path / "fp32", settings).encode(TEXTS).vectors, exact, atol=1e-4)

    restored = restore_checkpoint(tmp_path / "int8", replace(settings, precision="int8"))
    assert type(restored.model) is type(start.model)
    assert restored.most_tokens == start.most_tokens
    assert least_cosine(vectors(restored), exact) > 0.98
    train_a_step(restored)


def test_what_is_written(tmp_path: Path) -> None:
    export(checkpoint(tmp_path), tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"encoder.onnx", "encoder.json", "tokenizer.json"}
    assert str(tmp_path) not in (tmp_path / "out" / "encoder.json").read_text()
    size = (tmp_path / "out" / "encoder.onnx").stat().st_size
    export(checkpoint(tmp_path), tmp_path / "out", int8=False)
    assert size < (tmp_path / "out" / "encoder.onnx").stat().st_size


def test_single_precision_may_be_kept_and_comes_back_exactly(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    settings = export(start, tmp_path / "out", keep_fp32=True)
    assert (tmp_path / "out" / "encoder.fp32.onnx").is_file()
    restored = restore_checkpoint(tmp_path / "out", settings)
    for name, parameter in start.model.named_parameters():
        assert torch.equal(restored.model.get_parameter(name), parameter), name
    export(start, tmp_path / "out")
    assert not (tmp_path / "out" / "encoder.fp32.onnx").exists()


def test_the_state_of_the_first_token(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    settings = export(start, tmp_path / "out", int8=False, pooling="cls")
    encoded = OnnxEncoder.load(tmp_path / "out", settings).encode(TEXTS).vectors
    assert np.allclose(encoded, vectors(start, "cls"), atol=1e-4)


def test_fewer_layers_come_back_as_fewer(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    keep_layers(start.model, 2)
    settings = export(start, tmp_path / "out")
    restored = restore_checkpoint(tmp_path / "out", settings)
    assert restored.model.config.num_hidden_layers == 2
    assert least_cosine(vectors(restored), vectors(start)) > 0.998


def test_the_model_stays_as_it_is(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    start.model.train()
    attention = start.model.config._attn_implementation
    before = {name: parameter.clone() for name, parameter in start.model.named_parameters()}
    export(start, tmp_path / "out")
    assert start.model.training
    assert start.model.config._attn_implementation == attention
    assert all(torch.equal(parameter, before[name]) for name, parameter in start.model.named_parameters())


def test_exporting_twice_gives_the_same_files(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    export(start, tmp_path / "a")
    export(start, tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_full_disk_leaves_the_former_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = checkpoint(tmp_path)
    out = tmp_path / "out"
    export(start, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    train_a_step(start)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(EncoderError, match="could not be written: No space left on device"):
        export(start, out)
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_model_that_onnx_cannot_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    with pytest.raises(EncoderError, match="take a smaller one"):
        export(checkpoint(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_cannot_be_traced(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    start.model.embeddings.word_embeddings = torch.nn.Identity()
    with pytest.raises(EncoderError, match="bert cannot be exported to ONNX"):
        export(start, tmp_path / "out")
    assert not any((tmp_path / "out").iterdir())


def test_weights_of_another_export(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    export(start, tmp_path / "out")
    export(checkpoint(tmp_path / "other", tiny.roberta), tmp_path / "roberta")
    os.replace(tmp_path / "roberta" / "encoder.onnx", tmp_path / "out" / "encoder.onnx")
    with pytest.raises(
        BundleError, match=r"encoder\.onnx: its weights cannot be read back .* export the encoder again"
    ):
        restore_weights(tmp_path / "out", start.model)


def test_weights_for_another_model(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    export(start, tmp_path / "out")
    other = checkpoint(tmp_path / "other", tiny.mbert)
    with pytest.raises(BundleError, match=r"embeddings\.word_embeddings\.weight has another shape"):
        restore_weights(tmp_path / "out", other.model)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"config": {}}', '{"config": {"model_type": "none"}}'])
def test_an_origin_that_is_none(tmp_path: Path, content: str) -> None:
    settings = export(checkpoint(tmp_path), tmp_path / "out")
    (tmp_path / "out" / "encoder.json").write_text(content)
    with pytest.raises(BundleError, match=r"encoder\.json: holds no encoder to train on from"):
        restore_checkpoint(tmp_path / "out", settings)


def test_every_weight_has_its_place(tmp_path: Path) -> None:
    start = checkpoint(tmp_path)
    export(start, tmp_path / "out")
    origin = json.loads((tmp_path / "out" / "encoder.json").read_text())
    assert set(origin["weights"]) == {name for name, _ in start.model.named_parameters()}
