"""Speed of routing: reports a second, share of each stage, latency of one report, load time and memory.

    python benchmarks/bench_speed.py [--texts REPORTS.jsonl] [--out benchmarks/results/speed.json]

By default the texts are the seeds of this project; --texts takes a file with a field `text`. The rival in the same run
answers one question only, the topic: scikit-learn TF-IDF (words and characters) with a linear model of as many labels.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import HERE, parser, publish, read_jsonl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from lapor_nlp import Report, Router
from lapor_nlp.text.clean import clean

MOST = 2000


def main() -> None:
    line = parser(__doc__)
    line.add_argument("--texts", type=Path)
    arguments = line.parse_args()
    seeds = [row for path in sorted((HERE.parent / "training" / "seeds").glob("*.jsonl")) for row in read_jsonl(path)]
    rows = read_jsonl(arguments.texts) if arguments.texts else seeds[:: max(1, len(seeds) // MOST)]
    texts = [row["text"] for row in rows[:MOST]]
    reports = [Report(id=str(i), text=text) for i, text in enumerate(texts)]

    started = time.perf_counter()
    router = Router.load()
    loaded = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    list(router.route_many(reports[:200]))

    seconds = timed(lambda: list(router.route_many(reports)))
    result: dict[str, Any] = {
        "texts": len(texts),
        "words_mean": round(sum(len(t.split()) for t in texts) / len(texts), 1),
        "import_s": import_seconds(),
        "load_s": round(loaded, 2),
        "memory_after_load_mb": round(memory),
        "memory_after_routing_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "reports_per_s": round(len(texts) / seconds),
        "one_report_ms": latency(router, reports),
        "share_by_stage": stages(router, texts),
    }
    rival = rival_seconds(seeds, texts)
    result["rival_topic_only_per_s"] = round(len(texts) / rival)
    tokens = [router.wordlist.tokens(clean(t)) for t in texts]
    topic = timed(lambda: router.bundle.classifier.score(texts, tokens, ["topic"]).predictions())
    result["topic_only_per_s"] = round(len(texts) / topic)
    result["ratio_topic_only_to_rival"] = round(rival / topic, 2)
    result["ratio_whole_decision_to_rival"] = round(rival / seconds, 2)
    publish("speed", result, arguments.out)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def import_seconds() -> float:
    code = "import time; s = time.perf_counter(); import lapor_nlp; print(time.perf_counter() - s)"
    return round(float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout), 4)


def latency(router: Router, reports: list[Report]) -> dict[str, float]:
    times = sorted(timed(lambda report=report: router.route(report)) for report in reports)  # type: ignore[misc]
    return {name: round(1000 * times[int(q * (len(times) - 1))], 2) for name, q in (("p50", 0.5), ("p99", 0.99))}


def stages(router: Router, texts: list[str]) -> dict[str, float]:
    """Each stage alone over all texts, as a share of their sum."""
    cleaned = [clean(text) for text in texts]
    tokens = [router.wordlist.tokens(text) for text in cleaned]
    places = [router.locator.locate(text) for text in cleaned]
    cues = [router.directory.cues(t) for t in tokens]
    seconds = {
        "clean": timed(lambda: [clean(text) for text in texts]),
        "words": timed(lambda: [router.wordlist.tokens(text) for text in cleaned]),
        "classify": timed(lambda: router.bundle.classifier.score(cleaned, tokens).predictions()),
        "locate": timed(lambda: [router.locator.locate(text) for text in cleaned]),
        "signals": timed(lambda: [router.signals.read(c, t) for c, t in zip(cleaned, tokens, strict=True)]),
        "agency_cues": timed(lambda: [router.directory.cues(t) for t in tokens]),
        "agency_rules": timed(
            lambda: [
                router.directory.assign("jalan-rusak", "pekerjaan umum", t, p, cues=c)
                for t, p, c in zip(tokens, places, cues, strict=True)
            ]
        ),
        "mask": timed(lambda: [router.masker.find(text) for text in texts]),
    }
    whole = sum(seconds.values())
    return {name: round(value / whole, 3) for name, value in seconds.items()}


def rival_seconds(seeds: list[dict[str, Any]], texts: list[str]) -> float:
    vectors = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, sublinear_tf=True),
    )
    model = LinearSVC(C=0.15, max_iter=50, tol=0.1)
    model.fit(vectors.fit_transform([row["text"] for row in seeds]), [row["topic"] for row in seeds])
    return timed(lambda: model.predict(vectors.transform(texts)))


if __name__ == "__main__":
    main()
