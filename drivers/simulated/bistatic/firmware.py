"""The brain of the simulated radio: it answers commands, and streams the blocks that a source makes.

It knows nothing of USB or UDP; a link hands it the packets that came, and an outlet takes those that go. Everything
that goes wrong at a set time goes wrong with the block of that time, so that a fast run meets it as a slow one does.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from isactrack.drivers.bistatic.control import (
    GAIN_STEP_DB,
    AsRun,
    Capability,
    Command,
    ControlError,
    Identity,
    RadioStatus,
    Settings,
    encode_error,
    encode_reply,
    parse_command,
    sensor_of,
)
from isactrack.drivers.bistatic.framing import BadPacketError, Packet, PacketKind, decode, fragments_of
from isactrack.drivers.simulated.bistatic.faults import FaultKind, RadioAccount, RadioFaults, signal_faults
from isactrack.drivers.simulated.bistatic.pace import HostPace
from isactrack.drivers.simulated.clock import DeviceClock
from isactrack.drivers.simulated.fault_plan import Fault, FaultPlan
from isactrack.errors import ConfigError
from isactrack.frame import NO_FLAGS, BlockFlag, BlockInfo
from isactrack.ofdm import ArrayModel, Capture, OfdmSensor
from isactrack.truth import Truth

MODEL: Final = "ISAB-26"
SERIAL_NUMBER: Final = "SIM0001"
FIRMWARE: Final = "isab-sim 1.0"
RATE_HZ: Final = 552_960_000
ROWS: Final = 8
CSI_SCALE: Final = 1e-6
"""Channel gain of one count at a receiver gain of 0 dB."""
_ARRAYS: Final = (ArrayModel.ULA, ArrayModel.BEAMSPACE)
_OUT: Final = (FaultKind.UNPLUG, FaultKind.LINK_DOWN, FaultKind.SILENT)
"""While one of these is there nothing comes through."""
GATHER_S: Final = 2e-3
"""A radio that goes as fast as it can hands out what it has made at least so often, not block by block."""
GARBAGE_BYTES: Final = 64
"""Random bytes that come at once."""

_log = logging.getLogger(__name__)


class BlockSource(Protocol):
    """What makes the words of the blocks of one run."""

    def make(self, counter: int, *, lo_locked: bool = True) -> tuple[NDArray[np.int16], BlockInfo]:
        """Return the words of a block in the order of the wire, and what the radio says of it.

        Parameters
        ----------
        counter
            Which block; each time a later one.
        lo_locked
            Whether the local oscillator has lock.
        """

    def truth(self, counter: int) -> Truth:
        """Return where the targets are at the reference symbol of a block."""


SourceMaker = Callable[[OfdmSensor, float, tuple[Fault, ...]], BlockSource]
"""Makes the source of a run, of the sensor, the scene's time (s) at its start, and the faults of its signal."""


class Outlet(Protocol):
    """The radio's end of the way to the host.

    Attributes
    ----------
    most_bytes
        Largest payload of a packet.
    ahead_bytes
        Bytes of blocks that may wait between a radio that goes as fast as it can and its host.
    """

    most_bytes: int
    ahead_bytes: int

    def has_room(self, size: int) -> bool:
        """Whether the radio's memory takes so many bytes more."""

    def put(self, packets: Sequence[bytes]) -> None:
        """Send packets to the host."""

    def put_garbage(self, rng: np.random.Generator, packet: bytes) -> None:
        """Send what is no packet of this radio, just before a packet."""

    def drain(self, stop: threading.Event) -> None:
        """Wait until the host has taken everything, or is known not to."""

    def clear(self) -> None:
        """Forget what the host has not taken of the stream."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the radio: from one start to the next stop.

    Attributes
    ----------
    settings, sensor
        What it runs.
    origin_s, began_s
        The radio's clock and the host's monotonic one at its start.
    source
        What makes its blocks.
    account
        What became of them.
    """

    settings: Settings
    sensor: OfdmSensor
    origin_s: float
    began_s: float
    source: BlockSource
    account: RadioAccount


