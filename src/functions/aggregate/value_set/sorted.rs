//! The values of a set in sorted runs: writing those of large groups, and reading each value once.

use arrow::array::{ArrayRef, AsArray, LargeBinaryArray, UInt64Array};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::UInt64Type;
use std::sync::Arc;

use super::Note;
use super::entries::Entries;
use crate::error::{Error, Result};
use crate::functions::aggregate::runs::{Blocks, Merged, RunBlock};

/// An entry that is sorted. Most comparisons end at the prefix.
#[derive(Clone, Copy)]
pub(super) struct Sorted {
    pub(super) group: u32,
    entry: u32,
    prefix: u64,
}

/// The entries of some groups, by group and value.
pub(super) fn sort(entries: &Entries, chosen: impl Fn(u32) -> bool) -> Vec<Sorted> {
    let of_chosen = || (0..entries.len()).filter(|&entry| chosen(entries.groups[entry]));
    // What all values start with tells nothing.
    let mut common: Option<&[u8]> = None;
    for entry in of_chosen() {
        let value = entries.value(entry);
        let known = common.unwrap_or(value);
        let length = known.iter().zip(value).take_while(|(a, b)| a == b).count();
        common = Some(&known[..length]);
    }
    let skipped = common.map_or(0, <[u8]>::len);
    let mut sorted = Vec::with_capacity(of_chosen().count());
    sorted.extend(of_chosen().map(|entry| {
        let prefix = prefix(&entries.value(entry)[skipped..]);
        Sorted { group: entries.groups[entry], entry: entry as u32, prefix }
    }));
    sorted.sort_unstable_by(|a, b| {
        let rest = |sorted: &Sorted| &entries.value(sorted.entry as usize)[skipped..];
        (a.group, a.prefix).cmp(&(b.group, b.prefix)).then_with(|| rest(a).cmp(rest(b)))
    });
    sorted
}

/// The first bytes as a number in the same order.
fn prefix(bytes: &[u8]) -> u64 {
    let mut first = [0; size_of::<u64>()];
    let length = bytes.len().min(first.len());
    first[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(first)
}

/// Blocks of sorted entries, of about so many bytes each.
pub(super) fn blocks<'a>(
    entries: &'a Entries,
    sorted: &'a [Sorted],
    note: Note,
    block_bytes: usize,
) -> impl Iterator<Item = Result<RunBlock>> + 'a {
    let mut left = sorted.iter().peekable();
    std::iter::from_fn(move || {
        left.peek()?;
        let mut block = GrowingBlock::default();
        while block.bytes() < block_bytes
            && let Some(sorted) = left.next()
        {
            let entry = sorted.entry as usize;
            block.push(entries.value(entry), entries.notes.get(entry).copied().unwrap_or(0));
        }
        Some(block.finish(note))
    })
}

/// Values and what is noted of them, on their way into a block.
struct GrowingBlock {
    starts: Vec<i64>,
    bytes: Vec<u8>,
    notes: Vec<u64>,
}

impl Default for GrowingBlock {
    fn default() -> Self {
        Self { starts: vec![0], bytes: Vec::new(), notes: Vec::new() }
    }
}

impl GrowingBlock {
    fn push(&mut self, value: &[u8], noted: u64) {
        self.bytes.extend_from_slice(value);
        self.starts.push(self.bytes.len() as i64);
        self.notes.push(noted);
    }

    fn bytes(&self) -> usize {
        self.bytes.len() + self.notes.len() * (size_of::<i64>() + size_of::<u64>())
    }

    fn finish(self, note: Note) -> Result<RunBlock> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.starts));
        let values: ArrayRef = Arc::new(LargeBinaryArray::try_new(offsets, Buffer::from(self.bytes), None)?);
        let notes: ArrayRef = Arc::new(UInt64Array::from(self.notes));
        Ok(if note == Note::Nothing { vec![values] } else { vec![values, notes] })
    }
}

/// The values of merged runs in order, each once.
pub(in crate::functions::aggregate) struct MergedValues {
    merged: Merged<LargeBinaryArray>,
    note: Note,
}

impl MergedValues {
    pub(super) fn new(merged: Merged<LargeBinaryArray>, note: Note) -> Self {
        Self { merged, note }
    }

    /// Puts the next value in the place of `value`, and gives what is noted of it; `None` behind the last.
    pub(in crate::functions::aggregate) fn next(&mut self, value: &mut Vec<u8>) -> Result<Option<u64>> {
        let Some((keys, columns, row)) = self.merged.first() else { return Ok(None) };
        value.clear();
        value.extend_from_slice(keys.value(row));
        let mut noted = self.noted(columns, row)?;
        self.merged.advance()?;
        while let Some((keys, columns, row)) = self.merged.first()
            && keys.value(row) == value.as_slice()
        {
            noted = self.note.combine(noted, self.noted(columns, row)?);
            self.merged.advance()?;
        }
        Ok(Some(noted))
    }

    fn noted(&self, columns: &[ArrayRef], row: usize) -> Result<u64> {
        if self.note == Note::Nothing {
            return Ok(0);
        }
        let notes = columns.get(1).and_then(|notes| notes.as_primitive_opt::<UInt64Type>());
        notes.map(|notes| notes.value(row)).ok_or_else(|| Error::internal("values without what is noted of them"))
    }

    /// Blocks of so many of the values.
    pub(super) fn into_blocks(mut self, rows: usize) -> Blocks {
        let mut value = Vec::new();
        Box::new(std::iter::from_fn(move || {
            let mut block = GrowingBlock::default();
            while block.notes.len() < rows {
                match self.next(&mut value) {
                    Ok(Some(noted)) => block.push(&value, noted),
                    Ok(None) => break,
                    Err(error) => return Some(Err(error)),
                }
            }
            (!block.notes.is_empty()).then(|| block.finish(self.note))
        }))
    }
}
