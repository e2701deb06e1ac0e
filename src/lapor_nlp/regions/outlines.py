"""Outlines: which kabupaten/kota a pair of coordinates lies in."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lapor_nlp.errors import DataFileError
from lapor_nlp.regions.gazetteer import FOLDER, Gazetteer

SCALE = 2000
"""Units of the stored outlines in one degree."""

REACH = 0.25
"""How far (degrees, about 28 km) from the nearest kecamatan centroid a point outside all outlines may lie."""

BORDER = 0.02
"""How near (degrees, about 2 km) to an outline a point still counts as on the border: outlines are 0.01 coarse."""


class Outlines:
    """Simplified outer rings of the kabupaten/kota, and the centroids of the kecamatan for what the rings miss.

    Outlines.load(Gazetteer.load()).find(-7.7690, 110.3780) -> "34.04"

    Outlines are about 1 km coarse: near a border the answer can be the neighbour (`around` names it too).
    """

    def __init__(
        self,
        codes: list[str],
        owner: NDArray[np.int16],
        rings: list[NDArray[np.float64]],
        kecamatan: list[str],
        centroids: NDArray[np.float64],
    ) -> None:
        self._codes = codes
        self._owner = owner
        self._rings = rings
        low = np.array([ring.min(axis=0) for ring in rings])
        high = np.array([ring.max(axis=0) for ring in rings])
        self._low, self._high = low, high
        self._kecamatan = kecamatan
        self._centroids = centroids
        self._kabkota_of = np.array([code[:5] for code in kecamatan])

    @classmethod
    def load(cls, gazetteer: Gazetteer, folder: Path | None = None) -> Outlines:
        """Read `outlines.npz`. Raises DataFileError."""
        path = (folder or FOLDER) / "outlines.npz"
        try:
            with np.load(path, allow_pickle=False) as arrays:
                codes = [code.decode("ascii") for code in arrays["codes"].tolist()]
                owner, first, deltas = arrays["owner"], arrays["first"], arrays["deltas"]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataFileError(path, f"cannot be read: {error}") from error
        rings = [np.cumsum(part, axis=0) / SCALE for part in np.split(deltas, first[1:])]
        located = [region for region in gazetteer.kecamatan() if region.latitude is not None]
        centroids = np.array([(region.longitude, region.latitude) for region in located], dtype=np.float64)
        return cls(codes, owner, rings, [region.code for region in located], centroids)

    def find(self, latitude: float, longitude: float) -> str | None:
        """Code of the kabupaten/kota, or None when the point is outside Indonesia (or far out at sea).

        A point outside every outline goes to the kecamatan whose centroid is nearest, within REACH.
        """
        inside = self._inside(longitude, latitude, 0.0)
        found = [code for code, ring in inside if _contains(ring, longitude, latitude)]
        if len(found) == 1:
            return found[0]
        distance = self._distances(latitude, longitude)
        if found:
            mine = np.isin(self._kabkota_of, found)
            distance = np.where(mine, distance, np.inf)
            return str(self._kabkota_of[int(distance.argmin())])
        nearest = int(distance.argmin())
        return str(self._kabkota_of[nearest]) if distance[nearest] <= REACH else None

    def around(self, latitude: float, longitude: float) -> list[str]:
        """Codes of the kabupaten/kota whose outline holds the point or passes within BORDER of it."""
        near = []
        for code, ring in self._inside(longitude, latitude, BORDER):
            if code not in near and (
                _contains(ring, longitude, latitude) or _distance(ring, longitude, latitude) <= BORDER
            ):
                near.append(code)
        return near

    def kecamatan(self, latitude: float, longitude: float, kabkota: str) -> str | None:
        """The kecamatan of a kabupaten/kota whose centroid is nearest. Right for most points, not for all."""
        distance = np.where(self._kabkota_of == kabkota, self._distances(latitude, longitude), np.inf)
        nearest = int(distance.argmin())
        return self._kecamatan[nearest] if np.isfinite(distance[nearest]) else None

    def _inside(self, x: float, y: float, margin: float) -> list[tuple[str, NDArray[np.float64]]]:
        """Rings whose bounding box, widened by `margin`, holds the point."""
        low, high = self._low - margin, self._high + margin
        hit = (low[:, 0] <= x) & (x <= high[:, 0]) & (low[:, 1] <= y) & (y <= high[:, 1])
        return [(self._codes[self._owner[k]], self._rings[k]) for k in np.flatnonzero(hit).tolist()]

    def _distances(self, latitude: float, longitude: float) -> NDArray[np.float64]:
        """Degrees from the point to each kecamatan centroid, longitude shrunk to the latitude."""
        shrink = math.cos(math.radians(latitude))
        result: NDArray[np.float64] = np.hypot(
            (self._centroids[:, 0] - longitude) * shrink, self._centroids[:, 1] - latitude
        )
        return result


def _contains(ring: NDArray[np.float64], x: float, y: float) -> bool:
    """Even-odd rule; the ring need not repeat its first point."""
    x0, y0 = ring[:, 0], ring[:, 1]
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    crosses = (y0 > y) != (y1 > y)
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    at = x0 + (y - y0) * (x1 - x0) / rise
    return bool(np.count_nonzero(crosses & (x < at)) % 2)


def _distance(ring: NDArray[np.float64], x: float, y: float) -> float:
    """Degrees from a point to the nearest edge of a ring."""
    start = ring
    step = np.roll(ring, -1, axis=0) - start
    length = np.maximum((step * step).sum(axis=1), 1e-18)
    point = np.array([x, y]) - start
    along = np.clip((point * step).sum(axis=1) / length, 0.0, 1.0)
    gap = point - step * along[:, None]
    return float(np.sqrt((gap * gap).sum(axis=1).min()))
