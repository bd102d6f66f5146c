"""``isactrack export``: recordings for other programs."""

from pathlib import Path

import click

from isactrack.cli._options import add_common_options, add_json_option

_EPILOG = """\b
Examples:
  isactrack export walk.h5 -o adc_data.bin
  isactrack export walk.h5 -o walk.npz --start 100 --stop 200
  isactrack export walk.h5 -o walk.sigmf-meta
"""


@click.command("export", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option("-o", "--output", type=click.Path(readable=False, path_type=Path), required=True, metavar="OUT",
              help="File to write: *.bin, *.npz or *.sigmf-meta.")  # fmt: skip
@click.option("--format", "kind", type=click.Choice(["bin", "npz", "sigmf"]),
              help="Format, where the file's name does not tell.")  # fmt: skip
@click.option("--start", type=click.IntRange(min=0), default=0, metavar="N", help="First frame, from 0.")
@click.option("--stop", type=click.IntRange(min=1), metavar="N", help="Frame after the last one.")
@click.option("--stream", metavar="NAME", help="Device, where the recording holds several.")
@click.option("--missing", type=click.Choice(["refuse", "fill", "skip"]), default="refuse", show_default=True,
              help="Frames that never arrived, in *.bin: refuse, fill with zeros, or skip.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@add_json_option
@add_common_options
def command(
    recording: Path,
    output: Path,
    kind: str | None,
    start: int,
    stop: int | None,
    stream: str | None,
    missing: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the samples of a recording for other programs.

    A *.bin holds the words of the wire, as TI's tools write adc_data.bin; npz complex samples with axes, masks and
    times, for numpy; SigMF interleaved I and Q with metadata in JSON. For tables see `process` and `track`.
    """
    from isactrack.cli._output import human_facts, note, print_json, progress
    from isactrack.cli._sources import check_recording
    from isactrack.recordings import open_recording
    from isactrack.recordings.export import ExportFormat, MissingFrames, export_recording, format_of

    chosen = format_of(output) if kind is None else ExportFormat(kind)
    check_recording(recording)
    with open_recording(recording, stream) as opened:
        if not opened.closed_cleanly:
            note(f"{recording} was not closed; {len(opened)} whole frames are readable, see `isactrack validate`")
        last = len(opened) if stop is None else min(stop, len(opened))
        with progress("exporting", max(last - start, 0)) as done:
            report = export_recording(
                opened, output, chosen,
                start=start, stop=stop, missing=MissingFrames(missing), overwrite=overwrite, progress=done,
            )  # fmt: skip
        facts: dict[str, object] = {
            "recording": str(recording),
            "source": opened.source,
            "origin": opened.origin,
            "format": chosen,
            "frames": report.frames,
            "missing_frames": report.missing_frames,
            "lost_bytes": report.lost_bytes,
            "sample_bytes": report.sample_bytes,
            "outputs": [str(path) for path in report.paths],
        }
    if as_json:
        print_json(facts)
    else:
        human_facts({**facts, "outputs": ", ".join(str(path) for path in report.paths)})
