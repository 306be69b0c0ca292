"""One query by Polars: `with_polars.py QUERY SQL INPUT NEWLINES OUTPUT THREADS`.

Scans are lazy and run on the streaming engine, which was faster here than the one in memory and took less of it. Types
are inferred, as is the default.
"""

import os
import sys

os.environ["POLARS_MAX_THREADS"] = sys.argv[6]

import polars as pl  # noqa: E402: it starts its threads when it is loaded


def filter_std(table: pl.LazyFrame) -> pl.LazyFrame:
    """`std` is that of a sample, as in SQL."""
    return table.filter(pl.col("y") > 0).group_by("name").agg(pl.col("x").std())


def resample_1h(table: pl.LazyFrame) -> pl.LazyFrame:
    """Hourly means."""
    return resample(table, "1h")


def resample_24h(table: pl.LazyFrame) -> pl.LazyFrame:
    """Daily means."""
    return resample(table, "1d")


def resample(table: pl.LazyFrame, every: str) -> pl.LazyFrame:
    """Text has to be parsed. The format is given: `try_parse_dates` took four times as long."""
    time = pl.col("timestamp")
    if table.collect_schema()["timestamp"] == pl.String:
        time = time.str.to_datetime("%Y-%m-%d %H:%M:%S")
    return table.group_by(time.dt.truncate(every)).agg(pl.col("x").mean(), pl.col("y").mean()).sort("timestamp")


def count(table: pl.LazyFrame) -> pl.LazyFrame:
    """Counts lines, parsing no fields."""
    return table.select(pl.len())


def h2o_q1(table: pl.LazyFrame) -> pl.LazyFrame:
    """A hundred groups."""
    return table.group_by("id1").agg(pl.col("v1").sum())


def h2o_q3(table: pl.LazyFrame) -> pl.LazyFrame:
    """A hundred thousand groups, by text."""
    return table.group_by("id3").agg(pl.col("v1").sum(), pl.col("v3").mean())


def h2o_q5(table: pl.LazyFrame) -> pl.LazyFrame:
    """A hundred thousand groups, by number."""
    return table.group_by("id6").agg(pl.col("v1").sum(), pl.col("v2").sum(), pl.col("v3").sum())


def h2o_q2(table: pl.LazyFrame) -> pl.LazyFrame:
    """Ten thousand groups, by two texts."""
    return table.group_by("id1", "id2").agg(pl.col("v1").sum())


def h2o_q4(table: pl.LazyFrame) -> pl.LazyFrame:
    """A hundred groups, by number."""
    return table.group_by("id4").agg(pl.col("v1").mean(), pl.col("v2").mean(), pl.col("v3").mean())


def h2o_q6(table: pl.LazyFrame) -> pl.LazyFrame:
    """Ten thousand groups, by two numbers."""
    return table.group_by("id4", "id5").agg(pl.col("v3").median().alias("median"), pl.col("v3").std().alias("std"))


def h2o_q7(table: pl.LazyFrame) -> pl.LazyFrame:
    """A hundred thousand groups, by text."""
    return table.group_by("id3").agg((pl.col("v1").max() - pl.col("v2").min()).alias("range"))


def h2o_q9(table: pl.LazyFrame) -> pl.LazyFrame:
    """Ten thousand groups, by a text and a number."""
    return table.group_by("id2", "id4").agg((pl.corr("v1", "v2") ** 2).alias("r2"))


def h2o_q10(table: pl.LazyFrame) -> pl.LazyFrame:
    """Nearly as many groups as rows."""
    groups = table.group_by("id1", "id2", "id3", "id4", "id5", "id6").agg(pl.col("v3").sum(), pl.len().alias("rows"))
    return groups.select(pl.len().alias("groups"), pl.col("v3").sum(), pl.col("rows").sum())


QUERIES = {
    query.__name__: query
    for query in (
        filter_std, resample_1h, resample_24h, count, h2o_q1, h2o_q2, h2o_q3, h2o_q4, h2o_q5, h2o_q6, h2o_q7, h2o_q9,
        h2o_q10,
    )  # fmt: skip
}


def main() -> None:
    """Line ends in fields need no option."""
    _, query, _, path, _, output, _ = sys.argv
    scan = pl.scan_parquet if path.endswith(".parquet") else pl.scan_csv
    QUERIES[query](scan(path)).collect(engine="streaming").write_csv(output)


if __name__ == "__main__":
    main()
