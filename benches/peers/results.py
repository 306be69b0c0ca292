"""Whether the tools gave the same answer."""

import csv
import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from cases import Query

Value = float | datetime | str | None
Row = tuple[Value, ...]

RELATIVE = 1e-9
"""Floats may differ by so much: tools add them up in different orders."""

ABSOLUTE = 1e-12
"""The same for means near zero of values around one."""


def read(path: Path, query: Query) -> list[Row]:
    """The rows of a result, in its order if that matters, otherwise by key. Names of columns do not matter."""
    with path.open(newline="") as file:
        lines = csv.reader(file)
        next(lines)
        rows = [tuple(map(value, line)) for line in lines]
    if not query.ordered:
        rows.sort(key=lambda row: tuple(map(str, row[: query.keys])))
    return rows


def value(text: str) -> Value:
    """What a field means, however a tool spells it. The correlation of one row is null in some and NaN in others."""
    if not text or text.lower() == "nan":
        return None
    for parse in (float, datetime.fromisoformat):
        try:
            return parse(text)
        except ValueError:
            pass
    return text


def difference(left: list[Row], right: list[Row]) -> str | None:
    """The first place where two results differ, or nothing."""
    if len(left) != len(right):
        return f"{len(left)} rows against {len(right)}"
    for number, (one, other) in enumerate(zip(left, right), start=1):
        if len(one) != len(other) or not all(map(equal, one, other)):
            return f"row {number}: {one} against {other}"
    return None


def equal(left: Value, right: Value) -> bool:
    """Equal, floats nearly."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return left == right


def disagreements(results: Iterable[tuple[str, Path]], query: Query) -> dict[str, str]:
    """Which tools differ from the answer that most tools gave, and where; of equally many, the first."""
    answers: list[tuple[list[Row], list[str]]] = []
    differs: dict[str, str] = {}
    for tool, path in results:
        rows = read(path, query)
        for known, tools in answers:
            if difference(known, rows) is None:
                tools.append(tool)
                break
        else:
            answers.append((rows, [tool]))
    if answers:
        right, agreed = max(answers, key=lambda answer: len(answer[1]))
        for rows, tools in answers:
            if rows is not right:
                found = f"differs from {', '.join(agreed)}: {difference(rows, right)}"
                differs.update(dict.fromkeys(tools, found))
    return differs
