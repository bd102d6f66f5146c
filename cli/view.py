"""``isactrack view``: watch a device or a recording."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isactrack.cli._options import add_common_options, add_profile_option, parse_duration
from isactrack.cli._settings import ChainOptions, TrackerOptions, add_chain_options, add_tracker_options

if TYPE_CHECKING:
    from isactrack.gui.models.feed import Feed
    from isactrack.recordings import RecordingWriter

_EPILOG = """\b
Examples:
  isactrack view
  isactrack view awr1642://auto -c walk.cfg -o walk.h5
  isactrack view "sim://bistatic?scene=lab-crossing"
  isactrack view walk.h5 --light --screenshot walk.png
"""
_UNCLOSED = "recovered: the recording was not closed, its whole frames are shown"


@click.command("view", epilog=_EPILOG)
@click.argument("source", default="sim://awr1642", metavar="[URL|REC]")
@add_profile_option
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="REC",
              help="Also record to this file (HDF5).")  # fmt: skip
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
    source: str,
    profile: Path | None,
    output: Path | None,
    light: bool,
    screenshot: Path | None,
    after: float,
    reset_ui: bool,
    **options: Any,
) -> None:
    """Watch a device or a recording; without an argument, the simulated radar."""
    from isactrack.cli._signals import held_interrupts

    with held_interrupts():
        from isactrack.acquisition.pipeline import Pipeline
        from isactrack.acquisition.session import Session
        from isactrack.cli import _capture
        from isactrack.cli._sources import open_source, read_profile, source_file
        from isactrack.drivers.replay import ReplayDevice
        from isactrack.gui.models.feed import SessionFeed
        from isactrack.gui.models.picture_file import check_picture
        from isactrack.gui.qt.app import run_viewer
        from isactrack.source import Source

    chain_options, tracker_options = ChainOptions(options), TrackerOptions(options)
    profile_text = None if profile is None else read_profile(profile)
    file = source_file(source)
    if output is not None:
        _capture.check_target(output, False, file, profile)
    if screenshot is not None:
        check_picture(screenshot, file, profile, output)
    writers: list[RecordingWriter] = []

    def open_feed() -> "Feed":
        # A file is read as fast as it goes; the viewer has its own transport bar.
        device = open_source(source, speed="max")
        try:
            unclosed = isinstance(device, ReplayDevice) and not device.closed_cleanly
            sensor = device.configure(profile_text)
            chain = chain_options.of(sensor)
            pipeline = Pipeline(sensor, chain, tracker_options.of(sensor, chain))
            if output is not None:
                writers.append(_capture.open_writer(device, output))
            every_frame = device.info.source is Source.REPLAY
            recorder = writers[0] if writers else None
            session = Session(device, recorder=recorder, pipeline=pipeline, lossless_pipeline=every_frame)
            events = device.recorded_events if isinstance(device, ReplayDevice) else ()
            return SessionFeed(session, note=_UNCLOSED if unclosed else "", events=events)
        except BaseException:
            device.close()
            raise

    try:
        run_viewer(open_feed, source, light=light, screenshot=screenshot, screenshot_after_s=after, reset_ui=reset_ui)
    except BaseException:
        if output is not None and writers and writers[0].frames_written == 0:
            with suppress(OSError):  # nothing came, so nothing is to be kept; what is told is why
                output.unlink()
        raise