class RadioFirmware:
    """Answers commands and streams.

    Parameters
    ----------
    make_source
        Makes the source of each run.
    seed
        Seeds the bytes of garbage.
    speed
        Device seconds a wall-clock second; infinite for as fast as blocks can be made and the host takes them.
    faults
        What happens to packets on the way.
    plan
        Faults at set times.
    start_time_s
        Gives the scene's time at a start.
    csi_scale
        Channel gain of one count at a receiver gain of 0 dB.
    serial_number
        What the radio says it is.

    Attributes
    ----------
    pace
        How far the host has come, for whoever reads the frames.
    runs
        All runs so far, the last one perhaps still going on.
    """

    def __init__(
        self,
        make_source: SourceMaker,
        *,
        seed: int = 0,
        speed: float = 1.0,
        faults: RadioFaults | None = None,
        plan: Sequence[Fault] = (),
        start_time_s: Callable[[], float] = lambda: 0.0,
        csi_scale: float = CSI_SCALE,
        serial_number: str = SERIAL_NUMBER,
    ) -> None:
        self._make_source = make_source
        self._speed = speed
        self._faults = faults or RadioFaults()
        self._faults_asked = tuple(plan)
        self._plan = FaultPlan(plan)
        self._start_time_s = start_time_s
        self._csi_scale = csi_scale
        self._rng = np.random.default_rng([seed, 29])
        self._clock = DeviceClock(speed)
        self._lock = threading.RLock()
        self._outlet: Outlet | None = None
        self._settings: Settings | None = None
        self._gain_db = math.nan
        self._blocks_sent = 0
        self._stop_streaming = threading.Event()
        self._streaming: threading.Thread | None = None
        self._answered: tuple[object, int, bytes, bytes] | None = None  # peer, sequence and payload; and the reply
        self.pace = HostPace()
        self.runs: list[Run] = []
        self.identity = Identity(
            model=MODEL,
            serial_number=serial_number,
            firmware=FIRMWARE,
            capabilities=frozenset(
                {
                    Capability.CSI,
                    Capability.GATED_IQ,
                    Capability.STAGGER,
                    Capability.AGC,
                    Capability.HW_TIME,
                    Capability.MULTI_RX,
                    Capability.BEAMSPACE,
                    Capability.OVERFLOW_EVENTS,
                }
            ),
            rate_num=RATE_HZ,
            rows=ROWS,
        )

    def attach(self, outlet: Outlet) -> None:
        """Stream into an outlet from now on."""
        self._outlet = outlet

    def has(self, kind: FaultKind) -> bool:
        """Whether there is a fault now."""
        return self._plan.active(kind, self._clock.now_s())

    @property
    def reachable(self) -> bool:
        """Whether anything comes through to the radio, and back."""
        return not any(self.has(kind) for kind in _OUT)

    @property
    def streaming(self) -> bool:
        """Whether the radio streams."""
        return self._streaming is not None and self._streaming.is_alive()

    # --- commands ----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, reply: Callable[[bytes], None], peer: object = None) -> Command | None:
        """Take a packet and send what there is to answer.

        Parameters
        ----------
        data
            The packet.
        reply
            Sends a packet back.
        peer
            Who sent it; a command that the same peer repeats is answered again but not done again.

        Returns
        -------
        Command or None
            What was done; None if nothing was.
        """
        try:
            packet = decode(data)
        except BadPacketError as error:
            _log.debug("simulated radio: %s", error)
            return None
        if packet.kind is not PacketKind.COMMAND:
            return None
        with self._lock:
            repeated = self._answered is not None and self._answered[:3] == (peer, packet.sequence, packet.payload)
            if repeated and self._answered is not None:
                reply(self._answered[3])
                return None
            try:
                command, body = parse_command(packet.payload)
                answer = self._do(command, body)
            except (ControlError, ConfigError) as error:
                command, answer = None, encode_error(str(error), error.hint)
            encoded = Packet(kind=PacketKind.REPLY, payload=answer, sequence=packet.sequence).encode()
            self._answered = (peer, packet.sequence, packet.payload, encoded)
            reply(encoded)
            if command is Command.START:  # the reply goes first, the blocks follow
                self._begin()
            return command

    def stop(self) -> None:
        """Stop streaming; nothing happens if the radio does not stream."""
        self._stop_streaming.set()
        self.pace.wake()
        thread, self._streaming = self._streaming, None
        if thread is not None:
            thread.join()

    def _do(self, command: Command, body: object) -> bytes:
        match command:
            case Command.IDENTIFY:
                return encode_reply(self.identity)
            case Command.CONFIGURE if isinstance(body, Settings):
                return encode_reply(self._configure(body))
            case Command.START:
                self._require_quiet("start")
                self._prepare(self._require_settings())
            case Command.STOP:
                self.stop()
                if self._outlet is not None:
                    self._outlet.clear()
            case Command.STATUS:
                return encode_reply(self._status())
            case Command.SET_GAIN:
                raise ControlError("this radio chooses its gain itself", "leave the gain to it")
            case _:
                pass
        return encode_reply()

    def _configure(self, asked: Settings) -> AsRun:
        """Return what the radio makes of settings: the gain rounded to its steps, and all that it cannot do refused."""
        self._require_quiet("configure")
        self._settings = None
        identity = self.identity
        if asked.subcarrier_spacing_hz * asked.fft_size != identity.sample_rate_hz:
            raise ControlError(
                f"{asked.fft_size} subcarriers of {asked.subcarrier_spacing_hz:g} Hz do not make the sample rate of "
                f"{identity.sample_rate_hz:g} Hz",
                "the spacing times the size of the FFT must be the sample rate, e.g. 270 kHz x 2048",
            )
        if not identity.carrier_min_hz <= asked.carrier_hz <= identity.carrier_max_hz:
            raise ControlError(
                f"a carrier of {asked.carrier_hz:g} Hz is out of range",
                f"use {identity.carrier_min_hz:g} to {identity.carrier_max_hz:g} Hz",
            )
        if asked.rows > identity.rows or asked.tx_streams != 1 or asked.array not in _ARRAYS:
            raise ControlError(
                f"the radio has no {asked.array} of {asked.rows} rows for {asked.tx_streams} streams",
                f"it has up to {identity.rows} rows, {' or '.join(_ARRAYS)}, for one stream",
            )
        if not identity.gain_min_db <= asked.gain_db <= identity.gain_max_db:
            raise ControlError(
                f"a gain of {asked.gain_db:g} dB is out of range",
                f"use {identity.gain_min_db:g} to {identity.gain_max_db:g} dB",
            )
        settings = replace(asked, gain_db=round(asked.gain_db / GAIN_STEP_DB) * GAIN_STEP_DB)
        as_run = AsRun(settings=settings, csi_scale=self._csi_scale)
        sensor_of(identity.model, as_run)  # ConfigError where no radio could run that
        self._settings, self._gain_db = settings, settings.gain_db
        return as_run

    def _status(self) -> RadioStatus:
        account = self.runs[-1].account if self.runs else RadioAccount()
        return RadioStatus(
            streaming=self.streaming,
            lo_locked=not self.has(FaultKind.LO_UNLOCK),
            reference_locked=not self.has(FaultKind.REF_UNLOCK),
            gain_db=0.0 if math.isnan(self._gain_db) else self._gain_db,
            overflows=len(account.flagged_overflow),
            blocks=self._blocks_sent,
        )

    def _require_settings(self) -> Settings:
        if self._settings is None:
            raise ControlError("the radio is not configured", "send configure first")
        return self._settings

    def _require_quiet(self, command: str) -> None:
        if self.streaming:
            raise ControlError(f"{command} while the radio streams", "send stop first")

    # --- blocks ------------------------------------------------------------------------------------------------------

    def _prepare(self, settings: Settings) -> None:
        """Make a run ready; ConfigError where the source refuses."""
        sensor = sensor_of(self.identity.model, AsRun(settings=settings, csi_scale=self._csi_scale))
        # Taken with the scene's time below: what it takes to make ready delays the first blocks, not the clock.
        origin_s, began_s = self._clock.begin(), time.monotonic()
        try:
            source = self._make_source(sensor, self._start_time_s(), signal_faults(self._faults_asked, origin_s))
        except BaseException:
            self._clock.release()
            raise
        self._faults.begin()
        self.runs.append(Run(settings, sensor, origin_s, began_s, source, self._faults.account))
        self._blocks_sent = 0

    def _begin(self) -> None:
        run = self.runs[-1]
        self.pace.begin(self._outlet.ahead_bytes // run.sensor.frame_bytes if self._outlet is not None else 1)
        self._stop_streaming = threading.Event()
        self._streaming = threading.Thread(
            target=self._stream, args=(run, self._stop_streaming), name="simulated-blocks", daemon=True
        )
        self._streaming.start()

    def _stream(self, run: Run, stop: threading.Event) -> None:
        """Send block after block, each when its reference symbol is over, until the radio is stopped."""
        outlet = self._outlet
        if outlet is None:
            return
        sender = _Sender(run, outlet, self._faults)
        rate_hz = run.sensor.sample_rate_hz
        was_out = False
        try:
            for block in count():
                tick, after = run.settings.tick_of(block), run.settings.tick_of(block + 1)
                now_s = run.origin_s + tick / rate_hz
                overflows = self._plan.active(FaultKind.OVERFLOW, now_s)
                lo_locked = not self._plan.active(FaultKind.LO_UNLOCK, now_s)
                made = None if overflows else run.source.make(block, lo_locked=lo_locked)
                due_s = run.began_s + (tick + run.settings.symbol_samples) / rate_hz / self._speed
                if not self._wait(sender, block, due_s, run.sensor.frame_bytes, stop):
                    return
                out = any(self._plan.active(kind, now_s) for kind in _OUT)
                if out and not was_out:
                    sender.flush()
                    outlet.drain(stop)  # what was sent before has come through
                was_out = out
                # Up to the next block, but not into the next outage: what was sent before is to come through first.
                outage_s = self._plan.next_start(_OUT, now_s)
                self._clock.reach(now_s, min(run.origin_s + after / rate_hz, math.nextafter(outage_s, -math.inf)))
                garbage = sum(fault.kind is FaultKind.GARBAGE for fault in self._plan.take_begun(now_s))
                if garbage or self._plan.active(FaultKind.GARBAGE, now_s):
                    sender.flush()
                    outlet.put_garbage(self._rng, sender.last)
                if made is None:
                    sender.drop(block)
                    continue
                words, info = made
                self._gain_db = info.gain_db
                flags = NO_FLAGS if lo_locked else BlockFlag.LO_UNLOCKED
                if self._plan.active(FaultKind.REF_UNLOCK, now_s):
                    flags |= BlockFlag.REFERENCE_UNLOCKED
                sender.send(block, words, replace(info, flags=info.flags | flags), link_up=not out)
                self._blocks_sent = sender.blocks
                if math.isfinite(self._speed):
                    sender.flush()
        finally:
            sender.flush()
            self._clock.release()

    def _wait(self, sender: "_Sender", block: int, due_s: float, size: int, stop: threading.Event) -> bool:
        """Wait until a block may go; return whether the radio still streams."""
        if math.isfinite(self._speed):
            wait_s = due_s - time.monotonic()
            return not (stop.wait(wait_s) if wait_s > 0.0 else stop.is_set())
        if sender.waits_s() > GATHER_S or not self.pace.may_send(block):
            sender.flush()
        if not self.pace.wait(block, stop):
            return False
        while not sender.has_room(2 * size):
            sender.flush()
            if stop.wait(1e-3):
                return False
        return True


class _Sender:
    """Packs the blocks of a run and sends them, or drops them where the radio's memory is full."""

    def __init__(self, run: Run, outlet: Outlet, faults: RadioFaults) -> None:
        self._run = run
        self._outlet = outlet
        self._faults = faults
        self._kind = PacketKind.IQ if run.settings.capture is Capture.IQ else PacketKind.CSI
        self._shape = run.sensor.cube_shape[0] * run.sensor.cube_shape[1], run.sensor.cube_shape[2]
        self._sequence = 0
        self._dropped = 0
        self._gain_db = math.nan
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._flushed_s = time.monotonic()
        self.blocks = 0
        self.last = b""

    def waits_s(self) -> float:
        """Return since when packets are gathered."""
        return time.monotonic() - self._flushed_s

    def has_room(self, size: int) -> bool:
        """Whether the radio's memory takes so many bytes more than are gathered."""
        return self._outlet.has_room(self._gathered_bytes + size)

    def flush(self) -> None:
        """Hand out what is gathered."""
        gathered, self._gathered = self._gathered, []
        self._gathered_bytes = 0
        self._flushed_s = time.monotonic()
        if gathered:
            self._outlet.put(gathered)

    def drop(self, block: int) -> None:
        """Leave a block out; the next one says so."""
        self._run.account.blocks += 1
        self._run.account.dropped_blocks.append(block)
        self._dropped += 1

    def send(self, block: int, words: NDArray[np.int16], info: BlockInfo, *, link_up: bool) -> None:
        """Gather the packets of a block, or drop it if there is no room for it."""
        if not self.has_room(2 * words.size):
            self.drop(block)
            return
        account = self._run.account
        account.blocks += 1
        if self._dropped:
            account.flagged_overflow.append(block)
        packets = [one.encode() for one in self._fragments(block, words, info)]
        if self._dropped:  # behind the block, so that sequences show that nothing was lost on the way before it
            text = f"overflow: {self._dropped} blocks were dropped before block {block}"
            packets.append(Packet(kind=PacketKind.EVENT, payload=text.encode(), sequence=self._sequence).encode())
            self._sequence += 1
            self._dropped = 0
        self.last = packets[0]
        self.blocks += 1
        if self._faults.meddles or not link_up:
            packets = self._faults.apply(packets, link_up=link_up)
        else:
            account.packets += len(packets)
            account.arrived_packets += len(packets)
        self._gathered += packets
        self._gathered_bytes += 2 * words.size

    def _fragments(self, block: int, words: NDArray[np.int16], info: BlockInfo) -> list[Packet]:
        flags = info.flags
        if self._dropped:
            flags |= BlockFlag.OVERFLOW
        if info.clipped:
            flags |= BlockFlag.SATURATED
        if info.gain_db != self._gain_db and not math.isnan(self._gain_db):
            flags |= BlockFlag.GAIN_CHANGED
        self._gain_db = info.gain_db
        packet = Packet(
            kind=self._kind,
            sequence=self._sequence,
            block=block,
            tick=info.tick,
            rate_num=RATE_HZ,
            gain_cdb=round(100.0 * info.gain_db),
            flags=flags,
            noise_power=info.noise_power,
            cfo_hz=info.cfo_hz,
            timing_samples=info.timing_samples,
            temperature_cc=-32768 if math.isnan(info.temperature_c) else round(100.0 * info.temperature_c),
            clipped=info.clipped,
        )
        data = words.astype("<i2", copy=False).tobytes()
        made = fragments_of(packet, data, *self._shape, most_bytes=self._outlet.most_bytes)
        self._sequence += len(made)
        return made
