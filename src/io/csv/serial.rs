//! Cuts one record after another into fields: the way for what the structural index does not tell, and for its tests.

use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::dialect::Dialect;
use super::tokens::{COMPLEX, QUOTED, Span};

/// What stands at a position where a record may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A record of that many fields; the next one may start at `next`.
    Record {
        /// The number of fields.
        fields: usize,
        /// Behind the line end.
        next: usize,
    },
    /// An empty line or a comment.
    Nothing {
        /// Behind the line end.
        next: usize,
    },
    /// A record that goes on behind the block.
    Incomplete,
    /// A record with a quote that the file does not close.
    Unterminated,
}

/// The position of the next quote in a block, so that each stretch without quotes is searched once.
#[derive(Clone, Copy, Debug, Default)]
pub struct NextQuote {
    /// No quote lies between the start of the search and here.
    at: usize,
}

impl NextQuote {
    /// Whether there is a quote from `from` to `to`. Must be asked with ascending positions.
    fn before(&mut self, dialect: &Dialect, block: &[u8], from: usize, to: usize) -> bool {
        let Some(quote) = dialect.quote else { return false };
        if self.at <= from {
            self.at = memchr(quote, &block[from..]).map_or(usize::MAX, |index| from + index);
        }
        self.at < to
    }
}

impl Dialect {
    /// Cuts the record at `start` into fields, which are given to `emit` with their index.
    ///
    /// Fields are also given for a record that turns out to be incomplete.
    #[inline]
    pub fn record(
        &self,
        block: &[u8],
        start: usize,
        at_end_of_file: bool,
        quotes: &mut NextQuote,
        mut emit: impl FnMut(usize, Span),
    ) -> Scan {
        let (line_end, next) = match memchr(b'\n', &block[start..]) {
            Some(index) => (start + index, start + index + 1),
            None if at_end_of_file => (block.len(), block.len()),
            None => return Scan::Incomplete,
        };
        if self.comment.is_some() && block.get(start).copied() == self.comment {
            return Scan::Nothing { next };
        }
        if quotes.before(self, block, start, line_end) {
            return self.quoted_record(block, start, at_end_of_file, emit);
        }
        let end = without_return(block, start, line_end);
        if end == start && (!self.empty_lines || next == start) {
            return Scan::Nothing { next };
        }
        let (mut field, mut fields) = (start, 0);
        let mut delimited = |index: usize, length: usize| {
            emit(fields, Span::new(field, start + index, 0));
            field = start + index + length;
            fields += 1;
        };
        match &self.long_delimiter {
            None => memchr_iter(self.delimiter, &block[start..end]).for_each(|index| delimited(index, 1)),
            Some(long) => {
                let long = long.as_bytes();
                memmem::find_iter(&block[start..end], long).for_each(|index| delimited(index, long.len()));
            }
        }
        emit(fields, Span::new(field, end, 0));
        Scan::Record { fields: fields + 1, next }
    }

    /// A record that has a quote in its first line.
    fn quoted_record(
        &self,
        block: &[u8],
        start: usize,
        at_end_of_file: bool,
        mut emit: impl FnMut(usize, Span),
    ) -> Scan {
        let unclosed = if at_end_of_file { Scan::Unterminated } else { Scan::Incomplete };
        let (mut at, mut fields) = (start, 0);
        loop {
            let quoted = block.get(at).is_some() && block.get(at).copied() == self.quote;
            let mut closing = at;
            let mut escaped = false;
            let mut behind = at;
            if quoted {
                match self.closing_quote(block, at + 1) {
                    Some((position, has_escapes)) => (closing, escaped) = (position, has_escapes),
                    None => return unclosed,
                }
                behind = closing + 1;
            }
            let stop = self.separator(&block[behind..]).map(|index| behind + index);
            if stop.is_none() && !at_end_of_file {
                return Scan::Incomplete;
            }
            let is_last = stop.is_none_or(|stop| block[stop] == b'\n');
            let stop = stop.unwrap_or(block.len());
            let end = if is_last { without_return(block, behind, stop) } else { stop };
            emit(
                fields,
                match (quoted, escaped || end > behind) {
                    (false, _) => Span::new(at, end, 0),
                    (true, false) => Span::new(at + 1, closing, QUOTED),
                    (true, true) => Span::new(at, end, QUOTED | COMPLEX),
                },
            );
            fields += 1;
            if is_last {
                return Scan::Record { fields, next: (stop + 1).min(block.len()) };
            }
            at = stop + self.long_delimiter.as_ref().map_or(1, |long| long.as_bytes().len());
        }
    }

    /// Where the next delimiter or line end is.
    fn separator(&self, text: &[u8]) -> Option<usize> {
        match &self.long_delimiter {
            None => memchr2(self.delimiter, b'\n', text),
            Some(long) => {
                let line = memchr(b'\n', text);
                memmem::find(&text[..line.unwrap_or(text.len())], long.as_bytes()).or(line)
            }
        }
    }

    /// The quote that closes a field whose text starts at `from`, and whether it holds doubled or escaped characters.
    /// One that the next block might show to be doubled counts: with no delimiter behind it, the record is incomplete.
    fn closing_quote(&self, block: &[u8], from: usize) -> Option<(usize, bool)> {
        let quote = self.quote?;
        let (mut at, mut escaped) = (from, false);
        loop {
            let rest = block.get(at..)?;
            let found = at
                + match self.escape {
                    Some(escape) => memchr2(quote, escape, rest)?,
                    None => memchr(quote, rest)?,
                };
            if block[found] != quote {
                escaped = true;
                at = found + 2;
                continue;
            }
            if block.get(found + 1) != Some(&quote) {
                return Some((found, escaped));
            }
            escaped = true;
            at = found + 2;
        }
    }
}

/// The end of a line from `start` to `end` without the `\r` of `\r\n`. At the end of the file a `\r` counts as half of one.
pub(super) fn without_return(block: &[u8], start: usize, end: usize) -> usize {
    if end > start && block[end - 1] == b'\r' { end - 1 } else { end }
}
