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
    """The format is given: `try_parse_dates` took four times as long."""
    hour = pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S").dt.truncate("1h")
    return table.group_by(hour).agg(pl.col("x").mean(), pl.col("y").mean()).sort("timestamp")


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


QUERIES = {query.__name__: query for query in (filter_std, resample_1h, count, h2o_q1, h2o_q3, h2o_q5)}


def main() -> None:
    """Line ends in fields need no option."""
    _, query, _, path, _, output, _ = sys.argv
    QUERIES[query](pl.scan_csv(path)).collect(engine="streaming").write_csv(output)


if __name__ == "__main__":
    main()
