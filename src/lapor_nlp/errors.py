"""Every error that lapor_nlp raises on purpose.

    LaporError
    +-- ReportError        a report cannot be used; `field` names the offending field
    +-- ReadError          an input file or stream cannot be read; `path` and, where known, `line`
    +-- DataFileError      a taxonomy, gazetteer, agency or word table is wrong; `path` and `line`
    +-- UnknownTopicError  a topic code that the taxonomy does not hold
    +-- BundleError        a model folder is missing, damaged, tampered with or too new; `path` is the file
    +-- TrainingDataError  labelled rows cannot be learnt from
    +-- EncoderError       a pretrained encoder cannot be loaded or exported
    +-- StoreError         a store of reports is locked, damaged, too new, or has no room
    +-- MissingExtraError  an optional part is not installed; the message names the extra

Each message says what is wrong and what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class LaporError(Exception):
    """Base of all errors raised by lapor_nlp. `code` is stable and machine-readable."""

    code = "error"


class ReportError(LaporError):
    """A report that cannot be used. `field` is the name of the field at fault."""

    code = "bad_report"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class ReadError(LaporError):
    """An input file or stream that cannot be read. `line` counts from 1."""

    code = "unreadable_input"

    def __init__(self, message: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}{'' if line is None else f':{line}'}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class DataFileError(LaporError):
    """A table of facts (topics, places, agencies, words) that breaks its own format."""

    code = "bad_data_file"

    def __init__(self, path: Path | str, message: str, *, line: int | None = None) -> None:
        super().__init__(f"{path}{'' if line is None else f':{line}'}: {message}")
        self.path = path
        self.line = line


class UnknownTopicError(LaporError):
    """A topic code that the loaded taxonomy does not hold."""

    code = "unknown_topic"


class BundleError(LaporError):
    """A model folder that cannot be trusted or read. `path` is the file at fault."""

    code = "bad_bundle"

    def __init__(self, path: Path | str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class TrainingDataError(LaporError):
    """Labelled rows from which nothing sensible can be learnt."""

    code = "bad_training_data"


class EncoderError(LaporError):
    """A pretrained encoder that cannot be loaded or exported."""

    code = "bad_encoder"


class StoreError(LaporError):
    """A store of reports that cannot be opened, read or written. `path` is the store."""

    code = "store_unusable"

    def __init__(self, path: Path | str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = str(path)


class MissingExtraError(LaporError):
    """An optional part of the package is not installed."""

    code = "missing_extra"

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(f"this needs {module}, which is not installed: pip install 'lapor-nlp[{extra}]'")
        self.extra = extra
