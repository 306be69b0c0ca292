//! Every function against known answers of PostgreSQL (of DuckDB where PostgreSQL has none), as constants and columns.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, StringViewArray, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::IntervalMonthDayNano;

use super::{ScalarFunction, Value, all, lookup, names};
use crate::config::Config;
use crate::error::Result;
use crate::eval::cast::cast;
use crate::types::temporal::format_value;
use crate::types::{DataType, INTERVAL, Scalar, TIME, TIMESTAMP, timestamp_tz};

/// Reads a constant: `'text'`, `12`, `1.5`, `1.50m` (a decimal), `NULL`, `true`, `DATE '…'` and so on.
fn constant(text: &str) -> Scalar {
    let text = text.trim();
    let typed = |rest: &str, to: DataType| {
        let quoted = Value::Scalar(Scalar::text(rest.trim().trim_matches('\'')));
        let Value::Scalar(scalar) = cast(&quoted, &to, false, &Config::default()).unwrap() else { unreachable!() };
        scalar
    };
    if text == "NULL" {
        return Scalar::null(&DataType::Null);
    }
    for (word, to) in [
        ("DATE ", DataType::Date32),
        ("TIMESTAMPTZ ", timestamp_tz("UTC")),
        ("TIMESTAMP ", TIMESTAMP),
        ("TIME ", TIME),
        ("INTERVAL ", INTERVAL),
        ("BIGINT ", DataType::Int64),
        ("TINYINT ", DataType::Int8),
        ("DOUBLE ", DataType::Float64),
    ] {
        if let Some(rest) = text.strip_prefix(word) {
            return typed(rest, to);
        }
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        return Scalar::text(&quoted.strip_suffix('\'').unwrap().replace("''", "'"));
    }
    if let Some(decimal) = text.strip_suffix('m') {
        let scale = decimal.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let precision = decimal.bytes().filter(u8::is_ascii_digit).count();
        return typed(decimal, DataType::Decimal128(precision.try_into().unwrap(), scale.try_into().unwrap()));
    }
    match text {
        "true" | "false" => Scalar::boolean(text == "true"),
        _ if text.contains(['.', 'e']) => Scalar::float64(text.parse().unwrap()),
        _ => Scalar::int32(text.parse().unwrap()),
    }
}

fn split(arguments: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in arguments.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&arguments[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !arguments.trim().is_empty() {
        parts.push(&arguments[start..]);
    }
    parts
}

fn bind(function: &ScalarFunction, args: &[Scalar], config: &Config) -> Result<(Vec<Value>, DataType)> {
    let types: Vec<DataType> = args.iter().map(|arg| arg.data_type().clone()).collect();
    let signature = (function.resolve)(&types)?;
    assert_eq!(signature.arguments.len(), args.len(), "{}", function.name);
    let args = args.iter().zip(&signature.arguments);
    let args = args.map(|(arg, to)| cast(&Value::Scalar(arg.clone()), to, false, config)).collect::<Result<_>>()?;
    Ok((args, signature.result))
}

/// The text of the result, `NULL`, or the error after an exclamation mark; the same for constants and columns.
fn call_in(text: &str, config: &Config) -> String {
    let (name, rest) = text.split_once('(').unwrap();
    let function = lookup(name).unwrap_or_else(|| panic!("no function {name}"));
    let args: Vec<Scalar> = split(rest.strip_suffix(')').unwrap()).into_iter().map(constant).collect();
    let (args, result) = match bind(function, &args, config) {
        Ok(bound) => bound,
        Err(error) => return format!("!{}", error.kind().message),
    };
    let show = |value: Result<Value>, rows: usize| match value {
        Ok(value) => {
            assert_eq!(*value.data_type(), result, "{text}");
            let array = value.into_array(rows);
            assert_eq!(array.len(), rows, "{text}");
            let texts: HashSet<_> = (0..rows).map(|row| format_value(&array, row)).collect();
            assert_eq!(texts.len(), 1, "{text}: {texts:?}");
            texts.into_iter().next().flatten().unwrap_or_else(|| "NULL".into())
        }
        Err(error) => format!("!{}", error.kind().message),
    };
    let expected = show((function.evaluate)(&args, 3, config), 3);
    // Each argument a column or not, in all combinations.
    for columns in 1..1usize << args.len() {
        let mixed: Vec<Value> = args
            .iter()
            .enumerate()
            .map(
                |(index, arg)| {
                    if columns >> index & 1 == 1 { Value::Array(arg.clone().into_array(3)) } else { arg.clone() }
                },
            )
            .collect();
        assert_eq!(show((function.evaluate)(&mixed, 3, config), 3), expected, "{text}");
    }
    expected
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        let found = call_in(text, &Config::default());
        match expected.strip_prefix('!') {
            Some(part) => assert!(found.starts_with('!') && found.contains(part), "{text}: {found}"),
            None => assert_eq!(found, *expected, "{text}"),
        }
    }
}

