//! Arrow IPC files and streams end to end: types of other writers, dictionaries, projections, and files that are damaged.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{Int8Type, Int32Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use highwater::config::Config;
use highwater::error::Result;
use highwater::prelude::*;
use highwater::types::sql_name;
use highwater::types::temporal::format_value;

fn session(threads: usize, batch_size: usize, partition_bytes: u64, memory_limit: u64) -> Session {
    Session::new(Config { threads, batch_size, partition_bytes, memory_limit, ..Config::default() }).unwrap()
}

fn shown(session: &Session, sql: &str) -> Result<Vec<String>> {
    let batch = session.sql(sql)?.compute()?;
    let cell = |row| batch.columns().iter().map(move |column| format_value(column, row).unwrap_or("NULL".into()));
    Ok((0..batch.num_rows()).map(|row| cell(row).collect::<Vec<_>>().join("|")).collect())
}

fn rows(sql: &str) -> Vec<String> {
    shown(&session(2, 8192, 1 << 20, 1 << 30), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn fails(sql: &str) -> String {
    let error = shown(&session(2, 8192, 1 << 20, 1 << 30), sql).expect_err(sql);
    assert!(error.exit_code() == 1, "{error}");
    error.to_string()
}

fn write_file(path: &Path, batches: &[RecordBatch], compression: Option<CompressionType>) {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer =
        FileWriter::try_new_with_options(File::create(path).unwrap(), &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn write_stream(path: &Path, batches: &[RecordBatch]) {
    let mut writer = StreamWriter::try_new(File::create(path).unwrap(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn numbers(from: i64, to: i64) -> RecordBatch {
    let texts: StringArray = (from..to).map(|i| (i % 5 != 0).then(|| format!("a text of the row {i}"))).collect();
    batch(vec![
        ("i", Arc::new(Int64Array::from_iter_values(from..to))),
        ("t", Arc::new(texts)),
        ("f", Arc::new(Float64Array::from_iter_values((from..to).map(|i| i as f64 / 4.0)))),
    ])
}

#[test]
fn types_of_other_writers_are_brought_to_ours() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.arrow");
    let dictionary: DictionaryArray<Int8Type> = vec![Some("red"), None, Some("blue")].into_iter().collect();
    let mut large = LargeListBuilder::new(StringBuilder::new());
    large.append_value([Some("a"), None]);
    large.append_null();
    large.append_value([Some("b"); 0]);
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        vec![Some(vec![Some(1), Some(2)]), None, Some(vec![None, Some(4)])],
        2,
    );
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("d", Arc::new(dictionary)),
        ("u8", Arc::new(UInt8Array::from(vec![Some(255), None, Some(0)]))),
        ("u64", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0)]))),
        ("t", Arc::new(LargeStringArray::from(vec![Some(""), None, Some("text of more than twelve bytes")]))),
        ("v", Arc::new(StringViewArray::from(vec![Some("a"), None, Some("text of more than twelve bytes")]))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![Some(1_000), None, Some(0)]).with_timezone("UTC"))),
        ("s", Arc::new(TimestampSecondArray::from(vec![Some(1), None, Some(0)]))),
        ("d64", Arc::new(Date64Array::from(vec![Some(86_400_000), None, Some(0)]))),
        ("time", Arc::new(Time32SecondArray::from(vec![Some(61), None, Some(0)]))),
        ("ll", Arc::new(large.finish())),
        ("fl", Arc::new(fixed)),
        ("ym", Arc::new(IntervalYearMonthArray::from(vec![Some(14), None, Some(0)]))),
        ("n", Arc::new(NullArray::new(3))),
        (
            "dec",
            Arc::new(
                Decimal256Array::from(vec![Some(arrow::datatypes::i256::from(125)), None, None])
                    .with_precision_and_scale(30, 2)
                    .unwrap(),
            ),
        ),
    ];
    let expected = [
        "red|255|18446744073709551615||a|1970-01-01 00:00:00.000001+00|1970-01-01 00:00:01|1970-01-02|00:01:01|[a, NULL]|[1, 2]|1 year 2 mons|NULL|1.25",
        "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL",
        "blue|0|0|text of more than twelve bytes|text of more than twelve bytes|1970-01-01 00:00:00+00|1970-01-01 00:00:00|1970-01-01|00:00:00|[]|[NULL, 4]|00:00:00|NULL|NULL",
    ];
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        write_file(&path, &[batch(columns.clone())], compression);
        assert_eq!(rows(&format!("FROM '{}'", path.display())), expected);
    }
    write_stream(&path, &[batch(columns)]);
    assert_eq!(rows(&format!("FROM '{}'", path.display())), expected);
    assert_eq!(rows(&format!("SELECT u8, d FROM '{}' WHERE d = 'blue'", path.display())), ["0|blue"]);
}

