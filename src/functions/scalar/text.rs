//! Functions of text that give parts of it, measure it, search it or join it. Positions count characters from 1.

use arrow::datatypes::{Int32Type, Int64Type};

use super::kernel::{argument, map_primitive, map_slices, map_text, primitive, text};
use super::list::length;
use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::{DataType, TEXT, is_list};

const CATEGORY: &str = "text";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!("lower" | "lcase", "lower(text)", "The text in lower case.", one_text, |args, rows, _| {
        change_case(args, rows, str::make_ascii_lowercase, char::to_lowercase)
    }),
    function!("upper" | "ucase", "upper(text)", "The text in upper case.", one_text, |args, rows, _| {
        change_case(args, rows, str::make_ascii_uppercase, char::to_uppercase)
    }),
    function!(
        "initcap",
        "initcap(text)",
        "The first letter of each word in upper case, all others in lower case.",
        one_text,
        |args, rows, _| {
            let input = text(args, 0)?;
            map_text(args, rows, |row, out| Ok(input.get(row).map(|text| initcap(text, out))))
        }
    ),
    function!(
        "length" | "len" | "char_length" | "character_length",
        "length(text or list)",
        "The number of characters of a text, or of the items of a list.",
        |call| match call.types {
            [list] if is_list(list) => call.returns(&[Take::List], &[], DataType::Int64),
            _ => call.returns(&[Take::Text], &[], DataType::Int64),
        },
        |args, rows, _| {
            if is_list(argument(args, 0)?.data_type()) {
                return length(args, rows);
            }
            let input = text(args, 0)?;
            map_primitive::<Int64Type>(args, rows, |row| input.get(row).map(|text| count(characters(text))).transpose())
        }
    ),
    function!(
        "octet_length" | "strlen",
        "octet_length(text)",
        "The number of bytes in UTF-8.",
        |call| call.returns(&[Take::Text], &[], DataType::Int64),
        |args, rows, _| {
            let input = text(args, 0)?;
            map_primitive::<Int64Type>(args, rows, |row| input.get(row).map(|text| count(text.len())).transpose())
        }
    ),
    function!(
        "trim" | "btrim",
        "trim(text [, characters])",
        "The text without blanks, or any of the characters given, at both ends.",
        trimmed,
        |args, rows, _| trim(args, rows, true, true)
    ),
    function!(
        "ltrim",
        "ltrim(text [, characters])",
        "The text without blanks, or any of the characters given, at its start.",
        trimmed,
        |args, rows, _| trim(args, rows, true, false)
    ),
    function!(
        "rtrim",
        "rtrim(text [, characters])",
        "The text without blanks, or any of the characters given, at its end.",
        trimmed,
        |args, rows, _| trim(args, rows, false, true)
    ),
    function!(
        "substring" | "substr",
        "substring(text, start [, count])",
        "The characters from position start on, at most count; a start before 1 uses up the count, as in PostgreSQL.",
        |call| call.returns(&[Take::Text, Take::Integer], &[Take::Integer], TEXT),
        |args, rows, _| substring(args, rows)
    ),
    function!(
        "left",
        "left(text, count)",
        "The first characters; with a negative count all but the last.",
        |call| call.returns(&[Take::Text, Take::Integer], &[], TEXT),
        |args, rows, _| {
            let (input, counts) = (text(args, 0)?, primitive::<Int64Type>(args, 1)?);
            map_slices(args, rows, |row| {
                Ok(input.get(row).zip(counts.get(row)).map(|(text, count)| {
                    let end = if count < 0 {
                        from_end(text, count.unsigned_abs())
                    } else {
                        byte_of(text, count.unsigned_abs())
                    };
                    text.get(..end).unwrap_or(text)
                }))
            })
        }
    ),
    function!(
        "right",
        "right(text, count)",
        "The last characters; with a negative count all but the first.",
        |call| call.returns(&[Take::Text, Take::Integer], &[], TEXT),
        |args, rows, _| {
            let (input, counts) = (text(args, 0)?, primitive::<Int64Type>(args, 1)?);
            map_slices(args, rows, |row| {
                Ok(input.get(row).zip(counts.get(row)).map(|(text, count)| {
                    let start = if count < 0 {
                        byte_of(text, count.unsigned_abs())
                    } else {
                        from_end(text, count.unsigned_abs())
                    };
                    text.get(start..).unwrap_or(text)
                }))
            })
        }
    ),
    function!(
        "strpos" | "instr" | "position",
        "strpos(text, part)",
        "The position of the first occurrence of part, 0 where there is none.",
        |call| call.returns(&[Take::Text, Take::Text], &[], DataType::Int64),
        |args, rows, _| {
            let (input, part) = (text(args, 0)?, text(args, 1)?);
            map_primitive::<Int64Type>(args, rows, |row| {
                let Some((text, part)) = input.get(row).zip(part.get(row)) else { return Ok(None) };
                let found = text.find(part).and_then(|at| text.get(..at));
                found.map_or(Ok(Some(0)), |before| Ok(Some(count(characters(before))? + 1)))
            })
        }
    ),
    function!(
        "starts_with" | "prefix",
        "starts_with(text, start)",
        "Whether the text begins with start.",
        two_texts_to_boolean,
        |args, _, _| two_text_kernel(args, arrow::compute::starts_with)
    ),
    function!(
        "ends_with" | "suffix",
        "ends_with(text, end)",
        "Whether the text ends with end.",
        two_texts_to_boolean,
        |args, _, _| two_text_kernel(args, arrow::compute::ends_with)
    ),
    function!(
        "contains",
        "contains(text, part)",
        "Whether part occurs in the text.",
        two_texts_to_boolean,
        |args, _, _| two_text_kernel(args, arrow::compute::contains)
    ),
    function!(
        "replace",
        "replace(text, from, to)",
        "The text with every occurrence of from replaced by to.",
        |call| call.returns(&[Take::Text, Take::Text, Take::Text], &[], TEXT),
        |args, rows, _| {
            let (input, from, to) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
            map_text(args, rows, |row, out| {
                let (Some(text), Some(from), Some(to)) = (input.get(row), from.get(row), to.get(row)) else {
                    return Ok(None);
                };
                if from.is_empty() {
                    out.push_str(text);
                    return Ok(Some(()));
                }
                for (index, piece) in text.split(from).enumerate() {
                    if index > 0 {
                        out.push_str(to);
                    }
                    out.push_str(piece);
                }
                Ok(Some(()))
            })
        }
    ),
    function!(
        "concat",
        "concat(value, …)",
        "The texts of all values one after another; nulls are left out.",
        |call| all_text(call, 1),
        |args, rows, _| {
            let inputs = args.iter().enumerate().map(|(index, _)| text(args, index)).collect::<Result<Vec<_>>>()?;
            map_text(args, rows, |row, out| {
                inputs.iter().filter_map(|input| input.get(row)).for_each(|text| out.push_str(text));
                Ok(Some(()))
            })
        }
    ),
    function!(
        "concat_ws",
        "concat_ws(separator, value, …)",
        "The texts of all values that are not null, with the separator between them.",
        |call| all_text(call, 2),
        |args, rows, _| {
            let separator = text(args, 0)?;
            let inputs = (1..args.len()).map(|index| text(args, index)).collect::<Result<Vec<_>>>()?;
            map_text(args, rows, |row, out| {
                let Some(separator) = separator.get(row) else { return Ok(None) };
                for (index, text) in inputs.iter().filter_map(|input| input.get(row)).enumerate() {
                    if index > 0 {
                        out.push_str(separator);
                    }
                    out.push_str(text);
                }
                Ok(Some(()))
            })
        }
    ),
    function!(
        "split_part",
        "split_part(text, separator, n)",
        "The n-th piece of the text between separators, counted from the end where n is negative; empty where there is none.",
        |call| call.returns(&[Take::Text, Take::Text, Take::Integer], &[], TEXT),
        |args, rows, _| {
            let (input, separator, number) = (text(args, 0)?, text(args, 1)?, primitive::<Int64Type>(args, 2)?);
            map_slices(args, rows, |row| {
                let (Some(text), Some(separator), Some(n)) = (input.get(row), separator.get(row), number.get(row))
                else {
                    return Ok(None);
                };
                split_part(text, separator, n).map(Some)
            })
        }
    ),
    function!(
        "ascii" | "ord" | "unicode",
        "ascii(text)",
        "The code point of the first character, 0 of empty text.",
        |call| call.returns(&[Take::Text], &[], DataType::Int32),
        |args, rows, _| {
            let input = text(args, 0)?;
            map_primitive::<Int32Type>(args, rows, |row| {
                Ok(input.get(row).map(|text| text.chars().next().map_or(0, |first| first as i32)))
            })
        }
    ),
];

