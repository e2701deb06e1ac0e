from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapor_nlp.bundle import Bundle
from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.decision import BundleId, Policy
from lapor_nlp.errors import BundleError, TrainingDataError
from lapor_nlp.scorer import Scorer
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.text.mask import Masker
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.evaluation import (
    OTHERS,
    UNKNOWN,
    Judged,
    Share,
    evaluate,
    f1,
    fingerprint,
    judge,
    risk_coverage,
    summarise,
)

pytest.importorskip("sklearn")
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical

WORDLIST = Wordlist.load()
LEARNT = {
    "jalan": ["jalan rusak parah", "jalan berlubang dalam", "aspal jalan mengelupas", "lubang di jalan raya"],
    "air": ["air keran mati", "air pdam keruh", "pipa pdam bocor", "air tidak mengalir"],
    "sampah": ["sampah menumpuk bau", "sampah tidak diangkut", "truk sampah jarang datang", "bakar sampah sore"],
}


class Rows:
    """A table in memory."""

    def __init__(
        self,
        texts: list[str],
        labels: dict[str, list[str | None]],
        times: list[datetime | None] | None = None,
        regions: list[str | None] | None = None,
    ) -> None:
        self.texts = texts
        self.ids = [f"L-{k}" for k in range(len(texts))]
        self.times: list[datetime | None] = times or [None] * len(texts)
        self.regions: list[str | None] = regions or [None] * len(texts)
        self._labels = labels

    def __len__(self) -> int:
        return len(self.texts)

    def labels(self, head: str) -> list[str | None]:
        return self._labels[head]


def scorer(policy: Policy | None = None) -> Scorer:
    pairs = [(label, text) for label, texts in LEARNT.items() for text in texts]
    config = LexicalConfig(features=FeatureSettings(bits=12), fewest=1, strength=1.0)
    tokens = [WORDLIST.tokens(clean(text)) for _, text in pairs]
    lexical = fit_lexical(tokens, {"urusan": [label for label, _ in pairs]}, config)
    bundle = Bundle(
        name="kecil",
        version="1",
        taxonomy="",
        classifier=Classifier(lexical=lexical, mixes={"urusan": Mix(lexical=3.0)}),
        policies={"urusan": policy or Policy(act_alone=0.6)},
    )
    return Scorer(bundle=bundle, wordlist=WORDLIST, taxonomy=Taxonomy.load())


def judged(truth: list[str], predicted: list[str], confidence: list[float] | None = None, **changes: object) -> Judged:
    """Answers as they would be if the confidences were these and everything from 0.8 up were done alone."""
    right = np.array(truth) == np.array(predicted)
    sure = np.full(len(truth), 0.9) if confidence is None else np.array(confidence)
    values = {
        "head": "urusan",
        "bundle": BundleId(name="kecil", version="1", sha256="0" * 64),
        "known": tuple(sorted({*truth, *predicted})),
        "risk": 0.05,
        "threshold": 0.8,
        "unlabelled": 0,
        "at": np.arange(len(truth)),
        "truth": np.array(truth, dtype=object),
        "predicted": np.array(predicted, dtype=object),
        "chance": np.where(right, sure, (1 - sure) / 2),
        "top3": np.ones(len(truth), dtype=np.bool_),
        "group_right": right,
        "confidence": sure,
        "alone": sure >= 0.8,
        "truncated": np.zeros(len(truth), dtype=np.bool_),
        **changes,
    }
    return Judged(**values)  # type: ignore[arg-type]


def rows(count: int) -> Rows:
    return Rows([f"air mati {'sekali ' * k}" for k in range(count)], {})


def test_answers_to_labelled_rows() -> None:
    table = Rows(["jalan berlubang", "tanpa label", "air pdam mati"], {"urusan": ["jalan", None, "air"]})
    evaluation = evaluate(scorer(), table, "urusan")
    assert (evaluation.rows, evaluation.unlabelled) == (2, 1)
    assert evaluation.accuracy.value == evaluation.micro_f1 == evaluation.macro_f1 == 1.0
    assert evaluation.top3 == 1.0
    assert evaluation.bundle.name == "kecil"


def test_a_column_of_another_name_can_hold_the_labels() -> None:
    table = Rows(["jalan berlubang"], {"kategori": ["jalan"]})
    assert evaluate(scorer(), table, "urusan", column="kategori").rows == 1


