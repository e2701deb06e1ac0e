"""The commands predict, evaluate, promote, rollback and history, on small bundles fitted here."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import lapor_nlp.cli.evaluate
import lapor_nlp.cli.predict
import lapor_nlp.cli.promote  # noqa: F401
from lapor_nlp.bundle import Bundle, load_bundle, save_bundle
from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.cli.app import app
from lapor_nlp.decision import Policy
from lapor_nlp.errors import BundleError, LaporError, MissingExtraError, ReadError, TrainingDataError
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

pytest.importorskip("sklearn")
pytest.importorskip("datasets")
import pyarrow as pa
import pyarrow.parquet as pq

from lapor_nlp.training.lexical import LexicalConfig, fit_lexical

LEARNT = {
    "jalan": ["jalan rusak parah", "jalan berlubang dalam", "aspal jalan mengelupas", "lubang di jalan raya"],
    "air": ["air keran mati", "air pdam keruh", "pipa pdam bocor", "air tidak mengalir"],
    "sampah": ["sampah menumpuk bau", "sampah tidak diangkut", "truk sampah jarang datang", "bakar sampah sore"],
    "lampu": ["lampu jalan mati", "lampu jalan padam", "penerangan jalan gelap", "tiang lampu roboh"],
}
PLACES = ["di depan pasar", "sejak kemarin", "tolong pak", "dekat sekolah", "sudah lama sekali"]
Rows = list[dict[str, Any]]


def fit(folder: Path, labels: dict[str, list[str]], heads: tuple[str, ...] = ("urusan",)) -> Path:
    """A bundle that learnt these texts; every head has the same labels."""
    pairs = [(label, text) for label, texts in labels.items() for text in texts]
    wordlist = Wordlist.load()
    column = [label for label, _ in pairs]
    config = LexicalConfig(features=FeatureSettings(bits=13), fewest=1, strength=1.0)
    tokens = [wordlist.tokens(clean(text)) for _, text in pairs]
    lexical = fit_lexical(tokens, dict.fromkeys(heads, column), config)
    bundle = Bundle(
        name=folder.name,
        version="1",
        taxonomy="",
        classifier=Classifier(lexical=lexical, mixes=dict.fromkeys(heads, Mix(lexical=3.0))),
        policies={heads[0]: Policy(act_alone=0.5)},
    )
    save_bundle(bundle, folder)
    return folder


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles `baik` (good), `buruk` (its labels are muddled) and `ganda` (two heads), and a test file."""
    folder = tmp_path_factory.mktemp("models")
    fit(folder / "baik", LEARNT)
    names = list(LEARNT)
    muddled = {name: LEARNT[names[(k + 1) % 4]][:3] + LEARNT[name][3:] for k, name in enumerate(names)}
    fit(folder / "buruk", muddled)
    fit(folder / "ganda", LEARNT, heads=("kind", "urusan"))
    with (folder / "uji.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["nomor", "isi", "urusan", "kategori", "tanggal", "kota"])
        for label, texts in LEARNT.items():
            for k, text in enumerate(texts):
                for place in PLACES:
                    row = [f"{label}{k}", f"{text} {place}, NIK 3404071212900001", label, label.upper()]
                    writer.writerow([*row, f"2026-0{k + 1}-05", "Kota Padang"])
        writer.writerow(["z", "pohon tumbang", "pohon", "POHON", "2026-05-01", ""])
    return folder


@pytest.fixture
def models(shelf: Path, tmp_path: Path) -> Path:
    """A folder with copies of the bundles, free to be promoted."""
    for name in ("baik", "buruk", "ganda"):
        save_bundle(load_bundle(shelf / name), tmp_path / name)
    return tmp_path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def failure(*arguments: str | Path) -> LaporError:
    """The error that the command ends with."""
    result = run(*arguments)
    assert isinstance(result.exception, LaporError), result.output
    return result.exception


def lines(result: Result) -> Rows:
    return [json.loads(line) for line in result.stdout.splitlines()]


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_predict_ranks_all_labels(shelf: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", {"id": "L-1", "text": "jalan berlubang"}, {"id": 2, "isi": "air pdam mati"})
    result = run("predict", shelf / "baik", file, "--json")
    assert result.exit_code == 0
    first, second = lines(result)
    assert list(first) == ["id", "head", "labels", "scores", "confidence", "alone", "truncated"]
    assert (first["id"], first["head"], first["labels"][0]) == ("L-1", "urusan", "jalan")
    assert (second["id"], second["labels"][0]) == ("2", "air")
    assert sorted(first["labels"]) == sorted(LEARNT)
    assert first["scores"] == sorted(first["scores"], reverse=True)
    assert sum(first["scores"]) == pytest.approx(1, abs=1e-4)
    assert 0.5 < first["confidence"] < 1
    assert (first["alone"], first["truncated"]) == (True, False)


@pytest.mark.parametrize(("top", "count"), [("2", 2), ("all", 4), ("99", 4)])
def test_predict_as_many_labels_as_asked_for(shelf: Path, tmp_path: Path, top: str, count: int) -> None:
    file = write(tmp_path / "in.jsonl", {"id": "L-1", "text": "jalan berlubang"})
    (row,) = lines(run("predict", shelf / "baik", file, "--json", "--top", top))
    assert len(row["labels"]) == len(row["scores"]) == count


@pytest.mark.parametrize("top", ["0", "-1", "lima", ""])
def test_predict_refuses_other_numbers(shelf: Path, tmp_path: Path, top: str) -> None:
    file = write(tmp_path / "in.jsonl", {"id": "L-1", "text": "jalan"})
    assert run("predict", shelf / "baik", file, "--top", top).exit_code == 2


def test_predict_lines_for_a_person(shelf: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", {"id": "L\t1\x1b", "text": "jalan berlubang"}, {"id": "L-2"})
    result = run("predict", shelf / "baik", file)
    first, second = result.stdout.splitlines()
    assert first.split("\t")[0] == "L 1"
    assert first.split("\t")[3] == "jalan"
    assert second.split("\t")[:2] == ["L-2", "error"]


def test_predict_puts_errors_in_their_place(shelf: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    rows = [b'{"id": "1", "text": "air mati"}', b"{", b'{"id": "3", "text": 5}', b'{"id": "4", "text": "\xe9"}']
    file.write_bytes(b"\n".join([*rows, b'{"id": "5", "text": ""}', b'{"text": "sampah bau"}']))
    result = run("predict", shelf / "baik", file, "--json")
    assert result.exit_code == 1
    assert "4 rows could not be read" in result.stderr
    found = lines(result)
    assert [(row["id"], row.get("line"), "error" in row) for row in found] == [
        ("1", None, False),
        (None, 2, True),
        ("3", 3, True),
        (None, 4, True),
        ("5", 5, True),
        ("6", None, False),
    ]
    assert "text" in found[2]["error"]["text"]


def test_predict_answers_chunk_by_chunk_as_all_at_once(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"{text} {place}" for texts in LEARNT.values() for text in texts for place in PLACES]
    rows = [{"id": str(k), "text": text} for k, text in enumerate(texts)]
    file = write(tmp_path / "in.jsonl", *rows[:10], [], *rows[10:])
    whole = run("predict", shelf / "baik", file, "--json").stdout
    monkeypatch.setattr("lapor_nlp.cli.predict._CHUNK", 7)
    parts = run("predict", shelf / "baik", file, "--json").stdout
    one, other = ([json.loads(line) for line in text.splitlines()] for text in (whole, parts))
    assert len(one) == len(texts) + 1
    for a, b in zip(one, other, strict=True):
        assert (a["id"], a.get("labels"), a.get("alone")) == (b["id"], b.get("labels"), b.get("alone"))


def test_predict_reads_named_columns(shelf: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("kode,kepala,keluhan,lat\nA,Lampu jalan,padam gelap,salah\n")
    columns = ("--text", "keluhan", "--title", "kepala", "--id", "kode")
    result = run("predict", shelf / "baik", file, "--json", *columns)
    (row,) = lines(result)
    assert (row["id"], row["labels"][0]) == ("A", "lampu")
    assert "no column aduan among its 4" in str(failure("predict", shelf / "baik", file, "--text", "aduan"))


def test_predict_reads_parquet(shelf: Path, tmp_path: Path) -> None:
    file = tmp_path / "in.parquet"
    pq.write_table(pa.table({"nomor": [7, 8], "keluhan": ["air pdam mati", None], "lain": [1, 2]}), file)
    result = run("predict", shelf / "baik", file, "--json", "--text", "keluhan", "--id", "nomor")
    first, second = lines(result)
    assert (first["id"], first["labels"][0]) == ("7", "air")
    assert (second["id"], second["line"]) == ("8", 2)
    file.write_bytes(b"PAR1 but not really")
    assert isinstance(failure("predict", shelf / "baik", file), ReadError)


def test_predict_of_text_lines_and_of_an_empty_file(shelf: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("air pdam mati\n\nsampah bau\n")
    assert [row["id"] for row in lines(run("predict", shelf / "baik", tmp_path / "in.txt", "--json"))] == ["1", "3"]
    (tmp_path / "kosong.jsonl").write_text("")
    result = run("predict", shelf / "baik", tmp_path / "kosong.jsonl", "--json")
    assert (result.exit_code, result.stdout) == (0, "")


def test_predict_asks_which_of_several_heads(shelf: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", {"id": "1", "text": "air mati"})
    assert "has several heads: kind, urusan; name one with --head" in str(failure("predict", shelf / "ganda", file))
    (row,) = lines(run("predict", shelf / "ganda", file, "--head", "kind", "--json"))
    assert (row["head"], row["alone"]) == ("kind", True)
    assert "has no head 'topic'" in str(failure("predict", shelf / "ganda", file, "--head", "topic"))


def test_predict_needs_a_model_and_a_file(shelf: Path, tmp_path: Path) -> None:
    assert isinstance(failure("predict", tmp_path, shelf / "uji.csv"), BundleError)
    assert isinstance(failure("predict", shelf / "baik", tmp_path / "tiada.csv"), ReadError)


def test_evaluate_says_how_well(shelf: Path) -> None:
    result = run("evaluate", shelf / "baik", shelf / "uji.csv", "--labels", "urusan", "--json")
    assert result.exit_code == 0, result.output
    (row,) = lines(result)
    assert (row["head"], row["rows"], row["unknown_labels"]) == ("urusan", 81, {"pohon": 1})
    assert row["accuracy"] > 0.9
    traits = {part["trait"] for part in row["slices"]}
    assert traits == {"length in words", "month", "region", "language", "truncated"}
    assert "3404071212900001" not in result.stdout


def test_evaluate_shows_a_person_the_figures(shelf: Path) -> None:
    text = run("evaluate", shelf / "baik", shelf / "uji.csv", "--labels", "urusan").stdout
    for part in ("accuracy", "macro_f1", "alone_error", "81 labelled rows", "count as wrong: pohon"):
        assert part in text


def test_evaluate_against_another(shelf: Path) -> None:
    command = ("evaluate", shelf / "buruk", shelf / "uji.csv", "--label", "urusan=urusan", "--against", shelf / "baik")
    (row,) = lines(run(*command, "--json", "--resamples", "200"))
    assert row["comparison"]["worse"] == ["accuracy", "macro_f1"]
    assert row["comparison"]["rows"] == 81
    assert row["against"]["bundle"]["name"] == "baik"
    assert "95 % interval" in run(*command).stdout


def test_evaluate_several_heads(shelf: Path) -> None:
    result = run("evaluate", shelf / "ganda", shelf / "uji.csv", "--labels", "urusan,kind=urusan", "--json")
    assert [row["head"] for row in lines(result)] == ["urusan", "kind"]


def test_evaluate_writes_a_report(shelf: Path, tmp_path: Path) -> None:
    page = tmp_path / "laporan.html"
    command = ("evaluate", shelf / "buruk", shelf / "uji.csv", "--labels", "urusan", "--report", page)
    result = run(*command, "--against", shelf / "baik")
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert "[NIK]" in text
    assert "3404071212900001" not in text
    assert "uji.csv" in text
    run(*command, "--no-texts")
    assert "[NIK]" not in page.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["laporan.html"]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ((), TrainingDataError, "say which column holds the labels"),
        (("--labels", "kategori"), BundleError, r"no head 'kategori'; it has urusan: .*HEAD=COLUMN"),
        (("--label", "urusan=kategori"), TrainingDataError, "knows none of the 5 labels in the column kategori"),
        (("--label", "urusan=tiada"), TrainingDataError, "no column tiada"),
        (("--label", "urusan="), TrainingDataError, "names no column"),
        (("--label", "urusan=a,urusan=b"), TrainingDataError, "urusan twice"),
    ],
)
def test_evaluate_with_labels_of_other_heads(
    shelf: Path, labels: tuple[str, ...], error: type[LaporError], message: str
) -> None:
    with pytest.raises(error, match=message):
        raise failure("evaluate", shelf / "baik", shelf / "uji.csv", *labels)


def test_the_first_promotion_and_a_better_one(models: Path, shelf: Path) -> None:
    assert run("promote", models / "buruk").exit_code == 0
    assert load_bundle(models / "current").name == "buruk"
    result = run("promote", models / "baik", "--test", shelf / "uji.csv", "--labels", "urusan", "--json")
    assert result.exit_code == 0, result.output
    (row,) = lines(result)
    assert (row["bundle"], row["evidence"]["test"], row["evidence"]["worse"]) == ("baik", "uji.csv", [])
    assert load_bundle(models / "current").name == "baik"


def test_a_worse_one_is_refused_and_the_former_stays(models: Path, shelf: Path) -> None:
    run("promote", models / "baik")
    command = ("promote", models / "buruk", "--test", shelf / "uji.csv", "--labels", "urusan", "--resamples", "200")
    assert "worse than baik beyond noise (urusan accuracy, urusan macro_f1)" in str(failure(*command))
    assert load_bundle(models / "current").name == "baik"
    assert run(*command, "--force").exit_code == 0
    assert load_bundle(models / "current").name == "buruk"


def test_promotion_without_a_test_asks_for_one(models: Path) -> None:
    run("promote", models / "baik")
    assert "--test FILE" in str(failure("promote", models / "buruk"))
    assert run("promote", models / "buruk", "--force").exit_code == 0


def test_promotion_when_the_current_one_is_broken(models: Path, shelf: Path) -> None:
    run("promote", models / "buruk")
    (models / "buruk" / "lexical.safetensors").write_bytes(b"")
    command = ("promote", models / "baik", "--test", shelf / "uji.csv", "--labels", "urusan")
    assert "no longer loads" in str(failure(*command))
    assert run(*command, "--force").exit_code == 0


def test_rollback_and_history(models: Path) -> None:
    run("promote", models / "baik")
    run("promote", models / "buruk", "--force")
    result = run("rollback", models / "current")
    assert (result.exit_code, load_bundle(models / "current").name) == (0, "baik")
    assert "rolled back" in result.stdout
    found = lines(run("history", models, "--json"))
    assert [(row["bundle"], row["forced"], row["rollback"]) for row in found] == [
        ("baik", False, False),
        ("buruk", True, False),
        ("baik", False, True),
    ]
    assert len(run("history", models).stdout.splitlines()) == 3
    assert "no earlier model" in str(failure("rollback", models))


def test_predict_through_the_pointer(models: Path, tmp_path: Path) -> None:
    run("promote", models / "baik")
    file = write(tmp_path / "in.jsonl", {"id": "1", "text": "air pdam mati"})
    (row,) = lines(run("predict", models / "current", file, "--json"))
    assert row["labels"][0] == "air"


def test_without_the_extra_the_message_names_it(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("lapor_nlp.training.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "datasets", None)
    error = failure("evaluate", shelf / "baik", shelf / "uji.csv", "--labels", "urusan")
    assert isinstance(error, MissingExtraError)
    assert "lapor-nlp[train]" in str(error)
