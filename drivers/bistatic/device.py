"""The bistatic radio as a device."""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from isactrack.drivers.bistatic.control import CONTROL_PORT, Capability, Identity, RadioStatus, Settings, sensor_of
from isactrack.drivers.bistatic.conversation import Conversation
from isactrack.drivers.bistatic.link import Link
from isactrack.drivers.bistatic.lo_box import LO_PORT, LoBox
from isactrack.drivers.bistatic.profile import check_capabilities, default_profile, lo_settings, parse_profile
from isactrack.drivers.bistatic.receiver import Receiver
from isactrack.drivers.bistatic.udp_link import open_udp
from isactrack.drivers.bistatic.usb_link import open_usb
from isactrack.drivers.bistatic.watch import LO_PERIOD_S, LOOK_PERIOD_S, DataWatch, LoWatch, Periodic, keep_alive
from isactrack.drivers.device import Device, DeviceInfo, DeviceState, DeviceStats
from isactrack.drivers.journal import Journal
from isactrack.drivers.url import DeviceUrl, parse_pose
from isactrack.errors import ConfigError, DeviceError, DeviceStateError, DeviceTimeoutError
from isactrack.events import Event, EventKind
from isactrack.frame import Frame
from isactrack.geometry import Pose
from isactrack.ofdm import OfdmSensor
from isactrack.source import Source

HELD_UP_S: Final = 1.0
"""If a wait takes so much longer, the program was held up, and what came meanwhile is yet to be read."""
_STATUS_S: Final = 1.0

_log = logging.getLogger(__name__)


def open_url(url: DeviceUrl) -> "BistaticRadio":
    """Open ``bistatic://usb``, ``bistatic://usb/SERIAL`` or ``bistatic://HOST[:PORT]``.

    ``bistatic://auto`` is the one radio on USB. Options are ``pose``, see `parse_pose`; ``lo=HOST[:PORT]``, the box
    with the local oscillator; and ``tx=X,Y``, where the transmitter stands in the sensor frame (m), if the profile does
    not say.
    """
    o = url.take(pose=None, lo=None, tx=None)
    pose, tx = parse_pose(url.text, o["pose"]), _place(url, o["tx"])
    lo = None if o["lo"] is None else LoBox(*_host_and_port(url, str(o["lo"]), LO_PORT))
    bus, _, serial_number = url.target.partition("/")
    link: Link
    if bus in ("", "auto", "usb"):
        link = open_usb(serial_number)
    else:
        link = open_udp(*_host_and_port(url, url.target, CONTROL_PORT))
    return BistaticRadio(link, lo, url=url.text, pose=pose, tx_position_m=tx)


def read_deadline_s(frame_period_s: float) -> float:
    """Return how long to wait for a frame (s)."""
    return 2.0 + 3.0 * frame_period_s


