//! The set of the (group, values) pairs that were seen, of any types, for aggregates that tell values apart.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeBinaryArray, LargeListArray};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use arrow_row::{RowConverter, Rows, SortField};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::GroupedRows;
use super::rows::{table_growth, vec_growth, vec_memory};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};

/// Values are encoded so that those that are equal in SQL have equal bytes, in their order.
pub(super) struct ValueSet {
    converter: RowConverter,
    /// What the values of a row are encoded to at most, besides the bytes of texts.
    row_bytes: usize,
    /// The batch at hand, encoded; kept for its memory.
    encoded: Rows,
    entries: Entries,
}

/// Entry i is the values `bytes[starts[i]..starts[i + 1]]` in the group `groups[i]`.
struct Entries {
    index: HashTable<u32>,
    groups: Vec<u32>,
    starts: Vec<usize>,
    bytes: Vec<u8>,
    hasher: FixedState,
}

/// The longest that a value of fixed width is encoded to, with its null byte.
pub(super) const FIXED_WIDTH: usize = 17;
/// What a text adds to its own length: terminator, and filling of its last block.
pub(super) const TEXT_PADDING: usize = 34;

impl Default for Entries {
    fn default() -> Self {
        let hasher = FixedState::with_seed(0x51ed_270b);
        Self { index: HashTable::new(), groups: Vec::new(), starts: vec![0], bytes: Vec::new(), hasher }
    }
}

impl Entries {
    fn insert(&mut self, group: u32, value: &[u8]) -> Result<usize> {
        let Self { index, groups, starts, bytes, hasher } = self;
        let entry_value = |entry: u32| &bytes[starts[entry as usize]..starts[entry as usize + 1]];
        let hash = hasher.hash_one((group, value));
        let known = index.find(hash, |&entry| groups[entry as usize] == group && entry_value(entry) == value);
        if let Some(&entry) = known {
            return Ok(entry as usize);
        }
        let entry = u32::try_from(groups.len()).map_err(|_| {
            Error::resource("an aggregate with DISTINCT, or a mode, holds more than 4294967295 values")
                .with_hint("group by the values first, and aggregate the result")
        })?;
        index.insert_unique(hash, entry, |&entry| hasher.hash_one((groups[entry as usize], entry_value(entry))));
        groups.push(group);
        bytes.extend_from_slice(value);
        starts.push(bytes.len());
        Ok(entry as usize)
    }

    fn value(&self, entry: usize) -> &[u8] {
        &self.bytes[self.starts[entry]..self.starts[entry + 1]]
    }
}

