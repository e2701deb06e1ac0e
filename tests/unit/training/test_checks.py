from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datasets")
from lapor_nlp.taxonomy.migration import parse_migrations
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.taxonomy.topic import Topic
from lapor_nlp.training import label_checks
from lapor_nlp.training.checks import check
from lapor_nlp.training.findings import DataReport, Finding
from lapor_nlp.training.table import Table, read_labelled

Row = dict[str, Any]
Write = Callable[..., Table]

TAXONOMY = Taxonomy(
    name="coba",
    version="3",
    topics=tuple(
        Topic(code=code, name=name, kategori=("X",), urusan="x")
        for code, name in (
            ("penerangan-jalan", "Lampu jalan umum"),
            ("drainase", "Saluran air"),
            ("pdam", "Air ledeng"),
        )
    ),
    migrations=parse_migrations(
        Path("migrations.json"),
        [
            {"from": "1", "to": "2", "changes": [{"op": "rename", "old": ["parit"], "new": ["got"]}]},
            {
                "from": "2",
                "to": "3",
                "changes": [
                    {"op": "rename", "old": ["got"], "new": ["drainase"]},
                    {"op": "split", "old": ["air"], "new": ["pdam", "drainase"]},
                    {"op": "retire", "old": ["corona"]},
                ],
            },
        ],
    ),
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(rows: list[Row], *labels: str, name: str = "rows.jsonl") -> Table:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return read_labelled(path, labels=labels or ["agency"])

    return make


def rows(count: int, start: int = 0, **more: Any) -> list[Row]:
    """Rows with texts and times that differ, under two labels in turn."""
    return [
        {
            "id": str(k),
            "text": "keluhan " + "".join("abcdefghij"[int(d)] for d in str(k)),
            "agency": ("Dinas Sosial", "Dinas Kesehatan")[k % 2],
            "time": f"2025-{1 + k // 28:02d}-{1 + k % 28:02d}",
            **more,
        }
        for k in range(start, start + count)
    ]


def found(report: DataReport, code: str) -> Finding:
    matching = [finding for finding in report.findings if finding.code == code]
    assert len(matching) == 1, [finding.code for finding in report.findings]
    return matching[0]


def codes(report: DataReport) -> list[str]:
    return [finding.code for finding in report.findings]


def test_good_rows_give_no_finding(write: Write) -> None:
    report = check(write(rows(40)), taxonomy=TAXONOMY)
    assert report.findings == ()
    assert report.usable
    assert report.heads == {"agency": {"Dinas Sosial": 20, "Dinas Kesehatan": 20}}
    assert report.lines()[1:] == ["agency: 40 rows of 2 labels", "Usable for training."]


def test_empty_and_unreadable_rows(write: Write) -> None:
    bad: list[Any] = [{"text": "", "agency": "Dinas Sosial"}, {"text": ["x"], "agency": "Dinas Sosial"}, [1]]
    report = check(write([*bad, {"text": "tanpa label", "agency": None}, *rows(20)]), taxonomy=None)
    assert found(report, "empty_texts").rows == ("line 1",)
    broken = found(report, "unreadable_rows")
    assert (broken.count, broken.rows) == (2, ("line 2", "line 3"))
    assert "text: must be text, not list" in broken.text
    assert found(report, "unlabelled_rows").severity == "note"
    assert report.usable
    assert "20 rows, 3 rejected, 1 without a label" in report.lines()[0]


def test_a_damaged_file_is_not_usable(write: Write) -> None:
    report = check(write([*rows(4), *[{"text": ""}] * 9]), taxonomy=None)
    assert found(report, "mostly_rejected").severity == "error"
    nothing = check(write([{"text": "", "agency": "x"}, {"text": "a", "agency": None}]), taxonomy=None)
    assert codes(nothing)[0] == "no_rows"
    assert not nothing.usable
    assert nothing.lines()[-1].startswith("Not usable")


def test_one_label(write: Write) -> None:
    report = check(write(rows(10, agency="Dinas Sosial")), taxonomy=None)
    finding = found(report, "one_label")
    assert (finding.severity, finding.head) == ("error", "agency")
    assert "only the label 'Dinas Sosial'" in finding.text


def test_a_head_without_labels(write: Write) -> None:
    report = check(write(rows(10, kind=""), "agency", "kind"), taxonomy=None)
    assert "no label at all" in found(report, "one_label").text


def test_all_labels_unique(write: Write) -> None:
    report = check(write([{**row, "agency": f"label {row['id']}"} for row in rows(10)]), taxonomy=None)
    assert found(report, "unique_labels").severity == "error"


def test_labels_with_one_row(write: Write) -> None:
    report = check(write([*rows(10), *rows(1, 10, agency="PDAM")]), taxonomy=None)
    finding = found(report, "rare_labels")
    assert (finding.severity, finding.rows) == ("warning", ("10",))
    assert "1 label with fewer than 2 rows" in finding.text
    assert "'PDAM'" in finding.text
    assert not check(write(rows(10)), taxonomy=None, fewest=6).usable
    assert check(write(rows(10)), taxonomy=None, fewest=5).usable


def test_nothing_but_repeats(write: Write) -> None:
    report = check(write([{**row, "text": f"Air mati {row['id']}"} for row in rows(10)]), taxonomy=None)
    assert found(report, "all_repeats").severity == "error"


def test_exact_and_near_repeats(write: Write) -> None:
    made = rows(20)
    made[3]["text"] = made[0]["text"].upper() + "  "
    made[7]["text"] = made[0]["text"] + " 12"
    report = check(write(made), taxonomy=None)
    assert found(report, "exact_repeats").rows == ("3",)
    assert found(report, "near_repeats").rows == ("7",)


def test_one_text_under_two_labels_bounds_the_accuracy(write: Write) -> None:
    made = [*rows(20), *rows(4, 20, text="Jalan rusak di depan pasar", agency="Dinas Sosial")]
    made[-1]["agency"] = "Dinas Kesehatan"
    finding = found(check(write(made), taxonomy=None), "conflicting_labels")
    assert (finding.count, finding.rows) == (4, ("20", "21", "22", "23"))
    assert "25% of the rows differ" in finding.text
    assert "right in more than 75%" in finding.text


def test_repeats_under_one_label_are_no_conflict(write: Write) -> None:
    made = rows(20)
    made[4]["text"] = made[2]["text"]
    assert codes(check(write(made), taxonomy=None)) == ["exact_repeats"]


def test_a_label_learnt_by_heart(write: Write) -> None:
    made = [*rows(20), *rows(5, 20, text="Minta data pajak", agency="Bapenda")]
    assert found(check(write(made), taxonomy=None), "one_text_labels").rows == ("20", "21", "22", "23", "24")


def test_spellings_of_one_label(write: Write) -> None:
    made = [*rows(20), *rows(3, 20, agency="dinas  sosial"), *rows(3, 30, agency="Dinas-Sosial")]
    finding = found(check(write(made), taxonomy=None), "label_variants")
    assert "'Dinas Sosial' = 'Dinas-Sosial' = 'dinas sosial'" in finding.text


def test_a_label_that_is_nearly_always_right(write: Write) -> None:
    made = [*rows(45, agency="Dinas Sosial"), *rows(5, 60, agency="Dinas Kesehatan")]
    assert "90% of the rows bear 'Dinas Sosial'" in found(check(write(made), taxonomy=None), "dominant_label").text


def test_texts_that_name_the_office_they_were_sent_to(write: Write) -> None:
    short = {"Dinas Sosial": "dinsos", "Dinas Kesehatan": "Dinkes"}
    leaky = [{**row, "text": f"Yth. {short[row['agency']]}, {row['text']}"} for row in rows(20)]
    finding = found(check(write([*leaky, *rows(20, 20)]), taxonomy=None), "label_in_text")
    assert (finding.severity, finding.count) == ("warning", 20)
    assert "50% of the texts name" in finding.text
    assert "100% bear it" in finding.text
    assert "mask_addressee" in finding.text


def test_words_of_the_matter_are_no_leak(write: Write) -> None:
    made = [{**row, "topic": ("air mati", "jalan rusak")[k % 2]} for k, row in enumerate(rows(20))]
    for row in made[:10]:
        row["text"] += f" karena {row['topic']}"
    assert found(check(write(made, "topic"), taxonomy=None), "label_in_text").severity == "note"


def test_leaks_are_looked_for_in_a_sample(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_checks, "_SAMPLE", 10)
    made = [{**row, "text": f"Yth. {row['agency']}, {row['text']}"} for row in rows(40)]
    finding = found(check(write(made), taxonomy=None), "label_in_text")
    assert "100% of the texts (of 10 rows looked at)" in finding.text


def test_times(write: Write) -> None:
    assert found(check(write(rows(20, time=None)), taxonomy=None), "no_times").severity == "note"
    assert found(check(write(rows(20, time="2025-01-01")), taxonomy=None), "times_same").severity == "warning"
    made = rows(20)
    made[4]["time"] = "kemarin"
    made[5]["time"] = "33/01/2025"
    report = check(write(made), taxonomy=None)
    assert found(report, "times_missing").rows == ("4", "5")
    assert found(report, "times_unread").rows == ("line 5", "line 6")


def test_long_and_broken_texts(write: Write) -> None:
    made = rows(20)
    made[4]["text"] += " kata" * 1500
    made[6]["text"] += " caf\ufffd"
    report = check(write(made), taxonomy=None)
    assert found(report, "long_texts").rows == ("4",)
    assert found(report, "broken_characters").rows == ("6",)


def test_dev_that_train_knows(write: Write) -> None:
    dev = rows(10, 40)
    dev[2]["text"] = "KELUHAN f!"
    dev[3]["agency"] = "PDAM"
    report = check(write(rows(40)), taxonomy=None, dev=write(dev, name="dev.jsonl"))
    assert found(report, "rows_in_dev").rows == ("42",)
    assert found(report, "labels_only_in_dev").rows == ("43",)
    assert report.usable
    assert codes(check(write(rows(40)), taxonomy=None, dev=write(rows(10, 40), name="dev.jsonl"))) == []


def test_train_after_dev(write: Write) -> None:
    report = check(write(rows(40)), taxonomy=None, dev=write(rows(10, 100, time="2025-02-08"), name="dev.jsonl"))
    finding = found(report, "train_after_dev")
    assert (finding.count, finding.rows) == (5, ("35", "36", "37", "38", "39"))
    assert "2025-02-08" in finding.text


def test_dev_of_no_use(write: Write) -> None:
    train = write(rows(20), "agency")
    empty = check(train, taxonomy=None, dev=write([{"text": "", "agency": "x"}], name="dev.jsonl"))
    assert found(empty, "dev_no_rows").severity == "error"
    other = check(train, taxonomy=None, dev=write(rows(5, 50, topic="pdam"), "topic", name="dev.jsonl"))
    assert found(other, "dev_without_head").head == "agency"


def test_unknown_topics_get_a_hint(write: Write) -> None:
    names = ["penerangan-jalan", "penerangan jalan", "Saluran Air", "zzz"]
    made = [{**row, "topic": names[k % 4]} for k, row in enumerate(rows(20))]
    finding = found(check(write(made, "topic"), taxonomy=TAXONOMY), "unknown_labels")
    assert finding.count == 15
    assert re.search(r"'Saluran Air' \(drainase\?\); 'penerangan jalan' \(penerangan-jalan\?\); 'zzz';", finding.text)
    assert "unknown_labels" not in codes(check(write(made, "topic"), taxonomy=None))
    foreign = [{**row, "topic": f"lain {k % 2}"} for k, row in enumerate(rows(20))]
    assert found(check(write(foreign, "topic"), taxonomy=TAXONOMY), "unknown_labels").text.startswith("none of the 2")


def test_topics_of_an_older_version_are_offered_the_migration(write: Write) -> None:
    names = ["parit", "air", "corona", "penerangan-jalan"]
    made = [{**row, "topic": names[k % 4]} for k, row in enumerate(rows(20))]
    report = check(write(made, "topic"), taxonomy=TAXONOMY)
    assert "of version 1 can be carried to 3: parit -> drainase" in found(report, "labels_to_carry").text
    unsure = found(report, "labels_to_decide")
    assert "air (split into pdam, drainase); corona (retired)" in unsure.text
    assert "unknown_labels" not in codes(report)


def test_as_json_and_errors_first(write: Write) -> None:
    report = check(write([*rows(20, agency="PDAM"), {"text": ""}]), taxonomy=None)
    assert [finding.severity for finding in report.findings] == ["error", "warning"]
    told = json.loads(json.dumps(report.to_dict()))
    assert (told["usable"], told["rows"], told["rejected"]) == (False, 20, 1)
    assert told["findings"][0]["code"] == "one_label"
    assert told["findings"][1]["rows"] == ["line 21"]


def test_no_text_of_a_report_is_shown(write: Write) -> None:
    made = rows(30)
    for row in made[:6]:
        row["text"] = "Nama saya Sari tinggal di gang buntu"
    report = check(write([*made, {"text": None}]), taxonomy=None, dev=write(made[:8], name="dev.jsonl"))
    assert len(report.findings) > 3
    assert "Sari" not in json.dumps(report.to_dict())
