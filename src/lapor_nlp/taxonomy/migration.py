"""Migration: what became of the topics of an older version, and which labels cannot be carried over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lapor_nlp.errors import DataFileError

_OPERATIONS = ("add", "rename", "merge", "split", "retire")


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One change: `operation` on the codes `old`, giving the codes `new`.

    add: nothing -> new; rename: one -> one; merge: many -> one; split: one -> many; retire: some -> nothing.
    """

    operation: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """Labels after a migration, in the order they came.

    `labels` holds the new code, or None where a person has to look; `open` lists the labels that could not be
    carried with the reason (`split` with its choices, or `retired`), counted.
    """

    labels: tuple[str | None, ...]
    open: tuple[OpenLabel, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLabel:
    """A label that needs a person: why, what it may become, how many rows bear it."""

    label: str
    reason: str
    choices: tuple[str, ...]
    rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Migration:
    """The changes from one version of a taxonomy to another."""

    from_version: str
    to_version: str
    changes: tuple[Change, ...]

    @property
    def targets(self) -> set[str]:
        """All codes that labels may be carried to."""
        return {code for change in self.changes for code in change.new}

    def carry(self, labels: Iterable[str]) -> Carried:
        """Carry labels over. A label that no change names stays as it is.

        rename and merge give the new code; split and retire leave None and are listed in `open`.
        """
        fate = {old: change for change in self.changes for old in change.old}
        carried: list[str | None] = []
        counts: dict[str, int] = {}
        for label in labels:
            change = fate.get(label)
            if change is None:
                carried.append(label)
            elif change.operation in ("rename", "merge"):
                carried.append(change.new[0])
            else:
                carried.append(None)
                counts[label] = counts.get(label, 0) + 1
        return Carried(
            labels=tuple(carried),
            open=tuple(
                OpenLabel(
                    label=label,
                    reason="split" if fate[label].operation == "split" else "retired",
                    choices=fate[label].new,
                    rows=rows,
                )
                for label, rows in sorted(counts.items())
            ),
        )


def chain(migrations: Sequence[Migration], from_version: str, to_version: str) -> tuple[Migration, ...]:
    """The migrations to apply one after another from one version to another, or () when they are the same.

    Raises KeyError when no path leads there.
    """
    path: list[Migration] = []
    at = from_version
    while at != to_version:
        step = next((m for m in migrations if m.from_version == at and m not in path), None)
        if step is None:
            raise KeyError(f"no migration leads from {from_version} to {to_version}")
        path.append(step)
        at = step.to_version
    return tuple(path)


def parse_migrations(path: Path, data: Any) -> tuple[Migration, ...]:
    """Migrations from `migrations.json`: [{"from": v, "to": v, "changes": [{"op", "old", "new", "why"}]}]."""
    if not isinstance(data, list):
        raise DataFileError(path, "must be a list of migrations")
    migrations = []
    for item in data:
        if not isinstance(item, Mapping) or not {"from", "to", "changes"} <= set(item):
            raise DataFileError(path, 'each migration needs "from", "to" and "changes"')
        if not isinstance(item["changes"], list):
            raise DataFileError(path, '"changes" must be a list')
        changes = tuple(_parse_change(path, change) for change in item["changes"])
        olds = [old for change in changes for old in change.old]
        twice = sorted({old for old in olds if olds.count(old) > 1})
        if twice:
            raise DataFileError(path, f"{', '.join(twice)} is changed twice in {item['from']} -> {item['to']}")
        migrations.append(Migration(from_version=str(item["from"]), to_version=str(item["to"]), changes=changes))
    return tuple(migrations)


_SHAPES = {
    "add": lambda old, new: old == 0 and new >= 1,
    "rename": lambda old, new: old == 1 and new == 1,
    "merge": lambda old, new: old >= 2 and new == 1,
    "split": lambda old, new: old == 1 and new >= 2,
    "retire": lambda old, new: old >= 1 and new == 0,
}


def _parse_change(path: Path, item: Any) -> Change:
    if not isinstance(item, Mapping) or item.get("op") not in _OPERATIONS:
        raise DataFileError(path, f'each change needs an "op": one of {", ".join(_OPERATIONS)}')
    sides = [item.get(side, []) for side in ("old", "new")]
    if not all(isinstance(side, list) and all(isinstance(code, str) for code in side) for side in sides):
        raise DataFileError(path, '"old" and "new" must be lists of topic codes')
    old, new = tuple(sides[0]), tuple(sides[1])
    if not _SHAPES[item["op"]](len(old), len(new)):
        raise DataFileError(path, f"a {item['op']} cannot go from {len(old)} to {len(new)} codes")
    return Change(operation=item["op"], old=old, new=new, why=str(item.get("why", "")))
