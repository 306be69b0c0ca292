//! Constants: numbers, texts, typed texts (`DATE '…'`) and types.

use sqlparser::ast::{self, ArrayElemTypeDef, ExactNumberInfo, TimezoneInfo, Value};

use super::span::{at, not_yet, span, spanned};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::types::interval::parse_interval;
use crate::types::temporal::{MICROS_PER_SECOND, parse_date, parse_time, parse_timestamp, parse_zone};
use crate::types::{DataType, INTERVAL, Scalar, TEXT, TIME, TIMESTAMP, list_of, parse_type, timestamp_tz};

/// Digits that a number without exponent may have.
const MAX_DIGITS: usize = 38;

/// A constant; `negative` where a minus stood before it, which only numbers take.
pub(super) fn value(value: &ast::ValueWithSpan, negative: bool) -> Result<Expr> {
    let place = span(value.span);
    let scalar = match &value.value {
        Value::Number(digits, _) => number(digits, negative).map_err(|error| at(error, place))?,
        Value::Boolean(value) => Scalar::boolean(*value),
        Value::Null => Scalar::null(&DataType::Null),
        Value::Placeholder(name) => return Err(not_yet(&format!("parameters such as {name} are"), place)),
        Value::HexStringLiteral(_)
        | Value::SingleQuotedByteStringLiteral(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_) => return Err(not_yet("binary values are", place)),
        other => match text(other) {
            Some(text) => Scalar::text(text),
            None => return Err(not_yet("this kind of constant is", place)),
        },
    };
    Ok(spanned(Expr::Literal(scalar), place))
}

/// The text of a quoted text, however it was quoted; `None` of anything else.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Some(text),
        Value::DollarQuotedString(quoted) => Some(&quoted.value),
        _ => None,
    }
}

/// An integer of the smallest of INTEGER, BIGINT and DECIMAL that holds it; with a point a DECIMAL of exactly its
/// digits, as in PostgreSQL; with an exponent a DOUBLE.
fn number(written: &str, negative: bool) -> Result<Scalar> {
    let sign = if negative { "-" } else { "" };
    let text: String = sign.chars().chain(written.chars().filter(|&c| c != '_')).collect();
    let wrong = || Error::sql(format!("'{written}' is no number"));
    if text.contains(['e', 'E']) {
        let value: f64 = text.parse().map_err(|_| wrong())?;
        return match value.is_finite() {
            true => Ok(Scalar::float64(value)),
            false => Err(Error::sql(format!("{written} is too large for a DOUBLE"))),
        };
    }
    if !text.contains('.') {
        if let Ok(value) = text.parse::<i32>() {
            return Ok(Scalar::int32(value));
        }
        if let Ok(value) = text.parse::<i64>() {
            return Ok(Scalar::int64(value));
        }
    }
    let unsigned = text.trim_start_matches('-');
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
    if digits.len() > MAX_DIGITS || digits.contains(|c: char| !c.is_ascii_digit()) {
        return Err(Error::sql(format!("a number of {} digits does not fit a DECIMAL of 38", digits.len()))
            .with_hint("write it with an exponent (1.5e40) to get a DOUBLE"));
    }
    let value: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| wrong())? };
    let precision = u8::try_from(digits.len().max(1)).map_err(|_| wrong())?;
    let scale = i8::try_from(fraction.len()).map_err(|_| wrong())?;
    Scalar::decimal(if negative { -value } else { value }, precision, scale)
}

/// `DATE '2013-01-31'` and the like: the text is read now, so that a wrong one is an error with its place.
pub(super) fn typed_text(typed: &ast::TypedString, config: &Config) -> Result<Expr> {
    let place = span(typed.value.span);
    let Some(text) = text(&typed.value.value) else {
        return Err(at(Error::sql("a type is followed by a text in single quotes"), place));
    };
    let to = data_type(&typed.data_type, config).map_err(|error| at(error, place))?;
    let wrong = |what: &str, hint: &str| at(Error::sql(format!("'{text}' is no {what}")).with_hint(hint), place);
    let scalar = match &to {
        DataType::Date32 => Scalar::date(parse_date(text).ok_or_else(|| wrong("date", "write DATE '2013-01-31'"))?),
        DataType::Time64(_) => Scalar::time(parse_time(text).ok_or_else(|| wrong("time", "write TIME '13:45:06'"))?),
        DataType::Timestamp(_, None) => match parse_timestamp(text) {
            Some((local, None)) => Scalar::timestamp(local, None),
            // PostgreSQL drops the offset in silence, which moves the moment.
            Some(_) => return Err(wrong("timestamp without time zone", "write TIMESTAMPTZ for one with a time zone")),
            None => return Err(wrong("timestamp", "write TIMESTAMP '2013-01-31 13:45:06'")),
        },
        DataType::Timestamp(_, Some(zone)) => {
            let hint = "write TIMESTAMPTZ '2013-01-31 13:45:06+01'";
            let (local, offset) = parse_timestamp(text).ok_or_else(|| wrong("timestamp", hint))?;
            let micros = match offset {
                Some(seconds) => local - seconds * MICROS_PER_SECOND,
                None => parse_zone(zone)?.to_utc(local),
            };
            Scalar::timestamp(micros, Some(zone))
        }
        DataType::Interval(_) => Scalar::interval(parse_interval(text, None).map_err(|error| at(error, place))?),
        _ => {
            let literal = spanned(Expr::Literal(Scalar::text(text)), place);
            return Ok(spanned(literal.cast(to), place));
        }
    };
    Ok(spanned(Expr::Literal(scalar), place))
}