class BistaticRadio(Device):
    """A bistatic OFDM radio on USB or UDP, and the box with its local oscillator if it has one.

    Parameters
    ----------
    link
        Way to the radio; the device closes it.
    lo
        The box with the local oscillator; the device closes it. None for the radio's own.
    url
        URL to report; made from the link if empty.
    pose
        Where the receiver stands in the room.
    tx_position_m
        Where the transmitter stands, in the sensor frame, if the profile does not say; None if it is not known.
    deadline_s
        Function of the frame period (s) that says for how long the stream may be silent (s).
    time_scale
        Seconds on the device's clock per second on the host's; other than 1 for simulations only.

    Raises
    ------
    DeviceError
        If the radio does not answer.
    """

    def __init__(
        self,
        link: Link,
        lo: LoBox | None = None,
        *,
        url: str = "",
        pose: Pose | None = None,
        tx_position_m: tuple[float, float] | None = None,
        deadline_s: Callable[[float], float] = read_deadline_s,
        time_scale: float = 1.0,
    ) -> None:
        super().__init__(pose=pose)
        self._url = url or f"bistatic://{link.name.lower().replace(' ', '/')}"
        self._link = link
        self._lo = lo
        self._tx_position_m = tx_position_m
        self._deadline_s = deadline_s
        self._time_scale = min(time_scale, 1.0)
        self._talk = Conversation(link)
        self._journal = Journal()
        self._profile_text = ""
        self._settings: Settings | None = None
        self._receiver: Receiver | None = None
        self._watches: list[Periodic] = []
        self._control = threading.RLock()  # one thread may stop the radio while another one reads
        try:
            self._identity = self._talk.identify()
        except BaseException:
            self._close()
            raise
        _log.info("%s is a %s", link.name, self._identity)

    @property
    def info(self) -> DeviceInfo:
        """What the radio says of itself."""
        return DeviceInfo(
            url=self._url,
            model=self._identity.model,
            source=Source.HARDWARE,
            origin=Source.HARDWARE,
            serial_number=self._identity.serial_number,
            firmware=self._identity.firmware,
        )

    @property
    def identity(self) -> Identity:
        """What the radio is and can do."""
        return self._identity

    @property
    def profile_text(self) -> str:
        """The profile, verbatim."""
        return self._profile_text

    @property
    def stats(self) -> DeviceStats:
        """Counters since the last start."""
        return self._receiver.stats if self._receiver is not None else DeviceStats()

    def take_events(self) -> list[Event]:
        """Return what happened since the last call, oldest first."""
        return sorted(self._journal.take(), key=lambda event: event.host_monotonic_ns)

    def status(self) -> RadioStatus:
        """Ask the radio how it is."""
        return self._talk.status()

    def set_gain(self, gain_db: float) -> float:
        """Set the receiver gain (dB), also while it streams; returns what it is now.

        The blocks say what gain they were taken with.

        Raises
        ------
        ConfigError
            If the radio cannot, or not so much.
        """
        radio = self._identity
        if Capability.SET_GAIN not in radio.capabilities:
            raise ConfigError(
                f"the {radio.model} keeps the gain of its profile", "set gain_db in [radio] of the profile"
            )
        if not radio.gain_min_db <= gain_db <= radio.gain_max_db:
            raise ConfigError(
                f"a gain of {gain_db:g} dB: the {radio.model} takes {radio.gain_min_db:g} to {radio.gain_max_db:g} dB",
                "choose a gain in it",
            )
        return self._talk.set_gain(gain_db)

    def _configure(self, profile: str | None) -> OfdmSensor:
        text = default_profile() if profile is None else profile
        wanted = parse_profile(text)
        self._profile_text, self._settings = "", None
        settings = wanted.settings
        lo = lo_settings(wanted) if self._lo is not None else None
        if lo is not None:
            settings = replace(settings, lo_hz=lo.frequency_hz)
        elif wanted.lo is not None:
            raise ConfigError(
                "the profile has settings for an LO box, [lo], and the device's URL names none",
                "add lo=HOST to the URL, or take [lo] out of the profile",
            )
        check_capabilities(settings, self._identity)
        self._talk.stop()  # a program that crashed may have left it streaming
        self._link.discard()
        if self._lo is not None and lo is not None:
            settings = replace(settings, lo_hz=self._lo.bring_up(lo))
        as_run = self._talk.configure(settings)
        sensor = sensor_of(self._identity.model, as_run, wanted.tx_position_m or self._tx_position_m)
        self._profile_text, self._settings = text, as_run.settings
        _log.info("the radio is configured: %s", as_run)
        return sensor

    def _start(self) -> None:
        settings = self._configured()
        self._link.discard()
        self._link.prepare(self.sensor.data_rate_bps / 8.0)
        self._receiver = receiver = Receiver(self._link, settings, self._journal)
        try:
            self._talk.start()
            receiver.heard_s = time.monotonic()
            self._begin_watches(receiver)
        except BaseException:
            self._end_watches()
            with suppress(DeviceError):
                self._talk.stop()
            receiver.close()
            raise
        _log.info("the radio streams")

    def _begin_watches(self, receiver: Receiver) -> None:
        data = DataWatch(receiver, self._journal, self._patience_s() / 3.0)
        self._watches.append(Periodic("bistatic-data", LOOK_PERIOD_S, data.look))
        if self._link.loses_packets:
            self._watches.append(keep_alive(self._talk))
        if self._lo is not None:
            self._watches.append(Periodic("bistatic-lo", LO_PERIOD_S, LoWatch(self._lo, self._journal).look))

    def _end_watches(self) -> None:
        while self._watches:
            self._watches.pop().close()

    def _patience_s(self) -> float:
        return self._deadline_s(self.sensor.frame_period_s / self._time_scale)

    def _read(self, timeout_s: float | None) -> Frame | None:
        receiver = self._receiver
        if receiver is None:
            return None
        patience_s = self._patience_s()
        limit_s = patience_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit_s
        while True:
            began = time.monotonic()
            frame = receiver.take(min(0.1, max(deadline - began, 0.0)))
            if frame is not None:
                return frame
            now = time.monotonic()
            if receiver.ended:
                self._raise_failure(receiver)
                return None
            if now - began > HELD_UP_S:
                deadline += now - began
            elif now >= deadline:
                raise self._silence(receiver, limit_s, ask=limit_s >= patience_s)

    def _raise_failure(self, receiver: Receiver) -> None:
        """Raise what ended a stream, unless it was stopped."""
        failure = receiver.failure
        if failure is None:
            return
        if isinstance(failure, DeviceError):
            raise failure
        raise DeviceError(
            f"reading from the radio failed: {type(failure).__name__}: {failure}", "please report this"
        ) from failure

    def _silence(self, receiver: Receiver, limit_s: float, *, ask: bool) -> DeviceError:
        """Say why no frame came, as far as radio and LO box tell."""
        stats = receiver.stats
        facts = [f"{stats.packets} packets since the start, {stats.rejected_packets} rejected"]
        if not ask:
            return DeviceTimeoutError(
                f"no frame for {limit_s:.1f} s ({facts[0]})", "wait longer, or read without a limit"
            )
        with self._control:
            if self.state is not DeviceState.STREAMING:  # another thread was quicker
                return DeviceStateError("the device was stopped while a frame was waited for", "read while it streams")
            facts += self._lo_facts()
            try:
                status = self._talk.status(_STATUS_S)
            except DeviceError as error:
                return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)}): {error}", error.hint)
        facts.append(_status_text(status))
        return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)})", _silence_hint(status, stats))

    def _lo_facts(self) -> list[str]:
        if self._lo is None:
            return []
        try:
            return [str(self._lo.status())]
        except DeviceError as error:
            return [str(error)]

    def _stop(self) -> None:
        """Stop the radio if it answers. If it does not, that is an event and no error: the data are taken."""
        with self._control:
            try:
                self._end_watches()
                self._talk.stop()
            except DeviceError as error:
                self._journal.trouble(EventKind.RADIO, f"the radio could not be stopped: {error}")
            finally:
                if self._receiver is not None:
                    self._receiver.close()
                _log.info("stopped: %s", self.stats)

    def _close(self) -> None:
        self._end_watches()
        if self._receiver is not None:
            self._receiver.close()
        self._link.close()
        if self._lo is not None:
            self._lo.close()

    def _configured(self) -> Settings:
        if self._settings is None:
            raise DeviceStateError("the radio is not configured", "call configure() first")
        return self._settings


