"""Features of pairs."""

from __future__ import annotations

import numpy as np
import pytest
from made import BANTUL, trace

from lapor_nlp.duplicates.features import FEATURES, compare, differing, metres, shared

LAMP = "Lampu mati di Jl Kaliurang gang 3 RT 02 RW 05"


def features(report: object, other: object) -> dict[str, float]:
    return dict(zip(FEATURES, compare(report, [other])[0].tolist(), strict=True))  # type: ignore[arg-type]


def test_a_text_and_itself() -> None:
    found = features(trace("b", LAMP), trace("a", LAMP))
    assert found["meaning"] == pytest.approx(1, abs=1e-3)
    assert found["wording"] == pytest.approx(1)
    assert (found["street"], found["number"], found["rt_rw"]) == (1, 1, 2)
    assert (found["other_street"], found["other_number"], found["other_rt_rw"]) == (0, 0, 0)
    assert found["same_days"] == 1


def test_another_alley_sets_apart() -> None:
    one, two = trace("a", LAMP), trace("b", LAMP.replace("gang 3", "gang 4"))
    assert (features(two, one)["number"], features(two, one)["other_number"]) == (0, 1)
    assert differing(two, one) == ("gang",)
    assert shared(two, one) == {"jalan": 1, "rt": 1, "rw": 1}


def test_a_list_of_numbers_agrees_in_one() -> None:
    found = features(trace("a", "gang 3 dan gang 4"), trace("b", "gang 4"))
    assert (found["number"], found["other_number"]) == (1, 0)


def test_time_and_place() -> None:
    found = features(trace("a", LAMP, day=10), trace("b", LAMP, day=1))
    assert found["days"] == pytest.approx(np.log1p(9))
    found = features(trace("a", LAMP, day=None), trace("b", LAMP))
    assert (found["days"], found["no_days"], found["same_days"]) == (0, 1, 0)
    near = {"latitude": -7.75, "longitude": 110.40}
    far = {"latitude": -7.75, "longitude": 110.41}
    one, two = trace("a", LAMP, **near), trace("b", LAMP, **far)
    assert metres(one, two) == pytest.approx(1102, abs=2)
    assert metres(one, trace("c", LAMP, place=BANTUL)) is None
    assert (features(one, one)["near"], features(one, two)["near"], features(one, two)["far"]) == (1, 0, 1)


def test_it_does_not_matter_what_else_is_compared() -> None:
    report = trace("r", LAMP)
    others = [trace(str(i), text) for i, text in enumerate((LAMP, "Sampah menumpuk", "Jl Kaliurang rusak", "."))]
    together = compare(report, others)
    for i, other in enumerate(others):
        assert (compare(report, [other])[0] == together[i]).all()
    assert compare(report, []).shape == (0, len(FEATURES))


def test_the_text_says_that_it_is_not_the_first() -> None:
    assert trace("a", "sampai sekarang belum ada perbaikan").again
    assert trace("a", "menindaklanjuti pengaduan saya").again
    assert not trace("a", "lampu mati").again
