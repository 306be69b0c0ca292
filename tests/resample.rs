//! Resampling against tables that pandas made (`tests/resample/make_tables.py`): every rule, side, label and origin over
//! regular, irregular and unsorted rows, and over changes of clocks in two zones.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use highwater::prelude::*;
use highwater::types::temporal::format_value;
use highwater::types::timestamp_tz;

/// What differs from pandas: series, zone, rule, closed, origin and offset. With an origin at the end that is moved, the first
/// row lies on an edge that its bucket does not hold, and pandas, which begins with the bucket behind it, counts it there.
/// (A row before the edge is an error in pandas, so that there is no table.) Here it is in the bucket that holds it.
const DIFFERS: &[[&str; 6]] = &[
    ["regular", "", "90min", "right", "end_day", "2h"],
    ["clocks", "Europe/Berlin", "90min", "right", "end_day", "2h"],
    ["clocks", "Europe/Berlin", "8h", "right", "end", "2h"],
    ["clocks", "America/New_York", "90min", "right", "end_day", "2h"],
    ["clocks", "America/New_York", "8h", "right", "end", "2h"],
    ["clocks", "America/New_York", "8h", "right", "end_day", "2h"],
    ["clocks", "America/New_York", "24h", "right", "end_day", "2h"],
    ["clocks", "America/New_York", "48h", "right", "end_day", "2h"],
    ["clocks", "UTC", "8h", "right", "end", "2h"],
];

/// A bucket: labels on the left and on the right in microseconds, count and sum.
type Bucket = (i64, i64, i64, i64);

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resample").join(file)
}

fn records(file: &str) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(data(file)).expect("a table");
    reader.deserialize().collect::<Result<_, _>>().expect("lines with all columns")
}

/// Seconds with up to six digits behind the point.
fn micros(seconds: &str) -> i64 {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    format!("{whole}{fraction:0<6}").parse().expect("a number")
}

fn results() -> HashMap<String, Vec<Bucket>> {
    let mut results: HashMap<String, Vec<Bucket>> = HashMap::new();
    for record in records("results.csv") {
        let left = micros(&record["left"]);
        let number = |column: &str| record[column].parse().expect("an integer");
        let bucket = (left, left + micros(&record["length"]), number("count"), number("sum"));
        results.entry(record["result"].clone()).or_default().push(bucket);
    }
    results
}

/// The rows of each series, and the same as moments.
fn series() -> Result<HashMap<String, (DataFrame, DataFrame)>> {
    let session = Session::new(Config { threads: 1, ..Config::default() })?;
    let all = session.read_csv("tests/resample/series.csv", CsvOptions::default())?;
    let mut series = HashMap::new();
    for name in ["regular", "irregular", "fine", "clocks"] {
        let rows = all.filter(col("series").eq(lit(name)))?.select(["ts", "value"])?.persist()?;
        let moments = rows.assign([col("ts").cast(timestamp_tz("UTC")).alias("ts")])?.persist()?;
        series.insert(name.to_string(), (rows, moments));
    }
    Ok(series)
}

/// Labels, counts and sums of a resampling.
fn computed(resample: &Resample) -> Result<Vec<(i64, i64, i64)>> {
    let batch =
        resample.agg([count_all().alias("n"), col("value").sum().cast(DataType::Int64).alias("sum")])?.compute()?;
    let labels = batch.column(0).as_primitive::<TimestampMicrosecondType>().values();
    let (counts, sums) = (batch.column(1).as_primitive::<Int64Type>(), batch.column(2).as_primitive::<Int64Type>());
    Ok(labels.iter().zip(counts.values()).zip(sums.values()).map(|((label, n), sum)| (*label, *n, *sum)).collect())
}

#[test]
fn every_table_of_pandas_is_found_again() -> Result<()> {
    let (series, results) = (series()?, results());
    let (mut checked, mut wrong) = (0, Vec::new());
    for table in records("tables.csv") {
        let field = |name: &str| table[name].as_str();
        let (rows, moments) = &series[field("series")];
        let mut resample = if field("zone").is_empty() { rows } else { moments }.resample(field("rule")).on("ts");
        resample = resample.origin(field("origin"));
        if !field("zone").is_empty() {
            resample = resample.tz(field("zone"));
        }
        if !field("offset").is_empty() {
            resample = resample.offset(field("offset"));
        }
        let differs = DIFFERS.contains(&["series", "zone", "rule", "closed", "origin", "offset"].map(field));
        let expected = &results[field("result")];
        let labelled = |right: bool| -> Vec<(i64, i64, i64)> {
            expected.iter().map(|&(left, end, n, sum)| (if right { end } else { left }, n, sum)).collect()
        };
        let mut cases = vec![
            ("left", resample.clone().closed(field("closed")).label("left"), labelled(false)),
            ("right", resample.clone().closed(field("closed")).label("right"), labelled(true)),
        ];
        if field("default") == "1" {
            cases.push(("default", resample, labelled(field("closed") == "right")));
        }
        for (label, resample, expected) in cases {
            checked += 1;
            let found = computed(&resample)?;
            if (found != expected) != differs {
                let first = found.iter().zip(&expected).find(|(found, expected)| found != expected);
                let known = if differs { "no longer differs: " } else { "" };
                wrong.push(format!("{known}{table:?}, label {label}: {first:?} first"));
            }
        }
    }
    let shown = wrong.len().min(20);
    assert!(wrong.is_empty(), "{} of {checked} tables differ:\n{}", wrong.len(), wrong[..shown].join("\n"));
    assert!(checked > 8000, "only {checked} tables were checked");
    println!("{checked} resamplings agree with pandas but for the {} named", DIFFERS.len());
    Ok(())
}

