"""NameFinder: names of persons, behind the cues that people put before them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.wordlist import SLANG

_MANNERS = frozenset(("strong", "capital", "known", "title", "title_known", "office", "self", "sign"))
_GROUPS = (
    "given", "given_doubtful", "title", "office", "place", "thing", "not_person", "particle", "shortened", "after_self",
)  # fmt: skip
_LONGEST = 4  # words of a name, particles and initials not counted
_MOST_TITLES = 5
_CUE_WORD = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]+")
_NAME_WORD = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]+)*")
_BEFORE = re.compile(r"[A-Za-z]+|[,;:!?\n()]")
_VERB = re.compile(r"(?:di|ber|ter|me[mn]|peng|ke|se).{4,}|.+nya")
_SIGN_ENDS = re.compile(r"\s*(?:$|[.\n)\]\d+(\[]|(?:hp|wa|no|telp|warga|rt)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Words:
    """What a word says about a name; all lower-case."""

    given: frozenset[str]
    doubtful: frozenset[str]
    also_offices: frozenset[str]
    titles: frozenset[str]
    stops: frozenset[str]
    hard_stops: frozenset[str]
    regional: frozenset[str]
    not_person: frozenset[str]
    particles: frozenset[str]
    shortened: frozenset[str]
    self_ends: re.Pattern[str]


class NameFinder:
    """Finds names behind the cues of `name_cues.csv`; the tables say what each manner of cue accepts."""

    def __init__(self, cues: Mapping[str, tuple[tuple[re.Pattern[str], str], ...]], words: _Words) -> None:
        self._cues = cues
        self._words = words

    @classmethod
    def load(cls, path: Path | None = None) -> NameFinder:
        """From a folder with name_cues, name_words, indonesian and words.csv; the packaged one by default."""
        folder = DATA / "text" if path is None else path
        cues: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        source = folder / "name_cues.csv"
        compiled: dict[str, re.Pattern[str]] = {}
        for line, row in read_table(source, ("first", "pattern", "manner")):
            if row["manner"] not in _MANNERS:
                raise DataFileError(source, f"manner must be one of {', '.join(sorted(_MANNERS))}", line=line)
            pattern = row["pattern"].replace("@", row["first"], 1)
            try:
                compiled[pattern] = compiled.get(pattern) or re.compile(pattern, re.IGNORECASE)
            except re.error as error:
                raise DataFileError(source, f"the pattern cannot be used: {error}", line=line) from error
            cues.setdefault(row["first"], []).append((compiled[pattern], row["manner"]))
        return cls({first: tuple(rows) for first, rows in cues.items()}, _load_words(folder))

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Spans of names in order of their cues; they may overlap. `text` has been through `fold`."""
        shouted: bool | None = None
        for word in _CUE_WORD.finditer(text):
            cues = self._cues.get(word.group().lower())
            if cues is None:
                continue
            for pattern, manner in cues:
                match = pattern.match(text, word.start())
                if match is None or not _at_word(text, match.end()):
                    continue
                shouted = text.isupper() if shouted is None else shouted
                if span := self._name(text, word.start(), match.end(), manner, shouted):
                    yield span
                    break

    def _name(self, text: str, cue: int, at: int, manner: str, shouted: bool) -> tuple[int, int] | None:
        if manner in ("capital", "known", "title", "title_known") and self._is_thing(text, cue, manner):
            return None
        titled = manner.startswith("title")
        start, begin = self._skip_titles(text, at)
        if start is None:
            return None
        if manner == "known" and start > begin:
            manner = "title"
        first = _NAME_WORD.match(text, start)
        if first is None or not self._begins(first.group(), manner, shouted, _follows_initial(text, first.end())):
            return None
        end = self._last(text, first, manner, shouted)
        if manner == "self" and not self._is_self(text, first.group(), end, shouted):
            return None
        if manner == "sign" and not _SIGN_ENDS.match(text, end):
            return None
        return (cue if titled else begin), end

    def _is_thing(self, text: str, cue: int, manner: str) -> bool:
        before = _BEFORE.findall(text[max(0, cue - 30) : cue].lower())
        while before and before[-1] in self._words.titles:
            before.pop()
        before = before[-2:]
        if before and not before[-1].isalpha():
            return False
        if len(before) == 2 and not before[0].isalpha():
            before = before[1:]
        if manner.startswith("title"):
            before = before[-1:]
        return not self._words.not_person.isdisjoint(before)

    def _skip_titles(self, text: str, at: int) -> tuple[int | None, int]:
        """Where the name begins behind its titles (None when nothing follows), and where its first title does."""
        begin = at
        for _ in range(_MOST_TITLES):
            word = _NAME_WORD.match(text, at)
            if word is None:
                return None, begin
            lower = word.group().lower()
            if lower not in self._words.titles:
                return at, begin
            rest = word.end() + (text[word.end() : word.end() + 1] == ".")
            rest += text[rest : rest + 1] == " "
            if rest == word.end():
                break
            at = rest
        return None, begin

    def _begins(self, word: str, manner: str, shouted: bool, initial: bool) -> bool:
        words, lower, capital = self._words, word.lower(), word[0].isupper() and not shouted
        if len(word) == 1:
            return capital and initial and manner not in ("known", "title_known", "office", "sign")
        if lower in words.given:
            return capital or manner != "office"
        if lower in words.doubtful:
            return capital or manner == "strong"
        if lower in words.stops or lower in words.titles or (not capital and lower in words.regional):
            return False
        if manner == "strong":
            return len(word) > 2 and (capital or not _VERB.fullmatch(lower))
        if manner in ("capital", "title", "self"):
            return capital and (word[1:].islower() or "'" in word or "-" in word) and len(word) > 2
        return False

    def _last(self, text: str, first: re.Match[str], manner: str, shouted: bool) -> int:
        """Where the name that begins with `first` ends."""
        lead = first.group().lower() if shouted else first.group()
        end, count, at = first.end(), 1, first.end()
        while count < _LONGEST:
            dotted = text[at : at + 1] == "." and _is_short(text, at, self._words.shortened)
            at += dotted
            if text[at : at + 1] == " ":
                at += 1
            elif not dotted:
                break
            word = _NAME_WORD.match(text, at)
            if word is None or text[word.end() : word.end() + 1].isdigit():
                break
            at = word.end()
            if word.group().lower() in self._words.particles:
                continue
            if not self._goes_on(word.group(), lead, manner, count):
                break
            end = word.end()
            count += len(word.group()) > 1
        return end

    def _goes_on(self, word: str, lead: str, manner: str, count: int) -> bool:
        words, lower, capital = self._words, word.lower(), lead[0].isupper()
        if capital and not word[0].isupper():
            return False
        if lower in words.given or (lower in words.doubtful and (capital or manner == "strong")):
            return True
        if capital and lower in words.also_offices:
            return True
        if lower in words.hard_stops or lower in words.titles:
            return False
        if capital:
            common = lower in words.stops and manner not in ("strong", "capital")
            return not common and (lead.isupper() or not word.isupper() or len(word) == 1)
        if manner != "strong" or count > 2 or len(word) < 3:
            return False
        return not (lower in words.stops or lower in words.regional or _VERB.fullmatch(lower))

    def _is_self(self, text: str, first: str, end: int, shouted: bool) -> bool:
        known = first.lower() in self._words.given
        return (known and first[0].isupper() and not shouted) or self._words.self_ends.match(text, end) is not None


