"""What the views of azimuth, time, impulse response, Doppler, tracks and events show, without a window."""

import gc
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack.acquisition.snapshot import Snapshot
from isactrack.events import Event, EventKind
from isactrack.geometry import xy_to_polar
from isactrack.gui.models import event_log, impulse, micro_doppler, range_azimuth, range_time
from isactrack.gui.models.event_log import EventLog
from isactrack.gui.models.micro_doppler import MicroDoppler, half_rate_axis_mps
from isactrack.gui.models.range_time import RangeTime
from isactrack.gui.models.track_table import COLUMNS, STATE_COLUMN, TrackTable, columns_that_fit
from isactrack.gui.models.waterfall import Column, Waterfall
from isactrack.ofdm import OfdmSensor
from isactrack.processing.bistatic import path_rate
from isactrack.processing.products import BlockChannel, MovingBlocks
from isactrack.processing.range_azimuth import RangeAzimuthMap
from isactrack.processing.slow_time import slow_time
from isactrack.tracks import Track, TrackStatus
from isactrack.units import SPEED_OF_LIGHT_MPS
from tests.gui.conftest import snapshot

MakeSnapshot = Callable[..., Snapshot]
Array = NDArray[np.float64]

TX_M = (3.4, 2.6)
RADIO = OfdmSensor(
    model="radio", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3, rx_positions=tuple(0.5 * k for k in range(8)), tx_position_m=TX_M,
)  # fmt: skip
STAGGER_S = tuple(((7 * k) % 16) * 0.125e-3 for k in range(16))


def track(track_id: int, at: Sequence[float], velocity: Sequence[float] = (0.0, 0.0), **other: object) -> Track:
    state = np.array([at[0], velocity[0], at[1], velocity[1]])
    status = other.get("status", TrackStatus.CONFIRMED)
    assert isinstance(status, TrackStatus)
    return Track(track_id, status, 0.0, state, 0.01 * np.eye(4), 5)


def path_channel(path_m: float, azimuth_rad: float, gain: complex) -> NDArray[np.complex64]:
    frequency = RADIO.carrier_frequency_hz + RADIO.tone_frequencies_hz
    tones = np.exp(-2j * np.pi * frequency * path_m / SPEED_OF_LIGHT_MPS)
    return np.asarray(gain * RADIO.steering(azimuth_rad)[:, None] * tones, dtype=np.complex64)


# --- waterfall -------------------------------------------------------------------------------------------------------


def by_index(history: Sequence[Snapshot], k: int) -> Column:
    return history[k].time_s, np.full(3, float(history[k].index))


def at_times(make_snapshot: MakeSnapshot, times_s: Sequence[float]) -> list[Snapshot]:
    return [replace(make_snapshot(0), index=k, time_s=time_s) for k, time_s in enumerate(times_s)]


def test_columns_lie_at_their_times_and_the_newest_at_the_cursor(make_snapshot: MakeSnapshot) -> None:
    history = at_times(make_snapshot, [0.1 * k for k in range(6)])
    image = Waterfall(1.0, 50).show(history, by_index)
    assert image.level_db.shape == (3, 10)  # a second in steps of 0.1 s
    np.testing.assert_array_equal(image.level_db[0, -6:], range(6))
    assert np.isnan(image.level_db[:, :-6]).all()  # before the first there was nothing, which is no gap
    assert image.gaps_s == ()
    assert [image.start_s, image.end_s] == pytest.approx([-0.95, 0.05])


def test_a_gap_stays_empty_and_is_not_closed(make_snapshot: MakeSnapshot) -> None:
    times = [0.1 * k for k in range(20) if not 8 <= k < 13]
    image = Waterfall(2.0, 50).show(at_times(make_snapshot, times), by_index)
    (gap,) = image.gaps_s
    assert gap == pytest.approx((0.75 - 1.9, 1.25 - 1.9))
    assert np.isnan(image.level_db[0]).tolist() == [8 <= k < 13 for k in range(20)]


