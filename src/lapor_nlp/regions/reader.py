"""Reader: finds the names of regions in a text and weighs each by the words around it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from lapor_nlp.regions.cues import NEVER, OPEN, Cues, Role, Tricky
from lapor_nlp.regions.mention import Mention
from lapor_nlp.regions.names import LONGEST, Entry, NameIndex
from lapor_nlp.text.tokens import words

_PART = 0.88
"""A part of a kabupaten/kota (landmark, capital) says a little less than its own name."""

_SAME_NAME = 0.12
"""How much each kab/kota with a desa of the same name takes from a bare kecamatan name ("Sidomulyo")."""

_LEAST_DISTINCT = 0.45

_PAIR = 0.6
"""What is left of the weight of two names joined by a hyphen."""

_OR_PROVINCE = 0.75
"""The name of a kota that is also that of its province ("Jambi")."""

_SUPPORTED = frozenset(("locative", "people", "agency", "agency_kec", "station", "school", "hospital", "campus"))
WEAK_ROLES = frozenset(
    ("origin", "from", "destination", "negation", "comparison", "context", "club", "food", "train", "route", "business")
) | {"background", "living", "road_end"}
_PLACE_ROLES = _SUPPORTED | {
    "living",
    "background",
    "passing",
    "destination",
    "from",
    "origin",
    "beach",
    "market",
    "negation",
    "comparison",
}
_GOES_ON = frozenset(("background", "destination", "origin", "from", "negation", "living", "comparison", "business"))
_ROADS = frozenset(("route", "street", "street_raya"))
_SECTION_NEAR = 5
"""How many words may stand between the ends of a road and the section that is meant."""

_LONGEST_WORD = 40
"""A longer word is no misspelt name."""

_SURE = 0.85
"""A desa and its kecamatan named together; a name that is as sure is not read again as such a pair."""

_OWN_NAME = 0.93
"""A kecamatan that holds the name of its kab/kota ("Pontianak Utara")."""

_COMPOUND = 0.4
"""What is left of a name that is also a word when an unknown name follows it ("Padang Karambia")."""

_FAR_DESA = 8
"""A desa name that occurs in more kabupaten/kota than this says nothing by itself."""


class Words:
    """The words of one text with offsets, and what the use of capitals tells."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.forms, self.starts, self.ends = words(text)
        capitals = [text[at].isupper() for at in self.starts]
        count = len(capitals)
        self.mixed = count > 0 and 0 < sum(capitals) <= 0.7 * count
        self.capitals = capitals
        self.abroad: set[int] = set()
        """Words that name a place abroad."""

    def __len__(self) -> int:
        return len(self.forms)

    def gap(self, at: int) -> str:
        """What stands between word `at - 1` and word `at`."""
        return self.text[self.ends[at - 1] : self.starts[at]] if at > 0 else ""

    def capital(self, at: int) -> bool:
        """Whether word `at` has a capital that means something: mixed writing, not at the start of a sentence."""
        if not self.mixed or not self.capitals[at] or at == 0:
            return False
        gap = self.gap(at)
        return not any(c in gap for c in '!?\n"“:') and ("." not in gap or len(self.forms[at - 1]) <= 4)

    def joined(self, first: int, count: int) -> str | None:
        """`count` words from `first` parted by blanks; None when punctuation parts them."""
        for at in range(first + 1, first + count):
            gap = self.gap(at)
            if gap not in (" ", "-", "  ") and not (gap.strip() in ("", "-", ".", "/", "'") and len(gap) <= 3):
                return None
            if "." in gap and len(self.forms[at - 1]) > 4:
                return None
        return " ".join(self.forms[first : first + count])


