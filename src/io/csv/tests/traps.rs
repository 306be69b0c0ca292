//! What real files hold: types, nulls, headers, several files, and what goes wrong.

use super::*;
use crate::error::ErrorClass;
use crate::io::csv::{Header, OnError, SampleSize};
use crate::types::{DataType, TIMESTAMP, timestamp_tz};

fn options() -> CsvOptions {
    CsvOptions::default()
}

const TYPED: &str = "\
id,flag,amount,ratio,day,at,at_zone,clock,code,text,big
1,true,10,0.5,2013-01-31,2013-01-31 10:00:00,2013-01-31T10:00:00Z,05:17:00,007,NA,1
2,FALSE,-3,1e3,2012-02-29,2013-01-31T10:00:00.5,2013-01-31T10:00:00+05:30,23:59:59.5,0,\"a \"\"long\"\" text, quoted\",18446744073709551615
3,NA,null,,None,n/a,NaN,,,,
\"4\",true,\"5\",\" 2.25 \",2013-1-1,2013-01-01,2013-01-31 10:00:00-05:00,00:00:00,+5,\"\",-1
";

const TYPED_ROWS: &str = "\
1|true|10|0.5|2013-01-31|2013-01-31 10:00:00|2013-01-31 10:00:00+00|05:17:00|007|NA|1
2|false|-3|1000.0|2012-02-29|2013-01-31 10:00:00.5|2013-01-31 04:30:00+00|23:59:59.5|0|a \"long\" text, quoted|18446744073709551615
3|~|~|~|~|~|~|~|~|~|~
4|true|5|2.25|2013-01-01|2013-01-01 00:00:00|2013-01-31 15:00:00+00|00:00:00|+5||-1";

#[test]
fn types_are_found_and_nulls_depend_on_them() {
    let table = files(&[TYPED]);
    let table = table.open(options()).unwrap();
    assert_eq!(
        schema(&table),
        "id BIGINT, flag BOOLEAN, amount BIGINT, ratio DOUBLE, day DATE, at TIMESTAMP, \
         at_zone TIMESTAMP WITH TIME ZONE, clock TIME, code VARCHAR, text VARCHAR, big DECIMAL(38,0)"
    );
}

#[test]
fn answers_do_not_depend_on_partitions_and_batches() {
    let files = files(&[TYPED, TYPED]);
    let table = files.open(options()).unwrap();
    let expected = format!("{TYPED_ROWS}\n{TYPED_ROWS}");
    for partition_bytes in [1, 2, 7, 64, 1 << 20] {
        for batch_size in [1, 3, 8192] {
            let config = config(partition_bytes, batch_size);
            assert_eq!(show(&read(&table, None, config.clone()).unwrap()), expected, "{partition_bytes} {batch_size}");
            assert_eq!(read(&table, Some(vec![]), config).unwrap().len(), 8);
        }
    }
}

#[test]
fn a_projection_reads_the_same_values() {
    let files = files(&[TYPED]);
    let table = files.open(options().filename("path")).unwrap();
    let all = read(&table, None, config(50, 2)).unwrap();
    for projection in [vec![0], vec![9, 3], vec![10, 11, 0, 4], vec![11], (0..12).rev().collect()] {
        let wanted: Rows =
            all.iter().map(|row| projection.iter().map(|column| row[*column].clone()).collect()).collect();
        assert_eq!(read(&table, Some(projection.clone()), config(50, 2)).unwrap(), wanted, "{projection:?}");
    }
}

