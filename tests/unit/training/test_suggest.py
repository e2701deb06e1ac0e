from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from lapor_nlp.bundle import default_folder
from lapor_nlp.classifier.classifier import Scores
from lapor_nlp.errors import TrainingDataError

pytest.importorskip("sklearn")
pytest.importorskip("cleanlab")
import lapor_nlp.cli.suggest  # noqa: F401  (registers the command)
from lapor_nlp.cli.app import app
from lapor_nlp.training.suggest import Suggestion, looks_wrong, out_of_fold_probabilities, to_label
from lapor_nlp.training.table import Table, read_labelled

THINGS = {
    "air": ["air pdam keruh", "keran tidak mengalir", "pipa air bocor", "meteran air rusak", "tagihan air melonjak"],
    "jalan": ["jalan berlubang", "aspal mengelupas", "jalan ambles", "paving lepas", "jembatan retak"],
    "lampu": ["lampu jalan padam", "tiang lampu miring", "lampu berkedip", "penerangan gelap", "kabel lampu putus"],
}
PLACES = ["dekat pasar", "depan sekolah", "di gang kami", "sejak pekan lalu", "di perumahan", "belakang kantor"]
LABELS = tuple(THINGS)


def reports() -> list[tuple[str, str]]:
    return [(f"{thing} {place}", label) for label, things in THINGS.items() for thing in things for place in PLACES]


def table(folder: Path, rows: list[tuple[str, str | None]]) -> Table:
    path = folder / "rows.jsonl"
    lines = ({"id": f"L-{k}", "text": text, "topic": label} for k, (text, label) in enumerate(rows))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return read_labelled(path, labels=["topic"])


def scores(probabilities: NDArray[np.float64], vectors: NDArray[np.float32] | None = None) -> Scores:
    rows = len(probabilities)
    return Scores(
        labels={"topic": LABELS},
        probabilities={"topic": probabilities},
        vectors=vectors,
        truncated=np.zeros(rows, dtype=np.bool_),
        rarity=np.zeros(rows),
    )


def sure(rows: int, lead: float = 0.98) -> NDArray[np.float64]:
    return np.tile([lead, 0.6 * (1 - lead), 0.4 * (1 - lead)], (rows, 1))


def test_the_undecided_are_suggested_with_the_two_labels() -> None:
    texts = [text for text, _ in reports()]
    probabilities = sure(len(texts))
    probabilities[[7, 40, 80]] = [0.04, 0.5, 0.46]
    found = to_label(scores(probabilities), texts, head="topic", count=3)
    assert {s.row for s in found} >= {7}
    assert found[0] == Suggestion(row=found[0].row, why="jalan 0.50 or lampu 0.46", score=0.96)
    assert found[0].row in (7, 40, 80)


@pytest.mark.parametrize("encoder", [False, True])
def test_repeats_are_suggested_once(encoder: bool) -> None:
    template = "lampu jalan nomor {} di ujung gang kami padam sejak kemarin malam mohon segera diperbaiki"
    texts = [template.format(k) for k in range(30)] + ["pipa air bocor dekat pasar", "aspal mengelupas di gang"]
    vectors = np.random.default_rng(0).normal(size=(32, 5)).astype(np.float32) if encoder else None
    found = to_label(scores(sure(32, 0.4), vectors), texts, head="topic", count=10)
    assert len(found) == 3
    assert sorted(s.row >= 30 for s in found) == [False, True, True]


def test_nearly_the_same_words_are_suggested_once() -> None:
    base = "lampu penerangan di depan balai desa padam sudah tiga minggu dan belum diperbaiki petugas"
    texts = [base, "mohon " + base.replace("padam", "mati"), "air pdam keruh di perumahan", "jalan ambles"]
    rows = {s.row for s in to_label(scores(sure(4, 0.4)), texts, head="topic", count=4)}
    assert len(rows & {0, 1}) == 1
    assert rows >= {2, 3}


