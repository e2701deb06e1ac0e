from __future__ import annotations

import numpy as np
import pytest

from lapor_nlp.blend import Blend, blend_signals
from lapor_nlp.classifier.prediction import Prediction
from lapor_nlp.evidence import Evidence
from lapor_nlp.signals.reading import Flag, SignalReading
from lapor_nlp.training.calibration import fit_flag_blend, fit_kind_blend


def reading(urgent: float, kind: str = "pengaduan") -> SignalReading:
    quiet = Flag(value=False, score=0.05)
    evidence = (Evidence(code="urgent/terjebak", start=0, end=4),)
    return SignalReading(
        kind=kind,
        kind_score=0.8,
        kind_evidence=(),
        urgent=Flag(value=urgent >= 0.5, score=urgent, evidence=evidence, reason="terjebak" if urgent >= 0.5 else ""),
        pengawasan=quiet,
        out_of_scope=quiet,
    )


def head(yes: float) -> Prediction:
    return Prediction(labels=("ya", "tidak"), scores=(yes, 1 - yes))


EVEN = {"urgent": Blend(rules=0.5, words=0.5)}


def test_without_weights_the_rules_stand() -> None:
    before = reading(0.9)
    assert blend_signals(before, {"urgent": head(0.01)}, {}) == before
    assert blend_signals(before, {}, EVEN) == before


def test_the_head_can_overrule_and_can_fall_short() -> None:
    assert not blend_signals(reading(0.6), {"urgent": head(0.02)}, EVEN).urgent.value
    assert blend_signals(reading(0.6), {"urgent": head(0.45)}, EVEN).urgent.value


def test_a_yes_of_the_words_says_so() -> None:
    flag = blend_signals(reading(0.3), {"urgent": head(0.99)}, EVEN).urgent
    assert (flag.value, flag.reason) == (True, "model")
    assert blend_signals(reading(0.9), {"urgent": head(0.99)}, EVEN).urgent.reason == "terjebak"


def test_the_kind_is_blended() -> None:
    words = Prediction(labels=("aspirasi", "pengaduan", "permintaan_informasi"), scores=(0.7, 0.2, 0.1))
    weak, strong = {"kind": Blend(rules=0.5, words=1.0)}, {"kind": Blend(rules=5.0, words=1.0)}
    assert blend_signals(reading(0.1), {"kind": words}, weak).kind == "aspirasi"
    assert blend_signals(reading(0.1), {"kind": words}, strong).kind == "pengaduan"


def test_a_fitted_blend_trusts_what_deserves_it() -> None:
    random = np.random.default_rng(5)
    truth = random.uniform(size=3000) < 0.2
    good = np.clip(np.where(truth, 0.8, 0.2) + random.normal(0, 0.15, 3000), 0.01, 0.99)
    noise = random.uniform(0.01, 0.99, 3000)
    blend = fit_flag_blend(good.tolist(), noise.tolist(), truth)
    assert blend.rules > 5 * blend.words
    said = np.array([blend.flag(g, n) >= 0.5 for g, n in zip(good, noise, strict=True)])
    assert (said & truth).sum() / truth.sum() > 0.9
    assert (said & truth).sum() / said.sum() > 0.9


def test_a_fitted_kind_blend_is_no_worse_than_either() -> None:
    random = np.random.default_rng(6)
    labels = ("aspirasi", "pengaduan")
    truth = [labels[int(random.uniform() < 0.7)] for _ in range(1000)]
    rules = [t if random.uniform() < 0.85 else labels[0] for t in truth]
    words = []
    for t in truth:
        right = min(max(random.normal(0.7, 0.2), 0.02), 0.98)
        words.append(Prediction(labels=labels, scores=(right, 1 - right) if t == labels[0] else (1 - right, right)))
    blend = fit_kind_blend(rules, words, truth)

    def share(said: list[str]) -> float:
        return float(np.mean([s == t for s, t in zip(said, truth, strict=True)]))

    blended = share([blend.kind(r, w)[0] for r, w in zip(rules, words, strict=True)])
    alone = share([labels[int(np.argmax(w.scores))] for w in words])
    assert blended >= max(share(rules), alone)
    assert blend.kind("pengaduan", words[0])[1] <= 1 + 1e-9


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_extreme_scores_do_not_overflow(score: float) -> None:
    assert 0 <= Blend(rules=5, words=5).flag(score, score) <= 1
