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
}

impl Nulls {
    /// The usual spellings, or others instead.
    pub fn new(strings: Option<Vec<String>>) -> Self {
        let mut first = [false; 256];
        match &strings {
            Some(strings) => {
                strings.iter().filter_map(|text| text.bytes().next()).for_each(|byte| first[usize::from(byte)] = true);
            }
            None => (first[usize::from(b'n')], first[usize::from(b'N')]) = (true, true),
        }
        Self { strings, first }
    }

    /// Whether a field without the blanks around it is null in a column that is not text.
    #[inline]
    pub fn is_null(&self, text: &[u8]) -> bool {
        match text.first() {
            None => true,
            Some(byte) => self.first[usize::from(*byte)] && self.is_spelling(text),
        }
    }

    /// Whether a field without quotes is null in a column of text.
    #[inline]
    pub fn is_null_text(&self, text: &[u8]) -> bool {
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
