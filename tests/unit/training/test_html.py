from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from lapor_nlp.decision import BundleId
from lapor_nlp.errors import ReadError
from lapor_nlp.text.mask import Masker
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.bootstrap import compare
from lapor_nlp.training.evaluation import Evaluation, Judged, summarise
from lapor_nlp.training.html import Section, render, write_report

WORDLIST, MASKER = Wordlist.load(), Masker.load()
EVIL = "<script>alert('x')</script>&\"'"
TEXTS = [f"Air mati, {EVIL} NIK 3404071212900001 \x1b[2J", "jalan rusak", "sampah menumpuk", "got mampet"]
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Rows:
    texts = TEXTS
    ids = ("L-1", EVIL, "L-3", "L-4")
    times = (None,) * 4
    regions = (EVIL, None, None, None)

    def __len__(self) -> int:
        return 4

    def labels(self, head: str) -> list[str | None]:
        raise NotImplementedError


def judged(predicted: list[str]) -> Judged:
    truth = np.array([EVIL, "jalan", "sampah", EVIL], dtype=object)
    right = truth == np.array(predicted, dtype=object)
    return Judged(
        head=EVIL,
        bundle=BundleId(name=EVIL, version="1", sha256="0" * 64),
        known=("jalan", "sampah"),
        risk=0.05,
        threshold=0.8,
        unlabelled=1,
        at=np.arange(4),
        truth=truth,
        predicted=np.array(predicted, dtype=object),
        chance=np.where(right, 0.9, 0.0),
        top3=right,
        group_right=right,
        confidence=np.array([0.95, 0.9, 0.6, 0.5]),
        alone=np.array([True, True, False, False]),
        truncated=np.array([True, False, False, False]),
    )


def evaluated(answers: Judged, *, texts: bool = True) -> Evaluation:
    return summarise(answers, Rows(), WORDLIST, masker=MASKER if texts else None)


def section(*, texts: bool = True) -> Section:
    new, old = judged(["jalan", "jalan", "sampah", "jalan"]), judged(["jalan", "sampah", "sampah", "jalan"])
    return Section(evaluation=evaluated(new, texts=texts), other=evaluated(old), comparison=compare(new, old))


class Reader(HTMLParser):
    """Collects elements and checks that each is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_nothing_in_the_rows_becomes_markup() -> None:
    reader = read(render([section()], findings=[EVIL], settings={EVIL: EVIL}))
    assert "script" not in {tag for tag, _ in reader.seen}
    assert "".join(reader.text).count(EVIL) > 10
    assert not any(name.startswith("on") for _, attributes in reader.seen for name in attributes)


def test_no_control_characters() -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", render([section()]))


def test_nothing_comes_from_elsewhere() -> None:
    page = render([section()])
    reader = read(page)
    assert not any(name in ("src", "action", "srcset") for _, attributes in reader.seen for name in attributes)
    assert all((attributes.get("href") or "#").startswith("#") for _, attributes in reader.seen)
    assert "url(" not in page
    assert "@import" not in page


def test_every_part_is_there() -> None:
    text = "\n".join(read(render([section()], findings=["Baris ganda: 3"], settings={"seed": 7})).text)
    for part in (
        "Summary",
        "Reliability",
        "Risk and coverage",
        "Labels",
        "Confusion",
        "Slices",
        "Worst mistakes",
        "Data",
        "Baris ganda: 3",
        "Settings",
        "seed",
        "2 rows bear labels",
        "1 rows have no label",
        "were cut",
        "95 % interval",
    ):
        assert part in text


def test_charts_can_be_read_without_seeing_them() -> None:
    reader = read(render([section()]))
    charts = [attributes for tag, attributes in reader.seen if tag == "svg"]
    assert len(charts) == 2
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    tags = [tag for tag, _ in reader.seen]
    assert tags.count("figcaption") == 2
    assert tags.count("caption") == tags.count("table")
    assert ("html", {"lang": "en"}) in reader.seen


def test_points_stay_inside_their_chart() -> None:
    reader = read(render([section()]))
    for tag, attributes in reader.seen:
        if tag == "polyline":
            numbers = [float(n) for pair in str(attributes["points"]).split() for n in pair.split(",")]
            assert all(44 <= n <= 364 for n in numbers)


def test_personal_data_is_masked() -> None:
    page = render([section()])
    assert "3404071212900001" not in page
    assert "[NIK]" in page


def test_texts_can_be_left_out() -> None:
    page = render([section(texts=False)])
    assert "Air mati" not in page
    assert "personal data masked" not in page


def test_one_bundle_alone_has_no_columns_of_comparison() -> None:
    page = render([Section(evaluation=evaluated(judged(["jalan"] * 4)))])
    assert ">difference<" not in page


def test_a_policy_that_never_acts_alone() -> None:
    answers = judged(["jalan"] * 4)
    still = Judged(**{**vars(answers), "alone": np.zeros(4, dtype=np.bool_), "threshold": None})
    assert "does nothing alone" in render([Section(evaluation=evaluated(still))])


def test_the_file_is_utf8_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "laporan.html"
    write_report(path, [section()])
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["laporan.html"]


def test_a_report_that_cannot_be_written_leaves_the_former(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "laporan.html"
    path.write_text("lama")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lapor_nlp.files.os.fsync", full)
    with pytest.raises(ReadError, match=r"laporan\.html: cannot be written: No space"):
        write_report(path, [section()])
    assert path.read_text() == "lama"
    assert [p.name for p in tmp_path.iterdir()] == ["laporan.html"]


def test_a_report_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be written"):
        write_report(tmp_path / "tiada" / "laporan.html", [section()])
