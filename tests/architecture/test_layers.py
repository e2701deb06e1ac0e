"""Imports go strictly down, never sideways between parts, and never to the package root."""

from __future__ import annotations

import ast
from pathlib import Path

import lapor_nlp

SOURCE = Path(lapor_nlp.__file__).parent

# Highest first. A module may import modules of lower layers, and modules of its own package.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"console"},
    {"training"},
    {"batch"},
    {"router", "scorer", "registry", "drift"},
    {"bundle"},
    {"blend", "wording"},
    {"decision"},
    {"agencies", "classifier", "duplicates", "regions", "signals"},
    {"encoder"},
    {"taxonomy"},
    {"text"},
    {"report", "place", "tables"},
    {"evidence"},
    {"files"},
    {"errors"},
]
LEVEL = {name: depth for depth, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return [p for p in SOURCE.rglob("*.py") if p != SOURCE / "__init__.py" and "_bundle" not in p.parts]


def imported(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module or "")
    return [name for name in names if name.split(".")[0] == "lapor_nlp"]


def test_every_module_has_a_layer() -> None:
    tops = {path.relative_to(SOURCE).with_suffix("").parts[0] for path in modules()}
    assert tops <= set(LEVEL), tops - set(LEVEL)


def test_imports_go_down() -> None:
    wrong = []
    for path in modules():
        here = path.relative_to(SOURCE).with_suffix("").parts[0]
        for name in imported(path):
            parts = name.split(".")
            if len(parts) == 1:
                wrong.append(f"{path.name}: imports the package root")
            elif parts[1] != here and LEVEL[parts[1]] <= LEVEL[here]:
                wrong.append(f"{path.relative_to(SOURCE)}: {name}")
    assert not wrong, wrong


def test_the_rule_bites(tmp_path: Path) -> None:
    module = tmp_path / "bad.py"
    module.write_text("from lapor_nlp.router import Router\nimport lapor_nlp.cli\nimport json\n", encoding="utf-8")
    assert imported(module) == ["lapor_nlp.router", "lapor_nlp.cli"]
    assert LEVEL["cli"] < LEVEL["router"] < LEVEL["text"]