def test_a_gap_that_began_before_what_is_shown_begins_at_its_edge(make_snapshot: MakeSnapshot) -> None:
    times = [*(0.1 * k for k in range(5)), *(30.0 + 0.1 * k for k in range(5))]
    image = Waterfall(2.0, 50).show(at_times(make_snapshot, times), by_index)
    (gap,) = image.gaps_s
    assert gap == pytest.approx((image.start_s, 30.0 - 0.05 - 30.4))
    # What is merely too old is no gap.
    image = Waterfall(2.0, 50).show(at_times(make_snapshot, [0.1 * k for k in range(60)]), by_index)
    assert image.gaps_s == ()


def test_jitter_makes_no_gaps(make_snapshot: MakeSnapshot) -> None:
    rng = np.random.default_rng(3)
    times = 0.05 * np.arange(200) + rng.uniform(-0.01, 0.01, 200)
    image = Waterfall(8.0, 300).show(at_times(make_snapshot, times.tolist()), by_index)
    assert image.gaps_s == ()
    assert np.isfinite(image.level_db).all()


def test_each_column_is_made_once_and_memory_is_bounded(make_snapshot: MakeSnapshot) -> None:
    made: list[int] = []

    def count(history: Sequence[Snapshot], k: int) -> Column:
        made.append(history[k].index)
        return by_index(history, k)

    waterfall = Waterfall(100.0, 16)
    history = at_times(make_snapshot, [0.1 * k for k in range(60)])
    for stop in range(1, 61):
        image = waterfall.show(history[:stop], count)
    assert made == list(range(60))
    assert image.level_db.shape == (3, 16)
    np.testing.assert_array_equal(image.level_db[0], range(44, 60))
    image = waterfall.show(history[:50], count)  # back in time: what is not kept any more is made again
    np.testing.assert_array_equal(image.level_db[0], range(34, 50))
    assert made[60:] == list(range(34, 44))


def test_snapshots_that_the_timeline_lets_go_are_not_held(make_snapshot: MakeSnapshot) -> None:
    waterfall = Waterfall(2.0, 50)
    history = at_times(make_snapshot, [0.1 * k for k in range(20)])
    waterfall.show(history, by_index)
    assert not [one for one in gc.get_referrers(history[5]) if one is not history and isinstance(one, list)]


EVERYTHING = at_times(snapshot, [0.1 * k + (5.0 if k >= 50 else 0.0) - (90.0 if k >= 70 else 0.0) for k in range(80)])


@given(
    st.lists(st.tuples(st.integers(1, 80), st.integers(1, 30)), min_size=1, max_size=12),
    st.sets(st.integers(1, 79), max_size=30),
    st.integers(2, 40),
)
@settings(max_examples=40, deadline=None)
def test_what_is_kept_shows_what_is_made_anew(walk: list[tuple[int, int]], lost: set[int], capacity: int) -> None:
    kept = [one for k, one in enumerate(EVERYTHING) if k not in lost]
    waterfall = Waterfall(2.0, capacity)
    for stop, length in walk:  # the cursor goes anywhere, with more or less of what was before it
        history = kept[max(0, stop - length) : stop] or kept[:1]
        image, fresh = waterfall.show(history, by_index), Waterfall(2.0, capacity).show(history, by_index)
        np.testing.assert_array_equal(image.level_db, fresh.level_db)
        assert (image.start_s, image.end_s, image.gaps_s) == (fresh.start_s, fresh.end_s, fresh.gaps_s)


def test_a_clock_that_began_anew_cuts_what_was_before(make_snapshot: MakeSnapshot) -> None:
    history = at_times(make_snapshot, [5.0, 5.1, 5.2, 0.0, 0.1, 0.2])
    image = Waterfall(1.0, 50).show(history, by_index)
    np.testing.assert_array_equal(image.level_db[0, -3:], [3, 4, 5])
    assert np.isnan(image.level_db[:, :-3]).all()


def test_another_session_has_columns_of_its_own(make_snapshot: MakeSnapshot) -> None:
    waterfall = Waterfall(1.0, 50)
    first = at_times(make_snapshot, [0.0, 0.1])
    waterfall.show(first, by_index)
    second = [replace(one, host_monotonic_ns=7) for one in first]
    image = waterfall.show(second, lambda history, k: (history[k].time_s, np.full(3, 9.0)))
    np.testing.assert_array_equal(image.level_db[0, -2:], [9.0, 9.0])


