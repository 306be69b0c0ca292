#!/usr/bin/env python3
"""Make the reference answers of this folder with pandas, from data/.

    python3 -m venv venv && venv/bin/pip install pandas duckdb
    venv/bin/python tests/reference/make.py

DuckDB computes the same answers from the same files on its own; the script
fails unless both agree (text, counts and maxima exactly, floats to 1e-12 relative).
Floats are written as Python's repr: the shortest text that reads back to the
same 64-bit number. Sums of floats depend on the order of adding, so compare the
float columns with a tolerance, not as text.
"""
import glob
import math
import pathlib

import duckdb
import pandas as pd

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent.parent / "data"


def table(name, floats):
    # As text first: NA is null in numeric columns only, and no type is guessed.
    paths = sorted(glob.glob(str(DATA / name / "*.csv")))
    assert len(paths) == 12, paths
    df = pd.concat([pd.read_csv(p, dtype=str, keep_default_na=False) for p in paths])
    for c in floats:
        # float() rounds correctly; pandas' default parser may be one bit off.
        df[c] = df[c].map(lambda s: math.nan if s == "NA" else float(s))
    return df


def weather_daily_temp():
    """select origin, UTC day of time_hour as d, avg(temp) group by origin, d"""
    w = table("weather", ["temp"])
    w["d"] = w["time_hour"].str.slice(0, 10) + "T00:00:00Z"
    got = w.groupby(["origin", "d"])["temp"].mean().reset_index(name="avg_temp")
    check = f"""
        select origin, time_hour[1:10] || 'T00:00:00Z' as d,
               avg(nullif(temp, 'NA')::double) as avg_temp
        from read_csv('{DATA}/weather/*.csv', all_varchar = true)
        group by all order by all"""
    return got, check


def flights_by_carrier():
    """select carrier, count(*), avg(dep_delay), max(arr_delay), median(distance),
    stddev_samp(air_time) group by carrier"""
    f = table("flights", ["dep_delay", "arr_delay", "distance", "air_time"])
    got = f.groupby("carrier").agg(
        flights=("carrier", "size"),
        mean_dep_delay=("dep_delay", "mean"),
        max_arr_delay=("arr_delay", "max"),
        median_distance=("distance", "median"),
        stddev_air_time=("air_time", "std"),  # ddof=1
    ).reset_index()
    assert (got["max_arr_delay"] % 1 == 0).all()
    got["max_arr_delay"] = got["max_arr_delay"].astype("int64")
    check = f"""
        select carrier, count(*), avg(nullif(dep_delay, 'NA')::bigint),
               max(nullif(arr_delay, 'NA')::bigint), median(distance::bigint),
               stddev_samp(nullif(air_time, 'NA')::bigint)
        from read_csv('{DATA}/flights/*.csv', all_varchar = true)
        group by all order by all"""
    return got, check


def compare(name, ours, theirs):
    assert len(ours) == len(theirs), (name, len(ours), len(theirs))
    worst = 0.0
    for a, b in zip(ours, theirs):
        assert len(a) == len(b), (name, a, b)
        for x, y in zip(a, b):
            if isinstance(x, float):
                worst = max(worst, abs(x - y) / max(abs(x), abs(y), 1e-300))
            else:
                assert x == y, (name, a, b)
    assert worst <= 1e-12, (name, worst)
    return worst


def main():
    for make in (weather_daily_temp, flights_by_carrier):
        name = make.__name__
        df, check = make()
        rows = [
            [x.item() if hasattr(x, "item") else x for x in row]
            for row in df.itertuples(index=False, name=None)
        ]
        worst = compare(name, rows, duckdb.sql(check).fetchall())
        with open(HERE / f"{name}.csv", "w", newline="") as f:
            f.write(",".join(df.columns) + "\n")
            for row in rows:
                f.write(",".join(x if isinstance(x, str) else repr(x) for x in row) + "\n")
        print(f"{name}.csv: {len(rows)} rows; largest relative difference to DuckDB {worst:.1e}")


if __name__ == "__main__":
    main()
