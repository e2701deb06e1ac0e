"""Builds the packaged gazetteer from a folder with the public sources.

    python training/build_gazetteer.py SOURCE_FOLDER [--out src/lapor_nlp/data/regions]

SOURCE_FOLDER holds `wilayah.csv.gz` (code,name,kind,parent,lat,lon: all four levels, from cahyadsn/wilayah and
cahyadsn/wilayah_boundaries) and `kab_polygons.json.gz` ({code: [[x0, y0, dx, dy, ...], ...]}: outer rings, degrees
times 2000, deltas). Writes three files that are the same byte for byte each time; the README beside them
describes them. The other tables of the folder are written by hand.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import zlib
from pathlib import Path

import numpy as np

HEADER = """\
# Kemendagri codes and names: cahyadsn/wilayah, commit b7ad440 (2026-08-08), MIT, (c) Cahya DSN;
# it transcribes Kepmendagri 300.2.2-2138/2025. Centroids: cahyadsn/wilayah_boundaries, commit 3c5a796
# (2026-08-20), MIT as declared; the origin of its polygons is not stated there. Built by training/build_gazetteer.py.
"""


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of wilayah.csv.gz in order of code."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return sorted(rows, key=lambda row: row["code"])


def upper_levels(rows: list[dict[str, str]]) -> str:
    """`code name kind lat lon`, tab-separated, for provinces, kab/kota and kecamatan."""
    out = io.StringIO()
    out.write(HEADER)
    out.write("code\tname\tkind\tlat\tlon\n")
    for row in rows:
        if len(row["code"]) <= 8:
            out.write("\t".join(row[k] for k in ("code", "name", "kind", "lat", "lon")) + "\n")
    return out.getvalue()


def villages(rows: list[dict[str, str]]) -> str:
    """One line for each kecamatan: its code, then `NNNNname` for each desa, tab-separated; NNNN ends its code."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if len(row["code"]) > 8:
            groups.setdefault(row["code"][:8], []).append(row["code"][9:] + row["name"])
    lines = ["\t".join([code, *names]) for code, names in groups.items()]
    return HEADER + "\n".join(lines) + "\n"


def outlines(path: Path) -> dict[str, np.ndarray]:
    """Rings as arrays: `codes` (kab/kota), `owner` (ring to code), `first` (ring to first point), `deltas` (n, 2)."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        shapes: dict[str, list[list[int]]] = json.load(lines)
    codes = sorted(shapes)
    owner, first, points = [], [], []
    for number, code in enumerate(codes):
        for ring in shapes[code]:
            owner.append(number)
            first.append(len(points))
            points.extend(zip(ring[0::2], ring[1::2], strict=True))
    return {
        "codes": np.array(codes, dtype="S5"),
        "owner": np.array(owner, dtype=np.int16),
        "first": np.array(first, dtype=np.int32),
        "deltas": np.array(points, dtype=np.int32),
    }


def pack(text: str) -> bytes:
    """gzip without a time stamp or file name, so that the same text gives the same bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9)
    return packer.compress(text.encode("utf-8")) + packer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src/lapor_nlp/data/regions")
    options = parser.parse_args()
    rows = read_rows(options.source / "wilayah.csv.gz")
    (options.out / "wilayah.tsv.gz").write_bytes(pack(upper_levels(rows)))
    (options.out / "desa.tsv.gz").write_bytes(pack(villages(rows)))
    np.savez_compressed(options.out / "outlines.npz", **outlines(options.source / "kab_polygons.json.gz"))
    for name in ("wilayah.tsv.gz", "desa.tsv.gz", "outlines.npz"):
        print(name, (options.out / name).stat().st_size)


if __name__ == "__main__":
    main()
