//! Options over whole tables: what is read with them, however the file is cut.

use super::*;
use crate::error::ErrorClass;
use crate::io::csv::{Header, OnError, ParseDates};
use crate::types::{DataType, TEXT, TIMESTAMP, timestamp_tz};

fn options() -> CsvOptions {
    CsvOptions::default()
}

/// Schema and rows, which must be the same for every cut.
fn shown(text: &str, options: CsvOptions) -> (String, String) {
    let files = files(&[text]);
    let table = files.open(options).unwrap();
    let whole = show(&read(&table, None, Config::default()).unwrap());
    for (partition_bytes, batch_size) in [(1, 1), (7, 3), (31, 100)] {
        assert_eq!(show(&read(&table, None, config(partition_bytes, batch_size)).unwrap()), whole, "{partition_bytes}");
    }
    (schema(&table), whole)
}

fn expect(text: &str, options: CsvOptions, schema: &str, rows: &str) {
    assert_eq!(shown(text, options), (schema.to_string(), rows.to_string()));
}

fn refused(text: &str, options: CsvOptions) -> String {
    let error = files(&[text]).open(options).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    error.to_string()
}

#[test]
fn columns_name_and_type_all_columns() {
    let columns = || options().columns([("x", DataType::Int64), ("y", TEXT)]);
    expect("1,007\n2,b\n", columns(), "x BIGINT, y VARCHAR", "1|007\n2|b");
    expect("X, y\n1,a\n", columns(), "x BIGINT, y VARCHAR", "1|a");
    expect("a,b\n1,a\n", columns().header(Header::Yes), "x BIGINT, y VARCHAR", "1|a");
    expect("x,y\n1,a\n", columns().header(Header::No).on_error(OnError::Null), "x BIGINT, y VARCHAR", "~|y\n1|a");
    let error = files(&["a,b\n1,a\n"]).error(columns());
    assert!(error.contains("line 1") && error.contains("column \"x\""), "another header is data: {error}");
    assert!(refused("1,a,b\n", columns()).contains("'columns' has 2 names"), "too few");
    assert!(refused("1\n", columns()).contains("'columns' has 2 names"), "too many");
    expect("1\n2,b\n", columns().null_padding(true), "x BIGINT, y VARCHAR", "1|~\n2|b");
}

#[test]
fn types_by_position_are_those_of_the_first_columns() {
    let text = "a,b,c\n1,2,3\n";
    expect(text, options().types([TEXT, DataType::Int16]), "a VARCHAR, b SMALLINT, c BIGINT", "1|2|3");
    let both = options().types([TEXT, DataType::Int16]).with_type("A", DataType::Float64);
    expect(text, both, "a DOUBLE, b SMALLINT, c BIGINT", "1.0|2|3");
    assert!(refused(text, options().types(vec![TEXT; 4])).contains("4 types, but the files have 3 columns"));
}

#[test]
fn spellings_of_null_may_be_those_of_one_column() {
    let text = "a,b,c\n-,-,1\nNA,NA,NA\n,,\n5,x,-\n";
    expect(
        text,
        options().null_strings_of("A", ["-"]).on_error(OnError::Null),
        "a VARCHAR, b VARCHAR, c VARCHAR",
        "~|-|1\nNA|NA|NA\n|~|~\n5|x|-",
    );
    expect(
        text,
        options().null_strings_of("a", ["-", "NA"]).null_strings_of("c", ["-", "NA"]),
        "a BIGINT, b VARCHAR, c BIGINT",
        "~|-|1\n~|NA|~\n~|~|~\n5|x|~",
    );
    expect(
        "x\n1\n-\n",
        options().header(Header::No).skip(1).null_strings_of("column0", ["-"]),
        "column0 BIGINT",
        "1\n~",
    );
    let error = refused(text, options().null_strings_of("aa", ["-"]));
    assert!(error.contains("'nullstr' names a column 'aa'") && error.contains("did you mean 'a'"), "{error}");
}

