"""Recalibrate: fit a bundle's temperature and policies anew on fresh labelled rows; its weights stay as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.bundle import Bundle, save_bundle
from lapor_nlp.classifier.classifier import Classifier, Mix, Scores, softmax
from lapor_nlp.decision import Policy
from lapor_nlp.drift import Observed, Reference
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.scorer import Scorer, by_group
from lapor_nlp.training.evaluation import Rows
from lapor_nlp.training.mixing import fit_mix
from lapor_nlp.training.risk import RiskFit, fit_policy
from lapor_nlp.training.splits import repeat_groups

MOST_ROWS = 20_000
"""Of more rows, the newest are used."""

_FEWEST_FOR_SCALE = 50
_SCALES = (0.25, 4.0)
_SMALLEST = 1e-30
_CARD = "MODEL_CARD.md"


@dataclass(frozen=True, kw_only=True)
class HeadChange:
    """What was fitted anew for one head, on how many rows.

    `repeats` rows were left out since they say what another row says; `unknown` ones bear a label that the head does
    not know, so that its answer is wrong. `scale` is the factor on the head's logits. `alone_before` and
    `wrong_before` are what the former policy does on the same rows.
    """

    head: str
    rows: int
    repeats: int
    unknown: int
    scale: float
    before: Policy
    alone_before: float
    wrong_before: float | None
    fit: RiskFit

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences."""
        known = () if not self.unknown else (f"{self.unknown} rows bear labels unknown to the model; train on them",)
        return (*known, *self.fit.warnings)

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "repeats": self.repeats,
            "unknown": self.unknown,
            "scale": round(self.scale, 4),
            "before": {
                "act_alone": self.before.act_alone,
                "by_group": dict(self.before.by_group),
                "alone": round(self.alone_before, 4),
                "alone_wrong": None if self.wrong_before is None else round(self.wrong_before, 4),
            },
            "after": {
                "act_alone": self.fit.policy.act_alone,
                "by_group": dict(self.fit.policy.by_group),
                **self.fit.figures,
            },
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, kw_only=True)
class Recalibrated:
    """The bundle with new temperatures and policies, not yet written, and what changed for each head."""

    bundle: Bundle
    changes: tuple[HeadChange, ...]


def recalibrate(
    scorer: Scorer,
    table: Rows,
    columns: Mapping[str, str],
    *,
    risk: float | None = None,
    assurance: float | None = None,
) -> Recalibrated:
    """Fit the heads of `columns` (head -> label column of `table`) anew; the others stay as they are.

    `risk` and `assurance` are those of the former policy by default. The rows should be recent, and none of them learnt
    from: the bundle cannot tell. Heads that are blended with rules keep their temperature.

    Raises BundleError when the bundle lacks a head, TrainingDataError when there are no labelled rows or none whose
    label the head knows.
    """
    bundle = scorer.bundle
    at = _newest(table)
    texts = [table.texts[i] for i in at]
    scores = scorer.score(texts, list(columns))
    repeats = repeat_groups(texts)
    times = list(table.times)
    changes = []
    mixes, policies = dict(bundle.classifier.mixes), dict(bundle.policies)
    for head, column in columns.items():
        labels = table.labels(column)
        change, scale = _refit(
            scorer,
            head,
            scores,
            [labels[i] for i in at],
            repeats,
            [times[i] for i in at],
            risk=risk,
            assurance=assurance,
        )
        mixes[head] = Mix(lexical=mixes[head].lexical * scale, encoder=mixes[head].encoder * scale)
        policies[head] = change.fit.policy
        changes.append(change)
    former = bundle.classifier
    renewed = replace(
        bundle,
        version=_next_version(bundle.version),
        classifier=Classifier(
            lexical=former.lexical,
            mixes=mixes,
            encoder=former.encoder,
            dense=former.dense,
            projection=former.projection,
        ),
        policies=policies,
        metrics={**bundle.metrics, "recalibrated": {change.head: change.to_dict() for change in changes}},
        origin={**bundle.origin, "recalibrated_from": bundle.sha256},
        sha256="",
    )
    return Recalibrated(bundle=_with_reference(renewed, scorer, texts, scores, changes), changes=tuple(changes))


def write(result: Recalibrated, source: Path, out: Path) -> str:
    """Write the bundle with the model card of the folder `source`, and return its sha256. Raises BundleError."""
    card = source / _CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {result.bundle.name}\n"
    lines = [f"\n## Recalibrated: {result.bundle.version}\n"]
    for change in result.changes:
        fit = change.fit
        wrong = "" if fit.error is None else f", of it wrong {fit.error:.1%} (at most {fit.bound:.1%})"
        lines.append(f"- {change.head}, {change.rows:,} fresh rows: goes alone {fit.coverage:.1%}{wrong}\n")
    return save_bundle(result.bundle, out, card=text + "".join(lines))


