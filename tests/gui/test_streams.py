"""Several sensors at one time, in one room, and recorded together, without Qt."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from isactrack.acquisition.recorder_tap import RecordingLimits
from isactrack.acquisition.snapshot import Snapshot
from isactrack.errors import DeviceStateError, IsacError, RecordingError
from isactrack.geometry import Pose, RoomOutline
from isactrack.gui.models.arrangement import head_text, room_empty_text, room_note
from isactrack.gui.models.feed import Opening
from isactrack.gui.models.group_recording import GroupRecording, sensor_names
from isactrack.gui.models.host_clock import HostClock
from isactrack.gui.models.room import Placement
from isactrack.gui.models.room_overlay import STYLES, RoomOverlay, extent
from isactrack.gui.models.stream import Stream
from isactrack.gui.models.streams import MAX_SENSORS, Alignment, Streams
from isactrack.gui.models.timeline import Mode
from tests.gui.conftest import RATE_HZ, SyntheticFeed, snapshot
from tests.gui.test_record_bar import RecordableFeed

BOOT_NS = 1_700_000_000 * 10**9


def timed(index: int, began_s: float, rate_hz: float, device_s: float = 0.0) -> Snapshot:
    """Return a snapshot that came on the host's clock at `began_s` and one period for each before it."""
    time_s = index / rate_hz
    return replace(
        snapshot(index % 60), index=index, time_s=device_s + time_s, host_monotonic_ns=round((began_s + time_s) * 1e9)
    )


def stream_of(
    times: Callable[[int], Snapshot],
    count: int,
    *,
    live: bool = False,
    clock: HostClock | None = None,
    pose: Pose | None = None,
    name: str = "sim://awr1642",
) -> Stream:
    """Return a stream that has taken `count` snapshots, and has ended if it is a file."""
    feed = SyntheticFeed(count, live=live, per_poll=count, make=times)
    opening = Opening(lambda: feed, name)
    stream = Stream(opening)
    opening.start()
    while not stream.take():
        pass
    stream.host_clock = clock or HostClock()
    stream.placement = Placement(pose or Pose())
    for _ in range(2):
        stream.poll(frozenset())
        stream.look_at_health()
    stream.poll(frozenset())
    return stream


def clock_of(began_s: float, length_s: float) -> HostClock:
    return HostClock(BOOT_NS, (round(began_s * 1e9), round((began_s + length_s) * 1e9)))


def host_s(stream: Stream) -> float:
    assert stream.timeline.current is not None
    return stream.timeline.current.host_monotonic_ns * 1e-9


def mode_of(stream: Stream) -> Mode:
    return stream.timeline.mode