#[test]
fn batches_are_read_in_order_however_they_are_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    let batches: Vec<RecordBatch> = (0..20).map(|part| numbers(part * 1000, part * 1000 + 1000 - part % 3)).collect();
    write_file(&dir.path().join("file.feather"), &batches, Some(CompressionType::LZ4_FRAME));
    write_stream(&dir.path().join("stream.arrows"), &batches);
    let mut expected: Option<Vec<String>> = None;
    for file in ["file.feather", "stream.arrows"] {
        for (threads, batch_size, partition) in [(1, 8192, 1 << 20), (2, 100, 1), (3, 777, 100_000)] {
            let session = session(threads, batch_size, partition, 32 << 20);
            let read = shown(&session, &format!("SELECT f, i, t FROM '{path}/{file}'")).unwrap();
            let expected = expected.get_or_insert_with(|| read.clone());
            assert!(*expected == read && read.len() == 19_981, "{file} {threads}: {}", read.len());
            assert_eq!(shown(&session, &format!("SELECT count(*) FROM '{path}/{file}'")).unwrap(), ["19981"]);
            assert_eq!(
                shown(&session, &format!("SELECT i FROM '{path}/{file}' LIMIT 2 OFFSET 1500")).unwrap(),
                ["1500", "1501"]
            );
            let grouped = format!("SELECT t IS NULL AS n, sum(i) FROM '{path}/{file}' GROUP BY n ORDER BY n");
            assert_eq!(shown(&session, &grouped).unwrap().len(), 2);
        }
    }
}

#[test]
fn files_meet_in_one_schema() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    fs::create_dir_all(dir.path().join("y=1")).unwrap();
    fs::create_dir_all(dir.path().join("y=2")).unwrap();
    let texts: DictionaryArray<Int32Type> = vec!["x", "y"].into_iter().collect();
    write_file(
        &dir.path().join("y=1/a.arrow"),
        &[batch(vec![("i", Arc::new(Int32Array::from(vec![1, 2]))), ("t", Arc::new(texts))])],
        None,
    );
    write_stream(&dir.path().join("y=2/b.arrow"), &[batch(vec![("i", Arc::new(Int64Array::from(vec![1 << 40])))])]);
    assert_eq!(rows(&format!("FROM '{path}'")), ["1|x|1", "2|y|1", "1099511627776|NULL|2"]);
    assert_eq!(rows(&format!("SELECT i FROM '{path}' WHERE y = 2")), ["1099511627776"]);
    assert_eq!(rows(&format!("SELECT count(DISTINCT filename) FROM read_arrow('{path}/*/*', filename = true)")), ["2"]);
    write_stream(&dir.path().join("y=2/c.arrow"), &[batch(vec![("i", Arc::new(StringArray::from(vec!["x"])))])]);
    assert!(fails(&format!("FROM '{path}'")).contains("the column \"i\" is"));
    let nested = batch(vec![
        ("a", Arc::new(Int32Array::from(vec![1]))),
        ("s", Arc::new(StructArray::from(numbers(0, 1)))),
        ("b", Arc::new(BinaryArray::from(vec![&b"x"[..]]))),
    ]);
    write_file(&dir.path().join("n.arrow"), &[nested], None);
    let error = fails(&format!("FROM '{path}/n.arrow'"));
    assert!(!error.contains("\"s") && error.contains("\"b\"") && error.contains("skip_unsupported"), "{error}");
    let readable = format!("read_arrow('{path}/n.arrow', skip_unsupported = true)");
    assert_eq!(rows(&format!("SELECT a, s.i, s.t FROM {readable}")), ["1|0|NULL"]);
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.arrow").display().to_string();
    let query = "SELECT i, i::DOUBLE / 3 AS f, 'text ' || i AS t, [i, NULL] AS l, DATE '2024-02-29' AS d, INTERVAL '1 month' AS iv, NULL AS n, \
        i::DECIMAL(10,2) AS dec FROM generate_series(1, 20000) AS g(i)";
    let session = session(2, 8192, 1 << 20, 1 << 30);
    session.execute(&format!("COPY ({query}) TO '{path}'")).unwrap();
    assert_eq!(shown(&session, &format!("FROM '{path}'")).unwrap(), shown(&session, query).unwrap());
    let described = session.read_arrow(&path).unwrap();
    let types: Vec<String> = described.schema().fields().iter().map(|field| sql_name(field.data_type())).collect();
    assert_eq!(types, ["BIGINT", "DOUBLE", "VARCHAR", "BIGINT[]", "DATE", "INTERVAL", "NULL", "DECIMAL(10,2)"]);
    session
        .execute(&format!("COPY ({query}) TO '{path}.d' (FORMAT arrow, PARTITION_BY (d), ROWS_PER_FILE 7000)"))
        .unwrap();
    assert_eq!(
        shown(&session, &format!("SELECT count(*), sum(i) FROM '{path}.d' WHERE d = DATE '2024-02-29'")).unwrap(),
        ["20000|200010000"]
    );
}

