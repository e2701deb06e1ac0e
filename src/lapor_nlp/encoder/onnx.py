"""OnnxEncoder: an exported encoder on ONNX Runtime, for CPUs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession, SessionOptions

from lapor_nlp.encoder.encoder import Encoded, EncoderSettings
from lapor_nlp.encoder.tokeniser import Tokeniser
from lapor_nlp.errors import BundleError

GRAPH, FULL, ORIGIN, TOKENIZER = "encoder.onnx", "encoder.fp32.onnx", "encoder.json", "tokenizer.json"

FILES = (GRAPH, FULL, ORIGIN, TOKENIZER)
"""Names of an exported encoder's files: the graph, the same in single precision (optional), where it came from, and
the tokeniser."""

INPUT, OUTPUT = "input_ids", "vector"
"""The graph's input, token numbers of shape (texts, tokens), and its output, vectors of shape (texts, dimension)."""

_MOST_TOKENS = 256
_FATAL_ONLY = 4


class OnnxEncoder:
    """Turns texts into vectors. Holds no state that changes, so threads may share it.

    Texts of one length share a run of the graph, and runs are spread over `threads`. A text's vector is the same to the
    last bit whatever texts come with it, in whatever order and on however many threads.
    """

    def __init__(
        self, *, folder: Path, settings: EncoderSettings, session: InferenceSession, tokeniser: Tokeniser, threads: int
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.threads = threads
        self._session = session
        self._tokeniser = tokeniser

    @classmethod
    def load(cls, folder: Path | str, settings: EncoderSettings, *, threads: int | None = None) -> OnnxEncoder:
        """Read an exported encoder; `threads` is how many it may use, one for each core by default.

        Raises BundleError naming the file that is missing, damaged, or belongs to another model.
        """
        folder = Path(folder)
        tokeniser = Tokeniser.load(folder / TOKENIZER, settings)
        path = folder / GRAPH
        if not path.is_file():
            raise BundleError(path, "is missing from the model folder; copy the folder again")
        try:
            session = _session(path, exact=not _adds_up_exactly())
        except Exception as error:
            raise BundleError(
                path, f"is no model that ONNX Runtime can run ({error}); copy the folder again"
            ) from error
        encoder = cls(
            folder=folder,
            settings=settings,
            session=session,
            tokeniser=tokeniser,
            threads=threads or available_cores(),
        )
        encoder._check(path)
        return encoder

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The vectors of texts, in order. A text that is too long is read at its beginning and end."""
        tokenised = self._tokeniser(texts)
        vectors = np.empty((len(texts), self.settings.dimension), dtype=np.float32)

        def run(rows: list[int]) -> None:
            ids = np.array([tokenised.ids[row] for row in rows], dtype=np.int64)
            vectors[rows] = self._session.run([OUTPUT], {INPUT: ids})[0]

        runs = list(_runs([len(ids) for ids in tokenised.ids]))
        workers = min(self.threads, len(runs))
        if workers <= 1:
            for rows in runs:
                run(rows)
        else:
            with ThreadPoolExecutor(workers) as pool:
                for _ in pool.map(run, runs):
                    pass
        return Encoded(vectors=vectors, truncated=tokenised.truncated)

    def _check(self, path: Path) -> None:
        """One run of the longest text, of the last token, shows whether graph, tokeniser and settings fit together."""
        inputs = [value.name for value in self._session.get_inputs()]
        outputs = [(value.name, value.shape[-1]) for value in self._session.get_outputs()]
        if inputs != [INPUT] or outputs != [(OUTPUT, self.settings.dimension)]:
            raise BundleError(
                path,
                f"is another model: it goes from {', '.join(inputs)} to "
                f"{', '.join(f'{name} of {size} numbers' for name, size in outputs)}, not from {INPUT} to {OUTPUT} of "
                f"{self.settings.dimension}; copy the folder again",
            )
        ids = np.full((1, self.settings.longest), self._tokeniser.size - 1, dtype=np.int64)
        try:
            vector = self._session.run([OUTPUT], {INPUT: ids})[0]
        except Exception as error:
            raise BundleError(
                path,
                f"does not fit {TOKENIZER} or texts of {self.settings.longest} tokens ({error}); copy the folder again",
            ) from error
        if not np.isfinite(vector).all():
            raise BundleError(path, "gives no finite numbers; copy the folder again, or train anew")


def _session(path: Path, *, exact: bool) -> InferenceSession:
    """A session of one thread. `exact` takes the slower kernels that add up exactly on any CPU."""
    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    options.add_session_config_entry("session.x64quantprecision", "1" if exact else "0")
    return InferenceSession(
        str(path),
        options,
        providers=["CPUExecutionProvider"],
        # The kernel of this fusion takes five times as long as the addition and normalisation that it joins.
        disabled_optimizers=["SkipLayerNormFusion"],
    )


def _adds_up_exactly() -> bool:
    """Whether ONNX Runtime's fast kernels add up products of whole numbers exactly on this CPU.

    x86 before VNNI (Xeons of 2018, EPYCs of 2021) does so in 16 bits, which overflow now and then.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _runs(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Row numbers of the texts that share a run: of one length, and few enough to stay in the cache; longest first."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    for length, same in groupby(order, key=lambda row: lengths[row]):
        rows = list(same)
        most = max(1, _MOST_TOKENS // length)
        for start in range(0, len(rows), most):
            yield rows[start : start + most]
