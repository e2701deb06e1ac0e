"""The model card that is written beside a trained bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lapor_nlp.training.config import TrainConfig


def card(name: str, version: str, config: TrainConfig, metrics: Mapping[str, Any]) -> str:
    """A model card in Markdown: what was trained, from what, how well it did, and what these figures mean."""
    lines = [
        f"# {name} {version}",
        "",
        f"Heads: {', '.join(config.heads)}. Encoder: {config.encoder or 'none, words alone'}.",
        "",
        "| head | dev rows | accuracy | top-3 | macro-F1 | alone | wrong among these |",
        "|---|---|---|---|---|---|---|",
    ]
    for head, figures in metrics["dev"].items():
        cells = (figures.get(key, "-") for key in ("rows", "accuracy", "top3", "macro_f1", "alone", "alone_wrong"))
        lines.append(f"| {head} | {' | '.join(map(str, cells))} |")
    lines += [
        "",
        "Measured on the dev rows, on which the weights of words against encoder, the confidence and the threshold for",
        "acting alone were fitted too; judge the model by rows of a later time: `lapor-nlp evaluate`.",
        f"Acting alone was fitted to be wrong in at most {config.risk:.0%} of cases with probability "
        f"{config.assurance:.0%}, for traffic like the dev rows.",
    ]
    if "agreement" in metrics:
        shares = ", ".join(f"{head} {share:.3f}" for head, share in metrics["agreement"].items())
        lines += ["", f"First label of the exported model against the one in torch, share equal: {shares}."]
    settings = ["", "## Settings", "```toml", config.to_toml().rstrip(), "```", ""]
    return "\n".join(lines + settings)
