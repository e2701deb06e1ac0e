"""lapor_nlp reads public complaints in Indonesian and says which office answers, how sure it is, and why.

from lapor_nlp import Report, Router

router = Router.load()
decision = router.route(Report(id="L-81", text="Lampu jalan mati di Jl Kaliurang km 5, Sleman"))
decision.action, decision.agency.name, decision.reasons
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lapor_nlp.decision import Decision, Failure, Reason
    from lapor_nlp.errors import (
        BundleError,
        DataFileError,
        EncoderError,
        LaporError,
        MissingExtraError,
        ReadError,
        ReportError,
        StoreError,
        TrainingDataError,
        UnknownTopicError,
    )
    from lapor_nlp.report import Report
    from lapor_nlp.router import Router

__version__ = "0.1.0"

_HOMES = {
    "BundleError": "errors",
    "DataFileError": "errors",
    "Decision": "decision",
    "EncoderError": "errors",
    "Failure": "decision",
    "LaporError": "errors",
    "MissingExtraError": "errors",
    "ReadError": "errors",
    "Reason": "decision",
    "Report": "report",
    "ReportError": "errors",
    "Router": "router",
    "StoreError": "errors",
    "TrainingDataError": "errors",
    "UnknownTopicError": "errors",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use, so that `import lapor_nlp` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lapor_nlp' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lapor_nlp.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
