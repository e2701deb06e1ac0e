"""Wordlist: slang, SMS and regional words and their standard Indonesian forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.tokens import Tokens, words

SLANG = "slang"
LANGUAGES = (SLANG, "jv", "su", "min", "ban", "btw", "bjn", "mly")
"""Slang, Javanese, Sundanese, Minangkabau, Balinese, Betawi, Banjar, other Malay (Papua, Ambon, Manado, Medan)."""

_NEEDED = 2  # other sure words of a language before its doubtful words count
_ELONGATED = re.compile(r"([^\W\d_])\1\1|([^\W\d_])\2\b", re.IGNORECASE)
_RUN = re.compile(r"(.)\1+")
_TWICE = re.compile(r"([^\W\d_]{2,})2([^\W\d_]*)")
_DOUBLED = "doubled"  # rows of suffixes.csv for the ending behind a doubling 2
_SENTENCE_END = frozenset('.!?:;\n"(*-/')


@dataclass(frozen=True, slots=True)
class _Entry:
    language: str
    standard: str
    sure: bool


class Wordlist:
    """Looks words up in `words.csv`; nothing is learnt or guessed.

        Wordlist.load().tokens("jln rusak bgt tlg").standard -> ("jalan", "rusak", "banget", "tolong")

    A row with sure=1 applies wherever its form stands; one with sure=0 only where the text holds two other sure
    words of that language, and no other regional language has more. Untouched stay: words with digits (but for
    a doubling 2, as in "anak2"), and words with a capital in mid-sentence unless they are sure slang.
    Endings of `suffixes.csv` are taken off when the rest is a known word ("dalane" in a Javanese text is "jalan").
    A stretched word ("tolooong") shrinks when the short form is known.
    """

    def __init__(
        self,
        entries: Mapping[str, tuple[_Entry, ...]],
        suffixes: Mapping[str, tuple[tuple[str, str], ...]],
        indonesian: frozenset[str],
    ) -> None:
        self._entries = entries
        self._suffixes = suffixes
        self._endings = {language: tuple(s for s, _ in pairs) for language, pairs in suffixes.items()}
        self._doubled = {"": "", **dict(suffixes.get(_DOUBLED, ()))}
        self._indonesian = indonesian
        self._known = indonesian | frozenset(entries)

    @classmethod
    def load(cls, path: Path | None = None) -> Wordlist:
        """From a folder with words.csv, suffixes.csv and indonesian.csv; the packaged one by default.

        Raises DataFileError naming file and line for a row that cannot be used.
        """
        folder = DATA / "text" if path is None else path
        entries: dict[str, list[_Entry]] = {}
        indonesian = set()
        source = folder / "words.csv"
        for line, row in read_table(source, ("form", "standard", "language", "sure")):
            form, standard = row["form"].lower(), row["standard"].lower()
            if not form or not standard or words(form)[0] != (form,):
                raise DataFileError(source, f"{form!r} must be one word with a standard form", line=line)
            if row["language"] not in LANGUAGES or row["sure"] not in ("0", "1"):
                raise DataFileError(source, f"language must be one of {LANGUAGES} and sure 0 or 1", line=line)
            entry = _Entry(row["language"], standard, row["sure"] == "1")
            if any(entry.language == other.language for other in entries.get(form, ())):
                raise DataFileError(source, f"{form!r} stands twice for {entry.language}", line=line)
            entries.setdefault(form, []).append(entry)
            indonesian.update(standard.split())
        suffixes: dict[str, list[tuple[str, str]]] = {}
        for _, row in read_table(folder / "suffixes.csv", ("language", "suffix", "standard")):
            suffixes.setdefault(row["language"], []).append((row["suffix"], row["standard"]))
        indonesian.update(row["word"] for _, row in read_table(folder / "indonesian.csv", ("word",)))
        return cls(
            {form: tuple(rows) for form, rows in entries.items()},
            {language: tuple(pairs) for language, pairs in suffixes.items()},
            frozenset(indonesian),
        )

    def tokens(self, cleaned: str) -> Tokens:
        """The words of a text that `clean` has seen, with their standard forms."""
        forms, starts, ends = words(cleaned)
        standard = list(forms)
        hits = []
        caps: bool | None = None
        for at, form in enumerate(forms):
            entries = self._entries.get(form)
            if entries is None:
                continue
            if at and cleaned[starts[at]].isupper() and not _begins_sentence(cleaned, ends[at - 1], starts[at]):
                caps = _is_shouted(cleaned) if caps is None else caps
                if not caps:
                    entries = tuple(e for e in entries if e.language == SLANG and e.sure)
            if entries:
                hits.append((at, form, entries))
        counts = _count((form, entries) for _, form, entries in hits)
        leading = _leading(counts)
        for at, _, entries in hits:
            chosen = _choose(entries, counts, leading)
            if chosen is not None:
                standard[at] = chosen.standard
        self._shorten(forms, standard, leading)
        if _ELONGATED.search(cleaned):
            self._shrink(forms, standard)
        if "2" in cleaned:
            self._double(cleaned, forms, starts, standard)
        return Tokens(forms, tuple(standard), starts, ends)

    def is_common(self, word: str) -> bool:
        """Whether a lower-case word is a common one of Indonesian or of a language that the list knows."""
        return word in self._known

    def languages(self, tokens: Tokens | Iterable[str]) -> dict[str, int]:
        """How many distinct sure words of each language (slang too) stand in the text; languages with none are absent.

        wordlist.languages(["ora", "iso", "bgt"]) -> {"jv": 2, "slang": 1}
        """
        forms = tokens.forms if isinstance(tokens, Tokens) else tokens
        return _count((form, entries) for form in forms if (entries := self._entries.get(form)))

    def language(self, tokens: Tokens) -> str:
        """The language the text is written in: `id`, `jv`, `su`, `min`, `ban`, `btw`, `bjn`, `mly`, or `mixed`.

        A regional language needs three distinct sure words, or two that make up a fifth of a short text; fewer than
        one in eight words is `mixed`. This is a hint from a word list, not a language identifier.
        """
        counts = self.languages(tokens)
        leading = _leading(counts)
        total = len(tokens)
        if leading is None or counts[leading] < _NEEDED:
            return "id"
        share = counts[leading] / total
        if share >= 0.2 or (counts[leading] > _NEEDED and share >= 0.125):
            return leading
        return "mixed" if share >= 0.05 else "id"

    def _shorten(self, forms: tuple[str, ...], standard: list[str], leading: str | None) -> None:
        for language in (leading, SLANG):
            if language is None or language not in self._endings:
                continue
            endings = self._endings[language]
            for at, form in enumerate(forms):
                if form.endswith(endings) and standard[at] == form and form not in self._known:
                    standard[at] = self._stem(form, language) or form

    def _stem(self, form: str, language: str) -> str | None:
        for suffix, replacement in self._suffixes[language]:
            if not form.endswith(suffix) or len(form) - len(suffix) < 3:
                continue
            stem = form[: -len(suffix)]
            for entry in self._entries.get(stem, ()):
                if entry.language in (language, SLANG) and not replacement:
                    return entry.standard
            if stem + replacement in self._indonesian and (replacement or language != SLANG):
                return stem + replacement
        return None

    def _shrink(self, forms: tuple[str, ...], standard: list[str]) -> None:
        for at, form in enumerate(forms):
            if form in self._known or not _ELONGATED.search(form):
                continue
            for short in (_RUN.sub(r"\1", form), _RUN.sub(r"\1\1", form)):
                if len(short) > 2 and short in self._known:
                    standard[at] = self._sure(short)
                    break

    def _double(self, cleaned: str, forms: tuple[str, ...], starts: tuple[int, ...], standard: list[str]) -> None:
        caps: bool | None = None
        for at, form in enumerate(forms):
            match = _TWICE.fullmatch(form) if "2" in form else None
            if match is None or form in self._entries or match.group(2) not in self._doubled:
                continue
            base, ending = match.groups()
            if base not in self._known and len(base) < 4:
                continue
            if len(base) < 4 and cleaned[starts[at] : starts[at] + len(base)].isupper():
                caps = _is_shouted(cleaned) if caps is None else caps
                if not caps:
                    continue
            whole = self._sure(base)
            last = whole.split(" ")[-1]
            standard[at] = f"{whole} {last}{self._doubled[ending]}"

    def _sure(self, form: str) -> str:
        return next((e.standard for e in self._entries.get(form, ()) if e.sure), form)


def _begins_sentence(text: str, previous_end: int, start: int) -> bool:
    return not _SENTENCE_END.isdisjoint(text[previous_end:start])


def _is_shouted(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return sum(c.isupper() for c in letters) > 0.7 * len(letters)


def _count(hits: Iterable[tuple[str, tuple[_Entry, ...]]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    seen = set()
    for form, entries in hits:
        if form in seen:
            continue
        seen.add(form)
        for entry in entries:
            if entry.sure:
                counts[entry.language] = counts.get(entry.language, 0) + 1
    return counts


def _leading(counts: Mapping[str, int]) -> str | None:
    regional = [(count, -LANGUAGES.index(language)) for language, count in counts.items() if language != SLANG]
    return LANGUAGES[-max(regional)[1]] if regional else None


def _choose(entries: tuple[_Entry, ...], counts: Mapping[str, int], leading: str | None) -> _Entry | None:
    best = None
    for entry in entries:
        language = entry.language
        if not entry.sure and (counts.get(language, 0) < _NEEDED or language not in (leading, SLANG)):
            continue
        if language == leading:
            return entry
        if best is None or (entry.sure and not best.sure):
            best = entry
    return best
