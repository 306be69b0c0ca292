//! Cutting a text into statements at the semicolons that are not inside of quotes or comments.
//!
//! This knows the same quoting as the tokenizer, and is apart from it because the shell asks after every line whether
//! a statement is complete, and because each statement is parsed with its own text, so that spans count from there.

use std::ops::Range;

/// Whether no statement is left open at the end of the text: all there are end with a semicolon outside of quotes and
/// comments. The shell asks for another line as long as this is false.
///
/// ```
/// use highwater::sql::is_complete;
/// assert!(is_complete("SELECT 1;"));
/// assert!(!is_complete("SELECT ';"));
/// ```
pub fn is_complete(sql: &str) -> bool {
    let mut scanner = Scanner::new(sql);
    scanner.by_ref().for_each(drop);
    scanner.complete
}

/// The statements' places in a text: each from its first to behind its last character that is neither blank nor comment.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Whether each statement given so far ended with a semicolon.
    complete: bool,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        Self { bytes: sql.as_bytes(), position: 0, complete: true }
    }

    fn at(&self, position: usize) -> Option<u8> {
        self.bytes.get(position).copied()
    }

    /// Behind the first `needle` at or behind `from`.
    fn find(&self, needle: &[u8], from: usize) -> Option<usize> {
        let rest = self.bytes.get(from..)?;
        memchr::memmem::find(rest, needle).map(|found| from + found + needle.len())
    }

    /// Behind the comment that begins here: `None` where none does, `Err` where it does not end.
    fn comment(&self, start: usize) -> Option<Result<usize, ()>> {
        match (self.at(start)?, self.at(start + 1)?) {
            (b'-', b'-') => Some(Ok(self.find(b"\n", start).unwrap_or(self.bytes.len()))),
            (b'/', b'*') => {
                let (mut depth, mut position) = (1, start + 2);
                while depth > 0 {
                    match (self.at(position), self.at(position + 1)) {
                        (Some(b'/'), Some(b'*')) => (depth, position) = (depth + 1, position + 2),
                        (Some(b'*'), Some(b'/')) => (depth, position) = (depth - 1, position + 2),
                        (Some(_), _) => position += 1,
                        (None, _) => return Some(Err(())),
                    }
                }
                Some(Ok(position))
            }
            _ => None,
        }
    }

    /// Behind the quoted text that begins here. A doubled quote reads as two texts side by side, which comes to the same.
    fn quoted(&self, start: usize, escapes: bool) -> Option<usize> {
        let quote = self.at(start)?;
        let mut position = start + 1;
        loop {
            match self.at(position)? {
                b'\\' if escapes => position += 2,
                byte if byte == quote => return Some(position + 1),
                _ => position += 1,
            }
        }
    }

    /// Behind `$tag$ … $tag$`; a dollar that begins none is a character like others.
    fn dollar_quoted(&self, start: usize) -> Option<usize> {
        let mut end = start + 1;
        while self.at(end).is_some_and(|byte| is_word(byte) && byte != b'$') {
            end += 1;
        }
        match self.at(end) {
            Some(b'$') => self.find(self.bytes.get(start..=end)?, end + 1),
            _ => Some(start + 1),
        }
    }

    /// Behind the token that begins here; `None` where it does not end.
    fn token(&self, start: usize) -> Option<usize> {
        match self.at(start)? {
            b'\'' | b'"' => self.quoted(start, false),
            b'$' => self.dollar_quoted(start),
            byte if is_word(byte) => {
                let mut end = start + 1;
                while self.at(end).is_some_and(is_word) {
                    end += 1;
                }
                match self.at(end) {
                    Some(b'\'') if end == start + 1 && byte.eq_ignore_ascii_case(&b'e') => self.quoted(end, true),
                    _ => Some(end),
                }
            }
            _ => Some(start + 1),
        }
    }
}

/// Letters, digits, and all that is not ASCII, so that no character is ever cut.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || !byte.is_ascii()
}

impl Iterator for Scanner<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut found: Option<Range<usize>> = None;
        while let Some(byte) = self.at(self.position) {
            let start = self.position;
            if byte == b';' {
                self.position += 1;
                if found.is_some() {
                    return found;
                }
                continue;
            }
            if byte.is_ascii_whitespace() {
                self.position += 1;
                continue;
            }
            let end = match self.comment(start) {
                Some(Ok(end)) => {
                    self.position = end;
                    continue;
                }
                // The tokenizer then says what is not closed.
                Some(Err(())) => self.bytes.len(),
                None => self.token(start).unwrap_or(self.bytes.len()).min(self.bytes.len()),
            };
            self.position = end;
            found = Some(found.map_or(start, |range| range.start)..end);
        }
        self.complete &= found.is_none();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        Scanner::new(sql).map(|range| &sql[range]).collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_quotes_and_comments() {
        assert_eq!(split("a; b ;; -- x;\n c /* ; /* ; */ */ d ;"), ["a", "b", "c /* ; /* ; */ */ d"]);
        assert_eq!(split("select 'a;''b', \";\"; e'\\';' ; name'x'"), ["select 'a;''b', \";\"", "e'\\';'", "name'x'"]);
        assert_eq!(split("$$a;b$$; $tag$;$$;$tag$; $1; a$b$;$b$"), ["$$a;b$$", "$tag$;$$;$tag$", "$1", "a$b$", "$b$"]);
        assert_eq!(split("'é;' ; ü;"), ["'é;'", "ü"]);
        assert_eq!(split(" -- only a comment"), Vec::<&str>::new());
        assert_eq!(split("a; 'open; b"), ["a", "'open; b"]);
    }

    #[test]
    fn the_shell_waits_for_a_semicolon_outside_of_quotes_and_comments() {
        for complete in ["", " ", "-- x", "select 1;", "select 1; -- done", "select ';';", "a; b;\n", "$$;$$;"] {
            assert!(is_complete(complete), "{complete:?}");
        }
        for open in ["select 1", "select ';", "select 1; select", "select \";", "/* ;", "$$;", "a -- ;", "e'\\';"] {
            assert!(!is_complete(open), "{open:?}");
        }
    }
}
