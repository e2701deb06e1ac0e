from __future__ import annotations

from lapor_nlp.signals.cues import Span
from lapor_nlp.signals.letters import Letters
from lapor_nlp.signals.rules import Rule, Rules


def rule(cues: str, *, id: str = "a", within: int | None = None, weight: float = 1.0, group: str = "g") -> Rule:
    names = cues.split("+")
    return Rule(
        question="urgent",
        id=id,
        cues=tuple(n for n in names if not n.startswith("!")),
        absent=tuple(n[1:] for n in names if n.startswith("!")),
        within=within,
        weight=weight,
        group=group,
    )


def at(*places: int) -> list[Span]:
    return [Span(10 * p, 10 * p + 5, p, p) for p in places]


def test_all_cues_must_stand() -> None:
    assert rule("api+rumah").fires({"api": at(0)}) is None
    assert rule("api+rumah").fires({"api": at(0), "rumah": at(90)}) == (*at(0), *at(90))


def test_within_counts_the_words_between() -> None:
    near = rule("api+rumah", within=2)
    assert near.fires({"api": at(0), "rumah": at(3)}) == (*at(0), *at(3))
    assert near.fires({"api": at(3), "rumah": at(0)}) == (*at(3), *at(0))
    assert near.fires({"api": at(0), "rumah": at(4)}) is None
    assert near.fires({"api": at(0, 20), "rumah": at(22)}) == (*at(20), *at(22))


def test_an_absent_cue_counts_only_where_the_rule_looks() -> None:
    near = rule("api+rumah+!petasan", within=2)
    assert near.fires({"api": at(0), "rumah": at(1), "petasan": at(2)}) is None
    assert near.fires({"api": at(0), "rumah": at(1), "petasan": at(30)}) is not None
    assert rule("api+!petasan").fires({"api": at(0), "petasan": at(30)}) is None


def test_of_a_group_only_the_strongest_rule_counts() -> None:
    rules = Rules(
        -3.0,
        [
            rule("api", id="a", weight=1.0, group="x"),
            rule("rumah", id="b", weight=2.5, group="x"),
            rule("api", id="c", weight=0.5, group="y/z"),
            rule("rumah", id="d", weight=-1.0, group="w"),
        ],
    )
    total = rules.add_up({"api": at(0), "rumah": at(1)})
    assert total.total == -3.0 + 2.5 + 0.5 - 1.0
    assert [e.code for e in total.evidence] == ["urgent/b", "urgent/c", "urgent/d"]
    assert (total.evidence[0].start, total.evidence[0].end) == (10, 15)
    assert total.group == "x"


def test_the_group_is_named_up_to_the_slash_and_only_for_a_yes() -> None:
    assert Rules(0.0, [rule("api", group="iklan/jual")]).add_up({"api": at(0)}).group == "iklan"
    assert Rules(0.0, [rule("api", weight=-1.0)]).add_up({"api": at(0)}).group == ""
    assert Rules(0.5, []).add_up({}).total == 0.5


def test_letters_tell_a_word_from_noise() -> None:
    letters = Letters(["jalan", "lampu", "rusak", "selokan", "kelurahan", "perbaikan", "sampah", "banjir"])
    assert letters.score("kalurahan") > letters.score("asdkjh")
    assert letters.score("jalan") > letters.score("hhhhh")
