"""2D-MUSIC: paths in delay and azimuth from a window of blocks without clutter (sec. III-C).

The steps, each in a module of its own:

1. the Gram matrix of the snapshots, and how many of its eigenvalues are more than noise (`model_order`),
2. if smoothing is on, the subspace of the forward-backward mean over sub-arrays (`smoothing`),
3. the spectrum on a grid (`music_spectrum`), and its highest peaks at delays at which the impulse response stands out,
4. their places between the points of the grid, then all paths fitted together to the whole aperture; paths that explain
   no more than noise would are dropped, the weakest first (`path_fit`),
5. paths too weak for an eigenvalue, in what the others leave of the snapshots (`weak_paths`),
6. the covariance of each path: the Cramer-Rao bound at the amplitudes found, with the noise power that the fit leaves
   where that is more than what the guard tones say. Bodies are no points, and their residual says by how much.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma

from isactrack.errors import ConfigError
from isactrack.ofdm import OfdmSensor
from isactrack.processing.channel import Paths
from isactrack.processing.model_order import edge_order, noise_floor
from isactrack.processing.music_spectrum import (
    DelayAzimuthMap,
    Manifold,
    SpectrumGrid,
    gram_eigen,
    principal_snapshots,
    pseudo_spectrum,
)
from isactrack.processing.ofdm_config import MusicConfig
from isactrack.processing.path_fit import (
    PathFit,
    distinct_paths,
    fit_paths,
    refine_peaks,
    share_derivatives,
    without_paths,
)
from isactrack.processing.peaks import local_maxima
from isactrack.processing.smoothing import check_even, smoothed_noise_edge, smoothed_subspace
from isactrack.processing.weak_paths import WeakPathSearch
from isactrack.units import db_to_power, power_to_db

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

_FALSE_ALARM: Final = 1e-3
"""Probability that noise makes a delay stand out, or a path, anywhere."""
_LEAST_SHARE: Final = 0.3
"""Least share of a peak's steering vector in the signal subspace. Paths have nearly 1, and 0.8 where two bodies
overlap; two that move alike and are not smoothed have a half. What the sidelobes of bodies, which are no points, leave
behind has 0.2 at most."""
_LEAST_DISTINCT: Final = 0.1
"""Least share of a path's steering vector outside of the span of all others'. Two paths closer than that, a sixth of a
cell, are one path and the derivative of its steering vector: their amplitudes are large and cancel."""
_NEW_WEIGHT: Final = 0.3
"""Least norm of what is new in the weights of a weak path's snapshots: less is noise in what was seen before."""


@dataclass(frozen=True, slots=True, eq=False)
class MusicOutput:
    """What 2D-MUSIC finds in a window.

    Attributes
    ----------
    paths
        The paths.
    spectrum
        The spectrum that they were peaks of; 1 everywhere where nothing stood out of the noise.
    order
        Dimensions of the signal subspace.
    noise_power
        The noise power that was taken for true.
    """

    paths: Paths
    spectrum: DelayAzimuthMap
    order: int
    noise_power: float


