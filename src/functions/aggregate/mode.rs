//! `mode`: the most frequent value. It keeps the different values of all groups with how often each occurs.

use std::cmp::Reverse;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType;

use super::runs::RunStore;
use super::value_set::{MergedValues, Note, ValueSet};
use super::{Accumulator, FinishGrowth, GroupedRows};
use crate::error::{Error, Result};

/// Bytes that a group needs in the end: where its best value is, and where its lists start.
const PER_GROUP: usize = size_of::<Option<usize>>() + 2 * size_of::<i64>();

/// The value that occurs most often; of several the least.
pub(super) struct Mode {
    data_type: DataType,
    set: ValueSet,
    group_count: usize,
}

impl Mode {
    pub(super) fn new(data_type: &DataType) -> Result<Self> {
        let set = ValueSet::new(std::slice::from_ref(data_type), Note::Count)?;
        Ok(Self { data_type: data_type.clone(), set, group_count: 0 })
    }
}

/// The first of the values that occur most often.
fn most_frequent(mut values: MergedValues) -> Result<Vec<u8>> {
    let (mut best, mut most, mut value) = (Vec::new(), 0, Vec::new());
    while let Some(times) = values.next(&mut value)? {
        if times > most {
            most = times;
            std::mem::swap(&mut best, &mut value);
        }
    }
    Ok(best)
}

impl Accumulator for Mode {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let nulls = arguments.first().and_then(|column| column.logical_nulls());
        self.group_count = rows.group_count;
        self.set.insert_rows(arguments, nulls.as_ref(), rows)
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.group_count = group_count;
        self.set.merge(states, groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        self.set.state(std::mem::take(&mut self.group_count))
    }

    fn state_types(&self) -> Vec<DataType> {
        self.set.state_types()
    }

    fn use_runs(&mut self, store: &Arc<dyn RunStore>) {
        self.set.use_runs(store);
    }

    fn shed(&mut self, least: usize) -> Result<bool> {
        self.set.shed(self.group_count, least)
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let group_count = std::mem::take(&mut self.group_count);
        let null = new_null_array(&self.data_type, 1);
        let null = self.set.encode(&null)?;
        let set = self.set.take(group_count)?;
        let mut best: Vec<Option<usize>> = vec![None; group_count];
        for (entry, &group) in set.groups().iter().enumerate() {
            let best = &mut best[group as usize];
            let key = |entry: usize| (set.notes()[entry], Reverse(set.encoded(entry)));
            if best.is_none_or(|best| key(entry) > key(best)) {
                *best = Some(entry);
            }
        }
        let of_runs = set.of_runs().map(|found| found.and_then(|(group, values)| Ok((group, most_frequent(values)?))));
        let of_runs = of_runs.collect::<Result<Vec<_>>>()?;
        let mut values: Vec<&[u8]> =
            best.into_iter().map(|best| best.map_or(&null[..], |best| set.encoded(best))).collect();
        of_runs.iter().for_each(|(group, value)| values[*group as usize] = value);
        let columns = set.decode(values.into_iter())?;
        columns.into_iter().next().ok_or_else(|| Error::internal("a mode is a column"))
    }

    fn join_runs(&mut self) -> Result<()> {
        self.set.join_runs()
    }

    fn finish_growth(&self) -> FinishGrowth {
        FinishGrowth { meanwhile: self.set.reading(), results: 0 }
    }

    fn memory(&self) -> usize {
        self.set.memory(self.group_count) + self.group_count * PER_GROUP
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        self.set.growth(rows, new_groups, bytes) + new_groups * PER_GROUP
    }

    fn merge_growth(&self, states: &[ArrayRef], new_groups: usize) -> usize {
        self.set.merge_growth(states, new_groups) + new_groups * PER_GROUP
    }
}
