//! The set of the (group, values) pairs that were seen, of any types, for aggregates that tell values apart. Large groups
//! leave memory in sorted runs.
//!
//! | file | what |
//! | --- | --- |
//! | `entries` | the pairs in memory |
//! | `sorted` | the values of large groups in runs |

mod entries;
mod sorted;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeBinaryArray, LargeListArray, UInt64Array};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, UInt64Type};
use arrow_row::{RowConverter, Rows, SortField};

use self::entries::{Entries, size_of_lists};
pub(super) use self::sorted::MergedValues;
use super::GroupedRows;
use super::runs::{RunSize, RunStore, Runs};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};

/// The longest that a value of fixed width is encoded to, with its null byte.
pub(super) const FIXED_WIDTH: usize = 17;
/// What a text adds to its own length: terminator, and filling of its last block.
pub(super) const TEXT_PADDING: usize = 34;
/// Bytes of an entry besides its value.
const ENTRY_BYTES: usize = 24;

/// What is noted of the rows that have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    Nothing,
    /// How many they are.
    Count,
    /// The position of the first one.
    First,
}

impl Note {
    /// Of the rows of both.
    #[inline]
    fn combine(self, one: u64, other: u64) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Count => one + other,
            Self::First => one.min(other),
        }
    }

    #[inline]
    fn of_row(self, rows: &GroupedRows<'_>, row: usize) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Count => 1,
            Self::First => rows.positions[row],
        }
    }
}

/// Values are encoded so that those that are equal in SQL have equal bytes, in their order.
pub(super) struct ValueSet {
    converter: RowConverter,
    note: Note,
    /// What the values of a row are encoded to at most, besides the bytes of texts.
    row_bytes: usize,
    /// The batch at hand, encoded; kept for its memory.
    encoded: Rows,
    entries: Entries,
    /// The values that are not among the entries.
    runs: Runs,
}

impl ValueSet {
    /// A set of values of those types.
    pub(super) fn new(types: &[DataType], note: Note) -> Result<Self> {
        let converter = RowConverter::new(types.iter().cloned().map(SortField::new).collect())?;
        let encoded = converter.empty_rows(0, 0);
        let width = |of: &DataType| of.primitive_width().map_or(FIXED_WIDTH + TEXT_PADDING, |width| width + 1);
        let row_bytes = types.iter().map(width).sum();
        Ok(Self { converter, note, row_bytes, encoded, entries: Entries::default(), runs: Runs::default() })
    }

    pub(super) fn use_runs(&mut self, store: &Arc<dyn RunStore>) {
        self.runs.connect(store);
    }

    /// Adds the values of those rows that are not among the nulls.
    pub(super) fn insert_rows(
        &mut self,
        columns: &[ArrayRef],
        nulls: Option<&NullBuffer>,
        rows: &GroupedRows<'_>,
    ) -> Result<()> {
        let columns: Vec<ArrayRef> = columns.iter().map(normalize_equal).collect();
        self.encoded.clear();
        self.converter.append(&mut self.encoded, &columns)?;
        let (note, entries, encoded, mut outcome) = (self.note, &mut self.entries, &self.encoded, Ok(()));
        rows.for_each(nulls, |row, group| {
            if outcome.is_ok() {
                outcome = entries.insert(group as u32, encoded.row(row).data(), note, note.of_row(rows, row));
            }
        });
        outcome
    }

    /// Adds what [`ValueSet::state`] gave.
    pub(super) fn merge(&mut self, states: &[ArrayRef], groups: &[u32]) -> Result<()> {
        let (Some(lists), Some(runs)) = (states.first(), states.last()) else {
            return Err(Error::internal("a set of values without its state"));
        };
        let lists = lists.as_list::<i64>();
        let values = lists.values().as_binary::<i64>();
        // Both have the same lists.
        let notes = states.get(1).filter(|_| self.note != Note::Nothing);
        let notes = notes.map(|notes| notes.as_list::<i64>().values().as_primitive::<UInt64Type>().values());
        for (&group, ends) in groups.iter().zip(lists.offsets().windows(2)) {
            for index in ends[0] as usize..ends[1] as usize {
                let noted = notes.map_or(0, |notes| notes[index]);
                self.entries.insert(group, values.value(index), self.note, noted)?;
            }
        }
        self.runs.merge(Some(runs), groups)
    }

    /// The encoding of the first row of a column.
    pub(super) fn encode(&self, column: &ArrayRef) -> Result<Vec<u8>> {
        let rows = self.converter.convert_columns(std::slice::from_ref(column))?;
        Ok(rows.iter().next().map(|row| row.data().to_vec()).unwrap_or_default())
    }

    pub(super) fn state_types(&self) -> Vec<DataType> {
        let list = |of: DataType| DataType::LargeList(Arc::new(Field::new_list_field(of, true)));
        let notes = (self.note != Note::Nothing).then(|| list(DataType::UInt64));
        [list(DataType::LargeBinary)].into_iter().chain(notes).chain([Runs::state_type()]).collect()
    }

