"""Physical constants and decibel arithmetic."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPEED_OF_LIGHT_MPS = 299_792_458.0
NS_PER_S = 1_000_000_000


def power_to_db(power: ArrayLike, floor: float = 1e-30) -> NDArray[np.float64]:
    """Return ``10 log10(power)``, with everything below `floor` held at the floor instead of minus infinity."""
    return 10.0 * np.log10(np.maximum(np.asarray(power, dtype=np.float64), floor))


def db_to_power(level_db: ArrayLike) -> NDArray[np.float64]:
    """Return the power ratio of a level in dB."""
    return np.asarray(np.power(10.0, np.asarray(level_db, dtype=np.float64) / 10.0))


def bytes_text(count: float) -> str:
    """Return a number of bytes in decimal units, e.g. ``1.3 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000.0
    return f"{value:.1f} TB"
