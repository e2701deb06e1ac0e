"""Tokeniser: from texts to the token numbers that an encoder reads, in training and in use alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.errors import BundleError


@dataclass(frozen=True, kw_only=True)
class Tokenised:
    """Token numbers of each text with the special tokens at both ends, and which texts were cut, shape (texts,)."""

    ids: list[list[int]]
    truncated: NDArray[np.bool_]


class Tokeniser:
    """Numbers the tokens of texts. A text of more than `settings.longest` tokens loses its middle.

    Of such a text the first tokens are kept in the share `settings.head_share`, the rest from the end: reports begin
    with what happened and end with what is asked for. It works on a copy of `tokenizer`, which
    nothing changes, so that threads may share it.
    """

    def __init__(self, tokenizer: Tokenizer, settings: EncoderSettings) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._prefix = settings.prefix
        self._longest = settings.longest
        self._nothing = [settings.pad_id]
        self._head_share = settings.head_share

    @classmethod
    def load(cls, path: Path, settings: EncoderSettings) -> Tokeniser:
        """Read a tokenizer.json. Raises BundleError when it is missing or damaged."""
        if not path.is_file():
            raise BundleError(path, "is missing from the model folder; copy the folder again")
        try:
            return cls(Tokenizer.from_file(str(path)), settings)
        except Exception as error:
            raise BundleError(path, f"is no tokenizer: {error}; copy the folder again") from error

    @property
    def size(self) -> int:
        """One more than the largest token number."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1

    def __call__(self, texts: Sequence[str]) -> Tokenised:
        """Token numbers of texts, in order."""
        encodings = self._tokenizer.encode_batch([self._prefix + text for text in texts])
        truncated = np.array([len(encoding) > self._longest for encoding in encodings], dtype=np.bool_)
        ids = [self._cut(e) if cut else e.ids or self._nothing for e, cut in zip(encodings, truncated, strict=True)]
        return Tokenised(ids=ids, truncated=truncated)

    def _cut(self, encoding: Encoding) -> list[int]:
        ids, special = encoding.ids, encoding.special_tokens_mask
        front = next((i for i, mark in enumerate(special) if not mark), 0)
        back = next((i for i, mark in enumerate(reversed(special)) if not mark), 0)
        room = self._longest - front - back
        head = front + round(room * self._head_share)
        tail = front + room - head + back
        return [*ids[:head], *ids[len(ids) - tail :]]