def test_another_axis_makes_the_columns_anew(make_snapshot: MakeSnapshot) -> None:
    waterfall = Waterfall(1.0, 50)
    waterfall.show(at_times(make_snapshot, [0.0, 0.1]), by_index)
    later = [replace(one, index=9 + one.index) for one in at_times(make_snapshot, [0.2, 0.3])]
    image = waterfall.show(later, lambda history, k: (history[k].time_s, np.ones(7)))
    assert image.level_db.shape[0] == 7
    assert np.count_nonzero(np.isfinite(image.level_db[0])) == 2


def test_a_single_snapshot_and_one_without_a_column_are_fine(make_snapshot: MakeSnapshot) -> None:
    history = at_times(make_snapshot, [3.0])
    assert not np.isfinite(Waterfall(1.0, 50).show(history, lambda h, k: (h[k].time_s, None)).level_db).any()
    assert np.count_nonzero(np.isfinite(Waterfall(1.0, 50).show(history, by_index).level_db[0])) == 1


# --- range and azimuth -----------------------------------------------------------------------------------------------


def with_azimuth_map(snapshot: Snapshot) -> Snapshot:
    lags = np.array([0.0, 0.5, 1.0, 1.5])
    correlation = np.zeros((192, 4), dtype=np.complex64)
    correlation[:, 0] = 4.0
    correlation[60] = 40.0 * np.array([4, 3, 2, 1]) * np.exp(2j * np.pi * lags * np.sin(0.3))
    made = RangeAzimuthMap(correlation, lags, np.linspace(0.0, 191 * 0.047, 192), np.linspace(-1.4, 1.4, 91))
    return replace(snapshot, range_azimuth=made)


def test_range_and_azimuth_of_everything_lie_on_the_axes(make_snapshot: MakeSnapshot) -> None:
    snapshot = with_azimuth_map(make_snapshot(5))
    shown = range_azimuth.make_range_azimuth(snapshot)
    assert shown is not None
    left, right, low, high = shown.extent
    assert left == pytest.approx(-right)
    assert [low, high] == pytest.approx([-0.0235, 191.5 * 0.047])
    row, column = np.unravel_index(np.argmax(shown.image()), shown.image().shape)
    assert row == 60
    assert -1.4 + 2.8 / 90.0 * int(column) == pytest.approx(0.3, abs=0.02)
    range_m, azimuth_rad = xy_to_polar(snapshot.tracks[0].position_m)
    np.testing.assert_allclose(shown.tracks()[0], [np.degrees(azimuth_rad), range_m])
    assert shown.detections().shape == (5, 2)
    assert range_azimuth.readout(30.0, 2.0, 12.34).endswith("x +1.00 m   y 1.73 m   12.3 dB")
    empty = range_azimuth.make_range_azimuth(replace(snapshot, tracks=()))
    assert empty is not None
    assert empty.tracks().shape == (0, 2)


def test_the_azimuth_map_says_why_it_is_not_there(
    make_snapshot: MakeSnapshot, make_radio_snapshot: Callable[[int], Snapshot]
) -> None:
    assert range_azimuth.why_empty(with_azimuth_map(make_snapshot(0))) == ""
    assert "while this view is open" in range_azimuth.why_empty(make_snapshot(0))
    assert "radio has no map" in range_azimuth.why_empty(make_radio_snapshot(0))
    assert range_azimuth.make_range_azimuth(make_snapshot(0)) is None
    assert "No frame" in range_azimuth.why_empty(None)


# --- impulse response ------------------------------------------------------------------------------------------------


def with_channel(snapshot: Snapshot, moving_m: float = 9.0) -> Snapshot:
    direct = path_channel(math.hypot(*TX_M), 0.9, 1.0)
    moving = path_channel(moving_m, -0.2, 0.03)
    noise = path_channel(17.0, 0.0, 1e-4)
    after = moving + noise
    channel = BlockChannel(
        counter=snapshot.index, time_s=snapshot.time_s, before=direct + after, after=after, sensor=RADIO
    )
    return replace(snapshot, channel=channel)


