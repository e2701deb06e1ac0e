"""What every kind of store does, and what only the one on disk has to survive."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made import BANTUL, DIMENSION, SLEMAN, trace

from lapor_nlp.duplicates.memory import MemoryStore
from lapor_nlp.duplicates.sqlite import FILE, FORMAT, SqliteStore
from lapor_nlp.duplicates.store import Link, TraceStore, asked_keys, kept_keys, keys
from lapor_nlp.duplicates.trace import Trace
from lapor_nlp.errors import StoreError

STREETS = ("Kaliurang", "Palagan", "Godean", "Wonosari", "Parangtritis", "Imogiri")
KINDS = ("Lampu mati di", "Sampah menumpuk di", "Jalan berlubang di", "Saluran air mampet di")


def some(count: int, start: int = 0) -> list[Trace]:
    choose = random.Random(start)
    return [
        trace(
            f"L-{i}",
            f"{choose.choice(KINDS)} Jl {choose.choice(STREETS)} gang {choose.randint(1, 9)} RT {choose.randint(1, 5)}",
            place=choose.choice((SLEMAN, BANTUL, None)),
            day=i % 90,
        )
        for i in range(start, start + count)
    ]


def opened(folder: Path, space: str = "a") -> SqliteStore:
    return SqliteStore.open(folder, space=space, dimension=DIMENSION, wait=0.3)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TraceStore]:
    made: TraceStore = MemoryStore(DIMENSION) if request.param == "memory" else opened(tmp_path / "store")
    yield made
    made.close()


def everything(trace: Trace) -> dict[str, object]:
    return {
        name: value.tolist() if isinstance(value := getattr(trace, name), np.ndarray) else value
        for name in Trace.__slots__
    }


def test_what_is_put_comes_back(store: TraceStore) -> None:
    traces = [*some(20), trace("pin", "Lampu", latitude=-7.7, longitude=110.4, sender="s", confidential=True, day=None)]
    store.put(traces)
    assert len(store) == 21
    rows = store.rows_of([t.id for t in traces] + ["nobody"])
    assert [everything(t) for t in store.fetch([rows[t.id] for t in traces])] == [everything(t) for t in traces]
    assert sorted(rows.values()) == [rows[t.id] for t in traces]


def test_kinds_of_stores_answer_alike(tmp_path: Path) -> None:
    stores: list[TraceStore] = [MemoryStore(DIMENSION), opened(tmp_path)]
    for store in stores:
        store.put(some(60))
        store.put(some(5))
        store.delete(["L-30", "L-31"])
        store.put(some(40, start=60))
    for asked in some(30):
        assert asked.vector is not None
        answers = []
        for store in stores:
            near = [row for row, _ in store.nearest(asked.vector, 10, place=asked.kabkota)]
            held = [store.holding(key, place=asked.kabkota) for key, _ in asked_keys(asked)]
            answers.append([[t.id for t in store.fetch(rows)] for rows in (near, *held)])
        assert answers[0] == answers[1]


def test_an_id_is_there_once(store: TraceStore) -> None:
    store.put([trace("a", "Lampu mati di Jl Godean"), trace("a", "Sampah di Jl Palagan")])
    assert len(store) == 1
    store.put([trace("a", "Banjir di Jl Imogiri")])
    assert len(store) == 1
    (kept,) = store.fetch(list(store.rows_of(["a"]).values()))
    assert everything(kept) == everything(trace("a", "Banjir di Jl Imogiri"))
    gone = set(kept_keys(trace("a", "Sampah di Jl Palagan"))) - set(kept_keys(kept))
    assert gone
    assert not any(store.holding(key, place=None) for key in gone)


def test_deleting(store: TraceStore) -> None:
    store.put(some(10))
    store.put_link(Link(child="L-2", parent="L-1"))
    store.put_link(Link(child="L-4", parent="L-3"))
    assert store.delete(["L-1", "L-1", "nobody"]) == 1
    assert len(store) == 9
    assert store.rows_of(["L-1"]) == {}
    assert store.links(["L-1", "L-2", "L-3"]) == [Link(child="L-4", parent="L-3")]
    (lost,) = some(1, start=1)
    assert lost.vector is not None
    assert "L-1" not in [t.id for t in store.fetch([row for row, _ in store.nearest(lost.vector, 10, place=None)])]


def test_place(store: TraceStore) -> None:
    here, there, nowhere = (
        trace(name, "Lampu mati di Jl Godean", place=place)
        for name, place in (("here", SLEMAN), ("there", BANTUL), ("nowhere", None))
    )
    store.put([here, there, nowhere])
    assert here.vector is not None
    for place, expected in (("34.04", {"here", "nowhere"}), (None, {"here", "there", "nowhere"})):
        near = store.fetch([row for row, _ in store.nearest(here.vector, 10, place=place)])
        held = store.fetch(store.holding(asked_keys(here)[0][0], place=place))
        assert {t.id for t in near} == {t.id for t in held} == expected


def test_verdicts(store: TraceStore) -> None:
    store.put_link(Link(child="b", parent="a"))
    store.put_link(Link(child="b", parent="a", repeats=False))
    assert store.links(["a"]) == store.links(["b"]) == [Link(child="b", parent="a", repeats=False)]
    assert store.delete_link("b", "a")
    assert not store.delete_link("b", "a")
    assert store.links(["a", "b"]) == []


def test_threads(store: TraceStore) -> None:
    errors: list[BaseException] = []

    def work(start: int) -> None:
        try:
            for part in range(5):
                traces = some(8, start=start + part * 8)
                store.put(traces)
                assert traces[0].vector is not None
                store.nearest(traces[0].vector, 5, place="34.04")
                store.fetch(store.holding(asked_keys(traces[0])[0][0], place=None))
        except BaseException as error:  # noqa: BLE001 (handed to the test)
            errors.append(error)

    threads = [threading.Thread(target=work, args=(1000 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(store) == 160


def test_keys_are_few_and_the_rarest() -> None:
    long = trace("a", " ".join(f"kata{i}" for i in range(5000)))
    assert len(long.words) == 96
    assert len(kept_keys(long)) == 24
    sender = trace("a", "Lampu mati", sender="x")
    assert keys(sender)[0][1] > keys(sender)[1][1]


# ---- on disk


def test_closed_and_opened(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put(some(30))
        store.delete(["L-7"])
    with opened(tmp_path) as store:
        assert len(store) == 29
        (first,) = some(1)
        assert first.vector is not None
        found = store.fetch([row for row, _ in store.nearest(first.vector, 1, place=first.kabkota)])
        assert [t.id for t in found] == ["L-0"]


def test_two_open_stores_see_what_the_other_writes(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as two:
        one.put(some(5))
        first = some(1)[0]
        assert first.vector is not None
        assert len(two.nearest(first.vector, 9, place=None)) == 5
        two.delete(["L-0"])
        assert "L-0" not in [t.id for t in one.fetch([row for row, _ in one.nearest(first.vector, 9, place=None)])]
        one.put(some(1))
        assert "L-0" in [t.id for t in two.fetch([row for row, _ in two.nearest(first.vector, 9, place=None)])]


def test_what_is_forgotten_leaves_no_trace(tmp_path: Path) -> None:
    secret = trace("RAHASIA-77", "Lampu mati di Jl Zzyzx gang 9", latitude=-7.123456, longitude=110.654321)
    assert secret.vector is not None
    with opened(tmp_path) as store:
        store.put([*some(50), secret])
        before = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert secret.vector.tobytes() in before
        assert b"RAHASIA-77" in before
        store.delete(["RAHASIA-77"])
        after = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for needle in (secret.vector.tobytes(), b"RAHASIA-77", secret.words.tobytes(), np.float64(-7.123456).tobytes()):
        assert needle not in after
        assert needle[::-1] not in after


def test_a_writer_waits_and_then_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put(some(3))
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process"):
            store.put(some(3, start=10))
        assert len(store) == 3
        other.execute("ROLLBACK")
        other.close()
        store.put(some(3, start=10))
        assert len(store) == 6


def test_vectors_of_another_encoder_are_never_compared(tmp_path: Path) -> None:
    with opened(tmp_path, "a") as store:
        store.put(some(10))
    with opened(tmp_path, "b") as store:
        (first,) = some(1)
        assert first.vector is not None
        assert store.other_spaces() == 10
        assert store.nearest(first.vector, 9, place=None) == []
        assert store.fetch(store.holding(asked_keys(first)[0][0], place=first.kabkota))[-1].vector is None
        store.put(some(4))
        assert store.other_spaces() == 6
        assert store.current([f"L-{i}" for i in range(10)]) == {"L-0", "L-1", "L-2", "L-3"}
        assert len(store.nearest(first.vector, 9, place=None)) == 4


def test_a_newer_format(tmp_path: Path) -> None:
    opened(tmp_path).close()
    raw = sqlite3.connect(tmp_path / FILE)
    raw.execute(f"PRAGMA user_version = {FORMAT + 1}")
    raw.close()
    with pytest.raises(StoreError, match="upgrade lapor-nlp"):
        opened(tmp_path)


def test_another_database(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / FILE)
    raw.execute("CREATE TABLE mine (x)")
    raw.close()
    with pytest.raises(StoreError, match="something else"):
        opened(tmp_path)


def test_damage_is_told(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put(some(200))
    whole = (tmp_path / FILE).read_bytes()
    for name, damaged in (("text", b"no database at all" * 100), ("short", whole[: len(whole) // 3])):
        folder = tmp_path / name
        folder.mkdir()
        (folder / FILE).write_bytes(damaged)
        with pytest.raises(StoreError, match="damaged"):
            opened(folder).put(some(1))


def test_no_room(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.put(some(20))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match="make room"):
            store.put(some(200, start=100))
        assert len(store) == 20
        store._connection.execute("PRAGMA max_page_count = 1000000")
        store.put(some(200, start=100))
        assert len(store) == 220


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="choose another folder"):
        opened(tmp_path / "file")


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_stores import opened, some
store = opened(Path({folder!r}))
for start in range(0, 100000, 5):
    store.put(some(5, start=start))
    print(start + 5, flush=True)
"""


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    code = WRITER.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    acknowledged = 0
    for moment in (1, 4, 9):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(moment):
            acknowledged = max(acknowledged, int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.stdout.close()
        process.wait()
        acknowledged = max([acknowledged, *map(int, rest)])
        with opened(tmp_path) as store:
            count = len(store)
            assert count >= acknowledged
            assert count % 5 == 0
            names = [f"L-{i}" for i in range(count)]
            assert len(store.fetch(list(store.rows_of(names).values()))) == count
