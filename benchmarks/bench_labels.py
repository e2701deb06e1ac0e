"""Labelling and new labels: wrong labels found, rows worth a label, topics learnt from eight examples, merged labels.

    python benchmarks/bench_labels.py COMPLAINTS [--encoder FOLDER] [--seeds N] [--out benchmarks/results/labels.json]

All on surabaya_train.jsonl, judged on surabaya_dev.jsonl, means over seeds.
- doubts: one agency label in ten is changed to another, drawn by how frequent it is; how well ranking by
  `looks_wrong` finds them (the labels of the city are not free of error themselves, so 1.0 is out of reach).
- suggestions: agencies learnt from 800 rows, then with 300 more, chosen by `to_label` or at random.
- few_shot: a topic learnt from eight examples, as ordinary rows and by `starting_examples` with its description,
  against all its rows; 3,000 rows of other topics. With --encoder also `new_column` over its vectors as they are.
- merged: share of dev texts in which a label merged from two of the eight most frequent agencies has the first place
  exactly where its parts together would.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from common import agency, parser, publish, read_jsonl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score

from lapor_nlp.classifier.classifier import DenseHead, Scores, softmax
from lapor_nlp.classifier.features import FeatureSettings, LexicalFeatures, inverse_document_frequency
from lapor_nlp.classifier.lexical import LexicalHead
from lapor_nlp.taxonomy.taxonomy import Taxonomy, load_labels
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.fewshot import NewLabel, new_column, starting_examples
from lapor_nlp.training.heads import carry_dense, carry_lexical
from lapor_nlp.training.lexical import LexicalConfig, fit_head
from lapor_nlp.training.suggest import looks_wrong, out_of_fold_probabilities, to_label
from lapor_nlp.training.table import read_labelled

FEWEST = 20
CONFIG = LexicalConfig()
SHARPNESS = 4.5
TOPICS = ("pdam", "parkir", "kabel-utilitas", "lowongan-kerja", "rusun-subsidi", "ktp")
EXAMPLES = 8

Labels = NDArray[np.str_]


class Words:
    """Features of texts, fitted on the first ones given."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._wordlist = Wordlist.load()
        self._features = LexicalFeatures(FeatureSettings())
        counts = self._counts(texts)
        self._idf = inverse_document_frequency(counts)
        self.train = self._features.weigh(counts, self._idf)

    def of(self, texts: Sequence[str]) -> csr_matrix:
        return self._features.weigh(self._counts(texts), self._idf)

    def _counts(self, texts: Sequence[str]) -> csr_matrix:
        return self._features.counts([self._wordlist.tokens(clean(text)) for text in texts])


def main() -> None:
    line = parser(__doc__)
    line.add_argument("complaints", type=Path)
    line.add_argument("--encoder", type=Path)
    line.add_argument("--seeds", type=int, default=3)
    arguments = line.parse_args()
    train, dev = (read_jsonl(arguments.complaints / f"surabaya_{part}.jsonl") for part in ("train", "dev"))
    counts = Counter(agency(row) for row in train)
    classes = {label for label, count in counts.items() if label and count >= FEWEST}
    train, dev = ([row for row in rows if agency(row) in classes] for rows in (train, dev))
    texts, answers = [row["text"] for row in train], np.array([agency(row) for row in train])
    words = Words(texts)
    judged, truth = words.of([row["text"] for row in dev]), np.array([agency(row) for row in dev])
    carried = load_labels("surabaya")
    topics, true_topics = (
        np.array([carried.get(row.get("topic") or "") or "" for row in rows]) for rows in (train, dev)
    )
    seeds = range(arguments.seeds)
    result: dict[str, Any] = {
        "rows": {"train": len(train), "dev": len(dev)},
        "seeds": arguments.seeds,
        "doubts": mean([doubts(texts, answers, seed) for seed in seeds]),
        "suggestions": mean([suggestions(words.train, texts, answers, judged, truth, seed) for seed in seeds]),
        "few_shot": {"words": mean([few_shot(words, texts, topics, judged, true_topics, t) for t in TOPICS])},
        "merged": {"words": merged_words(fit_head(words.train, answers.tolist(), CONFIG), judged)},
    }
    if arguments.encoder is not None:
        from rivals import embed

        vectors, seen = (embed(arguments.encoder, [row["text"] for row in rows]) for rows in (train, dev))
        few = [few_shot_vectors(vectors, topics, seen, true_topics, topic) for topic in TOPICS]
        result["few_shot"]["vectors"] = mean(few)
        result["merged"].update(merged_vectors(dense(vectors, answers), vectors, seen))
    publish("labels", result, arguments.out)


