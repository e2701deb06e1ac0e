"""Locator: where a report happens. READ weigh.py for how the pieces are put together."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from lapor_nlp.evidence import Evidence
from lapor_nlp.place import Location, Place
from lapor_nlp.regions.cues import Cues
from lapor_nlp.regions.gazetteer import Gazetteer
from lapor_nlp.regions.mention import Mention
from lapor_nlp.regions.names import NameIndex, key
from lapor_nlp.regions.outlines import Outlines
from lapor_nlp.regions.reader import WEAK_ROLES, Reader, Words
from lapor_nlp.regions.weigh import CREDIBLE, Candidate, candidates

_GIVEN = 0.98
_PIN = 0.95
_PIN_AT_BORDER = 0.87
_TOLD = 0.5
"""How sure the text must be before it can disagree with a pin or a field."""
_FIRM = 0.4
"""How much a name must say to be more than the home of who addresses a province."""

_BESIDE_OFFICE = 0.5
"""What is left of the confidence of a place that the province addressed does not hold, or not firmly."""

_BARE_WORD = re.compile(r"^(?:provinsi|propinsi|prov|kabupaten|kab|kecamatan|kec|desa|kelurahan|kel)\b\.?\s*", re.I)


class Locator:
    """Finds the kabupaten/kota (and, where named, the kecamatan and desa) of a report.

        locator = Locator.load()
        locator.locate("Lampu jalan mati di Mlati, Sleman").best.code -> "34.04"
        locator.locate("Tangerang macet").places -> Kabupaten and Kota Tangerang, 0.4 each

    The answer is a set of candidates, best first, never a forced pick: twins that nothing
    settles come back together, and a text without a place gives none. A name counts for less where
    the words before it say that the matter happens elsewhere ("saya asal Tegal", "bus jurusan Padang").
    """

    def __init__(self, gazetteer: Gazetteer, names: NameIndex, cues: Cues, outlines: Outlines) -> None:
        self._gazetteer = gazetteer
        self._names = names
        self._cues = cues
        self._outlines = outlines
        self._reader = Reader(names, cues)

    @classmethod
    def load(cls, folder: Path | None = None) -> Locator:
        """Read the packaged region tables, or those of `folder`. Raises DataFileError."""
        gazetteer = Gazetteer.load(folder)
        names = NameIndex.load(gazetteer, folder)
        return cls(gazetteer, names, Cues.load(folder), Outlines.load(gazetteer, folder))

    @property
    def gazetteer(self) -> Gazetteer:
        return self._gazetteer

    def locate(
        self,
        text: str,
        *,
        latitude: float | None = None,
        longitude: float | None = None,
        provinsi: str | None = None,
        kabkota: str | None = None,
        kecamatan: str | None = None,
        desa: str | None = None,
    ) -> Location:
        """All credible places of one report.

        `text` keeps its capitals. `latitude`/`longitude` are degrees (both or neither); `provinsi`, `kabkota`,
        `kecamatan` and `desa` hold a name or a Kemendagri code. A given kab/kota outranks the text.
        """
        line, mentions = self._reader.read(text)
        decide = self._cues.decide(line.forms)
        given, notes = self._given(provinsi, kabkota, kecamatan, desa)
        pin: list[Mention] = []
        if latitude is not None and longitude is not None:
            pin = self._pin(latitude, longitude)
            if not pin:
                notes.append("pin_outside_indonesia")
        found = self._candidates(line, mentions, [*given, *pin], decide)
        if pin or given:
            notes += self._disagreements(line, mentions, given, pin, decide)
        if not found:
            return Location(places=self._provinces(mentions, given), notes=tuple(notes))
        places = [self._place(candidate) for candidate in found]
        if not pin and not given:
            places = self._addressed(places, mentions, found)
        if pin or given:
            inside = {place.province for place in places}
            told = [m for m in mentions if m.weight >= _TOLD and not inside & {m.province, *(a[:2] for a in m.around)}]
            places += [replace(p, confidence=round(p.confidence / 2, 3)) for p in self._provinces(told, [])]
        if given:
            places.sort(key=lambda p: not any(e.source == "given" and e.code.startswith("kabkota") for e in p.evidence))
            highest = places[0].confidence
            places = [replace(place, confidence=min(place.confidence, highest)) for place in places]
        return Location(places=tuple(places), notes=tuple(notes))

    def _addressed(self, places: list[Place], mentions: list[Mention], found: list[Candidate]) -> list[Place]:
        """The province whose government is addressed stands first, unless a firm place lies in it or elsewhere."""
        offices = [m for m in mentions if m.role == "type_prov_office" and m.weight > 0]
        if len({m.province for m in offices}) != 1:
            return places
        inside = (offices[0].province, *offices[0].around)
        firm = {
            c.code
            for c in found
            for m in c.mentions
            if m not in offices and m.weight >= _FIRM and m.role not in WEAK_ROLES and m.reads(c.code)
        }
        if any(code.startswith(inside) for code in firm):
            return sorted(places, key=lambda p: not (p.code in firm and p.code.startswith(inside)))
        province = self._provinces(offices, [])
        highest = min((p.confidence for p in province), default=1.0)
        weak = [replace(p, confidence=round(min(p.confidence, highest) * _BESIDE_OFFICE, 3)) for p in places]
        return [*province, *(p for p in weak if p.confidence >= CREDIBLE)]

    def _candidates(self, line: Words, mentions: list[Mention], outside: list[Mention], decide: str) -> list[Candidate]:
        found = candidates([*mentions, *outside], decide)
        if found:
            kabs = {c.code for c in found}
            kabs.update(r[0] for m in mentions if m.level == "kabkota" and m.weight >= 0.3 for r in m.readings)
            villages = self._reader.villages(line, mentions, kabs)
            if villages:
                inside = {at: v.last for v in villages for at in range(v.first, v.last + 1)}
                kept = [m for m in mentions if inside.get(m.first, -1) < m.last]
                found = candidates([*kept, *villages, *outside], decide)
        elif not any(m.province and m.weight >= 0.3 for m in mentions):
            found = candidates([*mentions, *self._reader.lone_village(line), *outside], decide)
        return found

    def _provinces(self, mentions: list[Mention], given: list[Mention]) -> tuple[Place, ...]:
        best: dict[str, list[Mention]] = {}
        for mention in [*given, *mentions]:
            if mention.province and mention.weight > 0:
                best.setdefault(mention.province, []).append(mention)
        strengths = {code: max(m.weight for m in found) for code, found in best.items()}
        total = sum(s * s for s in strengths.values())
        places = []
        for code, found in best.items():
            region = self._gazetteer.get(code)
            strength = strengths[code]
            others = total - strength * strength
            confidence = strength * (strength**2 / (strength**2 + 0.7 * others)) if others else strength
            if region is None or confidence < CREDIBLE:
                continue
            evidence = tuple(_evidence(m, f"provinsi:{code}") for m in found)
            places.append(Place(code=code, name=region.full_name, confidence=round(confidence, 3), evidence=evidence))
        return tuple(sorted(places, key=lambda p: -p.confidence))

    def _place(self, candidate: Candidate) -> Place:
        region = self._gazetteer.get(candidate.code)
        name = region.full_name if region else candidate.code
        kecamatan, desa = _finer(candidate)
        evidence = []
        for mention in candidate.mentions:
            if mention.source == "text" or mention.weight:
                evidence.append(_evidence(mention, _evidence_code(mention, candidate.code)))
        evidence.sort(key=lambda e: (e.source != "given", e.source != "text", e.start, e.end, e.code))
        kecamatan_region = self._gazetteer.get(kecamatan) if kecamatan else None
        desa_region = self._gazetteer.get(desa) if desa else None
        return Place(
            code=candidate.code,
            name=name,
            confidence=round(min(candidate.confidence, 0.995), 3),
            kecamatan=kecamatan,
            kecamatan_name=kecamatan_region.name if kecamatan_region else None,
            desa=desa,
            desa_name=desa_region.name if desa_region else None,
            desa_kind=self._gazetteer.level_name(desa) if desa else None,
            evidence=tuple(dict.fromkeys(evidence)),
        )

    def _pin(self, latitude: float, longitude: float) -> list[Mention]:
        code = self._outlines.find(latitude, longitude)
        if code is None:
            return []
        kecamatan = self._outlines.kecamatan(latitude, longitude, code) or ""
        readings = [(code, kecamatan, "", 1.0)]
        latent = [(near, "", "") for near in self._outlines.around(latitude, longitude) if near != code]
        weight = _PIN_AT_BORDER if latent else _PIN
        return [_outside("pin", "kecamatan" if kecamatan else "kabkota", weight, tuple(readings), tuple(latent))]

    def _given(
        self, provinsi: str | None, kabkota: str | None, kecamatan: str | None, desa: str | None
    ) -> tuple[list[Mention], list[str]]:
        """Mentions for the fields of a form, and a note when one holds something unknown."""
        found: list[Mention] = []
        unknown = False
        fields = (("provinsi", provinsi), ("kabkota", kabkota), ("kecamatan", kecamatan), ("desa", desa))
        for level, value in fields:
            if value is None or not value.strip():
                continue
            mention = self._given_field(level, value.strip())
            if mention is None:
                unknown = True
            else:
                found.append(mention)
        notes = ["given_region_unknown"] if unknown else []
        if _contradict(found) or self._unknown_elsewhere(fields, found):
            notes.append("given_fields_disagree")
        return found, notes

    def _unknown_elsewhere(self, fields: tuple[tuple[str, str | None], ...], found: list[Mention]) -> bool:
        """Whether an unknown code of a kecamatan or desa begins like another kab/kota than the known fields."""
        kabs = {kab for m in found for kab, _, _ in [*(r[:3] for r in m.readings), *m.latent]}
        known = kabs or {m.province for m in found if m.province}
        for _, value in fields:
            digits = (value or "").strip().replace(".", "")
            kab = _dotted(digits)[:5]
            if known and digits.isdigit() and self._gazetteer.get(kab) and not known & {kab, kab[:2]}:
                return True
        return False

    def _given_field(self, level: str, value: str) -> Mention | None:
        length = {"provinsi": 2, "kabkota": 5, "kecamatan": 8, "desa": 13}[level]
        digits = value.replace(".", "")
        if digits.isdigit():
            code = _dotted(digits)
            if len(code) != length or self._gazetteer.get(code) is None:
                return None
            codes = [code]
        else:
            codes = self._named(level, value)
            if not codes:
                return None
        if level == "provinsi":
            entry = self._names.bare.get(key(value))
            return _outside("given", level, _GIVEN, (), (), codes[0], entry.around if entry else ())
        by_kab = {code[:5] for code in codes}
        readings = tuple(
            (code[:5], code[:8] if len(code) >= 8 else "", code if len(code) == 13 else "", 1 / len(by_kab))
            for code in codes
        )
        if len(by_kab) > 8:
            return _outside("given", level, 0.0, (), tuple(r[:3] for r in readings))
        return _outside("given", level, _GIVEN, readings, ())

    def _named(self, level: str, value: str) -> list[str]:
        """Codes for the name in a form field, with or without the word for its level."""
        name = key(value)
        plain = key(_BARE_WORD.sub("", value.strip()))
        if level == "provinsi":
            code = self._names.province.get(name) or self._names.province.get(plain)
            return [code] if code else []
        if level == "kabkota":
            first, _, rest = name.partition(" ")
            kinds = {"kabupaten": False, "kab": False, "kota": True, "kotamadya": True}
            if first in kinds and rest:
                rest = rest.removeprefix("adm ").removeprefix("administrasi ")
                codes = self._names.kabkota.get(rest, [])
                fitting = [code for code in codes if (code[3] == "7") == kinds[first]]
                if codes:
                    return fitting or codes
            return self._names.kabkota.get(name) or self._names.kabkota.get(name.replace(" ", ""), [])
        table = self._names.kecamatan
        if level == "kecamatan":
            return table.get(name) or table.get(plain, [])
        found = self._names.desa.get(name) or self._names.desa.get(plain)
        return found.split(",") if found else []

    def _disagreements(
        self, line: Words, mentions: list[Mention], given: list[Mention], pin: list[Mention], decide: str
    ) -> list[str]:
        said = self._candidates(line, mentions, [], decide)
        sure = [c for c in said if c.confidence >= 0.4] or said
        codes = {c.code for c in sure} if sum(c.confidence for c in said) >= _TOLD else set()
        if len(sure) == 1 and codes:  # a rival reading of a name that is not typed agrees too
            codes |= {r[0] for m in sure[0].mentions if not m.typed for r in m.readings}
        provinces = {m.province for m in mentions if m.province and m.weight >= 0.8} if not codes else set()
        notes = []
        fields = {kab for m in given for kab, _, _, _ in m.readings}
        areas = tuple(code for m in given if m.province for code in (m.province, *m.around))
        disagree = bool(fields and codes and not fields & codes)
        if fields and not codes and provinces:
            disagree = not any(kab[:2] in provinces for kab in fields)
        if areas and codes:
            disagree |= not any(kab.startswith(areas) for kab in codes)
        if areas and provinces:
            disagree |= not provinces & {*areas}
        if disagree:
            notes.append("text_and_given_disagree")
        point = {kab for m in pin for kab, _, _, _ in m.readings} | {kab for m in pin for kab, _, _ in m.latent}
        if point and ((codes and not point & codes) or (provinces and not any(k[:2] in provinces for k in point))):
            notes.append("text_and_pin_disagree")
        if point and ((fields and not point & fields) or (areas and not any(kab.startswith(areas) for kab in point))):
            notes.append("given_and_pin_disagree")
        return notes


def _contradict(given: list[Mention]) -> bool:
    """Whether two fields of a form cannot hold together: kabkota "Sleman" and provinsi "Bali", or kecamatan "Kuta"."""
    areas = tuple(code for m in given if m.province for code in (m.province, *m.around))
    finer: list[set[str]] = []
    for mention in given:
        if mention.province:
            continue
        # The kecamatan as well where both fields have one; a desa of another kecamatan is a contradiction too.
        codes = {desa or kec or kab for kab, kec, desa in [*(r[:3] for r in mention.readings), *mention.latent]}
        if areas and not any(code.startswith(areas) for code in codes):
            return True
        finer.append(codes)
    return any(
        not any(code.startswith(other) for code in low for other in high)
        for number, high in enumerate(finer)
        for low in finer[number + 1 :]
    )


def _outside(
    source: str,
    level: str,
    weight: float,
    readings: tuple[tuple[str, str, str, float], ...],
    latent: tuple[tuple[str, str, str], ...],
    province: str = "",
    around: tuple[str, ...] = (),
) -> Mention:
    """A mention that is not in the text."""
    return Mention(
        source=source,
        level=level,
        first=-100,
        last=-100,
        start=0,
        end=0,
        weight=weight,
        readings=readings,
        latent=latent,
        province=province,
        around=around,
        typed=True,
    )


def _dotted(digits: str) -> str:
    """`3404072001` -> `34.04.07.2001`."""
    parts = [digits[0:2], digits[2:4], digits[4:6], digits[6:]]
    return ".".join(part for part in parts if part)


def _finer(candidate: Candidate) -> tuple[str | None, str | None]:
    """The kecamatan and desa that the mentions of a candidate name; a pin's kecamatan only when nothing else does."""
    kecamatan: dict[str, float] = {}
    desa: dict[str, float] = {}
    for mention in candidate.mentions:
        if mention.source == "text" and mention.role in (
            "origin",
            "from",
            "destination",
            "context",
            "comparison",
            "background",
            "road_end",
        ):
            continue
        factor = 0.3 if mention.source == "pin" else 1.5 if mention.source == "given" else 1.0
        finer = {(r[1], r[2]) for r in mention.readings if r[0] == candidate.code}
        finer |= {(r[1], r[2]) for r in mention.latent if r[0] == candidate.code and r[1]}
        for kec, village in finer:
            strength = factor * (mention.weight or 0.4) / len(finer)
            if kec and strength >= 0.25:
                kecamatan[kec] = kecamatan.get(kec, 0.0) + strength
            if village:
                desa[village] = desa.get(village, 0.0) + strength + (0.5 if kec in kecamatan else 0.0)
    best = max(kecamatan, key=lambda code: kecamatan[code]) if kecamatan else None
    inside = {code: value for code, value in desa.items() if code[:8] == best}
    return best, max(inside, key=lambda code: inside[code]) if inside else None


def _evidence(mention: Mention, code: str) -> Evidence:
    return Evidence(code=code, source=mention.source, start=mention.start, end=mention.end)


def _evidence_code(mention: Mention, kabkota: str) -> str:
    """`kecamatan:34.04.06`: the level of the name and the code that it stands for here."""
    if mention.province and not mention.reads(kabkota):
        return f"provinsi:{mention.province}"
    for kab, kec, village in [*(r[:3] for r in mention.readings), *mention.latent]:
        if kab == kabkota:
            if village:
                return f"desa:{village}"
            if kec and mention.level != "part":
                return f"kecamatan:{kec}"
            break
    return f"{'part' if mention.level == 'part' else 'kabkota'}:{kabkota}"
