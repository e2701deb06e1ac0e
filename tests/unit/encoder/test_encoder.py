from __future__ import annotations

from typing import Any

import pytest

from lapor_nlp.encoder.encoder import EncoderSettings


def test_defaults() -> None:
    settings = EncoderSettings(dimension=8)
    assert (settings.longest, settings.head_share, settings.pooling, settings.precision) == (128, 0.75, "mean", "int8")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dimension", 0),
        ("dimension", True),
        ("dimension", "384"),
        ("longest", 3),
        ("longest", 12.5),
        ("pad_id", -1),
        ("head_share", 1.1),
        ("head_share", "half"),
        ("head_share", float("nan")),
        ("pooling", "max"),
        ("precision", "fp16"),
        ("prefix", None),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"the encoder's {name} cannot be"):
        EncoderSettings(**{"dimension": 8, name: value})
