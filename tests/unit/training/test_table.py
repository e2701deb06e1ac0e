from __future__ import annotations

import errno
import gc
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lapor_nlp.errors import ReadError, TrainingDataError

pytest.importorskip("datasets")
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict

from lapor_nlp.training import table as table_module
from lapor_nlp.training.sources import BLOCK, EMPTY, KEPT, UNREADABLE, UNUSABLE
from lapor_nlp.training.table import read_labelled

ROWS: list[dict[str, Any]] = [
    {"id": "a1", "text": "Lampu jalan mati", "agency": "Dinas Perhubungan", "date": "2025-01-02T08:00:00"},
    {"id": "a2", "text": "Sampah menumpuk", "agency": None, "topic": "sampah", "date": "03/01/2025"},
    {"id": "a3", "text": "Got mampet", "agency": "Dinas Pekerjaan Umum", "topic": "drainase"},
]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def test_json_lines_with_columns_that_come_and_go(tmp_path: Path) -> None:
    table = read_labelled(jsonl(tmp_path / "a.jsonl", ROWS), labels=["agency", "topic"])
    assert len(table) == 3
    assert table.heads == ("agency", "topic")
    assert list(table.texts) == ["Lampu jalan mati", "Sampah menumpuk", "Got mampet"]
    assert list(table.ids) == ["a1", "a2", "a3"]
    assert table.labels("agency") == ["Dinas Perhubungan", None, "Dinas Pekerjaan Umum"]
    assert table.labels("topic") == [None, "sampah", "drainase"]
    assert table.times == [datetime(2025, 1, 2, 8), datetime(2025, 1, 3), None]
    assert (table.rejects, table.rejected) == ((), 0)


def test_the_same_rows_from_every_kind_of_source(tmp_path: Path) -> None:
    rows = [{"id": str(k), "isi": f"Laporan nomor {k}, mohon dicek", "topic": f"t{k % 2}"} for k in range(5)]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    header = "id,isi,topic\n"
    write(tmp_path / "a.csv", header + "".join(f'{r["id"]},"{r["isi"]}",{r["topic"]}\n' for r in rows))
    write(
        tmp_path / "a.tsv",
        header.replace(",", "\t") + "".join(f"{r['id']}\t{r['isi']}\t{r['topic']}\n" for r in rows),
    )
    jsonl(tmp_path / "a.ndjson", rows)
    pq.write_table(pa.table({**columns, "other": [1.5] * 5}), tmp_path / "a.parquet")
    Dataset.from_dict(columns).save_to_disk(str(tmp_path / "folder"))
    for name in ("a.csv", "a.tsv", "a.ndjson", "a.parquet", "folder"):
        table = read_labelled(tmp_path / name, labels=["topic"])
        assert list(table.texts) == columns["isi"], name
        assert list(table.ids) == columns["id"], name
        assert table.labels("topic") == columns["topic"], name
        assert table.source == tmp_path / name


def test_title_stands_before_the_text_as_the_router_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "judul,isi,topic\nLampu mati,Gelap sekali,pju\n,Got mampet,got\nSampah,,sampah\n")
    table = read_labelled(path, labels=["topic"])
    assert list(table.texts) == ["Lampu mati\nGelap sekali", "Got mampet", "Sampah\n"]
    assert list(table.ids) == ["2", "3", "4"]


def test_named_columns_win_over_usual_names(tmp_path: Path) -> None:
    header = "text,keluhan,nomor,date,masuk,kabkota,wilker,OPD\n"
    path = write(tmp_path / "a.csv", header + "x,Air mati,7,2020-01-01,2025-05-01,Sleman,Depok,PDAM\n")
    named = read_labelled(path, text="keluhan", time="masuk", region="wilker", labels=["opd"])
    assert (list(named.texts), list(named.ids), named.regions) == (["Air mati"], ["7"], ["Depok"])
    assert named.times == [datetime(2025, 5, 1)]
    assert named.labels("opd") == ["PDAM"]
    usual = read_labelled(path, labels=["OPD"])
    assert (list(usual.texts), usual.times, usual.regions) == (["x"], [datetime(2020, 1, 1)], ["Sleman"])


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"text": ["Air"], "topik": ["air"]}), path)
    elif suffix == "csv":
        write(path, "text,topik\nAir,air\n")
    else:
        jsonl(path, [{"text": "Air", "topik": "air"}])
    with pytest.raises(TrainingDataError, match="no column topic, agency; its columns are text, topik"):
        read_labelled(path, labels=["topic", "agency"])
    with pytest.raises(TrainingDataError, match="no column isi, waktu"):
        read_labelled(path, text="isi", time="waktu", labels=["topik"])


