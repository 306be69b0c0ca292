//! The entries of a set: a hash table over groups and encoded values, whose bytes lie one behind the other.

use std::hash::BuildHasher;

use arrow::array::{ArrayRef, AsArray, LargeListArray};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::Note;
use crate::error::{Error, Result};
use crate::functions::aggregate::rows::{table_growth, vec_growth, vec_memory};

/// An entry by its hash: a table that grows reads no entry.
type Slot = (u32, u32);

/// The hash that a table goes by, of the half that is kept in it (multiplied as in Knuth, TAOCP 6.4).
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Entry i is the values `bytes[starts[i]..starts[i + 1]]` in the group `groups[i]`.
pub(super) struct Entries {
    index: HashTable<Slot>,
    pub(super) groups: Vec<u32>,
    starts: Vec<usize>,
    bytes: Vec<u8>,
    /// What is noted of each; empty where nothing is.
    pub(super) notes: Vec<u64>,
    hasher: FixedState,
}

impl Default for Entries {
    fn default() -> Self {
        let hasher = FixedState::with_seed(0x51ed_270b);
        Self {
            index: HashTable::new(),
            groups: Vec::new(),
            starts: vec![0],
            bytes: Vec::new(),
            notes: Vec::new(),
            hasher,
        }
    }
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    #[inline]
    pub(super) fn insert(&mut self, group: u32, value: &[u8], note: Note, noted: u64) -> Result<()> {
        let Self { index, groups, starts, bytes, notes, hasher } = self;
        let entry_value = |entry: u32| &bytes[starts[entry as usize]..starts[entry as usize + 1]];
        let half = (hasher.hash_one((group, value)) >> 32) as u32;
        let is_it =
            |&(known, entry): &Slot| known == half && groups[entry as usize] == group && entry_value(entry) == value;
        if let Some(&(_, entry)) = index.find(spread(half), is_it) {
            if let Some(known) = notes.get_mut(entry as usize) {
                *known = note.combine(*known, noted);
            }
            return Ok(());
        }
        let entry = u32::try_from(groups.len()).map_err(|_| {
            Error::resource("an aggregate with DISTINCT, or a mode, holds more than 4294967295 values")
                .with_hint("group by the values first, and aggregate the result")
        })?;
        index.insert_unique(spread(half), (half, entry), |&(half, _)| spread(half));
        groups.push(group);
        bytes.extend_from_slice(value);
        starts.push(bytes.len());
        if note != Note::Nothing {
            notes.push(noted);
        }
        Ok(())
    }

    pub(super) fn value(&self, entry: usize) -> &[u8] {
        &self.bytes[self.starts[entry]..self.starts[entry + 1]]
    }

    /// Gives back the index, after which nothing can be inserted.
    pub(super) fn drop_index(&mut self) {
        self.index = HashTable::new();
    }

    /// Keeps the entries of some groups, in the place where they are.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u32) -> bool) {
        let (mut kept, mut end) = (0, 0);
        for entry in 0..self.len() {
            let group = self.groups[entry];
            if !is_kept(group) {
                continue;
            }
            // The start behind the kept ones is never one that is still to be read.
            let (start, stop) = (self.starts[entry], self.starts[entry + 1]);
            self.bytes.copy_within(start..stop, end);
            end += stop - start;
            self.groups[kept] = group;
            if !self.notes.is_empty() {
                self.notes[kept] = self.notes[entry];
            }
            kept += 1;
            if kept <= entry {
                self.starts[kept] = end;
            }
        }
        self.groups.truncate(kept);
        self.notes.truncate(kept);
        self.starts.truncate(kept + 1);
        self.bytes.truncate(end);
        self.groups.shrink_to_fit();
        self.notes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.bytes.shrink_to_fit();
        let Self { index, groups, starts, bytes, hasher, .. } = self;
        *index = HashTable::with_capacity(kept);
        for (entry, (group, ends)) in (0..).zip(groups.iter().zip(starts.windows(2))) {
            let half = (hasher.hash_one((*group, &bytes[ends[0]..ends[1]])) >> 32) as u32;
            index.insert_unique(spread(half), (half, entry), |&(half, _)| spread(half));
        }
    }

    /// The entries in the order of their groups, and where each group's start.
    pub(super) fn by_group(&self, group_count: usize) -> (Vec<u32>, Vec<i64>) {
        let mut starts = vec![0i64; group_count + 1];
        for &group in &self.groups {
            starts[group as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0u32; self.len()];
        for (entry, &group) in self.groups.iter().enumerate() {
            let place = &mut next[group as usize];
            order[*place as usize] = entry as u32;
            *place += 1;
        }
        (order, starts)
    }

    /// The columns are written in the order of groups at the end, or sorted, or decoded: about the same again.
    pub(super) fn memory(&self) -> usize {
        let Self { index, groups, starts, bytes, notes, .. } = self;
        let columns = vec_memory(groups) + 2 * (vec_memory(starts) + vec_memory(bytes) + vec_memory(notes));
        index.allocation_size() + columns
    }

    /// Bytes by which `memory` can rise at most while so many entries of so many bytes are added.
    pub(super) fn growth(&self, entries: usize, encoded: usize, note: Note) -> usize {
        let Self { index, groups, starts, bytes, notes, .. } = self;
        let noted = if note == Note::Nothing { 0 } else { entries };
        table_growth(index.len(), index.capacity(), entries, size_of::<Slot>())
            + vec_growth(groups, entries)
            + 2 * (vec_growth(starts, entries) + vec_growth(bytes, encoded) + vec_growth(notes, noted))
    }
}

/// How many values lists have, and their bytes.
pub(super) fn size_of_lists(lists: &LargeListArray) -> (usize, usize) {
    let ends = |offsets: &[i64]| [offsets.first(), offsets.last()].map(|end| end.copied().unwrap_or(0) as usize);
    let [first, last] = ends(lists.value_offsets());
    let values: ArrayRef = lists.values().slice(first, last - first);
    let [start, end] = ends(values.as_binary::<i64>().value_offsets());
    (last - first, end - start)
}
