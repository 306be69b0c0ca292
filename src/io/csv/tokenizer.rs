//! Cuts blocks into records and fields. Values are not looked at here, and nothing is copied.

use memchr::{memchr, memchr_iter, memchr2};

use super::dialect::Dialect;

/// Where in a block a field's text is. For a field between quotes that holds no doubled or escaped character, what is
/// between them; for one that does, the field with its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    /// The length in the lower bits.
    bits: u32,
}

const QUOTED: u32 = 1 << 31;
const COMPLEX: u32 = 1 << 30;

impl Span {
    /// A field that its record does not have.
    pub const MISSING: Self = Self { start: u32::MAX, bits: 0 };

    /// The caller keeps blocks below 2^32 bytes and records below 2^30.
    fn new(start: usize, end: usize, flags: u32) -> Self {
        Self { start: start as u32, bits: (end - start) as u32 | flags }
    }

    /// Whether the record does not have the field.
    pub fn is_missing(self) -> bool {
        self == Self::MISSING
    }

    /// Whether it stands in quotes.
    pub fn is_quoted(self) -> bool {
        self.bits & QUOTED != 0
    }

    /// Whether its meaning is not its text: see [`Dialect::unquote`].
    pub fn is_complex(self) -> bool {
        self.bits & COMPLEX != 0
    }

    /// The first byte.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// The number of bytes.
    pub fn len(self) -> usize {
        (self.bits & !(QUOTED | COMPLEX)) as usize
    }

    /// The raw text.
    pub fn raw(self, block: &[u8]) -> &[u8] {
        if self.is_missing() { &[] } else { &block[self.start()..self.start() + self.len()] }
    }

    /// What the field means; `scratch` holds it where the text has to be put together.
    pub fn text<'a>(self, block: &'a [u8], dialect: &Dialect, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        if self.is_complex() {
            scratch.clear();
            dialect.unquote(self.raw(block), scratch);
            scratch
        } else {
            self.raw(block)
        }
    }
}

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
        for index in memchr_iter(self.delimiter, &block[start..end]) {
            emit(fields, Span::new(field, start + index, 0));
            field = start + index + 1;
            fields += 1;
        }
        emit(fields, Span::new(field, end, 0));
        Scan::Record { fields: fields + 1, next }
    }

    /// As [`record`](Self::record) without the fields, for whoever only counts: a record counts as one field.
    #[inline]
    pub fn skip_record(&self, block: &[u8], start: usize, at_end_of_file: bool, quotes: &mut NextQuote) -> Scan {
        let (line_end, next) = match memchr(b'\n', &block[start..]) {
            Some(index) => (start + index, start + index + 1),
            None if at_end_of_file => (block.len(), block.len()),
            None => return Scan::Incomplete,
        };
        if self.comment.is_some() && block.get(start).copied() == self.comment {
            return Scan::Nothing { next };
        }
        if quotes.before(self, block, start, line_end) {
            return self.quoted_record(block, start, at_end_of_file, |_, _| {});
        }
        let is_empty = without_return(block, start, line_end) == start;
        if is_empty && (!self.empty_lines || next == start) {
            return Scan::Nothing { next };
        }
        Scan::Record { fields: 1, next }
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
            let stop = memchr2(self.delimiter, b'\n', &block[behind..]).map(|index| behind + index);
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
            at = stop + 1;
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
fn without_return(block: &[u8], start: usize, end: usize) -> usize {
    if end > start && block[end - 1] == b'\r' { end - 1 } else { end }
}

/// Records of a block, as the fields that are wanted of each.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Where each record starts.
    pub starts: Vec<u32>,
    /// The wanted fields, record by record.
    spans: Vec<Span>,
    /// How many are wanted.
    width: usize,
    /// Records that do not have the expected number of fields, with the number they have.
    pub ragged: Vec<(usize, usize)>,
}

impl Tokens {
    /// Forgets all records.
    pub fn clear(&mut self) {
        self.starts.clear();
        self.spans.clear();
        self.ragged.clear();
    }

