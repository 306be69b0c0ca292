//! Rows as they came, and putting them in order: by group, and each group's by its keys.

use arrow::array::{Array, ArrayRef, AsArray, GenericListArray, OffsetSizeTrait, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, UInt64Type};
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::functions::aggregate::order::as_keys;

/// A chunk, and a row of it.
pub(super) type Place = (usize, usize);

/// Rows as they came, in memory of their own.
pub(super) struct Chunk {
    pub(super) groups: Vec<u32>,
    /// Positions, or encoded keys.
    pub(super) keys: ArrayRef,
    pub(super) values: ArrayRef,
}

/// Rows by group, each group's in order, and where each group starts.
pub(super) struct Ordered {
    pub(super) chunks: Vec<Chunk>,
    pub(super) places: Vec<Place>,
    starts: Vec<usize>,
}

impl Ordered {
    /// Puts rows in order: by their encoded keys, or by their positions.
    pub(super) fn new(chunks: Vec<Chunk>, group_count: usize, by_keys: bool) -> Result<Self> {
        let mut starts = vec![0; group_count + 1];
        for &group in chunks.iter().flat_map(|chunk| &chunk.groups) {
            starts[group as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut places = vec![(0, 0); starts.last().copied().unwrap_or(0)];
        for (index, chunk) in chunks.iter().enumerate() {
            for (row, &group) in chunk.groups.iter().enumerate() {
                let place = &mut next[group as usize];
                places[*place] = (index, row);
                *place += 1;
            }
        }
        drop(next);
        if by_keys {
            let keys = chunks.iter().map(|chunk| as_keys(&chunk.keys)).collect::<Result<Vec<_>>>()?;
            sort_groups(&mut places, &starts, |(chunk, row)| keys[chunk].value(row));
        } else {
            let keys: Vec<_> = chunks.iter().map(|chunk| chunk.keys.as_primitive::<UInt64Type>().values()).collect();
            sort_groups(&mut places, &starts, |(chunk, row)| keys[chunk][row]);
        }
        Ok(Self { chunks, places, starts })
    }

    /// The rows of each group.
    pub(super) fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        self.starts.windows(2).map(|ends| ends[0]..ends[1])
    }

    /// A column of all rows, in order.
    pub(super) fn column(&self, data_type: &DataType, of: impl Fn(&Chunk) -> &ArrayRef) -> Result<ArrayRef> {
        if self.chunks.is_empty() {
            return Ok(new_empty_array(data_type));
        }
        let columns: Vec<&dyn Array> = self.chunks.iter().map(|chunk| of(chunk).as_ref()).collect();
        Ok(interleave(&columns, &self.places)?)
    }

    /// A list of each group's part of a column.
    pub(super) fn lists<O: OffsetSizeTrait>(
        &self,
        items: ArrayRef,
        nulls: Option<NullBuffer>,
    ) -> Result<GenericListArray<O>> {
        lists_of(items, &self.starts, nulls)
    }

    /// Which groups have rows.
    pub(super) fn present(&self) -> NullBuffer {
        self.groups().map(|rows| !rows.is_empty()).collect()
    }
}

/// Sorts the places of each group. Rows come in long runs that are in order already.
fn sort_groups<K: Ord>(places: &mut [Place], starts: &[usize], key: impl Fn(Place) -> K) {
    for ends in starts.windows(2) {
        let places = &mut places[ends[0]..ends[1]];
        if !places.is_sorted_by_key(|place| key(*place)) {
            places.sort_by_key(|place| key(*place));
        }
    }
}

/// Lists of items that start there; the last of the starts is their end.
pub(super) fn lists_of<O: OffsetSizeTrait>(
    items: ArrayRef,
    starts: &[usize],
    nulls: Option<NullBuffer>,
) -> Result<GenericListArray<O>> {
    let offset = |start: &usize| {
        O::from_usize(*start).ok_or_else(|| {
            Error::resource("lists of more than 2147483647 items in all are made at once").with_hint(
                "group by more keys, or use a smaller --memory-limit, so that fewer groups are at work at a time",
            )
        })
    };
    let offsets = starts.iter().map(offset).collect::<Result<Vec<_>>>()?;
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Ok(GenericListArray::try_new(field, OffsetBuffer::new(ScalarBuffer::from(offsets)), items, nulls)?)
}

/// Takes some rows of the chunks at a time: only the chunks that they are in are looked at.
pub(super) struct Taker<'a> {
    chunks: &'a [Chunk],
    /// Which of the chunks at hand a chunk is.
    slots: Vec<Option<usize>>,
    at_hand: Vec<usize>,
    places: Vec<Place>,
}

impl<'a> Taker<'a> {
    pub(super) fn new(chunks: &'a [Chunk]) -> Self {
        Self { chunks, slots: vec![None; chunks.len()], at_hand: Vec::new(), places: Vec::new() }
    }

    /// The keys and the values of some rows; they may show texts of the chunks.
    pub(super) fn take(&mut self, places: &[Place]) -> Result<(ArrayRef, ArrayRef)> {
        let Self { chunks, slots, at_hand, places: local } = self;
        at_hand.drain(..).for_each(|chunk| slots[chunk] = None);
        local.clear();
        local.extend(places.iter().map(|&(chunk, row)| {
            let slot = *slots[chunk].get_or_insert_with(|| {
                at_hand.push(chunk);
                at_hand.len() - 1
            });
            (slot, row)
        }));
        let column = |of: fn(&Chunk) -> &ArrayRef| -> Result<ArrayRef> {
            let parts: Vec<&dyn Array> = at_hand.iter().map(|&chunk| of(&chunks[chunk]).as_ref()).collect();
            Ok(interleave(&parts, local)?)
        };
        Ok((column(|chunk| &chunk.keys)?, column(|chunk| &chunk.values)?))
    }
}