def doubts(texts: list[str], labels: Labels, seed: int) -> dict[str, Any]:
    """Precision of the first 100 and 400, average precision, and precision and recall of those that are listed."""
    random = np.random.default_rng(seed)
    names, at = np.unique(labels, return_inverse=True)
    frequency = np.bincount(at) / len(at)
    wrong = np.zeros(len(at), dtype=np.bool_)
    wrong[random.choice(len(at), len(at) // 10, replace=False)] = True
    given = at.copy()
    for row in np.flatnonzero(wrong):
        chances = np.where(np.arange(len(names)) == at[row], 0, frequency)
        given[row] = random.choice(len(names), p=chances / chances.sum())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        rows = (json.dumps({"text": text, "agency": names[k]}) + "\n" for text, k in zip(texts, given, strict=True))
        path.write_text("".join(rows), encoding="utf-8")
        table = read_labelled(path, labels=["agency"])
        if len(table) != len(texts):
            raise SystemExit("some rows could not be read back")
        found = out_of_fold_probabilities(table, "agency", seed=seed)
    columns = np.array([found.labels.index(names[k]) for k in given])
    unlikely = 1 - found.probabilities[np.arange(len(at)), columns]
    listed = [doubt.row for doubt in looks_wrong(names[given].tolist(), found.probabilities, found.labels)]
    return {
        "average_precision": average_precision_score(wrong, unlikely),
        "average_precision_at_random": float(wrong.mean()),
        "precision_at_100": wrong[listed[:100]].mean(),
        "precision_at_400": wrong[listed[:400]].mean(),
        "listed": len(listed),
        "precision": wrong[listed].mean(),
        "recall": wrong[listed].sum() / wrong.sum(),
    }


def suggestions(
    matrix: csr_matrix, texts: list[str], labels: Labels, judged: csr_matrix, truth: Labels, seed: int
) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    begun, pool = order[:800], order[800:]
    head = fit_head(matrix[begun], labels[begun].tolist(), CONFIG)
    probabilities = softmax(SHARPNESS * margins(head, matrix[pool]))
    scores = Scores(
        labels={"agency": head.labels},
        probabilities={"agency": probabilities},
        vectors=None,
        truncated=np.zeros(len(pool), dtype=np.bool_),
        rarity=np.zeros(len(pool)),
    )
    suggested = to_label(scores, [texts[i] for i in pool], head="agency", count=300, seed=seed)
    chosen = {"before": pool[:0], "at_random": pool[:300], "suggested": pool[[s.row for s in suggested]]}
    result = {}
    for name, rows in chosen.items():
        known = np.concatenate([begun, rows])
        said = first(fit_head(matrix[known], labels[known].tolist(), CONFIG), judged)
        result[name] = {"accuracy": (said == truth).mean(), "macro_f1": f1_score(truth, said, average="macro")}
    return result


def few_shot(
    words: Words, texts: list[str], topics: Labels, judged: csr_matrix, truth: Labels, topic: str
) -> dict[str, Any]:
    others, own = parted(topics, topic)
    about = Taxonomy.load()[topic]
    begun = own[:EXAMPLES]
    start = starting_examples(
        [
            NewLabel(
                label=topic,
                name=about.name,
                description=about.description,
                examples=tuple(texts[i] for i in begun),
            )
        ],
        "topic",
    )

    def judge(matrix: csr_matrix, weights: Sequence[float]) -> dict[str, float]:
        labels = [*topics[others].tolist(), *[topic] * len(weights)]
        rows = vstack([words.train[others], matrix]).tocsr()
        said = first(fit_head(rows, labels, CONFIG, weights=[1.0] * len(others) + list(weights)), judged)
        return found_again(said, truth, topic)

    assert start.weights is not None
    return {
        "ordinary_rows": judge(words.train[begun], [1.0] * EXAMPLES),
        "few_shot": judge(words.of(start.texts), start.weights),
        "all_rows": judge(words.train[own], [1.0] * len(own)),
    }


def few_shot_vectors(
    vectors: NDArray[np.float32], topics: Labels, seen: NDArray[np.float32], truth: Labels, topic: str
) -> dict[str, Any]:
    others, own = parted(topics, topic)
    old = dense(vectors[others], topics[others])
    column = new_column(old, vectors[others], topics[others].tolist(), vectors[own[:EXAMPLES]])
    head = carry_dense(old, {}, (*old.labels, topic), added={topic: column})

    def refitted(rows: NDArray[np.int64]) -> DenseHead:
        known = np.concatenate([others, rows])
        return dense(vectors[known], topics[known])

    return {
        name: found_again(np.array(one.labels)[(seen @ one.weights + one.bias).argmax(axis=1)], truth, topic)
        for name, one in (
            ("ordinary_rows", refitted(own[:EXAMPLES])),
            ("few_shot", head),
            ("all_rows", refitted(own)),
        )
    }


def parted(topics: Labels, topic: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """3,000 rows of other topics with at least 30 rows, and all rows of the topic, in random order."""
    random = np.random.default_rng(TOPICS.index(topic))
    counts = Counter(topics.tolist())
    usable = np.array([name not in ("", topic) and counts[name] >= 30 for name in topics])
    others = random.permutation(np.flatnonzero(usable))[:3000]
    return others, random.permutation(np.flatnonzero(topics == topic))


def found_again(said: Labels, truth: Labels, topic: str) -> dict[str, float]:
    hits = ((said == topic) & (truth == topic)).sum()
    recall, precision = hits / (truth == topic).sum(), hits / max(1, (said == topic).sum())
    return {"recall": recall, "precision": precision, "f1": 2 * hits / ((said == topic).sum() + (truth == topic).sum())}


def merged_words(head: LexicalHead, judged: csr_matrix) -> float:
    return agreement(
        SHARPNESS * margins(head, judged),
        head.labels,
        lambda fates, labels: SHARPNESS * margins(carry_lexical(head, fates, labels), judged),
    )


def merged_vectors(head: DenseHead, vectors: NDArray[np.float32], seen: NDArray[np.float32]) -> dict[str, float]:
    logits = seen @ head.weights + head.bias
    result = {}
    for name, sample in (("vectors", None), ("vectors_with_sample", vectors[::10])):

        def carried(
            fates: dict[str, tuple[str, ...]], labels: list[str], sample: NDArray[np.float32] | None = sample
        ) -> NDArray[np.float32]:
            new = carry_dense(head, fates, labels, vectors=sample)
            return seen @ new.weights + new.bias

        result[name] = agreement(logits, head.labels, carried)
    return result


def agreement(
    logits: NDArray[np.floating],
    labels: Sequence[str],
    carried: Callable[[dict[str, tuple[str, ...]], list[str]], NDArray[np.floating]],
) -> float:
    often = [k for k, _ in Counter(logits.argmax(axis=1).tolist()).most_common(8)]
    shares = []
    for pair in combinations(often, 2):
        others = [k for k in range(len(labels)) if k not in pair]
        together = logsumexp(logits[:, pair], axis=1) > logits[:, others].max(axis=1)
        fates = {labels[k]: ("gabungan",) for k in pair}
        alone = carried(fates, ["gabungan", *(labels[k] for k in others)]).argmax(axis=1) == 0
        shares.append(float((alone == together).mean()))
    return round(float(np.mean(shares)), 4)


def dense(vectors: NDArray[np.float32], labels: Labels) -> DenseHead:
    model = LogisticRegression(max_iter=300, C=30).fit(vectors, labels)
    weights, bias = model.coef_.T.astype(np.float32), model.intercept_.astype(np.float32)
    return DenseHead(labels=tuple(model.classes_), weights=weights, bias=bias)


def margins(head: LexicalHead, matrix: csr_matrix) -> NDArray[np.float64]:
    result: NDArray[np.float64] = (matrix @ head.weights).toarray() + head.bias
    return result


def first(head: LexicalHead, matrix: csr_matrix) -> Labels:
    return np.array(head.labels)[margins(head, matrix).argmax(axis=1)]


def mean(results: Sequence[Any]) -> Any:
    """The mean of numbers in the same place of nested results."""
    if isinstance(results[0], dict):
        return {key: mean([result[key] for result in results]) for key in results[0]}
    return round(float(np.mean(results)), 4)


if __name__ == "__main__":
    main()
