"""The dialects of TI's mmw demo: the command set of each mmWave SDK on the xWR16xx, and which one a board runs.

From SDK to SDK commands came, went and changed their argument counts; a line of another SDK is refused by the firmware,
or worse, read as something else. Counts are those of the demo's command tables on the xWR16xx (mmWave SDK 1.2, 2.0 and
3.5, `mmw_cli.c` and the mmWave extension of the command line); other devices of the family differ in a few.
"""

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from isactrack.errors import ProtocolError


class Dialect(IntEnum):
    """Major version of the mmWave SDK that a demo, or a profile, was made with."""

    SDK1 = 1
    SDK2 = 2
    SDK3 = 3

    @property
    def label(self) -> str:
        """As people write it, e.g. ``SDK 3``."""
        return f"SDK {self.value}"


def detect_dialect(version_lines: Sequence[str]) -> Dialect:
    """Return the dialect of a firmware from its reply to ``version``.

    Parameters
    ----------
    version_lines
        Lines of the reply, one of them like ``mmWave SDK Version      : 03.05.00.04``.

    Raises
    ------
    ProtocolError
        If no line tells the SDK, or it is none of 1 to 3.
    """
    for line in version_lines:
        found = _SDK_VERSION.search(line)
        if found is None:
            continue
        version = found[1]
        major = int(version.split(".")[0])
        if major in Dialect.__members__.values():
            return Dialect(major)
        raise ProtocolError(
            f"the radar's firmware is of mmWave SDK {version}, whose commands are unknown here",
            "flash the mmw demo of SDK 1, 2 or 3; SDK 3 is the last for the AWR1642",
        )
    raise ProtocolError(
        f"the radar's version names no mmWave SDK: {' / '.join(version_lines)[:200] or 'no lines'}",
        "the firmware is another program than TI's mmw demo; flash the demo of SDK 1, 2 or 3",
    )


_SDK_VERSION: Final = re.compile(r"mmWave SDK Version[ \t]*:[ \t]*([0-9]{1,3}(?:\.[0-9]{1,3}){0,3})", re.IGNORECASE)

_COMMON: Final[dict[str, tuple[int, ...]]] = {
    "help": (0,),
    "version": (0,),
    "sensorStop": (0,),
    "sensorStart": (0, 1),
    "flushCfg": (0,),
    "dfeDataOutputMode": (1,),
    "channelCfg": (3,),
    "adcCfg": (2,),
    "adcbufCfg": (5,),
    "profileCfg": (14,),
    "chirpCfg": (8,),
    "frameCfg": (7,),
    "advFrameCfg": (5,),
    "subFrameCfg": (10,),
    "contModeCfg": (9,),
    "lowPower": (2,),
    "guiMonitor": (7,),
    "multiObjBeamForming": (3,),
    "calibDcRangeSig": (5,),
    "clutterRemoval": (2,),
    "extendedMaxVelocity": (2,),
    "bpmCfg": (4,),
    "compRangeBiasAndRxChanPhase": (17,),
    "measureRangeBiasAndRxChanPhase": (3,),
    "CQRxSatMonitor": (5,),
    "CQSigImgMonitor": (3,),
    "analogMonitor": (2,),
    "lvdsStreamCfg": (4,),
}
_BEFORE_SDK3: Final[dict[str, tuple[int, ...]]] = {
    **_COMMON,
    "cfarCfg": (8,),
    "peakGrouping": (6,),
    "nearFieldCfg": (4,),
    "dataLogger": (1,),
}

ARGUMENT_COUNTS: Final[Mapping[Dialect, Mapping[str, tuple[int, ...]]]] = MappingProxyType({
    # The first SDK 1 had no subframes, and its adcbufCfg no index of one.
    Dialect.SDK1: MappingProxyType({**_BEFORE_SDK3, "adcbufCfg": (4, 5)}),
    Dialect.SDK2: MappingProxyType(_BEFORE_SDK3),
    Dialect.SDK3: MappingProxyType({
        **_COMMON,
        "cfarCfg": (9,),
        "aoaFovCfg": (5,),
        "cfarFovCfg": (4,),
        "calibData": (3,),
        "configDataPort": (2,),
        "queryDemoStatus": (0,),
    }),
})  # fmt: skip
"""Commands of the demo of each SDK on the xWR16xx, and how many arguments each takes."""

_NEEDED_BY_THE_RADAR: Final = (
    "dfeDataOutputMode",
    "channelCfg",
    "adcCfg",
    "adcbufCfg",
    "profileCfg",
    "chirpCfg",
    "frameCfg",
)

NEEDED: Final[Mapping[Dialect, tuple[str, ...]]] = MappingProxyType({
    Dialect.SDK1: _NEEDED_BY_THE_RADAR,
    Dialect.SDK2: _NEEDED_BY_THE_RADAR,
    Dialect.SDK3: (
        *_NEEDED_BY_THE_RADAR,
        "lowPower",
        "guiMonitor",
        "cfarCfg",
        "multiObjBeamForming",
        "calibDcRangeSig",
        "clutterRemoval",
        "compRangeBiasAndRxChanPhase",
        "measureRangeBiasAndRxChanPhase",
        "aoaFovCfg",
        "cfarFovCfg",
        "extendedMaxVelocity",
        "CQRxSatMonitor",
        "CQSigImgMonitor",
        "analogMonitor",
        "lvdsStreamCfg",
        "calibData",
    ),
})  # fmt: skip
"""Commands without which a firmware of each SDK does not start: SDK 3 counts them, the others need a waveform."""
