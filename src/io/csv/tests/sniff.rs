//! Small files as people make them: delimiter, quote, header and notes are found, and nothing is made up.

use super::*;

/// A name, a file, the table's schema, and its rows.
const FILES: &[(&str, &str, &str, &str)] = &[
    ("commas", "id,name\n1,a\n2,b\n", "id BIGINT, name VARCHAR", "1|a\n2|b"),
    ("semicolons", "id;name;x\n1;a, b;1.5\n2;c;2.5\n", "id BIGINT, name VARCHAR, x DOUBLE", "1|a, b|1.5\n2|c|2.5"),
    ("tabs", "id\tname\n1\ta b\n2\tc,d\n", "id BIGINT, name VARCHAR", "1|a b\n2|c,d"),
    ("bars", "id|name\n1|a,b\n2|c;d\n", "id BIGINT, name VARCHAR", "1|a,b\n2|c;d"),
    ("carets", "id^name\n1^a, b\n2^c\n", "id BIGINT, name VARCHAR", "1|a, b\n2|c"),
    ("carets in text", "id,formula\n1,2^3\n2,x\n", "id BIGINT, formula VARCHAR", "1|2^3\n2|x"),
    ("unit separators", "id\x1fname\n1\x1fa\n2\x1fb, c\n", "id BIGINT, name VARCHAR", "1|a\n2|b, c"),
    ("Hive's separators", "id\x01name\n1\x01a\n2\x01b, c\n", "id BIGINT, name VARCHAR", "1|a\n2|b, c"),
    ("decimal commas", "a;b\n1,5;2,25\n3,0;4,5\n", "a VARCHAR, b VARCHAR", "1,5|2,25\n3,0|4,5"),
    ("decimal commas without a header", "1,5;2,25\n3,0;4,5\n", "column0 VARCHAR, column1 VARCHAR", "1,5|2,25\n3,0|4,5"),
    ("lists in a text", "id,tags\n1,a;b\n2,c;d\n", "id BIGINT, tags VARCHAR", "1|a;b\n2|c;d"),
    ("quoted delimiters", "id,text\n1,\"a,b,c\"\n2,\"d;e\"\n", "id BIGINT, text VARCHAR", "1|a,b,c\n2|d;e"),
    ("quoted line ends", "id,text\n1,\"a\nb\"\n2,\"x\"\n", "id BIGINT, text VARCHAR", "1|a\nb\n2|x"),
    ("doubled quotes", "id,text\n1,\"say \"\"hi\"\"\"\n2,x\n", "id BIGINT, text VARCHAR", "1|say \"hi\"\n2|x"),
    ("all quoted", "\"id\",\"name\"\n\"1\",\"a\"\n\"2\",\"b\"\n", "id BIGINT, name VARCHAR", "1|a\n2|b"),
    ("single quotes", "id,name\n1,'a, b'\n2,'c'\n", "id BIGINT, name VARCHAR", "1|a, b\n2|c"),
    ("single quotes around all", "'id';'name'\n'1';'x;y'\n'2';'z'\n", "id BIGINT, name VARCHAR", "1|x;y\n2|z"),
    ("single quotes where needed", "id,name\n1,'a, b'\n2,c\n", "id BIGINT, name VARCHAR", "1|a, b\n2|c"),
    ("doubled single quotes", "id,name\n1,'it''s'\n2,'c'\n", "id BIGINT, name VARCHAR", "1|it's\n2|c"),
    (
        "apostrophes",
        "id,name\n1,'tis\n2,o'clock\n3,rock 'n' roll\n",
        "id BIGINT, name VARCHAR",
        "1|'tis\n2|o'clock\n3|rock 'n' roll",
    ),
    ("an apostrophe at both ends, once", "id,name\n1,'a'\n2,b\n", "id BIGINT, name VARCHAR", "1|'a'\n2|b"),
    ("apostrophes beside quotes", "a,b\n\"1\",'x'\n\"2\",'y'\n", "a BIGINT, b VARCHAR", "1|'x'\n2|'y'"),
    ("one column", "id\n1\n2\n", "id BIGINT", "1\n2"),
    ("one column of text", "text\nhello, world\nfoo\na, b, c\n", "text VARCHAR", "hello, world\nfoo\na, b, c"),
    ("one column of times", "at\n10:00:00\n11:30:00\n", "at TIME", "10:00:00\n11:30:00"),
    ("one column of moments", "at\n2024-01-01 10:00:00\n", "at TIMESTAMP", "2024-01-01 10:00:00"),
    ("one column of words", "name\nAnn Smith\nBob Doe\n", "name VARCHAR", "Ann Smith\nBob Doe"),
    ("only a header", "id,name,value\n", "id VARCHAR, name VARCHAR, value VARCHAR", ""),
    ("no header", "1,a,2024-01-01\n", "column0 BIGINT, column1 VARCHAR, column2 DATE", "1|a|2024-01-01"),
    ("no header, codes", "007,a\n008,b\n", "column0 VARCHAR, column1 VARCHAR", "007|a\n008|b"),
    ("all text", "name,city\nann,rome\nbob,oslo\n", "name VARCHAR, city VARCHAR", "ann|rome\nbob|oslo"),
    ("notes", "# made by hand\n#\n# and so on\nid,name\n1,a\n", "id BIGINT, name VARCHAR", "1|a"),
    ("notes with commas", "# by hand\n# second, line\nid,name\n1,a\n", "id BIGINT, name VARCHAR", "1|a"),
    ("a header with a hash", "#id,name\n1,a\n2,b\n", "#id BIGINT, name VARCHAR", "1|a\n2|b"),
    ("NumPy's header", "# id,name\n1,a\n2,b\n", "# id BIGINT, name VARCHAR", "1|a\n2|b"),
    ("a hash in the data", "id,name\n1,a\n#2,b\n", "id VARCHAR, name VARCHAR", "1|a\n#2|b"),
    ("empty lines", "\na,b\n\n1,2\n\n3,4\n\n", "a BIGINT, b BIGINT", "1|2\n3|4"),
    ("CRLF", "a,b\r\n1,2\r\n3,4\r\n", "a BIGINT, b BIGINT", "1|2\n3|4"),
    ("a byte order mark", "\u{feff}id,name\n1,a\n", "id BIGINT, name VARCHAR", "1|a"),
    ("names that are missing", "id,,x,\n1,2,3,4\n", "id BIGINT, column1 BIGINT, x BIGINT, column3 BIGINT", "1|2|3|4"),
    ("names twice", "x,x,y\n1,2,3\n", "x BIGINT, x_1 BIGINT, y BIGINT", "1|2|3"),
    ("codes", "zip,phone\n01234,+4179\n99999,+4100\n", "zip VARCHAR, phone VARCHAR", "01234|+4179\n99999|+4100"),
    ("no line end", "a,b\n1,2", "a BIGINT, b BIGINT", "1|2"),
    ("dates with commas", "at,x\n\"Jan 1, 2024\",1\n", "at VARCHAR, x BIGINT", "Jan 1, 2024|1"),
];