fn one_text(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Text], &[], TEXT)
}

fn trimmed(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Text], &[Take::Text], TEXT)
}

fn two_texts_to_boolean(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Text, Take::Text], &[], DataType::Boolean)
}

fn all_text(call: &Call<'_>, least: usize) -> Result<Signature> {
    let takes = vec![Take::AnyText; call.types.len().max(least)];
    call.returns(&takes, &[], TEXT)
}

type TextKernel = fn(
    &dyn arrow::array::Datum,
    &dyn arrow::array::Datum,
) -> Result<arrow::array::BooleanArray, arrow::error::ArrowError>;

fn two_text_kernel(args: &[Value], kernel: TextKernel) -> Result<Value> {
    let (left, right) = (argument(args, 0)?, argument(args, 1)?);
    let result = std::sync::Arc::new(kernel(left, right)?);
    Ok(if right.is_scalar() { left.like_me(result) } else { Value::Array(result) })
}

/// A length as BIGINT.
fn count(length: usize) -> Result<i64> {
    i64::try_from(length).map_err(|_| Error::internal("a length beyond 2^63"))
}

/// The number of characters: in UTF-8, of bytes that do not continue one.
pub(super) fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The byte at which the character with `index` (from 0) starts; the length where there are fewer.
pub(super) fn byte_of(text: &str, index: u64) -> usize {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    if index >= text.len() {
        return text.len();
    }
    if text.is_ascii() { index } else { text.char_indices().nth(index).map_or(text.len(), |(at, _)| at) }
}

