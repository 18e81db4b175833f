"""Draws cases of a target for so long, and counts what came of them."""

import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import process_time, thread_time

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.targets import REFUSALS, Target

AT_ONCE = 500  # cases between two looks at the clock
MAX_CASE_S = 2.0  # of CPU
MAX_MORE_MIB = 1_024  # of memory, beside what there was at first


@dataclass
class Count:
    """What came of the cases."""

    taken: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    cpu_s: float = 0.0
    more_mib: float = 0.0

    @property
    def num_cases(self) -> int:
        """How many there were."""
        return self.taken + self.refused


def fuzz(
    target: Target, *, cpu_s: float, max_cases: int | None = None, first_seed: int = 0, so_far: Count | None = None
) -> Count:
    """Go on until the time or the cases are used up; raises what the target should not have raised, made small.

    What comes of it is counted to what there was `so_far`, whose cases are not drawn again.
    """
    count, began, peak = replace(so_far or Count()), process_time(), _peak_mib()
    num_before = count.num_cases
    while process_time() - began < cpu_s and (max_cases is None or count.num_cases - num_before < max_cases):
        num_examples = min(AT_ONCE, max_cases or AT_ONCE)
        _drawn(target, count, num_examples, first_seed + count.num_cases)()
    count.cpu_s += process_time() - began
    count.more_mib = max(count.more_mib, _peak_mib() - peak)
    assert count.more_mib < MAX_MORE_MIB, f"{count.more_mib:.0f} MiB were taken"
    return count


def _drawn(target: Target, count: Count, num_examples: int, seed_: int) -> Callable[[], None]:
    @seed(seed_)
    @settings(
        max_examples=num_examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(target.cases)
    def one(case: bytes) -> None:
        began = thread_time()
        try:
            target.read(case)
        except REFUSALS as error:
            assert getattr(error, "status", 400) < 500
            count.refused += 1
        else:
            count.taken += 1
        count.slowest_s = max(count.slowest_s, thread_time() - began)
        assert thread_time() - began < MAX_CASE_S

    return one


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
