"""The simulated AWR1642 as a device: the real driver, and the board that it talks to."""

from collections.abc import Sequence
from dataclasses import replace

from isactrack.drivers.awr1642.device import Awr1642, read_deadline_s
from isactrack.drivers.awr1642.dialect import Dialect
from isactrack.drivers.device import Device, DeviceInfo, DeviceStats
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.fault_plan import Fault
from isactrack.drivers.simulated.faults import Faults, parse_faults
from isactrack.drivers.simulated.room_clock import RoomClock
from isactrack.drivers.simulated.scene import Scene, make_scene
from isactrack.drivers.url import DeviceUrl, parse_pose, parse_speed
from isactrack.errors import ConfigError
from isactrack.events import Event, SidePacket
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.geometry import Pose, RoomOutline
from isactrack.source import Source
from isactrack.truth import Truth


def open_url(url: DeviceUrl) -> "SimulatedAwr1642":
    """Open ``sim://awr1642``.

    Options: ``scene`` (a name of `isactrack.drivers.simulated.scene.SCENES`), ``seed``, ``speed`` (device seconds a
    second, ``max`` for as fast as possible), ``sdk`` (1, 2 or 3, the mmWave SDK of the firmware), ``loss``, ``dup``,
    ``reorder`` and ``late`` (shares of data packets that get lost, come twice, change places with the next one, or come
    later), ``burst`` (packets that are lost together), ``late_frames`` (most frames by which they are late), ``fault``
    (faults at set times, see `isactrack.drivers.simulated.faults`), ``pose``, see `parse_pose`, ``clock``, which is
    ``own`` or ``room`` (the scene began when the first device of this process that looks at a room did), and ``spy``,
    see `Awr1642`.
    """
    if url.target not in ("awr1642", ""):
        raise ConfigError(f"there is no simulated device {url.target!r}", "use sim://awr1642")
    o = url.take(
        scene="crossing", seed=0, speed=None, loss=0.0, dup=0.0, reorder=0.0, late=0.0, burst=1, late_frames=2.0,
        sdk=3, fault="", pose=None, clock="own", spy=None,
    )  # fmt: skip
    seed = int(o["seed"] or 0)
    if seed < 0:
        raise ConfigError(f"seed={seed} in {url.text!r} is negative", "use a whole number from 0")
    shares = {name: float(o[name] or 0.0) for name in ("loss", "dup", "reorder", "late", "late_frames")}
    return SimulatedAwr1642(
        make_scene(str(o["scene"]), seed),
        seed=seed,
        speed=parse_speed(url.text, o["speed"]),
        faults=Faults(seed=seed, burst=int(o["burst"] or 0), **shares),
        plan=parse_faults(str(o["fault"])),
        dialect=_dialect(url, int(o["sdk"] or 0)),
        url=url.text,
        pose=None if o["pose"] is None else parse_pose(url.text, o["pose"]),
        room_clock=_room_clock(url, str(o["clock"])),
        spy=url.options.get("spy"),
    )


def _room_clock(url: DeviceUrl, clock: str) -> RoomClock | None:
    if clock not in ("own", "room"):
        raise ConfigError(f"clock={clock} in {url.text!r} is no clock", "use own or room")
    return RoomClock.shared() if clock == "room" else None


def _dialect(url: DeviceUrl, number: int) -> Dialect:
    try:
        return Dialect(number)
    except ValueError:
        raise ConfigError(f"sdk={number} in {url.text!r} is no mmWave SDK", "use 1, 2 or 3") from None


class SimulatedAwr1642(Device):
    """The driver of the AWR1642, on a simulated board.

    Parameters
    ----------
    scene
        What the radar sees.
    seed, speed, faults
        See `SimulatedBoard`.
    plan
        Faults at set times.
    dialect
        SDK that the firmware belongs to.
    url
        URL to report.
    pose
        Where the radar stands in the room. The scene of a room is seen from there, and None is the room's own place for
        a radar; another scene is the same for all poses, seen from the radar.
    room_clock
        Clock that the scene goes by; None if it begins anew whenever the radar is started.
    spy
        File for a log of everything on the wires, see `Awr1642`.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        seed: int = 0,
        speed: float = 1.0,
        faults: Faults | None = None,
        plan: Sequence[Fault] = (),
        dialect: Dialect = Dialect.SDK3,
        url: str = "sim://awr1642",
        pose: Pose | None = None,
        room_clock: RoomClock | None = None,
        spy: str | None = None,
    ) -> None:
        super().__init__(pose=pose or (scene.room.radar if scene.room else None))
        self._url = url
        self._room = None if scene.room is None else scene.room.outline
        self._board = SimulatedBoard(
            scene.seen_from(self.pose),
            seed=seed,
            speed=speed,
            faults=faults,
            plan=plan,
            dialect=dialect,
            begins=None if room_clock is None else lambda: room_clock.offset_s(speed),
        )
        try:
            self._driver = Awr1642(
                self._board.serial_port,
                self._board.addresses,
                url=url,
                deadline_s=lambda frame_period_s: read_deadline_s(frame_period_s / min(speed, 1.0)),
                time_scale=speed,
                spy=spy,
                data=self._board.data_port,
            )
        except BaseException:
            self._board.close()
            raise

    @property
    def info(self) -> DeviceInfo:
        """What the emulated board says of itself."""
        return DeviceInfo(
            url=self._url,
            model="AWR1642",
            source=Source.SIMULATED,
            origin=Source.SIMULATED,
            firmware=self._driver.info.firmware,
        )

    @property
    def profile_text(self) -> str:
        """The profile that was sent, verbatim."""
        return self._driver.profile_text

    @property
    def room(self) -> RoomOutline | None:
        """Walls of the room of the scene; None if that is in no room."""
        return self._room

    @property
    def frame_count(self) -> int | None:
        """Frames that the profile asks for, None if it never stops."""
        return self._driver.frame_count

    @property
    def stats(self) -> DeviceStats:
        """Counters of the driver since the last start."""
        return self._driver.stats

    @property
    def board(self) -> SimulatedBoard:
        """The simulated board."""
        return self._board

    def take_events(self) -> list[Event]:
        """Return what the driver noticed since the last call."""
        return self._driver.take_events()

    def take_side_packets(self) -> list[SidePacket]:
        """Return what came beside the frames since the last call."""
        return self._driver.take_side_packets()

    def truth(self, frame: Frame) -> Truth:
        """Return where the people are in the middle of the coherent interval."""
        middle_s = self.sensor.coherent_time_s / 2.0
        truth = self._board.running_scene.truth(self._driver.run_time_s(frame) + middle_s)
        return replace(truth, time_s=frame.device_time_s + middle_s)

    def release_board(self) -> SimulatedBoard:
        """Take the driver off the board, for whoever wants to talk to the board otherwise; `close` switches it off."""
        self._driver.close()
        return self._board

    def _configure(self, profile: str | None) -> FmcwSensor:
        self._driver.configure(profile)
        return self._driver.sensor

    def _start(self) -> None:
        self._driver.start()

    def _read(self, timeout_s: float | None) -> Frame | None:
        return self._driver.read(timeout_s)

    def _stop(self) -> None:
        self._driver.stop()

    def _close(self) -> None:
        try:
            self._driver.close()
        finally:
            self._board.close()
