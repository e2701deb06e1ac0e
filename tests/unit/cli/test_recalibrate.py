"""The commands recalibrate and drift, on a small bundle fitted here."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import lapor_nlp.cli.drift
import lapor_nlp.cli.recalibrate  # noqa: F401
from lapor_nlp.bundle import Bundle, load_bundle, save_bundle
from lapor_nlp.classifier.classifier import Classifier, Mix
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.cli.app import app
from lapor_nlp.decision import Policy
from lapor_nlp.errors import BundleError, ReadError, TrainingDataError
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

pytest.importorskip("sklearn")
pytest.importorskip("datasets")
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical

LEARNT = {
    "jalan": ["jalan rusak parah", "jalan berlubang dalam", "aspal jalan mengelupas"],
    "air": ["air keran mati", "air pdam keruh", "pipa pdam bocor"],
}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pairs = [(label, text) for label, texts in LEARNT.items() for text in texts]
    tokens = [Wordlist.load().tokens(clean(text)) for _, text in pairs]
    config = LexicalConfig(features=FeatureSettings(bits=12), fewest=1, strength=1.0)
    lexical = fit_lexical(tokens, {"urusan": [label for label, _ in pairs]}, config)
    bundle = Bundle(
        name="kecil",
        version="1",
        taxonomy="",
        classifier=Classifier(lexical=lexical, mixes={"urusan": Mix(lexical=2.0)}),
        policies={"urusan": Policy(act_alone=0.5)},
    )
    made = tmp_path_factory.mktemp("models") / "kecil"
    save_bundle(bundle, made)
    return made


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "segar.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["isi", "bidang", "tanggal"])
        for k in range(200):
            label = list(LEARNT)[k % 2]
            letters = chr(97 + k // 26) + chr(97 + k % 26)
            writer.writerow(
                [f"{letters} {LEARNT[label][k % 3]} dekat pasar {letters[::-1]}", label, f"2026-03-{1 + k // 10:02}"]
            )
        writer.writerow(["", "jalan", "2026-03-30"])
    return path


@pytest.fixture(scope="module")
def done(folder: Path, rows: Path) -> Result:
    out = str(folder.parent / "baru")
    return run("recalibrate", str(folder), str(rows), "--text", "isi", "--label", "urusan=bidang", "--out", out)


def test_recalibrate_then_drift(folder: Path, rows: Path, done: Result, tmp_path: Path) -> None:
    new = folder.parent / "baru"
    assert done.exit_code == 0, done.output
    assert "urusan: 200 labelled rows" in done.output
    assert "goes alone from     0.500 before" in done.output
    assert "1 rows of" in done.stderr
    assert load_bundle(new).version == "1+1"
    assert load_bundle(folder).version == "1"

    same = run("drift", str(new), str(rows))
    assert same.exit_code == 0, same.output
    assert same.output.startswith("ok: 200 reports")
    odd = tmp_path / "lain.jsonl"
    odd.write_text("".join(json.dumps({"text": f"The orchestra played {k} waltzes"}) + "\n" for k in range(80)))
    told = run("drift", str(new), str(odd), "--json")
    answer = json.loads(told.stdout)
    assert answer["verdict"] == "recalibrate"
    assert answer["rows"] == 80


def test_recalibrate_as_json(folder: Path, rows: Path, tmp_path: Path) -> None:
    arguments = ["--text", "isi", "--label", "urusan=bidang", "--risk", "0.1", "--out", str(tmp_path / "b"), "--json"]
    answer = json.loads(run("recalibrate", str(folder), str(rows), *arguments).stdout)
    assert answer["heads"]["urusan"]["rows"] == 200
    assert answer["heads"]["urusan"]["before"]["act_alone"] == 0.5
    assert load_bundle(tmp_path / "b").policy("urusan").risk == 0.1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--label", "urusan=tidakada"], TrainingDataError),
        ([], TrainingDataError),
        (["--label", "topik=bidang"], BundleError),
        (["--label", "urusan=bidang", "--risk", "5"], TrainingDataError),
    ],
)
def test_what_cannot_be_done_writes_nothing(
    folder: Path, rows: Path, tmp_path: Path, options: list[str], error: type[Exception]
) -> None:
    done = run("recalibrate", str(folder), str(rows), "--text", "isi", *options, "--out", str(tmp_path / "b"))
    assert isinstance(done.exception, error)
    assert not (tmp_path / "b").exists()


def test_drift_without_a_reference_or_without_reports(folder: Path, done: Result, rows: Path, tmp_path: Path) -> None:
    assert isinstance(run("drift", str(folder), str(rows)).exception, BundleError)
    assert done.exit_code == 0
    empty = tmp_path / "kosong.jsonl"
    empty.write_text('{"text": ""}\n')
    assert isinstance(run("drift", str(folder.parent / "baru"), str(empty)).exception, ReadError)
