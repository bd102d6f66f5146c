"""Settings as fields: derived from the configs, checked, undone, saved and read back, applied."""

import math
import threading
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.acquisition.header import describe_device
from isactrack.acquisition.pipeline import Pipeline, SettingsChange
from isactrack.acquisition.plan import EXAMPLE, parse_plan
from isactrack.acquisition.session import Session
from isactrack.drivers.registry import open_device
from isactrack.errors import ConfigError
from isactrack.fmcw import FmcwSensor
from isactrack.gui.models.session_file import load_settings, save_settings, with_settings
from isactrack.gui.models.tuning import FIRST, Applier, Kind, Settings, Tuning, TuningModel, value_text
from isactrack.ofdm import OfdmSensor
from isactrack.processing.chain_config import ChainConfig
from isactrack.processing.chains import AnyChainConfig
from isactrack.processing.ofdm_config import MusicConfig, OfdmChainConfig
from isactrack.recordings import Recording, RecordingWriter, validate_recording
from isactrack.sensor import Sensor
from isactrack.tracking.config import TrackerConfig

RADAR = FmcwSensor(
    model="synthetic", start_frequency_hz=77e9, slope_hz_per_s=30e12, idle_time_s=10e-6, adc_start_s=5e-6,
    ramp_end_s=40e-6, sample_rate_hz=4e6, samples_per_chirp=64, loops_per_frame=32, frame_period_s=0.1,
)  # fmt: skip
RADIO = OfdmSensor(
    model="synthetic", carrier_frequency_hz=26e9, subcarrier_spacing_hz=270e3, tones=tuple(range(-900, 901, 24)),
    frame_period_s=4e-3, rx_positions=tuple(0.5 * k for k in range(8)), tx_position_m=(4.0, 1.0),
)  # fmt: skip


def model_of(sensor: Sensor) -> TuningModel:
    return TuningModel(Settings.default(sensor))


def count_leaves(config: Any) -> int:
    values = [getattr(config, field.name) for field in fields(config)]
    return sum(count_leaves(value) if is_dataclass(value) else 1 for value in values)


@pytest.mark.parametrize("sensor", [RADAR, RADIO])
def test_every_setting_is_a_field_with_its_meaning_and_a_text_that_reads_back(sensor: Sensor) -> None:
    model = model_of(sensor)
    now = model.settings
    assert len(model.fields) == count_leaves(now.chain) + count_leaves(now.tracker)
    assert {field.name for field in model.fields} == set(now.flat())
    for field in model.fields:
        assert field.meaning, field.name
        assert field.parse(model.text(field.name)) == model.value(field.name) == field.default
    first = [field.name for field in model.fields if field.group == FIRST]
    assert first == [field.name for field in model.fields[: len(first)]]
    assert {"tracker.gate_probability", "tracker.association", "chain.cluster_distance_m"} <= set(first)


def test_fields_know_kind_choices_unit_and_meaning() -> None:
    model = model_of(RADIO)
    order = model.field("chain.music.max_paths")
    assert (order.kind, order.default, order.meaning) == (Kind.COUNT, 8, "Largest model order L.")
    assert model.field("chain.mean_blocks").unit == "blocks"
    assert model.field("chain.mean_blocks").meaning == "K of eq. 2."
    filters = model.field("chain.clutter_filter")
    assert (filters.kind, filters.choices) == (Kind.CHOICE, ("mean", "difference", "off"))
    assert model.field("tracker.acceleration_std_mps2").unit == "m/s²"
    assert model.field("chain.max_excess_m").optional
    assert "indoor-multi-person" in model.field("tracker.distance_penalty_m").meaning
    assert model_of(RADAR).field("chain.training_cells").kind is Kind.PAIR
    assert (order.title, model.field("chain.cluster_distance_m").title) == (
        "Model order, max paths",
        "Cluster distance",
    )


