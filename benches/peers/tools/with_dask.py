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
    """By rounded times: `resample` needs an index that is known to be sorted."""
    table = read(usecols=["timestamp", "x", "y"], parse_dates=["timestamp"])
    return table.groupby(table.timestamp.dt.floor("h"))[["x", "y"]].mean().compute().sort_index()


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


QUERIES = {query.__name__: query for query in (filter_std, resample_1h, count, h2o_q1, h2o_q3, h2o_q5)}


def main() -> None:
    """Files with line ends in fields must not be split, says the manual."""
    _, query, _, path, newlines, output, threads = sys.argv
    dask.config.set(scheduler="threads", num_workers=int(threads))

    def read(**options: object) -> dd.DataFrame:
        return dd.read_csv(path, blocksize=None if newlines == "yes" else "default", **options)

    QUERIES[query](read).to_csv(output)


if __name__ == "__main__":
    main()
