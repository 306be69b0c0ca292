"""What is measured: the queries, the conversions, and the cases, each one of these over a data set.

A new case of a known query is one line in `CASES`. A new query is one entry in `QUERIES`, and a function of its name in
`tools/with_polars.py` and `tools/with_dask.py`, which do not speak SQL.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """A query, and how its result is compared."""

    sql: str
    """For Highwater, DuckDB and DataFusion alike; `{input}` stands for the table."""

    keys: int
    """Leading columns that tell rows of the result apart; 0 where there is one row."""

    ordered: bool = False
    """Whether the order of the rows is part of the result."""


@dataclass(frozen=True)
class Conversion:
    """CSV to Parquet, and the query over the output that all tools have to agree on."""

    codec: str
    level: int
    """0 where the codec has none."""

    check: Query


@dataclass(frozen=True)
class Case:
    """A query or a conversion over a data set of `datasets.py`."""

    name: str
    query: str
    data: str

    @property
    def conversion(self) -> Conversion | None:
        """The conversion, where it is one."""
        return CONVERSIONS.get(self.query)

    @property
    def result(self) -> Query:
        """What the results are compared as."""
        return self.conversion.check if self.conversion else QUERIES[self.query]


QUERIES: dict[str, Query] = {
    "filter_std": Query("SELECT name, stddev(x) AS std FROM {input} WHERE y > 0 GROUP BY name", keys=1),
    "resample_1h": Query(
        "SELECT date_trunc('hour', timestamp) AS hour, avg(x) AS x, avg(y) AS y "
        "FROM {input} GROUP BY hour ORDER BY hour",
        keys=1,
        ordered=True,
    ),
    "count": Query("SELECT count(*) AS rows FROM {input}", keys=0),
    "resample_24h": Query(
        "SELECT date_trunc('day', timestamp) AS day, avg(x) AS x, avg(y) AS y FROM {input} GROUP BY day ORDER BY day",
        keys=1,
        ordered=True,
    ),
    "h2o_q1": Query("SELECT id1, sum(v1) AS v1 FROM {input} GROUP BY id1", keys=1),
    "h2o_q2": Query("SELECT id1, id2, sum(v1) AS v1 FROM {input} GROUP BY id1, id2", keys=2),
    "h2o_q3": Query("SELECT id3, sum(v1) AS v1, avg(v3) AS v3 FROM {input} GROUP BY id3", keys=1),
    "h2o_q4": Query("SELECT id4, avg(v1) AS v1, avg(v2) AS v2, avg(v3) AS v3 FROM {input} GROUP BY id4", keys=1),
    "h2o_q5": Query("SELECT id6, sum(v1) AS v1, sum(v2) AS v2, sum(v3) AS v3 FROM {input} GROUP BY id6", keys=1),
    "h2o_q6": Query(
        "SELECT id4, id5, median(v3) AS median, stddev(v3) AS std FROM {input} GROUP BY id4, id5", keys=2
    ),
    "h2o_q7": Query("SELECT id3, max(v1) - min(v2) AS range FROM {input} GROUP BY id3", keys=1),
    "h2o_q9": Query("SELECT id2, id4, power(corr(v1, v2), 2) AS r2 FROM {input} GROUP BY id2, id4", keys=2),
    "h2o_q10": Query(
        "SELECT count(*) AS groups, sum(v3) AS v3, sum(rows) AS rows FROM (SELECT id1, id2, id3, id4, id5, id6, "
        "sum(v3) AS v3, count(*) AS rows FROM {input} GROUP BY id1, id2, id3, id4, id5, id6) AS grouped",
        keys=0,
    ),
}

H2O = [f"h2o_q{number}" for number in (1, 2, 3, 4, 5, 6, 7, 9, 10)]

TS_CHECK = Query("SELECT count(*) AS n, sum(id) AS id, min(name) AS name, sum(x) AS x, sum(y) AS y FROM {input}", keys=0)
H2O_CHECK = Query("SELECT count(*) AS n, max(id1) AS id1, sum(id6) AS id6, sum(v1) AS v1, sum(v3) AS v3 FROM {input}", keys=0)

CONVERSIONS: dict[str, Conversion] = {
    "convert_ts_zstd": Conversion("zstd", 3, TS_CHECK),
    "convert_ts_snappy": Conversion("snappy", 0, TS_CHECK),
    "convert_h2o_zstd": Conversion("zstd", 3, H2O_CHECK),
    "convert_h2o_snappy": Conversion("snappy", 0, H2O_CHECK),
}

CASES: list[Case] = [
    Case("ts_filter_std", "filter_std", "timeseries"),
    Case("ts_resample_1h", "resample_1h", "timeseries"),
    Case("ts_count", "count", "timeseries"),
    Case("ts6_filter_std", "filter_std", "rounded"),
    Case("ts6_resample_1h", "resample_1h", "rounded"),
    Case("h2o_q1", "h2o_q1", "groupby"),
    Case("h2o_q3", "h2o_q3", "groupby"),
    Case("h2o_q5", "h2o_q5", "groupby"),
    Case("quoted_filter_std", "filter_std", "quoted"),
    Case("quoted_count", "count", "quoted"),
    *[Case(f"parquet_{query}", query, "groupby_parquet") for query in H2O],
    Case("parquet_ts_resample_1h", "resample_1h", "timeseries_parquet"),
    Case("parquet_ts_resample_24h", "resample_24h", "timeseries_parquet"),
    Case("convert_ts_zstd", "convert_ts_zstd", "rounded"),
    Case("convert_ts_snappy", "convert_ts_snappy", "rounded"),
    Case("convert_h2o_zstd", "convert_h2o_zstd", "groupby"),
    Case("convert_h2o_snappy", "convert_h2o_snappy", "groupby"),
]