#[test]
fn text_functions_know_positions_and_characters() {
    check(&[
        ("lower('ÄbC')", "äbc"),
        ("upper('straße')", "STRASSE"),
        ("lower(NULL)", "NULL"),
        ("lower(1)", "!argument 1 must be text, not INTEGER"),
        ("lower()", "!0 arguments given"),
        ("initcap('hello wORLD o''neil 3rd')", "Hello World O'Neil 3rd"),
        ("length('héllo')", "5"),
        ("char_length('')", "0"),
        ("octet_length('héllo')", "6"),
        ("trim('  a b  ')", "a b"),
        ("trim('xxaxyx', 'xy')", "a"),
        ("ltrim('  a ')", "a "),
        ("rtrim('1.500', '0')", "1.5"),
        ("btrim('éaé', 'é')", "a"),
        ("trim('a', NULL)", "NULL"),
        ("substring('hello', 2, 3)", "ell"),
        ("substring('hello', 0, 3)", "he"),
        ("substring('hello', -1, 3)", "h"),
        ("substring('hello', -5, 3)", ""),
        ("substr('hello', 4)", "lo"),
        ("substr('hello', -2)", "hello"),
        ("substring('héllo', 2, 2)", "él"),
        ("substring('hello', 9)", ""),
        ("substring('hello', 2, 2147483647)", "ello"),
        ("substring('hello', 1, -1)", "!negative"),
        ("left('héllo', 2)", "hé"),
        ("left('hello', -2)", "hel"),
        ("left('hello', -9)", ""),
        ("right('héllo', 4)", "éllo"),
        ("right('hello', -2)", "llo"),
        ("right('hello', 0)", ""),
        ("right('hello', 9)", "hello"),
        ("strpos('héllo', 'l')", "3"),
        ("instr('hello', 'x')", "0"),
        ("strpos('hello', '')", "1"),
        ("starts_with('hello', 'he')", "true"),
        ("prefix('hello', 'x')", "false"),
        ("ends_with('hello', 'lo')", "true"),
        ("contains('hello', 'ell')", "true"),
        ("contains('a%b', '%')", "true"),
        ("contains(NULL, 'a')", "NULL"),
        ("replace('banana', 'an', 'o')", "booa"),
        ("replace('banana', '', 'o')", "banana"),
        ("concat('a', NULL, 1, true, 1.5)", "a1true1.5"),
        ("concat(NULL)", ""),
        ("concat_ws(',', 'a', NULL, 'b', 3)", "a,b,3"),
        ("concat_ws(NULL, 'a')", "NULL"),
        ("split_part('a,b,c', ',', 2)", "b"),
        ("split_part('a,b,c', ',', -1)", "c"),
        ("split_part('a,b,c', ',', 4)", ""),
        ("split_part('abc', '', 1)", "abc"),
        ("split_part('a,b', ',', 0)", "!no piece 0"),
        ("ascii('é')", "233"),
        ("ascii('')", "0"),
        ("lpad('hi', 5, 'xy')", "xyxhi"),
        ("lpad('hello', 3)", "hel"),
        ("lpad('hi', 5, '')", "hi"),
        ("rpad('hi', 4)", "hi  "),
        ("rpad('é', 3, 'ab')", "éab"),
        ("lpad('hi', -1)", ""),
        ("lpad('hi', 2147483647)", "!too long"),
        ("repeat('ab', 3)", "ababab"),
        ("repeat('ab', -1)", ""),
        ("repeat('ab', BIGINT '9223372036854775807')", "!too long"),
        ("reverse('héllo')", "olléh"),
        ("chr(233)", "é"),
        ("chr(0)", "!no code point"),
        ("translate('12345', '143', 'ax')", "a2x5"),
    ]);
}

