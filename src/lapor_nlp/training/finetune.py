"""Fine-tuning: an encoder with a linear head for each question, on transformers' Trainer."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.classifier.classifier import DenseHead, Projection
from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import MissingExtraError, TrainingDataError
from lapor_nlp.text.clean import clean
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.likeness import targets

try:
    import torch
    from datasets import Dataset
    from sklearn.metrics import f1_score
    from torch import Tensor, nn
    from torch.utils.data import Sampler
    from transformers import (
        EarlyStoppingCallback,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
        set_seed,
    )
except ModuleNotFoundError as error:
    raise MissingExtraError("train", error.name or "torch") from error

_ABSENT = -100
_COMPLETE = "complete.json"
_MOST_STEPS_APART = 500
_SLICE = 4096
_BATCHES_SORTED = 50


class MultiHead(nn.Module):
    """An encoder, its pooling, and a linear head for each question.

    The loss is the sum over heads of the cross entropy times the head's share (1 by default), each text weighted by the
    balance of its label and its own weight; a head without a label for a text adds nothing. With `likeness_dimension` a
    projection is learnt too, by `likeness` times one minus the cosine to its targets.
    """

    def __init__(
        self,
        encoder: nn.Module,
        *,
        pooling: str,
        dimension: int,
        labels: Mapping[str, tuple[str, ...]],
        balances: Mapping[str, Tensor],
        dropout: float,
        smoothing: float,
        shares: Mapping[str, float] | None = None,
        likeness: float = 0.0,
        likeness_dimension: int = 0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        self.names = tuple(labels)
        self.dropout = nn.Dropout(dropout)
        self.smoothing = smoothing
        self.shares = [1.0 if shares is None else shares.get(name, 1.0) for name in self.names]
        self.likeness = likeness
        self.projection = nn.Linear(dimension, likeness_dimension) if likeness_dimension else None
        self.heads = nn.ModuleList([nn.Linear(dimension, len(labels[name])) for name in self.names])
        for k, (name, head) in enumerate(zip(self.names, self.heads, strict=True)):
            nn.init.normal_(head.weight, std=0.02)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]
            self.register_buffer(f"balance_{k}", balances[name], persistent=False)

    def vectors(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Pooled vectors, shape (texts, dimension), in single precision."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        if self.pooling == "cls":
            return states[:, 0]  # type: ignore[no-any-return]
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        return (states * mask).sum(1) / mask.sum(1)  # type: ignore[no-any-return]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        targets: Tensor,
        weights: Tensor,
        like: Tensor | None = None,
    ) -> dict[str, Any]:
        """`targets` has shape (texts, heads) with label numbers, -100 for none; `weights` (texts,).

        `like` holds the targets of the projection, shape (texts, likeness_dimension).
        """
        pooled = self.vectors(input_ids, attention_mask)
        vectors = self.dropout(pooled)
        loss = vectors.new_zeros(())
        if self.projection is not None and like is not None:
            loss = loss + self.likeness * (1 - nn.functional.cosine_similarity(self.projection(pooled), like)).mean()
        logits = []
        for k, head in enumerate(self.heads):
            scores = head(vectors)
            each = nn.functional.cross_entropy(
                scores,
                targets[:, k],
                weight=getattr(self, f"balance_{k}"),
                ignore_index=_ABSENT,
                reduction="none",
                label_smoothing=self.smoothing,
            )
            loss = loss + self.shares[k] * (each * weights).mean()
            logits.append(scores)
        return {"loss": loss, "logits": tuple(logits)}


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """The model in evaluation mode, its heads as arrays, how training went, and how many seconds this call trained."""

    model: MultiHead
    heads: Mapping[str, DenseHead]
    projection: Projection | None
    history: tuple[Mapping[str, float], ...]
    seconds: float


def fine_tune(
    encoder: nn.Module,
    tokeniser: Tokeniser,
    train: Examples,
    dev: Examples,
    labels: Mapping[str, tuple[str, ...]],
    config: TrainConfig,
    *,
    settings: EncoderSettings,
    work: Path,
    start: Mapping[str, DenseHead] | None = None,
    quiet: bool = False,
) -> FineTuned:
    """Train `encoder` with a head for each key of `labels`; the best state by macro-F1 of the first head on `dev`.

    `work` is a folder for checkpoints: when it holds a whole one of the same run, training goes on from there. `start`
    holds heads to begin with, in the label order of `labels`.
    """
    set_seed(config.seed)
    like = _likeness(encoder, tokeniser, train, config, settings, work) if config.likeness > 0 else None
    model = MultiHead(
        encoder,
        pooling=settings.pooling,
        dimension=settings.dimension,
        labels=labels,
        balances={name: balance(train.labels[name], labels[name], config.balance) for name in labels},
        dropout=config.dropout,
        smoothing=config.label_smoothing,
        shares=dict.fromkeys(config.auxiliary, config.auxiliary_weight),
        likeness=config.likeness,
        likeness_dimension=0 if like is None else like.shape[1],
    )
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = config.encoder_dropout
    _begin_with(model, start or {})
    rows, dev_rows = _rows(train, tokeniser, labels, like), _rows(dev, tokeniser, labels, None)
    trainer = _trainer(model, rows, dev_rows, config, settings, work=work, quiet=quiet)
    outcome = trainer.train(resume_from_checkpoint=last_checkpoint(work))
    model.eval()
    return FineTuned(
        model=model,
        heads=dense_heads(model, labels),
        projection=_projection(model),
        history=tuple(entry for entry in trainer.state.log_history if "eval_macro_f1" in entry),
        seconds=float(outcome.metrics["train_runtime"]),
    )


def balance(labels: Sequence[str | None], names: Sequence[str], exponent: float) -> Tensor:
    """Weight of each label, (rows / (labels * rows of the label)) ** exponent, scaled so that the mean row weighs 1."""
    counts = Counter(label for label in labels if label is not None)
    known = np.array([max(1, counts[name]) for name in names], dtype=np.float64)
    weights = (known.sum() / (len(names) * known)) ** exponent
    weights /= (weights * known).sum() / known.sum()
    return torch.tensor(weights, dtype=torch.float32)


def dense_heads(model: MultiHead, labels: Mapping[str, tuple[str, ...]]) -> dict[str, DenseHead]:
    """The heads of a model as arrays."""
    result = {}
    for name, head in zip(model.names, model.heads, strict=True):
        assert isinstance(head, nn.Linear)
        result[name] = DenseHead(
            labels=labels[name],
            weights=head.weight.detach().cpu().numpy().T.astype(np.float32),
            bias=head.bias.detach().cpu().numpy().astype(np.float32),
        )
    return result


def vectors_of(
    model: MultiHead,
    tokeniser: Tokeniser,
    texts: Sequence[str],
    *,
    settings: EncoderSettings,
    precision: str = "fp32",
    batch: int = 64,
) -> NDArray[np.float32]:
    """Pooled vectors of the model, shape (texts, dimension), in order. Texts are read in slices."""
    collate = Collator(settings)
    device = next(model.parameters()).device
    lower = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    result = np.empty((len(texts), settings.dimension), dtype=np.float32)
    model.eval()
    with torch.inference_mode(), torch.autocast(device.type, dtype=lower, enabled=lower is not None):
        for begin in range(0, len(texts), _SLICE):
            ids = tokeniser([clean(text) for text in texts[begin : begin + _SLICE]]).ids
            order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
            for start in range(0, len(order), batch):
                part = order[start : start + batch]
                inputs = {k: v.to(device) for k, v in collate.inputs([ids[i] for i in part]).items()}
                result[[begin + i for i in part]] = model.vectors(**inputs).cpu().numpy()
    return result


def last_checkpoint(work: Path) -> str | None:
    """The newest checkpoint that was written to its end; those that were not are removed."""
    best: tuple[int, str] | None = None
    for folder in work.glob("checkpoint-*"):
        if not (folder / _COMPLETE).is_file():
            shutil.rmtree(folder, ignore_errors=True)
            continue
        step = int(folder.name.rsplit("-", 1)[1])
        if best is None or step > best[0]:
            best = (step, str(folder))
    return None if best is None else best[1]


class Collator:
    """Rows of token numbers into padded tensors."""

    def __init__(self, settings: EncoderSettings) -> None:
        self.pad_id = settings.pad_id

    def inputs(self, ids: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """input_ids and attention_mask, each of shape (rows, longest row)."""
        longest = max(len(row) for row in ids)
        padded = torch.full((len(ids), longest), self.pad_id, dtype=torch.long)
        mask = torch.zeros((len(ids), longest), dtype=torch.long)
        for i, row in enumerate(ids):
            padded[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        return {"input_ids": padded, "attention_mask": mask}

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        return {
            **self.inputs([row["input_ids"] for row in rows]),
            "targets": torch.tensor([row["targets"] for row in rows]),
            "weights": torch.tensor([row["weight"] for row in rows], dtype=torch.float32),
            **({"like": torch.tensor([row["like"] for row in rows])} if "like" in rows[0] else {}),
        }


class LengthSampler(Sampler[int]):
    """Row numbers in an order in which each batch holds texts of about one length, and the batches come in any order.

    Transformers' own grouping goes from long to short again and again; where short texts come from another source than
    long ones, as they do here, the model then swings between the two.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch = batch
        self._seed = seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """Another order for each pass; the same for the same pass, so that a run can go on in its midst."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng((self._seed, self._epoch))
        order = random.permutation(len(self._lengths))
        stretch = self._batch * _BATCHES_SORTED
        batches = []
        for start in range(0, len(order), stretch):
            part = order[start : start + stretch]
            part = part[np.argsort(self._lengths[part], kind="stable")]
            batches += [part[i : i + self._batch] for i in range(0, len(part), self._batch)]
        whole = [batch for batch in batches if len(batch) == self._batch]
        for k in random.permutation(len(whole)):
            yield from whole[k].tolist()
        for batch in batches:
            if len(batch) < self._batch:
                yield from batch.tolist()


class _Trainer(Trainer):
    """Trainer with our order of rows."""

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int]:
        rows = self.train_dataset if train_dataset is None else train_dataset
        assert isinstance(rows, Dataset)
        return LengthSampler(rows["length"], self.args.train_batch_size, self.args.seed)


class _Marker(TrainerCallback):
    """Marks each checkpoint once it stands whole, so that one cut off by a kill is never gone on from."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        if folder.is_dir():
            (folder / _COMPLETE).write_text(json.dumps({"step": state.global_step}), encoding="utf-8")


