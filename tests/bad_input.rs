//! Files as nobody should write them: each gets a clear error with its place, or exactly the rows it holds, in bounded
//! memory; and the session goes on.

use std::fs;
use std::path::PathBuf;

use arrow::array::{AsArray, RecordBatch};
use highwater::config::Config;
use highwater::error::{Error, ErrorClass, Result};
use highwater::session::Session;
use highwater::types::temporal::format_value;

/// A file in a folder of its own, and sessions that read it.
struct Bad {
    folder: tempfile::TempDir,
    sessions: Vec<Session>,
}

impl Bad {
    fn new(text: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("bad.csv"), text).unwrap();
        fs::write(folder.path().join("good.csv"), "a,b\n1,2\n").unwrap();
        let session = |threads, partition_bytes| {
            let config = Config { threads, partition_bytes, memory_limit: 256 << 20, ..Config::default() };
            Session::new(config).unwrap()
        };
        Self { folder, sessions: vec![session(1, 8 << 20), session(2, 100)] }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bad.csv")
    }

    fn sql(&self, columns: &str, options: &str) -> String {
        format!("SELECT {columns} FROM read_csv('{}'{options})", self.path().display())
    }

    /// The error that reading ends in, the same in every session; each can go on.
    fn error(&self, columns: &str, options: &str) -> Error {
        let errors = self.sessions.iter().map(|session| {
            let error = query(session, &self.sql(columns, options)).expect_err("reading succeeds");
            assert_eq!(error.class(), ErrorClass::Data, "{error}");
            assert_eq!(error.kind().location.file, Some(self.path()), "{error}");
            assert!(error.kind().hint.is_some(), "{error}");
            let good = format!("SELECT a + b FROM '{}'", self.folder.path().join("good.csv").display());
            assert_eq!(query(session, &good).unwrap(), ["3"], "the session goes on");
            error
        });
        let errors: Vec<Error> = errors.collect();
        assert!(errors.iter().all(|error| error.to_string() == errors[0].to_string()), "{errors:?}");
        errors[0].clone()
    }

    fn rows(&self, columns: &str, options: &str) -> Vec<String> {
        let all = self.sessions.iter().map(|session| query(session, &self.sql(columns, options)).unwrap());
        let all: Vec<_> = all.collect();
        assert_eq!(all[0], all[1]);
        all[0].clone()
    }

    /// Rows that are rejected, as line, column, reason and raw text.
    fn rejected(&self, options: &str) -> Vec<String> {
        self.rows("count(*)", &format!("{options}, on_error = 'reject'"));
        let found = "SELECT line, column, reason, raw FROM rejects()";
        let all: Vec<_> = self.sessions.iter().map(|session| query(session, found).unwrap()).collect();
        assert_eq!(all[0], all[1]);
        all[0].clone()
    }
}

fn query(session: &Session, sql: &str) -> Result<Vec<String>> {
    Ok(lines(&session.sql(sql)?.compute()?))
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let cell = |column: &arrow::array::ArrayRef, row| format_value(column, row).unwrap_or_else(|| "~".into());
    let line = |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(line).collect()
}

/// Line, column and raw text.
fn place(error: &Error) -> (Option<u64>, Option<&str>, &str) {
    let location = &error.kind().location;
    (location.line, location.column.as_deref(), location.raw.as_deref().unwrap_or_default())
}

#[test]
fn a_quote_that_is_never_closed_is_found_where_it_opens() {
    let bad = Bad::new("id,text\n1,fine\n2,\"two\nlines\"\n3,\"never closed\n4,swallowed\n");
    for options in ["", ", on_error = 'null'", ", on_error = 'reject'"] {
        let error = bad.error("*", options);
        let (line, column, raw) = place(&error);
        assert_eq!((line, column), (Some(5), None), "{error}");
        assert!(raw.starts_with("3,\"never closed"), "{error}");
        assert!(error.to_string().contains("quote=''"), "{error}");
    }
    let rows = bad.rows("id", ", quote = '', on_error = 'null', null_padding = true");
    assert_eq!(rows, ["1", "2", "lines\"", "3", "4"]);
}

#[test]
fn a_field_of_100_megabytes_needs_to_be_allowed() {
    let mut text = b"id,text\n1,short\n2,\"".to_vec();
    text.resize(text.len() + (100 << 20), b'x');
    text.extend_from_slice(b"\"\n3,short\n");
    let bad = Bad::new(text);
    let session = &bad.sessions[0];
    let error = query(session, &bad.sql("max(length(text))", "")).unwrap_err();
    assert!(error.to_string().contains("longer than 16.0 MiB"), "{error}");
    assert!(error.to_string().contains("max_line_size"), "{error}");
    let (line, _, raw) = place(&error);
    assert_eq!(line, Some(3), "{error}");
    assert!(raw.starts_with("2,\"xxx") && raw.len() < 300, "{error}");
    let columns = "max(length(text)) AS n, count(*), sum(id)";
    let rows =
        query(session, &bad.sql(columns, ", max_line_size = '128MiB', types = {'id': 'BIGINT', 'text': 'VARCHAR'}"));
    assert_eq!(rows.unwrap(), [format!("{}|3|6", 100 << 20)]);
}

