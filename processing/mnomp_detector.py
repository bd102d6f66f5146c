"""Detections from lines that are fitted to the samples one after the other, in the place of windows and maps."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.line_detections import line_detections
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import MIN_AXIS, mnomp_cfar, warm_up
from isactrack.processing.peaks import Peaks, WindowResponse, ghost_mask
from isactrack.processing.spectra import (
    RangeDopplerMap,
    antenna_power,
    doppler_spectrum,
    make_window,
    range_spectrum,
)
from isactrack.units import db_to_power

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]


class MnompDetector:
    """Finds the targets of one coherent interval as spectral lines (mnomp-spa-kf, sec. III-A).

    The lines are fitted to samples without a window: what a window does to side lobes, taking off each line before the
    next is sought does better, and nothing of the resolution is given away. The map that is shown is windowed as that
    of `FftDetector`. The kernels are compiled when the first detector is made (`isactrack.processing.mnomp.warm_up`).

    Parameters
    ----------
    sensor
        The sensor whose frame is the coherent interval.
    config
        Settings.

    Raises
    ------
    ConfigError
        If the coherent interval has too few loops or samples for a line to have a frequency in it.
    """

    def __init__(self, sensor: FmcwSensor, config: ChainConfig) -> None:
        self._config, self._sensor = config, sensor
        loops, samples = sensor.loops_per_frame, sensor.samples_per_chirp
        if min(loops, samples) < MIN_AXIS:
            raise ConfigError(
                f"a coherent interval of {loops} loops and {samples} samples is too short for lines",
                f"it needs {MIN_AXIS} of each: join frames with coherent_frames, or use the detector fft",
            )
        self._rectangular = make_window("rectangular", loops), make_window("rectangular", samples)
        self._shown = make_window(config.slow_time_window, loops), make_window(config.range_window, samples)
        self._response = WindowResponse(self._rectangular[0])
        warm_up()

    @property
    def range_window(self) -> FloatArray:
        """Window (samples,) that the range profiles have to be made with: none."""
        return self._rectangular[1]

    def map(self, profiles: ComplexArray) -> tuple[ComplexArray, RangeDopplerMap]:
        """Return range profiles (loop, tx, rx, range) as they are, and their map with windows, for the eye."""
        power = partial(_windowed_power, profiles, *self._shown)
        return profiles, RangeDopplerMap(power, self._sensor.velocity_axis_mps, self._sensor.range_axis_m)

    def detect(
        self, profiles: ComplexArray, _map: RangeDopplerMap, ghost_power: FloatArray | None, time_s: float
    ) -> Detections:
        """Return the detections of an interval, the strongest first; see `FftDetector.detect`."""
        shape = (profiles.shape[0], -1, profiles.shape[3])
        data = _samples(profiles)
        # Half of the spectrum is there already: the range profiles.
        spectrum = scipy.fft.fft(
            profiles * np.float32(math.sqrt(profiles.shape[3])), axis=0, overwrite_x=True, workers=1
        )
        found = mnomp_cfar(data.reshape(shape), self._config.mnomp, spectrum=spectrum.reshape(shape))
        lines = self._targets(found, ghost_power)
        config = self._config
        return line_detections(
            lines,
            self._sensor,
            time_s,
            inflation=config.covariance_scale,
            range_floor_m=config.range_floor_m,
            azimuth_floor_rad=config.azimuth_floor_rad,
            min_beam_share=config.min_beam_share,
            unexplained_is_noise=True,
        )

    def _targets(self, lines: SpectralLines, ghost_power: FloatArray | None) -> SpectralLines:
        """Return the lines that are targets: in range, no images of the receiver, no ghosts of the clutter map."""
        config, sensor = self._config, self._sensor
        peaks = _peaks_of(lines, sensor)
        upper = math.inf if config.max_range_m is None else config.max_range_m
        range_m = peaks.range_bin * sensor.range_resolution_m
        keep = (range_m >= config.min_range_m) & (range_m <= upper)
        keep &= ~_image_mask(peaks, sensor, config.image_rejection_db)
        keep &= lines.snr(sensor.loops_per_frame * sensor.samples_per_chirp) >= 10.0 ** (config.min_snr_db / 10.0)
        if ghost_power is not None:
            # A line between two range bins has the power of both.
            below = np.floor(peaks.range_bin).astype(np.intp) % sensor.samples_per_chirp
            both = ghost_power + np.roll(ghost_power, -1)
            looks = sensor.virtual_positions.size
            keep &= ~ghost_mask(replace(peaks, range_=below), both, self._rectangular[0], self._response, looks)
        return lines.take(np.flatnonzero(keep)[: config.max_detections])


def _samples(profiles: ComplexArray) -> ComplexArray:
    """Return the samples behind range profiles (loop, tx, rx, range), which are scaled for unit noise in a cell."""
    samples = scipy.fft.ifft(profiles, axis=3, workers=1)
    samples *= np.float32(math.sqrt(profiles.shape[3]))
    return np.asarray(samples)


def _windowed_power(profiles: ComplexArray, slow_time: FloatArray, fast_time: FloatArray) -> NDArray[np.float32]:
    return antenna_power(doppler_spectrum(range_spectrum(_samples(profiles), fast_time), slow_time))


def _peaks_of(lines: SpectralLines, sensor: FmcwSensor) -> Peaks:
    """Return lines as peaks of an unwindowed map of unit noise gain, zero Doppler at ``M // 2``."""
    loops, samples = sensor.loops_per_frame, sensor.samples_per_chirp
    range_bin = lines.range_rad * samples / (2.0 * math.pi)
    doppler_bin = lines.doppler_rad * loops / (2.0 * math.pi) + loops // 2
    return Peaks(
        doppler=np.rint(doppler_bin).astype(np.intp) % loops,
        range_=np.rint(range_bin).astype(np.intp) % samples,
        doppler_bin=doppler_bin,
        range_bin=range_bin,
        power=samples * loops * np.sum(np.abs(lines.gain) ** 2, axis=1),
    )


def _image_mask(peaks: Peaks, sensor: FmcwSensor, rejection_db: float) -> NDArray[np.bool_]:
    """Return which lines (n,) are images of a stronger one at minus its range and Doppler; see `image_mask`."""
    loops, samples = sensor.loops_per_frame, sensor.samples_per_chirp
    apart = np.abs(_wrapped(peaks.range_bin[:, None] + peaks.range_bin, samples)) < 1.0
    apart &= np.abs(_wrapped(peaks.doppler_bin[:, None] + peaks.doppler_bin - 2 * (loops // 2), loops)) < 1.0
    weaker = peaks.power[:, None] * db_to_power(rejection_db) < peaks.power
    return np.asarray((apart & weaker).any(axis=1))


def _wrapped(bins: FloatArray, period: int) -> FloatArray:
    """Return distances in bins, modulo the length of the axis, in [-period / 2, period / 2)."""
    return np.asarray((bins + period / 2.0) % period - period / 2.0)
