//! Gaps of resampled series, filled as pandas does (`tests/gaps/make.py`), and `ohlc`.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, RecordBatch};
use highwater::prelude::*;
use highwater::types::temporal::format_value;
use highwater::types::{Scalar, timestamp_tz};

fn path(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gaps").join(name).display().to_string()
}

fn readings(session: &Session, series: &str) -> Result<DataFrame> {
    session.read_csv(&path("readings.csv"), CsvOptions::default())?.filter(col("series").eq(lit(series)))
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    format_value(batch.column_by_name(column).expect("a column"), row).unwrap_or_default()
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let column = batch.column_by_name(column).expect("a column");
    if column.is_null(row) { None } else { Scalar::from_array(column, row).as_f64() }
}

fn numbers(batch: &RecordBatch, column: &str) -> Vec<Option<f64>> {
    (0..batch.num_rows()).map(|row| number(batch, column, row)).collect()
}

/// One of these, and the rows that pandas makes of it.
type Cases = BTreeMap<[String; 5], Vec<csv::StringRecord>>;

#[test]
fn every_fill_of_every_series_is_that_of_pandas() -> Result<()> {
    let mut reader = csv::Reader::from_path(path("expected.csv")).expect("the table is there");
    let mut cases = Cases::new();
    for record in reader.records() {
        let record = record.expect("a record");
        let case = [0, 1, 2, 3, 4].map(|index| record[index].to_string());
        cases.entry(case).or_default().push(record);
    }
    assert_eq!(cases.len(), 128);
    for batch_size in [7, 8192] {
        let session = Session::new(Config { batch_size, ..Config::default() })?;
        for (case, expected) in &cases {
            let [series, zone, rule, fill, by] = case;
            let mut frame = readings(&session, series)?;
            if !zone.is_empty() {
                frame = frame.assign([col("ts").cast(timestamp_tz("UTC")).alias("ts")])?;
            }
            let mut resample = frame.resample(rule.as_str()).on("ts").fill(fill.as_str());
            if !zone.is_empty() {
                resample = resample.tz(zone);
            }
            if !by.is_empty() {
                resample = resample.by([by.as_str()]);
            }
            let aggregates =
                [col("x").mean().alias("mean"), col("n").sum().alias("sum"), col("x").count().alias("count")];
            let filled = resample.agg(aggregates)?;
            let filled = filled.assign([col("ts").cast(timestamp_tz("UTC")).alias("ts")])?.compute()?;
            assert_eq!(filled.num_rows(), expected.len(), "{case:?}");
            for (row, record) in expected.iter().enumerate() {
                let what = format!("{case:?}, row {row}: {record:?}");
                assert!(text(&filled, "ts", row).starts_with(&record[6]), "{what}: {}", text(&filled, "ts", row));
                if !by.is_empty() {
                    assert_eq!(text(&filled, "key", row), record[5], "{what}");
                }
                let mean = record[7].parse::<f64>().ok();
                match (number(&filled, "mean", row), mean) {
                    (Some(ours), Some(theirs)) => assert!((ours - theirs).abs() < 1e-9, "{what}: {ours}"),
                    (ours, theirs) => assert_eq!(ours, theirs, "{what}"),
                }
                assert_eq!(number(&filled, "sum", row), record[8].parse().ok(), "{what}");
                assert_eq!(number(&filled, "count", row), record[9].parse().ok(), "{what}");
            }
        }
    }
    Ok(())
}

fn session_with(rows: &str) -> Result<Session> {
    let session = Session::new(Config::default())?;
    session.execute("CREATE TABLE t (ts TIMESTAMP, k VARCHAR, x DOUBLE PRECISION, name VARCHAR)")?;
    session.execute(&format!("INSERT INTO t VALUES {rows}"))?;
    Ok(session)
}

const ROWS: &str = "('2024-01-01 00:30', 'a', 1, 'one'), ('2024-01-01 03:10', 'a', 4, 'two'), \
                    ('2024-01-01 01:59', 'b', 7, NULL)";

#[test]
fn without_a_fill_there_are_no_rows_for_empty_buckets() -> Result<()> {
    let frame = session_with(ROWS)?.table("t")?;
    let rows = |fill: Fill| frame.resample("1h").fill(fill).agg([count_all().alias("n")])?.count_rows();
    assert_eq!(rows(Fill::None)?, 3);
    assert_eq!(rows(Fill::Null)?, 4);
    Ok(())
}

#[test]
fn each_series_has_its_own_first_and_last_bucket() -> Result<()> {
    let frame = session_with(ROWS)?.table("t")?;
    let filled = frame.resample("1h").by(["k"]).fill(Fill::Forward { limit: None });
    let filled = filled.agg([col("name").last().alias("name"), count_all().alias("n")])?.compute()?;
    let rows: Vec<String> = (0..filled.num_rows())
        .map(|row| ["ts", "k", "name", "n"].map(|column| text(&filled, column, row)).join(" "))
        .collect();
    assert_eq!(
        rows,
        [
            "2024-01-01 00:00:00 a one 1",
            "2024-01-01 01:00:00 a one 0",
            "2024-01-01 01:00:00 b  1",
            "2024-01-01 02:00:00 a one 0",
            "2024-01-01 03:00:00 a two 1",
        ]
    );
    Ok(())
}

#[test]
fn a_value_makes_the_type_that_holds_both() -> Result<()> {
    let frame = session_with(ROWS)?.table("t")?.assign([col("x").cast(DataType::Int64).alias("x")])?;
    let filled = frame.resample("1h").fill(0.5).agg([col("x").max().alias("x")])?.compute()?;
    assert_eq!(numbers(&filled, "x"), [Some(1.0), Some(7.0), Some(0.5), Some(4.0)]);
    let kept = frame.resample("1h").fill(0).agg([col("x").max().alias("x")])?;
    assert_eq!(*kept.dtypes()[1], DataType::Int64);
    Ok(())
}

