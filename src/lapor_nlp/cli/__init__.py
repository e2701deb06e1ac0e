"""The command line: parses and calls; everything it can do, the library can."""

from __future__ import annotations

import io
import signal
import sys

import typer

import lapor_nlp.cli.check  # (importing a module registers its commands)
import lapor_nlp.cli.drift
import lapor_nlp.cli.duplicates
import lapor_nlp.cli.evaluate
import lapor_nlp.cli.predict
import lapor_nlp.cli.promote
import lapor_nlp.cli.recalibrate
import lapor_nlp.cli.routing
import lapor_nlp.cli.suggest
import lapor_nlp.cli.train  # noqa: F401
from lapor_nlp.cli.app import app
from lapor_nlp.console import printable
from lapor_nlp.errors import LaporError

__all__ = ["app", "main"]


def main() -> None:
    """Entry point: errors of the library become one line on stderr and exit code 2; a closed pipe ends quietly."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app()
    except LaporError as error:
        typer.echo(f"lapor-nlp: {printable(str(error))}", err=True)
        sys.exit(2)