class Reader:
    """Text to mentions. Knows nothing of how they fit together (see weigh.py)."""

    def __init__(self, names: NameIndex, cues: Cues) -> None:
        self._names = names
        self._cues = cues

    def read(self, text: str) -> tuple[Words, list[Mention]]:
        """All mentions in order, without overlaps."""
        line = Words(text)
        mentions: list[Mention] = []
        heads, types = self._names.heads, self._cues.type_heads
        forms, at, count = line.forms, 0, len(line.forms)
        foreign = self._cues.foreign_heads
        while at < count:
            word = forms[at]
            found = self._typed(line, at) if word in types else None
            if found is None and word in heads:
                found = self._bare(line, at, mentions)
            if word in foreign and (found is None or not found.typed):
                last = self._abroad(line, at)
                if last >= at and (found is None or found.last <= last):
                    line.abroad.update(range(at, last + 1))
                    _leave_country(line, at, mentions)
                    at = last + 1
                    continue
            if found is None:
                at += 1
                continue
            if found.level != "none":
                mentions.append(found)
            at = found.last + 1
        self._read_sections(line, mentions)
        mentions = self._desa_before_kecamatan(line, mentions)
        for one, two in pairwise(mentions):
            if two.first == one.last + 1 and line.gap(two.first).strip() in ("", ",", "("):
                self._read_inside(one, two)
        _weaken_pairs(line, mentions, self._cues.roles["route"])
        return line, mentions

    def _desa_before_kecamatan(self, line: Words, mentions: list[Mention]) -> list[Mention]:
        """ "Sendangrejo, Minggir" is a desa and its kecamatan, though "minggir" alone is a word of every day."""
        found: list[Mention] = []
        strong = {k for m in mentions if m.weight >= _SURE and m.level != "desa" for k in range(m.first, m.last + 1)}
        table, index = self._names.kecamatan, self._names.desa
        for at in range(1, len(line)):
            gap = line.gap(at)
            if not line.capital(at) or gap.strip() not in ("", ",", "(") or not line.capitals[at - 1]:
                continue
            for width in (2, 1):
                name = line.joined(at, width) if at + width <= len(line) else None
                inside = tuple(table.get(name, ())) if name else ()
                if not inside:
                    continue
                village = self._village_in(line, at, inside, index)
                if village is None or strong & set(range(village[0], at + width)):
                    continue
                first, codes = village
                role = self._role_before(line, first)
                weight = role.kecamatan if role.name in WEAK_ROLES - {"from"} else _SURE
                desa = _village_mention(line, first, at - first, codes, role, weight, " ".join(line.forms[first:at]))
                holding = sorted({code[:8] for code in codes})
                readings = tuple((code[:5], code, "", 1 / len(holding)) for code in holding)
                kecamatan = _mention(
                    line, "kecamatan", at, width, weight, name or "", readings=readings, role=role.name
                )
                found += [desa, kecamatan]
                break
        if not found:
            return mentions
        taken = {k for m in found for k in range(m.first, m.last + 1)}
        kept = [m for m in mentions if not taken & set(range(m.first, m.last + 1))]
        return sorted([*kept, *found], key=lambda m: m.first)

    def _village_in(
        self, line: Words, at: int, inside: tuple[str, ...], index: dict[str, str]
    ) -> tuple[int, list[str]] | None:
        """The first word and the codes of the desa whose name ends before word `at` and that lies `inside`."""
        for width in (3, 2, 1):
            first = at - width
            name = line.joined(first, width) if first >= 0 and line.capitals[first] else None
            if name is None or name not in index or len(name) < 4:
                continue
            codes = [code for code in index[name].split(",") if code.startswith(inside)]
            if codes:
                return first, codes
        return None

    def _read_inside(self, one: Mention, two: Mention) -> None:
        """Settle two names side by side when the first lies in the second.

        "Kotabaru, Yogyakarta" is a quarter and no kabupaten; "Cisarua Bogor" tells which Cisarua and which Bogor.
        """
        if one.source != "text" or two.level not in ("kabkota", "part", "kecamatan") or not two.readings:
            return
        outer = {reading[0] for reading in two.readings}
        mine = {reading[0] for reading in one.readings}
        if one.level == "kabkota" and not one.typed and len(one.readings) == 1 and not mine & outer:
            codes = self._names.desa.get(one.name, "").split(",")
            inner = [code for code in codes if code[:5] in outer]
            if inner and mine.isdisjoint(kab for kab, _, _ in two.latent):
                share = 1 / len({code[:5] for code in inner})
                one.readings = tuple((code[:5], code[:8], code, share) for code in inner)
                one.level = "desa"
                one.province, one.around, one.latent = "", (), ()
        elif one.level == "kecamatan" and two.role == "river" and outer & {kab for kab, _, _ in one.latent}:
            role = self._cues.roles["none"]  # "Selat Karangasem" is a kecamatan and no strait
            two.weight, two.role = (role.kabkota if two.level == "kabkota" else role.kecamatan), "none"
        elif one.level == "kecamatan" and two.level == "kabkota":
            both = mine & outer
            if both and len(mine) > 1:
                one.readings = tuple((k, c, d, 1 / len(both)) for k, c, d, _ in one.readings if k in both)
            if len(both) == 1 and len(outer) == 2 and one.weight:
                two.readings = tuple((k, c, d, 0.65 if k in both else 0.35) for k, c, d, _ in two.readings)

    def _abroad(self, line: Words, at: int) -> int:
        """The last word of the longest name of a place abroad that starts at word `at`; `at - 1` for none."""
        for width in range(min(self._cues.foreign_heads[line.forms[at]], len(line) - at), 0, -1):
            if line.joined(at, width) in self._cues.foreign:
                return at + width - 1
        return at - 1

    def _read_sections(self, line: Words, mentions: list[Mention]) -> None:
        """ "tol Semarang Solo ruas Ungaran", "jalan Palembang-Jambi di Betung": the section counts, not the ends."""
        end, locative = self._cues.roles["road_end"], self._cues.roles["locative"]
        for number, section in enumerate(mentions[1:], 1):
            before = line.forms[section.first - 1]
            if section.typed or (section.role != "locative" and before not in self._cues.sections):
                continue
            ends = _road_ends(line, mentions[max(0, number - 2) : number])
            if not ends or section.first - ends[-1].last > _SECTION_NEAR:
                continue
            between = line.text[ends[-1].end : section.start]
            if any(c in between for c in ".!?;\n"):
                continue
            if section.role != "locative":
                level = section.level
                weight = locative.kabkota if level in ("kabkota", "provinsi", "area") else locative.kecamatan
                section.weight = max(section.weight, weight * (_PART if level == "part" else 1.0))
                section.role = "locative"
            for mention in ends:
                mention.weight = min(mention.weight, end.kabkota)
                mention.role = "road_end"

    def villages(self, line: Words, taken: list[Mention], kabkota: set[str]) -> list[Mention]:
        """Names of desa in the words that no other mention uses, as far as they lie in one of `kabkota`."""
        used: dict[int, Mention] = {}
        for m in taken:
            if m.weight > 0.05 or (m.latent and m.typed):
                used.update(dict.fromkeys(range(m.first, m.last + 1), m))
        found: list[Mention] = []
        index = self._names.desa
        after = 0
        for at, name, width in self._desa_names(line):
            if at < after:
                continue
            mine = [code for code in index[name].split(",") if code[:5] in kabkota]
            if not mine or not _free(used, at, width, mine, taken):
                continue
            role = self._role_before(line, at)
            if role.name in WEAK_ROLES or role.name in ("street", "person", "river", "campus"):
                continue
            if name in self._cues.common:
                named = role.name in ("locative", "people", "type_hamlet", "type_desa")
                if not named or not all(line.capital(k) for k in range(at, at + width)):
                    continue
            found.append(_village_mention(line, at, width, mine, role, 0.5, name))
            after = at + width
        return found

    def _desa_names(self, line: Words) -> Iterator[tuple[int, str, int]]:
        """(first word, name, number of words) of each name of a desa in the text, the longest at a word first."""
        index, forms = self._names.desa, line.forms
        last = len(forms) - 1
        for at, word in enumerate(forms):
            if at in line.abroad:
                continue
            if at < last:
                two = f"{word} {forms[at + 1]}"
                if at + 1 < last:
                    three = f"{two} {forms[at + 2]}"
                    if three in index and line.joined(at, 3):
                        yield at, three, 3
                if two in index and line.joined(at, 2):
                    yield at, two, 2
            if word in index and len(word) >= 4:
                yield at, word, 1

    def lone_village(self, line: Words) -> list[Mention]:
        """Desa names that occur once in the country, behind a word of place; for texts that name nothing else."""
        found: list[Mention] = []
        index, common = self._names.desa, self._cues.common
        for at in range(1, len(line)):
            if line.forms[at - 1] not in self._cues.last_words or at in line.abroad:
                continue
            for width in (3, 2, 1):
                if at + width > len(line):
                    continue
                name = line.joined(at, width)
                codes = index.get(name) if name else None
                if codes is None or name is None or name in common or len(name) < 5:
                    continue
                if len({code[:5] for code in codes.split(",")}) > 1:
                    break
                role = self._role_before(line, at)
                if role.name in ("locative", "people", "agency", "agency_kec", "beach"):
                    weight = 0.5 if line.capital(at) else 0.42
                    if width == 1 and not line.capital(at) and len(name) < 6:
                        break
                    found.append(_village_mention(line, at, width, codes.split(","), role, weight, name))
                break
        return found

    def _typed(self, line: Words, at: int) -> Mention | None:
        """A name behind a word for its level: "kab. Sleman", "kecamatan Mlati", "desa Pangsan"."""
        contexts = self._cues.contexts
        for width in range(min(self._cues.type_heads[line.forms[at]], len(line) - at), 0, -1):
            phrase = " ".join(line.forms[at : at + width])
            role_name = contexts.get(phrase, "")
            if not role_name.startswith("type_") or role_name == "type_hamlet":
                continue
            first = at + width
            if first >= len(line) or not _close(line.gap(first)):
                return None
            if role_name == "type_desa" and line.forms[first] in self._cues.levels:
                first += 1
            if first >= len(line):
                return None
            found = self._name_of_level(line, first, role_name)
            if found is not None:
                found.typed = True
                role = self._cues.roles[role_name]
                before = self._role_before(line, at)
                if before.name == "negation":
                    found.weight = 0.0
                    found.latent = ()
                    found.role = "negation"
                elif role.further and before.name in WEAK_ROLES | {"street", "campus"}:
                    found.weight = min(found.weight, before.kabkota)
                    found.role = before.name
                else:
                    found.role = role_name
            return found
        return None

    def _name_of_level(self, line: Words, first: int, role_name: str) -> Mention | None:
        widest = min(LONGEST, len(line) - first)
        for width in range(widest, 0, -1):
            name = line.joined(first, width)
            if name is None:
                continue
            found = self._lookup(line, first, width, name, role_name)
            if found is not None:
                return found
        word = line.forms[first]
        typed = role_name in ("type_kabkota", "type_kota", "type_kecamatan")
        if typed and len(word) <= _LONGEST_WORD and word not in self._cues.common:
            if word in self._names.heads or word in self._cues.last_words:
                return None
            level = "kecamatan" if role_name == "type_kecamatan" else "kabkota"
            near = self._names.nearly(word, level)
            if near is not None:
                found = self._lookup(line, first, 1, near, role_name)
                if found is not None:
                    found.weight *= 0.85
                    found.name = near
                return found
        return None

    def _lookup(self, line: Words, first: int, width: int, name: str, role_name: str) -> Mention | None:
        role = self._cues.roles[role_name]
        if role_name in ("type_provinsi", "type_prov_office"):
            code = self._names.province.get(name)
            if code is None:
                return None
            entry = self._names.bare.get(name)
            return _mention(
                line, "provinsi", first, width, role.kabkota, name, province=code, around=entry.around if entry else ()
            )
        if role_name in ("type_kabkota", "type_kota", "type_kab_office", "type_kota_office"):
            return self._kabkota(line, first, width, name, role)
        if role_name == "type_kecamatan":
            return self._kecamatan(line, first, width, name, role)
        return self._desa(line, first, width, name, role)

    def _kabkota(self, line: Words, first: int, width: int, name: str, role: Role) -> Mention | None:
        codes = self._names.kabkota.get(name)
        if codes is None:
            joined = self._names.bare.get(name)
            if joined is None or joined.level != "kabkota":
                return None
            codes = [reading[0] for reading in joined.readings if not reading[1]]
        is_kota = "kota" in role.name.removeprefix("type_").replace("kabkota", "")
        fitting = [code for code in codes if (code[3] == "7") == is_kota]
        weight = role.kabkota if fitting else 0.82
        chosen = fitting or codes
        entry = self._names.bare.get(name)
        share = 1 / len(chosen)
        return _mention(
            line,
            "kabkota",
            first,
            width,
            weight,
            name,
            readings=tuple((code, "", "", share) for code in chosen),
            around=entry.around if entry and not fitting else (),
        )

    def _kecamatan(self, line: Words, first: int, width: int, name: str, role: Role) -> Mention | None:
        codes = self._names.kecamatan.get(name)
        weight = role.kecamatan
        if codes is None:
            entry = self._names.bare.get(name)
            if entry is None or entry.level not in ("part", "kecamatan"):
                return None
            readings = tuple((kab, kec, "", share) for kab, kec, share in entry.readings)
            return _mention(line, entry.level, first, width, 0.85, name, readings=readings)
        capital = all(line.capital(k) for k in range(first, first + width))
        if name in self._cues.common and not capital:
            never = name in self._cues.tricky and self._cues.tricky[name].rule == "never"
            weight = 0.4 if not never and line.forms[first - 1] in ("kecamatan", "kec", "distrik", "kapanewon") else 0.0
        by_kab: dict[str, str] = {}
        for code in codes:
            by_kab.setdefault(code[:5], code)
        share = 1 / len(by_kab)
        readings = tuple((kab, code, "", share) for kab, code in by_kab.items())
        if weight == 0.0:
            latent = tuple((kab, code, "") for kab, code in by_kab.items())
            return _mention(line, "kecamatan", first, width, 0.0, name, latent=latent)
        return _mention(line, "kecamatan", first, width, weight, name, readings=readings)

    def _desa(self, line: Words, first: int, width: int, name: str, role: Role) -> Mention | None:
        codes = self._names.desa.get(name)
        if codes is None:
            return None
        capital = all(line.capital(k) for k in range(first, first + width))
        weight = role.desa
        if line.mixed and not line.capitals[first] and width == 1 and len(name) < 6:
            weight *= 0.5
        if (name in self._cues.common and not capital) or (width == 1 and len(name) < 4):
            weight = 0.0
        return _village_mention(line, first, width, codes.split(","), role, weight, name)

    def _bare(self, line: Words, at: int, before: list[Mention]) -> Mention | None:
        """The longest name that starts at word `at`, weighed by what stands before it."""
        forms, bare = line.forms, self._names.bare
        word = forms[at]
        for width in range(min(self._names.heads[word], len(forms) - at), 0, -1):
            name = word if width == 1 else line.joined(at, width)
            entry = bare.get(name) if name else None
            if entry is None and width > 1 and name and word in self._names.abbreviations:
                name = f"{self._names.abbreviations[word]} {name.partition(' ')[2]}"
                entry = bare.get(name)
            if entry is None or name is None:
                continue
            if (
                width == 2
                and entry.level == "kecamatan"
                and name not in self._names.kecamatan
                and self._cues.contexts.get(word) == "type_hamlet"
            ):  # "banjar anyar" is a hamlet, not the kecamatan Banjaranyar
                continue
            if entry.level == "none":
                return _mention(line, "none", at, width, 0.0, name)
            if entry.level != "kabkota" and width == 1 and len(word) <= 2:
                continue
            return self._weighed(line, at, width, name, entry, before)
        return None

    def _weighed(
        self, line: Words, at: int, width: int, name: str, entry: Entry, before: list[Mention]
    ) -> Mention | None:
        role = self._role_before(line, at)
        inherited = _inherits(line, at, before, entry) or self._joined_role(line, at, before)
        if inherited is not None and role.name == "none":
            role = self._cues.roles.get(inherited.role, role)
        capital = all(line.capital(k) for k in range(at, at + width))
        tricky = self._tricky(name, entry)
        counts = self._counts(line, at, width, tricky, role, capital)
        weight = role.kabkota if entry.level in ("kabkota", "provinsi", "area") else role.kecamatan
        if role.name.startswith("type_") and weight == 0:
            weight = self._cues.roles["none"].kecamatan * (0.4 if role.name == "type_desa" else 1.0)
        if entry.level == "kabkota" and entry.province:
            weight *= _OR_PROVINCE
        if entry.level == "part":
            starts = self._cues.contexts.get(line.forms[at]) == "station" and role.name in ("origin", "from")
            said = self._cues.roles["station"] if starts else role
            weight = max(said.kabkota, said.kecamatan) * _PART
        if entry.level == "kecamatan" and counts:
            counts = _long_enough(name, capital, role)
        if entry.level == "kecamatan":
            weight *= self._distinct(name, entry)
            if line.mixed and not line.capitals[at]:
                weight *= 0.94
            if role.name == "none" and self._holds_own(name, entry):
                weight = _OWN_NAME
        if entry.level == "kabkota" and self._cues.tricky.get(name) and self._compound(line, at + width):
            weight *= _COMPOUND
        readings = tuple((kab, kec, "", share) for kab, kec, share in entry.readings)
        if entry.level == "kabkota" and len(readings) > 1:
            readings = _suffixed(line, at + width, readings)
        if role.name == "negation":
            return _mention(line, entry.level, at, width, 0.0, name, readings=readings, role=role.name)
        latent = tuple((kab, kec, "") for kab, kec in entry.latent)
        if not counts:
            latent += tuple((kab, kec, "") for kab, kec, _ in entry.readings)
            return _mention(line, entry.level, at, width, 0.0, name, latent=latent, role=role.name)
        return _mention(
            line,
            entry.level,
            at,
            width,
            weight,
            name,
            readings=readings,
            latent=latent,
            province=entry.province,
            around=entry.around,
            role=role.name,
        )

    def _joined_role(self, line: Words, at: int, before: list[Mention]) -> Mention | None:
        """The mention whose role goes on after "dan": "ke Kuningan dan Cirebon"."""
        if not before or before[-1].last != at - 2 or line.forms[at - 1] not in self._cues.joining:
            return None
        if line.gap(at) != " " or line.gap(at - 1) not in (" ", ", "):
            return None
        return before[-1] if before[-1].role in _GOES_ON else None

    def _holds_own(self, name: str, entry: Entry) -> bool:
        """Whether the name of a kecamatan starts with that of its kab/kota."""
        codes = self._names.kabkota.get(name.rpartition(" ")[0], [])
        return any(kab in codes for kab, _, _ in entry.readings)

    def _compound(self, line: Words, after: int) -> bool:
        """Whether a capitalised word that is neither a cue nor the start of a name follows without a break."""
        if after >= len(line) or line.gap(after) != " " or not line.capital(after):
            return False
        word = line.forms[after]
        names, cues = self._names, self._cues
        known = word in names.heads or word in cues.last_words or word in cues.common or word in cues.type_heads
        return not known and len(word) > 4 and word not in cues.compass

    def _distinct(self, name: str, entry: Entry) -> float:
        """How far the bare name of a kecamatan can be told from desa and quarters elsewhere that share it."""
        codes = self._names.desa.get(name)
        if codes is None:
            return 1.0
        own = {kab for kab, _, _ in entry.readings}
        elsewhere = {code[:5] for code in codes.split(",")} - own
        return max(_LEAST_DISTINCT, 1 / (1 + _SAME_NAME * len(elsewhere)))

    def _tricky(self, name: str, entry: Entry) -> Tricky:
        tricky = self._cues.tricky.get(name)
        if tricky is not None:
            return tricky
        if name in self._cues.common:
            return Tricky("capital") if entry.level == "kabkota" else NEVER
        return OPEN

    def _counts(self, line: Words, at: int, width: int, tricky: Tricky, role: Role, capital: bool) -> bool:
        """Whether the words are a name here rather than everyday words."""
        if tricky is OPEN:
            return True
        if tricky.rule == "never":
            return False
        previous = line.forms[at - 1] if at and _close(line.gap(at)) else ""
        following = line.forms[at + width] if at + width < len(line) and _close(line.gap(at + width)) else ""
        if not capital and (previous in tricky.not_before or following in tricky.not_after):
            return False
        if self._cues.contexts.get(line.forms[at]) == "type_hamlet" and self._heads_a_name(line, at + width):
            return False
        if tricky.rule == "open" or capital:
            return True
        if tricky.rule == "locative":
            return role.name in _PLACE_ROLES
        return role.name in ("people", "agency", "agency_kec")

    def _heads_a_name(self, line: Words, after: int) -> bool:
        """Whether a capitalised name that is no province follows: "Banjar Sangeh" is a hamlet, not Kota Banjar."""
        if not line.mixed or after >= len(line) or not line.capitals[after] or line.gap(after) != " ":
            return False
        following = (line.joined(after, width) for width in (1, 2) if after + width <= len(line))
        return not any(name in self._names.province for name in following if name)

    def _role_before(self, line: Words, at: int) -> Role:
        """The role of the words right before word `at`; `none` when they say nothing or a sentence ends between."""
        contexts, roles = self._cues.contexts, self._cues.roles
        for _ in range(3):
            if at == 0 or not _close(line.gap(at), line.forms[at - 1]):
                break
            word = line.forms[at - 1]
            if word.isdigit():
                at -= 1
                continue
            if word not in self._cues.last_words:
                break
            name = None
            for width in (4, 3, 2, 1):
                if width <= at:
                    name = contexts.get(" ".join(line.forms[at - width : at]))
                    if name is not None:
                        break
            if name is None:
                break
            if name != "skip":
                role = roles[name]
                if (
                    role.further
                    and not name.startswith("type_")
                    and self._role_before(line, at - width).name == "background"
                ):
                    return roles["background"]
                if name == "locative" and self._lives_there(line, at - width):
                    return roles["living"]
                return role
            at -= width
        return roles["none"]

    def _lives_there(self, line: Words, at: int) -> bool:
        """Whether "perantau" and one or two words stand before word `at`: "perantau Minang di Batam"."""
        for back in (2, 3):
            if at < back or not _close(line.gap(at - back + 1)):
                return False
            if line.forms[at - back] in self._cues.migrants:
                return all(_close(line.gap(k)) for k in range(at - back + 1, at + 1))
        return False


