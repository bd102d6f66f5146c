"""The simulated bistatic radio as a device: the real driver, and the radio that it talks to."""

from isactrack.drivers.device import Device
from isactrack.drivers.url import DeviceUrl


def open_url(url: DeviceUrl) -> Device:
    """Open ``sim://bistatic``."""
    raise NotImplementedError(url.text)
