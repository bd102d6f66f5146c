"""From paths to targets: DBSCAN over the points of the last estimates (indoor-multi-person-isac-26ghz, sec. III-C).

False targets last for a few estimates only and stay isolated points; people leave a trail of points behind them. So the
points of the last `cluster_estimates` estimates decide whether there is a target. Where it stands the newest ones tell
alone: the centroid of the whole trail, which the paper takes, is where a walker was half a trail ago.
"""

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.geometry import xy_to_polar
from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import behind_surface, locate
from isactrack.processing.channel import Paths
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.units import db_to_power

if TYPE_CHECKING:
    from collections.abc import Callable

FloatArray = NDArray[np.float64]

VELOCITY_STD_MPS: Final = 1.5
"""How far from 0 the radial velocity of a person is, one sigma: Doppler is ambiguous here, so nothing is measured."""


class TargetFinder:
    """Turns paths into detections; remembers the points of the last estimates.

    Parameters
    ----------
    sensor
        The radio; its transmitter's place must be known.
    config
        Limits of the view, and what is a cluster.

    Raises
    ------
    ConfigError
        If scikit-learn is not installed, or it is not known where the transmitter stands.
    """

    def __init__(self, sensor: OfdmSensor, config: OfdmChainConfig) -> None:
        if sensor.tx_position_m is None:
            raise ConfigError(
                "a path says nothing of a place as long as it is not known where the transmitter stands",
                "give its x_m and y_m in the profile of the radio",
            )
        self.config = config
        self._dbscan = _load_dbscan(config.cluster_distance_m, config.cluster_points)
        self._tx_m = np.asarray(sensor.tx_position_m, dtype=np.float64)
        estimate_s = config.hop_blocks * sensor.frame_period_s
        # Half an estimate more or less than a whole number of them: times are staggered and rounded.
        self._memory_s = (config.cluster_estimates - 0.5) * estimate_s
        # Windows overlap, so that errors of one estimate come again in the next ones; a filter, to which each is new,
        # would trust so many of them too much. Its gain is right if each counts for its new blocks only.
        self._repeats = max(1.0, config.music.window_blocks / config.hop_blocks)
        self._trail: deque[tuple[float, FloatArray]] = deque()

    def reset(self) -> None:
        """Forget the points of earlier estimates."""
        self._trail.clear()

    def __call__(self, paths: Paths, doubtful: NDArray[np.bool_] | None = None) -> Detections:
        """Return the targets that an estimate shows, the strongest first.

        Parameters
        ----------
        paths
            Paths of one estimate; estimates come in the order of time, else what was before is forgotten.
        doubtful
            Which of them (n,) may be nobody, see `isactrack.processing.doubts`; None for no doubts.

        Returns
        -------
        Detections
            One for each target that this estimate sees. A target of which it has no point is not reported: a tracker
            knows better where it is by now.
        """
        config = self.config
        position, covariance, seen = self._place(paths)
        position, covariance, snr_db = position[seen], covariance[seen], paths.snr_db[seen]
        trail = self._remember(paths.time_s, position)
        if not len(position):
            return Detections.empty(paths.time_s)
        dense = self._dbscan(np.concatenate([position, *trail]))[: len(position)]
        group = body_of_each(position, snr_db, config.cluster_distance_m)
        real = np.unique(group[dense])  # a body of which no point is dense is a false target
        detections = self._report(
            paths.time_s, position, covariance, snr_db, [np.flatnonzero(group == one) for one in real]
        )
        if doubtful is None:
            return detections
        # The strongest point of each body speaks for it, and the report is in the order of these.
        strongest = real[np.argsort(-snr_db[real], kind="stable")]
        return replace(detections, doubtful=doubtful[seen][strongest])

    def _place(self, paths: Paths) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        """Return positions (n, 2) of bodies' centres, covariances (n, 2, 2), and which (n,) are in view."""
        config = self.config
        position, covariance, seen = locate(
            paths.path_m,
            paths.azimuth_rad,
            paths.covariance,
            self._tx_m,
            min_excess_m=config.min_excess_m,
            max_std_m=config.max_position_std_m,
        )
        seen &= np.abs(paths.azimuth_rad) <= config.max_azimuth_rad
        if config.max_range_m is not None:
            seen &= np.hypot(position[:, 0], position[:, 1]) <= config.max_range_m
        return behind_surface(position, self._tx_m, config.body_radius_m), covariance, seen

    def _remember(self, time_s: float, position: FloatArray) -> list[FloatArray]:
        """Keep the points of this estimate, and return those of the ones before it that still count."""
        if self._trail and time_s <= self._trail[-1][0]:
            self._trail.clear()
        while self._trail and self._trail[0][0] < time_s - self._memory_s:
            self._trail.popleft()
        before = [points for _, points in self._trail]
        self._trail.append((time_s, position))
        return before

    def _report(
        self,
        time_s: float,
        position: FloatArray,
        covariance: FloatArray,
        snr_db: FloatArray,
        bodies: list[NDArray[np.intp]],
    ) -> Detections:
        """Return a detection for each body: the mean of its points, by power."""
        n = len(bodies)
        mean, spread, strongest = np.empty((n, 2)), np.empty((n, 2, 2)), np.empty(n)
        for row, members in enumerate(bodies):
            weight = db_to_power(snr_db[members])
            weight = weight / weight.sum()
            mean[row] = weight @ position[members]
            # The errors of points of one estimate are hardly independent: no more certain than the points are.
            spread[row] = np.einsum("n,nij->ij", weight, covariance[members])
            strongest[row] = snr_db[members].max()
        spread = self._repeats * spread + self.config.position_floor_m**2 * np.eye(2)
        order = np.argsort(-strongest, kind="stable")
        range_m, azimuth_rad = xy_to_polar(mean[order])
        return Detections(
            time_s=time_s,
            position_m=mean[order],
            covariance_m2=spread[order],
            radial_velocity_mps=np.zeros(n),
            radial_velocity_std_mps=np.full(n, VELOCITY_STD_MPS),
            snr_db=strongest[order],
            range_m=range_m,
            azimuth_rad=azimuth_rad,
        )


