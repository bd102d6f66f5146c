"""Where samples come from; shown and written with everything that is derived from them."""

from enum import StrEnum


class Source(StrEnum):
    """Origin of a stream of frames.

    A replayed simulation stays a simulation: beside the `source` of a stream stands its `origin`, which is never
    `REPLAY`.
    """

    HARDWARE = "hardware"
    SIMULATED = "simulated"
    REPLAY = "replay"
