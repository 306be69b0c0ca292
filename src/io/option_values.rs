//! Reading the values of options: what SQL, the API and the command line may write where a truth value, a number or a
//! text is wanted.

use super::options::OptionValue;
use crate::config::suggest;
use crate::error::{Error, Result};

/// A truth value: `true`, `false`, `1`, `0`, also as text.
pub(crate) fn boolean(name: &str, value: &OptionValue) -> Result<bool> {
    match value {
        OptionValue::Boolean(value) => Ok(*value),
        OptionValue::Number(number) if *number == 1.0 => Ok(true),
        OptionValue::Number(number) if *number == 0.0 => Ok(false),
        OptionValue::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "true" | "on" | "1") => Ok(true),
        OptionValue::Text(text) if matches!(text.to_ascii_lowercase().as_str(), "false" | "off" | "0") => Ok(false),
        _ => Err(Error::usage(format!("the option '{name}' is true or false"))),
    }
}

/// A whole number of at least 1.
pub(crate) fn count(name: &str, value: &OptionValue) -> Result<u64> {
    let number = match value {
        OptionValue::Number(number) => Some(*number),
        OptionValue::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if number >= 1.0 && number.fract() == 0.0 && number < 1e15 => Ok(number as u64),
        _ => Err(Error::usage(format!("the option '{name}' is a positive whole number"))),
    }
}

/// A text.
pub(crate) fn text<'a>(name: &str, value: &'a OptionValue) -> Result<&'a str> {
    match value {
        OptionValue::Text(text) => Ok(text),
        _ => Err(Error::usage(format!("the option '{name}' is a text"))),
    }
}

/// The error of an option that `what` does not have, with the one that was most likely meant.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    let error = Error::usage(format!("{what} has no option '{name}'"));
    match suggest(name, known.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error.with_hint(format!("its options are {}", known.join(", "))),
    }
}