def _mention(
    line: Words,
    level: str,
    first: int,
    width: int,
    weight: float,
    name: str,
    *,
    readings: tuple[tuple[str, str, str, float], ...] = (),
    latent: tuple[tuple[str, str, str], ...] = (),
    province: str = "",
    around: tuple[str, ...] = (),
    role: str = "none",
) -> Mention:
    last = first + width - 1
    return Mention(
        source="text",
        level=level,
        first=first,
        last=last,
        start=line.starts[first],
        end=line.ends[last],
        weight=weight,
        readings=readings,
        latent=latent,
        province=province,
        around=around,
        role=role,
        name=name,
    )


def _village_mention(
    line: Words, first: int, width: int, codes: list[str], role: Role, weight: float, name: str
) -> Mention:
    """A mention of one or more desa of the same name."""
    kabkota = {code[:5] for code in codes}
    share = 1 / len(kabkota)
    if weight == 0.0 or len(kabkota) > _FAR_DESA:
        latent = tuple((code[:5], code[:8], code) for code in codes)
        return _mention(line, "desa", first, width, 0.0, name, latent=latent, role=role.name)
    readings = tuple((code[:5], code[:8], code, share) for code in codes)
    return _mention(line, "desa", first, width, weight, name, readings=readings, role=role.name)


