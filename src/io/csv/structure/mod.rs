//! The structural index of a block: where fields and records end, found 64 bytes at a time.
//!
//! Each window of 64 bytes becomes bit masks of its delimiters, line ends and quotes, from which carry-less
//! multiplication, or its equivalent by shifts, makes the mask of what lies between quotes (Langdale and Lemire,
//! "Parsing Gigabytes of JSON per Second", VLDB Journal 2019; Ge et al., "Speculative Distributed CSV Data Parsing",
//! SIGMOD 2019). That mask is right only where every quote opens a field, closes one or is doubled, which is checked
//! for every quote. Where one does not fit, the index ends, and the caller cuts the record byte by byte.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::mem::MaybeUninit;

use super::dialect::Dialect;

/// Bytes of a window: one for each bit of a mask.
const WINDOW: usize = 64;

/// Ends of fields and records in a block. Positions are within the block.
#[derive(Debug, Default)]
pub struct Index {
    /// Delimiters and line ends outside of quotes, ascending.
    pub separators: Vec<u32>,
    /// Which of the separators are line ends.
    pub line_ends: Vec<u32>,
    /// Whether there was a quote.
    pub has_quotes: bool,
    /// Whether there was a doubled quote inside of quotes.
    pub has_doubled: bool,
}

impl Index {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.separators.clear();
        self.line_ends.clear();
        (self.has_quotes, self.has_doubled) = (false, false);
    }
}

/// What one window has to know of those before it. Masks are 0 or 1 for the first bit, but `inside`, which is all bits.
#[derive(Clone, Copy, Debug)]
struct Carry {
    /// The window starts between quotes.
    inside: u64,
    /// The byte before it is a separator.
    field_start: u64,
    /// The byte before it is a quote that closes, or the first of a doubled one.
    closing: u64,
    /// The byte before it is a carriage return behind a closing quote.
    returned: u64,
}

impl Carry {
    /// In front of a record.
    const RECORD: Self = Self { inside: 0, field_start: 1, closing: 0, returned: 0 };
}

/// Makes the index of a block, stretch by stretch.
#[derive(Debug)]
pub struct Indexer {
    dialect: Dialect,
    level: Level,
    carry: Carry,
    /// Up to where the block is indexed.
    at: usize,
}

impl Indexer {
    /// An indexer with the best instructions that the machine has.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, level: Level::detect(), carry: Carry::RECORD, at: 0 }
    }

    /// Begins anew at a position where a record starts.
    pub fn restart(&mut self, at: usize) {
        self.at = at;
        self.carry = Carry::RECORD;
    }

    /// Up to where the block is indexed.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Indexes on, up to `to`: the end of the block, or a multiple of 64 bytes behind the last position. `false` where a
    /// quote does not fit: the index then holds all separators up to [`position`](Self::position), which may lie within a
    /// record, and cannot be gone on with.
    pub fn extend(&mut self, block: &[u8], to: usize, index: &mut Index) -> bool {
        let to = to.min(block.len());
        if self.at >= to {
            return true;
        }
        match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the level says that the machine has the instructions.
            Level::Avx512 => unsafe { avx512::extend(self, block, to, index) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the same.
            Level::Avx2 => unsafe { avx2::extend(self, block, to, index) },
            Level::Portable => self.run::<portable::Bytes>(block, to, index),
        }
    }

    #[inline(always)]
    fn run<W: Window>(&mut self, block: &[u8], to: usize, index: &mut Index) -> bool {
        let Dialect { delimiter, quote, .. } = self.dialect;
        // Without a quote character, nothing is one.
        let has_quote = quote.is_some();
        let quote = quote.unwrap_or_default();
        let mut carry = self.carry;
        let mut at = self.at;
        while at < to {
            let (window, valid) = load::<W>(block, at, to);
            let line_ends = window.equal(b'\n') & valid;
            let mut separators = line_ends | (window.equal(delimiter) & valid);
            let quotes = if has_quote { window.equal(quote) & valid } else { 0 };
            if quotes | carry.inside | carry.closing | carry.returned == 0 {
                carry.field_start = separators >> 63;
            } else {
                let Some(outside) = quoted(&window, &self.dialect, separators, quotes, valid, &mut carry, index) else {
                    (self.at, self.carry) = (at, carry);
                    return false;
                };
                separators &= outside;
            }
            push::<W>(separators, line_ends & separators, at, index);
            at += WINDOW;
        }
        (self.at, self.carry) = (at.min(to), carry);
        true
    }
}

