"""Encoder: from texts to one vector each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

Pooling = Literal["mean", "cls"]
Precision = Literal["int8", "fp32"]

_CHOICES = {"pooling": get_args(Pooling), "precision": get_args(Precision)}


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """How texts become vectors. Stored with a model: another setting gives other vectors.

    A text gets `prefix` before it; of one with more than `longest` tokens the share `head_share` is kept from its
    beginning, the rest from its end. A vector of `dimension` numbers is the mean of the states of all tokens, or the
    state of the first (cls). `pad_id` fills up shorter texts in training.

    Raises ValueError naming the setting that is wrong.
    """

    dimension: int
    prefix: str = ""
    longest: int = 128
    head_share: float = 0.75
    pooling: Pooling = "mean"
    precision: Precision = "int8"
    pad_id: int = 0

    def __post_init__(self) -> None:
        counts = {"dimension": 1, "longest": 4, "pad_id": 0}
        wrong = [name for name, least in counts.items() if not _is_count(getattr(self, name), least)]
        wrong += [name for name, kinds in _CHOICES.items() if getattr(self, name) not in kinds]
        if not isinstance(self.prefix, str):
            wrong.append("prefix")
        if not isinstance(self.head_share, int | float) or not 0 <= self.head_share <= 1:
            wrong.append("head_share")
        if wrong:
            raise ValueError(", ".join(f"the encoder's {name} cannot be {getattr(self, name)!r}" for name in wrong))


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Pooled vectors, shape (texts, dimension), not scaled to length 1; and which texts were cut, shape (texts,)."""

    vectors: NDArray[np.float32]
    truncated: NDArray[np.bool_]


class Encoder(Protocol):
    """Anything that turns texts into vectors, the same for a text whatever its neighbours."""

    @property
    def settings(self) -> EncoderSettings: ...

    def encode(self, texts: Sequence[str]) -> Encoded: ...


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
