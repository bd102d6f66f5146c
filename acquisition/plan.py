"""The session file: a TOML that says which devices to record, how, and where they stand."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from isactrack.acquisition.group import OnError
from isactrack.acquisition.pipeline import default_tracker_config
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.geometry import Pose, RoomOutline
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.chains import AnyChainConfig
from isactrack.processing.mnomp import MnompConfig
from isactrack.processing.ofdm_config import CalibrationConfig, DoubtConfig, MusicConfig, OfdmChainConfig
from isactrack.recordings.filters import COMPRESSIONS
from isactrack.recordings.manifest import DEFAULT_STREAM, check_stream_name
from isactrack.sensor import Sensor
from isactrack.tracking.config import TrackerConfig, bistatic_tracker_config

EXAMPLE = """\
# A session of isactrack: run it with `isactrack session run.toml`.
# Only [[device]] with its url is needed. What is commented out shows a default, or an example of what could stand.

[session]
name = "two radars in the hallway"
# note = "Free text, kept with the recording."
output = "run1"                    # folder to record to, relative to where the command runs; -o of the command wins
# duration_s = 60.0                # on each device's own clock; without it Ctrl-C ends the session
# segment_s = 600.0                # start a new file after this time...
# segment_mb = 1000.0              # ...or size (1 MB = 1,000,000 bytes), whichever comes first
# compression = "bitshuffle-lz4"   # or "none"
# on_error = "stop"                # "continue": if one device fails, the others go on
# tracks = false                   # true: track each device's recording afterwards, to tracks-NAME.csv

[room]                             # what the viewer draws around people: `isactrack view --room run.toml`
corners_m = [[-4.0, 0.0], [4.0, 0.0], [4.0, 7.0], [-4.0, 7.0]]  # x and y in the room, in order around it

[[device]]
name = "left"                      # becomes the name of a folder; needed where there are several devices
url = "sim://awr1642?scene=walker&seed=1"
# profile = "walk.cfg"             # relative to this file; the device's default without it
pose = { x_m = -1.0, y_m = 0.0, z_m = 1.2, yaw_deg = -20.0 }  # in the room; yaw counter-clockwise from the y axis

[[device]]
name = "right"
url = "sim://awr1642?scene=walker&seed=2"
pose = { x_m = 1.0, y_m = 0.0, z_m = 1.2, yaw_deg = 20.0 }

# A radio takes part like a radar:
# [[device]]
# name = "radio"
# url = "sim://bistatic?scene=lab-crossing"

# For tracks = true: settings of the detection chain and the tracker, by the names of ChainConfig and TrackerConfig.
# [chain]
# max_range_m = 10.0
# detector = "mnomp"
# [chain.mnomp]
# p_overall = 0.01
# [tracker]
# confirm_hits = 4
# association = "spa"