def test_semicolons_are_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="semicolons"):
        read_labelled(write(tmp_path / "a.csv", "text;topic\nAir;air\n"), labels=["topic"])


@pytest.mark.parametrize("absent", ["", "  ", "NaN", "nan", "null", "None", "#N/A"])
def test_absent_labels_and_texts_in_a_table(tmp_path: Path, absent: str) -> None:
    table = read_labelled(
        write(tmp_path / "a.csv", f"text,topic,kind\nAir,{absent},aduan\n{absent},air,\nGot,{absent},{absent}\n"),
        labels=["topic", "kind"],
    )
    assert (table.labels("topic"), table.labels("kind")) == ([None], ["aduan"])
    assert table.rejects == ((3, "has no text"),)
    assert table.intake.rejected == {EMPTY: 1}
    assert table.intake.unlabelled == 1


def test_nan_null_numbers_and_flags_as_labels(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "topic": float("nan"), "x": 1},
        {"text": "b", "topic": None, "x": 2.0},
        {"text": "c", "topic": "  Dinas  PU ", "x": True},
    ]
    table = read_labelled(jsonl(tmp_path / "a.jsonl", rows), labels=["topic", "x"])
    assert table.labels("topic") == [None, None, "Dinas PU"]
    assert table.labels("x") == ["1", "2", "ya"]


def test_bad_rows_are_rejects_with_line_and_reason(tmp_path: Path) -> None:
    content = (
        b"id,text,topic\n"
        b"1,Lampu mati,pju\n"
        b"2,Jalan r\xe9sak,jalan\n"
        b"3,kurang\n"
        b'4,"kutip rusak,air\n'
        b"5,Ada\x00\x01\x02\x03,air\n"
        b"6,,air\n"
        b"7,Got mampet,got\n"
    )
    table = read_labelled(write(tmp_path / "a.csv", content), labels=["topic"])
    assert list(table.ids) == ["1", "7"]
    reasons = dict(table.rejects)
    assert list(reasons) == [3, 4, 5, 6, 7]
    for line, said in zip(reasons, ["is not UTF-8", "has 2 cells", "broken quote", "NUL", "no text"], strict=True):
        assert said in reasons[line]
        assert "a.csv" not in reasons[line]
    assert table.intake.rejected == {UNREADABLE: 3, UNUSABLE: 1, EMPTY: 1}
    assert table.rejected == 5


def test_bad_values_in_json_are_rejects(tmp_path: Path) -> None:
    lines = [
        '{"text": ["a"], "topic": "air"}',
        '{"text": "a", "topic": ["air", "got"]}',
        '{"text": "a", "topic": "\\ud83d"}',
        '{"text": "\\ud83d", "topic": "air"}',
        '{"text": "ok", "topic": "air"}',
        "[1]",
        '{"text": ' + '"' + "x" * 100_001 + '", "topic": "air"}',
        '{"text": "' + "\\u0001\\ufffd" * 9 + '", "topic": "air"}',
    ]
    table = read_labelled(write(tmp_path / "a.jsonl", "\n".join(lines)), labels=["topic"])
    assert list(table.texts) == ["ok"]
    assert [line for line, _ in table.rejects] == [1, 2, 3, 4, 6, 7, 8]


def test_rejects_are_capped_and_counted(tmp_path: Path) -> None:
    table = read_labelled(write(tmp_path / "a.csv", "text,topic\n" + ",air\n" * 250 + "Air,air\n"), labels=["topic"])
    assert (len(table), len(table.rejects), table.rejected) == (1, KEPT, 250)


def test_times_that_cannot_be_read_are_counted_and_never_shown_at_length(tmp_path: Path) -> None:
    secret = "rumah Bu Sari nomor telepon 0812 di belakang pasar"
    path = write(tmp_path / "a.csv", f"text,topic,time\nA,x,31/02/2025\nB,x,{secret}\nC,x,\nD,x,2025-01-01\n")
    table = read_labelled(path, labels=["topic"])
    assert table.times == [None, None, None, datetime(2025, 1, 1)]
    assert table.intake.unread_times == ((2, "'31/02/2025'"), (3, "50 characters"))
    assert table.intake.unread_time_count == 2