/// A window with quotes: the mask of what is outside of them; `None` where a quote does not fit.
#[inline(always)]
fn quoted<W: Window>(
    window: &W,
    dialect: &Dialect,
    separators: u64,
    quotes: u64,
    valid: u64,
    carry: &mut Carry,
    index: &mut Index,
) -> Option<u64> {
    // From an opening quote up to its closing one, which is not in it. A doubled quote closes and opens.
    let inside = W::prefix_xor(quotes) ^ carry.inside;
    let (opening, closing) = (quotes & inside, quotes & !inside);
    let separators = separators & !inside;
    let behind_closing = (closing << 1) | carry.closing;
    let returns = behind_closing & window.equal(b'\r');
    let may_open = (separators << 1) | carry.field_start | behind_closing;
    let behind_return = (returns << 1) | carry.returned;
    let mut misfits = (opening & !may_open)
        | (behind_closing & !(separators | opening | returns))
        | (behind_return & !window.equal(b'\n'));
    if let Some(escape) = dialect.escape {
        misfits |= inside & window.equal(escape);
    }
    if misfits & valid != 0 || dialect.comment.is_some() {
        return None;
    }
    index.has_quotes = true;
    index.has_doubled |= opening & behind_closing != 0;
    *carry = Carry {
        inside: ((inside as i64) >> 63) as u64,
        field_start: separators >> 63,
        closing: closing >> 63,
        returned: returns >> 63,
    };
    Some(!inside)
}

/// Appends the positions of the bits.
#[inline(always)]
fn push<W: Window>(separators: u64, line_ends: u64, at: usize, index: &mut Index) {
    let known = index.separators.len() as u32;
    append(&mut index.line_ends, |slots| W::write_ranks(line_ends, separators, known, slots));
    append(&mut index.separators, |slots| W::write_positions(separators, at as u32, slots));
}

/// Appends what is written to the slots.
#[inline(always)]
fn append(values: &mut Vec<u32>, write: impl FnOnce(&mut [MaybeUninit<u32>; WINDOW]) -> usize) {
    values.reserve(WINDOW);
    let (slots, _) = values.spare_capacity_mut().as_chunks_mut();
    let count = slots.first_mut().map_or(0, write);
    // SAFETY: as many were written, and are within the capacity.
    unsafe { values.set_len(values.len() + count) };
}

/// The window at a position, and the mask of its bytes that are before `to`.
#[inline(always)]
fn load<W: Window>(block: &[u8], at: usize, to: usize) -> (W, u64) {
    match block.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(bytes) if to - at >= WINDOW => (W::load(bytes), u64::MAX),
        _ => {
            let mut bytes = [0; WINDOW];
            let rest = &block[at..to];
            let count = rest.len().min(WINDOW);
            bytes[..count].copy_from_slice(&rest[..count]);
            (W::load(&bytes), if count == WINDOW { u64::MAX } else { (1 << count) - 1 })
        }
    }
}

/// How many records end in a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Records that end in the range.
    pub records: usize,
    /// Where the next one starts: the end of the range, or before it, where the last line goes on behind.
    pub next: usize,
}

/// Counts the records that end from `from`, where one starts, up to `to`; `None` where quotes do not fit, or the dialect
/// has comments or a long delimiter. Empty lines count only where the dialect says so.
pub fn count_records(dialect: &Dialect, block: &[u8], from: usize, to: usize) -> Option<Counted> {
    if dialect.comment.is_some() || dialect.long_delimiter.is_some() {
        return None;
    }
    match Level::detect() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level says that the machine has the instructions.
        Level::Avx512 => unsafe { avx512::count(dialect, block, from, to) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the same.
        Level::Avx2 => unsafe { avx2::count(dialect, block, from, to) },
        Level::Portable => count::<portable::Bytes>(dialect, block, from, to),
    }
}

