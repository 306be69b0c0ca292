"""What was measured, as tables of Markdown and as JSON."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median

from measure import Sample
from runners import BASELINE, OURS


@dataclass
class Outcome:
    """What one case gave at one size."""

    case: str
    size: str
    bytes: int
    """Bytes of the files."""

    samples: dict[str, list[Sample]]
    """By tool, one a round."""

    outputs: dict[str, int] = field(default_factory=dict)
    """Bytes that a conversion wrote, by tool."""

    failures: dict[str, str] = field(default_factory=dict)
    """Why a tool has no samples."""

    differs: dict[str, str] = field(default_factory=dict)
    """Which tools gave another answer than most."""

    def median(self, tool: str, figure: Callable[[Sample], float]) -> float | None:
        """The median of a tool's rounds."""
        samples = self.samples.get(tool)
        return median(map(figure, samples)) if samples else None

    def best_peer(self) -> str | None:
        """The fastest peer whose answer holds."""
        others = {OURS, BASELINE, *self.differs}
        medians = {tool: self.median(tool, wall) for tool in self.samples if tool not in others and self.samples[tool]}
        return min(medians, key=medians.__getitem__, default=None)

    def ratio(self, other: str | None) -> tuple[float, float, float] | None:
        """Our time as a share of another tool's: of the medians, and the least and the greatest of the rounds."""
        ours, theirs = self.samples.get(OURS), self.samples.get(other or "")
        if not ours or not theirs:
            return None
        rounds = [one.wall / another.wall for one, another in zip(ours, theirs)]
        return median(map(wall, ours)) / median(map(wall, theirs)), min(rounds), max(rounds)


def wall(sample: Sample) -> float:
    """Seconds that a user waits."""
    return sample.wall


def markdown(outcomes: list[Outcome], tools: list[str]) -> str:
    """Three tables: time with ratios, peak memory, time of the processors."""
    parts = [
        "Seconds, median of the rounds. In brackets, the least and the greatest ratio within a round.\n",
        times(outcomes, tools),
        "\nPeak memory in MB (resident, median).\n",
        figures(outcomes, tools, memory),
        "\nSeconds of the processors, user + system (medians).\n",
        figures(outcomes, tools, processors),
    ]
    if conversions := [outcome for outcome in outcomes if outcome.outputs]:
        parts += ["\nOutput of conversions in MB.\n", figures(conversions, tools, written)]
    complaints = [f"- {name(outcome)}, {text}" for outcome in outcomes for text in remarks(outcome)]
    if complaints:
        parts += ["\nFailed or different:\n", *complaints]
    return "\n".join(parts)


def times(outcomes: list[Outcome], tools: list[str]) -> str:
    """The table that counts."""
    against_baseline = [f"{OURS} / {BASELINE}"] if BASELINE in tools else []
    rows = []
    for outcome in outcomes:
        best = outcome.best_peer()
        seconds = [cell(outcome, tool, f"{outcome.median(tool, wall) or 0:.2f}") for tool in tools]
        bases = [spread(outcome.ratio(BASELINE))] if against_baseline else []
        rows.append([name(outcome), *seconds, best or "–", spread(outcome.ratio(best)), *bases])
    return table(["case", *tools, "best peer", f"{OURS} / best peer", *against_baseline], rows)


def figures(outcomes: list[Outcome], tools: list[str], figure: Callable[[Outcome, str], str]) -> str:
    """A table with one figure for each tool."""
    rows = [[name(outcome), *(cell(outcome, tool, figure(outcome, tool)) for tool in tools)] for outcome in outcomes]
    return table(["case", *tools], rows)


def memory(outcome: Outcome, tool: str) -> str:
    """Peak memory."""
    return f"{(outcome.median(tool, lambda sample: sample.peak) or 0) / 1e6:.0f}"


def written(outcome: Outcome, tool: str) -> str:
    """Size of the output."""
    return f"{outcome.outputs.get(tool, 0) / 1e6:.0f}"


def processors(outcome: Outcome, tool: str) -> str:
    """User and system time."""
    user = outcome.median(tool, lambda sample: sample.user) or 0
    system = outcome.median(tool, lambda sample: sample.system) or 0
    return f"{user:.2f} + {system:.2f}"


def cell(outcome: Outcome, tool: str, text: str) -> str:
    """A figure, unless there is none; marked where the answer was another."""
    if not outcome.samples.get(tool):
        return "failed" if tool in outcome.failures else "–"
    return f"{text} (!)" if tool in outcome.differs else text


def spread(ratio: tuple[float, float, float] | None) -> str:
    """A ratio with its range."""
    return f"{ratio[0]:.2f} ({ratio[1]:.2f}–{ratio[2]:.2f})" if ratio else "–"


def name(outcome: Outcome) -> str:
    """Case, size and bytes."""
    return f"{outcome.case} {outcome.size}, {outcome.bytes / 1e9:.2f} GB"


def remarks(outcome: Outcome) -> list[str]:
    """What went wrong, with the name of the tool."""
    return [f"{tool}: {text}" for tool, text in (outcome.failures | outcome.differs).items()]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first column is text, the others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def as_json(outcomes: list[Outcome]) -> list[dict[str, object]]:
    """Every sample, and the ratios."""
    return [
        asdict(outcome) | {"best_peer": outcome.best_peer(), "ratio": outcome.ratio(outcome.best_peer())}
        for outcome in outcomes
    ]
