"""What a team would build instead: each rival learns from texts and labels and then scores texts.

A rival is a function (texts, labels) -> Fitted. Texts go in as they are. Rivals that are not installed, or do not work
beside what is, raise Unavailable.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_union
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

PREFIX = "query: "
LONGEST = 128
SEED = 7

_WORD = re.compile(r"[^\W_]+")

Scores = NDArray[np.float64]


class Unavailable(Exception):
    """A rival that cannot run here; the message says why."""


@dataclass(frozen=True)
class Fitted:
    """A rival after training: `score` gives an array of shape (texts, labels), the higher the likelier."""

    labels: list[str]
    score: Callable[[Sequence[str]], Scores]


Rival = Callable[[Sequence[str], Sequence[str]], Fitted]


def tfidf_svc(texts: Sequence[str], labels: Sequence[str]) -> Fitted:
    """LinearSVC over TF-IDF of words 1-2 and characters 2-5."""
    return _tfidf(texts, labels, LinearSVC(random_state=SEED))


def tfidf_logistic(texts: Sequence[str], labels: Sequence[str]) -> Fitted:
    """LogisticRegression over TF-IDF of words 1-2 and characters 2-5."""
    return _tfidf(texts, labels, LogisticRegression(max_iter=200))


def _tfidf(texts: Sequence[str], labels: Sequence[str], model: Any) -> Fitted:
    vectors: FeatureUnion = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    model.fit(vectors.fit_transform(texts), labels)
    return Fitted(list(model.classes_), lambda new: model.decision_function(vectors.transform(new)))


def fasttext(texts: Sequence[str], labels: Sequence[str], **settings: Any) -> Fitted:
    """fastText supervised, from the package fasttext-numpy2.

    fasttext-wheel and floret fail under numpy 2 as soon as they predict one text. Its settings did best on the last
    tenth of the training rows.
    """
    try:
        module = importlib.import_module("fasttext")
    except ModuleNotFoundError as error:
        raise Unavailable("not installed: pip install fasttext-numpy2") from error
    names = sorted(set(labels))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = (f"__label__{names.index(label)} {_words(text)}\n" for text, label in zip(texts, labels, strict=True))
        path.write_text("".join(lines), encoding="utf-8")
        chosen = {"lr": 0.5, "epoch": 25, "wordNgrams": 2, **settings}
        model = module.train_supervised(str(path), thread=1, seed=SEED, verbose=0, **chosen)

    def score(new: Sequence[str]) -> Scores:
        found = np.zeros((len(new), len(names)))
        for row, (tags, chances) in enumerate(zip(*model.predict([_words(t) for t in new], k=len(names)), strict=True)):
            found[row, [int(tag.removeprefix("__label__")) for tag in tags]] = chances
        return found

    return Fitted(names, score)


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))


def frozen(encoder: Path) -> Rival:
    """LogisticRegression over the vectors of an encoder that is left as it is (mean of the last states, length 1)."""

    def fit(texts: Sequence[str], labels: Sequence[str]) -> Fitted:
        model = LogisticRegression(max_iter=500, C=30)
        model.fit(embed(encoder, texts), labels)
        return Fitted(list(model.classes_), lambda new: model.decision_function(embed(encoder, new)))

    return fit


def embed(encoder: Path, texts: Sequence[str], batch: int = 32) -> NDArray[np.float32]:
    """Vectors of length 1, shape (texts, dimension), in the order of the texts."""
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    model = AutoModel.from_pretrained(encoder, dtype=torch.float32).eval()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        inputs = tokenizer(
            [PREFIX + texts[i] for i in rows], truncation=True, max_length=LONGEST, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][:, :, None]
        vectors[rows] = ((states * mask).sum(1) / mask.sum(1)).numpy()
    return normalize(vectors, copy=False)


def finetuned(encoder: Path, *, max_steps: int = -1) -> Rival:
    """Plain `transformers.Trainer`: the encoder with a classification head, 3 epochs, default rate, batches of 16."""

    def fit(texts: Sequence[str], labels: Sequence[str]) -> Fitted:
        names = sorted(set(labels))
        tokenizer = AutoTokenizer.from_pretrained(encoder)
        model = AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=len(names), dtype=torch.float32)
        encoded = tokenizer([PREFIX + text for text in texts], truncation=True, max_length=LONGEST)["input_ids"]
        rows = [{"input_ids": ids, "labels": names.index(label)} for ids, label in zip(encoded, labels, strict=True)]
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                num_train_epochs=3,
                max_steps=max_steps,
                per_device_train_batch_size=16,
                per_device_eval_batch_size=32,
                save_strategy="no",
                report_to="none",
                seed=SEED,
            )
            trainer = Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)
            trainer.train()

            def score(new: Sequence[str]) -> Scores:
                ids = tokenizer([PREFIX + text for text in new], truncation=True, max_length=LONGEST)["input_ids"]
                return np.asarray(trainer.predict([{"input_ids": i} for i in ids]).predictions, dtype=np.float64)

        return Fitted(names, score)

    return fit


def setfit(encoder: Path, *, each: int = 16, max_steps: int = -1) -> Rival:
    """SetFit with `each` rows a label: it is made for few, and pairs of all rows would take days."""

    def fit(texts: Sequence[str], labels: Sequence[str]) -> Fitted:
        try:
            package = importlib.import_module("setfit")
            sentences = importlib.import_module("sentence_transformers")
        except ModuleNotFoundError as error:
            raise Unavailable("not installed: pip install setfit") from error
        except ImportError as error:
            _beside("setfit", error)
        names = sorted(set(labels))
        taken: Counter[str] = Counter()
        rows: list[dict[str, Any]] = []
        for at in np.random.default_rng(SEED).permutation(len(texts)):
            if taken[labels[at]] < each:
                taken[labels[at]] += 1
                rows.append({"text": PREFIX + texts[at], "label": names.index(labels[at])})
        try:
            body = sentences.SentenceTransformer(str(encoder), model_kwargs={"dtype": torch.float32})
            body.max_seq_length = LONGEST
            model = package.SetFitModel(model_body=body, model_head=LogisticRegression(max_iter=500))
            with tempfile.TemporaryDirectory() as folder:
                arguments = package.TrainingArguments(
                    output_dir=folder,
                    batch_size=16,
                    num_iterations=10,
                    max_steps=max_steps,
                    save_strategy="no",
                    report_to="none",
                    seed=SEED,
                )
                package.Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows)).train()
        except (AttributeError, ImportError, TypeError) as error:
            _beside("setfit", error)
        return Fitted(names, lambda new: np.asarray(model.predict_proba([PREFIX + t for t in new], as_numpy=True)))

    return fit


def _beside(name: str, error: Exception) -> NoReturn:
    have = f"{name} {importlib.metadata.version(name)}, transformers {importlib.metadata.version('transformers')}"
    raise Unavailable(f"does not work beside what is installed ({have}): {error}") from error