def body_of_each(position_m: FloatArray, snr_db: FloatArray, distance_m: float) -> NDArray[np.intp]:
    """Return the body (n,) that each point of one estimate belongs to: that of the strongest one near it.

    Bodies do not chain as clusters do, so that two people who stand closer together than the points of their trails
    do stay two where both are seen.

    Parameters
    ----------
    position_m, snr_db
        Points (n, 2), m, and their power over noise (n,), dB.
    distance_m
        Farthest point of a body from its strongest one.

    Returns
    -------
    ndarray
        Index (n,) of the strongest point of the body of each.
    """
    body = np.full(len(position_m), -1, dtype=np.intp)
    for strongest in np.argsort(-snr_db, kind="stable"):
        if body[strongest] < 0:
            offset = position_m - position_m[strongest]
            near = np.hypot(offset[:, 0], offset[:, 1]) <= distance_m
            body[near & (body < 0)] = strongest
    return body


def _load_dbscan(distance_m: float, points: int) -> "Callable[[FloatArray], NDArray[np.bool_]]":
    """Return a function that tells which of some points (n, 2) have enough neighbours to be of a target."""
    try:
        import sklearn
        from sklearn.cluster import DBSCAN
    except ImportError as error:
        raise ConfigError(
            "targets of the bistatic radio are found with scikit-learn, which is not installed",
            'pip install "isactrack[bistatic]"',
        ) from error
    # It is given the distances: to compute them itself it starts threads, which take 50 ms where the cores are busy.
    dbscan: Any = DBSCAN(eps=distance_m, min_samples=points, metric="precomputed")

    def dense(position_m: FloatArray) -> NDArray[np.bool_]:
        offset = position_m[:, None] - position_m
        apart = np.hypot(offset[..., 0], offset[..., 1])
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            core = dbscan.fit(apart).core_sample_indices_
        mask = np.zeros(len(position_m), dtype=np.bool_)
        mask[core] = True
        return mask

    return dense
