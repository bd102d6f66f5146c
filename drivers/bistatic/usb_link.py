"""The radio on USB: one vendor interface with three bulk endpoints, read by pyusb.

pyusb is synchronous, one transfer at a time, so the radio has to hold its data until the next read begins. Reads of
1 MiB keep the number of these moments small. Nothing here has met real hardware.
"""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from isactrack.drivers.bistatic.control import (
    USB_COMMAND_ENDPOINT,
    USB_DATA_ENDPOINT,
    USB_PRODUCT_ID,
    USB_REPLY_ENDPOINT,
    USB_VENDOR_ID,
)
from isactrack.drivers.bistatic.link import MAX_PACKET_BYTES, PacketStream
from isactrack.errors import ConfigError, DeviceError, DeviceNotFoundError, DeviceTimeoutError

READ_BYTES: Final = 1 << 20
"""Of a read of data."""
WRITE_TIMEOUT_S: Final = 1.0
DISCARD_S: Final = 0.02
"""Data of a time before have been thrown away once so long none came."""
MOST_DISCARDED: Final = 64
"""Reads that are thrown away at most."""
_PLUG_HINT: Final = "check cable and power of the radio, and open it anew"


def find_radios(backend: Any = None) -> list[tuple[str, Any]]:
    """Return the radios on USB: serial number, empty if it cannot be read, and pyusb's device.

    Parameters
    ----------
    backend
        pyusb backend to look with; None for libusb.

    Raises
    ------
    ConfigError
        If pyusb or libusb is not installed.
    DeviceNotFoundError
        If the bus cannot be looked at.
    """
    core = _usb_core()
    try:
        found = list(core.find(find_all=True, backend=backend, idVendor=USB_VENDOR_ID, idProduct=USB_PRODUCT_ID))
    except core.NoBackendError as error:
        raise ConfigError(
            "pyusb finds no libusb on this computer",
            "install it: `apt install libusb-1.0-0`, `brew install libusb`, or `pip install libusb-package`",
        ) from error
    except core.USBError as error:
        raise DeviceNotFoundError(
            f"the USB cannot be looked at: {error}", "is it shared with this container?"
        ) from error
    return [(_serial_number(device), device) for device in found]


def open_usb(serial_number: str = "", *, backend: Any = None) -> "UsbLink":
    """Open the radio on USB that has a serial number; the only one if the number is empty.

    Raises
    ------
    ConfigError
        If pyusb or libusb is not installed.
    DeviceNotFoundError
        If there is none, several, or this user may not open it.
    """
    radios = find_radios(backend)
    names = ", ".join(serial or "one whose serial number cannot be read" for serial, _ in radios) or "none"
    matching = [radio for radio in radios if serial_number in ("", radio[0])]
    if not matching:
        which = f" with the serial number {serial_number}" if serial_number else ""
        raise DeviceNotFoundError(
            f"no bistatic radio{which} is on USB; connected: {names}",
            "connect and power it; without hardware use sim://bistatic",
        )
    if len(matching) > 1:
        raise DeviceNotFoundError(
            f"several bistatic radios are on USB: {names}",
            f"name one, e.g. bistatic://usb/{matching[0][0] or 'SERIAL'}",
        )
    return UsbLink(matching[0][1], serial_number=matching[0][0])


