"""From an FMCW frame to detections.

Range FFT, removal of static clutter, a detector, clusters. Each step is a function or a small class of its own module;
this one composes them and keeps the state that lives from frame to frame.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.clustering import link, merge
from isactrack.processing.clutter import ClutterMap, fill_lost_chirps
from isactrack.processing.fft_detector import FftDetector
from isactrack.processing.mnomp_detector import MnompDetector
from isactrack.processing.products import NO_PRODUCTS, Product, Products
from isactrack.processing.range_azimuth import RangeAzimuth
from isactrack.processing.spectra import RangeDopplerMap, range_spectrum

__all__ = ["ChainConfig", "ChainOutput", "FmcwChain"]

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]

_MIN_VALID_SHARE = 0.5


class Detector(Protocol):
    """What finds the targets of one coherent interval; see `FftDetector` for what the methods take and return."""

    @property
    def range_window(self) -> FloatArray:
        """Window (samples,) that the range profiles have to be made with."""

    def map(self, profiles: ComplexArray) -> tuple[ComplexArray, RangeDopplerMap]:
        """Return what `detect` needs of range profiles (loop, tx, rx, range), and their map."""

    def detect(
        self, data: ComplexArray, rd_map: RangeDopplerMap, ghost_power: FloatArray | None, time_s: float, /
    ) -> Detections:
        """Return the detections of an interval, the strongest first."""


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
    products
        What was made on demand beside it.
    """

    time_s: float
    detections: Detections
    spectrum: RangeDopplerMap
    products: Products = NO_PRODUCTS


class FmcwChain:
    """Turns frames of one sensor into detections.

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

    Attributes
    ----------
    wanted
        What is to be made besides, from the next output on.
    """

    def __init__(self, sensor: FmcwSensor, config: ChainConfig | None = None) -> None:
        self._config = config if config is not None else ChainConfig()
        self._frame_sensor = sensor
        self._sensor = sensor.coherent(self._config.coherent_frames)
        make = FftDetector if self._config.detector == "fft" else MnompDetector
        self._detector: Detector = make(self._sensor, self._config)
        self._clutter = ClutterMap(max(1.0, self._config.clutter_memory_s / self._sensor.frame_period_s))
        self._range_azimuth = RangeAzimuth(
            self._sensor,
            windowed=self._config.detector == "fft",
            slow_time_window=self._config.slow_time_window,
        )
        self.wanted: frozenset[Product] = frozenset()
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

    @property
    def left_out(self) -> int:
        """Outputs that were left out in a hurry: none."""
        return 0

    @property
    def interval_frames(self) -> int:
        """Frames of a coherent interval."""
        return self._config.coherent_frames

    def reset(self) -> None:
        """Forget everything that came before: the clutter, the frames of an unfinished interval and the counter."""
        self._clutter.reset()
        self._partial.clear()
        self._discarded_frames = 0

    def __call__(self, frame: Frame, *, hurry: bool = False) -> ChainOutput | None:
        """Process a frame; return None while the coherent interval is not complete.

        Parameters
        ----------
        frame
            The next frame.
        hurry
            Of no effect: an interval is a frame or a few, and all of the work is in it.

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
        profiles = range_spectrum(cube, self._detector.range_window)
        ghost_power = None
        if self._config.remove_static:
            profiles = self._clutter.remove(profiles, valid)
            ghost_power = self._clutter.ghost_power
        elif valid is not None:
            profiles = fill_lost_chirps(profiles, valid)
        products = NO_PRODUCTS
        if Product.RANGE_AZIMUTH in self.wanted:  # first: a detector may work in place
            products = Products(range_azimuth=self._range_azimuth(profiles))
        data, rd_map = self._detector.map(profiles)
        if valid is not None and valid.mean() < _MIN_VALID_SHARE:
            detections = Detections.empty(time_s)
        else:
            detections = self._in_view(self._detector.detect(data, rd_map, ghost_power, time_s))
            detections = self._cluster(detections)
        return ChainOutput(time_s=time_s, detections=detections, spectrum=rd_map, products=products)

    def _in_view(self, detections: Detections) -> Detections:
        limit = self._config.max_azimuth_rad
        return detections if limit is None else detections.take(np.abs(detections.azimuth_rad) <= limit)

    def _cluster(self, detections: Detections) -> Detections:
        config, limit = self._config, self._sensor.velocity_max_mps
        if config.cluster_distance_m is None or len(detections) < 2:
            return detections
        label = link(detections, config.cluster_distance_m, config.cluster_velocity_scale_s, limit)
        return merge(detections, label, limit)
