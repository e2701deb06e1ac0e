"""Label checks: too few rows, one label written two ways, texts that contradict or name their label, unknown codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.agencies.addressee import Addressees, offices
from lapor_nlp.taxonomy.migration import OpenLabel
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.training.carry import TOPIC, best_steps, carry
from lapor_nlp.training.findings import SHOWN, Finder, Finding, number, quoted, shown
from lapor_nlp.training.splits import Rows

_DOMINANT = 0.8
_SAMPLE = 20_000
_MOST_NAMES = 2000
_NAMED = 0.05
_TELLING = 0.5


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of a head: `codes` are places in `names`, -1 where the label is not known."""

    names: tuple[str, ...]
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, labels: Sequence[str | None]) -> Labels:
        names = tuple(sorted({label for label in labels if label is not None}))
        place: dict[str | None, int] = {name: at for at, name in enumerate(names)}
        codes = np.array([place.get(label, -1) for label in labels], dtype=np.int64)
        return cls(names, codes, np.bincount(codes[codes >= 0], minlength=len(names)))

    @property
    def known(self) -> Rows:
        return np.flatnonzero(self.codes >= 0)

    def rows_of(self, names: Iterable[str]) -> Rows:
        """The rows that bear one of these labels."""
        place = {name: at for at, name in enumerate(self.names)}
        return np.flatnonzero(np.isin(self.codes, [place[name] for name in names]))


def check_labels(
    finder: Finder, head: str, *, exact: NDArray[np.int64], groups: Rows, taxonomy: Taxonomy | None, fewest: int
) -> Iterator[Finding]:
    """Findings about the labels of one head.

    `exact` and `groups` are numbers of rows that hold the same text, or repeat one another.
    """
    labels = Labels.of(finder.table.labels(head))
    yield from _counts(finder, head, labels, fewest)
    yield from _variants(finder, head, labels)
    yield from _conflicts(finder, head, labels, exact)
    yield from _one_text(finder, head, labels, groups, fewest)
    yield from _named(finder, head, labels)
    if head == TOPIC and taxonomy is not None:
        yield from _unknown(finder, labels, taxonomy)


def _counts(finder: Finder, head: str, labels: Labels, fewest: int) -> Iterator[Finding]:
    known = int(labels.counts.sum())
    if len(labels.names) < 2:
        only = f"only the label {shown(labels.names[0])}" if labels.names else "no label at all"
        text = f"{head} has {only}: there is nothing to tell apart; add rows of other labels or leave the column out"
        yield Finding(code="one_label", severity="error", text=text, count=known, head=head)
        return
    rare = [name for name, count in zip(labels.names, labels.counts, strict=True) if count < fewest]
    if labels.counts.max() == 1:
        text = f"{head} has a label of its own for each of its {known:,} rows: is this the right column?"
        yield Finding(code="unique_labels", severity="error", text=text, count=known, head=head)
    elif len(labels.names) - len(rare) < 2:
        text = f"{head} has fewer than two labels with {fewest} rows or more; add rows"
        yield finder.rows("too_few_rows", "error", text, labels.rows_of(rare), head=head)
    elif rare:
        text = (
            f"{number(len(rare), 'label')} with fewer than {fewest} rows cannot be learnt and are left out: "
            f"{quoted(rare)}; add rows, or merge them into others"
        )
        yield finder.rows("rare_labels", "warning", text, labels.rows_of(rare), head=head)
    top = int(labels.counts.argmax())
    share = labels.counts[top] / known
    if share > _DOMINANT:
        text = (
            f"{share:.0%} of the rows bear {shown(labels.names[top])}, so always saying that is {share:.0%} right: "
            "judge by macro-F1, and add rows of the other labels"
        )
        yield Finding(code="dominant_label", severity="warning", text=text, count=int(labels.counts[top]), head=head)


def _variants(finder: Finder, head: str, labels: Labels) -> Iterator[Finding]:
    alike: dict[str, list[str]] = {}
    for name in labels.names:
        alike.setdefault("".join(re.findall(r"[^\W_]+", name.lower())) or name, []).append(name)
    several = [names for names in alike.values() if len(names) > 1]
    if several:
        told = "; ".join(" = ".join(map(shown, names)) for names in several[:SHOWN])
        text = (
            f"{number(len(several), 'label')} written in more than one way and learnt as different ones: {told}; "
            "write each one way"
        )
        rows = labels.rows_of(name for names in several for name in names)
        yield finder.rows("label_variants", "warning", text, rows, head=head)


def _conflicts(finder: Finder, head: str, labels: Labels, exact: NDArray[np.int64]) -> Iterator[Finding]:
    """Same text, different labels. What does not agree with the commonest label of its text bounds any accuracy."""
    rows = labels.known
    _, text_of = np.unique(exact[rows], return_inverse=True)
    pairs, sizes = np.unique(text_of * len(labels.names) + labels.codes[rows], return_counts=True)
    texts = pairs // max(1, len(labels.names))
    total = np.bincount(text_of)
    most = np.zeros(len(total), dtype=np.int64)
    np.maximum.at(most, texts, sizes)
    torn = np.bincount(texts, minlength=len(total)) > 1
    if not torn.any():
        return
    repeated = total > 1
    noise = float((total - most)[repeated].sum() / total[repeated].sum())
    text = (
        f"{number(int(total[torn].sum()), 'row')} share their text with a row under another label. Among texts that "
        f"occur more than once {noise:.0%} of the rows differ from their text's usual label, so on rows like these no "
        f"model can be right in more than {1 - noise:.0%}; agree on one label for each"
    )
    yield finder.rows("conflicting_labels", "warning", text, rows[torn[text_of]], head=head)


