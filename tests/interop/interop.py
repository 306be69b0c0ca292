"""Parquet files to and from others: `interop.py BINARY`.

What Highwater writes is read by pyarrow, DuckDB and Polars, and has to be what the SQL says. What those write is read by
Highwater, written again, and has to be what went in. Of every type, with nulls, in all the ways of encoding that the
writers have.
"""

import datetime
import itertools
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from values import COLUMNS, LISTS, Column, Value, difference, rows

Rows = list[tuple[Value, ...]]

READERS: dict[str, Callable[[Path], Rows]] = {
    "pyarrow": lambda path: as_rows(pq.read_table(path)),
    "DuckDB": lambda path: duckdb.sql(f"SET TimeZone='UTC'; SELECT * FROM read_parquet('{path}')").fetchall(),
    "Polars": lambda path: as_lists(pl.read_parquet(path).rows()),
}


def as_rows(table: pa.Table) -> Rows:
    """The rows of a table of pyarrow; dictionaries as their values."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table.num_columns else []


def as_lists(found: Rows) -> Rows:
    """Polars gives lists as lists, and decimals with their scale; nothing to do but to have one type."""
    return [tuple(list(value) if isinstance(value, pl.Series) else value for value in row) for row in found]


class Exchange:
    """The binary, and the folder for the files."""

    def __init__(self, binary: Path, folder: Path) -> None:
        """Counts what was looked at, and what was wrong."""
        self.binary, self.folder, self.looked, self.wrong = binary, folder, 0, 0

    def run(self, *sql: str) -> None:
        """Runs statements, at two threads."""
        command = [str(self.binary), "--threads", "2", "--progress", "off", "--command", "; ".join(sql)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())

    def compare(self, what: str, found: Callable[[], Rows], expected: Rows) -> None:
        """Notes whether the rows are those that were expected."""
        self.looked += 1
        try:
            differs = difference(found(), expected)
        except Exception as error:  # noqa: BLE001: whatever a reader says is what is wrong
            differs = f"{type(error).__name__}: {error}"
        if differs:
            self.wrong += 1
            print(f"{what}: {differs}", file=sys.stderr)

    def ours(self, name: str, query: str, options: str, expected: Rows, readers: list[str]) -> None:
        """A query's result, written by us with these options, read by others."""
        path = self.folder / f"{name}.parquet"
        if not self.written(f"we write {name}{options}", query, path, options):
            return
        for reader in readers:
            self.compare(f"{reader} reads {name}{options}", lambda: READERS[reader](path), expected)

    def theirs(self, name: str, path: Path, expected: Rows) -> None:
        """A file that others wrote, read by us."""
        again = self.folder / "again.parquet"
        if self.written(f"we read {name}", f"SELECT * FROM '{path}'", again, ""):
            self.compare(f"we read {name}", lambda: READERS["pyarrow"](again), expected)

    def written(self, what: str, query: str, path: Path, options: str) -> bool:
        """Writes a query's result; notes it if that fails."""
        try:
            self.run(f"COPY ({query}) TO '{path}' (FORMAT parquet, EXISTING 'overwrite'{options})")
        except RuntimeError as error:
            self.looked, self.wrong = self.looked + 1, self.wrong + 1
            print(f"{what}: {error}", file=sys.stderr)
            return False
        return True


def values_query(columns: list[Column], repeat: int = 1) -> str:
    """A query whose result has these columns; their rows come several times in a row."""
    selects = [
        "SELECT " + ", ".join(f"CAST({column.literals[row]} AS {column.type}) AS {column.name}" for column in columns)
        for row in range(len(columns[0].literals))
    ]
    return " UNION ALL ".join(selects * repeat)


CODECS = ["'zstd'", "'zstd', COMPRESSION_LEVEL 19", "'snappy'", "'gzip'", "'lz4'", "'brotli'", "'none'"]
OPTIONS = [
    ", PARQUET_VERSION V2",
    ", PARQUET_VERSION V1, DICTIONARY true",
    ", DICTIONARY false, PAGE_INDEX false",
    ", PARQUET_VERSION V2, DICTIONARY false, BLOOM_FILTER true",
    ", ROW_GROUP_SIZE 3",
    ", ROW_GROUP_BYTES 1, KV_METADATA {'source': 'interop'}",
    ", COLUMN_OPTIONS {'i64': {encoding: 'delta', bloom_filter: true}, 't': {encoding: 'delta_byte_array', codec: 'gzip'},"
    " 'f64': {encoding: 'byte_stream_split'}, 'b': {encoding: 'plain'}}",
]


