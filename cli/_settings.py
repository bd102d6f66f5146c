"""Options for the settings of the chain and the tracker; what is left out keeps the default of the configuration."""

import math
import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from isactrack.cli._output import note
from isactrack.errors import ConfigError

if TYPE_CHECKING:
    from isactrack.processing.chain_config import ChainConfig
    from isactrack.processing.chains import AnyChainConfig
    from isactrack.processing.ofdm_config import OfdmChainConfig
    from isactrack.recordings import Recording
    from isactrack.sensor import Sensor
    from isactrack.tracking.config import TrackerConfig

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


def _value(of: object, path: tuple[str, ...]) -> object:
    for name in path:
        of = getattr(of, name)
    return of


def _of_chain(*path: str) -> Callable[[], object]:
    def default() -> object:
        from isactrack.processing.chain_config import ChainConfig

        return _value(ChainConfig(), path)

    return default


def _of_radio(*path: str) -> Callable[[], object]:
    def default() -> object:
        from isactrack.processing.ofdm_config import OfdmChainConfig

        return _value(OfdmChainConfig(), path)

    return default


def _of_both(radar: Callable[[], object], radio: Callable[[], object]) -> Callable[[], object]:
    def default() -> object:
        first, second = radar(), radio()
        return first if first == second else f"{first}, of radios {second}"

    return default


def _of_tracker(*names: str) -> Callable[[], object]:
    def default() -> object:
        from isactrack.tracking.config import TrackerConfig, bistatic_tracker_config

        kinds = (TrackerConfig(), bistatic_tracker_config())
        first, second = ("/".join(str(getattr(kind, name)) for name in names) for kind in kinds)
        return first if first == second else f"{first}, of radios {second}"

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
    click.option("--min-snr", "min_snr_db", cls=_Setting,
                 shown_default=_of_both(_of_chain("min_snr_db"), _of_radio("music", "min_snr_db")), type=float,
                 metavar="DB", help="Least power over noise of a detection."),
    click.option("--min-range", "min_range_m", cls=_Setting, shown_default=_of_chain("min_range_m"), type=float,
                 metavar="M", help="Nearest range."),
    click.option("--max-range", "max_range_m", type=float, metavar="M",
                 help="Farthest range.  [default: the sensor's]"),
    click.option("--max-azimuth", type=click.FloatRange(min=0.0, max=90.0, min_open=True), metavar="DEG",
                 help="Edge of the field of view to both sides.  [default: the array's, of radios 70]"),
    click.option("--cluster-distance", cls=_Setting,
                 shown_default=_of_both(_of_chain("cluster_distance_m"), _of_radio("cluster_distance_m")),
                 type=click.FloatRange(min=0.0), metavar="M",
                 help="Join detections closer than this; 0 joins none, of radars only."),
)  # fmt: skip

_RADIO_OPTIONS = (
    click.option("--clutter", "clutter_filter", cls=_Setting, shown_default=_of_radio("clutter_filter"),
                 type=click.Choice(["mean", "difference", "off"]),
                 help="Radios: what is taken off a block, the mean of the last blocks, the last one, or nothing."),
    click.option("--mean-blocks", cls=_Setting, shown_default=_of_radio("mean_blocks"), type=click.IntRange(min=1),
                 metavar="K", help="Radios: blocks in that mean."),
    click.option("--calibration-method", cls=_Setting, shown_default=_of_radio("calibration", "method"),
                 type=click.Choice(["reference", "nearest-bin", "antenna-ratio", "off"]),
                 help="Radios: how blocks are aligned to the direct path; all but the first are for comparison."),
    click.option("--smoothing/--no-smoothing", default=None,
                 help="Radios: average sub-arrays, which tells walkers of like Doppler apart.  [default: smoothing]"),
)  # fmt: skip

