"""The errors of isactrack.

::

    IsacError                      exit code 1
    ├── ConfigError                2   a profile, option or URL that cannot work
    ├── DeviceError                3
    │   ├── DeviceNotFoundError        no such port, address or driver
    │   ├── DeviceTimeoutError         the device is there but did not answer in time (also a TimeoutError)
    │   ├── ProtocolError              the device answered with something that the protocol does not allow
    │   └── DeviceStateError           a call in the wrong order, e.g. frames() before start()
    ├── CaptureLossError           4   finished, but more was lost than was allowed
    └── RecordingError             5   a file that cannot be read, written or trusted

Each carries a `hint`: what the reader can do next. The command line prints both and exits with `exit_code`.
"""


class IsacError(Exception):
    """Base of all errors that isactrack raises on purpose.

    Parameters
    ----------
    message
        What happened, with the values that matter.
    hint
        The likely cause and the next step.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[type["IsacError"], tuple[str, str]]:
        return type(self), (str(self), self.hint)


class ConfigError(IsacError):
    """A profile, an option or a URL cannot work: unknown command, value out of range, parts that contradict."""

    exit_code = 2


class DeviceError(IsacError):
    """Base of the errors of a device."""

    exit_code = 3


class DeviceNotFoundError(DeviceError):
    """There is no such port, network address or driver."""


class DeviceTimeoutError(DeviceError, TimeoutError):
    """The device did not answer before the deadline."""


class ProtocolError(DeviceError):
    """The device answered with something that its protocol does not allow, or refused a command."""


class DeviceStateError(DeviceError):
    """A device method was called in a state that does not allow it."""


class CaptureLossError(IsacError):
    """A capture finished, and more data was lost than the caller allowed."""

    exit_code = 4


class RecordingError(IsacError):
    """A file cannot be read, written or trusted."""

    exit_code = 5
