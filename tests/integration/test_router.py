"""The main path, with the packaged bundle and tables."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapor_nlp import BundleError, DataFileError, Decision, Failure, ReadError, Report, Router
from lapor_nlp.decision import Policy
from lapor_nlp.tables import DATA

LAMP = "Lampu jalan mati di Jl Kaliurang km 5, Sleman"


def decide(router: Router, text: str, **fields: object) -> Decision:
    return router.route(Report(id="x", text=text, **fields))  # type: ignore[arg-type]


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def test_the_first_example(router: Router) -> None:
    decision = decide(router, LAMP)
    assert decision.topic.code == "penerangan-jalan"
    assert decision.category == "PERHUBUNGAN"
    assert decision.region is not None
    assert decision.region.code == "34.04"
    assert "Sleman" in [LAMP[a:b] for a, b in decision.region.spans]
    assert decision.agency is not None
    assert decision.agency.name == "Dinas Perhubungan Kabupaten Sleman"
    assert decision.agency.level == "kabkota"
    assert decision.kind == "pengaduan"
    assert not decision.urgent
    assert 0.5 < decision.confidence <= 1


def test_a_decision_names_what_decided(router: Router) -> None:
    decision = decide(router, LAMP)
    assert decision.bundle == router.bundle.id
    assert len(decision.bundle.sha256) == 64
    assert decision.taxonomy == router.taxonomy.version
    assert decision.agency is not None
    assert decision.agency.rule


def test_the_json_form_is_stable(router: Router) -> None:
    row = json.loads(json.dumps(decide(router, LAMP).to_dict()))
    assert list(row) == [
        "id",
        "action",
        "reasons",
        "confidence",
        "topic",
        "category",
        "category_path",
        "regions",
        "agency",
        "agency_alternatives",
        "chosen_agency",
        "kind",
        "kind_score",
        "urgent",
        "pengawasan",
        "out_of_scope",
        "signals",
        "questions",
        "personal_data",
        "language",
        "duplicates",
        "notes",
        "bundle",
        "taxonomy",
    ]


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "🙏🙏🙏", "12345 67890", "???!!!", "<br><p></p>"])
def test_nothing_to_read_is_incomplete(router: Router, text: str) -> None:
    decision = decide(router, text)
    assert decision.action == "incomplete"
    assert decision.questions


def test_without_a_place_it_asks_for_one(router: Router) -> None:
    decision = decide(router, "Jalan di depan rumah kami berlubang dalam, sudah lama tidak diperbaiki")
    assert decision.action == "incomplete"
    assert codes(decision) == ["region_needed"]
    assert any("kabupaten" in q.lower() for q in decision.questions)


def test_a_pin_gives_the_place(router: Router) -> None:
    decision = decide(router, "Lampu jalan di gang kami mati", latitude=-7.7161, longitude=110.3550)
    assert decision.region is not None
    assert (decision.region.code, decision.region.source) == ("34.04", "pin")


def test_a_national_office_needs_no_place(router: Router) -> None:
    decision = decide(router, "Situs slot judi online muncul terus, mohon Komdigi memblokirnya")
    assert decision.action != "incomplete"
    assert decision.agency is not None
    assert decision.agency.level == "pusat"


def test_advertising_is_out_of_scope(router: Router) -> None:
    decision = decide(router, "PROMO pinjaman dana cepat cair tanpa agunan bunga rendah hubungi WA admin sekarang juga")
    assert decision.action == "out_of_scope"
    assert decision.category == "TOPIK LAINNYA"
    assert decision.agency is None


def test_abuse_of_office_goes_to_a_person(router: Router) -> None:
    decision = decide(router, "Kepala desa Sukamaju Kecamatan Cikupa memotong BLT dana desa 150 ribu per orang")
    assert decision.pengawasan
    assert decision.action == "review"
    assert "pengawasan" in codes(decision)


def test_danger_to_life_is_said(router: Router) -> None:
    decision = decide(router, "Rumah terbakar di Kecamatan Depok Sleman, ada anak terjebak di dalam, tolong damkar!")
    assert decision.urgent
    assert "urgent" in codes(decision)


def test_whose_road_is_asked_with_both_candidates(router: Router) -> None:
    decision = decide(router, "Jalan raya rusak parah dan berlubang di Kecamatan Ngaglik, Sleman, mohon diperbaiki")
    assert "level_undecided" in codes(decision)
    assert decision.action == "review"
    assert decision.agency_alternatives
    assert any("status" in q.lower() for q in decision.questions)


def test_the_chosen_agency_is_checked(router: Router) -> None:
    wrong = decide(router, LAMP, chosen_agency="Kementerian Kesehatan")
    assert wrong.chosen_agency is not None
    assert wrong.chosen_agency.verdict == "differs"
    assert "agency_differs" in codes(wrong)
    right = decide(router, LAMP, chosen_agency="Dishub Kab. Sleman")
    assert right.chosen_agency is not None
    assert right.chosen_agency.verdict == "fits"


def test_spans_count_in_the_text_not_in_the_title(router: Router) -> None:
    text = "Mohon perbaikan di Kecamatan Ngaglik Sleman, hubungi 0812-0000-1234"
    decision = decide(router, text, title="Lampu jalan mati")
    assert decision.topic.code == "penerangan-jalan"
    assert decision.region is not None
    assert all(0 <= a < b <= len(text) for a, b in decision.region.spans)
    (phone,) = decision.personal_data
    assert (phone.kind, text[slice(*phone.span)]) == ("phone", "0812-0000-1234")


def test_personal_data_is_never_repeated(router: Router) -> None:
    text = "KTP saya NIK 3404071212900001 belum jadi di Disdukcapil Sleman, hubungi budi@example.com"
    decision = decide(router, text)
    row = json.dumps(decision.to_dict())
    assert "3404071212900001" not in row
    assert "budi@example.com" not in row
    assert {p.kind for p in decision.personal_data} == {"nik", "email"}
    masked = router.explain(Report(id="1", text=text)).text
    assert "3404071212900001" not in masked
    assert "Disdukcapil Sleman" in masked


def test_the_explanation_quotes_the_text(router: Router) -> None:
    explanation = router.explain(Report(id="1", text=LAMP))
    words = {LAMP[w.evidence.start : w.evidence.end].lower() for w in explanation.words}
    assert words & {"lampu", "jalan", "mati"}
    assert explanation.responsibility.best is not None
    assert explanation.decision == router.route(Report(id="1", text=LAMP))


def test_a_stream_keeps_order_and_goes_on_after_bad_rows(router: Router) -> None:
    rows = [
        {"id": "a", "text": LAMP},
        {"id": "b"},
        Report(id="c", text="Sampah menumpuk di Kuta Utara, Badung"),
        ReadError("is not UTF-8", path="x.csv", line=4),
        {"id": "a", "text": "Sama lagi"},
        "not a row",
        {"id": "d", "text": "Air PDAM mati di Padang", "lat": "x", "lon": "1"},
        {"id": "e", "text": "Air PDAM mati di Kota Padang"},
    ]
    results = list(router.route_many(rows))  # type: ignore[arg-type]
    shown = [r.code if isinstance(r, Failure) else r.id for r in results]
    assert shown == ["a", "bad_report", "c", "unreadable_input", "repeated_id", "bad_report", "bad_report", "e"]
    assert [r.id for r in results if isinstance(r, Failure)] == ["b", None, "a", None, "d"]
    assert all(r.to_dict()["error"]["text"] for r in results if isinstance(r, Failure))


def test_a_stream_is_read_as_it_is_consumed(router: Router) -> None:
    taken = []

    def source() -> object:
        for i in range(1000):
            taken.append(i)
            yield {"id": str(i), "text": LAMP}

    results = router.route_many(source(), chunk=10)  # type: ignore[arg-type]
    next(results)
    assert len(taken) == 10


def test_chunk_must_be_positive(router: Router) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        router.route_many([], chunk=0)


@pytest.mark.parametrize("chunk", [1, 2, 256])
def test_rows_before_a_failing_source_are_decided(router: Router, chunk: int) -> None:
    def source() -> Iterator[dict[str, str]]:
        yield {"id": "1", "text": LAMP}
        yield {"id": "2", "text": LAMP}
        yield {"id": "3", "text": LAMP}
        raise ConnectionError("database went away")

    results = []
    with pytest.raises(ConnectionError):
        results.extend(_collect(router.route_many(source(), chunk=chunk), results))
    assert [r.id for r in results] == ["1", "2", "3"]


def _collect(stream: Iterator[Decision | Failure], into: list[Decision | Failure]) -> list[Decision | Failure]:
    for result in stream:
        into.append(result)
    return []


def test_an_empty_report_names_no_office(router: Router) -> None:
    for text in ("", "🙏🙏", "123"):
        assert decide(router, text).agency is None


def test_a_confidence_that_is_no_number_never_acts_alone(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Policy, "calibrated", lambda *_: float("nan"))
    assert decide(router, LAMP).action == "review"


def test_the_chosen_agency_is_masked(router: Router) -> None:
    decision = decide(router, LAMP, chosen_agency="Pak Budi Santoso 0812-0000-1234")
    assert decision.chosen_agency is not None
    assert "0812" not in decision.chosen_agency.given


WORDS = "jalan rusak di Sleman Badung Padang mati air sampah lurah tolong kapan Kota Kab. Tangerang 16"
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(sorted({*WORDS.split(" "), "\n"})), max_size=30).map(" ".join),
)


@settings(max_examples=40)
@given(st.lists(TEXTS, max_size=12))
def test_chunk_size_never_changes_an_answer(router: Router, texts: list[str]) -> None:
    rows = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
    answers = [[r.to_dict() for r in router.route_many(rows, chunk=size)] for size in (1, 2, 256)]
    assert answers[0] == answers[1] == answers[2]
    singles = [r for r in answers[0] if "error" not in r]
    for row in singles:
        assert row == router.route(Report.from_mapping(rows[int(row["id"])])).to_dict()


@settings(max_examples=150)
@given(TEXTS)
def test_any_text_gives_a_decision_with_spans_inside_it(router: Router, text: str) -> None:
    text = text.replace("\x00", " ")
    try:
        report = Report(id="1", text=text)
    except ValueError:
        return
    decision = router.route(report)
    spans = [s for r in decision.regions for s in r.spans] + [p.span for p in decision.personal_data]
    spans += [(a, b) for flag in decision.signals.values() for _, a, b in flag.evidence]
    assert all(0 <= a <= b <= len(text) for a, b in spans)
    assert 0 <= decision.confidence <= 1 + 1e-9
    assert decision.reasons


def test_many_threads_share_a_router(router: Router) -> None:
    expected = router.route(Report(id="1", text=LAMP))
    answers: list[Decision] = []

    def work() -> None:
        answers.extend(router.route(Report(id="1", text=LAMP)) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 80


def test_long_pastes_are_read(router: Router) -> None:
    text = "\n".join(f"Baris {i}: sampah menumpuk di Kuta Utara" for i in range(1500))
    decision = decide(router, text)
    assert decision.topic.code == "sampah"


def test_html_is_read_as_text(router: Router) -> None:
    decision = decide(router, "<p>Sampah&nbsp;menumpuk di <b>Kuta Utara</b></p><script>alert(1)</script>")
    assert decision.topic.code == "sampah"
    assert decision.region is not None
    assert decision.region.code == "51.03"


def test_a_deployment_brings_its_own_topics(tmp_path: Path) -> None:
    (tmp_path / "version.json").write_text('{"name": "ours", "version": "9"}')
    (tmp_path / "topics.csv").write_text("code,name,kategori,urusan,description\ngot,Got,SELOKAN,pekerjaan umum,\n")
    with pytest.raises(BundleError, match="add a migration"):
        Router.load(taxonomy=tmp_path)


def test_merged_topics_of_a_deployment_add_up(tmp_path: Path, router: Router) -> None:
    ours = tmp_path / "ours"
    shutil.copytree(DATA / "taxonomy", ours)
    lines = (ours / "topics.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("pdam-tagihan,")]
    assert len(kept) == len(lines) - 1
    (ours / "topics.csv").write_text("".join(kept))
    (ours / "version.json").write_text('{"name": "ours", "version": "2027.01"}')
    change = {"op": "merge", "old": ["pdam", "pdam-tagihan"], "new": ["pdam"]}
    step = {"from": "2026.11", "to": "2027.01", "changes": [change]}
    (ours / "migrations.json").write_text(json.dumps([step]))
    text = "Tagihan air PDAM Kota Padang bulan ini melonjak tiga kali lipat"
    before, after = decide(router, text), Router.load(taxonomy=ours).route(Report(id="x", text=text))
    scores = {t.code: t.score for t in (before.topic, *before.topic_alternatives)}
    assert {"pdam", "pdam-tagihan"} <= set(scores)
    assert after.topic.code == "pdam"
    assert after.topic.score == pytest.approx(scores["pdam"] + scores["pdam-tagihan"])
    assert after.taxonomy == "2027.01"


def test_a_typo_in_the_rules_of_a_deployment_is_refused(tmp_path: Path) -> None:
    ours = tmp_path / "agencies"
    shutil.copytree(DATA / "agencies", ours)
    assert Router.load(agencies=ours)
    rules = (ours / "rules.csv").read_text()
    assert ",jembatan," in rules
    (ours / "rules.csv").write_text(rules.replace(",jembatan,", ",jembatn,", 1))
    with pytest.raises(DataFileError, match=r"rules\.csv:\d+: .*jembatn"):
        Router.load(agencies=ours)
