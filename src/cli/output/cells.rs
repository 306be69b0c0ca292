//! Values as text for the eye: nothing in them may move the cursor, and every character has its width.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a null looks.
pub const NULL: &str = "NULL";

/// What stands for something left out.
pub const ELLIPSIS: &str = "…";

/// Columns of the terminal that the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text on one line: line breaks, tabs and other control characters are written as escapes, so that a value
/// cannot change the layout, nor send commands to the terminal.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

/// The text, cut to a width; what is cut off is marked.
pub fn clip(text: &str, limit: usize) -> Cow<'_, str> {
    // Bytes are at least as many as columns, so most texts need no measuring.
    if text.len() <= limit || width(text) <= limit {
        return Cow::Borrowed(text);
    }
    let room = limit.saturating_sub(width(ELLIPSIS));
    let mut used = 0;
    let fits = |(_, c): &(usize, char)| {
        used += c.width().unwrap_or(0);
        used <= room
    };
    let end = text.char_indices().take_while(fits).last().map_or(0, |(index, c)| index + c.len_utf8());
    Cow::Owned(format!("{}{ELLIPSIS}", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns_not_bytes_or_characters() {
        assert_eq!(clip("Zürich", 6), "Zürich");
        assert_eq!(clip("Zürich", 4), "Zür…");
        assert_eq!(clip("東京都庁", 8), "東京都庁");
        assert_eq!(clip("東京都庁", 6), "東京…");
        assert_eq!(clip("東京都庁", 5), "東京…");
        assert_eq!(clip("abc", 1), "…");
        assert_eq!(width(&clip("e\u{301}e\u{301}e\u{301}", 2)), 2);
    }

    #[test]
    fn control_characters_lose_their_power() {
        assert_eq!(on_one_line("a\nb\tc\u{1b}[31m"), "a\\nb\\tc\\u{1b}[31m");
        assert!(matches!(on_one_line("plain 東京"), Cow::Borrowed(_)));
    }
}
