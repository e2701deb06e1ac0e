"""Cues: what the words around a name say about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lapor_nlp.errors import DataFileError
from lapor_nlp.regions.gazetteer import FOLDER
from lapor_nlp.tables import read_table


@dataclass(frozen=True, slots=True)
class Role:
    """How much a name in this role speaks for the place, by its level (see data/regions/roles.csv)."""

    name: str
    kabkota: float
    kecamatan: float
    desa: float
    further: bool


@dataclass(frozen=True, slots=True)
class Tricky:
    """A name that is also a word: when it counts (see data/regions/tricky_names.csv), and what speaks against it."""

    rule: str
    not_before: frozenset[str] = frozenset()
    not_after: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decider:
    """Words that point to a kabupaten or a kota, not followed by one of `unless`."""

    words: tuple[str, ...]
    kind: str
    unless: frozenset[str]


OPEN = Tricky("open")
NEVER = Tricky("never")
_GROUPS = ("joining", "migrants", "section", "level", "compass")


class Cues:
    """The tables `contexts.csv`, `roles.csv`, `tricky_names.csv`, `deciders.csv`, `foreign_names.csv`,
    `cue_words.csv` and `common_words.txt`.
    """

    def __init__(
        self,
        contexts: dict[str, str],
        roles: dict[str, Role],
        tricky: dict[str, Tricky],
        common: frozenset[str],
        deciders: dict[str, list[Decider]],
        foreign: frozenset[str],
        groups: dict[str, frozenset[str]],
    ) -> None:
        self.joining = groups["joining"]
        self.migrants = groups["migrants"]
        self.sections = groups["section"]
        self.levels = groups["level"]
        self.compass = groups["compass"]
        self._deciders = deciders
        self.foreign = foreign
        self.foreign_heads: dict[str, int] = {}
        for name in foreign:
            head = name.split(" ", 1)[0]
            self.foreign_heads[head] = max(self.foreign_heads.get(head, 0), name.count(" ") + 1)
        self.contexts = contexts
        self.roles = roles
        self.tricky = tricky
        self.common = common
        self.last_words = frozenset(phrase.rsplit(" ", 1)[-1] for phrase in contexts)
        self.type_heads: dict[str, int] = {}
        for phrase, role in contexts.items():
            if role.startswith("type_") and role != "type_hamlet":
                head = phrase.split(" ", 1)[0]
                self.type_heads[head] = max(self.type_heads.get(head, 0), phrase.count(" ") + 1)

    @classmethod
    def load(cls, folder: Path | None = None) -> Cues:
        """Raises DataFileError."""
        folder = folder or FOLDER
        roles = {}
        path = folder / "roles.csv"
        for number, row in read_table(path, ("role", "kabkota", "kecamatan", "desa", "further")):
            try:
                kabkota, kecamatan, desa = (float(row[level]) for level in ("kabkota", "kecamatan", "desa"))
            except ValueError:
                raise DataFileError(path, "has a weight that is not a number", line=number) from None
            if not all(0 <= value <= 1 for value in (kabkota, kecamatan, desa)):
                raise DataFileError(path, "has a weight outside 0..1", line=number)
            roles[row["role"]] = Role(row["role"], kabkota, kecamatan, desa, row["further"] == "yes")
        contexts = {}
        path = folder / "contexts.csv"
        for number, row in read_table(path, ("phrase", "role")):
            if row["role"] != "skip" and row["role"] not in roles:
                raise DataFileError(path, f"has the unknown role {row['role']!r}", line=number)
            contexts[row["phrase"]] = row["role"]
        tricky = {}
        path = folder / "tricky_names.csv"
        for number, row in read_table(path, ("name", "rule", "not_before", "not_after")):
            if row["rule"] not in ("open", "locative", "capital", "never"):
                raise DataFileError(path, f"has the unknown rule {row['rule']!r}", line=number)
            before, after = (frozenset(filter(None, row[c].split("|"))) for c in ("not_before", "not_after"))
            tricky[row["name"]] = Tricky(row["rule"], before, after)
        deciders: dict[str, list[Decider]] = {}
        path = folder / "deciders.csv"
        for number, row in read_table(path, ("phrase", "kind", "unless")):
            if row["kind"] not in ("kabupaten", "kota"):
                raise DataFileError(path, "kind must be kabupaten or kota", line=number)
            phrase = tuple(row["phrase"].split())
            unless = frozenset(filter(None, row["unless"].split("|")))
            deciders.setdefault(phrase[0], []).append(Decider(phrase, row["kind"], unless))
        foreign = frozenset(row["name"].lower() for _, row in read_table(folder / "foreign_names.csv", ("name",)))
        path = folder / "cue_words.csv"
        words: dict[str, set[str]] = {group: set() for group in _GROUPS}
        for number, row in read_table(path, ("word", "group")):
            if row["group"] not in words:
                raise DataFileError(path, f"has the unknown group {row['group']!r}", line=number)
            words[row["group"]].add(row["word"])
        groups = {group: frozenset(found) for group, found in words.items()}
        return cls(contexts, roles, tricky, _read_words(folder / "common_words.txt"), deciders, foreign, groups)

    def decide(self, forms: tuple[str, ...]) -> str:
        """ "kabupaten" or "kota" when the words point to one of two twins ("pak bupati", "ini masih wilayah kota")."""
        kinds: set[str] = set()
        for at, word in enumerate(forms):
            for decider in self._deciders.get(word, ()):
                end = at + len(decider.words)
                if forms[at:end] == decider.words and not (end < len(forms) and forms[end] in decider.unless):
                    kinds.add(decider.kind)
        return kinds.pop() if len(kinds) == 1 else ""


def _read_words(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataFileError(path, f"cannot be read: {error}") from error
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