impl ValueSet {
    /// A set of values of those types.
    pub(super) fn new(types: &[DataType]) -> Result<Self> {
        let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect())?;
        let encoded = converter.empty_rows(0, 0);
        let width = |of: &DataType| of.primitive_width().map_or(FIXED_WIDTH + TEXT_PADDING, |width| width + 1);
        let row_bytes = types.iter().map(width).sum();
        Ok(Self { converter, row_bytes, encoded, entries: Entries::default() })
    }

    /// Adds the values of those rows that are not among the nulls, and calls `f(entry, row)` for each.
    pub(super) fn insert_rows(
        &mut self,
        columns: &[ArrayRef],
        nulls: Option<&NullBuffer>,
        rows: &GroupedRows<'_>,
        mut f: impl FnMut(usize, usize),
    ) -> Result<()> {
        let columns: Vec<ArrayRef> = columns.iter().map(normalize_equal).collect();
        self.encoded.clear();
        self.converter.append(&mut self.encoded, &columns)?;
        let (entries, encoded, mut outcome) = (&mut self.entries, &self.encoded, Ok(()));
        rows.for_each(nulls, |row, group| {
            if outcome.is_ok() {
                match entries.insert(group as u32, encoded.row(row).data()) {
                    Ok(entry) => f(entry, row),
                    Err(error) => outcome = Err(error),
                }
            }
        });
        outcome
    }

    /// Adds what [`ValueSet::take_lists`] gave, and calls `f(entry, index)` for each value with its index in all lists.
    pub(super) fn insert_lists(
        &mut self,
        lists: &ArrayRef,
        groups: &[u32],
        mut f: impl FnMut(usize, usize),
    ) -> Result<()> {
        let lists = lists.as_list::<i64>();
        let values = lists.values().as_binary::<i64>();
        for (&group, ends) in groups.iter().zip(lists.offsets().windows(2)) {
            for index in ends[0] as usize..ends[1] as usize {
                f(self.entries.insert(group, values.value(index))?, index);
            }
        }
        Ok(())
    }

    /// The encoding of the first row of a column.
    pub(super) fn encode(&self, column: &ArrayRef) -> Result<Vec<u8>> {
        let rows = self.converter.convert_columns(std::slice::from_ref(column))?;
        Ok(rows.iter().next().map(|row| row.data().to_vec()).unwrap_or_default())
    }

    pub(super) fn list_type() -> DataType {
        DataType::LargeList(Arc::new(Field::new_list_field(DataType::LargeBinary, true)))
    }

    /// The encoded values of each group as a list, and the entries in the order of all lists; leaves none behind.
    pub(super) fn take_lists(&mut self, group_count: usize) -> Result<(LargeListArray, Vec<u32>)> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.index = HashTable::new();
        let mut list_starts = vec![0i64; group_count + 1];
        for &group in &entries.groups {
            list_starts[group as usize + 1] += 1;
        }
        for index in 1..list_starts.len() {
            list_starts[index] += list_starts[index - 1];
        }
        let mut next = list_starts.clone();
        let mut order = vec![0u32; entries.groups.len()];
        for (entry, &group) in entries.groups.iter().enumerate() {
            let place = &mut next[group as usize];
            order[*place as usize] = entry as u32;
            *place += 1;
        }
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut bytes = Vec::with_capacity(entries.bytes.len());
        starts.push(0i64);
        for &entry in &order {
            bytes.extend_from_slice(entries.value(entry as usize));
            starts.push(bytes.len() as i64);
        }
        let starts = OffsetBuffer::new(ScalarBuffer::from(starts));
        let values = LargeBinaryArray::try_new(starts, Buffer::from(bytes), None)?;
        let field = Arc::new(Field::new_list_field(DataType::LargeBinary, true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(list_starts));
        Ok((LargeListArray::try_new(field, offsets, Arc::new(values), None)?, order))
    }

    /// All entries, to read; leaves none behind.
    pub(super) fn take(&mut self) -> TakenValues<'_> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.index = HashTable::new();
        TakenValues { converter: &self.converter, entries }
    }

    /// The values are written in the order of groups at the end, or decoded: about the same again.
    pub(super) fn memory(&self) -> usize {
        let Entries { index, groups, starts, bytes, .. } = &self.entries;
        let columns = vec_memory(groups) + 2 * vec_memory(starts) + 2 * vec_memory(bytes);
        index.allocation_size() + columns + self.encoded.size()
    }

    /// Bytes by which `memory` can rise at most while rows with so many bytes of texts are added.
    pub(super) fn growth(&self, rows: usize, bytes: usize) -> usize {
        let encoded = rows * self.row_bytes + bytes / 8 * 9;
        let batch = 2 * (encoded + rows * size_of::<usize>());
        self.entries_growth(rows, encoded) + batch.saturating_sub(self.encoded.size())
    }

    /// The same for what [`ValueSet::take_lists`] gave, and how many values that has.
    pub(super) fn lists_growth(&self, lists: Option<&ArrayRef>) -> (usize, usize) {
        let Some(lists) = lists.and_then(|lists| lists.as_list_opt::<i64>()) else { return (0, 0) };
        let ends = |offsets: &[i64]| [offsets.first(), offsets.last()].map(|end| end.copied().unwrap_or(0) as usize);
        let [first, last] = ends(lists.value_offsets());
        let values = lists.values().slice(first, last - first);
        let [start, end] = ends(values.as_binary::<i64>().value_offsets());
        (self.entries_growth(last - first, end - start), last - first)
    }

    fn entries_growth(&self, entries: usize, encoded: usize) -> usize {
        let Entries { index, groups, starts, bytes, .. } = &self.entries;
        let columns = vec_growth(groups, entries) + 2 * vec_growth(starts, entries) + 2 * vec_growth(bytes, encoded);
        table_growth(index.len(), index.capacity(), entries, size_of::<u32>()) + columns
    }
}

/// What was in a set.
pub(super) struct TakenValues<'a> {
    converter: &'a RowConverter,
    entries: Entries,
}

impl TakenValues<'_> {
    /// The group of each entry.
    pub(super) fn groups(&self) -> &[u32] {
        &self.entries.groups
    }

    /// The encoded values of an entry, in the order of values.
    pub(super) fn encoded(&self, entry: usize) -> &[u8] {
        self.entries.value(entry)
    }

    /// Encoded values as columns.
    pub(super) fn decode<'b>(&self, encoded: impl Iterator<Item = &'b [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows: Vec<_> = encoded.map(|bytes| parser.parse(bytes)).collect();
        Ok(self.converter.convert_rows(rows)?)
    }
}
