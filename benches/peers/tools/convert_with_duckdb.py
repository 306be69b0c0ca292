"""CSV to Parquet by DuckDB: `convert_with_duckdb.py INPUT OUTPUT CODEC LEVEL THREADS`; a level of 0 is none."""

import sys

import duckdb


def main() -> None:
    """Into one file; the order of rows is not kept, as the manual advises for speed and memory."""
    _, path, output, codec, level, threads = sys.argv
    connection = duckdb.connect(config={"threads": int(threads), "preserve_insertion_order": False})
    source, target = (text.replace("'", "''") for text in (path, output))
    options = f"FORMAT parquet, COMPRESSION {codec}" + (f", COMPRESSION_LEVEL {level}" if int(level) else "")
    connection.sql(f"COPY (SELECT * FROM read_csv('{source}')) TO '{target}' ({options})")


if __name__ == "__main__":
    main()
