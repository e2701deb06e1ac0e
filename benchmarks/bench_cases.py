"""Route invented cases end to end and score each answer.

    python benchmarks/bench_cases.py --cases CASES.jsonl [--out benchmarks/results/cases.json]

A case has text, lat, lon, category, region (list of codes, [] for none), level, agency, kind, urgent, pengawasan, pii,
out_of_scope. Prints the wrong ones by id. The rival in the same run knows nothing but names: the agency whose
name or usual abbreviation stands in the text, the kab/kota whose full name stands in it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from common import parser, publish, read_jsonl, share

from lapor_nlp import Decision, Report, Router
from lapor_nlp.agencies.fit import same_office


def main() -> None:
    line = parser(__doc__, cases=True)
    line.add_argument("--bundle", type=Path)
    arguments = line.parse_args()
    cases = read_jsonl(arguments.cases)
    router = Router.load(arguments.bundle)
    decisions = [router.route(Report(id=c["id"], text=c["text"], latitude=c["lat"], longitude=c["lon"])) for c in cases]
    result = score(cases, decisions)
    result["rival_by_name"] = rival(cases, router)
    publish("cases", result, arguments.out)


def score(cases: list[dict[str, Any]], decisions: list[Decision]) -> dict[str, Any]:
    right: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    wrong: dict[str, list[str]] = defaultdict(list)

    def mark(name: str, ok: bool, note: str) -> None:
        total[name] += 1
        right[name] += ok
        if not ok:
            wrong[name].append(note)

    for case, decision in zip(cases, decisions, strict=True):
        here = case["id"]
        codes = [r.code for r in decision.regions]
        mark("region_top1", codes[0] in case["region"] if codes else not case["region"], f"{here} {codes}")
        mark("region_set", set(codes) == set(case["region"]), f"{here} {codes} not {case['region']}")
        mark("category", decision.category == case["category"], f"{here} {decision.topic.code} ({case['category']})")
        if case["language"] in ("jv", "su", "min", "ban"):
            mark("category_regional", decision.category == case["category"], f"{here} {decision.topic.code}")
        if case["agency"] and case["region"]:
            name = decision.agency.name if decision.agency else ""
            mark("agency", same_office(name, case["agency"]), f"{here} {name!r} not {case['agency']!r}")
        if case["agency"] and not case["region"]:
            name = decision.agency.name if decision.agency else ""
            mark("agency_without_region", same_office(name, case["agency"]), f"{here} {name!r} not {case['agency']!r}")
        if case["level"] is None and not case["out_of_scope"] and case["region"]:
            open_level = "level_undecided" in {r.code for r in decision.reasons}
            mark("level_undecided_said", open_level, here)
        mark("kind", decision.kind == case["kind"], f"{here} {decision.kind} not {case['kind']}")
    result: dict[str, Any] = {
        name: {"right": right[name], "of": total[name], "share": share(right[name], total[name]), "wrong": wrong[name]}
        for name in total
    }
    for name in ("urgent", "pengawasan", "out_of_scope"):
        result[name] = flags(cases, decisions, name)
    result["personal_data"] = personal_data(cases, decisions)
    actions = [d.action for d in decisions]
    result["actions"] = {action: actions.count(action) for action in sorted(set(actions))}
    alone = [i for i, d in enumerate(decisions) if d.action == "auto"]
    correct = sum(
        decisions[i].agency is not None
        and cases[i]["agency"] is not None
        and same_office(decisions[i].agency.name, cases[i]["agency"])  # type: ignore[union-attr]
        for i in alone
    )
    result["alone"] = {"rows": len(alone), "agency_right": share(correct, len(alone))}
    return result


def flags(cases: list[dict[str, Any]], decisions: list[Decision], name: str) -> dict[str, Any]:
    said = {c["id"] for c, d in zip(cases, decisions, strict=True) if getattr(d, name)}
    true = {c["id"] for c in cases if c[name]}
    return {
        "recall": share(len(said & true), len(true)),
        "precision": share(len(said & true), len(said)),
        "missed": sorted(true - said),
        "false": sorted(said - true),
    }


def personal_data(cases: list[dict[str, Any]], decisions: list[Decision]) -> dict[str, Any]:
    found = expected = false = 0
    missed = []
    for case, decision in zip(cases, decisions, strict=True):
        spans = [case["text"][a:b] for a, b in (p.span for p in decision.personal_data)]
        for item in case["pii"]:
            expected += 1
            hit = any(item in span or (span in item and len(span) > len(item) / 2) for span in spans)
            found += hit
            if not hit:
                missed.append(case["id"])
        false += sum(not any(span in item or item in span for item in case["pii"]) for span in spans)
    return {"recall": share(found, expected), "of": expected, "false_spans": false, "missed": missed}


def rival(cases: list[dict[str, Any]], router: Router) -> dict[str, Any]:
    """Names only: what a mail filter would do."""
    places = {r.full_name.lower(): r.code for r in router.locator.gazetteer.kabkota()}
    offices = [(row.short.lower(), row.name) for row in router.directory.catalogue if row.short]
    region = agency = asked = 0
    for case in cases:
        text = case["text"].lower()
        code = next((c for name, c in places.items() if re.search(rf"\b{re.escape(name)}\b", text)), None)
        region += code in case["region"] if code else not case["region"]
        if case["agency"] and case["region"]:
            asked += 1
            name = next((n for short, n in offices if re.search(rf"\b{re.escape(short)}\b", text)), "")
            agency += bool(name) and same_office(name, case["agency"])
    return {"region_top1": share(region, len(cases)), "agency": share(agency, asked)}


if __name__ == "__main__":
    main()
