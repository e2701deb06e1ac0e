from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
from tiny import indobert

from lapor_nlp.bundle import load_bundle
from lapor_nlp.drift import Reference
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.scorer import Scorer
from lapor_nlp.taxonomy.migration import Change, Migration
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.training import train as module
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.train import Trained, agreement, former_heads, train

TEXTS = {
    "penerangan-jalan": "Lampu penerangan jalan mati di gang {}",
    "pdam": "Air keran mati dan keruh sejak tanggal {}",
    "sampah": "Sampah menumpuk bau di depan nomor {}",
}
WORDS = TrainConfig(encoder=None, heads=("topic", "kind"), lexical_kept=None)
TINY = replace(
    WORDS,
    encoder="set below",
    auxiliary=("street",),
    epochs=6,
    batch=12,
    learning_rate=3e-3,
    longest=16,
    precision="fp32",
    threads=1,
    patience=9,
)
KINDS = ("aspirasi", "pengaduan")


def rows(count: int, start: int = 0, topics: tuple[str, ...] = tuple(TEXTS)) -> Examples:
    made = [
        (TEXTS[topic].format(i), topic, KINDS[i % 2], f"gang-{i % 3}")
        for i in range(start, start + count)
        for topic in topics
    ]
    texts, topic, kind, street = zip(*made, strict=True)
    return Examples(texts=list(texts), labels={"topic": list(topic), "kind": list(kind), "street": list(street)})