class Music2d:
    """Finds paths in windows of snapshots.

    Parameters
    ----------
    sensor
        The radio; its rows have to be elements of a line that are received at once.
    config
        Settings. Sub-arrays are at most as large as the aperture.
    min_path_m, max_path_m
        Lengths of paths that are looked at. By default from the direct path, or 0 if it is not known, to the
        unambiguous one.
    max_azimuth_rad
        Edge of the field of view to both sides of boresight.

    Raises
    ------
    ConfigError
        If the rows have no steering vectors, if there are too few rows or tones, if the grid is empty, or if
        smoothing is on and elements or tones are not evenly spaced.
    """

    def __init__(
        self,
        sensor: OfdmSensor,
        config: MusicConfig | None = None,
        *,
        min_path_m: float | None = None,
        max_path_m: float | None = None,
        max_azimuth_rad: float = math.radians(70.0),
    ) -> None:
        self._config = config or MusicConfig()
        sensor.steering(0.0)  # refuses rows that have none
        if np.unique(sensor.rx_positions).size < 2:
            raise ConfigError("one row tells no azimuth", "2D-MUSIC needs an array of two elements or more")
        low = min_path_m if min_path_m is not None else _direct_path_m(sensor)
        high = max_path_m if max_path_m is not None else sensor.path_max_m
        if not 0.0 <= low < high or not 0.0 < max_azimuth_rad < math.pi / 2.0:
            raise ConfigError(
                f"there is nothing to look at from {low:.2f} to {high:.2f} m and {max_azimuth_rad:.2f} rad",
                "give a longest path beyond the shortest one, and a field of view below pi / 2",
            )
        if high - low > sensor.path_max_m * (1.0 + 1e-9):
            raise ConfigError(
                f"paths over {high - low:.1f} m cannot be told apart by tones that wrap at {sensor.path_max_m:.1f} m",
                "look at a shorter range of paths (max_path_m)",
            )
        self._rows, self._tones = sensor.n_rx, sensor.n_tones
        self._manifold = Manifold.of(sensor.rx_positions, sensor.tone_frequencies_hz)
        self._searched = self._manifold
        if self._config.smoothing:
            self._searched = self._sub_manifold(sensor)
        azimuth = np.linspace(-max_azimuth_rad, max_azimuth_rad, self._config.azimuth_points)
        self._grid = SpectrumGrid(self._searched, azimuth, np.linspace(low, high, self._config.delay_points))
        self._cell = np.array([sensor.path_resolution_m, sensor.azimuth_resolution_rad])
        window = np.hanning(self._tones + 2)[1:-1]
        self._profile = np.ascontiguousarray((window * np.conj(self._manifold.along_tones(self._grid.path_axis_m))).T)
        self._profile /= np.sqrt(np.sum(window**2))
        independent = (high - low) / sensor.path_resolution_m
        most = 2 * self._config.max_paths
        self._stands_out = _thresholds(self._rows, most, _FALSE_ALARM / max(independent, 1.0))
        chance = _thresholds(1, most, _FALSE_ALARM / (max(independent, 1.0) * self._rows))
        self._least_power = np.maximum(chance, db_to_power(self._config.min_snr_db))
        self._weak: WeakPathSearch | None = None
        if self._config.weak_paths:
            self._weak = WeakPathSearch(self._manifold, low, high, self._cell, sensor.wavelength_m, _FALSE_ALARM)

    @property
    def path_axis_m(self) -> FloatArray:
        """Lengths of paths (path,) of the grid."""
        return self._grid.path_axis_m

    @property
    def azimuth_axis_rad(self) -> FloatArray:
        """Azimuths (azimuth,) of the grid."""
        return self._grid.azimuth_axis_rad

    def __call__(
        self,
        snapshots: NDArray[np.complexfloating],
        time_s: float,
        noise_power: float = math.nan,
        block_times_s: FloatArray | None = None,
    ) -> MusicOutput:
        """Return the paths in a window.

        Parameters
        ----------
        snapshots
            Channels (T, rows, tones) without clutter, calibrated so that a path of length L lies at L / c.
        time_s
            Device time of the window's centre.
        noise_power
            Mean noise power of a tone in a row of a block, in the units of `snapshots` squared; NaN if it is not known.
            What the weaker eigenvalues say is taken where it is more.
        block_times_s
            Times (T,) of the snapshots; None if they are evenly spaced. Only the search for weak paths wants to know:
            a Doppler shift turns the phase from block to block by as much as these are apart.

        Raises
        ------
        ValueError
            If the shape is another than the radio's, there are fewer than two snapshots, or values are not finite.
        """
        if snapshots.ndim != 3 or snapshots.shape[1:] != (self._rows, self._tones) or snapshots.shape[0] < 2:
            raise ValueError(
                f"snapshots have shape {snapshots.shape}, expected (2 or more, {self._rows}, {self._tones})"
            )
        if block_times_s is not None and block_times_s.shape != snapshots.shape[:1]:
            raise ValueError(f"times have shape {block_times_s.shape}, expected ({snapshots.shape[0]},)")
        data = np.ascontiguousarray(snapshots, dtype=np.complex128).reshape(snapshots.shape[0], -1)
        values, vectors = gram_eigen_finite(data)
        noise = noise_floor(values, data.shape[1])
        if math.isfinite(noise_power):
            noise = max(noise, noise_power)
        order = min(edge_order(values, data.shape[1], noise), self._config.max_paths)
        principal = principal_snapshots(data, vectors[:, :order]).reshape(order, self._rows, self._tones)
        subspace = self._subspace(principal, values[:order], noise)
        share = self._grid.share(subspace)
        fit = self._fit(principal, self._strong(principal, subspace, share, noise), noise)
        principal, fit = self._with_weak(data, vectors[:, :order], principal, fit, noise, _uneven(block_times_s))
        paths = self._paths(fit, principal, noise, time_s)
        return MusicOutput(paths, self._map(share), subspace.shape[0], noise)

    # --- steps -------------------------------------------------------------------------------------------------------

    def _subspace(self, principal: ComplexArray, values: FloatArray, noise: float) -> ComplexArray:
        """Return the signal subspace (order, P, N) of the aperture that is searched."""
        if self._searched is self._manifold or not principal.shape[0]:
            return principal / np.sqrt(values)[:, None, None]
        rows, tones = self._searched.rows.size, self._searched.wavenumbers.size
        smoothed, subspace = smoothed_subspace(principal, rows, tones, self._config.max_paths)
        edge = smoothed_noise_edge((self._rows, self._tones), rows, tones, principal.shape[0])
        return subspace[: max(int(np.count_nonzero(smoothed > noise * edge)), 1)]

    def _strong(self, principal: ComplexArray, subspace: ComplexArray, share: FloatArray, noise: float) -> FloatArray:
        """Return the places (n, 2) of the highest peaks of the spectrum that are in the signal subspace."""
        if not principal.shape[0]:
            return np.zeros((0, 2))
        places = self._peaks(share, self._candidates(principal, noise), subspace.shape[0])
        if places.size:
            places = refine_peaks(subspace, self._searched, places, self._cell)
            places = places[share_derivatives(subspace, self._searched, places)[0] >= _LEAST_SHARE]
        return places

    def _with_weak(
        self,
        data: ComplexArray,
        weights: ComplexArray,
        principal: ComplexArray,
        fit: PathFit | None,
        noise: float,
        times_s: FloatArray | None,
    ) -> tuple[ComplexArray, PathFit | None]:
        """Return the principal snapshots and the fit, both with those paths that no eigenvalue shows."""
        if self._weak is None or noise <= 0.0:
            return principal, fit
        # Single precision is enough to find a maximum; any unit that data may come in has room in it once noise is 1.
        scaled = (data * (1.0 / np.sqrt(noise * data.shape[0]))).astype(np.complex64)
        blocks = scaled.reshape(-1, self._rows, self._tones)
        phases = self._weak.phases(data.shape[0], times_s)
        turns = np.exp(1j * phases.astype(np.float32))
        places = np.zeros((0, 2)) if fit is None else fit.places
        outside = np.zeros((0, 2))
        while places.shape[0] + outside.shape[0] < self._config.max_paths:
            known = np.vstack([places, outside])
            found = self._weak(without_paths(blocks, self._manifold, known), known[:, 0], phases, turns)
            if found is None:
                break
            place, weight = found
            if not self._inside(place[None])[0]:
                outside = np.vstack([outside, place])
                continue
            # Orthogonal to the weights that there are, so that noise stays white over the principal snapshots.
            weight = weight - weights @ (np.conj(weights).T @ weight)
            size = float(np.linalg.norm(weight))
            if size < _NEW_WEIGHT:
                break
            weights = np.hstack([weights, weight[:, None] / size])
            more = principal_snapshots(data, weights).reshape(-1, self._rows, self._tones)
            longer = self._fit(more, np.vstack([places, place]), noise)
            if longer is None or len(longer) <= places.shape[0]:
                break
            principal, fit, places = more, longer, longer.places
        return principal, fit

    def _candidates(self, principal: ComplexArray, noise: float) -> NDArray[np.bool_]:
        """Return at which delays of the grid (path,) the mean impulse response (eq. 6) stands out of the noise."""
        if not self._config.guided:
            return np.ones(self._grid.path_axis_m.size, dtype=np.bool_)
        order = principal.shape[0]
        response = principal.reshape(-1, self._tones) @ self._profile
        power = np.sum(response.real**2 + response.imag**2, axis=0)
        return np.asarray(power > noise * self._stands_out[order - 1])

    def _peaks(self, share: FloatArray, candidates: NDArray[np.bool_], most: int) -> FloatArray:
        """Return the places (n, 2) of the highest peaks of the spectrum inside of the grid."""
        searched = np.flatnonzero(candidates[1:-1]) + 1
        if not searched.size:
            return np.zeros((0, 2))
        # Only what lies between the first and the last candidate, and the points next to them, is looked at.
        first, part = searched[0] - 1, share[:, searched[0] - 1 : searched[-1] + 2]
        mask = np.zeros(part.shape, dtype=np.bool_)
        mask[1:-1, searched - first] = True
        azimuth, path = local_maxima(part, mask)
        path = path + first
        best = np.argsort(share[azimuth, path])[::-1][:most]
        return np.stack(
            [self._grid.path_axis_m[path[best]], np.sin(self._grid.azimuth_axis_rad[azimuth[best]])], axis=1
        )

    def _fit(self, principal: ComplexArray, places: FloatArray, noise: float) -> PathFit | None:
        """Return the fit of those paths that explain more than noise would; None if there are none."""
        least = self._least_power[principal.shape[0] - 1] * noise
        # Amplitudes first: a fit that moves paths which are none would move the others along.
        places = distinct_paths(principal, self._manifold, places[self._inside(places)], least, _LEAST_DISTINCT)
        while places.shape[0]:
            fit = fit_paths(principal, self._manifold, places, self._cell)
            places = fit.places
            sound = self._inside(places) & (fit.distinct >= least)
            sound &= fit.distinct >= _LEAST_DISTINCT * self._manifold.size * fit.power
            if np.all(sound):
                return fit
            places = np.delete(places, int(np.argmin(np.where(sound, np.inf, fit.distinct))), axis=0)
        return None

    def _inside(self, places: FloatArray) -> NDArray[np.bool_]:
        """Return which places (n, 2) lie in the grid."""
        path, sine = self._grid.path_axis_m, np.sin(self._grid.azimuth_axis_rad[-1])
        return np.asarray((places[:, 0] >= path[0]) & (places[:, 0] <= path[-1]) & (np.abs(places[:, 1]) <= sine))

    def _paths(self, fit: PathFit | None, principal: ComplexArray, noise: float, time_s: float) -> Paths:
        if fit is None:
            return Paths.empty(time_s)
        free = principal.size - len(fit) * (principal.shape[0] + 1)
        covariance = fit.bound(max(noise, fit.residual / free))
        cosine = np.sqrt(1.0 - fit.places[:, 1] ** 2)
        scale = np.stack([np.ones(len(fit)), 1.0 / cosine], axis=1)
        paths = Paths(
            time_s=time_s,
            path_m=fit.places[:, 0],
            azimuth_rad=np.arcsin(fit.places[:, 1]),
            covariance=covariance * scale[:, :, None] * scale[:, None, :],
            snr_db=power_to_db(fit.power * self._manifold.size / noise),
        )
        return paths.take(np.argsort(fit.power)[::-1])

    def _map(self, share: FloatArray) -> DelayAzimuthMap:
        return DelayAzimuthMap(lambda: pseudo_spectrum(share), self._grid.path_axis_m, self._grid.azimuth_axis_rad)

    def _sub_manifold(self, sensor: OfdmSensor) -> Manifold:
        check_even(np.asarray(sensor.rx_positions), "rows")
        check_even(sensor.tone_frequencies_hz, "tones")
        rows = min(self._config.smoothing_rows, self._rows)
        tones = min(self._config.smoothing_tones, self._tones)
        return Manifold.of(sensor.rx_positions[:rows], sensor.tone_frequencies_hz[:tones])


def gram_eigen_finite(data: ComplexArray) -> tuple[FloatArray, ComplexArray]:
    """Return `gram_eigen`; ValueError if there are values that are not finite."""
    if not np.isfinite(np.vdot(data, data)):
        raise ValueError("snapshots hold values that are not finite")
    return gram_eigen(data)


def _direct_path_m(sensor: OfdmSensor) -> float:
    return sensor.direct_path_m if sensor.tx_position_m is not None else 0.0


def _uneven(times_s: FloatArray | None) -> FloatArray | None:
    """Return times (T,) counted from their first, or None if they are evenly spaced."""
    if times_s is None:
        return None
    steps = np.diff(times_s)
    return None if np.allclose(steps, steps[0], rtol=1e-3, atol=0.0) else times_s - times_s[0]


def _thresholds(looks: int, most: int, probability: float) -> FloatArray:
    """Return what the sum of `looks` times 1 to `most` (most,) noise powers of mean 1 exceeds with a probability."""
    return np.asarray(gamma.isf(probability, looks * np.arange(1, most + 1)))
