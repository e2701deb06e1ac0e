"""Do two reports tell of the same thing, and is the earlier one found? This library against likeness of texts, one run.

    python benchmarks/bench_duplicates.py COMPLAINTS PAIRS ENCODER [--bundle FOLDER]
        [--out benchmarks/results/duplicates.json]

COMPLAINTS is a folder with surabaya_train.jsonl and surabaya_dev.jsonl, PAIRS a CSV of judged pairs of them
(id_a, id_b, label: same, related or different), ENCODER the folder of the encoder that the rival `frozen` uses.

- pairs: average precision and AUC of `same` among PAIRS. Ours is scored by weights that saw no pair of the same
  cluster (five folds, five times); `ours_never_seen` by weights that saw no pair of PAIRS at all (only those judged for
  this project). The rivals' measures need no fitting.
- retrieval: all reports in order of time, each looked up among those before it; the share of `same` partners of PAIRS
  among the first 1, 5 and 10.

bm25s and datasketch are used where they are installed. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rivals
from common import HERE, parser, publish, read_jsonl
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import average_precision_score, roc_auc_score

from lapor_nlp.duplicates.detector import Detector
from lapor_nlp.duplicates.memory import MemoryStore
from lapor_nlp.router import Router, vector_size
from lapor_nlp.training.pairs import JudgedPairs, fit_pairs, unseen_odds

sys.path.insert(0, str(HERE.parent / "training"))
from pairs_2026_11 import PRECISION, RECALL, judged_pairs, report

KEPT = 10
Similar = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]


def main() -> None:
    line = parser(__doc__)
    line.add_argument("complaints", type=Path)
    line.add_argument("pairs", type=Path)
    line.add_argument("encoder", type=Path)
    line.add_argument("--bundle", type=Path, help="model folder; the packaged one by default")
    arguments = line.parse_args()
    rows = [
        row
        for name in ("surabaya_train.jsonl", "surabaya_dev.jsonl")
        for row in read_jsonl(arguments.complaints / name)
    ]
    rows.sort(key=lambda row: (row["date"], str(row["id"])))
    at = {str(row["id"]): i for i, row in enumerate(rows)}
    with arguments.pairs.open(encoding="utf-8") as file:
        judged = [row for row in csv.DictReader(file) if row["id_a"] in at and row["id_b"] in at]
    first, second = (np.array([at[row[side]] for row in judged]) for side in ("id_a", "id_b"))
    same = np.array([row["label"] == "same" for row in judged])
    texts = [row["text"] for row in rows]
    measures = likenesses(texts, arguments.encoder)
    router = Router.load(arguments.bundle)
    pairs = judged_pairs(router, arguments.complaints, arguments.pairs)
    result: dict[str, Any] = {"reports": len(rows), "pairs": ours(pairs, len(judged))}
    result["pairs"] |= {name: figures(same, similar(first, second)) for name, (similar, _) in measures.items()}
    partners = [(max(a, b), min(a, b)) for a, b in zip(first[same].tolist(), second[same].tolist(), strict=True)]
    result["retrieval"] = {"partners": len(partners), "ours": recall(lookups(router, rows), partners)}
    result["retrieval"] |= {
        name: recall(nearest(scores, len(rows)), partners) for name, (_, scores) in measures.items()
    }
    best = max(result["pairs"][name]["average_precision"] for name in measures)
    result["above_best_rival"] = {
        "average_precision": round(result["pairs"]["ours"]["average_precision"] - best, 4),
        "recall_at_5": round(
            result["retrieval"]["ours"]["at_5"] - max(result["retrieval"][name]["at_5"] for name in measures), 4
        ),
    }
    publish("duplicates", result, arguments.out)


def ours(pairs: JudgedPairs, count: int) -> dict[str, Any]:
    """The first `count` pairs are those of PAIRS."""
    judged = np.arange(len(pairs.same)) < count
    odds = unseen_odds(pairs)
    own = np.flatnonzero(~judged)
    learnt = fit_pairs(
        JudgedPairs(
            features=pairs.features[own],
            same=pairs.same[own],
            weights=pairs.weights[own],
            clusters=np.unique(pairs.clusters[own], return_inverse=True)[1].astype(np.int32),
        ),
        precision=PRECISION,
        recall=RECALL,
    )
    apart = learnt.probabilities(pairs.features)
    never = {
        **figures(pairs.same[judged], apart[judged]),
        "suggest_recall": round(float((apart >= learnt.suggest)[judged & pairs.same].mean()), 4),
    }
    merges = learnt.merges(pairs.features, apart) & judged
    never |= {"merged": int(merges.sum()), "merge_precision": round(float(pairs.same[merges].mean()), 4)}
    model = fit_pairs(pairs, precision=PRECISION, recall=RECALL)
    return {
        "count": count,
        "same": int(pairs.same[judged].sum()),
        "judged_for_this_project": int((~judged).sum()),
        "ours": figures(pairs.same[judged], odds[judged]),
        "ours_never_seen": never,
        "all_judged": {
            "suggest_recall": model.suggest_recall,
            "merge_precision": model.merge_precision,
            **model.metrics,
        },
    }


def figures(same: NDArray[np.bool_], scores: NDArray[np.float64]) -> dict[str, float]:
    return {
        "auc": round(float(roc_auc_score(same, scores)), 4),
        "average_precision": round(float(average_precision_score(same, scores)), 4),
    }


def likenesses(texts: list[str], encoder: Path) -> dict[str, tuple[Similar, Callable[[int], NDArray[np.float64]]]]:
    """Each rival: the likeness of pairs of reports, and that of one report with all before it."""
    words = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    grams = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), min_df=2).fit_transform(texts)
    vectors = rivals.embed(encoder, texts)
    found: dict[str, Any] = {
        "tfidf": (
            lambda a, b: np.asarray(words[a].multiply(words[b]).sum(axis=1)).ravel(),
            lambda i: (words[:i] @ words[i].T).toarray().ravel(),
        ),
        "tfidf_chars": (
            lambda a, b: np.asarray(grams[a].multiply(grams[b]).sum(axis=1)).ravel(),
            lambda i: (grams[:i] @ grams[i].T).toarray().ravel(),
        ),
        "frozen": (lambda a, b: (vectors[a] * vectors[b]).sum(axis=1), lambda i: vectors[:i] @ vectors[i]),
    }
    try:
        import bm25s

        tokens = bm25s.tokenize(texts, stopwords=None, show_progress=False, return_ids=False)
        index = bm25s.BM25()
        index.index(tokens, show_progress=False)
        found["bm25"] = (
            lambda a, b: np.array(
                [
                    (index.get_scores(tokens[j])[i] + index.get_scores(tokens[i])[j]) / 2
                    for i, j in zip(a, b, strict=True)
                ]
            ),
            lambda i: index.get_scores(tokens[i])[:i],
        )
    except ModuleNotFoundError:
        print("bm25s is not installed: left out", file=sys.stderr)
    try:
        from datasketch import MinHash

        hashes = []
        for text in texts:
            sketch = MinHash(num_perm=128)
            sketch.update_batch([text.lower()[i : i + 5].encode() for i in range(max(1, len(text) - 4))])
            hashes.append(sketch.hashvalues)
        table = np.array(hashes)
        found["minhash"] = (
            lambda a, b: (table[a] == table[b]).mean(axis=1),
            lambda i: (table[:i] == table[i]).mean(axis=1),
        )
    except ModuleNotFoundError:
        print("datasketch is not installed: left out", file=sys.stderr)
    return found


def nearest(scores: Callable[[int], NDArray[np.float64]], count: int) -> Callable[[int], list[int]]:
    def find(i: int) -> list[int]:
        return np.argsort(-scores(i), kind="stable")[:KEPT].tolist() if 0 < i < count else []

    return find


def lookups(router: Router, rows: list[dict[str, Any]]) -> Callable[[int], list[int]]:
    """What the detector finds among the reports before each, whatever the probability."""
    at = {str(row["id"]): i for i, row in enumerate(rows)}
    detector = Detector(replace(router.detector.model, suggest=0.0))
    store = MemoryStore(vector_size(router.bundle))
    found: list[list[int]] = []
    for start in range(0, len(rows), 256):
        for trace in router.traces([report(row) for row in rows[start : start + 256]]):
            found.append([at[match.id] for match in detector.find(trace, [store], most=KEPT).matches])
            store.put([trace])
    return lambda i: found[i]


def recall(find: Callable[[int], list[int]], partners: list[tuple[int, int]]) -> dict[str, float]:
    ranks = []
    for later, earlier in partners:
        order = find(later)
        ranks.append(order.index(earlier) if earlier in order else KEPT)
    return {f"at_{k}": round(float((np.array(ranks) < k).mean()), 4) for k in (1, 5, 10)}


if __name__ == "__main__":
    main()
