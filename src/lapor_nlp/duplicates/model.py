"""PairModel: the probability that a report repeats an earlier one, and from where on to say or do something."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.duplicates.features import FEATURES, mergeable
from lapor_nlp.errors import DataFileError
from lapor_nlp.tables import DATA

SENDER = 1.5
"""What the same sender adds to the log odds, and another sender takes. Not fitted: judged pairs name no sender."""


@dataclass(frozen=True, kw_only=True)
class PairModel:
    """Log odds of `same` = intercept + sum of weight * feature, see `features.FEATURES`.

    From the probability `suggest` on a match is `same`, to be shown to the citizen or an officer; from `merge` on the
    platform may join the two alone if they are `features.mergeable`. `suggest_recall` and `merge_precision` are what
    was measured at these on judged pairs that the weights had not seen; None in `merge` means that no threshold was
    good enough.
    """

    weights: Mapping[str, float]
    intercept: float
    suggest: float
    merge: float | None
    suggest_recall: float | None = None
    merge_precision: float | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        numbers = [self.intercept, self.suggest, *self.weights.values(), *([] if self.merge is None else [self.merge])]
        if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            raise ValueError("a pair model must hold finite numbers")
        if unknown := set(self.weights) - set(FEATURES):
            raise ValueError(f"a pair model cannot weigh {', '.join(sorted(unknown))}")

    def probabilities(
        self, features: NDArray[np.float64], *, senders: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Probabilities of `same`, shape (pairs,), of features of shape (pairs, len(FEATURES)).

        `senders` is 1 where two reports have one sender, -1 where they have two, 0 where one is not known.
        """
        odds = self.intercept + features @ np.array([self.weights.get(name, 0.0) for name in FEATURES])
        if senders is not None:
            odds = odds + SENDER * senders
        result: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
        return result

    def merges(self, features: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which pairs the platform may join alone, shape (pairs,)."""
        return mergeable(features) & (probabilities >= (math.inf if self.merge is None else self.merge))


def words_alone(path: Path | None = None) -> PairModel:
    """The packaged model for bundles that bring none: wording, place and time. Raises DataFileError."""
    source = DATA / "duplicates" / "words_alone.json" if path is None else path
    try:
        return PairModel(**json.loads(source.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataFileError(source, f"is no pair model: {error}") from error
