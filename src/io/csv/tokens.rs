//! What records of a block are cut into: for each field, where its text is. Nothing is copied.

use super::dialect::Dialect;

/// Where in a block a field's text is. For a field between quotes that holds no doubled or escaped character, what is
/// between them; for one that does, the field with its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    /// The length in the lower bits.
    bits: u32,
}

pub(super) const QUOTED: u32 = 1 << 31;
pub(super) const COMPLEX: u32 = 1 << 30;

impl Span {
    /// A field that its record does not have.
    pub const MISSING: Self = Self { start: u32::MAX, bits: 0 };

    /// The caller keeps blocks below 2^32 bytes and records below 2^30.
    pub(super) fn new(start: usize, end: usize, flags: u32) -> Self {
        Self { start: start as u32, bits: (end - start) as u32 | flags }
    }

    /// A field without quotes.
    #[inline]
    pub(super) fn plain(start: u32, end: u32) -> Self {
        Self { start, bits: end - start }
    }

    /// Whether the record does not have the field.
    #[inline]
    pub fn is_missing(self) -> bool {
        self == Self::MISSING
    }

    /// Whether it stands in quotes.
    #[inline]
    pub fn is_quoted(self) -> bool {
        self.bits & QUOTED != 0
    }

    /// Whether its meaning is not its text: see [`Dialect::unquote`].
    #[inline]
    pub fn is_complex(self) -> bool {
        self.bits & COMPLEX != 0
    }

    /// The first byte.
    #[inline]
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// The number of bytes.
    #[inline]
    pub fn len(self) -> usize {
        (self.bits & !(QUOTED | COMPLEX)) as usize
    }

    /// The raw text.
    #[inline]
    pub fn raw(self, block: &[u8]) -> &[u8] {
        if self.is_missing() { &[] } else { &block[self.start()..self.start() + self.len()] }
    }

    /// What the field means; `scratch` holds it where the text has to be put together.
    #[inline]
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

/// Records of a block, as the fields that are wanted of each.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Where each record starts.
    pub starts: Vec<u32>,
    /// The fields of each slot, record by record.
    pub(super) spans: Vec<Vec<Span>>,
    /// Records that do not have the expected number of fields, with the number they have.
    pub ragged: Vec<(usize, usize)>,
}

impl Tokens {
    /// No records, with so many fields wanted of each.
    pub fn new(slots: usize) -> Self {
        Self { starts: Vec::new(), spans: vec![Vec::new(); slots], ragged: Vec::new() }
    }

    /// Forgets all records.
    pub fn clear(&mut self) {
        self.starts.clear();
        self.spans.iter_mut().for_each(Vec::clear);
        self.ragged.clear();
    }

    /// The number of records.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// The fields of one slot, record by record.
    pub fn column(&self, slot: usize) -> &[Span] {
        &self.spans[slot]
    }

    /// Leaves only some of the records, by ascending index, with the fields of the slots from `first` on; what the
    /// slots before hold has no meaning after that.
    pub fn keep(&mut self, rows: &[u32], first: usize) {
        fn keep<T: Copy>(values: &mut Vec<T>, rows: &[u32]) {
            for (to, from) in rows.iter().enumerate() {
                values[to] = values[*from as usize];
            }
            values.truncate(rows.len());
        }
        keep(&mut self.starts, rows);
        self.spans.iter_mut().skip(first).for_each(|spans| keep(spans, rows));
    }

    /// Takes back the fields of a record that turned out to be none.
    pub(super) fn drop_incomplete(&mut self) {
        let rows = self.rows();
        self.spans.iter_mut().for_each(|spans| spans.truncate(rows));
    }
}
