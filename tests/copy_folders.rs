//! COPY to folders: partitions, files of a size, what is there already, and that nothing of a failure stays.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use highwater::config::{Config, Scheduler};
use highwater::error::{Error, Result};
use highwater::io::options::OptionValue;
use highwater::prelude::*;
use highwater::types::temporal::format_value;

fn session(memory: u64, threads: usize, batch_size: usize) -> Session {
    let config = Config { memory_limit: memory, threads, batch_size, ..Config::default() };
    Session::new(config).unwrap()
}

fn usual() -> Session {
    session(1 << 30, 2, 8192)
}

fn rows(session: &Session, sql: &str) -> Vec<String> {
    let batch = session.sql(sql).unwrap().compute().unwrap();
    let cell = |row| batch.columns().iter().map(move |column| format_value(column, row).unwrap_or("NULL".into()));
    (0..batch.num_rows()).map(|row| cell(row).collect::<Vec<_>>().join("|")).collect()
}

/// All files below a folder, hidden ones too, with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_keys().collect()
}

fn copy(session: &Session, query: &str, folder: &Path, options: &str) -> Result<()> {
    session.execute(&format!("COPY ({query}) TO '{}' ({options})", folder.display()))
}

fn refused(session: &Session, query: &str, folder: &Path, options: &str) -> Error {
    copy(session, query, folder, options).unwrap_err()
}

const THREE: &str = "SELECT * FROM (VALUES (1, 'x', 10), (2, 'y', 20), (1, 'x', 30)) t(a, b, v)";

#[test]
fn values_become_folders_and_are_columns_again() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("out");
    for format in ["parquet", "csv", "tsv"] {
        copy(&session, THREE, &out, &format!("FORMAT {format}, PARTITION_BY (a, \"b\"), OVERWRITE")).unwrap();
        assert_eq!(names(&out), [format!("a=1/b=x/data_0.{format}"), format!("a=2/b=y/data_0.{format}")]);
        let read = format!("SELECT v, a, b FROM '{}' ORDER BY v", out.display());
        assert_eq!(rows(&session, &read), ["10|1|x", "20|2|y", "30|1|x"], "{format}");
        assert_eq!(session.sql(&format!("FROM '{}'", out.display())).unwrap().schema().fields().len(), 3);
    }
    copy(&session, THREE, &out, "FORMAT csv, PARTITION_BY B, WRITE_PARTITION_COLUMNS, OVERWRITE").unwrap();
    assert_eq!(files(&out)["b=x/data_0.csv"], b"a,b,v\n1,x,10\n1,x,30\n");
    for format in ["json", "jsonl", "arrow"] {
        copy(&session, THREE, &out, &format!("FORMAT {format}, PARTITION_BY (a), OVERWRITE")).unwrap();
        assert_eq!(names(&out), [format!("a=1/data_0.{format}"), format!("a=2/data_0.{format}")]);
    }
    copy(&session, THREE, &out, "FORMAT csv, PARTITION_BY (a), FILENAME_PATTERN 'part-{i}', OVERWRITE").unwrap();
    assert_eq!(names(&out), ["a=1/part-0.csv", "a=2/part-0.csv"]);
}

