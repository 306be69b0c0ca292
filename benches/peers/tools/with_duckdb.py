"""One query by DuckDB: `with_duckdb.py QUERY SQL INPUT NEWLINES OUTPUT THREADS`."""

import sys

import duckdb


def main() -> None:
    """Dialect and types are detected, as is the default.

    The order of rows is not kept, as the manual advises for speed and memory.
    """
    _, _, sql, path, _, output, threads = sys.argv
    connection = duckdb.connect(config={"threads": int(threads), "preserve_insertion_order": False})
    quoted = path.replace("'", "''")
    reader = "read_parquet" if path.endswith(".parquet") else "read_csv"
    connection.sql(sql.replace("{input}", f"{reader}('{quoted}')")).write_csv(output)


if __name__ == "__main__":
    main()
