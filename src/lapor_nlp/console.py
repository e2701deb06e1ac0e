"""Console: decisions as a person reads them in a terminal, in Indonesian."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lapor_nlp.decision import AgencyChoice, Decision, Failure
from lapor_nlp.report import Report
from lapor_nlp.router import Explanation
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.mask import Masked

_ACTIONS = {
    "auto": ("TERUSKAN LANGSUNG (auto)", "bold green"),
    "review": ("PERLU DILIHAT PETUGAS (review)", "bold yellow"),
    "incomplete": ("BELUM LENGKAP (incomplete)", "bold cyan"),
    "out_of_scope": ("BUKAN URUSAN LAYANAN PUBLIK (out_of_scope)", "bold magenta"),
}


_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)), " ")


def printable(text: str) -> str:
    """A text without the control characters that a terminal would obey; line breaks and tabs stay."""
    return text.translate(_CONTROLS)


def show_decision(decision: Decision, masked: str) -> None:
    """One decision as a small table; `masked` is the report without personal data."""
    console = Console(highlight=False)
    console.print(_table(decision, masked))


def show_explanation(explanation: Explanation, report: Report, masked: Masked) -> None:
    """A decision, then the words, places and rule behind it. Words that hold personal data are shown masked."""
    console = Console(highlight=False)
    decision = explanation.decision
    console.print(_table(decision, masked.text))

    def quote(start: int, end: int) -> str:
        first, last = masked.masked_span(start, end)
        return printable(masked.text[first:last])

    words = Table(title="Kata yang menentukan topik", title_justify="left", box=None, show_header=False)
    for word in explanation.words:
        bar = "#" * max(1, round(word.weight * 40))
        words.add_row(Text(quote(word.evidence.start, word.evidence.end)), f"{word.weight:.0%}", bar)
    console.print(words)
    places = Table(title="Tempat", title_justify="left", box=None)
    for name in ("kode", "nama", "keyakinan", "bukti"):
        places.add_column(name)
    for place in explanation.location.places:
        found = ", ".join(
            f'"{quote(e.start, e.end)}" ({e.code})' if e.source == "text" else f"{e.source} ({e.code})"
            for e in place.evidence
        )
        places.add_row(place.code, place.name, f"{place.confidence:.2f}", Text(found))
    console.print(places)
    rule = explanation.responsibility
    console.print(Text(f"Aturan: {rule.rule}  Catatan: {', '.join(rule.reasons) or '-'}"))
    offices = explanation.responsibility.offices
    cues = [f'"{quote(e.start, e.end)}" ({e.code})' for e in (offices[0].evidence if offices else ())]
    console.print(Text(f"Petunjuk kewenangan: {', '.join(cues) or '-'}"))
    offset = report.text_offset
    for name, flag in decision.signals.items():
        found = ", ".join(
            f'"{quote(start + offset, end + offset)}" ({rule})' if end > start else rule
            for rule, start, end in flag.evidence
        )
        console.print(Text(f"{name}: {'ya' if flag.value else 'tidak'} ({flag.score:.2f}) {found}"))


def show_line(result: Decision | Failure) -> None:
    """One line for one report of many: id, action, topic, office, confidence, parted by tabs."""
    if isinstance(result, Failure):
        cells = [result.id or "?", "error", result.text]
    else:
        office = result.agency.name if result.agency else "-"
        cells = [result.id, result.action, result.topic.code, office, f"{result.confidence:.2f}"]
    print("\t".join(" ".join(printable(cell).split()) for cell in cells), flush=True)


def show_topics(taxonomy: Taxonomy) -> None:
    """The topics as a table."""
    table = Table(title=f"{taxonomy.name} {taxonomy.version}: {len(taxonomy)} topik", box=None)
    for name in ("kode", "nama", "kategori resmi", "urusan"):
        table.add_column(name, overflow="fold")
    for topic in taxonomy:
        table.add_row(topic.code, topic.name, " > ".join(topic.kategori), topic.urusan)
    Console(highlight=False).print(table)


def _table(decision: Decision, masked: str) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("Laporan", Text(printable(masked if len(masked) <= 400 else masked[:400] + " ...")))
    label, style = _ACTIONS[decision.action]
    table.add_row("Tindakan", Text(label, style=style))
    for reason in decision.reasons:
        table.add_row("", Text(f"{reason.text} [{reason.code}]"))
    if decision.action != "out_of_scope":
        table.add_row("Topik", Text(f"{decision.topic.name} ({decision.topic.code}) {decision.topic.score:.0%}"))
        others = "; ".join(f"{t.name} {t.score:.0%}" for t in decision.topic_alternatives if t.score >= 0.01)
        table.add_row("  atau", Text(others or "-"))
    table.add_row("Kategori", Text(" > ".join(decision.category_path)))
    places = "; ".join(_place(r.code, r.name, r.kecamatan_name, r.desa_name, r.confidence) for r in decision.regions)
    table.add_row("Wilayah", Text(places or "-"))
    table.add_row("Instansi", Text(_office(decision.agency) if decision.agency else "-", style="bold"))
    for office in decision.agency_alternatives:
        table.add_row("  atau", Text(_office(office)))
    if decision.chosen_agency:
        table.add_row(
            "Pilihan pelapor", Text(printable(f"{decision.chosen_agency.given}: {decision.chosen_agency.verdict}"))
        )
    flags = [name for name in ("urgent", "pengawasan") if getattr(decision, name)]
    table.add_row("Jenis", Text(", ".join([decision.kind, *flags])))
    for question in decision.questions:
        table.add_row("Tanyakan", Text(question))
    for match in decision.duplicates:
        days = "" if match.evidence.days is None else f", selisih {match.evidence.days:.0f} hari"
        word = "Ulangan dari" if match.relation == "same" else "Terkait"
        table.add_row(word, Text(printable(f"{match.id} {match.probability:.0%}{days}")))
    if decision.personal_data:
        kinds = ", ".join(sorted({p.kind for p in decision.personal_data}))
        table.add_row("Data pribadi", Text(f"{len(decision.personal_data)} disamarkan ({kinds})"))
    table.add_row("Keyakinan", f"{decision.confidence:.0%}")
    bundle = decision.bundle
    table.add_row("Model", f"{bundle.name} {bundle.version} {bundle.sha256[:12]}, taksonomi {decision.taxonomy}")
    return table


def _place(code: str, name: str, kecamatan: str | None, desa: str | None, confidence: float) -> str:
    finer = ", ".join(part for part in (desa, kecamatan) if part)
    return f"{finer + ', ' if finer else ''}{name} ({code}) {confidence:.0%}"


def _office(office: AgencyChoice) -> str:
    local = f" = {office.local_name}" if office.local_name and office.local_name != office.name else ""
    unit = f", {office.unit}" if office.unit else ""
    return f"{office.name}{local}{unit} ({office.level}; aturan {office.rule})"
