//! `array_agg` and `string_agg`: they keep the values of all groups with their places in the order, and put each group in
//! order at the end.
//!
//! ```text
//! rows or states ─► chunks: group, key, value of each row ─► by group, then by key ─► lists, or texts, or states
//! ```
//!
//! A key is the position of the row in the input, or with ORDER BY the encoded keys, then the position.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, LargeListArray, ListArray, OffsetSizeTrait, StringViewArray,
    UInt32Array, UInt64Array, make_view, new_empty_array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{interleave, take};
use arrow::datatypes::{DataType, Field, UInt64Type};

use super::order::{KEY_TYPE, OrderEncoder, OrderKey, as_keys};
use super::rows::vec_memory;
use super::{Accumulator, GroupedRows};
use crate::batch::{drop_hidden_text, own_copy};
use crate::error::{Error, Result};

/// What is made of the values of a group.
pub(super) enum Output {
    /// A list of all of them.
    List,
    /// Those that are not null as one text, with this between them.
    Text(String),
}

/// Bytes of a chunk besides its rows.
const CHUNK_BYTES: usize = 512;
/// Bytes of a block of texts that are put together; a longer text has a block of its own.
const TEXT_BLOCK: usize = 1 << 20;
/// Bytes that ordering needs for a row: its place, and half of that for merging runs.
const ORDERING_BYTES: usize = size_of::<Place>() * 3 / 2;

/// Bytes of a group in offsets and views of states and results.
const GROUP_BYTES: usize = 32;
/// Bytes of a text besides its own, or of a truth value.
const VIEW_BYTES: usize = size_of::<u128>();

/// A chunk, and a row of it.
type Place = (usize, usize);

/// Rows as they came, in memory of their own.
struct Chunk {
    groups: Vec<u32>,
    /// Positions, or encoded keys.
    keys: ArrayRef,
    values: ArrayRef,
}

/// All values of all groups.
pub(super) struct Gathered {
    output: Output,
    value_type: DataType,
    /// `None` where the order is that of the input.
    order: Option<OrderEncoder>,
    group_count: usize,
    chunks: Vec<Chunk>,
    rows: usize,
    /// Bytes of the chunks.
    held: usize,
}

/// Rows by group, each group's in order, and where each group starts.
struct Ordered {
    chunks: Vec<Chunk>,
    places: Vec<Place>,
    starts: Vec<usize>,
}

impl Gathered {
    pub(super) fn new(output: Output, value_type: &DataType, order: &[OrderKey]) -> Result<Self> {
        let order = if order.is_empty() { None } else { Some(OrderEncoder::new(order)?) };
        let value_type = value_type.clone();
        Ok(Self { output, value_type, order, group_count: 0, chunks: Vec::new(), rows: 0, held: 0 })
    }

    /// Bytes of a row beside it and its copy, while the rows are put in order.
    fn row_overhead(&self) -> usize {
        ORDERING_BYTES
            + match &self.output {
                Output::Text(separator) => separator.len(),
                Output::List => 0,
            }
    }

    fn key_type(&self) -> DataType {
        if self.order.is_some() { KEY_TYPE } else { DataType::UInt64 }
    }

    /// Takes up rows, in memory of their own.
    fn push(&mut self, groups: Vec<u32>, keys: ArrayRef, values: ArrayRef) {
        if groups.is_empty() {
            return;
        }
        self.rows += groups.len();
        self.held += CHUNK_BYTES + vec_memory(&groups) + keys.get_array_memory_size() + values.get_array_memory_size();
        self.chunks.push(Chunk { groups, keys, values });
    }

    fn keys(&self, columns: &[ArrayRef], positions: UInt64Array) -> Result<ArrayRef> {
        Ok(match &self.order {
            Some(order) => Arc::new(order.encode(columns, positions)?),
            None => Arc::new(positions),
        })
    }

