from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapor_nlp.errors import TrainingDataError

pytest.importorskip("datasets")
from lapor_nlp.training.splits import (
    Rows,
    Split,
    grouped_folds,
    repeat_groups,
    split,
    split_at_random,
    split_by_time,
    time_folds,
)
from lapor_nlp.training.table import Table, read_labelled

START = datetime(2025, 1, 1)


def table(path: Path, days: list[int | None], texts: list[str] | None = None, labels: list[str] | None = None) -> Table:
    """Rows with a text of their own unless texts are given; days count from START."""
    rows = [
        {
            "text": texts[k] if texts else "laporan " + "abcdefghij"[k % 10] * (k // 10 + 1),
            "time": None if day is None else (START + timedelta(days=day)).isoformat(),
            "topic": labels[k] if labels else "air",
        }
        for k, day in enumerate(days)
    ]
    file = path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_labelled(file, labels=["topic"])


LONG = (
    "saluran air di depan balai warga tersumbat lumpur dan daun sehingga meluap ke jalan raya setiap hujan deras turun"
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Lampu mati di RT 5", "lampu  MATI, di rt 06!"),
        (LONG, LONG + " lalu anak kecil jatuh dan luka di kaki kanan karena licin sekali"),
        (LONG, "Yth. Bapak Camat, selamat pagi. " + LONG),
        (LONG, "Rumah kami dekat pasar burung kena imbas juga, " + LONG + ". Terima kasih."),
        ("12345", "12345"),
        ("👍", " 👍 "),
    ],
)
def test_repeats_share_a_group(one: str, other: str) -> None:
    assert repeat_groups([one, "got mampet", other]).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Lampu mati di RT 5", "Lampu mati di RW 5"),
        ("12345", "12346"),
        ("👍", "👎"),
        (
            "Assalamualaikum warahmatullahi wabarakatuh selamat pagi bapak ibu yth mohon maaf, terima kasih, air",
            "Assalamualaikum warahmatullahi wabarakatuh selamat pagi bapak ibu yth mohon maaf, terima kasih, got",
        ),
    ],
)
def test_others_do_not(one: str, other: str) -> None:
    assert repeat_groups([one, other]).tolist() == [0, 1]


def test_groups_join_over_a_chain() -> None:
    head, tail = " ".join(LONG.split()[:14]), " ".join(LONG.split()[-14:])
    first, last = head + " tadi malam sekitar jam sembilan", "sudah dua pekan ini " + tail
    assert repeat_groups([first, last]).tolist() == [0, 1]
    assert repeat_groups([first, "lain", last, head + " " + tail]).tolist() == [0, 1, 0, 0]
    assert repeat_groups([]).tolist() == []


@given(st.lists(st.sampled_from(["a b", "A, b!", "b a", "c", "C 7", LONG, LONG + " x", "", "7"]), max_size=30))
def test_groups_are_numbered_as_they_appear_and_are_the_same_in_any_order(texts: list[str]) -> None:
    groups = repeat_groups(texts)
    seen: list[int] = []
    for group in groups.tolist():
        if group not in seen:
            seen.append(group)
    assert seen == list(range(len(seen)))
    backwards = repeat_groups(texts[::-1])[::-1]
    assert (groups[:, None] == groups[None]).tolist() == (backwards[:, None] == backwards[None]).tolist()


def check_parts(made: Split, groups: Rows) -> None:
    assert sorted([*made.train, *made.dev]) == list(range(len(groups)))
    assert not set(groups[made.train]) & set(groups[made.dev])


def test_the_latest_rows_are_dev(tmp_path: Path) -> None:
    made = split_by_time(table(tmp_path, [5, 1, 9, 3, 7, 0, 8, 2, 6, 4]), 0.2)
    train, dev = made
    assert dev.tolist() == [2, 6]
    assert train.tolist() == [0, 1, 3, 4, 5, 7, 8, 9]
    assert (made.by, made.cut, made.moved) == ("time", START + timedelta(days=8), 0)


def test_late_repeats_of_early_rows_are_learnt_from_and_counted(tmp_path: Path) -> None:
    texts = ["Air mati", *(f"laporan {c}" for c in "abcdefg"), "air MATI", "laporan z"]
    made = split_by_time(table(tmp_path, list(range(10)), texts), 0.2)
    assert made.dev.tolist() == [7, 9]
    assert made.moved == 1
    assert 8 in made.train


def test_rows_without_time_are_learnt_from_unless_they_repeat_a_late_row(tmp_path: Path) -> None:
    texts = [*(f"laporan {c}" for c in "abcdefgh"), "air mati", "air mati"]
    made = split_by_time(table(tmp_path, [None, None, *range(7), None], texts), 0.2)
    assert made.dev.tolist() == [8, 9]


def test_one_day_is_not_parted(tmp_path: Path) -> None:
    assert split_by_time(table(tmp_path, [0] * 8 + [1] * 4), 0.1).dev.tolist() == [8, 9, 10, 11]
    assert split_by_time(table(tmp_path, [0] * 2 + [1] * 9), 0.1).dev.tolist() == list(range(2, 11))


@pytest.mark.parametrize("days", [[3] * 5, [None] * 5, []])
def test_no_split_by_time_without_times(tmp_path: Path, days: list[int | None]) -> None:
    if days:
        with pytest.raises(TrainingDataError, match="give a dev file"):
            split_by_time(table(tmp_path, days))
    else:
        with pytest.raises(TrainingDataError, match="give a dev file"):
            split_by_time(table(tmp_path, [1]).select([]))


