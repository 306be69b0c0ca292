//! The loops over the rows that count, and the sizes of vectors.

use std::ops::Range;

use arrow::array::Array;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::GroupedRows;

/// How many rows a stretch must have on average to be worth it.
const SHORTEST_RUNS: usize = 16;

impl GroupedRows<'_> {
    /// Calls `f(row, group)` for each row that the filter lets through and that is not null.
    #[inline]
    pub(super) fn for_each(&self, nulls: Option<&NullBuffer>, mut f: impl FnMut(usize, usize)) {
        match self.counted(nulls) {
            None => {
                for (row, &group) in self.groups.iter().enumerate() {
                    f(row, group as usize);
                }
            }
            Some(mask) => {
                for row in mask.set_indices() {
                    f(row, self.groups[row] as usize);
                }
            }
        }
    }

    /// Calls `f(group, value)` for each row that the filter lets through and that is not null; `values` has one a row.
    #[inline]
    pub(super) fn for_each_value<T: Copy>(
        &self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        mut f: impl FnMut(usize, T),
    ) {
        match self.counted(nulls) {
            None => {
                for (&group, &value) in self.groups.iter().zip(values) {
                    f(group as usize, value);
                }
            }
            Some(mask) => {
                for row in mask.set_indices() {
                    f(self.groups[row] as usize, values[row]);
                }
            }
        }
    }

    /// Stretches of rows of one group, with the group, where all rows count and the stretches are long: then it pays to
    /// sum up each before it is added to its group. `None` where they are short.
    pub(super) fn runs(&self, nulls: Option<&NullBuffer>) -> Option<impl Iterator<Item = (usize, Range<usize>)>> {
        if self.filter.is_some() || nulls.is_some_and(|nulls| nulls.null_count() > 0) {
            return None;
        }
        let changes = self.groups.iter().zip(self.groups.iter().skip(1)).filter(|(a, b)| a != b).count();
        if self.groups.len() / (changes + 1) < SHORTEST_RUNS {
            return None;
        }
        let mut start = 0;
        Some(self.groups.chunk_by(|a, b| a == b).map(move |run| {
            let rows = start..start + run.len();
            start = rows.end;
            (run[0] as usize, rows)
        }))
    }

    /// The rows that count; `None` where all do.
    pub(super) fn counted(&self, nulls: Option<&NullBuffer>) -> Option<BooleanBuffer> {
        let valid = nulls.filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.inner().clone());
        let Some(filter) = self.filter else { return valid };
        let passed = match filter.nulls() {
            Some(nulls) => filter.values() & nulls.inner(),
            None => filter.values().clone(),
        };
        Some(match valid {
            Some(valid) => &valid & &passed,
            None => passed,
        })
    }
}

/// Bytes that a hash table of slots of that size allocates at most to take `additional` more entries: none while they fit.
pub(crate) fn table_growth(length: usize, capacity: usize, additional: usize, slot_bytes: usize) -> usize {
    if capacity - length >= additional {
        return 0;
    }
    // The table has four buckets at least and keeps an eighth of them free; a bucket has one byte of control.
    let buckets = ((length + additional).max(capacity + 1) * 8 / 7 + 1).next_power_of_two().max(4);
    buckets * (slot_bytes + 1) + 64
}

/// What is about to be taken: rows, or states of `bytes` bytes, in up to `new_groups` new groups.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    pub(super) rows: usize,
    pub(super) new_groups: usize,
    pub(super) bytes: usize,
}

/// Bytes that a vector has allocated.
pub(crate) fn vec_memory<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}

/// Bytes that a vector allocates at most to take `additional` more items, at once or one by one: none while they fit.
pub(crate) fn vec_growth<T>(vec: &Vec<T>, additional: usize) -> usize {
    let (needed, doubled) = (vec.len() + additional, 2 * vec.capacity());
    let capacity = if needed <= vec.capacity() {
        0
    } else if needed <= doubled {
        doubled
    } else {
        // The last of several doublings.
        2 * needed.max(4)
    };
    capacity * size_of::<T>()
}