class _Teller(TrainerCallback):
    """One line for each look at the dev set."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs and "eval_macro_f1" in logs:
            print(
                f"epoch {logs.get('epoch', 0):.2f}: dev accuracy {logs['eval_accuracy']:.4f}, "
                f"macro-F1 {logs['eval_macro_f1']:.4f}, loss {logs['eval_loss']:.4f}",
                flush=True,
            )


def _trainer(
    model: MultiHead,
    rows: Dataset,
    dev_rows: Dataset,
    config: TrainConfig,
    settings: EncoderSettings,
    *,
    work: Path,
    quiet: bool,
) -> Trainer:
    steps = math.ceil(len(rows) / config.batch)
    apart = min(steps, _MOST_STEPS_APART)
    precision = precision_for(config.precision)
    learning_rate = config.learning_rate_for(model.heads[0].in_features)  # type: ignore[arg-type]
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    arguments = TrainingArguments(
        output_dir=str(work),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.batch,
        per_device_eval_batch_size=config.batch * 2,
        learning_rate=learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=max(1, int(config.warmup * steps * config.epochs)),
        optim="adamw_torch_fused",
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False,
        label_names=["targets"],
        eval_strategy="steps",
        eval_steps=apart,
        save_strategy="steps",
        save_steps=apart,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="macro_f1",
        greater_is_better=True,
        logging_strategy="steps",
        logging_steps=50,
        seed=config.seed,
        data_seed=config.seed,
        report_to=[],
        disable_tqdm=quiet,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=dev_rows,
        data_collator=Collator(settings),
        compute_metrics=_figures,
        preprocess_logits_for_metrics=_first_choice,
        optimizers=(_optimiser(model, config, learning_rate), None),
        callbacks=[_Marker(), EarlyStoppingCallback(early_stopping_patience=config.patience)],
    )
    trainer.remove_callback(PrinterCallback)
    if not quiet:
        trainer.add_callback(_Teller())
    return trainer


def precision_for(wanted: str) -> str:
    """The precision to train in: bf16 where the hardware computes in it, fp16 on other GPUs, else fp32."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def _optimiser(model: MultiHead, config: TrainConfig, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW; the heads, which start from nothing, learn faster than the encoder; no decay on biases and norms."""
    inner = [p for p in model.encoder.parameters() if p.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [p for p in inner if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in inner if p.ndim <= 1], "weight_decay": 0.0},
            {
                "params": list(model.heads.parameters()),
                "lr": learning_rate * config.head_learning_rate_factor,
                "weight_decay": config.weight_decay,
            },
        ],
        lr=learning_rate,
        fused=True,
    )


