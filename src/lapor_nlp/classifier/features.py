"""Lexical features: hashed word and character n-grams of a report's tokens, so that no vocabulary is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lapor_nlp.text.tokens import Tokens

_CACHED_WORDS = 50_000

Ids = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """How texts become features. Stored with a model: another setting gives other columns.

    There are 2 ** `bits` columns in all; the lower half holds word features (single words and neighbours, as
    written and in standard form), the upper half character n-grams of `shortest` to `longest` inside each word
    with a blank at either end. Digits all count as 0.
    """

    bits: int = 18
    shortest: int = 2
    longest: int = 4


class LexicalFeatures:
    """Turns tokens into a sparse matrix of weighted, hashed n-grams.

    Each half of the columns is weighted by 1 + log(count) times the inverse document frequency and scaled to
    length 1 for each text. Thread-safe: the cache of word features only ever gains equal entries.
    """

    def __init__(self, settings: FeatureSettings) -> None:
        self.settings = settings
        self.width = 1 << settings.bits
        self._half = self.width >> 1
        self._cache: dict[str, tuple[int, Ids]] = {}

    def ids(self, tokens: Tokens) -> Ids:
        """Columns of one text, with repeats, shape (n,)."""
        return self.ids_and_owners(tokens)[0]

    def ids_and_owners(self, tokens: Tokens) -> tuple[Ids, Ids]:
        """Columns of one text with repeats and the token each came from (a pair belongs to its second word)."""
        words = [(i, part) for i, standard in enumerate(tokens.standard) for part in standard.split(" ")]
        word_ids: list[int] = []
        word_owners: list[int] = []
        grams: list[Ids] = []
        gram_owners: list[int] = []
        previous = ""
        for owner, word in words:
            single, chars = self._word(word)
            word_ids.append(single)
            word_owners.append(owner)
            if previous:
                word_ids.append(self._pair(previous, word))
                word_owners.append(owner)
            grams.append(chars)
            gram_owners.append(owner)
            previous = word
        lengths = [len(g) for g in grams]
        return (
            np.concatenate([np.array(word_ids, dtype=np.int32), *grams]),
            np.concatenate([np.array(word_owners, dtype=np.int32), np.repeat(gram_owners, lengths).astype(np.int32)]),
        )

    def column(self, word: str) -> int:
        """The column of a single word."""
        return self._word(word)[0]

    def counts(self, texts: Sequence[Tokens]) -> csr_matrix:
        """Counts of columns, shape (len(texts), width)."""
        columns = [self.ids(tokens) for tokens in texts]
        starts = np.concatenate([[0], np.cumsum([len(ids) for ids in columns], dtype=np.int64)])
        indices = np.concatenate([np.empty(0, dtype=np.int32), *columns])
        matrix = csr_matrix((np.ones(len(indices), dtype=np.float32), indices, starts), shape=(len(texts), self.width))
        matrix.sum_duplicates()
        return matrix

    def weigh(self, counts: csr_matrix, idf: NDArray[np.float32]) -> csr_matrix:
        """TF-IDF with each half of the columns scaled to length 1; `idf` has shape (width,)."""
        data = (1.0 + np.log(counts.data)) * idf[counts.indices]
        upper = counts.indices >= self._half
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        halves = rows * 2 + upper
        norms = np.sqrt(np.bincount(halves, weights=data**2, minlength=counts.shape[0] * 2))
        norms[norms == 0] = 1.0
        scaled = (data / norms[halves]).astype(np.float32)
        return csr_matrix((scaled, counts.indices, counts.indptr), shape=counts.shape)

    def _word(self, word: str) -> tuple[int, Ids]:
        found = self._cache.get(word)
        if found is None:
            found = self._hash_word(word)
            if len(self._cache) < _CACHED_WORDS:
                self._cache[word] = found
        return found

    def _hash_word(self, word: str) -> tuple[int, Ids]:
        shape = _no_digits(word)
        single = crc32(b"w" + shape.encode()) % self._half
        padded = f" {shape[:40]} "
        grams = [
            self._half + crc32(padded[i : i + n].encode()) % self._half
            for n in range(self.settings.shortest, self.settings.longest + 1)
            for i in range(max(0, len(padded) - n + 1))
        ]
        return single, np.array(grams, dtype=np.int32)

    def _pair(self, first: str, second: str) -> int:
        return crc32(f"{_no_digits(first)} {_no_digits(second)}".encode()) % self._half


def inverse_document_frequency(counts: csr_matrix, fewest: int = 2) -> NDArray[np.float32]:
    """log((1 + n) / (1 + df)) + 1 for each column, 0 for columns in fewer than `fewest` texts; shape (width,)."""
    df = np.bincount(counts.indices, minlength=counts.shape[1])
    idf: NDArray[np.float32] = (np.log((1 + counts.shape[0]) / (1 + df)) + 1).astype(np.float32)
    idf[df < fewest] = 0
    return idf


_ZERO = str.maketrans("123456789", "0" * 9)


def _no_digits(word: str) -> str:
    return word.translate(_ZERO)
