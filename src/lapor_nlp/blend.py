"""Blend: one answer out of what the rules say and what the words of labelled reports say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lapor_nlp.classifier.prediction import Prediction
from lapor_nlp.signals.reading import Flag, SignalReading

YES, NO = "ya", "tidak"
"""The labels of heads that answer yes or no."""

FLAGS = ("urgent", "pengawasan", "out_of_scope")
KIND = "kind"
LEARNT = "model"
"""Group of a yes that the rules alone would not have given."""

_SMALLEST = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Blend:
    """Weights fitted on labelled reports that the head had not seen.

    For a flag: score = sigmoid(rules * log odds of the rules + words * log odds of the head + bias). For the kind, each
    label gets words * log probability of the head + rules where the rules chose it; the largest wins.
    """

    rules: float
    words: float
    bias: float = 0.0

    def flag(self, by_rules: float, by_words: float) -> float:
        """The score in [0, 1] of a yes."""
        return _sigmoid(self.rules * log_odds(by_rules) + self.words * log_odds(by_words) + self.bias)

    def kind(self, by_rules: str, by_words: Prediction) -> tuple[str, float]:
        """The label and its score."""
        raw = {
            label: self.words * math.log(max(score, _SMALLEST)) + (self.rules if label == by_rules else 0.0)
            for label, score in zip(by_words.labels, by_words.scores, strict=True)
        }
        top = max(raw.values())
        total = sum(math.exp(value - top) for value in raw.values())
        best = max(raw, key=lambda label: raw[label])
        return best, 1 / total


def blend_signals(
    reading: SignalReading, predictions: Mapping[str, Prediction], blends: Mapping[str, Blend]
) -> SignalReading:
    """The reading with each answer blended that the model has a head and weights for; the rest stays the rules' own."""
    flags = {
        name: _blend_flag(flag, predictions[name], blends[name]) if name in blends and name in predictions else flag
        for name, flag in (
            ("urgent", reading.urgent),
            ("pengawasan", reading.pengawasan),
            ("out_of_scope", reading.out_of_scope),
        )
    }
    blended = replace(
        reading, urgent=flags["urgent"], pengawasan=flags["pengawasan"], out_of_scope=flags["out_of_scope"]
    )
    if KIND in blends and KIND in predictions and not blended.out_of_scope.value:
        kind, score = blends[KIND].kind(reading.kind, predictions[KIND])
        blended = replace(blended, kind=kind, kind_score=score)
    return blended


def log_odds(probability: float) -> float:
    bounded = min(max(probability, _SMALLEST), 1 - _SMALLEST)
    return math.log(bounded / (1 - bounded))


def _blend_flag(flag: Flag, prediction: Prediction, blend: Blend) -> Flag:
    score = blend.flag(flag.score, prediction.scores[prediction.labels.index(YES)])
    value = score >= 0.5
    reason = (flag.reason or LEARNT) if value else ""
    return replace(flag, value=value, score=score, reason=reason)


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