#[inline(always)]
fn count<W: Window>(dialect: &Dialect, block: &[u8], from: usize, to: usize) -> Option<Counted> {
    let (has_quote, quote) = (dialect.quote.is_some(), dialect.quote.unwrap_or_default());
    let mut carry = Carry::RECORD;
    // Whether a line starts at the first byte, and whether the byte before it is a `\r` at the start of a line.
    let (mut start, mut start_return) = (1, 0);
    let (mut records, mut next, mut unused) = (0, from, Index::default());
    let mut at = from;
    while at < to {
        let (window, valid) = load::<W>(block, at, to);
        let mut line_ends = window.equal(b'\n') & valid;
        let returns = window.equal(b'\r') & valid;
        let quotes = if has_quote { window.equal(quote) & valid } else { 0 };
        if quotes | carry.inside | carry.closing | carry.returned == 0 {
            carry.field_start = (line_ends | window.equal(dialect.delimiter)) >> 63;
        } else {
            let separators = line_ends | (window.equal(dialect.delimiter) & valid);
            line_ends &= quoted(&window, dialect, separators, quotes, valid, &mut carry, &mut unused)?;
        }
        records += line_ends.count_ones() as usize;
        let line_starts = ((line_ends << 1) | start) & valid;
        let start_returns = line_starts & returns;
        if !dialect.empty_lines {
            // A `\r` that starts a line ends it too, in front of `\n`.
            let empty = (line_starts & line_ends) | (((start_returns << 1) | start_return) & line_ends);
            records -= empty.count_ones() as usize;
        }
        if line_ends != 0 {
            next = at + line_ends.ilog2() as usize + 1;
        }
        let last = if valid == u64::MAX { 63 } else { valid.count_ones() - 1 };
        (start, start_return) = ((line_ends >> last) & 1, (start_returns >> last) & 1);
        at += WINDOW;
    }
    Some(Counted { records, next })
}

/// The instructions to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Level {
    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("pclmulqdq")
        {
            let has_512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vbmi2")
                && is_x86_feature_detected!("bmi2");
            return if has_512 { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Portable
    }
}

/// 64 bytes to be compared.
trait Window: Copy {
    fn load(bytes: &[u8; WINDOW]) -> Self;

    /// A bit for each byte that is `byte`.
    fn equal(&self, byte: u8) -> u64;

    /// Bit i is the parity of the bits 0 to i.
    fn prefix_xor(mask: u64) -> u64;

    /// Writes `at` plus the position of each bit, ascending, and returns how many there are.
    #[inline(always)]
    fn write_positions(mask: u64, at: u32, slots: &mut [MaybeUninit<u32>; WINDOW]) -> usize {
        let count = mask.count_ones() as usize;
        let mut rest = mask;
        // Eight at once, mostly more than there are, is faster than to ask after each.
        for octet in slots.as_chunks_mut::<8>().0.iter_mut().take(count.div_ceil(8)) {
            for slot in octet {
                slot.write(at + rest.trailing_zeros());
                rest &= rest.wrapping_sub(1);
            }
        }
        count
    }

