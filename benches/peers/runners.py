"""The tools: what each is started with, and which version it is."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cases import Case

OURS = "Highwater"
BASELINE = "Baseline"
PEERS = {"DuckDB": "duckdb", "Polars": "polars", "DataFusion": "datafusion", "Dask": "dask"}
"""Peers with the module that each is. `tools/with_<module>.py` runs one query with it."""


@dataclass(frozen=True)
class Work:
    """A query over files, whose result becomes a CSV file, or a conversion of them, which becomes Parquet."""

    case: Case
    input: str
    newlines: bool
    output: Path
    threads: int


@dataclass(frozen=True)
class Binary:
    """Highwater's command line."""

    name: str
    path: Path

    def command(self, work: Work) -> list[str]:
        """The whole query is the command; conversions have one of their own."""
        options = ["--threads", str(work.threads), "--progress", "off"]
        if conversion := work.case.conversion:
            codec = f"{conversion.codec}:{conversion.level}" if conversion.level else conversion.codec
            into = ["--output", str(work.output), "--compression", codec]
            return [str(self.path), *options, "convert", work.input, *into]
        return [str(self.path), *options, *self.query(work.case.result.sql, work.input, work.output)]

    def query(self, sql: str, source: str, output: Path) -> list[str]:
        """The arguments of a query over files into a CSV file."""
        table = "'" + source.replace("'", "''") + "'"
        return ["--output", str(output), "--command", sql.replace("{input}", table)]

    def version(self) -> str:
        """What the binary says of itself."""
        return answer([str(self.path), "--version"]).split()[-1]


@dataclass(frozen=True)
class Peer:
    """A tool in Python."""

    name: str
    python: Path
    module: str

    def command(self, work: Work) -> list[str]:
        """A script that does one query, or one conversion."""
        tools = Path(__file__).parent / "tools"
        if conversion := work.case.conversion:
            arguments = [work.input, str(work.output), conversion.codec, str(conversion.level), str(work.threads)]
            return [str(self.python), str(tools / f"convert_with_{self.module}.py"), *arguments]
        newlines = "yes" if work.newlines else "no"
        sql = work.case.result.sql
        arguments = [work.case.query, sql, work.input, newlines, str(work.output), str(work.threads)]
        return [str(self.python), str(tools / f"with_{self.module}.py"), *arguments]

    def version(self) -> str:
        """The version of the module; loading it shows that it is there."""
        return answer([str(self.python), "-c", f"import {self.module}; print({self.module}.__version__)"])


Tool = Binary | Peer


def answer(command: list[str]) -> str:
    """What a command prints. Raises `OSError` if it cannot run or fails."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise OSError((done.stderr.strip().splitlines() or ["it fails"])[-1])
    return done.stdout.strip()
