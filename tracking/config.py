"""Settings of a tracker, and those of mnomp-spa-kf and for the bistatic radio."""

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Final

from scipy.special import chdtri

from isactrack.errors import ConfigError
from isactrack.tracking.associators import ASSOCIATORS

FILTERS: Final = ("kf", "subkf", "ekf")
ENGINES: Final = ("auto", "numpy", "numba")
PAPER_CLUTTER_PER_M2: Final = 4.0 / 3600.0
"""Four false alarms in [-30, 30] m x [0, 60] m (mnomp-spa-kf, sec. IV-A)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Settings of a `Tracker`; the defaults fit people who walk indoors, seen about ten times a second.

    Attributes
    ----------
    acceleration_std_mps2
        Standard deviation of the acceleration along each axis, constant within a step.
    gate_probability
        P_G, the share of a target's own detections that its gate lets through.
    confirm_hits, confirm_window
        A track is confirmed once it was seen in `confirm_hits` of its last `confirm_window` steps, birth included. A
        track is seen in a step unless the probability that it was missed exceeds one half.
    max_misses_tentative, max_misses_confirmed
        Steps in a row that a track may go unseen; it is dropped at the next one.
    earned_misses
        Whether a confirmed track may go unseen for no longer than it was followed before, up to `max_misses_confirmed`:
        what appears for a moment and is confirmed is gone as soon.
    max_doubtful
        Steps that a track may go on with doubtful detections alone; it is dropped at the next one.
    max_position_std_m
        A track is dropped before it is associated once the larger half-axis of its one-sigma position ellipse exceeds
        this: after a long gap in time its gate would take in anything.
    birth_velocity_std_mps
        Standard deviation of a new track's velocity across the line of sight, where nothing is measured.
    radial_velocity_std_mps
        No radial velocity is taken for more precise than this against the target's own: limbs swing.
    min_position_std_m
        No detection is taken for more precise than this in any direction: the centre of reflection wanders over the
        body.
    use_radial_velocity
        Whether the gate is three-dimensional, position and radial velocity (mnomp-spa-kf eq. 70), or holds the position
        only (eq. 68). New tracks take their velocity from the radial velocity either way. Both take it as the
        sensor measures it, folded into plus or minus `FmcwSensor.velocity_max_mps`: it is not unfolded, so a target
        that is faster than that starts with a wrong velocity and falls out of the three-dimensional gate. For such
        targets choose a profile with a higher limit, or False here.
    weight_radial_velocity
        Whether the weight of an association is that of position and radial velocity too, or of the position only, as
        in mnomp-spa-kf (eq. 29-31 use two dimensions although the gate of eq. 33 has three). No effect without
        `use_radial_velocity`.
    merge_distance_m, merge_velocity_mps, merge_steps
        Of two tracks that stay within this distance and difference of velocity for this many steps in a row, the less
        established one is dropped: confirmed before tentative, then the older. A detection within the same distance
        of a confirmed track that took another one in the same step is a second echo of the same body and goes to no
        tentative track; nor does it start one, near a tentative track either. Two people who always stay closer than
        this and move alike are one track. A distance of 0 switches all of this off.
    association
        Method of association, a name of `isactrack.tracking.associators`: ``"gnn"``, ``"pda"``, ``"jpda"`` or
        ``"spa"``, which weigh likelihoods; ``"penalty"`` or ``"hungarian"``, which compare distances and know no gate.
        With these a pair that the gate would not let through counts as a miss only for the probability of existence.
    distance_threshold_m, distance_penalty_m
        d_th and d_p of ``"penalty"`` (indoor-multi-person-isac-26ghz, eq. 10): the largest distance of a pair, and what
        a pair beyond it costs before it is parted.
    doubtful_farther
        Of methods that compare distances: so many times as far as it is a doubtful detection counts to be, so that a
        clear one is preferred, and a track is not carried off to a wall by somebody's shadow on it.
    distance_shared_m
        Of methods that compare distances: a track that was seen in `confirm_hits` of the last `confirm_window` steps
        and has no detection shares the nearest one that another track took, up to this distance: two people who cross
        are one detection for a moment. 0, as in the paper, shares none.
    spa_rounds
        Rounds of messages of ``"spa"``, None for as many as it takes to converge.
    confirmed_first
        Whether confirmed tracks choose first, and a tentative track takes a detection only as far as no confirmed one
        explains it: a tentative track is often a second echo of the same body.
    filter
        ``"kf"`` takes in positions with the covariance of each detection. ``"subkf"`` replaces that covariance by a
        circle as wide as its half-axes in the mean (mnomp-spa-kf, sec. III-A). ``"ekf"`` is ``"kf"`` that takes in the
        radial velocity after the position.
    detection_probability
        P_D, the probability that a target yields a detection.
    clutter_density
        False alarms a step, per m^2, or per m^2 m/s if the weight is three-dimensional. None adapts it to the gate:
        the worst pair that the gate could let through is then as likely as a miss.
    birth_threshold
        A detection that no track made with more than this probability starts one (mnomp-spa-kf, sec. III-D).
    survival_probability
        Probability that a target that exists in one step does so in the next.
    birth_existence
        Probability that a new track is a target.
    confirm_existence
        A track is not confirmed before its probability of existence reaches this; 0 asks for nothing.
    drop_existence
        A track is dropped when its probability of existence falls below this; 0 never.
    engine
        ``"numba"`` compiles the kernels, ``"numpy"`` does not. ``"auto"`` takes numba if it is installed, but not for
        ``"gnn"`` and the methods that compare distances: half a millisecond less a step is not worth the second that
        loading them takes. The results are the same. The first tracker that a machine ever makes with numba takes ten
        seconds to compile, a minute with ``"jpda"``.
    """

    acceleration_std_mps2: float = 2.0
    gate_probability: float = 0.99
    confirm_hits: int = 4
    confirm_window: int = 6
    max_misses_tentative: int = 2
    max_misses_confirmed: int = 15
    earned_misses: bool = False
    max_doubtful: int = 30
    max_position_std_m: float = 2.0
    birth_velocity_std_mps: float = 1.0
    radial_velocity_std_mps: float = 0.25
    min_position_std_m: float = 0.1
    use_radial_velocity: bool = True
    merge_distance_m: float = 0.5
    merge_velocity_mps: float = 0.5
    merge_steps: int = 4
    association: str = "gnn"
    distance_threshold_m: float = 1.0
    distance_penalty_m: float = 1000.0
    doubtful_farther: float = 1.0
    distance_shared_m: float = 0.0
    spa_rounds: int | None = 10
    confirmed_first: bool = True
    weight_radial_velocity: bool = True
    filter: str = "kf"
    detection_probability: float = 0.9
    clutter_density: float | None = None
    birth_threshold: float = 0.5
    survival_probability: float = 0.99
    birth_existence: float = 0.5
    confirm_existence: float = 0.0
    drop_existence: float = 0.0
    engine: str = "auto"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is float and not (_is_number(value) and math.isfinite(value) and value >= 0.0):
                raise ConfigError(f"{field.name} is {value!r}", "give a finite number, 0 or more")
            if field.type is int and not isinstance(value, int):
                raise ConfigError(f"{field.name} is {value!r}", "give a whole number of steps")
            if field.type is bool and not isinstance(value, bool):
                raise ConfigError(f"{field.name} is {value!r}", "give True or False")
        positive = ("max_position_std_m", "min_position_std_m", "birth_velocity_std_mps", "radial_velocity_std_mps")
        for name in positive:
            if getattr(self, name) == 0.0:
                raise ConfigError(f"{name} is 0", "give a positive standard deviation")
        if not 1 <= self.confirm_hits <= self.confirm_window:
            raise ConfigError(
                f"confirm_hits is {self.confirm_hits} of confirm_window {self.confirm_window} steps",
                "give 1 <= confirm_hits <= confirm_window, e.g. 4 of 6",
            )
        for name in ("max_misses_tentative", "max_misses_confirmed", "max_doubtful", "merge_steps"):
            least = int(name == "merge_steps")
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}", f"give a number of steps, {least} or more")
        for name, choices in (("association", tuple(ASSOCIATORS)), ("filter", FILTERS), ("engine", ENGINES)):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} is {getattr(self, name)!r}", f"choose one of {', '.join(choices)}")
        if not self.doubtful_farther >= 1.0:
            raise ConfigError(f"doubtful_farther is {self.doubtful_farther}", "give a factor of 1 or more")
        if not 0.0 < self.distance_threshold_m <= self.distance_penalty_m:
            raise ConfigError(
                f"distance_threshold_m is {self.distance_threshold_m} and distance_penalty_m {self.distance_penalty_m}",
                "give a positive threshold, and a penalty that is not below it",
            )
        self._check_probabilities()

    def _check_probabilities(self) -> None:
        if not 0.0 < self.gate_probability < 1.0:
            raise ConfigError(f"gate_probability is {self.gate_probability}", "give a share between 0 and 1, e.g. 0.99")
        for name in ("detection_probability", "survival_probability", "birth_existence"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}", "give a probability above 0 and at most 1")
        for name in ("birth_threshold", "confirm_existence", "drop_existence"):
            if not getattr(self, name) < 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}", "give a probability of at least 0 and below 1")
        rounds: Any = self.spa_rounds
        if rounds is not None and not (isinstance(rounds, int) and not isinstance(rounds, bool) and rounds >= 1):
            raise ConfigError(f"spa_rounds is {rounds!r}", "give 1 or more, or None to go on to convergence")
        density: Any = self.clutter_density
        if density is not None and not (_is_number(density) and math.isfinite(density) and density > 0.0):
            raise ConfigError(
                f"clutter_density is {density!r}", "give the false alarms per m^2 (and m/s), or None to adapt it"
            )

    @property
    def gate(self) -> float:
        """Largest squared Mahalanobis distance of a pair: the chi-square quantile of eq. 70 or, in 2D, eq. 68."""
        return float(chdtri(3 if self.use_radial_velocity else 2, 1.0 - self.gate_probability))

    @property
    def seen_if_there(self) -> float:
        """``P_D P_G``, the probability that a target yields a detection which its gate lets through."""
        return self.detection_probability * self.gate_probability

    @property
    def log_odds(self) -> float:
        """``log(P_D / ((1 - P_D P_G) lambda))`` of the likelihood ratios, NaN where `clutter_density` is None."""
        if self.clutter_density is None:
            return math.nan
        return math.log(self.detection_probability / ((1.0 - self.seen_if_there) * self.clutter_density))