# The same for radios, by the names of OfdmChainConfig, of what it holds, and of TrackerConfig.
# [ofdm]
# clutter_filter = "mean"
# max_range_m = 8.0
# [ofdm.calibration]
# method = "reference"
# [ofdm.music]
# max_paths = 8
# [ofdm.tracker]
# association = "penalty"
"""

_SESSION_KEYS = (
    "name", "note", "output", "duration_s", "segment_s", "segment_mb", "compression", "on_error", "tracks",
)  # fmt: skip
_DEVICE_KEYS = ("name", "url", "profile", "pose")
_POSE_KEYS = ("x_m", "y_m", "z_m", "yaw_deg")
_ROOM_EXAMPLE = "corners_m = [[-4.0, 0.0], [4.0, 0.0], [4.0, 7.0], [-4.0, 7.0]]"
_MOST_SHOWN = 80
_TABLES = ("session", "room", "device", "chain", "tracker", "ofdm")
_NESTED = (MnompConfig, CalibrationConfig, MusicConfig, DoubtConfig)
"""Settings that are a table of their own below those of a chain."""
NONE = "none"
"""What stands for no limit, or no value, where a setting has one by default; TOML has no null."""
_MB = 1_000_000

_Config = TypeVar(
    "_Config", ChainConfig, MnompConfig, TrackerConfig, OfdmChainConfig, CalibrationConfig, MusicConfig, DoubtConfig
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlan:
    """One device of a session.

    Attributes
    ----------
    name
        Name of its stream.
    url
        The device.
    profile
        File of its profile; None for its default.
    pose
        Where it stands in the room; None for what the device itself says.
    """

    name: str
    url: str
    profile: Path | None = None
    pose: Pose | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """What a session file asks for.

    Attributes
    ----------
    text
        The file, verbatim.
    devices
        The devices, at least one.
    name, note
        Free texts.
    output
        Folder to record to; None if the file does not say.
    duration_s, segment_s, segment_bytes
        Limits of the recording and of its segments; None for none.
    compression
        See `RecordingWriter`; None for its default.
    on_error
        What becomes of the others when a device fails.
    tracks
        Whether to track each recording afterwards.
    chain, tracker
        Settings for radars.
    ofdm
        Settings for radios.
    ofdm_tracker
        What is to differ from the tracker that suits a radio.
    room
        Walls of the room; None for what the devices themselves say.
    """

    text: str
    devices: tuple[DevicePlan, ...]
    name: str = ""
    note: str = ""
    output: Path | None = None
    duration_s: float | None = None
    segment_s: float | None = None
    segment_bytes: int | None = None
    compression: str | None = None
    on_error: OnError = OnError.STOP
    tracks: bool = False
    chain: ChainConfig = field(default_factory=ChainConfig)
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    ofdm: OfdmChainConfig = field(default_factory=OfdmChainConfig)
    ofdm_tracker: Mapping[str, Any] = field(default_factory=dict)
    room: RoomOutline | None = None

    def settings_of(self, sensor: Sensor) -> tuple[AnyChainConfig, TrackerConfig]:
        """Return the settings of chain and tracker for a kind of sensor."""
        if isinstance(sensor, FmcwSensor):
            return self.chain, self.tracker
        return self.ofdm, default_tracker_config(sensor, self.ofdm, **self.ofdm_tracker)


def parse_plan(text: str, folder: Path) -> SessionPlan:
    """Read a session file.

    Parameters
    ----------
    text
        The file.
    folder
        Where it lies: profiles are relative to it.

    Raises
    ------
    ConfigError
        If it is no TOML, or has a key that is unknown, missing or of the wrong kind; the message names table and key.
    """
    data = _document(text)
    session = _table(data, "session")
    _check_keys(session, "[session]", _SESSION_KEYS)
    where = "[session]"
    output = _text(session, where, "output")
    segment_mb = _positive(session, where, "segment_mb")
    ofdm = dict(_table(data, "ofdm"))
    ofdm_tracker = ofdm.pop("tracker", {})
    return SessionPlan(
        text=text,
        devices=_devices(data, folder),
        name=_text(session, where, "name") or "",
        note=_text(session, where, "note") or "",
        output=None if output is None else Path(output).expanduser(),
        duration_s=_positive(session, where, "duration_s"),
        segment_s=_positive(session, where, "segment_s"),
        segment_bytes=None if segment_mb is None else max(1, round(segment_mb * _MB)),
        compression=_one_of(session, where, "compression", COMPRESSIONS),
        on_error=OnError(_one_of(session, where, "on_error", tuple(OnError)) or OnError.STOP),
        tracks=bool(_value(session, where, "tracks", (bool,), "true or false")),
        chain=_settings(_table(data, "chain"), "[chain]", ChainConfig()),
        tracker=_settings(_table(data, "tracker"), "[tracker]", TrackerConfig()),
        ofdm=_settings(ofdm, "[ofdm]", OfdmChainConfig(), also=("tracker",)),
        ofdm_tracker=_given(ofdm_tracker, bistatic_tracker_config()),
        room=_room(data),
    )


def parse_room(text: str) -> RoomOutline:
    """Return the room of a session file, or of a file with nothing but its table ``[room]``.

    Parameters
    ----------
    text
        The file.

    Raises
    ------
    ConfigError
        If it is no TOML, has no room, or one that is none; the message names table and key.
    """
    room = _room(_document(text))
    if room is None:
        raise ConfigError("the file has no [room]", f"write [room] and below it {_ROOM_EXAMPLE}")
    return room


def _document(text: str) -> Mapping[str, Any]:
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(
            f"the session file is no TOML: {error}", "`isactrack session --example` prints one that works"
        ) from error
    _check_keys(data, "the session file", _TABLES)
    return data


def _room(data: Mapping[str, Any]) -> RoomOutline | None:
    if "room" not in data:
        return None
    table = _table(data, "room")
    _check_keys(table, "[room]", ("corners_m",))
    corners = table.get("corners_m")
    if not isinstance(corners, list) or not all(map(_is_point, corners)):
        raise ConfigError(f"[room] corners_m is {_shortened(corners)}", f"give pairs of numbers: {_ROOM_EXAMPLE}")
    try:
        return RoomOutline(corners_m=tuple((float(x), float(y)) for x, y in corners))
    except ConfigError as error:
        raise ConfigError(f"[room] corners_m: {error}", error.hint) from error


def _is_point(value: Any) -> bool:
    """Return whether a value is two numbers."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
    )


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _devices(data: Mapping[str, Any], folder: Path) -> tuple[DevicePlan, ...]:
    tables = data.get("device")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(
            "the session file has no [[device]]", 'name at least one: [[device]] and below it url = "sim://awr1642"'
        )
    devices = [_device(table, k + 1, len(tables), folder) for k, table in enumerate(tables)]
    names = [device.name.lower() for device in devices]  # some file systems do not tell them apart by case
    for k, name in enumerate(names):
        if name in names[:k]:
            raise ConfigError(
                f"[[device]] {k + 1}: the name {devices[k].name!r} is taken by another", "give each device its own name"
            )
    return tuple(devices)


