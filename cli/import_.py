"""``isactrack import``: captures of other tools."""

from pathlib import Path

import click

from isactrack.cli._options import add_common_options, add_json_option

_EPILOG = """\b
Examples:
  isactrack import adc_data.bin --cfg walk.cfg -o walk.h5
  isactrack import adc_data.bin --studio-log LogFile.txt -o fan.h5
  isactrack import capture.pcap --cfg walk.cfg -o walk.h5
"""

_FILE = click.Path(readable=False, path_type=Path)


@click.command("import", epilog=_EPILOG)
@click.argument("capture", type=_FILE, metavar="FILE")
@click.option("--cfg", type=_FILE, metavar="CFG", help="Radar profile that was running, in the mmw demo's language.")
@click.option("--studio-log", type=_FILE, metavar="LOG", help="Log of mmWave Studio of that take.")
@click.option("--loops", type=click.IntRange(min=1), metavar="N", help="Loops a frame, where the file has others.")
@click.option("--iq-order", type=click.Choice(["iiqq", "qqii", "iqiq"], case_sensitive=False),
              help="Order of the words, where it is not that of the profile.")  # fmt: skip
@click.option("--model", metavar="NAME", help="Radar that was running, e.g. AWR1843, where it is not the profile's.")
@click.option("-o", "--output", type=click.Path(readable=False, path_type=Path), required=True, metavar="REC",
              help="File to write (HDF5).")  # fmt: skip
@click.option("--note", default="", metavar="TEXT", help="Note to keep in the file.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@add_json_option
@add_common_options
def command(
    capture: Path,
    cfg: Path | None,
    studio_log: Path | None,
    loops: int | None,
    iq_order: str | None,
    model: str | None,
    output: Path,
    note: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Turn captured samples (adc_data.bin or a packet capture of a DCA1000) into a recording.

    What the radar was doing is taken from its profile or from the log of mmWave Studio: one of them is needed.
    """
    if (cfg is None) == (studio_log is None):
        raise click.UsageError("give either --cfg or --studio-log: the capture does not say what the radar was doing")
    from isactrack.cli import _capture
    from isactrack.cli._output import note as tell
    from isactrack.cli._sources import check_capture, read_profile
    from isactrack.drivers.awr1642.captures import AdcDataFile, open_capture
    from isactrack.fmcw import IqOrder

    _capture.check_target(output, overwrite, capture, cfg, studio_log)
    check_capture(capture)
    device = open_capture(
        capture,
        cfg_text=None if cfg is None else read_profile(cfg),
        studio_log_text=None if studio_log is None else read_profile(studio_log),
        loops=loops,
        iq_order=None if iq_order is None else IqOrder[iq_order.upper()],
        model=model,
    )
    with device:
        sensor = device.configure()
        _capture.record(device, output, as_json=as_json, note=note, overwrite=overwrite)
        if isinstance(device, AdcDataFile) and capture.stat().st_size % sensor.frame_bytes:
            tell(f"{capture} is no whole number of frames: is the profile another one, or was the file cut?")
