from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("datasets")

from lapor_nlp.blend import Blend
from lapor_nlp.bundle import Bundle, load_bundle, save_bundle
from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.decision import Policy
from lapor_nlp.drift import Reference
from lapor_nlp.errors import BundleError, TrainingDataError
from lapor_nlp.scorer import Scorer
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training import recalibrate as module
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical
from lapor_nlp.training.recalibrate import recalibrate, write

WORDLIST = Wordlist.load()
LEARNT = {
    "jalan": ["jalan rusak parah", "jalan berlubang dalam", "aspal jalan mengelupas", "lubang di jalan raya"],
    "air": ["air keran mati", "air pdam keruh", "pipa pdam bocor", "air tidak mengalir"],
    "sampah": ["sampah menumpuk bau", "sampah tidak diangkut", "truk sampah jarang datang", "bakar sampah sore"],
}
PLACES = ("pasar", "sekolah", "masjid", "kantor", "terminal", "lapangan", "sungai", "stasiun")
START = datetime(2026, 1, 1)


class Rows:
    """A table in memory."""

    def __init__(self, texts: list[str], labels: list[str | None]) -> None:
        self.texts = texts
        self.ids = [f"L-{k}" for k in range(len(texts))]
        self.times: list[datetime | None] = [START + timedelta(hours=k) for k in range(len(texts))]
        self.regions: list[str | None] = [None] * len(texts)
        self._labels = labels

    def __len__(self) -> int:
        return len(self.texts)

    def labels(self, head: str) -> list[str | None]:
        assert head == "kategori"
        return self._labels


