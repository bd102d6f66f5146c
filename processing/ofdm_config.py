"""Settings of the bistatic chain, step by step."""

import math
from dataclasses import dataclass, field
from typing import Final

from isactrack.errors import ConfigError

CALIBRATIONS: Final = ("reference", "nearest-bin", "antenna-ratio", "off")
CLUTTER_FILTERS: Final = ("mean", "difference", "off")
_HINT: Final = "check the settings of the bistatic chain"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationConfig:
    """Settings of the reference-path calibration.

    Attributes
    ----------
    method
        ``"reference"``: fractional fit of the direct path, then maximum likelihood against the template of what stands
        still. The others are what it is compared with: ``"nearest-bin"`` aligns the direct path to the nearest bin of
        a padded impulse response, ``"antenna-ratio"`` divides by the first row, ``"off"`` does nothing.
    template_blocks
        Blocks over which the template forgets.
    gate_s
        The direct path is looked for this far around where the last block had it.
    min_quality
        Correlation with the template below which the reference counts as shadowed.
    balance_iq
        Whether the image of the receivers' I/Q imbalance is estimated and taken off.
    """

    method: str = "reference"
    template_blocks: int = 500
    gate_s: float = 20e-9
    min_quality: float = 0.8
    balance_iq: bool = True

    def __post_init__(self) -> None:
        if self.method not in CALIBRATIONS:
            raise ConfigError(f"there is no calibration {self.method!r}", f"use one of {', '.join(CALIBRATIONS)}")
        if self.template_blocks < 1 or not self.gate_s > 0.0 or not 0.0 <= self.min_quality <= 1.0:
            raise ConfigError(f"the calibration cannot work with {self}", _HINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class MusicConfig:
    """Settings of 2D-MUSIC.

    Attributes
    ----------
    window_blocks
        Snapshots T of an estimate.
    max_paths
        Largest model order L.
    smoothing
        Whether sub-arrays in space and frequency are averaged, forward and backward, so that paths whose Doppler is
        alike over the window can be told apart. It costs aperture.
    smoothing_rows, smoothing_tones
        Size of a sub-array.
    delay_points, azimuth_points
        Size of the grid that the spectrum is looked at before peaks are refined between its points. A third of the
        points finds nearly as much (4 % larger errors), and saves a tenth of an estimate.
    guided
        Whether only delays at which the impulse response stands out are searched (sec. III-C of the paper).
    weak_paths
        Whether what the paths leave of the snapshots is searched for more, Doppler shift by Doppler shift: paths that
        are too weak for an eigenvalue.
    min_snr_db
        Least power over noise of a path after integration.
    """

    window_blocks: int = 25
    max_paths: int = 8
    smoothing: bool = True
    smoothing_rows: int = 6
    smoothing_tones: int = 50
    delay_points: int = 256
    azimuth_points: int = 181
    guided: bool = True
    weak_paths: bool = True
    min_snr_db: float = 12.0

    def __post_init__(self) -> None:
        least = {"window_blocks": 2, "max_paths": 1, "smoothing_rows": 2, "smoothing_tones": 2, "delay_points": 8,
                 "azimuth_points": 8}  # fmt: skip
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"{name} is {getattr(self, name)}, it must be at least {value}", _HINT)
        if not math.isfinite(self.min_snr_db):
            raise ConfigError(f"min_snr_db is {self.min_snr_db}, it must be finite", _HINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtConfig:
    """Which targets are marked as doubtful, so that no track begins with them (`isactrack.processing.doubts`).

    Attributes
    ----------
    shadows
        Those behind a stronger one that do not turn: what somebody's shadow does to a wall.
    shadow_reach_m
        How far from the line to a target another one may be that casts its shadow on it: half a body, a Fresnel zone,
        and the uncertainty of both places.
    residue_db
        Those that are so much below what stands still in their cell: what calibration leaves of it. None doubts none.
    sidelobe_db
        Those that are so much below another one at the same path length: side lobes of rows that are not calibrated
        better. None doubts none.
    straightness
        A target does not turn if its amplitudes over the window are on a line to more than this.
    """

    shadows: bool = True
    shadow_reach_m: float = 0.5
    residue_db: float | None = 20.0
    sidelobe_db: float | None = 30.0
    straightness: float = 0.6

    def __post_init__(self) -> None:
        for name in ("residue_db", "sidelobe_db"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ConfigError(f"{name} is {value}", "give decibels, or None to leave it out")
        if not self.shadow_reach_m > 0.0 or not 0.0 < self.straightness < 1.0:
            raise ConfigError(f"nothing can be doubted by {self}", _HINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfdmChainConfig:
    """Settings of an `OfdmChain`; the defaults serve people who walk in a room.

    Attributes
    ----------
    calibration, music, doubts
        Settings of those steps.
    clutter_filter
        ``"mean"``: the mean of the last `mean_blocks` blocks is taken off (eq. 2). ``"difference"``: the last block is,
        which loses who moves slowly. ``"off"``: nothing is.
    mean_blocks
        K of eq. 2.
    hop_blocks
        Blocks from one estimate to the next.
    min_excess_m
        Paths less than this longer than the direct one are left out: near the line from transmitter to receiver a
        small error in length is a large one in position.
    max_excess_m
        Paths more than this longer than the direct one are not looked at, None for all that are unambiguous. The
        default is more than echoes of people in a hall come to: farther away an azimuth is no place any more.
    max_range_m
        Farthest target from the receiver; None for no limit.
    max_azimuth_rad
        Edge of the field of view to both sides of boresight.
    max_position_std_m
        A position less certain than this in any direction is left out.
    body_radius_m
        By how much the centre of a body lies behind the point that reflects; 0 to report that point.
    cluster_distance_m, cluster_points, cluster_estimates
        DBSCAN over the points of the last `cluster_estimates` estimates: neighbours are closer than the distance, and
        a target has at least so many points.
    position_floor_m
        Least standard deviation of a target's position: a body is no point.
    """

    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    music: MusicConfig = field(default_factory=MusicConfig)
    doubts: DoubtConfig = field(default_factory=DoubtConfig)
    clutter_filter: str = "mean"
    mean_blocks: int = 50
    hop_blocks: int = 10
    min_excess_m: float = 0.5
    max_excess_m: float | None = 25.0
    max_range_m: float | None = None
    max_azimuth_rad: float = math.radians(70.0)
    max_position_std_m: float = 0.5
    body_radius_m: float = 0.12
    cluster_distance_m: float = 0.4
    cluster_points: int = 3
    cluster_estimates: int = 5
    position_floor_m: float = 0.1

    def __post_init__(self) -> None:
        if self.clutter_filter not in CLUTTER_FILTERS:
            raise ConfigError(
                f"there is no clutter filter {self.clutter_filter!r}", f"use one of {', '.join(CLUTTER_FILTERS)}"
            )
        for name in ("mean_blocks", "hop_blocks", "cluster_points", "cluster_estimates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, it must be at least 1", _HINT)
        for name in ("min_excess_m", "body_radius_m", "position_floor_m"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ConfigError(f"{name} is {value}, it must not be negative", _HINT)
        for name in ("max_excess_m", "max_range_m", "max_position_std_m", "cluster_distance_m"):
            value = getattr(self, name)
            if value is not None and not value > 0.0:
                raise ConfigError(f"{name} is {value}, it must be positive", _HINT)
        if not 0.0 < self.max_azimuth_rad <= math.pi / 2.0:
            raise ConfigError(f"max_azimuth_rad is {self.max_azimuth_rad}", "give an angle above 0 and at most pi / 2")
