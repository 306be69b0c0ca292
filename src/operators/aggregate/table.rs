//! The hash table of an aggregation: from keys to groups, and the accumulators of the groups.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, LargeBinaryArray, RecordBatch, UInt32Array, UInt64Array, new_empty_array,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, UInt64Type};
use arrow_row::Rows;
use hashbrown::HashTable;

use super::layout::{HASH_COLUMN, KEY_COLUMN, Layout, variable_bytes};
use super::partition::radix_first;
use crate::batch::record_batch;
use crate::error::{Error, Result};
use crate::functions::aggregate::{Accumulator, GroupedRows, vec_growth, vec_memory};

/// The rows of a batch as the table takes them.
pub(super) struct InputRows {
    /// The encoded keys; empty where there are none.
    pub(super) keys: Rows,
    /// Their hashes, one a row.
    pub(super) hashes: Vec<u64>,
    /// The arguments of each aggregate.
    pub(super) arguments: Vec<Vec<ArrayRef>>,
    /// The filter of each aggregate.
    pub(super) filters: Vec<Option<BooleanArray>>,
    /// Where each row stands in the input.
    pub(super) positions: Vec<u64>,
}

impl InputRows {
    fn key(&self, row: usize) -> &[u8] {
        self.keys.row(row).data()
    }

    fn key_bytes(&self, rows: &Range<usize>) -> usize {
        self.keys.lengths().skip(rows.start).take(rows.len()).sum()
    }
}

/// Groups, numbered as they appear. The key of group i is `key_bytes[key_starts[i]..key_starts[i + 1]]`.
pub(super) struct GroupTable {
    layout: Arc<Layout>,
    index: HashTable<u32>,
    hashes: Vec<u64>,
    key_bytes: Vec<u8>,
    key_starts: Vec<i64>,
    accumulators: Vec<Box<dyn Accumulator>>,
    /// The groups of the rows at hand; kept for its memory.
    groups: Vec<u32>,
}

impl GroupTable {
    /// A table without groups; where there are no keys, with the one group that there is then.
    pub(super) fn new(layout: &Arc<Layout>) -> Result<Self> {
        let mut table = Self {
            layout: layout.clone(),
            index: HashTable::new(),
            hashes: Vec::new(),
            key_bytes: Vec::new(),
            key_starts: vec![0],
            accumulators: layout.accumulators()?,
            groups: Vec::new(),
        };
        table.reset()?;
        Ok(table)
    }

    fn reset(&mut self) -> Result<()> {
        self.index = HashTable::new();
        self.hashes = Vec::new();
        self.key_bytes = Vec::new();
        self.key_starts = vec![0];
        if self.layout.global {
            self.hashes.push(0);
            self.key_starts.push(0);
            for accumulator in &mut self.accumulators {
                let states: Vec<ArrayRef> = accumulator.state_types().iter().map(new_empty_array).collect();
                accumulator.merge(&states, &[], 1)?;
            }
        }
        Ok(())
    }

    pub(super) fn group_count(&self) -> usize {
        self.hashes.len()
    }

    /// Bytes held, and those that draining or finishing needs on top.
    pub(super) fn memory(&self) -> usize {
        // When drained, the index makes place for the order by partition, which is smaller.
        self.index.allocation_size()
            + vec_memory(&self.hashes)
            + vec_memory(&self.key_bytes)
            + vec_memory(&self.key_starts)
            + vec_memory(&self.groups)
            + self.accumulators.iter().map(|accumulator| accumulator.memory()).sum::<usize>()
    }

    /// Bytes by which `memory` can rise at most while those rows are taken, should each be a new group.
    pub(super) fn update_growth(&self, input: &InputRows, rows: &Range<usize>) -> usize {
        let arguments = input.arguments.iter().map(|columns| {
            columns.iter().map(|column| variable_bytes(&column.slice(rows.start, rows.len()))).sum::<usize>()
        });
        self.growth(rows.len(), input.key_bytes(rows), arguments)
    }

