"""Makes rolling_input.csv and rolling_expected.csv: rolling and expanding windows by pandas.

Run in this folder with pandas 3.1: python rolling.py

The input has equal times, gaps, keys and missing values; its values are multiples of 1/4, so that pandas' sums are
exact. pandas counts a NaN as missing; here such values are null.
"""

import numpy as np
import pandas as pd

random = np.random.default_rng(7)
rows = 36
minutes = np.sort(random.choice(np.arange(0, 12 * 24 * 60, 180), rows // 2 + 6, replace=False))
minutes = np.sort(random.choice(minutes, rows))
frame = pd.DataFrame({
    "row": range(rows),
    "k": random.choice(["a", "b", None], rows, p=[0.5, 0.4, 0.1]),
    "t": pd.Timestamp("2024-02-26") + pd.to_timedelta(minutes, unit="min"),
    "x": np.where(random.random(rows) < 0.2, np.nan, random.integers(-40, 40, rows) / 4),
})
frame = frame.sample(frac=1, random_state=3).reset_index(drop=True)
frame["row"] = range(rows)
frame.to_csv("rolling_input.csv", index=False)

AGGREGATES = ["sum", "mean", "min", "max", "count", "std", "var", "median"]
SIDES = ["right", "left", "both", "neither"]
cases = []
for size in ["36h", "3D", "1", "4", "5"]:
    for closed in SIDES:
        for center in [False, True]:
            cases.append((size, closed, center, None))
cases += [("3D", "right", False, 3), ("5", "right", False, 2), ("5", "both", True, 1)]
cases += [("expanding", "right", False, periods) for periods in [1, 4]]


def windows(part, size, closed, center, periods):
    x = part.set_index("t")["x"]
    if size == "expanding":
        return x.expanding(periods)
    length = int(size) if size.isdigit() else size
    return x.rolling(length, min_periods=periods, closed=closed, center=center)


results = []
for by in ["", "k"]:
    ordered = frame.sort_values([by, "t"] if by else ["t"], kind="stable", na_position="last")
    parts = [part for _, part in ordered.groupby(by, dropna=False, sort=False)] if by else [ordered]
    for case in cases:
        for part in parts:
            window = windows(part, *case)
            columns = {name: getattr(window, name)().to_numpy() for name in AGGREGATES}
            size, closed, center, periods = case
            result = pd.DataFrame({
                "by": by, "size": size, "closed": closed, "center": int(center), "periods": periods or "",
                "row": part["row"].to_numpy(), **columns,
            })
            results.append(result)
pd.concat(results).to_csv("rolling_expected.csv", index=False)
