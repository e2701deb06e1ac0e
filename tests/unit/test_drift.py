from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lapor_nlp.bundle import load_bundle
from lapor_nlp.drift import DriftMonitor, Histogram, Observed, Reference, Signal
from lapor_nlp.errors import BundleError
from lapor_nlp.scorer import Scorer

GROUPS = ("air", "jalan", "sampah", "lampu")


@dataclass
class Answers:
    groups: tuple[str, ...]
    group: NDArray[np.int64]
    confidence: NDArray[np.float64]
    alone: NDArray[np.bool_]


def traffic(
    seed: int,
    rows: int,
    *,
    shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1),
    surer: float = 6.0,
    rarity: float = 6.0,
    groups: tuple[str, ...] = GROUPS,
) -> Observed:
    random = np.random.default_rng(seed)
    confidence = random.beta(surer, 1.0, rows)
    answers = Answers(groups, random.choice(len(shares), rows, p=shares), confidence, confidence >= 0.9)
    numbers = {
        "words": random.poisson(25, rows).astype(np.float64),
        "rarity": random.normal(rarity, 0.5, rows),
        "truncated": np.zeros(rows),
    }
    return Observed(numbers=numbers, heads={"topic": answers})


REFERENCE = Reference.of(traffic(0, 2000), {"topic": 0.05})


def signal(observed: Observed, reference: Reference = REFERENCE) -> Signal:
    monitor = DriftMonitor(reference)
    monitor.add(observed)
    return monitor.signal()


def test_traffic_as_before_is_ok_however_little_there_is() -> None:
    said = Counter(signal(traffic(seed, rows)).verdict for seed in range(1, 41) for rows in (10, 60, 400, 3000))
    assert said["ok"] >= 156


def test_chance_is_taken_off_the_stability_index() -> None:
    shifts = [shift for seed in range(1, 31) for shift in signal(traffic(seed, 60)).shifts]
    assert np.mean([shift.psi for shift in shifts]) < 0.06


def test_less_sure_answers_ask_for_new_labels() -> None:
    found = signal(traffic(1, 800, surer=2.5))
    assert found.verdict == "recalibrate"
    assert any("expected to be right" in reason for reason in found.reasons)
    assert found.expected["topic"].right < REFERENCE.expected["topic"].right - 0.08


def test_other_topics_are_noticed() -> None:
    assert signal(traffic(1, 800, shares=(0.1, 0.2, 0.3, 0.4))).verdict == "recalibrate"
    some = signal(traffic(1, 3000, shares=(0.26, 0.26, 0.25, 0.23)))
    assert some.verdict == "watch"
    assert some.reasons[0].startswith("what the texts are about (topic) has changed somewhat")


def test_stranger_words_are_to_be_watched() -> None:
    found = signal(traffic(1, 500, rarity=6.6))
    assert found.verdict == "watch"
    assert [shift.name for shift in found.shifts if shift.verdict != "ok"] == ["rarity"]


def test_a_small_change_is_no_drift_even_when_it_is_certain() -> None:
    reference = Reference.of(traffic(0, 200_000), {"topic": 0.05})
    found = signal(traffic(1, 200_000, shares=(0.41, 0.31, 0.19, 0.09)), reference)
    shift = next(shift for shift in found.shifts if shift.name == "topic.groups")
    assert shift.p < 1e-6
    assert found.verdict == "ok"


def test_groups_never_met_before_count_as_others() -> None:
    found = signal(traffic(1, 500, shares=(0.4, 0.3, 0.2, 0.1), groups=("banjir", "jalan", "sampah", "lampu")))
    assert found.verdict == "recalibrate"


def test_the_order_of_groups_does_not_matter() -> None:
    turned = traffic(1, 500, shares=(0.1, 0.2, 0.3, 0.4), groups=GROUPS[::-1])
    assert signal(turned).verdict == "ok"


def test_too_many_wrong_among_what_goes_alone() -> None:
    observed = traffic(1, 600)
    answers = observed.heads["topic"]
    assert isinstance(answers, Answers)
    loose = Observed(numbers=observed.numbers, heads={"topic": replace(answers, alone=answers.confidence > 0.5)})
    assert any("goes alone is expected to be wrong" in reason for reason in signal(loose).reasons)


def test_nothing_seen() -> None:
    found = DriftMonitor(REFERENCE).signal()
    assert (found.rows, found.verdict, found.shifts) == (0, "ok", ())
    with pytest.raises(ValueError, match="some texts"):
        Reference.of(traffic(1, 0), {"topic": 0.05})


@settings(max_examples=30)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.integers(0, 100))
def test_chunks_make_no_difference(sizes: list[int], seed: int) -> None:
    parts = [traffic(seed + k, size) for k, size in enumerate(sizes)]
    answers = [part.heads["topic"] for part in parts]
    whole = Observed(
        numbers={n: np.concatenate([part.numbers[n] for part in parts]) for n in parts[0].numbers},
        heads={
            "topic": Answers(
                GROUPS,
                np.concatenate([a.group for a in answers]),
                np.concatenate([a.confidence for a in answers]),
                np.concatenate([a.alone for a in answers]),
            )
        },
    )
    monitor = DriftMonitor(REFERENCE)
    for part in parts:
        monitor.add(part)
    assert monitor.signal().to_dict() == signal(whole).to_dict()


def test_many_threads_may_add() -> None:
    monitor = DriftMonitor(REFERENCE)
    parts = [traffic(seed, 50) for seed in range(64)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(monitor.add, parts))
    one_by_one = DriftMonitor(REFERENCE)
    for part in parts:
        one_by_one.add(part)
    assert monitor.signal().rows == 3200
    assert monitor.signal().shifts == one_by_one.signal().shifts


def test_a_reference_survives_json() -> None:
    bundle = replace(load_bundle(), reference=json.loads(json.dumps(REFERENCE.to_dict())))
    assert Reference.of_bundle(bundle) == REFERENCE


@pytest.mark.parametrize("reference", [{"histograms": 3}, {"histograms": {"words": {"counts": [1], "edges": [1, 2]}}}])
def test_a_reference_that_is_none(reference: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Reference.of_bundle(replace(load_bundle(), reference=reference))


def test_a_bundle_without_a_reference_says_how_to_get_one() -> None:
    with pytest.raises(BundleError, match="recalibrate makes one"):
        Reference.of_bundle(replace(load_bundle(), reference={}))


def test_equal_values_share_a_bin() -> None:
    histogram = Histogram.of_numbers(np.array([0.0] * 90 + [1.0] * 10))
    assert histogram.counts == (90, 10)
    assert histogram.count_numbers(np.array([0.0, 0.5, 1.0, 9.0])).tolist() == [2, 2]
    assert Histogram.of_numbers(np.zeros(5)).counts == (5,)


def test_other_languages_are_seen_in_the_words() -> None:
    scorer = Scorer.load()
    local = [f"Lampu jalan mati di gang {k}, mohon segera diperbaiki" for k in range(40)]
    local += [f"Sampah menumpuk di depan rumah nomor {k} sudah seminggu" for k in range(40)]
    foreign = [f"The orchestra opened the evening number {k} with a slow overture by the river" for k in range(60)]

    def seen(texts: list[str]) -> Observed:
        scores = scorer.score(texts, ["topic"])
        return Observed.of(texts, scores, {"topic": scorer.answers("topic", scores)})

    reference = Reference.of(seen(local), {"topic": 0.05})
    assert signal(seen(local[::2]), reference).verdict == "ok"
    found = signal(seen(foreign), reference)
    assert "rarity" in [shift.name for shift in found.shifts if shift.verdict != "ok"]