def _close(gap: str, word: str = "") -> bool:
    """Whether the gap between two words leaves them in one phrase. A full stop does after a short word ("Kec.")."""
    if gap == " ":
        return True
    if any(c in gap for c in ",!?;\n"):
        return False
    return "." not in gap or len(word) <= 5


def _inherits(line: Words, at: int, before: list[Mention], entry: Entry) -> Mention | None:
    """The mention right before word `at` whose role goes on: "arah Serang-Jakarta", "asal Tegal, Jawa Tengah"."""
    if not before or before[-1].last != at - 1:
        return None
    gap = line.gap(at).strip()
    if gap == "-":
        return before[-1]
    if gap not in ("", ",", "(") or before[-1].role not in ("origin", "from", "club", "comparison", "negation"):
        return None
    mine = {kab for kab, _, _ in entry.readings}
    inside = (*entry.around, entry.province) if entry.province else entry.around
    related = any(kab in mine or kab.startswith(inside) for kab, _, _, _ in before[-1].readings)
    return before[-1] if related else None


def _free(used: dict[int, Mention], at: int, width: int, codes: list[str], mentions: list[Mention]) -> bool:
    """Whether a desa may be read at these words.

    It may when nothing else is read there, when its name is longer than that of a bare kecamatan read there
    ("Alalak Selatan"), or when it is the same but lies in the kab/kota named beside it ("Kuta, Lombok Tengah").
    """
    for k in range(at, at + width):
        mention = used.get(k)
        if mention is None:
            continue
        if mention.typed or mention.level not in ("kecamatan", "part"):
            return False
        if mention.first < at or mention.last >= at + width:
            return False
        if mention.last - mention.first + 1 >= width and not _beside(mention, codes, mentions):
            return False
    return True