def run(out: Path, config: TrainConfig, learnt: Examples | None = None, **options: bool) -> Trained:
    return train(
        learnt or rows(12),
        rows(40, 100),
        config,
        out,
        taxonomy=Taxonomy.load(),
        version="1",
        say=lambda _: None,
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(indobert(tmp_path_factory.mktemp("indobert")))


@pytest.fixture(scope="module")
def trained(encoder: str, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return run(tmp_path_factory.mktemp("models") / "tiny", replace(TINY, encoder=encoder))


def test_words_alone_make_a_bundle(tmp_path: Path) -> None:
    made = run(tmp_path / "words", WORDS)
    scores = Scorer.load(made.folder).score(["lampu jalan mati", "sampah bau"], ["topic"])
    assert [scores.labels["topic"][k] for k in scores.probabilities["topic"].argmax(axis=1)] == [
        "penerangan-jalan",
        "sampah",
    ]
    assert load_bundle(made.folder).policy("topic").act_alone is not None
    assert made.metrics["dev"]["topic"]["accuracy"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["words"]


def test_an_encoder_speaks_in_the_bundle(trained: Trained) -> None:
    bundle = load_bundle(trained.folder)
    assert set(bundle.classifier.dense) == {"topic", "kind"}
    assert bundle.classifier.mixes["topic"].encoder > 0
    assert bundle.classifier.projection is not None
    assert trained.metrics["agreement"]["topic"] >= module.LEAST_AGREEMENT
    scores = Scorer.load(trained.folder).score(["Sampah menumpuk bau di depan nomor 3"])
    assert scores.vectors is not None
    assert scores.labels["topic"][int(scores.probabilities["topic"][0].argmax())] == "sampah"


def test_it_keeps_a_picture_of_its_traffic(trained: Trained) -> None:
    reference = Reference.of_bundle(load_bundle(trained.folder))
    assert set(reference.expected) == {"topic", "kind"}


def test_the_place_of_the_encoder_is_not_told(trained: Trained, encoder: str) -> None:
    assert load_bundle(trained.folder).origin["config"]["encoder"] == Path(encoder).name
    assert all(encoder not in p.read_text(errors="replace") for p in trained.folder.iterdir() if p.suffix == ".json")


def test_a_bundle_is_a_start_for_the_next(trained: Trained, tmp_path: Path) -> None:
    made = run(tmp_path / "next", replace(TINY, encoder=str(trained.folder), epochs=1, learning_rate=1e-6))
    before, after = (Scorer.load(folder).score(rows(3).texts) for folder in (trained.folder, made.folder))
    assert before.vectors is not None
    assert after.vectors is not None
    near = (before.vectors * after.vectors).sum(axis=1)
    near /= np.linalg.norm(before.vectors, axis=1) * np.linalg.norm(after.vectors, axis=1)
    assert near.min() > 0.98


def test_former_heads_are_put_in_the_new_order(trained: Trained) -> None:
    bundle = load_bundle(trained.folder)
    old = bundle.classifier.dense["topic"]
    learnt = rows(6)
    more = [f"Pohon tumbang menutup jalan nomor {i}" for i in range(6)]
    labels = {
        "topic": [*learnt.labels["topic"], *["pohon"] * 6],
        "agency": [None] * (len(learnt) + 6),
    }
    grown = Examples(texts=[*learnt.texts, *more], labels=labels)
    new = former_heads(bundle, {"topic": ("pohon", *reversed(old.labels)), "agency": ("a", "b")}, grown)
    assert set(new) == {"topic"}
    assert np.allclose(new["topic"].weights[:, 1:], old.weights[:, ::-1])
    encoder = bundle.classifier.encoder
    assert encoder is not None
    said = encoder.encode(more).vectors @ new["topic"].weights + new["topic"].bias
    assert (said.argmax(axis=1) == 0).mean() > 0.8


def test_a_renamed_label_keeps_what_it_learnt(trained: Trained) -> None:
    bundle = load_bundle(trained.folder)
    old = bundle.classifier.dense["topic"]
    step = Migration(
        from_version="a", to_version="b", changes=(Change(operation="rename", old=("sampah",), new=("limbah",)),)
    )
    names = tuple("limbah" if label == "sampah" else label for label in old.labels)
    renamed = replace(rows(6), labels={"topic": ["limbah" if x == "sampah" else x for x in rows(6).labels["topic"]]})
    assert np.allclose(former_heads(bundle, {"topic": names}, renamed, [step])["topic"].weights, old.weights)


def test_an_export_that_says_otherwise_is_not_written(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAST_AGREEMENT", 1.01)
    with pytest.raises(TrainingDataError, match="--no-int8"):
        run(tmp_path / "models" / "tiny", replace(TINY, encoder=encoder, epochs=1))
    assert not (tmp_path / "models" / "tiny").exists()


def test_another_run_in_the_same_place_is_refused(
    encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(TINY, encoder=encoder, epochs=1)
    monkeypatch.setattr(module, "export_encoder", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "tiny", config)
    monkeypatch.undo()
    with pytest.raises(TrainingDataError, match="--restart"):
        run(tmp_path / "tiny", replace(config, seed=8))
    assert run(tmp_path / "tiny", replace(config, seed=8), restart=True).folder.is_dir()


def test_labels_with_too_few_rows_are_left_out(tmp_path: Path) -> None:
    learnt = rows(12)
    once = Examples(
        texts=[*learnt.texts, "Pohon tumbang"],
        labels={head: [*column, "pohon"] for head, column in learnt.labels.items()},
    )
    made = run(tmp_path / "words", WORDS, once)
    assert "pohon" not in load_bundle(made.folder).classifier.labels["topic"]


@pytest.mark.parametrize(
    ("learnt", "message"),
    [
        (rows(12, topics=("sampah",)), "has 1 labels with at least 2 rows"),
        (Examples(texts=["a", "b"], labels={"topic": ["x", "y"], "kind": ["x", "y"]}), "has 0 labels"),
    ],
)
def test_rows_that_teach_nothing(tmp_path: Path, learnt: Examples, message: str) -> None:
    with pytest.raises(TrainingDataError, match=message):
        run(tmp_path / "words", WORDS, learnt)
    assert list(tmp_path.iterdir()) == []


def test_agreement_is_the_share_of_equal_first_labels() -> None:
    one = {"topic": np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])}
    other = {"topic": np.array([[0.8, 0.2], [0.7, 0.3], [0.9, 0.1], [0.1, 0.9]])}
    assert agreement(one, other) == {"topic": 0.75}
