"""Other ways to classify rows of small tables, as one would use them: scikit-learn behind the usual preparation."""

import warnings

import numpy as np
import numpy.typing as npt

from models.inputs.table import MISSING, NUMBER, WORD

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

RIVALS = ("logistic regression", "random forest", "nearest centroid")


def designed(support: npt.NDArray[np.float32], query: npt.NDArray[np.float32]) -> tuple[Array, Array]:
    """Cells [R L 3] as columns of numbers: standardised with the mean for what is missing, words as indicators."""
    whole, num = np.concatenate([support, query]), len(support)
    columns = []
    for kind, first, second in whole.transpose(1, 2, 0):
        if not kind.any():
            continue
        if (kind[:num] == WORD).any():
            codes = [*zip(kind, first, second, strict=True)]
            known = sorted(set(codes[:num]))
            columns += [np.array([code == each for code in codes], np.float64) for each in known]
            continue
        real, numbers = kind == NUMBER, first.astype(np.float64) + second
        mine = numbers[:num][real[:num]]
        mean, spread = (mine.mean(), mine.std()) if len(mine) else (0.0, 0.0)
        columns.append(np.where(real, numbers - mean, 0) / (spread or 1))
        if (kind[:num] == MISSING).any():
            columns.append((~real).astype(np.float64))
    made = np.stack(columns, 1)
    return made[:num], made[num:]


def answered(method: str, support: Array, classes: Labels, query: Array) -> Labels:
    """The classes that a method gives the queries."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import NearestCentroid

    model = {
        "logistic regression": lambda: LogisticRegression(max_iter=2000),
        "random forest": lambda: RandomForestClassifier(n_estimators=100, random_state=0),
        "nearest centroid": NearestCentroid,
    }[method]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the centroids' of columns that never change within a class
        found: Labels = model.fit(support, classes).predict(query)
    return found