def test_the_direct_path_is_the_reference_and_clutter_removal_takes_it_off(
    make_radio_snapshot: Callable[[int], Snapshot],
) -> None:
    shown = impulse.make_impulse(with_channel(make_radio_snapshot(3)))
    assert shown is not None
    assert shown.direct_path_m == pytest.approx(math.hypot(*TX_M))
    assert shown.before_db.max() == pytest.approx(0.0)
    assert shown.path_m[np.argmax(shown.before_db)] == pytest.approx(math.hypot(*TX_M), abs=0.1)
    assert shown.path_m[np.argmax(shown.after_db)] == pytest.approx(9.0, abs=0.1)
    assert shown.after_db.max() == pytest.approx(20.0 * math.log10(0.03), abs=0.3)
    assert shown.longest_m == pytest.approx(25.0)
    assert shown.readout(9.0).startswith("path 9.0")
    assert shown.readout(-1.0) == ""


def test_the_impulse_response_says_why_it_is_not_there(
    make_snapshot: MakeSnapshot, make_radio_snapshot: Callable[[int], Snapshot]
) -> None:
    assert impulse.why_empty(with_channel(make_radio_snapshot(0))) == ""
    assert "for bistatic radios" in impulse.why_empty(make_snapshot(0))
    assert "not kept" in impulse.why_empty(make_radio_snapshot(0))
    assert impulse.make_impulse(make_snapshot(0)) is None
    assert "full window" in impulse.why_empty(None)


# --- range over time -------------------------------------------------------------------------------------------------


def test_the_strongest_ranges_of_a_radar_are_where_people_are(make_snapshot: MakeSnapshot) -> None:
    history = [make_snapshot(k) for k in range(30)]
    shown = RangeTime().show(history)
    assert shown is not None
    truth = history[-1].truth
    assert truth is not None
    newest = shown.waterfall.level_db[:, -1]
    for range_m in np.hypot(*truth.position_m.T):
        assert newest[round(range_m / 0.047)] > 25.0
    assert np.nanmedian(shown.waterfall.level_db) < 15.0
    assert shown.y_label == "Range (m)"
    assert range_time.why_empty(history[-1]) == ""
    assert shown.readout(-1.0, 3.0, 20.0) == "-1.00 s   range 3.00 m   20.0 dB"


def test_the_paths_of_a_radio_over_time(make_radio_snapshot: Callable[[int], Snapshot]) -> None:
    history = [with_channel(make_radio_snapshot(k), moving_m=7.0 + 0.1 * k) for k in range(12)]
    shown = RangeTime().show(history)
    assert shown is not None
    bins = shown.waterfall.level_db.shape[0]
    path_m = np.linspace(shown.low_m, shown.high_m, bins, endpoint=False) + (shown.high_m - shown.low_m) / bins / 2.0
    for k in range(12):
        peak = path_m[np.argmax(shown.waterfall.level_db[:, k - 12])]
        assert peak == pytest.approx(7.0 + 0.1 * k, abs=0.15)
    assert shown.y_label == "Path (m)"
    assert RangeTime().show([make_radio_snapshot(0)]) is None
    assert "not kept" in range_time.why_empty(make_radio_snapshot(0))


# --- micro-Doppler ---------------------------------------------------------------------------------------------------


def test_a_radar_shows_the_velocity_of_the_chosen_track(make_snapshot: MakeSnapshot) -> None:
    history = [make_snapshot(k) for k in range(20)]
    model = MicroDoppler()
    model.choose(6)
    shown = model.show(history)
    assert shown is not None
    assert shown.track_id == 6
    assert "Track 6" in shown.note
    newest = history[-1]
    truth = newest.truth
    assert truth is not None
    position, velocity = truth.position_m[2], truth.velocity_mps[2]
    radial = float(position @ velocity / np.hypot(*position))
    bins = shown.waterfall.level_db.shape[0]
    axis = shown.low_mps + (np.arange(bins) + 0.5) * (shown.high_mps - shown.low_mps) / bins
    assert abs(radial) > 0.3
    assert axis[np.argmax(shown.waterfall.level_db[:, -1])] == pytest.approx(radial, abs=0.15)
    assert shown.framed_mps == pytest.approx((-3.575, 3.465))


