//! Functions of text that make new text: padding, repeating, reversing, replacing characters.

use arrow::datatypes::Int64Type;

use super::kernel::{map_text, primitive, text};
use super::signature::{Call, Take};
use super::text::{byte_of, characters};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::TEXT;

const CATEGORY: &str = "text";

/// Bytes of one text at most: a slip in a count must not take all memory.
const MAX_TEXT: u64 = 256 << 20;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "lpad",
        "lpad(text, length [, fill])",
        "The text filled up with blanks, or fill, at its start to so many characters; longer text is cut at its end.",
        padded,
        |args, rows, _| pad(args, rows, true)
    ),
    function!(
        "rpad",
        "rpad(text, length [, fill])",
        "The text filled up with blanks, or fill, at its end to so many characters; longer text is cut at its end.",
        padded,
        |args, rows, _| pad(args, rows, false)
    ),
    function!(
        "repeat",
        "repeat(text, count)",
        "The text so many times.",
        |call| call.returns(&[Take::Text, Take::Integer], &[], TEXT),
        |args, rows, _| {
            let (input, counts) = (text(args, 0)?, primitive::<Int64Type>(args, 1)?);
            map_text(args, rows, |row, out| {
                let Some((text, count)) = input.get(row).zip(counts.get(row)) else { return Ok(None) };
                let count = count.max(0).unsigned_abs();
                check_length("repeat", count.saturating_mul(text.len() as u64))?;
                if !text.is_empty() {
                    (0..count).for_each(|_| out.push_str(text));
                }
                Ok(Some(()))
            })
        }
    ),
    function!(
        "reverse",
        "reverse(text)",
        "The characters in the opposite order.",
        |call| call.returns(&[Take::Text], &[], TEXT),
        |args, rows, _| {
            let input = text(args, 0)?;
            map_text(args, rows, |row, out| Ok(input.get(row).map(|text| out.extend(text.chars().rev()))))
        }
    ),
    function!(
        "chr",
        "chr(code)",
        "The character of a code point.",
        |call| call.returns(&[Take::Integer], &[], TEXT),
        |args, rows, _| {
            let codes = primitive::<Int64Type>(args, 0)?;
            map_text(args, rows, |row, out| {
                let Some(code) = codes.get(row) else { return Ok(None) };
                let c = u32::try_from(code).ok().filter(|code| *code != 0).and_then(char::from_u32);
                out.push(c.ok_or_else(|| Error::data(format!("chr: {code} is no code point of a character")))?);
                Ok(Some(()))
            })
        }
    ),
    function!(
        "translate",
        "translate(text, from, to)",
        "Each character that is in from replaced by the one at the same place in to, or removed where to is shorter.",
        |call| call.returns(&[Take::Text, Take::Text, Take::Text], &[], TEXT),
        |args, rows, _| {
            let (input, from, to) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
            map_text(args, rows, |row, out| {
                let (Some(text), Some(from), Some(to)) = (input.get(row), from.get(row), to.get(row)) else {
                    return Ok(None);
                };
                for c in text.chars() {
                    match from.chars().position(|wanted| wanted == c) {
                        None => out.push(c),
                        Some(place) => out.extend(to.chars().nth(place)),
                    }
                }
                Ok(Some(()))
            })
        }
    ),
];

fn padded(call: &Call<'_>) -> Result<Signature> {
    call.returns(&[Take::Text, Take::Integer], &[Take::Text], TEXT)
}

fn check_length(function: &str, bytes: u64) -> Result<()> {
    if bytes <= MAX_TEXT {
        return Ok(());
    }
    Err(Error::data(format!("{function}: a text of {bytes} bytes is too long"))
        .with_hint(format!("the most is {}", crate::types::format_bytes(MAX_TEXT))))
}

fn pad(args: &[Value], rows: usize, at_start: bool) -> Result<Value> {
    let (input, lengths) = (text(args, 0)?, primitive::<Int64Type>(args, 1)?);
    let fill = if args.len() > 2 { Some(text(args, 2)?) } else { None };
    map_text(args, rows, |row, out| {
        let Some((text, length)) = input.get(row).zip(lengths.get(row)) else { return Ok(None) };
        let fill = match &fill {
            None => " ",
            Some(fill) => match fill.get(row) {
                Some(fill) => fill,
                None => return Ok(None),
            },
        };
        let length = length.max(0).unsigned_abs();
        check_length(if at_start { "lpad" } else { "rpad" }, length)?;
        let text = text.get(..byte_of(text, length)).unwrap_or(text);
        let missing = usize::try_from(length).unwrap_or(0).saturating_sub(characters(text));
        if !at_start {
            out.push_str(text);
        }
        if !fill.is_empty() {
            out.extend(fill.chars().cycle().take(missing));
        }
        if at_start {
            out.push_str(text);
        }
        Ok(Some(()))
    })
}
