from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from lapor_nlp.bundle import Bundle, default_folder, load_bundle, save_bundle
from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.classifier.lexical import LexicalHead, LexicalModel
from lapor_nlp.decision import Policy
from lapor_nlp.errors import BundleError
from lapor_nlp.text.tokens import Tokens, words

WIDTH = 1 << 8


def tokens(text: str) -> Tokens:
    forms, starts, ends = words(text)
    return Tokens(forms, forms, starts, ends)


def make() -> Bundle:
    random = np.random.default_rng(1)
    weights = random.normal(size=(WIDTH, 3)) * (random.uniform(size=(WIDTH, 3)) < 0.4)
    head = LexicalHead(
        labels=("air", "jalan", "sampah"),
        weights=csr_matrix(weights.astype(np.float32)),
        bias=np.array([0.1, -0.2, 0.0], dtype=np.float32),
    )
    idf = random.uniform(1, 3, WIDTH).astype(np.float32)
    model = LexicalModel(settings=FeatureSettings(bits=8), idf=idf, heads={"topic": head})
    return Bundle(
        name="tiny",
        version="1",
        taxonomy="2026.11",
        classifier=Classifier(lexical=model, mixes={"topic": Mix(lexical=2.0)}),
        policies={"topic": Policy(act_alone=0.9, by_group={"air": None, "jalan": 0.8})},
        metrics={"topic": 0.5},
        reference={"rows": 10},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_bundle(make(), tmp_path / "tiny", card="# Tiny\n")
    return tmp_path / "tiny"


def edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, **changes}))


def test_a_bundle_comes_back_as_it_was(folder: Path) -> None:
    before, after = make(), load_bundle(folder)
    assert (after.name, after.version, after.taxonomy) == ("tiny", "1", "2026.11")
    assert after.policies == before.policies
    assert after.classifier.mixes == before.classifier.mixes
    assert after.reference == before.reference
    assert after.metrics == {"topic": 0.5}
    texts = [tokens("air mati di jalan"), tokens("sampah")]
    forms = ["air mati di jalan", "sampah"]
    old, new = (bundle.classifier.score(forms, texts).probabilities["topic"] for bundle in (before, after))
    assert np.allclose(old, new, atol=0.02)


def test_storing_what_was_stored_changes_nothing(folder: Path) -> None:
    first = load_bundle(folder)
    save_bundle(first, folder.parent / "again", card="# Tiny\n")
    assert load_bundle(folder.parent / "again").sha256 == first.sha256


def test_a_folder_of_the_first_format_still_loads(folder: Path) -> None:
    from lapor_nlp.bundle import _fingerprint

    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["format"] = 1
    manifest["policy"] = {"act_alone": 0.9}
    manifest["heads"] = {"topic": {"labels": ["air", "jalan", "sampah"], "sharpness": 2.0}}
    del manifest["policies"], manifest["encoder"], manifest["reference"]
    manifest["sha256"] = _fingerprint(manifest)
    path.write_text(json.dumps(manifest))
    loaded = load_bundle(folder)
    assert loaded.classifier.mixes == {"topic": Mix(lexical=2.0)}
    assert loaded.policy("topic") == Policy(act_alone=0.9, measure="share")


def test_a_pointer_stands_for_the_folder_beside_it(folder: Path) -> None:
    pointer = folder.parent / "current"
    pointer.write_text(json.dumps({"bundle": "tiny"}))
    assert load_bundle(pointer).sha256 == load_bundle(folder).sha256


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"bundle": "../tiny"}', '{"bundle": 3}'])
def test_a_pointer_that_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "current").write_text(content)
    with pytest.raises(BundleError, match="current"):
        load_bundle(tmp_path / "current")


def test_a_head_without_a_policy_never_acts_alone() -> None:
    assert make().policy("agency").act_alone is None


def test_writing_twice_gives_the_same_hash(tmp_path: Path) -> None:
    assert save_bundle(make(), tmp_path / "a") == save_bundle(make(), tmp_path / "b")


def test_an_older_bundle_is_replaced_whole(folder: Path) -> None:
    save_bundle(make(), folder)
    assert not (folder / "MODEL_CARD.md").exists()
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_it_does_not_write_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match="not a model folder"):
        save_bundle(make(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_nothing_is_left_of_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lapor_nlp.bundle.save_file", full)
    with pytest.raises(BundleError, match=r"No space.*nothing was changed"):
        save_bundle(make(), tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_everybody_may_read_it(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o644}


def test_no_pickle_inside(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {"manifest.json", "lexical.safetensors", "MODEL_CARD.md"}


def test_missing_file(folder: Path) -> None:
    (folder / "lexical.safetensors").unlink()
    with pytest.raises(BundleError, match=r"lexical\.safetensors: is missing"):
        load_bundle(folder)


def test_truncated_file(folder: Path) -> None:
    path = folder / "lexical.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BundleError, match=r"lexical\.safetensors: is damaged"):
        load_bundle(folder)


def test_one_bit_is_noticed(folder: Path) -> None:
    path = folder / "lexical.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BundleError, match="sha256 differs"):
        load_bundle(folder)


def test_an_edited_manifest_is_noticed(folder: Path) -> None:
    edit(folder, policies={"topic": {"act_alone": 0.01}})
    with pytest.raises(BundleError, match=r"manifest\.json: was changed"):
        load_bundle(folder)


def test_a_newer_format_says_upgrade(folder: Path) -> None:
    edit(folder, format=99)
    with pytest.raises(BundleError, match="upgrade lapor-nlp"):
        load_bundle(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"format": "1"}', "\xff"])
def test_a_manifest_that_is_none(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(BundleError, match=r"manifest\.json"):
        load_bundle(folder)


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no model folder"):
        load_bundle(tmp_path)


def test_files_outside_the_folder_are_refused(folder: Path) -> None:
    from lapor_nlp.bundle import _fingerprint

    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../secret"] = {"sha256": "", "bytes": 0}
    manifest["sha256"] = _fingerprint(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="plain file names"):
        load_bundle(folder)


def test_weights_of_another_model(folder: Path, tmp_path: Path) -> None:
    from lapor_nlp.bundle import _describe, _fingerprint

    other = make()
    small = LexicalModel(settings=FeatureSettings(bits=8), idf=other.classifier.lexical.idf[:100], heads={})
    save_bundle(
        Bundle(name="x", version="1", taxonomy="1", classifier=Classifier(lexical=small, mixes={}), policies={}),
        tmp_path / "other",
    )
    shutil.copy(tmp_path / "other" / "lexical.safetensors", folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["lexical.safetensors"] = _describe(folder / "lexical.safetensors")
    manifest["sha256"] = _fingerprint(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="does not fit its manifest"):
        load_bundle(folder)


def test_the_packaged_bundle_is_whole_and_small() -> None:
    folder = default_folder()
    bundle = load_bundle(folder)
    assert bundle.policy("topic").act_alone is not None
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 60_000_000