    /// Bytes by which `memory` can rise at most while those states are taken.
    pub(super) fn merge_growth(&self, states: &RecordBatch) -> usize {
        let bytes = |range: Range<usize>| states.columns()[range].iter().map(variable_bytes).sum::<usize>();
        let keys = variable_bytes(states.column(KEY_COLUMN));
        self.growth(states.num_rows(), keys, self.layout.state_columns().map(bytes))
    }

    fn growth(&self, rows: usize, key_bytes: usize, bytes: impl Iterator<Item = usize>) -> usize {
        let new_groups = if self.layout.global { 0 } else { rows };
        let accumulators = self.accumulators.iter().zip(bytes);
        self.index_growth(new_groups)
            + vec_growth(&self.hashes, new_groups)
            + vec_growth(&self.key_bytes, key_bytes)
            + vec_growth(&self.key_starts, new_groups)
            + if rows > self.groups.capacity() { 2 * rows.max(4) * size_of::<u32>() } else { 0 }
            + accumulators.map(|(accumulator, bytes)| accumulator.growth(rows, new_groups, bytes)).sum::<usize>()
    }

    fn index_growth(&self, new_groups: usize) -> usize {
        let (length, capacity) = (self.index.len(), self.index.capacity());
        if capacity - length >= new_groups {
            return 0;
        }
        // The table keeps an eighth of its buckets free; a bucket has one byte of control.
        let buckets = ((length + new_groups).max(capacity + 1) * 8 / 7 + 1).next_power_of_two();
        buckets * (size_of::<u32>() + 1) + 64
    }

    /// Takes rows.
    pub(super) fn update(&mut self, input: &InputRows, rows: Range<usize>) -> Result<()> {
        self.assign(&input.hashes[rows.clone()], |row| input.key(rows.start + row))?;
        let group_count = self.hashes.len();
        let whole = rows.len() == input.hashes.len();
        let inputs = input.arguments.iter().zip(&input.filters);
        for (accumulator, (columns, filter)) in self.accumulators.iter_mut().zip(inputs) {
            let cut_filter = filter.as_ref().map(|filter| filter.slice(rows.start, rows.len()));
            let grouped = GroupedRows {
                groups: &self.groups,
                group_count,
                filter: cut_filter.as_ref(),
                positions: &input.positions[rows.clone()],
            };
            if whole {
                accumulator.update(columns, &grouped)?;
            } else {
                let cut: Vec<_> = columns.iter().map(|column| column.slice(rows.start, rows.len())).collect();
                accumulator.update(&cut, &grouped)?;
            }
        }
        Ok(())
    }

    /// Takes states as [`GroupTable::drain`] gave them.
    pub(super) fn merge(&mut self, states: &RecordBatch) -> Result<()> {
        let keys = states.column(KEY_COLUMN).as_binary::<i64>();
        let hashes = states.column(HASH_COLUMN).as_primitive::<UInt64Type>();
        self.assign(hashes.values(), |row| keys.value(row))?;
        let group_count = self.hashes.len();
        for (accumulator, range) in self.accumulators.iter_mut().zip(self.layout.state_columns()) {
            accumulator.merge(&states.columns()[range], &self.groups, group_count)?;
        }
        Ok(())
    }