def fresh(count: int, wrong: int = 0) -> Rows:
    """Reports unlike one another; every `wrong`-th bears another label than its words say."""
    names = list(LEARNT)
    texts, labels = [], []
    for k in range(count):
        label = names[k % 3]
        letters = "".join(chr(97 + (k // 26**power) % 26) for power in range(3))
        texts.append(f"{letters} {LEARNT[label][k % 4]} dekat {PLACES[k % 8]} {letters[::-1]}")
        labels.append(names[(k + 1) % 3] if wrong and k % wrong == 0 else label)
    return Rows(texts, labels)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    pairs = [(label, text) for label, texts in LEARNT.items() for text in texts]
    config = LexicalConfig(features=FeatureSettings(bits=13), fewest=1, strength=1.0)
    tokens = [WORDLIST.tokens(clean(text)) for _, text in pairs]
    lexical = fit_lexical(tokens, {head: [label for label, _ in pairs] for head in ("urusan", "kind")}, config)
    bundle = Bundle(
        name="kecil",
        version="1",
        taxonomy="",
        classifier=Classifier(lexical=lexical, mixes={"urusan": Mix(lexical=1.0), "kind": Mix(lexical=2.0)}),
        policies={"urusan": Policy(act_alone=0.3, measure="share", place=0.7)},
        blends={"kind": Blend(rules=1.0, words=1.0)},
        sha256="ab",
    )
    return Scorer(bundle=bundle, wordlist=WORDLIST, taxonomy=Taxonomy.load())


def test_temperature_policy_and_reference_are_new_and_the_weights_are_not(scorer: Scorer) -> None:
    result = recalibrate(scorer, fresh(600, wrong=40), {"urusan": "kategori"})
    change = result.changes[0]
    assert (change.rows, change.repeats, change.unknown) == (600, 0, 0)
    assert change.fit.guaranteed
    assert result.bundle.classifier.mixes["urusan"].lexical == pytest.approx(change.scale)
    assert change.scale != 1.0
    assert result.bundle.classifier.lexical is scorer.bundle.classifier.lexical
    policy = result.bundle.policy("urusan")
    assert (policy.measure, policy.place, policy.risk) == ("lead", 0.7, 0.05)
    assert (result.bundle.version, result.bundle.origin["recalibrated_from"]) == ("1+1", "ab")
    assert Reference.of_bundle(result.bundle).risks == {"urusan": 0.05}


def test_the_new_bundle_does_what_was_said(scorer: Scorer) -> None:
    rows = fresh(600, wrong=40)
    result = recalibrate(scorer, rows, {"urusan": "kategori"})
    renewed = Scorer(bundle=result.bundle, wordlist=WORDLIST, taxonomy=scorer.taxonomy)
    scores = renewed.score(rows.texts, ["urusan"])
    answers = renewed.answers("urusan", scores)
    said = [answers.groups[g] for g in answers.group]
    fit = result.changes[0].fit
    assert answers.alone.mean() == pytest.approx(fit.coverage)
    wrong = np.array([a != b for a, b in zip(said, rows.labels("kategori"), strict=True)])
    assert wrong[answers.alone].mean() == pytest.approx(fit.error)
    before = scorer.answers("urusan", scorer.score(rows.texts, ["urusan"]))
    assert result.changes[0].alone_before == before.alone.mean()


def test_repeats_count_once(scorer: Scorer) -> None:
    rows = fresh(200)
    doubled = Rows(rows.texts + rows.texts, rows.labels("kategori") * 2)
    change = recalibrate(scorer, doubled, {"urusan": "kategori"}).changes[0]
    assert (change.rows, change.repeats) == (200, 200)


def test_labels_unknown_to_the_model_count_as_wrong(scorer: Scorer) -> None:
    rows = fresh(600)
    labels: list[str | None] = ["lampu" if k % 2 else label for k, label in enumerate(rows.labels("kategori"))]
    change = recalibrate(scorer, Rows(rows.texts, labels), {"urusan": "kategori"}).changes[0]
    assert change.unknown == 300
    assert change.wrong_before == pytest.approx(0.5, abs=0.03)
    assert not change.fit.guaranteed
    assert "300 rows bear labels unknown to the model" in change.warnings[0]


def test_rows_without_a_label_are_passed_over(scorer: Scorer) -> None:
    rows = fresh(300)
    labels = [None if k % 3 == 0 else label for k, label in enumerate(rows.labels("kategori"))]
    assert recalibrate(scorer, Rows(rows.texts, labels), {"urusan": "kategori"}).changes[0].rows == 200


def test_too_few_rows_are_said_and_nothing_goes_alone(scorer: Scorer) -> None:
    change = recalibrate(scorer, fresh(45), {"urusan": "kategori"}).changes[0]
    assert change.fit.policy.act_alone is None
    assert change.scale == 1.0
    assert "needs at least 59 rows" in change.warnings[0]


def test_another_risk_may_be_stated(scorer: Scorer) -> None:
    strict, loose = (
        recalibrate(scorer, fresh(900, wrong=12), {"urusan": "kategori"}, risk=risk).changes[0].fit
        for risk in (0.02, 0.2)
    )
    assert loose.policy.risk == 0.2
    assert loose.coverage > strict.coverage


def test_heads_blended_with_rules_keep_their_temperature(scorer: Scorer) -> None:
    result = recalibrate(scorer, fresh(300, wrong=5), {"kind": "kategori"})
    assert result.bundle.classifier.mixes == scorer.bundle.classifier.mixes


def test_of_very_many_rows_the_newest_are_used(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    rows = fresh(300)
    labels: list[str | None] = [label if k < 100 else "lampu" for k, label in enumerate(rows.labels("kategori"))]
    with pytest.raises(TrainingDataError, match="knows none of the labels"):
        recalibrate(scorer, Rows(rows.texts, labels), {"urusan": "kategori"})
    turned = Rows(rows.texts, labels)
    turned.times.reverse()
    change = recalibrate(scorer, turned, {"urusan": "kategori"}).changes[0]
    assert (change.rows, change.unknown) == (100, 0)


def test_unusable_rows(scorer: Scorer) -> None:
    with pytest.raises(TrainingDataError, match="no row has a label"):
        recalibrate(scorer, Rows(["jalan rusak"], [None]), {"urusan": "kategori"})
    with pytest.raises(TrainingDataError, match="knows none of the labels"):
        recalibrate(scorer, Rows(["jalan rusak"], ["lampu"]), {"urusan": "kategori"})
    with pytest.raises(BundleError, match="no head"):
        recalibrate(scorer, fresh(10), {"topik": "kategori"})


def test_it_is_written_beside_the_old_one_with_its_card(scorer: Scorer, tmp_path: Path) -> None:
    save_bundle(scorer.bundle, tmp_path / "old", card="# Kecil\n")
    before = load_bundle(tmp_path / "old").sha256
    loaded = Scorer(bundle=load_bundle(tmp_path / "old"), wordlist=WORDLIST, taxonomy=scorer.taxonomy)
    result = recalibrate(loaded, fresh(300), {"urusan": "kategori"})
    sha256 = write(result, tmp_path / "old", tmp_path / "new")
    after = load_bundle(tmp_path / "new")
    assert after.sha256 == sha256 != before
    assert after.policies == result.bundle.policies
    assert load_bundle(tmp_path / "old").sha256 == before
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# Kecil\n")
    assert "## Recalibrated: 1+1" in card


def test_the_same_folder_may_be_named(scorer: Scorer, tmp_path: Path) -> None:
    save_bundle(scorer.bundle, tmp_path / "old")
    for version in ("1+1", "1+2"):
        loaded = Scorer(bundle=load_bundle(tmp_path / "old"), wordlist=WORDLIST, taxonomy=scorer.taxonomy)
        result = recalibrate(loaded, fresh(300), {"urusan": "kategori"})
        write(result, tmp_path / "old", tmp_path / "old")
        assert load_bundle(tmp_path / "old").version == version


def test_nothing_is_left_of_a_failed_write(scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    result = recalibrate(scorer, fresh(100), {"urusan": "kategori"})
    monkeypatch.setattr("lapor_nlp.bundle.save_file", full)
    with pytest.raises(BundleError, match="nothing was changed"):
        write(result, tmp_path, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_former_thresholds_by_group_do_not_linger(scorer: Scorer) -> None:
    policy = Policy(act_alone=0.3, by_group={"air": None})
    old = Scorer(
        bundle=replace(scorer.bundle, policies={"urusan": policy}), wordlist=WORDLIST, taxonomy=scorer.taxonomy
    )
    assert recalibrate(old, fresh(300), {"urusan": "kategori"}).bundle.policy("urusan").by_group == {}
