"""What every benchmark shares: where it ran, and how its result is printed and kept."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def parser(description: str | None, *, cases: bool = False) -> argparse.ArgumentParser:
    """The command line that all share: `--out FILE`, and `--cases FILE` where invented cases are scored."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--out", type=Path, help="keep the JSON here")
    if cases:
        made.add_argument("--cases", type=Path, required=True, help="JSON lines, see cases/README.md")
    return made


def publish(name: str, result: dict[str, Any], out: Path | None) -> None:
    """Print a result as JSON with the machine, date and commit, and write it to `out` if given."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True)
    full = {
        "benchmark": name,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip() or None,
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()},
        **result,
    }
    text = json.dumps(full, indent=1, ensure_ascii=False)
    print(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")


def agency(row: dict[str, Any]) -> str:
    """The city agency of a complaint as one class: all kelurahan are one, all kecamatan another."""
    name = row.get("agency") or ""
    return next((kind for kind in ("Kelurahan", "Kecamatan") if name.startswith(kind)), name)


def share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
