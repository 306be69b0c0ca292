//! Cuts blocks into records and fields. Values are not looked at here.

use memchr::memchr;

use super::dialect::Dialect;
use super::serial::{NextQuote, Scan, without_return};
use super::structure::{Index, Indexer};
use super::tokens::{COMPLEX, QUOTED, Span, Tokens};

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

/// The part of a block that is cut at once.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'a> {
    /// The block.
    pub block: &'a [u8],
    /// Records that start here or later are not of the range.
    pub stop: usize,
    /// Whether the block ends where the file does.
    pub at_end_of_file: bool,
}

/// Bytes that are indexed at once: their index stays in the first cache.
const INDEXED: usize = 16 << 10;
/// A record of more fields is not indexed.
const MOST_PENDING: usize = 1 << 18;
/// Records that are cut one by one where a quote did not fit the index; twice as many each time that happens again, up
/// to the most.
const SINGLE: usize = 4;
const MOST_SINGLE: usize = 4096;

/// Cuts blocks into the wanted fields of records: by the structural index, and record by record where that does not
/// tell, which gives the same.
#[derive(Debug)]
pub struct Tokenizer {
    dialect: Dialect,
    /// For each slot, its field in the file.
    fields: Vec<usize>,
    /// For each field of the file, up to the last that is wanted, its slot.
    slots: Vec<Option<usize>>,
    /// Fields that a record should have; `None` where nobody looks.
    expected: Option<usize>,
    max_record: usize,
    quotes: NextQuote,
    indexer: Indexer,
    index: Index,
    /// The next line end of the index.
    line: usize,
    /// The first separator of the next record.
    separator: usize,
    /// Where the next record of the index starts; `None` before the index is begun.
    next: Option<usize>,
    /// Whether the index cannot be gone on with.
    is_broken: bool,
    /// Records to be cut one by one before the index is used again.
    single: usize,
    single_next: usize,
    /// For each record that is taken from the index at once, its first separator; kept for its memory.
    firsts: Vec<u32>,
}

impl Tokenizer {
    /// `wanted` are the fields by index in the file, in the order of their slots; `expected` is the number of fields of a
    /// record, where rows of another number are to be told.
    pub fn new(dialect: Dialect, wanted: &[usize], expected: Option<usize>, max_record: usize) -> Self {
        let mut slots = vec![None; wanted.iter().max().map_or(0, |last| last + 1)];
        for (slot, field) in wanted.iter().enumerate() {
            slots[*field] = Some(slot);
        }
        Self {
            dialect,
            fields: wanted.to_vec(),
            slots,
            expected,
            max_record,
            quotes: NextQuote::default(),
            indexer: Indexer::new(dialect),
            index: Index::default(),
            line: 0,
            separator: 0,
            next: None,
            is_broken: false,
            single: 0,
            single_next: SINGLE,
            firsts: Vec::new(),
        }
    }

    /// Must be told of every new block, since positions of the last one are remembered.
    pub fn new_block(&mut self) {
        self.quotes = NextQuote::default();
        self.next = None;
        self.single = 0;
    }

    /// Appends to `tokens` up to `max_rows` records that start from `from` to before the end of the stretch. Returns
    /// where the next one starts, and why it stopped.
    pub fn tokenize(
        &mut self,
        stretch: &Stretch<'_>,
        from: usize,
        max_rows: usize,
        tokens: &mut Tokens,
    ) -> (usize, Stop) {
        let Stretch { block, stop, at_end_of_file } = *stretch;
        let mut at = from;
        let end = stop.min(block.len());
        let target = tokens.rows() + max_rows;
        while tokens.rows() < target {
            if at >= end {
                let is_over = at >= stop || at_end_of_file;
                return (at, if is_over { Stop::Done } else { Stop::NeedsMore });
            }
            let step = if self.single > 0 || self.dialect.long_delimiter.is_some() {
                self.single = self.single.saturating_sub(1);
                self.take_one(stretch, at, tokens)
            } else {
                if self.next != Some(at) {
                    self.begin_index(at);
                }
                if self.line == self.index.line_ends.len() {
                    self.extend_index(block);
                    continue;
                }
                self.take_indexed(block, at, end, target, tokens)
            };
            match step {
                Ok(next) => at = next,
                Err(stop) => return (at, stop),
            }
        }
        (at, Stop::Done)
    }

    fn begin_index(&mut self, at: usize) {
        self.index.clear();
        self.indexer.restart(at);
        (self.line, self.separator, self.next, self.is_broken) = (0, 0, Some(at), false);
    }

