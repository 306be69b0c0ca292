//! The table of an aggregation: the keys of its groups, and their accumulators.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_empty_array};
use arrow::datatypes::UInt64Type;

use super::keys::{EncodedKeys, GroupKeys, Keys};
use super::layout::{HASH_COLUMN, KEY_COLUMN, Layout};
use super::rows::InputRows;
use crate::batch::{drop_hidden_text, record_batch, variable_bytes};
use crate::error::Result;
use crate::functions::aggregate::{Accumulator, GroupedRows, vec_memory};

/// Groups that lie side by side in the caches.
const NEAR_GROUPS: usize = if cfg!(test) { 4 } else { 1 << 14 };

/// Groups of rows and of states.
pub(super) struct GroupTable {
    layout: Arc<Layout>,
    keys: GroupKeys,
    accumulators: Vec<Box<dyn Accumulator>>,
    /// The groups of the rows at hand; kept for its memory.
    groups: Vec<u32>,
}

impl GroupTable {
    /// A table without groups; where there are no keys, with the one group that there is then.
    pub(super) fn new(layout: &Arc<Layout>, keys: Keys) -> Result<Self> {
        let mut table = Self {
            layout: layout.clone(),
            keys: GroupKeys::new(layout, keys),
            accumulators: layout.accumulators()?,
            groups: Vec::new(),
        };
        table.add_global()?;
        Ok(table)
    }

    fn add_global(&mut self) -> Result<()> {
        if self.layout.global {
            self.keys.push_global();
            for accumulator in &mut self.accumulators {
                let states: Vec<ArrayRef> = accumulator.state_types().iter().map(new_empty_array).collect();
                accumulator.merge(&states, &[], 1)?;
            }
        }
        Ok(())
    }

    pub(super) fn group_count(&self) -> usize {
        self.keys.len()
    }

    /// Whether most rows of known groups that came last belong to groups all over the table, which had so many groups
    /// before: neither to its first ones, as those are that come often, nor to its newest, as in input that is sorted.
    pub(super) fn is_scattered(&self, groups_before: usize) -> bool {
        let known = self.groups.iter().map(|&group| group as usize).filter(|&group| group < groups_before);
        let far = NEAR_GROUPS..groups_before.saturating_sub(NEAR_GROUPS);
        let (near, far) = known.fold((0, 0), |(near, in_far), group| match far.contains(&group) {
            true => (near, in_far + 1),
            false => (near + 1, in_far),
        });
        far > near
    }

    /// Bytes held, and those that draining or finishing needs on top.
    pub(super) fn memory(&self) -> usize {
        // When drained, the indexes make place for the order by partition, which is smaller.
        self.keys.memory()
            + vec_memory(&self.groups)
            + self.accumulators.iter().map(|accumulator| accumulator.memory()).sum::<usize>()
    }

    /// Makes room for so many groups, see [`GroupTable::reserve_growth`].
    pub(super) fn reserve(&mut self, groups: usize) {
        self.keys.reserve(groups);
    }

    /// Bytes by which `memory` rises at most when room is made for so many groups.
    pub(super) fn reserve_growth(&self, groups: usize) -> usize {
        self.keys.states_growth(groups, groups * self.layout.packed_key_bytes)
    }

    /// Bytes by which `memory` can rise at most while the keys of a batch are taken up.
    pub(super) fn prepare_growth(&self, input: &InputRows) -> usize {
        if self.layout.global { 0 } else { self.keys.prepare_growth(input.keys(&self.layout.rows)) }
    }

    /// Takes up the keys of a batch, ahead of [`GroupTable::update`].
    pub(super) fn prepare(&mut self, input: &InputRows) -> Result<()> {
        if self.layout.global { Ok(()) } else { self.keys.prepare(input.keys(&self.layout.rows)) }
    }

