"""``isactrack devices``: what can be opened."""

import click

from isactrack.cli._options import add_common_options, add_json_option

_EPILOG = """\b
Example:
  isactrack devices --json
  isactrack devices --faults
"""


@click.command("devices", epilog=_EPILOG)
@click.option("--faults", "show_faults", is_flag=True, help="List the faults that a simulated device can have instead.")
@add_json_option
@add_common_options
def command(show_faults: bool, as_json: bool) -> None:
    """List the devices that can be opened: simulated ones, and the hardware that is found."""
    if show_faults:
        _list_faults(as_json)
    else:
        _list_devices(as_json)


def _list_faults(as_json: bool) -> None:
    from isactrack.cli._output import print_json, print_table
    from isactrack.drivers.simulated import faults as board
    from isactrack.drivers.simulated.bistatic import faults as radio

    devices = {"sim://awr1642": board.describe_faults(), "sim://bistatic": radio.describe_faults()}
    if as_json:
        faults = [{"device": url, "kind": kind, "meaning": meaning}
                  for url, listed in devices.items() for kind, meaning in listed]  # fmt: skip
        print_json({"faults": faults})
        return
    for url, listed in devices.items():
        print_table([f"{url}?fault=", "what it does"], listed)
    click.echo("several with commas, each at its time: sim://awr1642?fault=KIND@START+DURATION, e.g. @3s+500ms")


def _list_devices(as_json: bool) -> None:
    from isactrack.cli._output import print_json, print_table
    from isactrack.drivers.registry import list_devices

    devices = list_devices()
    if as_json:
        keys = ("url", "model", "description", "source", "console_port", "data_port", "serial_number")
        print_json({"devices": [{key: getattr(device, key) for key in keys} for device in devices]})
        return
    print_table(
        ["URL", "model", "source", "console", "data port", "serial number"],
        [
            (one.url, one.model, one.source, one.console_port or "-", one.data_port or "-", one.serial_number or "-")
            for one in devices
        ],
    )
