"""Intervals of shares and of differences: they hold the truth as often as they say."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t, ttest_rel

from service import intervals


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 10, 30, 1000])
def test_the_quantile_is_students(freedom: int) -> None:
    assert intervals.student_quantile(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=0.005)


@given(st.integers(0, 2**32 - 1), st.integers(2, 50))
def test_a_mean_is_as_in_the_paired_t_test(seed: int, size: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, size))
    found = intervals.of_mean(one - other)
    assert found is not None
    expected = ttest_rel(one, other).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.01, abs=0.01)


def test_a_single_difference_says_nothing_of_the_spread() -> None:
    assert intervals.of_mean(np.ones(1)) is None


@given(st.integers(1, 200).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size))))
def test_a_share_is_as_scipy_has_it(drawn: tuple[int, int]) -> None:
    size, right = drawn
    found = intervals.of_share(np.arange(size) < right)
    expected = binomtest(right, size).proportion_ci(0.95, "wilson")
    assert (found.level, found.low, found.high) == pytest.approx((0.95, expected.low, expected.high), abs=1e-9)
    assert 0 <= found.low <= right / size <= found.high <= 1 and found.low < found.high


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_shares_are_within_bounds_and_mirrored(pairs: list[tuple[bool, bool]]) -> None:
    one, other = np.array(pairs, bool).T
    found, mirrored = intervals.of_shares(one, other), intervals.of_shares(other, one)
    assert -1 <= found.low < found.high <= 1
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low))
    if (one == other).all():
        assert found.low < 0 < found.high


@pytest.mark.parametrize(("size", "gained", "lost"), [(10, 0.1, 0.1), (30, 0.3, 0.1), (200, 0.02, 0.01), (100, 0.5, 0)])
def test_shares_are_covered_as_often_as_is_said(size: int, gained: float, lost: float) -> None:
    random, num_covered = np.random.default_rng(0), 0
    for _ in range(1000):
        one, other = drawn(random, size, gained, lost)
        found = intervals.of_shares(one, other)
        num_covered += found.low <= gained - lost <= found.high
    assert num_covered >= 930


def drawn(
    random: np.random.Generator, size: int, gained: float, lost: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Pairs of which these shares differ, each way."""
    drawn = random.random(size)
    return drawn < gained, (drawn >= gained) & (drawn < gained + lost)
