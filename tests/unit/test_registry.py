from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from scipy.sparse import csr_matrix

from lapor_nlp import registry
from lapor_nlp.bundle import Bundle, load_bundle, save_bundle
from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.classifier.lexical import LexicalHead, LexicalModel
from lapor_nlp.errors import BundleError
from lapor_nlp.registry import history, promote, rollback, stored_evidence


def make(seed: int, heads: tuple[str, ...] = ("urusan",), dev: dict[str, Any] | None = None) -> Bundle:
    random = np.random.default_rng(seed)
    weights = csr_matrix(random.normal(size=(16, 2)).astype(np.float32))
    head = LexicalHead(labels=("air", "jalan"), weights=weights, bias=np.zeros(2, dtype=np.float32))
    lexical = LexicalModel(
        settings=FeatureSettings(bits=4), idf=np.ones(16, dtype=np.float32), heads=dict.fromkeys(heads, head)
    )
    return Bundle(
        name=f"m{seed}",
        version="1",
        taxonomy="",
        classifier=Classifier(lexical=lexical, mixes=dict.fromkeys(heads, Mix(lexical=1.0))),
        policies={},
        metrics={} if dev is None else {"dev": dev},
    )


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for seed in (1, 2, 3):
        save_bundle(make(seed), tmp_path / f"m{seed}")
    return tmp_path


def sha(folder: Path) -> str:
    return load_bundle(folder).sha256


def evidence(new: Path, old: Path, worse: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"sha256": sha(new), "against": sha(old), "test": "uji.csv", "worse": list(worse)}


def names(pointer: Path) -> list[str]:
    return [entry.bundle for entry in history(pointer)]


def test_the_first_promotion_only_needs_a_bundle_that_loads(models: Path) -> None:
    entry = promote(models / "m1", evidence=None)
    assert load_bundle(models / "current").name == "m1"
    assert (entry.bundle, entry.sha256, entry.forced) == ("m1", sha(models / "m1"), False)
    assert entry.when.endswith("+00:00")
    written = json.loads((models / "current").read_text())
    assert (written["bundle"], written["sha256"]) == ("m1", entry.sha256)


def test_a_better_bundle_takes_its_place_and_the_history_is_kept(models: Path) -> None:
    promote(models / "m1", evidence=None)
    found = evidence(models / "m2", models / "m1")
    promote(models / "m2", evidence=found)
    assert load_bundle(models / "current").name == "m2"
    assert names(models / "current") == ["m1", "m2"]
    assert history(models / "current")[1].evidence == found


def test_without_evidence_nothing_changes(models: Path) -> None:
    promote(models / "m1", evidence=None)
    before = (models / "current").read_bytes()
    with pytest.raises(BundleError, match=r"m2: is not compared with m1.*--force"):
        promote(models / "m2", evidence=None)
    assert (models / "current").read_bytes() == before


def test_a_worse_bundle_is_refused_unless_forced(models: Path) -> None:
    promote(models / "m1", evidence=None)
    found = evidence(models / "m2", models / "m1", ("urusan accuracy",))
    with pytest.raises(BundleError, match=r"worse than m1 beyond noise \(urusan accuracy\)"):
        promote(models / "m2", evidence=found)
    assert names(models / "current") == ["m1"]
    promote(models / "m2", evidence=found, forced=True)
    assert history(models / "current")[-1].forced
    assert history(models / "current")[-1].evidence == found


def test_evidence_about_other_bundles_does_not_count(models: Path) -> None:
    promote(models / "m1", evidence=None)
    with pytest.raises(BundleError, match="changed since it was compared"):
        promote(models / "m2", evidence=evidence(models / "m3", models / "m1"))
    with pytest.raises(BundleError, match="has come to name m1 since the comparison"):
        promote(models / "m2", evidence=evidence(models / "m2", models / "m3"))


