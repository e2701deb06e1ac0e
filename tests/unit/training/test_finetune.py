from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import torch
from tiny import indobert

from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.training.checkpoints import Checkpoint, load_checkpoint
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.finetune import (
    Collator,
    FineTuned,
    LengthSampler,
    MultiHead,
    balance,
    fine_tune,
    last_checkpoint,
    precision_for,
    vectors_of,
)

THINGS = {"lampu": "Lampu jalan mati di gang {}", "air": "Air PDAM keruh di rumah nomor {}"}
CONFIG = TrainConfig(
    encoder="tiny",
    heads=("topic", "kind"),
    epochs=12,
    patience=12,
    batch=8,
    learning_rate=3e-3,
    longest=16,
    precision="fp32",
    threads=1,
)
LABELS = {"topic": ("air", "lampu"), "kind": ("aspirasi", "pengaduan")}


def examples(count: int = 16) -> Examples:
    """Every third text has no kind."""
    made = [(text.format(i), topic) for i in range(count // 2) for topic, text in THINGS.items()]
    kinds = [None if i % 3 == 0 else LABELS["kind"][i % 2] for i in range(len(made))]
    return Examples(texts=[t for t, _ in made], labels={"topic": [k for _, k in made], "kind": kinds})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return indobert(tmp_path_factory.mktemp("indobert"))


def run(checkpoint: Path, work: Path, config: TrainConfig = CONFIG) -> tuple[FineTuned, Checkpoint, Tokeniser]:
    loaded = load_checkpoint(str(checkpoint))
    tokeniser = Tokeniser(loaded.tokenizer.backend_tokenizer, loaded.settings)
    work.mkdir(exist_ok=True)
    rows = examples()
    tuned = fine_tune(
        loaded.model, tokeniser, rows, rows, LABELS, config, settings=loaded.settings, work=work, quiet=True
    )
    return tuned, loaded, tokeniser


def test_it_learns_and_looks_at_the_dev_rows(checkpoint: Path, tmp_path: Path) -> None:
    tuned, loaded, tokeniser = run(checkpoint, tmp_path / "work")
    vectors = vectors_of(tuned.model, tokeniser, examples().texts, settings=loaded.settings)
    head = tuned.heads["topic"]
    said = [LABELS["topic"][k] for k in (vectors @ head.weights + head.bias).argmax(axis=1)]
    assert said == list(examples().labels["topic"])
    assert [entry["epoch"] for entry in tuned.history] == sorted({entry["epoch"] for entry in tuned.history})
    assert tuned.projection is not None
    assert tuned.projection(vectors).shape == (16, 4)


def test_the_same_seed_gives_the_same_model(checkpoint: Path, tmp_path: Path) -> None:
    one, other = (run(checkpoint, tmp_path / name)[0].heads["topic"].weights for name in ("one", "other"))
    assert np.array_equal(one, other)


def test_a_run_cut_off_in_a_checkpoint_goes_on_from_the_whole_one(checkpoint: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    whole = run(checkpoint, work)[0].heads["topic"].weights
    newest = Path(last_checkpoint(work) or "")
    (newest / "complete.json").unlink()
    (newest / "model.safetensors").write_bytes(b"cut off")
    older = last_checkpoint(work)
    assert older is not None
    assert not newest.exists()
    again = run(checkpoint, work)[0].heads["topic"].weights
    assert np.allclose(again, whole, atol=1e-5)


def test_no_checkpoint_no_resuming(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None


def test_dev_rows_that_the_head_does_not_know_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    loaded = load_checkpoint(str(checkpoint))
    tokeniser = Tokeniser(loaded.tokenizer.backend_tokenizer, loaded.settings)
    strange = Examples(texts=["pohon tumbang"], labels={"topic": ["pohon"], "kind": [None]})
    with pytest.raises(TrainingDataError, match="no row of the dev set"):
        fine_tune(
            loaded.model,
            tokeniser,
            examples(),
            strange,
            LABELS,
            CONFIG,
            settings=loaded.settings,
            work=tmp_path,
            quiet=True,
        )


def multi_head(**changes: float) -> MultiHead:
    class Same(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor, **_: torch.Tensor) -> object:
            states = torch.nn.functional.one_hot(input_ids, 5).float()
            return type("Out", (), {"last_hidden_state": states})()

    settings = {"dropout": 0.0, "smoothing": 0.0, "likeness": 0.0, "likeness_dimension": 0, **changes}
    balances = {name: torch.ones(2) for name in LABELS}
    return MultiHead(Same(), pooling="mean", dimension=5, labels=LABELS, balances=balances, **settings)  # type: ignore[arg-type]


def test_padding_does_not_count_in_the_mean() -> None:
    ids, mask = torch.tensor([[1, 2, 0]]), torch.tensor([[1, 1, 0]])
    assert multi_head().vectors(ids, mask).tolist() == [[0, 0.5, 0.5, 0, 0]]


def test_a_missing_label_adds_no_loss() -> None:
    model = multi_head()
    ids, mask, one = torch.tensor([[1, 2]]), torch.ones(1, 2), torch.ones(1)
    both = model(ids, mask, torch.tensor([[0, 1]]), one)["loss"].detach()
    first = model(ids, mask, torch.tensor([[0, -100]]), one)["loss"].detach()
    second = model(ids, mask, torch.tensor([[-100, 1]]), one)["loss"].detach()
    assert float(both) == pytest.approx(float(first + second))
    assert float(model(ids, mask, torch.tensor([[-100, -100]]), one)["loss"].detach()) == 0


def test_likeness_adds_its_share_of_the_loss() -> None:
    model = multi_head(likeness=3.0, likeness_dimension=2)
    assert model.projection is not None
    ids, mask, none = torch.tensor([[1, 2]]), torch.ones(1, 2), torch.tensor([[-100, -100]])
    toward = model.projection(model.vectors(ids, mask)).detach()
    assert float(model(ids, mask, none, torch.ones(1), like=toward)["loss"].detach()) == pytest.approx(0, abs=1e-5)
    assert float(model(ids, mask, none, torch.ones(1), like=-toward)["loss"].detach()) == pytest.approx(6, abs=1e-4)


def test_balance_raises_rare_labels_and_keeps_the_mean_row() -> None:
    labels = ["a"] * 80 + ["b"] * 20 + [None] * 7
    weights = balance(labels, ("a", "b"), 0.5)
    assert float(weights[1] / weights[0]) == pytest.approx(2)
    assert float(0.8 * weights[0] + 0.2 * weights[1]) == pytest.approx(1)
    assert balance(labels, ("a", "b"), 0.0).tolist() == pytest.approx([1, 1])


def test_batches_hold_one_length_and_come_in_any_order() -> None:
    lengths = np.random.default_rng(5).integers(4, 128, 1000).tolist()
    sampler = LengthSampler(lengths, 8, seed=1)
    first = list(sampler)
    assert sorted(first) == list(range(1000))
    spans = [np.ptp([lengths[i] for i in first[k : k + 8]]) for k in range(0, 1000, 8)]
    assert np.mean(spans) < 10
    means = [np.mean([lengths[i] for i in first[k : k + 8]]) for k in range(0, 1000, 8)]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.3
    assert list(sampler) == first
    sampler.set_epoch(1)
    assert list(sampler) != first


def test_rows_are_padded_together(checkpoint: Path) -> None:
    settings = load_checkpoint(str(checkpoint)).settings
    rows = [
        {"input_ids": [5, 6, 7], "targets": [0, -100], "weight": 1.0},
        {"input_ids": [8], "targets": [1, 1], "weight": 2.0},
    ]
    batch = Collator(settings)(rows)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, settings.pad_id, settings.pad_id]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["targets"].tolist() == [[0, -100], [1, 1]]


def test_precision_follows_the_hardware_only_when_asked_to() -> None:
    assert precision_for("fp16") == "fp16"
    assert precision_for("auto") in ("fp32", "bf16", "fp16")


def test_a_checkpoint_says_when_it_is_whole(checkpoint: Path, tmp_path: Path) -> None:
    run(checkpoint, tmp_path / "work")
    newest = Path(last_checkpoint(tmp_path / "work") or "")
    assert json.loads((newest / "complete.json").read_text())["step"] == int(newest.name.split("-")[1])