def _device(table: Mapping[str, Any], number: int, count: int, folder: Path) -> DevicePlan:
    where = f"[[device]] {number}"
    _check_keys(table, where, _DEVICE_KEYS)
    name = _text(table, where, "name")
    if name is None:
        if count > 1:
            raise ConfigError(f"{where} has no name", 'each of several devices needs one, e.g. name = "left"')
        name = DEFAULT_STREAM
    try:
        check_stream_name(name)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}", error.hint) from error
    where = f'[[device]] "{name}"'
    url = _text(table, where, "url")
    if not url:
        raise ConfigError(f"{where} has no url", 'say which device it is, e.g. url = "awr1642://auto"')
    profile = _text(table, where, "profile")
    return DevicePlan(
        name=name,
        url=url,
        profile=None if profile is None else folder / Path(profile).expanduser(),
        pose=_pose(table, where),
    )


def _pose(table: Mapping[str, Any], where: str) -> Pose | None:
    pose = table.get("pose")
    if pose is None:
        return None
    where = f"{where} pose"
    if not isinstance(pose, dict):
        raise ConfigError(f"{where} is {pose!r}", "write pose = { x_m = 0.0, y_m = 0.0, yaw_deg = 0.0 }")
    _check_keys(pose, where, _POSE_KEYS)
    x_m, y_m, z_m, yaw_deg = (_number(pose, where, key) or 0.0 for key in _POSE_KEYS)
    return Pose(x_m=x_m, y_m=y_m, z_m=z_m, yaw_rad=math.radians(yaw_deg))


def _given(table: Any, default: TrackerConfig) -> dict[str, Any]:
    """Return the settings of a table below ``[ofdm]`` that are given, checked."""
    settings = _nested(table, "[ofdm] tracker", default)
    return {key: getattr(settings, key) for key in table}