#[test]
fn regular_expressions_match_replace_and_extract() {
    check(&[
        ("regexp_matches('hello', 'l+')", "true"),
        ("regexp_matches('HELLO', 'l+')", "false"),
        ("regexp_matches('HELLO', 'l+', 'i')", "true"),
        ("regexp_matches('a', '(')", "!no regular expression"),
        ("regexp_matches('a', 'a', 'q')", "!no flag"),
        ("regexp_replace('banana', 'a', 'o')", "bonana"),
        ("regexp_replace('banana', 'a', 'o', 'g')", "bonono"),
        ("regexp_replace('ab', '(a)(b)', '\\2\\1$1\\&')", "ba$1ab"),
        ("regexp_extract('2013-01-31', '(\\d+)-(\\d+)', 2)", "01"),
        ("regexp_extract('abc', '\\d')", ""),
        ("regexp_extract('abc', 'b', 1)", "!has no group 1"),
        ("regexp_extract(NULL, 'b')", "NULL"),
    ]);
}

#[test]
fn numbers_round_and_keep_their_type() {
    check(&[
        ("abs(-5)", "5"),
        ("abs(-1.5)", "1.5"),
        ("abs(-1.50m)", "1.50"),
        ("abs(TINYINT '-128')", "!does not fit into TINYINT"),
        ("sign(-8.4)", "-1"),
        ("sign(0)", "0"),
        ("sign(0.01m)", "1"),
        ("ceil(-42.8)", "-42.0"),
        ("ceiling(42.1m)", "43"),
        ("ceil(-42.8m)", "-42"),
        ("ceil(9.9m)", "10"),
        ("floor(-42.8)", "-43.0"),
        ("floor(-42.8m)", "-43"),
        ("floor(7)", "7"),
        ("round(2.5)", "3.0"),
        ("round(-2.5)", "-3.0"),
        ("round(42.5m)", "43"),
        ("round(-42.5m)", "-43"),
        ("round(9.99m, 1)", "10.00"),
        ("round(42.4382m, 2)", "42.4400"),
        ("round(1234.56, -1)", "1230.0"),
        ("round(1.005m, 2)", "1.010"),
        ("round(0.1, 400)", "0.1"),
        ("round(15, -1)", "20"),
        ("round(15, -30)", "0"),
        ("round(BIGINT '9223372036854775807', -1)", "!does not fit into BIGINT"),
        ("round(NULL, 1)", "NULL"),
        ("round(DOUBLE 'NaN', 1)", "NaN"),
        ("trunc(-42.8)", "-42.0"),
        ("trunc(42.4382m, 2)", "42.4300"),
        ("trunc(1299, -2)", "1200"),
    ]);
}

#[test]
fn mathematics_refuses_what_is_outside_of_its_domain() {
    check(&[
        ("pi()", "3.141592653589793"),
        ("sqrt(2)", "1.4142135623730951"),
        ("sqrt(-1)", "!negative"),
        ("sqrt(DOUBLE 'NaN')", "NaN"),
        ("cbrt(27)", "3.0"),
        ("exp(1)", "2.718281828459045"),
        ("ln(1)", "0.0"),
        ("ln(0)", "!positive"),
        ("log(100)", "2.0"),
        ("log(2, 64)", "6.0"),
        ("log(1, 64)", "!base is 1"),
        ("log2(8)", "3.0"),
        ("power(9, 3)", "729.0"),
        ("pow(0, -1)", "!zero"),
        ("pow(-8, 0.5)", "!negative"),
        ("mod(-7, 3)", "-1"),
        ("mod(7.5, 2)", "1.5"),
        ("mod(7.5m, 2)", "1.5"),
        ("mod(1, 0)", "!division by zero"),
        ("mod(1.0, 0.0)", "!division by zero"),
        ("gcd(1071, -462)", "21"),
        ("gcd(0, 0)", "0"),
        ("sin(0)", "0.0"),
        ("cos(0)", "1.0"),
        ("tan(0)", "0.0"),
        ("cot(DOUBLE 'Infinity')", "NaN"),
        ("asin(1)", "1.5707963267948966"),
        ("acos(2)", "!between -1 and 1"),
        ("atan(0)", "0.0"),
        ("atan2(1, 0)", "1.5707963267948966"),
        ("sinh(0)", "0.0"),
        ("cosh(0)", "1.0"),
        ("tanh(0)", "0.0"),
        ("degrees(3.141592653589793)", "180.0"),
        ("radians(180)", "3.141592653589793"),
        ("isnan(DOUBLE 'NaN')", "true"),
        ("isinf(DOUBLE '-Infinity')", "true"),
        ("isfinite(1)", "true"),
        ("isfinite(NULL)", "NULL"),
    ]);
}

