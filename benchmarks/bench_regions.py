"""How well and how fast reports are located.

    python benchmarks/bench_regions.py --cases CASES.jsonl [--out FILE]

Each case is a JSON object with `id`, `text`, `lat`, `lon` (or null) and `region`, a list of Kemendagri codes (empty: no
place). `top1` is the share of cases whose best place is in `region` (or both are empty), `set` the share where the
sets of codes are equal. The rival runs on the same texts in the same process: lokal-id from PyPI where it is
installed, else a regular expression of all kabupaten/kota names. The rival sees no coordinates, so its `top1` is also
given on the cases without any.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from common import parser, publish, read_jsonl, share

from lapor_nlp.place import Location
from lapor_nlp.regions.locator import Locator
from lapor_nlp.text.clean import clean

ROUNDS = 5
TEXTS = 2000


def main() -> None:
    options = parser(__doc__, cases=True).parse_args()
    cases = read_jsonl(options.cases)

    before = _resident()
    started = time.perf_counter()
    locator = Locator.load()
    load_seconds = time.perf_counter() - started
    memory = _resident() - before

    texts = ([clean(case["text"]) for case in cases] * (TEXTS // len(cases) + 1))[:TEXTS]
    ours = _speed(locator.locate, texts)
    without_pin = [case for case in cases if case.get("lat") is None]
    rivals = []
    for name, rival in _rivals(locator).items():
        theirs = _speed(rival, texts)
        score = _score(without_pin, lambda case, rival=rival: rival(clean(case["text"])))  # type: ignore[misc]
        rivals.append(
            {
                "name": name,
                "without_pin": {"top1": score["top1"], "set": score["set"]},
                "texts_per_second": round(theirs),
                "we_are_faster": round(ours / theirs, 2),
            }
        )
    publish(
        "regions",
        {
            "cases": len(cases),
            **_score(cases, lambda case: _codes(_locate(locator, case))),
            "confident": _confident(locator, cases),
            "without_pin": _score(without_pin, lambda case: _codes(locator.locate(clean(case["text"])))),
            "texts_per_second": round(ours),
            "mean_words": round(sum(len(text.split()) for text in texts) / len(texts), 1),
            "load_seconds": round(load_seconds, 3),
            "load_megabytes": round(memory, 1),
            "rivals": rivals,
        },
        options.out,
    )


def _codes(location: Location) -> list[str]:
    return [place.code for place in location.places]


def _locate(locator: Locator, case: dict[str, Any]) -> Location:
    return locator.locate(clean(case["text"]), latitude=case.get("lat"), longitude=case.get("lon"))


def _score(cases: list[dict[str, Any]], codes_of: Callable[[dict[str, Any]], list[str]]) -> dict[str, Any]:
    first, equal, wrong, unequal = 0, 0, [], []
    for case in cases:
        gold, codes = case["region"], codes_of(case)
        right = codes[0] in gold if codes and gold else not codes and not gold
        first += right
        equal += set(codes) == set(gold)
        if not right:
            wrong.append(case["id"])
        elif set(codes) != set(gold):
            unequal.append(case["id"])
    return {
        "top1": share(first, len(cases)),
        "set": share(equal, len(cases)),
        "wrong": wrong,
        "right_but_other_set": unequal,
    }


def _confident(locator: Locator, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the places with a confidence of 0.8 or more: how many there are and the share that is right."""
    best = [(case, _locate(locator, case).best) for case in cases]
    sure = [place.code in case["region"] for case, place in best if place is not None and place.confidence >= 0.8]
    return {"count": len(sure), "right": share(sum(sure), len(sure))}


def _rivals(locator: Locator) -> dict[str, Callable[[str], list[str]]]:
    rivals = {"regular expression of kabupaten/kota names": _naive(locator)}
    try:
        from lokal.wilayah import parse_alamat
    except ImportError:
        return rivals

    def codes(text: str) -> list[str]:
        code = parse_alamat(text).code
        return [code[:5]] if code else []

    return {**rivals, "lokal-id": codes}


def _naive(locator: Locator) -> Callable[[str], list[str]]:
    table: dict[str, list[str]] = {}
    for region in locator.gazetteer.kabkota():
        table.setdefault(region.name.lower(), []).append(region.code)
    names = "|".join(re.escape(name) for name in sorted(table, key=len, reverse=True))
    pattern = re.compile(rf"\b(?:{names})\b", re.IGNORECASE)

    def codes(text: str) -> list[str]:
        return list(dict.fromkeys(code for match in pattern.findall(text) for code in table[match.lower()]))

    return codes


def _speed(locate: Callable[[str], Any], texts: list[str]) -> float:
    """Texts a second, the best of some rounds on one core."""
    best = 0.0
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for text in texts:
            locate(text)
        best = max(best, len(texts) / (time.perf_counter() - started))
    return best


def _resident() -> float:
    """Highest resident memory of this process so far, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024 / 1024


if __name__ == "__main__":
    main()