def test_a_track_that_is_not_there_is_said_so_and_its_past_is_empty(make_snapshot: MakeSnapshot) -> None:
    model = MicroDoppler()
    model.choose(99)
    assert model.show([make_snapshot(0)]) is None
    assert "no track 99" in model.why_empty(make_snapshot(0))
    history = [replace(make_snapshot(k), tracks=make_snapshot(k).tracks if k > 4 else ()) for k in range(10)]
    model.choose(4)
    shown = model.show(history)
    assert shown is not None
    seen = np.isfinite(shown.waterfall.level_db[0, -10:])
    assert seen.tolist() == [k > 4 for k in range(10)]
    assert shown.waterfall.gaps_s == ()  # before its birth nothing is missing
    assert model.why_empty(history[-1]) == ""


def test_after_the_device_was_away_the_same_id_is_somebody_else(make_snapshot: MakeSnapshot) -> None:
    model = MicroDoppler()
    model.choose(4)
    first = [make_snapshot(k) for k in range(40)]
    assert model.show(first) is not None
    again = [replace(make_snapshot(k), time_s=4.0 + k / 20) for k in range(20)]
    image = model.show([*first, *again])
    assert image is not None
    seen = np.isfinite(image.waterfall.level_db[32])
    assert seen[-20:].all() and not seen[:-20].any()
    (gap,) = image.waterfall.gaps_s
    assert gap == pytest.approx((1.975 - 4.95, 3.975 - 4.95))
    # Who goes back in time sees the first one again.
    image = model.show(first)
    assert image is not None and np.isfinite(image.waterfall.level_db[32, -40:]).all()


def test_the_ranges_go_on_through_a_gap_in_which_the_device_was_away(make_snapshot: MakeSnapshot) -> None:
    first = [make_snapshot(k) for k in range(40)]
    again = [replace(make_snapshot(k), time_s=4.0 + k / 20) for k in range(20)]
    image = RangeTime().show([*first, *again])
    assert image is not None
    assert np.count_nonzero(np.isfinite(image.waterfall.level_db[9])) == 60
    assert len(image.waterfall.gaps_s) == 1


def test_the_strongest_track_changes_only_for_one_that_is_much_stronger(make_snapshot: MakeSnapshot) -> None:
    base = make_snapshot(0)
    axis = base.spectrum.range_axis_m  # type: ignore[union-attr]
    tracks = (track(1, (0.0, 2.0)), track(2, (0.0, 5.0)), track(3, (0.0, 7.0), status=TrackStatus.TENTATIVE))

    def levels(near: float, far: float) -> Snapshot:
        power = np.ones((64, 192), dtype=np.float32)
        power[40, np.searchsorted(axis, 2.0)] = near
        power[40, np.searchsorted(axis, 5.0)] = far
        power[40, np.searchsorted(axis, 7.0)] = 1e6  # nobody has confirmed that one
        spectrum = type(base.spectrum)(power, base.spectrum.velocity_axis_mps, axis)  # type: ignore[union-attr]
        return replace(base, spectrum=spectrum, tracks=tracks)

    model = MicroDoppler()
    shown = [model.show([levels(*pair)]) for pair in ((100, 10), (100, 200), (100, 1000), (150, 300))]
    assert [one.track_id for one in shown if one is not None] == [1, 1, 2, 2]
    assert "no confirmed track" in model.why_empty(replace(base, tracks=tracks[2:]))


