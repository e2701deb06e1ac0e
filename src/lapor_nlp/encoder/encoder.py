"""Encoder: from texts to one vector each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """How texts become vectors. Stored with a model: another setting gives other vectors."""

    dimension: int
    prefix: str = ""
    longest: int = 128
    head_share: float = 0.75
    pooling: Literal["mean", "cls"] = "mean"
    precision: Literal["int8", "fp32"] = "int8"
    pad_id: int = 0
    type_ids: bool = False


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