#[test]
fn conditionals_choose() {
    check(&[
        ("coalesce(NULL, 2, 3)", "2"),
        ("coalesce(NULL, NULL)", "NULL"),
        ("ifnull(NULL, 'x')", "x"),
        ("coalesce(1, 'x')", "!no common type"),
        ("nullif(1, 1)", "NULL"),
        ("nullif(1, 2)", "1"),
        ("nullif(0.0, -0.0)", "NULL"),
        ("nullif(NULL, 1)", "NULL"),
        ("nullif('a', NULL)", "a"),
        ("if(true, 1, 2)", "1"),
        ("if(NULL, 1, 2)", "2"),
        ("if(false, 1, 2.5)", "2.5"),
        ("greatest(1, NULL, 3, 2)", "3"),
        ("greatest(1, DOUBLE 'NaN')", "NaN"),
        ("least('b', 'a', NULL)", "a"),
        ("least(NULL, NULL)", "NULL"),
        ("greatest(INTERVAL '30 days', INTERVAL '1 month 1 second')", "1 mon 00:00:01"),
        ("least(DATE '2013-01-02', DATE '2013-01-01')", "2013-01-01"),
        ("typeof(1)", "INTEGER"),
        ("typeof(NULL)", "NULL"),
        ("typeof(1.50m)", "DECIMAL(3,2)"),
    ]);
}

#[test]
fn parts_of_dates_are_those_of_the_calendar() {
    let moment = "TIMESTAMP '2001-02-16 20:38:40.12'";
    for (part, expected) in [
        ("century", "21"),
        ("decade", "200"),
        ("millennium", "3"),
        ("year", "2001"),
        ("isoyear", "2001"),
        ("quarter", "1"),
        ("month", "2"),
        ("week", "7"),
        ("day", "16"),
        ("dow", "5"),
        ("isodow", "5"),
        ("doy", "47"),
        ("hour", "20"),
        ("minute", "38"),
        ("second", "40.12"),
        ("millisecond", "40120"),
        ("microsecond", "40120000"),
        ("epoch", "982355920.12"),
    ] {
        assert_eq!(call_in(&format!("{part}({moment})"), &Config::default()), expected, "{part}");
        let double = if expected.contains('.') { expected.to_string() } else { format!("{expected}.0") };
        assert_eq!(call_in(&format!("date_part('{part}', {moment})"), &Config::default()), double, "{part}");
    }
    check(&[
        ("week(DATE '2006-01-01')", "52"),
        ("isoyear(DATE '2006-01-01')", "2005"),
        ("dow(DATE '2013-01-06')", "0"),
        ("isodow(DATE '2013-01-06')", "7"),
        ("doy(DATE '2012-12-31')", "366"),
        ("century(DATE '2000-12-16')", "20"),
        ("century(DATE '-0001-01-01')", "-1"),
        ("year(NULL)", "NULL"),
        ("hour(DATE '2013-01-01')", "0"),
        ("hour(TIME '13:45:06')", "13"),
        ("second(TIME '13:45:06.5')", "6.5"),
        ("day(TIME '13:45:06')", "!has no such part"),
        ("epoch(TIMESTAMP '1969-12-31 23:59:59.5')", "-0.5"),
        ("second(TIMESTAMP '1969-12-31 23:59:59.5')", "59.5"),
        ("epoch_ms(TIMESTAMP '1969-12-31 23:59:59.9995')", "-1"),
        ("epoch_us(DATE '1970-01-02')", "86400000000"),
        ("year(INTERVAL '14 months')", "1"),
        ("month(INTERVAL '14 months')", "2"),
        ("date_part('day', INTERVAL '40 days 25 hours')", "40.0"),
        ("date_part('hour', INTERVAL '40 days 25 hours')", "25.0"),
        ("epoch(INTERVAL '1 day 1 second')", "86401.0"),
        ("date_part('dow', INTERVAL '1 day')", "!has no such part"),
        ("date_part('parsec', DATE '2013-01-01')", "!no part of a date"),
        ("dayname(DATE '2013-01-01')", "Tuesday"),
        ("monthname(DATE '2013-12-01')", "December"),
        ("last_day(DATE '2012-02-10')", "2012-02-29"),
        ("last_day(TIMESTAMP '2013-12-01 10:00')", "2013-12-31"),
    ]);
}