@pytest.mark.parametrize("stagger_s", [(), STAGGER_S], ids=["even", "staggered"])
def test_a_radio_shows_half_the_rate_of_the_path(
    make_radio_snapshot: Callable[[int], Snapshot], stagger_s: tuple[float, ...]
) -> None:
    sensor = replace(RADIO, stagger_s=stagger_s)
    velocity = np.array([0.1, -0.25])
    frequency = sensor.carrier_frequency_hz + sensor.tone_frequencies_hz
    history = []
    for k in range(20):
        counters = np.arange(10 * k, 10 * k + 10)
        time_s = counters * 4e-3 + np.array([sensor.stagger_of(int(counter)) for counter in counters])
        at = np.array([0.5, 3.0]) + time_s[:, None] * velocity
        length = np.hypot(*at.T) + np.hypot(*(at - TX_M).T)
        tones = np.exp(-2j * np.pi * frequency * length[:, None] / SPEED_OF_LIGHT_MPS)
        channel = sensor.steering(np.arctan2(*at.T))[:, :, None] * tones[:, None, :]
        blocks = MovingBlocks(time_s=time_s, channel=channel, sensor=sensor)
        person = track(8, at[5], velocity.tolist())
        history.append(
            replace(
                make_radio_snapshot(0), index=k, time_s=0.04 * k, tracks=(person,),
                slow_time=slow_time(blocks, [8], [person.position_m]),
            )
        )  # fmt: skip
    model = MicroDoppler()
    shown = model.show(history)
    assert shown is not None
    axis = half_rate_axis_mps(sensor)
    expected = float(path_rate(history[-4].tracks[0].position_m, velocity, TX_M)) / 2.0
    columns = shown.waterfall.level_db
    last = np.flatnonzero(np.isfinite(columns[0]))[-1]
    assert axis[np.argmax(columns[:, last])] == pytest.approx(expected, abs=0.05)
    assert ("staggered" in shown.details) is bool(stagger_s)
    assert ("ambiguous beyond ±0.72 m/s" in shown.note) is not bool(stagger_s)
    assert model.why_empty(history[-1]) == ""
    assert "while this view is open" in model.why_empty(make_radio_snapshot(0))
    assert model.show([make_radio_snapshot(0)]) is None


# --- tracks ----------------------------------------------------------------------------------------------------------


def column(title: str) -> int:
    return next(k for k, kind in enumerate(COLUMNS) if kind.title.startswith(title))


def test_columns_are_shown_as_far_as_there_is_room_and_x_never_without_y() -> None:
    widths, everything = [10] * len(COLUMNS), [True] * len(COLUMNS)

    def titles(room: int, wanted: Sequence[bool] = everything) -> list[str]:
        shown = columns_that_fit(widths, room, wanted)
        return [kind.title.split()[0] for kind, on in zip(COLUMNS, shown, strict=True) if on]

    assert titles(100) == [kind.title.split()[0] for kind in COLUMNS]
    assert titles(0) == ["Id", "State"]
    assert titles(40) == ["Id", "State", "Range", "Azimuth"]
    assert titles(50) == ["Id", "State", "Range", "Azimuth", "Speed"]  # x and y need more
    assert titles(60) == ["Id", "State", "x", "y", "Range", "Azimuth"]
    without = [not kind.title.startswith("Azimuth") for kind in COLUMNS]
    assert titles(60, without) == ["Id", "State", "x", "y", "Range", "Speed"]


def test_a_row_says_what_the_track_is() -> None:
    table = TrackTable()
    table.update([track(17, (3.0, 4.0), (0.6, 0.8), status=TrackStatus.COASTED)])
    texts = {kind.title: table.text(0, k) for k, kind in enumerate(COLUMNS)}
    assert texts == {
        "Id": "17", "State": "coasted", "x (m)": "+3.00", "y (m)": "+4.00", "Range (m)": "5.00",
        "Azimuth (°)": "+36.9", "Speed (m/s)": "1.00", "Radial (m/s)": "+1.00", "Age": "5", "σ (m)": "0.10",
    }  # fmt: skip
    assert not table.is_seen(0)


def test_only_cells_that_look_different_count_as_changed() -> None:
    table = TrackTable()
    table.update([track(1, (1.0, 2.0)), track(2, (0.0, 5.0))])
    assert table.update([track(1, (1.0, 2.0)), track(2, (0.0, 5.0 + 1e-5))]).cells == ()
    change = table.update([track(1, (1.0, 2.0)), track(2, (0.0, 5.02))])
    assert {cells[0] for cells in change.cells} == {column("y"), column("Range")}
    assert all(cells[1:] == (1, 1) for cells in change.cells)
    change = table.update([track(1, (1.0, 2.0))])
    assert (change.rows_before, change.rows, change.cells) == (2, 1, ())


