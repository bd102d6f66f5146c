"""Opens ``sim://``: the simulated device that the URL names."""

from typing import Final

from isactrack.drivers.device import Device
from isactrack.drivers.url import DeviceUrl
from isactrack.errors import ConfigError

SIMULATED: Final = ("awr1642", "bistatic")
"""Simulated devices by name; the first is meant where none is named."""


def open_url(url: DeviceUrl) -> Device:
    """Open ``sim://awr1642`` or ``sim://bistatic``; each takes options of its own.

    Raises
    ------
    ConfigError
        If there is no such simulated device, or it does not take an option.
    """
    name = url.target or SIMULATED[0]
    if name == "awr1642":
        from isactrack.drivers.simulated.device import open_url as open_radar

        return open_radar(url)
    if name == "bistatic":
        from isactrack.drivers.simulated.bistatic.device import open_url as open_radio

        return open_radio(url)
    raise ConfigError(
        f"there is no simulated device {url.target!r}", f"use {' or '.join(f'sim://{one}' for one in SIMULATED)}"
    )