def _load_words(folder: Path) -> _Words:
    groups: dict[str, set[str]] = {name: set() for name in _GROUPS}
    source = folder / "name_words.csv"
    for line, row in read_table(source, ("word", "group")):
        if row["group"] not in groups:
            raise DataFileError(source, f"group must be one of {', '.join(groups)}", line=line)
        groups[row["group"]].add(row["word"])
    stops = groups["office"] | groups["place"] | groups["thing"]
    common = {row["word"] for _, row in read_table(folder / "indonesian.csv", ("word",))}
    forms = [(row["form"], row["language"]) for _, row in read_table(folder / "words.csv", ("form", "language"))]
    common.update(form for form, language in forms if language == SLANG)
    after = "|".join(map(re.escape, sorted(groups["after_self"])))
    names = groups["given"] | groups["given_doubtful"]
    return _Words(
        frozenset(groups["given"] - stops),
        frozenset(groups["given_doubtful"] - stops),
        frozenset(names & stops),
        frozenset(groups["title"]),
        frozenset(stops | (common - names)),
        frozenset(stops),
        frozenset(form for form, language in forms if language != SLANG) - names,
        frozenset(groups["not_person"]),
        frozenset(groups["particle"]),
        frozenset(groups["shortened"]),
        re.compile(r" ?[,(.]|\s*$" + (rf"| (?:{after})\b" if after else ""), re.IGNORECASE),
    )


def _at_word(text: str, at: int) -> bool:
    """Whether a word begins at `at`."""
    return text[at : at + 1].isalpha() and not text[at - 1].isalnum()


def _follows_initial(text: str, at: int) -> bool:
    """Whether "." and or a blank and a capital follow, as behind the I of "I Made" or the M of "M. Yusuf"."""
    rest = text[at : at + 3].lstrip(".").lstrip(" ")
    return len(text) > at and not text[at].isalnum() and rest[:1].isupper()


def _word_start(text: str, end: int) -> int:
    start = end
    while start > 0 and text[start - 1].isalpha():
        start -= 1
    return start


def _is_short(text: str, at: int, shortened: frozenset[str]) -> bool:
    """Whether the dot at `at` ends an initial or a shortened name (M., Moh., Abd.) rather than a sentence."""
    word = text[_word_start(text, at) : at]
    return len(word) == 1 or word.lower() in shortened