#[test]
fn dates_are_made_truncated_and_told_apart() {
    check(&[
        ("date_trunc('hour', TIMESTAMP '2001-02-16 20:38:40')", "2001-02-16 20:00:00"),
        ("date_trunc('week', TIMESTAMP '2013-01-06 10:00')", "2012-12-31 00:00:00"),
        ("date_trunc('quarter', DATE '2013-06-30')", "2013-04-01 00:00:00"),
        ("date_trunc('decade', DATE '2013-06-30')", "2010-01-01 00:00:00"),
        ("date_trunc('century', DATE '2013-06-30')", "2001-01-01 00:00:00"),
        ("date_trunc('isoyear', DATE '2013-06-30')", "2012-12-31 00:00:00"),
        ("date_trunc('second', TIMESTAMP '1969-12-31 23:59:59.5')", "1969-12-31 23:59:59"),
        ("date_trunc('dow', DATE '2013-06-30')", "!cannot be truncated"),
        ("date_trunc(NULL, DATE '2013-06-30')", "NULL"),
        ("date_diff('month', DATE '2013-01-31', DATE '2013-02-01')", "1"),
        ("date_diff('year', DATE '2013-12-31', DATE '2013-01-01')", "0"),
        ("datediff('day', DATE '2013-03-01', DATE '2013-02-01')", "-28"),
        ("date_diff('week', DATE '2013-01-06', DATE '2013-01-07')", "1"),
        ("date_diff('hour', TIMESTAMP '2013-01-01 00:59', TIMESTAMP '2013-01-01 01:01')", "1"),
        ("date_diff('hour', DATE '2013-01-01', TIMESTAMP '2013-01-01 01:01')", "1"),
        ("date_add(TIMESTAMP '2013-01-31 10:00', INTERVAL '1 month')", "2013-02-28 10:00:00"),
        ("date_add(DATE '2012-02-29', INTERVAL '-1 year')", "2011-02-28 00:00:00"),
        ("make_date(2013, 2, 28)", "2013-02-28"),
        ("make_date(2013, 2, 29)", "!there is no date"),
        ("make_timestamp(2013, 7, 15, 8, 15, 23.5)", "2013-07-15 08:15:23.5"),
        ("make_timestamp(2013, 7, 15, 24, 15, 23.5)", "!there is no time"),
        ("make_timestamptz(2013, 7, 15, 8, 15, 23.5)", "2013-07-15 08:15:23.5+00"),
        ("to_timestamp(1284352323.5)", "2010-09-13 04:32:03.5+00"),
        ("to_timestamp(DOUBLE 'NaN')", "!out of the range"),
        ("timezone('America/Denver', TIMESTAMP '2001-02-16 20:38:40')", "2001-02-17 03:38:40+00"),
        ("timezone('America/Denver', TIMESTAMPTZ '2001-02-16 20:38:40-05')", "2001-02-16 18:38:40"),
        ("timezone('Mars', TIMESTAMP '2001-02-16 20:38:40')", "!no time zone"),
        ("strftime(TIMESTAMP '2013-01-31 13:45:06', '%d.%m.%Y %H:%M:%S')", "31.01.2013 13:45:06"),
        ("strftime('%a %j', DATE '2013-01-31')", "Thu 031"),
        ("strftime(DATE '2013-01-31', '%!')", "!no date pattern"),
        ("strptime('31.01.2013', '%d.%m.%Y')", "2013-01-31 00:00:00"),
        ("strptime('x', '%d.%m.%Y')", "!no timestamp by the pattern"),
    ]);
}