#[test]
fn a_file_of_100_000_columns_is_read() {
    let names: Vec<String> = (0..100_000).map(|column| format!("c{column}")).collect();
    let row = |value: &str| vec![value; 100_000].join(",");
    let bad = Bad::new(format!("{}\n{}\n{}\n{},1\n", names.join(","), row("1"), row("2"), row("3")));
    let session = &bad.sessions[0];
    let rows = query(session, &bad.sql("c0, c50000, c99999", ", on_error = 'reject'")).unwrap();
    assert_eq!(rows, ["1|1|1", "2|2|2"]);
    let rejects = session.sql("SELECT line, reason FROM rejects()").unwrap().compute().unwrap();
    assert_eq!(lines(&rejects), ["4|too many fields: 100001 of 100000"]);
    let error = query(session, &bad.sql("sum(c7)", ", types = {'c7': 'BIGINT'}")).unwrap_err();
    assert_eq!(place(&error).0, Some(4), "{error}");
}

#[test]
fn a_nul_byte_is_text_wherever_it_stands() {
    let early = Bad::new(b"a,b\n1,\0\n4\0,x\n");
    assert_eq!(early.rows("b", ", types = {'a': 'VARCHAR'}"), ["\0", "x"]);
    assert_eq!(place(&early.error("sum(a)", ", types = {'a': 'BIGINT'}")), (Some(3), Some("a"), "4\0"));
    let wide = Bad::new(b"a,b\n1,2\na\0,\0b\0\n\x001\0,\x002\0\n\0").error("*", "");
    assert_eq!((place(&wide).0, wide.kind().location.byte_offset), (Some(3), Some(9)));
    assert!(wide.to_string().contains("utf-16le"), "{wide}");
    let mut text = String::from("a,b\n");
    (0..40_000).for_each(|row| text.push_str(&format!("{row},ordinary\n")));
    text.push_str("40000,nul\0here\n4\0,x\n");
    let bad = Bad::new(text);
    let error = bad.error("sum(a)", ", types = {'a': 'BIGINT'}");
    assert_eq!(place(&error), (Some(40_003), Some("a"), "4\0"));
    let rows = bad.rows("b", ", types = {'a': 'BIGINT'}, on_error = 'reject'");
    assert_eq!((rows.len(), rows[40_000].as_str()), (40_001, "nul\0here"));
}

#[test]
fn rows_of_the_wrong_length_are_found_wherever_they_are() {
    for (rows, line, raw, reason) in [
        (["1", "2,2", "3,3"], 2, "1", "too few fields: 1 of 2"),
        (["1,1", "2,2,2", "3,3"], 3, "2,2,2", "too many fields: 3 of 2"),
        (["1,1", "2,2", "3"], 4, "3", "too few fields: 1 of 2"),
        (["1,1", "2,2", "3,3,"], 4, "3,3,", "too many fields: 3 of 2"),
    ] {
        for end in ["\n", "\r\n", ""] {
            let separator = if end == "\r\n" { end } else { "\n" };
            let bad = Bad::new(format!("a,b{separator}{}{end}", rows.join(separator)));
            let error = bad.error("*", "");
            assert_eq!(place(&error), (Some(line), None, raw), "{error}");
            assert_eq!(bad.rejected(""), [format!("{line}|~|{reason}|~")]);
            assert_eq!(bad.rows("count(*)", ", on_error = 'reject'"), ["2"]);
        }
    }
}

#[test]
fn what_is_no_utf_8_is_told_by_column() {
    let bad = Bad::new(b"id,city\n1,Bern\n2,Z\xfcrich\n\xff3,Basel\n");
    let error = bad.error("city", "");
    assert_eq!(place(&error), (Some(3), Some("city"), "Z\u{fffd}rich"));
    assert!(error.to_string().contains("UTF-8"), "{error}");
    let error = bad.error("id", ", types = {'id': 'BIGINT'}");
    assert_eq!(place(&error), (Some(4), Some("id"), "\u{fffd}3"));
    let found = bad.rejected(", types = {'id': 'BIGINT'}");
    assert_eq!(found, ["3|city|not valid UTF-8|Z\u{fffd}rich", "4|id|not a BIGINT|\u{fffd}3"]);
    let rows = bad.rows("*", ", types = {'id': 'BIGINT'}, on_error = 'null'");
    assert_eq!(rows, ["1|Bern", "2|~", "~|Basel"]);
}

