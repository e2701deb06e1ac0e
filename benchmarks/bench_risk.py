"""Acting alone at a stated risk of 5 %, over time, against plain thresholds; same answers, same run.

    python benchmarks/bench_risk.py COMPLAINTS [--bundle FOLDER] [--out benchmarks/results/risk.json]

City complaints of 2022 (surabaya_train.jsonl) and of January and February 2023 (surabaya_dev.jsonl). Each month from
March 2022 is answered by lexical models that learnt the months before it: affairs (of topics) and agencies. Then each
way of choosing a threshold is fitted on the answers up to some day and judged on those that follow:

- months: up to the end of each month from June 2022; judged on the next month, and on the next two;
- dev: ten stretches of January and February 2023; fitted on everything before.

With the bundle (`--bundle`, the packaged one by default), which learnt 2022 and no more:

- later: ten stretches of the last two thirds of January and February 2023; fitted on what comes before in 2023.

Ways: `policy` (training/risk.py: bound, room for drift, lead over the rival); `bound` (the same without room);
`plain` (lowest probability of the group down to which 5 % were wrong); `plain_lead` (the same with the lead).
Takes about six minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import agency, parser, publish, read_jsonl
from numpy.typing import NDArray

from lapor_nlp.classifier.classifier import softmax
from lapor_nlp.scorer import Scorer, by_group
from lapor_nlp.taxonomy.taxonomy import Taxonomy, load_labels
from lapor_nlp.text.clean import clean
from lapor_nlp.text.tokens import Tokens
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical
from lapor_nlp.training.mixing import fit_mix
from lapor_nlp.training.risk import acts_alone, fit_policy, fit_threshold

RISK, ASSURANCE = 0.05, 0.95
FEWEST = 20
AGENCY = "agency_surabaya"
FIRST_SCORED, FIRST_JUDGED = "2022-03", "2022-07"
FOLDS = 10

Bools = NDArray[np.bool_]
Window = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Answers of one head in order of time, each by a model that learnt only earlier months. Shape (rows,)."""

    day: NDArray[np.str_]
    share: NDArray[np.float64]
    lead: NDArray[np.float64]
    group: NDArray[np.str_]
    right: Bools
    rarity: NDArray[np.float64]


def main() -> None:
    line = parser(__doc__)
    line.add_argument("complaints", type=Path)
    line.add_argument("--bundle", type=Path, help="model folder; the packaged one by default")
    arguments = line.parse_args()
    rows = [
        row
        for name in ("surabaya_train.jsonl", "surabaya_dev.jsonl")
        for row in read_jsonl(arguments.complaints / name)
    ]
    rows.sort(key=lambda row: row["date"])
    result: dict[str, Any] = {"rows": len(rows), "risk": RISK, "assurance": ASSURANCE}
    for head, answers in answered(rows).items():
        result[head] = {
            "rows_scored": len(answers.day),
            "right": round(float(answers.right.mean()), 4),
            "months": contest(answers, list(months(answers))),
            "dev": contest(answers, list(dev_folds(answers))),
        }
    result["bundle"] = {
        head: {
            "rows_scored": len(answers.day),
            "right": round(float(answers.right.mean()), 4),
            "later": contest(answers, list(later_folds(answers))),
        }
        for head, answers in by_bundle(arguments.bundle, [row for row in rows if row["date"] >= "2023"]).items()
    }
    publish("risk", result, arguments.out)


def answered(rows: Sequence[dict[str, Any]]) -> dict[str, Answers]:
    """The answers of both heads to all rows from FIRST_SCORED on."""
    wordlist, taxonomy, carried = Wordlist.load(), Taxonomy.load(), load_labels("surabaya")
    tokens = [wordlist.tokens(clean(row["text"])) for row in rows]
    offices = [agency(row) for row in rows]
    learnt = [office for office, row in zip(offices, rows, strict=True) if row["date"] < "2023"]
    kept = {office for office in learnt if learnt.count(office) >= FEWEST}
    columns: dict[str, list[str | None]] = {
        "affair": [carried.get(row.get("topic") or "") for row in rows],
        "agency": [office if office in kept else None for office in offices],
    }
    groups: dict[str, Callable[[str], str]] = {"affair": lambda topic: taxonomy[topic].urusan, "agency": str}
    month = np.array([row["date"][:7] for row in rows])
    parts: dict[str, list[Answers]] = {head: [] for head in columns}
    scales: dict[str, float] = {}
    for now in sorted({str(m) for m in month if m >= FIRST_SCORED}):
        print(f"{now}: learning what came before", flush=True)
        before, here = np.flatnonzero(month < now).tolist(), np.flatnonzero(month == now).tolist()
        for head, part in score(tokens, columns, groups, scales, before, here, rows).items():
            parts[head].append(part)
    return {
        head: Answers(**{name: np.concatenate([vars(part)[name] for part in found]) for name in vars(found[0])})
        for head, found in parts.items()
    }


def score(
    tokens: Sequence[Tokens],
    columns: dict[str, list[str | None]],
    groups: dict[str, Callable[[str], str]],
    scales: dict[str, float],
    before: list[int],
    here: list[int],
    rows: Sequence[dict[str, Any]],
) -> dict[str, Answers]:
    """Learn the rows `before`, answer the rows `here`; the first time, a head's temperature is fitted and kept."""
    model = fit_lexical(
        [tokens[i] for i in before],
        {head: [column[i] for i in before] for head, column in columns.items()},
        LexicalConfig(),
    )
    result = {}
    for head, column in columns.items():
        at = [i for i in here if column[i] is not None]
        counts = model.features.counts([tokens[i] for i in at])
        margins = model.margins(model.features.weigh(counts, model.idf), head)
        labels = model.heads[head].labels
        if head not in scales:
            known = [k for k, i in enumerate(at) if column[i] in labels]
            scales[head] = fit_mix(margins[known], None, [labels.index(str(column[at[k]])) for k in known]).lexical
        probabilities = softmax(scales[head] * margins)
        of_label = [groups[head](label) for label in labels]
        names, _, group, lead = by_group(probabilities, of_label, "lead")
        said = np.array(names)[group]
        result[head] = Answers(
            day=np.array([rows[i]["date"] for i in at]),
            share=by_group(probabilities, of_label, "share")[3],
            lead=lead,
            group=said,
            right=said == np.array([groups[head](str(column[i])) for i in at]),
            rarity=model.rarity(counts),
        )
    return result


