"""The contract of an associator, as one call.

``check_associator(Spa)`` runs every check on a fresh associator and raises AssertionError with the name of the promise
that is broken. Hard and soft methods keep the same promises; how good their probabilities are is not checked, for which
`enumerated_marginals` gives the exact ones of small problems. A method that takes distances is given distances, of a
few centimetres up to many metres, and what the promises say of ratios is turned round: an infinite distance is beyond
the gate, and no distance is far enough to be sure that it is refused. It needs no test framework.
"""

from collections.abc import Callable, Iterator

import numpy as np

from isactrack.tracking.association import Association, Associator, FloatArray, takes_distances

MakeAssociator = Callable[[], Associator]


def check_associator(make: MakeAssociator, *, tolerance: float = 1e-9) -> None:
    """Check every promise of the contract of `isactrack.tracking.association`.

    Parameters
    ----------
    make
        Makes a fresh associator; called several times.
    tolerance
        How far probabilities that must be equal may be apart; an iterative method that stops early needs more.

    Raises
    ------
    AssertionError
        If the associator breaks a promise.
    """
    check_calls(make())
    check_refusals(make())
    for check in (
        check_probabilities,
        check_gate,
        check_order_of_rows_and_columns,
        check_separate_groups,
        check_certainty,
        check_free_detections,
    ):
        check(make(), tolerance)


def check_probabilities(associate: Associator, tolerance: float) -> None:
    """Check shapes, and that there are probabilities whose rows add up to 1, whatever the size of the ratios."""
    for given in _problems(associate):
        result = associate(given)
        n, m = given.shape
        assert isinstance(result, Association), f"an associator returns an Association, not {type(result).__name__}"
        for name, values, shape in zip(Association._fields, result, ((n,), (n, m), (m,)), strict=True):
            assert values.shape == shape, f"`{name}` of {n} tracks and {m} detections has the shape {values.shape}"
            assert values.dtype == np.float64, f"`{name}` is {values.dtype}, it must be float64"
            assert np.all((values >= -tolerance) & (values <= 1 + tolerance)), (
                f"`{name}` holds {values}, no probabilities"
            )
        total = result.missed + result.probability.sum(axis=1)
        assert np.all(np.abs(total - 1) <= tolerance), f"the probabilities of the tracks add up to {total}, not to 1"


def check_gate(associate: Associator, tolerance: float) -> None:
    """Check that a pair beyond the gate is never made, and who is in no gate stays alone."""
    for given in _problems(associate):
        result = associate(given)
        inside = np.isfinite(given) if takes_distances(associate) else given > 0
        assert np.all(result.probability[~inside] == 0), "a pair beyond the gate has a probability"
        lonely = ~np.any(inside, axis=1)
        assert np.all(np.abs(result.missed[lonely] - 1) <= tolerance), "a track with an empty gate is not missed"
        lonely = ~np.any(inside, axis=0)
        assert np.all(np.abs(result.free[lonely] - 1) <= tolerance), "a detection in no gate is not free"


def check_order_of_rows_and_columns(associate: Associator, tolerance: float) -> None:
    """Check that the order of tracks and detections does not matter."""
    rng = np.random.default_rng(2)
    for given in _problems(associate):
        rows, columns = rng.permutation(given.shape[0]), rng.permutation(given.shape[1])
        one, other = associate(given), associate(given[rows][:, columns])
        _agree(
            Association(one.missed[rows], one.probability[rows][:, columns], one.free[columns]),
            other,
            tolerance,
            "in another order of tracks and detections",
        )


def check_separate_groups(associate: Associator, tolerance: float) -> None:
    """Check that tracks which share no detection do not influence each other."""
    rng = np.random.default_rng(3)
    for sizes in (((1, 1), (1, 1)), ((2, 3), (3, 2)), ((4, 4), (1, 2)), ((3, 0), (2, 2)), ((0, 2), (3, 3))):
        groups = [_dense(associate, rng, size) for size in sizes]
        n, m = groups[0].shape
        whole = np.full((n + groups[1].shape[0], m + groups[1].shape[1]), _barred(associate))
        whole[:n, :m], whole[n:, m:] = groups
        together = associate(whole)
        parts = (
            Association(together.missed[:n], together.probability[:n, :m], together.free[:m]),
            Association(together.missed[n:], together.probability[n:, m:], together.free[m:]),
        )
        for group, part in zip(groups, parts, strict=True):
            _agree(associate(group), part, tolerance, "beside a group of others")


def check_certainty(associate: Associator, tolerance: float) -> None:
    """Check that what the ratios leave no doubt about is found."""
    if takes_distances(associate):
        _check_certain_distances(associate)
        return
    for certain in (1e15, 1e300, np.inf):
        result = associate(np.array([[certain]]))
        assert result.probability[0, 0] >= 1 - tolerance - 1e-14, f"a ratio of {certain} does not make the pair"
        assert result.free[0] <= tolerance + 1e-14, f"a ratio of {certain} leaves the detection free"
    result = associate(np.array([[1e-15]]))
    assert result.missed[0] >= 1 - tolerance - 1e-14, "a ratio of 1e-15 makes the pair"
    ratio = np.full((5, 5), 1e-9)
    ratio[np.arange(5), [3, 0, 4, 1, 2]] = 1e9
    made = associate(ratio).probability > 0.999
    assert np.array_equal(made, ratio > 1), "five clear pairs are not all found"


