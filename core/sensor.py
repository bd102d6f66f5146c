"""The kinds of sensor there are. What is common to them is all that devices, sessions and recordings ask for."""

from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.ofdm import OfdmSensor

Sensor = FmcwSensor | OfdmSensor
"""A sensor as it really runs; see `FmcwSensor` and `OfdmSensor`."""


def require_fmcw(sensor: Sensor) -> FmcwSensor:
    """Return a sensor that must be an FMCW radar.

    Raises
    ------
    ConfigError
        If it is an OFDM radio.
    """
    if isinstance(sensor, FmcwSensor):
        return sensor
    raise ConfigError(
        f"{sensor.model} is an OFDM radio, and this works with the frames of FMCW radars only",
        "its recordings are for `isactrack track` and `isactrack view`; `isactrack info` shows what they hold",
    )


def require_ofdm(sensor: Sensor) -> OfdmSensor:
    """Return a sensor that must be an OFDM radio.

    Raises
    ------
    ConfigError
        If it is an FMCW radar.
    """
    if isinstance(sensor, OfdmSensor):
        return sensor
    raise ConfigError(
        f"{sensor.model} is an FMCW radar, and this works with the channel of OFDM radios only",
        "give a device or a recording of an OFDM radio, e.g. sim://bistatic",
    )
