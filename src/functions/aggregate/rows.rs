//! The loop over the rows that count, and the sizes of vectors.

use arrow::array::Array;
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::GroupedRows;

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

    /// The rows that count; `None` where all do.
    fn counted(&self, nulls: Option<&NullBuffer>) -> Option<BooleanBuffer> {
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
