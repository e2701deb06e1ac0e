"""Directory: who answers, by worked examples and by what is left open."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from lapor_nlp.agencies.directory import Directory
from lapor_nlp.agencies.office import LEVELS, Responsibility
from lapor_nlp.errors import DataFileError
from lapor_nlp.place import Location, Place
from lapor_nlp.regions.gazetteer import Gazetteer
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist

EXAMPLES = [
    row
    for _, row in read_table(
        Path(__file__).parent / "examples.csv", ("group", "topic", "place", "flags", "sentence", "office")
    )
]
URUSAN = {row["code"]: row["urusan"] for _, row in read_table(DATA / "taxonomy" / "topics.csv", ("code", "urusan"))}

directory = Directory.load()
gazetteer = Gazetteer.load()
wordlist = Wordlist.load()


def place(code: str, confidence: float = 1.0) -> Place:
    """A candidate by Kemendagri code, with kecamatan and desa when the code is that long."""
    parts = {length: gazetteer.get(code[:length]) for length in (2, 5, 8, 13) if len(code) >= length}
    top = parts[5] if len(code) > 2 else parts[2]
    assert top is not None
    kecamatan, desa = parts.get(8), parts.get(13)
    return Place(
        code=top.code,
        name=top.full_name,
        confidence=confidence,
        kecamatan=kecamatan.code if kecamatan else None,
        kecamatan_name=kecamatan.name if kecamatan else None,
        desa=desa.code if desa else None,
        desa_name=desa.name if desa else None,
        desa_kind=desa.kind if desa else None,
    )


def copy(folder: Path) -> Path:
    """A copy of the packaged tables, to spoil."""
    return Path(shutil.copytree(DATA / "agencies", folder / "agencies"))


def assign(topic: str, sentence: str, *codes: str, flags: str = "", using: Directory = directory) -> Responsibility:
    return using.assign(
        topic,
        URUSAN.get(topic, ""),
        wordlist.tokens(clean(sentence)),
        Location(places=tuple(place(code) for code in codes)),
        urgent="urgent" in flags,
        pengawasan="pengawasan" in flags,
    )


@pytest.mark.parametrize(
    "row", EXAMPLES, ids=lambda row: f"{row['topic']}-{row['place'] or 'x'}-{row['sentence'][:30]}"
)
def test_worked_examples(row: dict[str, str]) -> None:
    best = assign(row["topic"], row["sentence"], *row["place"].split(), flags=row["flags"]).best
    assert best is not None
    assert best.name == row["office"]


def test_the_pilot_governments_have_six_examples_each() -> None:
    groups = Counter(row["group"] for row in EXAMPLES)
    pilots = {group: groups.pop(group) for group in ("kab-tangerang", "diy", "sleman", "bali", "badung", "sumbar")}
    assert min(pilots.values()) >= 6
    assert sum(groups.values()) >= 60


@pytest.mark.parametrize("topic", URUSAN)
def test_every_topic_ends_in_an_office_or_in_nobody(topic: str) -> None:
    for codes in ((), ("34.04",), ("13",), ("31.74",)):
        answer = assign(topic, "tolong", *codes)
        assert answer.rule
        if answer.best is None:
            assert topic == "lainnya"
            assert "nobody" in answer.reasons
            assert answer.question
        else:
            assert answer.best.level in LEVELS
            assert "{" not in answer.best.name


def test_every_topic_of_the_examples_exists() -> None:
    assert {row["topic"] for row in EXAMPLES} <= set(URUSAN)


def test_every_rule_is_about_a_topic_or_urusan_that_exists() -> None:
    known = set(URUSAN) | {f"urusan:{urusan}" for urusan in URUSAN.values()} | {"*"}
    assert directory.rules.subjects <= known


def test_evidence_points_at_the_words_that_decided() -> None:
    sentence = "Aspal di jalan provinsi ini hancur"
    best = assign("jalan-rusak", sentence, "34.04").best
    assert best is not None
    assert [sentence[e.start : e.end] for e in best.evidence] == ["jalan provinsi"]
    assert best.rule == "jalan/provinsi"
    assert best.region == "34"


def test_an_unknown_road_status_gives_both_levels_and_asks() -> None:
    answer = assign("jalan-rusak", "jalan raya penuh lubang", "34.04")
    assert answer.undecided
    assert [o.level for o in answer.offices] == ["kabkota", "provinsi", "pusat"]
    assert answer.reasons == ("level_undecided",)
    assert answer.question is not None
    assert "berstatus" in answer.question


def test_a_denied_cue_does_not_count() -> None:
    answer = assign("jalan-rusak", "ini jalan kabupaten bukan jalan desa", "36.03")
    assert not answer.undecided
    assert answer.rule == "jalan/kabkota"


def test_a_landmark_does_not_count() -> None:
    answer = assign("sekolah-layanan", "SD kami di samping SMA bocor", "36.03")
    assert answer.rule == "sekolah/sd"


def test_an_unknown_school_level_asks() -> None:
    answer = assign("sekolah-layanan", "gedung sekolah kami bocor", "36.03")
    assert answer.undecided
    assert {o.key for o in answer.offices} == {"disdik", "kankemenag"}


def test_twins_give_an_office_each() -> None:
    answer = assign("parkir", "parkir liar di Bogor", "32.71", "32.01")
    assert [o.name for o in answer.offices] == ["Dinas Perhubungan Kota Bogor", "Dinas Perhubungan Kabupaten Bogor"]
    assert answer.reasons == ("region_ambiguous",)
    assert answer.question == "Lokasi kejadian ini di Kota Bogor atau Kabupaten Bogor?"
    assert not answer.undecided


def test_twins_do_not_matter_to_one_office_for_both() -> None:
    answer = assign("pajak-kendaraan", "samsat Bogor antre", "32.71", "32.01")
    assert [o.name for o in answer.offices] == ["Badan Pendapatan Daerah Provinsi Jawa Barat"]
    assert answer.reasons == ()


def test_a_weak_second_place_is_ignored() -> None:
    where = Location(places=(place("32.71", 0.9), place("32.01", 0.2)))
    answer = directory.assign("parkir", "perhubungan", wordlist.tokens("parkir liar"), where)
    assert [o.name for o in answer.offices] == ["Dinas Perhubungan Kota Bogor"]


def test_no_place_leaves_the_bare_office_and_asks() -> None:
    answer = assign("parkir", "parkir liar bikin macet")
    assert answer.best is not None
    assert (answer.best.name, answer.best.region) == ("Dinas Perhubungan", None)
    assert answer.reasons == ("region_needed",)
    assert answer.question == "Di kabupaten atau kota mana kejadian ini?"


def test_no_place_is_fine_for_a_national_office() -> None:
    answer = assign("bea-cukai", "paket ditahan bea cukai")
    assert answer.reasons == ()
    assert answer.question is None


def test_a_province_alone_goes_to_the_province_and_asks_for_more() -> None:
    answer = assign("sampah", "sampah menumpuk", "13")
    assert answer.best is not None
    assert answer.best.name == "Dinas Lingkungan Hidup Provinsi Sumatera Barat"
    assert answer.reasons == ("region_needed",)


def test_jakarta_answers_for_its_kota() -> None:
    best = assign("ktp", "KTP belum jadi", "31.74").best
    assert best is not None
    assert (best.name, best.level, best.region) == (
        "Dinas Kependudukan dan Pencatatan Sipil Provinsi DKI Jakarta",
        "provinsi",
        "31",
    )


def test_an_unknown_region_code_keeps_its_name() -> None:
    where = Location(places=(Place(code="99.01", name="Kabupaten Baru", confidence=1.0),))
    answer = directory.assign("sampah", "lingkungan hidup", wordlist.tokens("sampah"), where)
    assert answer.best is not None
    assert answer.best.name == "Dinas Lingkungan Hidup Kabupaten Baru"
    assert directory.assign("upah", URUSAN["upah"], wordlist.tokens("gaji"), where).best is not None


def test_the_named_office_breaks_a_tie_but_not_the_law() -> None:
    named = assign("kebakaran-hutan", "lahan dibakar mohon manggala agni turun", "62.11")
    assert named.best is not None
    assert named.best.key == "kemenhut"
    law = assign("upah", "gaji tidak dibayar mohon bupati dan dinas sosial", "36.03")
    assert law.best is not None
    assert law.best.name == "Dinas Tenaga Kerja Provinsi Banten"


def test_a_local_name_rides_along() -> None:
    best = assign("jalan-rusak", "jalan gang rusak", "32.73").best
    assert best is not None
    assert best.name == "Dinas Pekerjaan Umum Kota Bandung"
    assert best.local_name == best.full_name == "Dinas Sumber Daya Air dan Bina Marga Kota Bandung"


def test_a_kelurahan_and_a_desa_answer_under_their_own_code() -> None:
    best = assign("layanan-kelurahan", "surat keterangan lama", "34.04.11.2004").best
    assert best is not None
    assert (best.name, best.level, best.region) == ("Pemerintah Kalurahan Wedomartani", "desa", "34.04.11.2004")


def test_a_new_topic_is_answered_by_its_urusan() -> None:
    answer = directory.assign("topik-baru", "adminduk", wordlist.tokens("x"), Location(places=(place("34.04"),)))
    assert answer.best is not None
    assert answer.best.key == "disdukcapil"


def test_a_topic_without_rules_says_so() -> None:
    answer = directory.assign("topik-baru", "urusan baru", wordlist.tokens("x"), Location())
    assert answer.offices == ()
    assert answer.reasons == ("no_rule",)


def test_cues_at_hand_give_the_same_answer() -> None:
    tokens = wordlist.tokens("jalan nasional rusak")
    where = Location(places=(place("34.04"),))
    cues = directory.cues(tokens)
    fresh = directory.assign("jalan-rusak", "pekerjaan umum", tokens, where)
    assert directory.assign("jalan-rusak", "pekerjaan umum", tokens, where, cues=cues) == fresh


def test_a_deployment_lays_its_own_names_over(tmp_path: Path) -> None:
    names = tmp_path / "names.csv"
    names.write_text(
        "region,instansi,level,name,local_name,source\n"
        "34.04,dlh,kabkota,Dinas Kebersihan Kabupaten Sleman,,SK contoh\n",
        encoding="utf-8",
    )
    own = Directory.load(names=names)
    best = assign("sampah", "sampah menumpuk", "34.04", using=own).best
    assert best is not None
    assert best.name == "Dinas Kebersihan Kabupaten Sleman"


BAD = [
    ("rules.csv", "baru,sampah,,*,tidak-ada,,1,,,s,", "tidak-ada"),
    ("rules.csv", "baru,sampah,,*,dlh,,1,,,s,", "say which"),
    ("rules.csv", "baru,sampah,,*,dlh@desa,,1,,,s,", "level desa"),
    ("rules.csv", "baru,sampah,isyarat-asing,*,polri,,1,,,s,", "isyarat-asing"),
    ("rules.csv", "baru,sampah,a<b<c,*,polri,,1,,,s,", "condition"),
    ("rules.csv", "baru,sampah,,*,polri,,satu,,,s,", "whole number"),
    ("rules.csv", "baru,sampah,,*,polri,,1,mungkin,,s,", "tie"),
    ("rules.csv", "baru,sampah,,*,polri,,1,,tanya-asing,s,", "tanya-asing"),
    ("rules.csv", "lh/kabkota,sampah,,*,polri,,1,,,s,", "twice"),
    ("rules.csv", ",sampah,,*,polri,,1,,,s,", "needs a name"),
    ("rules.csv", "baru,sampah", "cells"),
    ("cues.csv", "baru,... mulai celah,", "gap"),
    ("cues.csv", ",kata,", "without the name"),
    ("instansi.csv", "polri,Polri,Polri,Polri,vertikal,lembaga,,x,s,", "key of its own"),
    ("instansi.csv", "baru,Baru,Baru,Baru,bulan,lembaga,,x,s,", "level"),
    ("instansi.csv", "baru,Baru {asing},Baru,Baru,kabkota,dinas,,x,s,", "asing"),
    ("instansi.csv", "baru,Baru {wilayah},Baru,Baru,pusat,dinas,,x,s,", "each region"),
    ("names.csv", "34.04,tidak-ada,kabkota,X,,s", "tidak-ada"),
    ("names.csv", "34.04,dlh,kabkota,,,s", "local_name"),
    ("provinsi.csv", "99,Provinsi Baru,,entah,s", "ya or tidak"),
    ("provinsi.csv", "34,Provinsi Lain,,ya,s", "twice"),
    ("questions.csv", "wilayah,Di mana?", "twice"),
    ("questions.csv", "baru,", "code and a text"),
    ("questions.csv", "baru,Di {tempat}?", "no {field}"),
    ("questions.csv", "baru,Di {tempat?", "baru: "),
    ("sebutan.csv", "34,desa,Desa,s", "twice"),
    ("sebutan.csv", "99,dusun,Dusun,s", "as level"),
    ("sebutan.csv", "99,desa,,s", "a word"),
    ("names.csv", "31,dinas-pu,provinsi,Dinas Jalan,,s", "twice"),
    ("instansi.csv", "baru,Baru,Baru,Baru,pusat,lembaga,hilang,x,s,", "no parent hilang"),
    ("instansi.csv", "baru,Baru,Baru,Baru,pusat,lembaga,baru,x,s,", "circle at baru"),
    ("instansi.csv", "baru,Baru {wilayah},Baru {desa},Baru,kabkota,dinas,,x,s,", "cannot hold {desa}"),
    ("instansi.csv", "baru,Baru {wilayah} {desa},Baru,Baru,desa,dinas,,x,s,", "cannot hold {wilayah}"),
    ("instansi.csv", "baru,Baru {sebutan},Baru,Baru,desa,dinas,,x,s,", "cannot hold {sebutan}"),
    ("instansi.csv", "baru,Baru,Baru {wilayah},Baru,kabkota,dinas,,x,s,", "cannot hold {wilayah}"),
    ("instansi.csv", "baru,Baru {wilayah.x},Baru,Baru,kabkota,dinas,,x,s,", "cannot hold"),
    ("instansi.csv", "baru,Baru {wilayah:>9},Baru,Baru,kabkota,dinas,,x,s,", "no format"),
]


@pytest.mark.parametrize(("file", "row", "message"), BAD, ids=[f"{file}-{message}" for file, _, message in BAD])
def test_a_bad_row_names_file_and_line(tmp_path: Path, file: str, row: str, message: str) -> None:
    shutil.copytree(DATA / "agencies", tmp_path / "agencies")
    path = tmp_path / "agencies" / file
    text = path.read_text(encoding="utf-8").rstrip("\n")
    path.write_text(f"{text}\n{row}\n", encoding="utf-8")
    with pytest.raises(DataFileError, match=message) as caught:
        Directory.load(tmp_path / "agencies")
    assert caught.value.path == path
    assert caught.value.line == text.count("\n") + 2


def test_parents_in_a_circle_are_refused(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    with (folder / "instansi.csv").open("a", encoding="utf-8") as file:
        file.write("satu,Satu,Satu,Satu,pusat,lembaga,dua,x,s,\n")
        file.write("dua,Dua,Dua,Dua,pusat,lembaga,satu,x,s,\n")
    with pytest.raises(DataFileError, match="satu: its parents go round in a circle"):
        Directory.load(folder)


@pytest.mark.parametrize("text", ["Lokasi ini di {pilihn}?", "Lokasi ini di mana?", "Di {pilihan} atau {lain}?"])
def test_the_question_about_several_places_holds_them(tmp_path: Path, text: str) -> None:
    folder = copy(tmp_path)
    path = folder / "questions.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("wilayah-ganda,"))
    lines[at] = f"wilayah-ganda,{text}"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataFileError, match=r"must hold \{pilihan\}") as caught:
        Directory.load(folder)
    assert caught.value.line == at + 1


@pytest.mark.parametrize("level", ["desa", "kecamatan"])
def test_what_a_desa_is_called_needs_a_row_for_all_other_regions(tmp_path: Path, level: str) -> None:
    folder = copy(tmp_path)
    path = folder / "sebutan.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(x for x in lines if not x.startswith(f"*,{level},")), encoding="utf-8")
    with pytest.raises(DataFileError, match=rf"\*,{level}") as caught:
        Directory.load(folder)
    assert caught.value.path == path


class Codes:
    """The codes of the packaged gazetteer, as a container."""

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and gazetteer.get(code) is not None


def test_the_packaged_tables_fit_the_packaged_taxonomy_and_gazetteer() -> None:
    directory.check({topic.code: topic.urusan for topic in Taxonomy.load()}, Codes())


@pytest.mark.parametrize(
    ("file", "row", "message"),
    [
        ("rules.csv", "baru,sampahh,,*,polri,,1,,,s,", "no topic 'sampahh'"),
        ("rules.csv", "baru,sampah|,,*,polri,,1,,,s,", "no topic ''"),
        ("rules.csv", "baru,urusan:persampahan,,*,polri,,1,,,s,", "no topic 'urusan:persampahan'"),
        ("rules.csv", "baru,sampah,,34.04|34.99,polri,,1,,,s,", "no region '34.99'"),
        ("names.csv", "34.99,dlh,kabkota,Dinas Kebersihan,,s", "no region '34.99'"),
        ("names.csv", ",dlh,kabkota,Dinas Kebersihan,,s", "no region ''"),
        ("sebutan.csv", "34.99,desa,Desa,s", "no region '34.99'"),
        ("provinsi.csv", "99,Provinsi Baru,,ya,s", "no region '99'"),
    ],
)
def test_a_code_that_is_not_there_names_file_and_line(tmp_path: Path, file: str, row: str, message: str) -> None:
    folder = copy(tmp_path)
    path = folder / file
    text = path.read_text(encoding="utf-8").rstrip("\n")
    path.write_text(f"{text}\n{row}\n", encoding="utf-8")
    own = Directory.load(folder)
    with pytest.raises(DataFileError, match=message.replace("|", r"\|")) as caught:
        own.check(URUSAN, Codes())
    assert caught.value.path == path
    assert caught.value.line == text.count("\n") + 2


def test_names_laid_over_are_checked_too(tmp_path: Path) -> None:
    names = tmp_path / "ours.csv"
    names.write_text("region,instansi,level,name,local_name,source\n34.99,dlh,kabkota,Dinas,,s\n", encoding="utf-8")
    own = Directory.load(names=names)
    with pytest.raises(DataFileError, match=r"34\.99") as caught:
        own.catalogue.check(Codes())
    assert (caught.value.path, caught.value.line) == (names, 2)


def test_every_question_is_asked() -> None:
    rows = read_table(DATA / "agencies" / "rules.csv", ("question_if_missing",))
    asked = {row["question_if_missing"] for _, row in rows} - {""}
    assert asked | {"wilayah", "wilayah-ganda"} == set(directory.rules.questions)


@pytest.mark.parametrize("path", sorted((DATA / "agencies").glob("*.csv")), ids=lambda path: path.name)
def test_every_table_names_its_source_and_licence(path: Path) -> None:
    head = " ".join(line for line in path.read_text(encoding="utf-8").splitlines()[:8] if line.startswith("#"))
    assert "MIT" in head
    assert "Source: " in head or "authors of this project" in head


def test_a_missing_question_or_file_is_refused(tmp_path: Path) -> None:
    shutil.copytree(DATA / "agencies", tmp_path / "agencies")
    questions = tmp_path / "agencies" / "questions.csv"
    lines = questions.read_text(encoding="utf-8").splitlines()
    questions.write_text("\n".join(x for x in lines if not x.startswith("wilayah-ganda")), encoding="utf-8")
    with pytest.raises(DataFileError, match="wilayah-ganda"):
        Directory.load(tmp_path / "agencies")
    questions.unlink()
    with pytest.raises(DataFileError, match="cannot be read"):
        Directory.load(tmp_path / "agencies")


@pytest.mark.parametrize("name", ["Dinas {wilayh}", "Dinas {wilayah", "Dinas {wilayah:>9}"])
def test_a_local_name_holds_the_region_or_no_field(tmp_path: Path, name: str) -> None:
    table = tmp_path / "names.csv"
    table.write_text(f"region,instansi,level,name,local_name,source\n34.04,dinas-pu,kabkota,,{name},ours\n")
    with pytest.raises(DataFileError, match=r"names\.csv:2"):
        Directory.load(names=table)
