"""The tools: what each is started with, and which version it is."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cases import QUERIES

OURS = "Highwater"
BASELINE = "Baseline"
PEERS = {"DuckDB": "duckdb", "Polars": "polars", "DataFusion": "datafusion", "Dask": "dask"}
"""Peers with the module that each is. `tools/with_<module>.py` runs one query with it."""


@dataclass(frozen=True)
class Work:
    """A query over files, whose result becomes a CSV file."""

    query: str
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
        """The whole query is the command."""
        table = "'" + work.input.replace("'", "''") + "'"
        sql = QUERIES[work.query].sql.replace("{input}", table)
        options = ["--threads", str(work.threads), "--progress", "off", "--output", str(work.output)]
        return [str(self.path), *options, "--command", sql]

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
        """A script that does one query."""
        script = Path(__file__).parent / "tools" / f"with_{self.module}.py"
        newlines = "yes" if work.newlines else "no"
        arguments = [work.query, QUERIES[work.query].sql, work.input, newlines, str(work.output), str(work.threads)]
        return [str(self.python), str(script), *arguments]

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
