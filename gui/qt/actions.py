"""What can be done by key and menu, as Qt's actions, and what each of them does in the window."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from isactrack.gui.models.arrangement import Arrangement
from isactrack.gui.models.layouts import BUILT_IN
from isactrack.gui.models.shortcuts import by_menu
from isactrack.gui.models.theme import COLOUR_MAPS, next_colour_map, other_theme
from isactrack.gui.models.ui_settings import UiSettings
from isactrack.gui.models.views import VIEWS

if TYPE_CHECKING:
    from isactrack.gui.qt.main_window import MainWindow


@dataclass(frozen=True, slots=True)
class Actions:
    """The actions of a window.

    Attributes
    ----------
    named
        Those of `isactrack.gui.models.shortcuts.COMMANDS`, by their names.
    menus
        The menus that hold them, by title.
    colours
        The choice of a colour map, by the names of the maps.
    """

    named: dict[str, QAction] = field(default_factory=dict)
    menus: dict[str, QMenu] = field(default_factory=dict)
    colours: dict[str, QAction] = field(default_factory=dict)


def make_actions(window: QMainWindow, settings: UiSettings) -> Actions:
    """Return the actions of a window and put them into its menu bar; nothing is connected yet.

    Parameters
    ----------
    window
        The window.
    settings
        What is switched on.
    """
    on = {
        "trails": settings.trails, "ids": settings.ids, "grid": settings.grid, "past": settings.past, "health": True,
        "arrange_beside": True,
    }  # fmt: skip
    actions = Actions()
    for menu_name, commands in by_menu().items():
        menu = actions.menus[menu_name] = window.menuBar().addMenu(f"&{menu_name}")
        for entry in commands:
            action = QAction(entry.text, window)
            action.setObjectName(entry.name)
            action.setShortcuts([QKeySequence(key) for key in entry.keys])
            action.setCheckable(entry.checkable)
            action.setChecked(on.get(entry.name, False))
            action.setToolTip(entry.tool_tip)
            menu.addAction(action)
            actions.named[entry.name] = action
    _add_colour_menu(window, settings, actions)
    return actions


def connect_actions(window: "MainWindow", actions: Actions) -> None:
    """Let each action do its work in the window, and show what came of it."""
    for name, work in _works(window).items():
        actions.named[name].triggered.connect(window.then_show(work))
    for name, switch in _switches(window).items():
        actions.named[name].toggled.connect(window.then_redraw(switch))
    for name, action in actions.colours.items():
        action.triggered.connect(lambda _on, name=name: window.set_colour_map(name))


def _works(window: "MainWindow") -> dict[str, Callable[[], object]]:
    """Return what is done by the actions that switch nothing."""
    return {
        "connect": window.choose_source,
        "open": window.choose_file,
        "snapshot": window.save_snapshot,
        "export": window.export,
        "add_sensor": window.choose_another,
        "remove_sensor": lambda: window.remove_sensor(window.stream),
        "next_sensor": lambda: window.activate(window.streams.after_active()),
        **{f"arrange_{one.value}": partial(window.arrange, one) for one in Arrangement},
        "quit": window.close,
        "record": window.record_bar.toggle,
        "marker": window.record_bar.mark,
        "record_path": window.record_bar.choose_path,
        "play": lambda: window.timeline.toggle(),
        "step_back": lambda: window.timeline.step(-1),
        "step_forward": lambda: window.timeline.step(1),
        "second_back": lambda: window.timeline.step_time(-1.0),
        "second_forward": lambda: window.timeline.step_time(1.0),
        "start": lambda: window.timeline.go_start(),
        "end": lambda: window.timeline.go_end(),
        "live": lambda: window.timeline.go_end(),
        "previous_marker": lambda: window.timeline.go_marker(-1),
        "next_marker": lambda: window.timeline.go_marker(1),
        "slower": lambda: window.change_speed(-1),
        "faster": lambda: window.change_speed(1),
        "auto_levels": lambda: window.sensors.ask(lambda view: view.fit_levels()),
        "fit": lambda: window.frame(whole=False),
        "whole": lambda: window.frame(whole=True),
        "colour_map": lambda: window.set_colour_map(next_colour_map(window.settings.colour_map)),
        "theme": lambda: window.set_theme(other_theme(window.theme)),
        "retry": window.sensors.retry,
        "save_layout": window.layouts.save_as,
        "delete_layout": window.layouts.delete_one,
        "reset_layout": window.layouts.reset,
        "help": window.overlay.toggle,
        "dismiss": window.toasts.dismiss_newest,
        "dismiss_all": window.toasts.dismiss_all,
        "copy_details": lambda: window.toast_stack.copy_newest(),
        **{f"view_{view.name}": partial(window.show_view, view.name) for view in VIEWS},
        **{f"layout_{entry.name}": partial(window.layouts.show_layout, entry.name) for entry in BUILT_IN},
    }


def _switches(window: "MainWindow") -> dict[str, Callable[[bool], object]]:
    """Return what is done by the actions that switch something on and off."""
    return {
        "loop": window.set_loop,
        "trails": lambda on: window.set_look(trails=on),
        "ids": lambda on: window.set_look(ids=on),
        "grid": lambda on: window.set_look(grid=on),
        "past": lambda on: window.set_look(past=on),
        "health": window.show_health_panel,
        "tuning": window.tuning.setVisible,
        "full_screen": lambda on: window.showFullScreen() if on else window.showNormal(),
    }


def _add_colour_menu(window: QMainWindow, settings: UiSettings, actions: Actions) -> None:
    menu = actions.menus["View"].addMenu("Colour map")
    group = QActionGroup(window)
    for entry in COLOUR_MAPS:
        action = menu.addAction(entry.title)
        action.setCheckable(True)
        action.setChecked(entry.name == settings.colour_map)
        group.addAction(action)
        actions.colours[entry.name] = action
