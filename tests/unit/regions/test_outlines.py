"""Coordinates to kabupaten/kota."""

from __future__ import annotations

from pathlib import Path

import pytest

from lapor_nlp.errors import DataFileError
from lapor_nlp.regions.gazetteer import Gazetteer
from lapor_nlp.regions.outlines import Outlines


@pytest.mark.parametrize(
    ("latitude", "longitude", "code"),
    [
        (-7.7167, 110.3556, "34.04"),
        (-6.1754, 106.8272, "31.71"),
        (-6.9147, 107.6098, "32.73"),
        (-8.6705, 115.2126, "51.71"),
        (-0.9492, 100.3543, "13.71"),
        (3.5952, 98.6722, "12.71"),
        (-5.1477, 119.4327, "73.71"),
        (-8.4962, 140.4018, "93.01"),
        (5.5483, 95.3238, "11.71"),
        (-10.1772, 123.6070, "53.71"),
    ],
)
def test_well_known_points(outlines: Outlines, latitude: float, longitude: float, code: str) -> None:
    assert outlines.find(latitude, longitude) == code


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [(0.0, 0.0), (51.5, -0.1), (-12.46, 130.84), (1.3521, 90.0), (-33.9, 151.2), (14.6, 121.0), (-10.0, 105.0)],
)
def test_far_away(outlines: Outlines, latitude: float, longitude: float) -> None:
    assert outlines.find(latitude, longitude) is None


def test_kecamatan_centroids_fall_into_their_kabkota(outlines: Outlines, gazetteer: Gazetteer) -> None:
    regions = [r for r in gazetteer.kecamatan() if r.latitude is not None][::10]
    right = sum(outlines.find(r.latitude or 0.0, r.longitude or 0.0) == r.code[:5] for r in regions)
    assert right / len(regions) >= 0.99


def test_nearest_kecamatan_within_the_kabkota(outlines: Outlines, gazetteer: Gazetteer) -> None:
    mlati = gazetteer.get("34.04.06")
    assert mlati is not None
    assert mlati.latitude is not None
    assert mlati.longitude is not None
    assert outlines.kecamatan(mlati.latitude, mlati.longitude, "34.04") == "34.04.06"
    assert outlines.kecamatan(mlati.latitude, mlati.longitude, "34.02") in gazetteer.children("34.02")
    assert outlines.kecamatan(mlati.latitude, mlati.longitude, "99.99") is None


def test_neighbours_near_a_border(outlines: Outlines) -> None:
    assert {"34.04", "34.71"} <= set(outlines.around(-7.7690, 110.3780))
    assert outlines.around(0.0, 0.0) == []


def test_damaged_file(tmp_path: Path, gazetteer: Gazetteer) -> None:
    (tmp_path / "outlines.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataFileError, match=r"outlines\.npz"):
        Outlines.load(gazetteer, tmp_path)