fn frame(sql: &str) -> DataFrame {
    Session::new(Config::default()).unwrap().sql(sql).unwrap()
}

/// Every row, as text.
fn rows(frame: &DataFrame) -> Vec<String> {
    let batch = frame.compute().unwrap();
    let text = |row: usize| {
        let values = batch.columns().iter().map(|column| format_value(column, row).unwrap_or("NULL".into()));
        values.collect::<Vec<_>>().join(" ")
    };
    (0..batch.num_rows()).map(text).collect()
}

#[test]
fn labels_are_shown_in_the_zone_that_they_were_cut_in() {
    let moments = frame(
        "SELECT * FROM (VALUES (TIMESTAMPTZ '2024-03-31 00:30Z', 'a'), (TIMESTAMPTZ '2024-03-31 22:30Z', 'b'),
         (TIMESTAMPTZ '2024-03-31 01:30Z', 'a'), (NULL, 'b')) AS v(t, k)",
    );
    let n = || [count_all().alias("n")];
    let days = moments.resample("D").tz("Europe/Berlin").by(["k"]).agg(n()).unwrap();
    assert_eq!(rows(&days), ["2024-03-31 00:00:00+01 a 2", "2024-04-01 00:00:00+02 b 1", "NULL b 1"]);
    assert_eq!(*days.dtypes()[0], timestamp_tz("Europe/Berlin"));
    let hours = moments.resample("h").tz("Europe/Berlin").agg(n()).unwrap();
    assert_eq!(rows(&hours)[..2], ["2024-03-31 01:00:00+01 1", "2024-03-31 03:00:00+02 1"]);
    // Without a zone of its own, in that of the column.
    let own = moments.assign([col("t").cast(timestamp_tz("America/New_York")).alias("t")]).unwrap();
    assert_eq!(rows(&own.resample("D").agg(n()).unwrap())[..1], ["2024-03-30 00:00:00-04 2"]);
}

#[test]
fn dates_stay_dates_where_buckets_begin_at_midnight() {
    let dates = frame("SELECT DATE '2024-01-01' + n AS d FROM generate_series(0, 9) AS g(n)");
    let first = |resample: Resample| rows(&resample.agg([count_all().alias("n")]).unwrap())[..2].join(", ");
    assert_eq!(first(dates.resample("W")), "2024-01-07 7, 2024-01-14 3");
    assert_eq!(first(dates.resample("4D")), "2024-01-01 4, 2024-01-05 4");
    assert_eq!(first(dates.resample("D").offset("6h")), "2023-12-31 06:00:00 1, 2024-01-01 06:00:00 1");
    assert_eq!(first(dates.resample("36h")), "2024-01-01 00:00:00 2, 2024-01-02 12:00:00 1");
}

#[test]
fn no_rows_give_no_buckets() {
    let none = frame("SELECT TIMESTAMP '2024-01-01' AS t, 1 AS v WHERE false");
    for rule in ["1h", "7h", "2D", "W", "3ME"] {
        assert_eq!(none.resample(rule).origin("end").sum(&["v"]).unwrap().count_rows().unwrap(), 0, "{rule}");
    }
    let null = frame("SELECT NULL::TIMESTAMP AS t, 1 AS v");
    assert_eq!(rows(&null.resample("3ME").sum(&["v"]).unwrap()), ["NULL 1"]);
}

#[test]
fn wrong_options_are_told_what_is_possible() {
    let times = frame("SELECT TIMESTAMP '2024-01-01' AS t, 1 AS v");
    let day = || times.resample("1D").on("t");
    for (resample, message) in [
        (times.resample("fortnight"), "QS-JAN"),
        (times.resample("1mo"), "'MS'"),
        (day().closed("both"), "'left' or 'right'"),
        (day().label("middle"), "'left' or 'right'"),
        (day().origin("begin"), "start_day"),
        (day().offset("1 month"), "no offset"),
        (day().offset("soon"), "'2h'"),
        (day().tz("Europe/Berlin"), "has none"),
        (times.resample("1D").on("v"), "date or timestamp"),
        (times.resample("1D").on("tt"), "did you mean 't'"),
    ] {
        let error = resample.sum(&["v"]).unwrap_err().to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
    // The first thing that is wrong is told.
    let error = times.resample("fortnight").closed("both").sum(&["v"]).unwrap_err();
    assert!(error.to_string().contains("fortnight"), "{error}");
}

#[test]
fn values_are_as_good_as_their_texts() {
    let times = frame("SELECT TIMESTAMP '2024-01-01 05:00' AS t, 1 AS v");
    let rule: Rule = "8h".parse().unwrap();
    let by_value =
        times.resample(rule).closed(Side::Right).label(Side::Right).origin(Origin::Epoch).sum(&["v"]).unwrap();
    let by_text = times.resample("8h").closed("right").label("right").origin("epoch").sum(&["v"]).unwrap();
    assert_eq!(rows(&by_value), rows(&by_text));
}