_TRACKER_OPTIONS = (
    click.option("--association", cls=_Setting, shown_default=_of_tracker("association"),
                 type=click.Choice(["gnn", "pda", "jpda", "spa", "penalty", "hungarian"]),
                 help="How detections are associated with tracks."),
    click.option("--filter", "filter", cls=_Setting, shown_default=_of_tracker("filter"),
                 type=click.Choice(["kf", "subkf", "ekf"]),
                 help="Kalman filter: of positions, with round covariances, or of radial velocities too."),
    click.option("--gate", type=click.Choice(["2d", "3d"]),
                 help="Gate of positions, or of radial velocities too.  [default: 3d, of radios 2d]"),
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
    """Add the options of `ChainOptions`."""
    return _add((*_CHAIN_OPTIONS, *_RADIO_OPTIONS), function)


def add_tracker_options(function: _Command) -> _Command:
    """Add the options of `TrackerOptions`."""
    return _add(_TRACKER_OPTIONS, function)


_RADAR_FLAGS = {
    "detector": "--detector", "p_overall": "--p-overall", "coherent_frames": "--coherent-frames",
    "remove_static": "--remove-static", "p_fa": "--p-fa", "min_range_m": "--min-range",
}  # fmt: skip
_RADIO_FLAGS = {
    "clutter_filter": "--clutter", "mean_blocks": "--mean-blocks", "calibration_method": "--calibration-method",
    "smoothing": "--smoothing",
}  # fmt: skip
_SHARED = ("min_snr_db", "max_range_m", "max_azimuth", "cluster_distance")


class ChainOptions:
    """What the options ask of the chain, for whichever kind of sensor turns up.

    Takes the options of the chain out of `options`. What cannot work with any kind is refused at once, before a device
    or a file is touched.

    Parameters
    ----------
    options
        Options of the command.

    Raises
    ------
    ConfigError
        If the settings cannot work, or are of both kinds.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        shared = _given(options, _SHARED)
        radar, radio = _given(options, tuple(_RADAR_FLAGS)), _given(options, tuple(_RADIO_FLAGS))
        self._radar_flag = next((_RADAR_FLAGS[name] for name in radar), None)
        self._radio_flag = next((_RADIO_FLAGS[name] for name in radio), None)
        if self._radar_flag and self._radio_flag:
            raise ConfigError(
                f"{self._radar_flag} is for radars and {self._radio_flag} for radios", "drop the one or the other"
            )
        self._make_radar, self._make_radio = (
            partial(_radar_config, radar, shared),
            partial(_radio_config, radio, shared),
        )
        # What can be wrong is found out now, and not when a device is open: without a sign of a radio for a radar.
        _ = self._make_radar() if self._radio_flag is None else self._make_radio()

    def radar(self) -> "ChainConfig":
        """Return the settings for a radar; ConfigError if a radio's are given."""
        if self._radio_flag is not None:
            raise ConfigError(f"{self._radio_flag} is a setting for radios, and this is a radar", "drop it")
        return self._make_radar()

    def radio(self) -> "OfdmChainConfig":
        """Return the settings for a radio; ConfigError if a radar's are given."""
        if self._radar_flag is not None:
            raise ConfigError(f"{self._radar_flag} is a setting for radars, and this is a radio", "drop it")
        return self._make_radio()

    def of(self, sensor: "Sensor") -> "AnyChainConfig":
        """Return the settings for a sensor; ConfigError if those of the other kind are given."""
        from isactrack.fmcw import FmcwSensor

        return self.radar() if isinstance(sensor, FmcwSensor) else self.radio()


class TrackerOptions:
    """What the options ask of the tracker, for whichever kind of sensor turns up; see `ChainOptions`."""

    def __init__(self, options: dict[str, Any]) -> None:
        from isactrack.tracking.config import TrackerConfig

        given = _given(options, ("acceleration_std_mps2", "gate_probability", "association", "filter"))
        gate = options.pop("gate")
        if gate is not None:
            given["use_radial_velocity"] = gate == "3d"
        max_misses, confirm = options.pop("max_misses"), options.pop("confirm")
        if max_misses is not None:
            given["max_misses_confirmed"] = max_misses
        if confirm is not None:
            given["confirm_hits"], given["confirm_window"] = _hits_of_steps(confirm)
        self._given = given
        TrackerConfig(**given)  # refuse now what no kind can work with

    def of(self, sensor: "Sensor", chain: "AnyChainConfig") -> "TrackerConfig":
        """Return the settings for a sensor and the chain before the tracker.

        Raises
        ------
        ConfigError
            If they ask for radial velocities of a radio, which measures none.
        """
        from isactrack.acquisition.pipeline import default_tracker_config
        from isactrack.fmcw import FmcwSensor

        if not isinstance(sensor, FmcwSensor):
            for name, value, flag in (("use_radial_velocity", True, "--gate 3d"), ("filter", "ekf", "--filter ekf")):
                if self._given.get(name) == value:
                    raise ConfigError(f"{flag} needs radial velocities, and a radio measures none", "drop it")
        return default_tracker_config(sensor, chain, **self._given)


def _radar_config(own: dict[str, Any], shared: dict[str, Any]) -> "ChainConfig":
    from isactrack.processing.chain_config import ChainConfig
    from isactrack.processing.mnomp import MnompConfig

    given = {**own, **_angle(shared)}
    detector, p_overall = given.get("detector", ChainConfig().detector), given.pop("p_overall", None)
    for flag, value, its in (("--p-fa", given.get("p_fa"), "fft"), ("--p-overall", p_overall, "mnomp")):
        if value is not None and detector != its:
            raise ConfigError(
                f"{flag} is of the detector {its}, not of {detector}", f"add --detector {its}, or drop it"
            )
    # One long interval is its own static scene: taking that off would take off everything.
    given.setdefault("remove_static", given.get("coherent_frames", 1) == 1)
    if p_overall is not None:
        given["mnomp"] = MnompConfig(p_overall=p_overall)
    distance_m = given.pop("cluster_distance", None)
    if distance_m is not None:
        given["cluster_distance_m"] = distance_m or None
    return ChainConfig(**given)


def _radio_config(own: dict[str, Any], shared: dict[str, Any]) -> "OfdmChainConfig":
    from isactrack.processing.ofdm_config import CalibrationConfig, MusicConfig, OfdmChainConfig

    given = {**own, **_angle(shared)}
    if given.get("mean_blocks") is not None and given.get("clutter_filter", "mean") != "mean":
        raise ConfigError(f"--clutter {given['clutter_filter']} takes off no mean of blocks", "drop --mean-blocks")
    method = given.pop("calibration_method", None)
    if method is not None:
        given["calibration"] = CalibrationConfig(method=method)
    music = {name: given.pop(name) for name in ("smoothing", "min_snr_db") if name in given}
    if music:
        given["music"] = MusicConfig(**music)
    distance_m = given.pop("cluster_distance", None)
    if distance_m is not None:
        given["cluster_distance_m"] = distance_m
    return OfdmChainConfig(**given)


def _angle(shared: dict[str, Any]) -> dict[str, Any]:
    given = dict(shared)
    max_azimuth_deg = given.pop("max_azimuth", None)
    if max_azimuth_deg is not None:
        given["max_azimuth_rad"] = math.radians(max_azimuth_deg)
    return given


def check_intervals(recording: "Recording", config: "AnyChainConfig") -> None:
    """Complain about intervals that a recording cannot fill, and warn of some that show no velocity.

    Raises
    ------
    ConfigError
        If the recording has fewer frames than one interval.
    """
    from isactrack.fmcw import FmcwSensor
    from isactrack.processing.ofdm_config import OfdmChainConfig

    if isinstance(config, OfdmChainConfig):
        if len(recording) < config.music.window_blocks:
            raise ConfigError(
                f"{recording.path} has {len(recording)} blocks, less than the {config.music.window_blocks} of one "
                "estimate",
                "record for longer",
            )
        return
    if len(recording) < config.coherent_frames:
        raise ConfigError(
            f"{recording.path} has {len(recording)} frames, less than one coherent interval of "
            f"{config.coherent_frames}",
            "give a smaller --coherent-frames",
        )
    sensor = recording.sensor
    if isinstance(sensor, FmcwSensor) and config.coherent_frames * sensor.loops_per_frame == 1:
        note("Each frame is one chirp, which shows no velocity: join frames with --coherent-frames.")


def unused_frames(recording: "Recording", config: "AnyChainConfig", intervals: int, discarded: int) -> int:
    """Return how many frames were of no use: of a radar those in no interval, of a radio the blocks that did not enter.

    Parameters
    ----------
    recording
        The recording.
    config
        Settings of the chain.
    intervals, discarded
        What the chain put out, and the frames that it discarded.
    """
    from isactrack.processing.ofdm_config import OfdmChainConfig

    if isinstance(config, OfdmChainConfig):
        return discarded
    return len(recording) - intervals * config.coherent_frames


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
