"""Prediction: what a head of the classifier says of one text."""

from __future__ import annotations

from dataclasses import dataclass

from lapor_nlp.evidence import Evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """All labels of a head, best first, with calibrated probabilities that sum to 1."""

    labels: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def label(self) -> str:
        return self.labels[0]

    @property
    def score(self) -> float:
        return self.scores[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class WordWeight:
    """A word that moved a decision. `weight` is its share of the margin between the first two labels."""

    evidence: Evidence
    weight: float
