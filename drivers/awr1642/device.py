"""The AWR1642 with a DCA1000 as a device.

Order of bring-up, without which byte 0 of the stream lies in the middle of a frame: the capture card is connected,
reset and configured, the radar configured and stopped, the record started, and then the radar.
"""

import ipaddress
import math
import queue
import threading
import time
from dataclasses import replace
from typing import Final

from isactrack.drivers.awr1642.assembler import FrameAssembler
from isactrack.drivers.awr1642.console import Console, find_consoles, raise_on_crash
from isactrack.drivers.awr1642.dca1000 import Addresses, Command, Dca1000, StatusFlag, bind_udp
from isactrack.drivers.awr1642.profile import default_profile, frames_in_profile, parse_profile, profile_commands
from isactrack.drivers.device import Device, DeviceInfo, DeviceStats, host_clocks
from isactrack.drivers.url import DeviceUrl, parse_pose
from isactrack.errors import ConfigError, DeviceError, DeviceNotFoundError, DeviceTimeoutError, ProtocolError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.geometry import Pose
from isactrack.source import Source

RECEIVE_BUFFER_BYTES: Final = 16 << 20
HELD_TAIL_S: Final = 2.0
"""The card holds the last, partial packet back until 2 s after the last data."""
QUEUED_BYTES: Final = 256 << 20
"""Finished frames that wait for a slow reader take at most this much memory; then frames are lost, and counted."""
DATAGRAM_BYTES: Final = 2048
DRAIN_S: Final = 1.0
"""Longest time for which a stop takes what still arrives; a radar that does not stop must not hold it up."""
_HANDLED_LINES: Final = {"sensorStart", "sensorStop", "flushCfg", "version", "queryDemoStatus", "configDataPort"}


def open_url(url: DeviceUrl) -> "Awr1642":
    """Open ``awr1642://PORT``; ``auto`` takes the one board that is connected.

    Options are ``host`` and ``fpga`` (addresses), ``config_port``, ``data_port``, ``fpga_port``, and ``pose``, see
    `parse_pose`.
    """
    d = Addresses()
    o = url.take(
        host=d.host_ip,
        fpga=d.fpga_ip,
        config_port=d.config_port,
        data_port=d.data_port,
        fpga_port=d.fpga_port,
        pose=None,
    )
    addresses = Addresses(
        host_ip=_ip(url, "host", o["host"]),
        fpga_ip=_ip(url, "fpga", o["fpga"]),
        config_port=_udp_port(url, "config_port", o["config_port"]),
        data_port=_udp_port(url, "data_port", o["data_port"]),
        fpga_port=_udp_port(url, "fpga_port", o["fpga_port"]),
    )
    pose = parse_pose(url.text, o["pose"])
    return Awr1642(_auto_port() if url.target in ("", "auto") else url.target, addresses, url=url.text, pose=pose)


def _ip(url: DeviceUrl, name: str, value: object) -> str:
    try:
        return str(ipaddress.IPv4Address(str(value)))
    except ValueError:
        raise ConfigError(f"{name}={value} in {url.text!r} is no IPv4 address", "write e.g. 192.168.33.30") from None


def _udp_port(url: DeviceUrl, name: str, value: object) -> int:
    if not isinstance(value, int) or not 0 < value < 65536:
        raise ConfigError(f"{name}={value} in {url.text!r} is no UDP port", "use 1 to 65535")
    return value


def read_deadline_s(frame_period_s: float) -> float:
    """Return how long to wait for a frame: the tail that the card holds back, and a few frame periods."""
    return HELD_TAIL_S + 1.0 + 3.0 * frame_period_s


def _auto_port() -> str:
    ports = find_consoles()
    if len(ports) == 1:
        return ports[0].device
    if not ports:
        raise DeviceNotFoundError(
            "no radar board is connected: no USB port is the user UART of an XDS110 or CP2105",
            "connect the AWR1642BOOST by USB and power it; without hardware use sim://awr1642",
        )
    names = ", ".join(port.device for port in ports)
    raise DeviceNotFoundError(f"several radar boards are connected: {names}", "name one, e.g. awr1642:///dev/ttyACM0")


