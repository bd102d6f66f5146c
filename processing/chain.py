"""From an FMCW frame to detections, by FFT.

Range FFT, removal of static clutter, Doppler FFT, power over the antennas, CFAR, peaks between the bins, azimuth,
covariance, clusters. Each step is a function of its own module; this one composes them and keeps the state that
lives from frame to frame.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.geometry import polar_covariance_to_xy, polar_to_xy
from isactrack.processing.accuracy import azimuth_std_rad, frequency_std_bins
from isactrack.processing.azimuth import bartlett_azimuth, beam_to_residual, correct_tdm_phase
from isactrack.processing.cfar import CfarResult, ca_cfar_2d, cfar_multiplier, median_noise
from isactrack.processing.clustering import link, merge
from isactrack.processing.clutter import ClutterMap, fill_lost_chirps
from isactrack.processing.peaks import (
    Peaks,
    WindowResponse,
    image_mask,
    interpolate,
    local_maxima,
    sidelobe_mask,
)
from isactrack.processing.spectra import (
    RangeDopplerMap,
    doppler_spectrum,
    make_window,
    range_doppler_map,
    range_spectrum,
)
from isactrack.units import db_to_power, power_to_db

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]

GHOST_MARGIN_DB = 4.0
"""How far a peak must exceed the expected power of a ghost of the clutter map; ghosts fluctuate."""
_MIN_VALID_SHARE = 0.5
_PEAKS_LIMIT = 512
_ROUNDING = 1e-12
_HINT = "check the settings of the chain"
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """Settings of an `FmcwChain`; the defaults serve people who walk in a room.

    Attributes
    ----------
    range_window, doppler_window
        Windows by name, see `make_window`. In range Hann, whose sidelobes fall steadily, so that a strong target makes
        no second peak. In Doppler None stands for cosine if static clutter is removed: little is left to leak,
        and of two walkers who cross 2.4 Doppler bins apart the narrower main lobe misses half as many. Where static
        echoes stay it stands for Hann.
    p_fa
        False-alarm probability of a cell.
    training_cells, guard_cells
        Half-windows of the CFAR (doppler, range); the training window contains the guard window.
    min_snr_db
        Least power over noise of a detection, besides the CFAR.
    remove_static
        Take off what stands still. Needed where people cross walls in range; to be off where the line at zero Doppler
        is of interest, and for a take that is one coherent interval.
    clutter_memory_s
        Memory of the clutter map. A person who stands still longer than this disappears.
    min_range_m, max_range_m
        Ranges to look at; None for no upper limit.
    image_rejection_db
        A cell this far below its mirror cell is an image of the receiver. Real AWR1642 images are 43 dB down.
    sidelobe_margin_db
        Least power over what stronger peaks may leak into the cell.
    min_beam_share
        Least share of a peak's power over the antennas that one plane wave explains. Below it two targets that cancel
        each other share the cell, and its azimuth would point beside both.
    cluster_distance_m
        Detections closer than this belong to one target; None for no clustering.
    cluster_velocity_scale_s
        Metres that 1 m/s counts for in that distance.
    range_floor_m, azimuth_floor_rad
        Least standard deviations. A body is no point: its echo wanders over it by more than noise alone
        would move it, and calibration leaves errors in azimuth.
    max_detections
        Largest number of peaks to keep, the strongest first.
    coherent_frames
        Frames joined to one coherent interval, see `FmcwSensor.coherent`.
    """

    range_window: str = "hann"
    doppler_window: str | None = None
    p_fa: float = 1e-6
    training_cells: tuple[int, int] = (8, 6)
    guard_cells: tuple[int, int] = (3, 3)
    min_snr_db: float = 10.0
    remove_static: bool = True
    clutter_memory_s: float = 5.0
    min_range_m: float = 0.3
    max_range_m: float | None = None
    image_rejection_db: float = 35.0
    sidelobe_margin_db: float = 6.0
    min_beam_share: float = 0.5
    cluster_distance_m: float | None = 0.8
    cluster_velocity_scale_s: float = 1.0
    range_floor_m: float = 0.08
    azimuth_floor_rad: float = math.radians(2.0)
    max_detections: int = 64
    coherent_frames: int = 1

    def __post_init__(self) -> None:
        make_window(self.range_window, 8)
        make_window(self.slow_time_window, 8)
        if not 0.0 < self.p_fa < 1.0:
            raise ConfigError(f"p_fa is {self.p_fa}, a probability between 0 and 1", "1e-6 is a usual value")
        for name in ("clutter_memory_s", "image_rejection_db", "cluster_distance_m"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ConfigError(f"{name} is {value}, it must be positive", _HINT)
        for name in ("min_snr_db", "sidelobe_margin_db"):
            if not math.isfinite(getattr(self, name)):
                raise ConfigError(f"{name} is {getattr(self, name)}, it must be finite", _HINT)
        if not 0.0 <= self.min_beam_share < 1.0:
            raise ConfigError(f"min_beam_share is {self.min_beam_share}, it must be at least 0 and below 1", _HINT)
        for name in ("min_range_m", "cluster_velocity_scale_s", "range_floor_m", "azimuth_floor_rad"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ConfigError(f"{name} is {value}, it must not be negative", _HINT)
        if self.max_range_m is not None and not self.max_range_m > self.min_range_m:
            raise ConfigError(f"no range lies between {self.min_range_m} m and {self.max_range_m} m", _HINT)
        for name in ("max_detections", "coherent_frames"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, it must be at least 1", _HINT)
        inside = all(0 <= guard <= train for guard, train in zip(self.guard_cells, self.training_cells, strict=True))
        if not inside or self.guard_cells == self.training_cells:
            raise ConfigError(
                f"guard cells {self.guard_cells} leave no training cells within {self.training_cells}",
                "make the training window the larger one",
            )

    @property
    def slow_time_window(self) -> str:
        """The Doppler window that is meant."""
        if self.doppler_window is not None:
            return self.doppler_window
        return "cosine" if self.remove_static else "hann"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ChainOutput:
    """What the chain made of one coherent interval.

    Attributes
    ----------
    time_s
        Device time of its centre.
    detections
        Detections, the strongest first.
    spectrum
        The map that they were found in; without static clutter if it was removed.
    """

    time_s: float
    detections: Detections
    spectrum: RangeDopplerMap


class FmcwChain:
    """Turns frames of one sensor into detections.

    The covariance of a detection is the Cramer-Rao bound at its SNR (eq. 17 of mnomp-spa-kf, for the window in use)
    plus the floors of the settings. For azimuth the power that the beam does not explain counts as noise.

    Chirps with lost samples take no part: static echoes are kept whole by the mean of the other chirps, moving
    ones have a hole there. An interval of which less than half of the chirps arrived yields a map but no detections.

    Parameters
    ----------
    sensor
        The sensor whose frames will come.
    config
        Settings.

    Raises
    ------
    ConfigError
        If `coherent_frames` frames of the sensor are not evenly spaced in slow time.
    """

    def __init__(self, sensor: FmcwSensor, config: ChainConfig | None = None) -> None:
        self._config = config if config is not None else ChainConfig()
        self._frame_sensor = sensor
        self._sensor = sensor.coherent(self._config.coherent_frames)
        self._windows = (
            make_window(self._config.slow_time_window, self._sensor.loops_per_frame),
            make_window(self._config.range_window, self._sensor.samples_per_chirp),
        )
        self._response = WindowResponse(self._windows[0]), WindowResponse(self._windows[1])
        self._clutter = ClutterMap(max(1.0, self._config.clutter_memory_s / self._sensor.frame_period_s))
        self._partial: list[Frame] = []
        self._discarded_frames = 0

    @property
    def sensor(self) -> FmcwSensor:
        """The sensor whose frame is one coherent interval: the axes of the maps."""
        return self._sensor

    @property
    def config(self) -> ChainConfig:
        """The settings."""
        return self._config

    @property
    def discarded_frames(self) -> int:
        """Frames dropped since the last reset because another frame of their coherent interval was missing."""
        return self._discarded_frames

    def reset(self) -> None:
        """Forget everything that came before: the clutter, the frames of an unfinished interval and the counter."""
        self._clutter.reset()
        self._partial.clear()
        self._discarded_frames = 0

    def __call__(self, frame: Frame) -> ChainOutput | None:
        """Process a frame; return None while the coherent interval is not complete.

        Raises
        ------
        ConfigError
            If the frame does not have the size of the sensor's frames.
        """
        if self._partial and frame.counter != self._partial[-1].counter + 1:
            self._discarded_frames += len(self._partial)
            self._partial.clear()
        self._partial.append(frame)
        if len(self._partial) < self._config.coherent_frames:
            return None
        frames, self._partial = self._partial, []
        cube = np.concatenate([self._frame_sensor.decode(f) for f in frames])
        valid = None
        if not all(f.complete for f in frames):
            samples_valid = np.concatenate([self._frame_sensor.decode_valid(f) for f in frames])
            valid = np.asarray(samples_valid.all(axis=3))
        return self.process_cube(cube, frames[0].device_time_s + self._sensor.coherent_time_s / 2.0, valid)

    def process_cube(self, cube: ComplexArray, time_s: float, valid: NDArray[np.bool_] | None = None) -> ChainOutput:
        """Process the samples of one coherent interval.

        Parameters
        ----------
        cube
            Samples (loop, tx, rx, sample) complex64.
        time_s
            Device time of the centre of the interval.
        valid
            Which chirps arrived whole, bool (loop, tx, rx); None if all did.

        Raises
        ------
        ConfigError
            If the cube does not have the shape of the coherent interval.
        """
        if cube.shape != self._sensor.cube_shape:
            raise ConfigError(
                f"a cube of shape {cube.shape} does not fit this sensor, whose is {self._sensor.cube_shape}",
                "the recording and the profile do not belong together",
            )
        profiles = range_spectrum(cube, self._windows[1])
        if self._config.remove_static:
            profiles = self._clutter.remove(profiles, valid)
        elif valid is not None:
            profiles = fill_lost_chirps(profiles, valid)
        spectrum = doppler_spectrum(profiles, self._windows[0])
        rd_map = range_doppler_map(spectrum, self._sensor)
        if valid is not None and valid.mean() < _MIN_VALID_SHARE:
            detections = Detections.empty(time_s)
        else:
            peaks, snr = self._find_peaks(rd_map.power)
            detections = self._cluster(self._locate(spectrum, peaks, snr, time_s))
        return ChainOutput(time_s=time_s, detections=detections, spectrum=rd_map)

    def _find_peaks(self, power: NDArray[np.float32]) -> tuple[Peaks, FloatArray]:
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
        if config.remove_static:
            keep &= peaks.power > self._ghost_level(peaks)
        keep &= ~image_mask(power, peaks, config.image_rejection_db)
        range_m = peaks.range_bin * self._sensor.range_resolution_m
        keep &= (range_m >= config.min_range_m) & (range_m <= upper)
        peaks = peaks.take(np.flatnonzero(keep)[: config.max_detections])
        return peaks, peaks.power / noise[peaks.doppler, peaks.range_]

    def _ghost_level(self, peaks: Peaks) -> FloatArray:
        """Return the power (n,) that a ghost of the clutter map may have where the peaks are."""
        window = self._windows[0]
        looks = self._sensor.n_tx * self._sensor.n_rx
        at_zero = self._clutter.ghost_power[peaks.range_] * looks * window.sum() ** 2 / np.square(window).sum()
        from_zero = peaks.doppler_bin - self._sensor.loops_per_frame // 2
        return np.asarray(db_to_power(GHOST_MARGIN_DB) * at_zero * self._response[0].leakage(from_zero))

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

    def _cluster(self, detections: Detections) -> Detections:
        config, limit = self._config, self._sensor.velocity_max_mps
        if config.cluster_distance_m is None or len(detections) < 2:
            return detections
        label = link(detections, config.cluster_distance_m, config.cluster_velocity_scale_s, limit)
        return merge(detections, label, limit)
