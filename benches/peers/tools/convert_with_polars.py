"""CSV to Parquet by Polars: `convert_with_polars.py INPUT OUTPUT CODEC LEVEL THREADS`; a level of 0 is none."""

import os
import sys

os.environ["POLARS_MAX_THREADS"] = sys.argv[5]

import polars as pl  # noqa: E402: it starts its threads when it is loaded


def main() -> None:
    """Into one file, by the streaming engine. The format of times is given, as in the queries."""
    _, path, output, codec, level, _ = sys.argv
    table = pl.scan_csv(path)
    if "timestamp" in table.collect_schema():
        table = table.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S"))
    options = {"compression_level": int(level)} if int(level) else {}
    table.sink_parquet(output, compression=codec, **options)


if __name__ == "__main__":
    main()
