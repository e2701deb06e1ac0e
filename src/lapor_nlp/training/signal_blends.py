"""Signal blends: how much the rules and how much the heads say of kind, urgent, pengawasan and out of scope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.blend import FLAGS, KIND, NO, YES, Blend
from lapor_nlp.classifier.prediction import Prediction
from lapor_nlp.signals.signals import Signals
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.calibration import fit_flag_blend, fit_kind_blend
from lapor_nlp.training.examples import Examples


def fit_blends(
    rows: Examples, probabilities: Mapping[str, NDArray[np.float64]], labels: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, Blend], dict[str, Any]]:
    """Blends for those heads that the rules answer too, and how well the blends and the rules alone do on `rows`.

    `probabilities` holds for each head an array of shape (rows, labels) from models that were not trained on `rows`.
    """
    heads = [name for name in (*FLAGS, KIND) if name in labels and _answers_alike(name, labels[name])]
    if not heads:
        return {}, {}
    wordlist, signals = Wordlist.load(), Signals.load()
    read = [signals.read(text, wordlist.tokens(text)) for text in map(clean, rows.texts)]
    blends: dict[str, Blend] = {}
    figures: dict[str, Any] = {}
    for name in heads:
        here = [i for i, label in enumerate(rows.labels[name]) if label in labels[name]]
        truth = [str(rows.labels[name][i]) for i in here]
        if len(set(truth)) < 2:
            continue
        words = probabilities[name][here]
        if name == KIND:
            rules = [read[i].kind for i in here]
            predictions = [Prediction(labels=labels[name], scores=tuple(row.tolist())) for row in words]
            blends[name] = fit_kind_blend(rules, predictions, truth)
            said = [blends[name].kind(rule, p)[0] for rule, p in zip(rules, predictions, strict=True)]
            figures[name] = {"accuracy": _share(said, truth), "rules": _share(rules, truth), "rows": len(here)}
        else:
            yes = np.array([label == YES for label in truth])
            scores = [getattr(read[i], name).score for i in here]
            by_words = words[:, labels[name].index(YES)].tolist()
            blends[name] = fit_flag_blend(scores, by_words, yes)
            said_yes = np.array([blends[name].flag(r, w) >= 0.5 for r, w in zip(scores, by_words, strict=True)])
            figures[name] = {
                **precision_recall(said_yes, yes),
                "rules": precision_recall(np.array(scores) >= 0.5, yes),
                "rows": len(here),
            }
    return blends, figures


def precision_recall(said: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[str, float]:
    """Precision and recall of a yes, and how many there are."""
    both = float((said & truth).sum())
    return {
        "precision": round(both / max(1.0, float(said.sum())), 4),
        "recall": round(both / max(1.0, float(truth.sum())), 4),
        "of": int(truth.sum()),
    }


def _answers_alike(name: str, labels: tuple[str, ...]) -> bool:
    """Whether a head's labels are those that the rules give."""
    return (
        set(labels) == {YES, NO} if name in FLAGS else set(labels) <= {"pengaduan", "aspirasi", "permintaan_informasi"}
    )


def _share(said: Sequence[str], truth: Sequence[str]) -> float:
    return round(float(np.mean([a == b for a, b in zip(said, truth, strict=True)])), 4)