def test_a_bundle_that_lacks_a_head_is_refused(models: Path) -> None:
    save_bundle(make(4, heads=("urusan", "kind")), models / "m4")
    promote(models / "m4", evidence=None)
    with pytest.raises(BundleError, match="lacks kind, which m4 answers"):
        promote(models / "m1", evidence=evidence(models / "m1", models / "m4"))


def test_promoting_the_current_one_changes_nothing(models: Path) -> None:
    first = promote(models / "m1", evidence=None)
    assert promote(models / "m1", evidence=None) == first
    assert promote(models / "current", evidence=None) == first
    assert names(models / "current") == ["m1"]


def test_a_damaged_bundle_is_not_promoted(models: Path) -> None:
    promote(models / "m1", evidence=None)
    (models / "m2" / "lexical.safetensors").write_bytes(b"x")
    with pytest.raises(BundleError, match="is damaged"):
        promote(models / "m2", evidence=None, forced=True)
    assert load_bundle(models / "current").name == "m1"


def test_a_current_one_that_no_longer_loads_gives_way_by_force(models: Path) -> None:
    promote(models / "m1", evidence=None)
    (models / "m1" / "lexical.safetensors").unlink()
    with pytest.raises(BundleError, match=r"m1: no longer loads.*--force"):
        promote(models / "m2", evidence=None)
    promote(models / "m2", evidence=None, forced=True)
    assert load_bundle(models / "current").name == "m2"


def test_a_current_one_that_was_overwritten_is_noticed(models: Path) -> None:
    promote(models / "m1", evidence=None)
    found = evidence(models / "m2", models / "m1")
    save_bundle(make(9), models / "m1")
    with pytest.raises(BundleError, match="is not the model that was promoted"):
        promote(models / "m2", evidence=found)


def test_a_pointer_elsewhere_is_refused(models: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(BundleError, match="must stand beside m1"):
        promote(models / "m1", tmp_path_factory.mktemp("lain") / "current", evidence=None)


def test_rollback_goes_back_step_by_step_and_is_recorded(models: Path) -> None:
    for name in ("m1", "m2", "m3"):
        promote(models / name, evidence=None, forced=True)
    pointer = models / "current"
    assert rollback(pointer).bundle == "m2"
    assert load_bundle(pointer).name == "m2"
    assert rollback(pointer).bundle == "m1"
    assert names(pointer) == ["m1", "m2", "m3", "m2", "m1"]
    assert [entry.rollback for entry in history(pointer)] == [False, False, False, True, True]
    with pytest.raises(BundleError, match="no earlier model"):
        rollback(pointer)
    assert load_bundle(pointer).name == "m1"


def test_after_a_rollback_a_promotion_goes_on_from_there(models: Path) -> None:
    pointer = models / "current"
    for name in ("m1", "m2"):
        promote(models / name, evidence=None, forced=True)
    rollback(pointer)
    promote(models / "m3", evidence=None, forced=True)
    assert rollback(pointer).bundle == "m1"


def test_rollback_passes_over_what_no_longer_loads_or_was_changed(models: Path) -> None:
    save_bundle(make(4), models / "m4")
    for name in ("m1", "m2", "m3", "m4"):
        promote(models / name, evidence=None, forced=True)
    save_bundle(make(9), models / "m3")
    (models / "m2" / "manifest.json").write_text("{")
    assert rollback(models / "current").bundle == "m1"


def test_a_pointer_written_by_hand_is_taken_over(models: Path) -> None:
    pointer = models / "current"
    pointer.write_text('{"bundle": "m1"}')
    promote(models / "m2", evidence=evidence(models / "m2", models / "m1"))
    assert [(entry.bundle, entry.when != "") for entry in history(pointer)] == [("m1", False), ("m2", True)]
    assert rollback(pointer).bundle == "m1"


def test_a_pointer_edited_by_hand_keeps_its_history(models: Path) -> None:
    pointer = models / "current"
    promote(models / "m1", evidence=None)
    content = json.loads(pointer.read_text())
    pointer.write_text(json.dumps({**content, "bundle": "m2", "sha256": ""}))
    assert names(pointer) == ["m1", "m2"]
    assert rollback(pointer).bundle == "m1"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"bundle": "../m1"}',
        '{"bundle": "m1", "history": 3}',
        '{"bundle": "m1", "history": [{"a": 1}]}',
        '{"bundle": "m1", "history": [{"bundle": "../m1", "sha256": "", "when": ""}]}',
    ],
)
def test_a_damaged_pointer_is_never_written_over(models: Path, content: str) -> None:
    pointer = models / "current"
    pointer.write_text(content)
    for change in (lambda: promote(models / "m2", evidence=None, forced=True), lambda: rollback(pointer)):
        with pytest.raises(BundleError, match="current"):
            change()
    assert pointer.read_text() == content