    /// Bytes by which `memory` can rise at most while those rows are taken, should each be a new group.
    pub(super) fn update_growth(&self, input: &InputRows, rows: &Range<usize>) -> usize {
        let bytes = |&column: &usize| variable_bytes(&input.columns[column].slice(rows.start, rows.len()));
        let new_groups = self.new_groups(rows.len());
        let accumulators = self.accumulators.iter().zip(&self.layout.rows.aggregates);
        let accumulators = accumulators
            .map(|(accumulator, of)| accumulator.growth(rows.len(), new_groups, of.arguments.iter().map(bytes).sum()));
        let keys = if self.layout.global { 0 } else { self.keys.growth(rows) };
        keys + vec_growth_to(&self.groups, rows.len()) + accumulators.sum::<usize>()
    }

    /// Bytes by which `memory` can rise at most while those states are taken.
    pub(super) fn merge_growth(&self, states: &RecordBatch) -> usize {
        let rows = states.num_rows();
        let new_groups = self.new_groups(rows);
        let accumulators = self.accumulators.iter().zip(self.layout.state_columns());
        let accumulators =
            accumulators.map(|(accumulator, range)| accumulator.merge_growth(&states.columns()[range], new_groups));
        let key_bytes = variable_bytes(states.column(KEY_COLUMN));
        let keys = if self.layout.global { 0 } else { self.keys.states_growth(rows, key_bytes) };
        keys + vec_growth_to(&self.groups, rows) + accumulators.sum::<usize>()
    }

    fn new_groups(&self, rows: usize) -> usize {
        if self.layout.global { 0 } else { rows }
    }

    /// Takes rows of the batch that was prepared.
    pub(super) fn update(&mut self, input: &InputRows, rows: Range<usize>) -> Result<()> {
        self.groups.clear();
        if self.layout.global {
            self.groups.resize(rows.len(), 0);
        } else {
            self.keys.assign(input.keys(&self.layout.rows), rows.clone(), &mut self.groups)?;
        }
        let group_count = self.keys.len();
        let whole = rows.len() == input.count;
        let cut = |column: usize| {
            let column = &input.columns[column];
            if whole { column.clone() } else { column.slice(rows.start, rows.len()) }
        };
        for (accumulator, of) in self.accumulators.iter_mut().zip(&self.layout.rows.aggregates) {
            let filter = of.filter.map(cut);
            let grouped = GroupedRows {
                groups: &self.groups,
                group_count,
                filter: filter.as_ref().map(|filter| filter.as_boolean()),
                positions: input.positions.get(rows.clone()).unwrap_or_default(),
            };
            let arguments: Vec<_> = of.arguments.iter().map(|&column| cut(column)).collect();
            accumulator.update(&arguments, &grouped)?;
        }
        Ok(())
    }

    /// Takes states as [`GroupTable::drain`] gave them.
    pub(super) fn merge(&mut self, states: &RecordBatch) -> Result<()> {
        let keys = states.column(KEY_COLUMN).as_binary::<i64>();
        let hashes = states.column(HASH_COLUMN).as_primitive::<UInt64Type>();
        self.groups.clear();
        if self.layout.global {
            self.groups.resize(states.num_rows(), 0);
        } else {
            self.keys.assign_states(hashes.values(), |state| keys.value(state), &mut self.groups)?;
        }
        let group_count = self.keys.len();
        for (accumulator, range) in self.accumulators.iter_mut().zip(self.layout.state_columns()) {
            accumulator.merge(&states.columns()[range], &self.groups, group_count)?;
        }
        Ok(())
    }

