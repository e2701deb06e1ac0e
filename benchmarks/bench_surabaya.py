"""The lexical model against plain TF-IDF + linear models on city agencies (24 classes), same split, same run.

    python benchmarks/bench_surabaya.py COMPLAINTS [--out benchmarks/results/surabaya.json]

Trains on surabaya_train.jsonl, tests on surabaya_dev.jsonl. Classes are agencies with at least 20 training rows;
every kelurahan counts as one class, every kecamatan as another.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from common import parser, publish, read_jsonl
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from lapor_nlp.text.clean import clean
from lapor_nlp.text.tokens import Tokens
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical

FEWEST = 20


def main() -> None:
    line = parser(__doc__)
    line.add_argument("complaints", type=Path)
    arguments = line.parse_args()
    train = [(r["text"], agency(r)) for r in read_jsonl(arguments.complaints / "surabaya_train.jsonl")]
    test = [(r["text"], agency(r)) for r in read_jsonl(arguments.complaints / "surabaya_dev.jsonl")]
    counts = Counter(label for _, label in train if label)
    classes = {label for label, count in counts.items() if count >= FEWEST}
    train = [row for row in train if row[1] in classes]
    test = [row for row in test if row[1] in classes]
    truth = np.array([label for _, label in test])
    result: dict[str, Any] = {"train": len(train), "test": len(test), "classes": len(classes)}
    result["lexical"] = figures(truth, *lexical(train, test))
    for name, model in (("tfidf_linear_svc", LinearSVC()), ("tfidf_logistic", LogisticRegression(max_iter=200))):
        result[name] = figures(truth, *tfidf(train, test, model))
    best = max(result[name]["accuracy"] for name in ("tfidf_linear_svc", "tfidf_logistic"))
    result["accuracy_ratio_to_best_rival"] = round(result["lexical"]["accuracy"] / best, 4)
    publish("surabaya_agency", result, arguments.out)


def agency(row: dict[str, Any]) -> str:
    name = row.get("agency") or ""
    return next((kind for kind in ("Kelurahan", "Kecamatan") if name.startswith(kind)), name)


def lexical(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> tuple[NDArray[Any], list[str]]:
    wordlist = Wordlist.load()

    def tokens(rows: list[tuple[str, str]]) -> list[Tokens]:
        return [wordlist.tokens(clean(text)) for text, _ in rows]

    model = fit_lexical(tokens(train), {"agency": [label for _, label in train]}, LexicalConfig())
    return model.margins(model.matrix(tokens(test)), "agency"), list(model.heads["agency"].labels)


def tfidf(train: list[tuple[str, str]], test: list[tuple[str, str]], model: Any) -> tuple[NDArray[Any], list[str]]:
    vectors = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True),
    )
    matrix = vectors.fit_transform([text for text, _ in train])
    model.fit(matrix, [label for _, label in train])
    return model.decision_function(vectors.transform([text for text, _ in test])), list(model.classes_)


def figures(truth: NDArray[Any], scores: NDArray[Any], labels: list[str]) -> dict[str, float]:
    names = np.array(labels)
    ranked = names[np.argsort(-scores, axis=1)[:, :3]]
    return {
        "accuracy": round(float((ranked[:, 0] == truth).mean()), 4),
        "top3": round(float((ranked == truth[:, None]).any(axis=1).mean()), 4),
        "macro_f1": round(float(f1_score(truth, ranked[:, 0], average="macro")), 4),
    }


if __name__ == "__main__":
    main()
