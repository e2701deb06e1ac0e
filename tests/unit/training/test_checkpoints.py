from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import tiny
import torch
import transformers
from huggingface_hub.errors import OfflineModeIsEnabled

from lapor_nlp.errors import EncoderError
from lapor_nlp.training import checkpoints as module
from lapor_nlp.training.checkpoints import keep_layers, load_checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.indobert(tmp_path / "indobert")


@pytest.mark.parametrize(
    ("build", "model", "pieces", "pad_id"),
    [
        (tiny.indobert, "BertModel", ["air", "pdam", "mati"], 0),
        (tiny.indobert_lite, "AlbertModel", ["air", "pdam", "mati"], 0),
        (tiny.mbert, "BertModel", ["Air", "PDAM", "mati"], 0),
        (tiny.xlm_roberta, "XLMRobertaModel", ["▁Air", "▁PDAM", "▁mati"], 1),
        (tiny.roberta, "RobertaModel", [*"Air", "Ġ", *"PDAM", "Ġ", *"mati"], 1),
    ],
)
def test_each_loads_by_its_own_classes(
    tmp_path: Path, build: Callable[[Path], Path], model: str, pieces: list[str], pad_id: int
) -> None:
    checkpoint = load_checkpoint(str(build(tmp_path / "x")))
    assert type(checkpoint.model).__name__ == model
    encoding = checkpoint.tokenizer.backend_tokenizer.encode("Air PDAM mati")
    assert encoding.tokens[-1 - len(pieces) : -1] == pieces
    assert encoding.special_tokens_mask[0] == encoding.special_tokens_mask[-1] == 1
    assert checkpoint.settings.pad_id == pad_id
    assert checkpoint.settings.dimension == 32
    assert (checkpoint.most_tokens, checkpoint.settings.longest) == (64, 64)
    assert checkpoint.model.pooler is None
    assert {parameter.dtype for parameter in checkpoint.model.parameters()} == {torch.float32}


def test_weights_are_those_of_the_file(folder: Path) -> None:
    state = torch.load(folder / "pytorch_model.bin")
    model = load_checkpoint(str(folder)).model
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, state[f"bert.{name}"]), name


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    folder = tiny.mbert(tmp_path / "half")
    transformers.BertModel.from_pretrained(folder).half().save_pretrained(folder)
    assert load_checkpoint(str(folder)).model.dtype == torch.float32


def test_all_positions_can_be_read(tmp_path: Path) -> None:
    for build in tiny.BUILDERS.values():
        checkpoint = load_checkpoint(str(build(tmp_path / build.__name__)))
        ids = torch.full((1, checkpoint.most_tokens), 7)
        assert checkpoint.model(input_ids=ids).last_hidden_state.shape == (1, 64, 32)
        with pytest.raises((IndexError, RuntimeError)):
            checkpoint.model(input_ids=torch.full((1, checkpoint.most_tokens + 1), 7))


@pytest.mark.parametrize(("number", "kept"), [(1, [0]), (2, [0, 3]), (3, [0, 2, 3]), (4, [0, 1, 2, 3])])
def test_layers_are_left_out_evenly(folder: Path, number: int, kept: list[int]) -> None:
    whole = load_checkpoint(str(folder)).model.encoder.layer
    model = load_checkpoint(str(folder), layers=number).model
    assert model.config.num_hidden_layers == number
    queries = [layer.attention.self.query.weight for layer in model.encoder.layer]
    assert all(torch.equal(query, whole[i].attention.self.query.weight) for query, i in zip(queries, kept, strict=True))
    assert model(input_ids=torch.tensor([[2, 9, 3]])).last_hidden_state.shape == (1, 3, 32)


def test_the_one_layer_of_an_albert_is_passed_fewer_times(tmp_path: Path) -> None:
    folder = str(tiny.indobert_lite(tmp_path / "lite"))
    ids = torch.tensor([[2, 9, 3]])
    whole, half = (
        load_checkpoint(folder, layers=n).model.eval()(input_ids=ids, output_hidden_states=True) for n in (4, 2)
    )
    assert len(half.hidden_states) == 3
    assert torch.allclose(whole.hidden_states[2], half.last_hidden_state)


@pytest.mark.parametrize("number", [0, 5])
def test_more_layers_than_there_are(folder: Path, number: int) -> None:
    with pytest.raises(EncoderError, match="has 4 layers, so it cannot keep"):
        load_checkpoint(str(folder), layers=number)


def test_layers_that_are_not_one_stack() -> None:
    model: Any = torch.nn.Sequential()
    model.config = transformers.BertConfig(num_hidden_layers=3)
    with pytest.raises(EncoderError, match="layers of bert cannot be left out"):
        keep_layers(model, 2)


def test_e5_by_name(folder: Path) -> None:
    assert load_checkpoint(str(folder)).settings.prefix == ""
    named = folder.rename(folder.with_name("multilingual-E5-small"))
    assert load_checkpoint(str(named)).settings.prefix == "query: "
    other = named.rename(named.with_name("note5"))
    assert load_checkpoint(str(other)).settings.prefix == ""


