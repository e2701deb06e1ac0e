"""Which city agency answers (24 classes): this library against what a team would build instead, same split, same run.

    python benchmarks/bench_rivals.py COMPLAINTS ENCODER [--bundle FOLDER] [--later FILE] [--models NAME,NAME]
        [--keep FOLDER] [--max-steps N] [--out benchmarks/results/rivals.json]

All learn from COMPLAINTS/surabaya_train.jsonl and are scored on COMPLAINTS/surabaya_dev.jsonl, and on the rows of
`--later`. Classes are agencies with at least 20 training rows; every kelurahan counts as one class, every kecamatan
as another. ENCODER is the folder of the encoder that rivals use. `--bundle` is a model of this library with a head
`agency` or `agency_surabaya`, trained on the same rows (`lapor-nlp train`); without one, only its lexical part runs,
trained here.

Models: lexical, tfidf_svc, tfidf_logistic, fasttext and frozen by default; finetuned and setfit take long and run when
they are named. `--keep` stores every model's scores, and takes those of the slow two from there when rows, encoder
and settings are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rivals
from common import agency, parser, publish, read_jsonl
from numpy.typing import NDArray
from rivals import Fitted, Rival, Scores, Unavailable
from sklearn.metrics import f1_score

from lapor_nlp.scorer import Scorer
from lapor_nlp.text.clean import clean
from lapor_nlp.text.tokens import Tokens
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical

FEWEST = 20
SLOW = ("finetuned", "setfit")
OURS = ("bundle", "lexical")
AGENCY = ("agency", "agency_surabaya")


@dataclass(frozen=True)
class Rows:
    """Texts with their class."""

    texts: list[str]
    labels: list[str]

    def of(self, classes: set[str]) -> Rows:
        kept = [i for i, label in enumerate(self.labels) if label in classes]
        return Rows([self.texts[i] for i in kept], [self.labels[i] for i in kept])


def main() -> None:
    arguments = command_line().parse_args()
    train = read(arguments.complaints / "surabaya_train.jsonl")
    counts = Counter(label for label in train.labels if label)
    classes = {label for label, count in counts.items() if count >= FEWEST}
    train = train.of(classes)
    tests = {"dev": read(arguments.complaints / "surabaya_dev.jsonl").of(classes)}
    if arguments.later is not None:
        tests["later"] = read(arguments.later).of(classes)
    result: dict[str, Any] = {
        "rows": {"train": len(train.texts), **{name: len(rows.texts) for name, rows in tests.items()}},
        "classes": len(classes),
        "models": {},
    }
    for name, fit in chosen(arguments).items():
        try:
            result["models"][name] = judge(name, fit, train, tests, arguments)
        except Unavailable as error:
            result["models"][name] = {"skipped": str(error)}
    result["ratio_to_best_rival"] = {part: ratios(result["models"], part) for part in tests}
    publish("rivals", result, arguments.out)


def command_line() -> argparse.ArgumentParser:
    line = parser(__doc__)
    line.add_argument("complaints", type=Path)
    line.add_argument("encoder", type=Path)
    line.add_argument("--bundle", type=Path)
    line.add_argument("--later", type=Path)
    line.add_argument("--models", help="names, parted by commas")
    line.add_argument("--keep", type=Path, help="folder for scores")
    line.add_argument("--max-steps", type=int, default=-1, help="stop the slow ones early, to try them out")
    return line


def chosen(arguments: argparse.Namespace) -> dict[str, Rival]:
    known: dict[str, Rival] = {
        "bundle": partial(ours, arguments.bundle),
        "lexical": lexical,
        "tfidf_svc": rivals.tfidf_svc,
        "tfidf_logistic": rivals.tfidf_logistic,
        "fasttext": rivals.fasttext,
        "frozen": rivals.frozen(arguments.encoder),
        "finetuned": rivals.finetuned(arguments.encoder, max_steps=arguments.max_steps),
        "setfit": rivals.setfit(arguments.encoder, max_steps=arguments.max_steps),
    }
    names = [n for n in known if n not in SLOW] if arguments.models is None else arguments.models.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"there is no model {', '.join(unknown)}; there are {', '.join(known)}")
    return {name: known[name] for name in names}


def judge(
    name: str, fit: Rival, train: Rows, tests: dict[str, Rows], arguments: argparse.Namespace
) -> dict[str, dict[str, float] | float | bool]:
    stored = None if arguments.keep is None else arguments.keep / f"{name}.npz"
    digest = fingerprint(name, train, tests, arguments)
    if stored is not None and name in SLOW and stored.is_file():
        with np.load(stored) as kept:
            if str(kept["fingerprint"]) == digest:
                labels = [str(label) for label in kept["labels"]]
                parts = {part: figures(rows.labels, kept[part], labels) for part, rows in tests.items()}
                return {**parts, "fit_seconds": float(kept["seconds"]), "kept": True}
    started = time.perf_counter()
    fitted = fit(train.texts, train.labels)
    seconds = round(time.perf_counter() - started, 1)
    scores = {part: fitted.score(rows.texts) for part, rows in tests.items()}
    if stored is not None:
        stored.parent.mkdir(parents=True, exist_ok=True)
        np.savez(stored, fingerprint=digest, labels=fitted.labels, seconds=seconds, **scores)
    return {
        **{part: figures(rows.labels, scores[part], fitted.labels) for part, rows in tests.items()},
        "fit_seconds": seconds,
    }


def read(path: Path) -> Rows:
    rows = read_jsonl(path)
    return Rows([row["text"] for row in rows], [agency(row) for row in rows])


def ours(bundle: Path | None, texts: Sequence[str], labels: Sequence[str]) -> Fitted:
    """A bundle that was trained before on these texts; it must know the same labels."""
    if bundle is None:
        raise Unavailable("no --bundle given")
    scorer = Scorer.load(bundle)
    head = next((head for head in AGENCY if head in scorer.bundle.classifier.labels), AGENCY[0])
    known = scorer.bundle.classifier.labels.get(head, ())
    if set(known) != set(labels):
        raise SystemExit(f"{bundle} was not trained on these classes: it has {len(known)}, they are {len(set(labels))}")
    return Fitted(list(known), lambda new: scorer.score(new, [head]).probabilities[head])


def lexical(texts: Sequence[str], labels: Sequence[str]) -> Fitted:
    """The lexical part of this library."""
    wordlist = Wordlist.load()

    def tokens(new: Sequence[str]) -> list[Tokens]:
        return [wordlist.tokens(clean(text)) for text in new]

    model = fit_lexical(tokens(texts), {"agency": labels}, LexicalConfig())
    return Fitted(list(model.heads["agency"].labels), lambda new: model.margins(model.matrix(tokens(new)), "agency"))


def figures(truth: Sequence[str], scores: Scores | NDArray[np.float32], labels: Sequence[str]) -> dict[str, float]:
    """Accuracy, share of rows with the right label among the first three, and macro-F1."""
    names, right = np.array(labels), np.array(truth)
    ranked = names[np.argsort(-scores, axis=1, kind="stable")[:, :3]]
    return {
        "accuracy": round(float((ranked[:, 0] == right).mean()), 4),
        "top3": round(float((ranked == right[:, None]).any(axis=1).mean()), 4),
        "macro_f1": round(float(f1_score(right, ranked[:, 0], average="macro")), 4),
    }


def ratios(models: dict[str, Any], part: str) -> dict[str, float]:
    """Each figure of the bundle, or of the lexical part when there is none, over the best of the rivals."""
    mine = next((models[name] for name in OURS if part in models.get(name, {})), None)
    others = [model[part] for name, model in models.items() if name not in OURS and part in model]
    if mine is None or not others:
        return {}
    return {key: round(value / max(other[key] for other in others), 4) for key, value in mine[part].items()}


def fingerprint(name: str, train: Rows, tests: dict[str, Rows], arguments: argparse.Namespace) -> str:
    """sha256 of all that the scores of a slow rival depend on."""
    weights = hashlib.sha256((arguments.encoder / "model.safetensors").read_bytes()).hexdigest()
    settings = inspect.getsource(getattr(rivals, name)) if name in SLOW else ""
    tested = {part: rows.texts for part, rows in tests.items()}
    body = json.dumps([train.texts, train.labels, tested, weights, arguments.max_steps, settings])
    return hashlib.sha256(body.encode()).hexdigest()


if __name__ == "__main__":
    main()
