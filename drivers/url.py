"""Device URLs: ``scheme://target?option=value&...``."""

import math
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from isactrack.errors import ConfigError
from isactrack.geometry import Pose

SPY_PREFIX: Final = "spy+"
"""Before a scheme: everything that goes over the device's wires is logged."""


@dataclass(frozen=True, slots=True)
class DeviceUrl:
    """A device URL taken apart.

    Attributes
    ----------
    text
        The URL as it was given.
    scheme
        Driver, e.g. ``sim``, without the ``spy+`` before it, which stands for an empty option ``spy``.
    target
        What stands between ``://`` and ``?``, e.g. ``awr1642`` or ``/dev/ttyACM0``.
    options
        Options in order of appearance.
    """

    text: str
    scheme: str
    target: str
    options: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> "DeviceUrl":
        """Take a URL apart; ConfigError if it is none."""
        if "://" not in text:
            raise ConfigError(
                f"{text!r} is no device URL", "write e.g. awr1642://auto, sim://awr1642 or file://run.h5?speed=max"
            )
        try:
            parts = urlsplit(text, allow_fragments=False)  # a "#" belongs to the name of a file
        except ValueError as error:
            raise ConfigError(f"{text!r} is no device URL: {error}", "write e.g. awr1642:///dev/ttyACM0") from None
        if not parts.scheme:
            raise ConfigError(f"{text!r} is no device URL: it names no driver", "write e.g. sim://awr1642")
        options: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in options:
                raise ConfigError(f"the option {name!r} stands twice in {text!r}", "give it once")
            options[name] = value
        scheme = parts.scheme.removeprefix(SPY_PREFIX)
        if scheme != parts.scheme:
            options.setdefault("spy", "")  # the log gets a name of its own
        return cls(text, scheme, unquote(parts.netloc + parts.path), options)

    def take(self, **defaults: str | int | float | None) -> dict[str, str | int | float | None]:
        """Return the options with their defaults filled in and converted to the type of the default.

        A default of None stands for an optional text.

        Raises
        ------
        ConfigError
            If an option is unknown or its value has the wrong type.
        """
        unknown = sorted(set(self.options) - set(defaults))
        if unknown[:1] == ["spy"]:
            raise ConfigError(
                f"{self.text!r}: there are no wires to listen to behind {self.scheme}://",
                f"leave out {SPY_PREFIX} and the option spy; awr1642:// and sim:// take them",
            )
        if unknown:
            raise ConfigError(
                f"unknown option {unknown[0]!r} in {self.text!r}",
                f"{self.scheme}:// takes {', '.join(sorted(defaults))}",
            )
        values: dict[str, str | int | float | None] = dict(defaults)
        for name, text in self.options.items():
            default = defaults[name]
            try:
                values[name] = text if default is None else type(default)(text)
            except ValueError:
                wanted = "a whole number" if isinstance(default, int) else "a number"
                raise ConfigError(
                    f"the option {name}={text} in {self.text!r} is not {wanted}", f"write e.g. {name}={default}"
                ) from None
        return values


def parse_speed(url: str, value: str | float | None) -> float:
    """Return the ``speed`` option of a URL: a positive number, ``max`` for infinite, None for 1.

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    if value is None:
        return 1.0
    try:
        speed = math.inf if value == "max" else float(value)
    except ValueError:
        speed = math.nan
    if not speed > 0.0:
        raise ConfigError(f"speed={value} in {url!r} is no speed", "use a positive number or max")
    return speed


def parse_pose(url: str, value: object) -> Pose:
    """Return the ``pose`` option of a URL: x and y in metres and yaw in degrees, ``pose=1.5,0,90``; None for none.

    Raises
    ------
    ConfigError
        If it is not three numbers.
    """
    if value is None:
        return Pose()
    try:
        x_m, y_m, yaw_deg = (float(word) for word in str(value).split(","))
    except ValueError:
        raise ConfigError(
            f"pose={value} in {url!r} is not three numbers", "write x and y in metres and yaw in degrees: pose=1.5,0,90"
        ) from None
    return Pose(x_m=x_m, y_m=y_m, yaw_rad=math.radians(yaw_deg))
