"""Highwater and its peers on the same files, in turn, whole processes: see README.md."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cases import CASES, Case
from datasets import DATASETS, FULL, TINY, Dataset, Maker, ensure
from measure import Failure, run, warm
from report import Outcome, as_json, markdown
from results import difference, disagreements
from runners import BASELINE, OURS, PEERS, Binary, Peer, Tool, Work

REPOSITORY = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--data", type=Path, help="folder of the data, which is made if it is missing")
    action.add_argument("--selftest", action="store_true", help="all on a thousand rows; fails unless all tools agree")
    parser.add_argument("--rounds", type=int, default=5, help="how often each tool runs each case")
    parser.add_argument("--cases", default=",".join(case.name for case in CASES), help="cases, separated by commas")
    parser.add_argument("--sizes", default="1x", help="sizes of the data: 1x, 4x or both, separated by a comma")
    parser.add_argument("--tools", default=",".join([OURS, *PEERS]), help="tools, separated by commas")
    parser.add_argument("--binary", type=Path, default=REPOSITORY / "target/release/highwater", help="Highwater")
    parser.add_argument("--baseline", type=Path, help="an older Highwater to compare with")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="the Python that has the peers")
    parser.add_argument("--threads", type=int, default=2, help="threads, and processors, of every tool")
    parser.add_argument("--timeout", type=float, default=600, help="seconds after which a run has failed")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args()


def chosen(names: str, known: list[str]) -> list[str]:
    """Those of the known names that are asked for, whatever their case."""
    wanted = [name.strip().lower() for name in names.split(",")]
    if unknown := set(wanted) - {name.lower() for name in known}:
        sys.exit(f"peers.py: unknown: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    return [name for name in known if name.lower() in wanted]


def available(options: argparse.Namespace) -> dict[Tool, str]:
    """The tools asked for that are there, with their versions; of others, a word on standard error."""
    names = chosen(options.tools, [OURS, *PEERS])
    tools: list[Tool] = [Binary(BASELINE, options.baseline)] if options.baseline else []
    tools += [Binary(OURS, options.binary)] if OURS in names else []
    tools += [Peer(name, options.python, module) for name, module in PEERS.items() if name in names]
    versions = {}
    for tool in tools:
        try:
            versions[tool] = tool.version()
        except OSError as error:
            say(f"{tool.name} is missing: {error}")
    return versions


@dataclass(frozen=True)
class Measurement:
    """One case at one size."""

    case: Case
    size: str
    dataset: Dataset
    results: Path
    """Folder in which the tools leave their results."""

    binary: Binary
    """Highwater, which looks into what conversions wrote."""

    def run(self, tools: list[Tool], options: argparse.Namespace) -> Outcome:
        """In each round every tool runs once, one after another. One that fails is left out from then on."""
        files = self.dataset.files(options.data)
        warm(files)
        size = sum(file.stat().st_size for file in files)
        outcome = Outcome(self.case.name, self.size, size, {tool.name: [] for tool in tools})
        for _ in range(options.rounds):
            for tool in tools:
                if tool.name not in outcome.failures:
                    self.run_once(tool, options, outcome)
        return outcome

    def run_once(self, tool: Tool, options: argparse.Namespace, outcome: Outcome) -> None:
        """One process, which has to leave a result."""
        output = self.result(tool.name)
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
        source = self.dataset.input(options.data)
        work = Work(self.case, source, self.dataset.newlines, output, options.threads)
        try:
            sample = run(tool.command(work), options.timeout)
            if not output.exists():
                raise Failure("it ended well but left no result")
            outcome.samples[tool.name].append(sample)
            if self.case.conversion:
                outcome.outputs[tool.name] = sum(file.stat().st_size for file in parquet_files(output))
        except Failure as failure:
            outcome.failures[tool.name] = str(failure)
            outcome.samples[tool.name] = []

    def compare(self, outcome: Outcome) -> None:
        """Notes which tools gave another answer."""
        done = [(tool, self.result(tool)) for tool, samples in outcome.samples.items() if samples]
        if self.case.conversion:
            done = [(tool, self.look_into(output)) for tool, output in done]
        outcome.differs = disagreements(done, self.case.result)

    def look_into(self, output: Path) -> Path:
        """What a conversion wrote, as a query of ours sees it."""
        source = str(output / "**/*.parquet") if output.is_dir() else str(output)
        answer = output.with_suffix(".csv")
        command = [str(self.binary.path), *self.binary.query(self.case.result.sql, source, answer)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return answer

    def result(self, tool: str) -> Path:
        """Where a tool's result goes."""
        ending = "parquet" if self.case.conversion else "csv"
        return self.results / f"{self.case.name}-{self.size}-{tool}.{ending}"