    /// Finds the group of each row, and makes new ones.
    fn assign<'k>(&mut self, row_hashes: &[u64], row_key: impl Fn(usize) -> &'k [u8]) -> Result<()> {
        let Self { index, hashes, key_bytes, key_starts, groups, .. } = self;
        groups.clear();
        if self.layout.global {
            groups.resize(row_hashes.len(), 0);
            return Ok(());
        }
        for (row, &hash) in row_hashes.iter().enumerate() {
            let key = row_key(row);
            let same = |&group: &u32| {
                let group = group as usize;
                hashes[group] == hash && key_bytes[key_starts[group] as usize..key_starts[group + 1] as usize] == *key
            };
            let group = match index.find(hash, same) {
                Some(&group) => group,
                None => {
                    let group = u32::try_from(hashes.len()).map_err(|_| {
                        Error::resource("a worker's table has more than 4294967295 groups")
                            .with_hint("use more --threads, or a smaller --memory-limit, so that it is spilled before")
                    })?;
                    hashes.push(hash);
                    key_bytes.extend_from_slice(key);
                    key_starts.push(key_bytes.len() as i64);
                    index.insert_unique(hash, group, |&group| hashes[group as usize]);
                    group
                }
            };
            groups.push(group);
        }
        Ok(())
    }

    /// All groups as a batch of states, without copying what is of fixed width; the table is empty again.
    pub(super) fn drain(&mut self) -> Result<RecordBatch> {
        self.index = HashTable::new();
        let rows = self.hashes.len();
        let starts = OffsetBuffer::new(ScalarBuffer::from(std::mem::take(&mut self.key_starts)));
        let keys = LargeBinaryArray::try_new(starts, Buffer::from(std::mem::take(&mut self.key_bytes)), None)?;
        let hashes = UInt64Array::from(std::mem::take(&mut self.hashes));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(hashes), Arc::new(keys)];
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state()?);
        }
        let states = record_batch(&self.layout.state_schema, columns, rows)?;
        self.reset()?;
        Ok(states)
    }

    /// The results of all groups.
    pub(super) fn finish(self) -> Result<FinishedGroups> {
        let Self { layout, index, hashes, key_bytes, key_starts, accumulators, .. } = self;
        // The index made place for the order, which is smaller.
        drop(index);
        let order = order_of_groups(&hashes, &key_bytes, &key_starts);
        drop(hashes);
        let mut results = Vec::with_capacity(accumulators.len());
        for (number, mut accumulator) in accumulators.into_iter().enumerate() {
            let result = accumulator.finish();
            results.push(result.map_err(|error| error.with_column(layout.aggregate_name(number)))?);
        }
        Ok(FinishedGroups { layout, key_bytes, key_starts, results, order })
    }
}

/// The order in which groups are given out: by the hash, from the bits that cut partitions on down, then by the key. It
/// depends neither on who found a group first nor on what was spilled, so that ties among groups are decided the same
/// way every time.
fn order_of_groups(hashes: &[u64], key_bytes: &[u8], key_starts: &[i64]) -> Vec<u32> {
    let key = |group: u32| {
        let group = group as usize;
        &key_bytes[key_starts[group] as usize..key_starts[group + 1] as usize]
    };
    // Fewer than 2^32 groups.
    let mut order: Vec<u32> = (0..hashes.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        let (hash_a, hash_b) = (radix_first(hashes[a as usize]), radix_first(hashes[b as usize]));
        hash_a.cmp(&hash_b).then_with(|| key(a).cmp(key(b)))
    });
    order
}

/// Results, whose keys are still encoded.
pub(super) struct FinishedGroups {
    layout: Arc<Layout>,
    key_bytes: Vec<u8>,
    key_starts: Vec<i64>,
    results: Vec<ArrayRef>,
    order: Vec<u32>,
}

impl FinishedGroups {
    pub(super) fn rows(&self) -> usize {
        self.order.len()
    }

    pub(super) fn memory(&self) -> usize {
        let results = self.results.iter().map(|result| result.get_array_memory_size()).sum::<usize>();
        vec_memory(&self.key_bytes) + vec_memory(&self.key_starts) + vec_memory(&self.order) + results
    }

    /// Some of the rows, in buffers of their own: who keeps them does not keep all groups alive.
    pub(super) fn batch(&self, rows: Range<usize>) -> Result<RecordBatch> {
        let groups = &self.order[rows];
        let parser = self.layout.converter.parser();
        let keys = groups.iter().map(|&group| {
            let group = group as usize;
            parser.parse(&self.key_bytes[self.key_starts[group] as usize..self.key_starts[group + 1] as usize])
        });
        let mut columns = if self.layout.global { Vec::new() } else { self.layout.converter.convert_rows(keys)? };
        let indices = UInt32Array::from(groups.to_vec());
        for result in &self.results {
            let chosen = arrow::compute::take(result, &indices, None)?;
            columns.push(match chosen.data_type() {
                DataType::Utf8View => Arc::new(chosen.as_string_view().gc()),
                _ => chosen,
            });
        }
        record_batch(&self.layout.schema, columns, groups.len())
    }
}
