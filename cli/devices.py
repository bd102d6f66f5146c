"""``isactrack devices``: what can be opened."""

import click

from isactrack.cli._options import add_common_options, add_json_option

_EPILOG = """\b
Example:
  isactrack devices --json
"""


@click.command("devices", epilog=_EPILOG)
@add_json_option
@add_common_options
def command(as_json: bool) -> None:
    """List the devices that can be opened: simulated ones, and the hardware that is found."""
    from isactrack.cli._output import print_json, print_table
    from isactrack.drivers.registry import list_devices

    devices = list_devices()
    if as_json:
        keys = ("url", "model", "description", "source")
        print_json({"devices": [{key: getattr(device, key) for key in keys} for device in devices]})
        return
    print_table(
        ["URL", "model", "source", "description"],
        [(device.url, device.model, device.source, device.description) for device in devices],
    )
