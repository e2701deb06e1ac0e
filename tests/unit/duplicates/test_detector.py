"""Finding matches: what is shown to whom, verdicts, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made import BANTUL, DIMENSION, trace

from lapor_nlp.duplicates.detector import Detector, check_link
from lapor_nlp.duplicates.features import FEATURES, compare, mergeable
from lapor_nlp.duplicates.memory import MemoryStore
from lapor_nlp.duplicates.model import PairModel, words_alone
from lapor_nlp.duplicates.store import Link
from lapor_nlp.duplicates.trace import Trace
from lapor_nlp.errors import ReportError

LAMP = "Lampu mati di Jl Kaliurang gang 3 RT 02 RW 05, gelap sekali dan rawan, mohon segera diperbaiki petugas"
MODEL = PairModel(weights={"wording": 8.0, "other_number": -6.0}, intercept=-4.0, suggest=0.5, merge=0.9)


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(DIMENSION)
    store.put(
        [
            trace("same", LAMP),
            trace("next alley", LAMP.replace("gang 3", "gang 4")),
            trace("elsewhere", LAMP, place=BANTUL),
            trace("secret", LAMP, confidential=True),
            trace("waste", "Sampah menumpuk di Jl Kaliurang gang 3", topic="sampah"),
        ]
    )
    return store


def found(store: MemoryStore, report: Trace, **options: object) -> dict[str, str]:
    matches = Detector(MODEL).find(report, [store], **options).matches  # type: ignore[arg-type]
    return {match.id: match.relation for match in matches}


def test_the_same_and_the_related(store: MemoryStore) -> None:
    assert found(store, trace("new", LAMP)) == {"same": "same", "secret": "same", "next alley": "related"}


def test_a_report_is_never_its_own_duplicate(store: MemoryStore) -> None:
    assert "same" not in found(store, trace("same", LAMP))


def test_citizens_see_no_confidential_report_and_nothing_related(store: MemoryStore) -> None:
    assert found(store, trace("new", LAMP), audience="citizen") == {"same": "same"}


def test_without_words_there_is_nothing_to_compare(store: MemoryStore) -> None:
    assert found(store, trace("new", "...")) == {}


def test_most(store: MemoryStore) -> None:
    assert len(found(store, trace("new", LAMP), most=1)) == 1


def test_evidence(store: MemoryStore) -> None:
    matches = Detector(MODEL).find(trace("new", LAMP, day=8), [store]).matches
    by_id = {match.id: match.evidence for match in matches}
    assert by_id["same"].shared == {"jalan": 1, "gang": 1, "rt": 1, "rw": 1}
    assert by_id["same"].days == 7
    assert by_id["same"].same_topic
    assert by_id["next alley"].differing == ("gang",)
    assert "Kaliurang" not in str([match.to_dict() for match in matches])


def test_verdicts_are_followed(store: MemoryStore) -> None:
    store.put_link(Link(child="new", parent="waste"))
    store.put_link(Link(child="new", parent="same", repeats=False))
    matches = {match.id: match for match in Detector(MODEL).find(trace("new", LAMP), [store]).matches}
    assert "same" not in matches
    assert (matches["waste"].probability, matches["waste"].relation, matches["waste"].merge) == (1.0, "same", True)
    assert matches["waste"].evidence.verdict


def test_the_parent_is_the_head_of_the_group(store: MemoryStore) -> None:
    store.put_link(Link(child="same", parent="secret"))
    store.put_link(Link(child="secret", parent="waste"))
    matches = {match.id: match for match in Detector(MODEL).find(trace("new", LAMP), [store]).matches}
    assert matches["same"].parent == "waste"


def test_circles_of_verdicts_are_refused(store: MemoryStore) -> None:
    with pytest.raises(ReportError, match="itself"):
        check_link(Link(child="a", parent="a"), [store])
    store.put_link(Link(child="b", parent="a"))
    with pytest.raises(ReportError, match="unlink"):
        check_link(Link(child="a", parent="b"), [store])
    check_link(Link(child="c", parent="b"), [store])


def test_a_viral_template_stays_bounded_and_says_so() -> None:
    store = MemoryStore(DIMENSION)
    one = trace("0", "Tolong turunkan harga tiket Borobudur sekarang juga", day=3)
    fields = {name: getattr(one, name) for name in Trace.__slots__}
    traces = [Trace(**{**fields, "id": str(i)}) for i in range(1, 1500)]
    store.put(traces)
    found = Detector(MODEL).find(one, [store])
    assert found.crowded
    assert len(found.matches) == 5
    assert found.matches[0].probability > 0.9


def test_the_newer_store_comes_first_whatever_the_split() -> None:
    traces = [trace(str(i), f"{LAMP} {i}", day=i) for i in range(40)]
    new = trace("new", LAMP, day=50)
    whole = MemoryStore(DIMENSION)
    whole.put(traces)
    expected = Detector(MODEL).find(new, [whole], most=50)
    for at in (0, 1, 13, 40):
        old, late = MemoryStore(DIMENSION), MemoryStore(DIMENSION)
        old.put(traces[:at])
        late.put(traces[at:])
        assert Detector(MODEL).find(new, [late, old], most=50) == expected


@pytest.mark.parametrize(
    ("changed", "allowed"),
    [
        ({"day": 2}, True),
        ({"text": LAMP.replace("gang 3", "gang 4")}, False),
        ({"topic": "sampah"}, False),
        ({"day": 30}, False),
        (
            {"text": "Lampu mati, gelap sekali dan rawan, mohon segera diperbaiki petugas karena anak sering lewat"},
            False,
        ),
    ],
    ids=["soon after", "another alley", "another topic", "a lamp that may have failed again", "no place in common"],
)
def test_merging_needs_more_than_likeness(changed: dict[str, Any], allowed: bool) -> None:
    fields = dict(changed)
    other = trace("b", fields.pop("text", LAMP), **fields)
    assert mergeable(compare(other, [trace("a", LAMP)]))[0] == allowed


def test_senders() -> None:
    features = np.zeros((3, len(FEATURES)))
    same, unknown, other = MODEL.probabilities(features, senders=np.array([1.0, 0.0, -1.0]))
    assert same > unknown > other


def test_a_model_must_make_sense() -> None:
    with pytest.raises(ValueError, match="cannot weigh"):
        PairModel(weights={"colour": 1.0}, intercept=0.0, suggest=0.5, merge=None)
    with pytest.raises(ValueError, match="finite"):
        PairModel(weights={}, intercept=float("nan"), suggest=0.5, merge=None)


def test_the_packaged_model_of_words_alone() -> None:
    model = words_alone()
    assert "meaning" not in model.weights
    assert model.merge is not None
    assert model.merge > model.suggest
