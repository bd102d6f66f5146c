"""``isactrack record``: a device to a file."""

from pathlib import Path

import click

from isactrack.cli._options import (
    add_common_options,
    add_json_option,
    add_profile_option,
    parse_duration,
    parse_share,
    parse_size,
)

_COMPRESSIONS = ("bitshuffle-lz4", "none")  # those of recordings.filters, whose import takes time

_EPILOG = """\b
Examples:
  isactrack record -d awr1642://auto -c walk.cfg -o walk.h5 --duration 60s
  isactrack record -d "sim://awr1642?scene=crossing" -o sim.h5 --frames 100
  isactrack record -d "sim://bistatic?scene=lab-crossing" -o radio.h5 --duration 10s
  isactrack record -d awr1642://auto -o night --segment-time 10min
"""


@click.command("record", epilog=_EPILOG)
@click.option("-d", "--device", "url", metavar="URL", required=True, help="Device to record, see `isactrack devices`.")
@add_profile_option
@click.option("-o", "--output", type=click.Path(readable=False, path_type=Path), required=True, metavar="REC",
              help="File to write (HDF5), or folder with --segment-size or --segment-time.")  # fmt: skip
@click.option("--duration", type=parse_duration, metavar="TIME", help="Stop after this time, e.g. 60s or 5min.")
@click.option("--frames", type=click.IntRange(min=1), metavar="N", help="Stop after N frames.")
@click.option("--segment-size", type=parse_size, metavar="SIZE",
              help="Record to a folder, a new file before one grows over this size, e.g. 1GB.")  # fmt: skip
@click.option("--segment-time", type=parse_duration, metavar="TIME",
              help="Record to a folder, a new file each time, e.g. 10min.")  # fmt: skip
@click.option("--compression", type=click.Choice(_COMPRESSIONS), default=_COMPRESSIONS[0], show_default=True,
              help="What is done to the samples.")  # fmt: skip
@click.option("--max-loss", type=parse_share, metavar="SHARE", help="Exit with 4 if more was lost, e.g. 0.1%.")
@click.option("--note", default="", metavar="TEXT", help="Note to keep in the file.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@add_json_option
@add_common_options
def command(
    url: str,
    profile: Path | None,
    output: Path,
    duration: float | None,
    frames: int | None,
    segment_size: int | None,
    segment_time: float | None,
    compression: str,
    max_loss: float | None,
    note: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Record a device to a file, until a limit is reached or Ctrl-C is pressed.

    On a terminal, a line that is typed while it records becomes a marker of that moment in the recording.
    """
    from isactrack.cli import _capture
    from isactrack.cli._sources import open_source, read_profile, source_file

    storage = _capture.Storage(segment_bytes=segment_size, segment_s=segment_time, compression=compression)
    check = _capture.check_folder_target if storage.is_segmented else _capture.check_target
    check(output, overwrite, source_file(url), profile)
    profile_text = None if profile is None else read_profile(profile)
    with open_source(url) as device:
        device.configure(profile_text)
        health = _capture.record(
            device, output, as_json=as_json, note=note, overwrite=overwrite, max_frames=frames, duration_s=duration,
            storage=storage,
        )  # fmt: skip
    _capture.check_loss(health, max_loss)