#[test]
fn values_that_are_no_plain_names_come_back_as_they_were() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("out");
    let values = "('a/b', 0), ('x=y', 1), ('50%', 2), ('😀', 3), ('', 4), (E'tab\\tnl\\n', 5), ('..', 6), \
        ('__HIVE_DEFAULT_PARTITION__', 7), (NULL, 8), ('NULL', 9), ('*?[]{}', 10), ('%2F', 11)";
    let query = format!("SELECT * FROM (VALUES {values}) t(k, v)");
    copy(&session, &query, &out, "FORMAT parquet, PARTITION_BY (k)").unwrap();
    assert_eq!(files(&out).len(), 12);
    assert_eq!(
        rows(&session, &format!("SELECT v, k FROM '{}' ORDER BY v", out.display())),
        rows(&session, &format!("SELECT v, k FROM ({query}) ORDER BY v"))
    );
    let unequal = "SELECT * FROM (VALUES (-0.0::DOUBLE, 1), ('NaN', 2), (0.0, 3), ('NaN', 4), ('Infinity', 5)) t(k, v)";
    copy(&session, unequal, &out, "FORMAT csv, PARTITION_BY (k), OVERWRITE").unwrap();
    assert_eq!(names(&out), ["k=0.0/data_0.csv", "k=Infinity/data_0.csv", "k=NaN/data_0.csv"]);
    let long = "SELECT repeat('😀', 22) AS k, 1 AS v";
    let error = refused(&session, long, &out, "FORMAT csv, PARTITION_BY (k), OVERWRITE").to_string();
    assert!(error.contains("266 bytes") && error.contains("left(k, 20)"), "{error}");
    assert_eq!(files(&out).len(), 3, "what was there before the failure is there after it");
}

#[test]
fn files_are_the_same_at_every_budget_thread_count_and_batch_size() {
    let dir = tempfile::tempdir().unwrap();
    let query = "SELECT i % 97 AS k, i AS v, 'a text of the row ' || i AS t FROM generate_series(1, 60000) AS g(i)";
    for (format, more) in [
        ("parquet", "PARTITION_BY (k), ROWS_PER_FILE 250"),
        ("csv", "PARTITION_BY (k)"),
        ("parquet", "FILE_SIZE_BYTES '100kB'"),
        ("jsonl", "FILE_SIZE_BYTES 400000"),
    ] {
        let mut expected = None;
        for (number, (memory, threads, batch)) in
            [(1 << 30, 1, 8192), (1 << 30, 2, 1000), (12 << 20, 2, 333), (12 << 20, 3, 8192)].into_iter().enumerate()
        {
            let out = dir.path().join(format!("{format}{number}{}", more.len()));
            copy(&session(memory, threads, batch), query, &out, &format!("FORMAT {format}, {more}")).unwrap();
            let written = files(&out);
            let expected = expected.get_or_insert_with(|| written.clone());
            assert!(written.len() > 1 && *expected == written, "{format} {more} {number}");
        }
    }
}

#[test]
fn files_end_by_rows_and_by_bytes() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("out.parquet");
    let query = "SELECT i FROM generate_series(1, 25) AS g(i)";
    copy(&session, query, &out, "ROWS_PER_FILE 10").unwrap();
    assert_eq!(names(&out), ["data_0.parquet", "data_1.parquet", "data_2.parquet"]);
    let counts = format!(
        "SELECT count(*) FROM read_parquet('{}', filename = true) GROUP BY filename ORDER BY filename",
        out.display()
    );
    assert_eq!(rows(&session, &counts), ["10", "10", "5"]);
    let none = dir.path().join("none");
    copy(&session, "SELECT 1 AS a, 2 AS b WHERE false", &none, "FORMAT csv, FILE_SIZE '1MB'").unwrap();
    assert_eq!(files(&none)["data_0.csv"], b"a,b\n", "columns are told without rows");
    copy(&session, "SELECT 1 AS a, 2 AS b WHERE false", &none, "FORMAT csv, PARTITION_BY (a), OVERWRITE").unwrap();
    assert!(names(&none).is_empty() && none.is_dir());
    let sized = dir.path().join("sized");
    let query = "SELECT i, i * 7919 % 104729 AS r FROM generate_series(1, 300000) AS g(i)";
    copy(&session, query, &sized, "FORMAT csv, FILE_SIZE_BYTES 1000000").unwrap();
    let written = files(&sized);
    assert!(written.len() == 4 && written.values().take(3).all(|file| (1_000_000..1_200_000).contains(&file.len())));
    assert_eq!(rows(&session, &format!("SELECT count(*), sum(i) FROM '{}'", sized.display())), ["300000|45000150000"]);
}

