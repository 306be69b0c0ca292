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
pub(super) fn vec_memory<T>(vec: &Vec<T>) -> usize {
    vec.capacity() * size_of::<T>()
}

/// Bytes that a vector allocates to take `additional` more items: none while they fit, else at least twice what it has.
pub(super) fn vec_growth<T>(vec: &Vec<T>, additional: usize) -> usize {
    if vec.capacity() - vec.len() >= additional {
        return 0;
    }
    (vec.len() + additional).max(2 * vec.capacity()).max(8) * size_of::<T>()
}
