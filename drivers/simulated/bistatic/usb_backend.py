"""A USB bus with the simulated radio on it, as a backend of pyusb: the driver's transfers end here.

The radio is a device of one vendor interface with three bulk endpoints (`isactrack.drivers.bistatic.control`). What it
streams waits in a memory of bounded size until the host reads; replies wait in one of their own.
"""

import array
import errno
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Final

import numpy as np
import usb.backend
import usb.core

from isactrack.drivers.bistatic.control import (
    USB_COMMAND_ENDPOINT,
    USB_DATA_ENDPOINT,
    USB_PRODUCT_ID,
    USB_REPLY_ENDPOINT,
    USB_VENDOR_ID,
)
from isactrack.drivers.bistatic.framing import MAX_USB_PAYLOAD_BYTES
from isactrack.drivers.simulated.bistatic.faults import FaultKind
from isactrack.drivers.simulated.bistatic.firmware import GARBAGE_BYTES, RadioFirmware

FIFO_BYTES: Final = 4 << 20
"""Memory of the radio for its stream: 50 ms of samples at full rate, and some."""
DRAIN_S: Final = 2.0
"""Longest wait for the host to take what was sent before a cable is pulled."""
_POLL_S: Final = 0.02
_MANUFACTURER, _PRODUCT, _SERIAL = 1, 2, 3
_GET_DESCRIPTOR: Final = 6
_STRING: Final = 3
_ENGLISH: Final = 0x0409
_PACKET_BYTES: Final = 1024


class ByteFifo:
    """A memory of bounded size between the radio and the host.

    Parameters
    ----------
    capacity
        Its size in bytes.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._chunks: deque[bytes] = deque()
        self._begun = 0  # bytes of the first chunk that are taken
        self._size = 0
        self._changed = threading.Condition()

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more fit."""
        return self._size + size <= self._capacity

    @property
    def empty(self) -> bool:
        """Whether everything was taken."""
        return self._size == 0

    def put(self, chunks: Sequence[bytes]) -> None:
        """Put bytes in, whether or not they fit: the radio has asked before."""
        with self._changed:
            self._chunks += chunks
            self._size += sum(map(len, chunks))
            self._changed.notify_all()

    def clear(self) -> None:
        """Throw everything away."""
        with self._changed:
            self._chunks.clear()
            self._begun = self._size = 0
            self._changed.notify_all()

    def take(self, buffer: memoryview, timeout_s: float) -> int:
        """Move as many bytes as there are and fit into a buffer; return how many, after a wait perhaps none."""
        with self._changed:
            if not self._size:
                self._changed.wait(timeout_s)
            taken = 0
            while self._chunks and taken < len(buffer):
                first = self._chunks[0]
                part = memoryview(first)[self._begun : self._begun + len(buffer) - taken]
                buffer[taken : taken + len(part)] = part
                taken += len(part)
                self._begun += len(part)
                if self._begun == len(first):
                    self._chunks.popleft()
                    self._begun = 0
            self._size -= taken
            if taken:
                self._changed.notify_all()
            return taken

    def wait_empty(self, until_s: float, stop: threading.Event) -> None:
        """Wait until everything is taken, a time on the monotonic clock is reached, or an event is set."""
        with self._changed:
            while self._size and time.monotonic() < until_s and not stop.is_set():
                self._changed.wait(_POLL_S)