#[test]
fn what_is_there_is_refused_replaced_or_added_to() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("new/out");
    let csv = |more: &str| format!("FORMAT csv, PARTITION_BY (a){more}");
    copy(&session, THREE, &out, &csv("")).unwrap();
    let first = files(&out);
    let error = refused(&session, THREE, &out, &csv(""));
    assert!(error.exit_code() == 2 && error.to_string().contains("APPEND"), "{error}");
    let other = "SELECT 1 AS a, 5 AS v UNION ALL SELECT 3, 6";
    copy(&session, other, &out, &csv(", APPEND")).unwrap();
    assert_eq!(names(&out), ["a=1/data_0.csv", "a=1/data_1.csv", "a=2/data_0.csv", "a=3/data_0.csv"]);
    assert!(first.iter().all(|(name, bytes)| files(&out)[name] == *bytes), "old files are untouched");
    copy(&session, other, &out, &csv(", OVERWRITE_OR_IGNORE")).unwrap();
    assert_eq!(names(&out).len(), 4);
    assert_eq!(files(&out)["a=1/data_0.csv"], b"v\n5\n");
    // The input may be what is replaced.
    let itself = format!("SELECT a + 10 AS a, v FROM '{}'", out.display());
    copy(&session, &itself, &out, &csv(", existing 'overwrite'")).unwrap();
    assert_eq!(names(&out), ["a=11/data_0.csv", "a=12/data_0.csv", "a=13/data_0.csv"]);
    fs::write(out.join("notes.txt.docx"), "my only copy").unwrap();
    let error = refused(&session, THREE, &out, &csv(", OVERWRITE")).to_string();
    assert!(error.contains("notes.txt.docx") && error.contains("take it away"), "{error}");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    copy(&session, THREE, &empty, &csv("")).unwrap();
    assert_eq!(names(&empty), ["a=1/data_0.csv", "a=2/data_0.csv"]);
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(refused(&session, THREE, &file, &csv(", OVERWRITE")).to_string().contains("is a file"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no hidden folder is left");
}

#[test]
fn a_statement_that_fails_leaves_nothing_new() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let bad = "SELECT i % 10 AS k, CASE WHEN i = 29999 THEN 1 / (i - 29999) ELSE i END AS v FROM generate_series(1, 30000) AS g(i)";
    let out = dir.path().join("made/for/it");
    for options in ["FORMAT csv, PARTITION_BY (k)", "FORMAT parquet, ROWS_PER_FILE 1000"] {
        assert_eq!(refused(&session, bad, &out, options).exit_code(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{options}");
    }
    copy(&session, THREE, &out, "FORMAT csv, PARTITION_BY (a)").unwrap();
    let before = files(&out);
    for existing in ["APPEND", "OVERWRITE", "OVERWRITE_OR_IGNORE"] {
        refused(&session, bad, &out, &format!("FORMAT csv, ROWS_PER_FILE 1000, {existing}"));
        assert_eq!(files(&out), before);
    }
}

#[test]
fn options_that_do_not_fit_are_refused_with_help() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("out");
    for (options, part) in [
        ("FORMAT csv, PARTITION_BY (aa)", "did you mean 'a'"),
        ("FORMAT csv, PARTITION_BY (a, a)", "twice"),
        ("FORMAT csv, PARTITION_BY (a, b, v)", "WRITE_PARTITION_COLUMNS"),
        ("FORMAT csv, PARTITION_BY ()", ""),
        ("FORMAT csv, FILENAME_PATTERN 'x_{i}'", "single file"),
        ("FORMAT csv, PARTITION_BY (a), FILENAME_PATTERN 'x'", "x_{i}"),
        ("FORMAT csv, APPEND", "single file"),
        ("PARTITION_BY (a)", "in which format"),
        ("FORMAT csv, ROWS_PER_FILE 0", "positive"),
    ] {
        let error = refused(&session, THREE, &out, options).to_string();
        assert!(error.contains(part), "{options}: {error}");
    }
    let list = "SELECT [1, 2] AS a, 1 AS b";
    assert!(refused(&session, list, &out, "FORMAT csv, PARTITION_BY (a)").to_string().contains("is a list"));
    assert!(!out.exists());
}

#[test]
fn frames_are_written_by_the_names_of_dask_and_in_order() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("out");
    let frame = session.sql("SELECT i % 3 AS k, i FROM generate_series(1, 9000) AS g(i) ORDER BY i DESC").unwrap();
    let options = vec![
        ("partition_on".to_string(), OptionValue::List(vec![OptionValue::Text("k".into())])),
        ("rows_per_file".to_string(), OptionValue::Number(2000.0)),
    ];
    assert_eq!(frame.to_parquet(&out, &options).unwrap().rows, 9000);
    assert_eq!(files(&out).len(), 6);
    let first = format!("SELECT * FROM '{}' LIMIT 2", out.join("k=1/data_0.parquet").display());
    assert_eq!(rows(&session, &first), ["8998|1", "8995|1"], "an order stays within partitions");
    let serial = Config { scheduler: Scheduler::Synchronous, ..Config::default() };
    let other = dir.path().join("other");
    let frame = Session::new(serial).unwrap().read_parquet(&out.display().to_string()).unwrap();
    frame.to_csv(&other, &vec![("partition_by".to_string(), OptionValue::Text("K".into()))]).unwrap();
    assert_eq!(names(&other), ["k=0/data_0.csv", "k=1/data_0.csv", "k=2/data_0.csv"]);
}