#[test]
fn fills_that_do_not_fit_are_refused_when_the_frame_is_made() -> Result<()> {
    let frame = session_with(ROWS)?.table("t")?;
    let refused = |fill: Fill| {
        let error = frame.resample("1h").fill(fill).agg([col("name").last()]).expect_err("refused");
        error.to_string()
    };
    assert!(refused(Fill::Linear { limit: None }).contains("lines lie between numbers"));
    assert!(refused(Fill::from(0)).contains("cannot be filled with 0"));
    assert!(refused(Fill::Forward { limit: Some(0) }).contains("fills nothing"));
    let error = frame.resample("1h").fill("forwards").mean(&["x"]).expect_err("no fill");
    assert!(error.to_string().contains("'ffill'"), "{error}");
    Ok(())
}

#[test]
fn buckets_of_a_day_that_is_an_hour_shorter_are_filled_by_the_clock_there() -> Result<()> {
    let session = session_with("('2024-03-29 23:30', 'a', 1, NULL), ('2024-04-01 08:00', 'a', 4, NULL)")?;
    let frame = session.table("t")?.assign([col("ts").cast(timestamp_tz("UTC")).alias("ts")])?;
    let days = frame.resample("1D").on("ts").tz("Europe/Berlin").fill("linear").mean(&["x"])?;
    let days = days.assign([col("ts").cast(timestamp_tz("UTC")).alias("ts")])?.compute()?;
    let begins: Vec<String> = (0..days.num_rows()).map(|row| text(&days, "ts", row)[..16].to_string()).collect();
    assert_eq!(begins, ["2024-03-29 23:00", "2024-03-30 23:00", "2024-03-31 22:00"]);
    assert_eq!(numbers(&days, "x"), [Some(1.0), Some(2.5), Some(4.0)]);
    let hours = frame.resample("1h").on("ts").tz("Europe/Berlin").fill("null").mean(&["x"])?;
    assert_eq!(hours.count_rows()?, 58);
    Ok(())
}

/// pandas' `ohlc` takes rows in the order in which they come; sorted by time they are the same.
#[test]
fn ohlc_takes_rows_in_the_order_of_their_time() -> Result<()> {
    let session = session_with(
        "('2024-01-01 03:10', 'a', 4, NULL), ('2024-01-01 00:30', 'a', 1, NULL), ('2024-01-01 23:00', 'a', 3, NULL), \
         ('2024-01-01 12:00', 'a', 9, NULL), ('2024-01-01 23:59', 'a', NULL, NULL), ('2024-01-03 01:00', 'a', 5, NULL)",
    )?;
    let frame = session.table("t")?;
    let days = frame.resample("1D").ohlc("x")?.compute()?;
    assert_eq!(frame.resample("1D").ohlc("x")?.columns(), ["ts", "open", "high", "low", "close"]);
    // pandas 3.1: sort_index().resample("1D")["x"].ohlc()
    assert_eq!(numbers(&days, "open"), [Some(1.0), Some(5.0)]);
    assert_eq!(numbers(&days, "high"), [Some(9.0), Some(5.0)]);
    assert_eq!(numbers(&days, "low"), [Some(1.0), Some(5.0)]);
    assert_eq!(numbers(&days, "close"), [Some(3.0), Some(5.0)]);
    let filled = frame.resample("1D").fill("ffill").by(["k"]).ohlc("x")?.compute()?;
    assert_eq!(numbers(&filled, "close"), [Some(3.0), Some(3.0), Some(5.0)]);
    Ok(())
}

/// Of rows of one time, as of trades of one second, pandas opens with the first and closes with the last.
#[test]
fn ohlc_closes_with_the_last_row_of_a_time() -> Result<()> {
    let rows = "('2024-01-01 10:00', 'a', 1, NULL), ('2024-01-01 10:00', 'a', 5, NULL), ('2024-01-01 23:00', 'a', 3, NULL), \
                ('2024-01-01 23:00', 'a', 2, NULL), ('2024-01-01 23:00', 'a', NULL, NULL), (NULL, 'a', 7, NULL)";
    let days = session_with(rows)?.table("t")?.resample("1D").ohlc("x")?.compute()?;
    assert_eq!(numbers(&days, "open")[0], Some(1.0));
    assert_eq!(numbers(&days, "close")[0], Some(2.0));
    Ok(())
}

#[test]
fn only_what_is_used_is_filled_and_what_comes_in_order_is_not_sorted_again() -> Result<()> {
    let frame = session_with(ROWS)?.sql(
        "SELECT hour, k, l FROM (SELECT time_bucket_gapfill('1 hour', ts, finish => '2024-02-01') AS hour, k, max(x), locf(avg(x), 3) AS l
                                 FROM t WHERE ts >= '2024-01-01' GROUP BY ALL)
         WHERE k = 'a' ORDER BY k, hour LIMIT 2",
    )?;
    let plan = frame.explain()?;
    let nodes: Vec<&str> = plan.lines().take(6).map(|line| line.trim().split(' ').next().unwrap_or("")).collect();
    assert_eq!(nodes, ["Project", "Limit", "Filter", "FillGaps", "Sort", "Aggregate"], "{plan}");
    let filled = plan.lines().nth(3).expect("a line");
    assert!(filled.contains("time_bucket(INTERVAL '01:00:00', hour) from [TIMESTAMP '2024-01-01 00:00:00']"), "{plan}");
    assert!(filled.ends_with("by [avg(x): previous within 3 buckets]"), "{plan}");
    assert_eq!(frame.count_rows()?, 2);
    Ok(())
}