class Ticker:
    """A clock that goes when it is told."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def ticker() -> Ticker:
    return Ticker()


@pytest.fixture
def pair(ticker: Ticker) -> tuple[Streams, Stream, Stream]:
    """Two recordings of one session: 20 Hz from 100 s on, 10 Hz from 100.3 s on; device clocks that differ by hours."""
    radar = stream_of(lambda k: timed(k, 100.0, 20.0), 80, clock=clock_of(100.0, 4.0))
    radio = stream_of(lambda k: timed(k, 100.3, 10.0, device_s=7200.0), 60, clock=clock_of(100.3, 6.0))
    streams = Streams(radar, ticker)
    streams.add(radio)
    return streams, radar, radio


def test_files_of_one_session_are_shown_at_one_host_time(pair: tuple[Streams, Stream, Stream]) -> None:
    streams, radar, radio = pair
    assert streams.alignment is Alignment.HOST and streams.alignment_text == ""
    for position in (30, 0, 79, 41):
        radar.timeline.seek(position)
        streams.advance()
        assert radar.timeline.position == position
        expected = min(max(host_s(radar), 100.3), 106.2)
        assert abs(host_s(radio) - expected) <= 0.05 + 1e-9
    streams.activate(radio)
    before = radio.timeline.position
    radio.timeline.step(5)
    streams.advance()
    assert radio.timeline.position == before + 5
    assert abs(host_s(radar) - host_s(radio)) <= 0.025 + 1e-9


def test_playing_goes_on_to_the_end_of_the_longest_and_then_stands_or_begins_anew(
    pair: tuple[Streams, Stream, Stream], ticker: Ticker
) -> None:
    streams, radar, radio = pair
    streams.advance()
    assert mode_of(radar) is Mode.PLAYING
    for _ in range(20):
        ticker.now_s += 0.1
        streams.advance()
    assert host_s(radar) == pytest.approx(102.0, abs=0.051)
    assert host_s(radio) == pytest.approx(102.0, abs=0.051)
    radar.timeline.set_speed(2.0)
    streams.advance()
    ticker.now_s += 1.5
    streams.advance()
    assert radar.timeline.position == 79 and host_s(radio) == pytest.approx(105.0, abs=0.051)
    assert streams.apart_s(radar) == pytest.approx(103.95 - 105.0, abs=0.06)
    assert "earlier than this moment" in head_text(streams, radar).state
    assert head_text(streams, radio).state == ""
    ticker.now_s += 5.0
    streams.advance()
    assert mode_of(radar) is Mode.FROZEN
    streams.advance()  # standing must not pull the longer one back to the end of the active one
    assert radio.timeline.position == 59
    radar.timeline.loop = True
    radar.timeline.play()
    for _ in range(3):
        streams.advance()
    assert host_s(radar) == 100.0 and host_s(radio) == pytest.approx(100.3)
    ticker.now_s += 10.0
    streams.advance()
    assert mode_of(radar) is Mode.PLAYING and radar.timeline.position == 0


def test_another_active_sensor_goes_on_where_the_former_one_was(
    pair: tuple[Streams, Stream, Stream], ticker: Ticker
) -> None:
    streams, radar, radio = pair
    streams.advance()
    ticker.now_s += 5.0  # beyond the end of the radar
    streams.advance()
    streams.activate(radio)
    assert (radio.timeline.mode, radar.timeline.mode) == (Mode.PLAYING, Mode.FROZEN)
    streams.advance()
    assert host_s(radio) == pytest.approx(105.0, abs=0.11)
    streams.activate(radar)
    streams.advance()
    assert radar.timeline.position == 79 and host_s(radio) == pytest.approx(105.0, abs=0.11)
    assert streams.after_active() is radio
    streams.remove(radar)
    assert streams.active is radio and radio.timeline.mode is Mode.PLAYING
    with pytest.raises(DeviceStateError, match="only sensor"):
        streams.remove(radio)


@pytest.mark.parametrize(
    "other",
    [
        HostClock(BOOT_NS + 3_600 * 10**9, (100 * 10**9, 104 * 10**9)),
        HostClock(BOOT_NS, (900 * 10**9, 904 * 10**9)),
        HostClock(),
    ],
    ids=["another computer", "another time", "unknown"],
)
def test_files_without_a_common_clock_are_aligned_at_their_starts(ticker: Ticker, other: HostClock) -> None:
    first = stream_of(lambda k: timed(k, 100.0, 20.0), 80, clock=clock_of(100.0, 4.0))
    second = stream_of(lambda k: timed(k, 900.0, 10.0), 40, clock=other)
    streams = Streams(first, ticker)
    streams.add(second)
    assert streams.alignment is Alignment.STARTS
    assert "aligned at their starts" in streams.alignment_text and "starts" in room_note(streams)
    first.timeline.seek(40)
    streams.advance()
    assert host_s(second) == pytest.approx(902.0)
    assert streams.apart_s(second) == pytest.approx(0.0)


def test_without_arrivals_the_clocks_of_the_devices_count_from_their_starts(ticker: Ticker) -> None:
    first = stream_of(snapshot, 60)
    second = stream_of(lambda k: replace(snapshot(k), time_s=50.0 + k / RATE_HZ), 60, clock=clock_of(1.0, 2.0))
    streams = Streams(first, ticker)
    streams.add(second)
    first.timeline.seek(25)
    streams.advance()
    assert streams.alignment is Alignment.STARTS and second.timeline.position == 25


def test_live_sensors_follow_each_its_own_newest_and_freeze_at_one_time(ticker: Ticker) -> None:
    clock = HostClock(BOOT_NS)
    radar = stream_of(lambda k: timed(k, 100.0, 20.0), 81, live=True, clock=clock)
    lost = stream_of(lambda k: timed(k, 100.0, 10.0), 20, live=True, clock=replace(clock, began_ns=BOOT_NS + 10**7))
    streams = Streams(radar, ticker)
    streams.add(lost)
    lost.timeline.pause()
    streams.advance()
    assert streams.alignment is Alignment.HOST
    assert [stream.timeline.mode for stream in streams.items] == [Mode.FOLLOWING] * 2
    assert (radar.timeline.position, lost.timeline.position) == (80, 19)
    assert streams.apart_s(lost) == pytest.approx(101.9 - 104.0)
    lost.lost_text = ("connection lost", "look at the cable")
    assert head_text(streams, lost).state == "connection lost; 2.1 s earlier than this moment"
    radar.timeline.seek(20)
    streams.advance()
    assert host_s(lost) == pytest.approx(101.0)
    radar.timeline.toggle()
    streams.advance()
    assert lost.timeline.mode is Mode.FOLLOWING


def test_a_gap_is_shown_as_what_was_last_seen_before_or_after_it(ticker: Ticker) -> None:
    clock = HostClock(BOOT_NS)
    whole = stream_of(lambda k: timed(k, 100.0, 20.0), 200, live=True, clock=clock)

    def broken(index: int) -> Snapshot:
        return timed(index, 100.0 if index < 20 else 104.0, 20.0, device_s=0.0 if index < 20 else -1.0)

    gap = stream_of(broken, 60, live=True, clock=clock)
    streams = Streams(whole, ticker)
    streams.add(gap)
    for position, expected_s in ((50, 100.95), (90, 105.0), (110, 105.5)):
        whole.timeline.seek(position)
        streams.advance()
        assert host_s(gap) == pytest.approx(expected_s, abs=0.026), position
    whole.timeline.seek(51)  # 102.55 s: nothing came then
    streams.advance()
    assert streams.apart_s(gap) == pytest.approx(-1.6)
    assert head_text(streams, gap).state == "1.6 s earlier than this moment"


def test_a_device_and_a_file_go_their_own_ways_but_stand_together(ticker: Ticker) -> None:
    device = stream_of(lambda k: timed(k, 100.0, 20.0), 40, live=True, clock=HostClock(BOOT_NS))
    file = stream_of(lambda k: timed(k, 900.0, 20.0), 40, clock=clock_of(900.0, 2.0))
    streams = Streams(device, ticker)
    streams.add(file)
    assert streams.alignment is Alignment.APART and "own way" in streams.alignment_text
    streams.advance()
    assert (device.timeline.mode, file.timeline.mode) == (Mode.FOLLOWING, Mode.PLAYING)
    device.timeline.toggle()
    streams.advance()
    assert mode_of(file) is Mode.FROZEN
    file.timeline.seek(7)
    streams.advance()
    assert device.timeline.position == 39
    device.timeline.toggle()
    streams.advance()
    assert mode_of(file) is Mode.PLAYING
    assert streams.apart_s(file) == 0.0


def test_there_is_an_end_to_what_a_window_holds() -> None:
    streams = Streams(stream_of(snapshot, 3))
    for _ in range(MAX_SENSORS - 1):
        streams.add(stream_of(snapshot, 3))
    with pytest.raises(DeviceStateError, match="shown already"):
        streams.add(stream_of(snapshot, 3))
    assert len(STYLES) == MAX_SENSORS == len({(style.symbol, style.dashes) for style in STYLES})
    assert len({style.letter for style in STYLES}) == MAX_SENSORS


# --- the room --------------------------------------------------------------------------------------------------------


def test_what_two_sensors_see_of_one_person_lies_in_one_place_of_the_room(ticker: Ticker) -> None:
    poses = Pose(x_m=-1.0, y_m=0.5, yaw_rad=0.3), Pose(x_m=2.0, y_m=1.0, yaw_rad=-0.6)

    def seen_from(pose: Pose) -> Callable[[int], Snapshot]:
        def make(index: int) -> Snapshot:
            shown = timed(index, 100.0, 20.0)
            tracks = []
            for track in shown.tracks:
                state = np.empty(4)
                state[::2], state[1::2] = pose.to_sensor(track.position_m), pose.velocity_to_sensor(track.velocity_mps)
                tracks.append(replace(track, state=state))
            detections = replace(shown.detections, position_m=pose.to_sensor(shown.detections.position_m))
            return replace(shown, tracks=tuple(tracks), detections=detections)

        return make

    clock = HostClock(BOOT_NS)
    streams = Streams(stream_of(seen_from(poses[0]), 40, live=True, clock=clock, pose=poses[0]), ticker)
    streams.add(stream_of(seen_from(poses[1]), 40, live=True, clock=clock, pose=poses[1]))
    for stream in streams.items:
        assert stream.timeline.current is not None
        stream.take_reach(stream.timeline.current)
    first, second = RoomOverlay().layers(streams)
    truth = snapshot(39)
    assert (first.style.letter, second.style.letter) == ("A", "B")
    for track_a, track_b, true in zip(first.tracks, second.tracks, truth.tracks, strict=True):
        assert track_a.state == pytest.approx(true.state)
        assert track_b.state == pytest.approx(true.state)
        assert np.linalg.eigvalsh(track_b.covariance) == pytest.approx(np.linalg.eigvalsh(true.covariance))
    assert first.detections_m == pytest.approx(second.detections_m)
    arrows = [np.vstack([one.ends_m for one in layer.arrows]) for layer in (first, second)]
    assert arrows[0] == pytest.approx(arrows[1])
    assert tuple(second.sensor_m) == (2.0, 1.0)
    assert math.dist(second.outline_m[0], (2.0, 1.0)) == pytest.approx(0.0)
    pieces = [sum(len(one.ends_m) for one in layer.trails) for layer in (first, second)]
    assert 0 < pieces[1] < 0.75 * pieces[0]  # dashed
    assert room_note(streams) == ""


def test_a_sensor_without_a_picture_of_the_moment_shows_where_it_looks_only(
    pair: tuple[Streams, Stream, Stream], ticker: Ticker
) -> None:
    streams, _, radio = pair
    overlay = RoomOverlay()
    streams.advance()
    key = overlay.key(streams)
    assert overlay.key(streams) == key
    ticker.now_s += 5.0
    streams.advance()
    assert overlay.key(streams) != key
    past, now = overlay.layers(streams)
    assert not past.tracks and not past.trails and not len(past.detections_m) and not len(past.truth_m)
    assert now.tracks and len(now.truth_m) == 3
    assert not overlay.layers(streams, trails=False)[1].trails
    radio.placement = Placement(Pose(x_m=1.0), RoomOutline(corners_m=((-9.0, 0.0), (9.0, 0.0), (9.0, 5.0))))
    reached = extent(overlay.layers(streams))
    assert (reached[:, 0].min(), reached[:, 0].max()) == (-9.0, 9.0)


def test_the_plan_says_who_was_not_placed_and_why_it_is_empty() -> None:
    streams = Streams(Stream(Opening(lambda: SyntheticFeed(0), "sim://a")))
    assert "No sensor has shown anything yet" in room_empty_text(streams)
    assert RoomOverlay().layers(streams) == [] and len(extent([])) == 1
    assert head_text(streams, streams.active).state == "connecting …"
    streams.add(stream_of(snapshot, 3, name="sim://b"))
    streams.add(stream_of(snapshot, 3, name="sim://c", pose=Pose(x_m=1.0)))
    assert room_empty_text(streams) == ""
    assert room_note(streams).startswith("no pose is known of sim://b: drawn at the origin")
    streams.active.error = RecordingError("it is cut")
    assert head_text(streams, streams.active).state == "stopped: it is cut"


# --- recording -------------------------------------------------------------------------------------------------------


def recorded(names: Sequence[str], folder: Path) -> tuple[list[Stream], list[RecordableFeed]]:
    streams, feeds = [], []
    for name in names:
        feed = RecordableFeed()
        opening = Opening(lambda feed=feed: feed, name)  # type: ignore[misc]
        stream = Stream(opening)
        opening.start()
        while not stream.take():
            pass
        stream.look_at_health()
        stream.make_control(str(folder))
        streams.append(stream)
        feeds.append(feed)
    return streams, feeds


NAMES = ("sim://awr1642", "sim://bistatic?scene=lab-walk")


def test_one_recording_has_a_file_for_each_sensor(tmp_path: Path) -> None:
    streams, feeds = recorded(NAMES, tmp_path)
    told: list[IsacError] = []
    group = GroupRecording(lambda: streams, told.append, lambda: datetime(2026, 5, 1, tzinfo=UTC))
    suggested = group.suggested_path()
    assert [path.name for path in group.files(suggested)] == [
        "sensors-20260501T000000Z-radar.h5",
        "sensors-20260501T000000Z-radio.h5",
    ]
    group.files(suggested)[1].touch()
    assert group.suggested_path().name == "sensors-20260501T000000Z-2.h5"
    assert group.start(tmp_path / "walk.h5", "5min") == tmp_path / "walk.h5"
    limits = RecordingLimits(duration_s=300.0)
    assert [feed.calls for feed in feeds] == [[("walk-radar.h5", limits)], [("walk-radio.h5", limits)]]
    assert group.mark() == "marker 1"
    feeds[1].stop_recording()  # it has reached its limit: markers go to the other
    assert group.mark() == "marker 2"
    group.add_note("marker 2", "the  door")
    assert feeds[0].calls[1:] == ["marker 1", "marker 2", "marker 2: the door"]
    assert feeds[1].calls[1:] == ["marker 1", "stop"]
    group.stop()
    with pytest.raises(DeviceStateError):
        group.mark()
    assert not told


def test_nothing_begins_if_one_of_the_files_is_there_and_one_that_cannot_be_recorded_leaves_the_other(
    tmp_path: Path,
) -> None:
    streams, feeds = recorded(NAMES, tmp_path)
    told: list[IsacError] = []
    group = GroupRecording(lambda: streams, told.append)
    (tmp_path / "walk-radio.h5").touch()
    with pytest.raises(RecordingError, match=r"walk-radio\.h5 is there already"):
        group.start(tmp_path / "walk.h5")
    assert [feed.calls for feed in feeds] == [[], []]
    feeds[0].refuse = DeviceStateError("the device is lost", "wait")
    group.start(tmp_path / "run.h5")
    assert [str(error) for error in told] == ["the device is lost"]
    assert feeds[1].calls == [("run-radio.h5", RecordingLimits())]
    feeds[1].refuse = feeds[0].refuse
    with pytest.raises(DeviceStateError, match="lost"):
        group.start(tmp_path / "again.h5")


def test_sensors_have_short_names_that_differ() -> None:
    names = sensor_names(["sim://awr1642", "awr1642://auto", "bistatic://usb", "run1/left.h5", "nope://x", ""])
    assert names == ["radar", "radar-2", "radio", "recording", "sensor", "sensor-2"]
