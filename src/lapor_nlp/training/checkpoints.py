"""Checkpoints: pretrained encoders, by hub name, from a local folder, or out of a bundle of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.encoder.onnx import ORIGIN, TOKENIZER
from lapor_nlp.errors import BundleError, EncoderError, MissingExtraError
from lapor_nlp.training.export import restore_weights

try:
    import torch
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        GatedRepoError,
        HTTPError,
        RepositoryNotFoundError,
    )
    from torch import nn
    from transformers import (
        AutoConfig,
        AutoModel,
        AutoTokenizer,
        BertTokenizer,
        PreTrainedModel,
        PreTrainedTokenizerFast,
    )
    from transformers.utils import logging
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "transformers") from error

_CONFIG = "config.json"
_FAST = "tokenizer.json"
_PIECES = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
_SAFE, _PICKLED = ["model*.safetensors*"], ["pytorch_model*.bin*"]
_POOLING = "1_Pooling/config.json"
_PROMPTS = "config_sentence_transformers.json"
_README = "README.md"
_WANTED = [_CONFIG, _FAST, *_PIECES, "*token*.json", "added_tokens.json", "merges.txt", _POOLING, _PROMPTS, _README]
_E5 = re.compile(r"(?:^|[-_])e5(?:[-_]|$)")
_E5_PREFIX = "query: "
_POOLER = "pooler."


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A pretrained encoder in single precision, its tokeniser, how it wants its texts, and the most tokens it reads."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    settings: EncoderSettings
    most_tokens: int


def load_checkpoint(name: str, *, layers: int | None = None) -> Checkpoint:
    """Load an encoder by its name on the Hugging Face hub, or from a folder that holds a copy of what stands there.

    Any encoder of transformers will do; it is loaded by its own configuration and tokeniser class. With `layers` it
    keeps so many of its layers, evenly spaced, the first and the last among them. Texts take the prefix `query: ` when
    it is an E5 model; vectors are the mean of the states unless its sentence-transformers settings say otherwise.

    Raises EncoderError naming what is missing and what to do.
    """
    folder = _folder_of(name)
    with _quiet():
        model = _model_of(folder)
        tokenizer = _tokenizer_of(folder)
    table = model.get_input_embeddings().weight
    rows = len(table)  # type: ignore[arg-type]
    if len(tokenizer) > rows:
        raise EncoderError(f"{folder}: the tokeniser has {len(tokenizer)} tokens, the model {rows}: one is another's")
    if layers is not None:
        keep_layers(model, layers)
    settings = EncoderSettings(
        dimension=model.config.hidden_size,
        prefix=_prefix_of(folder, name),
        pooling="cls" if _pools_first(folder) else "mean",
        pad_id=next((i for i in (tokenizer.pad_token_id, model.config.pad_token_id) if i is not None), 0),
    )
    most = _most_tokens(model)
    settings = replace(settings, longest=min(settings.longest, most))
    return Checkpoint(model=model, tokenizer=tokenizer, settings=settings, most_tokens=most)


def restore_checkpoint(folder: Path, settings: EncoderSettings) -> Checkpoint:
    """The encoder of a bundle, to train on from; `settings` are those of the bundle's encoder.

    Raises BundleError when the bundle's files do not fit together.
    """
    try:
        config = dict(json.loads((folder / ORIGIN).read_text(encoding="utf-8"))["config"])
        about = AutoConfig.for_model(config.pop("model_type"), **config)
        model = AutoModel.from_config(about, dtype=torch.float32)  # type: ignore[no-untyped-call]
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / TOKENIZER))  # type: ignore[no-untyped-call]
    except Exception as error:
        raise BundleError(
            folder / ORIGIN, f"holds no encoder to train on from: {error}; copy the folder again"
        ) from error
    model.pooler = None
    restore_weights(folder, model)
    return Checkpoint(model=model, tokenizer=tokenizer, settings=settings, most_tokens=_most_tokens(model))


def keep_layers(model: PreTrainedModel, number: int) -> None:
    """Leave `number` of the model's layers, evenly spaced. Where all layers are one (ALBERT), it is passed fewer times.

    Raises EncoderError when the model has fewer, or no one stack of layers.
    """
    have: int = model.config.num_hidden_layers
    if not 1 <= number <= have:
        raise EncoderError(f"the encoder has {have} layers, so it cannot keep {number}; ask for 1 to {have}")
    if not hasattr(model.config, "num_hidden_groups"):
        stacks = [
            (parent, name, child)
            for parent in model.modules()
            for name, child in parent.named_children()
            if isinstance(child, nn.ModuleList) and len(child) == have
        ]
        if len(stacks) != 1:
            raise EncoderError(f"layers of {model.config.model_type} cannot be left out; take all of them")
        parent, name, child = stacks[0]
        kept = [round(i * (have - 1) / max(1, number - 1)) for i in range(number)]
        setattr(parent, name, nn.ModuleList([child[i] for i in kept]))
    model.config.num_hidden_layers = number


def _folder_of(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise EncoderError(f"{name} is a file; give the folder of an encoder, or its name on the Hugging Face hub")
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise EncoderError(f"{name}: there is no such folder; check the path")
    try:
        folder = Path(snapshot_download(name, allow_patterns=[*_WANTED, *_SAFE]))
        if not _weights_in(folder):
            snapshot_download(name, allow_patterns=_PICKLED)
    except (GatedRepoError, RepositoryNotFoundError) as error:
        raise EncoderError(
            f"there is neither a folder nor an open encoder on the Hugging Face hub named {name}; check the name, or "
            "log in with `hf auth login` if it is private or asks for consent"
        ) from error
    except (OSError, ValueError, HTTPError) as error:
        copy = name.rsplit("/", 1)[-1]
        raise EncoderError(
            f"{name} is no folder here and could not be fetched from the Hugging Face hub ({_first_line(error)}). "
            f"Where there is a network, run `hf download {name} --local-dir {copy}`, copy that folder here, and give "
            "its path instead of the name"
        ) from error
    return folder


def _weights_in(folder: Path) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in (*_SAFE, *_PICKLED))


def _model_of(folder: Path) -> PreTrainedModel:
    """The model without pooler and without heads."""
    if not (folder / _CONFIG).is_file():
        raise EncoderError(f"{folder} has no {_CONFIG}, so it is no encoder; copy the whole folder as the hub has it")
    if not _weights_in(folder):
        raise EncoderError(f"{folder} has no weights (model.safetensors or pytorch_model.bin); copy them as well")
    try:
        model, report = AutoModel.from_pretrained(
            folder,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except Exception as error:
        raise EncoderError(f"{folder} cannot be loaded: {_first_line(error)}; copy the folder again") from error
    wrong = [key for key in report["missing_keys"] if not key.startswith(_POOLER)]
    wrong += [str(key) for key, *_ in report["mismatched_keys"]]
    if wrong:
        raise EncoderError(
            f"{folder}: its weights are not those of its {_CONFIG}: {len(wrong)} are missing or of another shape, such "
            f"as {min(wrong)}; copy the folder again"
        )
    if model.config.is_encoder_decoder:
        raise EncoderError(f"{folder} is an encoder with a decoder ({model.config.model_type}); take an encoder alone")
    model.pooler = None
    return model  # type: ignore[no-any-return]


def _tokenizer_of(folder: Path) -> PreTrainedTokenizerFast:
    """The tokeniser as the folder has it. A vocab.txt is BERT's word pieces, also beside an ALBERT (IndoBERT-lite)."""
    kind: Any
    if (folder / _FAST).is_file():
        kind = PreTrainedTokenizerFast
    elif (folder / "vocab.txt").is_file() and not (folder / "bpe.codes").is_file():
        kind = BertTokenizer
    elif any((folder / name).is_file() for name in _PIECES):
        kind = AutoTokenizer
    else:
        raise EncoderError(
            f"{folder} has no tokeniser ({_FAST}, {', '.join(_PIECES)}); copy those files too, as the hub has them"
        )
    try:
        tokenizer = kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise EncoderError(f"{folder}: its tokeniser cannot be loaded: {_first_line(error)}; copy it again") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise EncoderError(f"{folder}: {type(tokenizer).__name__} exists in Python only; take an encoder with {_FAST}")
    return tokenizer


def _prefix_of(folder: Path, name: str) -> str:
    prompts = _json(folder / _PROMPTS).get("prompts")
    if isinstance(prompts, dict) and isinstance(prompts.get("query"), str):
        return str(prompts["query"])
    readme = folder / _README
    said = readme.is_file() and _E5_PREFIX in readme.read_text(encoding="utf-8", errors="replace")
    return _E5_PREFIX if said or _E5.search(Path(name).name.lower()) else ""


def _pools_first(folder: Path) -> bool:
    pooling = _json(folder / _POOLING)
    return bool(pooling.get("pooling_mode_cls_token")) or pooling.get("pooling_mode") == "cls"


def _most_tokens(model: PreTrainedModel) -> int:
    """How many tokens the model has positions for; RoBERTa and its kin count them from after the padding's number."""
    positions = getattr(model.get_submodule("embeddings"), "position_embeddings", None)
    if not isinstance(positions, nn.Embedding):
        return int(getattr(model.config, "max_position_embeddings", 512))
    return positions.num_embeddings - (0 if positions.padding_idx is None else positions.padding_idx + 1)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' own reports and bars; what matters of them is checked here."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