    /// Indexes on, or sees to it that the next record is cut by itself: where a quote does not fit, and where the block
    /// ends before the record does.
    fn extend_index(&mut self, block: &[u8]) {
        if self.is_broken {
            self.single = self.single_next;
            self.single_next = (2 * self.single_next).min(MOST_SINGLE);
            return;
        }
        if self.indexer.position() >= block.len() {
            self.single = 1;
            return;
        }
        self.index.separators.drain(..self.separator);
        self.index.line_ends.clear();
        (self.line, self.separator) = (0, 0);
        if self.index.separators.len() > MOST_PENDING {
            // Cutting it by itself takes no memory.
            self.index = Index::default();
            (self.single, self.next) = (1, None);
            return;
        }
        self.is_broken = !self.indexer.extend(block, self.indexer.position() + INDEXED, &mut self.index);
        if !self.is_broken {
            self.single_next = SINGLE;
        }
    }

    /// Takes complete records from the index. Returns where the next one starts.
    fn take_indexed(
        &mut self,
        block: &[u8],
        from: usize,
        end: usize,
        target: usize,
        tokens: &mut Tokens,
    ) -> Result<usize, Stop> {
        if let Some(records) = self.regular_records(from, end, target - tokens.rows()) {
            return Ok(self.take_regular(block, from, records, tokens));
        }
        let first_row = tokens.rows();
        let ragged_before = tokens.ragged.len();
        self.firsts.clear();
        let mut at = from;
        let mut too_long = false;
        for &line_end in &self.index.line_ends[self.line..] {
            if at >= end || tokens.rows() == target {
                break;
            }
            let next = self.index.separators[line_end as usize] as usize + 1;
            let fields = line_end as usize + 1 - self.separator;
            if next - at > self.max_record {
                too_long = true;
                break;
            }
            if (fields > 1 || !self.is_nothing(block, at, next)) && self.dialect.comment != block.get(at).copied() {
                if self.expected.is_some_and(|expected| expected != fields) {
                    tokens.ragged.push((tokens.rows(), fields));
                }
                tokens.starts.push(at as u32);
                self.firsts.push(self.separator as u32);
            }
            self.line += 1;
            self.separator = line_end as usize + 1;
            at = next;
        }
        self.next = Some(at);
        let is_ragged = tokens.ragged.len() > ragged_before;
        let starts = &tokens.starts[first_row..];
        for (&field, spans) in self.fields.iter().zip(&mut tokens.spans) {
            let rows = starts.iter().zip(&self.firsts).map(|(&start, &first)| (start, first as usize));
            if is_ragged {
                spans.extend(rows.map(|(start, first)| self.ragged_span(block, field, start as usize, first)));
            } else {
                let bounds = rows.map(|(start, first)| self.bounds(field, start, first));
                self.append_spans(block, field, bounds, spans);
            }
        }
        if too_long && at == from { Err(Stop::TooLong) } else { Ok(at) }
    }

    /// How many of the next records have as many fields as expected, if all of the index have that and can be taken:
    /// then no line is empty, a comment, too long or behind the end.
    fn regular_records(&self, from: usize, end: usize, most: usize) -> Option<usize> {
        let width = self.expected.filter(|width| *width > 1 || self.dialect.empty_lines)?;
        let lines = &self.index.line_ends[self.line..];
        let lines = &lines[..lines.len().min(most)];
        let last = lines.len().checked_sub(1)?;
        let last_start = match last.checked_sub(1) {
            Some(before) => self.index.separators[lines[before] as usize] as usize + 1,
            None => from,
        };
        let next = self.index.separators[lines[last] as usize] as usize + 1;
        if self.dialect.comment.is_some() || last_start >= end || next - from > self.max_record {
            return None;
        }
        // Without a branch for each, so that many are compared at once.
        let first = (self.separator + width - 1) as u32;
        let differences =
            (first..).step_by(width).zip(lines).fold(0, |differences, (due, line)| differences | (due ^ line));
        (differences == 0).then_some(lines.len())
    }

    /// Takes records that all have as many fields as expected: their separators are a matrix. Returns where the next one
    /// starts.
    fn take_regular(&mut self, block: &[u8], from: usize, records: usize, tokens: &mut Tokens) -> usize {
        let width = self.expected.unwrap_or(1);
        let matrix = &self.index.separators[self.separator..self.separator + records * width];
        let first_row = tokens.rows();
        tokens.starts.push(from as u32);
        tokens.starts.extend(matrix.chunks_exact(width).map(|record| record[width - 1] + 1));
        // Where the next record starts.
        let next = tokens.starts.pop().map_or(from, |next| next as usize);
        let starts = &tokens.starts[first_row..];
        for (&field, spans) in self.fields.iter().zip(&mut tokens.spans) {
            match field.checked_sub(1) {
                None => {
                    let bounds =
                        starts.iter().zip(matrix.chunks_exact(width)).map(|(start, record)| (*start, record[0]));
                    self.append_spans(block, field, bounds, spans);
                }
                Some(before) => {
                    let bounds = matrix[before..].chunks(width).map(|record| match record {
                        [before, end, ..] => (before + 1, *end),
                        _ => (0, 0),
                    });
                    self.append_spans(block, field, bounds, spans);
                }
            }
        }
        self.line += records;
        self.separator += records * width;
        self.next = Some(next);
        next
    }

