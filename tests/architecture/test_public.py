"""The public names, and that importing the package stays light."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import lapor_nlp

PUBLIC = [
    "BundleError",
    "DataFileError",
    "Decision",
    "EncoderError",
    "Failure",
    "LaporError",
    "MissingExtraError",
    "ReadError",
    "Reason",
    "Report",
    "ReportError",
    "Router",
    "StoreError",
    "TrainingDataError",
    "UnknownTopicError",
    "__version__",
]


def loaded_by(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_public_names() -> None:
    assert lapor_nlp.__all__ == PUBLIC
    assert dir(lapor_nlp) == PUBLIC
    for name in PUBLIC:
        assert getattr(lapor_nlp, name) is not None


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="Rooter"):
        _ = lapor_nlp.Rooter  # type: ignore[attr-defined]


def test_import_loads_nothing_heavy() -> None:
    modules = loaded_by("import lapor_nlp")
    assert not modules & {"numpy", "scipy", "rich", "typer", "safetensors"}


def test_router_needs_no_optional_package() -> None:
    modules = loaded_by("from lapor_nlp import Report, Router, Decision")
    assert not modules & {"torch", "transformers", "fastapi", "sklearn", "datasets", "pandas", "pyspark"}


def test_errors_form_one_tree() -> None:
    for name in PUBLIC:
        if name.endswith("Error"):
            assert issubclass(getattr(lapor_nlp, name), lapor_nlp.LaporError)