    /// The encoded values of each group as a list, what is noted of them, and the runs; leaves none behind.
    pub(super) fn state(&mut self, group_count: usize) -> Result<Vec<ArrayRef>> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.drop_index();
        let (order, list_starts) = entries.by_group(group_count);
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut bytes = Vec::with_capacity(order.iter().map(|entry| entries.value(*entry as usize).len()).sum());
        starts.push(0i64);
        for &entry in &order {
            bytes.extend_from_slice(entries.value(entry as usize));
            starts.push(bytes.len() as i64);
        }
        let values =
            LargeBinaryArray::try_new(OffsetBuffer::new(ScalarBuffer::from(starts)), Buffer::from(bytes), None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(list_starts));
        let lists = |items: ArrayRef| -> Result<ArrayRef> {
            let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            Ok(Arc::new(LargeListArray::try_new(field, offsets.clone(), items, None)?))
        };
        let mut state = vec![lists(Arc::new(values))?];
        if self.note != Note::Nothing {
            let notes: UInt64Array = order.iter().map(|&entry| entries.notes[entry as usize]).collect();
            state.push(lists(Arc::new(notes))?);
        }
        state.push(self.runs.state(group_count)?);
        Ok(state)
    }

    /// Writes the entries of groups with at least so many bytes as runs; whether there was any.
    pub(super) fn shed(&mut self, group_count: usize, least: usize) -> Result<bool> {
        if !self.runs.can_write() {
            return Ok(false);
        }
        let mut bytes = vec![0; group_count];
        for (entry, &group) in self.entries.groups.iter().enumerate() {
            bytes[group as usize] += self.entries.value(entry).len() + ENTRY_BYTES;
        }
        self.write_runs(|group| bytes[group as usize] >= least.max(1))
    }

    /// Writes the entries of some groups as runs; whether there was any.
    fn write_runs(&mut self, chosen: impl Fn(u32) -> bool) -> Result<bool> {
        if !self.entries.groups.iter().any(|&group| chosen(group)) {
            return Ok(false);
        }
        self.entries.drop_index();
        let sorted = sorted::sort(&self.entries, &chosen);
        let (known, note, block_bytes) = (self.runs.by_group(), self.note, self.runs.block_bytes());
        for sorted in sorted.chunk_by(|a, b| a.group == b.group) {
            let group = sorted[0].group;
            let own = known.get(&group).map_or(&[][..], Vec::as_slice);
            let mut blocks = sorted::blocks(&self.entries, sorted, note, block_bytes);
            self.runs.write::<LargeBinaryArray>(group, own, &mut blocks, |merged, rows| {
                MergedValues::new(merged, note).into_blocks(rows)
            })?;
        }
        drop(sorted);
        self.entries.retain(|group| !chosen(group));
        Ok(true)
    }

    /// Makes the runs of each group few.
    pub(super) fn join_runs(&mut self) -> Result<()> {
        let note = self.note;
        self.runs.join::<LargeBinaryArray>(|merged, rows| MergedValues::new(merged, note).into_blocks(rows))
    }

    /// All values, to read; leaves none behind.
    pub(super) fn take(&mut self, group_count: usize) -> Result<TakenValues<'_>> {
        if !self.runs.is_empty() {
            // Then all values of a group are in its runs, or none.
            let with_runs = self.runs.of_groups(group_count);
            self.write_runs(|group| with_runs[group as usize])?;
        }
        let mut entries = std::mem::take(&mut self.entries);
        entries.drop_index();
        let runs = std::mem::take(&mut self.runs);
        Ok(TakenValues { converter: &self.converter, entries, note: self.note, groups: runs.by_group(), runs })
    }

    pub(super) fn memory(&self, group_count: usize) -> usize {
        self.entries.memory() + self.encoded.size() + self.runs.memory(group_count)
    }

    /// Bytes by which `memory` can rise at most while rows with so many bytes of texts are added.
    pub(super) fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        let encoded = rows * self.row_bytes + bytes / 8 * 9;
        let batch = 2 * (encoded + rows * size_of::<usize>());
        self.entries.growth(rows, encoded, self.note)
            + batch.saturating_sub(self.encoded.size())
            + Runs::growth(new_groups)
    }

    /// The same for what [`ValueSet::state`] gave.
    pub(super) fn merge_growth(&self, states: &[ArrayRef], new_groups: usize) -> usize {
        let lists = states.first().and_then(|lists| lists.as_list_opt::<i64>());
        let (values, encoded) = lists.map_or((0, 0), size_of_lists);
        let runs = states.last().map_or(0, |runs| self.runs.merge_growth(runs));
        self.entries.growth(values, encoded, self.note) + Runs::growth(new_groups) + runs
    }

    /// Bytes that reading the runs of a group takes.
    pub(super) fn reading(&self) -> usize {
        self.runs.reading()
    }

    /// Bytes that may be held while a group is finished.
    pub(super) fn slack(&self) -> usize {
        self.runs.slack()
    }

    /// How large the runs of each group are.
    pub(super) fn sizes(&self) -> Vec<RunSize> {
        self.runs.sizes()
    }
}

/// What was in a set.
pub(super) struct TakenValues<'a> {
    converter: &'a RowConverter,
    entries: Entries,
    note: Note,
    runs: Runs,
    /// The groups whose values are in runs.
    groups: BTreeMap<u32, Vec<u64>>,
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

    /// What is noted of each entry; empty where nothing is.
    pub(super) fn notes(&self) -> &[u64] {
        &self.entries.notes
    }

    /// The groups that are not among the entries, each with its values.
    pub(super) fn of_runs(&self) -> impl Iterator<Item = Result<(u32, MergedValues)>> {
        self.groups.iter().map(|(group, runs)| Ok((*group, MergedValues::new(self.runs.merged(runs)?, self.note))))
    }

    /// Encoded values as columns.
    pub(super) fn decode<'b>(&self, encoded: impl Iterator<Item = &'b [u8]>) -> Result<Vec<ArrayRef>> {
        let parser = self.converter.parser();
        let rows: Vec<_> = encoded.map(|bytes| parser.parse(bytes)).collect();
        Ok(self.converter.convert_rows(rows)?)
    }
}
