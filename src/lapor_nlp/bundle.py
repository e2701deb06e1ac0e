"""Bundle: a trained model as a folder of plain files, checked before anything is built from it.

    models/NAME/
        manifest.json         format, name, version, taxonomy, settings, heads, policies, metrics, sha256 of every file
        lexical.safetensors   document frequencies and weights of the lexical heads
        dense.safetensors     weights of the heads over the encoder     (these three only with an encoder)
        encoder.onnx          from token numbers to one vector a text
        tokenizer.json
        MODEL_CARD.md         for people

Nothing in it can run code: JSON, safetensors and ONNX only. Where a folder is asked for, a pointer will do: a small
file such as models/current that names the folder beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

from lapor_nlp.blend import Blend
from lapor_nlp.classifier.classifier import Classifier, DenseHead, Mix, Projection
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.classifier.lexical import LexicalHead, LexicalModel
from lapor_nlp.decision import BundleId, Policy
from lapor_nlp.duplicates.model import PairModel
from lapor_nlp.encoder.encoder import EncoderSettings
from lapor_nlp.encoder.onnx import FILES, GRAPH, OnnxEncoder
from lapor_nlp.errors import BundleError

FORMAT = 2
"""Version of the folder's layout that this release writes; it reads this and every earlier one."""

_DEFAULT = "lapor-2026.11"
_MANIFEST = "manifest.json"
_LEXICAL = "lexical.safetensors"
_DENSE = "dense.safetensors"
_TOP = 127
_NEEDED = {
    1: ("name", "version", "taxonomy", "features", "heads", "policy", "blends", "files", "sha256"),
    2: ("name", "version", "taxonomy", "features", "encoder", "heads", "policies", "blends", "files", "sha256"),
}
"""What a manifest of each format must hold."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model ready to use, with what it was made from and how well it did.

    `policies` says for each head when it may act alone; `blends` how rules and heads join; `reference` what traffic
    looked like when the model was fitted, so that drift can be seen. `taxonomy` is the version its topics belong to, ""
    when it has no head `topic`. `pairs` says how likely two reports are one, None when nothing was fitted. `space`
    names the space that vectors for duplicates lie in, "" for a bundle that was not loaded: only vectors of one space
    can be compared; it stays the same when heads, mixes or policies change.
    """

    name: str
    version: str
    taxonomy: str
    classifier: Classifier
    policies: Mapping[str, Policy]
    blends: Mapping[str, Blend] = field(default_factory=dict)
    pairs: PairModel | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    space: str = ""

    @property
    def id(self) -> BundleId:
        return BundleId(name=self.name, version=self.version, sha256=self.sha256)

    def policy(self, head: str) -> Policy:
        """When `head` may act alone: never, if nothing was fitted for it."""
        return self.policies.get(head, Policy(act_alone=None))


def default_folder() -> Path:
    """The bundle that comes with the package: inside it when installed, `models/` in a checkout."""
    inside = Path(__file__).parent / "_bundle"
    if inside.is_dir():
        return inside
    models = Path(__file__).parents[2] / "models"
    found = models / _DEFAULT
    if not (found / _MANIFEST).is_file():
        raise BundleError(inside, "no model comes with this installation; pass a folder: Router.load('models/NAME')")
    return found


