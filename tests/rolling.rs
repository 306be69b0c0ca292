//! Rolling and expanding windows: against pandas (`tests/reference/rolling.py`), what is refused, and tiny budgets.

use std::path::Path;

use arrow::array::{Array, RecordBatch};
use highwater::dataframe::WindowSize;
use highwater::error::ErrorClass;
use highwater::metrics::OperatorMetrics;
use highwater::prelude::*;
use highwater::types::Scalar;
use highwater::types::temporal::format_value;

fn reference(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn input(config: Config) -> Result<DataFrame> {
    let path = reference("rolling_input.csv");
    Session::new(config)?.read_csv(path.to_str().expect("a path in UTF-8"), CsvOptions::default())
}

const AGGREGATES: [&str; 8] = ["sum", "mean", "min", "max", "count", "std", "var", "median"];

fn aggregates() -> [Expr; 8] {
    let x = || col("x");
    let all = [x().sum(), x().mean(), x().min(), x().max(), x().count(), x().std(), x().var(), x().median()];
    let mut named = all.into_iter().zip(AGGREGATES).map(|(expr, name)| expr.alias(name));
    std::array::from_fn(|_| named.next().expect("as many names"))
}

/// The windows of a case: by, size, closed, center, min_periods.
fn case(frame: &DataFrame, case: &[&str]) -> Result<RecordBatch> {
    let [by, size, closed, center, periods] = case else { panic!("a case of five parts") };
    let keys: Vec<&str> = Some(*by).filter(|by| !by.is_empty()).into_iter().collect();
    let periods = periods.parse::<f64>().ok().map(|periods| periods as usize);
    if *size == "expanding" {
        let windows = frame.expanding().on("t").by(keys).min_periods(periods.expect("a number"));
        return windows.agg(aggregates())?.compute();
    }
    let size = size.parse::<usize>().map_or_else(|_| WindowSize::from(*size), WindowSize::from);
    let mut windows = frame.rolling(size).on("t").by(keys).closed(closed).center(*center == "1");
    if let Some(periods) = periods {
        windows = windows.min_periods(periods);
    }
    windows.agg(aggregates())?.compute()
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> Option<f64> {
    let column = batch.column_by_name(column).expect("a column of that name");
    column.is_valid(row).then(|| Scalar::from_array(column, row).as_f64()).flatten()
}

#[test]
fn windows_are_those_of_pandas() -> Result<()> {
    let mut reader = csv::Reader::from_path(reference("rolling_expected.csv")).expect("the reference is there");
    let records: Vec<csv::StringRecord> = reader.records().map(|record| record.expect("a CSV file")).collect();
    let name = |record: &csv::StringRecord| record.iter().take(5).map(String::from).collect::<Vec<_>>();
    let frames = [1, 3, 8192].map(|batch_size| input(Config { batch_size, threads: 2, ..Config::default() }));
    let mut cases = 0;
    for records in records.chunk_by(|a, b| name(a) == name(b)) {
        cases += 1;
        let name = name(&records[0]);
        for frame in &frames {
            let frame = frame.as_ref().expect("the input is there");
            let found = case(frame, &name.iter().map(String::as_str).collect::<Vec<_>>())?;
            assert_eq!(found.num_rows(), records.len());
            for (row, record) in records.iter().enumerate() {
                assert_eq!(number(&found, "row", row), record[5].parse().ok(), "{name:?} row {row}");
                for (index, column) in AGGREGATES.into_iter().enumerate() {
                    let (ours, theirs) = (number(&found, column, row), record[6 + index].parse::<f64>().ok());
                    let is_same = match (ours, theirs) {
                        (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0),
                        (ours, theirs) => ours == theirs,
                    };
                    assert!(is_same, "{column} of {name:?} in row {row}: {ours:?}, pandas has {theirs:?}");
                }
            }
        }
    }
    assert_eq!(cases, 90);
    Ok(())
}

fn rows(batch: &RecordBatch) -> Vec<String> {
    let cell = |column: &arrow::array::ArrayRef, row| format_value(column, row).unwrap_or_else(|| "~".into());
    let line = |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(line).collect()
}

fn frame(text: &str) -> (DataFrame, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("f.csv");
    std::fs::write(&file, text).expect("a writable folder");
    let session = Session::new(Config::default()).expect("a session");
    (session.read_csv(file.to_str().expect("UTF-8"), CsvOptions::default()).expect("a frame"), folder)
}

const TEXT: &str = "k,t,x\na,2024-01-03,4\nb,2024-01-01,2\na,,8\na,2024-01-01,1\nb,2024-01-02,\na,2024-01-02,2\n";

#[test]
fn rows_come_by_keys_and_time_and_columns_of_the_same_name_are_replaced() -> Result<()> {
    let (frame, _folder) = frame(TEXT);
    let rolled = frame.rolling("2d").on("t").by(["k"]).sum(&["x"])?;
    assert_eq!(rolled.columns(), ["k", "t", "x"]);
    let expected = ["a|2024-01-01|1", "a|2024-01-02|3", "a|2024-01-03|6", "a|~|~", "b|2024-01-01|2", "b|2024-01-02|2"];
    assert_eq!(rows(&rolled.compute()?), expected);
    let above = frame.rolling("2D").on("t").by(["k"]).agg([(col("x") - col("x").mean()).alias("above")])?;
    assert_eq!(rows(&above.head(2)?), ["a|2024-01-01|1|0.0", "a|2024-01-02|2|0.5"]);
    Ok(())
}

#[test]
fn without_keys_and_time_rows_keep_their_order() -> Result<()> {
    let (frame, _folder) = frame(TEXT);
    let expected = ["4|~", "2|6.0", "8|10.0", "1|9.0", "~|~", "2|~"];
    let rolled = frame.rolling(2).agg([(col("x").sum() * lit(1.0)).alias("s")])?;
    assert_eq!(rows(&rolled.select(["x", "s"])?.compute()?), expected);
    let sorted = frame.sort_values(["x"])?.rolling(2).min_periods(1).max(&["x"])?;
    assert_eq!(rows(&sorted.select(["x"])?.compute()?), ["1", "2", "2", "4", "8", "8"]);
    Ok(())
}

#[test]
fn running_totals_keep_nulls_where_they_are() -> Result<()> {
    let (frame, _folder) = frame(TEXT);
    assert_eq!(rows(&frame.cumsum(&["x"])?.select(["x"])?.compute()?), ["4", "6", "14", "15", "~", "17"]);
    assert_eq!(rows(&frame.cummax(&["x"])?.select(["x"])?.compute()?), ["4", "4", "8", "8", "~", "8"]);
    assert_eq!(rows(&frame.cummin(&["x"])?.select(["x"])?.compute()?), ["4", "2", "2", "1", "~", "1"]);
    let counted = frame.expanding().by(["k"]).agg([count_all().alias("n")])?;
    assert_eq!(rows(&counted.select(["k", "n"])?.compute()?), ["a|1", "a|2", "a|3", "a|4", "b|1", "b|2"]);
    Ok(())
}

#[test]
fn nans_and_infinities_leave_nothing_behind() -> Result<()> {
    let (frame, _folder) = frame("i,x\n1,1e16\n2,0\n3,1\n4,inf\n5,0.5\n6,-inf\n7,2\n8,3\n");
    let x = when(col("i").eq(lit(2)), lit(f64::NAN)).otherwise(col("x").cast(DataType::Float64));
    let frame = frame.select([col("i"), x.alias("x")])?;
    let rolled = frame.rolling(2).on("i").agg([col("x").sum().alias("s"), col("x").max().alias("m")])?;
    let expected = ["~|~", "NaN|NaN", "NaN|NaN", "Infinity|Infinity", "Infinity|Infinity", "-Infinity|0.5"];
    assert_eq!(rows(&rolled.select(["s", "m"])?.compute()?)[..6], expected);
    assert_eq!(rows(&rolled.select(["s", "m"])?.compute()?)[6..], ["-Infinity|2.0", "5.0|3.0"]);
    Ok(())
}

#[test]
fn what_is_no_window_is_refused() {
    let (frame, _folder) = frame(TEXT);
    let x = || [col("x").sum()];
    let refused = |frame: Result<DataFrame>, wanted: &str| {
        let error = frame.expect_err(wanted).to_string();
        assert!(error.contains(wanted), "{error}");
    };
    for length in ["MS", "1M", "2QE", "1 month", "W-MON"] {
        assert!(frame.rolling(length).on("t").agg(x()).is_err(), "{length}");
    }
    refused(frame.rolling("MS").on("t").agg(x()), "has no fixed length");
    refused(frame.rolling("0d").on("t").agg(x()), "is no length of a window");
    refused(frame.rolling("soon").on("t").agg(x()), "'7d'");
    refused(frame.rolling("7d").agg(x()), ".on(\"ts\")");
    refused(frame.rolling("7d").on("k").agg(x()), "over dates or timestamps, not VARCHAR");
    refused(frame.rolling("7d").on("ts").agg(x()), "there is no column 'ts'");
    refused(frame.rolling(0).agg(x()), "at least 1");
    refused(frame.rolling(2).min_periods(3).agg(x()), "more than the 2 rows");
    refused(frame.rolling(2).closed("outer").agg(x()), "'neither'");
    refused(frame.rolling(2).agg([col("x").n_unique()]), "DISTINCT does not go with them");
    refused(frame.rolling(2).agg([function("mode", [col("x")])]), "mode() is not taken over windows");
    refused(frame.rolling(2).sum(&["k"]), "sum takes a number");
    let large =
        frame.select([(col("x") * lit(1_i64 << 59)).alias("x")]).and_then(|frame| frame.expanding().sum(&["x"]));
    refused(large.and_then(|frame| frame.compute().map(|_| frame)), "out of the range of BIGINT");
}

#[test]
fn filters_over_keys_go_below_and_others_stay_above() -> Result<()> {
    let (frame, _folder) = frame(TEXT);
    let rolled = frame.rolling(2).by(["k"]).min_periods(1).sum(&["x"])?;
    let filtered = rolled.filter(col("k").eq(lit("a")).and(col("x").gt(lit(2))))?;
    let plan = filtered.explain()?;
    assert!(plan.contains("Window frame=[1 row before, current row] partition=[k]"), "{plan}");
    let above = plan.find("Filter").expect("a filter above the window");
    assert!(above < plan.find("Window").expect("a window"), "{plan}");
    assert!(plan.contains("filters=[k = 'a']"), "{plan}");
    assert_eq!(rows(&filtered.select(["x"])?.compute()?), ["4", "12", "9", "3"]);
    let conditional = frame.rolling(3).min_periods(1).agg([
        col("x").sum().filter_where(col("k").eq(lit("b"))).alias("b"),
        count_all().filter_where(col("k").eq(lit("b"))).alias("n"),
    ])?;
    assert_eq!(rows(&conditional.select(["b", "n"])?.compute()?), ["~|0", "2|1", "2|1", "2|1", "~|1", "~|1"]);
    Ok(())
}

/// A query over the frame of a file.
type Query = dyn Fn(&DataFrame) -> Result<DataFrame>;

/// The result, the bytes spilled, and the most that the window reserved.
fn measured(config: Config, file: &str, build: &Query) -> Result<(RecordBatch, u64, u64)> {
    let frame = build(&Session::new(config)?.read_csv(file, CsvOptions::default())?)?;
    let mut batches = Vec::new();
    let used = frame.for_each_batch(|batch| {
        batches.push(batch);
        Ok(())
    })?;
    let metrics = used.metrics();
    let spilled = metrics.iter().map(|(_, metrics)| OperatorMetrics::get(&metrics.spilled_bytes)).sum();
    let windows = metrics.iter().filter(|(headline, _)| headline.starts_with("Window"));
    let peak = windows.map(|(_, metrics)| OperatorMetrics::get(&metrics.peak_reserved)).max().unwrap_or(0);
    Ok((arrow::compute::concat_batches(frame.schema(), &batches)?, spilled, peak))
}

#[test]
fn in_a_tiny_budget_the_sort_spills_and_the_window_streams() -> Result<()> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut text = String::from("k,t,x\n");
    let rows = 120_000u64;
    for row in 0..rows {
        let minute = row.wrapping_mul(0x9e37_79b9_7f4a_7c15) % rows;
        let t = highwater::types::temporal::format_timestamp(minute as i64 * 60_000_000, None);
        text.push_str(&format!("{},{t},{}.25\n", row % 3, row % 1000));
    }
    let file = folder.path().join("input.csv");
    std::fs::write(&file, text).expect("a writable folder");
    let file = file.to_str().expect("UTF-8");
    let config = |memory_limit, threads| Config {
        memory_limit,
        threads,
        partition_bytes: 256 << 10,
        batch_size: 1024,
        ..Config::default()
    };
    let by_time = |frame: &DataFrame| frame.rolling("1d").on("t").by(["k"]).agg(aggregates());
    let centered = |frame: &DataFrame| frame.rolling(500).center(true).agg([col("x").mean().alias("m")]);
    let running = |frame: &DataFrame| frame.expanding().by(["k"]).sum(&["x"]);
    let queries: [&Query; 3] = [&by_time, &centered, &running];
    for query in queries {
        let (expected, none, _) = measured(config(1 << 30, 2), file, query)?;
        assert_eq!(none, 0, "with a large budget nothing is spilled");
        for threads in [1, 3] {
            let (found, spilled, peak) = measured(config(6 << 20, threads), file, query)?;
            assert!(spilled > 0, "{threads} threads: nothing was spilled");
            assert!((1..2 << 20).contains(&peak), "{threads} threads: the window held {peak} bytes");
            assert_eq!(found, expected, "{threads} threads");
        }
    }
    let everything = |frame: &DataFrame| frame.rolling(200_000).on("t").median(&["x"]);
    let error = measured(config(6 << 20, 2), file, &everything).expect_err("the window does not fit");
    assert_eq!(error.class(), ErrorClass::Resource, "{error}");
    assert!(error.to_string().contains("take a shorter window"), "{error}");
    Ok(())
}
