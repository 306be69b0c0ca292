//! What `sum` and `avg` know of the rows of a group besides their sum.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::datatypes::DataType;

use super::count::merge_counts;
use super::rows::{vec_growth, vec_memory};
use super::sum::Sums;
use crate::error::{Error, Result};

/// One entry a group.
pub(super) trait Tally: Default + Send {
    fn resize(&mut self, groups: usize);

    /// Takes note of rows of a group.
    fn add(&mut self, group: usize, rows: usize);

    fn state_type() -> DataType;

    /// The entries as a column; leaves no group behind.
    fn state(&mut self) -> ArrayRef;

    fn merge(&mut self, state: Option<&ArrayRef>, groups: &[u32]) -> Result<()>;

    /// The results of all groups of the sums.
    fn finish<S: Sums>(self, sums: &mut S, result: &DataType) -> Result<ArrayRef>;

    fn memory(&self) -> usize;

    fn growth(&self, new_groups: usize) -> usize;
}

/// Whether a group has any rows: all that a sum needs, in the least memory.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<bool>);

impl Tally for Seen {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, false);
    }

    #[inline]
    fn add(&mut self, group: usize, _: usize) {
        self.0[group] = true;
    }

    fn state_type() -> DataType {
        DataType::Boolean
    }

    fn state(&mut self) -> ArrayRef {
        Arc::new(BooleanArray::from(std::mem::take(&mut self.0)))
    }

    fn merge(&mut self, state: Option<&ArrayRef>, groups: &[u32]) -> Result<()> {
        let state = state.ok_or_else(|| Error::internal("the state of a sum has no tally"))?;
        for (&group, seen) in groups.iter().zip(state.as_boolean().values()) {
            self.0[group as usize] |= seen;
        }
        Ok(())
    }

    fn finish<S: Sums>(self, sums: &mut S, result: &DataType) -> Result<ArrayRef> {
        sums.sums(&self.0, result)
    }

    /// The state has a bit for each.
    fn memory(&self) -> usize {
        vec_memory(&self.0) + self.0.len().div_ceil(8)
    }

    fn growth(&self, new_groups: usize) -> usize {
        vec_growth(&self.0, new_groups) + new_groups.div_ceil(8)
    }
}

/// How many rows a group has, for its mean.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<i64>);

impl Tally for Counts {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups, 0);
    }

    #[inline]
    fn add(&mut self, group: usize, rows: usize) {
        self.0[group] += rows as i64;
    }

    fn state_type() -> DataType {
        DataType::Int64
    }

    fn state(&mut self) -> ArrayRef {
        Arc::new(Int64Array::from(std::mem::take(&mut self.0)))
    }

    fn merge(&mut self, state: Option<&ArrayRef>, groups: &[u32]) -> Result<()> {
        merge_counts(&mut self.0, state, groups)
    }

    fn finish<S: Sums>(self, sums: &mut S, result: &DataType) -> Result<ArrayRef> {
        sums.averages(&self.0, result)
    }

    fn memory(&self) -> usize {
        vec_memory(&self.0)
    }

    fn growth(&self, new_groups: usize) -> usize {
        vec_growth(&self.0, new_groups)
    }
}