    /// Appends the spans of one field of some records, each with the expected number of fields, by where they start and
    /// end.
    #[inline]
    fn append_spans(
        &self,
        block: &[u8],
        field: usize,
        bounds: impl Iterator<Item = (u32, u32)>,
        spans: &mut Vec<Span>,
    ) {
        let is_last = self.expected == Some(field + 1);
        if self.index.has_quotes {
            spans.extend(
                bounds.map(|(start, end)| self.unquoted(block, start as usize, self.end(block, is_last, start, end))),
            );
        } else if is_last {
            spans.extend(bounds.map(|(start, end)| Span::new(start as usize, self.end(block, true, start, end), 0)));
        } else {
            spans.extend(bounds.map(|(start, end)| Span::plain(start, end)));
        }
    }

    /// Where a field ends, which in front of a line end may be before a carriage return.
    #[inline]
    fn end(&self, block: &[u8], is_last: bool, start: u32, end: u32) -> usize {
        if is_last { without_return(block, start as usize, end as usize) } else { end as usize }
    }

    /// Where a field starts and which separator ends it, of a record that starts at `start`, with its first separator in
    /// the index.
    #[inline]
    fn bounds(&self, field: usize, start: u32, first: usize) -> (u32, u32) {
        let separators = &self.index.separators[first..];
        (if field == 0 { start } else { separators[field - 1] + 1 }, separators[field])
    }

    /// The span of a field that may have quotes.
    #[inline]
    fn unquoted(&self, block: &[u8], start: usize, end: usize) -> Span {
        if end - start < 2 || Some(block[start]) != self.dialect.quote {
            return Span::new(start, end, 0);
        }
        // The quote that closes it is the last byte, or there would be no index.
        let inner = &block[start + 1..end - 1];
        if self.index.has_doubled && memchr(block[start], inner).is_some() {
            Span::new(start, end, QUOTED | COMPLEX)
        } else {
            Span::new(start + 1, end - 1, QUOTED)
        }
    }

    /// The span of a field, for a record of any number of fields.
    fn ragged_span(&self, block: &[u8], field: usize, start: usize, first: usize) -> Span {
        let separators = &self.index.separators[first..];
        let is_end = |separator: &u32| block[*separator as usize] == b'\n';
        if separators.iter().take(field).any(is_end) {
            return Span::MISSING;
        }
        let is_last = separators.get(field).is_some_and(is_end);
        let (start, end) = self.bounds(field, start as u32, first);
        let end = self.end(block, is_last, start, end);
        if self.index.has_quotes {
            self.unquoted(block, start as usize, end)
        } else {
            Span::new(start as usize, end, 0)
        }
    }

    /// Whether a line is empty and no record.
    fn is_nothing(&self, block: &[u8], start: usize, next: usize) -> bool {
        !self.dialect.empty_lines && without_return(block, start, next - 1) == start
    }

    /// Cuts one record by itself. Returns where the next one starts.
    fn take_one(&mut self, stretch: &Stretch<'_>, at: usize, tokens: &mut Tokens) -> Result<usize, Stop> {
        let Stretch { block, at_end_of_file, .. } = *stretch;
        let row = tokens.rows();
        tokens.spans.iter_mut().for_each(|spans| spans.push(Span::MISSING));
        let (slots, spans) = (&self.slots, &mut tokens.spans);
        let scan = self.dialect.record(block, at, at_end_of_file, &mut self.quotes, |field, span| {
            if let Some(Some(slot)) = slots.get(field) {
                spans[*slot][row] = span;
            }
        });
        match scan {
            Scan::Record { fields, next } if next - at <= self.max_record => {
                if self.expected.is_some_and(|expected| expected != fields) {
                    tokens.ragged.push((row, fields));
                }
                tokens.starts.push(at as u32);
                return Ok(next);
            }
            Scan::Nothing { next } if next - at <= self.max_record => {
                tokens.drop_incomplete();
                return Ok(next);
            }
            _ => tokens.drop_incomplete(),
        }
        Err(match scan {
            Scan::Record { .. } | Scan::Nothing { .. } => Stop::TooLong,
            _ if block.len() - at > self.max_record => Stop::TooLong,
            Scan::Unterminated => Stop::Unterminated,
            _ => Stop::NeedsMore,
        })
    }
}
