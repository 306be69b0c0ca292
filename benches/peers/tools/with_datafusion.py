"""One query by DataFusion: `with_datafusion.py QUERY SQL INPUT NEWLINES OUTPUT THREADS`."""

import sys
from pathlib import Path

from datafusion import CsvReadOptions, SessionConfig, SessionContext


def main() -> None:
    """Types are inferred from the first rows, as is the default.

    Files with line ends in fields have to be announced, and are not split then. Their types are inferred from one row:
    looking at more of them fails where a block ends within such a field (apache/arrow-rs-object-store issue 650).
    """
    _, _, sql, path, newlines, output, threads = sys.argv
    context = SessionContext(SessionConfig().with_target_partitions(int(threads)))
    if path.endswith(".parquet"):
        # A folder: a glob matches no files there.
        context.register_parquet("input", str(Path(path).parent))
    else:
        options = CsvReadOptions(newlines_in_values=True, schema_infer_max_records=1) if newlines == "yes" else None
        context.register_csv("input", path, options=options)
    context.sql(sql.replace("{input}", "input")).write_csv(output, with_header=True)


if __name__ == "__main__":
    main()