#[test]
fn buckets_lie_on_their_grids() {
    check(&[
        ("time_bucket(INTERVAL '1 day', TIMESTAMP '2013-01-01 13:45')", "2013-01-01 00:00:00"),
        ("time_bucket(INTERVAL '15 minutes', TIMESTAMP '2013-01-01 13:59:59')", "2013-01-01 13:45:00"),
        ("time_bucket(INTERVAL '1 week', TIMESTAMP '2013-01-06 13:45')", "2012-12-31 00:00:00"),
        ("time_bucket(INTERVAL '1 month', TIMESTAMP '2013-02-06 13:45')", "2013-02-01 00:00:00"),
        ("time_bucket(INTERVAL '5 years', DATE '2013-02-06')", "2010-01-01"),
        ("time_bucket(INTERVAL '1 quarter', DATE '1999-12-31')", "1999-10-01"),
        ("time_bucket(INTERVAL '7 days', DATE '1970-01-01')", "1969-12-29"),
        ("time_bucket(INTERVAL '1 hour', DATE '2013-02-06')", "2013-02-06"),
        ("time_bucket(INTERVAL '36 hours', DATE '2013-02-07')", "!does not start at midnight"),
        ("time_bucket(INTERVAL '1 day', TIMESTAMPTZ '2013-01-01 23:00-05')", "2013-01-02 00:00:00+00"),
        ("time_bucket('1 day', TIMESTAMP '2013-01-01 13:45')", "2013-01-01 00:00:00"),
        ("time_bucket(INTERVAL '1 week', TIMESTAMP '2013-01-06 13:45', TIMESTAMP '2000-01-02')", "2013-01-06 00:00:00"),
        ("time_bucket(INTERVAL '1 day', TIMESTAMP '2013-01-06 05:00', INTERVAL '6 hours')", "2013-01-05 06:00:00"),
        ("time_bucket(INTERVAL '0 days', DATE '2013-01-01')", "!not positive"),
        ("time_bucket(INTERVAL '1 month 1 day', DATE '2013-01-01')", "!mixes months"),
        ("time_bucket(NULL, DATE '2013-01-01')", "NULL"),
        ("time_bucket(INTERVAL '1 day', NULL)", "NULL"),
        (
            "date_bin(INTERVAL '15 minutes', TIMESTAMP '2020-02-11 15:44:17', TIMESTAMP '2001-01-01 00:02:30')",
            "2020-02-11 15:32:30",
        ),
    ]);
}

#[test]
fn zoned_timestamps_are_cut_in_the_session_zone() {
    let config = Config { time_zone: "America/New_York".into(), ..Config::default() };
    for (text, expected) in [
        ("date_trunc('day', TIMESTAMPTZ '2013-07-01 02:00Z')", "2013-06-30 04:00:00+00"),
        // The hour that the clock change repeats stays the one it was.
        ("date_trunc('hour', TIMESTAMPTZ '2013-11-03 06:30Z')", "2013-11-03 06:00:00+00"),
        ("hour(TIMESTAMPTZ '2013-07-01 02:00Z')", "22"),
        ("epoch(TIMESTAMPTZ '1970-01-01 00:00:01Z')", "1.0"),
        ("date_diff('day', TIMESTAMPTZ '2013-07-01 03:59Z', TIMESTAMPTZ '2013-07-01 04:00Z')", "1"),
        ("strftime(TIMESTAMPTZ '2013-07-01 02:00Z', '%H')", "22"),
        ("date_add(TIMESTAMPTZ '2013-03-09 17:00Z', INTERVAL '1 day')", "2013-03-10 16:00:00+00"),
    ] {
        assert_eq!(call_in(text, &config), expected, "{text}");
    }
}

#[test]
fn functions_are_documented_and_their_names_are_unique() {
    let mut seen = HashSet::new();
    for name in names() {
        assert!(seen.insert(name), "{name} is registered twice");
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(lookup(name).is_some());
    }
    for function in all() {
        assert!(function.usage.starts_with(&format!("{}(", function.name)), "{}", function.name);
        assert!(function.usage.ends_with(')'), "{}", function.usage);
        assert!(function.meaning.len() > 5 && function.meaning.ends_with('.'), "{}", function.name);
        assert!(!function.category.is_empty());
    }
    assert!(lookup("no_such_function").is_none());
}