def test_angles_are_degrees_for_people_and_radians_as_values() -> None:
    model = model_of(RADIO)
    assert (model.text("chain.max_azimuth_rad"), model.field("chain.max_azimuth_rad").unit) == ("70", "°")
    assert model.set("chain.max_azimuth_rad", "45")
    assert model.value("chain.max_azimuth_rad") == math.radians(45.0)
    assert not model.set("chain.max_azimuth_rad", "91")


def test_what_cannot_work_is_refused_with_the_reason_and_the_former_value_stays() -> None:
    model = model_of(RADAR)
    for name, value in (
        ("chain.p_fa", "2"), ("chain.p_fa", "much"), ("tracker.confirm_hits", "7"), ("tracker.confirm_hits", "2.5"),
        ("chain.detector", "eye"), ("chain.training_cells", "8"), ("chain.remove_static", "perhaps"),
        ("chain.range_window", "door"), ("tracker.acceleration_std_mps2", "nan"), ("chain.mnomp.k_max", "0"),
    ):  # fmt: skip
        before = model.settings
        assert not model.set(name, value)
        error = model.error(name)
        assert error is not None and error.hint
        assert model.settings is before
    assert not model.can_undo
    assert model.set("chain.p_fa", "1e-4")
    assert model.error("chain.p_fa") is None
    assert model.error("chain.detector") is not None  # of another field


def test_values_come_as_text_or_as_they_are() -> None:
    model = model_of(RADAR)
    for name, text, value in (
        ("chain.p_fa", " 1e-4 ", 1e-4), ("chain.min_snr_db", "12,5", 12.5), ("chain.remove_static", "no", False),
        ("chain.training_cells", "(9, 7)", (9, 7)), ("chain.cluster_distance_m", "none", None),
        ("chain.mnomp.k_max", "12", 12), ("tracker.association", "spa", "spa"), ("tracker.spa_rounds", "", None),
    ):  # fmt: skip
        assert model.set(name, text), model.error(name)
        assert model.value(name) == value
    assert model.set("chain.p_fa", 1e-5)
    assert model.text("chain.p_fa") == "1e-05"


def test_changes_are_taken_back_and_made_again() -> None:
    model = model_of(RADAR)
    start = model.settings
    model.set("chain.p_fa", "1e-4")
    model.set("tracker.confirm_hits", "3")
    changed = model.settings
    model.set("tracker.confirm_hits", "3")  # no change
    assert model.undo() and model.value("tracker.confirm_hits") == 4
    assert model.undo() and model.settings == start
    assert not model.undo() and not model.can_undo
    assert model.redo() and model.redo() and model.settings == changed
    assert not model.can_redo
    assert model.reset() and model.settings == start and model.is_default
    assert model.undo() and model.settings == changed
    assert model.reset("chain.p_fa") and model.value("chain.p_fa") == 1e-6
    assert not model.can_redo
    model.set("chain.p_fa", "9")
    model.undo()
    assert model.error("chain.p_fa") is None


def test_a_default_that_does_not_fit_the_others_is_refused() -> None:
    model = model_of(RADAR)
    model.set("tracker.confirm_hits", "1")
    model.set("tracker.confirm_window", "2")
    assert not model.reset("tracker.confirm_hits")
    assert model.value("tracker.confirm_hits") == 1


def test_the_search_looks_at_all_that_is_said_of_a_field() -> None:
    model = model_of(RADIO)
    found = {field.name for field in model.fields if field.matches("model ORDER")}
    assert found == {"chain.music.max_paths"}
    assert all(field.matches("") for field in model.fields)


def test_settings_of_the_other_kind_of_sensor_are_refused() -> None:
    with pytest.raises(ConfigError, match="another kind"):
        model_of(RADAR).replace(Settings.default(RADIO))