def ours_to_theirs(exchange: Exchange) -> None:
    """All types, all codecs, all options; an empty file; and more rows than a page has."""
    query, expected = values_query(COLUMNS, repeat=3), rows(COLUMNS) * 3
    for options in [f", COMPRESSION {codec}" for codec in CODECS] + OPTIONS:
        exchange.ours("types", query, options, expected, list(READERS))
    lists = exchange.folder / "given.parquet"
    pq.write_table(arrow_table(LISTS), lists)
    for options in ["", ", PARQUET_VERSION V2, ROW_GROUP_SIZE 5", ", COMPRESSION 'snappy', DICTIONARY false"]:
        exchange.ours("lists", f"SELECT * FROM '{lists}'", options, rows(LISTS) * 3, list(READERS))
    exchange.ours("empty", f"SELECT * FROM ({query}) AS t WHERE false", "", [], list(READERS))
    interval = "SELECT INTERVAL '14 months 3 days 4.5 seconds' AS i UNION ALL SELECT NULL"
    span = datetime.timedelta(days=14 * 30 + 3, seconds=4.5)
    exchange.ours("interval", interval, "", [(span,), (None,)], ["DuckDB"])
    pages(exchange)


def pages(exchange: Exchange) -> None:
    """Many pages and row groups, of CSV: columns for a dictionary, for differences, for neither, and with rare nulls."""
    count = 150_000
    start = datetime.datetime(2000, 1, 1)
    table: Rows = [
        (
            start + datetime.timedelta(seconds=row),
            row * 7919 % 50,
            f"name {row * row % 1009}" if row % 40_000 < 39_990 else None,
            math.sin(row),
            None if row % 1000 == 1 else row * 1_000_003 % 2**31,
        )
        for row in range(count)
    ]
    source = self_made(exchange.folder / "pages.csv", ["ts", "few", "name", "x", "gaps"], table)
    for options in ["", ", ROW_GROUP_SIZE 40000, PARQUET_VERSION V2", ", ROW_GROUP_BYTES '1MB', COMPRESSION snappy"]:
        exchange.ours("pages", f"SELECT * FROM '{source}'", f"{options}, SORTING_COLUMNS 'ts'", table, list(READERS))


def self_made(path: Path, names: list[str], table: Rows) -> Path:
    """A CSV file."""
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for row in table:
            file.write(",".join("" if value is None else str(value) for value in row) + "\n")
    return path


ARROW_TYPES: dict[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(), "TINYINT": pa.int8(), "SMALLINT": pa.int16(), "INTEGER": pa.int32(), "BIGINT": pa.int64(),
    "REAL": pa.float32(), "DOUBLE": pa.float64(), "DECIMAL(9,2)": pa.decimal128(9, 2),
    "DECIMAL(18,3)": pa.decimal128(18, 3), "DECIMAL(38,10)": pa.decimal128(38, 10), "VARCHAR": pa.string(),
    "DATE": pa.date32(), "TIME": pa.time64("us"), "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"), "BIGINT[]": pa.list_(pa.int64()), "VARCHAR[]": pa.list_(pa.string()),
    "DOUBLE[]": pa.list_(pa.float64()),
}  # fmt: skip


def arrow_table(columns: list[Column]) -> pa.Table:
    """The columns as pyarrow has them, three times."""
    arrays = [pa.array(column.values * 3, ARROW_TYPES[column.type]) for column in columns]
    return pa.table(arrays, names=[column.name for column in columns])


ITEM = pa.struct([("sku", pa.string()), ("qty", pa.int32()), ("at", pa.struct([("x", pa.float64())]))])
NESTED = pa.schema([
    ("id", pa.int64()),
    ("place", pa.struct([("city", pa.string()), ("tags", pa.list_(pa.string()))])),
    ("items", pa.list_(ITEM)),
    ("prices", pa.map_(pa.string(), pa.float64())),
    ("stock", pa.map_(pa.int32(), pa.struct([("n", pa.int64()), ("day", pa.date32())]))),
])  # fmt: skip
"""Structs, lists of structs and maps."""

