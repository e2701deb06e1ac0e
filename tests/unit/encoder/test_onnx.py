from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("transformers")
import onnx
import tiny
from onnx import numpy_helper

from lapor_nlp.encoder import onnx as module
from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.encoder.onnx import OnnxEncoder, available_cores
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import BundleError
from lapor_nlp.training.checkpoints import load_checkpoint
from lapor_nlp.training.export import export_encoder

TEXTS = [*tiny.SENTENCES, "", "Air mati", "Lampu mati", " ".join(tiny.SENTENCES), "???", "mohon " * 200]


def export(folder: Path, build: Callable[[Path], Path], *, int8: bool = True) -> EncoderSettings:
    checkpoint = load_checkpoint(str(build(folder / "checkpoint")))
    return export_encoder(
        checkpoint.model,
        checkpoint.tokenizer,
        checkpoint.settings,
        folder,
        texts=tiny.SENTENCES,
        int8=int8,
        keep_fp32=False,
    )


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EncoderSettings]:
    folder = tmp_path_factory.mktemp("encoder")
    return folder, export(folder, tiny.indobert)


@pytest.fixture(scope="module")
def encoder(exported: tuple[Path, EncoderSettings]) -> OnnxEncoder:
    return OnnxEncoder.load(*exported, threads=2)


@pytest.fixture
def copy(exported: tuple[Path, EncoderSettings], tmp_path: Path) -> Path:
    return shutil.copytree(exported[0], tmp_path / "copy")


def test_one_vector_for_each_text(encoder: OnnxEncoder) -> None:
    encoded = encoder.encode(TEXTS)
    assert encoded.vectors.shape == (len(TEXTS), 32)
    assert encoded.vectors.dtype == np.float32
    assert np.isfinite(encoded.vectors).all()
    assert encoded.truncated.tolist() == [text in TEXTS[-3:] and text != "???" for text in TEXTS]


def test_no_texts(encoder: OnnxEncoder) -> None:
    assert encoder.encode([]).vectors.shape == (0, 32)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(range(len(TEXTS))), min_size=1, max_size=40))
def test_neighbours_do_not_matter_to_the_last_bit(encoder: OnnxEncoder, chosen: list[int]) -> None:
    alone = np.vstack([encoder.encode([text]).vectors for text in TEXTS])
    assert np.array_equal(encoder.encode([TEXTS[i] for i in chosen]).vectors, alone[chosen])


@pytest.mark.parametrize("int8", [True, False])
@pytest.mark.parametrize("build", [tiny.indobert_lite, tiny.xlm_roberta])
def test_nor_do_they_for_other_encoders(tmp_path: Path, build: Callable[[Path], Path], int8: bool) -> None:
    encoder = OnnxEncoder.load(tmp_path, export(tmp_path, build, int8=int8))
    texts = [word for text in TEXTS for word in (text, text[:20], text[:21])]
    alone = np.vstack([encoder.encode([text]).vectors for text in texts])
    assert np.array_equal(encoder.encode(texts).vectors, alone)


def test_the_number_of_threads_does_not_matter(exported: tuple[Path, EncoderSettings], encoder: OnnxEncoder) -> None:
    single = OnnxEncoder.load(*exported, threads=1)
    assert np.array_equal(single.encode(TEXTS).vectors, encoder.encode(TEXTS).vectors)


def test_threads_may_share_it(encoder: OnnxEncoder) -> None:
    expected = encoder.encode(TEXTS).vectors
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: encoder.encode(TEXTS).vectors, range(12)):
            assert np.array_equal(vectors, expected)


