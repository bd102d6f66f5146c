"""The association methods by name, for configurations and the command line.

``make_associator("spa", rounds=10)`` is what a configuration's ``associator = "spa"`` means. A method's module is
imported when the method is made, not before.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from isactrack.errors import ConfigError
from isactrack.tracking.association import Associator


def _gnn(**options: Any) -> Associator:
    from isactrack.tracking.gnn import Gnn

    return Gnn(**options)


def _pda(**options: Any) -> Associator:
    from isactrack.tracking.pda import Pda

    return Pda(**options)


def _jpda(**options: Any) -> Associator:
    from isactrack.tracking.jpda import Jpda

    return Jpda(**options)


def _spa(**options: Any) -> Associator:
    from isactrack.tracking.spa import Spa

    return Spa(**options)


def _penalty(**options: Any) -> Associator:
    from isactrack.tracking.penalty import Penalty

    return Penalty(**options)


def _hungarian(**options: Any) -> Associator:
    from isactrack.tracking.penalty import Hungarian

    return Hungarian(**options)


ASSOCIATORS: Final[Mapping[str, Callable[..., Associator]]] = MappingProxyType(
    {"gnn": _gnn, "pda": _pda, "jpda": _jpda, "spa": _spa, "penalty": _penalty, "hungarian": _hungarian}
)
"""Makers of associators by name; each takes the options of its class as keywords."""


def make_associator(name: str, **options: Any) -> Associator:
    """Make an associator by its name.

    Parameters
    ----------
    name
        A key of `ASSOCIATORS`: ``"gnn"``, ``"pda"``, ``"jpda"``, ``"spa"``, ``"penalty"`` or ``"hungarian"``.
    **options
        Options of the method, for example ``rounds=10`` of `isactrack.tracking.spa.Spa`.

    Returns
    -------
    Associator
        The method, ready to be called.

    Raises
    ------
    ConfigError
        If there is no such method or it has no such option.
    """
    try:
        make = ASSOCIATORS[name]
    except KeyError:
        raise ConfigError(f"no association method {name!r}", f"choose one of {', '.join(ASSOCIATORS)}") from None
    try:
        return make(**options)
    except TypeError as error:
        raise ConfigError(
            f"association method {name!r} does not take {', '.join(options)}: {error}", f"see the options of {name!r}"
        ) from error
