//! Regular expressions, in the syntax of the `regex` crate: linear time, without look-around and back references.

use arrow::datatypes::Int64Type;
use regex::{Regex, RegexBuilder};

use super::ScalarFunction;
use super::kernel::{map_boolean, map_slices, map_text, primitive, text};
use super::signature::Take;
use crate::error::{Error, Result};
use crate::types::{DataType, TEXT};

const CATEGORY: &str = "text";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "regexp_matches" | "regexp_like",
        "regexp_matches(text, pattern [, flags])",
        "Whether the pattern matches some part of the text; flag i ignores case.",
        |call| call.returns(&[Take::Text, Take::Text], &[Take::Text], DataType::Boolean),
        |args, rows, _| {
            let (input, patterns) = (text(args, 0)?, text(args, 1)?);
            let flags = if args.len() > 2 { Some(text(args, 2)?) } else { None };
            let mut compiled = Compiled::default();
            map_boolean(args, rows, |row| {
                let Some((text, pattern)) = input.get(row).zip(patterns.get(row)) else { return Ok(None) };
                let Some(flags) = flags.as_ref().map_or(Some(""), |flags| flags.get(row)) else { return Ok(None) };
                Ok(Some(compiled.get(pattern, flags)?.is_match(text)))
            })
        }
    ),
    function!(
        "regexp_replace",
        "regexp_replace(text, pattern, replacement [, flags])",
        "The text with the first match replaced, with flag g all; \\1 to \\9 in the replacement are groups, \\& is the match.",
        |call| call.returns(&[Take::Text, Take::Text, Take::Text], &[Take::Text], TEXT),
        |args, rows, _| {
            let (input, patterns, replacements) = (text(args, 0)?, text(args, 1)?, text(args, 2)?);
            let flags = if args.len() > 3 { Some(text(args, 3)?) } else { None };
            let mut compiled = Compiled::default();
            let mut template = Template::default();
            map_text(args, rows, |row, out| {
                let (Some(text), Some(pattern), Some(replacement)) =
                    (input.get(row), patterns.get(row), replacements.get(row))
                else {
                    return Ok(None);
                };
                let Some(flags) = flags.as_ref().map_or(Some(""), |flags| flags.get(row)) else { return Ok(None) };
                let limit = usize::from(!flags.contains('g'));
                let regex = compiled.get(pattern, flags)?;
                out.push_str(&regex.replacen(text, limit, template.get(replacement)));
                Ok(Some(()))
            })
        }
    ),
    function!(
        "regexp_extract" | "regexp_substr",
        "regexp_extract(text, pattern [, group])",
        "The first match, or the group of that number in it; empty where there is none.",
        |call| call.returns(&[Take::Text, Take::Text], &[Take::Integer], TEXT),
        |args, rows, _| {
            let (input, patterns) = (text(args, 0)?, text(args, 1)?);
            let groups = if args.len() > 2 { Some(primitive::<Int64Type>(args, 2)?) } else { None };
            let mut compiled = Compiled::default();
            map_slices(args, rows, |row| {
                let Some((text, pattern)) = input.get(row).zip(patterns.get(row)) else { return Ok(None) };
                let Some(group) = groups.as_ref().map_or(Some(0), |groups| groups.get(row)) else { return Ok(None) };
                let regex = compiled.get(pattern, "")?;
                let group =
                    usize::try_from(group).ok().filter(|group| *group < regex.captures_len()).ok_or_else(|| {
                        Error::data(format!("regexp_extract: the pattern '{pattern}' has no group {group}"))
                    })?;
                let found = match group {
                    0 => regex.find(text),
                    group => regex.captures(text).and_then(|captures| captures.get(group)),
                };
                Ok(Some(found.map_or("", |found| found.as_str())))
            })
        }
    ),
];

/// The pattern compiled last: a constant one is compiled once.
#[derive(Default)]
struct Compiled {
    source: Option<(String, String)>,
    regex: Option<Regex>,
}

impl Compiled {
    fn get(&mut self, pattern: &str, flags: &str) -> Result<&Regex> {
        let same = self.source.as_ref().is_some_and(|(p, f)| p == pattern && f == flags);
        if !same {
            self.regex = None;
        }
        if self.regex.is_none() {
            self.regex = Some(compile(pattern, flags)?);
            self.source = Some((pattern.to_string(), flags.to_string()));
        }
        self.regex.as_ref().ok_or_else(|| Error::internal("a regular expression was not kept"))
    }
}

fn compile(pattern: &str, flags: &str) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'c' => builder.case_insensitive(false),
            's' => builder.dot_matches_new_line(true),
            'm' | 'n' => builder.multi_line(true),
            'x' => builder.ignore_whitespace(true),
            'g' => &mut builder,
            _ => {
                return Err(Error::data(format!("'{flag}' is no flag of a regular expression"))
                    .with_hint("flags are g (all matches), i (ignore case), c, s, m and x"));
            }
        };
    }
    builder.build().map_err(|error| {
        let reason = error.to_string();
        let last = reason.lines().last().unwrap_or("it does not parse").trim_start_matches("error: ");
        Error::data(format!("'{pattern}' is no regular expression: {last}"))
    })
}

/// The replacement translated last, from `\1` and `\&` to the `regex` crate's `${1}` and `${0}`.
#[derive(Default)]
struct Template {
    source: Option<String>,
    translated: String,
}

impl Template {
    fn get(&mut self, replacement: &str) -> &str {
        if self.source.as_deref() != Some(replacement) {
            self.translated.clear();
            let mut chars = replacement.chars();
            while let Some(c) = chars.next() {
                match c {
                    '$' => self.translated.push_str("$$"),
                    '\\' => match chars.next() {
                        Some('&') => self.translated.push_str("${0}"),
                        Some(digit) if digit.is_ascii_digit() => {
                            self.translated.push_str("${");
                            self.translated.push(digit);
                            self.translated.push('}');
                        }
                        Some('$') => self.translated.push_str("$$"),
                        Some(other) => self.translated.push(other),
                        None => self.translated.push('\\'),
                    },
                    other => self.translated.push(other),
                }
            }
            self.source = Some(replacement.to_string());
        }
        &self.translated
    }
}
