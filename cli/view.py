"""``isactrack view``: watch a device or a recording."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isactrack.cli._options import add_common_options, add_profile_option, parse_duration
from isactrack.cli._settings import add_chain_options, add_tracker_options, chain_config, tracker_config

if TYPE_CHECKING:
    from isactrack.gui.models.feed import Feed

_EPILOG = """\b
Examples:
  isactrack view
  isactrack view awr1642://auto -c walk.cfg -o walk.h5
  isactrack view walk.h5 --light --screenshot walk.png
"""


@click.command("view", epilog=_EPILOG)
@click.argument("source", default="sim://awr1642", metavar="[URL|REC]")
@add_profile_option
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="REC",
              help="Also record to this file (HDF5).")  # fmt: skip
@click.option("--light", is_flag=True, help="Light colours, for papers and slides.")
@click.option("--screenshot", type=click.Path(dir_okay=False, path_type=Path), metavar="PNG",
              help="Save a picture of the window and leave; needs no screen.")  # fmt: skip
@click.option("--after", type=parse_duration, default="5s", show_default=True, metavar="TIME",
              help="Time before the screenshot.")  # fmt: skip
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
    **options: Any,
) -> None:
    """Watch a device or a recording; without an argument, the simulated radar."""
    from isactrack.acquisition.pipeline import Pipeline
    from isactrack.acquisition.session import Session
    from isactrack.cli import _capture
    from isactrack.cli._sources import open_source, read_profile
    from isactrack.gui.models.feed import SessionFeed
    from isactrack.gui.qt.app import run_viewer
    from isactrack.source import Source

    chain, tracker = chain_config(options), tracker_config(options)
    profile_text = None if profile is None else read_profile(profile)
    if output is not None:
        _capture.check_target(output, overwrite=False)

    def open_feed() -> "Feed":
        # A file is read as fast as it goes; the viewer has its own transport bar.
        device = open_source(source, speed="max")
        try:
            sensor = device.configure(profile_text)
            pipeline = Pipeline(sensor, chain, tracker)
            recorder = None if output is None else _capture.open_writer(device, output)
            every_frame = device.info.source is Source.REPLAY
            return SessionFeed(Session(device, recorder=recorder, pipeline=pipeline, lossless_pipeline=every_frame))
        except BaseException:
            device.close()
            raise

    code = run_viewer(open_feed, source, light=light, screenshot=screenshot, screenshot_after_s=after)
    click.get_current_context().exit(code)