def test_an_unknown_label_is_wrong_and_reported() -> None:
    table = Rows(["jalan berlubang", "gempa tadi pagi"], {"urusan": ["jalan", "bencana"]})
    evaluation = evaluate(scorer(Policy(act_alone=0.0)), table, "urusan")
    assert evaluation.unknown == {"bencana": 1}
    assert evaluation.accuracy.value == evaluation.group_accuracy == evaluation.top3 == 0.5
    assert evaluation.macro_f1 == pytest.approx(0.5)
    assert evaluation.log_loss > 10
    assert evaluation.alone.error.count == 1
    (score,) = [row for row in evaluation.classes if row.label == "bencana"]
    assert (score.known, score.rows, score.recall, score.precision) == (False, 1, 0.0, None)


def test_a_head_that_is_not_there() -> None:
    with pytest.raises(BundleError, match=r"no head 'topic'; it has urusan: .*HEAD=COLUMN"):
        judge(scorer(), Rows(["air mati"], {"topic": ["air"]}), "topic")


def test_labels_of_another_head() -> None:
    table = Rows(["air mati"], {"urusan": ["Dinas Sumber Daya Air"]})
    with pytest.raises(TrainingDataError, match=r"knows none of the 1 labels.*Dinas Sumber Daya Air"):
        judge(scorer(), table, "urusan")


def test_no_labels_at_all() -> None:
    with pytest.raises(TrainingDataError, match="no row has a label in the column urusan"):
        judge(scorer(), Rows(["air mati"], {"urusan": [None]}), "urusan")


def test_groups_count_for_confidence_labels_for_accuracy() -> None:
    answers = judged(["jalan", "air"], ["jalan", "sampah"], group_right=np.array([True, True]))
    evaluation = summarise(answers, rows(2), WORDLIST)
    assert evaluation.accuracy.value == 0.5
    assert evaluation.group_accuracy == 1.0
    assert evaluation.alone.error.value == 0.0
    assert [m.predicted for m in evaluation.mistakes] == ["sampah"]


def test_per_class_figures() -> None:
    answers = judged(["a", "a", "a", "b"], ["a", "a", "b", "b"], [0.9, 0.7, 0.6, 0.8])
    first, second = summarise(answers, rows(4), WORDLIST).classes
    assert (first.label, first.rows, first.predicted, first.precision, first.confidence) == ("a", 3, 2, 1.0, 0.8)
    assert (first.recall, second.precision) == (pytest.approx(2 / 3), 0.5)
    assert first.f1 == pytest.approx(0.8)


def test_confusion_counts_every_row_of_its_labels() -> None:
    truth = [f"k{k:02}" for k in range(20) for _ in range(20 - k)]
    predicted = [*["k19"] * 3, *truth[3:]]
    confusion = summarise(judged(truth, predicted), rows(len(truth)), WORDLIST).confusion
    assert [(p.true, p.predicted, p.rows, p.share) for p in confusion.pairs] == [("k00", "k19", 3, 0.15)]
    assert len(confusion.labels) == 15
    assert [sum(row) for row in confusion.matrix] == [20 - k for k in range(15)]
    assert confusion.matrix[0][-1] == 3


def test_the_policy_on_these_rows() -> None:
    alone = summarise(judged(["a"] * 4, ["a", "a", "b", "b"], [0.9, 0.9, 0.8, 0.2]), rows(4), WORDLIST).alone
    assert (alone.coverage.count, alone.coverage.total) == (3, 4)
    assert (alone.error.count, alone.error.total) == (1, 3)
    assert alone.error.low < 1 / 3 < alone.error.high
    assert (alone.risk, alone.threshold) == (0.05, 0.8)


def test_a_policy_that_does_nothing_alone() -> None:
    alone = summarise(judged(["a", "b"], ["a", "b"], [0.1, 0.2]), rows(2), WORDLIST).alone
    assert alone.coverage.value == 0.0
    assert alone.error.value is None


@pytest.mark.parametrize(
    ("count", "total", "low", "high"), [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (2, 100, 0.0024, 0.0704)]
)
def test_clopper_pearson(count: int, total: int, low: float, high: float) -> None:
    share = Share.of(count, total)
    assert (share.low, share.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=1, max_size=60), st.integers(1, 8))
def test_the_curve_says_what_acting_alone_would_do(pairs: list[tuple[int, bool]], most: int) -> None:
    confidence = np.array([value / 10 for value, _ in pairs])
    right = np.array([good for _, good in pairs])
    curve = risk_coverage(confidence, right, most)
    assert len(curve) <= most
    assert curve[-1].coverage == 1.0
    for point in curve:
        alone = confidence >= point.confidence
        assert point.coverage == pytest.approx(alone.mean())
        assert point.error == pytest.approx((~right[alone]).mean())