@given(st.data())
@settings(max_examples=40)
def test_parts_are_whole_and_groups_never_straddle(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    size = data.draw(st.integers(2, 25))
    days = data.draw(st.lists(st.none() | st.integers(0, 9), min_size=size, max_size=size))
    texts = data.draw(st.lists(st.sampled_from([f"laporan {c}" for c in "abcdefghij"]), min_size=size, max_size=size))
    labels = data.draw(st.lists(st.sampled_from("xyz"), min_size=size, max_size=size))
    rows = table(tmp_path_factory.mktemp("t"), days, texts, labels)
    groups = repeat_groups(rows.texts)
    try:
        made = split(rows, 0.3, seed=3)
    except TrainingDataError:
        return
    check_parts(made, groups)
    assert all(len(part) for part in made)
    if made.by == "time":
        early = [days[row] for row in made.dev if days[row] is not None]
        assert made.cut is not None
        assert min(START + timedelta(days=day) for day in early if day is not None) == made.cut
        late = sum(
            1 for row in made.train if (day := days[row]) is not None and START + timedelta(days=day) >= made.cut
        )
        assert late == made.moved


def test_random_split_keeps_the_shares_of_labels_and_never_judges_a_lone_row(tmp_path: Path) -> None:
    labels = ["air"] * 200 + ["got"] * 100 + ["sampah"] * 40 + ["langka"]
    rows = table(tmp_path, [None] * 341, labels=labels)
    made = split(rows, 0.2)
    assert made.by == "random"
    judged = [labels[row] for row in made.dev]
    assert [judged.count(name) for name in ("air", "got", "sampah", "langka")] == [40, 20, 8, 0]
    check_parts(made, repeat_groups(rows.texts))
    assert split(rows, 0.2).dev.tolist() == made.dev.tolist()
    assert split(rows, 0.2, seed=8).dev.tolist() != made.dev.tolist()


def test_nothing_but_repeats_cannot_be_parted(tmp_path: Path) -> None:
    rows = table(tmp_path, [None] * 6, ["air mati"] * 6)
    with pytest.raises(TrainingDataError, match="all repeats"):
        split_at_random(rows)


def test_time_folds_learn_from_the_past_only() -> None:
    times = [START + timedelta(days=day) for day in range(12)]
    folds = time_folds(times, np.arange(12), 3)
    assert [(earlier.tolist(), later.tolist()) for earlier, later in folds] == [
        ([0, 1, 2], [3, 4, 5]),
        ([0, 1, 2, 3, 4, 5], [6, 7, 8]),
        (list(range(9)), [9, 10, 11]),
    ]


def test_time_folds_leave_out_late_repeats() -> None:
    times = [*(START + timedelta(days=day) for day in range(6)), None]
    groups = np.array([0, 1, 2, 3, 4, 0, 5])
    (earlier, later), (most, last) = time_folds(times, groups, 2)
    assert (earlier.tolist(), later.tolist()) == ([0, 6], [1, 2])
    assert (most.tolist(), last.tolist()) == ([0, 1, 2, 6], [3, 4])


@given(st.lists(st.tuples(st.none() | st.integers(0, 20), st.integers(0, 8)), min_size=4, max_size=40))
def test_time_folds_never_straddle(rows: list[tuple[int | None, int]]) -> None:
    times = [None if day is None else START + timedelta(days=day) for day, _ in rows]
    groups = np.array([group for _, group in rows])
    try:
        folds = time_folds(times, groups, 3)
    except TrainingDataError:
        return
    judged = np.concatenate([later for _, later in folds])
    assert len(set(judged.tolist())) == len(judged)
    for earlier, later in folds:
        assert not set(groups[earlier]) & set(groups[later])
        start = min(time for row in later if (time := times[row]) is not None)
        assert all(time is None or time < start for row in earlier for time in [times[row]])


def test_too_few_times_for_the_folds() -> None:
    with pytest.raises(TrainingDataError, match="ask for fewer"):
        time_folds([START] * 9, np.arange(9), 2)
    with pytest.raises(TrainingDataError, match="ask for fewer"):
        time_folds([None] * 9, np.arange(9), 2)


@given(st.lists(st.integers(0, 9), min_size=12, max_size=60), st.integers(2, 4))
def test_grouped_folds_hold_each_row_once(groups: list[int], count: int) -> None:
    numbers = np.unique(groups, return_inverse=True)[1]
    if len(set(groups)) < count:
        with pytest.raises(TrainingDataError, match="cannot be cut"):
            grouped_folds(numbers, count)
        return
    folds = grouped_folds(numbers, count)
    assert sorted(row for fold in folds for row in fold.tolist()) == list(range(len(groups)))
    assert all(len(fold) for fold in folds)
    for fold in folds:
        assert not set(numbers[fold]) & set(np.delete(numbers, fold))
    assert [fold.tolist() for fold in grouped_folds(numbers, count)] == [fold.tolist() for fold in folds]


def test_grouped_folds_are_even_and_seeded() -> None:
    groups = np.repeat(np.arange(50), np.arange(50) % 4 + 1)
    folds = grouped_folds(groups, 5)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1
    assert [f.tolist() for f in grouped_folds(groups, 5, seed=1)] != [f.tolist() for f in folds]
