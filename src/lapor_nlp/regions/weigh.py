"""Weighing: which kabupaten/kota explain the mentions best, and how surely."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from lapor_nlp.regions.mention import Mention
from lapor_nlp.regions.names import LONGEST

CREDIBLE = 0.2
"""Candidates below this confidence are not reported."""

_NEAR = 3
"""How many words may stand between a name and the one that supports it."""

_TIE = 0.8
"""Candidates with at least this share of the best score are equally good."""

_FAINTEST = 0.1
"""Members of a tie may be as faint as this: together they are credible."""

_LARGEST_TIE = 8

_FIRM = 0.9
"""A place as strong as this stands alone beside names mentioned by the way."""

_LOOSE = 0.5
"""A name as weak as this (a desa read only because its kab/kota was thinkable) is mentioned by the way."""

_CERTAIN = 0.93
"""A kecamatan as sure as this needs no other name to support it."""

ASIDE = frozenset(
    ("destination", "living", "comparison", "context", "club", "food", "train", "campus", "person", "river")
) | {"business", "road_end", "background", "origin", "from", "street"}
"""Roles of names that are no place of the matter beside a firm one."""

RIVALRY = 0.6
"""How much a second place that nothing joins to the first takes from its confidence."""


@dataclass(slots=True)
class Candidate:
    """A kabupaten/kota with the mentions that it explains."""

    code: str
    confidence: float
    mentions: list[Mention]


@dataclass(slots=True)
class _Claim:
    """What one mention says for one kab/kota: `share` of its weight, and the finer codes."""

    mention: Mention
    share: float
    sure: float


def claims(mentions: list[Mention]) -> dict[str, list[_Claim]]:
    """For each kab/kota, the mentions that speak for it: its names first, then those that it makes sense of."""
    provinces = _provinces(mentions)
    denied = {r[0] for m in mentions if m.role == "negation" for r in m.readings}
    table: dict[str, list[_Claim]] = {}
    for mention in mentions:
        for kab, share in _shares(mention, provinces, denied).items():
            table.setdefault(kab, []).append(_Claim(mention, share * mention.weight, mention.weight))
    firm = {
        kab: [c.mention for c in found if c.mention.weight >= 0.4 or c.share >= 0.3] for kab, found in table.items()
    }
    near = {kab: _Nearby(found) for kab, found in firm.items()}
    within: dict[tuple[str, ...], list[str]] = {}
    for mention in mentions:
        for kab, support in _supported(mention, firm, near, within).items():
            if not mention.reads(kab):
                table[kab].append(_Claim(mention, support, support))
    return table


def candidates(mentions: list[Mention], decide: str) -> list[Candidate]:
    """Candidates best first. `decide` ("kabupaten", "kota" or "") settles ties between twins of one name.

    Greedy: the kab/kota with the highest score takes the mentions that it explains; what is left over
    may speak for another one, which then shares the confidence.
    """
    table = claims(mentions)
    groups: list[tuple[list[str], list[_Claim], float]] = []
    used: set[int] = set()
    while len(groups) < 4:
        scores = {kab: sum(c.share for c in found if id(c.mention) not in used) for kab, found in table.items()}
        best = max(scores.values(), default=0.0)
        if best < 0.08:
            break
        top = max(scores, key=lambda kab: scores[kab])
        own = [c for c in table[top] if id(c.mention) not in used and c.share > 0]
        mine = {id(c.mention) for c in own}
        ties = [kab for kab in table if scores[kab] >= _TIE * best and (kab == top or _same(table[kab], mine, used))]
        ties = _decided(ties, decide)
        if len(ties) == 1 and ties[0] != top:
            own = [c for c in table[ties[0]] if id(c.mention) not in used and c.share > 0]
        groups.append((ties, own, best))
        for kab in ties:
            used.update(id(c.mention) for c in table[kab])
        used.update(id(c.mention) for c in own)
    return _confident(groups, table)


def _confident(groups: list[tuple[list[str], list[_Claim], float]], table: dict[str, list[_Claim]]) -> list[Candidate]:
    strengths = []
    for _, own, _ in groups:
        doubt = 1.0
        for claim in own:
            doubt *= 1 - min(claim.sure, 0.98)
        strengths.append(1 - doubt)
    result = []
    lead = max(range(len(groups)), key=lambda k: strengths[k], default=0)
    for number, (ties, own, _) in enumerate(groups):
        outdone = number != lead and strengths[lead] >= _FIRM
        if len(ties) > _LARGEST_TIE or (outdone and _aside(own, ties, groups[lead])):
            continue
        mine = strengths[number] ** 3
        others = sum(s**3 for k, s in enumerate(strengths) if k != number)
        confidence = strengths[number] * (mine / (mine + RIVALRY * others) if others else 1.0) / len(ties)
        if confidence < (CREDIBLE if len(ties) == 1 else _FAINTEST):
            continue
        for kab in ties:
            result.append(Candidate(kab, confidence, [c.mention for c in table[kab]]))
    return sorted(result, key=lambda c: -c.confidence)


def _aside(own: list[_Claim], ties: list[str], lead: tuple[list[str], list[_Claim], float]) -> bool:
    """Whether a candidate rests only on names that are mentioned by the way, beside the firm place `lead`."""
    if any(c.mention.source != "text" for c in own):
        return False
    far = not {kab[:2] for kab in ties} & {kab[:2] for kab in lead[0]}
    supported = len({c.mention.name for c in lead[1] if c.sure > _LOOSE}) > 1 or any(
        c.mention.level == "kecamatan" and c.sure >= _CERTAIN for c in lead[1]
    )
    return all(
        c.mention.role in ASIDE
        or c.sure <= _LOOSE
        or (far and not c.mention.typed and c.mention.role == "none" and (supported or c.mention.level != "kabkota"))
        for c in own
    )


def _provinces(mentions: list[Mention]) -> tuple[str, ...]:
    """Beginnings of codes that named provinces (not only passed by) allow."""
    named = [m for m in mentions if m.province and m.weight >= 0.5]
    return tuple(code for m in named for code in (m.province, *m.around))


def _shares(mention: Mention, provinces: tuple[str, ...], denied: set[str]) -> dict[str, float]:
    """Kab/kota to the share of a mention. Those that the text denies, or outside the named provinces, are left out
    where others remain.
    """
    if mention.weight == 0:
        return {}
    shares = {kab: share for kab, _, _, share in mention.readings}
    if denied and len(shares) > 1:
        left = [kab for kab in shares if kab not in denied]
        if left and len(left) < len(shares):
            shares = dict.fromkeys(left, 1 / len(left))
    if provinces and shares:
        inside = [kab for kab in shares if kab.startswith(provinces)]
        if inside and len(inside) < len(shares):
            return {kab: 1 / len(inside) for kab in inside}
        if not inside and mention.level in ("kabkota", "kecamatan"):
            hidden = {kab for kab, _, _ in mention.latent if kab.startswith(provinces)}
            if hidden:
                return {kab: 0.8 / len(hidden) for kab in hidden}
    return shares


class _Nearby:
    """Mentions in the order of the text, to look up those around another one."""

    def __init__(self, mentions: list[Mention]) -> None:
        self._outside = any(m.source != "text" for m in mentions)
        self._mentions = sorted((m for m in mentions if m.source == "text"), key=lambda m: m.first)
        self._firsts = [m.first for m in self._mentions]

    def supports(self, mention: Mention) -> bool:
        """Whether another one stands near `mention`, or comes from outside the text."""
        if self._outside and mention.source == "text":
            return True
        low = bisect_left(self._firsts, mention.first - _NEAR - 1 - LONGEST)
        high = bisect_left(self._firsts, mention.last + _NEAR + 2)
        return any(m is not mention and _distance(mention, m) <= _NEAR for m in self._mentions[low:high])


def _supported(
    mention: Mention,
    firm: dict[str, list[Mention]],
    near: dict[str, _Nearby],
    within: dict[tuple[str, ...], list[str]],
) -> dict[str, float]:
    """Kab/kota that make sense of a mention only because another mention speaks for them."""
    found: dict[str, float] = {}
    for kab, _, _ in mention.latent:
        around = near.get(kab)
        outside = mention.source != "text" and any(m is not mention and m.source != "text" for m in firm.get(kab, ()))
        if around is not None and (outside or around.supports(mention)):
            found[kab] = 0.5 * (mention.weight or 0.5)
    if mention.weight:
        prefixes = mention.around or ((mention.province,) if mention.province else ())
        if prefixes and prefixes not in within:
            within[prefixes] = [kab for kab in firm if kab.startswith(prefixes)]
        for kab in within.get(prefixes, ()):
            if any(m is not mention for m in firm[kab]):
                found.setdefault(kab, 0.5 * mention.weight)
    return found


def _distance(one: Mention, two: Mention) -> int:
    """Words between two mentions."""
    return max(one.first - two.last, two.first - one.last) - 1


def _same(found: list[_Claim], mine: set[int], used: set[int]) -> bool:
    """Whether a rival shares a mention with the best candidate."""
    return any(id(c.mention) in mine for c in found if id(c.mention) not in used)


def _decided(ties: list[str], decide: str) -> list[str]:
    """Of tied twins, the one of the kind that the text points to."""
    if len(ties) < 2 or not decide:
        return ties
    fitting = [kab for kab in ties if (kab[3] == "7") == (decide == "kota")]
    return fitting if 0 < len(fitting) < len(ties) else ties
