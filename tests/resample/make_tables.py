"""Makes the tables that tests/resample.rs compares with, by pandas: python make_tables.py, with requirements.txt installed.

series.csv: the rows of every series. tables.csv: one line for each resampling, with the number of its result and which of pandas'
defaults it is. results.csv: the buckets of each result that have rows: the label on the left in seconds since 1970 in UTC, how
many seconds later the one on the right is, and how many rows there are with which sum. What is resampled with equal
results has the same number: the origin, for instance, does not count for months.
"""

import csv
import random
import warnings
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
WEEKS = ["W", "W-MON", "W-TUE", "W-WED", "W-THU", "W-FRI", "W-SAT", "W-SUN", "2W", "3W-THU"]
MONTHS = ["MS", "ME", "2MS", "3MS", "3ME", "5ME"]
QUARTERS = ["QS", "QE", "2QS", "2QE", "QS-FEB", "QS-MAR", "QE-OCT", "QE-NOV", "2QE-JAN", "3QS-MAY"]
YEARS = ["YS", "YE", "2YS", "2YE", "YS-JUL", "YE-MAR", "YE-JUN", "2YS-FEB"]
DAYS = ["1D", "2D", "5D"]
HOURS = ["15min", "90min", "1h", "1h30min10s", "7h", "8h", "24h", "36h", "48h"]
FINE = ["500ms", "1500ms", "1250us", "30s", "90s", "7min"]
LONG = HOURS + DAYS + WEEKS + MONTHS + QUARTERS + YEARS
ORIGINS = ["start_day", "start", "end", "end_day", "epoch", "2023-12-05 03:17:05"]
OFFSETS = [None, "2h", "-37min"]