/// A type by its name in SQL. Lengths of texts and precisions of times are accepted and without effect, as in DuckDB;
/// timestamps with time zone are shown in the session's zone.
pub(super) fn data_type(written: &ast::DataType, config: &Config) -> Result<DataType> {
    use ast::DataType as T;
    let decimal = |info: &ExactNumberInfo| match info {
        ExactNumberInfo::None => named("decimal"),
        ExactNumberInfo::Precision(precision) => named(&format!("decimal({precision})")),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => named(&format!("decimal({precision},{scale})")),
    };
    match written {
        T::Character(_)
        | T::Char(_)
        | T::CharacterVarying(_)
        | T::CharVarying(_)
        | T::Varchar(_)
        | T::Nvarchar(_)
        | T::Text
        | T::String(_) => Ok(TEXT),
        T::Numeric(info) | T::Decimal(info) | T::Dec(info) => decimal(info),
        T::Float(ExactNumberInfo::Precision(bits)) if *bits <= 24 => Ok(DataType::Float32),
        T::Float(_) | T::Double(_) => Ok(DataType::Float64),
        T::TinyInt(_) => Ok(DataType::Int8),
        T::SmallInt(_) | T::Int2(_) => Ok(DataType::Int16),
        T::Int(_) | T::Integer(_) | T::Int4(_) => Ok(DataType::Int32),
        T::BigInt(_) | T::Int8(_) => Ok(DataType::Int64),
        T::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => Ok(timestamp_tz(&config.time_zone)),
        T::Timestamp(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) | T::TimestampNtz(_) | T::Datetime(_) => {
            Ok(TIMESTAMP)
        }
        T::Time(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => Err(not_yet("times of day with zone are", None)),
        T::Time(_, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Ok(TIME),
        T::Interval { fields: None, .. } => Ok(INTERVAL),
        T::Array(ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item)) => {
            match data_type(item, config)? {
                DataType::List(_) => Err(not_yet("lists of lists are", None)),
                item => Ok(list_of(item)),
            }
        }
        T::Array(_) | T::Struct(_, _) | T::Map(_, _, _) | T::Union(_) | T::Tuple(_) => {
            Err(not_yet("types of structs and maps, and lists without a type are", None))
        }
        T::Custom(name, modifiers) if modifiers.is_empty() => {
            let parts: Vec<&str> = name.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.as_str()).collect();
            named(&parts.join("."))
        }
        other => named(&other.to_string()),
    }
}

fn named(name: &str) -> Result<DataType> {
    parse_type(name).map_err(|error| {
        let kind = error.kind();
        let sql = Error::sql(kind.message.clone());
        match &kind.hint {
            Some(hint) => sql.with_hint(hint.clone()),
            None => sql,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_the_smallest_exact_type() {
        let show = |text, negative| {
            let scalar = number(text, negative).unwrap();
            format!("{scalar} {}", crate::types::sql_name(scalar.data_type()))
        };
        assert_eq!(show("1", false), "1 INTEGER");
        assert_eq!(show("2147483648", true), "-2147483648 INTEGER");
        assert_eq!(show("2147483648", false), "2147483648 BIGINT");
        assert_eq!(show("9223372036854775808", true), "-9223372036854775808 BIGINT");
        assert_eq!(show("9223372036854775808", false), "9223372036854775808 DECIMAL(19,0)");
        assert_eq!(show("1_000", false), "1000 INTEGER");
        assert_eq!(show("0.50", false), "0.50 DECIMAL(2,2)");
        assert_eq!(show(".5", true), "-0.5 DECIMAL(1,1)");
        assert_eq!(show("12.", false), "12 DECIMAL(2,0)");
        assert_eq!(show("0.0", false), "0.0 DECIMAL(1,1)");
        assert_eq!(show("1e3", false), "1000.0 DOUBLE");
        assert_eq!(show("1.5E-3", true), "-0.0015 DOUBLE");
        assert!(number("1e999", false).is_err());
        assert!(number(&"9".repeat(39), false).unwrap_err().to_string().contains("exponent"));
    }
}