def by_bundle(bundle: Path | None, rows: Sequence[dict[str, Any]]) -> dict[str, Answers]:
    """The bundle's answers to rows of days after those it learnt, as affairs and as agencies."""
    scorer, carried = Scorer.load(bundle), load_labels("surabaya")
    columns = {"topic": [carried.get(row.get("topic") or "") for row in rows], AGENCY: [agency(row) for row in rows]}
    scores = scorer.score([row["text"] for row in rows], list(columns))
    found = {}
    for head, column in columns.items():
        groups = dict(zip(scores.labels[head], scorer.groups(head), strict=True))
        at = [i for i, label in enumerate(column) if label in groups]
        of_label = list(groups.values())
        names, _, group, lead = by_group(scores.probabilities[head][at], of_label, "lead")
        said = np.array(names)[group]
        found["affair" if head == "topic" else "agency"] = Answers(
            day=np.array([rows[i]["date"] for i in at]),
            share=by_group(scores.probabilities[head][at], of_label, "share")[3],
            lead=lead,
            group=said,
            right=said == np.array([groups[str(column[i])] for i in at]),
            rarity=scores.rarity[at],
        )
    return found


def later_folds(answers: Answers) -> Iterator[Window]:
    """Ten stretches of all but the first third of the rows, each with what came before it."""
    for part in np.array_split(np.arange(len(answers.day) // 3, len(answers.day)), FOLDS):
        yield np.arange(part[0]), part


def months(answers: Answers) -> Iterator[Window]:
    """What came before a month, and the month, and the month with the next."""
    month = np.array([day[:7] for day in answers.day])
    names = sorted(set(month.tolist()))
    for place, name in enumerate(names):
        if name >= FIRST_JUDGED:
            for length in (1, 2):
                if place + length <= len(names):
                    yield np.flatnonzero(month < name), np.flatnonzero(np.isin(month, names[place : place + length]))


def dev_folds(answers: Answers) -> Iterator[Window]:
    """Ten stretches of 2023, each with what came before it."""
    for part in np.array_split(np.flatnonzero(answers.day >= "2023"), FOLDS):
        yield np.arange(part[0]), part


def contest(answers: Answers, windows: list[Window]) -> dict[str, Any]:
    """What each way does over all windows."""
    ways: dict[str, Callable[[Answers, NDArray[np.int64], NDArray[np.int64]], Bools]] = {
        "policy": by_policy,
        "bound": lambda a, past, now: (
            a.lead[now] >= floor(fit_threshold(a.lead[past], a.right[past], risk=RISK, assurance=ASSURANCE))
        ),
        "plain": lambda a, past, now: a.share[now] >= plain(a.share[past], a.right[past]),
        "plain_lead": lambda a, past, now: a.lead[now] >= plain(a.lead[past], a.right[past]),
    }
    return {name: figures(answers, windows, way) for name, way in ways.items()}


def by_policy(answers: Answers, past: NDArray[np.int64], now: NDArray[np.int64]) -> Bools:
    policy = fit_policy(
        answers.lead[past],
        answers.right[past],
        answers.group[past].tolist(),
        times=answers.day[past].tolist(),
        rarity=answers.rarity[past],
        risk=RISK,
        assurance=ASSURANCE,
    ).policy
    pairs = zip(answers.lead[now].tolist(), answers.rarity[now].tolist(), strict=True)
    confidence = np.array([policy.calibrated(*pair) for pair in pairs])
    return acts_alone(policy, confidence, answers.group[now].tolist())


def plain(raw: NDArray[np.float64], right: Bools) -> float:
    """The lowest raw confidence down to which at most RISK of the answers were wrong."""
    order = np.argsort(-raw, kind="stable")
    errors = np.cumsum(~right[order]) / np.arange(1, len(raw) + 1)
    within = np.flatnonzero(errors <= RISK)
    return float(raw[order][within[-1]]) if len(within) else np.inf


def floor(threshold: float | None) -> float:
    return np.inf if threshold is None else threshold


def figures(
    answers: Answers,
    windows: list[Window],
    way: Callable[[Answers, NDArray[np.int64], NDArray[np.int64]], Bools],
) -> dict[str, Any]:
    """How often the risk was kept, the share of wrong answers and the coverage: means, worst, and for each window."""
    wrong, coverage = [], []
    for past, now in windows:
        alone = way(answers, past, now)
        wrong.append(float((~answers.right[now][alone]).mean()) if alone.any() else 0.0)
        coverage.append(float(alone.mean()))
    return {
        "kept": f"{sum(w <= RISK for w in wrong)} of {len(wrong)}",
        "wrong": round(float(np.mean(wrong)), 4),
        "worst": round(max(wrong), 4),
        "coverage": round(float(np.mean(coverage)), 4),
        "wrong_by_window": [round(w, 3) for w in wrong],
        "coverage_by_window": [round(c, 3) for c in coverage],
    }


if __name__ == "__main__":
    main()