def _one_text(finder: Finder, head: str, labels: Labels, groups: Rows, fewest: int) -> Iterator[Finding]:
    """Labels with enough rows that all repeat one text."""
    rows = labels.known
    pairs = np.unique(np.stack([labels.codes[rows], groups[rows]]), axis=1)
    different = np.bincount(pairs[0], minlength=len(labels.names))
    single = [
        name
        for name, count, texts in zip(labels.names, labels.counts, different, strict=True)
        if count >= max(2, fewest) and texts == 1
    ]
    if single and len(np.unique(groups)) > 1:
        text = (
            f"{number(len(single), 'label')} whose rows all repeat one text: {quoted(single)}; they are learnt by "
            "heart and not judged: add other examples"
        )
        yield finder.rows("one_text_labels", "warning", text, labels.rows_of(single), head=head)


def _named(finder: Finder, head: str, labels: Labels) -> Iterator[Finding]:
    """Label leakage: texts that name the label that they bear."""
    rows = labels.known
    if len(labels.names) < 2:
        return
    sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)]
    commonest = sorted(np.argsort(-labels.counts, kind="stable")[:_MOST_NAMES])
    addressees = Addressees([labels.names[at] for at in commonest])
    own, naming = [], 0
    texts = finder.table.select(sample).texts
    for row, text in zip(sample, texts, strict=True):
        named = addressees.named(text)
        naming += bool(named)
        if labels.names[labels.codes[row]] in named:
            own.append(int(row))
    share = len(own) / len(sample)
    if share < _NAMED:
        return
    known_offices = offices([labels.names[at] for at in commonest])
    of_offices = sum(int(labels.counts[at]) for at in commonest if labels.names[at] in known_offices)
    telling = len(own) / naming
    leaks = telling >= _TELLING and 2 * of_offices >= len(rows)
    about = "" if len(sample) == len(rows) else f" (of {len(sample):,} rows looked at)"
    text = (
        f"{share:.0%} of the texts{about} name the label that they bear, and of those that name any label "
        f"{telling:.0%} bear it"
    )
    if leaks:
        text += ": so reading the addressee is learnt; mask it (mask_addressee) if reports will come without one"
    yield finder.rows("label_in_text", "warning" if leaks else "note", text, own, head=head)


def _unknown(finder: Finder, labels: Labels, taxonomy: Taxonomy) -> Iterator[Finding]:
    counts = dict(zip(labels.names, labels.counts.tolist(), strict=True))
    unknown = [name for name in labels.names if name not in taxonomy]
    if not unknown:
        return
    steps = best_steps(counts, taxonomy)
    carried, unsure = carry(counts, steps)
    if steps:
        moved = [name for name in labels.names if carried[name] is not None and carried[name] != name]
        told = "; ".join(f"{name} -> {carried[name]}" for name in moved[:SHOWN])
        text = (
            f"{number(len(moved), 'label')} of version {steps[0].from_version} can be carried to "
            f"{taxonomy.version}: {told}; `carry_labels` does it"
        )
        if moved:
            yield finder.rows("labels_to_carry", "warning", text, labels.rows_of(moved), head=TOPIC)
    if unsure:
        told = "; ".join(f"{label.label} ({label.reason}{_choices(label)})" for label in unsure[:SHOWN])
        text = f"{number(len(unsure), 'label')} that a person has to look at, split or retired since: {told}"
        rows = labels.rows_of(label.label for label in unsure)
        yield finder.rows("labels_to_decide", "warning", text, rows, head=TOPIC)
    left = [name for name in unknown if carried[name] is not None and carried[name] not in taxonomy]
    if len(left) == len(counts):
        text = (
            f"none of the {number(len(left), 'label')} is known to taxonomy {taxonomy.version}: "
            f"{'; '.join(map(shown, left[:SHOWN]))}; map them to topics (`lapor-nlp topics` lists them), or learn them "
            f"in a column that is not called {TOPIC}"
        )
        yield finder.rows("unknown_labels", "warning", text, labels.known, head=TOPIC)
    elif left:
        text = (
            f"{number(len(left), 'label')} of {len(counts):,} unknown to taxonomy {taxonomy.version}: "
            f"{'; '.join(_hinted(name, taxonomy) for name in left[:SHOWN])}; correct them, add topics "
            "(`lapor-nlp topics` lists them), or give the taxonomy that they belong to"
        )
        yield finder.rows("unknown_labels", "warning", text, labels.rows_of(left), head=TOPIC)


def _choices(label: OpenLabel) -> str:
    return f" into {', '.join(label.choices)}" if label.choices else ""


def _hinted(label: str, taxonomy: Taxonomy) -> str:
    """A label with the code that it may mean, by its name or spelling."""
    codes = {topic.name.lower(): topic.code for topic in taxonomy} | {topic.code: topic.code for topic in taxonomy}
    plain = label.lower()
    close = get_close_matches(plain, codes, n=1, cutoff=0.75) or get_close_matches(
        plain.replace(" ", "-"), codes, n=1, cutoff=0.75
    )
    return f"{shown(label)} ({codes[close[0]]}?)" if close else shown(label)