class UsbRadio:
    """The radio's side of the cable. See `isactrack.drivers.simulated.bistatic.firmware.Outlet`.

    Parameters
    ----------
    firmware
        The radio.
    fifo_bytes
        Size of its memory.
    """

    most_bytes = MAX_USB_PAYLOAD_BYTES

    def __init__(self, firmware: RadioFirmware, *, fifo_bytes: int = FIFO_BYTES) -> None:
        self.firmware = firmware
        self.ahead_bytes = fifo_bytes // 2
        self.data = ByteFifo(fifo_bytes)
        self.replies = ByteFifo(fifo_bytes)
        self.claimed_by: object = None
        firmware.attach(self)

    @property
    def plugged(self) -> bool:
        """Whether the radio is on the bus."""
        return not self.firmware.has(FaultKind.UNPLUG)

    def has_room(self, size: int) -> bool:
        """Whether the memory takes so many bytes more, headers aside."""
        return self.data.has_room(size + size // 8)

    def put(self, packets: Sequence[bytes]) -> None:
        """Let packets wait for the host."""
        self.data.put(packets)

    def put_garbage(self, rng: np.random.Generator, packet: bytes) -> None:
        """Put random bytes into the stream."""
        self.data.put([rng.bytes(GARBAGE_BYTES)])

    def drain(self, stop: threading.Event) -> None:
        """Wait until the host has read everything, for a while."""
        self.data.wait_empty(time.monotonic() + DRAIN_S, stop)

    def clear(self) -> None:
        """Forget what was not read."""
        self.data.clear()

    def close(self) -> None:
        """Stop; may be called again."""
        self.firmware.stop()
        self.clear()


class _Handle:
    """A radio that a host has opened."""

    def __init__(self, radio: UsbRadio) -> None:
        self.radio = radio
        self.gone = False


class SimulatedUsbBackend(usb.backend.IBackend):  # type: ignore[misc] # pyusb has no types
    """A bus, for ``usb.core.find(backend=...)``.

    Parameters
    ----------
    radios
        What is on the bus.
    """

    def __init__(self, *radios: UsbRadio) -> None:
        self._radios = radios

    # --- what is there -----------------------------------------------------------------------------------------------

    def enumerate_devices(self) -> Iterator[UsbRadio]:
        """Yield the radios that are plugged in."""
        return (radio for radio in self._radios if radio.plugged)

    def get_parent(self, dev: UsbRadio) -> None:
        """Return None: no hub is between."""
        return

    def get_device_descriptor(self, dev: UsbRadio) -> SimpleNamespace:
        """Return the descriptor of a radio, and where on the bus it is."""
        port = self._radios.index(dev) + 1
        return SimpleNamespace(
            bLength=18, bDescriptorType=1, bcdUSB=0x0300, bDeviceClass=0xFF, bDeviceSubClass=0, bDeviceProtocol=0,
            bMaxPacketSize0=9, idVendor=USB_VENDOR_ID, idProduct=USB_PRODUCT_ID, bcdDevice=0x0100,
            iManufacturer=_MANUFACTURER, iProduct=_PRODUCT, iSerialNumber=_SERIAL, bNumConfigurations=1,
            bus=1, address=port, port_number=port, port_numbers=(port,), speed=4, extra_descriptors=[],
        )  # fmt: skip

    def get_configuration_descriptor(self, dev: UsbRadio, config: int) -> SimpleNamespace:
        """Return the only configuration."""
        _only(config)
        return SimpleNamespace(
            bLength=9, bDescriptorType=2, wTotalLength=9 + 9 + 7 * len(_ENDPOINTS), bNumInterfaces=1,
            bConfigurationValue=1, iConfiguration=0, bmAttributes=0xC0, bMaxPower=0, extra_descriptors=[],
        )  # fmt: skip

    def get_interface_descriptor(self, dev: UsbRadio, intf: int, alt: int, config: int) -> SimpleNamespace:
        """Return the only interface, which has no alternate settings."""
        _only(intf, alt, config)
        return SimpleNamespace(
            bLength=9, bDescriptorType=4, bInterfaceNumber=0, bAlternateSetting=0, bNumEndpoints=len(_ENDPOINTS),
            bInterfaceClass=0xFF, bInterfaceSubClass=0, bInterfaceProtocol=0, iInterface=0, extra_descriptors=[],
        )  # fmt: skip

    def get_endpoint_descriptor(self, dev: UsbRadio, ep: int, intf: int, alt: int, config: int) -> SimpleNamespace:
        """Return one of the bulk endpoints."""
        _only(intf, alt, config)
        return SimpleNamespace(
            bLength=7, bDescriptorType=5, bEndpointAddress=_ENDPOINTS[ep], bmAttributes=2,
            wMaxPacketSize=_PACKET_BYTES, bInterval=0, bRefresh=0, bSynchAddress=0, extra_descriptors=[],
        )  # fmt: skip

    # --- opening -----------------------------------------------------------------------------------------------------

    def open_device(self, dev: UsbRadio) -> _Handle:
        """Open a radio."""
        if not dev.plugged:
            raise _no_device()
        return _Handle(dev)

    def close_device(self, dev_handle: _Handle) -> None:
        """Close it."""
        dev_handle.gone = True

    def set_configuration(self, dev_handle: _Handle, config_value: int) -> None:
        """Choose a configuration; there is one."""
        _present(dev_handle)
        if config_value != 1:
            raise usb.core.USBError("no such configuration", None, errno.EINVAL)

    def get_configuration(self, dev_handle: _Handle) -> int:
        """Return the value of the only configuration."""
        _present(dev_handle)
        return 1

    def set_interface_altsetting(self, dev_handle: _Handle, intf: int, altsetting: int) -> None:
        """Choose an alternate setting; there is one."""
        _present(dev_handle)
        _only(intf, altsetting)

    def claim_interface(self, dev_handle: _Handle, intf: int) -> None:
        """Take the interface; one host at a time has it."""
        radio = _present(dev_handle)
        _only(intf)
        if radio.claimed_by not in (None, dev_handle):
            raise usb.core.USBError("another program has the interface", None, errno.EBUSY)
        radio.claimed_by = dev_handle

    def release_interface(self, dev_handle: _Handle, intf: int) -> None:
        """Give it back."""
        _only(intf)
        if dev_handle.radio.claimed_by is dev_handle:
            dev_handle.radio.claimed_by = None

    def is_kernel_driver_active(self, dev_handle: _Handle, intf: int) -> bool:
        """Return False: no kernel drives a radio."""
        _present(dev_handle)
        _only(intf)
        return False

    def detach_kernel_driver(self, dev_handle: _Handle, intf: int) -> None:
        """Refuse: there is none."""
        raise usb.core.USBError("no kernel driver is attached", None, errno.ENOENT)

    attach_kernel_driver = detach_kernel_driver

    def clear_halt(self, dev_handle: _Handle, ep: int) -> None:
        """Do nothing: no endpoint ever stalls."""
        _present(dev_handle)

    def reset_device(self, dev_handle: _Handle) -> None:
        """Reset the radio: it streams no more."""
        radio = _present(dev_handle)
        radio.firmware.stop()
        radio.clear()

    # --- transfers ---------------------------------------------------------------------------------------------------

    def bulk_write(self, dev_handle: _Handle, ep: int, intf: int, data: "array.array[int]", timeout: int) -> int:
        """Hand a packet with a command to the radio."""
        radio = _present(dev_handle)
        if ep != USB_COMMAND_ENDPOINT:
            raise usb.core.USBError("nothing can be written to this endpoint", None, errno.EPIPE)
        if radio.firmware.has(FaultKind.SILENT):
            time.sleep(1e-3 * timeout)
            raise usb.core.USBTimeoutError("the radio takes nothing", None, errno.ETIMEDOUT)
        radio.firmware.receive(data.tobytes(), lambda packet: radio.replies.put([packet]))
        return len(data)

    def bulk_read(self, dev_handle: _Handle, ep: int, intf: int, buff: "array.array[int]", timeout: int) -> int:
        """Move what waits at an endpoint into a buffer; USBTimeoutError if nothing comes."""
        radio = _present(dev_handle)
        fifo = {USB_REPLY_ENDPOINT: radio.replies, USB_DATA_ENDPOINT: radio.data}.get(ep)
        if fifo is None:
            raise usb.core.USBError("nothing can be read from this endpoint", None, errno.EPIPE)
        target = memoryview(buff)
        until_s = time.monotonic() + 1e-3 * timeout
        while not (taken := fifo.take(target, min(_POLL_S, 1e-3 * timeout))):
            _present(dev_handle)
            if time.monotonic() >= until_s:
                raise usb.core.USBTimeoutError("nothing came", None, errno.ETIMEDOUT)
        return taken

    def intr_write(self, *_: object) -> int:
        """Refuse: there is no such endpoint."""
        raise usb.core.USBError("there is no such endpoint", None, errno.EPIPE)

    intr_read = iso_write = iso_read = intr_write

    def ctrl_transfer(
        self,
        dev_handle: _Handle,
        bmRequestType: int,
        bRequest: int,
        wValue: int,
        wIndex: int,
        data: "array.array[int]",
        timeout: int,
    ) -> int:
        """Answer requests for strings; stall at others."""
        radio = _present(dev_handle)
        kind, index = wValue >> 8, wValue & 0xFF
        if bmRequestType != 0x80 or bRequest != _GET_DESCRIPTOR or kind != _STRING or index > _SERIAL:
            raise usb.core.USBError("the radio stalls", None, errno.EPIPE)
        identity = radio.firmware.identity
        texts = ["", "isactrack", identity.model, identity.serial_number]
        body = _ENGLISH.to_bytes(2, "little") if index == 0 else texts[index].encode("utf-16-le")
        answer = bytes([2 + len(body), _STRING]) + body
        count = min(len(answer), len(data))
        data[:count] = array.array("B", answer[:count])
        return count


_ENDPOINTS: Final = (USB_COMMAND_ENDPOINT, USB_REPLY_ENDPOINT, USB_DATA_ENDPOINT)


def _only(*indices: int) -> None:
    """Raise IndexError unless all indices are 0, as pyusb expects past the end."""
    if any(indices):
        raise IndexError(indices)


def _present(handle: _Handle) -> UsbRadio:
    """Return the radio of a handle; USBError if it is closed, or the radio was unplugged since it was opened."""
    handle.gone = handle.gone or not handle.radio.plugged
    if handle.gone:
        raise _no_device()
    return handle.radio


def _no_device() -> Exception:
    error: Exception = usb.core.USBError("no such device: it may have been unplugged", None, errno.ENODEV)
    return error