#[test]
fn files_match_by_name_and_what_one_lacks_is_null() {
    let files = files(&["id,name,value\n1,one,10\n", "value,extra,name,id\n2.5,x,two,2\n", "", "id\n"]);
    let table = files.open(options()).unwrap();
    assert_eq!(schema(&table), "id BIGINT, name VARCHAR, value DOUBLE, extra VARCHAR");
    assert_eq!(show(&read(&table, None, Config::default()).unwrap()), "1|one|10.0|~\n2|two|2.5|x");
    assert!(table.describe().ends_with("/*' (4 files)"), "{}", table.describe());
    assert_eq!(table.with_label("data/*.csv").describe(), "csv 'data/*.csv' (4 files)");

    let second = table.for_file(1).unwrap();
    assert_eq!(second.schema(), table.schema());
    assert_eq!(show(&read(&second, None, Config::default()).unwrap()), "2|two|2.5|x");
    assert_eq!(read(&table.for_file(2).unwrap(), None, Config::default()).unwrap(), Rows::new());
    assert_eq!(second.files().count(), 1);
    assert!(table.for_file(4).is_none());
}

#[test]
fn headers_are_told_from_data() {
    let names = |text: &str, options: CsvOptions| schema(&files(&[text]).open(options).unwrap());
    assert_eq!(names("a,b\n1,2\n", options()), "a BIGINT, b BIGINT");
    assert_eq!(names("a,b\nc,d\n", options()), "a VARCHAR, b VARCHAR");
    assert_eq!(names("1,b\n2,d\n", options()), "column0 BIGINT, column1 VARCHAR");
    assert_eq!(names("2013-01-01,b\n", options()), "column0 DATE, column1 VARCHAR");
    assert_eq!(names("1,b\n2,d\n", options().header(Header::Yes)), "1 BIGINT, b VARCHAR");
    assert_eq!(names("a,b\n1,2\n", options().header(Header::No)), "column0 VARCHAR, column1 VARCHAR");
    assert_eq!(names("id,x,x,\n1,2,3,4\n", options()), "id BIGINT, x BIGINT, x_1 BIGINT, column3 BIGINT");
    assert_eq!(names(" a , \"b c\" \n1,2\n", options()), "a BIGINT, \"b c\" BIGINT");
    assert_eq!(names("a,b\n1,2\n", options().names(["x"])), "x BIGINT, b BIGINT");
    assert_eq!(names("a,b\nc,d\n", options().names(["x", "y"])), "x VARCHAR, y VARCHAR");
    assert_eq!(files(&["a,b\nc,d\n"]).rows(options().names(["x", "y"])).unwrap().len(), 2);
    assert_eq!(files(&["X,Y\nc,d\n"]).rows(options().names(["x", "y"])).unwrap().len(), 1);
    assert_eq!(files(&["a,b\n"]).rows(options()).unwrap(), Rows::new());
    assert!(files(&["a,b\n"]).error(options().names(["x", "y", "z"])).contains("3 names"));
}

#[test]
fn delimiters_are_found() {
    let names = |text: &str| schema(&files(&[text]).open(options()).unwrap());
    let item = "item VARCHAR, price DOUBLE, qty BIGINT";
    assert_eq!(names("item;price;qty\nnuts, mixed;2.50;3\n\"a;b\";1.5;1\n"), item);
    assert_eq!(names("item\tprice\tqty\na,b\t2.50\t3\n"), item);
    assert_eq!(names("item|price|qty\na|2.50|3\n"), item);
    assert_eq!(names("item,price,qty\n\"a;b;c\nd\",2.50,3\n"), item);
    assert_eq!(names("one\n1\n"), "one BIGINT");
    let error = files(&["a,b\n1,2\n", "a;b\n3;4\n"]).error(options());
    assert!(error.contains("seems to have the delimiter ';'"), "{error}");
}

