"""Agency right, given the right topic and the right region: the part that agencies/ answers for.

    python benchmarks/bench_agencies.py --cases CASES.jsonl --topics benchmarks/dev_topics.csv [--out FILE]

CASES has one routing case a line (id, text, region, agency, level, urgent, pengawasan), TOPICS the columns id,topic.
The gold region is given; finer places come from the Locator where it agrees with the gold kab/kota. Wrong cases are
listed by id.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from common import parser, publish

from lapor_nlp.agencies.directory import Directory
from lapor_nlp.agencies.fit import same_office
from lapor_nlp.agencies.office import Responsibility
from lapor_nlp.place import Location, Place
from lapor_nlp.regions.gazetteer import Gazetteer
from lapor_nlp.regions.locator import Locator
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

CENTRAL = {"pusat", "vertikal"}


def main() -> None:
    line = parser(__doc__, cases=True)
    line.add_argument("--topics", type=Path, default=Path(__file__).parent / "dev_topics.csv")
    options = line.parse_args()
    result = run(options.cases, options.topics)
    publish("agencies", result, options.out)


def run(cases: Path, topics: Path) -> dict[str, Any]:
    directory, wordlist, locator, gazetteer = Directory.load(), Wordlist.load(), Locator.load(), Gazetteer.load()
    urusan = {row["code"]: row["urusan"] for _, row in read_table(DATA / "taxonomy" / "topics.csv", ("code", "urusan"))}
    topic_of = {row["id"]: row["topic"] for _, row in read_table(topics, ("id", "topic"))}
    wrong, opened = [], []
    counts = dict.fromkeys(("cases", "agency_right", "level_right", "no_agency_in_gold", "flagged_or_none"), 0)
    for line in cases.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        topic = topic_of.get(case["id"])
        if topic is None:
            continue
        text = clean(case["text"])
        location = gold_location(case["region"], locator.locate(text), gazetteer)
        answer = directory.assign(
            topic,
            urusan[topic],
            wordlist.tokens(text),
            location,
            urgent=bool(case["urgent"]),
            pengawasan=bool(case["pengawasan"]),
        )
        if case["agency"] is None:
            counts["no_agency_in_gold"] += 1
            counts["flagged_or_none"] += answer.undecided or answer.best is None
            continue
        counts["cases"] += 1
        right = answer.best is not None and same_office(answer.best.name, case["agency"])
        counts["agency_right"] += right
        counts["level_right"] += answer.best is not None and same_level(answer.best.level, case["level"])
        if not right:
            wrong.append({"id": case["id"], "gold": case["agency"], "got": shown(answer), "rule": answer.rule})
        elif answer.reasons:
            opened.append({"id": case["id"], "reasons": list(answer.reasons)})
    return {
        **counts,
        "agency": round(counts["agency_right"] / max(1, counts["cases"]), 4),
        "level": round(counts["level_right"] / max(1, counts["cases"]), 4),
        "microseconds": speed(directory, wordlist, cases),
        "wrong": wrong,
        "right_with_reasons": opened,
    }


def gold_location(codes: list[str], found: Location, gazetteer: Gazetteer) -> Location:
    places = []
    for code in codes:
        known = next((place for place in found.places if place.code == code), None)
        region = gazetteer.get(code)
        if known is None and region is not None:
            known = Place(code=code, name=region.full_name, confidence=1.0)
        if known is not None:
            places.append(known)
    return Location(places=tuple(places))


def same_level(got: str, gold: str | None) -> bool:
    return got == gold or {got, gold} <= CENTRAL


def shown(answer: Responsibility) -> list[str]:
    return [office.name for office in answer.offices]


def speed(directory: Directory, wordlist: Wordlist, cases: Path) -> dict[str, float]:
    """Microseconds a report for finding the cues and for assigning with cues at hand."""
    texts = [json.loads(line)["text"] for line in cases.read_text(encoding="utf-8").splitlines()]
    tokens = [wordlist.tokens(clean(text)) for text in texts]
    where = Location(places=(Place(code="34.04", name="Kabupaten Sleman", confidence=1.0),))
    start = time.perf_counter()
    cues = [directory.cues(t) for t in tokens]
    middle = time.perf_counter()
    for one, found in zip(tokens, cues, strict=True):
        directory.assign("jalan-rusak", "pekerjaan umum", one, where, cues=found)
    end = time.perf_counter()
    return {
        "cues": round(1e6 * (middle - start) / len(texts), 1),
        "assign": round(1e6 * (end - middle) / len(texts), 1),
    }


if __name__ == "__main__":
    main()
