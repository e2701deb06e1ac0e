"""Registry: which bundle is current. A pointer file beside the bundles names it and keeps the history.

    models/current    {"bundle": "topics-2026.11", "sha256": "...", "history": [...]}

Whoever loads models/current gets the bundle that it names; it is replaced as a whole, so a reader sees the former
bundle or the new one, never something between.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lapor_nlp.bundle import Bundle, load_bundle, resolve
from lapor_nlp.errors import BundleError
from lapor_nlp.files import write_whole

POINTER = "current"
"""Usual name of the pointer file."""

_FIGURES = "dev"

_PATIENCE = 10.0
_TWO_SIDED = 1.96


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One change of a pointer: since `when` (UTC) it named the folder `bundle` with this `sha256`.

    `forced` tells that no comparison was asked for, `rollback` that it went back; `evidence` is the comparison with
    the bundle before. A pointer written by hand has an empty `when`, and an empty `sha256` if it gives none.
    """

    bundle: str
    sha256: str
    when: str
    forced: bool = False
    rollback: bool = False
    evidence: Mapping[str, Any] | None = None


def promote(
    folder: Path | str,
    pointer: Path | str | None = None,
    *,
    evidence: Mapping[str, Any] | None,
    forced: bool = False,
) -> Entry:
    """Make a bundle the current one; `pointer` is `current` beside it by default. Changes nothing if it already is.

    The first bundle only has to load. Any later one needs `evidence`: a mapping with `against`, the sha256 of the
    bundle it was compared with, `sha256`, its own, and `worse`, what is worse than there beyond noise. Unless
    `forced`, BundleError is raised when there is no evidence, when something is worse, when either bundle is no longer
    the one compared, or when the new one lacks a head.

    Raises BundleError, too, when the bundle does not load or the pointer cannot be written. The former bundle then
    stays current.
    """
    folder = Path(os.path.abspath(resolve(folder)))
    path = folder.parent / POINTER if pointer is None else Path(os.path.abspath(pointer))
    if path.parent.resolve() != folder.parent.resolve():
        raise BundleError(path, f"must stand beside {folder.name}; copy the model folder there first")
    bundle = load_bundle(folder)
    with _locked(path):
        entries = _read(path) if path.exists() else ()
        if entries and entries[-1].bundle == folder.name and entries[-1].sha256 in ("", bundle.sha256):
            return entries[-1]
        if entries and not forced:
            _check(folder, bundle, path, entries[-1], evidence)
        made = Entry(bundle=folder.name, sha256=bundle.sha256, when=_now(), forced=forced, evidence=evidence)
        _write(path, [*entries, made])
    return made


def rollback(pointer: Path | str) -> Entry:
    """Go back to the bundle that was current before, or the last one before that which still loads unchanged.

    Raises BundleError when there is none; the current one then stays.
    """
    path = Path(os.path.abspath(pointer))
    _read(path)
    with _locked(path):
        entries = _read(path)
        for former in reversed(_standing(entries)[:-1]):
            if (former.bundle, former.sha256) != (entries[-1].bundle, entries[-1].sha256) and _still_loads(
                path, former
            ):
                made = Entry(bundle=former.bundle, sha256=former.sha256, when=_now(), rollback=True)
                _write(path, [*entries, made])
                return made
    raise BundleError(path, "names no earlier model that still loads unchanged; promote one by its folder")


def history(pointer: Path | str) -> tuple[Entry, ...]:
    """All changes of a pointer, oldest first; the last names the current bundle. Raises BundleError."""
    return _read(Path(pointer))


