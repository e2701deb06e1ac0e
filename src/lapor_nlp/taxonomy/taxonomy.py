"""Taxonomy: the topics of one version, their official categories, and how older labels carry over."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lapor_nlp.errors import DataFileError, UnknownTopicError
from lapor_nlp.tables import DATA, read_table
from lapor_nlp.taxonomy.migration import Migration, parse_migrations
from lapor_nlp.taxonomy.topic import Topic

_COLUMNS = ("code", "name", "kategori", "urusan", "description")


class Taxonomy:
    """The topics of one version.

        taxonomy = Taxonomy.load()              # the packaged one
        taxonomy = Taxonomy.load(Path("ours"))  # a deployment's own folder
        taxonomy["jalan-rusak"].category        # "PEKERJAAN UMUM DAN PENATAAN RUANG"

    A folder holds `topics.csv`, `version.json`, and optionally `kategori.json` (against which the category paths
    are then checked) and `migrations.json`.
    """

    def __init__(
        self, *, name: str, version: str, topics: tuple[Topic, ...], migrations: tuple[Migration, ...]
    ) -> None:
        self.name = name
        self.version = version
        self.topics = topics
        self.migrations = migrations
        self._by_code = {topic.code: topic for topic in topics}

    @classmethod
    def load(cls, folder: Path | None = None) -> Taxonomy:
        """Read a taxonomy folder. Raises DataFileError naming the file and, where known, the line."""
        folder = folder or DATA / "taxonomy"
        about = _read_json(folder / "version.json")
        if not isinstance(about, Mapping) or not all(isinstance(about.get(k), str) for k in ("name", "version")):
            raise DataFileError(folder / "version.json", 'needs the texts "name" and "version"')
        official = folder / "kategori.json"
        tree = _read_tree(official) if official.is_file() else None
        topics = tuple(_read_topics(folder / "topics.csv", tree))
        file = folder / "migrations.json"
        migrations = parse_migrations(file, _read_json(file)) if file.is_file() else ()
        taxonomy = cls(name=about["name"], version=about["version"], topics=topics, migrations=migrations)
        for migration in migrations:
            if migration.to_version == taxonomy.version:
                for code in sorted(migration.targets):
                    if code not in taxonomy:
                        raise DataFileError(file, f"carries labels to {code!r}, which is not in topics.csv")
        return taxonomy

    def __getitem__(self, code: str) -> Topic:
        try:
            return self._by_code[code]
        except KeyError:
            raise UnknownTopicError(
                f"no topic {code!r} in taxonomy {self.name} {self.version}; `lapor-nlp topics` lists them"
            ) from None

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def __iter__(self) -> Iterator[Topic]:
        return iter(self.topics)

    def __len__(self) -> int:
        return len(self.topics)


def load_labels(source: str | Path) -> dict[str, str | None]:
    """A mapping from another system's labels to topic codes; None where a label cannot be carried.

        load_labels("surabaya")["PJU"] == "penerangan-jalan"

    `source` is the name of a packaged table or the path of a CSV with columns `label`, `topic`, `note`.
    """
    path = source if isinstance(source, Path) else DATA / "taxonomy" / "labels" / f"{source}.csv"
    mapping: dict[str, str | None] = {}
    for line, row in read_table(path, ("label", "topic")):
        if row["label"] in mapping:
            raise DataFileError(path, f"the label {row['label']!r} stands twice", line=line)
        mapping[row["label"]] = row["topic"] or None
    return mapping


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataFileError(path, f"cannot be read: {error}") from error


def _read_tree(path: Path) -> Mapping[str, list[str]]:
    data = _read_json(path)
    tree = data.get("categories") if isinstance(data, Mapping) else None
    if not isinstance(tree, Mapping) or not all(isinstance(below, list) for below in tree.values()):
        raise DataFileError(path, 'needs an object "categories" with a list of names for each top category')
    return tree


def _read_topics(path: Path, tree: Mapping[str, list[str]] | None) -> Iterator[Topic]:
    seen: set[str] = set()
    for line, row in read_table(path, _COLUMNS):
        code, kategori = row["code"], tuple(part.strip() for part in row["kategori"].split(" > "))
        if not code or code in seen:
            raise DataFileError(path, f"the code {code!r} is empty or stands twice", line=line)
        seen.add(code)
        if tree is not None:
            below = tree.get(kategori[0])
            wrong = kategori[0] if below is None else next((p for p in kategori[1:] if p not in below), None)
            if wrong is not None:
                raise DataFileError(path, f"{wrong!r} is not in the official list at that place", line=line)
        yield Topic(
            code=code,
            name=row["name"],
            kategori=kategori,
            urusan=row["urusan"],
            description=row["description"],
        )
