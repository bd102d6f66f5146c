"""Options for the settings of the chain and the tracker; what is left out keeps the default of the configuration."""

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from isactrack.cli._output import note
from isactrack.errors import ConfigError

if TYPE_CHECKING:
    from isactrack.processing.chain import ChainConfig
    from isactrack.recordings import Recording
    from isactrack.tracking.tracker import TrackerConfig

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Setting(click.Option):
    """An option whose default is a configuration's; only its help looks it up, because that import takes time."""

    def __init__(self, *args: Any, shown_default: Callable[[], object], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shown_default = shown_default

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option's line of the help, with its default."""
        record = super().get_help_record(ctx)
        return None if record is None else (record[0], f"{record[1]}  [default: {self._shown_default()}]")


def _of_chain(*path: str) -> Callable[[], object]:
    def default() -> object:
        from isactrack.processing.chain import ChainConfig

        value: object = ChainConfig()
        for name in path:
            value = getattr(value, name)
        return value

    return default


def _of_tracker(*names: str) -> Callable[[], object]:
    def default() -> object:
        from isactrack.tracking.tracker import TrackerConfig

        return "/".join(str(getattr(TrackerConfig(), name)) for name in names)

    return default


_CHAIN_OPTIONS = (
    click.option("--detector", cls=_Setting, shown_default=_of_chain("detector"), type=click.Choice(["fft", "mnomp"]),
                 help="How targets are found: windowed spectra and CFAR, or lines fitted one after the other."),
    click.option("--p-overall", cls=_Setting, shown_default=_of_chain("mnomp", "p_overall"), type=float, metavar="P",
                 help="Probability of any false alarm in an interval, of the detector mnomp."),
    click.option("--coherent-frames", cls=_Setting, shown_default=_of_chain("coherent_frames"),
                 type=click.IntRange(min=1), metavar="N", help="Join N frames to one coherent interval."),
    click.option("--remove-static/--keep-static", default=None,
                 help="Take off what stands still.  [default: remove, but keep with --coherent-frames over 1]"),
    click.option("--p-fa", cls=_Setting, shown_default=_of_chain("p_fa"), type=float, metavar="P",
                 help="False-alarm probability of a cell, of the detector fft."),
    click.option("--min-snr", "min_snr_db", cls=_Setting, shown_default=_of_chain("min_snr_db"), type=float,
                 metavar="DB", help="Least power over noise of a detection."),
    click.option("--min-range", "min_range_m", cls=_Setting, shown_default=_of_chain("min_range_m"), type=float,
                 metavar="M", help="Nearest range."),
    click.option("--max-range", "max_range_m", type=float, metavar="M",
                 help="Farthest range.  [default: the sensor's]"),
    click.option("--max-azimuth", type=click.FloatRange(min=0.0, max=90.0, min_open=True), metavar="DEG",
                 help="Edge of the field of view to both sides.  [default: the array's]"),
    click.option("--cluster-distance", cls=_Setting, shown_default=_of_chain("cluster_distance_m"),
                 type=click.FloatRange(min=0.0), metavar="M",
                 help="Join detections closer than this, 0 joins none."),
)  # fmt: skip

_TRACKER_OPTIONS = (
    click.option("--association", cls=_Setting, shown_default=_of_tracker("association"),
                 type=click.Choice(["gnn", "pda", "jpda", "spa"]),
                 help="How detections are associated with tracks."),
    click.option("--filter", "filter", cls=_Setting, shown_default=_of_tracker("filter"),
                 type=click.Choice(["kf", "subkf", "ekf"]),
                 help="Kalman filter: of positions, with round covariances, or of radial velocities too."),
    click.option("--gate", type=click.Choice(["2d", "3d"]),
                 help="Gate of positions, or of radial velocities too.  [default: 3d]"),
    click.option("--acceleration-std", "acceleration_std_mps2", cls=_Setting,
                 shown_default=_of_tracker("acceleration_std_mps2"), type=float, metavar="MPS2",
                 help="Standard deviation of a target's acceleration."),
    click.option("--gate-probability", cls=_Setting, shown_default=_of_tracker("gate_probability"), type=float,
                 metavar="P", help="Share of a target's detections that its gate lets through."),
    click.option("--confirm", cls=_Setting, shown_default=_of_tracker("confirm_hits", "confirm_window"),
                 metavar="M/N", help="Confirm tracks seen in M of N steps."),
    click.option("--max-misses", cls=_Setting, shown_default=_of_tracker("max_misses_confirmed"),
                 type=click.IntRange(min=0), metavar="N", help="Steps that a confirmed track may go unseen."),
)  # fmt: skip


def add_chain_options(function: _Command) -> _Command:
    """Add the options of `chain_config`."""
    return _add(_CHAIN_OPTIONS, function)


def add_tracker_options(function: _Command) -> _Command:
    """Add the options of `tracker_config`."""
    return _add(_TRACKER_OPTIONS, function)


def chain_config(options: dict[str, Any]) -> "ChainConfig":
    """Take the options of the chain out of `options` and return its settings.

    Raises
    ------
    ConfigError
        If the settings cannot work.
    """
    from isactrack.processing.chain import ChainConfig
    from isactrack.processing.mnomp import MnompConfig

    names = ("detector", "coherent_frames", "remove_static", "p_fa", "min_snr_db", "min_range_m", "max_range_m")
    given = _given(options, names)
    detector, p_overall = given.get("detector", ChainConfig().detector), options.pop("p_overall")
    for flag, value, its in (("--p-fa", given.get("p_fa"), "fft"), ("--p-overall", p_overall, "mnomp")):
        if value is not None and detector != its:
            raise ConfigError(
                f"{flag} is of the detector {its}, not of {detector}", f"add --detector {its}, or drop it"
            )
    # One long interval is its own static scene: taking that off would take off everything.
    given.setdefault("remove_static", given.get("coherent_frames", 1) == 1)
    max_azimuth_deg = options.pop("max_azimuth")
    if max_azimuth_deg is not None:
        given["max_azimuth_rad"] = math.radians(max_azimuth_deg)
    if p_overall is not None:
        given["mnomp"] = MnompConfig(p_overall=p_overall)
    distance_m = options.pop("cluster_distance")
    if distance_m is not None:
        given["cluster_distance_m"] = distance_m or None
    return ChainConfig(**given)


def tracker_config(options: dict[str, Any]) -> "TrackerConfig":
    """Take the options of the tracker out of `options` and return its settings.

    Raises
    ------
    ConfigError
        If the settings cannot work.
    """
    from isactrack.tracking.tracker import TrackerConfig

    given = _given(options, ("acceleration_std_mps2", "gate_probability", "association", "filter"))
    gate = options.pop("gate")
    if gate is not None:
        given["use_radial_velocity"] = gate == "3d"
    max_misses, confirm = options.pop("max_misses"), options.pop("confirm")
    if max_misses is not None:
        given["max_misses_confirmed"] = max_misses
    if confirm is not None:
        given["confirm_hits"], given["confirm_window"] = _hits_of_steps(confirm)
    return TrackerConfig(**given)


def check_intervals(recording: "Recording", coherent_frames: int) -> None:
    """Complain about coherent intervals that a recording cannot fill, and warn of some that show no velocity.

    Raises
    ------
    ConfigError
        If the recording has fewer frames than one interval.
    """
    if len(recording) < coherent_frames:
        raise ConfigError(
            f"{recording.path} has {len(recording)} frames, less than one coherent interval of {coherent_frames}",
            "give a smaller --coherent-frames",
        )
    from isactrack.sensor import require_fmcw

    if coherent_frames * require_fmcw(recording.sensor).loops_per_frame == 1:
        note("Each frame is one chirp, which shows no velocity: join frames with --coherent-frames.")


def _add(options: tuple[Callable[[_Command], _Command], ...], function: _Command) -> _Command:
    for option in reversed(options):
        function = option(function)
    return function


def _given(options: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: options.pop(name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _hits_of_steps(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not of the form M/N, e.g. 4/6", param_hint="--confirm")
    return int(match[1]), int(match[2])
