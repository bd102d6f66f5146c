"""What the window knows without Qt: the list of views, layouts, settings, messages and themes."""

import importlib
import json
import subprocess
import sys
import zlib
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from isactrack.errors import ConfigError, DeviceTimeoutError, IsacError
from isactrack.gui.models.layouts import BUILT_IN, LayoutStore, SavedLayout, arrange, built_in, check_name
from isactrack.gui.models.shortcuts import COMMANDS, by_menu, in_columns, markdown_table
from isactrack.gui.models.theme import COLOUR_MAPS, DARK, LIGHT, THEMES, colour_map, next_colour_map, other_theme
from isactrack.gui.models.toasts import INFO_S, MAX_SHOWN, MAX_WAITING, Level, Toasts
from isactrack.gui.models.ui_files import config_folder
from isactrack.gui.models.ui_settings import SettingsStore, UiSettings, can_be_reached, reset
from isactrack.gui.models.views import VIEWS, Place, ViewEntry

ROOT = Path(__file__).resolve().parents[2]
LAYOUT = SavedLayout(("map", "plan"), True, bytes(range(200)))


class Reports(list[IsacError]):
    """What was reported."""

    def __call__(self, error: IsacError) -> None:
        self.append(error)


class Clock:
    """A clock that stands until it is moved."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


# --- views and keys --------------------------------------------------------------------------------------------------


def test_every_view_has_a_name_and_a_key_of_its_own() -> None:
    names, keys = [view.name for view in VIEWS], [view.key for view in VIEWS]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)
    assert set(keys) <= set("123456789")
    shown_in = {name for view in VIEWS for name in view.layouts}
    assert {layout.name for layout in BUILT_IN if not layout.whole} <= shown_in  # no layout is empty
    assert shown_in <= {layout.name for layout in BUILT_IN}
    for view in VIEWS:
        assert f"view_{view.name}" in {entry.name for entry in COMMANDS}


def test_the_page_has_exactly_the_keys_of_the_program() -> None:
    page = (ROOT / "docs" / "viewer.md").read_text(encoding="utf-8")
    assert markdown_table() in page
    assert page.count("| menu | keys |") == 1
    assert markdown_table().count("\n") == len(COMMANDS) + 1


def test_the_columns_hold_every_menu_in_order_and_are_about_as_high() -> None:
    columns = in_columns(3)
    assert [name for column in columns for name in column] == list(by_menu())
    heights = [sum(len(by_menu()[name]) + 1 for name in column) for column in columns]
    assert max(heights) < len(COMMANDS) / 2


def test_views_are_arranged_in_columns_of_cells_of_tabs() -> None:
    places = {"a": Place.TOP_RIGHT, "b": Place.TOP_LEFT, "c": Place.BOTTOM_RIGHT, "d": Place.TOP_RIGHT}
    entries = [ViewEntry(name, name, "x:Y", place, "1") for name, place in places.items()]
    assert arrange(entries, BUILT_IN[0]) == [[["b"]], [["a", "d"], ["c"]]]
    assert arrange(entries[2:3], BUILT_IN[0]) == [[["c"]]]
    other = replace(BUILT_IN[0], places=(("d", Place.TOP_LEFT), ("c", Place.TOP_LEFT)))
    assert arrange(entries, other) == [[["b", "c", "d"]], [["a"]]]


def test_layouts_put_elsewhere_only_views_that_there_are() -> None:
    names = {view.name for view in VIEWS}
    assert all(name in names for layout in BUILT_IN for name, _ in layout.places)
    shown = {layout.name: {view.name for view in VIEWS if layout.shows(view)} for layout in BUILT_IN}
    assert shown["Capture"] == {"map", "plan", "range_time", "events"}
    assert shown["Tracking"] == {"plan", "tracks", "micro_doppler"}
    assert shown["Debug"] == names


# --- layouts ---------------------------------------------------------------------------------------------------------


def test_layouts_are_found_again(tmp_path: Path) -> None:
    reports = Reports()
    store = LayoutStore(tmp_path / "not" / "there", reports)
    assert (store.names(), store.load("x"), store.load_last()) == ([], None, None)
    assert store.save("two people", LAYOUT)
    assert store.save("Büro 3.OG", replace(LAYOUT, health=False))
    store.save_last(LAYOUT)
    again = LayoutStore(tmp_path / "not" / "there", reports)
    assert again.names() == ["Büro 3.OG", "two people"]
    assert (again.load("two people"), again.load_last()) == (LAYOUT, LAYOUT)
    assert not again.load("Büro 3.OG").health  # type: ignore[union-attr]
    again.delete("two people")
    again.delete("two people")
    assert again.names() == ["Büro 3.OG"]
    assert not reports
    assert not LayoutStore(None, reports).save("x", LAYOUT)


@pytest.mark.parametrize("name", ["", " ", "a/b", "..", "x" * 41, "capture", "Debug", "a\nb"])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="layout") as caught:
        LayoutStore(tmp_path, Reports()).save(name, LAYOUT)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def damaged_layouts() -> dict[str, bytes]:
    """Return files that look like layouts and are none."""
    good: dict[str, Any] = {"schema": "isactrack-viewer-layout", "version": 1, **LAYOUT.to_document()}
    changes: dict[str, dict[str, Any]] = {
        "newer": {"version": 2}, "version is no number": {"version": True}, "foreign": {"schema": "other"},
        "no views": {"views": None}, "views are no names": {"views": [1]}, "health is a word": {"health": "yes"},
        "no base64": {"state": "!!"}, "another state": {"state": "AAAA"}, "checksum is a word": {"crc32": "1"},
    }  # fmt: skip
    whole = json.dumps(good).encode()
    return {
        **{name: json.dumps({**good, **change}).encode() for name, change in changes.items()},
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "binary": b"\xff\xfe\x00\x89HDF",
        "a list": b"[]",
        "deep": b"[" * 100_000,
        "huge": b" " * 1_000_001,
    }


@pytest.mark.parametrize("name", damaged_layouts())
def test_a_file_that_is_no_layout_is_set_aside_and_told(name: str, tmp_path: Path) -> None:
    reports = Reports()
    content = damaged_layouts()[name]
    (tmp_path / "last.json").write_bytes(content)
    assert LayoutStore(tmp_path, reports).load_last() is None
    assert (tmp_path / "last.json.broken").read_bytes() == content
    assert not (tmp_path / "last.json").exists()
    (error,) = reports
    assert "last.json cannot be used" in str(error)
    assert "last.json.broken" in error.hint
    assert LayoutStore(tmp_path, reports).load_last() is None  # it is told once
    assert len(reports) == 1


def test_a_state_that_was_damaged_never_gets_to_qt() -> None:
    document = LAYOUT.to_document()
    assert document["crc32"] == zlib.crc32(LAYOUT.state)
    assert SavedLayout.from_document(document) == LAYOUT


def test_a_folder_that_cannot_be_written_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    reports = Reports()
    (tmp_path / "file").write_text("not a folder")
    store = LayoutStore(tmp_path / "file", reports)
    assert not store.save("x", LAYOUT)
    SettingsStore(tmp_path / "file", reports).save(UiSettings())
    assert ["cannot be written" in str(error) for error in reports] == [True, True]
    assert all("ISACTRACK_CONFIG_DIR" in error.hint for error in reports)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- settings --------------------------------------------------------------------------------------------------------


def test_settings_are_found_again_and_forgotten(tmp_path: Path) -> None:
    reports = Reports()
    changed = UiSettings("light", "cividis", "mine", "/data", False, False, False, (-5, 10, 800, 600), True)
    assert SettingsStore(tmp_path, reports).load() == UiSettings()
    SettingsStore(tmp_path, reports).save(changed)
    LayoutStore(tmp_path, reports).save_last(LAYOUT)
    LayoutStore(tmp_path, reports).save("mine", LAYOUT)
    assert SettingsStore(tmp_path, reports).load() == changed
    reset(tmp_path)
    reset(tmp_path / "never made")
    assert [path.name for path in tmp_path.iterdir()] == ["layout-mine.json"]
    assert SettingsStore(tmp_path, reports).load() == UiSettings()
    assert not reports


@pytest.mark.parametrize(
    "change",
    [{"theme": "pink"}, {"colour_map": "jet"}, {"trails": 1}, {"ids": None}, {"geometry": [1, 2, 3]},
     {"geometry": [1, 2, 3, "4"]}, {"geometry": [0, 0, 10**9, 1]}, {"geometry": [True, 0, 800, 600]},
     {"last_folder": "x" * 1001}, {"layout": 3}, {"surprise": 1}, {"version": 0}],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_are_set_aside(change: dict[str, object], tmp_path: Path) -> None:
    reports = Reports()
    document = {"schema": "isactrack-viewer-settings", "version": 1, **asdict(UiSettings()), **change}
    (tmp_path / "settings.json").write_text(json.dumps(document))
    assert SettingsStore(tmp_path, reports).load() == UiSettings()
    assert (tmp_path / "settings.json.broken").is_file()
    assert len(reports) == 1


def test_the_folder_is_the_one_that_is_named(config_folder_of_test: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_folder() == config_folder_of_test
    monkeypatch.delenv("ISACTRACK_CONFIG_DIR")
    assert config_folder().parts[-2:] == ("isactrack", "viewer")
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    with pytest.raises(ConfigError, match="platformdirs") as caught:
        config_folder()
    assert "isactrack[gui]" in caught.value.hint


SCREENS = [(0, 0, 1920, 1040), (1920, 200, 1280, 1024)]


@pytest.mark.parametrize(
    ("geometry", "reached"),
    [((100, 100, 800, 600), True), ((2000, 300, 800, 600), True), ((-700, 100, 800, 600), False),
     ((-600, 100, 800, 600), True), ((100, -5, 800, 600), False), ((100, 1020, 800, 600), False),
     ((2000, 100, 800, 600), False), ((4000, 300, 800, 600), False), ((100, 100, 30, 600), False)],
    ids=str,
)  # fmt: skip
def test_a_window_is_put_only_where_its_top_can_be_reached(geometry: tuple[int, int, int, int], reached: bool) -> None:
    assert can_be_reached(geometry, SCREENS) is reached
    assert not can_be_reached(geometry, [])


# --- messages --------------------------------------------------------------------------------------------------------


def test_information_goes_by_itself_and_errors_stay() -> None:
    clock = Clock()
    toasts = Toasts(clock)
    toasts.info("saved x.png")
    toasts.error(DeviceTimeoutError("no answer", "check the cable"), "sim://x")
    clock.now_s += INFO_S - 0.1
    toasts.expire()
    assert [toast.what for toast in toasts.shown] == ["saved x.png", "no answer"]
    clock.now_s += 0.2
    toasts.expire()
    (left,) = toasts.shown
    assert (left.what, left.cause, left.next_step, left.level) == ("no answer", "", "check the cable", Level.ERROR)
    assert "DeviceTimeoutError: no answer" in left.details
    assert "sim://x" in left.details
    clock.now_s += 1e6
    toasts.expire()
    assert len(toasts.shown) == 1
    toasts.dismiss(left.key)
    toasts.dismiss(left.key)
    assert not toasts.shown


def test_what_an_error_was_raised_from_is_its_cause() -> None:
    toasts = Toasts()
    error = IsacError("the layout failed", "reset it")
    error.__cause__ = ValueError("a bad number")
    toasts.error(error, "x://")
    assert toasts.shown[0].cause == "ValueError: a bad number"
    assert "ValueError: a bad number" in toasts.shown[0].details
    repeated = IsacError("it failed: a bad number")
    repeated.__cause__ = ValueError("a bad number")
    toasts.error(repeated, "x://")
    assert toasts.shown[1].cause == ""  # it is said already


def test_the_same_again_counts_up_and_stays_longer() -> None:
    clock = Clock()
    toasts = Toasts(clock)
    for _ in range(1000):
        toasts.info("saved")
        toasts.error(IsacError("lost"), "x")
        clock.now_s += 0.1
    assert Counter({toast.what: toast.count for toast in toasts.shown}) == {"saved": 1000, "lost": 1000}
    assert toasts.waiting == 0
    toasts.expire()
    assert len(toasts.shown) == 2


def test_the_stack_is_bounded_and_lets_no_error_go_uncounted() -> None:
    toasts = Toasts()
    toasts.info("only information")
    for k in range(500):
        toasts.error(IsacError(f"error {k}"), "x")
    assert [toast.what for toast in toasts.shown] == ["error 497", "error 498", "error 499"]
    assert toasts.waiting == 500 - MAX_SHOWN
    toasts.dismiss_newest()
    assert [toast.what for toast in toasts.shown] == ["error 496", "error 497", "error 498"]
    assert len(toasts._kept) <= MAX_SHOWN + MAX_WAITING
    toasts.dismiss_all()
    toasts.dismiss_newest()
    assert (toasts.shown, toasts.waiting) == ((), 0)


def test_information_never_hides_an_error() -> None:
    toasts = Toasts()
    toasts.error(IsacError("lost"), "x")
    for k in range(10):
        toasts.info(f"saved {k}")
    assert "lost" in [toast.what for toast in toasts.shown]


# --- colours ---------------------------------------------------------------------------------------------------------


def test_themes_and_colour_maps_go_round() -> None:
    assert (THEMES[other_theme(DARK)], THEMES[other_theme(LIGHT)]) == (LIGHT, DARK)
    name = COLOUR_MAPS[0].name
    seen = []
    for _ in COLOUR_MAPS:
        seen.append(name)
        name = next_colour_map(name)
    assert name == seen[0] == "viridis"
    assert len(set(seen)) == len(COLOUR_MAPS)
    assert colour_map("cividis").title == "Cividis"


def test_colour_maps_can_be_read_by_lightness_alone() -> None:
    pg = pytest.importorskip("pyqtgraph")
    for entry in COLOUR_MAPS:
        rgb = pg.colormap.get(entry.name).getLookupTable(nPts=64)[:, :3] / 255.0
        lightness = (rgb**2.2) @ [0.2126, 0.7152, 0.0722]
        steps = (lightness[1:] - lightness[:-1]) * (-1.0 if entry.light_ground else 1.0)
        assert steps.min() > -2e-3, entry.name
        assert abs(lightness[-1] - lightness[0]) > 0.5, entry.name


# --- no Qt -----------------------------------------------------------------------------------------------------------


def test_names_of_layouts_are_what_they_seem() -> None:
    check_name("two people (3)")
    assert built_in("Capture") is BUILT_IN[0]
    assert built_in("capture") is None


def test_the_models_of_the_window_need_no_qt() -> None:
    names = ["layouts", "shortcuts", "theme", "toasts", "ui_files", "ui_settings", "views"]
    for name in names:
        importlib.import_module(f"isactrack.gui.models.{name}")
    code = "import sys\n" + "".join(f"import isactrack.gui.models.{name}\n" for name in names)
    code += "sys.exit(any(m.startswith(('PySide6', 'pyqtgraph', 'platformdirs')) for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
