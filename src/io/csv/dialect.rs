//! The bytes that have a meaning in a file.

use super::options::Delimiter;

/// The bytes that have a meaning in a file. None is a line end, and all are ASCII but those of a delimiter of several bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// All of a delimiter that has several bytes, of which `delimiter` is the first.
    pub long_delimiter: Option<Delimiter>,
    /// Around fields.
    pub quote: Option<u8>,
    /// Inside quotes, makes the next byte data; never the same as the quote.
    pub escape: Option<u8>,
    /// At the start of a line, makes it a comment.
    pub comment: Option<u8>,
    /// An empty line is a record: in files of one column it is the only way to write a missing text.
    pub empty_lines: bool,
}

impl Dialect {
    /// A dialect of a delimiter, without quotes and all else.
    pub fn new(delimiter: u8) -> Self {
        Self::delimited(Delimiter::from(delimiter))
    }

    /// The same, of a delimiter of one byte or several.
    pub fn delimited(delimiter: Delimiter) -> Self {
        Self {
            delimiter: delimiter.first_byte(),
            long_delimiter: delimiter.if_long(),
            quote: None,
            escape: None,
            comment: None,
            empty_lines: false,
        }
    }

    /// Bytes of a chunk, where so many are wanted: a chunk could begin within a long delimiter, so that files with one are
    /// one chunk.
    pub fn chunk_size(&self, wanted: u64) -> u64 {
        if self.long_delimiter.is_some() { u64::MAX } else { wanted }
    }

    /// Appends to `out` what a field means that starts with the quote, given with its quotes.
    pub fn unquote(&self, field: &[u8], out: &mut Vec<u8>) {
        let mut at = 1;
        while let Some(&byte) = field.get(at) {
            at += 1;
            if self.escape == Some(byte) {
                out.extend(field.get(at));
                at += 1;
            } else if self.quote == Some(byte) {
                if field.get(at) != Some(&byte) {
                    // Behind the closing quote all is taken as it is.
                    out.extend_from_slice(field.get(at..).unwrap_or_default());
                    return;
                }
                out.push(byte);
                at += 1;
            } else {
                out.push(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_mean_what_stands_between_the_quotes() {
        let dialect = Dialect { quote: Some(b'"'), escape: Some(b'\\'), ..Dialect::new(b',') };
        for (field, meaning) in [
            (r#""a""#, "a"),
            (r#""a""b""#, r#"a"b"#),
            (r#""a\"b\\""#, r#"a"b\"#),
            (r#""a"b"c"#, r#"ab"c"#),
            (r#""""#, ""),
            (r#""""""#, r#"""#),
            (r#"""#, ""),
        ] {
            let mut out = Vec::new();
            dialect.unquote(field.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), meaning, "{field}");
        }
    }
}
