"""How much personal data masking finds, and how much it marks by mistake.

    python benchmarks/bench_masking.py --cases CASES.jsonl [--out benchmarks/results/masking.json]

A case has id, text and pii, the personal strings in the text. A string is found when one finding covers all of it; a
finding that shares no character with any such string is false. The rival in the same run is lokal-id (PyPI) when
it is installed, limited to the kinds of data that the cases mark: no addresses, no dates, no health.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import time
from collections.abc import Callable
from typing import Any

from common import parser, publish, read_jsonl, share

from lapor_nlp.text.mask import Masker

Finder = Callable[[str], list[tuple[int, int]]]

RIVAL_KINDS = [
    "NIK", "KK", "NPWP", "PASSPORT", "SIM", "NIP", "BPJS", "NISN", "PHONE", "EMAIL", "BANK_ACCOUNT", "CARD", "PLATE",
    "NAME",
]  # fmt: skip


def main() -> None:
    arguments = parser(__doc__, cases=True).parse_args()
    cases = read_jsonl(arguments.cases)
    masker = Masker.load()
    finders: dict[str, Finder] = {"lapor-nlp": lambda text: [(f.start, f.end) for f in masker.find(text)]}
    if importlib.util.find_spec("lokal") is not None:
        finders[f"lokal-id {importlib.metadata.version('lokal-id')}"] = rival()
    figures = {name: measure(finder, cases) for name, finder in finders.items()}
    publish("masking", {"cases": arguments.cases.name, "texts": len(cases), "finders": figures}, arguments.out)


def measure(finder: Finder, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Recall over the personal strings, false findings, and the ids of the cases that went wrong."""
    strings = found = false = 0
    missed_in, false_in = [], []
    started = time.perf_counter()
    answers = [finder(case["text"]) for case in cases]
    seconds = time.perf_counter() - started
    for case, spans in zip(cases, answers, strict=True):
        truth = [located(case, string) for string in case["pii"]]
        hits = [any(start <= s and e <= end for start, end in spans) for s, e in truth]
        wrong = [span for span in spans if not any(span[0] < e and s < span[1] for s, e in truth)]
        strings, found, false = strings + len(truth), found + sum(hits), false + len(wrong)
        missed_in += [] if all(hits) else [case["id"]]
        false_in += [case["id"]] if wrong else []
    return {
        "strings": strings,
        "recall": share(found, strings),
        "false_spans": false,
        "missed_in": missed_in,
        "false_in": false_in,
        "texts_per_second": round(len(cases) / seconds),
    }


def located(case: dict[str, Any], string: str) -> tuple[int, int]:
    at = case["text"].find(string)
    if at < 0:
        raise SystemExit(f"case {case['id']}: a string of pii does not stand in its text")
    return at, at + len(string)


def rival() -> Finder:
    lokal = importlib.import_module("lokal")
    samaran = lokal.Samaran(types=RIVAL_KINDS)
    return lambda text: [(match.start, match.end) for match in samaran.scan(text)]


if __name__ == "__main__":
    main()