def _status_text(status: RadioStatus) -> str:
    words = ["the radio streams" if status.streaming else "the radio does not stream"]
    words.append(f"{status.blocks} blocks sent, {status.overflows} overflows")
    words += [] if status.lo_locked else ["its LO is not locked"]
    words += [] if status.reference_locked else ["its reference is not locked"]
    return ", ".join(words)


def _silence_hint(status: RadioStatus, stats: DeviceStats) -> str:
    if not status.streaming:
        return "another program stopped it, or it heard nothing from this computer for seconds: start it again"
    if stats.packets == 0 and stats.rejected_packets > 0:
        return "what comes are no packets of this radio's stream: are firmware and profile of one version?"
    if stats.packets == 0:
        return f"nothing comes through: a firewall may drop what comes from UDP port {CONTROL_PORT} of the radio"
    return "the stream broke off: check cable and switch, and the radio's temperature and power"


def _place(url: DeviceUrl, value: object) -> tuple[float, float] | None:
    """Return the option ``tx``: two numbers, metres."""
    if value is None:
        return None
    try:
        x_m, y_m = (float(word) for word in str(value).split(","))
    except ValueError:
        x_m = y_m = math.nan
    if not (math.isfinite(x_m) and math.isfinite(y_m)):
        raise ConfigError(f"tx={value} in {url.text!r} is not two numbers", "write x and y in metres: tx=-2,3.5")
    return x_m, y_m


def _host_and_port(url: DeviceUrl, text: str, default_port: int) -> tuple[str, int]:
    host, colon, port = text.partition(":")
    if not host or "/" in host or (colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise ConfigError(
            f"{text!r} in {url.text!r} is no HOST[:PORT]", f"write e.g. 192.168.10.2 or 192.168.10.2:{default_port}"
        )
    return host, int(port) if colon else default_port
