"""``isactrack view``: watch devices or recordings."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isactrack.cli._options import add_common_options, add_profile_option, parse_duration
from isactrack.cli._settings import ChainOptions, TrackerOptions, add_chain_options, add_tracker_options
from isactrack.errors import ConfigError

if TYPE_CHECKING:
    from isactrack.drivers.device import Device
    from isactrack.geometry import RoomOutline
    from isactrack.gui.models.connect import Choice
    from isactrack.gui.models.feed import Feed, SessionFeed
    from isactrack.gui.models.host_clock import HostClock
    from isactrack.recordings import RecordingWriter

_EPILOG = """\b
Examples:
  isactrack view
  isactrack view --choose
  isactrack view awr1642://auto -c walk.cfg -o walk.h5
  isactrack view "sim://bistatic?scene=lab-crossing"
  isactrack view walk.h5 --light --screenshot walk.png
  isactrack view "sim://awr1642?scene=lab-walk&clock=room" "sim://bistatic?scene=lab-walk&clock=room"
"""
_DEFAULT = "sim://awr1642"
_UNCLOSED = "recovered: the recording was not closed, its whole frames are shown"


@click.command("view", epilog=_EPILOG)
@click.argument("sources", nargs=-1, metavar="[URL|REC]...")
@add_profile_option
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="REC",
              help="Also record to this file (HDF5); of several sensors to one each, e.g. walk-radar.h5.")  # fmt: skip
@click.option("--room", type=click.Path(dir_okay=False, path_type=Path), metavar="TOML",
              help="Draw the walls of the room: [room] of a session file, or of a file of its own.")  # fmt: skip
@click.option("--arrange", type=click.Choice(["beside", "overlaid", "both"]), default="beside", show_default=True,
              help="How several sensors share the window; also Alt+1, Alt+2, Alt+3.")  # fmt: skip
@click.option("--choose", is_flag=True, help="Choose a device or a recording in the window first; also Ctrl+N.")
@click.option("--light", is_flag=True, help="Light colours, for papers and slides; also Ctrl+Shift+T.")
@click.option("--screenshot", type=click.Path(dir_okay=False, path_type=Path), metavar="PNG",
              help="Save a picture of the window and leave; needs no screen.")  # fmt: skip
@click.option("--after", type=parse_duration, default="5s", show_default=True, metavar="TIME",
              help="Time before the screenshot.")  # fmt: skip
@click.option("--reset-ui", is_flag=True,
              help="Forget the viewer's window, layout and settings; layouts saved under a name stay.")  # fmt: skip
@add_chain_options
@add_tracker_options
@add_common_options
def command(
    sources: tuple[str, ...],
    profile: Path | None,
    output: Path | None,
    room: Path | None,
    arrange: str,
    choose: bool,
    light: bool,
    screenshot: Path | None,
    after: float,
    reset_ui: bool,
    **options: Any,
) -> None:
    """Watch a device or a recording, or several together; without an argument, the simulated radar."""
    from isactrack.cli._signals import held_interrupts

    with held_interrupts():
        from isactrack.cli import _capture
        from isactrack.cli._sources import read_profile, read_room, source_file
        from isactrack.gui.models.arrangement import Arrangement
        from isactrack.gui.models.connect import Sources
        from isactrack.gui.models.picture_file import check_picture
        from isactrack.gui.qt.app import run_viewer

    if choose and not (output is None and screenshot is None and profile is None):
        raise ConfigError("--choose goes with neither -c, -o nor --screenshot", "choose and record in the window")
    names = [_DEFAULT] if choose else _each_stream(sources or (_DEFAULT,))
    if len(names) > 1 and profile is not None:
        raise ConfigError(
            "-c is the profile of one device, and several are opened",
            "open that device alone, then add the others in the window (Ctrl+Shift+N)",
        )
    profile_text = None if profile is None else read_profile(profile)
    outline = None if room is None else read_room(room)
    opener = _Opener(ChainOptions(options), TrackerOptions(options), comes_back=screenshot is None, room=outline)
    files = [source_file(name) for name in names]
    outputs = _outputs(output, names)
    for path in outputs:
        if path is not None:
            _capture.check_target(path, False, *files, profile)
    if screenshot is not None:
        check_picture(screenshot, *files, profile, *outputs)

    try:
        opened = [
            (partial(opener.open, name, profile_text, path), name) for name, path in zip(names, outputs, strict=True)
        ]
        run_viewer(
            None if choose else opened[0][0], names[0], more=opened[1:], arrangement=Arrangement(arrange),
            light=light, screenshot=screenshot, screenshot_after_s=after, reset_ui=reset_ui,
            sources=Sources(opener.choose, read_profile),
        )  # fmt: skip
    except BaseException:
        for recorder in opener.recorders:
            if recorder.frames_written == 0:
                with suppress(OSError):  # nothing came, so nothing is to be kept; what is told is why
                    recorder.path.unlink()
        raise


def _each_stream(sources: Sequence[str]) -> list[str]:
    """Return sources with each stream of a folder of several in the folder's place.

    Raises
    ------
    ConfigError
        If there are more than a window can show.
    RecordingError
        If a folder cannot be read.
    """
    from isactrack.gui.models.streams import MAX_SENSORS
    from isactrack.recordings.manifest import is_recording_folder, is_stream_folder, read_manifest

    each: list[str] = []
    for source in sources:
        path = Path(source)
        if "://" in source or not is_recording_folder(path) or is_stream_folder(path):
            each.append(source)
        else:
            each += [str(path / stream.name) for stream in read_manifest(path).streams] or [source]
    if len(each) > MAX_SENSORS:
        raise ConfigError(f"{len(each)} sensors do not fit in one window", f"open {MAX_SENSORS} at most")
    return each


def _outputs(output: Path | None, names: Sequence[str]) -> list[Path | None]:
    """Return the file that each source is recorded to."""
    from isactrack.gui.models.group_recording import file_of, sensor_names

    if output is None or len(names) == 1:
        return [output] * len(names)
    return [file_of(output, name) for name in sensor_names(names)]


def _clock_of(device: "Device") -> "HostClock":
    from isactrack.drivers.replay import ReplayDevice
    from isactrack.gui.models.host_clock import HostClock

    if isinstance(device, ReplayDevice):
        return HostClock.of_recording(device.recording)
    return HostClock.of_device()


class _Opener:
    """Opens what the viewer shows.

    Parameters
    ----------
    chain_options, tracker_options
        Settings for whatever is opened.
    comes_back
        Whether a device that is lost is opened again.
    room
        Walls of the room; None for what the device says.
    """

    def __init__(
        self,
        chain_options: ChainOptions,
        tracker_options: TrackerOptions,
        *,
        comes_back: bool,
        room: "RoomOutline | None" = None,
    ) -> None:
        self._chain_options = chain_options
        self._tracker_options = tracker_options
        self._comes_back = comes_back
        self._room = room
        self.recorders: list[RecordingWriter] = []
        """The files that are recorded from the start, as far as they are open."""

    def open(self, source: str, profile_text: str | None, output: Path | None = None) -> "Feed":
        """Return the feed of a device or a recording, started; `output` is recorded from the start."""
        from isactrack.gui.models.reconnect import ReconnectingFeed

        feeds = [self._open_once(source, profile_text, output)]
        if not (feeds[0].live and self._comes_back):
            return feeds[0]
        return ReconnectingFeed(
            lambda: feeds.pop() if feeds else self._open_once(source, profile_text), recording=output
        )

    def choose(self, choice: "Choice") -> "Feed":
        """Return the feed of what was chosen in the window."""
        from isactrack.cli._sources import read_profile

        return self.open(choice.source, None if choice.profile is None else read_profile(choice.profile))

    def _open_once(self, source: str, profile_text: str | None, output: Path | None = None) -> "SessionFeed":
        from isactrack.acquisition.pipeline import Pipeline
        from isactrack.acquisition.session import Session
        from isactrack.cli import _capture
        from isactrack.cli._sources import open_source
        from isactrack.drivers.replay import ReplayDevice
        from isactrack.gui.models.feed import SessionFeed
        from isactrack.gui.models.room import Placement
        from isactrack.source import Source

        # A file is read as fast as it goes; the viewer has its own transport bar.
        device = open_source(source, speed="max")
        try:
            unclosed = isinstance(device, ReplayDevice) and not device.closed_cleanly
            sensor = device.configure(profile_text)
            chain = self._chain_options.of(sensor)
            pipeline = Pipeline(sensor, chain, self._tracker_options.of(sensor, chain))
            recorder = None if output is None else _capture.open_writer(device, output, room=self._room)
            self.recorders += [] if recorder is None else [recorder]
            every_frame = device.info.source is Source.REPLAY
            session = Session(device, recorder=recorder, pipeline=pipeline, lossless_pipeline=every_frame)
            return SessionFeed(
                session,
                note=_UNCLOSED if unclosed else "",
                make_recorder=lambda path: _capture.open_writer(device, path, room=self._room),
                events=device.recorded_events if isinstance(device, ReplayDevice) else (),
                placement=Placement.of(device, self._room),
                host_clock=_clock_of(device),
            )
        except BaseException:
            device.close()
            raise