def _beside(mention: Mention, codes: list[str], mentions: list[Mention]) -> bool:
    """Whether one of the desa lies in a region named within two words of a mention that does not know it."""
    kabkota = {code[:5] for code in codes}
    low = bisect_left(mentions, mention.first - 3 - LONGEST, key=lambda m: m.first)
    high = bisect_left(mentions, mention.last + 4, key=lambda m: m.first)
    for other in mentions[low:high]:
        if other is mention or other.weight < 0.5:
            continue
        near = max(other.first - mention.last, mention.first - other.last) <= 3
        named = {reading[0] for reading in other.readings}
        if near and named & kabkota and not any(mention.reads(kab) for kab in named):
            return True
    return False


def _suffixed(
    line: Words, after: int, readings: tuple[tuple[str, str, str, float], ...]
) -> tuple[tuple[str, str, str, float], ...]:
    """Of twins, the one that the next word names: "Bekasi kota", "Bogor (kab)"."""
    if after >= len(line) or line.gap(after) not in (" ", " (", "-"):
        return readings
    word = line.forms[after]
    if word not in ("kota", "kab", "kabupaten", "kodya"):
        return readings
    fitting = [reading for reading in readings if (reading[0][3] == "7") == (word in ("kota", "kodya"))]
    if not fitting:
        return readings
    return tuple((kab, kec, desa, 1 / len(fitting)) for kab, kec, desa, _ in fitting)