def check_free_detections(associate: Associator, tolerance: float) -> None:
    """Check that a detection in one gate is free exactly when the track did not make it."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        owner = rng.integers(0, 4, 7)
        given = np.full((4, 7), _barred(associate))
        given[owner, np.arange(7)] = _dense(associate, rng, (7,))
        result = associate(given)
        error = np.abs(result.free - (1 - result.probability.sum(axis=0)))
        assert np.all(error <= tolerance), "a detection in one gate is not free when the track did not make it"


def check_calls(associate: Associator) -> None:
    """Check that a call leaves its input and earlier results alone, and is repeated with the same result."""
    rng = np.random.default_rng(5)
    given = _dense(associate, rng, (4, 5))
    copy = given.copy()
    given.setflags(write=False)
    result = associate(given)
    assert np.array_equal(given, copy), "a call changed its input"
    before = Association(*(values.copy() for values in result))
    associate(_dense(associate, rng, (4, 5)))
    _agree(before, result, 0.0, "after the next call, which wrote over it")
    _agree(before, associate(given), 0.0, "when the call is repeated")
    _agree(before, associate(np.asfortranarray(given)), 0.0, "of the same numbers in another memory order")


def check_refusals(associate: Associator) -> None:
    """Check that what are no likelihood ratios, or no distances, is refused with a ValueError."""
    kind = "distance" if takes_distances(associate) else "ratio"
    for given, what in (
        (np.array([[1.0, -1.0]]), f"a negative {kind}"),
        (np.array([[1.0, np.nan]]), f"a {kind} that is not a number"),
        (np.array([1.0, 2.0]), "a vector"),
    ):
        try:
            associate(given)
        except ValueError:
            continue
        raise AssertionError(f"{what} was not refused with a ValueError")


def _check_certain_distances(associate: Associator) -> None:
    result = associate(np.zeros((1, 1)))
    assert result.probability[0, 0] == 1, "a distance of 0 does not make the pair"
    assert result.free[0] == 0, "a distance of 0 leaves the detection free"
    distance = np.full((5, 5), 50.0)
    distance[np.arange(5), [3, 0, 4, 1, 2]] = 1e-3
    made = associate(distance).probability == 1
    assert np.array_equal(made, distance < 1), "five clear pairs are not all found"


def enumerated_marginals(ratio: FloatArray) -> Association:
    """Return the exact marginals of all joint events, which it visits one by one.

    It is the definition, without any of the shortcuts of a method that is tested against it.

    Parameters
    ----------
    ratio
        Likelihood ratios (n, m) of few tracks and detections: 5 by 6 have 4,051 joint events, 8 by 8 have 1.4 million.
        Products of n of them must be finite.

    Returns
    -------
    Association
        Exact probabilities.
    """
    n, m = ratio.shape
    weight_of_pair = np.zeros((n, m))
    weight_of_miss = np.zeros(n)
    weight_of_free = np.zeros(m)
    total = 0.0
    for event, weight in _joint_events(ratio.tolist(), frozenset(range(m))):
        total += weight
        for row, column in enumerate(event):
            if column < 0:
                weight_of_miss[row] += weight
            else:
                weight_of_pair[row, column] += weight
        weight_of_free[[column for column in range(m) if column not in event]] += weight
    return Association(weight_of_miss / total, weight_of_pair / total, weight_of_free / total)


def _joint_events(rows: list[list[float]], columns: frozenset[int]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield all joint events, as the column of each row or -1, with their weights."""
    if not rows:
        yield (), 1.0
        return
    for event, weight in _joint_events(rows[1:], columns):
        yield (-1, *event), weight
    for column in sorted(columns):
        if rows[0][column] > 0:
            for event, weight in _joint_events(rows[1:], columns - {column}):
                yield (column, *event), weight * rows[0][column]


def _barred(associate: Associator) -> float:
    """Return what an associator is given for a pair that is ruled out."""
    return np.inf if takes_distances(associate) else 0.0


def _dense(associate: Associator, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Return numbers none of which is ruled out: ratios around 1, or distances of centimetres to ten metres."""
    return np.asarray(10 ** (rng.uniform(-2, 1, shape) if takes_distances(associate) else rng.uniform(-2, 3, shape)))


def _problems(associate: Associator) -> Iterator[FloatArray]:
    """Yield numbers of all kinds that an associator may be given: empty, sparse, dense, and of any size."""
    rng = np.random.default_rng(1)
    barred = _barred(associate)
    for shape in ((0, 0), (0, 3), (3, 0), (1, 1), (2, 2)):
        yield np.full(shape, barred)
    for shape in ((1, 1), (1, 6), (6, 1), (3, 5), (5, 3), (5, 5), (8, 28)):
        for density in (0.2, 0.5, 1.0):
            yield np.where(rng.random(shape) < density, _dense(associate, rng, shape), barred)
    if takes_distances(associate):
        return
    for shape in ((1, 1), (1, 4), (4, 1), (3, 4), (5, 5)):
        for exponent in (30, 150, 300):
            yield 10 ** rng.uniform(-exponent, exponent, shape)
            yield 10 ** rng.uniform(-exponent, exponent, shape) * (rng.random(shape) < 0.5)


def _agree(expected: Association, found: Association, tolerance: float, when: str) -> None:
    for name, one, other in zip(Association._fields, expected, found, strict=True):
        assert np.all(np.abs(one - other) <= tolerance), f"`{name}` is {other} {when}, it must be {one}"
