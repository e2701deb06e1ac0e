"""Texts that are no complaints of ours: how many would a bundle act on alone, and how sure is it of them?

    python benchmarks/bench_out_of_domain.py [--bundle FOLDER] [--out benchmarks/results/out_of_domain.json]

out_of_domain.jsonl holds 202 invented texts: keyboard noise, other languages, code, adverts, songs, recipes, news, and
40 complaints on matters that no topic covers. `head` is what the topic head alone would let go, `routed` what the
router does with everything it knows; beside them the same bundle without its guard against strange words. Coverage on
the invented cases (cases/dev.jsonl), which are complaints, shows what the guard costs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import HERE, parser, publish, read_jsonl, share
from numpy.typing import NDArray

from lapor_nlp.report import Report
from lapor_nlp.router import Router
from lapor_nlp.scorer import Answers, Scorer

NEW = "new_topic"


def main() -> None:
    line = parser(__doc__)
    line.add_argument("--bundle", type=Path, help="model folder; the packaged one by default")
    arguments = line.parse_args()
    rows = read_jsonl(HERE / "out_of_domain.jsonl")
    texts, kinds = [row["text"] for row in rows], np.array([row["kind"] for row in rows])
    cases = [row["text"] for row in read_jsonl(HERE / "cases" / "dev.jsonl")]
    scorer = Scorer.load(arguments.bundle)
    open_door = without_guard(scorer)
    answers, unguarded = asked(scorer, texts), asked(open_door, texts)
    router = Router.load(arguments.bundle)
    actions = [router.route(Report(id=row["id"], text=row["text"])).action for row in rows]
    auto = np.array([action == "auto" for action in actions])
    result: dict[str, Any] = {
        "bundle": {"name": scorer.bundle.name, "version": scorer.bundle.version, "sha256": scorer.bundle.sha256},
        "familiar": scorer.bundle.policy("topic").familiar,
        "complaints_alone": {
            "guarded": round(float(asked(scorer, cases).alone.mean()), 4),
            "unguarded": round(float(asked(open_door, cases).alone.mean()), 4),
        },
    }
    for name, here in (("not_complaints", kinds != NEW), ("new_topics", kinds == NEW)):
        result[name] = {
            "texts": int(here.sum()),
            "routed": share(int(auto[here].sum()), int(here.sum())),
            "head": figures(answers, here),
            "head_unguarded": figures(unguarded, here),
        }
    result["by_kind"] = {
        kind: {
            "texts": int((kinds == kind).sum()),
            "actions": dict(Counter(a for a, k in zip(actions, kinds, strict=True) if k == kind)),
            "head": figures(answers, kinds == kind),
            "head_unguarded": figures(unguarded, kinds == kind),
        }
        for kind in dict.fromkeys(kinds.tolist())
    }
    publish("out_of_domain", result, arguments.out)


def without_guard(scorer: Scorer) -> Scorer:
    policies = {head: replace(policy, familiar=None) for head, policy in scorer.bundle.policies.items()}
    bundle = replace(scorer.bundle, policies=policies)
    return Scorer(bundle=bundle, wordlist=scorer.wordlist, taxonomy=scorer.taxonomy)


def asked(scorer: Scorer, texts: list[str]) -> Answers:
    return scorer.answers("topic", scorer.score(texts, ["topic"]))


def figures(answers: Answers, here: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "alone": share(int(answers.alone[here].sum()), int(here.sum())),
        "confidence_mean": round(float(answers.confidence[here].mean()), 3),
        "confidence_90": round(float(np.quantile(answers.confidence[here], 0.9)), 3),
    }


if __name__ == "__main__":
    main()
