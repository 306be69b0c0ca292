//! `mode`: the most frequent value. It keeps the different values of all groups with how often each occurs.

use std::cmp::Reverse;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeListArray, new_null_array};
use arrow::datatypes::{DataType, Field, Int64Type};

use super::rows::{vec_growth, vec_memory};
use super::value_set::ValueSet;
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// Bytes that a group needs in the end: where its best value is, and where its lists start.
const PER_GROUP: usize = size_of::<Option<usize>>() + 2 * size_of::<i64>();

/// The value that occurs most often; of several the least.
pub(super) struct Mode {
    data_type: DataType,
    set: ValueSet,
    /// Of each entry of the set.
    counts: Vec<i64>,
    group_count: usize,
}

impl Mode {
    pub(super) fn new(data_type: &DataType) -> Result<Self> {
        let set = ValueSet::new(std::slice::from_ref(data_type))?;
        Ok(Self { data_type: data_type.clone(), set, counts: Vec::new(), group_count: 0 })
    }
}

fn count(counts: &mut Vec<i64>, entry: usize, times: i64) {
    if entry == counts.len() {
        counts.push(times);
    } else {
        counts[entry] += times;
    }
}

impl Accumulator for Mode {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let nulls = arguments.first().and_then(|column| column.logical_nulls());
        self.group_count = rows.group_count;
        let counts = &mut self.counts;
        self.set.insert_rows(arguments, nulls.as_ref(), rows, |entry, _| count(counts, entry, 1))
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let [values, times] = states else { return Err(Error::internal("the state of a mode has two columns")) };
        let times = times.as_list::<i64>();
        // Both have the same lists.
        let times = times.values().as_primitive::<Int64Type>().values();
        self.group_count = group_count;
        let counts = &mut self.counts;
        self.set.insert_lists(values, groups, |entry, index| count(counts, entry, times[index]))
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let (values, order) = self.set.take_lists(std::mem::take(&mut self.group_count))?;
        let counts = std::mem::take(&mut self.counts);
        let times: Int64Array = order.iter().map(|&entry| counts[entry as usize]).collect();
        let field = Arc::new(Field::new_list_field(DataType::Int64, true));
        let times = LargeListArray::try_new(field, values.offsets().clone(), Arc::new(times), None)?;
        Ok(vec![Arc::new(values), Arc::new(times)])
    }

    fn state_types(&self) -> Vec<DataType> {
        let times = DataType::LargeList(Arc::new(Field::new_list_field(DataType::Int64, true)));
        vec![ValueSet::list_type(), times]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let group_count = std::mem::take(&mut self.group_count);
        let counts = std::mem::take(&mut self.counts);
        let null = new_null_array(&self.data_type, 1);
        let null = self.set.encode(&null)?;
        let set = self.set.take();
        let mut best: Vec<Option<usize>> = vec![None; group_count];
        for (entry, &group) in set.groups().iter().enumerate() {
            let best = &mut best[group as usize];
            let key = |entry: usize| (counts[entry], Reverse(set.encoded(entry)));
            if best.is_none_or(|best| key(entry) > key(best)) {
                *best = Some(entry);
            }
        }
        let values = best.into_iter().map(|best| best.map_or(&null[..], |entry| set.encoded(entry)));
        let columns = set.decode(values)?;
        columns.into_iter().next().ok_or_else(|| Error::internal("a mode is a column"))
    }

    fn memory(&self) -> usize {
        self.set.memory() + 2 * vec_memory(&self.counts) + self.group_count * PER_GROUP
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        self.set.growth(rows, bytes) + 2 * vec_growth(&self.counts, rows) + new_groups * PER_GROUP
    }

    fn merge_growth(&self, states: &[ArrayRef], new_groups: usize) -> usize {
        let (set, values) = self.set.lists_growth(states.first());
        set + 2 * vec_growth(&self.counts, values) + new_groups * PER_GROUP
    }
}
