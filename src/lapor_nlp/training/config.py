"""TrainConfig: every setting of a training run, checked, and stored with what it made."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, get_args, get_type_hints

from lapor_nlp.errors import TrainingDataError

PRECISIONS = ("auto", "fp32", "bf16", "fp16")

NONE = "none"
"""How TOML, which has no null, writes None."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """How a classifier is trained.

    What is learnt: `encoder` is a name or folder of a pretrained encoder, None for words alone; `heads` the label
    columns, `auxiliary` those that only help the encoder to learn and are not stored; a label with fewer than `fewest`
    rows is left out; `dev_share` of the rows is kept to judge by where no dev file is given; rows lose half of their
    weight in `recency_half_life_days` (None: never); `mask_addressee` blanks offices that a text names.

    The encoder: `epochs`, rows in a `batch`, `learning_rate` (None: by the encoder's width, see `learning_rate_for`)
    times `head_learning_rate_factor` for the heads, `warmup` as a share of all steps, `weight_decay`, `dropout` before
    the heads and `encoder_dropout` inside the encoder (few passes over few rows learn faster without),
    `label_smoothing`, and a row's weight as (rows / rows of its label) ** `balance`; the loss of an auxiliary head
    counts `auxiliary_weight` times. Texts are cut to `longest` tokens, of which `head_share` from the front and the
    others from the end. `layers` keeps so many, evenly spaced (None: all).
    `likeness` is the weight of the loss that keeps reports of one matter close together, in
    vectors of `likeness_dimension` numbers, for finding duplicates (0: not learnt). Training ends early after
    `patience` looks without a better dev score. `precision` is one of PRECISIONS, `threads` the CPU threads (None:
    as torch decides).

    The lexical heads: `lexical_strength`, `lexical_balance`, `lexical_kept` as in LexicalConfig, fitted on at most
    `lexical_rows_most` rows.

    The result: what goes alone may be wrong in at most `risk` of cases, with probability `assurance`; `int8` weights,
    and `keep_fp32` ones beside them.

    Raises TrainingDataError naming the setting and what it may be.
    """

    encoder: str | None
    heads: tuple[str, ...]
    auxiliary: tuple[str, ...] = ()
    fewest: int = 2
    dev_share: float = 0.15
    recency_half_life_days: float | None = None
    mask_addressee: bool = False

    epochs: float = 3.0
    batch: int = 32
    learning_rate: float | None = None
    head_learning_rate_factor: float = 10.0
    warmup: float = 0.08
    weight_decay: float = 0.01
    dropout: float = 0.1
    encoder_dropout: float = 0.0
    auxiliary_weight: float = 0.5
    label_smoothing: float = 0.0
    balance: float = 0.3
    longest: int = 128
    head_share: float = 0.75
    layers: int | None = None
    likeness: float = 2.0
    likeness_dimension: int = 128
    patience: int = 2
    seed: int = 7
    precision: str = "auto"
    threads: int | None = None

    lexical_strength: float = 0.15
    lexical_balance: float = 0.5
    lexical_kept: int | None = 16_000
    lexical_rows_most: int = 200_000

    risk: float = 0.05
    assurance: float = 0.95
    int8: bool = True
    keep_fp32: bool = False

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            _check_kind(name, getattr(self, name), kind)
        for name, span in _SPANS.items():
            value = getattr(self, name)
            if value is not None and not span.holds(value):
                raise TrainingDataError(f"{name} is {value}; it must be {span}")
        if not self.heads or not all(head.strip() for head in self.heads):
            raise TrainingDataError("heads names no label column; name at least one")
        columns = (*self.heads, *self.auxiliary)
        if len(set(columns)) != len(columns):
            raise TrainingDataError(f"heads and auxiliary name a column twice: {', '.join(columns)}")
        if self.encoder is not None and not self.encoder.strip():
            raise TrainingDataError(f'encoder is empty; give a name or a folder, or "{NONE}" for words alone')
        if self.precision not in PRECISIONS:
            raise TrainingDataError(f"precision is {self.precision!r}; it must be one of {', '.join(PRECISIONS)}")

    def learning_rate_for(self, width: int) -> float:
        """The encoder's learning rate: as set, else by its hidden size, since wide encoders forget sooner.

        2e-4 up to 384 (MiniLM, e5-small), 3e-5 up to 768 (base), 1e-5 beyond (large).
        """
        if self.learning_rate is not None:
            return self.learning_rate
        return 2e-4 if width <= 384 else 3e-5 if width <= 768 else 1e-5

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Settings by name; those left out keep their defaults. Raises TrainingDataError for an unknown name."""
        known = {field.name: field for field in fields(cls)}
        for name in values:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
                raise TrainingDataError(f"there is no setting {name!r}; {hint}")
        for name in ("encoder", "heads"):
            if name not in values:
                raise TrainingDataError(f"the setting {name} is missing")
        return cls(**{name: _read(name, value) for name, value in values.items()})

    @classmethod
    def from_toml(cls, path: Path) -> TrainConfig:
        """Settings from a flat TOML file, as `to_toml` writes it. Raises TrainingDataError naming the file."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise TrainingDataError(f"{path} cannot be opened: {error.strerror}") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TrainingDataError(f"{path} is not TOML: {error}") from error
        try:
            return cls.from_dict(values)
        except TrainingDataError as error:
            raise TrainingDataError(f"{path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def to_toml(self) -> str:
        """The settings as TOML, one a line."""
        return "".join(f"{name} = {_toml(value)}\n" for name, value in self.to_dict().items())


@dataclass(frozen=True, slots=True)
class _Span:
    low: float
    high: float | None = None
    open: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low if self.open else value >= self.low
        below = self.high is None or (value < self.high if self.open else value <= self.high)
        return above and below

    def __str__(self) -> str:
        if self.high is None:
            return f"above {self.low}" if self.open else f"{self.low} or more"
        return f"between {self.low} and {self.high}" + (", both excluded" if self.open else "")


_POSITIVE, _COUNT, _SHARE = _Span(0, open=True), _Span(1), _Span(0, 1)
_SPANS = {
    "fewest": _COUNT,
    "dev_share": _Span(0, 0.5, open=True),
    "recency_half_life_days": _POSITIVE,
    "epochs": _POSITIVE,
    "batch": _COUNT,
    "learning_rate": _Span(0, 1, open=True),
    "head_learning_rate_factor": _POSITIVE,
    "warmup": _SHARE,
    "weight_decay": _SHARE,
    "dropout": _Span(0, 0.9),
    "encoder_dropout": _Span(0, 0.9),
    "auxiliary_weight": _Span(0),
    "label_smoothing": _Span(0, 0.9),
    "balance": _SHARE,
    "longest": _Span(8, 8192),
    "head_share": _SHARE,
    "layers": _COUNT,
    "likeness": _Span(0),
    "likeness_dimension": _COUNT,
    "patience": _COUNT,
    "seed": _Span(0, 2**32 - 1),
    "threads": _COUNT,
    "lexical_strength": _POSITIVE,
    "lexical_balance": _SHARE,
    "lexical_kept": _COUNT,
    "lexical_rows_most": _COUNT,
    "risk": _Span(0, 1, open=True),
    "assurance": _Span(0.5, 1, open=True),
}

_SAID = {bool: "true or false", int: "a whole number", float: "a number", str: "text", tuple: "a list of names"}


def _kinds() -> dict[str, tuple[type, bool]]:
    """The type of each setting, and whether it may be None."""
    kinds = {}
    for name, hint in get_type_hints(TrainConfig).items():
        choices = get_args(hint)
        optional = type(None) in choices
        kinds[name] = (choices[0] if optional else tuple if choices else hint, optional)
    return kinds


_KINDS = _kinds()


def _check_kind(name: str, value: object, kind: tuple[type, bool]) -> None:
    wanted, optional = kind
    if value is None and optional:
        return
    right = isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
    if wanted is float:
        right = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if wanted is tuple and isinstance(value, tuple):
        right = all(isinstance(item, str) for item in value)
    if not right:
        raise TrainingDataError(f"{name} is {value!r}; it must be {_SAID[wanted]}")


def _read(name: str, value: Any) -> Any:
    """A value out of JSON or TOML as the dataclass holds it."""
    wanted, optional = _KINDS[name]
    if optional and value == NONE:
        return None
    if wanted is tuple and isinstance(value, list):
        return tuple(value)
    return float(value) if wanted is float and type(value) is int else value


def _toml(value: Any) -> str:
    """A value as TOML writes it: as JSON does, but for None and the character 127."""
    return json.dumps(NONE if value is None else value, ensure_ascii=False).replace("\x7f", "\\u007f")
