//! DISTINCT: a set of the (group, values) pairs that were seen, given to the aggregate itself at the end.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeBinaryArray, LargeListArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field};
use arrow_row::{RowConverter, Rows, SortField};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::rows::{vec_growth, vec_memory};
use super::{Accumulator, AggregateFunction, AggregateSignature, GroupedRows};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};
use crate::types::Scalar;

/// Aggregates whose result is the same when values repeat.
const INDIFFERENT: &[&str] = &["min", "max", "first", "last", "any_value", "bool_and", "bool_or"];

/// Values that are decoded at a time when the aggregate takes them.
const DECODED_ROWS: usize = 8192;

/// An accumulator that takes each distinct combination of arguments once.
pub fn create_distinct(
    function: &AggregateFunction,
    signature: &AggregateSignature,
    constants: &[Scalar],
) -> Result<Box<dyn Accumulator>> {
    let inner = (function.create)(signature, constants)?;
    let columns = signature.arguments.len().saturating_sub(constants.len());
    if columns == 0 {
        return Err(Error::sql(format!("{}(DISTINCT) needs an argument", function.name)));
    }
    if INDIFFERENT.contains(&function.name) {
        return Ok(inner);
    }
    let fields = signature.arguments.iter().take(columns).cloned().map(SortField::new).collect();
    let converter = RowConverter::new(fields)?;
    let encoded = converter.empty_rows(0, 0);
    Ok(Box::new(Distinct { inner, converter, encoded, set: DistinctSet::default(), group_count: 0 }))
}

struct Distinct {
    inner: Box<dyn Accumulator>,
    converter: RowConverter,
    /// The batch at hand, encoded; kept for its memory.
    encoded: Rows,
    set: DistinctSet,
    group_count: usize,
}

/// Entry i is the values `bytes[starts[i]..starts[i + 1]]` in the group `groups[i]`.
struct DistinctSet {
    index: HashTable<u32>,
    groups: Vec<u32>,
    starts: Vec<usize>,
    bytes: Vec<u8>,
    hasher: FixedState,
}

impl Default for DistinctSet {
    fn default() -> Self {
        let hasher = FixedState::with_seed(0x51ed_270b);
        Self { index: HashTable::new(), groups: Vec::new(), starts: vec![0], bytes: Vec::new(), hasher }
    }
}

impl DistinctSet {
    fn insert(&mut self, group: u32, value: &[u8]) -> Result<()> {
        let Self { index, groups, starts, bytes, hasher } = self;
        let entry_value = |entry: u32| &bytes[starts[entry as usize]..starts[entry as usize + 1]];
        let hash = hasher.hash_one((group, value));
        let known = index.find(hash, |&entry| groups[entry as usize] == group && entry_value(entry) == value);
        if known.is_some() {
            return Ok(());
        }
        let entry = u32::try_from(groups.len()).map_err(|_| {
            Error::resource("an aggregate with DISTINCT holds more than 4294967295 values")
                .with_hint("group by the values first, and aggregate the result")
        })?;
        index.insert_unique(hash, entry, |&entry| hasher.hash_one((groups[entry as usize], entry_value(entry))));
        groups.push(group);
        bytes.extend_from_slice(value);
        starts.push(bytes.len());
        Ok(())
    }

    fn value(&self, entry: usize) -> &[u8] {
        &self.bytes[self.starts[entry]..self.starts[entry + 1]]
    }

    fn memory(&self) -> usize {
        self.index.allocation_size() + vec_memory(&self.groups) + vec_memory(&self.starts) + vec_memory(&self.bytes)
    }

    fn growth(&self, entries: usize, bytes: usize) -> usize {
        let slots = match self.index.capacity() - self.index.len() < entries {
            true => 2 * (self.index.len() + entries).next_power_of_two() * (size_of::<u32>() + 1),
            false => 0,
        };
        slots + vec_growth(&self.groups, entries) + vec_growth(&self.starts, entries) + vec_growth(&self.bytes, bytes)
    }
}

