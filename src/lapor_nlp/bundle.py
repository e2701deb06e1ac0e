"""Bundle: a trained model as a folder of plain files, checked before anything is built from it.

    models/lexical-2026.11/
        manifest.json         format, name, version, taxonomy, settings, heads, policy, metrics, sha256 of every file
        lexical.safetensors   document frequencies and head weights
        MODEL_CARD.md         for people

Nothing in it can run code: JSON and safetensors only.
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
from lapor_nlp.classifier.features import FeatureSettings
from lapor_nlp.classifier.lexical import Head, LexicalModel
from lapor_nlp.decision import BundleId, Policy
from lapor_nlp.errors import BundleError

FORMAT = 1
"""Version of the folder's layout that this release writes; it reads this and every earlier one."""

_DEFAULT = "lexical-2026.11"
_MANIFEST = "manifest.json"
_WEIGHTS = "lexical.safetensors"
_TOP = 127


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model ready to use, with what it was made from and how well it did."""

    name: str
    version: str
    taxonomy: str
    model: LexicalModel
    policy: Policy
    blends: Mapping[str, Blend] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def id(self) -> BundleId:
        return BundleId(name=self.name, version=self.version, sha256=self.sha256)


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


def save_bundle(bundle: Bundle, folder: Path, *, card: str | None = None) -> str:
    """Write a bundle folder and return its sha256. The folder appears whole or not at all.

    Raises BundleError when `folder` exists and holds anything but a bundle.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / _MANIFEST).is_file():
        raise BundleError(folder, "exists and is not a model folder; choose another name or empty it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        staging.chmod(0o755)
        save_file(_tensors(bundle.model), staging / _WEIGHTS)
        if card is not None:
            (staging / "MODEL_CARD.md").write_text(card, encoding="utf-8")
        for path in staging.iterdir():
            path.chmod(0o644)
        files = {p.name: _describe(p) for p in sorted(staging.iterdir())}
        manifest: dict[str, Any] = {
            "format": FORMAT,
            "name": bundle.name,
            "version": bundle.version,
            "taxonomy": bundle.taxonomy,
            "features": asdict(bundle.model.features.settings),
            "heads": {
                name: {"labels": list(head.labels), "sharpness": head.sharpness}
                for name, head in bundle.model.heads.items()
            },
            "policy": asdict(bundle.policy),
            "blends": {name: asdict(blend) for name, blend in bundle.blends.items()},
            "metrics": dict(bundle.metrics),
            "origin": dict(bundle.origin),
            "files": files,
        }
        manifest["sha256"] = _fingerprint(manifest)
        (staging / _MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        _replace(staging, folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return str(manifest["sha256"])


def load_bundle(folder: Path | str | None = None) -> Bundle:
    """Read and check a bundle folder; the packaged one by default.

    The hashes find damage and edits by accident; they are no signature.

    Raises BundleError naming the file that is missing, damaged, changed since it was written, or too new.
    """
    folder = default_folder() if folder is None else Path(folder)
    manifest = _read_manifest(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise BundleError(path, "is missing from the model folder; copy the folder again")
        if _describe(path) != expected:
            raise BundleError(path, "is damaged or was changed (its sha256 differs from the manifest); copy it again")
    weights = folder / _WEIGHTS
    try:
        tensors = load_file(weights)
        model = _model(manifest, tensors)
        policy = Policy(**manifest["policy"])
        blends = {name: Blend(**weights) for name, weights in manifest["blends"].items()}
    except (SafetensorError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BundleError(weights, f"does not fit the manifest: {error}") from error
    return Bundle(
        name=str(manifest["name"]),
        version=str(manifest["version"]),
        taxonomy=str(manifest["taxonomy"]),
        model=model,
        policy=policy,
        blends=blends,
        metrics=manifest.get("metrics", {}),
        origin=manifest.get("origin", {}),
        sha256=str(manifest["sha256"]),
    )


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
    needed = ("name", "version", "taxonomy", "features", "heads", "policy", "blends", "files", "sha256")
    absent = [key for key in needed if key not in manifest]
    if absent:
        raise BundleError(path, f"lacks {', '.join(absent)}")
    if manifest["sha256"] != _fingerprint(manifest):
        raise BundleError(path, "was changed after it was written (its own sha256 differs); copy the folder again")
    objects = ("features", "heads", "policy", "blends", "files")
    if not all(isinstance(manifest[key], dict) for key in objects) or "topic" not in manifest["heads"]:
        raise BundleError(path, f"must hold objects under {', '.join(objects)} and a head topic")
    if _WEIGHTS not in manifest["files"] or any(Path(name).name != name for name in manifest["files"]):
        raise BundleError(path, f"must list {_WEIGHTS} and only plain file names")
    return manifest


def _tensors(model: LexicalModel) -> dict[str, NDArray[np.generic]]:
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


def _model(manifest: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> LexicalModel:
    settings = FeatureSettings(**manifest["features"])
    width = 1 << settings.bits
    if tensors["idf"].shape != (width,):
        raise ValueError(f"idf has shape {tensors['idf'].shape}, expected ({width},)")
    if not all(np.isfinite(tensor).all() for tensor in tensors.values()):
        raise ValueError("some weights are not finite numbers")
    heads = {}
    for name, about in manifest["heads"].items():
        labels = tuple(str(label) for label in about["labels"])
        if len(set(labels)) != len(labels):
            raise ValueError(f"the head {name} has a label twice")
        indices = tensors[f"{name}.indices"].astype(np.int32)
        lengths = tensors[f"{name}.lengths"].astype(np.int64)
        scale, bias = tensors[f"{name}.scale"], tensors[f"{name}.bias"]
        if lengths.shape != (width,) or scale.shape != (len(labels),) or bias.shape != (len(labels),):
            raise ValueError(f"the head {name} has the wrong shape")
        if indices.size and int(indices.max()) >= len(labels):
            raise ValueError(f"the head {name} points at a label that does not exist")
        starts = np.concatenate([[0], np.cumsum(lengths)])
        data = tensors[f"{name}.data"].astype(np.float32) * scale[indices]
        if starts[-1] != len(data) or len(indices) != len(data):
            raise ValueError(f"the head {name} is cut short")
        weights = csr_matrix((data, indices, starts), shape=(width, len(labels)))
        heads[name] = Head(labels=labels, weights=weights, bias=bias, sharpness=float(about["sharpness"]))
    return LexicalModel(settings=settings, idf=tensors["idf"].astype(np.float32), heads=heads)


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