/// The byte at which the last `count` characters start; 0 where there are fewer.
fn from_end(text: &str, count: u64) -> usize {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count == 0 {
        return text.len();
    }
    if count >= text.len() {
        return 0;
    }
    if text.is_ascii() { text.len() - count } else { text.char_indices().rev().nth(count - 1).map_or(0, |(at, _)| at) }
}

fn change_case<I: Iterator<Item = char>>(
    args: &[Value],
    rows: usize,
    ascii: fn(&mut str),
    unicode: fn(char) -> I,
) -> Result<Value> {
    let input = text(args, 0)?;
    map_text(args, rows, |row, out| {
        let Some(text) = input.get(row) else { return Ok(None) };
        if text.is_ascii() {
            out.push_str(text);
            ascii(out);
        } else {
            out.extend(text.chars().flat_map(unicode));
        }
        Ok(Some(()))
    })
}

fn initcap(text: &str, out: &mut String) {
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric();
    }
}

fn trim(args: &[Value], rows: usize, start: bool, end: bool) -> Result<Value> {
    let input = text(args, 0)?;
    let set = if args.len() > 1 { Some(text(args, 1)?) } else { None };
    map_slices(args, rows, |row| {
        let Some(text) = input.get(row) else { return Ok(None) };
        let set = match &set {
            Some(set) => match set.get(row) {
                Some(set) => set,
                None => return Ok(None),
            },
            None => " ",
        };
        let inside = |c: char| set.contains(c);
        let text = if start { text.trim_start_matches(inside) } else { text };
        Ok(Some(if end { text.trim_end_matches(inside) } else { text }))
    })
}

fn substring(args: &[Value], rows: usize) -> Result<Value> {
    let (input, starts) = (text(args, 0)?, primitive::<Int64Type>(args, 1)?);
    let counts = if args.len() > 2 { Some(primitive::<Int64Type>(args, 2)?) } else { None };
    map_slices(args, rows, |row| {
        let Some((text, start)) = input.get(row).zip(starts.get(row)) else { return Ok(None) };
        let end = match &counts {
            None => i64::MAX,
            Some(counts) => match counts.get(row) {
                None => return Ok(None),
                Some(count) if count < 0 => {
                    return Err(Error::data(format!("substring: a count of {count} is negative")));
                }
                Some(count) => start.saturating_add(count),
            },
        };
        let first = byte_of(text, start.max(1).unsigned_abs() - 1);
        let rest = text.get(first..).unwrap_or("");
        let taken = end.saturating_sub(start.max(1)).max(0).unsigned_abs();
        Ok(Some(rest.get(..byte_of(rest, taken)).unwrap_or(rest)))
    })
}

fn split_part<'a>(text: &'a str, separator: &str, n: i64) -> Result<&'a str> {
    let skip = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX).wrapping_sub(1);
    if n == 0 {
        return Err(Error::data("split_part: pieces are counted from 1, there is no piece 0"));
    }
    if separator.is_empty() {
        return Ok(if skip == 0 { text } else { "" });
    }
    let piece = if n > 0 { text.split(separator).nth(skip) } else { text.rsplit(separator).nth(skip) };
    Ok(piece.unwrap_or(""))
}
