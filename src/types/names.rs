//! Names of types, and quantities as people write them.

use super::{DataType, INTERVAL, TEXT, TIME, TIMESTAMP, timestamp_tz};
use crate::error::{Error, Result};

/// The type's name in SQL, as `DESCRIBE` shows it.
pub fn sql_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".into(),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "REAL".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 => "VARCHAR".into(),
        DataType::Date32 => "DATE".into(),
        DataType::Time64(_) => "TIME".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".into(),
        DataType::Interval(_) => "INTERVAL".into(),
        DataType::List(item) => format!("{}[]", sql_name(item.data_type())),
        other => format!("{other:?}"),
    }
}

/// Reads a type's name: SQL's, PostgreSQL's and DuckDB's short forms, and those of pandas and Arrow
/// (`int64`, `float32`, `string`, `datetime64[ns]`). `int8` is PostgreSQL's, of eight bytes. Zoned timestamps get the zone UTC.
///
/// # Errors
/// A usage error that lists the names, where it is none of them.
pub fn parse_type(name: &str) -> Result<DataType> {
    let lower = name.trim().to_ascii_lowercase();
    let (head, arguments) = match lower.split_once('(') {
        Some((head, rest)) => (head.trim(), Some(rest.trim_end_matches(')'))),
        None => (lower.as_str(), None),
    };
    Ok(match head {
        "bool" | "boolean" | "logical" => DataType::Boolean,
        "tinyint" | "int1" | "i8" => DataType::Int8,
        "smallint" | "int2" | "int16" | "i16" | "short" => DataType::Int16,
        "integer" | "int" | "int4" | "int32" | "i32" | "signed" => DataType::Int32,
        "bigint" | "int8" | "int64" | "i64" | "long" => DataType::Int64,
        "real" | "float4" | "float32" | "f32" => DataType::Float32,
        "double" | "double precision" | "float" | "float8" | "float64" | "f64" => DataType::Float64,
        "decimal" | "numeric" | "dec" => parse_decimal(name, arguments)?,
        "varchar" | "text" | "string" | "char" | "character varying" | "character" | "bpchar" | "str" | "object"
        | "utf8" | "utf8view" => TEXT,
        "date" | "date32" => DataType::Date32,
        "time" | "time64" | "time without time zone" => TIME,
        "timestamp" | "datetime" | "timestamp without time zone" | "datetime64[ns]" | "datetime64[us]" => TIMESTAMP,
        "timestamptz" | "timestamp with time zone" | "datetime64[ns, utc]" | "datetime64[us, utc]" => {
            timestamp_tz("UTC")
        }
        "interval" => INTERVAL,
        _ => {
            return Err(Error::usage(format!("there is no type '{name}'")).with_hint(
                "types are boolean, tinyint, smallint, integer, bigint, real, double, decimal(p,s), varchar, date, \
                 time, timestamp, timestamptz, interval",
            ));
        }
    })
}

fn parse_decimal(name: &str, arguments: Option<&str>) -> Result<DataType> {
    let wrong = || {
        Error::usage(format!("'{name}' is no decimal type"))
            .with_hint("write decimal(precision, scale) with 1 <= precision <= 38 and 0 <= scale <= precision")
    };
    let Some(arguments) = arguments else {
        return Ok(DataType::Decimal128(38, 10));
    };
    let mut parts = arguments.split(',').map(|part| part.trim().parse::<u8>());
    let precision = parts.next().and_then(Result::ok).ok_or_else(wrong)?;
    let scale = match parts.next() {
        Some(scale) => scale.map_err(|_| wrong())?,
        None => 0,
    };
    if parts.next().is_some() || !(1..=38).contains(&precision) || scale > precision {
        return Err(wrong());
    }
    Ok(DataType::Decimal128(precision, i8::try_from(scale).map_err(|_| wrong())?))
}

/// Bytes as people read them, in binary units: `512 B`, `1.5 KiB`, `2.0 GiB`.
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A count with thousands separated by commas: `1,234,567`.
pub fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Reads a number of bytes: `4096`, `256MB`, `1.5 GiB`. As in Dask, MB is 10^6 and MiB is 2^20.
///
/// # Errors
/// A usage error, where it is no such number.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let wrong =
        || Error::usage(format!("'{text}' is no number of bytes")).with_hint("write for instance 512MB, 2GiB or 4096");
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(trimmed.len());
    let number: f64 = trimmed[..split].parse().map_err(|_| wrong())?;
    let factor: f64 = match trimmed[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(wrong()),
    };
    let bytes = number * factor;
    if !bytes.is_finite() || bytes < 0.0 || bytes >= u64::MAX as f64 {
        return Err(wrong());
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_back_from_their_own_names() {
        let types = [
            DataType::Boolean,
            DataType::Int8,
            DataType::Int16,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(12, 3),
            TEXT,
            DataType::Date32,
            TIME,
            TIMESTAMP,
            timestamp_tz("UTC"),
            INTERVAL,
        ];
        for data_type in types {
            assert_eq!(parse_type(&sql_name(&data_type)).unwrap(), data_type);
        }
        assert!(parse_type("decimal(39,2)").is_err());
        assert!(parse_type("decimal(4,5)").is_err());
        assert!(parse_type("blob").is_err());
    }

    #[test]
    fn quantities_read_and_print() {
        assert_eq!(parse_bytes("256MB").unwrap(), 256_000_000);
        assert_eq!(parse_bytes("1.5 GiB").unwrap(), 1_610_612_736);
        assert!(parse_bytes("-1").is_err());
        assert!(parse_bytes("12 parsecs").is_err());
        assert_eq!(format_bytes(1536), "1.5 KiB");
        assert_eq!(format_count(1_234_567), "1,234,567");
        assert_eq!(format_count(12), "12");
    }
}
