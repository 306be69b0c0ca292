"""CSV to Parquet by DataFusion: `convert_with_datafusion.py INPUT OUTPUT CODEC LEVEL THREADS`; a level of 0 is none."""

import sys

from datafusion import SessionConfig, SessionContext


def main() -> None:
    """Into a folder of one file for each partition."""
    _, path, output, codec, level, threads = sys.argv
    context = SessionContext(SessionConfig().with_target_partitions(int(threads)))
    context.register_csv("input", path)
    options = {"compression_level": int(level)} if int(level) else {}
    context.sql("SELECT * FROM input").write_parquet(output, compression=codec, **options)


if __name__ == "__main__":
    main()