#[test]
fn columns_may_hold_no_null() {
    let text = "a,b,c\n,,1\n\"\",\"\",2\nNA,NA,\n";
    let plain = shown(text, options());
    assert_eq!(plain.1, "~|~|1\n||2\nNA|NA|~");
    expect(text, options().force_not_null(["a"]), "a VARCHAR, b VARCHAR, c BIGINT", "|~|1\n||2\nNA|NA|~");
    expect(
        text,
        options().force_not_null(["a"]).null_strings(["NA", ""]),
        "a VARCHAR, b VARCHAR, c BIGINT",
        "|~|1\n||2\nNA|~|~",
    );
    let declared = options().force_not_null(["c"]).with_type("c", DataType::Int64);
    let error = files(&[text]).error(declared.clone());
    assert!(error.contains("column \"c\"") && error.contains("line 4"), "no number is empty: {error}");
    expect("a,c\n1,2\n3\n", declared.null_padding(true), "a BIGINT, c BIGINT", "1|2\n3|~");
    expect("a,b\n1,x\n3\n", options().force_not_null(["b"]).null_padding(true), "a BIGINT, b VARCHAR", "1|x\n3|~");
    assert!(refused(text, options().force_not_null(["d"])).contains("'force_not_null' names a column 'd'"));
}

#[test]
fn quoted_text_is_null_only_where_allowed() {
    let text = "a,n\n\"-\",1\n\"\",2\n-,3\nx,4\n";
    let dash = || options().null_strings(["-"]);
    expect(text, dash(), "a VARCHAR, n BIGINT", "-|1\n|2\n~|3\nx|4");
    expect(text, dash().allow_quoted_nulls(true), "a VARCHAR, n BIGINT", "~|1\n|2\n~|3\nx|4");
    expect(text, options().allow_quoted_nulls(true), "a VARCHAR, n BIGINT", "-|1\n~|2\n-|3\nx|4");
}

#[test]
fn numbers_may_have_a_decimal_comma_and_groups() {
    let text = "a;b;c;d\n1.234;1.234,56;0,1;x\n-5;-0,5;1.000.000;y\n1.000.000;1e3;,5;1.5\n";
    let german = || options().decimal_separator(b',').thousands(b'.');
    expect(
        text,
        german(),
        "a BIGINT, b DOUBLE, c DOUBLE, d VARCHAR",
        "1234|1234.56|0.1|x\n-5|-0.5|1000000.0|y\n1000000|1000.0|0.5|1.5",
    );
    expect(
        "a;b;c\n1.234;1.234,5;12.345,6789\n",
        german()
            .with_type("a", DataType::Int16)
            .with_type("b", DataType::Decimal128(9, 2))
            .with_type("c", DataType::Float32),
        "a SMALLINT, b DECIMAL(9,2), c REAL",
        "1234|1234.50|12345.679",
    );
    for wrong in ["1.23,4", "1,2,3", "1.5", "12345.678", "1,000.5"] {
        let declared = german().with_type("a", DataType::Float64).header(Header::Yes);
        let error = files(&[format!("a;b\n{wrong};x\n")]).error(declared.delimiter(b';'));
        assert!(error.contains("DOUBLE") && error.contains("line 2"), "{wrong}: {error}");
    }
    expect("a\n1,5\n2,5\n", german(), "a DOUBLE", "1.5\n2.5");
    expect("a|b\n1'234|1'234.5\n", options().thousands(b'\''), "a BIGINT, b DOUBLE", "1234|1234.5");
    expect("a\n0.123\n007\n", german(), "a VARCHAR", "0.123\n007");
}

