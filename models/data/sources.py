"""The public data sets that kshot uses: where each officially lies, and how it gets into the data folder.

A new set is one row of `SOURCES`, a converter, and the digests of the files that the converter makes (digests.json).
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.data.converters import (
    dialogues,
    intents,
    omniglot,
    photos,
    regression_tables,
    regressions,
    sentiments,
    tables,
)
from models.data.digest import content_digest
from models.fetch import FULL, NotDownloaded, Report, fetch

GITHUB = "https://raw.githubusercontent.com"
OMNIGLOT = f"{GITHUB}/brendenlake/omniglot/057f034baf2ecb8530bc5710e5a23584d2a519cc/python"
VINYALS = f"{GITHUB}/jakesnell/prototypical-networks/c9bb4d258267c11cb6e23f0a19242d24ca98ad8a/data/omniglot/splits"
CLINC = f"{GITHUB}/clinc/oos-eval/828f8093932c8fe6ca7936c3d2e52903b1c523de/data"
HWU = "https://github.com/xliuhw/NLU-Evaluation-Data/archive/f6071b496b17d71e6eb43f543af0707f4ff30557.zip"
SNIPS = f"{GITHUB}/sonos/nlu-benchmark/b86ac7f1577868c42158d0dec77db50956046696/2017-06-custom-intent-engines"
RDATASETS = f"{GITHUB}/vincentarelbundock/Rdatasets/1dcc2bf5f955cc1224a3e1307256e1fe86b68dae/csv"
CALTECH = (
    "https://github.com/MachineLearning2020/Homework2-Caltech101/archive/836044dd000296b2bb74d0aa4b4e462e459b01d7.zip"
)
GROCERY = "https://github.com/marcusklasson/GroceryStoreDataset/archive/fc80ba90f803d79d0383df52c5a4ac5de99ff6fc.zip"
SGD = (
    "https://github.com/google-research-datasets/dstc8-schema-guided-dialogue/archive/"
    "e852981ae34990f4358979625854259302feaa78.zip"
)
VADER = f"{GITHUB}/cjhutto/vaderSentiment/b16e5f25d3a8d54dd919ad3215441913f206f4c2/additional_resources"
ARFF = f"{GITHUB}/renatopp/arff-datasets/c59f172882592bb58982cc54d2d3c8a2b57e9b73"
WINES = f"{GITHUB}/jbrownlee/Datasets/d20fcb6402ae34e653d4513b00f39257bb37ed7f"

FileReport = Callable[[str, int, int | None], None]  # name of the file, bytes so far, bytes in all if that is known


@dataclass(frozen=True)
class Source:
    """One data set: what it is, its folder, where its files come from, and what turns them into our layout."""

    about: str
    licence: str
    folder: str
    urls: Mapping[str, str]  # a name for the downloaded file -> its address
    convert: Callable[[Path, Path], None]  # the downloaded files, the folder to fill


SOURCES: Mapping[str, Source] = {
    "omniglot": Source(
        "1,623 drawn characters of 50 alphabets",
        "MIT",
        "omniglot",
        {f"images_{split}.zip": f"{OMNIGLOT}/images_{split}.zip" for split in ("background", "evaluation")},
        omniglot.omniglot,
    ),
    "omniglot-vinyals": Source(
        "the literature's split of omniglot, for comparison",
        "MIT",
        "omniglot/vinyals",
        {f"{part}.txt": f"{VINYALS}/vinyals/{part}.txt" for part in ("train", "val", "trainval", "test")},
        omniglot.vinyals,
    ),
    "curves": Source(
        "9 sets of growth and response curves",
        "GPL-2/GPL-3 (R packages): to measure with, not to ship",
        "curves",
        {f"{name}.csv": f"{RDATASETS}/{path}.csv" for name, (path, *_) in regressions.CURVES.items()},
        regressions.curves,
    ),
    "mtl_exam": Source(
        "exam scores of pupils in 65 schools",
        "GPL-2+ (R package mlmRev)",
        "mtl_exam",
        {"exam.csv": f"{RDATASETS}/mlmRev/Exam.csv"},
        regressions.exam,
    ),
    "mtl_radon": Source(
        "radon in houses of 85 counties",
        "GPL-2 (R package HLMdiag)",
        "mtl_radon",
        {"radon.csv": f"{RDATASETS}/HLMdiag/radon.csv"},
        regressions.radon,
    ),
    "clinc150": Source(
        "150 intents in 10 domains, and texts out of scope",
        "CC BY 3.0",
        "clinc150",
        {name: f"{CLINC}/{name}" for name in ("data_full.json", "domains.json")},
        intents.clinc150,
    ),
    "hwu64": Source("64 intents with slots", "CC BY 4.0", "hwu64", {"archive.zip": HWU}, intents.hwu64),
    "snips": Source(
        "7 intents with slots",
        "CC0 1.0",
        "snips",
        {
            name: f"{SNIPS}/{intent}/{name}"
            for intent in intents.SNIPS_INTENTS
            for name in (f"train_{intent}_full.json", f"validate_{intent}.json")
        },
        intents.snips,
    ),
    "sgd": Source(
        "intents with slots: 52 of 26 services to train on, 30 of 17 to choose by",
        "CC BY-SA 4.0",
        "sgd",
        {"archive.zip": SGD},
        dialogues.sgd,
    ),
    "sentiments": Source(
        "15,815 sentences of films, goods, editorials and tweets, for or against",
        "MIT (VADER)",
        "sentiments",
        {"archive.tar.gz": f"{VADER}/hutto_ICWSM_2014.tar.gz"},
        sentiments.sentiments,
    ),
    "tabular_cls": Source(
        "20 small tables for classification",
        "CC BY 4.0 (UCI)",
        "tabular_cls",
        {f"{name}.arff": f"{ARFF}/classification/{path}.arff" for name, path in tables.TABLES.items()},
        tables.tables,
    ),
    "caltech101_a": Source(
        "1,567 photographs of 49 of Caltech-101's classes",
        "CC BY 4.0",
        "caltech101_a",
        {"archive.zip": CALTECH},
        photos.caltech101_a,
    ),
    "grocery": Source(
        "1,608 photographs of 81 goods in shops", "MIT", "grocery", {"archive.zip": GROCERY}, photos.grocery
    ),
    "tabular_reg": Source(
        "15 tables for regression",
        "CC BY 4.0 (UCI), public (StatLib, Delve)",
        "tabular_reg",
        {f"{name}.arff": f"{ARFF}/regression/{path}.arff" for name, path in regression_tables.TABLES.items()}
        | {f"winequality-{colour}.csv": f"{WINES}/winequality-{colour}.csv" for colour in regression_tables.WINES},
        regression_tables.regression_tables,
    ),
}


def digests(name: str) -> Mapping[str, str]:
    """The files of a set, and the digest of what each must say."""
    known = json.loads(Path(__file__).with_name("digests.json").read_text("utf-8"))
    found: Mapping[str, str] = known[name]
    return found


def is_present(name: str, data: Path) -> bool:
    """Whether every file of the set lies in the data folder."""
    return _whole(data / SOURCES[name].folder, digests(name))


def get(name: str, data: Path, report: FileReport = lambda file, done, total: None) -> Path:
    """Download a set unless it is there, and return its folder. Raises NotDownloaded, KeyError for an unknown name."""
    return install(SOURCES[name], digests(name), data, report)


def install(source: Source, expected: Mapping[str, str], data: Path, report: FileReport) -> Path:
    """Download, convert, compare with the expected digests, and only then move into place, file by file."""
    folder, downloads = data / source.folder, data / ".downloads" / source.folder.replace("/", "-")
    if _whole(folder, expected):  # also where the folder cannot be written
        return folder
    with _alone(downloads):
        if _whole(folder, expected):
            return folder
        for file, url in source.urls.items():
            fetch(url, downloads / file, _reporting(report, file))
        made = downloads / "made"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        _converted(source, expected, downloads, made)
        _moved(made, folder, expected)
        shutil.rmtree(downloads)
    return folder


def _whole(folder: Path, expected: Mapping[str, str]) -> bool:
    return all((folder / file).is_file() for file in expected)


def _reporting(report: FileReport, file: str) -> Report:
    return lambda done, total: report(file, done, total)


def _converted(source: Source, expected: Mapping[str, str], downloads: Path, made: Path) -> None:
    """Fill `made`; what turns out to be damaged is not kept, so that the next try downloads it afresh."""
    try:
        source.convert(downloads, made)
        damaged = [file for file, digest in expected.items() if content_digest(made / file) != digest]
    except Exception as error:  # parsers raise many types on damaged files
        if isinstance(error, OSError) and error.errno in FULL:
            raise NotDownloaded(f"{made} cannot be written: the disk is full; what was downloaded is kept.") from None
        damaged = [f"{type(error).__name__}: {error}"]
    if damaged:
        shutil.rmtree(downloads)
        raise NotDownloaded(
            f"What was downloaded is not what it should be ({', '.join(damaged)}); it was deleted. Try again."
        )


def _moved(made: Path, folder: Path, expected: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in expected:
        (made / file).replace(folder / file)


@contextmanager
def _alone(downloads: Path) -> Iterator[None]:
    """One process at a time works on a set; the others wait, and then find it."""
    try:
        downloads.mkdir(parents=True, exist_ok=True)
        lock = downloads.with_suffix(".lock").open("w")
    except OSError as error:
        raise NotDownloaded(f"{downloads} cannot be written: {error.strerror}. KSHOT_DATA names the folder.") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