def series() -> dict[str, tuple[list[pd.Timestamp], list[str]]]:
    """Timestamps without zone, which are in UTC where a series is resampled in zones; and the rules for each."""
    draw = random.Random(4)
    regular = list(pd.date_range("2023-12-20 05:00", periods=100, freq="13h"))
    irregular = []
    for start, hours, rows in [
        ("2019-12-29 20:00", 60, 30),
        ("2020-02-28", 60, 30),
        ("2020-03-31 12:00", 24, 5),
        ("2020-12-31 21:30", 4, 5),
        ("2021-01-01", 8000, 40),
        ("2021-12-31 23:59:59", 0, 1),
        ("2022-01-01", 0, 2),
    ]:
        irregular += [pd.Timestamp(start) + pd.Timedelta(seconds=draw.randint(0, hours * 3600)) for _ in range(rows)]
    # Edges themselves, twice, and not in order.
    irregular += [pd.Timestamp(text) for text in ["2020-02-29", "2020-03-01", "2020-03-31", "2020-12-31", "2020-03-01"]]
    draw.shuffle(irregular)
    fine = [pd.Timestamp("2024-02-29 23:58:30") + pd.Timedelta(milliseconds=draw.randint(0, 200_000)) for _ in range(50)]
    fine += [pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-01 00:00:30"), pd.Timestamp("2024-03-01 00:00:31.5")]
    changes = ["2023-10-29 01:00", "2023-11-05 06:00", "2024-03-10 07:00", "2024-03-31 01:00"]
    clocks = [pd.Timestamp(text) + pd.Timedelta(minutes=step * 30) for text in changes for step in range(-5, 5)]
    clocks += [pd.Timestamp(text) + pd.Timedelta(hours=step * 23) for text in changes for step in range(-5, 6)]
    # Midnights in Berlin and in New York.
    clocks += [pd.Timestamp(text) for text in ["2023-10-28 22:00", "2024-03-30 23:00", "2023-11-05 04:00", "2024-03-11 04:00"]]
    clocks += [pd.Timestamp(text) for text in ["2023-12-31 23:00", "2024-01-01 05:00", "2024-01-31 23:00"]]
    draw.shuffle(clocks)
    return {
        "regular": (regular, LONG),
        "irregular": (irregular, LONG),
        "fine": (fine, FINE),
        "clocks": (clocks, LONG),
    }


ZONES = {"clocks": ["Europe/Berlin", "America/New_York", "UTC"]}


def resampled(values: pd.Series, rule: str, closed: str, origin: str, offset: str | None) -> list[tuple] | None:
    """The buckets from the first to the last that have rows."""
    def by(label: str | None) -> pd.DataFrame:
        grouper = values.resample(rule, closed=closed, label=label, origin=at, offset=offset)
        return grouper.agg(["count", "sum"])

    at = origin
    if origin[0].isdigit():
        at = pd.Timestamp(origin, tz=values.index.tz)
    try:
        left, right = by("left"), by("right")
    except ValueError as error:
        # pandas' own limit: an origin at the end that is moved leaves rows before the first bucket.
        if offset and "Values falls before first bin" in str(error):
            return None
        raise
    seconds = [table.index.as_unit("us").asi8 / 1e6 for table in (left, right)]
    rows = list(zip(seconds[0], seconds[1], left["count"], left["sum"], right["count"], right["sum"], strict=True))
    used = [index for index, row in enumerate(rows) if row[2]]
    rows = rows[used[0] : used[-1] + 1]
    assert all(row[2:4] == row[4:6] for row in rows)
    return [(start, end - start, count, total) for start, end, count, total, _, _ in rows]


def defaults(values: pd.Series, rule: str, origin: str) -> str:
    """The side that pandas takes for closed and label where none is given."""
    at = pd.Timestamp(origin, tz=values.index.tz) if origin[0].isdigit() else origin
    grouper = values.resample(rule, origin=at)._timegrouper
    assert grouper.closed == grouper.label
    return grouper.closed


def number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def main() -> None:
    warnings.simplefilter("ignore", RuntimeWarning)
    known: dict[tuple, int] = {}
    with (
        open(HERE / "series.csv", "w", newline="") as series_file,
        open(HERE / "tables.csv", "w", newline="") as tables_file,
        open(HERE / "results.csv", "w", newline="") as results_file,
    ):
        rows_out, tables_out, results_out = (
            csv.writer(file, lineterminator="\n") for file in (series_file, tables_file, results_file)
        )
        rows_out.writerow(["series", "ts", "value"])
        tables_out.writerow(["series", "zone", "rule", "closed", "origin", "offset", "default", "buckets", "result"])
        results_out.writerow(["result", "left", "length", "count", "sum"])
        for name, (stamps, rules) in series().items():
            index = pd.DatetimeIndex(stamps).as_unit("us")
            naive = pd.Series([row * 7 % 10 - 3 for row in range(len(index))], index=index, name="value")
            for stamp, value in naive.items():
                rows_out.writerow([name, stamp.isoformat(sep=" "), value])
            for zone in ZONES.get(name, [""]):
                values = naive.tz_localize("UTC").tz_convert(zone) if zone else naive
                for rule in rules:
                    tick = isinstance(pd.tseries.frequencies.to_offset(rule), pd.offsets.Tick)
                    for closed in ["left", "right"]:
                        for origin in ORIGINS:
                            for offset in OFFSETS if tick or rule == "2D" else OFFSETS[:1]:
                                table = resampled(values, rule, closed, origin, offset)
                                if table is None:
                                    continue
                                used = tuple(row for row in table if row[2])
                                result = known.setdefault(used, len(known))
                                if result == len(known) - 1 and used not in written:
                                    written.add(used)
                                    for left, length, count, total in used:
                                        results_out.writerow([result, number(left), number(length), count, total])
                                tables_out.writerow([
                                    name, zone, rule, closed, origin, offset or "", int(defaults(values, rule, origin) == closed),
                                    len(table), result,
                                ])


written: set[tuple] = set()

if __name__ == "__main__":
    main()
