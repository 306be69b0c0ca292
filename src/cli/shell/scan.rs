//! Where a text of SQL ends: inside of quotes or a comment, or behind a semicolon.

/// What the end of a text is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Nothing.
    Plain,
    /// A text or a quoted name, which began at that byte with that quote.
    Quote(usize, char),
    /// A comment to the end of the line.
    LineComment,
    /// Comments that many deep.
    BlockComment(usize),
}

/// Scans a text: what its end is inside of, and the last character that is neither blank nor comment.
pub fn scan(text: &str) -> (Inside, Option<char>) {
    let mut inside = Inside::Plain;
    let mut last = None;
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let (now, pair) = match (inside, c, next) {
            (Inside::Plain, '\'' | '"', _) => (Inside::Quote(index, c), false),
            (Inside::Plain, '-', Some('-')) => (Inside::LineComment, true),
            (Inside::Plain, '/', Some('*')) => (Inside::BlockComment(1), true),
            // A doubled quote ends and begins again, which comes to the same.
            (Inside::Quote(_, quote), c, _) if c == quote => (Inside::Plain, false),
            (Inside::LineComment, '\n', _) => (Inside::Plain, false),
            (Inside::BlockComment(depth), '/', Some('*')) => (Inside::BlockComment(depth + 1), true),
            (Inside::BlockComment(1), '*', Some('/')) => (Inside::Plain, true),
            (Inside::BlockComment(depth), '*', Some('/')) => (Inside::BlockComment(depth - 1), true),
            _ => (inside, false),
        };
        let is_comment = |inside| matches!(inside, Inside::LineComment | Inside::BlockComment(_));
        if !is_comment(inside) && !is_comment(now) && !c.is_whitespace() {
            last = Some(c);
        }
        if pair {
            chars.next();
        }
        inside = now;
    }
    (inside, last)
}

/// Whether the text ends with a semicolon that ends a statement.
pub fn is_complete(text: &str) -> bool {
    let (inside, last) = scan(text);
    last == Some(';') && matches!(inside, Inside::Plain | Inside::LineComment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_with_a_semicolon_outside_of_quotes_and_comments() {
        for complete in [
            "SELECT 1;",
            "SELECT 1; ",
            "SELECT 1; -- done",
            "SELECT 1 /* ; */ ;",
            "SELECT 'it''s';",
            "SELECT 1; /* a /* b */ c */",
            "a; b;",
        ] {
            assert!(is_complete(complete), "{complete}");
        }
        for open in [
            "",
            "SELECT 1",
            "SELECT ';",
            "SELECT \";",
            "SELECT 1 -- ;",
            "SELECT 1 /* ;",
            "SELECT 1; /* a /* b */ c",
            "SELECT 1; SELECT 2",
        ] {
            assert!(!is_complete(open), "{open}");
        }
    }

    #[test]
    fn an_open_quote_is_found_where_it_began() {
        assert_eq!(scan("FROM 'data/fl").0, Inside::Quote(5, '\''));
        assert_eq!(scan("FROM 'a' WHERE \"x").0, Inside::Quote(15, '"'));
        assert_eq!(scan("-- it's").0, Inside::LineComment);
    }
}
