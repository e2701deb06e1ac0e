"""Train: from labelled rows to a bundle, step by step. Start reading the training package here.

words -> lexical heads            texts -> fine-tuned encoder with heads -> ONNX, int8, checked against torch
          +------------------------------+
          mix fitted on the dev rows, so that both speak with one calibrated voice
          policy fitted on the dev rows: when to act alone at the stated risk
          bundle written whole, or not at all
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from lapor_nlp.bundle import Bundle, load_bundle, resolve, save_bundle
from lapor_nlp.classifier.classifier import Classifier, DenseHead, Projection, Scores
from lapor_nlp.classifier.lexical import LexicalModel
from lapor_nlp.decision import Policy
from lapor_nlp.drift import Observed, Reference
from lapor_nlp.encoder.onnx import OnnxEncoder
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import TrainingDataError
from lapor_nlp.scorer import Scorer, by_group
from lapor_nlp.taxonomy.migration import Migration, chain
from lapor_nlp.taxonomy.taxonomy import Taxonomy
from lapor_nlp.text.clean import clean
from lapor_nlp.text.wordlist import Wordlist
from lapor_nlp.training.calibration import expected_calibration_error
from lapor_nlp.training.checkpoints import load_checkpoint, restore_checkpoint
from lapor_nlp.training.config import TrainConfig
from lapor_nlp.training.evaluation import fingerprint
from lapor_nlp.training.examples import Examples
from lapor_nlp.training.export import export_encoder
from lapor_nlp.training.fewshot import new_column
from lapor_nlp.training.finetune import fine_tune, vectors_of
from lapor_nlp.training.heads import carry_dense, fates_of
from lapor_nlp.training.lexical import LexicalConfig, fit_lexical
from lapor_nlp.training.mixing import fit_mix, mixed
from lapor_nlp.training.risk import fit_policy
from lapor_nlp.training.signal_blends import fit_blends

LEAST_AGREEMENT = 0.99
"""Least share of dev rows on which the exported encoder must give the same first label as the model in torch."""

_LEAST_DEV_ROWS = 20
_ROWS_A_LABEL = 20
_RUN = "run.json"

Arrays = Mapping[str, NDArray[Any]]
Labels = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A bundle as written, and what there is to say about it."""

    folder: Path
    sha256: str
    metrics: Mapping[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EncoderPart:
    """A fine-tuned, exported encoder, its heads, and its vectors of the dev rows: as exported, and as in torch."""

    encoder: OnnxEncoder
    heads: Mapping[str, DenseHead]
    projection: Projection | None
    vectors: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    exact: NDArray[np.float32]
    history: Sequence[Mapping[str, float]]


def train(
    rows: Examples,
    dev: Examples,
    config: TrainConfig,
    out: Path,
    *,
    taxonomy: Taxonomy,
    version: str,
    name: str | None = None,
    origin: Mapping[str, Any] | None = None,
    card: Callable[[Mapping[str, Any]], str] | None = None,
    restart: bool = False,
    say: Callable[[str], None] = print,
) -> Trained:
    """Train on `rows`, fit mix and policy on `dev`, and write the bundle `out`.

    Checkpoints stand in a hidden folder beside `out` until the bundle is written; the same call goes on from the last
    whole one, `restart` begins anew. `card` writes the model card from the metrics.

    Raises TrainingDataError when the rows cannot be learnt from, when the folder holds another run, or when the
    exported encoder agrees too little with the trained one; nothing is written then, and a former bundle stays.
    """
    labels = labels_of(rows, config.heads, config.fewest)
    check_dev(dev, labels)
    work = _work_folder(out, rows, dev, config, restart=restart)
    wordlist = Wordlist.load()

    say(f"words: fitting {len(labels)} heads on {len(rows):,} rows")
    lexical = fit_words(rows, labels, config, wordlist)
    counts = lexical.features.counts([wordlist.tokens(clean(text)) for text in dev.texts])
    matrix, rarity = lexical.features.weigh(counts, lexical.idf), lexical.rarity(counts)
    margins = {head: lexical.margins(matrix, head) for head in labels}
    part = None
    if config.encoder is not None:
        taught = {**labels, **labels_of(rows, config.auxiliary, config.fewest)}
        part = fit_encoder(rows, dev, taught, config, work, taxonomy=taxonomy, say=say)

    say(f"fitting mix and policy on {len(dev):,} dev rows")
    logits = {} if part is None else {head: _logits(part.vectors, part.heads[head]) for head in labels}
    known = {head: _known(dev.labels[head], labels[head]) for head in labels}
    mixes = {
        head: fit_mix(margins[head][at], logits[head][at] if head in logits else None, truth)
        for head, (at, truth) in known.items()
    }
    probabilities = {head: mixed(mixes[head], margins[head], logits.get(head)) for head in labels}
    metrics: dict[str, Any] = {"dev": {}}
    if part is not None:
        exact = {head: _logits(part.exact, part.heads[head]) for head in labels}
        metrics["agreement"] = agreement(probabilities, {h: mixed(mixes[h], margins[h], exact[h]) for h in labels})
        metrics["agreement_encoder_alone"] = agreement(logits, exact)
        metrics["history"] = [dict(entry) for entry in part.history]
        _check_agreement(metrics["agreement"])
    blends, metrics["signals"] = fit_blends(dev, probabilities, labels)
    bundle = Bundle(
        name=name or out.name,
        version=version,
        taxonomy=taxonomy.version if "topic" in labels else "",
        classifier=Classifier(
            lexical=lexical,
            mixes=mixes,
            encoder=None if part is None else part.encoder,
            dense={} if part is None else part.heads,
            projection=None if part is None else part.projection,
        ),
        policies={},
        blends=blends,
        origin={"config": _told(config), "rows": len(rows), "dev_rows": len(dev), **(origin or {})},
    )
    scorer = Scorer(bundle=bundle, wordlist=wordlist, taxonomy=taxonomy)
    policies: dict[str, Policy] = {}
    warnings: list[str] = []
    for head, (at, truth) in known.items():
        trusted = np.ones(len(at), dtype=np.bool_) if dev.real is None else np.asarray(dev.real)[at]
        fit = judge(
            probabilities[head][at],
            truth,
            scorer.groups(head),
            config,
            rarity=rarity[at],
            times=None if dev.times is None else [dev.times[i] for i in at],
            trusted=trusted,
        )
        policies[head] = fit.policy
        judged = fingerprint([dev.texts[int(i)] for i in at], [str(dev.labels[head][int(i)]) for i in at])
        metrics["dev"][head] = {**fit.figures, "data": judged}
        warnings += [f"{head}: {warning}" for warning in fit.warnings]
    bundle = replace(bundle, policies=policies, metrics=metrics)
    scores = Scores(
        labels=labels,
        probabilities=probabilities,
        vectors=None if part is None else part.vectors,
        truncated=np.zeros(len(dev), dtype=np.bool_) if part is None else part.truncated,
        rarity=rarity,
    )
    bundle = replace(bundle, reference=reference(bundle, dev, scores, wordlist, taxonomy))
    sha256 = save_bundle(bundle, out, card=None if card is None else card(metrics))
    shutil.rmtree(work, ignore_errors=True)
    return Trained(folder=out, sha256=sha256, metrics=metrics, warnings=tuple(warnings))


def reference(
    bundle: Bundle, dev: Examples, scores: Scores, wordlist: Wordlist, taxonomy: Taxonomy
) -> Mapping[str, Any]:
    """What the real of the dev rows look like to a bundle, for telling drift."""
    at = np.arange(len(dev)) if dev.real is None else np.flatnonzero(np.asarray(dev.real))
    real = Scores(
        labels=scores.labels,
        probabilities={head: values[at] for head, values in scores.probabilities.items()},
        vectors=None,
        truncated=scores.truncated[at],
        rarity=scores.rarity[at],
    )
    scorer = Scorer(bundle=bundle, wordlist=wordlist, taxonomy=taxonomy)
    answers = {head: scorer.answers(head, real) for head in bundle.policies}
    observed = Observed.of([dev.texts[int(i)] for i in at], real, answers)
    return Reference.of(observed, {head: policy.risk for head, policy in bundle.policies.items()}).to_dict()


def labels_of(rows: Examples, heads: Sequence[str], fewest: int) -> dict[str, tuple[str, ...]]:
    """The labels of each head that have enough rows, sorted. Raises TrainingDataError when fewer than two are left."""
    result = {}
    for head in heads:
        counts = Counter(label for label in rows.labels[head] if label is not None)
        kept = sorted(label for label, count in counts.items() if count >= fewest)
        if len(kept) < 2:
            raise TrainingDataError(
                f"the head {head} has {len(kept)} labels with at least {fewest} rows out of {len(counts)} "
                "labels; it needs two: give more rows, merge labels, or lower fewest"
            )
        result[head] = tuple(kept)
    return result


def check_dev(dev: Examples, labels: Labels) -> None:
    """Raises TrainingDataError when a head has too few dev rows to fit its mix and policy on."""
    for head, names in labels.items():
        known = sum(label in names for label in dev.labels[head])
        if known < _LEAST_DEV_ROWS:
            raise TrainingDataError(
                f"the dev set has {known} rows with a label that the head {head} learns, it needs {_LEAST_DEV_ROWS}: "
                "give a larger --dev or dev_share, or leave out the head"
            )


def fit_words(rows: Examples, labels: Labels, config: TrainConfig, wordlist: Wordlist) -> LexicalModel:
    """The lexical heads; of very many rows, evenly spaced ones."""
    step = -(-len(rows) // config.lexical_rows_most)
    columns = {
        head: [label if label in names else None for label in rows.labels[head][::step]]
        for head, names in labels.items()
    }
    return fit_lexical(
        [wordlist.tokens(clean(text)) for text in rows.texts[::step]],
        columns,
        LexicalConfig(
            strength=config.lexical_strength,
            balance=config.lexical_balance,
            kept=config.lexical_kept,
            fewest=min(2, config.fewest),
            seed=config.seed,
        ),
        weights=None if rows.weights is None else rows.weights[::step],
    )


def fit_encoder(
    rows: Examples,
    dev: Examples,
    labels: Labels,
    config: TrainConfig,
    work: Path,
    *,
    taxonomy: Taxonomy,
    say: Callable[[str], None],
) -> EncoderPart:
    """Fine-tune the encoder that `config` names, export it into `work`, and read the dev rows with both."""
    assert config.encoder is not None
    former = _former(config.encoder)
    if former is None:
        checkpoint = load_checkpoint(config.encoder, layers=config.layers)
    else:
        encoder = former.classifier.encoder
        if not isinstance(encoder, OnnxEncoder):
            raise TrainingDataError(f"{config.encoder} is a model of words alone, without an encoder to go on from")
        checkpoint = restore_checkpoint(encoder.folder, encoder.settings)
    if config.longest > checkpoint.most_tokens:
        raise TrainingDataError(
            f"longest is {config.longest}, {config.encoder} reads at most {checkpoint.most_tokens} tokens: lower it"
        )
    settings = replace(checkpoint.settings, longest=config.longest, head_share=config.head_share)
    tokeniser = Tokeniser(checkpoint.tokenizer.backend_tokenizer, settings)
    say(f"encoder: fine-tuning {config.encoder} on {len(rows):,} rows")
    tuned = fine_tune(
        checkpoint.model,
        tokeniser,
        rows,
        dev,
        labels,
        config,
        settings=settings,
        work=work,
        start={} if former is None else former_heads(former, labels, rows, _migrations(former, taxonomy)),
    )
    say("encoder: exporting")
    folder = work / "encoder"
    settings = export_encoder(
        checkpoint.model,
        checkpoint.tokenizer,
        settings,
        folder,
        texts=[clean(text) for text in rows.texts[:: max(1, len(rows) // 512)]],
        int8=config.int8,
        keep_fp32=config.keep_fp32,
    )
    encoder = OnnxEncoder.load(folder, settings, threads=config.threads)
    encoded = encoder.encode([clean(text) for text in dev.texts])
    return EncoderPart(
        encoder=encoder,
        heads={head: tuned.heads[head] for head in config.heads},
        projection=tuned.projection,
        vectors=encoded.vectors,
        truncated=encoded.truncated,
        exact=vectors_of(tuned.model, tokeniser, dev.texts, settings=settings),
        history=tuned.history,
    )


def former_heads(
    former: Bundle, labels: Labels, rows: Examples, migrations: Sequence[Migration] = ()
) -> dict[str, DenseHead]:
    """The heads of a former bundle over its encoder, for `labels`.

    Labels that `migrations` renamed or merged keep what was learnt under their former names; a new label begins where
    its rows lie. A head that shares no label with the former one is left out.
    """
    encoder = former.classifier.encoder
    assert encoder is not None
    result = {}
    for head, names in labels.items():
        if head not in former.classifier.dense:
            continue
        old = former.classifier.dense[head]
        fates = fates_of(old.labels, migrations)
        known = {new for fate in fates.values() for new in fate}
        if not known & set(names):
            continue
        at = _some_of_each(rows.labels[head], _ROWS_A_LABEL)
        vectors = encoder.encode([clean(rows.texts[i]) for i in at]).vectors
        given = np.array([str(rows.labels[head][i]) for i in at])
        seen = [name for name in old.labels if name in set(given)]
        usual = np.isin(given, seen)
        kept = DenseHead(
            labels=tuple(seen),
            weights=old.weights[:, [old.labels.index(name) for name in seen]],
            bias=old.bias[[old.labels.index(name) for name in seen]],
        )
        added = {
            name: new_column(kept, vectors[usual], given[usual].tolist(), vectors[given == name])
            for name in names
            if name not in known and len(seen) > 1
        }
        result[head] = carry_dense(old, fates, names, vectors=vectors, added=added)
    return result


def _some_of_each(column: Sequence[str | None], most: int) -> list[int]:
    """Row numbers of the first `most` rows of each label."""
    counts: Counter[str] = Counter()
    found = []
    for i, label in enumerate(column):
        if label is not None and counts[label] < most:
            counts[label] += 1
            found.append(i)
    return found


def _migrations(former: Bundle, taxonomy: Taxonomy) -> tuple[Migration, ...]:
    try:
        return chain(taxonomy.migrations, former.taxonomy, taxonomy.version)
    except KeyError:
        return ()


def _former(encoder: str) -> Bundle | None:
    """The bundle that `encoder` names, None when it names a pretrained encoder."""
    folder = resolve(encoder)
    return load_bundle(folder) if (folder / "manifest.json").is_file() else None


def agreement(one: Arrays, other: Arrays) -> dict[str, float]:
    """Share of rows on which two models give the same first label, for each head; arrays of shape (rows, labels)."""
    return {
        head: round(float((scores.argmax(axis=1) == other[head].argmax(axis=1)).mean()), 4)
        for head, scores in one.items()
    }


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A head's policy, its figures on the dev rows, and what to be warned of."""

    policy: Policy
    figures: Mapping[str, Any]
    warnings: tuple[str, ...]


def judge(
    probabilities: NDArray[np.float64],
    truth: NDArray[np.int64],
    groups: Sequence[str],
    config: TrainConfig,
    *,
    rarity: NDArray[np.float64],
    times: Sequence[datetime | None] | None,
    trusted: NDArray[np.bool_],
) -> Judgement:
    """Fit a head's policy on the trusted of the dev rows and say how well the head does on all of them.

    `probabilities` has shape (rows, labels), `truth` holds column numbers, `groups` the group of each label; the others
    have one value a row.
    """
    names, first, group, raw = by_group(probabilities, groups)
    wanted = np.array([names.index(groups[k]) for k in truth])
    at = np.flatnonzero(trusted)
    fit = fit_policy(
        raw[at],
        (group == wanted)[at],
        [names[group[i]] for i in at],
        times=None if times is None else [times[int(i)] for i in at],
        rarity=rarity[at],
        risk=config.risk,
        assurance=config.assurance,
    )
    confidence = np.array([fit.policy.calibrated(*pair) for pair in zip(raw.tolist(), rarity.tolist(), strict=True)])
    ranked = np.argsort(-probabilities, axis=1)[:, :3]
    figures = {
        "rows": len(truth),
        "accuracy": round(float((first == truth).mean()), 4),
        "top3": round(float((ranked == truth[:, None]).any(axis=1).mean()), 4),
        "macro_f1": round(float(f1_score(truth, first, average="macro", zero_division=0)), 4),
        "group_accuracy": round(float((group == wanted).mean()), 4),
        "log_loss": round(float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1.0)).mean()), 4),
        "calibration_error": round(expected_calibration_error(confidence, group == wanted), 4),
        **fit.figures,
    }
    return Judgement(policy=fit.policy, figures=figures, warnings=fit.warnings)


def _told(config: TrainConfig) -> dict[str, Any]:
    """The settings without the place where the encoder lay."""
    return {**config.to_dict(), "encoder": None if config.encoder is None else Path(config.encoder).name}


def _check_agreement(shares: Mapping[str, float]) -> None:
    low = {head: share for head, share in shares.items() if share < LEAST_AGREEMENT}
    if low:
        said = ", ".join(f"{head} {share:.3f}" for head, share in low.items())
        raise TrainingDataError(
            f"the exported encoder gives another first label than the trained one too often ({said}; at least "
            f"{LEAST_AGREEMENT} is asked for), so no bundle was written: run the same command with --no-int8"
        )


def _logits(vectors: NDArray[np.float32], head: DenseHead) -> NDArray[np.float32]:
    logits: NDArray[np.float32] = vectors @ head.weights + head.bias
    return logits


def _known(column: Sequence[str | None], labels: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of the rows whose label is one of `labels`, and their column numbers."""
    numbers = {label: k for k, label in enumerate(labels)}
    at = [i for i, label in enumerate(column) if label in numbers]
    return np.array(at, dtype=np.int64), np.array([numbers[str(column[i])] for i in at], dtype=np.int64)


def _work_folder(out: Path, rows: Examples, dev: Examples, config: TrainConfig, *, restart: bool) -> Path:
    """The folder of checkpoints beside `out`, emptied when `restart`; refused when it holds another run."""
    work = out.parent / f".{out.name}.training"
    run = {"config": config.to_dict(), "rows": _digest(rows), "dev": _digest(dev)}
    if restart:
        shutil.rmtree(work, ignore_errors=True)
    note = work / _RUN
    if note.is_file():
        if json.loads(note.read_text(encoding="utf-8")) != run:
            raise TrainingDataError(
                f"{work} holds checkpoints of a run with other rows or settings: repeat that command to go on with "
                "it, pass --restart to drop it, or choose another --out"
            )
        return work
    try:
        work.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(run), encoding="utf-8")
    except OSError as error:
        raise TrainingDataError(f"{work} cannot be written: {error.strerror}; choose another --out") from error
    return work


def _digest(rows: Examples) -> str:
    digest = hashlib.sha256()
    for text in rows.texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    for head in sorted(rows.labels):
        digest.update(json.dumps([head, list(rows.labels[head])]).encode())
    digest.update(json.dumps(None if rows.weights is None else list(rows.weights)).encode())
    return digest.hexdigest()
