//! LIKE and ILIKE. A pattern is cut at its `%` into segments; the first and last are anchored, those between are
//! found from left to right, each as early as possible, which is right because `%` takes any rest.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use memchr::memmem::Finder;

use crate::error::{Error, Result};
use crate::functions::scalar::Value;
use crate::functions::scalar::kernel::{map_boolean, text};

/// A pattern ready to be matched.
#[derive(Debug)]
pub struct Matcher {
    /// The segments between `%`; one alone is a pattern without `%`.
    segments: Vec<Segment>,
    case_insensitive: bool,
}

/// Text without `%`.
#[derive(Debug, Default)]
struct Segment {
    parts: Vec<Part>,
    /// How many characters it matches.
    characters: usize,
    /// Finds the text that it begins with, if it does not begin with `_`.
    finder: Option<Finder<'static>>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// So many times `_`.
    Any(usize),
}

impl Segment {
    /// Bytes of `text` that the segment matches at its very start.
    fn at_start(&self, text: &str) -> Option<usize> {
        let mut rest = text;
        for part in &self.parts {
            rest = match part {
                Part::Text(wanted) => rest.strip_prefix(wanted.as_str())?,
                Part::Any(count) => {
                    let mut chars = rest.chars();
                    chars.nth(count - 1)?;
                    chars.as_str()
                }
            };
        }
        Some(text.len() - rest.len())
    }

    /// Bytes of `text` up to the end of the first match.
    fn find(&self, text: &str) -> Option<usize> {
        match (&self.finder, self.parts.as_slice()) {
            (_, []) => Some(0),
            (Some(finder), [Part::Text(wanted)]) => finder.find(text.as_bytes()).map(|at| at + wanted.len()),
            (Some(finder), _) => {
                let mut from = 0;
                loop {
                    from += finder.find(text.as_bytes().get(from..)?)?;
                    if let Some(length) = self.at_start(text.get(from..)?) {
                        return Some(from + length);
                    }
                    from += text.get(from..)?.chars().next()?.len_utf8();
                }
            }
            (None, _) => text.char_indices().find_map(|(at, _)| Some(at + self.at_start(text.get(at..)?)?)),
        }
    }

    /// Whether the segment matches at the very end of `text`.
    fn at_end(&self, text: &str) -> bool {
        match self.parts.as_slice() {
            [] => true,
            [Part::Text(wanted)] => text.ends_with(wanted.as_str()),
            _ => {
                let start = text.char_indices().rev().nth(self.characters - 1).map(|(at, _)| at);
                start.and_then(|at| text.get(at..)).and_then(|tail| self.at_start(tail)).is_some()
            }
        }
    }
}

impl Matcher {
    /// Compiles a pattern; without `escape` the escape character is a backslash.
    ///
    /// # Errors
    /// A data error, where the pattern ends with the escape character.
    pub fn new(pattern: &str, escape: Option<char>, case_insensitive: bool) -> Result<Self> {
        let escape = escape.unwrap_or('\\');
        let mut segments = vec![Segment::default()];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let literal = match c {
                c if c == escape => chars.next().ok_or_else(|| {
                    Error::data(format!("the LIKE pattern '{pattern}' ends with its escape character"))
                        .with_hint("write the escape character twice to match it")
                })?,
                '%' => {
                    segments.push(Segment::default());
                    continue;
                }
                '_' => {
                    if let Some(segment) = segments.last_mut() {
                        segment.characters += 1;
                        match segment.parts.last_mut() {
                            Some(Part::Any(count)) => *count += 1,
                            _ => segment.parts.push(Part::Any(1)),
                        }
                    }
                    continue;
                }
                c => c,
            };
            if let Some(segment) = segments.last_mut() {
                let mut push = |c: char| {
                    segment.characters += 1;
                    match segment.parts.last_mut() {
                        Some(Part::Text(text)) => text.push(c),
                        _ => segment.parts.push(Part::Text(c.into())),
                    }
                };
                if case_insensitive { literal.to_lowercase().for_each(&mut push) } else { push(literal) }
            }
        }
        for segment in &mut segments {
            if let Some(Part::Text(text)) = segment.parts.first() {
                segment.finder = Some(Finder::new(text.as_bytes()).into_owned());
            }
        }
        Ok(Self { segments, case_insensitive })
    }

    /// Whether the text matches; `buffer` is scratch space.
    pub fn is_match(&self, text: &str, buffer: &mut String) -> bool {
        if !self.case_insensitive {
            return self.matches_exactly(text);
        }
        buffer.clear();
        if text.is_ascii() {
            buffer.push_str(text);
            buffer.make_ascii_lowercase();
        } else {
            buffer.extend(text.chars().flat_map(char::to_lowercase));
        }
        self.matches_exactly(buffer)
    }

    fn matches_exactly(&self, text: &str) -> bool {
        let Some((first, rest)) = self.segments.split_first() else { return text.is_empty() };
        let Some(start) = first.at_start(text) else { return false };
        let Some((last, middle)) = rest.split_last() else { return start == text.len() };
        let mut rest = text.get(start..).unwrap_or("");
        for segment in middle {
            match segment.find(rest) {
                Some(end) => rest = rest.get(end..).unwrap_or(""),
                None => return false,
            }
        }
        last.at_end(rest)
    }

    /// Which texts of a column match, or with `negated` do not; null stays null.
    pub(super) fn matches(&self, value: &Value, negated: bool) -> Result<Value> {
        let array = value.values();
        let Some(texts) = array.as_string_view_opt() else {
            return Err(Error::internal(format!("LIKE over {}", array.data_type())));
        };
        let mut buffer = String::new();
        let values =
            BooleanBuffer::collect_bool(texts.len(), |row| self.is_match(texts.value(row), &mut buffer) != negated);
        Ok(value.like_me(Arc::new(BooleanArray::new(values, texts.nulls().cloned()))))
    }
}

