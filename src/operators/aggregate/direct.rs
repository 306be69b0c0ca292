//! Groups that are found by the values of their keys, without encoding the key of each row: what most keys are made of
//! fits into a few words, or is one text.

use std::ops::Range;

use arrow::array::ArrayRef;
use hashbrown::HashTable;

use super::layout::Layout;
use super::packed::{PackedGroups, words_of};
use super::texts::TextGroups;
use crate::error::Result;
use crate::functions::aggregate::table_growth;
use crate::types::DataType;

/// Groups by key, and the keys of the batch at hand. Whether a key is found here is told by its values alone, so that
/// equal keys always go the same way.
pub(super) trait DirectGroups: Send {
    /// Takes up the keys of a batch; `others` gets the rows whose keys are not for here, in their order.
    fn prepare(&mut self, columns: &[ArrayRef], others: &mut Vec<u32>) -> Result<()>;

    /// Puts the group of each of the rows into `groups`: a new one, from `next` on, at the first row of a key not seen
    /// before, which goes to `fresh`. Other rows get some number.
    fn assign(&mut self, rows: Range<usize>, next: u32, groups: &mut Vec<u32>, fresh: &mut Vec<u32>);

    /// Leaves no group behind; the batch at hand stays.
    fn clear(&mut self);

    /// Bytes that the groups take.
    fn memory(&self) -> usize;

    /// Bytes by which `memory` can rise while those rows are taken, `new_groups` of which are not others.
    fn growth(&self, rows: &Range<usize>, new_groups: usize) -> usize;

    /// Bytes of the encoded keys of those rows at most.
    fn key_bytes(&self, rows: &Range<usize>, new_groups: usize) -> usize;
}

/// The groups of keys of the layout's types; `None` where they are found by their encoding alone.
pub(super) fn direct_groups(layout: &Layout) -> Option<Box<dyn DirectGroups>> {
    if let [DataType::Utf8View] = layout.key_types.as_slice() {
        return Some(Box::new(TextGroups::default()));
    }
    let key_bytes = layout.packed_key_bytes;
    match layout.key_types.iter().map(words_of).sum::<Option<usize>>()? {
        1 => Some(Box::new(PackedGroups::<1>::new(key_bytes))),
        2 => Some(Box::new(PackedGroups::<2>::new(key_bytes))),
        3 | 4 => Some(Box::new(PackedGroups::<4>::new(key_bytes))),
        _ => None,
    }
}

/// Bytes that an index allocates at most to take `additional` more entries: none while they fit.
pub(super) fn index_growth<T>(index: &HashTable<T>, additional: usize) -> usize {
    table_growth(index.len(), index.capacity(), additional, size_of::<T>())
}