def _refit(
    scorer: Scorer,
    head: str,
    scores: Scores,
    labels: Sequence[str | None],
    repeats: NDArray[np.int64],
    times: Sequence[Any],
    *,
    risk: float | None,
    assurance: float | None,
) -> tuple[HeadChange, float]:
    known = scorer.bundle.classifier.labels[head]
    numbers = {label: k for k, label in enumerate(known)}
    labelled = np.array([i for i, label in enumerate(labels) if label is not None], dtype=np.int64)
    if not len(labelled):
        raise TrainingDataError(f"no row has a label for the head {head}; name its column with --label {head}=COLUMN")
    at = labelled[np.unique(repeats[labelled], return_index=True)[1]]
    truth = np.array([numbers.get(str(labels[i]), -1) for i in at])
    if not (truth >= 0).any():
        raise TrainingDataError(
            f"the head {head} knows none of the labels in these rows (such as {labels[at[0]]!r}); it knows "
            f"{', '.join(known[:3])}, ...: name the right column with --label {head}=COLUMN"
        )
    former = scorer.answers(head, scores)
    groups = scorer.groups(head)
    places = np.array([former.groups.index(group) for group in groups])
    wanted = np.where(truth >= 0, places[truth], -1)
    scale = 1.0
    if head not in scorer.bundle.blends:
        scale = _scale(scores.probabilities[head][at], truth)
    scaled = softmax(scale * np.log(np.maximum(scores.probabilities[head][at], _SMALLEST)))
    names, _, group, raw = by_group(scaled, groups)
    before = scorer.bundle.policy(head)
    fit = fit_policy(
        raw,
        group == wanted,
        [names[g] for g in group],
        times=[times[i] for i in at],
        rarity=scores.rarity[at],
        risk=before.risk if risk is None else risk,
        assurance=before.assurance if assurance is None else assurance,
        former=before,
    )
    alone = former.alone[at]
    change = HeadChange(
        head=head,
        rows=len(at),
        repeats=len(labelled) - len(at),
        unknown=int((truth < 0).sum()),
        scale=scale,
        before=before,
        alone_before=float(alone.mean()),
        wrong_before=float((former.group[at] != wanted)[alone].mean()) if alone.any() else None,
        fit=fit,
    )
    return change, scale


def _scale(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """The factor on the logits that makes the log loss of known labels least; 1 where there are few of them."""
    known = truth >= 0
    if known.sum() < _FEWEST_FOR_SCALE:
        return 1.0
    logits = np.log(np.maximum(probabilities[known], _SMALLEST))
    return float(np.clip(fit_mix(logits, None, truth[known]).lexical, *_SCALES))


def _with_reference(
    bundle: Bundle, scorer: Scorer, texts: Sequence[str], scores: Scores, changes: Sequence[HeadChange]
) -> Bundle:
    """The bundle with the fresh rows, repeats and all, as its picture of traffic."""
    probabilities = {
        change.head: softmax(change.scale * np.log(np.maximum(scores.probabilities[change.head], _SMALLEST)))
        for change in changes
    }
    renewed = Scorer(bundle=bundle, wordlist=scorer.wordlist, taxonomy=scorer.taxonomy)
    scaled = replace(scores, probabilities=probabilities)
    answers = {head: renewed.answers(head, scaled) for head in probabilities}
    observed = Observed.of(texts, scaled, answers)
    return replace(
        bundle,
        reference=Reference.of(observed, {head: bundle.policy(head).risk for head in answers}).to_dict(),
    )


def _newest(table: Rows) -> list[int]:
    """Numbers of the rows to use, rising: all, or the newest by time, by place in the table where there is none."""
    if len(table) <= MOST_ROWS:
        return list(range(len(table)))
    dated = sorted((time, i) for i, time in enumerate(table.times) if time is not None)
    if len(dated) < MOST_ROWS:
        return list(range(len(table) - MOST_ROWS, len(table)))
    return sorted(i for _, i in dated[-MOST_ROWS:])


def _next_version(version: str) -> str:
    """_next_version("2026.11") == "2026.11+1"; _next_version("2026.11+1") == "2026.11+2"."""
    base, _, count = version.partition("+")
    return f"{base}+{int(count) + 1 if count.isdecimal() else 1}"