def test_rows_are_sorted_by_any_column_and_equal_ones_by_id() -> None:
    table = TrackTable()
    tracks = [track(5, (0.0, 3.0)), track(2, (0.0, 1.0)), track(9, (0.0, 3.0), status=TrackStatus.TENTATIVE)]
    table.update(tracks)
    assert [table.id_at(row) for row in range(3)] == [2, 5, 9]
    table.sort(column("Range"), descending=True)
    assert [table.id_at(row) for row in range(3)] == [5, 9, 2]
    table.update(tracks[::-1])  # in whatever order they come
    assert [table.id_at(row) for row in range(3)] == [5, 9, 2]
    table.sort(STATE_COLUMN, descending=True)
    assert table.id_at(0) == 9
    assert {table.row_of(k) for k in (2, 5, 9)} == {0, 1, 2}
    assert table.row_of(77) is None


def test_numbers_that_are_none_are_dashes_and_do_not_disturb_the_rest() -> None:
    broken = track(3, (math.nan, 2.0))
    broken.covariance[0, 0] = math.inf
    table = TrackTable()
    table.update([broken, track(4, (1e12, 2.0))])
    assert [table.text(0, column(title)) for title in ("x", "Range", "σ")] == ["–", "–", "–"]
    assert table.text(1, column("x")) == "–"
    assert table.text(1, column("y")) == "+2.00"


def test_the_deviation_is_that_of_the_longer_axis() -> None:
    one = track(1, (0.0, 3.0))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    one.covariance[np.ix_([0, 2], [0, 2])] = turn @ np.diag([0.25, 0.01]) @ turn.T
    table = TrackTable()
    table.update([one])
    assert table.text(0, column("σ")) == "0.50"


# --- events ----------------------------------------------------------------------------------------------------------


def event(second: float, kind: EventKind = EventKind.LINK, text: str = "something") -> Event:
    return Event(host_monotonic_ns=int(second * 1e9), host_utc_ns=int((1.8e9 + second) * 1e9), kind=kind, text=text)


def test_the_log_is_bounded_and_ordered_and_counts_what_it_dropped() -> None:
    log = EventLog(capacity=4)
    log.append(event(k) for k in (1, 2, 4, 5))
    log.append([event(3, text="late\nand in two lines " + "x" * 999)])
    assert [line.host_monotonic_ns for line in log.shown] == [
        2_000_000_000,
        3_000_000_000,
        4_000_000_000,
        5_000_000_000,
    ]
    assert (len(log), log.dropped) == (4, 1)
    assert log.shown[1].text.startswith("late and in two lines")
    assert len(log.shown[1].text) == event_log.MAX_TEXT
    log.clear()
    assert (len(log), log.dropped) == (0, 0)


def test_kinds_can_be_left_out_and_come_again() -> None:
    log = EventLog()
    assert "Nothing has happened" in log.why_empty()
    log.append([event(1), event(2, EventKind.MARKER, "here"), event(3)])
    log.show_kinds([EventKind.MARKER])
    assert [line.text for line in log.shown] == ["here"]
    log.append([event(4), event(5, EventKind.MARKER, "there")])
    assert [line.text for line in log.shown] == ["here", "there"]
    log.show_kinds([EventKind.CARD])
    assert "All 5 events" in log.why_empty()
    log.show_kinds(EventKind)
    assert len(log.shown) == 5


def test_the_log_has_the_times_of_the_display_once_these_are_known() -> None:
    log = EventLog()
    log.append([event(107.5), event(90.0)])
    assert log.time_text(log.shown[1]).endswith("UTC")
    assert not log.tie(None)  # nothing that is shown knows when it arrived
    assert log.tie(100_000_000_000)
    assert [log.time_text(one) for one in log.shown] == ["−10.0 s", "7.5 s"]
    # A frame that was 20 ms late ties nothing anew, another source does.
    assert not log.tie(100_020_000_000)
    assert log.tie(107_000_000_000)
    assert log.time_text(log.shown[1]) == "0.5 s"


def test_what_is_not_there_is_explained_before_the_first_frame() -> None:
    assert "No frame" in range_time.why_empty(None)
    assert "No frame" in MicroDoppler().why_empty(None)
    assert micro_doppler.RADAR_LABEL != micro_doppler.RADIO_LABEL
