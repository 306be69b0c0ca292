"""The values that are exchanged: of every type, at its limits, with nulls."""

import datetime
import decimal
import math
from dataclasses import dataclass

UTC = datetime.UTC
Value = object


@dataclass(frozen=True)
class Column:
    """A column as SQL writes it, and as Python has it."""

    name: str
    type: str
    literals: list[str]
    """In SQL, if it can say them; they are cast to the type."""

    values: list[Value]


def d(text: str) -> decimal.Decimal:
    """A decimal."""
    return decimal.Decimal(text)


def moment(text: str) -> datetime.datetime:
    """A time on the clock."""
    return datetime.datetime.fromisoformat(text)


NAN = math.nan
LONG = "long text, " * 3000

COLUMNS = [
    Column("b", "BOOLEAN", ["true", "NULL", "false", "true"], [True, None, False, True]),
    Column("i8", "TINYINT", ["-128", "NULL", "127", "0"], [-128, None, 127, 0]),
    Column("i16", "SMALLINT", ["-32768", "NULL", "32767", "0"], [-32768, None, 32767, 0]),
    Column("i32", "INTEGER", ["-2147483648", "NULL", "2147483647", "0"], [-(2**31), None, 2**31 - 1, 0]),
    Column("i64", "BIGINT", ["'-9223372036854775808'", "NULL", "9223372036854775807", "0"],
           [-(2**63), None, 2**63 - 1, 0]),
    Column("f32", "REAL", ["'NaN'", "NULL", "'-Infinity'", "0.5"], [NAN, None, -math.inf, 0.5]),
    Column("f64", "DOUBLE", ["'NaN'", "NULL", "'Infinity'", "'-0.0'"], [NAN, None, math.inf, -0.0]),
    Column("f64b", "DOUBLE", ["0.1", "NULL", "1e308", "'5e-324'"], [0.1, None, 1e308, 5e-324]),
    Column("d9", "DECIMAL(9,2)", ["-1234567.89", "NULL", "0.01", "9999999.99"],
           [d("-1234567.89"), None, d("0.01"), d("9999999.99")]),
    Column("d18", "DECIMAL(18,3)", ["-123456789012345.678", "NULL", "0.001", "0"],
           [d("-123456789012345.678"), None, d("0.001"), d("0.000")]),
    Column("d38", "DECIMAL(38,10)", ["'-1234567890123456789012345678.0123456789'", "NULL", "0.5", "0"],
           [d("-1234567890123456789012345678.0123456789"), None, d("0.5000000000"), d("0E-10")]),
    Column("t", "VARCHAR", ["''", "NULL", "'🦀 é 漢字'", f"'{LONG}'"], ["", None, "🦀 é 漢字", LONG]),
    Column("date", "DATE", ["'1969-12-31'", "NULL", "'0001-01-01'", "'9999-12-31'"],
           [datetime.date(1969, 12, 31), None, datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    Column("time", "TIME", ["'00:00:00'", "NULL", "'23:59:59.999999'", "'12:34:56'"],
           [datetime.time(0), None, datetime.time(23, 59, 59, 999999), datetime.time(12, 34, 56)]),
    Column("ts", "TIMESTAMP", ["'1969-12-31 23:59:59.999999'", "NULL", "'2000-02-29 12:00:00'", "'1677-01-01 00:00:00'"],
           [moment("1969-12-31 23:59:59.999999"), None, moment("2000-02-29 12:00:00"), moment("1677-01-01")]),
    Column("tz", "TIMESTAMPTZ", ["'2000-01-01 00:00:00+02'", "NULL", "'1969-12-31 23:59:59.5+00'", "'2024-07-01 12:00+00'"],
           [moment("1999-12-31 22:00:00+00:00"), None, moment("1969-12-31 23:59:59.5+00:00"),
            moment("2024-07-01 12:00:00+00:00")]),
]  # fmt: skip


LISTS = [
    Column("li", "BIGINT[]", [], [[1, None, 3], None, [], [-9]]),
    Column("lt", "VARCHAR[]", [], [["a", ""], None, [None], ["🦀"]]),
    Column("ld", "DOUBLE[]", [], [[NAN, 1.5], None, [], [-0.0]]),
]
"""SQL has no literal of an empty list: these come from a file."""


def rows(columns: list[Column]) -> list[tuple[Value, ...]]:
    """The values row by row."""
    return list(zip(*(column.values for column in columns), strict=True))


def same(left: Value, right: Value) -> bool:
    """Equal in every bit that counts: NaN is NaN, -0.0 is not 0.0, and moments with a zone are compared in UTC."""
    if isinstance(left, float) and isinstance(right, float):
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, datetime.datetime) and isinstance(right, datetime.datetime):
        if (left.tzinfo is None) != (right.tzinfo is None):
            return False
        return left.astimezone(UTC) == right.astimezone(UTC) if left.tzinfo else left == right
    return type(left) is type(right) and left == right


def difference(left: list[tuple[Value, ...]], right: list[tuple[Value, ...]]) -> str | None:
    """The first place where rows differ."""
    if len(left) != len(right):
        return f"{len(left)} rows against {len(right)}"
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            if not same(a, b):
                return f"row {number}, column {place}: {str(a)[:80]!r} against {str(b)[:80]!r}"
    return None