class Awr1642(Device):
    """An AWR1642BOOST whose raw samples come through a DCA1000EVM.

    Parameters
    ----------
    port
        Serial port of the board's console.
    addresses
        Where host and capture card talk.
    url
        URL to report; made from the port if empty.
    pose
        Where the radar stands in the room.
    """

    def __init__(
        self, port: str, addresses: Addresses | None = None, *, url: str = "", pose: Pose | None = None
    ) -> None:
        super().__init__(pose=pose)
        self._url = url or f"awr1642://{port}"
        self._addresses = addresses or Addresses()
        self._firmware = ""
        self._profile_text = ""
        self._applied = False  # whether the firmware has taken the configuration by a sensorStart
        self._receiver: _Receiver | None = None
        self._frame_count: int | None = None
        self._console = Console(port)
        self._card: Dca1000 | None = None

    @property
    def info(self) -> DeviceInfo:
        """What board and card say of themselves; the firmware is known once the device is configured."""
        return DeviceInfo(
            url=self._url, model="AWR1642", source=Source.HARDWARE, origin=Source.HARDWARE, firmware=self._firmware
        )

    @property
    def profile_text(self) -> str:
        """The profile that was sent, verbatim."""
        return self._profile_text

    @property
    def frame_count(self) -> int | None:
        """Frames that the profile asks for, None if it never stops."""
        return self._frame_count

    @property
    def stats(self) -> DeviceStats:
        """Counters since the last start."""
        return self._receiver.stats() if self._receiver is not None else DeviceStats()

    def _configure(self, profile: str | None) -> FmcwSensor:
        text = default_profile() if profile is None else profile
        sensor = parse_profile(text)
        self._console.synchronise()
        versions = self._console.command("version")
        self._console.command("sensorStop")
        if self._card is None:
            self._card = Dca1000(self._addresses)
        fpga = self._card.bring_up()
        self._firmware = "; ".join([*(line for line in versions if "SDK" in line), f"FPGA {fpga}"])
        self._console.command("flushCfg")
        for command in profile_commands(text):
            if command.name not in _HANDLED_LINES:
                self._send(command.text, command.line)
        self._profile_text, self._frame_count, self._applied = text, frames_in_profile(text), False
        return sensor

    def _send(self, line: str, number: int) -> None:
        try:
            self._console.command(line)
        except ProtocolError as error:
            raise ProtocolError(f"line {number} of the profile: {error}", error.hint) from error

    def _start(self) -> None:
        card = self._configured_card()
        card.poll_events()  # those of an earlier run say nothing of this one
        self._receiver = _Receiver(self._addresses, self.sensor)
        try:
            card.command(Command.RECORD_START)
            self._console.command("sensorStart 0" if self._applied else "sensorStart")
        except BaseException:
            self._receiver.close()
            raise
        self._applied = True

    def _read(self, timeout_s: float | None) -> Frame | None:
        receiver = self._receiver
        if receiver is None:
            return None
        limit_s = timeout_s if timeout_s is not None else read_deadline_s(self.sensor.frame_period_s)
        deadline = time.monotonic() + limit_s
        while True:
            if self._frame_count is not None and receiver.next_counter >= self._frame_count:
                return None
            frame = receiver.take(min(0.1, max(deadline - time.monotonic(), 0.0)))
            if frame is not None:
                return frame
            if receiver.ended:
                if receiver.failure is not None:
                    raise DeviceError(
                        f"the data port of the capture card failed: {receiver.failure}",
                        "check the network interface to the DCA1000",
                    ) from receiver.failure
                return None
            late = time.monotonic() >= deadline
            if self._stream_is_over(receiver, late=late):
                receiver.close()  # give out the last frames as far as they arrived
            elif late:
                raise self._silence(limit_s)

    def _stream_is_over(self, receiver: "_Receiver", *, late: bool) -> bool:
        """Whether a capture of some frames has had its last byte or, once it is late, any of its last frame."""
        if self._frame_count is None:
            return False
        left = self._frame_count * self.sensor.frame_bytes - receiver.position
        return left <= 0 or (late and left < self.sensor.frame_bytes)

    def _silence(self, limit_s: float) -> DeviceTimeoutError:
        """Say why no frame came, as far as card and firmware tell."""
        raise_on_crash(said := self._console.listen())
        card = self._configured_card()
        events = [event.name or str(event.value) for event in card.poll_events()]
        packets = self.stats.packets
        facts = [f"{packets} packets since the start"]
        facts += [f"the card reports {', '.join(events)}"] if events else []
        facts += [f"the radar says {' / '.join(said)}"] if said else []
        try:
            card.request(Command.SYSTEM_CONNECT)
        except DeviceTimeoutError as error:
            return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)}): {error}", error.hint)
        hint = (
            "the card answers but gets no LVDS data: check the 60-pin cable, `lvdsStreamCfg -1 0 1 0` in the profile, "
            "and that the radar did start"
            if packets == 0
            else "the stream broke off: the radar may have stopped, or the profile leaves no time between frames"
        )
        return DeviceTimeoutError(f"no frame for {limit_s:.1f} s ({'; '.join(facts)})", hint)

    def _stop(self) -> None:
        receiver = self._receiver
        try:
            self._console.command("sensorStop")
        finally:
            try:
                card = self._configured_card()
                card.poll_events()  # an earlier record's end is not this one's
                card.command(Command.RECORD_STOP)
                card.await_event(StatusFlag.RECORD_COMPLETED, 0.5)
            finally:
                if receiver is not None:
                    receiver.close()

    def _close(self) -> None:
        if self._receiver is not None:
            self._receiver.close()
        if self._card is not None:
            self._card.close()
        self._console.close()

    def _configured_card(self) -> Dca1000:
        if self._card is None:
            raise ProtocolError("the capture card is not connected", "call configure() first")
        return self._card


