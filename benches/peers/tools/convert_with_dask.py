"""CSV to Parquet by Dask: `convert_with_dask.py INPUT OUTPUT CODEC LEVEL THREADS`; a level of 0 is none.

On threads, as the queries.
"""

import sys

import dask
import dask.dataframe as dd


def main() -> None:
    """Into a folder of one file for each block of the input. It has to be told which column is a time."""
    _, path, output, codec, level, threads = sys.argv
    dask.config.set(scheduler="threads", num_workers=int(threads))
    times = [name for name in dd.read_csv(path).columns if name == "timestamp"]
    options = {"compression_level": int(level)} if int(level) else {}
    dd.read_csv(path, parse_dates=times).to_parquet(output, compression=codec, write_index=False, **options)


if __name__ == "__main__":
    main()
