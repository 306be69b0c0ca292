//! Reading the values of options; what is wrong with one is told as what follows "the option 'x' is".

use super::Delimiter;
use crate::io::options::OptionValue;
use crate::types::{DataType, parse_bytes, parse_type};

/// What is wrong with a value, to follow "the option 'x' is".
pub type Problem = String;

/// The value is of a kind that the option does not take.
pub fn wrong_kind(value: &OptionValue) -> Problem {
    match value {
        OptionValue::Text(text) => format!("the text '{text}'"),
        OptionValue::Boolean(value) => format!("the truth value {value}"),
        OptionValue::Number(number) => format!("the number {number}"),
        OptionValue::List(_) => "a list".into(),
        OptionValue::Map(_) => "a map".into(),
    }
}

/// A text.
pub fn text(value: &OptionValue) -> Result<&str, Problem> {
    match value {
        OptionValue::Text(text) => Ok(text),
        other => Err(wrong_kind(other)),
    }
}

/// A text, or a list of them.
pub fn texts(value: &OptionValue) -> Result<Vec<String>, Problem> {
    match value {
        OptionValue::Text(text) => Ok(vec![text.clone()]),
        OptionValue::List(items) => items.iter().map(|item| text(item).map(String::from)).collect(),
        other => Err(wrong_kind(other)),
    }
}

/// `true` or `false`, also as text or as 1 and 0.
pub fn boolean(value: &OptionValue) -> Result<bool, Problem> {
    match value {
        OptionValue::Boolean(value) => Ok(*value),
        OptionValue::Text(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        OptionValue::Text(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        OptionValue::Number(number) if *number == 0.0 || *number == 1.0 => Ok(*number == 1.0),
        other => Err(wrong_kind(other)),
    }
}

/// A whole number that is not negative.
pub fn whole_number(value: &OptionValue) -> Result<u64, Problem> {
    match value {
        OptionValue::Number(number) if *number >= 0.0 && number.fract() == 0.0 && *number < 9e15 => Ok(*number as u64),
        OptionValue::Text(text) => text.trim().parse().map_err(|_| wrong_kind(value)),
        other => Err(wrong_kind(other)),
    }
}

/// A number of bytes, also as `'64MB'`.
pub fn bytes(value: &OptionValue) -> Result<u64, Problem> {
    match value {
        OptionValue::Text(text) => parse_bytes(text).map_err(|_| format!("'{text}', which is no number of bytes")),
        other => whole_number(other),
    }
}

/// The name of a type.
pub fn data_type(value: &OptionValue) -> Result<DataType, Problem> {
    parse_type(text(value)?).map_err(|error| format!("wrong: {}", error.kind().message))
}

/// Types by column.
pub fn types_by_name(entries: &[(String, OptionValue)]) -> Result<Vec<(String, DataType)>, Problem> {
    entries.iter().map(|(column, name)| Ok((column.clone(), data_type(name)?))).collect()
}

/// One ASCII character; `\t` and `tab` may be spelt out; `None` for the empty text.
pub fn one_byte(value: &OptionValue) -> Result<Option<u8>, Problem> {
    match tab_spelt_out(text(value)?) {
        "" => Ok(None),
        text => match text.as_bytes() {
            [byte] => Ok(Some(*byte)),
            _ => Err(format!("'{text}', which is not one ASCII character")),
        },
    }
}

/// A few bytes; `\t` and `tab` may be spelt out.
pub fn delimiter(value: &OptionValue) -> Result<Delimiter, Problem> {
    match tab_spelt_out(text(value)?) {
        "" => Err("empty".into()),
        text => Delimiter::new(text.as_bytes())
            .ok_or_else(|| format!("'{text}', which is longer than {} bytes", Delimiter::LONGEST)),
    }
}

fn tab_spelt_out(text: &str) -> &str {
    if matches!(text, "\\t" | "tab") { "\t" } else { text }
}
