"""The look of all figures: one style, one set of colours, saved in the format that the file's suffix names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from isactrack.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, which people with colour-blindness can tell apart."""

STYLE: Final = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.5,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "savefig.dpi": 220,
}
"""Settings of matplotlib."""

PAGE_WIDTH_IN: Final = 7.16
"""Width of both columns of a two-column paper, inches."""


@contextmanager
def drawing(path: Path, width_in: float = PAGE_WIDTH_IN, height_in: float = 3.9) -> Iterator["Figure"]:
    """Yield an empty figure in the common style; it is saved when the block ends without an error.

    Parameters
    ----------
    path
        Where to write; the suffix says the format (``.png``, ``.pdf``, ``.svg``).
    width_in, height_in
        Size, inches.

    Raises
    ------
    ConfigError
        If matplotlib is not installed, or does not know the format.
    """
    require_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        known = figure.canvas.get_supported_filetypes()
        if path.suffix.removeprefix(".") not in known:
            raise ConfigError(
                f"figures cannot be written as {path.name}", "give a name that ends in .png, .pdf or .svg"
            )
        yield figure
        figure.savefig(path)


def require_matplotlib() -> None:
    """Raise ConfigError if matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError("figures need matplotlib", "pip install 'isactrack[plot]'") from error
    del mpl


def colour(index: int) -> str:
    """Return a colour; they repeat after the last."""
    return COLOURS[index % len(COLOURS)]
