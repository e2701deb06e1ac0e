from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import lapor_nlp
from lapor_nlp.decision import Failure, Policy, Reason, measured
from lapor_nlp.errors import DataFileError
from lapor_nlp.wording import Wording


def test_without_odds_a_confidence_stays() -> None:
    policy = Policy(act_alone=0.9)
    assert policy.calibrated(0.7) == pytest.approx(0.7)


def test_calibration_rises_and_stays_inside() -> None:
    policy = Policy(act_alone=0.9, slope=0.5, intercept=0.3)
    values = [policy.calibrated(p / 100) for p in range(101)]
    assert values == sorted(values)
    assert 0 < values[0] < values[-1] < 1
    assert policy.calibrated(0.99) < 0.99


def test_a_rival_takes_from_the_lead_and_not_from_the_share() -> None:
    assert measured(0.6, 0.3, "share") == 0.6
    assert measured(0.6, 0.3, "lead") == pytest.approx(2 / 3)
    assert measured(0.2, 0.0, "lead") == 1.0


def test_only_unfamiliar_words_take_from_a_confidence() -> None:
    policy = Policy(act_alone=0.9, familiar=7.5)
    assert policy.calibrated(0.9, 7.5) == policy.calibrated(0.9)
    assert policy.calibrated(0.9, 7.6) < policy.calibrated(0.9)
    assert policy.calibrated(0.999, 9.0) < 0.01
    assert policy.calibrated(0.999, 1e6) == 0.0
    assert Policy(act_alone=0.9).calibrated(0.9, 1e6) == pytest.approx(0.9)


def test_a_policy_measures_by_share_or_lead() -> None:
    with pytest.raises(ValueError, match="cannot measure"):
        Policy(act_alone=0.9, measure="margin")  # type: ignore[arg-type]


def test_a_failure_as_json() -> None:
    row = Failure(id="7", code="bad_report", text="text: is missing").to_dict()
    assert row == {"id": "7", "error": {"code": "bad_report", "text": "text: is missing"}}


def test_every_reason_code_has_a_sentence() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", (Reason.__doc__ or "").split("Codes: ")[1]))
    assert documented == set(Wording.load().texts)


def test_every_code_that_the_router_uses_has_a_sentence() -> None:
    texts = Wording.load().texts
    tree = ast.parse((Path(lapor_nlp.__file__).parent / "router.py").read_text())
    act = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "_act")
    calls = [
        n for n in ast.walk(act) if isinstance(n, ast.Call) and getattr(n.func, "attr", "") in ("append", "reason")
    ]
    used = {a.value for call in calls for a in call.args if isinstance(a, ast.Constant)}
    assert len(used) >= 10
    assert used <= set(texts)


def test_the_confidence_is_filled_in() -> None:
    reason = Wording.load().reason("confident", confidence="98 %")
    assert "98 %" in reason.text
    assert "{" not in reason.text


def test_a_code_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "reasons.csv"
    path.write_text("code,text,question\nurgent,A,\nurgent,B,\n")
    with pytest.raises(DataFileError, match=r"reasons\.csv:3: the code 'urgent' stands twice"):
        Wording.load(path)