#[test]
fn small_files_are_read_as_people_mean_them() {
    for (name, text, expected, rows) in FILES {
        let files = files(&[text]);
        let table = files.open(CsvOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown = schema(&table);
        assert_eq!(shown, *expected, "{name}");
        let read = read(&table, None, Config::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(show(&read), *rows, "{name}");
    }
}

#[test]
fn what_the_user_says_about_quotes_is_not_doubted() {
    let single = files(&["id,name\n1,'a'\n2,'b'\n"]);
    assert_eq!(show(&single.rows(CsvOptions::default()).unwrap()), "1|a\n2|b");
    for quote in [Some(b'"'), None] {
        assert_eq!(show(&single.rows(CsvOptions::default().quote(quote)).unwrap()), "1|'a'\n2|'b'");
    }
}

#[test]
fn numbers_with_the_delimiter_in_them_stand_in_quotes() {
    let thousands = || CsvOptions::default().thousands(b',');
    let decimal = || CsvOptions::default().decimal_separator(b',');
    for (options, text, expected, rows) in [
        (thousands(), "item,price\nx,\"1,234.50\"\n", "item VARCHAR, price DOUBLE", "x|1234.5"),
        (thousands(), "x,\"1,234\"\ny,\"12,345\"\n", "column0 VARCHAR, column1 BIGINT", "x|1234\ny|12345"),
        (thousands(), "a,b\n1,2\n3,4\n", "a BIGINT, b BIGINT", "1|2\n3|4"),
        (decimal(), "a,b\n\"1234,50\",x\n\"2,5\",y\n", "a DOUBLE, b VARCHAR", "1234.5|x\n2.5|y"),
        (decimal(), "\"1,5\",\"2,5\"\n", "column0 DOUBLE, column1 DOUBLE", "1.5|2.5"),
        (decimal(), "1,5;2,25\n3,0;4,5\n", "column0 DOUBLE, column1 DOUBLE", "1.5|2.25\n3.0|4.5"),
        (decimal(), "x\n1,5\n2,5\n", "x DOUBLE", "1.5\n2.5"),
        (decimal(), "1,5\n2,5\n", "column0 DOUBLE", "1.5\n2.5"),
        (thousands(), "1,234\n5,678\n", "column0 BIGINT", "1234\n5678"),
    ] {
        let files = files(&[text]);
        let table = files.open(options.clone()).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (schema(&table).as_str(), show(&files.rows(options.clone()).unwrap()).as_str()),
            (expected, rows),
            "{text}"
        );
        if expected.contains(',') && !text.contains(';') {
            assert_eq!(schema(&files.open(options.delimiter(b',')).unwrap()), expected, "{text}");
        }
    }
}

#[test]
fn short_rows_do_not_change_what_the_delimiter_is() {
    let ragged = files(&["a,b,c\n1,2,3\n4,5\n6\n7\n"]);
    let rows = ragged.rows(CsvOptions::default().null_padding(true)).unwrap();
    assert_eq!(show(&rows), "1|2|3\n4|5|~\n6|~|~\n7|~|~");
    assert!(ragged.error(CsvOptions::default()).contains("line 3 has 2 fields, 3 expected"));
}