DAY = datetime.date(2024, 2, 29)
NESTED_ROWS: list[tuple[Value, ...]] = [
    (1, {"city": "Oslo", "tags": ["a", None]}, [{"sku": "x", "qty": 2, "at": {"x": 0.5}}, {"sku": "y", "qty": None, "at": None}],
     [("a", 1.5), ("b", None)], [(7, {"n": 1, "day": DAY}), (8, None)]),
    (2, None, None, None, None),
    (3, {"city": None, "tags": []}, [], [], []),
    (4, {"city": "🦀", "tags": None}, [None, {"sku": None, "qty": 5, "at": {"x": None}}], [("b", 2.25)], [(9, None)]),
]  # fmt: skip
"""With nulls, and lists without items, at every level."""


def parts(row: tuple[Value, ...]) -> tuple[Value, ...]:
    """A nested row as the columns that we make of it."""
    identity, place, items, prices, stock = row
    fields = [place[name] if place else None for name in ("city", "tags")]
    listed = [None if items is None else [item[name] if item else None for item in items] for name in ("sku", "qty")]
    deep = None if items is None else [item["at"]["x"] if item and item["at"] else None for item in items]
    entries = [None if prices is None else [entry[side] for entry in prices] for side in (0, 1)]
    keys = None if stock is None else [key for key, _ in stock]
    values = [None if stock is None else [value[name] if value else None for _, value in stock] for name in ("n", "day")]
    return (identity, *fields, *listed, deep, *entries, keys, *values)


def nested(exchange: Exchange) -> None:
    """Nested columns by all three; Polars has no maps."""
    given = NESTED_ROWS * 3
    columns = [pa.array([row[index] for row in given], field.type) for index, field in enumerate(NESTED)]
    table, path = pa.table(columns, schema=NESTED), exchange.folder / "nested.parquet"
    expected = [parts(row) for row in given]
    for page, schema in itertools.product(["1.0", "2.0"], [True, False]):
        pq.write_table(table, path, data_page_version=page, store_schema=schema, row_group_size=5)
        exchange.theirs(f"pyarrow's nested columns, pages {page}, schema {schema}", path, expected)
    connection = duckdb.connect()
    connection.register("t", table)
    connection.sql(f"COPY (SELECT * FROM t) TO '{path}' (FORMAT parquet)")
    exchange.theirs("DuckDB's nested columns", path, expected)
    pl.from_arrow(table.select(["id", "place", "items"])).write_parquet(path)
    exchange.theirs("Polars' nested columns", path, [row[:6] for row in expected])
    again = exchange.folder / "unnested.parquet"
    pq.write_table(table, path)
    query = f"SELECT id, unnest(items), prices['b'] FROM '{path}'"
    unnested = [
        (row[0], *item, dict(whole[3]).get("b"))
        for whole, row in zip(given, expected, strict=True)
        if whole[2]
        for item in zip(*row[3:6], strict=True)
    ]
    if exchange.written("we unnest", query, again, ""):
        exchange.compare("we unnest nested columns", lambda: READERS["pyarrow"](again), unnested)


def theirs_to_ours(exchange: Exchange) -> None:
    """Files of all three."""
    nested(exchange)
    expected = rows(COLUMNS + LISTS) * 3
    by_pyarrow(exchange, expected)
    by_duckdb(exchange)
    by_polars(exchange, expected)