def stored_evidence(new: Bundle, current: Bundle) -> dict[str, Any] | None:
    """Evidence from the figures on dev rows that two bundles keep of themselves; None when there is nothing to compare.

    Figures are comparable when their `data` says that they come from the same rows. Only accuracy is compared, as if
    the two had answered different rows, which hides small differences: a comparison row by row says more.
    """
    mine, theirs = new.metrics.get(_FIGURES, {}), current.metrics.get(_FIGURES, {})
    heads = {}
    for head in sorted(set(mine) & set(theirs)):
        here, there = mine[head], theirs[head]
        if "data" not in here or here["data"] != there.get("data"):
            continue
        rates = here["accuracy"], there["accuracy"]
        noise = _TWO_SIDED * math.sqrt(sum(rate * (1 - rate) for rate in rates) / here["rows"])
        difference = rates[0] - rates[1]
        heads[head] = {
            "rows": here["rows"],
            "measure": "accuracy",
            "new": rates[0],
            "old": rates[1],
            "difference": difference,
            "low": difference - noise,
            "high": difference + noise,
        }
    if not heads:
        return None
    worse = [f"{head} accuracy" for head, found in heads.items() if found["high"] < 0]
    return {"sha256": new.sha256, "against": current.sha256, "test": "stored figures", "heads": heads, "worse": worse}


def _check(folder: Path, bundle: Bundle, path: Path, current: Entry, evidence: Mapping[str, Any] | None) -> None:
    """Raise BundleError unless the evidence speaks for the bundle against the current one."""
    former = path.parent / current.bundle
    try:
        standing = load_bundle(former)
    except BundleError as error:
        message = f"no longer loads ({error}), so that nothing can be compared with it; force the new one (--force)"
        raise BundleError(former, message) from error
    if current.sha256 not in ("", standing.sha256):
        message = "is not the model that was promoted, so that nothing can be compared with that; force it (--force)"
        raise BundleError(former, message)
    if evidence is None:
        message = (
            f"is not compared with {current.bundle}, the current model; compare (--test FILE), or force it (--force)"
        )
        raise BundleError(folder, message)
    if evidence["sha256"] != bundle.sha256:
        raise BundleError(folder, "was changed since it was compared; compare again")
    if evidence["against"] != standing.sha256:
        raise BundleError(path, f"has come to name {current.bundle} since the comparison; compare again")
    if evidence["worse"]:
        worse = ", ".join(evidence["worse"])
        message = f"is worse than {current.bundle} beyond noise ({worse}); train it better, or force it (--force)"
        raise BundleError(folder, message)
    if lost := sorted(set(standing.classifier.labels) - set(bundle.classifier.labels)):
        message = f"lacks {', '.join(lost)}, which {current.bundle} answers; train these heads, or force it (--force)"
        raise BundleError(folder, message)


def _standing(entries: Sequence[Entry]) -> list[Entry]:
    """What is left when each rollback takes away what it went back over; the last entry is the current one."""
    left: list[Entry] = []
    for entry in entries:
        if entry.rollback:
            while left and (left[-1].bundle, left[-1].sha256) != (entry.bundle, entry.sha256):
                left.pop()
        if not entry.rollback or not left:
            left.append(entry)
    return left


def _still_loads(path: Path, entry: Entry) -> bool:
    try:
        sha256 = load_bundle(path.parent / entry.bundle).sha256
    except BundleError:
        return False
    return entry.sha256 in ("", sha256)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the right to change a pointer; the system takes it back when the process dies."""
    lock = FileLock(path.parent / f".{path.name}.lock", timeout=_PATIENCE)
    try:
        lock.acquire()
    except Timeout as error:
        raise BundleError(path, "is being changed by another process; try again when it is done") from error
    except OSError as error:
        raise BundleError(path, f"cannot be changed: {error.strerror or error}; choose another place") from error
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> tuple[Entry, ...]:
    resolve(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = tuple(Entry(**entry) for entry in content.get("history", ()))
        named = Entry(bundle=str(content["bundle"]), sha256=str(content.get("sha256", "")), when="")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = "is no pointer to a model, or damaged; restore it, or move it away and promote the model again"
        raise BundleError(path, message) from error
    if any(Path(str(entry.bundle)).name != entry.bundle for entry in entries):
        raise BundleError(path, "must name folders beside it only; move it away and promote the model again")
    if entries and entries[-1].bundle == named.bundle:
        return entries
    return (*entries, named)


def _write(path: Path, entries: Sequence[Entry]) -> None:
    current = entries[-1]
    content = {
        "bundle": current.bundle,
        "sha256": current.sha256,
        "history": [asdict(entry) for entry in entries],
    }
    try:
        write_whole(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise BundleError(path, f"could not be written: {error.strerror}; the former model stays current") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