def test_reliability_bins_hold_every_row_once() -> None:
    confidence = [k / 40 for k in range(40)]
    evaluation = summarise(judged(["a"] * 40, ["a"] * 20 + ["b"] * 20, confidence), rows(40), WORDLIST)
    bins = evaluation.reliability
    assert sum(b.right.total for b in bins) == 40
    assert sum(b.right.count for b in bins) == 20
    gap = sum(abs(b.confidence - (b.right.value or 0)) * b.right.total for b in bins) / 40
    assert evaluation.calibration_error == pytest.approx(gap)


def test_slices() -> None:
    table = Rows(
        ["air mati", "dalane bolong akeh banget, tulung enggal didandani, ora ana sing nggatekake", "kata " * 30],
        {"urusan": ["air", "jalan", "air"]},
        times=[datetime(2026, 1, 30), None, datetime(2026, 2, 1)],
        regions=["Kota Padang", "Kota Padang", None],
    )
    found = {(s.trait, s.value): s.accuracy.total for s in evaluate(scorer(), table, "urusan").slices}
    assert found[("length in words", "0-10")] == found[("length in words", "11-25")] == 1
    assert found[("length in words", "26-50")] == 1
    assert (found[("month", "2026-01")], found[("month", UNKNOWN)]) == (1, 1)
    assert (found[("region", "Kota Padang")], found[("region", UNKNOWN)]) == (2, 1)
    assert found[("language", "jv")] == 1
    assert found[("truncated", "no")] == 3


def test_rows_without_times_or_places_have_no_such_slices() -> None:
    traits = {s.trait for s in summarise(judged(["a"], ["a"]), rows(1), WORDLIST).slices}
    assert traits == {"length in words", "language", "truncated"}


def test_rare_values_of_a_slice_go_together() -> None:
    regions: list[str | None] = [f"Kota {k:02}" for k in range(40)]
    table = Rows(["air mati"] * 40, {}, regions=regions)
    found = [s for s in summarise(judged(["a"] * 40, ["a"] * 40), table, WORDLIST).slices if s.trait == "region"]
    assert (len(found), found[-1].value, found[-1].accuracy.total) == (31, OTHERS, 10)


def test_the_worst_mistakes_come_first_and_masked() -> None:
    table = Rows(["Pak Budi Hartono, NIK 3404071212900001", "ok", "x" * 1000], {})
    answers = judged(["a", "a", "a"], ["b", "a", "b"], [0.7, 0.9, 0.99])
    worst, other = summarise(answers, table, WORDLIST, masker=Masker.load()).mistakes
    assert (worst.id, worst.true, worst.predicted, worst.alone) == ("L-2", "a", "b", True)
    assert worst.text is not None
    assert len(worst.text) < 400
    assert "[NIK]" in str(other.text)
    assert "3404071212900001" not in str(other.text)
    assert all(row.text is None for row in summarise(answers, table, WORDLIST).mistakes)


def test_as_json_without_texts() -> None:
    table = Rows(
        ["RAHASIA air mati", "jalan rusak"], {"urusan": ["jalan", "jalan"]}, times=[datetime(2026, 1, 1), None]
    )
    evaluation = evaluate(scorer(), table, "urusan", masker=Masker.load())
    plain = json.dumps(evaluation.to_dict(), allow_nan=False)
    assert "RAHASIA" not in plain
    again = json.loads(plain)
    assert again["accuracy"] == 0.5
    assert again["mistakes"][0]["id"] == "L-0"
    assert json.loads(json.dumps(evaluation.summary())).items() <= again.items()


def test_the_fingerprint_is_of_the_rows_in_any_order() -> None:
    texts, labels = ["air mati", "jalan rusak"], ["air", "jalan"]
    data = evaluate(scorer(), Rows(texts, {"urusan": [*labels]}), "urusan").data
    assert data == fingerprint(texts, labels) == fingerprint(texts[::-1], labels[::-1])
    assert data != fingerprint(texts, labels[::-1])


def test_many_rows_are_read_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text for texts in LEARNT.values() for text in texts]
    labels: list[str | None] = [label for label, texts in LEARNT.items() for _ in texts]
    labels[3] = labels[8] = None
    table = Rows(texts, {"urusan": labels})
    whole = evaluate(scorer(), table, "urusan")
    monkeypatch.setattr("lapor_nlp.training.evaluation._BLOCK", 3)
    assert evaluate(scorer(), table, "urusan") == whole


def test_f1_of_a_label_that_never_occurs_is_zero() -> None:
    assert f1(np.array([0, 2]), np.array([0, 2]), np.array([0, 3])).tolist() == [0.0, 0.8]
