//! Parquet files end to end: files that are damaged, legacy timestamps, and what is kept of files between statements.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::*;
use highwater::config::Config;
use highwater::prelude::*;
use highwater::types::temporal::format_value;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Repetition, Type as PhysicalType};
use parquet::data_type::{Int64Type, Int96, Int96Type};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

fn session(memory_limit: u64) -> Session {
    Session::new(Config { threads: 2, memory_limit, ..Config::default() }).unwrap()
}

fn shown(session: &Session, sql: &str) -> Result<Vec<String>> {
    let batch = session.sql(sql)?.compute()?;
    let cell = |row| batch.columns().iter().map(move |column| format_value(column, row).unwrap_or("NULL".into()));
    Ok((0..batch.num_rows()).map(|row| cell(row).collect::<Vec<_>>().join("|")).collect())
}

fn rows(sql: &str) -> Vec<String> {
    shown(&session(1 << 30), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Waits until a change of the file would have another time.
fn settle() {
    std::thread::sleep(Duration::from_millis(70));
}

/// A file of a number and a legacy timestamp for each time, null where it is `None`.
fn legacy(path: &Path, times: &[Option<(i32, u64)>], version: WriterVersion, has_dictionary: bool) {
    let leaf = |name, physical, repetition| {
        Arc::new(Type::primitive_type_builder(name, physical).with_repetition(repetition).build().unwrap())
    };
    let fields = vec![
        leaf("n", PhysicalType::INT64, Repetition::REQUIRED),
        leaf("moment", PhysicalType::INT96, Repetition::OPTIONAL),
    ];
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build().unwrap());
    let properties =
        WriterProperties::builder().set_writer_version(version).set_dictionary_enabled(has_dictionary).build();
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let numbers: Vec<i64> = (0..times.len() as i64).collect();
    column.typed::<Int64Type>().write_batch(&numbers, None, None).unwrap();
    column.close().unwrap();
    let value = |(day, nanos): (i32, u64)| {
        let mut value = Int96::new();
        value.set_data(nanos as u32, (nanos >> 32) as u32, day as u32);
        value
    };
    let values: Vec<Int96> = times.iter().flatten().copied().map(value).collect();
    let levels: Vec<i16> = times.iter().map(|time| i16::from(time.is_some())).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&values, Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn nanoseconds_of_legacy_timestamps_were_cut_in_silence() {
    const EPOCH: i32 = 2_440_588;
    const LAST: u64 = 86_399_999_999_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spark.parquet");
    let shown_path = path.display();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for has_dictionary in [false, true] {
            let whole = [
                Some((EPOCH, 0)),
                None,
                Some((EPOCH - 1, LAST)),
                Some((2_299_161, 1_000)),
                Some((1_721_426, 0)),
                Some((5_373_484, LAST)),
            ];
            legacy(&path, &whole, version, has_dictionary);
            assert_eq!(
                rows(&format!("SELECT moment FROM '{shown_path}'")),
                [
                    "1970-01-01 00:00:00",
                    "NULL",
                    "1969-12-31 23:59:59.999999",
                    "1582-10-15 00:00:00.000001",
                    "0001-01-01 00:00:00",
                    "9999-12-31 23:59:59.999999",
                ]
            );
            assert_eq!(rows(&format!("SELECT n FROM '{shown_path}' WHERE moment > TIMESTAMP '9999-12-31'")), ["5"]);
            let with = |time: (i32, u64)| {
                let times: Vec<_> = whole.iter().copied().chain([Some(time)]).collect();
                legacy(&path, &times, version, has_dictionary);
                assert_eq!(rows(&format!("SELECT count(n) FROM '{shown_path}'")), ["7"]);
                let error = shown(&session(1 << 30), &format!("SELECT max(moment) FROM '{shown_path}'")).unwrap_err();
                assert_eq!(error.exit_code(), 1);
                let text = format!("{error}");
                assert!(text.contains("spark.parquet") && text.contains("moment"), "{text}");
                text
            };
            let text = with((EPOCH - 1, 1_001));
            assert!(text.contains("the time 1969-12-31 00:00:00.000001001 is finer than a microsecond"), "{text}");
            let text = with((i32::MAX, 0));
            assert!(text.contains("out of range"), "{text}");
            // As timestamps of 64 bits in nanoseconds are.
            let nanos: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![-86_399_999_998_999]));
            let batch = RecordBatch::try_from_iter([("moment", nanos)]).unwrap();
            let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let error = shown(&session(1 << 30), &format!("SELECT max(moment) FROM '{shown_path}'")).unwrap_err();
            assert!(error.to_string().contains("the time 1969-12-31 00:00:00.000001001 is finer"), "{error}");
        }
    }
}