#[test]
fn thousands_of_partitions_are_written_in_a_small_budget() {
    let (dir, session) = (tempfile::tempdir().unwrap(), session(16 << 20, 2, 2048));
    let out = dir.path().join("out");
    let query = "SELECT i * 7919 % 5000 AS k, i AS v FROM generate_series(1, 20000) AS g(i)";
    copy(&session, query, &out, "FORMAT csv, PARTITION_BY (k)").unwrap();
    assert_eq!(fs::read_dir(&out).unwrap().count(), 5000);
    assert_eq!(fs::read(out.join("k=7/data_0.csv")).unwrap().iter().filter(|byte| **byte == b'\n').count(), 5);
}

#[test]
fn two_appends_to_a_new_folder_at_once_told_that_it_exists_already() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("out");
    let query = "SELECT i % 5 AS k, i AS v FROM generate_series(1, 20000) AS g(i)";
    for options in ["FORMAT csv, PARTITION_BY (k), APPEND", "FORMAT csv, ROWS_PER_FILE 1000, APPEND"] {
        std::thread::scope(|scope| {
            let copies: Vec<_> = (0..4).map(|_| scope.spawn(|| copy(&session, query, &out, options))).collect();
            copies.into_iter().for_each(|copy| copy.join().unwrap().unwrap());
        });
        assert_eq!(rows(&session, &format!("SELECT count(*), sum(v) FROM '{}'", out.display())), ["80000|800040000"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no staging is left");
        fs::remove_dir_all(&out).unwrap();
    }
    // Where nothing is to be added, who came second is told what happened.
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let options = "FORMAT csv, PARTITION_BY (k)";
        let copies: Vec<_> = (0..3).map(|_| scope.spawn(|| copy(&session, query, &out, options))).collect();
        copies.into_iter().map(|copy| copy.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for error in results.into_iter().filter_map(Result::err) {
        let told = error.to_string();
        assert!(told.contains("while it was being written") || told.contains("not empty"), "{told}");
    }
}

#[test]
fn a_folder_that_was_added_to_by_somebody_else_meanwhile_keeps_all_files() {
    let (dir, session) = (tempfile::tempdir().unwrap(), usual());
    let out = dir.path().join("out");
    copy(&session, THREE, &out, "FORMAT csv, PARTITION_BY (a), FILENAME_PATTERN '{i}'").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| copy(&session, THREE, &out, "FORMAT csv, PARTITION_BY (a), FILENAME_PATTERN '{i}', APPEND"));
        }
    });
    assert_eq!(rows(&session, &format!("SELECT count(*), sum(v) FROM '{}'", out.display())), ["15|300"]);
    assert_eq!(names(&out).len(), 10);
}
