"""Checks of a profile, of a radar or a radio, before a device is asked to run it."""

import re
from dataclasses import dataclass

from isactrack.drivers.awr1642 import profile as radar
from isactrack.drivers.awr1642.probes import receive_buffer
from isactrack.drivers.awr1642.receiver import RECEIVE_BUFFER_BYTES
from isactrack.drivers.bistatic.control import AsRun, sensor_of
from isactrack.drivers.bistatic.profile import parse_profile as parse_radio
from isactrack.errors import ConfigError
from isactrack.sensor import Sensor

RECEIVE_BUFFER = "receive buffer"
"""The one check that is about this computer: the radar can run a profile that fails it alone."""

Check = tuple[str, bool | None, str]
"""Name, whether it passed (None if that cannot be said), and a sentence."""


@dataclass(frozen=True, slots=True)
class ProfileReport:
    """What is known of a profile without a device.

    Attributes
    ----------
    sensor
        The sensor as it would run, also one that the device cannot run; None if the profile describes none.
    checks
        All checks, in order.
    hint
        What to do if one failed.
    """

    sensor: Sensor | None
    checks: tuple[Check, ...]
    hint: str

    @property
    def failed(self) -> list[str]:
        """Names of the checks that failed."""
        return [name for name, passed, _ in self.checks if passed is False]


def is_radio(text: str) -> bool:
    """Return whether a profile is one of the bistatic radio, good or bad."""
    return re.search(r"^\s*\[\s*radio\s*\]", text, flags=re.MULTILINE) is not None


def check_profile(text: str) -> ProfileReport:
    """Check a profile: a radar's against the limits of the AWR1642, its card and this computer, or a radio's.

    Parameters
    ----------
    text
        The profile; never raises, whatever it is.
    """
    return _check_radio(text) if is_radio(text) else _check_radar(text)


def _check_radio(text: str) -> ProfileReport:
    """Check what is the same for all radios; what a certain one cannot do, it says when it is configured."""
    hint = "correct the profile; docs/bistatic-wire.md lists its keys"
    try:
        profile = parse_radio(text)
    except ConfigError as error:
        return ProfileReport(None, (("profile", False, f"{error} ({error.hint})"),), hint)
    sensor = sensor_of("bistatic", AsRun(settings=profile.settings), profile.tx_position_m)
    return ProfileReport(sensor, (("profile", True, "its tables and values go together"),), hint)


def _check_radar(text: str) -> ProfileReport:
    granted = receive_buffer(RECEIVE_BUFFER_BYTES).granted_bytes
    checks = tuple((one.name, one.passed, one.detail) for one in radar.check_profile(text, receive_limit_bytes=granted))
    failed = [name for name, passed, _ in checks if passed is False]
    try:
        # Also the limits of what an AWR1642 cannot run help to see what is wrong with it.
        sensor, hint = radar.parse_profile(text, enforce_limits=False), ""
    except ConfigError as error:
        sensor, hint = None, error.hint
    if failed == [RECEIVE_BUFFER]:
        hint = "the radar can run it, but this computer may lose packets; the details above say what to allow"
    return ProfileReport(sensor, checks, hint or "correct the profile; the details above name each limit")
