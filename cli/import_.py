"""``isactrack import``: captures of other tools."""

from pathlib import Path

import click

from isactrack.cli._options import add_common_options, add_json_option

_EPILOG = """\b
Examples:
  isactrack import adc_data.bin --cfg walk.cfg -o walk.h5
  isactrack import adc_data.bin --studio-log LogFile.txt -o fan.h5
  isactrack import capture.pcap --cfg walk.cfg -o walk.h5
  isactrack import wifi.pcap --nexmon --chip 4366c0 --bandwidth 80 -o wifi.h5
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
@click.option("--nexmon", is_flag=True, help="FILE holds channel estimates that nexmon's firmware took of Wi-Fi.")
@click.option("--chip", type=click.Choice(["4339", "43455c0", "4358", "4366c0"], case_sensitive=False),
              help="With --nexmon: chip of the receiver.")  # fmt: skip
@click.option("--bandwidth", type=click.Choice(["20", "40", "80"]), metavar="MHZ",
              help="With --nexmon: bandwidth of the channel, 20, 40 or 80.")  # fmt: skip
@click.option("--transmitter", metavar="MAC", help="With --nexmon: whose packets, where there are several senders.")
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
    nexmon: bool,
    chip: str | None,
    bandwidth: str | None,
    transmitter: str | None,
    output: Path,
    note: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Turn captured samples (adc_data.bin or a packet capture of a DCA1000) into a recording.

    What the radar was doing is taken from its profile or from the log of mmWave Studio: one of them is needed. With
    --nexmon the file is a packet capture of Wi-Fi channel estimates; chip and bandwidth are needed.
    """
    radar_options = (cfg, studio_log, loops, iq_order, model)
    if nexmon:
        if chip is None or bandwidth is None:
            raise click.UsageError("give --chip and --bandwidth: the capture does not say how its words are packed")
        if any(option is not None for option in radar_options):
            raise click.UsageError("--cfg, --studio-log, --loops, --iq-order and --model are for captures of a radar")
        _import_nexmon(capture, chip, int(bandwidth), transmitter, output, note, overwrite, as_json)
        return
    if any(option is not None for option in (chip, bandwidth, transmitter)):
        raise click.UsageError("--chip, --bandwidth and --transmitter are for captures of Wi-Fi: give --nexmon too")
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


def _import_nexmon(
    capture: Path,
    chip: str,
    bandwidth_mhz: int,
    transmitter: str | None,
    output: Path,
    note: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    from isactrack.cli import _capture
    from isactrack.cli._sources import check_capture
    from isactrack.drivers.nexmon import NexmonFile

    _capture.check_target(output, overwrite, capture)
    check_capture(capture)
    with NexmonFile(capture, chip=chip, bandwidth_mhz=bandwidth_mhz, transmitter=transmitter) as device:
        device.configure()
        _capture.record(device, output, as_json=as_json, note=note, overwrite=overwrite)
