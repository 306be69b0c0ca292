//! Options by all of their names, and what is wrong with wrong ones.

use super::refused::instead_of;
use super::table::OPTIONS;
use super::*;
use crate::error::{ErrorClass, Result};
use crate::io::options::OptionValue;

fn parse(name: &str, value: OptionValue) -> Result<CsvOptions> {
    CsvOptions::parse(&vec![(name.to_string(), value)])
}

fn text(text: &str) -> OptionValue {
    OptionValue::Text(text.into())
}

fn list(texts: &[&str]) -> OptionValue {
    OptionValue::List(texts.iter().copied().map(text).collect())
}

fn map(entries: &[(&str, OptionValue)]) -> OptionValue {
    OptionValue::Map(entries.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
}

fn all(options: &[(&str, OptionValue)]) -> Result<CsvOptions> {
    CsvOptions::parse(&options.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
}

fn message(result: Result<CsvOptions>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    error.to_string()
}

#[test]
fn names_of_pandas_dask_and_polars_mean_the_same() {
    let (yes, no) = (OptionValue::Boolean(true), OptionValue::Boolean(false));
    let new = CsvOptions::default;
    for (names, value, expected) in [
        (&["delim", "sep", "separator", "delimiter", "field_delimiter"][..], text(";"), new().delimiter(b';')),
        (&["delim"], text("\\t"), new().delimiter(b'\t')),
        (&["quote", "quotechar", "quote_char"], text("'"), new().quote(Some(b'\''))),
        (&["escape", "escapechar"], text("\\"), new().escape(Some(b'\\'))),
        (&["comment", "comment_prefix"], text("#"), new().comment(Some(b'#'))),
        (&["header", "has_header"], no.clone(), new().header(Header::No)),
        (&["header"], OptionValue::Number(0.0), new().header(Header::Yes)),
        (&["names", "column_names", "new_columns"], list(&["a"]), new().names(["a"])),
        (
            &["types", "dtype", "dtypes", "schema_overrides", "column_types"],
            map(&[("a", text("bigint"))]),
            new().with_type("a", DataType::Int64),
        ),
        (
            &["types", "dtypes", "schema_overrides"],
            list(&["INT", "REAL"]),
            new().types([DataType::Int32, DataType::Float32]),
        ),
        (&["columns", "schema"], map(&[("a", text("bigint"))]), new().columns([("a", DataType::Int64)])),
        (&["dtype", "types"], text("str"), new().all_varchar(true)),
        (&["nullstr", "null", "na_values", "null_values"], list(&["-", "x"]), new().null_strings(["-", "x"])),
        (&["nullstr", "na_values", "null_values"], text("-"), new().null_strings(["-"])),
        (
            &["nullstr", "na_values", "null_values"],
            map(&[("a", list(&["-"])), ("b", text("x"))]),
            new().null_strings_of("a", ["-"]).null_strings_of("b", ["x"]),
        ),
        (&["force_not_null"], list(&["a", "b"]), new().force_not_null(["a", "b"])),
        (&["allow_quoted_nulls"], yes.clone(), new().allow_quoted_nulls(true)),
        (&["decimal_separator", "decimal"], text(","), new().decimal_separator(b',')),
        (&["decimal_comma"], yes.clone(), new().decimal_separator(b',')),
        (&["thousands"], text("'"), new().thousands(b'\'')),
        (&["dateformat", "date_format"], text("%d.%m.%Y"), new().dateformat("%d.%m.%Y")),
        (&["timestampformat", "timestamp_format"], text("%F %R"), new().timestampformat("%F %R")),
        (&["parse_dates", "try_parse_dates"], no.clone(), new().parse_dates(ParseDates::No)),
        (&["parse_dates"], yes.clone(), new()),
        (&["parse_dates"], list(&["a"]), new().parse_dates(ParseDates::Columns(vec!["a".into()]))),
        (&["assume_missing"], yes.clone(), new().assume_missing(true)),
        (&["filename", "include_file_paths", "include_path_column"], text("p"), new().filename("p")),
        (&["skip", "skip_rows", "skiprows", "skip_lines"], OptionValue::Number(2.0), new().skip(2)),
        (&["skip_footer", "skipfooter"], OptionValue::Number(1.0), new().skip_footer(1)),
        (&["sample_size", "infer_schema_length"], OptionValue::Number(-1.0), new().sample_size(SampleSize::All)),
        (&["max_line_size", "maximum_line_size"], text("1MiB"), new().max_line_size(1 << 20)),
        (&["blocksize"], text("64MB"), new().blocksize(64_000_000)),
        (&["blocksize"], OptionValue::Number(1e6), new().blocksize(1_000_000)),
        (&["blocksize"], text("default"), new()),
        (&["null_padding"], yes.clone(), new().null_padding(true)),
        (&["union_by_name"], no.clone(), new().union_by_name(false)),
        (&["files_to_sniff"], OptionValue::Number(3.0), new().files_to_sniff(Some(3))),
        (&["files_to_sniff"], OptionValue::Number(-1.0), new()),
        (&["infer"], text("full"), new().sample_size(SampleSize::All)),
        (&["schema_file", "schema"], text("sales.toml"), new().schema_file("sales.toml")),
    ] {
        for name in names {
            assert_eq!(parse(name, value.clone()).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn every_name_stands_for_one_option_and_none_is_refused() {
    let mut seen = Vec::new();
    for name in OPTIONS.iter().flat_map(|option| option.names) {
        assert!(!seen.contains(name), "{name}");
        assert_eq!(instead_of(name), None, "{name}");
        seen.push(name);
    }
}

#[test]
fn wrong_options_say_what_would_be_right() {
    assert!(message(parse("delimitr", text(";"))).contains("did you mean 'delimiter'"));
    assert!(message(parse("zzz", text(";"))).contains("options are delim, quote"));
    assert!(message(parse("delim", text(";\n"))).contains("must not hold a line end"));
    assert!(message(parse("delim", text("123456789"))).contains("longer than 8 bytes"));
    assert!(message(parse("delim", text(""))).contains("'delim' is empty"));
    assert!(message(parse("skip", text("two"))).contains("the text 'two'"));
    assert!(message(parse("skip", OptionValue::Number(-1.0))).contains("the number -1"));
    assert!(message(parse("skip_footer", OptionValue::Number(0.5))).contains("the number 0.5"));
    assert!(message(parse("header", OptionValue::List(vec![]))).contains("a list"));
    assert!(message(parse("types", map(&[("a", text("blub"))]))).contains("no type 'blub'"));
    assert!(message(parse("types", list(&["blub"]))).contains("no type 'blub'"));
    assert!(message(parse("dtype", text("int64"))).contains("only VARCHAR can be"));
    assert!(message(parse("delim", text("\""))).contains("both"));
    assert!(message(parse("encoding", text("latin-47"))).contains("'latin-47', which is unknown"));
    assert!(message(parse("compression", text("zip"))).contains("'zip', which is unknown"));
    assert!(message(parse("max_line_size", text("1TB"))).contains("512MiB"));
    assert!(message(parse("blocksize", OptionValue::Number(0.0))).contains("at least 1 byte"));
    for (name, size) in [("blocksize", "large"), ("max_line_size", "18446744073709551615")] {
        let message = message(parse(name, text(size)));
        assert!(message.contains(&format!("'{name}' is '{size}', which is no number of bytes")), "{message}");
    }
    assert!(message(parse("nullstr", OptionValue::Number(9.0))).contains("the number 9"));
    assert!(message(parse("force_not_null", OptionValue::Boolean(true))).contains("the truth value true"));
    assert!(message(parse("assume_missing", text("maybe"))).contains("the text 'maybe'"));
    assert!(message(parse("parse_dates", OptionValue::Number(2.0))).contains("the number 2"));
    assert!(message(parse("union_by_name", OptionValue::Number(7.0))).contains("the number 7"));
    assert!(message(parse("infer", text("some"))).contains("the text 'some'"));
    assert!(message(parse("files_to_sniff", OptionValue::Number(0.0))).contains("nothing"));
    assert!(message(parse("hive_partitioning", OptionValue::Number(3.0))).contains("the number 3"));
    assert!(message(parse("hive_types", text("INT"))).contains("the text 'INT'"));
    assert!(message(parse("schema", text("BIGINT"))).contains("the text 'BIGINT'"));
}

#[test]
fn formats_are_checked_before_anything_is_read() {
    let unknown = message(parse("dateformat", text("%d.%q.%Y")));
    assert!(
        unknown.contains("'%d.%q.%Y', in which %q is unknown") && unknown.contains("%j (day of year)"),
        "{unknown}"
    );
    assert!(message(parse("timestampformat", text("%H:%M"))).contains("no whole date"));
    let twice = all(&[("dateformat", text("%F %R")), ("timestampformat", text("%F %T"))]);
    assert!(message(twice).contains("has a time"));
    let options = CsvOptions::default().dateformat("%Q");
    assert!(options.check().unwrap_err().to_string().contains("%Q is unknown"), "by the API");
}

#[test]
fn separators_of_numbers_are_no_other_part_of_the_dialect() {
    for byte in ["5", "e", "-", "+", "\n", "ab", ""] {
        assert!(parse("decimal", text(byte)).is_err(), "{byte}");
        assert!(parse("thousands", text(byte)).is_err(), "{byte}");
    }
    let alone = message(parse("thousands", text(".")));
    assert!(alone.contains("both '.'") && alone.contains("decimal_separator = ','"), "{alone}");
    assert!(all(&[("thousands", text(".")), ("decimal", text(","))]).is_ok());
    for name in ["decimal", "thousands"] {
        assert!(all(&[("delim", text(",")), (name, text(","))]).is_ok(), "numbers stand in quotes");
        let bare = message(all(&[("delim", text(",")), (name, text(",")), ("quote", text(""))]));
        assert!(bare.contains("both ','") && bare.contains("without quotes"), "{bare}");
    }
    assert!(message(all(&[("quote", text("'")), ("thousands", text("'"))])).contains("both '''"));
    assert!(parse("delim", text(".")).is_ok());
}

#[test]
fn an_option_is_given_once_under_one_name() {
    let same = message(all(&[("sep", text(";")), ("delim", text(","))]));
    assert!(same.contains("'sep' and the option 'delim' are the same"), "{same}");
    assert!(message(all(&[("sep", text(";")), ("sep", text(";"))])).contains("given twice"));
    let ignores = message(all(&[("ignore_errors", OptionValue::Boolean(true)), ("on_error", text("null"))]));
    assert!(ignores.contains("are the same, and both are given"), "{ignores}");
    let sample = message(all(&[("infer", text("all")), ("sample_size", OptionValue::Number(5.0))]));
    assert!(sample.contains("are the same, and both are given"), "{sample}");
}

#[test]
fn columns_say_all() {
    let columns = map(&[("a", text("BIGINT")), ("b", text("VARCHAR"))]);
    assert!(message(all(&[("columns", columns.clone()), ("names", list(&["x"]))])).contains("all names and types"));
    let types = map(&[("a", text("INT"))]);
    assert!(message(all(&[("types", types), ("columns", columns.clone())])).contains("all names and types"));
    assert!(message(all(&[("columns", columns), ("types", list(&["INT"]))])).contains("all names and types"));
    assert!(message(parse("columns", map(&[]))).contains("is empty"));
    assert!(message(parse("columns", list(&["a"]))).contains("SELECT them"));
    let twice = map(&[("a", text("INT")), ("a", text("INT"))]);
    assert!(message(parse("columns", twice)).contains("'columns' holds 'a' twice"));
    assert!(message(parse("names", list(&["a", "a"]))).contains("'names' holds 'a' twice"));
}

#[test]
fn what_others_have_and_we_do_not_need_is_refused_by_name() {
    for (name, part) in [
        ("engine", "not needed"),
        ("parallel", "not needed"),
        ("low_memory", "not needed"),
        ("LOW_MEMORY", "not needed"),
        ("usecols", "SELECT the columns"),
        ("nrows", "LIMIT"),
        ("dayfirst", "dateformat"),
        ("keep_default_na", "nullstr"),
        ("eol_char", "not needed"),
        ("sample", "sample_size"),
        ("missing_utf8_is_empty_string", "force_not_null"),
    ] {
        let message = message(parse(name, text("x")));
        assert!(message.contains("has no option") && message.contains(part), "{message}");
    }
}

#[test]
fn an_escape_that_is_the_quote_means_doubled_quotes() {
    assert_eq!(parse("escape", text("\"")).unwrap(), CsvOptions::default());
    assert_eq!(parse("quote", text("")).unwrap().quote, None);
    assert_eq!(canonical_name("SEP"), Some("delim"));
}