def _settings(given: Mapping[str, Any], where: str, default: _Config, also: tuple[str, ...] = ()) -> _Config:
    """Return `default` with the settings that are given; `also` are keys that somebody else takes."""
    hints: dict[str, Any] = get_type_hints(type(default))
    _check_keys(given, where, (*hints, *also))
    table = {key: _setting(value, f"{where} {key}", hints[key], getattr(default, key)) for key, value in given.items()}
    if isinstance(default, ChainConfig):
        # As on the command line: one long interval is its own static scene, and 0 joins none.
        table.setdefault("remove_static", table.get("coherent_frames", 1) == 1)
        if table.get("cluster_distance_m") == 0:
            table["cluster_distance_m"] = None
    try:
        return replace(default, **table)
    except ConfigError as error:
        raise ConfigError(f"{where} {error}", error.hint) from error


def _nested(value: Any, where: str, default: _Config) -> _Config:
    """Return the settings in a table below another, of which `where` is ``[outer] inner``."""
    name = where.replace("[", "").replace("] ", ".")
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is {value!r}", f"write [{name}] and its keys below it")
    return _settings(value, f"[{name}]", default)


def _setting(value: Any, where: str, kind: Any, default: Any) -> Any:
    """Return a value as the type of its setting."""
    if kind in _NESTED:
        return _nested(value, where, default)
    if isinstance(value, list) and kind == tuple[int, int] and len(value) == 2:
        return tuple(_setting(one, where, int, None) for one in value)
    if value == NONE and kind in (float | None, int | None):
        return None
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    for one, word in words.items():
        if kind in (one, one | None):
            if isinstance(value, int) and not isinstance(value, bool) and one is float:
                return float(value)
            if isinstance(value, one) and isinstance(value, bool) == (one is bool):
                return value
            raise ConfigError(f"{where} is {value!r}", f"give {word}")
    raise ConfigError(f"{where} is {value!r}", "give two whole numbers, e.g. [8, 6]")


# --- one key ---------------------------------------------------------------------------------------------------------


def _check_keys(table: Mapping[str, Any], where: str, known: Iterable[str]) -> None:
    known = tuple(known)
    for key in table:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            raise ConfigError(
                f"{where} has no key {key!r}",
                f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known)}",
            )


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{name!r} is no table", f"write [{name}] and its keys below it")
    return table


def _value(table: Mapping[str, Any], where: str, key: str, kinds: tuple[type, ...], wanted: str) -> Any:
    value = table.get(key)
    if value is None or (isinstance(value, kinds) and isinstance(value, bool) == (bool in kinds)):
        return value
    raise ConfigError(f"{where} {key} is {value!r}", f"give {wanted}")


def _text(table: Mapping[str, Any], where: str, key: str) -> str | None:
    value = _value(table, where, key, (str,), "a text in quotes")
    return None if value is None else str(value)


def _number(table: Mapping[str, Any], where: str, key: str) -> float | None:
    value = _value(table, where, key, (int, float), "a number")
    if value is not None and not math.isfinite(value):
        raise ConfigError(f"{where} {key} is {value}", "give a finite number")
    return None if value is None else float(value)


def _positive(table: Mapping[str, Any], where: str, key: str) -> float | None:
    value = _number(table, where, key)
    if value is not None and not value > 0.0:
        raise ConfigError(f"{where} {key} is {value:g}", "give a positive number, or leave it out for no limit")
    return value


def _one_of(table: Mapping[str, Any], where: str, key: str, choices: Iterable[str]) -> str | None:
    value = _text(table, where, key)
    choices = tuple(choices)
    if value is not None and value not in choices:
        raise ConfigError(f"{where} {key} is {value!r}", f"give {' or '.join(map(repr, map(str, choices)))}")
    return value
