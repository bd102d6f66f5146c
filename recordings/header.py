"""What is known before the first frame, and its place in the file."""

import dataclasses
import json
import math
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import h5py
import numpy as np

import isactrack
from isactrack.errors import ConfigError
from isactrack.fmcw import IqOrder
from isactrack.geometry import Pose, RoomOutline
from isactrack.ofdm import ArrayModel, Capture
from isactrack.recordings import schema
from isactrack.sensor import Sensor
from isactrack.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingHeader:
    """What is known before the first frame.

    Attributes
    ----------
    sensor
        The sensor as it really runs.
    source, origin
        What delivers the samples, and where they came from first; `origin` is never `Source.REPLAY`.
    device_url, device_model, serial_number, firmware
        The device; empty what it does not tell.
    profile_text
        The profile that was sent to it, verbatim.
    pose
        Where the sensor stands in the room.
    room
        Walls of the room; None if they are not known.
    note
        Free text of the person who records.
    stream
        Name of the device in a session of several; empty if it is alone.

    Raises
    ------
    ConfigError
        If the origin is a replay.
    """

    sensor: Sensor
    source: Source
    origin: Source
    device_url: str
    device_model: str
    serial_number: str = ""
    firmware: str = ""
    profile_text: str = ""
    pose: Pose = dataclasses.field(default_factory=Pose)
    room: RoomOutline | None = None
    note: str = ""
    stream: str = ""

    def __post_init__(self) -> None:
        if self.origin is Source.REPLAY:
            raise ConfigError(
                "the origin of a recording cannot be a replay",
                "give the origin of what is replayed: hardware or simulated",
            )


_TEXTS = ("device_url", "device_model", "serial_number", "firmware", "note")
_NEW_TEXTS = ("stream",)  # since schema version 2


def store_header(file: h5py.File, header: RecordingHeader) -> None:
    """Write the header, and the identity of a new recording, into an empty file."""
    root = file.attrs
    set_text(root, "format", schema.FORMAT)
    root["schema_version"] = schema.SCHEMA_VERSION
    set_text(root, "package_version", isactrack.__version__)
    set_text(root, "created_utc", datetime.now(UTC).isoformat())
    set_text(root, "uuid", str(uuid4()))
    set_text(root, "host_platform", platform.platform())
    set_text(root, "source", header.source)
    set_text(root, "origin", header.origin)
    for name in (*_TEXTS, *_NEW_TEXTS):
        set_text(root, name, getattr(header, name))
    profile = _encode(header.profile_text)
    file.create_dataset(schema.PROFILE, data=profile, dtype=h5py.string_dtype("utf-8", max(1, len(profile))))

    kind = schema.kind_of(header.sensor)
    sensor = file.create_group(schema.SENSOR)
    set_text(sensor.attrs, schema.KIND, kind)
    _store_fields(sensor.attrs, header.sensor, schema.SENSOR_UNITS[kind])
    derived = sensor.create_group(schema.DERIVED).attrs
    for name in schema.DERIVED_UNITS[kind]:
        derived[name] = getattr(header.sensor, name)
    set_text(derived, "units", json.dumps(schema.DERIVED_UNITS[kind]))
    pose = file.create_group(schema.POSE).attrs
    units = dict(schema.POSE_UNITS)
    if header.room is not None:
        pose[schema.ROOM_CORNERS] = np.asarray(header.room.corners_m, dtype=np.float64)
        units[schema.ROOM_CORNERS] = "m"
    _store_fields(pose, header.pose, units)


def load_header(file: h5py.File) -> RecordingHeader:
    """Read the header; KeyError, ValueError, TypeError or IsacError if it is incomplete or contradicts itself."""
    root = file.attrs
    attrs = file[schema.SENSOR].attrs
    kind = schema.SENSOR_KINDS["fmcw" if root["schema_version"] < 3 else get_text(attrs, schema.KIND)]
    sensor: dict[str, Any] = _load_fields(attrs, kind)
    pose: dict[str, Any] = _load_fields(file[schema.POSE].attrs, Pose)
    return RecordingHeader(
        sensor=kind(**sensor),
        source=Source(get_text(root, "source")),
        origin=Source(get_text(root, "origin")),
        profile_text=_decode(file[schema.PROFILE][()]),
        pose=Pose(**pose),
        room=_load_room(file[schema.POSE].attrs),
        **{name: get_text(root, name) for name in _TEXTS},
        **{name: get_text(root, name) for name in _NEW_TEXTS if name in root},
    )


def _load_room(attrs: h5py.AttributeManager) -> RoomOutline | None:
    if schema.ROOM_CORNERS not in attrs:
        return None
    return RoomOutline(corners_m=tuple((float(x), float(y)) for x, y in attrs[schema.ROOM_CORNERS]))


# Texts have a fixed length: HDF5 keeps others in a heap of their own, which SWMR does not cover.


def set_text(attrs: h5py.AttributeManager, name: str, text: str) -> None:
    """Store a text as a UTF-8 attribute of fixed length."""
    data = _encode(text)
    attrs.create(name, data, dtype=h5py.string_dtype("utf-8", max(1, len(data))))


def get_text(attrs: h5py.AttributeManager, name: str) -> str:
    """Read a text attribute; KeyError if it is not there."""
    return _decode(_attribute(attrs, name))


def _attribute(attrs: h5py.AttributeManager, name: str) -> Any:
    if name not in attrs:
        raise KeyError(f"there is no attribute {name}")
    return attrs[name]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decode(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogatepass")
    if isinstance(value, str):
        return value
    raise TypeError(f"expected a text, found {type(value).__name__}")


def _store_fields(attrs: h5py.AttributeManager, record: Sensor | Pose, units: Mapping[str, str]) -> None:
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, str):
            set_text(attrs, field.name, value)
        else:
            stored = _NONES.get(field.type, math.nan) if value is None else value
            attrs[field.name] = np.uint8(stored) if isinstance(stored, bool) else np.asarray(stored)
    set_text(attrs, "units", json.dumps(units))


def _load_fields(attrs: h5py.AttributeManager, kind: type[Sensor | Pose]) -> dict[str, Any]:
    return {field.name: _CONVERTERS[field.type](_attribute(attrs, field.name)) for field in dataclasses.fields(kind)}


def _optional_float(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def _optional_pair(value: Any) -> tuple[float, float] | None:
    first, second = (float(item) for item in value)
    return None if math.isnan(first) and math.isnan(second) else (first, second)


def _ints(value: Any) -> tuple[int, ...]:
    return tuple(int(item) for item in value)


def _floats(value: Any) -> tuple[float, ...]:
    return tuple(float(item) for item in value)


_CONVERTERS: dict[Any, Callable[[Any], object]] = {
    str: _decode,
    int: int,
    float: float,
    float | None: _optional_float,
    bool: bool,
    tuple[int, ...]: _ints,
    tuple[float, ...]: _floats,
    tuple[float, float] | None: _optional_pair,
    IqOrder: lambda value: IqOrder(_decode(value)),
    ArrayModel: lambda value: ArrayModel(_decode(value)),
    Capture: lambda value: Capture(_decode(value)),
}
_NONES: dict[Any, object] = {tuple[float, float] | None: (math.nan, math.nan)}
"""What stands in a file for None, where it is not one NaN."""