#[test]
fn files_without_values_have_no_rows_or_only_nulls() {
    assert_eq!(Bad::new("a,b\n").rows("*", ""), [""; 0]);
    assert_eq!(Bad::new("a,b").rows("*", ""), [""; 0]);
    assert_eq!(Bad::new("a,b,c\n,,\n,,\n").rows("*", ""), ["~|~|~", "~|~|~"]);
    assert_eq!(Bad::new("a,b,c\n,,\n,,,\n").rejected(""), ["3|~|too many fields: 4 of 3|~"]);
    let empty = Bad::new("");
    let error = query(&empty.sessions[0], &empty.sql("*", "")).unwrap_err();
    assert_eq!(error.kind().location.file, Some(empty.path()));
    assert!(error.to_string().contains("is empty"), "{error}");
}

#[test]
fn numbers_beyond_every_type_fit_no_number() {
    let long = "9".repeat(5_000);
    let bad = Bad::new(format!("n,x\n1,1\n{long},2\n3,3\n"));
    for data_type in ["BIGINT", "DECIMAL(38,2)", "DOUBLE", "REAL"] {
        let options = format!(", types = {{'n': '{data_type}'}}");
        let error = bad.error("sum(n)", &options);
        let (line, column, raw) = place(&error);
        assert_eq!((line, column), (Some(3), Some("n")), "{error}");
        assert!(raw.starts_with("999") && raw.ends_with('…') && raw.chars().count() == 81, "{error}");
        assert_eq!(bad.rows("sum(x)", &format!("{options}, on_error = 'reject'")), ["4"]);
    }
    let digits = format!("0.{}", "1".repeat(5_000));
    let bad = Bad::new(format!("n\n{digits}\n"));
    assert_eq!(bad.rows("n", ", types = {'n': 'DOUBLE'}"), ["0.1111111111111111"]);
    assert_eq!(bad.rejected(", types = {'n': 'DECIMAL(9,2)'}").len(), 1, "nothing is rounded in silence");
}

#[test]
fn text_behind_a_closing_quote_belongs_to_the_field() {
    let bad = Bad::new("a,b\n\"p\"q,1\n\"r\" ,2\n\"1\"2,3\n");
    assert_eq!(bad.rows("*", ", types = {'a': 'VARCHAR'}"), ["pq|1", "r |2", "12|3"]);
    let error = bad.error("sum(a)", ", types = {'a': 'BIGINT'}");
    assert_eq!(place(&error), (Some(2), Some("a"), "\"p\"q"));
    let batch = bad.sessions[0].sql(&bad.sql("a", ", types = {'a': 'VARCHAR'}")).unwrap().compute().unwrap();
    assert_eq!(batch.column(0).as_string_view().value(0), "pq");
}

#[test]
fn records_over_the_end_of_a_chunk_count_as_those_within() {
    // The quote opens behind the chunk's end, or the end is between a doubled quote.
    for text in ["a\n\"x\"\"y", "a,b\n1,\"x\n", "a,b\n12345,6\n1,\"x\n2,y\n"] {
        let bad = Bad::new(text);
        for size in 1..=text.len() {
            let error = bad.error("count(*)", &format!(", header = true, quote = '\"', blocksize = {size}"));
            assert!(error.to_string().contains("a quote is never closed"), "{size}: {error}");
        }
    }
    let bad = Bad::new(format!("a\n{}\nb\n", "x".repeat(500)));
    for size in [10, 100, 400, 600, 1000] {
        let error =
            bad.error("count(*)", &format!(", columns = {{'a': 'VARCHAR'}}, max_line_size = 200, blocksize = {size}"));
        assert!(error.to_string().contains("a record is longer than"), "{size}: {error}");
    }
}

#[test]
fn comments_are_as_long_as_records_may_be_wherever_they_are() {
    for behind in ["", "\n", "\n3,4\n"] {
        let bad = Bad::new(format!("a,b\n1,\"2\"\n#{}{behind}", "x".repeat(500)));
        for size in [10, 300, 10_000] {
            let options = |longest| {
                let columns = "header = true, columns = {'a': 'BIGINT', 'b': 'BIGINT'}";
                format!(", comment = '#', quote = '\"', {columns}, max_line_size = {longest}, blocksize = {size}")
            };
            let error = bad.error("*", &options(200));
            assert!(error.to_string().contains("a record is longer than"), "{size}: {error}");
            assert_eq!(bad.rows("*", &options(600)).len(), 1 + usize::from(behind.len() > 1));
        }
    }
}

#[test]
fn dates_of_nul_bytes_are_no_dates_in_any_batch() {
    let mut text = "d\n".to_string() + &"2020-01-01\n".repeat(20_000);
    text += &("\0".repeat(10) + "\n" + &"2020-01-01\n".repeat(20_000));
    let bad = Bad::new(text);
    let error = bad.error("min(d)", ", types = {'d': 'DATE'}");
    assert_eq!(place(&error), (Some(20_002), Some("d"), "\0".repeat(10).as_str()), "{error}");
}