    /// All groups as a batch of states, without copying what is of fixed width; the table is empty again.
    pub(super) fn drain(&mut self) -> Result<RecordBatch> {
        let rows = self.keys.len();
        let (hashes, keys) = self.keys.drain()?;
        let mut columns: Vec<ArrayRef> = vec![Arc::new(hashes), Arc::new(keys)];
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state()?);
        }
        let states = record_batch(&self.layout.state_schema, columns, rows)?;
        self.add_global()?;
        Ok(states)
    }

    /// Makes the runs of each group few, so that finishing takes little memory.
    pub(super) fn join_runs(&mut self) -> Result<()> {
        self.accumulators.iter_mut().try_for_each(|accumulator| accumulator.join_runs())
    }

    /// Bytes that finishing needs beyond `memory` for what is in runs; one aggregate is finished after another.
    pub(super) fn finish_growth(&self) -> u64 {
        let growths = || self.accumulators.iter().map(|accumulator| accumulator.finish_growth());
        let meanwhile = growths().map(|growth| growth.meanwhile).max().unwrap_or(0) as u64;
        let results: u64 = growths().map(|growth| growth.results).sum();
        // A batch of several groups is a copy.
        meanwhile + if self.group_count() > 1 { 2 * results } else { results }
    }

    /// Writes parts of groups with values of at least so many bytes as runs; whether there were any.
    pub(super) fn shed(&mut self, least: usize) -> Result<bool> {
        let mut any = false;
        for accumulator in &mut self.accumulators {
            any |= accumulator.shed(least)?;
        }
        Ok(any)
    }

    /// The results of all groups.
    pub(super) fn finish(self) -> Result<FinishedGroups> {
        let Self { layout, mut keys, accumulators, .. } = self;
        // The indexes made place for the order, which is smaller.
        let mut keys = keys.take();
        let order = keys.order();
        let mut results = Vec::with_capacity(accumulators.len());
        for (number, mut accumulator) in accumulators.into_iter().enumerate() {
            let result = accumulator.finish();
            results.push(result.map_err(|error| error.with_column(layout.aggregate_name(number)))?);
        }
        Ok(FinishedGroups { layout, keys, results, order })
    }
}

/// Bytes that an emptied vector allocates at most to take so many items.
fn vec_growth_to<T>(vec: &Vec<T>, items: usize) -> usize {
    if items > vec.capacity() { 2 * items.max(4) * size_of::<T>() } else { 0 }
}

/// Results, whose keys are still encoded.
pub(super) struct FinishedGroups {
    layout: Arc<Layout>,
    keys: EncodedKeys,
    results: Vec<ArrayRef>,
    order: Vec<u32>,
}

impl FinishedGroups {
    pub(super) fn rows(&self) -> usize {
        self.order.len()
    }

    pub(super) fn memory(&self) -> usize {
        let results = self.results.iter().map(|result| result.get_array_memory_size()).sum::<usize>();
        self.keys.memory() + vec_memory(&self.order) + results
    }

    /// How many rows make a batch that is not larger than so many bytes, on average, and has not more rows than that.
    pub(super) fn rows_of_batch(&self, most_bytes: u64, most_rows: usize) -> usize {
        let fitting = most_bytes.saturating_mul(self.rows() as u64) / (self.memory() as u64).max(1);
        usize::try_from(fitting).unwrap_or(usize::MAX).min(most_rows).max(1)
    }

    /// Some of the rows, in buffers of their own: who keeps them does not keep all groups alive.
    pub(super) fn batch(&self, rows: Range<usize>) -> Result<RecordBatch> {
        let groups = &self.order[rows];
        let parser = self.layout.converter.parser();
        let keys = groups.iter().map(|&group| parser.parse(self.keys.key(group)));
        let mut columns = if self.layout.global { Vec::new() } else { self.layout.converter.convert_rows(keys)? };
        if self.rows() == 1 {
            // All there is, and it may be large.
            columns.extend(self.results.iter().cloned());
            return record_batch(&self.layout.schema, columns, 1);
        }
        let indices = UInt32Array::from(groups.to_vec());
        for result in &self.results {
            columns.push(drop_hidden_text(&arrow::compute::take(result, &indices, None)?));
        }
        record_batch(&self.layout.schema, columns, groups.len())
    }
}
