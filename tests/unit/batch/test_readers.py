from __future__ import annotations

import io
from pathlib import Path

import pytest

from lapor_nlp.batch.readers import MAX_LINE, read_file, read_numbered, read_stream
from lapor_nlp.errors import ReadError


def rows(data: str | bytes, form: str | None = None) -> list[object]:
    raw = data if isinstance(data, bytes) else data.encode()
    return list(read_stream(io.BytesIO(raw), form=form))


def test_json_lines() -> None:
    assert rows('{"id": "1", "text": "Air mati"}\n\n{"id": "2", "text": "Got mampet"}') == [
        {"id": "1", "text": "Air mati"},
        {"id": "2", "text": "Got mampet"},
    ]


def test_text_gets_line_numbers_as_ids() -> None:
    assert rows("Air mati\n\nGot mampet\n") == [{"id": "1", "text": "Air mati"}, {"id": "3", "text": "Got mampet"}]


def test_csv_with_quotes_and_line_breaks() -> None:
    data = 'id,isi\n1,"Air mati, sudah ""lama"".\nTolong"\n2,Got\n'
    assert rows(data, "csv") == [{"id": "1", "isi": 'Air mati, sudah "lama".\nTolong'}, {"id": "2", "isi": "Got"}]


def test_tsv_and_byte_order_mark() -> None:
    assert rows(b"\xef\xbb\xbfid\ttext\n1\tAir mati\n", "tsv") == [{"id": "1", "text": "Air mati"}]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"id": "2"', "not a JSON object"),
        (b"[1, 2]", "but a list"),
        (b'{"id": "2", "text": "\xe9"}', "not UTF-8"),
        (b'{"text": "' + b"x" * MAX_LINE + b'"}', "longer than"),
        (b"[" * 100_000, "not a JSON object"),
    ],
)
def test_a_bad_json_line_is_an_error_in_its_place(bad: bytes, message: str) -> None:
    first, second, third = rows(b'{"id": "1", "text": "a"}\n' + bad + b'\n{"id": "3", "text": "c"}\n')
    assert isinstance(second, ReadError)
    assert message in str(second)
    assert second.line == 2
    assert (first, third) == ({"id": "1", "text": "a"}, {"id": "3", "text": "c"})


def test_a_csv_row_with_too_few_cells_is_an_error_in_its_place() -> None:
    first, second, third = rows("id,text\n1,Air\n2\n3,Got\n", "csv")
    assert isinstance(second, ReadError)
    assert "1 cells where the header has 2" in str(second)
    assert [first, third] == [{"id": "1", "text": "Air"}, {"id": "3", "text": "Got"}]


def test_a_csv_line_in_another_encoding_is_an_error() -> None:
    found = rows(b"id,text\n1,Air\n2,caf\xe9\n3,Got\n", "csv")
    assert [isinstance(row, ReadError) for row in found] == [False, True, False]


def test_binary_data_is_not_text() -> None:
    found = rows(bytes(range(1, 9)) * 20 + b"\n")
    assert [isinstance(row, ReadError) for row in found] == [True]


def test_a_csv_without_a_text_column() -> None:
    with pytest.raises(ReadError, match="2 columns in its header, and none is text"):
        rows("a,b\n1,2\n", "csv")


def test_an_empty_stream_has_no_rows() -> None:
    assert rows("") == []


def test_unknown_format() -> None:
    with pytest.raises(ReadError, match="jsonl, csv, tsv, txt"):
        rows("x", "xlsx")


def test_the_suffix_tells_the_format(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,Air\n")
    assert list(read_file(tmp_path / "a.csv")) == [{"id": "1", "text": "Air"}]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.csv: cannot be opened"):
        list(read_file(tmp_path / "none.csv"))


def test_a_header_is_never_repeated_in_a_message() -> None:
    with pytest.raises(ReadError) as caught:
        rows("1,NIK 3404071212900001 Budi\n", "csv")
    assert "Budi" not in str(caught.value)


def test_semicolons_are_pointed_out() -> None:
    with pytest.raises(ReadError, match="semicolons"):
        rows("id;isi\n1;Air\n", "csv")


def test_a_header_in_another_encoding_is_the_error() -> None:
    with pytest.raises(ReadError, match="not UTF-8"):
        rows(b"id,text,caf\xe9\n1,Air,x\n", "csv")


def test_one_lost_quote_costs_one_row() -> None:
    data = 'id,text\n1,Air\n2,"kutip putus\n3,Got\n4,Jalan\n5,"air" mati\n6,"Sampah, bau"\n'
    found = rows(data, "csv")
    shown = [row.line if isinstance(row, ReadError) else row["id"] for row in found]  # type: ignore[index]
    assert shown == ["1", 3, "3", "4", 6, "6"]


def test_a_lost_quote_at_the_end_costs_one_row() -> None:
    found = rows('id,text\n1,"Air\n2,Got\n', "csv")
    assert [isinstance(row, ReadError) for row in found] == [True, False]


def test_rows_without_an_id_get_their_line() -> None:
    assert rows("isi,kota\nAir,Solo\nGot,Solo\n", "csv") == [
        {"isi": "Air", "kota": "Solo", "id": "2"},
        {"isi": "Got", "kota": "Solo", "id": "3"},
    ]
    assert rows('{"text": "Air"}') == [{"text": "Air", "id": "1"}]


def test_a_pipe_of_csv_is_recognised() -> None:
    assert rows("id,isi\n1,Air\n") == [{"id": "1", "isi": "Air"}]
    assert rows("id\tisi\n1\tAir\n") == [{"id": "1", "isi": "Air"}]
    assert rows("Air mati, isi ulang galon\n") == [{"id": "1", "text": "Air mati, isi ulang galon"}]


def test_a_json_list_is_refused() -> None:
    with pytest.raises(ReadError, match="one object a line"):
        rows('[{"id": "1", "text": "Air"}]')


def test_a_number_too_long_for_python_is_an_error_in_its_place() -> None:
    found = rows('{"id": ' + "9" * 5000 + ', "text": "Air"}\n{"id": "2", "text": "Got"}\n')
    assert [isinstance(row, ReadError) for row in found] == [True, False]


def test_numbered_rows_stand_as_they_are_under_any_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('keluhan,opd\n"Air\nmati",PDAM\n,\nGot\nSampah,DLH\n', encoding="utf-8")
    first, second, third = read_numbered(path)
    assert first == (2, {"keluhan": "Air\nmati", "opd": "PDAM"})
    assert second[0] == 5
    assert isinstance(second[1], ReadError)
    assert third == (6, {"keluhan": "Sampah", "opd": "DLH"})