#[test]
fn damaged_files_are_errors_that_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let good = dir.path().join("good.arrow");
    write_file(&good, &[numbers(0, 500), numbers(500, 900)], None);
    let bytes = fs::read(&good).unwrap();
    let bad = dir.path().join("bad.arrow");
    let sql = format!("SELECT count(i), sum(f), max(t) FROM '{}'", bad.display());
    for (content, part) in [
        (&bytes[..bytes.len() - 20], "truncated"),
        (&bytes[..3], "neither an Arrow file"),
        (&b""[..], "neither an Arrow file"),
        (&b"FEA1abcdefgh"[..], "version 1"),
        (&b"a,b\n1,2\n"[..], "neither an Arrow file"),
    ] {
        fs::write(&bad, content).unwrap();
        let error = fails(&sql);
        assert!(error.contains(part) && error.contains("bad.arrow"), "{error}");
    }
    let stream = dir.path().join("stream.arrows");
    write_stream(&stream, &[numbers(0, 500), numbers(500, 900)]);
    let streamed = fs::read(&stream).unwrap();
    fs::write(&stream, &streamed[..streamed.len() / 2]).unwrap();
    assert!(fails(&format!("SELECT sum(f) FROM '{}'", stream.display())).contains("stream.arrows"));
    // No byte that is wrong ends in a panic or an error of the engine; many are values like any other.
    for at in (0..bytes.len()).step_by(97).chain(bytes.len() - 900..bytes.len()) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        fs::write(&bad, &damaged).unwrap();
        if let Err(error) = shown(&session(1, 8192, 1 << 20, 1 << 30), &sql) {
            assert!(error.exit_code() != 1 || !error.to_string().starts_with("internal"), "byte {at}: {error}");
        }
    }
}

#[test]
fn columns_that_are_not_read_are_not_decompressed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wide.arrow");
    // Zeros: 128 MiB of a column become some KiB of the file.
    let wide: ArrayRef = Arc::new(Int64Array::from_value(0, 16 << 20));
    let narrow: ArrayRef = Arc::new(BooleanArray::from(vec![true; 16 << 20]));
    let batch = RecordBatch::try_from_iter([("wide", wide), ("narrow", narrow)]).unwrap();
    write_file(&path, &[batch], Some(CompressionType::ZSTD));
    let session = session(1, 8192, 1 << 20, 48 << 20);
    let count = |column: &str| shown(&session, &format!("SELECT count({column}) FROM '{}'", path.display()));
    assert_eq!(count("narrow").unwrap(), ["16777216"]);
    let error = count("wide").unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("arrow batches"), "{error}");
}