    /// The number of records.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// The fields of one slot, record by record.
    pub fn column(&self, slot: usize) -> impl Iterator<Item = Span> + '_ {
        self.spans.iter().skip(slot).step_by(self.width.max(1)).copied()
    }
}

/// Why cutting stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As many records as asked for, or no more that start in the range.
    Done,
    /// The record at the position goes on behind the block, or the block is used up.
    NeedsMore,
    /// The record at the position has a quote that is never closed.
    Unterminated,
    /// The record at the position is longer than allowed.
    TooLong,
}

/// Cuts blocks into the wanted fields of records.
#[derive(Debug)]
pub struct Tokenizer {
    dialect: Dialect,
    /// For each field of the file, up to the last that is wanted, its slot.
    slots: Vec<Option<usize>>,
    width: usize,
    /// Fields that a record should have; `None` where nobody looks.
    expected: Option<usize>,
    max_record: usize,
    quotes: NextQuote,
}

impl Tokenizer {
    /// `wanted` are the fields by index in the file, in the order of their slots; `expected` is the number of fields of a
    /// record, where rows of another number are to be told.
    pub fn new(dialect: Dialect, wanted: &[usize], expected: Option<usize>, max_record: usize) -> Self {
        let mut slots = vec![None; wanted.iter().max().map_or(0, |last| last + 1)];
        for (slot, field) in wanted.iter().enumerate() {
            slots[*field] = Some(slot);
        }
        Self { dialect, slots, width: wanted.len(), expected, max_record, quotes: NextQuote::default() }
    }

    /// Must be told of every new block, since it remembers the next quote of the last one.
    pub fn new_block(&mut self) {
        self.quotes = NextQuote::default();
    }

    /// Appends to `tokens` up to `max_rows` records that start from `from` to before `stop`. Returns where the next one
    /// starts, and why it stopped.
    pub fn tokenize(
        &mut self,
        block: &[u8],
        from: usize,
        stop: usize,
        at_end_of_file: bool,
        max_rows: usize,
        tokens: &mut Tokens,
    ) -> (usize, Stop) {
        tokens.width = self.width;
        let mut at = from;
        let end = stop.min(block.len());
        let target = tokens.rows() + max_rows;
        while tokens.rows() < target {
            if at >= end {
                let is_over = at >= stop || at_end_of_file;
                return (at, if is_over { Stop::Done } else { Stop::NeedsMore });
            }
            let scan = self.next(block, at, at_end_of_file, tokens);
            match scan {
                Scan::Record { next, .. } if next - at > self.max_record => {
                    tokens.spans.truncate(tokens.rows() * self.width);
                    return (at, Stop::TooLong);
                }
                Scan::Record { fields, next } => {
                    if self.expected.is_some_and(|expected| expected != fields) {
                        tokens.ragged.push((tokens.rows(), fields));
                    }
                    tokens.starts.push(at as u32);
                    at = next;
                }
                Scan::Nothing { next } => {
                    tokens.spans.truncate(tokens.rows() * self.width);
                    at = next;
                }
                Scan::Incomplete | Scan::Unterminated => {
                    tokens.spans.truncate(tokens.rows() * self.width);
                    let stop = match scan {
                        _ if block.len() - at > self.max_record => Stop::TooLong,
                        Scan::Unterminated => Stop::Unterminated,
                        _ => Stop::NeedsMore,
                    };
                    return (at, stop);
                }
            }
        }
        (at, Stop::Done)
    }

    #[inline]
    fn next(&mut self, block: &[u8], at: usize, at_end_of_file: bool, tokens: &mut Tokens) -> Scan {
        if self.width == 0 && self.expected.is_none() {
            return self.dialect.skip_record(block, at, at_end_of_file, &mut self.quotes);
        }
        let first = tokens.spans.len();
        tokens.spans.resize(first + self.width, Span::MISSING);
        let (slots, spans) = (&self.slots, &mut tokens.spans[first..]);
        self.dialect.record(block, at, at_end_of_file, &mut self.quotes, |field, span| {
            if let Some(Some(slot)) = slots.get(field) {
                spans[*slot] = span;
            }
        })
    }
}
