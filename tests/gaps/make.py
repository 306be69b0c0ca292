"""Makes readings.csv and expected.csv: what pandas fills into the gaps of resampled series.

Run with pandas 3: python tests/gaps/make.py
"""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
ZONE = "Europe/Berlin"
FILLS = ["null", "ffill", "ffill(2)", "bfill", "bfill(1)", "linear", "linear(2)", "-1"]
# Series, rules, and whether days are those of the zone. The dense one lies around the change to summer time.
CASES = [("dense", ["3h", "1D"], False), ("dense", ["3h", "1D"], True), ("sparse", ["W", "MS", "ME", "QS"], False)]


def readings():
    random = np.random.default_rng(20240331)
    frames = []
    for name, step, start in [("dense", 400, "2024-03-26 04:10"), ("sparse", 30_000, "2023-05-03 12:00")]:
        for key in ["a", "b"]:
            minutes = np.cumsum(random.exponential(step, 40).astype(int) + 1)
            x = np.round(random.normal(10, 4, 40), 2)
            x[random.random(40) < 0.3] = np.nan
            # A series begins and ends with a value: nothing else is known of what lies beyond.
            x[[0, -1]] = [1.5, 2.5]
            ts = pd.Timestamp(start) + pd.to_timedelta(minutes, unit="min")
            frames.append(pd.DataFrame({"series": name, "key": key, "ts": ts, "x": x, "n": random.integers(1, 9, 40)}))
    rows = pd.concat(frames, ignore_index=True)
    return rows.sample(frac=1, random_state=1).reset_index(drop=True)


def filled(column, fill):
    limit = int(fill[fill.index("(") + 1 : -1]) if "(" in fill else None
    match fill.split("(")[0]:
        case "null":
            return column
        case "ffill":
            return column.ffill(limit=limit)
        case "bfill":
            return column.bfill(limit=limit)
        case "linear":
            # pandas goes on with the last value behind it; a line needs two.
            return column.interpolate(limit=limit, limit_area="inside")
        case number:
            return column.fillna(float(number))


def expected(rows):
    for series, rules, local in CASES:
        of_series = rows[rows["series"] == series]
        for by in ["", "key"]:
            groups = of_series.groupby("key") if by else [("", of_series)]
            for key, group in groups:
                group = group.set_index("ts").sort_index()
                if local:
                    group.index = group.index.tz_localize("UTC").tz_convert(ZONE)
                for rule in rules:
                    buckets = group.resample(rule)
                    table = pd.DataFrame({"mean": buckets["x"].mean(), "sum": buckets["n"].sum(), "count": buckets["x"].count()})
                    if local:
                        table.index = table.index.tz_convert("UTC").tz_localize(None)
                    for fill in FILLS:
                        result = table.assign(mean=filled(table["mean"], fill))
                        result.insert(0, "key", key)
                        case = {"series": series, "zone": ZONE if local else "", "rule": rule, "fill": fill, "by": by}
                        yield result.rename_axis("ts").reset_index().assign(**case)


rows = readings()
rows.to_csv(HERE / "readings.csv", index=False)
columns = ["series", "zone", "rule", "fill", "by", "key", "ts", "mean", "sum", "count"]
table = pd.concat(expected(rows), ignore_index=True)[columns]
table["ts"] = table["ts"].dt.strftime("%Y-%m-%d %H:%M:%S")
table.sort_values(columns[:5] + ["ts", "key"], kind="stable").to_csv(HERE / "expected.csv", index=False)