# --- the session file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sensor", [RADAR, RADIO])
def test_settings_survive_the_session_file(sensor: Sensor, tmp_path: Path) -> None:
    model = model_of(sensor)
    for field in model.fields:
        value = model.value(field.name)
        if field.optional:
            assert model.set(field.name, "none")
        elif field.kind is Kind.FLAG:
            assert model.set(field.name, not value)
        elif field.kind is Kind.NUMBER:
            model.set(field.name, value * 0.9 or 0.25)
        elif field.kind is Kind.COUNT:
            assert model.set(field.name, value + 1)
        elif field.kind is Kind.CHOICE and field.name != "tracker.engine":
            assert model.set(field.name, field.choices[-1])
    path = tmp_path / "run.toml"
    save_settings(path, model.settings, sensor, 'sim://x?note="a"')
    assert load_settings(path, sensor) == model.settings
    assert parse_plan(path.read_text(), tmp_path).devices[0].url == 'sim://x?note="a"'
    save_settings(path, model_of(sensor).settings, sensor, "ignored")
    assert load_settings(path, sensor) == model_of(sensor).settings


@settings(max_examples=30, deadline=None)
@given(
    hop=st.integers(1, 60), hits=st.integers(1, 9), more=st.integers(0, 9), sensor=st.sampled_from([RADAR, RADIO]),
    gate=st.floats(0.5, 0.999), rounds=st.none() | st.integers(1, 50), frames=st.integers(1, 4),
)  # fmt: skip
def test_any_settings_survive_the_session_file(
    hop: int, hits: int, more: int, sensor: Sensor, gate: float, rounds: int | None, frames: int
) -> None:
    chain: AnyChainConfig = ChainConfig(coherent_frames=frames) if sensor is RADAR else OfdmChainConfig(hop_blocks=hop)
    tracker = replace(
        Settings.default(sensor, chain).tracker,
        confirm_hits=hits, confirm_window=hits + more, gate_probability=gate, spa_rounds=rounds,
    )  # fmt: skip
    wanted = Settings(chain, tracker)
    text = with_settings('[[device]]\nurl = "sim://x"\n', wanted, sensor)
    plan = parse_plan(text, Path())
    assert Settings(*plan.settings_of(sensor)) == wanted


def test_what_else_stands_in_a_session_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    former = EXAMPLE + "\n[chain]\np_fa = 1e-3\n[chain.mnomp]\nk_max = 3\n[ofdm.music]\nmax_paths = 3\n"
    path.write_text(former)
    chain = ChainConfig(min_snr_db=14.0)
    save_settings(path, Settings(chain, TrackerConfig()), RADAR, "ignored")
    text = path.read_text()
    plan = parse_plan(text, tmp_path)
    assert (plan.chain, plan.tracker) == (chain, TrackerConfig())
    assert plan.ofdm == OfdmChainConfig(music=MusicConfig(max_paths=3))
    assert plan.devices == parse_plan(former, tmp_path).devices
    assert text.startswith("# A session of isactrack")


def test_files_that_are_no_session_files_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text("[tool]\nname = 1\n")
    with pytest.raises(ConfigError):
        save_settings(path, model_of(RADAR).settings, RADAR, "sim://x")
    assert path.read_text() == "[tool]\nname = 1\n"
    with pytest.raises(ConfigError, match="cannot read"):
        load_settings(tmp_path / "none.toml", RADAR)
    odd = '[session]\nnote = """\n[chain]\n"""\n[[device]]\nurl = "sim://x"\n'
    with pytest.raises(ConfigError):
        with_settings(odd, Settings(ChainConfig(p_fa=1e-3), TrackerConfig()), RADAR)


# --- applying --------------------------------------------------------------------------------------------------------


class Target:
    def __init__(self) -> None:
        self.given: list[AnyChainConfig | None] = []
        self.gate = threading.Event()
        self.gate.set()

    def reconfigure(
        self, chain_config: AnyChainConfig | None = None, tracker_config: TrackerConfig | None = None
    ) -> SettingsChange:
        assert self.gate.wait(5.0)
        self.given.append(chain_config)
        assert isinstance(chain_config, ChainConfig)
        if chain_config.coherent_frames > 1:
            raise ConfigError("frames are not even", "use 1")
        return SettingsChange(("changed",))


