"""``isactrack process``: detections of a recording."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isactrack.cli._options import add_common_options, add_json_option
from isactrack.cli._settings import add_chain_options, chain_config, check_intervals

if TYPE_CHECKING:
    from isactrack.processing.report import ReturnReport

_EPILOG = """\b
Examples:
  isactrack process walk.h5 -o detections.csv
  isactrack process fan.h5 --coherent-frames 1000 --json
"""


@click.command("process", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option("-o", "--output", type=click.Path(readable=False, path_type=Path), metavar="FILE",
              help="File for the detections, one row each: *.csv, or *.parquet.")  # fmt: skip
@add_chain_options
@add_json_option
@add_common_options
def command(recording: Path, output: Path | None, as_json: bool, **options: Any) -> None:
    """Detect targets in a recording, and describe its strongest return where static echoes are kept.

    The file has the columns time_s, range_m, radial_velocity_mps, azimuth_rad, x_m, y_m and snr_db.
    """
    from isactrack.acquisition.offline import MapAverage, detect
    from isactrack.cli._capture import check_table_target
    from isactrack.cli._output import print_json, progress
    from isactrack.cli._sources import open_frames
    from isactrack.processing.report import return_report
    from isactrack.recordings import write_detections_csv
    from isactrack.recordings.parquet import SUFFIX, require_parquet, write_detections_parquet
    from isactrack.sensor import require_fmcw

    config = chain_config(options)
    if output is not None:
        check_table_target(output, recording)
        if output.suffix.lower() == SUFFIX:
            require_parquet()
    average, detections = MapAverage(), []
    with open_frames(recording) as opened:
        check_intervals(opened, config.coherent_frames)
        with progress("processing", len(opened)) as done:
            for result in detect(opened, config, done):
                average.add(result.spectrum)
                detections.append(result.detections)
        facts: dict[str, object] = {
            "recording": str(recording),
            "source": opened.source,
            "origin": opened.origin,
            "frames": len(opened),
            "closed_cleanly": opened.closed_cleanly,
            "coherent_frames": config.coherent_frames,
            "intervals": len(detections),
            "unused_frames": len(opened) - len(detections) * config.coherent_frames,
            "remove_static": config.remove_static,
            "detections": sum(len(found) for found in detections),
            "output": None if output is None else str(output),
        }
        sensor = require_fmcw(opened.sensor).coherent(config.coherent_frames)
    if output is not None:
        if output.suffix.lower() == SUFFIX:
            write_detections_parquet(output, detections, {**facts, "chain": asdict(config), "sensor": asdict(sensor)})
        else:
            write_detections_csv(output, detections)
    spectrum = None if config.remove_static else average.mean()
    report = None if spectrum is None else return_report(
        spectrum, sensor,
        range_window=config.range_window, min_range_m=config.min_range_m, max_range_m=config.max_range_m,
    )  # fmt: skip
    if as_json:
        print_json({**facts, "strongest_return": None if report is None else asdict(report)})
    else:
        _print(facts, report)


def _print(facts: dict[str, object], report: "ReturnReport | None") -> None:
    from isactrack.cli._output import human_facts, print_facts, print_table

    human_facts(facts)
    if report is None:
        return
    print_facts(
        {
            "strongest return": f"{report.range_m:.3f} m (bin {report.range_bin}), "
            f"{report.level_db:.1f} dB over the median",
            "I/Q image": f"{report.image_level_db:.1f} dB relative to it",
        }
    )
    rows = [(f"{line.frequency_hz:.1f}", f"{line.velocity_mps:.4f}", f"{line.level_db:.1f}") for line in report.lines]
    print_table([">Doppler line (Hz)", ">velocity (m/s)", ">over median (dB)"], rows)
