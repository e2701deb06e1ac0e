"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LAMP = "Lampu jalan mati di Jl Kaliurang km 5, Sleman"


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lapor_nlp", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=120)


def lines(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.decode().splitlines()]


def test_a_report_for_a_person() -> None:
    done = run("route", LAMP)
    text = done.stdout.decode()
    assert done.returncode == 0
    for part in ("Lampu penerangan jalan umum", "PERHUBUNGAN", "Kabupaten Sleman", "Dinas Perhubungan", "Keyakinan"):
        assert part in text


def test_a_report_as_json() -> None:
    done = run("route", LAMP, "--json")
    (row,) = lines(done.stdout)
    assert row["agency"]["name"] == "Dinas Perhubungan Kabupaten Sleman"  # type: ignore[index]


def test_a_pipe_of_reports() -> None:
    done = run("route", "-", "--json", stdin=f"{LAMP}\nAir PDAM mati di Kota Padang\n".encode())
    assert [row["id"] for row in lines(done.stdout)] == ["1", "2"]


def test_a_file_with_a_bad_row_goes_on_and_tells(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,isi\n1,"Air mati, Kota Padang"\n2\n3,Sampah menumpuk di Kuta Utara\n')
    done = run("route", str(path), "--json")
    rows = lines(done.stdout)
    assert done.returncode == 1
    assert [row["id"] for row in rows] == ["1", None, "3"]
    assert "1 cells" in rows[1]["error"]["text"]  # type: ignore[index]
    assert b"1 rows could not be read" in done.stderr


def test_lines_for_a_person(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("Sampah menumpuk di Kuta Utara\n")
    done = run("route", str(path))
    assert done.stdout.decode().split("\t")[2] == "sampah"


def test_personal_data_is_not_printed() -> None:
    for command in ("route", "explain"):
        done = run(command, "KTP saya NIK 3404071212900001 di Sleman belum jadi, nama saya Budi Hartono")
        assert done.returncode == 0
        assert b"3404071212900001" not in done.stdout
        assert b"Hartono" not in done.stdout
        assert b"[NIK]" in done.stdout


def test_explain_shows_words_places_and_rule() -> None:
    text = run("explain", LAMP).stdout.decode()
    for part in ("Kata yang menentukan topik", "Lampu", "34.04", "Sleman", "Aturan:"):
        assert part in text


def test_topics_are_listed() -> None:
    rows = lines(run("topics", "--json").stdout)
    assert {"jalan-rusak", "mbg"} <= {row["code"] for row in rows}


def test_the_model_is_described() -> None:
    (row,) = lines(run("model").stdout)
    assert row["name"] == "lapor"
    assert row["policies"]["topic"]["risk"] == 0.05  # type: ignore[index]


def test_errors_are_one_line_and_code_two(tmp_path: Path) -> None:
    for arguments in (
        ("route", "  "),
        ("route", "nothere.csv"),
        ("route", LAMP, "--bundle", str(tmp_path)),
        ("route", LAMP, "--lat", "5"),
    ):
        done = run(*arguments)
        assert done.returncode == 2
        message = done.stderr.decode().strip()
        assert message.startswith("lapor-nlp: ")
        assert "\n" not in message
        assert "Traceback" not in message


def test_a_long_report_is_no_file_name() -> None:
    for length in (300, 900, 3000):
        text = ("Lampu jalan mati di Sleman, gelap sekali. " * 100)[:length]
        done = run("route", text, "--json")
        assert done.returncode == 0
        assert lines(done.stdout)[0]["topic"]["code"] == "penerangan-jalan"  # type: ignore[index]


def test_what_looks_like_a_file_but_is_none(tmp_path: Path) -> None:
    for source in (str(tmp_path), "Laporan Maret.csv", "hilang.ndjson", "hilang.json"):
        done = run("route", source)
        assert done.returncode == 2
        assert done.stderr.startswith(b"lapor-nlp: ")


def test_options_of_one_report_do_not_go_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Air mati\n")
    done = run("route", str(tmp_path / "a.txt"), "--kabkota", "Sleman")
    assert done.returncode == 2
    assert b"use columns" in done.stderr


def test_broken_characters_do_not_stop_a_stream() -> None:
    rows = b'{"id": "\\ud800", "text": "Air mati"}\n{"id": "2", "text": "Air PDAM mati di Kota Padang"}\n'
    for options in ((), ("--json",)):
        done = run("route", "-", *options, stdin=rows)
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == 2


def test_terminal_commands_in_a_report_are_not_passed_on() -> None:
    done = run("route", "Lampu \x1b]0;judul\x07 jalan mati di Sleman \x1b[2J")
    assert b"\x1b" not in done.stdout


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Air PDAM mati di Kota Padang\n" * 3000)
    command = f"{sys.executable} -m lapor_nlp route {tmp_path / 'a.txt'} --json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, timeout=120)
    assert len(done.stdout.splitlines()) == 1
    assert b"Traceback" not in done.stderr