/// The longest that a value of fixed width is encoded to, with its null byte.
const FIXED_WIDTH: usize = 17;
/// What a text adds to its own length: terminator, and filling of its last block.
const TEXT_PADDING: usize = 34;

impl Accumulator for Distinct {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let columns: Vec<ArrayRef> = arguments.iter().map(normalize_equal).collect();
        self.group_count = rows.group_count;
        self.encoded.clear();
        self.converter.append(&mut self.encoded, &columns)?;
        let (set, encoded, mut outcome) = (&mut self.set, &self.encoded, Ok(()));
        rows.for_each(None, |row, group| {
            if outcome.is_ok() {
                outcome = set.insert(group as u32, encoded.row(row).data());
            }
        });
        outcome
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let lists = states.first().ok_or_else(|| Error::internal("the state of DISTINCT has a column"))?;
        let lists = lists.as_list::<i64>();
        let values = lists.values().as_binary::<i64>();
        self.group_count = group_count;
        for (&group, ends) in groups.iter().zip(lists.offsets().windows(2)) {
            for entry in ends[0]..ends[1] {
                self.set.insert(group, values.value(entry as usize))?;
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let mut set = std::mem::take(&mut self.set);
        set.index = HashTable::new();
        let group_count = std::mem::take(&mut self.group_count);
        let mut list_starts = vec![0i64; group_count + 1];
        for &group in &set.groups {
            list_starts[group as usize + 1] += 1;
        }
        for index in 1..list_starts.len() {
            list_starts[index] += list_starts[index - 1];
        }
        let mut next = list_starts.clone();
        let mut order = vec![0u32; set.groups.len()];
        for (entry, &group) in set.groups.iter().enumerate() {
            let place = &mut next[group as usize];
            order[*place as usize] = entry as u32;
            *place += 1;
        }
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut bytes = Vec::with_capacity(set.bytes.len());
        starts.push(0i64);
        for &entry in &order {
            bytes.extend_from_slice(set.value(entry as usize));
            starts.push(bytes.len() as i64);
        }
        let starts = OffsetBuffer::new(ScalarBuffer::from(starts));
        let values = LargeBinaryArray::try_new(starts, Buffer::from(bytes), None)?;
        let field = Arc::new(Field::new_list_field(DataType::LargeBinary, true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(list_starts));
        Ok(vec![Arc::new(LargeListArray::try_new(field, offsets, Arc::new(values), None)?)])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::LargeList(Arc::new(Field::new_list_field(DataType::LargeBinary, true)))]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let mut set = std::mem::take(&mut self.set);
        set.index = HashTable::new();
        let group_count = std::mem::take(&mut self.group_count);
        let parser = self.converter.parser();
        let mut start = 0;
        // Once also without any entry, so that the aggregate learns how many groups there are.
        loop {
            let end = (start + DECODED_ROWS).min(set.groups.len());
            let columns = self.converter.convert_rows((start..end).map(|entry| parser.parse(set.value(entry))))?;
            // No aggregate that reads positions is sensitive to DISTINCT.
            let rows = GroupedRows { groups: &set.groups[start..end], group_count, filter: None, positions: &[] };
            self.inner.update(&columns, &rows)?;
            start = end;
            if start == set.groups.len() {
                return self.inner.finish();
            }
        }
    }

    /// The set is written in the order of groups at the end, or given to the aggregate: about the same again.
    fn memory(&self) -> usize {
        self.set.memory() + vec_memory(&self.set.starts) + vec_memory(&self.set.bytes) + self.encoded.size()
    }

    fn growth(&self, rows: usize, _: usize, bytes: usize) -> usize {
        // A value of a state has at least one byte, and eight that say where it starts.
        let entries = rows + bytes / 9;
        let encoded = rows * (FIXED_WIDTH + TEXT_PADDING) + bytes / 8 * 9;
        let batch = 2 * (encoded + rows * size_of::<usize>());
        2 * self.set.growth(entries, encoded) + batch.saturating_sub(self.encoded.size())
    }
}