def test_settings_are_applied_beside_the_window_the_newest_alone(wait_until: Callable[..., None]) -> None:
    target, model = Target(), model_of(RADAR)
    applier = Applier(target, model.settings)
    target.gate.clear()
    for text in ("1e-2", "1e-3", "1e-4"):
        model.set("chain.p_fa", text)
        applier.submit(model.settings)
    assert applier.busy
    target.gate.set()
    wait_until(lambda: not applier.busy)
    assert applier.used == model.settings
    assert target.given[-1] == model.settings.chain
    assert len(target.given) <= 2
    assert applier.take()[-1].change == SettingsChange(("changed",))
    assert applier.take() == []


def test_a_session_that_comes_after_another_gets_the_settings_of_before(wait_until: Callable[..., None]) -> None:
    former, later, model = Target(), Target(), model_of(RADAR)
    fresh = model.settings
    applier = Applier(former, fresh)
    model.set("chain.p_fa", "1e-4")
    applier.submit(model.settings)
    wait_until(lambda: not applier.busy)
    applier.retarget(later, fresh)
    assert applier.used == fresh
    applier.submit(model.settings)
    wait_until(lambda: not applier.busy)
    assert later.given == former.given == [ChainConfig(p_fa=1e-4)]
    assert applier.used == model.settings


def test_what_the_sensor_cannot_work_with_is_taken_back(wait_until: Callable[..., None]) -> None:
    target, model = Target(), model_of(RADAR)
    applier = Applier(target, model.settings)
    used = model.settings
    assert model.set("chain.coherent_frames", "2")
    applier.submit(model.settings)
    wait_until(lambda: not applier.busy)
    (result,) = applier.take()
    assert isinstance(result.error, ConfigError)
    assert applier.used == used == result.settings
    model.refuse(result.settings, result.error)
    assert model.settings == used
    assert model.error("chain.coherent_frames") is result.error
    assert not model.can_undo


def test_a_session_on_a_simulated_radar_is_tuned_while_it_records(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    path = tmp_path / "tuned.h5"
    device = open_device("sim://awr1642?scene=walker&seed=1")
    sensor = device.configure(None)
    recorder = RecordingWriter(path, describe_device(device))
    pipeline = Pipeline(sensor, ChainConfig(p_fa=1e-5))
    with Session(device, recorder=recorder, pipeline=pipeline) as session:
        tuning = Tuning.of(session)
        assert tuning is not None and tuning.applier is not None
        assert tuning.model.value("chain.p_fa") == 1e-5 and not tuning.model.is_default
        session.start()
        tuning.model.set("chain.min_snr_db", "13")
        tuning.model.set("tracker.gate_probability", "0.9")
        tuning.applier.submit(tuning.model.settings)
        wait_until(lambda: not tuning.applier.busy)
        (result,) = tuning.applier.take()
        assert result.error is None
        wait_until(lambda: session.health().recorded_frames > 3)
    with Recording(path) as recording:
        texts = [event.text for event in recording.events]
    assert "settings: chain.min_snr_db 10.0 -> 13.0; tracker.gate_probability 0.99 -> 0.9" in texts
    assert not [check for check in validate_recording(path) if check.passed is False]


def test_a_session_that_processes_nothing_has_nothing_to_tune() -> None:
    device = open_device("sim://awr1642?scene=walker&seed=1")
    device.configure(None)
    with Session(device) as session:
        assert Tuning.of(session) is None


def test_texts_of_values() -> None:
    assert [value_text(value) for value in (None, True, False, (8, 6), 0.1, "hann")] == [
        "none", "yes", "no", "8, 6", "0.1", "hann",
    ]  # fmt: skip
