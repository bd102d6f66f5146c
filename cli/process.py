"""``isactrack process``: detections of a recording."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from isactrack.cli._options import add_common_options, add_json_option
from isactrack.cli._settings import ChainOptions, add_chain_options, check_intervals, unused_frames
from isactrack.errors import ConfigError

if TYPE_CHECKING:
    from isactrack.detections import Detections
    from isactrack.fmcw import FmcwSensor
    from isactrack.ofdm import OfdmSensor
    from isactrack.processing.chain_config import ChainConfig
    from isactrack.processing.channel import BlockCalibration
    from isactrack.processing.ofdm_config import OfdmChainConfig
    from isactrack.processing.ofdm_report import RadioReport
    from isactrack.processing.report import ReturnReport
    from isactrack.recordings import Recording

_EPILOG = """\b
Examples:
  isactrack process walk.h5 -o detections.csv
  isactrack process fan.h5 --coherent-frames 1000 --json
  isactrack process radio.h5 --calibration calibration.csv
"""


@click.command("process", epilog=_EPILOG)
@click.argument("recording", type=click.Path(readable=False, path_type=Path), metavar="REC")
@click.option("-o", "--output", type=click.Path(readable=False, path_type=Path), metavar="FILE",
              help="File for the detections, one row each: *.csv, or *.parquet.")  # fmt: skip
@click.option("--calibration", type=click.Path(readable=False, path_type=Path), metavar="FILE",
              help="Radios: file for what calibration took off each block, *.csv.")  # fmt: skip
@add_chain_options
@add_json_option
@add_common_options
def command(recording: Path, output: Path | None, calibration: Path | None, as_json: bool, **options: Any) -> None:
    """Detect targets in a recording, and describe its strongest return where static echoes are kept.

    The file has the columns time_s, range_m, radial_velocity_mps, azimuth_rad, x_m, y_m and snr_db; that of the
    calibration has time_s, counter, delay_s, phase_rad, gain_db, quality and status.
    """
    from isactrack.cli._capture import check_table_target
    from isactrack.cli._output import human_facts, print_json
    from isactrack.cli._sources import open_frames
    from isactrack.processing.ofdm_config import OfdmChainConfig
    from isactrack.recordings import write_detections_csv
    from isactrack.recordings.parquet import SUFFIX, require_parquet, write_detections_parquet
    from isactrack.recordings.tables import write_calibration_csv

    settings = ChainOptions(options)
    for target in (output, calibration):
        if target is not None:
            check_table_target(target, recording)
    if output is not None and output.suffix.lower() == SUFFIX:
        require_parquet()
    if calibration is not None and (calibration.suffix.lower() == SUFFIX or calibration == output):
        raise ConfigError(f"calibrations cannot be written to {calibration}", "give a .csv file of its own")
    with open_frames(recording) as opened:
        config = settings.of(opened.sensor)
        check_intervals(opened, config)
        facts: dict[str, object] = {
            "recording": str(recording),
            "source": opened.source,
            "origin": opened.origin,
            "frames": len(opened),
            "closed_cleanly": opened.closed_cleanly,
        }
        if isinstance(config, OfdmChainConfig):
            result: _Radar | _Radio = _process_radio(opened, config)
        elif calibration is None:
            result = _process_radar(opened, config)
        else:
            raise ConfigError(
                f"--calibration is for radios, and {opened.sensor.model} is a radar", "drop it; radars need none"
            )
    facts |= {
        **result.facts,
        "detections": sum(len(found) for found in result.detections),
        "output": None if output is None else str(output),
    }
    if output is not None:
        if output.suffix.lower() == SUFFIX:
            about = {**facts, "chain": asdict(config), "sensor": asdict(result.sensor)}
            write_detections_parquet(output, result.detections, about)
        else:
            write_detections_csv(output, result.detections)
    if isinstance(result, _Radio) and calibration is not None:
        write_calibration_csv(calibration, result.calibrations)
        facts["calibration"] = str(calibration)
    if as_json:
        print_json({**facts, **result.more()})
    else:
        human_facts(facts)
        result.show()


@dataclass(frozen=True, slots=True)
class _Radar:
    """What a radar's recording showed."""

    sensor: "FmcwSensor"
    detections: "list[Detections]"
    facts: dict[str, object]
    report: "ReturnReport | None"

    def more(self) -> dict[str, object]:
        """Return what machines get beside the facts."""
        return {"strongest_return": None if self.report is None else asdict(self.report)}

    def show(self) -> None:
        """Print what people get beside the facts."""
        from isactrack.cli._output import print_facts, print_table

        report = self.report
        if report is None:
            return
        print_facts(
            {
                "strongest return": f"{report.range_m:.3f} m (bin {report.range_bin}), "
                f"{report.level_db:.1f} dB over the median",
                "I/Q image": f"{report.image_level_db:.1f} dB relative to it",
            }
        )
        rows = [
            (f"{line.frequency_hz:.1f}", f"{line.velocity_mps:.4f}", f"{line.level_db:.1f}") for line in report.lines
        ]
        print_table([">Doppler line (Hz)", ">velocity (m/s)", ">over median (dB)"], rows)