def test_select_keeps_order_and_outlives_the_table(tmp_path: Path) -> None:
    rows = [{"text": f"Laporan {k}", "topic": f"t{k % 3}"} for k in range(30)]
    cache = tmp_path / "cache"
    table = read_labelled(jsonl(tmp_path / "a.jsonl", rows), labels=["topic"], cache=cache)
    part = table.select([7, 3, 11, 3]).select([2, 0])
    assert len(table.select([])) == 0
    del table
    gc.collect()
    assert list(cache.iterdir())
    assert list(part.texts) == ["Laporan 11", "Laporan 7"]
    assert part.texts[-1] == "Laporan 7"
    assert part.labels("topic") == ["t2", "t1"]
    del part
    gc.collect()
    assert not list(cache.iterdir())


def test_relabel_drops_rows_that_keep_no_label(tmp_path: Path) -> None:
    table = read_labelled(jsonl(tmp_path / "a.jsonl", ROWS), labels=["agency", "topic"])
    changed = table.relabel("topic", {"sampah": None, "drainase": "got"}.__getitem__)
    assert changed.labels("topic") == [None, "got"]
    assert list(changed.ids) == ["a1", "a3"]
    assert table.labels("topic") == [None, "sampah", "drainase"]
    with pytest.raises(TrainingDataError, match="no head 'kind'; it has agency, topic"):
        table.relabel("kind", str.upper)


def test_more_rows_than_a_block(tmp_path: Path) -> None:
    count = 2 * BLOCK + 7
    path = write(tmp_path / "a.csv", "text,topic\n" + "".join(f"laporan {k},t{k % 7}\n" for k in range(count)))
    table = read_labelled(path, labels=["topic"])
    assert [text.split()[1] for text in table.texts] == [str(k) for k in range(count)]
    assert [text.split()[1] for text in table.texts[5::BLOCK]] == ["5", str(BLOCK + 5), str(2 * BLOCK + 5)]
    assert table.labels("topic")[-1] == f"t{(count - 1) % 7}"


def test_rows_without_labels_when_none_are_asked_for(tmp_path: Path) -> None:
    table = read_labelled(jsonl(tmp_path / "a.jsonl", ROWS), labels=[])
    assert (len(table), table.heads) == (3, ())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "no rows"),
        ("a.csv", "text,topic\n", "no rows"),
        ("a.jsonl", "{\n{\n", "no rows that can be read: line 1 is not a JSON object"),
        ("a.xlsx", "PK", "come in .csv"),
    ],
)
def test_sources_without_rows(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(TrainingDataError, match=message):
        read_labelled(write(tmp_path / name, content), labels=["topic"])


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be opened"):
        read_labelled(tmp_path / "none.csv", labels=["topic"])
    with pytest.raises(ReadError, match="cannot be read"):
        read_labelled(tmp_path / "none.parquet", labels=["topic"])
    with pytest.raises(ReadError, match="no Parquet"):
        read_labelled(write(tmp_path / "a.parquet", "not parquet at all"), labels=["topic"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="no folder that datasets saved"):
        read_labelled(tmp_path / "empty", labels=["topic"])
    part = Dataset.from_dict({"text": ["a"], "topic": ["b"]})
    DatasetDict(train=part, test=part).save_to_disk(str(tmp_path / "parts"))
    with pytest.raises(ReadError, match=r"several parts \(train, test\); name one"):
        read_labelled(tmp_path / "parts", labels=["topic"])
    assert len(read_labelled(tmp_path / "parts" / "train", labels=["topic"])) == 1


def test_a_label_column_named_twice(tmp_path: Path) -> None:
    with pytest.raises(TrainingDataError, match="twice"):
        read_labelled(jsonl(tmp_path / "a.jsonl", ROWS), labels=["topic", "topic"])


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write_batch(self, batch: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(table_module.pa.ipc, "new_stream", lambda *_: Full())
    with pytest.raises(TrainingDataError, match="No space left on device; free some space"):
        read_labelled(jsonl(tmp_path / "a.jsonl", ROWS), labels=["topic"], cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> Iterator[tuple[int, dict[str, str]]]:
        yield 1, {"text": "Air mati", "topic": "air"}
        raise KeyboardInterrupt

    monkeypatch.setattr(table_module, "open_source", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read_labelled(tmp_path / "a.jsonl", labels=["topic"], cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    write(tmp_path / "file", "")
    with pytest.raises(TrainingDataError, match="cannot be written"):
        read_labelled(jsonl(tmp_path / "a.jsonl", ROWS), labels=["topic"], cache=tmp_path / "file" / "cache")
