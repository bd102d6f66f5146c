"""The simulated AWR1642 as a device: the real driver, and the board that it talks to."""

from isactrack.drivers.awr1642.device import Awr1642, read_deadline_s
from isactrack.drivers.device import Device, DeviceInfo, DeviceStats
from isactrack.drivers.simulated.board import SimulatedBoard
from isactrack.drivers.simulated.faults import Faults
from isactrack.drivers.simulated.scene import Scene, make_scene
from isactrack.drivers.url import DeviceUrl, parse_pose, parse_speed
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.geometry import Pose
from isactrack.source import Source
from isactrack.truth import Truth

FAULTS = ("", "silent-console", "silent-card")


def open_url(url: DeviceUrl) -> "SimulatedAwr1642":
    """Open ``sim://awr1642``.

    Options: ``scene`` (crossing, walker, room, noise), ``seed``, ``speed`` (device seconds a second, ``max`` for as
    fast as possible), ``loss``, ``dup`` and ``reorder`` (shares of data packets that get lost, come twice, or change
    places with the next one), ``fault`` (silent-console, silent-card), ``pose``, see `parse_pose`.
    """
    if url.target not in ("awr1642", ""):
        raise ConfigError(f"there is no simulated device {url.target!r}", "use sim://awr1642")
    o = url.take(scene="crossing", seed=0, speed=None, loss=0.0, dup=0.0, reorder=0.0, fault="", pose=None)
    seed = int(o["seed"] or 0)
    if seed < 0:
        raise ConfigError(f"seed={seed} in {url.text!r} is negative", "use a whole number from 0")
    return SimulatedAwr1642(
        make_scene(str(o["scene"]), seed),
        seed=seed,
        speed=parse_speed(url.text, o["speed"]),
        faults=Faults(seed=seed, **{name: float(o[name] or 0.0) for name in ("loss", "dup", "reorder")}),
        fault=str(o["fault"]),
        url=url.text,
        pose=parse_pose(url.text, o["pose"]),
    )


class SimulatedAwr1642(Device):
    """The driver of the AWR1642, on a simulated board.

    Parameters
    ----------
    scene
        What the radar sees.
    seed, speed, faults
        See `SimulatedBoard`.
    fault
        A wire that is dead: ``silent-console`` or ``silent-card``; empty for none.
    url
        URL to report.
    pose
        Where the radar stands in the room; the scene is the same for all poses, seen from the radar.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        seed: int = 0,
        speed: float = 1.0,
        faults: Faults | None = None,
        fault: str = "",
        url: str = "sim://awr1642",
        pose: Pose | None = None,
    ) -> None:
        super().__init__(pose=pose)
        if fault not in FAULTS:
            raise ConfigError(f"there is no fault {fault!r}", f"faults: {', '.join(FAULTS[1:])}")
        self._url = url
        self._scene = scene
        self._board = SimulatedBoard(
            scene,
            seed=seed,
            speed=speed,
            faults=faults,
            silent_console=fault == "silent-console",
            silent_card=fault == "silent-card",
        )
        try:
            self._driver = Awr1642(
                self._board.serial_port,
                self._board.addresses,
                url=url,
                deadline_s=lambda frame_period_s: read_deadline_s(frame_period_s / min(speed, 1.0)),
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
    def frame_count(self) -> int | None:
        """Frames that the profile asks for, None if it never stops."""
        return self._driver.frame_count

    @property
    def stats(self) -> DeviceStats:
        """Counters of the driver since the last start."""
        return self._driver.stats

    def truth(self, frame: Frame) -> Truth:
        """Return where the people are in the middle of the coherent interval."""
        return self._scene.truth(frame.device_time_s + self.sensor.coherent_time_s / 2.0)

    def _configure(self, profile: str | None) -> FmcwSensor:
        return self._driver.configure(profile)

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
