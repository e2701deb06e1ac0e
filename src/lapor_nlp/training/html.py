"""HTML: an evaluation as one file that a browser shows and a printer prints, without anything from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

from lapor_nlp.errors import ReadError
from lapor_nlp.files import write_whole
from lapor_nlp.training.bootstrap import Comparison
from lapor_nlp.training.evaluation import OTHERS, Evaluation, Point, Share

_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), "\ufffd")
_SIDE, _EDGE = 320, 44
_TICKS = 0.04
_NONE = "–"
_MEASURES = (
    ("Accuracy", "accuracy", "accuracy"),
    ("Right label among the first three", "top3", "top3"),
    ("Macro-F1", "macro_f1", "macro_f1"),
    ("Micro-F1", "micro_f1", None),
    ("Right group (affair)", "group_accuracy", None),
    ("Log loss", "log_loss", "log_loss"),
    ("Calibration error", "calibration_error", None),
    ("Share done alone", "coverage", "coverage"),
    ("Wrong among that", "alone_error", None),
)
"""Heading, key in Evaluation.summary(), measure in Comparison."""

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 70rem; margin: 0 auto;
  padding: 1rem; }
h1, h2, h3 { line-height: 1.2; }
h2 { border-top: 3px solid #1f5f8b; padding-top: .6rem; margin-top: 2.5rem; }
nav a { margin-right: 1rem; }
a { color: #1f5f8b; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #444; padding-bottom: .3rem; }
th, td { border-bottom: 1px solid #ccc; padding: .2rem .6rem; text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid #666; }
table.heat td { text-align: center; border: 1px solid #fff; min-width: 2rem; padding: .2rem; }
table.heat thead th { vertical-align: bottom; }
table.heat thead span { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 14rem; overflow: hidden; }
.worse { color: #8b0000; font-weight: bold; }
figure { margin: 1rem 0; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a; }
@media print { body { max-width: none; font-size: 11px; } nav { display: none; } .wide { overflow: visible; }
  h2, h3 { break-after: avoid; } figure, tr { break-inside: avoid; }
  td { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """What a report says of one head: its evaluation and, beside another bundle, that one's and the comparison."""

    evaluation: Evaluation
    other: Evaluation | None = None
    comparison: Comparison | None = None