def _long_enough(name: str, capital: bool, role: Role) -> bool:
    """Names of four letters or fewer need a capital or a word of place; of three, a capital and a word of place."""
    length = len(name)
    if length >= 5:
        return True
    if length == 4:
        return capital or role.name in _PLACE_ROLES
    return capital and role.name in _PLACE_ROLES


def _leave_country(line: Words, at: int, mentions: list[Mention]) -> None:
    """Drop the kecamatan right before a name abroad: "Pulau Pinang, Malaysia"."""
    if not mentions or mentions[-1].last != at - 1 or line.gap(at).strip() not in ("", ",", "("):
        return
    if mentions[-1].level == "kecamatan" and not mentions[-1].typed:
        dropped = mentions.pop()
        line.abroad.update(range(dropped.first, dropped.last + 1))


def _road_ends(line: Words, before: list[Mention]) -> list[Mention]:
    """The last mentions of `before` when they are the two ends of a road, or the one name of a road."""
    last = before[-1]
    if last.role in _ROADS and not last.typed:
        if len(before) > 1 and before[-2].role in _ROADS and before[-2].last == last.first - 1:
            return [before[-2], last]
        return [last] if last.role == "route" else []
    if len(before) < 2 or last.typed or before[-2].role not in _ROADS:
        return []
    joined = line.text[before[-2].end : last.start].strip()
    return [before[-2], last] if joined in ("", "-", "–", "—", "ke", "menuju", "arah") else []


def _weaken_pairs(line: Words, mentions: list[Mention], route: Role) -> None:
    """ "Padang-Bukittinggi" names a road between two places: each says less, unless one lies in the other."""
    for one, two in pairwise(mentions):
        if two.first != one.last + 1 or one.typed or two.typed:
            continue
        if line.gap(two.first).strip() not in ("-", "–", "—"):
            continue
        mine = {r[0] for r in one.readings} | set(one.around)
        yours = {r[0] for r in two.readings} | set(two.around)
        if mine & yours or (one.province and any(k.startswith(one.province) for k in yours)):
            continue
        if two.province and any(k.startswith(two.province) for k in mine):
            continue
        on_a_road = one.role in ("street", "street_raya", "route")
        for mention in (one, two):
            mention.weight = route.kabkota if on_a_road and mention.weight else mention.weight * _PAIR
            mention.role = "route"