class _Receiver:
    """Reads the data port on a thread of its own, so that nothing else that runs costs a packet."""

    def __init__(self, addresses: Addresses, sensor: FmcwSensor) -> None:
        self._ip = addresses.fpga_ip
        self._socket = bind_udp(addresses.host_ip, addresses.data_port, receive_buffer_bytes=RECEIVE_BUFFER_BYTES)
        self._socket.settimeout(0.05)
        self._assembler = FrameAssembler(sensor.frame_bytes, sensor.frame_period_s)
        self._frames: queue.Queue[Frame] = queue.Queue(maxsize=max(4, QUEUED_BYTES // sensor.frame_bytes))
        self._overruns = self._overrun_bytes = self._overrun_incomplete = 0
        self._rejected = 0
        self._drain_until = math.inf
        self.next_counter = 0  # one past the last frame that was taken
        self.failure: OSError | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dca1000-receiver", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return not self._thread.is_alive() and self._frames.empty()

    @property
    def position(self) -> int:
        """Highest position of the stream that was seen, bytes."""
        return self._assembler.position

    def take(self, timeout_s: float) -> Frame | None:
        """Return the next frame, None if none comes in time."""
        try:
            frame = self._frames.get(timeout=timeout_s) if timeout_s > 0.0 else self._frames.get_nowait()
        except queue.Empty:
            return None
        self.next_counter = frame.counter + 1
        return frame

    def stats(self) -> DeviceStats:
        """Return the counters of receiver and assembler."""
        s = replace(self._assembler.stats)
        return DeviceStats(
            frames=s.frames - self._overruns,
            incomplete_frames=s.incomplete_frames - self._overrun_incomplete,
            missing_frames=s.missing_frames + self._overruns,
            lost_bytes=s.lost_bytes + self._overrun_bytes,
            packets=s.packets,
            late_packets=s.late_packets,
            duplicate_packets=s.duplicate_packets,
            reordered_packets=s.reordered_packets,
            rejected_packets=s.rejected_packets + self._rejected,
            overruns=self._overruns,
        )

    def close(self) -> None:
        """Take what has arrived, give out the rest and end."""
        self._drain_until = time.monotonic() + DRAIN_S
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        buffer = bytearray(DATAGRAM_BYTES)
        view = memoryview(buffer)
        while time.monotonic() < self._drain_until:
            try:
                count, (ip, _) = self._socket.recvfrom_into(buffer)
            except TimeoutError:
                if self._stopping.is_set():
                    break
                continue
            except OSError as error:
                self.failure = error
                break
            if ip != self._ip or count <= 10:
                self._rejected += 1
                continue
            self._give(self._assembler.push(view[:count], *host_clocks()))
        self._give(self._assembler.flush())

    def _give(self, frames: list[Frame]) -> None:
        for frame in frames:
            try:
                self._frames.put_nowait(frame)
            except queue.Full:
                self._overruns += 1
                self._overrun_bytes += frame.samples.nbytes - frame.lost_bytes
                self._overrun_incomplete += not frame.complete
