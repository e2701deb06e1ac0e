"""Duplicates through the router and the command line, with the packaged bundle."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lapor_nlp import Decision, Report, Router, StoreError
from lapor_nlp.batch.grouping import group
from lapor_nlp.duplicates.memory import MemoryStore
from lapor_nlp.router import vector_size

LAMP = "Lampu PJU mati di Jl Melati Gang 3 RT 02 RW 05 Caturtunggal, Depok, Sleman, gelap sekali dan rawan"
AGAIN = "Mohon lampu jalan di Jl. Melati gg 3 Caturtunggal Sleman segera diperbaiki, sampai sekarang belum ditangani"
NEXT = LAMP.replace("Gang 3", "Gang 7").replace("RT 02", "RT 04")
WASTE = "Sampah menumpuk di belakang Pasar Beringharjo Kota Yogyakarta, baunya menyengat"


def report(name: str, text: str, day: int = 0, **fields: object) -> Report:
    return Report(id=name, text=text, time=datetime(2026, 3, 1) + timedelta(days=day), **fields)  # type: ignore[arg-type]


STREAM = [report("1", LAMP), report("2", WASTE, 1), report("3", AGAIN, 2), report("4", NEXT, 2), report("5", LAMP, 3)]


def load(store: object) -> Router:
    return Router.load(store=store)  # type: ignore[arg-type]


def matched(decision: object) -> list[tuple[str, str]]:
    assert isinstance(decision, Decision)
    return [(match.id, match.relation) for match in decision.duplicates]


def test_a_repeat_in_other_words_is_found_and_the_next_alley_is_not(tmp_path: Path) -> None:
    router = load(tmp_path)
    assert router.remember([report("1", LAMP)]) == []
    assert matched(router.route(report("3", AGAIN, 2))) == [("1", "same")]
    assert ("1", "same") not in matched(router.route(report("4", NEXT, 2)))
    assert matched(router.route(report("2", WASTE))) == []
    assert matched(router.route(report("1", LAMP))) == []


def test_deciding_writes_nothing_and_a_retry_changes_nothing(tmp_path: Path) -> None:
    router = load(tmp_path)
    first = [decision.to_dict() for decision in router.route_many(STREAM)]
    assert router.store is not None
    assert len(router.store) == 0
    assert [decision.to_dict() for decision in router.route_many(STREAM)] == first
    router.remember(STREAM)
    router.remember(STREAM)
    assert len(router.store) == len(STREAM)
    assert matched(router.route(STREAM[4])) == matched(router.route(STREAM[4]))


def test_chunks_restarts_and_kinds_of_stores_change_nothing(tmp_path: Path) -> None:
    def answers(router: Router, chunk: int) -> list[object]:
        return [decision.to_dict()["duplicates"] for decision in router.route_many(STREAM, chunk=chunk)]

    router = load(tmp_path / "a")
    expected = answers(router, 256)
    assert [bool(found) for found in expected] == [False, False, True, True, True]
    assert answers(router, 1) == answers(router, 2) == expected
    memory = load(MemoryStore(vector_size(router.bundle)))
    assert answers(memory, 3) == expected
    one_by_one = []
    for each in STREAM:  # decided, then remembered by a process that starts anew each time
        fresh = load(tmp_path / "b")
        one_by_one.append(fresh.route(each).to_dict()["duplicates"])
        fresh.remember([each])
    assert one_by_one == expected


def test_confidential_reports_are_never_shown_to_citizens(tmp_path: Path) -> None:
    router = load(tmp_path)
    router.remember([report("1", LAMP, confidential=True)])
    assert [match.id for match in router.find_duplicates(report("3", AGAIN, 2)).matches] == ["1"]
    assert router.find_duplicates(report("3", AGAIN, 2), audience="citizen").matches == ()


def test_forgetting_and_verdicts(tmp_path: Path) -> None:
    router = load(tmp_path)
    router.remember(STREAM[:2])
    router.link("3", "1", repeats=False)
    assert matched(router.route(STREAM[2])) == []
    assert router.unlink("3", "1")
    router.link("3", "2")
    assert matched(router.route(STREAM[2]))[0] == ("2", "same")
    assert router.forget(["1", "2"]) == 2
    assert matched(router.route(STREAM[2])) == []


def test_no_text_is_kept(tmp_path: Path) -> None:
    router = load(tmp_path)
    router.remember([report("1", "Lampu mati di Jl Zyxwvut, hubungi Kasiyem 081234567890", sender="warga-7")])
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir()).lower()
    for word in (b"zyxwvut", b"kasiyem", b"081234567890", b"lampu", b"warga-7"):
        assert word not in kept


def test_bad_rows_come_back_and_the_rest_is_kept(tmp_path: Path) -> None:
    router = load(tmp_path)
    failures = router.remember([report("1", LAMP), {"id": "2"}, report("1", WASTE), {"id": "4", "text": WASTE}])
    assert [failure.id for failure in failures] == ["2", "1"]
    assert router.store is not None
    assert len(router.store) == 2


def test_a_router_without_a_store_says_how_to_get_one(router: Router) -> None:
    with pytest.raises(StoreError, match="store='FOLDER'"):
        router.remember([report("1", LAMP)])
    assert matched(router.route(report("1", LAMP))) == []


def test_grouping_does_not_depend_on_the_order_of_a_file(router: Router) -> None:
    expected = group(STREAM, router)
    assert [(found.parent, set(found.children)) for found in expected.groups] == [("1", {"3", "5"})]
    assert group(STREAM[::-1], router).groups == expected.groups


# ---- command line


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lapor_nlp", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "reports.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(("id", "text", "time"))
        table.writerows((each.id, each.text, each.time.isoformat() if each.time else "") for each in STREAM)
    return path


def test_the_store_from_the_command_line(tmp_path: Path, file: Path) -> None:
    store = str(tmp_path / "store")
    assert run("duplicates", "remember", store, str(file)).returncode == 0
    assert "5 reports" in run("duplicates", "remember", store, str(file), "--missing").stdout
    routed = run("route", AGAIN, "--json", "--store", store)
    assert json.loads(routed.stdout)["duplicates"][0]["relation"] == "same"
    assert run("duplicates", "link", store, "3", "1").stdout == "kept\n"
    assert run("duplicates", "link", store, "1", "3").returncode == 2
    assert "1 of 2" in run("duplicates", "forget", store, "3", "99").stdout
    assert run("duplicates", "forget", str(tmp_path / "nowhere"), "3").returncode == 2


def test_groups_of_a_file(tmp_path: Path, file: Path) -> None:
    done = run("duplicates", "group", str(file), "--out", str(tmp_path / "list.html"))
    assert done.returncode == 0
    page = (tmp_path / "list.html").read_text(encoding="utf-8")
    assert "<code>1</code>" in page
    assert "http" not in page.split("<body>")[1]
    run("duplicates", "group", str(file), "--out", str(tmp_path / "list.csv"))
    with (tmp_path / "list.csv").open(encoding="utf-8") as table:
        assert {(row["parent"], row["child"]) for row in csv.DictReader(table)} == {("1", "3"), ("1", "5")}
    assert run("duplicates", "group", str(file), "--out", "list.pdf").returncode == 2


def test_scores_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    sides = [{"text": LAMP, "time": "2026-03-01"}, {"text": AGAIN, "time": "2026-03-03"}, {"text": WASTE}]
    rows = [{"a": sides[0], "b": sides[1]}, {"a": sides[1], "b": sides[0]}, {"a": sides[0], "b": sides[2]}, {"a": 1}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = run("duplicates", "score", str(path), "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [row.get("relation") for row in found] == ["same", "same", "none", None]
    assert found[0]["probability"] == found[1]["probability"]
    assert "two reports" in found[3]["error"]["text"]


def test_fitting_needs_enough_pairs(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"a": {"text": LAMP}, "b": {"text": AGAIN}, "same": True}), encoding="utf-8")
    done = run("duplicates", "fit", str(path), "--out", str(tmp_path / "model"))
    assert done.returncode == 2
    assert "judge more pairs" in done.stderr
    assert not (tmp_path / "model").exists()