/// The figures of a scan by their names.
fn figures(session: &Session, sql: &str) -> String {
    session.sql(sql).unwrap().explain_analyze().unwrap()
}

fn write(session: &Session, path: &Path, query: &str) {
    let options = "FORMAT parquet, ROW_GROUP_SIZE 10000, BLOOM_FILTERS ['k']";
    session.execute(&format!("COPY ({query}) TO '{}' ({options})", path.display())).unwrap();
}

#[test]
fn footers_were_read_again_by_every_statement() {
    let dir = tempfile::tempdir().unwrap();
    let session = session(256 << 20);
    let file = |n: usize| dir.path().join(format!("part-{n:02}.parquet"));
    for n in 0..20 {
        write(&session, &file(n), &format!("SELECT {n} AS n, i, i % 1000 AS k FROM generate_series(1, 30000) AS g(i)"));
    }
    let all = format!("SELECT count(*), sum(i) FROM '{}/*.parquet' WHERE k = 7 AND i > 5", dir.path().display());
    settle();
    let first = figures(&session, &all);
    assert!(first.contains("footers read 20") && !first.contains("footers cached"), "{first}");
    let second = figures(&session, &all);
    assert!(second.contains("footers cached 20") && !second.contains("footers read"), "{second}");
    let bytes = |text: &str| text.lines().find_map(|line| Some(line.split_once("bytes read")?.1.trim().to_string()));
    assert!(bytes(&first) != bytes(&second), "indexes were read again: {first}\n{second}");
    // A file of the same size, and one that was written to.
    fs::remove_file(file(3)).unwrap();
    write(&session, &file(3), "SELECT 4 AS n, i, i % 1000 AS k FROM generate_series(1, 30000) AS g(i)");
    let other = dir.path().join("other.tmp");
    write(&session, &other, "SELECT 50 AS n, i, i AS k FROM generate_series(1, 10) AS g(i)");
    fs::write(file(5), fs::read(&other).unwrap()).unwrap();
    fs::remove_file(file(19)).unwrap();
    settle();
    let third = figures(&session, &all);
    assert!(third.contains("footers read 2") && third.contains("footers cached 17"), "{third}");
    let by_file = format!("SELECT n, count(*) FROM '{}/*.parquet' GROUP BY n ORDER BY n", dir.path().display());
    let counts = shown(&session, &by_file).unwrap();
    assert!(counts.contains(&"4|60000".into()) && counts.contains(&"50|10".into()) && counts.len() == 18, "{counts:?}");
    // Options that make other columns of a file do not mix.
    let hex = format!("SELECT sum(i) FROM read_parquet('{}', skip_unsupported = true)", file(1).display());
    assert!(figures(&session, &hex).contains("footers read 1"));
}

#[test]
fn what_is_kept_of_files_makes_room_for_a_query_that_is_short_of_memory() {
    let dir = tempfile::tempdir().unwrap();
    let small = session(24 << 20);
    let path = dir.path().join("many.parquet");
    small
        .execute(&format!(
            "COPY (SELECT i, i % 1000 AS k FROM generate_series(1, 200000) AS g(i)) TO '{}' (FORMAT parquet, ROW_GROUP_SIZE 500)",
            path.display()
        ))
        .unwrap();
    settle();
    let narrow = format!("SELECT sum(i) FROM '{}' WHERE k = 7", path.display());
    let grouped = format!("SELECT i, count(*) AS n FROM '{}' GROUP BY i ORDER BY i DESC LIMIT 1", path.display());
    for _ in 0..3 {
        assert_eq!(shown(&small, &narrow).unwrap(), ["19901400"]);
        assert_eq!(shown(&small, &grouped).unwrap(), ["200000|1"]);
    }
}