#[test]
fn dates_and_timestamps_may_have_a_format() {
    let text = "d,t,z\n31.01.2013,01/31/13 1:05 PM,31.01.2013 10:00 +0100\n1.2.2013,02/01/13 12:00 AM,\n,,\n";
    expect(
        text,
        options().dateformat("%d.%m.%Y").timestampformat("%D %I:%M %p"),
        "d DATE, t TIMESTAMP, z VARCHAR",
        "2013-01-31|2013-01-31 13:05:00|31.01.2013 10:00 +0100\n2013-02-01|2013-02-01 00:00:00|~\n~|~|~",
    );
    expect(
        "z\n31.01.2013 10:00 +0100\n31.01.2013 10:00 Z\n",
        options().timestampformat("%d.%m.%Y %H:%M %z"),
        "z TIMESTAMP WITH TIME ZONE",
        "2013-01-31 09:00:00+00\n2013-01-31 10:00:00+00",
    );
    // A date is the midnight of a timestamp, in its own format.
    expect(
        "t\n31.01.2013\n2013-01-31 10:00:00\n",
        options().dateformat("%d.%m.%Y"),
        "t TIMESTAMP",
        "2013-01-31 00:00:00\n2013-01-31 10:00:00",
    );
    expect("t\n20130131100000\n", options().timestampformat("%Y%m%d%H%M%S"), "t TIMESTAMP", "2013-01-31 10:00:00");
    expect(
        "d,n\n20130131,20130131\n20121231,5\n",
        options().dateformat("%Y%m%d"),
        "d DATE, n BIGINT",
        "2013-01-31|20130131\n2012-12-31|5",
    );
    expect("t\n1359590400\n", options().timestampformat("%s"), "t BIGINT", "1359590400");
    let epoch = || options().timestampformat("%s");
    expect("t\n1359590400\n", epoch().with_type("t", TIMESTAMP), "t TIMESTAMP", "2013-01-31 00:00:00");
    expect(
        "t\n-1\n",
        epoch().with_type("t", timestamp_tz("UTC")),
        "t TIMESTAMP WITH TIME ZONE",
        "1969-12-31 23:59:59+00",
    );
    expect(
        "t\n1359590400\n",
        epoch().parse_dates(ParseDates::Columns(vec!["t".into()])),
        "t TIMESTAMP",
        "2013-01-31 00:00:00",
    );
    let error = files(&["d\n2013-01-31\n"]).error(options().dateformat("%d.%m.%Y").with_type("d", DataType::Date32));
    assert!(error.contains("DATE") && error.contains("line 2"), "{error}");
    expect("31.01.2013,x\n", options().dateformat("%d.%m.%Y"), "column0 DATE, column1 VARCHAR", "2013-01-31|x");
}

#[test]
fn dates_are_looked_for_or_not() {
    let text = "d,t,n\n2013-01-31,10:00:00,1\n2013-02-01,11:00:00,2\n";
    expect(
        text,
        options().parse_dates(ParseDates::No),
        "d VARCHAR, t VARCHAR, n BIGINT",
        "2013-01-31|10:00:00|1\n2013-02-01|11:00:00|2",
    );
    expect("2013-01-31,x\n", options().parse_dates(ParseDates::No), "column0 VARCHAR, column1 VARCHAR", "2013-01-31|x");
    let only = || options().parse_dates(ParseDates::Columns(vec!["D".into()]));
    expect(text, only(), "d DATE, t TIME, n BIGINT", "2013-01-31|10:00:00|1\n2013-02-01|11:00:00|2");
    let error = files(&["d,n\n2013-01-31,1\nsoon,2\n"]).error(only());
    assert!(error.contains("line 3") && error.contains("DATE"), "{error}");
    expect("d,n\n2013-01-31,1\nsoon,2\n", only().on_error(OnError::Null), "d DATE, n BIGINT", "2013-01-31|1\n~|2");
    assert!(refused("a\n1\n", only()).contains("'parse_dates' names a column 'D'"));
}

#[test]
fn whole_numbers_may_be_doubles() {
    let assume = || options().assume_missing(true);
    expect("a,b\n1,x\n2,y\n", assume(), "a DOUBLE, b VARCHAR", "1.0|x\n2.0|y");
    expect("a,b\n1,2\n", assume().with_type("b", DataType::Int64), "a DOUBLE, b BIGINT", "1.0|2");
}