/// LIKE with patterns that may differ from row to row.
pub(super) fn like(
    sides: &[Value; 2],
    rows: usize,
    escape: Option<char>,
    case_insensitive: bool,
    negated: bool,
) -> Result<Value> {
    let (input, patterns) = (text(sides, 0)?, text(sides, 1)?);
    let mut last: Option<(String, Matcher)> = None;
    let mut buffer = String::new();
    map_boolean(sides, rows, |row| {
        let Some((text, pattern)) = input.get(row).zip(patterns.get(row)) else { return Ok(None) };
        let matcher = match &last {
            Some((known, matcher)) if known == pattern => matcher,
            _ => &last.insert((pattern.to_string(), Matcher::new(pattern, escape, case_insensitive)?)).1,
        };
        Ok(Some(matcher.is_match(text, &mut buffer) != negated))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// LIKE as its definition says it.
    fn slow(text: &[char], pattern: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|skip| slow(&text[skip..], rest)),
            ['_', rest @ ..] => !text.is_empty() && slow(&text[1..], rest),
            ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && slow(&text[1..], rest),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn like_agrees_with_its_definition(text in "[abé%_]{0,8}", pattern in "([abé%_]|\\\\[%_é\\\\]){0,7}") {
            let matcher = Matcher::new(&pattern, None, false).unwrap();
            let (text_chars, pattern_chars): (Vec<_>, Vec<_>) = (text.chars().collect(), pattern.chars().collect());
            prop_assert_eq!(matcher.is_match(&text, &mut String::new()), slow(&text_chars, &pattern_chars));
        }
    }

    #[test]
    fn like_knows_characters_escapes_and_case() {
        for (text, pattern, escape, insensitive, expected) in [
            ("abc", "abc", None, false, true),
            ("abc", "ABC", None, false, false),
            ("ÄBC", "äb_", None, true, true),
            ("STRASSE", "%ra%e", None, true, true),
            ("é", "_", None, false, true),
            ("10%", "10\\%", None, false, true),
            ("100", "10\\%", None, false, false),
            ("10%", "10!%", Some('!'), false, true),
            ("a\\b", "a\\b", Some('!'), false, true),
            ("", "%", None, false, true),
            ("", "_", None, false, false),
            ("aXbXc", "a%X%c", None, false, true),
            ("aab", "%ab", None, false, true),
            ("ab", "ab%ab", None, false, false),
        ] {
            let matcher = Matcher::new(pattern, escape, insensitive).unwrap();
            assert_eq!(matcher.is_match(text, &mut String::new()), expected, "{text} LIKE {pattern}");
        }
        assert!(Matcher::new("abc\\", None, false).is_err());
    }
}
