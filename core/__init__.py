"""From a radar or a bistatic radio to named tracks on the screen and in a file.

The words everybody speaks. A device (`isactrack.drivers`) yields frames, a chain (`isactrack.processing`) turns a frame
into detections, a tracker (`isactrack.tracking`) turns detections into tracks, and everything that passes can be
recorded (`isactrack.recordings`), replayed and watched (`isactrack.gui`).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isactrack.detections import Detections
    from isactrack.errors import (
        CaptureLossError,
        ConfigError,
        DeviceError,
        DeviceNotFoundError,
        DeviceStateError,
        DeviceTimeoutError,
        IsacError,
        ProtocolError,
        RecordingError,
    )
    from isactrack.events import Event, EventKind, SidePacket
    from isactrack.fmcw import FmcwSensor, IqOrder
    from isactrack.frame import BlockFlag, BlockInfo, Frame
    from isactrack.geometry import Pose, RoomOutline
    from isactrack.ofdm import ArrayModel, Capture, OfdmSensor
    from isactrack.source import Source
    from isactrack.tracks import Track, TrackStatus
    from isactrack.truth import Truth

__version__ = "0.3.0"

__all__ = [
    "ArrayModel",
    "BlockFlag",
    "BlockInfo",
    "Capture",
    "CaptureLossError",
    "ConfigError",
    "Detections",
    "DeviceError",
    "DeviceNotFoundError",
    "DeviceStateError",
    "DeviceTimeoutError",
    "Event",
    "EventKind",
    "FmcwSensor",
    "Frame",
    "IqOrder",
    "IsacError",
    "OfdmSensor",
    "Pose",
    "ProtocolError",
    "RecordingError",
    "RoomOutline",
    "SidePacket",
    "Source",
    "Track",
    "TrackStatus",
    "Truth",
]

# Names are imported when they are first used: numpy alone would take longer than the rest of `isactrack --help`.
_MODULES = {
    "ArrayModel": "ofdm",
    "BlockFlag": "frame",
    "BlockInfo": "frame",
    "Capture": "ofdm",
    "Detections": "detections",
    "Event": "events",
    "EventKind": "events",
    "FmcwSensor": "fmcw",
    "Frame": "frame",
    "IqOrder": "fmcw",
    "OfdmSensor": "ofdm",
    "Pose": "geometry",
    "RoomOutline": "geometry",
    "SidePacket": "events",
    "Source": "source",
    "Track": "tracks",
    "TrackStatus": "tracks",
    "Truth": "truth",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"isactrack.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
