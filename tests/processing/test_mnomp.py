"""The superfast detector: closed forms against explicit ones, both engines, the rules of the search."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from isactrack import ConfigError
from isactrack.processing import mnomp
from isactrack.processing.fft_cfar import fft_cfar
from isactrack.processing.lines import SpectralLines
from isactrack.processing.mnomp import Engine, MnompConfig, mnomp_cfar

Frame = NDArray[np.complex128]
ENGINES: list[Engine] = ["numpy", "numba"]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "numba":
        pytest.importorskip("numba")
    return request.param  # type: ignore[no-any-return]


def line(shape: tuple[int, int, int], range_rad: float, doppler_rad: float, gain: object) -> Frame:
    slow = np.exp(1j * doppler_rad * np.arange(shape[0]))
    fast = np.exp(1j * range_rad * np.arange(shape[2]))
    return np.asarray(slow[:, None, None] * np.broadcast_to(np.asarray(gain), shape[1])[:, None] * fast)


def noise(shape: tuple[int, int, int], rng: np.random.Generator) -> Frame:
    return np.asarray(rng.standard_normal((*shape, 2)).view(np.complex128)[..., 0] * np.sqrt(0.5))


def amplitude(snr_db: float, shape: tuple[int, int, int]) -> float:
    """Amplitude over noise of unit variance of a line with an integrated ratio at an antenna."""
    return float(np.sqrt(10.0 ** (snr_db / 10.0) / (shape[0] * shape[2])))


def explicit(lines: SpectralLines, shape: tuple[int, int, int]) -> Frame:
    parts = zip(lines.range_rad, lines.doppler_rad, lines.gain, strict=True)
    return sum((line(shape, x, y, g) for x, y, g in parts), np.zeros(shape, dtype=np.complex128))


def turn(found: float, truth: float) -> float:
    """Difference of angles on the circle."""
    return abs(float(np.angle(np.exp(1j * (found - truth)))))


def random_scene(shape: tuple[int, int, int], targets: int, snr_db: float, rng: np.random.Generator) -> Frame:
    frame = noise(shape, rng)
    for _ in range(targets):
        gain = amplitude(snr_db, shape) * np.exp(2j * np.pi * rng.random(shape[1]))
        frame += line(shape, rng.uniform(0, 2 * np.pi), rng.uniform(-np.pi, np.pi), gain)
    return frame


@settings(max_examples=30, deadline=None)
@given(
    loops=st.integers(8, 40), antennas=st.integers(1, 5), samples=st.integers(12, 70),
    x=st.floats(0.0, 2.0 * np.pi), y=st.floats(-np.pi, np.pi), phase=st.floats(0.0, 6.28),
)  # fmt: skip
def test_single_line_without_noise_is_exact(
    loops: int, antennas: int, samples: int, x: float, y: float, phase: float
) -> None:
    shape = loops, antennas, samples
    gain = np.exp(1j * phase * np.arange(1, antennas + 1)) * np.arange(1, antennas + 1)
    config = MnompConfig(training_cells=(3, 4), guard_cells=(1, 1), newton_steps=8)
    lines = mnomp_cfar(line(shape, x, y, gain), config, engine="numpy")
    assert len(lines) == 1
    assert turn(lines.range_rad[0], x) < 1e-9
    assert turn(lines.doppler_rad[0], y) < 1e-9
    np.testing.assert_allclose(lines.gain[0], gain, atol=1e-8)
    assert lines.residual_power < 1e-14
    assert 0.0 <= lines.range_rad[0] < 2.0 * np.pi
    assert -np.pi <= lines.doppler_rad[0] < np.pi


@pytest.mark.parametrize(
    ("x", "y"), [(0.0, 0.0), (6.28, -3.14), (1e-4, 3.1415), (np.pi, -np.pi), (6.2831, 1e-12), (1.2345, 0.5)]
)
def test_band_edges(x: float, y: float, engine: Engine) -> None:
    for shape in ((16, 2, 33), (17, 2, 32)):
        lines = mnomp_cfar(line(shape, x, y, [1.0, 1j]), MnompConfig(newton_steps=8), engine=engine)
        assert len(lines) == 1
        assert turn(lines.range_rad[0], x) < 1e-9
        assert turn(lines.doppler_rad[0], y) < 1e-9
        np.testing.assert_allclose(lines.gain[0], [1.0, 1j], atol=1e-8)


@pytest.mark.parametrize("rounds", [0, 1, 3])
@pytest.mark.parametrize("shape", [(64, 8, 128), (33, 3, 50), (20, 1, 37), (16, 5, 16)])
def test_engines_agree(shape: tuple[int, int, int], rounds: int) -> None:
    pytest.importorskip("numba")
    rng = np.random.default_rng(shape[2] + rounds)
    for targets, snr_db in ((0, 0.0), (3, 19.0), (6, 45.0)):
        frame = random_scene(shape, targets, snr_db, rng)
        config = MnompConfig(cyclic_rounds=rounds, k_max=12)
        plain, compiled = (mnomp_cfar(frame, config, engine=name) for name in ENGINES)
        assert len(plain) == len(compiled)
        scale = amplitude(max(snr_db, 19.0), shape)
        np.testing.assert_allclose(compiled.range_rad, plain.range_rad, atol=1e-9)
        np.testing.assert_allclose(compiled.doppler_rad, plain.doppler_rad, atol=1e-9)
        np.testing.assert_allclose(compiled.gain, plain.gain, atol=1e-8 * scale)
        np.testing.assert_allclose(compiled.noise_power, plain.noise_power, rtol=1e-7)
        assert compiled.residual_power == pytest.approx(plain.residual_power, rel=1e-9)


def test_single_precision_finds_the_same_lines(engine: Engine) -> None:
    shape = 64, 4, 128
    frame = random_scene(shape, 5, 25.0, np.random.default_rng(1))
    double, single = (mnomp_cfar(frame.astype(t), engine=engine) for t in (np.complex128, np.complex64))
    assert len(double) == len(single) == 5
    np.testing.assert_allclose(single.range_rad, double.range_rad, atol=1e-5)
    np.testing.assert_allclose(single.gain, double.gain, atol=1e-5)
    assert single.residual_power == pytest.approx(double.residual_power, rel=1e-5)
    alone = mnomp_cfar(line(shape, 1.0, 2.0, 1.0).astype(np.complex64), engine=engine)
    assert len(alone) == 1


def test_residual_spectrum_in_closed_form_is_that_of_the_explicit_residual() -> None:
    """Eq. 14 against eq. 13."""
    shape = 15, 3, 22
    rng = np.random.default_rng(2)
    frame, (x, y), gain = noise(shape, rng), (6.1, -2.9), rng.standard_normal(3) + 1j * rng.standard_normal(3)
    spectrum, expected = (np.fft.fft2(f, axes=(0, 2)) for f in (frame, frame - line(shape, x, y, gain)))
    mnomp.centre_spectrum(spectrum)
    mnomp.centre_spectrum(expected)
    mnomp.subtract_line(spectrum, x, y, gain * np.exp(0.5j * (x * (shape[2] - 1) + y * (shape[0] - 1))))
    np.testing.assert_allclose(spectrum, expected, atol=1e-10)
    np.testing.assert_allclose(mnomp.map_power(spectrum), np.sum(np.abs(expected) ** 2, axis=1))


def test_centred_spectrum_counts_from_the_middle() -> None:
    shape = 8, 1, 9
    frame = noise(shape, np.random.default_rng(3))
    spectrum = np.fft.fft2(frame, axes=(0, 2))
    mnomp.centre_spectrum(spectrum)
    row, column = 5, 7
    phase = row / 8 * mnomp.centred(8)[:, None] + column / 9 * mnomp.centred(9)
    assert spectrum[row, 0, column] == pytest.approx(np.sum(frame[:, 0] * np.exp(-2j * np.pi * phase)))


@pytest.mark.parametrize("shape", [(16, 2, 32), (21, 1, 40)])
def test_result_explains_the_frame(shape: tuple[int, int, int], engine: Engine) -> None:
    rng = np.random.default_rng(4)
    frame = random_scene(shape, 2, 30.0, rng)
    for rounds in (0, 1):
        lines = mnomp_cfar(frame, MnompConfig(cyclic_rounds=rounds), engine=engine)
        assert len(lines) >= 2
        rest = frame - explicit(lines, shape)
        # Up to changes of gain far below the noise, which are not taken into the residual spectrum.
        assert lines.residual_power == pytest.approx(np.mean(np.abs(rest) ** 2), rel=1e-4)
        # The gains are those of least squares at these frequencies, but for what blocks leave of the noise.
        places = zip(lines.range_rad, lines.doppler_rad, strict=True)
        atoms = np.stack([line((shape[0], 1, shape[2]), x, y, 1.0).ravel() for x, y in places], axis=1)
        best = np.linalg.lstsq(atoms, frame.transpose(0, 2, 1).reshape(-1, shape[1]), rcond=None)[0]
        assert np.max(np.abs(lines.gain - best)) < 0.2 / np.sqrt(shape[0] * shape[2])


def test_gradient_and_hessian_are_those_of_the_energy() -> None:
    rng = np.random.default_rng(5)
    sums = rng.standard_normal((7, 3, 9)) + 1j * rng.standard_normal((7, 3, 9))
    centres = 3.0 * mnomp.centred(9), 2.0 * mnomp.centred(7)

    def at(x: float, y: float) -> float:
        atom = np.exp(-1j * (y * centres[1][:, None, None] + x * centres[0]))
        return float(np.sum(np.abs(np.sum(sums * atom, axis=(0, 2))) ** 2))

    x, y, h = 0.013, -0.021, 1e-4
    energy, gradient, hessian, matched = mnomp.energy_and_derivatives(sums, *centres, x, y)
    assert energy == pytest.approx(at(x, y))
    assert energy == pytest.approx(float(np.sum(np.abs(matched) ** 2)))
    np.testing.assert_allclose(
        gradient, [(at(x + h, y) - at(x - h, y)) / (2 * h), (at(x, y + h) - at(x, y - h)) / (2 * h)], rtol=1e-5
    )
    xx = (at(x + h, y) - 2 * energy + at(x - h, y)) / h**2
    yy = (at(x, y + h) - 2 * energy + at(x, y - h)) / h**2
    xy = (at(x + h, y + h) - at(x + h, y - h) - at(x - h, y + h) + at(x - h, y - h)) / (4 * h**2)
    np.testing.assert_allclose(hessian, [[xx, xy], [xy, yy]], rtol=1e-4)


def test_newton_step_ends_at_the_top_of_a_parabola_and_climbs_elsewhere() -> None:
    hessian, top, here = np.array([[-3.0, 1.0], [1.0, -2.0]]), np.array([0.2, -0.4]), np.array([0.1, 0.3])
    centres = mnomp.centred(5), mnomp.centred(9)
    step = mnomp.newton_step(1.0, hessian @ (here - top), hessian, *centres)
    np.testing.assert_allclose(here + step, top)
    gradient = np.array([1.0, -2.0])
    assert gradient @ mnomp.newton_step(1.0, gradient, -hessian, *centres) > 0.0
    np.testing.assert_array_equal(mnomp.newton_step(0.0, gradient, -hessian, *centres), [0.0, 0.0])


@given(delta=st.floats(-7.0, 7.0), count=st.integers(1, 40))
def test_dirichlet_kernel_is_the_sum(delta: float, count: int) -> None:
    expected = np.sum(np.exp(1j * delta * mnomp.centred(count)))
    assert mnomp.dirichlet(np.array(delta), count) == pytest.approx(expected.real, abs=1e-7)


def test_blocks_add_up_to_the_matched_filter() -> None:
    for shape in ((64, 2, 128), (13, 3, 50)):
        frame = noise(shape, np.random.default_rng(6))
        sums = mnomp.block_sums(frame, 1.2, -0.7)
        assert sums.shape[0] <= mnomp.BLOCKS
        centre = np.exp(0.5j * (1.2 * (shape[2] - 1) - 0.7 * (shape[0] - 1)))
        atom = line((shape[0], 1, shape[2]), 1.2, -0.7, 1.0)
        np.testing.assert_allclose(np.sum(sums, axis=(0, 2)), np.sum(frame * np.conj(atom), axis=(0, 2)) * centre)


def test_masked_weak_line_is_found_by_the_candidates_after_it(engine: Engine) -> None:
    """A line under its threshold, for the other one in its training cells, stays because the other one passes."""
    shape = 64, 2, 128
    frame = noise(shape, np.random.default_rng(7))
    for x, y, snr_db in ((40.0, 20.0, 21.0), (45.0, 24.0, 20.5), (36.0, 24.0, 20.0), (40.0, 16.0, 20.0)):
        frame += line(shape, x / 128 * 2 * np.pi, y / 64 * 2 * np.pi, amplitude(snr_db, shape))
    # With a threshold this high, the first is masked by the others, and one of them passes once the rest is gone.
    config = MnompConfig(p_cell=1e-15, k_invalid=4, cyclic_rounds=0)
    first = mnomp_cfar(frame, MnompConfig(p_cell=1e-15, k_invalid=1, cyclic_rounds=0), engine=engine)
    patient = mnomp_cfar(frame, config, engine=engine)
    assert len(first) == 0
    assert len(patient) == 4


def test_trailing_candidates_leave_no_trace(engine: Engine) -> None:
    shape = 32, 2, 64
    frame = random_scene(shape, 1, 30.0, np.random.default_rng(8))
    one, many = (
        mnomp_cfar(frame, MnompConfig(k_invalid=k, p_cell=1e-9, cyclic_rounds=1), engine=engine) for k in (1, 8)
    )
    assert len(one) == len(many) == 1
    np.testing.assert_allclose(many.range_rad, one.range_rad, atol=1e-6)
    np.testing.assert_allclose(many.gain, one.gain, atol=1e-3 * amplitude(30.0, shape))
    assert many.residual_power == pytest.approx(one.residual_power, rel=1e-5)


@pytest.mark.parametrize("k_max", [1, 3])
def test_k_max_bounds_the_lines(k_max: int, engine: Engine) -> None:
    frame = random_scene((32, 2, 64), 6, 40.0, np.random.default_rng(9))
    lines = mnomp_cfar(frame, MnompConfig(k_max=k_max), engine=engine)
    assert len(lines) == k_max
    assert np.all(np.diff(np.sum(np.abs(lines.gain) ** 2, axis=1)) <= 0.0)


def test_two_lines_closer_than_the_resolution(engine: Engine) -> None:
    """Line spectra separate below the bin: 0.7 bins in each axis, 25 dB."""
    shape, hits, rng = (64, 8, 128), 0, np.random.default_rng(10)
    truth = np.array([[50.2, 10.3], [50.9, 11.0]]) * 2 * np.pi / np.array([128, 64])
    for _ in range(5):
        frame = noise(shape, rng)
        for x, y in truth:
            frame += line(shape, x, y, amplitude(25.0, shape) * np.exp(2j * np.pi * rng.random(8)))
        lines = mnomp_cfar(frame, MnompConfig(cyclic_rounds=3), engine=engine)
        found = np.stack([lines.range_rad, lines.doppler_rad], axis=1)[:2]
        error = np.abs(found[np.argsort(found[:, 0])] - truth) / (2 * np.pi) * np.array([128, 64])
        hits += len(lines) == 2 and bool(np.all(error < 0.3))
    assert hits >= 4


def test_noise_and_ratio_of_a_line(engine: Engine) -> None:
    shape = 64, 8, 128
    lines = mnomp_cfar(4.0 * random_scene(shape, 1, 25.0, np.random.default_rng(11)), engine=engine)
    assert lines.noise_power[0] == pytest.approx(16.0, rel=4.0 / np.sqrt(8 * 50))
    assert lines.residual_power == pytest.approx(16.0, rel=0.02)
    assert 10 * np.log10(lines.snr(64 * 128)[0]) == pytest.approx(25.0, abs=1.5)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_zeros_and_constants(dtype: type, engine: Engine) -> None:
    assert len(mnomp_cfar(np.zeros((16, 2, 32), dtype=dtype), engine=engine)) == 0
    lines = mnomp_cfar(np.full((16, 2, 32), 2.0 - 1.0j, dtype=dtype), engine=engine)
    assert len(lines) == 1
    assert turn(lines.range_rad[0], 0.0) < 1e-6
    np.testing.assert_allclose(lines.gain[0], 2.0 - 1.0j, rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, np.nan)])
def test_values_that_are_not_finite_are_refused(value: complex, engine: Engine) -> None:
    frame = noise((16, 2, 32), np.random.default_rng(12))
    frame[3, 1, 5] = value
    with np.errstate(all="ignore"), pytest.raises(ConfigError, match="not finite"):
        mnomp_cfar(frame, engine=engine)


@pytest.mark.parametrize(
    "options",
    [
        {"p_overall": 0.0}, {"p_cell": 1.0}, {"k_invalid": 0}, {"k_max": 0}, {"newton_steps": -1},
        {"cyclic_rounds": -1}, {"training_cells": (3, 3)}, {"training_cells": (2, 5)},
    ],
)  # fmt: skip
def test_settings_out_of_range(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        MnompConfig(**options)  # type: ignore[arg-type]


def test_frames_and_engines_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="shape"):
        mnomp_cfar(np.zeros((16, 32), dtype=np.complex64))
    with pytest.raises(ConfigError, match="shape"):
        mnomp_cfar(np.zeros((2, 1, 32), dtype=np.complex64))
    with pytest.raises(ConfigError, match="leaves no training cells"):
        mnomp_cfar(np.zeros((4, 1, 4), dtype=np.complex64))
    with pytest.raises(ConfigError, match="unknown"):
        mnomp_cfar(np.zeros((16, 1, 32), dtype=np.complex64), engine="fortran")  # type: ignore[arg-type]


def test_training_cells_are_those_of_the_paper_and_then_those_around() -> None:
    offsets, multipliers = mnomp.cfar_tables(MnompConfig(), 64, 8, 128)
    assert multipliers.size == 51
    window = {(i, j) for i in range(-4, 5) for j in range(-5, 6) if abs(i) > 3 or abs(j) > 3}
    assert {tuple(cell) for cell in offsets[:50].tolist()} == window
    cells = {(i % 64, j % 128) for i, j in offsets.tolist()}
    assert len(cells) == len(offsets)

    rng = np.random.default_rng(13)
    power, taken = rng.gamma(8.0, size=(64, 128)), np.zeros((64, 128), dtype=np.bool_)
    expected = np.mean([power[(2 + i) % 64, (126 + j) % 128] for i, j in window])
    assert mnomp.training_noise(power, taken, offsets, 50, 2, 126)[0] == pytest.approx(expected)
    taken[:, 120:] = True
    value, found = mnomp.training_noise(power, taken, offsets, 50, 2, 126)
    assert found == 50
    assert value == pytest.approx(8.0, rel=0.2)
    taken[:] = True
    assert mnomp.training_noise(power, taken, offsets, 50, 2, 126) == (0.0, 0)


def test_cell_probability_sets_the_single_cell_multiplier() -> None:
    by_cell = mnomp.cfar_tables(MnompConfig(p_cell=0.01 / 8192), 64, 8, 128)[1]
    overall = mnomp.cfar_tables(MnompConfig(), 64, 8, 128)[1]
    assert by_cell[50] == pytest.approx(3.7132, abs=1e-4)
    assert overall[50] == pytest.approx(3.7123, abs=1e-4)
    assert np.all(np.diff(overall[1:]) < 0.0)
    assert overall[0] == np.inf


@pytest.mark.parametrize("looks", [1, 4])
def test_false_alarms_are_as_many_as_asked_for(looks: int) -> None:
    rng, trials, p = np.random.default_rng(14 + looks), 300, 0.2
    config = MnompConfig(p_overall=p)
    shape = 32, looks, 32
    alarms = sum(len(mnomp_cfar(noise(shape, rng).astype(np.complex64), config)) > 0 for _ in range(trials))
    assert abs(alarms / trials - p) < 3.0 * np.sqrt(p * (1 - p) / trials)


def test_error_meets_the_bound(engine: Engine) -> None:
    shape, snr_db, rng, trials = (64, 4, 64), 20.0, np.random.default_rng(15), 60
    power = shape[1] * 10.0 ** (snr_db / 10.0)
    bound = 1.0 / (2.0 * power * np.mean(mnomp.centred(64) ** 2))
    errors = []
    for _ in range(trials):
        x, y = rng.uniform(1, 5), rng.uniform(-2, 2)
        lines = mnomp_cfar(noise(shape, rng) + line(shape, x, y, amplitude(snr_db, shape)), engine=engine)
        errors += [(lines.range_rad[0] - x) ** 2, (lines.doppler_rad[0] - y) ** 2]
    assert np.mean(errors) / bound == pytest.approx(1.0, abs=3.0 * np.sqrt(2.0 / (2 * trials)))


def _real_frames(folder: Path) -> dict[str, NDArray[np.complex64]]:
    words = np.fromfile(folder / "awr1642-vibration" / "fan-on.bin", dtype="<i2").astype(np.float32)
    pairs = words.reshape(1000, 4, 128, 4)
    fan = (pairs[..., :2] + 1j * pairs[..., 2:]).reshape(1000, 4, 256)[:256].astype(np.complex64)
    words = np.load(folder / "xwr-tdm-mimo" / "doppler_example_1.npy")
    parts = [part.astype(np.uint16).view(np.int16) for part in (words.real, words.imag)]
    return {"fan": fan, "moving": (parts[0] + 1j * parts[1]).astype(np.complex64).reshape(128, -1, 128)}


@pytest.mark.parametrize("name", ["fan", "moving"])
def test_real_capture(name: str, recordings_dir: Path) -> None:
    """What 2D-FFT-CFAR sees strongest is found, and removing lines leaves less of it."""
    frame = _real_frames(recordings_dir)[name]
    classic, lines = fft_cfar(frame), mnomp_cfar(frame)
    size = np.array([frame.shape[2], frame.shape[0]]) / (2.0 * np.pi)
    strongest = np.array([classic.range_rad[0], classic.doppler_rad[0]]) * size
    ours = np.stack([lines.range_rad, lines.doppler_rad], axis=1) * size
    cells = size * 2.0 * np.pi
    nearest = np.abs((ours - strongest + cells / 2) % cells - cells / 2)
    assert np.any(np.all(nearest < 1.0, axis=1))
    assert lines.residual_power < 0.5 * classic.residual_power
    shape = frame.shape[0], frame.shape[1], frame.shape[2]
    rest = np.mean(np.abs(frame - explicit(lines, shape)) ** 2)
    assert lines.residual_power == pytest.approx(rest, rel=1e-2)
