//! What the cursor is inside of: quotes, where files are completed, or a comment, where nothing is.

/// What the end of a text is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Nothing.
    Plain,
    /// A text or a quoted name, which began with that quote.
    Quote(char),
    /// A comment to the end of the line.
    LineComment,
    /// Comments that many deep.
    BlockComment(usize),
}

/// What the end of the text is inside of.
pub fn inside(text: &str) -> Inside {
    let mut inside = Inside::Plain;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        let (now, pair) = match (inside, c, next) {
            (Inside::Plain, '\'' | '"', _) => (Inside::Quote(c), false),
            (Inside::Plain, '-', Some('-')) => (Inside::LineComment, true),
            (Inside::Plain, '/', Some('*')) => (Inside::BlockComment(1), true),
            // A doubled quote ends and begins again, which comes to the same.
            (Inside::Quote(quote), c, _) if c == quote => (Inside::Plain, false),
            (Inside::LineComment, '\n', _) => (Inside::Plain, false),
            (Inside::BlockComment(depth), '/', Some('*')) => (Inside::BlockComment(depth + 1), true),
            (Inside::BlockComment(1), '*', Some('/')) => (Inside::Plain, true),
            (Inside::BlockComment(depth), '*', Some('/')) => (Inside::BlockComment(depth - 1), true),
            _ => (inside, false),
        };
        if pair {
            chars.next();
        }
        inside = now;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_quotes_and_comments_are_noticed() {
        assert_eq!(inside("FROM 'data/fl"), Inside::Quote('\''));
        assert_eq!(inside("FROM 'a' WHERE \"x"), Inside::Quote('"'));
        assert_eq!(inside("-- it's"), Inside::LineComment);
        assert_eq!(inside("/* a /* b */ '"), Inside::BlockComment(1));
        assert_eq!(inside("SELECT 'it''s' /* ' */"), Inside::Plain);
    }
}