    /// All rows in order; leaves none behind.
    fn take_ordered(&mut self) -> Result<Ordered> {
        let chunks = std::mem::take(&mut self.chunks);
        (self.rows, self.held) = (0, 0);
        let mut starts = vec![0; std::mem::take(&mut self.group_count) + 1];
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
        if self.order.is_some() {
            let keys = chunks.iter().map(|chunk| as_keys(&chunk.keys)).collect::<Result<Vec<_>>>()?;
            sort_groups(&mut places, &starts, |(chunk, row)| keys[chunk].value(row));
        } else {
            let keys: Vec<_> = chunks.iter().map(|chunk| chunk.keys.as_primitive::<UInt64Type>().values()).collect();
            sort_groups(&mut places, &starts, |(chunk, row)| keys[chunk][row]);
        }
        Ok(Ordered { chunks, places, starts })
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

impl Ordered {
    /// A column of all rows, in order.
    fn column(&self, data_type: &DataType, of: impl Fn(&Chunk) -> &ArrayRef) -> Result<ArrayRef> {
        if self.chunks.is_empty() {
            return Ok(new_empty_array(data_type));
        }
        let columns: Vec<&dyn Array> = self.chunks.iter().map(|chunk| of(chunk).as_ref()).collect();
        Ok(interleave(&columns, &self.places)?)
    }

    fn offsets<O: OffsetSizeTrait>(&self) -> Result<OffsetBuffer<O>> {
        let offset = |start: &usize| {
            O::from_usize(*start).ok_or_else(|| {
                Error::resource("lists of more than 2147483647 items in all are made at once").with_hint(
                    "group by more keys, or use a smaller --memory-limit, so that fewer groups are at work at a time",
                )
            })
        };
        Ok(OffsetBuffer::new(ScalarBuffer::from(self.starts.iter().map(offset).collect::<Result<Vec<_>>>()?)))
    }

    /// A list of each group's part of a column.
    fn lists<O: OffsetSizeTrait>(&self, items: ArrayRef, nulls: Option<NullBuffer>) -> Result<GenericListArray<O>> {
        let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
        Ok(GenericListArray::try_new(field, self.offsets()?, items, nulls)?)
    }

    /// Which groups have rows.
    fn present(&self) -> NullBuffer {
        self.starts.windows(2).map(|ends| ends[0] < ends[1]).collect()
    }

    /// The texts of each group as one.
    fn joined(&self, separator: &str) -> Result<ArrayRef> {
        let texts: Vec<&StringViewArray> = self.chunks.iter().map(|chunk| chunk.values.as_string_view()).collect();
        let text = |(chunk, row): Place| texts[chunk].value(row);
        let mut joined = JoinedTexts::default();
        for ends in self.starts.windows(2) {
            let places = &self.places[ends[0]..ends[1]];
            let length: usize = places.iter().map(|place| text(*place).len()).sum();
            joined.start(length + places.len().saturating_sub(1) * separator.len())?;
            for (index, &place) in places.iter().enumerate() {
                if index > 0 {
                    joined.block.extend_from_slice(separator.as_bytes());
                }
                joined.block.extend_from_slice(text(place).as_bytes());
            }
            joined.end()?;
        }
        joined.finish(self.present())
    }
}

/// Texts that are written piece by piece, where they stay.
#[derive(Default)]
struct JoinedTexts {
    views: Vec<u128>,
    blocks: Vec<Buffer>,
    /// The block that is being filled.
    block: Vec<u8>,
    /// Where the text at hand starts in it.
    start: usize,
}

impl JoinedTexts {
    /// Makes place for a text of that length.
    fn start(&mut self, length: usize) -> Result<()> {
        if i32::try_from(length).is_err() {
            return Err(Error::resource(format!("a text of {length} bytes is longer than a text can be"))
                .with_hint("group by more keys, or join fewer values"));
        }
        if self.block.capacity() - self.block.len() < length {
            let capacity = length.max((2 * self.block.capacity()).clamp(64, TEXT_BLOCK));
            let full = std::mem::replace(&mut self.block, Vec::with_capacity(capacity));
            self.blocks.push(Buffer::from(full));
        }
        self.start = self.block.len();
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let number = |number: usize| u32::try_from(number).map_err(|_| Error::internal("a block of texts too many"));
        self.views.push(make_view(&self.block[self.start..], number(self.blocks.len())?, number(self.start)?));
        Ok(())
    }

    fn finish(mut self, nulls: NullBuffer) -> Result<ArrayRef> {
        self.blocks.push(Buffer::from(self.block));
        Ok(Arc::new(StringViewArray::try_new(ScalarBuffer::from(self.views), self.blocks, Some(nulls))?))
    }
}

impl Accumulator for Gathered {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let Some((values, order)) = arguments.split_first() else {
            return Err(Error::internal("array_agg takes an argument"));
        };
        self.group_count = rows.group_count;
        let skipped = match self.output {
            Output::Text(_) => values.logical_nulls(),
            Output::List => None,
        };
        match rows.counted(skipped.as_ref()) {
            None => {
                let keys = self.keys(order, UInt64Array::from(rows.positions.to_vec()))?;
                self.push(rows.groups.to_vec(), keys, own_copy(values)?);
            }
            Some(mask) => {
                let counted = UInt32Array::from_iter_values(mask.set_indices_u32());
                let chosen = || counted.values().iter().map(|row| *row as usize);
                let order = order.iter().map(|column| Ok(take(column, &counted, None)?)).collect::<Result<Vec<_>>>()?;
                let keys = self.keys(&order, chosen().map(|row| rows.positions[row]).collect())?;
                let groups = chosen().map(|row| rows.groups[row]).collect();
                self.push(groups, keys, drop_hidden_text(&take(values, &counted, None)?));
            }
        }
        Ok(())
    }

    fn needs_positions(&self) -> bool {
        true
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let [values, keys] = states else { return Err(Error::internal("the state of array_agg has two columns")) };
        self.group_count = group_count;
        // Both have the same lists.
        let (values, keys) = (values.as_list::<i64>(), keys.as_list::<i64>());
        let offsets = values.value_offsets();
        let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
        let (first, length) = (first as usize, (last - first) as usize);
        let mut group_of_row = Vec::with_capacity(length);
        for (&group, ends) in groups.iter().zip(offsets.windows(2)) {
            group_of_row.resize(group_of_row.len() + (ends[1] - ends[0]) as usize, group);
        }
        let own = |items: &ArrayRef| own_copy(&items.slice(first, length));
        self.push(group_of_row, own(keys.values())?, own(values.values())?);
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let key_type = self.key_type();
        let rows = self.take_ordered()?;
        let values: LargeListArray = rows.lists(rows.column(&self.value_type, |chunk| &chunk.values)?, None)?;
        let keys: LargeListArray = rows.lists(rows.column(&key_type, |chunk| &chunk.keys)?, None)?;
        Ok(vec![Arc::new(values), Arc::new(keys)])
    }

    fn state_types(&self) -> Vec<DataType> {
        let list = |of: DataType| DataType::LargeList(Arc::new(Field::new_list_field(of, true)));
        vec![list(self.value_type.clone()), list(self.key_type())]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let rows = self.take_ordered()?;
        match &self.output {
            Output::Text(separator) => rows.joined(separator),
            Output::List => {
                let items = rows.column(&self.value_type, |chunk| &chunk.values)?;
                let lists: ListArray = rows.lists(items, Some(rows.present()))?;
                Ok(Arc::new(lists))
            }
        }
    }

    /// States and results are a copy, beside what ordering needs.
    fn memory(&self) -> usize {
        2 * self.held + self.rows * self.row_overhead() + self.group_count * GROUP_BYTES
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        let value_width = self.value_type.primitive_width();
        let (least_key, keys) = match &self.order {
            Some(order) => (order.least_bytes(), order.bytes(rows, bytes)),
            None => (size_of::<u64>(), rows * size_of::<u64>()),
        };
        // The rows of a state have their keys and values among its bytes.
        let rows = rows + bytes / (least_key + value_width.unwrap_or(0));
        let width = size_of::<u32>() + value_width.unwrap_or(VIEW_BYTES) + 1;
        // Twice, for what arrays round up to.
        let chunk = 2 * CHUNK_BYTES + rows * width + keys + bytes;
        // Keys are encoded in memory of its own.
        2 * chunk + keys + rows * self.row_overhead() + new_groups * GROUP_BYTES
    }
}
