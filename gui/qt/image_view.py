"""A view that is one heat map."""

from isactrack.gui.models.theme import ColourMap
from isactrack.gui.qt.image_plot import ImagePlot
from isactrack.gui.qt.view import View


class ImageView(View):
    """What all views of one heat map do alike; they make `map`."""

    map: ImagePlot

    def set_grid(self, visible: bool) -> None:
        """Show or hide the grid."""
        self.map.set_grid(visible)

    def set_colour_map(self, colour_map: ColourMap) -> None:
        """Take a colour map."""
        self.map.set_colour_map(colour_map)

    def fit_levels(self) -> None:
        """Fit the levels to what is shown, once."""
        self.map.fit_levels()

    def frame(self) -> None:
        """Show again all that is of interest, after the user has zoomed or moved."""
        self.map.frame()
