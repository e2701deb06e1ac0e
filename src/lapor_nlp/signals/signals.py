"""Signals: kind, urgency, abuse of office, scope and gaps of a report, by rules that can be read."""

from __future__ import annotations

import math
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.signals.cues import Cues, Span
from lapor_nlp.signals.letters import Letters
from lapor_nlp.signals.reading import ISI, KINDS, OBJEK, PENGADUAN, Flag, SignalReading
from lapor_nlp.signals.rules import Rules, Sum, load_rules
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.tokens import Tokens

URGENT = "urgent"
PENGAWASAN = "pengawasan"
OUT_OF_SCOPE = "out_of_scope"

_LENGTHS = {"sangat_pendek": 3, "pendek": 12, "singkat": 25}
_LONG = 60
_MANY = 4
DOCUMENT_CUES = frozenset(
    (*_LENGTHS, "panjang", "banyak_publik", "tanpa_urusan", "kosong", "sapaan", "ngawur", "asing")
)
"""Cues about a report as a whole, beside those of the tables: at most 3, 12, 25 words; more than 60; four or more words
of public matters; neither public matter nor complaint; no word at all; only greetings and words that say
nothing; letters at random; words of another language or script."""

_PUBLIC = "publik"
_TROUBLE = "masalah"
_FOREIGN = "asing_kata"
_NOISE = "o_ngawur_kata"
_COURTEOUS = ("function", "pronoun", "greeting", "place", "time")
_IMPLAUSIBLE = -3.35  # Letters.score of a word below which it is taken for noise
_RESCUE = 3.0  # what an urgent report, or one about abuse of office, takes off out_of_scope