def paper_config(
    association: str = "spa",
    *,
    filter: str = "kf",  # noqa: A002 - the name of the field
    gate_dimensions: int = 3,
    extrapolations: int = 2,
    **settings: Any,
) -> TrackerConfig:
    """Return the settings of mnomp-spa-kf for one of its combinations of methods.

    Printed there (sec. IV-A): accelerations of 1e-3 m/s^2, P_G = 0.95, 10 rounds, N_ext = 2, birth of a track from
    each detection whose probability to belong to none exceeds one half, no confirmation, no merging, weights in 2D,
    4 false alarms in 3600 m^2. Not printed, and chosen here: P_D = 0.95, and 2 m/s for the unknown cross velocity of a
    new track (the paper draws both components from an interval of 6 m/s, hence 1.7 m/s plus a drift).

    Parameters
    ----------
    association
        ``"pda"``, ``"jpda"``, ``"spa"`` as in the paper, or ``"gnn"``.
    filter
        ``"kf"`` or ``"subkf"`` as in the paper, or its future work ``"ekf"``.
    gate_dimensions
        3 for the gate of eq. 70, 2 for that of eq. 68.
    extrapolations
        N_ext: a track disappears when it was missed so many times in a row.
    **settings
        Any other field of `TrackerConfig`, or one that is to differ.

    Raises
    ------
    ConfigError
        If a setting cannot work.

    Examples
    --------
    >>> paper_config("pda", filter="subkf", gate_dimensions=2).gate_probability
    0.95
    """
    if gate_dimensions not in (2, 3):
        raise ConfigError(f"gate_dimensions is {gate_dimensions!r}", "give 2 (position) or 3 (and radial velocity)")
    if extrapolations < 1:
        raise ConfigError(f"extrapolations is {extrapolations!r}", "give 1 or more misses that end a track")
    paper: dict[str, Any] = {
        "association": association,
        "filter": filter,
        "use_radial_velocity": gate_dimensions == 3,
        "weight_radial_velocity": False,
        "acceleration_std_mps2": 1e-3,
        "gate_probability": 0.95,
        "confirm_hits": 1,
        "confirm_window": 1,
        "max_misses_tentative": extrapolations - 1,
        "max_misses_confirmed": extrapolations - 1,
        "max_position_std_m": 10.0,
        "birth_velocity_std_mps": 2.0,
        "radial_velocity_std_mps": 1e-4,
        "min_position_std_m": 1e-4,
        "merge_distance_m": 0.0,
        "detection_probability": 0.95,
        "clutter_density": PAPER_CLUTTER_PER_M2,
    }
    return TrackerConfig(**(paper | settings))