#[test]
fn types_of_the_user_win() {
    let table = files(&["a,b,c\n1,x,2013-01-01T00:00:00Z\n007,y,\n"]);
    let opened = table.open(options().with_type("a", DataType::Int16).with_type("C", timestamp_tz("UTC"))).unwrap();
    assert_eq!(schema(&opened), "a SMALLINT, b VARCHAR, c TIMESTAMP WITH TIME ZONE");
    assert_eq!(show(&read(&opened, None, Config::default()).unwrap()), "1|x|2013-01-01 00:00:00+00\n7|y|~");
    let text = table.open(options().all_varchar(true)).unwrap();
    assert_eq!(schema(&text), "a VARCHAR, b VARCHAR, c VARCHAR");
    let error = table.open(options().with_type("bb", DataType::Int16)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    assert!(error.to_string().contains("did you mean 'b'"), "{error}");

    let zone = Config { time_zone: "America/New_York".into(), ..Config::default() };
    let local = files(&["t\n2013-07-01 12:00:00\n"]);
    let opened = local.open_with(options().with_type("t", timestamp_tz("UTC")), &zone).unwrap();
    assert_eq!(show(&read(&opened, None, Config::default()).unwrap()), "2013-07-01 12:00:00-04");
}

#[test]
fn null_spellings_of_the_user_replace_the_usual_ones() {
    let table = files(&["n,t\n-,-\nNA,NA\n,\n\"-\",\"-\"\n5,x\n"]);
    let opened = table.open(options().null_strings(["-"]).with_type("n", DataType::Int64).on_error(OnError::Null));
    let rows = read(&opened.unwrap(), None, Config::default()).unwrap();
    assert_eq!(show(&rows), "~|~\n~|NA\n~|\n~|-\n5|x");
    let rows = table.rows(options().on_error(OnError::Null)).unwrap();
    assert_eq!(show(&rows), "-|-\nNA|NA\n~|~\n-|-\n5|x", "a column with - is text");
}

#[test]
fn a_column_without_values_in_the_samples_is_text() {
    let table = files(&["a,b\n,NA\n,\"\"\n"]).open(options()).unwrap();
    assert_eq!(schema(&table), "a VARCHAR, b VARCHAR");
}

/// A file larger than the samples of its head, middle and end, in which line 3001 is another.
fn large(odd: &str) -> String {
    let mut text = String::from("id,amount,note\n");
    for row in 0..12_000 {
        match row {
            2_999 => text.push_str(odd),
            _ => text.push_str(&format!("{row},{},an ordinary row {row:06}\n", row % 100)),
        }
    }
    text
}

#[test]
fn values_beyond_the_samples_that_do_not_fit_are_located() {
    let table = files(&[large("2999,abc,odd\n")]);
    let opened = table.open(options()).unwrap();
    assert_eq!(schema(&opened), "id BIGINT, amount BIGINT, note VARCHAR");
    for partition_bytes in [1_000, 1 << 20] {
        let error = read(&opened, None, config(partition_bytes, 100)).unwrap_err();
        let location = &error.kind().location;
        assert_eq!(location.line, Some(3001));
        assert_eq!(location.byte_offset, Some(large("").find("3000,").unwrap() as u64));
        assert_eq!((location.column.as_deref(), location.raw.as_deref()), (Some("amount"), Some("abc")));
        assert!(error.to_string().contains("types={'amount': 'VARCHAR'}"), "{error}");
    }
    assert_eq!(read(&opened, Some(vec![0]), config(1 << 20, 100)).unwrap().len(), 12_000, "not asked for");

    let all = table.open(options().sample_size(SampleSize::All)).unwrap();
    assert_eq!(schema(&all), "id BIGINT, amount VARCHAR, note VARCHAR");
    let rows = table.open(options().sample_size(SampleSize::Rows(3_500))).unwrap();
    assert_eq!(schema(&rows), "id BIGINT, amount VARCHAR, note VARCHAR");
}

#[test]
fn what_is_not_sampled_never_changes_in_silence() {
    for odd in ["2999,007,odd\n", "2999,1.5,odd\n", "2999,+5,odd\n", "2999,99999999999999999999,odd\n"] {
        let error = files(&[large(odd)]).error(options());
        assert!(error.contains("line 3001"), "{error}");
    }
}

#[test]
fn values_that_do_not_fit_become_null_or_reject_their_row() {
    let table = files(&[large("2999,abc,odd\n")]);
    let nulled = table.open(options().on_error(OnError::Null)).unwrap();
    let (rows, progress, metrics) = read_counted(&nulled, None, config(10_000, 100)).unwrap();
    assert_eq!(rows.len(), 12_000);
    assert_eq!(rows[2_999], [Some("2999".into()), None, Some("odd".into())]);
    assert_eq!(progress.rows_rejected.load(Relaxed), 0);
    assert_eq!(metrics.extra()["values set to null"], 1);
    let size = large("2999,abc,odd\n").len() as u64;
    assert!((size..size * 3 / 2).contains(&metrics.extra()["bytes read"]), "{metrics:?}");

    let rejecting = table.open(options().on_error(OnError::Reject)).unwrap();
    for projection in [None, Some(vec![0]), Some(vec![])] {
        let (rows, progress, metrics) = read_counted(&rejecting, projection, config(10_000, 100)).unwrap();
        assert_eq!(rows.len(), 11_999, "a row is judged alike by every query");
        assert_eq!((progress.rows_read.load(Relaxed), progress.rows_rejected.load(Relaxed)), (12_000, 1));
        assert_eq!(metrics.extra()["rows rejected"], 1);
    }
}

const RAGGED: &str = "a,b,c\n1,2,3\n7,8\n9,10,11\n15,16,17,18\n19,20,21\n";

#[test]
fn ragged_rows_are_errors_unless_the_user_says_otherwise() {
    let table = files(&[RAGGED]);
    let error = table.error(options());
    assert!(error.contains("line 3 has 2 fields, 3 expected") && error.contains("null_padding=true"), "{error}");
    let error = table.error(options().null_padding(true));
    assert!(error.contains("line 5 has 4 fields, 3 expected") && error.contains("\"15,16,17,18\""), "{error}");
    assert!(table.error(options().on_error(OnError::Null)).contains("line 5"));
    assert_eq!(show(&table.rows(options().on_error(OnError::Reject)).unwrap()), "1|2|3\n9|10|11\n19|20|21");
    let padded = files(&["a,b,c\n1,2,3\n7,8\n"]).rows(options().null_padding(true)).unwrap();
    assert_eq!(show(&padded), "1|2|3\n7|8|~");
    assert_eq!(read(&table.open(options()).unwrap(), Some(vec![]), config(3, 2)).unwrap().len(), 5);
    for projection in [vec![0], vec![2]] {
        let error = read(&table.open(options()).unwrap(), Some(projection), config(5, 2)).unwrap_err();
        assert_eq!(error.kind().location.line, Some(3));
    }
}

#[test]
fn a_quote_that_is_never_closed_is_an_error_in_every_mode() {
    for on_error in [OnError::Error, OnError::Null, OnError::Reject] {
        let error = files(&["id,text\n1,fine\n2,\"never closed\n3,swallowed\n"]).error(options().on_error(on_error));
        assert!(error.contains("never closed, up to the end") && error.contains("line 3"), "{error}");
    }
    let rows = files(&["id,text\n1,fine\n2,\"never closed\n3,x\n"]).rows(options().quote(None)).unwrap();
    assert_eq!(show(&rows), "1|fine\n2|\"never closed\n3|x");
}

#[test]
fn what_is_no_text_in_utf_8_is_refused() {
    let refuses = |bytes: &[u8], what: &str| {
        let error = files(&[bytes]).error(options());
        assert!(error.contains(what), "{error}");
    };
    refuses(b"PAR1\x15\x04", "Parquet");
    refuses(b"\x1f\x8b\x08\x00", "gzip");
    refuses(b"\xff\xfe\0\0a\0\0\0", "UTF-32");
    refuses(b"a\0,\0b\0\n\0", "encoding='utf-16le'");
    refuses(&[b"a,b\n1,\0\xff\xfe\x03\n".repeat(9), b"1,2\n".to_vec()].concat(), "is binary: 9 of its first");
    refuses(b"a,b\r1,2\r3,4\r", "carriage return");
    refuses(b"", "is empty");
    refuses(b"\n\r\n\n", "is empty");
    refuses(b"\xef\xbb\xbf", "is empty");
    refuses(b"a,Z\xfcrich\n1,2\n", "column's name is not valid UTF-8");
    let latin1 = files(&[b"id,city\n1,Bern\n2,Z\xfcrich\n"]);
    let error = latin1.error(options());
    assert!(error.contains("a text is not valid UTF-8") && error.contains("line 3"), "{error}");
    let table = latin1.open(options()).unwrap();
    assert_eq!(show(&read(&table, Some(vec![0]), Config::default()).unwrap()), "1\n2", "the text is not read");
    assert_eq!(show(&latin1.rows(options().on_error(OnError::Null)).unwrap()), "1|Bern\n2|~");
    assert!(files(&["", "\n"]).error(options()).contains("all 2 files are empty"));
    assert!(open(vec![], options(), &Config::default()).is_err());
}

#[test]
fn marks_line_ends_skipped_lines_and_comments_are_no_data() {
    let rows = |text: &str, options: CsvOptions| show(&files(&[text]).rows(options).unwrap());
    assert_eq!(
        rows("\u{feff}id,name\r\n1,Zürich\r\n\r\n2,東京の長い名前です\r\n", options()),
        "1|Zürich\n2|東京の長い名前です"
    );
    assert_eq!(schema(&files(&["\u{feff}id,name\n1,x\n"]).open(options()).unwrap()), "id BIGINT, name VARCHAR");
    assert_eq!(rows("made by \"x\nat noon\nid,b\n1,2\n", options().skip(2)), "1|2");
    assert_eq!(rows("# a \"comment\nid,b\n#x,y\n1,2\n", options().comment(Some(b'#'))), "1|2");
    assert_eq!(rows("id,b\n1,2", options()), "1|2");
    assert_eq!(rows("id,b\n1,2\n\n3,4\n", options()), "1|2\n3|4", "an empty line is no record");
    assert_eq!(rows("id\n1\n\n2\n", options()), "1\n~\n2", "but in a file of one column it is");
    let skipped = format!("{}id,b\n1,2\n", "x".repeat(100_000) + "\n");
    assert_eq!(rows(&skipped, options().skip(1)), "1|2");
    assert!(files(&["a\nb\n"]).error(options().skip(5)).contains("is empty"));
}

#[test]
fn a_file_that_changes_after_planning_is_an_error() {
    let files = files(&["a,b\n1,2\n"]);
    let table = files.open(options()).unwrap();
    std::fs::write(&files.paths[0], "a,b\n1,2\n3,4\n").unwrap();
    let error = read(&table, None, Config::default()).unwrap_err();
    assert!(error.to_string().contains("changed while it was being read"), "{error}");
    std::fs::remove_file(&files.paths[0]).unwrap();
    let error = read(&table, None, Config::default()).unwrap_err();
    assert_eq!((error.class(), error.kind().location.file.as_ref()), (ErrorClass::Data, Some(&files.paths[0])));
    assert!(open(vec![files.folder.path().into()], options(), &Config::default()).is_err());
}

#[test]
fn a_column_of_paths_is_added_on_request() {
    let files = files(&["a\n1\n", "a\n2\n3\n"]);
    let rows = files.rows(options().filename("filename")).unwrap();
    let path = |index: usize| Some(files.paths[index].display().to_string());
    assert_eq!(rows.iter().map(|row| row[1].clone()).collect::<Vec<_>>(), [path(0), path(1), path(1)]);
    assert!(files.error(options().filename("a")).contains("already"));
}

#[test]
fn a_limit_and_cancellation_stop_a_partition() {
    let files = files(&[large("")]);
    let table = files.open(options()).unwrap();
    let context = context(config(1 << 20, 1000));
    let request = ScanRequest { limit: Some(1500), ..ScanRequest::default() };
    let source = table.scan(&request, &context).unwrap();
    let sizes: Vec<usize> =
        source.open(0, &context, &OperatorMetrics::new()).unwrap().map(|batch| batch.unwrap().num_rows()).collect();
    assert_eq!(sizes, [1000, 500]);

    let source = table.scan(&ScanRequest::default(), &context).unwrap();
    let mut stream = source.open(0, &context, &OperatorMetrics::new()).unwrap();
    assert!(stream.next().unwrap().is_ok());
    context.cancel.cancel();
    assert_eq!(stream.next().unwrap().unwrap_err().class(), ErrorClass::Cancelled);
    assert!(stream.next().is_none());
    assert!(source.open(99, &context, &OperatorMetrics::new()).is_err());
}

#[test]
fn timestamps_with_and_without_zone_do_not_mix() {
    let schema_of = |text: &str| schema(&files(&[text]).open(options()).unwrap());
    assert_eq!(schema_of("t\n2013-01-01 10:00:00\n2013-01-01T10:00:00Z\n"), "t VARCHAR");
    let table = files(&["t\n2013-01-01T10:00:00Z\n2013-01-01T10:00:00+01:00\n"]);
    let error = table.error(options().with_type("t", TIMESTAMP));
    assert!(error.contains("line 3"), "UTC may be dropped on request, an offset may not: {error}");
}

#[test]
fn text_is_shared_with_the_block_and_not_copied() {
    let table = files(&["t\nshort\na text that is longer than twelve bytes\n"]);
    let table = table.open(options()).unwrap();
    let context = context(Config::default());
    let source = table.scan(&ScanRequest::default(), &context).unwrap();
    let batch = source.open(0, &context, &OperatorMetrics::new()).unwrap().next().unwrap().unwrap();
    let views = arrow::array::AsArray::as_string_view(batch.column(0));
    assert_eq!(views.data_buffers().len(), 1);
    assert!(views.data_buffers()[0].as_slice().starts_with(b"short\na text"));
}

#[test]
fn a_whole_number_that_no_sample_showed_is_not_rounded_to_a_double() {
    // Doubles at the head, middle and end, and the number in between.
    let filler = "1.5\n".repeat(60_000);
    let text = format!("n\n{filler}9007199254740993\n{filler}{filler}{filler}");
    let error = files(&[&text]).error(CsvOptions::default());
    assert!(error.contains("DOUBLE") && error.contains("line 60002"), "{error}");
    let exact = text.replace("9007199254740993", "9007199254740992");
    assert!(files(&[&exact]).rows(CsvOptions::default()).is_ok());
    let declared = CsvOptions::default().with_type("n", DataType::Float64);
    assert!(files(&[&text]).rows(declared).is_ok(), "who declares a double wants one");
}

#[test]
fn hints_say_what_helps() {
    // A title above the header, which has fewer fields.
    for (text, hint) in [
        ("title of report\n\na,b,c\n1,2,3\n4,5,6\n", "use skip=2;"),
        ("Report: x\na;b\n1;2\n3;4\n", "use skip=1;"),
        ("a,b\n1,2\n3,4,5\n6,7\n", "put quotes around fields"),
        ("a,b\n1,2,3\n", "put quotes around fields"),
        ("a,b\n1,2\n# a note\n3,4\n", "use comment='#'"),
        ("a,b\n1,2\n#,with,commas\n3,4\n", "use comment='#'"),
    ] {
        let error = files(&[text]).error(options());
        assert!(error.contains(hint), "{error}");
    }
    let skipped = files(&["title of report\n\na,b,c\n1,2,3\n"]).rows(options().skip(2)).unwrap();
    assert_eq!(show(&skipped), "1|2|3");
    // Declared types are never widened.
    let declared = files(&["a\nx\n"]).error(options().with_type("a", DataType::Int64));
    assert!(!declared.contains("widen") && declared.contains("on_error='null'"), "{declared}");
}
