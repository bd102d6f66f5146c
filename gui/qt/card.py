"""A framed view with a title and a legend."""

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget


class Card(QFrame):
    """Frame around a view.

    Parameters
    ----------
    title
        Name of the view.
    legend
        What stands at the right of the title.

    Attributes
    ----------
    header
        Title and legend; a dock takes it as its title bar.
    """

    def __init__(self, title: str, legend: QWidget) -> None:
        super().__init__()
        self.setObjectName("card")
        self._title = QLabel(title)
        self._title.setObjectName("title")
        self.header = QWidget()
        header = QHBoxLayout(self.header)
        header.setContentsMargins(12, 8, 12, 2)
        header.setSpacing(12)
        header.addWidget(self._title)
        header.addWidget(legend, 1)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(1, 1, 1, 6)
        self.body.setSpacing(0)
        self.body.addWidget(self.header)

    def set_title(self, title: str) -> None:
        """Name the view anew."""
        self._title.setText(title)