def bistatic_tracker_config(estimate_period_s: float = 0.04, **settings: Any) -> TrackerConfig:
    """Return the settings for people whom the bistatic radio sees: penalty association, positions only.

    Where indoor-multi-person-isac-26ghz gives numbers they are its own: 1 m and 1000 m for threshold and penalty. It
    leaves open the noise of the filter, after how many steps a track is confirmed or dropped, and what is one person.

    Parameters
    ----------
    estimate_period_s
        From estimate to estimate: `OfdmChainConfig.hop_blocks` periods of a block. What is counted in steps is
        given in seconds here: confirmed after 0.2 s of 0.32 s, dropped after 0.2 s unseen, or 1 s once confirmed.
    **settings
        Any field of `TrackerConfig` that is to differ.

    Raises
    ------
    ConfigError
        If the period is not positive, or a setting cannot work.

    Examples
    --------
    >>> bistatic_tracker_config(0.04).max_misses_confirmed
    25
    """
    if not (_is_number(estimate_period_s) and 0.0 < estimate_period_s < math.inf):
        raise ConfigError(f"estimate_period_s is {estimate_period_s!r}", "give the time between estimates, e.g. 0.04")

    def steps(time_s: float) -> int:
        return max(1, round(time_s / estimate_period_s))

    bistatic: dict[str, Any] = {
        "association": "penalty",
        "use_radial_velocity": False,
        "acceleration_std_mps2": 2.0,
        "confirm_hits": steps(0.2),
        "confirm_window": steps(0.32),
        "max_misses_tentative": steps(0.2),
        "max_misses_confirmed": steps(1.0),
        "earned_misses": True,
        "max_doubtful": steps(2.0),
        "doubtful_farther": 2.0,
        "radial_velocity_std_mps": 1.5,
        "birth_velocity_std_mps": 1.5,
        "merge_distance_m": 0.5,
        "merge_velocity_mps": 0.3,
        "merge_steps": steps(1.0),
    }
    return TrackerConfig(**(bistatic | settings))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
