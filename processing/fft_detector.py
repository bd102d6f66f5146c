"""Detections from windowed spectra: CFAR, peaks between the bins, azimuth and covariance."""

import math

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy
from isactrack.processing.accuracy import azimuth_std_rad, frequency_std_bins
from isactrack.processing.azimuth import bartlett_azimuth, beam_to_residual, correct_tdm_phase
from isactrack.processing.cfar import CfarResult, ca_cfar_2d, cfar_multiplier, median_noise
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.peaks import (
    Peaks,
    WindowResponse,
    ghost_mask,
    image_mask,
    interpolate,
    local_maxima,
    sidelobe_mask,
)
from isactrack.processing.spectra import RangeDopplerMap, doppler_spectrum, make_window, range_doppler_map
from isactrack.units import db_to_power, power_to_db

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]

_PEAKS_LIMIT = 512
_ROUNDING = 1e-12
_TINY = float(np.finfo(np.float32).tiny)


class FftDetector:
    """Finds the targets of one coherent interval in its range-Doppler map.

    The covariance of a detection is the Cramer-Rao bound at its SNR (eq. 17 of mnomp-spa-kf, for the window in use)
    plus the floors of the settings. For azimuth the power that the beam does not explain counts as noise.

    Parameters
    ----------
    sensor
        The sensor whose frame is the coherent interval.
    config
        Settings.
    """

    def __init__(self, sensor: FmcwSensor, config: ChainConfig) -> None:
        self._config, self._sensor = config, sensor
        self._windows = (
            make_window(config.slow_time_window, sensor.loops_per_frame),
            make_window(config.range_window, sensor.samples_per_chirp),
        )
        self._response = WindowResponse(self._windows[0]), WindowResponse(self._windows[1])

    @property
    def range_window(self) -> FloatArray:
        """Window (samples,) that the range profiles have to be made with."""
        return self._windows[1]

    def map(self, profiles: ComplexArray) -> tuple[ComplexArray, RangeDopplerMap]:
        """Return the spectrum and the map of range profiles (loop, tx, rx, range)."""
        spectrum = doppler_spectrum(profiles, self._windows[0])
        return spectrum, range_doppler_map(spectrum, self._sensor)

    def detect(
        self, spectrum: ComplexArray, rd_map: RangeDopplerMap, ghost_power: FloatArray | None, time_s: float
    ) -> Detections:
        """Return the detections of an interval, the strongest first.

        Parameters
        ----------
        spectrum, rd_map
            What `map` made of its range profiles.
        ghost_power
            `ClutterMap.ghost_power` (range,), None if static echoes were kept.
        time_s
            Device time of the centre of the interval.
        """
        return self._locate(spectrum, *self._find_peaks(rd_map.power, ghost_power), time_s)

    def _find_peaks(self, power: NDArray[np.float32], ghost_power: FloatArray | None) -> tuple[Peaks, FloatArray]:
        """Return the peaks of a map that are targets, the strongest first, and their power over noise."""
        config = self._config
        found = self._detect(power)
        # A signal without noise, from a test source or a simulation, has the rounding of the transform for noise.
        noise = np.maximum(found.noise, max(_ROUNDING * float(power.max()), _TINY))
        upper = math.inf if config.max_range_m is None else config.max_range_m
        # A peak beyond the limits leaks over them, so maxima are sought in the whole map and limited afterwards.
        doppler, range_ = local_maxima(power, found.mask & (power > noise * db_to_power(config.min_snr_db)))
        strongest = np.argsort(-power[doppler, range_], kind="stable")[:_PEAKS_LIMIT]
        peaks = interpolate(power, doppler[strongest], range_[strongest], self._response)
        keep = ~sidelobe_mask(peaks, self._response, config.sidelobe_margin_db)
        if ghost_power is not None:
            keep &= ~ghost_mask(
                peaks, ghost_power, self._windows[0], self._response[0], self._sensor.virtual_positions.size
            )
        keep &= ~image_mask(power, peaks, config.image_rejection_db)
        range_m = peaks.range_bin * self._sensor.range_resolution_m
        keep &= (range_m >= config.min_range_m) & (range_m <= upper)
        peaks = peaks.take(np.flatnonzero(keep)[: config.max_detections])
        return peaks, peaks.power / noise[peaks.doppler, peaks.range_]

    def _detect(self, power: NDArray[np.float32]) -> CfarResult:
        """Run the CFAR with the cells of evident targets kept out of the training."""
        config, looks = self._config, self._sensor.n_tx * self._sensor.n_rx
        noise = median_noise(power, looks)
        evident = power > noise * cfar_multiplier(config.p_fa, looks, power.shape[0])
        return ca_cfar_2d(power, config.training_cells, config.guard_cells, config.p_fa, looks, evident, noise)

    def _locate(self, spectrum: ComplexArray, peaks: Peaks, snr: FloatArray, time_s: float) -> Detections:
        """Turn peaks into detections with azimuth, position and covariance."""
        sensor, config = self._sensor, self._config
        doppler_bin = peaks.doppler_bin - sensor.loops_per_frame // 2
        snapshots = correct_tdm_phase(spectrum[peaks.doppler, :, :, peaks.range_], sensor, doppler_bin)
        azimuth_rad, beam_power = bartlett_azimuth(snapshots, sensor)
        range_m = peaks.range_bin * sensor.range_resolution_m
        looks = sensor.n_tx * sensor.n_rx
        range_std = frequency_std_bins(self._windows[1], snr, looks) * sensor.range_resolution_m
        beam_snr = np.minimum(snr, beam_to_residual(beam_power, peaks.power, looks))
        azimuth_std = azimuth_std_rad(sensor.virtual_positions, azimuth_rad, beam_snr)
        covariance = polar_covariance_to_xy(
            range_m,
            azimuth_rad,
            np.hypot(range_std, config.range_floor_m),
            np.hypot(azimuth_std, config.azimuth_floor_rad),
        )
        span = 2.0 * sensor.velocity_max_mps
        velocity = doppler_bin * sensor.velocity_resolution_mps
        velocity_std = frequency_std_bins(self._windows[0], snr, looks) * sensor.velocity_resolution_mps
        detections = Detections(
            time_s=time_s,
            position_m=polar_to_xy(range_m, azimuth_rad),
            covariance_m2=covariance,
            radial_velocity_mps=(velocity + span / 2.0) % span - span / 2.0,
            radial_velocity_std_mps=velocity_std,
            snr_db=power_to_db(snr),
            range_m=range_m,
            azimuth_rad=azimuth_rad,
        )
        return detections.take(beam_power >= config.min_beam_share * peaks.power)
