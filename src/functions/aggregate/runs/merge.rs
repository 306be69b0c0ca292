//! Merging runs: the rows of several sorted runs in the order of their keys.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, LargeBinaryArray, PrimitiveArray};
use arrow::compute::interleave;

use super::{Blocks, RunBlock};
use crate::error::{Error, Result};
use crate::functions::aggregate::values::Ranked;

/// The keys of a block.
pub(in crate::functions::aggregate) trait RunKeys: Send + Sized + 'static {
    /// The first column of a block as what it is.
    fn open(column: &ArrayRef) -> Option<Self>;

    fn count(&self) -> usize;

    /// The order of a key and one of another block.
    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering;
}

/// Numbers that are [`Ranked::normal`].
impl<T: ArrowPrimitiveType<Native: Ranked>> RunKeys for PrimitiveArray<T> {
    fn open(column: &ArrayRef) -> Option<Self> {
        column.as_primitive_opt::<T>().cloned()
    }

    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        self.value(row).rank_normal(other.value(other_row))
    }
}

impl RunKeys for LargeBinaryArray {
    fn open(column: &ArrayRef) -> Option<Self> {
        column.as_binary_opt::<i64>().cloned()
    }

    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn compare(&self, row: usize, other: &Self, other_row: usize) -> Ordering {
        self.value(row).cmp(other.value(other_row))
    }
}

/// A run that is being read.
struct Cursor<K> {
    blocks: Blocks,
    columns: RunBlock,
    keys: K,
    row: usize,
    /// Which of the blocks that are being gathered it is.
    slot: Option<usize>,
}

/// The next block that has rows.
fn next_block<K: RunKeys>(blocks: &mut Blocks) -> Result<Option<(RunBlock, K)>> {
    loop {
        let Some(columns) = blocks.next().transpose()? else { return Ok(None) };
        let keys = columns.first().and_then(K::open).ok_or_else(|| Error::internal("a run of another type"))?;
        if keys.count() > 0 {
            return Ok(Some((columns, keys)));
        }
    }
}

impl<K: RunKeys> Cursor<K> {
    fn open(mut blocks: Blocks) -> Result<Option<Self>> {
        let first = next_block(&mut blocks)?;
        Ok(first.map(|(columns, keys)| Self { blocks, columns, keys, row: 0, slot: None }))
    }

    /// Goes on; whether there is a further row.
    fn advance(&mut self) -> Result<bool> {
        self.row += 1;
        if self.row < self.keys.count() {
            return Ok(true);
        }
        let Some((columns, keys)) = next_block(&mut self.blocks)? else { return Ok(false) };
        (self.columns, self.keys, self.row, self.slot) = (columns, keys, 0, None);
        Ok(true)
    }
}

/// The rows of several runs in the order of their keys.
pub(in crate::functions::aggregate) struct Merged<K> {
    /// A heap, the run with the least key first.
    cursors: Vec<Cursor<K>>,
}

impl<K: RunKeys> Merged<K> {
    pub(super) fn new(runs: impl Iterator<Item = Result<Blocks>>) -> Result<Self> {
        let cursors = runs.map(|blocks| Cursor::open(blocks?)).filter_map(Result::transpose);
        let mut merged = Self { cursors: cursors.collect::<Result<_>>()? };
        for at in (0..merged.cursors.len() / 2).rev() {
            merged.sift_down(at);
        }
        Ok(merged)
    }

    /// The block and the row that come next.
    #[inline]
    pub(in crate::functions::aggregate) fn first(&self) -> Option<(&K, &[ArrayRef], usize)> {
        self.cursors.first().map(|cursor| (&cursor.keys, cursor.columns.as_slice(), cursor.row))
    }

    /// Goes on to the row behind that.
    pub(in crate::functions::aggregate) fn advance(&mut self) -> Result<()> {
        let Some(first) = self.cursors.first_mut() else { return Ok(()) };
        if !first.advance()? {
            self.cursors.swap_remove(0);
        }
        self.sift_down(0);
        Ok(())
    }

    fn sift_down(&mut self, mut at: usize) {
        let less = |cursors: &[Cursor<K>], a: usize, b: usize| {
            let (a, b) = (&cursors[a], &cursors[b]);
            a.keys.compare(a.row, &b.keys, b.row).is_lt()
        };
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < self.cursors.len() && less(&self.cursors, child, least) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.cursors.swap(at, least);
            at = least;
        }
    }

    /// The next rows, at most so many; none behind the last.
    pub(in crate::functions::aggregate) fn gather(&mut self, rows: usize) -> Result<Gathering> {
        let mut gathering = Gathering::default();
        self.cursors.iter_mut().for_each(|cursor| cursor.slot = None);
        while gathering.places.len() < rows
            && let Some(cursor) = self.cursors.first_mut()
        {
            let slot = *cursor.slot.get_or_insert_with(|| {
                gathering.blocks.push(cursor.columns.clone());
                gathering.blocks.len() - 1
            });
            gathering.places.push((slot, cursor.row));
            self.advance()?;
        }
        Ok(gathering)
    }

    /// Blocks of so many of the rows, with all columns.
    pub(in crate::functions::aggregate) fn into_blocks(mut self, rows: usize) -> Blocks {
        Box::new(std::iter::from_fn(move || self.next_block(rows).transpose()))
    }

    fn next_block(&mut self, rows: usize) -> Result<Option<RunBlock>> {
        let gathering = self.gather(rows)?;
        let Some(first) = gathering.blocks.first() else { return Ok(None) };
        (0..first.len()).map(|column| gathering.column(column)).collect::<Result<_>>().map(Some)
    }
}

/// The keys themselves, where they are numbers.
impl<T: ArrowPrimitiveType<Native: Ranked>> Iterator for Merged<PrimitiveArray<T>> {
    type Item = Result<T::Native>;

    fn next(&mut self) -> Option<Self::Item> {
        let (keys, _, row) = self.first()?;
        let value = keys.value(row);
        Some(self.advance().map(|()| value))
    }
}

/// Rows of some blocks, in order.
#[derive(Default)]
pub(in crate::functions::aggregate) struct Gathering {
    blocks: Vec<RunBlock>,
    places: Vec<(usize, usize)>,
}

impl Gathering {
    pub(in crate::functions::aggregate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A block and a row in it, of each row.
    pub(in crate::functions::aggregate) fn places(&self) -> &[(usize, usize)] {
        &self.places
    }

    /// That column of each block.
    pub(in crate::functions::aggregate) fn parts(&self, column: usize) -> Result<Vec<&dyn Array>> {
        let parts = self.blocks.iter().map(|block| block.get(column).map(|part| part.as_ref()));
        parts.collect::<Option<_>>().ok_or_else(|| Error::internal("a run without a column"))
    }

    /// That column of all rows.
    pub(in crate::functions::aggregate) fn column(&self, column: usize) -> Result<ArrayRef> {
        Ok(interleave(&self.parts(column)?, &self.places)?)
    }
}