def test_rollback_without_a_pointer(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no pointer"):
        rollback(tmp_path / "tiada" / "current")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_former_one(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promote(models / "m1", evidence=None)
    before = sorted(p.name for p in models.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lapor_nlp.files.os.fsync", full)
    with pytest.raises(BundleError, match=r"No space left.*former model stays"):
        promote(models / "m2", evidence=None, forced=True)
    assert load_bundle(models / "current").name == "m1"
    assert sorted(p.name for p in models.iterdir()) == before


def test_no_two_changes_at_once(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_PATIENCE", 0.01)
    with FileLock(models / ".current.lock"), pytest.raises(BundleError, match="changed by another process"):
        promote(models / "m1", evidence=None)
    promote(models / "m1", evidence=None)


def test_no_promotion_is_lost_among_many(models: Path) -> None:
    def work(name: str) -> None:
        promote(models / name, evidence=None, forced=True)

    threads = [threading.Thread(target=work, args=(f"m{k}",)) for k in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names(models / "current")) == ["m1", "m2", "m3"]


def figures(accuracy: float, rows: int = 1000, data: str = "d1") -> dict[str, Any]:
    return {"urusan": {"accuracy": accuracy, "rows": rows, "data": data}}


@pytest.mark.parametrize(("new", "old", "worse"), [(0.70, 0.80, True), (0.79, 0.80, False), (0.80, 0.70, False)])
def test_stored_figures_are_compared_beyond_noise(new: float, old: float, worse: bool) -> None:
    found = stored_evidence(make(1, dev=figures(new)), make(2, dev=figures(old)))
    assert found is not None
    assert found["worse"] == (["urusan accuracy"] if worse else [])
    assert found["heads"]["urusan"]["difference"] == pytest.approx(new - old)


def test_stored_figures_of_other_rows_say_nothing() -> None:
    one = make(1, dev=figures(0.7))
    for other in (
        make(2),
        make(2, dev=figures(0.8, data="d2")),
        make(2, dev={"kind": {}}),
        make(2, dev={"urusan": {}}),
    ):
        assert stored_evidence(one, other) is None
        assert stored_evidence(other, one) is None
    assert stored_evidence(replace(one, metrics={"dev": {"urusan": {"accuracy": 0.7}}}), one) is None


def test_stored_evidence_is_good_for_promoting(tmp_path: Path) -> None:
    for name, accuracy in (("m1", 0.8), ("m2", 0.81), ("m3", 0.5)):
        save_bundle(make(int(name[1]), dev=figures(accuracy)), tmp_path / name)
    promote(tmp_path / "m1", evidence=None)
    loaded = {name: load_bundle(tmp_path / name) for name in ("m1", "m2", "m3")}
    promote(tmp_path / "m2", evidence=stored_evidence(loaded["m2"], loaded["m1"]))
    with pytest.raises(BundleError, match="worse than m2"):
        promote(tmp_path / "m3", evidence=stored_evidence(loaded["m3"], loaded["m2"]))
