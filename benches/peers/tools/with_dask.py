"""One query by Dask: `with_dask.py QUERY SQL INPUT NEWLINES OUTPUT THREADS`.

On threads, Dask's default for dataframes: processes took twice as long here, and more memory. Types are inferred.
"""

import sys
from collections.abc import Callable

import dask
import dask.dataframe as dd
import pandas as pd

Read = Callable[..., dd.DataFrame]


def filter_std(read: Read) -> pd.DataFrame:
    """`std` is that of a sample, as in SQL."""
    table = read(usecols=["name", "x", "y"])
    return table[table.y > 0].groupby("name")[["x"]].std().compute()


def resample_1h(read: Read) -> pd.DataFrame:
    """Hourly means."""
    return resample(read, "h")


def resample_24h(read: Read) -> pd.DataFrame:
    """Daily means."""
    return resample(read, "D")


def resample(read: Read, every: str) -> pd.DataFrame:
    """By rounded times: `resample` needs an index that is known to be sorted."""
    table = read(usecols=["timestamp", "x", "y"], parse_dates=["timestamp"])
    return table.groupby(table.timestamp.dt.floor(every))[["x", "y"]].mean().compute().sort_index()


def count(read: Read) -> pd.DataFrame:
    """One column is parsed."""
    return pd.DataFrame({"rows": [len(read(usecols=[0]))]}).set_index("rows")


def h2o_q1(read: Read) -> pd.DataFrame:
    """A hundred groups."""
    return read(usecols=["id1", "v1"]).groupby("id1").agg({"v1": "sum"}).compute()


def h2o_q3(read: Read) -> pd.DataFrame:
    """A hundred thousand groups, by text."""
    return read(usecols=["id3", "v1", "v3"]).groupby("id3").agg({"v1": "sum", "v3": "mean"}).compute()


def h2o_q5(read: Read) -> pd.DataFrame:
    """A hundred thousand groups, by number."""
    return read(usecols=["id6", "v1", "v2", "v3"]).groupby("id6").agg({"v1": "sum", "v2": "sum", "v3": "sum"}).compute()


def h2o_q2(read: Read) -> pd.DataFrame:
    """Ten thousand groups, by two texts."""
    return read(usecols=["id1", "id2", "v1"]).groupby(["id1", "id2"]).agg({"v1": "sum"}).compute()


def h2o_q4(read: Read) -> pd.DataFrame:
    """A hundred groups, by number."""
    means = {"v1": "mean", "v2": "mean", "v3": "mean"}
    return read(usecols=["id4", "v1", "v2", "v3"]).groupby("id4").agg(means).compute()


def h2o_q6(read: Read) -> pd.DataFrame:
    """Ten thousand groups, by two numbers; a median needs all rows of a group at one place."""
    table = read(usecols=["id4", "id5", "v3"])
    groups = table.groupby(["id4", "id5"]).agg({"v3": ["median", "std"]}, shuffle_method="tasks").compute()
    return groups.set_axis(["median", "std"], axis="columns")


def h2o_q7(read: Read) -> pd.DataFrame:
    """A hundred thousand groups, by text."""
    groups = read(usecols=["id3", "v1", "v2"]).groupby("id3").agg({"v1": "max", "v2": "min"}).compute()
    return (groups.v1 - groups.v2).to_frame("range")


def h2o_q9(read: Read) -> pd.DataFrame:
    """Ten thousand groups, by a text and a number; from sums, since `corr` needs all rows of a group at one place."""
    table = read(usecols=["id2", "id4", "v1", "v2"])
    table = table.assign(v11=table.v1 * table.v1, v22=table.v2 * table.v2, v12=table.v1 * table.v2, n=1)
    sums = table.groupby(["id2", "id4"])[["v1", "v2", "v11", "v22", "v12", "n"]].sum().compute()
    covariance = sums.n * sums.v12 - sums.v1 * sums.v2
    variances = (sums.n * sums.v11 - sums.v1**2) * (sums.n * sums.v22 - sums.v2**2)
    return (covariance**2 / variances).to_frame("r2")


def h2o_q10(read: Read) -> pd.DataFrame:
    """Nearly as many groups as rows."""
    keys = ["id1", "id2", "id3", "id4", "id5", "id6"]
    table = read(usecols=[*keys, "v3"]).assign(rows=1)
    groups = table.groupby(keys)[["v3", "rows"]].sum(split_out=8).reset_index()
    groups, v3, rows = dask.compute(groups.rows.count(), groups.v3.sum(), groups.rows.sum())
    return pd.DataFrame({"groups": [groups], "v3": [v3], "rows": [rows]}).set_index("groups")


QUERIES = {
    query.__name__: query
    for query in (
        filter_std, resample_1h, resample_24h, count, h2o_q1, h2o_q2, h2o_q3, h2o_q4, h2o_q5, h2o_q6, h2o_q7, h2o_q9,
        h2o_q10,
    )  # fmt: skip
}


def main() -> None:
    """Files with line ends in fields must not be split, says the manual."""
    _, query, _, path, newlines, output, threads = sys.argv
    dask.config.set(scheduler="threads", num_workers=int(threads))

    def read(**options: object) -> dd.DataFrame:
        if path.endswith(".parquet"):
            return dd.read_parquet(path, columns=options.get("usecols"))
        return dd.read_csv(path, blocksize=None if newlines == "yes" else "default", **options)

    QUERIES[query](read).to_csv(output)


if __name__ == "__main__":
    main()
