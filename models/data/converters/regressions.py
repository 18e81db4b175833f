"""Many small related regressions from R's packages: CSV -> X, y and the task of each row."""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

Row = Mapping[str, str]

# our name -> file in Rdatasets, its columns of input, target and task
CURVES = {
    "sleepstudy": ("lme4/sleepstudy", "Days", "Reaction", "Subject"),
    "oxboys": ("nlme/Oxboys", "age", "height", "Subject"),
    "chickweight": ("datasets/ChickWeight", "Time", "weight", "Chick"),
    "theoph": ("datasets/Theoph", "Time", "conc", "Subject"),
    "orange": ("datasets/Orange", "age", "circumference", "Tree"),
    "loblolly": ("datasets/Loblolly", "age", "height", "Seed"),
    "orthodont": ("nlme/Orthodont", "age", "distance", "Subject"),
    "milk": ("nlme/Milk", "Time", "protein", "Cow"),
    "indometh": ("datasets/Indometh", "time", "conc", "Subject"),
}
BANDS = ("bottom 25%", "mid 50%", "top 25%")  # of a school's intake
EXAM: Mapping[str, Callable[[Row], float]] = {
    "standLRT": lambda row: float(row["standLRT"]),
    "girl": lambda row: float(row["sex"] == "F"),
    "schavg": lambda row: float(row["schavg"]),
    "vr": lambda row: float(BANDS.index(row["vr"])),
    "intake": lambda row: float(BANDS.index(row["intake"])),
    "single_sex": lambda row: float(row["type"] == "Sngl"),
}
RADON: Mapping[str, Callable[[Row], float]] = {
    "basement": lambda row: float(row["basement"]),
    "uranium": lambda row: float(row["uranium"]),
}


def curves(downloads: Path, out: Path) -> None:
    """One file a set, one task a subject."""
    for name, (_, given, target, task) in CURVES.items():
        rows = _rows(downloads / f"{name}.csv")
        features = {given: [float(row[given]) for row in rows]}
        _write(out / f"{name}.npz", features, [float(row[target]) for row in rows], [row[task] for row in rows])


def exam(downloads: Path, out: Path) -> None:
    """Pupils of 65 schools in inner London."""
    _many(_rows(downloads / "exam.csv"), EXAM, "normexam", "school", out / "exam.npz")


def radon(downloads: Path, out: Path) -> None:
    """Houses in 85 counties of Minnesota."""
    _many(_rows(downloads / "radon.csv"), RADON, "log.radon", "county", out / "radon.npz")


def _many(rows: list[Row], features: Mapping[str, Callable[[Row], float]], target: str, task: str, path: Path) -> None:
    columns = {name: [feature(row) for row in rows] for name, feature in features.items()}
    _write(path, columns, [float(row[target]) for row in rows], [row[task] for row in rows])


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, features: Mapping[str, list[float]], targets: list[float], tasks: Iterable[str]) -> None:
    """Tasks are numbered as they first appear."""
    numbers: dict[str, int] = {}
    task = np.array([numbers.setdefault(name, len(numbers)) for name in tasks], np.int32)
    columns = np.array(list(features.values()), np.float64).T.astype(np.float32)
    np.savez_compressed(
        path, X=columns, y=np.array(targets, np.float32), feature_names=np.array(list(features)), task=task
    )
