"""carry_labels: labels of an older taxonomy, brought to the present one by its migrations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lapor_nlp.errors import TrainingDataError
from lapor_nlp.taxonomy.migration import Migration, OpenLabel, chain
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.training.table import Table

TOPIC = "topic"
"""The head whose labels are codes of the taxonomy."""


def carry_labels(
    table: Table, taxonomy: Taxonomy, *, from_version: str | None = None
) -> tuple[Table, tuple[OpenLabel, ...]]:
    """The table with the labels of its head `topic` carried to the version of `taxonomy`, and what needs a person.

    Without `from_version` the labels are taken to be of the version that explains most rows. A label that was split
    or retired becomes None, and a row that keeps no label is left out. Raises TrainingDataError when there is no head
    `topic` or no migrations lead from that version.
    """
    counts = count_labels(table.labels(TOPIC))
    steps = best_steps(counts, taxonomy) if from_version is None else _steps(taxonomy, from_version)
    carried, unsure = carry(counts, steps)
    return (table.relabel(TOPIC, carried.__getitem__) if steps else table), unsure


def count_labels(labels: Iterable[str | None]) -> dict[str, int]:
    """Rows of each label, most first."""
    return dict(Counter(label for label in labels if label is not None).most_common())


def _steps(taxonomy: Taxonomy, from_version: str) -> tuple[Migration, ...]:
    try:
        return chain(taxonomy.migrations, from_version, taxonomy.version)
    except KeyError as error:
        raise TrainingDataError(f"labels cannot be carried: {error.args[0]}") from error


def best_steps(counts: Mapping[str, int], taxonomy: Taxonomy) -> tuple[Migration, ...]:
    """The migrations from the version to which most rows belong; none when the present one does as well."""

    def unknown(steps: tuple[Migration, ...]) -> int:
        carried, unsure = carry(counts, steps)
        decided = sum(label.rows for label in unsure)
        lost = sum(rows for name, rows in counts.items() if carried[name] is not None and carried[name] not in taxonomy)
        return 2 * lost + decided

    ways: list[tuple[Migration, ...]] = [()]
    for version in dict.fromkeys(migration.from_version for migration in reversed(taxonomy.migrations)):
        try:
            ways.append(chain(taxonomy.migrations, version, taxonomy.version))
        except KeyError:
            continue
    return min(ways, key=unknown)


def carry(counts: Mapping[str, int], steps: Sequence[Migration]) -> tuple[dict[str, str | None], tuple[OpenLabel, ...]]:
    """Where each label goes, and those that need a person, named as they stand in the table."""
    carried: dict[str, str | None] = {name: name for name in counts}
    unsure = []
    for step in steps:
        for name, at in carried.items():
            if at is None:
                continue
            moved = step.carry([at])
            carried[name] = moved.labels[0]
            unsure += [OpenLabel(label=name, reason=o.reason, choices=o.choices, rows=counts[name]) for o in moved.open]
    return carried, tuple(unsure)
