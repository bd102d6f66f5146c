"""Faults of a simulated device at set times, whatever the device and whatever goes wrong.

A fault is written ``KIND@START+DURATION``, e.g. ``link-down@3s+2s``; several are separated by commas. Times are those
of the device's clock since it was first started, so that a fast simulation meets them as a slow one does. Without
``@START`` the fault is there from the time the device is switched on.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from isactrack.errors import ConfigError

_TIME: Final = r"(\d+(?:\.\d+)?)(ms|s)?"
_SYNTAX: Final = re.compile(rf"([a-z-]+)(?:@{_TIME})?(?:[+ ]{_TIME})?")  # a "+" in a URL stands for a space


@dataclass(frozen=True, slots=True)
class FaultRule:
    """How a kind of fault may be asked for.

    Attributes
    ----------
    meaning
        What it does, for people.
    duration_s
        How long it lasts if that is not said; 0 for what happens at a moment.
    needs_start
        Whether it makes sense only once the device runs.
    instant
        Whether it has no duration at all.
    """

    meaning: str
    duration_s: float = math.inf
    needs_start: bool = False
    instant: bool = False


Rules = Mapping[StrEnum, FaultRule]
"""The kinds of fault of a device."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a set time.

    Attributes
    ----------
    kind
        What goes wrong.
    start_s
        When it begins, seconds on the device's clock since it was first started; -inf: with the power.
    duration_s
        How long it lasts, seconds; infinite if it stays.
    """

    kind: StrEnum
    start_s: float = -math.inf
    duration_s: float = math.inf

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.duration_s if self.start_s == -math.inf else self.start_s + self.duration_s

    def active(self, now_s: float) -> bool:
        """Whether it is there at a time."""
        return self.start_s <= now_s < self.end_s


def parse_plan(text: str, rules: Rules) -> tuple[Fault, ...]:
    """Return the faults that the option ``fault`` of a URL asks for.

    Parameters
    ----------
    text
        E.g. ``silent-card`` or ``link-down@3s+2s,uart-garbage@500ms``; empty for none.
    rules
        The kinds of fault that there are.

    Raises
    ------
    ConfigError
        If there is no such fault or a time is missing or none.
    """
    return tuple(_parse_fault(word.strip(), rules) for word in text.split(",")) if text.strip() else ()


def _parse_fault(text: str, rules: Rules) -> Fault:
    match = _SYNTAX.fullmatch(text)
    name = match[1] if match else re.split(r"[@+ ]", text)[0]
    kinds = {kind.value: kind for kind in rules}
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"there is no fault {name!r}", f"{meant}faults: {', '.join(kinds)}")
    if not match:
        raise ConfigError(
            f"{text!r} is no fault at a time", f"write KIND@START+DURATION, e.g. fault={name}@3s+500ms or {name}@1.5s"
        )
    kind = kinds[name]
    rule = rules[kind]
    start_s, duration_s = _seconds(match[2], match[3]), _seconds(match[4], match[5])
    if start_s is None and (rule.needs_start or duration_s is not None):
        raise ConfigError(f"the fault {text!r} does not say when it begins", f"write e.g. fault={name}@3s")
    if duration_s is not None and rule.instant:
        raise ConfigError(f"the fault {text!r} happens at a moment and has no duration", f"write e.g. fault={name}@3s")
    return Fault(kind, -math.inf if start_s is None else start_s, rule.duration_s if duration_s is None else duration_s)


def _seconds(number: str | None, unit: str | None) -> float | None:
    if number is None:
        return None
    return float(number) * (1e-3 if unit == "ms" else 1.0)


class FaultPlan:
    """Which faults a device has, and when.

    Parameters
    ----------
    faults
        The faults.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = tuple(faults)
        self._waiting = sorted(self._faults, key=lambda fault: fault.start_s)

    def asks_for(self, kind: StrEnum) -> bool:
        """Whether there is such a fault at any time."""
        return any(fault.kind is kind for fault in self._faults)

    def active(self, kind: StrEnum, now_s: float) -> bool:
        """Whether there is such a fault at a time; -inf is before the device's first start."""
        return any(fault.kind is kind and fault.active(now_s) for fault in self._faults)

    def next_start(self, kinds: Iterable[StrEnum], now_s: float) -> float:
        """Return when a fault of some kinds begins next, infinite for never."""
        wanted = set(kinds)
        return min((f.start_s for f in self._faults if f.kind in wanted and f.start_s >= now_s), default=math.inf)

    def take_begun(self, now_s: float) -> list[Fault]:
        """Return the faults that have begun since the last call, oldest first."""
        begun = [fault for fault in self._waiting if fault.start_s <= now_s]
        self._waiting = self._waiting[len(begun) :]
        return begun
