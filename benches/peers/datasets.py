"""The data: made by `highwater generate` below one folder, and taken as it is where it is there already."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scale:
    """How much data one times the data is."""

    distance: str
    """Time between two rows of the time series, which goes over a year."""

    rows: str
    """Rows of the group-by table."""


FULL = Scale(distance="1s", rows="1e7")
TINY = Scale(distance="527min", rows="1e3")


@dataclass(frozen=True)
class Maker:
    """Makes data sets of one scale with one binary."""

    binary: Path
    scale: Scale

    def timeseries(self, folder: Path, first: int, end: int, seed: int, *more: str) -> None:
        """Writes the years from `first` until before `end`, a file a month; `more` are further options."""
        self._generate(
            "timeseries", "--start", f"{first}-01-01", "--end", f"{end}-01-01", "--freq", self.scale.distance,
            "--seed", str(seed), "--output", str(folder), *more,
        )  # fmt: skip

    def groupby(self, folder: Path, *more: str) -> None:
        """Writes the table of the group-by benchmark, in one file; `more` are further options."""
        self._generate("groupby", "--rows", self.scale.rows, "--groups", "1e2", "--output", str(folder), *more)

    def _generate(self, *arguments: str) -> None:
        command = [str(self.binary), "generate", *arguments]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Dataset:
    """Files that belong together. Where one is needed for another, it is made first."""

    folder: str
    pattern: str
    make: Callable[[Maker, Path, Path], None]
    """Called with the maker, the folder of all data sets and the one to fill."""

    newlines: bool = False
    """Whether fields have line ends in them, which some tools have to be told."""

    needs: tuple[str, str] | None = None

    def input(self, data: Path) -> str:
        """What the tools are given: a glob, or the path of a file."""
        return str(data / self.folder / self.pattern)

    def files(self, data: Path) -> list[Path]:
        """The files."""
        return sorted((data / self.folder).glob(self.pattern))


def one_year(maker: Maker, _data: Path, folder: Path) -> None:
    """2000, in 12 files."""
    maker.timeseries(folder, 2000, 2001, seed=1)


def one_year_rounded(maker: Maker, _data: Path, folder: Path) -> None:
    """The same rows, with six digits behind the point."""
    maker.timeseries(folder, 2000, 2001, 1, "--decimals", "6")


def four_years(maker: Maker, data: Path, folder: Path) -> None:
    """2000 as in the small one, and three more years."""
    maker.timeseries(folder, 2001, 2004, seed=2)
    for file in TIMESERIES.files(data):
        os.link(file, folder / file.name)


def groupby(maker: Maker, _data: Path, folder: Path) -> None:
    """One file."""
    maker.groupby(folder)


def one_year_parquet(maker: Maker, _data: Path, folder: Path) -> None:
    """The same year as Parquet."""
    maker.timeseries(folder, 2000, 2001, 1, "--format", "parquet")


def groupby_parquet(maker: Maker, _data: Path, folder: Path) -> None:
    """The same table as Parquet."""
    maker.groupby(folder, "--format", "parquet")


def quoted(_maker: Maker, data: Path, folder: Path) -> None:
    """The same rows and values with quotes around every field, and with names of two lines: one row in thirteen."""
    folder.mkdir()
    for file in TIMESERIES.files(data):
        with file.open("rb") as source, (folder / file.name).open("wb") as target:
            while lines := source.readlines(1 << 16):
                target.write(quote(b"".join(lines)))


def quote(lines: bytes) -> bytes:
    """Whole lines without any quotes, with every field quoted."""
    fields = lines.removesuffix(b"\n").replace(b",", b'","').replace(b"\n", b'"\n"')
    names = fields.replace(b'"Alice"', b'"Alice\nLiddell"').replace(b'"Bob"', b'"Bob,\nthe second"')
    return b'"' + names + b'"\n'


TIMESERIES = Dataset("ts", "timeseries-2000-*.csv", one_year)

DATASETS: dict[tuple[str, str], Dataset] = {
    ("timeseries", "1x"): TIMESERIES,
    ("rounded", "1x"): Dataset("ts6", "timeseries-2000-*.csv", one_year_rounded),
    ("timeseries", "4x"): Dataset("ts4x", "timeseries-*.csv", four_years, needs=("timeseries", "1x")),
    ("groupby", "1x"): Dataset("h2o", "groupby.csv", groupby),
    ("timeseries_parquet", "1x"): Dataset("ts-parquet", "timeseries-2000-*.parquet", one_year_parquet),
    ("groupby_parquet", "1x"): Dataset("h2o-parquet", "groupby.parquet", groupby_parquet),
    ("quoted", "1x"): Dataset("quoted", "timeseries-*.csv", quoted, newlines=True, needs=("timeseries", "1x")),
}


def ensure(name: str, size: str, data: Path, maker: Maker) -> Dataset:
    """The data set, which is made if its folder is missing; a folder gets its name once it is complete."""
    dataset = DATASETS[name, size]
    folder = data / dataset.folder
    if not folder.is_dir():
        if dataset.needs:
            ensure(*dataset.needs, data, maker)
        partial = data / f"{dataset.folder}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        data.mkdir(parents=True, exist_ok=True)
        dataset.make(maker, data, partial)
        partial.rename(folder)
    if not dataset.files(data):
        raise FileNotFoundError(f"there are no files {dataset.input(data)}: remove the folder to have them made again")
    return dataset