def resolve(folder: Path | str) -> Path:
    """The bundle folder that a path means: the folder itself, or the one that a pointer file names beside it.

    Raises BundleError when the pointer cannot be read.
    """
    path = Path(folder)
    if not path.is_file():
        return path
    try:
        name = json.loads(path.read_text(encoding="utf-8"))["bundle"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(path, "is no model folder and no pointer to one; name the folder") from error
    if not isinstance(name, str) or Path(name).name != name:
        raise BundleError(path, "must point at a folder beside it; promote the model again")
    return path.parent / name


def save_bundle(bundle: Bundle, folder: Path, *, card: str | None = None) -> str:
    """Write a bundle folder and return its sha256. The folder appears whole or not at all.

    An encoder's files are copied from where it was loaded. Raises BundleError when `folder` exists and holds anything
    but a bundle, or when it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MANIFEST).is_file():
        raise BundleError(folder, "exists and is not a model folder; choose another name or empty it")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BundleError(folder, f"cannot be written: {error.strerror}; choose another place") from error
    try:
        sha256 = _write(bundle, staging, card)
        _replace(staging, folder)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise BundleError(folder, f"could not be written: {error.strerror}; nothing was changed") from error
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return sha256


def _write(bundle: Bundle, staging: Path, card: str | None) -> str:
    staging.chmod(0o755)
    classifier = bundle.classifier
    encoder = classifier.encoder
    save_file(_lexical_tensors(classifier.lexical), staging / _LEXICAL)
    if encoder is not None:
        if not isinstance(encoder, OnnxEncoder):
            raise BundleError(staging, "only an encoder that was exported to ONNX can be stored")
        for name in FILES:
            if (encoder.folder / name).is_file():
                shutil.copyfile(encoder.folder / name, staging / name)
        save_file(_dense_tensors(classifier), staging / _DENSE)
    if card is not None:
        (staging / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    for path in staging.iterdir():
        path.chmod(0o644)
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "name": bundle.name,
        "version": bundle.version,
        "taxonomy": bundle.taxonomy,
        "features": asdict(classifier.lexical.features.settings),
        "encoder": None if encoder is None else asdict(encoder.settings),
        "heads": {
            name: {"labels": list(labels), "mix": asdict(classifier.mixes[name])}
            for name, labels in classifier.labels.items()
        },
        "policies": {name: asdict(policy) for name, policy in bundle.policies.items()},
        "blends": {name: asdict(blend) for name, blend in bundle.blends.items()},
        "pairs": None if bundle.pairs is None else asdict(bundle.pairs),
        "metrics": dict(bundle.metrics),
        "origin": dict(bundle.origin),
        "reference": dict(bundle.reference),
        "files": {p.name: _describe(p) for p in sorted(staging.iterdir())},
    }
    manifest["sha256"] = _fingerprint(manifest)
    (staging / _MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return str(manifest["sha256"])


def load_bundle(folder: Path | str | None = None, *, threads: int | None = None) -> Bundle:
    """Read and check a bundle folder, or the one that a pointer names; the packaged one by default.

    `threads` is how many the encoder may use, by default one for each core. The hashes find damage and edits by
    accident; they are no signature.

    Raises BundleError naming the file that is missing, damaged, changed since it was written, or too new.
    """
    folder = default_folder() if folder is None else resolve(folder)
    manifest = _read_manifest(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise BundleError(path, "is missing from the model folder; copy the folder again")
        if _describe(path) != expected:
            raise BundleError(path, "is damaged or was changed (its sha256 differs from the manifest); copy it again")
    try:
        mixes = {name: Mix(**about["mix"]) for name, about in manifest["heads"].items()}
        labels = {name: tuple(str(label) for label in about["labels"]) for name, about in manifest["heads"].items()}
        encoder, dense, projection = None, {}, None
        if manifest["encoder"] is not None:
            encoder = OnnxEncoder.load(folder, EncoderSettings(**manifest["encoder"]), threads=threads)
            tensors = load_file(folder / _DENSE)
            dense = _dense_heads(labels, tensors, encoder.settings.dimension)
            projection = _projection(tensors, encoder.settings.dimension)
        lexical = _lexical_model(manifest["features"], labels, load_file(folder / _LEXICAL))
        classifier = Classifier(lexical=lexical, mixes=mixes, encoder=encoder, dense=dense, projection=projection)
        policies = {name: Policy(**policy) for name, policy in manifest["policies"].items()}
        blends = {name: Blend(**weights) for name, weights in manifest["blends"].items()}
        pairs = PairModel(**manifest["pairs"]) if manifest.get("pairs") else None
    except (SafetensorError, KeyError, TypeError, ValueError, IndexError, AttributeError, OSError) as error:
        raise BundleError(folder, f"does not fit its manifest: {error}; copy the folder again") from error
    return Bundle(
        name=str(manifest["name"]),
        version=str(manifest["version"]),
        taxonomy=str(manifest["taxonomy"]),
        classifier=classifier,
        policies=policies,
        blends=blends,
        pairs=pairs,
        metrics=manifest.get("metrics", {}),
        origin=manifest.get("origin", {}),
        reference=manifest.get("reference", {}),
        sha256=str(manifest["sha256"]),
        space=_space(manifest, projection),
    )


def _space(manifest: Mapping[str, Any], projection: Projection | None) -> str:
    if projection is None:
        return "words"
    digest = hashlib.sha256(str(manifest["files"][GRAPH]["sha256"]).encode())
    digest.update(projection.weights.tobytes() + projection.bias.tobytes())
    return digest.hexdigest()[:16]


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not path.is_file():
        raise BundleError(path, "is not there, so this is no model folder; check the path")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(path, f"cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise BundleError(path, "is not a model manifest")
    number = manifest.get("format")
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise BundleError(path, "is not a model manifest")
    if number > FORMAT:
        raise BundleError(path, f"has format {number}, this release reads up to {FORMAT}: upgrade lapor-nlp")
    needed = _NEEDED[number]
    absent = [key for key in needed if key not in manifest]
    if absent:
        raise BundleError(path, f"lacks {', '.join(absent)}")
    if manifest["sha256"] != _fingerprint(manifest):
        raise BundleError(path, "was changed after it was written (its own sha256 differs); copy the folder again")
    objects = [key for key in needed if key not in ("name", "version", "taxonomy", "encoder", "sha256")]
    if not all(isinstance(manifest[key], dict) for key in objects) or not manifest["heads"]:
        raise BundleError(path, f"must hold objects under {', '.join(objects)} and at least one head")
    if _LEXICAL not in manifest["files"] or any(Path(name).name != name for name in manifest["files"]):
        raise BundleError(path, f"must list {_LEXICAL} and only plain file names")
    return _upgraded(manifest)


def _upgraded(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest of an earlier format in the shape of this one."""
    if manifest["format"] >= FORMAT:
        return manifest
    heads = {
        name: {"labels": about["labels"], "mix": {"lexical": about["sharpness"]}}
        for name, about in manifest["heads"].items()
    }
    return {
        **manifest,
        "encoder": None,
        "heads": heads,
        "policies": {"topic": {**manifest["policy"], "measure": "share"}},
    }


def _lexical_tensors(model: LexicalModel) -> dict[str, NDArray[np.generic]]:
    """Weights as whole numbers up to 127 with a scale for each label."""
    tensors: dict[str, NDArray[np.generic]] = {"idf": model.idf.astype(np.float16)}
    for name, head in model.heads.items():
        by_label = head.weights.tocsc()
        top = np.array([np.abs(by_label[:, k].data).max(initial=0.0) for k in range(by_label.shape[1])])
        scale = np.where(top > 0, top / _TOP, 1.0).astype(np.float32)
        rows = head.weights.tocsr()
        rows.sort_indices()
        tensors[f"{name}.data"] = np.rint(rows.data / scale[rows.indices]).astype(np.int8)
        tensors[f"{name}.indices"] = rows.indices.astype(np.uint16)
        tensors[f"{name}.lengths"] = np.diff(rows.indptr).astype(np.uint16)
        tensors[f"{name}.scale"] = scale
        tensors[f"{name}.bias"] = head.bias.astype(np.float32)
    return tensors


def _lexical_model(
    features: Mapping[str, Any], labels: Mapping[str, tuple[str, ...]], tensors: Mapping[str, NDArray[Any]]
) -> LexicalModel:
    settings = FeatureSettings(**features)
    width = 1 << settings.bits
    if tensors["idf"].shape != (width,):
        raise ValueError(f"idf has shape {tensors['idf'].shape}, expected ({width},)")
    _check_finite(tensors)
    heads = {}
    for name, names in labels.items():
        if len(set(names)) != len(names):
            raise ValueError(f"the head {name} has a label twice")
        indices = tensors[f"{name}.indices"].astype(np.int32)
        lengths = tensors[f"{name}.lengths"].astype(np.int64)
        scale, bias = tensors[f"{name}.scale"], tensors[f"{name}.bias"]
        if lengths.shape != (width,) or scale.shape != (len(names),) or bias.shape != (len(names),):
            raise ValueError(f"the head {name} has the wrong shape")
        if indices.size and int(indices.max()) >= len(names):
            raise ValueError(f"the head {name} points at a label that does not exist")
        starts = np.concatenate([[0], np.cumsum(lengths)])
        data = tensors[f"{name}.data"].astype(np.float32) * scale[indices]
        if starts[-1] != len(data) or len(indices) != len(data):
            raise ValueError(f"the head {name} is cut short")
        weights = csr_matrix((data, indices, starts), shape=(width, len(names)))
        heads[name] = LexicalHead(labels=names, weights=weights, bias=bias)
    return LexicalModel(settings=settings, idf=tensors["idf"].astype(np.float32), heads=heads)


def _dense_tensors(classifier: Classifier) -> dict[str, NDArray[np.generic]]:
    layers: dict[str, DenseHead | Projection] = {f"head.{name}": head for name, head in classifier.dense.items()}
    if classifier.projection is not None:
        layers["projection"] = classifier.projection
    tensors: dict[str, NDArray[np.generic]] = {}
    for name, layer in layers.items():
        tensors[f"{name}.weights"] = np.ascontiguousarray(layer.weights, dtype=np.float32)
        tensors[f"{name}.bias"] = layer.bias.astype(np.float32)
    return tensors


def _dense_heads(
    labels: Mapping[str, tuple[str, ...]], tensors: Mapping[str, NDArray[Any]], dimension: int
) -> dict[str, DenseHead]:
    _check_finite(tensors)
    heads = {}
    for name, names in labels.items():
        if f"head.{name}.weights" not in tensors:
            continue
        weights, bias = tensors[f"head.{name}.weights"], tensors[f"head.{name}.bias"]
        if weights.shape != (dimension, len(names)) or bias.shape != (len(names),):
            raise ValueError(f"the head {name} over the encoder has the wrong shape")
        heads[name] = DenseHead(labels=names, weights=weights, bias=bias)
    return heads


def _projection(tensors: Mapping[str, NDArray[Any]], dimension: int) -> Projection | None:
    if "projection.weights" not in tensors:
        return None
    weights, bias = tensors["projection.weights"], tensors["projection.bias"]
    if weights.ndim != 2 or weights.shape[0] != dimension or bias.shape != weights.shape[1:]:
        raise ValueError("the projection over the encoder has the wrong shape")
    return Projection(weights=weights, bias=bias)


def _check_finite(tensors: Mapping[str, NDArray[Any]]) -> None:
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("some weights are not finite numbers")


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}


def _fingerprint(manifest: Mapping[str, Any]) -> str:
    """sha256 of the manifest without its own `sha256`, in canonical form."""
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _replace(staging: Path, folder: Path) -> None:
    """Put `staging` in the place of `folder`; an older one is removed only after the new one stands."""
    if not folder.exists():
        os.replace(staging, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    os.replace(folder, old / "bundle")
    try:
        os.replace(staging, folder)
    except OSError:
        os.replace(old / "bundle", folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
