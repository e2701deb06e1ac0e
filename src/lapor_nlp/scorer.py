"""Scorer: what a bundle's heads say of plain texts, for those who evaluate, recalibrate or label; it routes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.bundle import Bundle, load_bundle
from lapor_nlp.classifier.classifier import Scores
from lapor_nlp.decision import Measure, measured
from lapor_nlp.errors import BundleError
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

_CHUNK = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """A head's answers to texts, in order, as its policy judges them. All arrays have shape (texts,).

    `first` is the column of the likeliest label, `group` the number of its group in `groups`, `confidence` the
    calibrated probability that the group is right, `alone` whether the policy would act on it alone.
    """

    groups: tuple[str, ...]
    first: NDArray[np.int64]
    group: NDArray[np.int64]
    confidence: NDArray[np.float64]
    alone: NDArray[np.bool_]


class Scorer:
    """Scores texts with a bundle. Holds no state that changes."""

    def __init__(self, *, bundle: Bundle, wordlist: Wordlist, taxonomy: Taxonomy) -> None:
        self.bundle = bundle
        self.wordlist = wordlist
        self.taxonomy = taxonomy

    @classmethod
    def load(cls, bundle: Path | str | None = None, *, threads: int | None = None) -> Scorer:
        """A scorer for a model folder or pointer; the packaged model by default. Raises BundleError."""
        return cls(bundle=load_bundle(bundle, threads=threads), wordlist=Wordlist.load(), taxonomy=Taxonomy.load())

    def score(self, texts: Sequence[str], heads: Sequence[str] | None = None) -> Scores:
        """The answers of `heads` (all by default) to texts. Raises BundleError when the bundle lacks a head."""
        classifier = self.bundle.classifier
        names = list(classifier.labels if heads is None else heads)
        for name in names:
            if name not in classifier.labels:
                raise BundleError(
                    self.bundle.name, f"has no head {name!r}; it has {', '.join(sorted(classifier.labels))}"
                )
        parts = []
        for start in range(0, max(1, len(texts)), _CHUNK):
            cleaned = [clean(text) for text in texts[start : start + _CHUNK]]
            parts.append(classifier.score(cleaned, [self.wordlist.tokens(text) for text in cleaned], names))
        vectors = [part.vectors for part in parts if part.vectors is not None]
        return Scores(
            labels=parts[0].labels,
            probabilities={name: np.vstack([part.probabilities[name] for part in parts]) for name in names},
            vectors=np.vstack(vectors) if vectors else None,
            truncated=np.concatenate([part.truncated for part in parts]),
            rarity=np.concatenate([part.rarity for part in parts]),
        )

    def groups(self, head: str) -> tuple[str, ...]:
        """The group of each label of a head: the affair (urusan) of a topic, else the label itself."""
        labels = self.bundle.classifier.labels[head]
        if head != "topic" or any(label not in self.taxonomy for label in labels):
            return labels
        return tuple(self.taxonomy[label].urusan for label in labels)

    def answers(self, head: str, scores: Scores) -> Answers:
        """A head's answers from its scores, by its policy."""
        policy = self.bundle.policy(head)
        names, first, group, raw = by_group(scores.probabilities[head], self.groups(head), policy.measure)
        confidence = np.array(
            [policy.calibrated(*pair) for pair in zip(raw.tolist(), scores.rarity.tolist(), strict=True)]
        )
        limits = [policy.threshold(name) for name in names]
        alone = np.array(
            [limits[g] is not None and c >= limits[g] for g, c in zip(group, confidence, strict=True)], dtype=np.bool_
        )
        return Answers(groups=names, first=first, group=group, confidence=confidence, alone=alone)


def by_group(
    probabilities: NDArray[np.float64], groups: Sequence[str], measure: Measure = "lead"
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Names of the groups, and for each row its first column, that column's group, and the raw confidence in it.

    `probabilities` has shape (texts, labels); `groups` holds the group of each label. See `decision.measured`.
    """
    names = tuple(sorted(set(groups)))
    of_column = np.array([names.index(group) for group in groups])
    first = probabilities.argmax(axis=1)
    group = of_column[first]
    inside = of_column[None, :] == group[:, None]
    own = np.where(inside, probabilities, 0.0).sum(axis=1)
    rival = np.where(inside, 0.0, probabilities).max(axis=1)
    return names, first, group, measured(own, rival, measure)