#[test]
fn lines_at_the_end_may_be_left_out() {
    let text = "a,b\n1,2\n3,4\ntotal: 2 rows\nmade, by, somebody\n";
    expect(text, options().skip_footer(2), "a BIGINT, b BIGINT", "1|2\n3|4");
    expect(text.trim_end(), options().skip_footer(2), "a BIGINT, b BIGINT", "1|2\n3|4");
    expect("a\n1\n2\n", options().skip_footer(2), "a VARCHAR", "");
    assert!(files(&["a\n1\n"]).error(options().skip_footer(9)).contains("is empty"));
    let two = files(&[text, "a,b\n5,6\n\"open quote\nend\n"]);
    assert_eq!(show(&two.rows(options().skip_footer(2)).unwrap()), "1|2\n3|4\n5|6", "of every file");
    let table = two.open(options().skip_footer(2)).unwrap();
    std::fs::write(&two.paths[1], "a,b\n5,6\n7,8\n").unwrap();
    assert!(read(&table, None, Config::default()).unwrap_err().to_string().contains("changed"));
}

#[test]
fn the_size_of_partitions_may_be_that_of_one_table() {
    let files = files(&["a,b\n1,2\n3,4\n5,6\n"]);
    let context = context(Config::default());
    let partitions = |options: CsvOptions| {
        files.open(options).unwrap().scan(&ScanRequest::default(), &context).unwrap().partitions()
    };
    assert_eq!(partitions(options()), 1);
    assert_eq!(partitions(options().blocksize(4)), 3);
    assert_eq!(show(&files.rows(options().blocksize(1)).unwrap()), "1|2\n3|4\n5|6");
}

#[test]
fn a_nan_in_quotes_is_a_value_of_floats() {
    let text = "x,n,t\n1.5,1,a\n\"NaN\",\"NaN\",\"NaN\"\nNaN,NaN,NaN\n";
    expect(text, options(), "x DOUBLE, n DOUBLE, t VARCHAR", "1.5|1.0|a\nNaN|NaN|NaN\n~|~|NaN");
    let whole = options().with_type("n", DataType::Int64);
    expect(text, whole, "x DOUBLE, n BIGINT, t VARCHAR", "1.5|1|a\nNaN|~|NaN\n~|~|NaN");
    let spelt = options().null_strings(["-"]);
    expect("x\n1.5\nNaN\n-\n", spelt, "x DOUBLE", "1.5\nNaN\n~");
    let dropped = options().null_strings(["NaN"]);
    expect("x\n1.5\n\"NaN\"\n", dropped, "x DOUBLE", "1.5\n~");
}

#[test]
fn delimiters_of_several_bytes_cut_as_one_byte_would() {
    use crate::io::csv::Delimiter;
    let text = "a,b,c\n1,\"x,y\nz\",\n,,\"q\"\"r\"\n3,|u,v\r\n";
    let (schema, rows) = shown(text, options());
    for long in ["||", "¦", "<->", "::::::::"] {
        let delimiter = Delimiter::new(long.as_bytes()).unwrap();
        // Where a comma is text it stays one.
        let text = text.replace(',', long).replace(&format!("x{long}y"), "x,y");
        assert_eq!(shown(&text, options().delimiter(delimiter)), (schema.clone(), rows.clone()), "{long}");
    }
    expect("a||b\n1||x|y\n", options().delimiter(Delimiter::new(b"||").unwrap()), "a BIGINT, b VARCHAR", "1|x|y");
    let error = refused("a\n", options().delimiter(Delimiter::new(b"|\"").unwrap()));
    assert!(error.contains("must not hold"), "{error}");
}

#[test]
fn rules_of_a_column_are_not_those_of_another_while_types_are_found() {
    // `column0` is the second column's name here, and not the first one's.
    let of = |name: &str| options().null_strings_of(name, ["-"]);
    expect("x,column0\n-,1\n5,-\n", of("column0"), "x VARCHAR, column0 BIGINT", "-|1\n5|~");
    expect("a,A\n-,1\n5,-\n", of("A"), "a VARCHAR, A BIGINT", "-|1\n5|~");
    expect("-,1\n5,-\n", of("column1"), "column0 VARCHAR, column1 BIGINT", "-|1\n5|~");
    // Names of the user's, for one of two columns: with a header or without, which only the values tell.
    expect("x,column0\n-,1\n5,-\n", of("column0").names(["y"]), "y VARCHAR, column0 BIGINT", "-|1\n5|~");
    expect("x,foo\ny,-\n", of("column1").names(["y"]), "y VARCHAR, column1 VARCHAR", "x|foo\ny|~");
}