def parquet_files(output: Path) -> list[Path]:
    """The files of a conversion, which is one file or a folder of them."""
    return sorted(output.rglob("*.parquet")) if output.is_dir() else [output]


def measure_all(options: argparse.Namespace, tools: list[Tool], maker: Maker) -> list[Outcome]:
    """All cases at all sizes that there are for their data, and then a look at the results.

    Results are read only once all is measured: the kernel counts what this process held when it started another one
    into the other one's peak.
    """
    names, sizes = chosen(options.cases, [case.name for case in CASES]), chosen(options.sizes, ["1x", "4x"])
    cases = [(case, size) for case in CASES for size in sizes if case.name in names and (case.data, size) in DATASETS]
    with tempfile.TemporaryDirectory() as results:
        measurements = []
        for case, size in cases:
            say(f"data of {case.name} {size}")
            dataset = ensure(case.data, size, options.data, maker)
            measurements.append(Measurement(case, size, dataset, Path(results), Binary(OURS, options.binary)))
        outcomes = []
        for measurement in measurements:
            say(f"measuring {measurement.case.name} {measurement.size}")
            outcomes.append(measurement.run(tools, options))
        for measurement, outcome in zip(measurements, outcomes):
            measurement.compare(outcome)
    return outcomes


def machine(options: argparse.Namespace, versions: dict[Tool, str]) -> dict[str, object]:
    """What the figures depend on."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "threads": options.threads,
        "rounds": options.rounds,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {tool.name: version for tool, version in versions.items()},
    }


def hold_to_processors(count: int) -> None:
    """Keeps this process, and so all that it starts, on so many processors: no tool gets more by threads of its own."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < count:
        sys.exit(f"peers.py: --threads {count} needs as many processors, there are {len(processors)}")
    os.sched_setaffinity(0, processors[:count])


def say(text: str) -> None:
    """Tells how far it is."""
    print(text, file=sys.stderr, flush=True)


def selftest(options: argparse.Namespace) -> None:
    """Runs everything on a thousand rows."""
    assert difference([("a", 1.0)], [("a", 1.0 + 1e-6)]) and not difference([("a", 1.0)], [("a", 1.0 + 1e-12)])
    with tempfile.TemporaryDirectory() as folder:
        options.data, options.rounds, options.sizes = Path(folder), 1, "1x,4x"
        outcomes = main(options, Maker(options.binary, TINY))
    wrong = [outcome for outcome in outcomes if outcome.failures or outcome.differs or not outcome.samples.get(OURS)]
    if wrong or not outcomes:
        sys.exit(f"peers.py: {len(wrong)} of {len(outcomes)} cases failed or differ")


def main(options: argparse.Namespace, maker: Maker) -> list[Outcome]:
    """Measures, and prints what it found."""
    hold_to_processors(options.threads)
    versions = available(options)
    outcomes = measure_all(options, list(versions), maker)
    facts = machine(options, versions)
    tools = [tool.name for tool in versions]
    listed = ", ".join(f"{tool.name} {version}" for tool, version in versions.items())
    print(f"{listed}; {facts['processor']}, {options.threads} threads, {options.rounds} rounds.\n")
    print(markdown(outcomes, tools))
    if options.json:
        options.json.write_text(json.dumps({"machine": facts, "cases": as_json(outcomes)}, indent=1) + "\n")
    return outcomes


if __name__ == "__main__":
    given = arguments()
    try:
        if given.selftest:
            selftest(given)
        else:
            main(given, Maker(given.binary, FULL))
    except (OSError, subprocess.CalledProcessError) as problem:
        sys.exit(f"peers.py: {problem}")