@pytest.mark.parametrize("build", [tiny.indobert, tiny.indobert_lite])
def test_older_processors_get_the_same_answers(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    export(tmp_path, build)
    ids = np.arange(5, 45, dtype=np.int64).reshape(2, 20)
    fast, exact = (
        module._session(tmp_path / "encoder.onnx", exact=exact).run(None, {"input_ids": ids})[0]
        for exact in (False, True)
    )
    if module._adds_up_exactly():
        assert np.array_equal(fast, exact)
    else:
        assert np.allclose(fast, exact, atol=0.1)


@pytest.mark.parametrize(
    ("machine", "flags", "exactly"),
    [("aarch64", "", True), ("x86_64", "avx2 avx512_vnni", True), ("AMD64", "avx2", False), ("x86_64", None, False)],
)
def test_which_processors_add_up_exactly(
    monkeypatch: pytest.MonkeyPatch, machine: str, flags: str | None, exactly: bool
) -> None:
    def read(*_: object, **__: object) -> str:
        if flags is None:
            raise FileNotFoundError
        return flags

    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read)
    assert module._adds_up_exactly() is exactly


def test_runs_hold_texts_of_one_length_and_few_tokens() -> None:
    lengths = [3, 90, 3, 90, 90, 200, 300, *([3] * 200)]
    runs = list(module._runs(lengths))
    assert sorted(row for run in runs for row in run) == list(range(len(lengths)))
    for run in runs:
        assert len({lengths[row] for row in run}) == 1
        assert len(run) == 1 or len(run) * lengths[run[0]] <= 256
    assert [lengths[run[0]] for run in runs] == sorted((lengths[run[0]] for run in runs), reverse=True)


def test_one_thread_for_each_core_by_default(exported: tuple[Path, EncoderSettings]) -> None:
    assert OnnxEncoder.load(*exported).threads == available_cores() >= 1


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_a_missing_file(exported: tuple[Path, EncoderSettings], copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: is missing from the model folder; copy the folder again"):
        OnnxEncoder.load(copy, exported[1])


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08"])
def test_a_graph_that_is_none(exported: tuple[Path, EncoderSettings], copy: Path, content: bytes) -> None:
    (copy / "encoder.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"encoder\.onnx: is no model"):
        OnnxEncoder.load(copy, exported[1])


def test_a_graph_cut_short(exported: tuple[Path, EncoderSettings], copy: Path) -> None:
    path = copy / "encoder.onnx"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BundleError, match=r"encoder\.onnx: is no model"):
        OnnxEncoder.load(copy, exported[1])


def test_a_graph_of_another_width(exported: tuple[Path, EncoderSettings], copy: Path) -> None:
    with pytest.raises(
        BundleError, match=r"from input_ids to vector of 32 numbers, not from input_ids to vector of 99"
    ):
        OnnxEncoder.load(copy, replace(exported[1], dimension=99))


def test_a_graph_that_does_something_else(exported: tuple[Path, EncoderSettings], copy: Path) -> None:
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 32])
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 32])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "other", [value], [out])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), copy / "encoder.onnx"
    )
    with pytest.raises(BundleError, match=r"encoder\.onnx: is another model"):
        OnnxEncoder.load(copy, exported[1])


def test_a_tokeniser_of_another_model(exported: tuple[Path, EncoderSettings], copy: Path, tmp_path: Path) -> None:
    larger = tiny.roberta(tmp_path / "roberta")
    assert Tokeniser.load(larger / "tokenizer.json", exported[1]).size > 250
    shutil.copy(larger / "tokenizer.json", copy)
    with pytest.raises(BundleError, match=r"encoder\.onnx: does not fit tokenizer\.json"):
        OnnxEncoder.load(copy, exported[1])


def test_texts_longer_than_the_positions(exported: tuple[Path, EncoderSettings], copy: Path) -> None:
    with pytest.raises(BundleError, match="texts of 65 tokens"):
        OnnxEncoder.load(copy, replace(exported[1], longest=65))


def test_weights_that_are_no_numbers(exported: tuple[Path, EncoderSettings], copy: Path) -> None:
    graph = onnx.load(copy / "encoder.onnx")
    weight = next(i for i in graph.graph.initializer if i.name.endswith("LayerNorm.bias"))
    weight.CopyFrom(numpy_helper.from_array(np.full(32, np.nan, dtype=np.float32), weight.name))
    onnx.save(graph, copy / "encoder.onnx")
    with pytest.raises(BundleError, match="gives no finite numbers"):
        OnnxEncoder.load(copy, exported[1])