/// Values at the edges of their types.
pub(crate) fn edges() -> Vec<ArrayRef> {
    let text = ["", "é", "a%_\\(", "day", "1 day", "Europe/Zurich", "%Y-%m-%d %H"];
    let floats = [0.0, -0.0, f64::NAN, f64::INFINITY, -1.5, f64::MAX, f64::MIN_POSITIVE];
    let longs = [0, 1, -1, i64::MIN, i64::MAX, 30, i64::MIN + 1];
    let dates = [0, i32::MIN, i32::MAX, 15_000, -1, 1, 106_751_991];
    let decimals = [0, 1, -1, 10i128.pow(38) - 1, 1 - 10i128.pow(38), 55, 5 * 10i128.pow(37)];
    let intervals = [
        (0, 0, 0),
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (i32::MIN, i32::MIN, i64::MIN),
        (0, 0, i64::MAX),
        (i32::MAX, 0, 0),
    ];
    let intervals = intervals.map(|(months, days, nanos)| IntervalMonthDayNano::new(months, days, nanos));
    vec![
        Arc::new(StringViewArray::from(text.to_vec())),
        Arc::new(Float64Array::from(floats.to_vec())),
        Arc::new(Float32Array::from(floats.map(|x| x as f32).to_vec())),
        Arc::new(Int64Array::from(longs.to_vec())),
        Arc::new(Int32Array::from(vec![0, 1, -1, i32::MIN, i32::MAX, 30, 7])),
        Arc::new(Date32Array::from(dates.to_vec())),
        Arc::new(Decimal128Array::from(decimals.to_vec()).with_precision_and_scale(38, 2).unwrap()),
        Arc::new(TimestampMicrosecondArray::from(longs.to_vec())),
        Arc::new(TimestampMicrosecondArray::from(longs.to_vec()).with_timezone("UTC")),
        Arc::new(Time64MicrosecondArray::from(vec![0, 1, 86_399_999_999, 3, 4, 5, 6])),
        Arc::new(IntervalMonthDayNanoArray::from(intervals.to_vec())),
        Arc::new(BooleanArray::from(vec![true, false, true, false, true, false, true])),
    ]
}

#[test]
fn no_function_panics_at_the_edges_of_its_types() {
    let edges = edges();
    for zone in ["UTC", "America/New_York", "+05:30"] {
        let config = Config { time_zone: zone.into(), ..Config::default() };
        for function in all() {
            for arity in 0..=3u32 {
                for combination in 0..edges.len().pow(arity) {
                    let columns: Vec<&ArrayRef> =
                        (0..arity).map(|place| &edges[combination / edges.len().pow(place) % edges.len()]).collect();
                    try_edges(function, &columns, &config);
                }
            }
        }
    }
}

fn try_edges(function: &ScalarFunction, columns: &[&ArrayRef], config: &Config) {
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
    let Ok(signature) = (function.resolve)(&types) else { return };
    let args = |pick: &dyn Fn(usize, &ArrayRef) -> Value| -> Option<Vec<Value>> {
        let cast_one = |(index, column): (usize, &&ArrayRef)| {
            cast(&pick(index, column), &signature.arguments[index], true, config).ok()
        };
        columns.iter().enumerate().map(cast_one).collect()
    };
    let nulls = args(&|_, column| Value::Scalar(Scalar::null(column.data_type())));
    let empty = args(&|_, column| Value::Array(column.slice(0, 0)));
    for (args, rows) in [(nulls, 4), (empty, 0)] {
        let result = (function.evaluate)(&args.unwrap(), rows, config).unwrap();
        assert_eq!(*result.data_type(), signature.result, "{} {types:?}", function.name);
        assert_eq!(result.into_array(rows).len(), rows, "{}", function.name);
    }
    for row in 0..7 {
        let pick = |index: usize, column: &ArrayRef| Value::Scalar(Scalar::from_array(column, (row + index * 3) % 7));
        let Some(args) = args(&pick) else { continue };
        if let Ok(result) = (function.evaluate)(&args, 2, config) {
            assert_eq!(*result.data_type(), signature.result, "{} {types:?}", function.name);
        }
    }
}
