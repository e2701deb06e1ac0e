"""STUB, to be replaced by the helper who owns encoder/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lapor_nlp.encoder.encoder import Encoded, EncoderSettings

FILES = ("encoder.onnx", "encoder.fp32.onnx", "encoder.json", "tokenizer.json")
"""Names of an exported encoder's files; some are optional. bundle.save_bundle copies those that exist."""


class OnnxEncoder:
    folder: Path
    settings: EncoderSettings

    @classmethod
    def load(cls, folder: Path | str, settings: EncoderSettings, *, threads: int | None = None) -> OnnxEncoder:
        raise NotImplementedError

    def encode(self, texts: Sequence[str]) -> Encoded:
        raise NotImplementedError