class UsbLink:
    """A way to a radio on USB. See `isactrack.drivers.bistatic.link.Link`.

    Parameters
    ----------
    device
        pyusb's device, `usb.core.Device`.
    serial_number
        Of the radio.

    Raises
    ------
    DeviceNotFoundError
        If it cannot be opened.
    """

    loses_packets = False

    def __init__(self, device: Any, *, serial_number: str = "") -> None:
        self._core = _usb_core()
        self._device = device
        self.name = f"USB {serial_number}".rstrip()
        self._stream = PacketStream()
        self._closing = threading.Lock()
        self._closed = False
        try:
            self._detach()
            device.set_configuration()
            _usb_util().claim_interface(device, 0)
        except self._core.USBError as error:
            self.close()
            raise _open_error(self.name, error) from error

    @property
    def rejected(self) -> int:
        """Runs of bytes that belonged to no packet."""
        return self._stream.garbage

    def send(self, packet: bytes) -> None:
        """See `Link.send`."""
        with self._errors():
            try:
                sent = self._device.write(USB_COMMAND_ENDPOINT, packet, _ms(WRITE_TIMEOUT_S))
            except self._core.USBTimeoutError as error:
                raise DeviceTimeoutError(f"the radio on {self.name} takes no commands", _PLUG_HINT) from error
        if sent != len(packet):
            raise DeviceError(f"the radio on {self.name} took {sent} of {len(packet)} bytes", _PLUG_HINT)

    def receive_reply(self, timeout_s: float) -> bytes | None:
        """See `Link.receive_reply`."""
        return self._read(USB_REPLY_ENDPOINT, MAX_PACKET_BYTES, timeout_s)

    def receive(self, timeout_s: float) -> list[bytes]:
        """See `Link.receive`."""
        data = self._read(USB_DATA_ENDPOINT, READ_BYTES, timeout_s)
        return [] if data is None else self._stream.feed(data)

    def prepare(self, bytes_per_s: float) -> None:
        """See `Link.prepare`; what does not fit waits in the radio."""

    def discard(self) -> None:
        """See `Link.discard`."""
        for endpoint, size in ((USB_REPLY_ENDPOINT, MAX_PACKET_BYTES), (USB_DATA_ENDPOINT, READ_BYTES)):
            for _ in range(MOST_DISCARDED):
                if self._read(endpoint, size, DISCARD_S) is None:
                    break
        self._stream.clear()

    def close(self) -> None:
        """See `Link.close`."""
        with self._closing:
            if not self._closed:
                self._closed = True
                with suppress(self._core.USBError):
                    _usb_util().dispose_resources(self._device)

    def _read(self, endpoint: int, size: int, timeout_s: float) -> bytes | None:
        with self._errors():
            try:
                return bytes(self._device.read(endpoint, size, _ms(timeout_s)))
            except self._core.USBTimeoutError:
                return None

    def _detach(self) -> None:
        """Take the interface from a driver of the kernel, where that can be asked for."""
        with suppress(NotImplementedError):
            if self._device.is_kernel_driver_active(0):
                self._device.detach_kernel_driver(0)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        if self._closed:
            raise DeviceError(f"{self.name} is closed", "open the device anew")
        try:
            yield
        except self._core.USBError as error:
            if error.errno in (errno.ENODEV, errno.EIO, errno.ESHUTDOWN):
                raise DeviceError(f"the radio on {self.name} was unplugged: {error}", _PLUG_HINT) from error
            raise DeviceError(f"USB to the radio on {self.name} failed: {error}", _PLUG_HINT) from error


def _open_error(name: str, error: Any) -> DeviceNotFoundError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceNotFoundError(
            f"this user may not open the radio on {name}: {error}",
            "run `isactrack doctor --udev-rule | sudo tee /etc/udev/rules.d/70-isactrack.rules`, then "
            "`sudo udevadm control --reload`, and plug it in again",
        )
    if error.errno == errno.EBUSY:
        return DeviceNotFoundError(f"the radio on {name} is taken: {error}", "close the other program that uses it")
    return DeviceNotFoundError(f"the radio on {name} cannot be opened: {error}", _PLUG_HINT)


def _serial_number(device: Any) -> str:
    """Return the serial number; reading it opens the device, which not everybody may do."""
    with suppress(_usb_core().USBError, NotImplementedError, ValueError):
        return str(device.serial_number or "")
    return ""


def _ms(seconds: float) -> int:
    return max(1, round(1e3 * seconds))  # 0 would be without end


def _usb_core() -> Any:
    try:
        import usb.core
    except ImportError as error:
        raise ConfigError("pyusb is not installed", 'install the extra: pip install "isactrack[bistatic]"') from error
    return usb.core


def _usb_util() -> Any:
    import usb.util

    return usb.util
