"""Checks: what is wrong with labelled rows before anything is learnt from them, in plain words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.training.carry import count_labels
from lapor_nlp.training.findings import SHOWN, DataReport, Finder, Finding, number, quoted
from lapor_nlp.training.label_checks import Labels, check_labels
from lapor_nlp.training.sources import EMPTY, UNREADABLE, UNUSABLE
from lapor_nlp.training.splits import Rows, repeat_groups
from lapor_nlp.training.table import Table

LONG = 5000
"""Characters above which a text is very long."""


def check(table: Table, *, taxonomy: Taxonomy | None, dev: Table | None = None, fewest: int = 2) -> DataReport:
    """Look over labelled rows, and over the `dev` rows that they will be judged by.

    Labels of the head `topic` are held against `taxonomy` where one is given. Labels with less than `fewest` rows
    are reported. Linear in the length of the texts; holds keys and labels in memory, not the texts.
    """
    finder = Finder(table)
    findings = [*_intake(table), *_times(finder, dev)]
    if len(table):
        exact = _exact_keys(table.texts)
        groups = repeat_groups(table.texts)
        findings += [*_texts(finder), *_repeats(finder, exact, groups)]
        for head in table.heads:
            findings += check_labels(finder, head, exact=exact, groups=groups, taxonomy=taxonomy, fewest=fewest)
    if dev is not None:
        findings += _dev(table, dev)
    order = ("error", "warning", "note")
    return DataReport(
        source=str(table.source),
        rows=len(table),
        rejected=table.rejected,
        unlabelled=table.intake.unlabelled,
        heads={head: count_labels(table.labels(head)) for head in table.heads},
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.severity))),
    )


def _intake(table: Table) -> Iterator[Finding]:
    intake, rejected = table.intake, table.rejected
    total = len(table) + rejected + intake.unlabelled
    if not len(table):
        text = f"none of the {total:,} rows has both a text and a label; check the file and the names of its columns"
        yield Finding(code="no_rows", severity="error", text=text, count=total)
    elif 2 * rejected > total:
        text = f"{rejected:,} of {total:,} rows cannot be used: the file is damaged or read in the wrong way"
        yield Finding(code="mostly_rejected", severity="error", text=text, count=rejected)
    if empty := intake.rejected.get(EMPTY, 0):
        text = f"{number(empty, 'row')} without a text left out"
        lines = _lines(table, lambda reason: reason == "has no text")
        yield Finding(code="empty_texts", severity="warning", text=text, count=empty, rows=lines)
    if broken := intake.rejected.get(UNREADABLE, 0) + intake.rejected.get(UNUSABLE, 0):
        reasons = Counter(reason for _, reason in intake.rejects if reason != "has no text").most_common(3)
        told = "; ".join(reason for reason, _ in reasons)
        text = f"{number(broken, 'row')} that cannot be used left out: {told or 'see rejects'}"
        lines = _lines(table, lambda reason: reason != "has no text")
        yield Finding(code="unreadable_rows", severity="warning", text=text, count=broken, rows=lines)
    if intake.unlabelled:
        text = f"{number(intake.unlabelled, 'row')} without any label left out"
        yield Finding(code="unlabelled_rows", severity="note", text=text, count=intake.unlabelled)
    if intake.unread_time_count:
        line, value = intake.unread_times[0]
        text = (
            f"{number(intake.unread_time_count, 'row')} with a time that cannot be read, as {value} in line {line}; "
            "write 2025-12-31, 2025-12-31T08:30:00 or 31/12/2025"
        )
        lines = tuple(f"line {line}" for line, _ in intake.unread_times[:SHOWN])
        yield Finding(code="times_unread", severity="warning", text=text, count=intake.unread_time_count, rows=lines)


def _lines(table: Table, wanted: Callable[[str], bool]) -> tuple[str, ...]:
    return tuple(islice((f"line {line}" for line, reason in table.rejects if wanted(reason)), SHOWN))


def _times(finder: Finder, dev: Table | None) -> Iterator[Finding]:
    times = np.array(finder.table.times, dtype="datetime64[us]")
    known = times[~np.isnat(times)]
    if not len(times):
        return
    if not len(known):
        text = "no row has a time: the split is random, and how the model fares as time goes by cannot be told"
        yield Finding(code="no_times", severity="note", text=text, count=len(times))
    elif len(known) < len(times):
        missing = np.flatnonzero(np.isnat(times))
        text = f"{number(len(missing), 'row')} without a time ({len(missing) / len(times):.0%}): only learnt from"
        yield finder.rows("times_missing", "warning", text, missing)
    if len(known) > 1 and known.min() == known.max():
        text = f"all rows bear the time {known[0].item()}: it is no time of reporting, so the split is random"
        yield Finding(code="times_same", severity="warning", text=text, count=len(known))
    if dev is None:
        return
    dev_times = np.array(dev.times, dtype="datetime64[us]")
    dev_known = dev_times[~np.isnat(dev_times)]
    if len(known) and len(dev_known):
        late = np.flatnonzero(times >= dev_known.min())
        if len(late):
            text = (
                f"{number(len(late), 'row')} not earlier than the first dev row ({dev_known.min().item():%Y-%m-%d}): "
                "what is measured on dev is not how the model will fare on reports to come; cut by time"
            )
            yield finder.rows("train_after_dev", "warning", text, late)


def _texts(finder: Finder) -> Iterator[Finding]:
    long, broken, longest = [], [], 0
    for row, text in enumerate(finder.table.texts):
        if len(text) > LONG:
            long.append(row)
            longest = max(longest, len(text))
        if "\ufffd" in text:
            broken.append(row)
    if long:
        told = (
            f"{number(len(long), 'row')} longer than {LONG:,} characters (up to {longest:,}): their middle is not read"
        )
        yield finder.rows("long_texts", "note", told, long)
    if broken:
        told = f"{number(len(broken), 'row')} with characters (\ufffd) that were lost before: export again as UTF-8"
        yield finder.rows("broken_characters", "warning", told, broken)


def _exact_keys(texts: Iterable[str]) -> NDArray[np.int64]:
    """Numbers that are the same for texts that are alike but for case, spacing and odd characters."""
    return np.fromiter((hash(" ".join(clean(text).lower().split())) for text in texts), dtype=np.int64)


def _repeats(finder: Finder, exact: NDArray[np.int64], groups: Rows) -> Iterator[Finding]:
    if len(groups) > 1 and not groups.any():
        text = (
            f"all {len(groups):,} rows hold the same text or fill in the same template: there is nothing to tell apart"
        )
        yield finder.rows("all_repeats", "error", text, np.arange(len(groups)))
        return
    copies = _not_first(exact)
    if len(copies):
        text = (
            f"{number(len(copies), 'row')} ({len(copies) / len(exact):.0%}) copy the text of an earlier row; they stay "
            "together when the rows are parted, but weigh as if many people had reported"
        )
        yield finder.rows("exact_repeats", "warning", text, copies)
    near = np.setdiff1d(_not_first(groups), copies)
    if len(near):
        text = (
            f"{number(len(near), 'row')} ({len(near) / len(groups):.0%}) nearly repeat an earlier row (same wording "
            "but for numbers, or the same beginning or end); they stay together when the rows are parted"
        )
        yield finder.rows("near_repeats", "note", text, near)


def _not_first(keys: NDArray[np.int64]) -> Rows:
    """The rows whose key stood in an earlier row."""
    first = np.unique(keys, return_index=True)[1]
    later = np.ones(len(keys), dtype=bool)
    later[first] = False
    return np.flatnonzero(later)


def _dev(table: Table, dev: Table) -> Iterator[Finding]:
    finder = Finder(dev)
    if not len(dev):
        text = f"the dev file {dev.source} holds no usable row"
        yield Finding(code="dev_no_rows", severity="error", text=text, count=dev.rejected)
        return
    if dev.rejected:
        text = f"{number(dev.rejected, 'row')} of the dev file cannot be used and are left out"
        lines = _lines(dev, lambda _: True)
        yield Finding(code="dev_rejected", severity="warning", text=text, count=dev.rejected, rows=lines)
    groups = repeat_groups(text for part in (table.texts, dev.texts) for text in part)
    known = np.zeros(int(groups.max()) + 1, dtype=bool)
    known[groups[: len(table)]] = True
    repeated = np.flatnonzero(known[groups[len(table) :]])
    if len(repeated):
        text = (
            f"{number(len(repeated), 'row')} of dev ({len(repeated) / len(dev):.0%}) repeat a row of train: they are "
            "known answers, so dev looks better than it is; take them out of one of the two"
        )
        yield finder.rows("rows_in_dev", "warning", text, repeated)
    for head in table.heads:
        if head not in dev.heads:
            text = f"the dev rows were read without {head}, so this head is not judged"
            yield Finding(code="dev_without_head", severity="warning", text=text, count=len(dev), head=head)
            continue
        there, judged = set(count_labels(table.labels(head))), Labels.of(dev.labels(head))
        if not judged.names:
            text = f"no dev row has a label of {head}, so this head is not judged"
            yield Finding(code="dev_without_head", severity="warning", text=text, count=len(dev), head=head)
        strange = [name for name in judged.names if name not in there]
        if strange:
            text = (
                f"{number(len(strange), 'label')} only in dev and never learnt: {quoted(strange)}; "
                "each of their rows counts as a mistake"
            )
            yield finder.rows("labels_only_in_dev", "warning", text, judged.rows_of(strange), head=head)
