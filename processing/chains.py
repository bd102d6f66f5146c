"""The chain that suits a sensor, and what is common to all of them."""

from typing import TYPE_CHECKING, Protocol

from isactrack.detections import Detections
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.frame import Frame
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.ofdm_config import OfdmChainConfig
from isactrack.processing.products import Product, Products
from isactrack.sensor import Sensor

if TYPE_CHECKING:
    from isactrack.processing.music_spectrum import DelayAzimuthMap
    from isactrack.processing.spectra import RangeDopplerMap

    Spectrum = RangeDopplerMap | DelayAzimuthMap
    """The map of an interval: over range and Doppler from a radar, over path length and azimuth from a radio."""

AnyChainConfig = ChainConfig | OfdmChainConfig
"""Settings of the chain of a radar, or of a radio."""


class AnyChainOutput(Protocol):
    """What every chain makes of an interval; `ChainOutput` and `OfdmChainOutput` hold more."""

    @property
    def time_s(self) -> float:
        """Device time of the centre of the interval."""

    @property
    def detections(self) -> Detections:
        """Detections, the strongest first."""

    @property
    def spectrum(self) -> "Spectrum":
        """The map that they were found in."""

    @property
    def products(self) -> Products:
        """What was made beside it."""


class Chain(Protocol):
    """What turns frames of a sensor, in order, into detections."""

    wanted: frozenset[Product]
    """What is to be made besides, from the next output on; may be set from another thread."""

    @property
    def discarded_frames(self) -> int:
        """Frames since the last reset that came and were of no use."""

    @property
    def left_out(self) -> int:
        """Outputs since the last reset that were left out in a hurry."""

    @property
    def interval_frames(self) -> int:
        """Frames that an output is made of, the last ones before it, at most."""

    def reset(self) -> None:
        """Forget everything that came before."""

    def __call__(self, frame: Frame, *, hurry: bool = False) -> AnyChainOutput | None:
        """Process a frame; return None while there is nothing new to say.

        Parameters
        ----------
        frame
            The next frame.
        hurry
            Whether others wait behind it: a chain that takes frames in between its outputs may then leave an output
            out, which costs less than frames that are skipped.
        """


def make_chain(sensor: Sensor, config: AnyChainConfig | None = None) -> Chain:
    """Return the chain of a sensor.

    Parameters
    ----------
    sensor
        The sensor whose frames will come.
    config
        Its settings, of the kind that suits the sensor; None for the defaults.

    Raises
    ------
    ConfigError
        If the settings are those of the other kind of chain, or do not suit the sensor.
    """
    if isinstance(sensor, FmcwSensor):
        if not isinstance(config, ChainConfig | None):
            raise _wrong_kind(sensor, "an FMCW radar", "OfdmChainConfig", "ChainConfig")
        from isactrack.processing.chain import FmcwChain

        return FmcwChain(sensor, config)
    if not isinstance(config, OfdmChainConfig | None):
        raise _wrong_kind(sensor, "an OFDM radio", "ChainConfig", "OfdmChainConfig")
    from isactrack.processing.ofdm_chain import OfdmChain

    return OfdmChain(sensor, config)


def _wrong_kind(sensor: Sensor, kind: str, given: str, wanted: str) -> ConfigError:
    return ConfigError(
        f"{sensor.model} is {kind}, and {given} holds no settings for it", f"give a {wanted}, or none for the defaults"
    )
