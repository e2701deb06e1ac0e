"""The typer application and what its commands share."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Reads public complaints in Indonesian and says which office answers, how sure it is, and why.",
)

Model = Annotated[Path | None, typer.Option("--bundle", help="Model folder instead of the packaged one.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for each row.")]


def print_json(value: Any) -> None:
    """One JSON object on one line of standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()
