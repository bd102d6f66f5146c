"""The simulated bistatic radio as a device: the real driver, and the radio and LO box that it talks to."""

import contextlib
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from isactrack.drivers.bistatic.device import BistaticRadio, read_deadline_s
from isactrack.drivers.bistatic.lo_box import LoBox
from isactrack.drivers.bistatic.profile import default_profile, parse_profile
from isactrack.drivers.bistatic.udp_link import UdpLink, open_udp
from isactrack.drivers.bistatic.usb_link import UsbLink, open_usb
from isactrack.drivers.device import Device, DeviceInfo, DeviceStats
from isactrack.drivers.simulated.bistatic.faults import FaultKind, RadioAccount, RadioFaults, parse_faults
from isactrack.drivers.simulated.bistatic.firmware import BlockSource, RadioFirmware
from isactrack.drivers.simulated.bistatic.impairments import PRESETS, Impairments
from isactrack.drivers.simulated.bistatic.lo_box import SimulatedLoBox
from isactrack.drivers.simulated.bistatic.source import RadioSource
from isactrack.drivers.simulated.bistatic.udp_server import UdpRadio
from isactrack.drivers.simulated.fault_plan import Fault
from isactrack.drivers.simulated.room_clock import RoomClock
from isactrack.drivers.simulated.scene import Scene, make_scene
from isactrack.drivers.url import DeviceUrl, parse_pose, parse_speed
from isactrack.errors import ConfigError
from isactrack.events import Event, SidePacket
from isactrack.frame import Frame
from isactrack.geometry import Pose, RoomOutline
from isactrack.ofdm import Capture, OfdmSensor
from isactrack.source import Source
from isactrack.truth import Truth

LINKS: Final = ("usb", "udp")
"""Ways to a simulated radio; the first is taken where none is named."""
CLOCKS: Final = ("own", "room")
DEFAULT_TX_M: Final = (3.6, 2.0)
"""Where the transmitter stands, in the sensor frame, in a scene that is no room of its own."""
_ONLY_ON: Final = {FaultKind.UNPLUG: "usb", FaultKind.LINK_DOWN: "udp"}


def open_url(url: DeviceUrl) -> "SimulatedBistatic":
    """Open ``sim://bistatic``.

    Options: ``scene`` (a name of `isactrack.drivers.simulated.scene.SCENES`), ``link`` (``usb`` or ``udp``), ``seed``,
    ``speed`` (device seconds a second, ``max`` for as fast as possible), ``capture`` (``csi`` or ``iq``) and
    ``stagger`` (0 or 1) of the default profile, ``impairments`` (a name of `PRESETS`), ``snr`` (dB, in place of
    theirs), ``ghosts`` (1: walls show people a second and a third time), ``pose``, see `parse_pose` (the room's place
    for a receiver if it is not given), ``clock`` (``own``, or ``room`` for the time of the room that other devices of
    this process look at), ``loss``, ``dup`` and ``reorder`` (shares of packets that get lost, come twice, or change
    places with the next one), ``burst`` (packets that are lost together) and ``fault`` (faults at set times, see
    `isactrack.drivers.simulated.bistatic.faults`).
    """
    if url.target != "bistatic":
        raise ConfigError(f"there is no simulated device {url.target!r}", "use sim://bistatic")
    o = url.take(
        scene="lab-crossing", link=LINKS[0], seed=0, speed=None, capture=None, stagger=None, impairments="typical",
        snr=math.nan, ghosts="0", pose=None, clock=CLOCKS[0], loss=0.0, dup=0.0, reorder=0.0, burst=1, fault="",
    )  # fmt: skip
    seed = int(o["seed"] or 0)
    if seed < 0:
        raise ConfigError(f"seed={seed} in {url.text!r} is negative", "use a whole number from 0")
    link, clock = _one_of(url, "link", o["link"], LINKS), _one_of(url, "clock", o["clock"], CLOCKS)
    capture = None if o["capture"] is None else Capture(_one_of(url, "capture", o["capture"], tuple(Capture)))
    stagger = None if o["stagger"] is None else _one_of(url, "stagger", o["stagger"], ("0", "1")) == "1"
    radio = PRESETS[_one_of(url, "impairments", o["impairments"], tuple(PRESETS))]
    snr_db = float(o["snr"] or 0.0)
    if not math.isnan(snr_db):
        radio = replace(radio, snr_db=snr_db)
    ghosts = _one_of(url, "ghosts", o["ghosts"], ("0", "1")) == "1"
    scene = make_scene(str(o["scene"]), seed)
    plan = parse_faults(str(o["fault"]))
    for fault in plan:
        wanted = next((way for kind, way in _ONLY_ON.items() if fault.kind is kind), link)
        if wanted != link:
            raise ConfigError(f"there is no fault {fault.kind} on link={link}", f"it is one of link={wanted}")
    shares = {name: float(o[name] or 0.0) for name in ("loss", "dup", "reorder")}
    return SimulatedBistatic(
        scene,
        link=link,
        seed=seed,
        speed=parse_speed(url.text, o["speed"]),
        impairments=radio,
        faults=RadioFaults(seed=seed, burst=int(o["burst"] or 0), **shares),
        plan=plan,
        url=url.text,
        pose=None if o["pose"] is None else parse_pose(url.text, o["pose"]),
        capture=capture,
        stagger=stagger,
        room_clock=clock == "room",
        ghosts=ghosts,
    )


