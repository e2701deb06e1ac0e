"""How well the signals are read: kind, and the flags urgent, pengawasan and out_of_scope.

    python benchmarks/bench_signals.py --cases CASES.jsonl [--out benchmarks/results/signals.json]

A case has id, text, kind, urgent, pengawasan and out_of_scope. The rival in the same run is what a first attempt
with a handful of keywords gives.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from common import parser, publish, read_jsonl, share

from lapor_nlp.signals.signals import Signals
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

FLAGS = ("urgent", "pengawasan", "out_of_scope")
Reader = Callable[[str], dict[str, Any]]


def main() -> None:
    arguments = parser(__doc__, cases=True).parse_args()
    cases = read_jsonl(arguments.cases)
    readers: dict[str, Reader] = {"lapor-nlp": ours(), "keywords": by_keywords}
    figures = {name: measure(reader, cases) for name, reader in readers.items()}
    publish("signals", {"cases": arguments.cases.name, "texts": len(cases), "readers": figures}, arguments.out)


def measure(reader: Reader, cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy of the kind, precision and recall of the flags, and the ids of the cases that went wrong."""
    started = time.perf_counter()
    answers = [reader(case["text"]) for case in cases]
    seconds = time.perf_counter() - started
    pairs = list(zip(cases, answers, strict=True))
    wrong = [case["id"] for case, answer in pairs if answer["kind"] != case["kind"]]
    result: dict[str, Any] = {"kind": {"accuracy": share(len(cases) - len(wrong), len(cases)), "wrong": wrong}}
    for flag in FLAGS:
        hits = sum(case[flag] and answer[flag] for case, answer in pairs)
        result[flag] = {
            "precision": share(hits, sum(answer[flag] for answer in answers)),
            "recall": share(hits, sum(case[flag] for case in cases)),
            "false": [case["id"] for case, answer in pairs if answer[flag] and not case[flag]],
            "missed": [case["id"] for case, answer in pairs if case[flag] and not answer[flag]],
        }
    return result | {"texts_per_second": round(len(cases) / seconds)}


def ours() -> Reader:
    signals, wordlist = Signals.load(), Wordlist.load()

    def read(text: str) -> dict[str, Any]:
        cleaned = clean(text)
        reading = signals.read(cleaned, wordlist.tokens(cleaned))
        return {"kind": reading.kind} | {flag: getattr(reading, flag).value for flag in FLAGS}

    return read


def by_keywords(text: str) -> dict[str, Any]:
    low = text.lower()
    kind = "permintaan_informasi" if "?" in low else "pengaduan"
    return {
        "kind": "aspirasi" if re.search(r"\b(?:usul|saran)", low) else kind,
        "urgent": bool(re.search(r"darurat|segera", low)),
        "pengawasan": bool(re.search(r"korupsi|pungli|oknum", low)),
        "out_of_scope": bool(re.search(r"\b(?:promo|dijual|tes|test)\b", low)),
    }


if __name__ == "__main__":
    main()