def _likeness(
    encoder: nn.Module, tokeniser: Tokeniser, rows: Examples, config: TrainConfig, settings: EncoderSettings, work: Path
) -> NDArray[np.float32]:
    """Targets of the projection from the encoder as it is before training, kept in `work` for a run that goes on."""
    stored = work / "likeness.npy"
    if not stored.is_file():
        plain = MultiHead(
            encoder,
            pooling=settings.pooling,
            dimension=settings.dimension,
            labels={},
            balances={},
            dropout=0.0,
            smoothing=0.0,
        )
        precision = precision_for(config.precision)
        vectors = vectors_of(plain, tokeniser, rows.texts, settings=settings, precision=precision)
        found = targets(vectors, config.likeness_dimension)
        partial = work / "likeness.part.npy"
        np.save(partial, found)
        partial.replace(stored)
    result: NDArray[np.float32] = np.load(stored)
    return result


def _projection(model: MultiHead) -> Projection | None:
    if model.projection is None:
        return None
    return Projection(
        weights=model.projection.weight.detach().cpu().numpy().T.astype(np.float32),
        bias=model.projection.bias.detach().cpu().numpy().astype(np.float32),
    )


def _rows(
    examples: Examples,
    tokeniser: Tokeniser,
    labels: Mapping[str, tuple[str, ...]],
    like: NDArray[np.float32] | None,
) -> Dataset:
    """Token numbers, lengths, targets and weights as an Arrow table on disk."""
    numbers = {name: {label: i for i, label in enumerate(names)} for name, names in labels.items()}

    def generate() -> Iterator[dict[str, Any]]:
        for start in range(0, len(examples), 1000):
            stop = min(start + 1000, len(examples))
            ids = tokeniser([clean(text) for text in examples.texts[start:stop]]).ids
            columns = [
                [numbers[name].get(label, _ABSENT) if label is not None else _ABSENT for label in part]
                for name, part in ((name, examples.labels[name][start:stop]) for name in labels)
            ]
            weights = [1.0] * (stop - start) if examples.weights is None else examples.weights[start:stop]
            for i, (row, wanted, weight) in enumerate(zip(ids, zip(*columns, strict=True), weights, strict=True)):
                made = {"input_ids": row, "length": len(row), "targets": list(wanted), "weight": float(weight)}
                yield made if like is None else {**made, "like": like[start + i].tolist()}

    return Dataset.from_list(list(generate()))


