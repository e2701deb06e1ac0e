"""Addressees: which offices of a set a text names, and the text with their names blanked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from lapor_nlp.agencies.fit import OfficeNames
from lapor_nlp.text.clean import clean
from lapor_nlp.text.phrases import PhraseTable
from lapor_nlp.text.tokens import Tokens, words

BLANK = "instansi"
"""What stands in the place of a name that is masked."""

_SHORTEST = 4  # letters of a label of one word that counts though no office is known by it


class Addressees:
    """Finds the labels of a set in texts: written out, or the way people call an office that only one label means.

    Addressees(["Dinas Perhubungan", "Dinas Sosial"]).named("Yth. Dishub, lampu mati") -> {"Dinas Perhubungan"}
    """

    def __init__(self, labels: Sequence[str], names: OfficeNames | None = None) -> None:
        names = names or OfficeNames.load()
        phrases = dict.fromkeys(_phrases(labels, names))
        self._labels = tuple(label for label, _ in phrases)
        self._table = PhraseTable(phrase for _, phrase in phrases)

    def named(self, text: str) -> frozenset[str]:
        """The labels that a text names."""
        return frozenset(self._labels[row] for row, _, _ in self._find(text))

    def mask(self, text: str) -> str:
        """The text with each name of a label replaced by BLANK, whatever its length."""
        parts, end = [], 0
        for _, first, last in sorted(self._find(text), key=lambda found: (found[1], -found[2])):
            if last > end:
                parts += [text[end:first], BLANK] if first >= end else []
                end = last
        return "".join((*parts, text[end:]))

    def _find(self, text: str) -> list[tuple[int, int, int]]:
        forms, starts, ends = words(clean(text))
        return [(m.row, m.start, m.end) for m in self._table.find(Tokens(forms, forms, starts, ends))]


def offices(labels: Iterable[str], names: OfficeNames | None = None) -> frozenset[str]:
    """Those of the labels that are names of offices."""
    names = names or OfficeNames.load()
    return frozenset(label for label in labels if names.read(label).keys)


def mask_addressee(text: str, labels: Iterable[str]) -> str:
    """The text with the offices among `labels` that it names replaced by BLANK; other labels are passed over.

    mask_addressee("Yth. Dishub, lampu mati", ["Dinas Perhubungan", "lampu mati"]) -> "Yth. instansi, lampu mati"
    """
    return _addressees(tuple(labels)).mask(text)


@lru_cache(maxsize=8)
def _addressees(labels: tuple[str, ...]) -> Addressees:
    names = OfficeNames.load()
    return Addressees(sorted(offices(labels, names)), names)


def _phrases(labels: Sequence[str], names: OfficeNames) -> Iterator[tuple[str, str]]:
    """Pairs of label and phrase. A name in use counts unless it reads as an ordinary word of the matter."""
    displays = [re.sub(r"\{\w+\}", " ", row.display) for row in names.catalogue]
    official = [words(name)[0] for name in (*displays, *(row.name for row in names.catalogue))]
    bodies = {name[0] for name in official if len(name) > 1}
    ordinary = {word for name in official if len(name) > 1 for word in name}
    keys = {label: {key for key in names.read(label).keys if not _is_small(names, key)} for label in labels}
    bearers = Counter(key for found in keys.values() for key in found)
    for label, found in keys.items():
        full = words(label)[0]
        if len(full) > 1 or found or sum(map(len, full)) >= _SHORTEST:
            yield from [(label, " ".join(full))] if full else []
        for phrase in (p for key in sorted(found) if bearers[key] == 1 for p in names.phrases(key)):
            first, *rest = phrase.split()
            if first in bodies if rest else first not in ordinary:
                yield label, phrase


def _is_small(names: OfficeNames, key: str) -> bool:
    """Whether the office is one of a kecamatan or desa: its bare name says too little."""
    return any(field in names.catalogue[key].display for field in ("{kecamatan}", "{desa}"))