def render(
    sections: Sequence[Section], *, findings: Sequence[str] = (), settings: Mapping[str, object] | None = None
) -> str:
    """The report as text of one HTML file. `findings` are sentences on the data, `settings` what it was made with.

    Whatever stands in labels, ids and texts is shown as it is and never becomes markup.
    """
    bundle = sections[0].evaluation.bundle
    title = f"Evaluation of {bundle.name} {bundle.version}"
    names = [section.evaluation.head for section in sections]
    links = [*((f"head-{k}", name) for k, name in enumerate(names)), ("data", "Data"), ("settings", "Settings")]
    body = _tag(
        "body",
        _tag("h1", title),
        _tag("nav", *(_tag("a", name, href=f"#{anchor}") for anchor, name in links), aria_label="Contents"),
        _tag("main", *(_head(section, f"head-{k}") for k, section in enumerate(sections)), _data(sections, findings)),
        _settings(sections, settings or {}),
    )
    head = _tag(
        "head",
        _tag("meta", charset="utf-8"),
        _tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _tag("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        _tag("title", title),
        _tag("style", _STYLE),
    )
    return "<!DOCTYPE html>\n" + tostring(_tag("html", head, body, lang="en"), encoding="unicode", method="html") + "\n"


def write_report(
    path: Path,
    sections: Sequence[Section],
    *,
    findings: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
) -> None:
    """Write the report of `render`; the file appears whole or not at all. Raises ReadError."""
    try:
        write_whole(path, render(sections, findings=findings, settings=settings))
    except OSError as error:
        raise ReadError(f"cannot be written: {error.strerror}; choose another place", path=path) from error


def _head(section: Section, anchor: str) -> Element:
    evaluation = section.evaluation
    return _tag(
        "section",
        _tag("h2", f"Head {evaluation.head}", id=anchor),
        *_summary(section),
        *_reliability(evaluation),
        *_risk_coverage(evaluation),
        *_classes(evaluation),
        *_confusion(evaluation),
        *_slices(evaluation),
        *_mistakes(evaluation),
    )


def _summary(section: Section) -> list[Element]:
    here, other = section.evaluation, section.other
    found = {d.measure: d for d in section.comparison.differences} if section.comparison else {}
    mine, theirs = here.summary(), other.summary() if other else {}
    columns = ["measure", f"{here.bundle.name} {here.bundle.version}"]
    if other:
        columns += [f"{other.bundle.name} {other.bundle.version}", "difference", "95 % interval", "worse in"]
    rows = []
    for heading, key, measure in _MEASURES:
        row: list[str | Element] = [heading, _number(mine[key])]
        if other:
            difference = found.get(measure or "")
            row.append(_number(theirs[key]))
            if difference:
                mark = {"class_": "worse"} if difference.worse else {}
                interval = _tag("span", f"{difference.low:+.4f} to {difference.high:+.4f}", **mark)
                row += [f"{difference.difference:+.4f}", interval, f"{difference.worse_share:.1%}"]
            else:
                row += ["", "", ""]
        rows.append(row)
    alone = here.alone
    sentences = [f"{here.rows:,} labelled rows, {len(here.classes):,} labels seen or given."]
    if alone.error.value is None:
        sentences.append("The policy does nothing alone on these rows.")
    else:
        sentences.append(
            f"Acting alone, the policy handles {alone.coverage.value:.1%} of them and is wrong in "
            f"{_interval(alone.error)}; it was fitted for at most {alone.risk:.1%}."
        )
    if section.comparison:
        compared = section.comparison
        sentences.append(
            f"Differences are this model less the other; their intervals come from {compared.resamples:,} draws of "
            f"{compared.groups:,} groups of like texts. 'Worse in' is the share of draws in which this model is worse."
        )
    return [_tag("h3", "Summary"), _tag("p", " ".join(sentences)), _table("Main figures", columns, rows)]


def _reliability(evaluation: Evaluation) -> list[Element]:
    chart = _chart(
        f"Reliability of {evaluation.head}",
        "Each point is a tenth of the rows: how sure the model was, and how often it was right, with 95 % intervals. "
        "Points below the diagonal mean that it promises too much.",
        ("confidence", "share right"),
        [
            _line([(0, 0), (1, 1)], stroke="#767676", stroke_dasharray="4 4"),
            *(
                _line([(b.confidence, b.right.low), (b.confidence, b.right.high)], stroke="#1f5f8b")
                for b in evaluation.reliability
            ),
            *(_dot(b.confidence, b.right.value or 0.0) for b in evaluation.reliability),
        ],
    )
    rows = [[str(b.right.total), _number(b.confidence), _interval(b.right)] for b in evaluation.reliability]
    table = _table("Reliability in figures", ["rows", "mean confidence", "share right (95 %)"], rows)
    return [_tag("h3", "Reliability"), chart, _details(table)]


def _risk_coverage(evaluation: Evaluation) -> list[Element]:
    curve, alone = evaluation.curve, evaluation.alone
    highest = max(0.05, alone.risk, alone.error.value or 0.0, *(point.error for point in curve))
    top = math.ceil(highest / _TICKS) * _TICKS
    limit = alone.risk / top
    marks = [
        _line([(0, limit), (1, limit)], stroke="#8b0000", stroke_dasharray="4 4"),
        _line([(point.coverage, point.error / top) for point in curve], stroke="#1f5f8b"),
    ]
    operating = "The policy does nothing alone."
    if alone.coverage.value and alone.error.value is not None:
        marks.append(_dot(alone.coverage.value, alone.error.value / top, fill="#8b0000"))
        covered = f"{alone.coverage.value:.1%} of the rows"
        operating = f"The dot is the policy: alone in {covered}, wrong in {_interval(alone.error)}."
    chart = _chart(
        f"Risk and coverage of {evaluation.head}",
        f"The share of wrong answers if the model acted alone on its surest answers. {operating} "
        f"The dashed line is the stated risk, {alone.risk:.1%}.",
        ("share done alone", "share of it wrong"),
        marks,
        top=top,
    )
    rows = [[_number(p.confidence), f"{p.coverage:.1%}", f"{p.error:.2%}"] for p in _thinned(curve)]
    table = _table("Risk and coverage in figures", ["from confidence", "done alone", "of it wrong"], rows)
    return [_tag("h3", "Risk and coverage"), chart, _details(table)]


def _thinned(curve: Sequence[Point]) -> Iterable[Point]:
    """Every twentieth of the points, and the last."""
    step = max(1, len(curve) // 20)
    return [*curve[:-1:step], curve[-1]]


def _classes(evaluation: Evaluation) -> list[Element]:
    rows: list[list[str | Element]] = [
        [
            _label(row.label) if row.known else _tag("span", _label(row.label), " (not known to the model)"),
            str(row.rows),
            str(row.predicted),
            _number(row.precision),
            _number(row.recall),
            _number(row.f1),
            _number(row.confidence),
        ]
        for row in evaluation.classes
    ]
    columns = ["label", "rows", "given", "precision", "recall", "F1", "mean confidence when given"]
    return [_tag("h3", "Labels"), _table("Labels by number of rows", columns, rows)]


def _confusion(evaluation: Evaluation) -> list[Element]:
    confusion = evaluation.confusion
    pairs = _table(
        "Most often confused",
        ["true", "given", "rows", "share of the true"],
        [[_label(p.true), _label(p.predicted), str(p.rows), f"{p.share:.1%}"] for p in confusion.pairs],
    )
    columns = [*confusion.labels, OTHERS]
    head = _tag("tr", _tag("td"), *(_tag("th", _tag("span", _label(name)), scope="col") for name in columns))
    body = []
    for true, counts in zip(confusion.labels, confusion.matrix, strict=True):
        total = sum(counts)
        cells = [_heat(count, count / total, name == true) for name, count in zip(columns, counts, strict=True)]
        body.append(_tag("tr", _tag("th", _label(true), scope="row"), *cells))
    caption = f"The {len(confusion.labels)} commonest labels: true label down, given label across, in rows"
    heat = _tag("table", _tag("caption", caption), _tag("thead", head), _tag("tbody", *body), class_="heat")
    return [_tag("h3", "Confusion"), pairs, _tag("div", heat, class_="wide")]


def _heat(count: int, share: float, right: bool) -> Element:
    """A cell that is the deeper, blue if right and red if wrong, the larger its share of the row."""
    red, green, blue = (31, 95, 139) if right else (139, 0, 0)
    shade = [round(255 - (255 - part) * share) for part in (red, green, blue)]
    ink = "#fff" if share > 0.5 else "#1a1a1a"
    return _tag("td", str(count) if count else "", style=f"background:rgb({','.join(map(str, shade))});color:{ink}")


def _slices(evaluation: Evaluation) -> list[Element]:
    rows = [
        [
            s.trait,
            s.value,
            str(s.accuracy.total),
            _interval(s.accuracy),
            _number(s.top3),
            f"{s.coverage:.1%}",
            _interval(s.error),
        ]
        for s in evaluation.slices
    ]
    columns = ["trait", "value", "rows", "accuracy (95 %)", "top 3", "done alone", "of it wrong (95 %)"]
    return [_tag("h3", "Slices"), _table("Parts of the rows", columns, rows)]


def _mistakes(evaluation: Evaluation) -> list[Element]:
    texts = any(row.text is not None for row in evaluation.mistakes)
    columns = ["id", "true", "given", "confidence", "alone", *(["text, personal data masked"] if texts else [])]
    rows = []
    for row in evaluation.mistakes:
        cells: list[str | Element] = [row.id, _label(row.true), _label(row.predicted), _number(row.confidence)]
        cells.append("yes" if row.alone else "no")
        if texts:
            cells.append(_label(row.text or ""))
        rows.append(cells)
    return [_tag("h3", "Worst mistakes"), _table("Wrong labels, the surest first", columns, rows)]


def _data(sections: Sequence[Section], findings: Sequence[str]) -> Element:
    said = list(findings)
    for section in sections:
        evaluation = section.evaluation
        if evaluation.unlabelled:
            said.append(f"{evaluation.unlabelled:,} rows have no label for {evaluation.head}; they are left out.")
        if evaluation.unknown:
            labels = ", ".join(f"{label} ({count:,})" for label, count in evaluation.unknown.items())
            rows = f"{sum(evaluation.unknown.values()):,} rows"
            said.append(f"{rows} bear labels that {evaluation.head} does not know; they count as wrong: {labels}.")
        if evaluation.truncated:
            said.append(
                f"{evaluation.truncated:,} rows were too long for the encoder of {evaluation.head} and were cut."
            )
    content = _tag("ul", *(_tag("li", sentence) for sentence in said)) if said else _tag("p", "Nothing to report.")
    return _tag("section", _tag("h2", "Data", id="data"), content)


def _settings(sections: Sequence[Section], settings: Mapping[str, object]) -> Element:
    shown: dict[str, object] = dict(settings)
    for section in sections:
        for evaluation in (section.evaluation, section.other):
            if evaluation is not None:
                shown[f"{evaluation.bundle.name} {evaluation.bundle.version}"] = f"sha256 {evaluation.bundle.sha256}"
        shown[f"test rows of {section.evaluation.head}"] = f"sha256 {section.evaluation.data}"
    rows = [[name, str(value)] for name, value in shown.items()]
    return _tag("section", _tag("h2", "Settings", id="settings"), _table("What this was made with", ["", ""], rows))


def _chart(
    title: str, description: str, axes: tuple[str, str], marks: Sequence[Element], *, top: float = 1.0
) -> Element:
    """A square from (0, 0) to (1, 1); the upright axis is labelled from 0 to `top`, the description is its caption."""
    grid = []
    for k in range(5):
        at = k / 4
        grid += [
            _line([(at, 0), (at, 1)], stroke="#e4e4e4"),
            _line([(0, at), (1, at)], stroke="#e4e4e4"),
            _words(f"{at:.0%}", _x(at), _EDGE + _SIDE + 16, "middle"),
            _words(f"{at * top:.0%}", _EDGE - 6, _y(at) + 4, "end"),
        ]
    size = _SIDE + 2 * _EDGE
    names = [
        _words(axes[0], _x(0.5), size - 8, "middle"),
        _words(axes[1], 12, _y(0.5), "middle", transform=f"rotate(-90 12 {_y(0.5):.0f})"),
    ]
    svg = _tag(
        "svg",
        *grid,
        *names,
        *marks,
        viewBox=f"0 0 {size} {size}",
        width=size,
        height=size,
        role="img",
        aria_label=title,
    )
    return _tag("figure", svg, _tag("figcaption", description))


def _x(value: float) -> float:
    return _EDGE + _SIDE * value


def _y(value: float) -> float:
    return _EDGE + _SIDE * (1 - value)


def _line(points: Sequence[tuple[float, float]], **look: str) -> Element:
    path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    return _tag("polyline", points=path, fill="none", stroke_width="1.5", **look)


def _dot(x: float, y: float, fill: str = "#1f5f8b") -> Element:
    return _tag("circle", cx=f"{_x(x):.1f}", cy=f"{_y(y):.1f}", r="4.5", fill=fill)


def _words(text: str, x: float, y: float, anchor: str, **more: str) -> Element:
    return _tag("text", text, x=f"{x:.0f}", y=f"{y:.0f}", text_anchor=anchor, **more)


def _details(content: Element) -> Element:
    return _tag("details", _tag("summary", "In figures"), content)


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str | Element]]) -> Element:
    """A table whose columns are aligned right where all their cells begin like numbers."""
    numeric = [
        bool(rows) and all(isinstance(row[k], str) and str(row[k])[:1] in f"0123456789+-{_NONE}" for row in rows)
        for k in range(len(columns))
    ]
    look = [{"class_": "n"} if number else {} for number in numeric]
    head = [_tag("th", name, scope="col", **kind) for name, kind in zip(columns, look, strict=True)]
    body = [_tag("tr", *(_tag("td", cell, **kind) for cell, kind in zip(row, look, strict=True))) for row in rows]
    parts = [_tag("thead", _tag("tr", *head))] if any(columns) else []
    return _tag("div", _tag("table", _tag("caption", caption), *parts, _tag("tbody", *body)), class_="wide")


def _label(text: str) -> Element:
    """Words in Indonesian; set apart, so that their direction of writing stays their own."""
    return _tag("bdi", text, lang="id")


def _interval(share: Share) -> str:
    return _NONE if share.value is None else f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _tag(name: str, /, *content: str | Element, **attributes: object) -> Element:
    """An element; a trailing underscore in a name of an attribute goes, one inside becomes a hyphen."""
    plain = {key.rstrip("_").replace("_", "-"): str(value).translate(_CONTROLS) for key, value in attributes.items()}
    made = Element(name, plain)
    for part in content:
        if isinstance(part, Element):
            made.append(part)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + part.translate(_CONTROLS)
        else:
            made.text = (made.text or "") + part.translate(_CONTROLS)
    return made
