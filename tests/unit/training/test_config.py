from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.errors import TrainingDataError
from lapor_nlp.training.config import TrainConfig

BASE = TrainConfig(encoder="models/e5", heads=("topic", "agency"))


def saved(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "config",
    [
        BASE,
        TrainConfig(encoder=None, heads=("topic",), lexical_kept=None, learning_rate=2e-5, layers=6, threads=2),
        TrainConfig(encoder='a "b"\\\n\x7f é 😀', heads=("jenis laporan",), recency_half_life_days=90.5, int8=False),
    ],
)
def test_round_trips(tmp_path: Path, config: TrainConfig) -> None:
    assert TrainConfig.from_toml(saved(tmp_path, config.to_toml())) == config
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@given(
    encoder=st.none() | st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda s: s.strip() and s != "none"),
    rate=st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_setting_round_trips(
    tmp_path_factory: pytest.TempPathFactory, encoder: str, rate: float, seed: int
) -> None:
    config = TrainConfig(encoder=encoder, heads=("topic",), learning_rate=rate, seed=seed)
    path = tmp_path_factory.mktemp("config") / "train.toml"
    path.write_text(config.to_toml(), encoding="utf-8", newline="")
    assert TrainConfig.from_toml(path) == config


def test_the_file_says_every_setting() -> None:
    assert [line.split(" = ")[0] for line in BASE.to_toml().splitlines()] == [f.name for f in fields(TrainConfig)]


def test_whole_numbers_do_for_numbers(tmp_path: Path) -> None:
    config = TrainConfig.from_toml(saved(tmp_path, 'encoder = "e5"\nheads = ["topic"]\nepochs = 5\n'))
    assert config.epochs == 5.0
    assert isinstance(config.epochs, float)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("epochs", 0, "epochs is 0; it must be above 0"),
        ("epochs", float("nan"), "epochs is nan; it must be a number"),
        ("epochs", True, "epochs is True; it must be a number"),
        ("batch", 0, "batch is 0; it must be 1 or more"),
        ("batch", 8.0, "a whole number"),
        ("learning_rate", 1.0, "between 0 and 1, both excluded"),
        ("warmup", 1.5, "warmup is 1.5; it must be between 0 and 1"),
        ("longest", 4, "between 8 and 8192"),
        ("dev_share", 0.5, "between 0 and 0.5"),
        ("risk", 0, "both excluded"),
        ("assurance", 0.4, "between 0.5 and 1"),
        ("layers", 0, "layers is 0"),
        ("threads", "two", "threads is 'two'; it must be a whole number"),
        ("precision", "fp8", "one of auto, fp32, bf16, fp16"),
        ("int8", 1, "true or false"),
        ("heads", (), "at least one"),
        ("heads", ("topic", "topic"), "twice"),
        ("heads", ["topic"], "a list of names"),
        ("heads", ("topic", 3), "a list of names"),
        ("encoder", " ", "encoder is empty"),
    ],
)
def test_settings_out_of_range(setting: str, value: Any, message: str) -> None:
    with pytest.raises(TrainingDataError, match=message):
        TrainConfig(**{"encoder": "e5", "heads": ("topic",), setting: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('encoder = "e5"\nheads = ["topic"]\nepoch = 3', "no setting 'epoch'; did you mean epochs?"),
        ('encoder = "e5"\nheads = ["topic"]\nzzz = 3', "there are encoder, heads"),
        ('heads = ["topic"]', "the setting encoder is missing"),
        ('encoder = "e5"\nheads = "topic"', "heads is 'topic'; it must be a list of names"),
        ('encoder = "e5"\nheads = ["topic"]\nepochs = "none"', "epochs is 'none'; it must be a number"),
        ("encoder = e5", "is not TOML"),
    ],
)
def test_files_at_fault_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TrainingDataError, match=message) as caught:
        TrainConfig.from_toml(saved(tmp_path, text))
    assert "train.toml" in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="cannot be opened"):
        TrainConfig.from_toml(tmp_path / "none.toml")


@pytest.mark.parametrize(("width", "rate"), [(312, 2e-4), (384, 2e-4), (768, 3e-5), (1024, 1e-5)])
def test_the_learning_rate_falls_with_the_width(width: int, rate: float) -> None:
    assert BASE.learning_rate_for(width) == rate
    assert TrainConfig(encoder="e5", heads=("topic",), learning_rate=5e-5).learning_rate_for(width) == 5e-5