def by_pyarrow(exchange: Exchange, expected: Rows) -> None:
    """Codecs by versions by dictionaries, and the ways of storing that only pyarrow has."""
    table, path = arrow_table(COLUMNS + LISTS), exchange.folder / "pyarrow.parquet"
    codecs = ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]
    for codec, page, dictionary in itertools.product(codecs, ["1.0", "2.0"], [True, False]):
        pq.write_table(
            table, path, compression=codec, data_page_version=page, use_dictionary=dictionary, row_group_size=5,
            write_page_index=dictionary,
        )  # fmt: skip
        exchange.theirs(f"pyarrow's {codec}, pages {page}, dictionary {dictionary}", path, expected)
    pq.write_table(table, path, store_decimal_as_integer=True)
    exchange.theirs("pyarrow's decimals as integers", path, expected)
    for version in ["1.0", "2.4", "2.6"]:
        pq.write_table(table, path, version=version, store_schema=False)
        exchange.theirs(f"pyarrow's version {version} without Arrow's schema", path, expected)
    pq.write_table(table.slice(0, 0), path)
    exchange.theirs("pyarrow's empty file", path, [])
    moments = table.select(["ts"])
    pq.write_table(moments, path, use_deprecated_int96_timestamps=True)
    exchange.theirs("pyarrow's int96", path, as_rows(moments))
    for unit in ["ms", "ns"]:
        near = [datetime.datetime(2000, 2, 29, 12, 0, 0, 123000), None, datetime.datetime(1969, 12, 31, 23, 59, 59)]
        for zone in [None, "UTC"]:
            pq.write_table(pa.table({"ts": pa.array(near, pa.timestamp(unit, zone))}), path)
            given = [(moment.replace(tzinfo=datetime.UTC) if moment and zone else moment,) for moment in near]
            exchange.theirs(f"pyarrow's moments in {unit}, zone {zone}", path, given)
    texts = ["", None, "🦀", "a" * 40, "a" * 40]
    kinds = {
        "large strings": pa.array(texts, pa.large_string()),
        "views": pa.array(texts, pa.string_view()),
        "dictionaries": pa.array(texts).dictionary_encode(),
    }
    for name, array in kinds.items():
        pq.write_table(pa.table({"t": array}), path)
        exchange.theirs(f"pyarrow's {name}", path, [(text,) for text in texts])
    numbers = {
        "uint8": ([0, None, 255], pa.uint8()), "uint16": ([0, None, 65535], pa.uint16()),
        "uint32": ([0, None, 2**32 - 1], pa.uint32()),
    }  # fmt: skip
    for name, (values, kind) in numbers.items():
        pq.write_table(pa.table({"u": pa.array(values, kind)}), path)
        exchange.theirs(f"pyarrow's {name}", path, [(value,) for value in values])
    encodings = {
        "DELTA_BINARY_PACKED": ["i32", "i64"], "BYTE_STREAM_SPLIT": ["f32", "f64", "i32", "i64"],
        "DELTA_LENGTH_BYTE_ARRAY": ["t"], "DELTA_BYTE_ARRAY": ["t"],
    }  # fmt: skip
    for encoding, names in encodings.items():
        part = table.select(names)
        pq.write_table(part, path, use_dictionary=False, column_encoding=dict.fromkeys(names, encoding))
        exchange.theirs(f"pyarrow's {encoding}", path, as_rows(part))


def by_duckdb(exchange: Exchange) -> None:
    """Codecs by versions: its V2 writes differences of 32-bit integers that take 33 bits where neighbours are far apart."""
    path, connection = exchange.folder / "duckdb.parquet", duckdb.connect()
    codecs = ["uncompressed", "snappy", "gzip", "zstd", "lz4_raw", "brotli"]
    for codec, version in itertools.product(codecs, ["V1", "V2"]):
        columns = COLUMNS + LISTS
        expected, table = rows(columns) * 3, arrow_table(columns)
        connection.register("t", table)
        connection.sql(f"COPY t TO '{path}' (FORMAT parquet, COMPRESSION '{codec}', PARQUET_VERSION {version})")
        exchange.theirs(f"DuckDB's {codec}, {version}", path, expected)
    connection.sql(f"COPY (SELECT * FROM t LIMIT 0) TO '{path}' (FORMAT parquet)")
    exchange.theirs("DuckDB's empty file", path, [])


def by_polars(exchange: Exchange, expected: Rows) -> None:
    """Codecs, and a dictionary type."""
    path, frame = exchange.folder / "polars.parquet", pl.from_arrow(arrow_table(COLUMNS + LISTS))
    for codec in ["uncompressed", "snappy", "gzip", "zstd", "lz4", "brotli"]:
        frame.write_parquet(path, compression=codec, row_group_size=5)
        exchange.theirs(f"Polars' {codec}", path, expected)
    texts = ["a", None, "", "a"]
    pl.DataFrame({"t": pl.Series(texts, dtype=pl.Categorical)}).write_parquet(path)
    exchange.theirs("Polars' categories", path, [(text,) for text in texts])
    frame.clear().write_parquet(path)
    exchange.theirs("Polars' empty file", path, [])


def main() -> None:
    """Exchanges all, and fails where anything came back changed."""
    with tempfile.TemporaryDirectory() as folder:
        exchange = Exchange(Path(sys.argv[1]).resolve(), Path(folder))
        ours_to_theirs(exchange)
        theirs_to_ours(exchange)
    print(f"{exchange.looked} files exchanged, {exchange.wrong} of them came back changed")
    sys.exit(1 if exchange.wrong else 0)


if __name__ == "__main__":
    main()