def test_suggestions_cover_unlike_rows_first() -> None:
    random = np.random.default_rng(1)
    centres = np.repeat(np.eye(5), 40, axis=0)
    vectors = (centres + random.normal(scale=0.02, size=centres.shape)).astype(np.float32)
    words = ["air", "jalan", "lampu", "pohon", "sampah", "parkir", "taman", "sungai", "pasar", "guru", "surat", "bau"]
    texts = [" ".join(random.permutation(words)[:5]) + f" {chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(200)]
    found = to_label(scores(sure(200, 0.4), vectors), texts, head="topic", count=5)
    assert {s.row // 40 for s in found} == set(range(5))
    assert found == to_label(scores(sure(200, 0.4), vectors), texts, head="topic", count=5)


def test_little_to_suggest_from() -> None:
    assert to_label(scores(np.empty((0, 3))), [], head="topic", count=5) == []
    assert [s.row for s in to_label(scores(sure(1, 0.4)), ["jalan rusak"], head="topic", count=5)] == [0]
    assert len(to_label(scores(sure(2, 0.4)), ["jalan rusak", "air keruh"], head="topic", count=5)) == 2


def test_wrong_labels_are_found(tmp_path: Path) -> None:
    rows: list[tuple[str, str | None]] = list(reports())
    wrong = {3: "lampu", 45: "air", 70: "jalan"}
    for row, label in wrong.items():
        rows[row] = (rows[row][0], label)
    labelled = table(tmp_path, rows)
    judged = out_of_fold_probabilities(labelled, "topic")
    assert judged.labels == LABELS
    np.testing.assert_allclose(judged.probabilities.sum(axis=1), 1)
    doubts = looks_wrong(labelled.labels("topic"), judged.probabilities, judged.labels)
    assert {d.row for d in doubts[:3]} == set(wrong)
    assert {d.row: d.given for d in doubts[:3]} == wrong
    assert all(d.suggested == reports()[d.row][1] for d in doubts[:3])
    assert [d.score for d in doubts] == sorted((d.score for d in doubts), reverse=True)


def test_a_row_is_never_judged_by_its_own_repeat(tmp_path: Path) -> None:
    text = "tetangga memelihara kuda di halaman belakang rumah susun sampai seluruh warga terganggu baunya"
    rows: list[tuple[str, str | None]] = [*reports(), *[(f"{text} {k}", "lampu") for k in range(8)]]
    judged = out_of_fold_probabilities(table(tmp_path, rows), "topic")
    assert judged.probabilities[-8:, 2].max() < 0.9


def test_rows_without_a_known_label_are_passed_over() -> None:
    probabilities = np.tile([0.9, 0.05, 0.05], (30, 1))
    labels: list[str | None] = ["air"] * 27 + [None, "tidak-dikenal", "lampu"]
    doubts = looks_wrong(labels, probabilities, LABELS)
    assert [(d.row, d.given, d.suggested) for d in doubts] == [(29, "lampu", "air")]
    assert looks_wrong([None] * 30, probabilities, LABELS) == []


def test_one_label_alone_can_be_doubted() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.3, 0.7, 0.0], [0.1, 0.2, 0.7]])
    doubts = looks_wrong(["air"] * 3, probabilities, LABELS)
    assert [(d.row, d.suggested, d.score) for d in doubts] == [(2, "lampu", 0.9), (1, "jalan", 0.7)]


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_any_labels_can_be_looked_over(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.choice(LABELS, rows).tolist()
    doubts = looks_wrong(labels, random.dirichlet([0.3] * 3, rows), LABELS)
    assert len({d.row for d in doubts}) == len(doubts)
    assert all(d.given == labels[d.row] != d.suggested for d in doubts)


def test_rare_labels_are_not_doubted(tmp_path: Path) -> None:
    text = "guru honorer belum menerima gaji di sekolah"
    rare: list[tuple[str, str | None]] = [(f"{text} {k}", "guru") for k in range(20)]
    labelled = table(tmp_path, [*reports(), *rare])
    judged = out_of_fold_probabilities(labelled, "topic")
    assert judged.labels == LABELS
    assert all(d.row < 90 for d in looks_wrong(labelled.labels("topic"), judged.probabilities, judged.labels))


def test_unlabelled_rows_get_probabilities_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"text": text, "topic": label, "kind": "aduan"} for text, label in reports()]
    rows[0]["topic"] = ""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    judged = out_of_fold_probabilities(read_labelled(path, labels=["topic", "kind"]), "topic")
    assert judged.labels[judged.probabilities[0].argmax()] == "air"
    with pytest.raises(TrainingDataError, match="1 of the 1 labels of kind have 10 different texts"):
        out_of_fold_probabilities(read_labelled(path, labels=["topic", "kind"]), "kind")


def lines(*arguments: str | Path) -> tuple[int, list[str], str]:
    result = CliRunner().invoke(app, ["suggest", *map(str, arguments)])
    return result.exit_code, result.stdout.splitlines(), result.stderr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = list(reports())
    rows[3] = (rows[3][0] + " hubungi 0812-3456-7890", "lampu")
    table(tmp_path, list(rows))
    return tmp_path / "rows.jsonl"


def test_command_for_unlabelled_rows(file: Path) -> None:
    code, out, _ = lines(file, "--count", "4", "--json")
    assert code == 0
    found = [json.loads(line) for line in out]
    assert 1 <= len(found) <= 4
    assert set(found[0]) == {"id", "head", "score", "why"}
    assert all(row["id"].startswith("L-") and row["head"] == "topic" for row in found)


def test_command_for_labels_that_look_wrong(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "doubts.csv"
    code, printed, told = lines(file, "--labels", "pokok=topic", "--with-text", "--out", out)
    assert (code, printed) == (0, [])
    assert str(out) in told
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert (rows[0]["id"], rows[0]["head"], rows[0]["given"], rows[0]["suggested"]) == ("L-3", "pokok", "lampu", "air")
    assert "[TELEPON]" in rows[0]["text"]
    assert "0812" not in out.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.glob(".doubts*")] == []


def test_command_says_what_does_not_go_together(file: Path, tmp_path: Path) -> None:
    assert lines(file, "--out", tmp_path / "x.xlsx")[0] == 2
    assert lines(file, "--labels", "topic", "--head", "topic")[0] == 2


def test_labels_that_the_model_does_not_know(file: Path) -> None:
    result = CliRunner().invoke(
        app, ["suggest", str(file), "--labels", "kind=topic", "--bundle", str(default_folder())]
    )
    assert isinstance(result.exception, TrainingDataError)
    assert "knows none of the labels in topic" in str(result.exception)
