//! `count(*)`, `count(x)` and `count_if(condition)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Int64Type};

use super::rows::{vec_growth, vec_memory};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Counted {
    /// Rows; with an argument, those where it is not null.
    Rows,
    /// Rows where the argument is true.
    True,
}

#[derive(Debug)]
pub(super) struct Count {
    counted: Counted,
    counts: Vec<i64>,
}

impl Count {
    pub(super) fn new(counted: Counted) -> Self {
        Self { counted, counts: Vec::new() }
    }
}

impl Accumulator for Count {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        self.counts.resize(rows.group_count, 0);
        let counts = &mut self.counts;
        let nulls = match (self.counted, arguments.first()) {
            (_, None) => None,
            (Counted::Rows, Some(column)) => column.logical_nulls(),
            (Counted::True, Some(column)) => {
                let condition = column.as_boolean();
                let both = condition.nulls().map(|nulls| condition.values() & nulls.inner());
                Some(NullBuffer::new(both.unwrap_or_else(|| condition.values().clone())))
            }
        };
        match rows.runs(nulls.as_ref()) {
            Some(runs) => runs.for_each(|(group, rows)| counts[group] += rows.len() as i64),
            None => rows.for_each(nulls.as_ref(), |_, group| counts[group] += 1),
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.counts.resize(group_count, 0);
        merge_counts(&mut self.counts, states.first(), groups)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(std::mem::take(&mut self.counts))))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.counts)
    }

    fn growth(&self, _: usize, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.counts, new_groups)
    }
}

/// Adds a column of counts, as many aggregates have one in their state.
pub(super) fn merge_counts(counts: &mut [i64], state: Option<&ArrayRef>, groups: &[u32]) -> Result<()> {
    let state = state.ok_or_else(|| Error::internal("a state without its counts"))?;
    for (&group, count) in groups.iter().zip(state.as_primitive::<Int64Type>().values()) {
        counts[group as usize] += count;
    }
    Ok(())
}
