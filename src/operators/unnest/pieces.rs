//! Which items of a list column are those of a batch of output.

use arrow::array::{ArrayRef, UInt32Array, new_null_array};
use arrow::compute::take;

use crate::error::Result;

/// How far a batch is unnested: the next row, and the next of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub row: usize,
    pub item: usize,
}

/// Runs of items and of nulls, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    runs: Vec<Run>,
    length: usize,
}

#[derive(Clone, Copy, Debug)]
enum Run {
    /// So many items from a place on.
    Items(usize, usize),
    Nulls(usize),
}

impl Items {
    /// Adds the items from a place on, then nulls.
    pub fn add(&mut self, start: usize, items: usize, nulls: usize) {
        self.length += items + nulls;
        if items > 0 {
            match self.runs.last_mut() {
                Some(Run::Items(first, count)) if *first + *count == start => *count += items,
                _ => self.runs.push(Run::Items(start, items)),
            }
        }
        if nulls > 0 {
            match self.runs.last_mut() {
                Some(Run::Nulls(count)) => *count += nulls,
                _ => self.runs.push(Run::Nulls(nulls)),
            }
        }
    }

    /// The items as a column: a part of `values` where it is one run.
    pub fn of(&self, values: &ArrayRef) -> Result<ArrayRef> {
        match self.runs.as_slice() {
            [Run::Items(start, count)] => return Ok(values.slice(*start, *count)),
            [] | [Run::Nulls(_)] => return Ok(new_null_array(values.data_type(), self.length)),
            _ => {}
        }
        let mut indices = Vec::with_capacity(self.length);
        for run in &self.runs {
            match run {
                // A list has fewer than 2^31 items.
                Run::Items(start, count) => indices.extend((*start..start + count).map(|item| Some(item as u32))),
                Run::Nulls(count) => indices.extend(std::iter::repeat_n(None, *count)),
            }
        }
        Ok(take(values, &UInt32Array::from(indices), None)?)
    }
}
