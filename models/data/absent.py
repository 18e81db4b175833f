"""What a reader of a data set raises where the set is not in the data folder."""

from pathlib import Path


class AbsentDataSet(FileNotFoundError):
    """This data set is not there; `name` is its row in the table of sources."""

    def __init__(self, name: str, path: Path) -> None:
        super().__init__(f"{path} is absent: `kshot data get {name}` downloads it, or let KSHOT_DATA name its folder")
        self.name = name