def _begin_with(model: MultiHead, start: Mapping[str, DenseHead]) -> None:
    for name, head in zip(model.names, model.heads, strict=True):
        if name in start:
            assert isinstance(head, nn.Linear)
            if head.weight.shape != start[name].weights.T.shape:
                raise TrainingDataError(f"the head {name} to begin with has another shape")
            with torch.no_grad():
                head.weight.copy_(torch.from_numpy(np.ascontiguousarray(start[name].weights.T)))
                head.bias.copy_(torch.from_numpy(start[name].bias))


def _first_choice(logits: Any, targets: Any) -> Tensor:
    """The first label of the first head, so that no matrix of all logits is kept."""
    return (logits[0] if isinstance(logits, tuple) else logits).argmax(-1)  # type: ignore[no-any-return]


def _figures(outcome: Any) -> dict[str, float]:
    chosen, targets = np.asarray(outcome.predictions), np.asarray(outcome.label_ids)[:, 0]
    known = targets != _ABSENT
    if not known.any():
        raise TrainingDataError("no row of the dev set has a label that the first head knows; give another --dev")
    return {
        "accuracy": float((chosen[known] == targets[known]).mean()),
        "macro_f1": float(f1_score(targets[known], chosen[known], average="macro", zero_division=0)),
    }