def test_e5_by_its_readme(folder: Path) -> None:
    (folder / "README.md").write_text("Texts take the prefix `query: `.")
    assert load_checkpoint(str(folder)).settings.prefix == "query: "


def test_prefix_by_the_prompts_of_sentence_transformers(folder: Path) -> None:
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "cari: "}}))
    assert load_checkpoint(str(folder)).settings.prefix == "cari: "


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ([], "mean"),
    ],
)
def test_pooling_by_the_settings_of_sentence_transformers(folder: Path, pooling: object, expected: str) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    assert load_checkpoint(str(folder)).settings.pooling == expected


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("vocab.txt", "has no tokeniser"),
        ("config.json", "has no config.json, so it is no encoder"),
        ("pytorch_model.bin", "has no weights"),
    ],
)
def test_a_folder_that_lacks_a_file(folder: Path, gone: str, message: str) -> None:
    (folder / gone).unlink()
    with pytest.raises(EncoderError, match=message):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("name", ["config.json", "pytorch_model.bin"])
@pytest.mark.parametrize("content", [b"", b"{", b"nonsense"])
def test_a_damaged_file(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(EncoderError, match=r"cannot be loaded.*copy the folder again"):
        load_checkpoint(str(folder))


def test_weights_cut_short(tmp_path: Path) -> None:
    folder = tiny.mbert(tmp_path / "mbert")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(EncoderError, match="cannot be loaded"):
        load_checkpoint(str(folder))


def test_a_damaged_tokeniser(tmp_path: Path) -> None:
    folder = tiny.mbert(tmp_path / "mbert")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(EncoderError, match="its tokeniser cannot be loaded"):
        load_checkpoint(str(folder))


def test_weights_of_another_model(folder: Path, tmp_path: Path) -> None:
    (folder / "pytorch_model.bin").unlink()
    shutil.copy(tiny.indobert_lite(tmp_path / "lite") / "model.safetensors", folder)
    with pytest.raises(EncoderError, match=r"its weights are not those of its config\.json"):
        load_checkpoint(str(folder))


def test_a_tokeniser_of_another_model(folder: Path) -> None:
    with (folder / "vocab.txt").open("a") as file:
        file.writelines(f"kata{i}\n" for i in range(50))
    with pytest.raises(EncoderError, match=r"the tokeniser has \d+ tokens, the model \d+"):
        load_checkpoint(str(folder))


def test_an_encoder_with_a_decoder(tmp_path: Path) -> None:
    config = transformers.T5Config(vocab_size=50, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    transformers.T5Model(config).save_pretrained(tmp_path / "t5")
    with pytest.raises(EncoderError, match="an encoder with a decoder"):
        load_checkpoint(str(tmp_path / "t5"))


@pytest.mark.parametrize("name", ["./models/none", "/nowhere/none", "~/none-at-all", "a/b/c", "C:\\models\\x"])
def test_no_such_folder(name: str) -> None:
    with pytest.raises(EncoderError, match="there is no such folder"):
        load_checkpoint(name)


def test_a_file_in_place_of_a_folder(folder: Path) -> None:
    with pytest.raises(EncoderError, match="is a file; give the folder"):
        load_checkpoint(str(folder / "config.json"))


@pytest.mark.parametrize("name", ["indobenchmark/indobert-base-p1", "indobert", "name with blanks"])
def test_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(EncoderError) as caught:
        load_checkpoint(name)
    assert f"{name} is no folder here" in str(caught.value)
    assert f"`hf download {name} --local-dir {name.rsplit('/')[-1]}`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_hub_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> str:
        raise OfflineModeIsEnabled("no")

    monkeypatch.setattr(module, "snapshot_download", silent)
    with pytest.raises(EncoderError, match="could not be fetched"):
        load_checkpoint("indobenchmark/indobert-base-p1")


def test_pickled_weights_are_fetched_only_where_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = {"old/bert": tiny.indobert(tmp_path / "hub" / "old"), "new/bert": tiny.mbert(tmp_path / "hub" / "new")}
    fetched: list[str] = []

    def download(name: str, *, allow_patterns: list[str]) -> str:
        cache = tmp_path / "cache" / name.replace("/", "--")
        cache.mkdir(parents=True, exist_ok=True)
        for path in hub[name].iterdir():
            if any(path.match(pattern) for pattern in allow_patterns):
                fetched.append(path.name)
                shutil.copy(path, cache)
        return str(cache)

    monkeypatch.setattr(module, "snapshot_download", download)
    assert type(load_checkpoint("old/bert").model).__name__ == "BertModel"
    assert "pytorch_model.bin" in fetched
    fetched.clear()
    (hub["new/bert"] / "pytorch_model.bin").write_bytes(b"")
    load_checkpoint("new/bert")
    assert set(fetched) == {"config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "model.safetensors"}


def test_transformers_keeps_its_own_voice_elsewhere(folder: Path) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity()
    load_checkpoint(str(folder))
    assert logging.get_verbosity() == before
