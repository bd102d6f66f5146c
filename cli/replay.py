"""``isactrack replay``: a recording at its own pace."""

from pathlib import Path

import click

from isactrack.cli._options import add_common_options, add_json_option, parse_speed

_EPILOG = """\b
Examples:
  isactrack replay run.h5
  isactrack replay run.h5 --speed max --json
"""


@click.command("replay", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option("--speed", type=parse_speed, default="1", show_default=True, metavar="X|max",
              help="Factor of real time, or as fast as possible.")  # fmt: skip
@click.option("--loop", is_flag=True, help="Start over at the end, until Ctrl-C.")
@add_json_option
@add_common_options
def command(recording: Path, speed: float, loop: bool, as_json: bool) -> None:
    """Play a recording back frame by frame, as the device would, and show rates and losses."""
    import math

    from isactrack.acquisition.session import Session
    from isactrack.cli import _capture
    from isactrack.cli._sources import file_url, open_frames
    from isactrack.drivers.registry import open_device

    with open_frames(recording) as opened:
        closed_cleanly = opened.closed_cleanly
    url = file_url(recording, speed="max" if math.isinf(speed) else f"{speed:g}")
    loops, interrupted, health = 0, False, None
    try:
        while not interrupted and (loop or not loops):
            with open_device(url) as device:
                device.configure()
                with Session(device) as session:
                    loops += 1
                    interrupted = _capture.run_session(session)
                health = session.health()
    except KeyboardInterrupt:  # between two rounds
        interrupted = True
    if health is None:
        raise KeyboardInterrupt
    _capture.report(health, as_json, loops=loops, closed_cleanly=closed_cleanly)
    if interrupted:
        raise KeyboardInterrupt
