"""Single linkage and what becomes of a cluster."""

import numpy as np
import pytest

from isactrack import Detections
from isactrack.geometry import polar_to_xy
from isactrack.processing.clustering import link, merge


def _detections(rows: list[tuple[float, float, float, float]]) -> Detections:
    """Rows of range, azimuth, radial velocity, SNR."""
    r, az, v, snr = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Detections(
        time_s=1.5, position_m=polar_to_xy(r, az), covariance_m2=np.tile(0.01 * np.eye(2), (len(r), 1, 1)),
        radial_velocity_mps=v, radial_velocity_std_mps=np.full(len(v), 0.1), snr_db=snr, range_m=r, azimuth_rad=az,
    )  # fmt: skip


def test_chain_of_neighbours_is_one_and_velocity_parts() -> None:
    found = _detections(
        [
            (3.0, 0.0, 0.6, 30.0),
            (3.5, 0.0, 0.6, 28.0),
            (4.0, 0.0, 0.5, 20.0),
            (3.0, 0.1, -0.6, 31.0),
            (6.0, 0.0, 0.6, 9.0),
        ]
    )
    label = link(found, 0.8, 1.0, 16.0)
    assert label[0] == label[1] == label[2]
    assert len(set(label.tolist())) == 3
    assert len(set(link(found, 0.8, 0.0, 16.0).tolist())) == 2


def test_velocity_wraps() -> None:
    found = _detections([(3.0, 0.0, 15.9, 30.0), (3.0, 0.0, -15.9, 30.0)])
    label = link(found, 0.8, 1.0, 16.0)
    assert label[0] == label[1]
    assert abs(merge(found, label, 16.0).radial_velocity_mps[0]) == pytest.approx(16.0)


def test_merge_weighs_by_power_and_widens() -> None:
    found = _detections([(5.0, 0.3, 0.2, 10.0), (3.0, 0.0, 0.5, 20.0), (4.0, 0.0, 0.6, 10.0)])
    merged = merge(found, np.array([0, 1, 1]), 16.0)
    assert len(merged) == 2
    np.testing.assert_allclose(merged.snr_db, [20.0, 10.0])
    mean = (10.0 * 3.0 + 1.0 * 4.0) / 11.0
    np.testing.assert_allclose(merged.position_m[0], [0.0, mean], atol=1e-12)
    assert merged.radial_velocity_mps[0] == pytest.approx((10.0 * 0.5 + 0.6) / 11.0)
    assert merged.range_m[0] == pytest.approx(mean)
    variance = (10.0 * (3.0 - mean) ** 2 + (4.0 - mean) ** 2) / 11.0
    np.testing.assert_allclose(merged.covariance_m2[0], [[0.01, 0.0], [0.0, 0.01 + variance]], atol=1e-12)
    np.testing.assert_allclose(merged.position_m[1], found.position_m[0])
    np.testing.assert_allclose(merged.covariance_m2[1], found.covariance_m2[0])


def test_nothing_stays_nothing() -> None:
    none = Detections.empty(2.0)
    assert len(merge(none, link(none, 0.8, 1.0, 16.0), 16.0)) == 0
