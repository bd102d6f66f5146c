"""Settings of the chain."""

import math
from dataclasses import dataclass, field
from typing import Final

from isactrack.errors import ConfigError
from isactrack.processing.mnomp import MnompConfig
from isactrack.processing.spectra import make_window

DETECTORS: Final = ("fft", "mnomp")
"""Names of the detectors."""

_HINT = "check the settings of the chain"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainConfig:
    """Settings of an `FmcwChain`; the defaults serve people who walk in a room.

    Attributes
    ----------
    detector
        ``"fft"``: windowed spectra, CFAR and peaks between the bins. ``"mnomp"``: lines fitted to the samples one after
        the other (`isactrack.processing.mnomp`), which tells closer targets apart and finds weak ones beside strong.
    mnomp
        Settings of the second; `p_fa`, the CFAR cells and the side lobes are of the first alone.
    covariance_scale
        Factor on the Cramer-Rao bound in the covariances of the second, kappa of eq. 34c.
    range_window, doppler_window
        Windows by name, see `make_window`; the second detector has none, they shape the map that it shows. In range
        Hann, whose sidelobes fall steadily, so that a strong target makes no second peak. In Doppler None stands for
        cosine if static clutter is removed: little is left to leak, and of two walkers who cross 2.4 Doppler bins apart
        the narrower main lobe misses half as many. Where static echoes stay it stands for Hann.
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
    max_azimuth_rad
        Edge of the field of view to both sides of boresight, None for all that the array can tell apart. Beyond the
        beam of its antennas a sensor sees strong echoes yet, with hardly an azimuth.
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

    detector: str = "fft"
    mnomp: MnompConfig = field(default_factory=MnompConfig)
    covariance_scale: float = 1.2
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
    max_azimuth_rad: float | None = None
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
        if self.detector not in DETECTORS:
            raise ConfigError(f"there is no detector {self.detector!r}", f"use one of {', '.join(DETECTORS)}")
        if not self.covariance_scale > 0.0:
            raise ConfigError(f"covariance_scale is {self.covariance_scale}, it must be positive", _HINT)
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
        if self.max_azimuth_rad is not None and not 0.0 < self.max_azimuth_rad <= math.pi / 2.0:
            raise ConfigError(
                f"max_azimuth_rad is {self.max_azimuth_rad}", "give an angle above 0 and at most pi / 2, or None"
            )
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