    /// Writes for each of `bits`, which are some of `mask`, how many of `mask` are before it, plus `known`; ascending, and
    /// returns how many there are.
    #[inline(always)]
    fn write_ranks(bits: u64, mask: u64, known: u32, slots: &mut [MaybeUninit<u32>; WINDOW]) -> usize {
        let mut rest = bits;
        for slot in slots.iter_mut().take(bits.count_ones() as usize) {
            slot.write(known + (mask & (rest.wrapping_sub(1) & !rest)).count_ones());
            rest &= rest.wrapping_sub(1);
        }
        bits.count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn levels() -> Vec<Level> {
        let mut levels = vec![Level::Portable, Level::detect()];
        #[cfg(target_arch = "x86_64")]
        if Level::detect() == Level::Avx512 {
            levels.push(Level::Avx2);
        }
        levels
    }

    fn dialects() -> impl Strategy<Value = Dialect> {
        let option = |byte| prop_oneof![Just(None), Just(Some(byte))];
        (prop_oneof![1 => Just(None), 4 => Just(Some(b'"'))], option(b'\\'), any::<bool>()).prop_map(
            |(quote, escape, empty_lines)| Dialect {
                quote,
                escape: escape.filter(|_| quote.is_some()),
                empty_lines,
                ..Dialect::new(b',')
            },
        )
    }

    /// Records of fields that are mostly well formed, so that indexes get long.
    fn texts() -> impl Strategy<Value = String> {
        let field = prop_oneof![
            20 => "[a-z]{0,9}",
            6 => "\"[a-z,\n]{0,9}\"",
            4 => "\"([a-z]|\"\"){0,6}\"",
            1 => "[a\",\\\\]{0,4}",
        ];
        let end = prop_oneof![6 => Just("\n"), 2 => Just("\r\n"), 1 => Just("\n\n"), 1 => Just("\n\r\n")];
        prop::collection::vec((field, prop_oneof![3 => Just(None), 1 => end.prop_map(Some)]), 0..150)
            .prop_map(|fields| fields.into_iter().map(|(field, end)| field + end.unwrap_or(",")).collect())
    }

    /// Separators and line ends as single steps through the text find them.
    fn slow_index(dialect: &Dialect, text: &[u8]) -> (Vec<u32>, Vec<u32>) {
        let (mut separators, mut line_ends, mut inside) = (Vec::new(), Vec::new(), false);
        for (at, byte) in text.iter().enumerate() {
            if Some(*byte) == dialect.quote {
                inside = !inside;
            } else if !inside && (*byte == dialect.delimiter || *byte == b'\n') {
                if *byte == b'\n' {
                    line_ends.push(separators.len() as u32);
                }
                separators.push(at as u32);
            }
        }
        (separators, line_ends)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn all_instructions_index_alike(text in texts(), dialect in dialects(), start in 0usize..70) {
            let block = text.as_bytes();
            let start = start.min(block.len());
            let mut found = Vec::new();
            for level in levels() {
                let mut indexer = Indexer { level, ..Indexer::new(dialect) };
                let mut index = Index::default();
                indexer.restart(start);
                // In two steps, of which the first is made of whole windows.
                let is_whole = indexer.extend(block, start + WINDOW, &mut index)
                    && indexer.extend(block, block.len(), &mut index);
                if is_whole {
                    let (separators, line_ends) = slow_index(&dialect, &block[start..]);
                    let separators: Vec<u32> = separators.into_iter().map(|at| at + start as u32).collect();
                    prop_assert_eq!((&index.separators, &index.line_ends), (&separators, &line_ends));
                }
                let Index { separators, line_ends, has_quotes, has_doubled } = index;
                found.push((is_whole, indexer.position(), separators, line_ends, has_quotes, has_doubled));
            }
            prop_assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", found);
        }

        #[test]
        fn all_instructions_count_alike(text in texts(), dialect in dialects(), to in 0usize..1000) {
            let block = text.as_bytes();
            let to = to.min(block.len());
            let by_bytes = count::<portable::Bytes>(&dialect, block, 0, to);
            prop_assert_eq!(count_records(&dialect, block, 0, to), by_bytes);
            if let Some(counted) = by_bytes {
                // Cut one by one, as many end before the end.
                let (mut at, mut records, mut quotes) = (0, 0, Default::default());
                while at < to {
                    let (next, count) = match dialect.record(block, at, true, &mut quotes, |_, _| {}) {
                        crate::io::csv::serial::Scan::Record { next, .. } => (next, 1),
                        crate::io::csv::serial::Scan::Nothing { next } => (next, 0),
                        _ => break,
                    };
                    if next > to || block[next - 1] != b'\n' {
                        break;
                    }
                    (at, records) = (next, records + count);
                }
                prop_assert_eq!(counted, Counted { records, next: at });
            }
        }
    }

    #[test]
    fn quotes_that_do_not_fit_end_the_index_and_others_do_not() {
        let dialect = Dialect { quote: Some(b'"'), ..Dialect::new(b',') };
        for (text, fits) in [
            ("a,\"b\"\n", true),
            ("a,\"b\"\r\n", true),
            ("\"a\"\"b\",\"\"\n", true),
            ("\"a\nb\",c\n", true),
            ("a\"b\n", false),
            ("\"a\"b\n", false),
            ("\"a\"\rb\n", false),
            ("\"a\" ,b\n", false),
            ("a, \"b\"\n", false),
        ] {
            // At every place in a window, also over its end.
            for before in 0..130 {
                let text = format!("{}\n{text}", "x".repeat(before));
                for level in levels() {
                    let mut indexer = Indexer { level, ..Indexer::new(dialect) };
                    let is_whole = indexer.extend(text.as_bytes(), text.len(), &mut Index::default());
                    assert_eq!(is_whole, fits, "{text:?}");
                }
            }
        }
    }
}
