"""Independent tracks: the closed form, and where it is and is not the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isactrack.testing import enumerated_marginals
from isactrack.tracking.pda import Pda, pda_marginals


def test_closed_form() -> None:
    result = Pda()(np.array([[1.0, 2.0], [0.0, 3.0]]))
    np.testing.assert_allclose(result.probability, [[1 / 4, 2 / 4], [0, 3 / 4]], rtol=1e-15)
    np.testing.assert_allclose(result.missed, [1 / 4, 1 / 4], rtol=1e-15)
    np.testing.assert_allclose(result.free, [3 / 4, 1 / 2 * 1 / 4], rtol=1e-15)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 4), m=st.integers(1, 5), density=st.floats(0.1, 1.0), seed=st.integers(0, 2**32 - 1))
def test_each_row_is_a_problem_of_its_own(n: int, m: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ratio = 10 ** rng.uniform(-2, 3, (n, m)) * (rng.random((n, m)) < density)
    together = pda_marginals(ratio)
    alone = [enumerated_marginals(ratio[k : k + 1]) for k in range(n)]
    np.testing.assert_allclose(together.probability, np.concatenate([one.probability for one in alone]), atol=1e-14)
    np.testing.assert_allclose(together.missed, np.concatenate([one.missed for one in alone]), atol=1e-14)
    np.testing.assert_allclose(together.free, np.prod([one.free for one in alone], axis=0), atol=1e-14)


def test_two_tracks_may_claim_one_detection() -> None:
    ratio = np.array([[1e6], [1e6]])
    assert Pda()(ratio).probability.sum() == pytest.approx(2.0, abs=1e-5)
    assert enumerated_marginals(ratio).probability.sum() == pytest.approx(1.0, abs=1e-5)
