//! Answers over the real data, against those of another tool (`tests/reference/make.py` makes them with pandas and DuckDB).

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, RecordBatch};
use highwater::prelude::*;
use highwater::types::Scalar;
use highwater::types::temporal::{format_value, parse_timestamp};

fn reference(name: &str) -> Vec<csv::StringRecord> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name);
    let mut reader = csv::Reader::from_path(path).expect("the reference is there");
    reader.records().map(|record| record.expect("the reference is a CSV file")).collect()
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> String {
    let column = batch.column_by_name(column).unwrap_or_else(|| panic!("a column {column}"));
    format_value(column, row).unwrap_or_default()
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let column = batch.column_by_name(column).unwrap_or_else(|| panic!("a column {column}"));
    if column.is_null(row) { None } else { Scalar::from_array(column, row).as_f64() }
}

/// The reference sums in another order: equal up to the last bits.
fn assert_close(ours: Option<f64>, theirs: &str, what: &str) {
    match (ours, theirs.parse::<f64>().ok().filter(|value| !value.is_nan())) {
        (Some(ours), Some(theirs)) => {
            assert!((ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0), "{what}: {ours} and {theirs}");
        }
        (None, None) => {}
        (ours, _) => panic!("{what}: {ours:?} and {theirs:?}"),
    }
}

#[test]
fn daily_temperatures_by_sql_and_by_resample_are_those_of_pandas() -> Result<()> {
    let session = Session::new(Config::default())?;
    let by_sql = session
        .sql(
            "SELECT origin, time_bucket(INTERVAL '1 day', time_hour) d, avg(temp)
             FROM 'data/weather/*.csv' GROUP BY ALL ORDER BY ALL",
        )?
        .compute()?;
    let by_resample = session
        .read_csv("data/weather/*.csv", CsvOptions::default())?
        .resample("1d")
        .on("time_hour")
        .by(["origin"])
        .agg([col("temp").mean().alias("avg(temp)")])?
        .select([col("origin"), col("time_hour").alias("d"), col("avg(temp)")])?
        .sort_values(["origin", "d"])?
        .compute()?;
    assert_eq!(by_sql, by_resample);

    let expected = reference("weather_daily_temp.csv");
    assert_eq!(by_sql.num_rows(), expected.len());
    for (row, record) in expected.iter().enumerate() {
        let what = format!("{} {}", &record[0], &record[1]);
        assert_eq!(text(&by_sql, "origin", row), record[0], "{what}");
        let (theirs, _) = parse_timestamp(&record[1]).expect("a timestamp");
        let (ours, _) = parse_timestamp(&text(&by_sql, "d", row)).expect("a timestamp");
        assert_eq!(ours, theirs, "{what}");
        assert_close(number(&by_sql, "avg(temp)", row), &record[2], &what);
    }
    Ok(())
}

#[test]
fn flights_by_carrier_are_those_of_pandas_and_duckdb() -> Result<()> {
    let session = Session::new(Config::default())?;
    let ours = session
        .sql(
            "SELECT carrier, count(*) AS flights, avg(dep_delay) AS mean_dep_delay, max(arr_delay) AS max_arr_delay,
                    median(distance) AS median_distance, stddev_samp(air_time) AS sd_air_time
             FROM 'data/flights/*.csv' GROUP BY carrier ORDER BY carrier",
        )?
        .compute()?;
    let expected = reference("flights_by_carrier.csv");
    assert_eq!(ours.num_rows(), expected.len());
    let columns = ["flights", "mean_dep_delay", "max_arr_delay", "median_distance", "sd_air_time"];
    for (row, record) in expected.iter().enumerate() {
        assert_eq!(text(&ours, "carrier", row), record[0]);
        for (index, column) in columns.iter().enumerate() {
            assert_close(number(&ours, column, row), &record[index + 1], &format!("{column} of {}", &record[0]));
        }
    }
    Ok(())
}

/// A count of rows and missing values by a plain reader of CSV, over the same files.
#[test]
fn every_row_of_every_file_is_there_and_na_is_null_only_in_columns_that_are_not_text() -> Result<()> {
    let session = Session::new(Config::default())?;
    let mut rows = 0u64;
    let mut missing: BTreeMap<&str, u64> = BTreeMap::new();
    for month in 1..=12 {
        let path = format!("{}/data/flights/2013-{month:02}.csv", env!("CARGO_MANIFEST_DIR"));
        let mut reader = csv::Reader::from_path(path).expect("the data is there");
        let headers = reader.headers().expect("a header").clone();
        let index = |name: &str| headers.iter().position(|header| header == name).expect("a column");
        let watched = [("dep_time", index("dep_time")), ("tailnum", index("tailnum"))];
        for record in reader.records() {
            let record = record.expect("a record");
            rows += 1;
            for (name, column) in watched {
                *missing.entry(name).or_default() += u64::from(&record[column] == "NA");
            }
        }
    }
    let ours = session
        .sql(
            "SELECT count(*) AS n, count(*) FILTER (WHERE dep_time IS NULL) AS dep_time,
                    count(*) FILTER (WHERE tailnum = 'NA') AS tailnum, count(*) FILTER (WHERE tailnum IS NULL) AS nulls
             FROM 'data/flights/*.csv'",
        )?
        .compute()?;
    assert_eq!(number(&ours, "n", 0), Some(rows as f64));
    assert_eq!(number(&ours, "dep_time", 0), Some(missing["dep_time"] as f64));
    assert_eq!(number(&ours, "tailnum", 0), Some(missing["tailnum"] as f64));
    assert_eq!(number(&ours, "nulls", 0), Some(0.0));
    Ok(())
}