class Signals:
    """Answers the other questions an officer asks, by the tables of data/signals.

        signals.read("Lampu jalan mati, kapan diperbaiki?", tokens).kind -> "pengaduan"

    Nothing is learnt: each answer is the sigmoid of a bias and the weights of the rules that hold
    (rules.csv), and its evidence names them. An urgent report and one about abuse of office weigh against
    being out of scope, since throwing away a real complaint is the worst mistake here.
    """

    def __init__(
        self, cues: Cues, rules: dict[str, Rules], empty: dict[str, frozenset[str]], place_words: frozenset[str]
    ) -> None:
        self._cues = cues
        self._rules = rules
        self._place_words = place_words
        self._empty = frozenset(word for words in empty.values() for word in words)
        self._courtesy = frozenset(word for kind in _COURTEOUS for word in empty.get(kind, ()))
        vocabulary = cues.vocabulary(frozenset((_FOREIGN, _NOISE))) | self._empty
        self._known = frozenset(word for word in vocabulary if word.isalpha())
        self._letters = Letters(self._known)
        self._odd: dict[str, bool] = {}

    @classmethod
    def load(cls, folder: Path | None = None) -> Signals:
        """From a folder of tables; the packaged one by default. Raises DataFileError for a table at fault."""
        folder = DATA / "signals" if folder is None else folder
        cues = Cues.load(folder)
        rules = load_rules(folder, cues.names | DOCUMENT_CUES)
        if absent := {*KINDS, URGENT, PENGAWASAN, OUT_OF_SCOPE} - rules.keys():
            raise DataFileError(folder / "questions.csv", f"lacks the questions {', '.join(sorted(absent))}")
        empty = _read_words(folder / "empty_words.csv")
        place_words = frozenset().union(*_read_words(folder / "place_words.csv").values())
        return cls(cues, rules, empty, place_words)

    def read(self, text: str, tokens: Tokens) -> SignalReading:
        """The answers for one report. `tokens` are the words of `text` (cleaned), as Wordlist.tokens gives them."""
        found = self._cues.find(text, tokens)
        content = self._content(tokens)
        found.update(self._document_cues(text, tokens, found, content))
        urgent = _flag(self._rules[URGENT].add_up(found))
        pengawasan = _flag(self._rules[PENGAWASAN].add_up(found))
        scope = self._rules[OUT_OF_SCOPE].add_up(found)
        if urgent or pengawasan:
            scope = Sum(total=scope.total - _RESCUE, evidence=scope.evidence, group=scope.group)
        out_of_scope = _flag(scope)
        sums = [self._rules[kind].add_up(found) for kind in KINDS]
        scores = _softmax([s.total for s in sums])
        best = max(range(len(KINDS)), key=scores.__getitem__)
        if out_of_scope:
            best = KINDS.index(PENGADUAN)
        return SignalReading(
            kind=KINDS[best],
            kind_score=scores[best],
            kind_evidence=sums[best].evidence,
            urgent=urgent,
            pengawasan=pengawasan,
            out_of_scope=out_of_scope,
            missing=self._missing(tokens, content, out_of_scope),
        )

    def _content(self, tokens: Tokens) -> list[int]:
        """The places of the words that say something: neither empty words nor numbers."""
        return [
            at
            for at, (form, standard) in enumerate(zip(tokens.forms, tokens.standard, strict=True))
            if form not in self._empty
            and not form[0].isdigit()
            and not all(part in self._empty for part in standard.split(" "))
        ]

    def _missing(self, tokens: Tokens, content: list[int], out_of_scope: Flag) -> tuple[str, ...]:
        if not any(form.isalpha() for form in tokens.forms):
            return (ISI,)
        if out_of_scope:
            return ()
        forms = tokens.forms
        matters = [
            at for at in content if self._place_words.isdisjoint(forms[max(0, at - 2) : at]) or forms[at] in self._known
        ]
        return () if matters else (OBJEK,)

    def _document_cues(
        self, text: str, tokens: Tokens, found: dict[str, list[Span]], content: list[int]
    ) -> dict[str, list[Span]]:
        words = [form for form in tokens.forms if not form[0].isdigit()]
        names = [name for name, longest in _LENGTHS.items() if len(tokens) <= longest]
        if len(tokens) > _LONG:
            names.append("panjang")
        if len({span.first for span in found.get(_PUBLIC, ())}) >= _MANY:
            names.append("banyak_publik")
        if len(content) >= 2 and _PUBLIC not in found and _TROUBLE not in found:
            names.append("tanpa_urusan")
        if not words:
            names.append("kosong")
        elif all(word in self._courtesy for word in words):
            names.append("sapaan")
        if content and self._is_noise(tokens, found, content):
            names.append("ngawur")
        if _is_foreign(text, words, found):
            names.append("asing")
        whole = [Span(0, len(text), 0, max(0, len(tokens) - 1))]
        return dict.fromkeys(names, whole)

    def _is_noise(self, tokens: Tokens, found: dict[str, list[Span]], content: list[int]) -> bool:
        noise = {span.first for span in found.get(_NOISE, ())}
        odd = [at for at in content if at in noise or self._is_odd(tokens.forms[at], tokens.standard[at])]
        few = len(content) <= 2
        return len(odd) >= (1 if few else 2) and len(odd) >= (0.6 if few else 0.4) * len(content)

    def _is_odd(self, form: str, standard: str) -> bool:
        if len(form) < 3 or form in self._known or form != standard or not (form.isascii() and form.isalpha()):
            return False
        odd = self._odd.get(form)
        if odd is None:
            if len(self._odd) > 50_000:
                self._odd.clear()
            odd = self._odd[form] = self._letters.score(form) < _IMPLAUSIBLE
        return odd


def _read_words(path: Path) -> dict[str, frozenset[str]]:
    words: dict[str, frozenset[str]] = {}
    for line, row in read_table(path, ("kind", "words")):
        if row["kind"] in words:
            raise DataFileError(path, f"the kind {row['kind']} stands twice", line=line)
        words[row["kind"]] = frozenset(row["words"].split())
    return words


def _is_foreign(text: str, words: list[str], found: dict[str, list[Span]]) -> bool:
    if not text.isascii():
        letters = [c for word in words for c in word if c.isalpha()]
        if sum(not c.isascii() for c in letters) > 0.5 * len(letters):
            return True
    foreign = len({span.first for span in found.get(_FOREIGN, ())})
    return foreign >= 3 and foreign >= 0.35 * len(words)


def _flag(total: Sum) -> Flag:
    score = _sigmoid(total.total)
    value = score >= 0.5
    return Flag(value=value, score=score, evidence=total.evidence, reason=total.group if value else "")


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _softmax(xs: list[float]) -> list[float]:
    top = max(xs)
    powers = [math.exp(x - top) for x in xs]
    return [p / sum(powers) for p in powers]
