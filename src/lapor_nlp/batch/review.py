"""The list of repeats that a person goes through: one page, nothing from elsewhere, texts masked."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from lapor_nlp.batch.grouping import Group, Grouped
from lapor_nlp.duplicates.match import Match

_EXCERPT = 400
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), " ")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#1a1a1a;background:#fff}"
    "section{border-top:3px solid #1f5f8b;margin-top:1.5rem}li{margin:.6rem 0}code{background:#eee;padding:0 .3rem}"
    "small{color:#444;display:block}h2{font-size:1.1rem}"
)


def review_page(grouped: Grouped, texts: Mapping[str, str]) -> str:
    """The groups as HTML; `texts` are masked texts by id."""
    repeats = sum(len(found.children) for found in grouped.groups)
    body = "\n".join(_section(found, texts) for found in grouped.groups)
    return (
        '<!doctype html>\n<html lang="id"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Laporan berulang</title><style>{_STYLE}</style></head><body>\n<h1>Laporan berulang</h1>\n"
        f"<p>{grouped.reports:,} laporan; {len(grouped.groups):,} kelompok dengan {repeats:,} ulangan; "
        f"{len(grouped.failures):,} baris tidak terbaca.</p>\n{body}\n</body></html>\n"
    )


def _section(found: Group, texts: Mapping[str, str]) -> str:
    items = "\n".join(
        f"<li><code>{_safe(child)}</code> {_excerpt(texts, child)}<small>{_why(found.matches[child])}</small></li>"
        for child in found.children
    )
    return (
        f"<section><h2><code>{_safe(found.parent)}</code></h2><p>{_excerpt(texts, found.parent)}</p>\n"
        f"<ol>\n{items}\n</ol></section>"
    )


def _why(match: Match) -> str:
    evidence = match.evidence
    parts = [f"{match.probability:.0%} sama dengan {match.id}"]
    if match.merge:
        parts.append("boleh digabung langsung")
    parts += [f"sama: {kind}" for kind in evidence.shared]
    parts += [f"berbeda: {kind}" for kind in evidence.differing]
    if evidence.metres is not None:
        parts.append(f"{evidence.metres:.0f} m")
    if evidence.days is not None:
        parts.append(f"selisih {evidence.days:.0f} hari")
    if evidence.says_again:
        parts.append("menyebut laporan sebelumnya")
    return _safe("; ".join(parts))


def _excerpt(texts: Mapping[str, str], name: str) -> str:
    text = texts.get(name, "")
    return _safe(text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…")


def _safe(text: str) -> str:
    return escape(text.translate(_CONTROLS))
