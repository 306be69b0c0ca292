//! Which texts are null.

/// Spellings of null in any case, unless the user gives others.
const USUAL: [&str; 5] = ["na", "n/a", "nan", "null", "none"];

/// Which texts are null. In columns that are not text: nothing at all, and the spellings. In columns of text only
/// unquoted fields, and only empty ones unless the user gives spellings: Namibia's `NA` is a value.
#[derive(Clone, Debug)]
pub struct Nulls {
    /// The user's spellings.
    strings: Option<Vec<String>>,
    /// The bytes that a spelling starts with, to pass most texts by.
    first: [bool; 256],
    /// Whether nothing at all is null where it is no text.
    empty: bool,
    /// Whether quoted text can be null.
    quoted: bool,
}

impl Nulls {
    /// The usual spellings, or others instead; in columns of text also where quoted, if so wished.
    pub fn new(strings: Option<Vec<String>>, quoted: bool) -> Self {
        let mut first = [false; 256];
        match &strings {
            Some(strings) => {
                strings.iter().filter_map(|text| text.bytes().next()).for_each(|byte| first[usize::from(byte)] = true);
            }
            None => (first[usize::from(b'n')], first[usize::from(b'N')]) = (true, true),
        }
        Self { strings, first, empty: true, quoted }
    }

    /// No text is null.
    pub fn never() -> Self {
        Self { strings: Some(Vec::new()), first: [false; 256], empty: false, quoted: false }
    }

    /// Whether a field without the blanks around it is null in a column that is not text.
    #[inline]
    pub fn is_null(&self, text: &[u8]) -> bool {
        match text.first() {
            None => self.empty,
            Some(byte) => self.first[usize::from(*byte)] && self.is_spelling(text),
        }
    }

    /// Whether a field that is null in a column that is not text, and stands in quotes, is a value where the type has it:
    /// by quotes the writer tells the `NaN` of a float from one that is missing.
    pub fn is_quoted_nan(&self, text: &[u8]) -> bool {
        self.strings.is_none() && text.eq_ignore_ascii_case(b"nan")
    }

    /// Whether a field is null in a column of text.
    #[inline]
    pub fn is_null_text(&self, text: &[u8], is_quoted: bool) -> bool {
        if is_quoted && !self.quoted {
            return false;
        }
        match &self.strings {
            None => text.is_empty(),
            Some(strings) => match text.first() {
                None => strings.iter().any(String::is_empty),
                Some(byte) => self.first[usize::from(*byte)] && self.is_spelling(text),
            },
        }
    }

    /// Whether a spelling may be the text of a number, a date or a time.
    pub fn may_be_numbers(&self) -> bool {
        let has_digit = |text: &String| text.bytes().any(|byte| byte.is_ascii_digit());
        self.strings.as_ref().is_some_and(|strings| strings.iter().any(has_digit))
    }

    fn is_spelling(&self, text: &[u8]) -> bool {
        match &self.strings {
            Some(strings) => strings.iter().any(|string| string.as_bytes() == text),
            None => USUAL.iter().any(|string| string.as_bytes().eq_ignore_ascii_case(text)),
        }
    }
}
