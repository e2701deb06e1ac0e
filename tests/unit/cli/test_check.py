from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("datasets")
from lapor_nlp.cli import app

ROWS = [
    f"laporan {'abcdefghij'[k % 10] * k},{('sampah', 'drainase')[k % 2]},Dinas {'AB'[k % 2]},2025-01-{k + 1}"
    for k in range(10, 30)
]
CSV = "\n".join(["isi,topic,agency,tanggal", *ROWS, ""])


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *arguments])
    return result.exit_code, result.output


def test_usable_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(CSV, encoding="utf-8")
    code, output = run(str(path), "--labels", "topic, agency")
    assert code == 0
    assert "topic: 20 rows of 2 labels\nagency: 20 rows of 2 labels\n" in output
    assert output.endswith("Usable for training.\n")


def test_rows_of_no_use_as_json(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("teks,jenis\nAir mati,aduan\nGot mampet,aduan\n", encoding="utf-8")
    code, output = run(str(path), "--text", "teks", "--labels", "jenis", "--json")
    assert code == 2
    told = json.loads(output)
    assert told["usable"] is False
    assert "one_label" in [finding["code"] for finding in told["findings"]]


def test_a_dev_file(tmp_path: Path) -> None:
    for name in ("rows.csv", "dev.csv"):
        (tmp_path / name).write_text(CSV, encoding="utf-8")
    code, output = run(str(tmp_path / "rows.csv"), "--labels", "agency", "--dev", str(tmp_path / "dev.csv"))
    assert code == 0
    assert "20 rows of dev (100%) repeat a row of train" in output
