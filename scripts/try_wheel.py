"""Route a report with an installed wheel, away from the sources. Exits non-zero when anything is amiss."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import lapor_nlp

HEAVY = {"torch", "transformers", "fastapi", "scikit-learn", "datasets", "pyspark"}


def main() -> None:
    assert "site-packages" in lapor_nlp.__file__, lapor_nlp.__file__
    installed = {d.metadata["Name"].lower() for d in distributions()}
    assert not installed & HEAVY, installed & HEAVY
    command = Path(sys.executable).parent / "lapor-nlp"
    text = "Lampu jalan mati di Jl Kaliurang km 5, Sleman"
    run = subprocess.run([command, "route", text, "--json"], capture_output=True, text=True, check=True)
    decision = json.loads(run.stdout)
    assert decision["topic"]["code"] == "penerangan-jalan", decision["topic"]
    assert decision["regions"][0]["code"] == "34.04", decision["regions"]
    assert decision["agency"]["name"] == "Dinas Perhubungan Kabupaten Sleman", decision["agency"]
    print("wheel:", decision["action"], decision["agency"]["name"])


if __name__ == "__main__":
    main()