def _one_of(url: DeviceUrl, option: str, value: object, choices: Sequence[str]) -> str:
    text = str(value)
    if text not in choices:
        raise ConfigError(f"{option}={text} in {url.text!r} is none of the choices", f"use {' or '.join(choices)}")
    return text


def simulated_profile(capture: Capture | None = None, stagger: bool | None = None) -> str:
    """Return the default profile with another capture, or reference symbols placed otherwise; None for its own."""
    text = default_profile()
    if capture is not None:
        text = _replaced(text, "capture", f'"{capture}"')
    if stagger is not None:
        text = _replaced(text, "stagger", str(stagger).lower())
    return text


def _replaced(text: str, key: str, value: str) -> str:
    """Return a profile with another value for a key that it has."""
    return re.sub(rf"(?m)^({key} *= *)[^ #\n]+", lambda match: match[1] + value, text)


class SimulatedBistatic(Device):
    """The driver of the bistatic radio, with a simulated radio at the other end of the wire.

    Parameters
    ----------
    scene
        What the radio sees.
    link
        ``usb`` or ``udp``.
    seed
        Seeds noise, impairments and faults.
    speed
        Device seconds a wall-clock second; infinite means as fast as blocks can be made and are taken.
    impairments
        What the radio is like; None for typical ones.
    faults, plan
        What happens to packets, and faults at set times.
    url
        URL to report.
    pose
        Where the receiver stands in the room; None for the room's own place for it.
    capture, stagger
        What the default profile is changed to; a profile that is given is taken as it is.
    room_clock
        Whether the scene goes on with the room's clock instead of beginning anew with each start.
    ghosts
        Whether people are also seen by way of walls, see `BistaticChannel`.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        link: str = LINKS[0],
        seed: int = 0,
        speed: float = 1.0,
        impairments: Impairments | None = None,
        faults: RadioFaults | None = None,
        plan: Sequence[Fault] = (),
        url: str = "sim://bistatic",
        pose: Pose | None = None,
        capture: Capture | None = None,
        stagger: bool | None = None,
        room_clock: bool = False,
        ghosts: bool = False,
    ) -> None:
        room = scene.room
        place = pose or (room.receiver if room is not None else Pose())
        super().__init__(pose=place)
        self._url = url
        self._scene = scene
        self._seed = seed
        self._ghosts = ghosts
        self._impairments = impairments or PRESETS["typical"]
        self._room_tx_m = room.transmitter_in(place) if room is not None else None
        self._tx_m = self._room_tx_m or DEFAULT_TX_M
        self._default_profile = simulated_profile(capture, stagger)
        self._firmware = RadioFirmware(
            self._make_source,
            seed=seed,
            speed=speed,
            faults=faults,
            plan=plan,
            start_time_s=(lambda: RoomClock.shared().offset_s(speed)) if room_clock else (lambda: 0.0),
        )
        self._firmware.pace.follow()
        with contextlib.ExitStack() as resources:
            self._lo_box = SimulatedLoBox(self._firmware.has)
            resources.callback(self._lo_box.close)
            self._driver = BistaticRadio(
                self._connect(link, resources),
                LoBox(*self._lo_box.address),
                url=url,
                pose=place,
                tx_position_m=self._tx_m,
                deadline_s=read_deadline_s,
                time_scale=speed,
            )
            self._resources = resources.pop_all()

    def _connect(self, link: str, resources: contextlib.ExitStack) -> UsbLink | UdpLink:
        """Switch the radio on and return the way to it."""
        if link == "udp":
            on_udp = UdpRadio(self._firmware)
            resources.callback(on_udp.close)
            return open_udp(*on_udp.address)
        try:
            from isactrack.drivers.simulated.bistatic.usb_backend import SimulatedUsbBackend, UsbRadio
        except ImportError as error:
            raise ConfigError(
                "a radio on USB needs pyusb, a simulated one too",
                'install the extra, pip install "isactrack[bistatic]", or use link=udp',
            ) from error
        on_usb = UsbRadio(self._firmware)
        resources.callback(on_usb.close)
        return open_usb(backend=SimulatedUsbBackend(on_usb))

    def _make_source(self, sensor: OfdmSensor, start_s: float, plan: tuple[Fault, ...]) -> BlockSource:
        return RadioSource(
            self._scene,
            replace(sensor, tx_position_m=self._tx_m),
            pose=self._pose,
            seed=self._seed,
            impairments=self._impairments,
            plan=plan,
            start_s=start_s,
            ghosts=self._ghosts,
        )

    @property
    def info(self) -> DeviceInfo:
        """What the emulated radio says of itself."""
        return replace(self._driver.info, url=self._url, source=Source.SIMULATED, origin=Source.SIMULATED)

    @property
    def profile_text(self) -> str:
        """The profile that was sent, verbatim."""
        return self._driver.profile_text

    @property
    def room(self) -> RoomOutline | None:
        """Walls of the room of the scene; None if that is in no room."""
        return None if self._scene.room is None else self._scene.room.outline

    @property
    def stats(self) -> DeviceStats:
        """Counters of the driver since the last start."""
        return self._driver.stats

    @property
    def firmware(self) -> RadioFirmware:
        """The simulated radio."""
        return self._firmware

    @property
    def lo_box(self) -> SimulatedLoBox:
        """The simulated box with the local oscillator."""
        return self._lo_box

    @property
    def accounts(self) -> list[RadioAccount]:
        """What became of the blocks of each run, oldest first."""
        return [run.account for run in self._firmware.runs]

    def take_events(self) -> list[Event]:
        """Return what the driver noticed since the last call."""
        return self._driver.take_events()

    def take_side_packets(self) -> list[SidePacket]:
        """Return what came beside the frames since the last call."""
        return self._driver.take_side_packets()

    def truth(self, frame: Frame) -> Truth | None:
        """Return where the people are at the reference symbol of a block; None before the first start."""
        runs = self._firmware.runs
        return runs[-1].source.truth(frame.counter) if runs else None

    def _configure(self, profile: str | None) -> OfdmSensor:
        text = self._default_profile if profile is None else profile
        asked_tx_m = parse_profile(text).tx_position_m
        self._tx_m = self._room_tx_m or asked_tx_m or DEFAULT_TX_M  # a room knows where its transmitter really stands
        sensor = self._driver.configure(text)
        if not isinstance(sensor, OfdmSensor):
            raise TypeError(f"the driver of a radio gave a {type(sensor).__name__}")
        return sensor

    def _start(self) -> None:
        self._driver.start()

    def _read(self, timeout_s: float | None) -> Frame | None:
        pace = self._firmware.pace
        pace.reads()
        frame = None
        try:
            frame = self._driver.read(timeout_s)
        finally:
            pace.took(None if frame is None else frame.counter)
        return frame

    def _stop(self) -> None:
        self._driver.stop()

    def _close(self) -> None:
        try:
            self._driver.close()
        finally:
            self._resources.close()
