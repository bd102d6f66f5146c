"""How the spots of tracks look, in every plan alike."""

from isactrack.gui.qt.spots_item import SpotLook
from isactrack.tracks import TrackStatus


def track_looks(colour: str, ground: str, symbol: str = "o") -> dict[TrackStatus, SpotLook]:
    """Return how a track of each status looks, so that they can be told apart without colour.

    A confirmed one is full, one that coasts is dashed, a tentative one is thin and empty.

    Parameters
    ----------
    colour, ground
        Colours (``"#rrggbb"``) of the track and of what lies behind it.
    symbol
        Shape, see `isactrack.gui.qt.symbols.draw_symbol`.
    """
    return {
        TrackStatus.CONFIRMED: SpotLook(11.0, ground, 1.0, filling=colour, symbol=symbol),
        TrackStatus.COASTED: SpotLook(12.0, colour, 1.6, dashed=True, filling=ground, symbol=symbol),
        TrackStatus.TENTATIVE: SpotLook(9.0, colour, 1.2, symbol=symbol),
    }
