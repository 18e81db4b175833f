"""What examples leave open: confidence intervals of a predictor, and of two on the same examples."""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from service.figures import Interval

LEVEL = 0.95
TAIL = (1 + LEVEL) / 2


def of_share(hits: npt.NDArray[np.bool_]) -> Interval:
    """Of a share of examples [Q] (Wilson, 1927): it has width also where all are right, and none beyond 0 and 1."""
    size, right, z = len(hits), int(np.count_nonzero(hits)), NormalDist().inv_cdf(TAIL)
    centre = (right + z**2 / 2) / (size + z**2)
    reach = z / (size + z**2) * math.sqrt(right * (size - right) / size + z**2 / 4)
    low, high = max(0.0, centre - reach), min(1.0, centre + reach)
    return Interval(level=LEVEL, low=low if right else 0.0, high=high if right < size else 1.0)  # exactly


def of_shares(hits: npt.NDArray[np.bool_], other_hits: npt.NDArray[np.bool_]) -> Interval:
    """Of the difference of two paired shares (Bonett & Price, 2012): it has width also where no two examples differ."""
    size = len(hits) + 2
    gained = (np.count_nonzero(hits & ~other_hits) + 1) / size
    lost = (np.count_nonzero(other_hits & ~hits) + 1) / size
    reach = NormalDist().inv_cdf(TAIL) * math.sqrt((gained + lost - (gained - lost) ** 2) / size)
    return Interval(level=LEVEL, low=max(-1.0, gained - lost - reach), high=min(1.0, gained - lost + reach))


def of_mean(differences: npt.NDArray[np.float64]) -> Interval | None:
    """Of the mean of paired differences [Q], by Student's t; none for a single one, whose spread nobody knows."""
    if len(differences) < 2:
        return None
    mean, reach = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(len(differences))
    reach *= student_quantile(len(differences) - 1)
    return Interval(level=LEVEL, low=mean - reach, high=mean + reach)


def student_quantile(freedom: int) -> float:
    """How many standard errors the interval reaches: exact for 1 and 2 degrees of freedom, else to half a percent."""
    if freedom == 1:
        return math.tan(math.pi * (TAIL - 0.5))
    if freedom == 2:
        return (TAIL - 0.5) * math.sqrt(2 / (TAIL * (1 - TAIL)))
    z = NormalDist().inv_cdf(TAIL)
    terms = (  # Abramowitz & Stegun 26.7.5
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, 1))