@dataclass(frozen=True, slots=True)
class _Radio:
    """What a radio's recording showed."""

    sensor: "OfdmSensor"
    detections: "list[Detections]"
    facts: dict[str, object]
    calibrations: "list[BlockCalibration]"
    report: "RadioReport"

    def more(self) -> dict[str, object]:
        """Return what machines get beside the facts."""
        return {"radio": asdict(self.report)}

    def show(self) -> None:
        """Print what people get beside the facts."""
        from isactrack.cli._output import print_facts

        report = self.report
        facts = {
            "blocks": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in report.blocks.items() if count),
        }
        if report.median_quality is not None and report.delay_spread_s is not None:
            facts["calibration"] = (
                f"quality {report.median_quality:.4f} in the median, delays spread over "
                f"{1e9 * report.delay_spread_s:.2f} ns"
            )
        if report.strongest is not None:
            best = report.strongest
            facts["strongest path"] = (
                f"{best.path_m:.3f} m from {math.degrees(best.azimuth_rad):+.1f} deg, {best.snr_db:.1f} dB over the "
                f"noise, at {best.time_s:.2f} s"
            )
        print_facts(facts)


def _process_radar(opened: "Recording", config: "ChainConfig") -> _Radar:
    from isactrack.acquisition.offline import MapAverage, detect
    from isactrack.cli._output import progress
    from isactrack.processing.report import return_report
    from isactrack.processing.spectra import RangeDopplerMap
    from isactrack.sensor import require_fmcw

    sensor = require_fmcw(opened.sensor).coherent(config.coherent_frames)
    average, detections = MapAverage(), []
    with progress("processing", len(opened)) as done:
        for output in detect(opened, config, done):
            detections.append(output.detections)
            if isinstance(output.spectrum, RangeDopplerMap):
                average.add(output.spectrum)
    facts: dict[str, object] = {
        "coherent_frames": config.coherent_frames,
        "intervals": len(detections),
        "unused_frames": unused_frames(opened, config, len(detections), 0),
        "remove_static": config.remove_static,
    }
    spectrum = None if config.remove_static else average.mean()
    report = None if spectrum is None else return_report(
        spectrum, sensor,
        range_window=config.range_window, min_range_m=config.min_range_m, max_range_m=config.max_range_m,
    )  # fmt: skip
    return _Radar(sensor, detections, facts, report)


def _process_radio(opened: "Recording", config: "OfdmChainConfig") -> _Radio:
    from isactrack.cli._output import progress
    from isactrack.processing.ofdm_chain import OfdmChain
    from isactrack.processing.ofdm_report import radio_report
    from isactrack.sensor import require_ofdm

    sensor = require_ofdm(opened.sensor)
    chain = OfdmChain(sensor, config)
    calibrations: list[BlockCalibration] = []
    detections, paths = [], []
    with progress("processing", len(opened)) as done:
        for count, frame in enumerate(opened.frames(), start=1):
            output = chain(frame)
            done(count)
            calibrations += chain.take_calibrations() if output is None else output.calibrations
            if output is not None:
                detections.append(output.detections)
                paths.append(output.paths)
    facts: dict[str, object] = {
        "calibration_method": config.calibration.method,
        "clutter_filter": config.clutter_filter,
        "intervals": len(detections),
        "unused_frames": chain.discarded_frames,
    }
    return _Radio(sensor, detections, facts, calibrations, radio_report(calibrations, chain.skipped, paths))
