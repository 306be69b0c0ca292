//! `array_agg` and `string_agg`: they keep the values of all groups with their places in the order, and put each group in
//! order at the end. Large groups leave memory in sorted runs.
//!
//! ```text
//! rows or states ─► chunks: group, key, value of each row ─► by group, then by key ─► lists, or texts, or states
//!                                                                  │                          ▲
//!                                                                  └─► runs of large groups ──┘
//! ```
//!
//! A key is the position of the row in the input, or with ORDER BY the encoded keys, then the position.
//!
//! | file | what |
//! | --- | --- |
//! | `ordered` | rows as they came, and putting them in order |
//! | `results` | lists and texts, put together piece by piece |

mod ordered;
mod results;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, LargeBinaryArray, LargeListArray, ListArray, StringViewArray, UInt32Array, UInt64Array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, UInt64Type};

use self::ordered::{Chunk, Ordered, Place, Taker, lists_of};
use self::results::{Items, JoinedTexts, bytes_of_items};
use super::order::{KEY_TYPE, OrderEncoder, OrderKey};
use super::rows::vec_memory;
use super::runs::{Gathering, Merged, RunKeys, RunStore, Runs};
use super::{Accumulator, FinishGrowth, GroupedRows};
use crate::batch::{drop_hidden_text, own_copy, variable_bytes};
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
/// Rows of a chunk that is made anew.
const CHUNK_ROWS: usize = 8192;
/// Bytes that ordering needs for a row: its place, and half of that for merging runs.
const ORDERING_BYTES: usize = size_of::<Place>() * 3 / 2;

/// Bytes of a group in offsets and views of states and results.
const GROUP_BYTES: usize = 32;
/// Bytes of a text besides its own, or of a truth value.
const VIEW_BYTES: usize = size_of::<u128>();

/// The column of values in a run.
const VALUES: usize = 1;

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
    /// The values that are not in `chunks`.
    runs: Runs,
}

impl Gathered {
    pub(super) fn new(output: Output, value_type: &DataType, order: &[OrderKey]) -> Result<Self> {
        let order = if order.is_empty() { None } else { Some(OrderEncoder::new(order)?) };
        let value_type = value_type.clone();
        let (chunks, runs) = (Vec::new(), Runs::default());
        Ok(Self { output, value_type, order, group_count: 0, chunks, rows: 0, held: 0, runs })
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
        Ordered::new(chunks, std::mem::take(&mut self.group_count), self.order.is_some())
    }

    /// Bytes of the values and keys of each group.
    fn bytes_of_groups(&self) -> Vec<usize> {
        let mut bytes = vec![0; self.group_count];
        for Chunk { groups, keys, values } in &self.chunks {
            let width = fixed_bytes(keys) + if is_text(values) { VIEW_BYTES } else { fixed_bytes(values) };
            groups.iter().for_each(|&group| bytes[group as usize] += width);
            if let Some(texts) = values.as_string_view_opt() {
                let lengths = groups.iter().zip(texts.lengths());
                lengths.for_each(|(&group, length)| bytes[group as usize] += length as usize);
            }
        }
        bytes
    }

    /// Writes the rows of some groups as runs; whether there was any.
    fn write_runs(&mut self, is_chosen: &[bool]) -> Result<bool> {
        if !self.chunks.iter().flat_map(|chunk| &chunk.groups).any(|&group| is_chosen[group as usize]) {
            return Ok(false);
        }
        let (known, block_bytes, group_count) = (self.runs.by_group(), self.runs.block_bytes(), self.group_count);
        let rows = self.take_ordered()?;
        self.group_count = group_count;
        let mut taker = Taker::new(&rows.chunks);
        let mut kept = (Vec::new(), Vec::new());
        for (group, (of_group, chosen)) in (0..).zip(rows.groups().zip(is_chosen)) {
            let places = &rows.places[of_group];
            if *chosen && !places.is_empty() {
                let own = known.get(&group).map_or(&[][..], Vec::as_slice);
                let mut left = places;
                let mut blocks = std::iter::from_fn(|| {
                    let (block, rest) = left.split_at(rows_of_block(&rows.chunks, left, block_bytes));
                    left = rest;
                    let columns = || taker.take(block).map(|(keys, values)| vec![keys, values]);
                    (!block.is_empty()).then(columns)
                });
                match self.order {
                    Some(_) => self.runs.write::<LargeBinaryArray>(group, own, &mut blocks, Merged::into_blocks)?,
                    None => self.runs.write::<Positions>(group, own, &mut blocks, Merged::into_blocks)?,
                }
                continue;
            }
            for &place in places {
                kept.0.push(group);
                kept.1.push(place);
                if kept.0.len() == CHUNK_ROWS {
                    self.keep(&mut taker, &mut kept)?;
                }
            }
        }
        self.keep(&mut taker, &mut kept)?;
        Ok(true)
    }

    /// Takes up rows of older chunks.
    fn keep(&mut self, taker: &mut Taker<'_>, (groups, places): &mut (Vec<u32>, Vec<Place>)) -> Result<()> {
        if !groups.is_empty() {
            let (keys, values) = taker.take(places)?;
            self.push(groups.clone(), keys, drop_hidden_text(&values));
        }
        groups.clear();
        places.clear();
        Ok(())
    }

    /// The results, of groups that have all of their rows in runs, or none.
    fn results<K: RunKeys>(&self, rows: &Ordered, runs: &Runs) -> Result<ArrayRef> {
        let by_group = runs.by_group();
        let groups = || (0..).zip(rows.groups()).map(|(group, in_memory)| (by_group.get(&group), in_memory));
        let present: NullBuffer = groups().map(|(runs, rows)| runs.is_some() || !rows.is_empty()).collect();
        match &self.output {
            Output::List => {
                let mut taker = Taker::new(&rows.chunks);
                let of_runs: u64 = by_group.values().map(|own| runs.size(own).rows).sum();
                let of_runs =
                    usize::try_from(of_runs).map_err(|_| Error::internal("more values than can be counted"))?;
                let mut items = Items::new(&self.value_type, rows.places.len() + of_runs);
                let (mut starts, mut taken) = (vec![0], 0..0);
                let mut push_places = |items: &mut Items, places: &[Place]| {
                    places.chunks(CHUNK_ROWS).try_for_each(|places| items.push(&taker.take(places)?.1))
                };
                for (own, in_memory) in groups() {
                    // Groups in memory that follow each other are taken at once.
                    taken.end = in_memory.end;
                    if let Some(own) = own {
                        push_places(&mut items, &rows.places[taken])?;
                        taken = in_memory.end..in_memory.end;
                        each_piece::<K>(runs, own, |piece| items.push(&piece.column(VALUES)?))?;
                    }
                    starts.push(items.count() + taken.len());
                }
                push_places(&mut items, &rows.places[taken])?;
                let lists: ListArray = lists_of(items.finish()?, &starts, Some(present))?;
                Ok(Arc::new(lists))
            }
            Output::Text(separator) => {
                let texts: Vec<_> = rows.chunks.iter().map(|chunk| chunk.values.as_string_view()).collect();
                let mut joined = JoinedTexts::default();
                for (own, in_memory) in groups() {
                    match own {
                        None => join_places(&mut joined, &texts, &rows.places[in_memory], separator)?,
                        Some(own) => join_runs::<K>(&mut joined, runs, own, separator)?,
                    }
                }
                joined.finish(present)
            }
        }
    }
}

/// Positions as the keys of a run.
type Positions = arrow::array::PrimitiveArray<UInt64Type>;

/// Gives the rows of a group's runs to `f` in order, some at a time.
fn each_piece<K: RunKeys>(runs: &Runs, own: &[u64], mut f: impl FnMut(&Gathering) -> Result<()>) -> Result<()> {
    let mut merged = runs.merged::<K>(own)?;
    let rows = runs.rows_at_once(runs.size(own));
    loop {
        let piece = merged.gather(rows)?;
        if piece.is_empty() {
            return Ok(());
        }
        f(&piece)?;
    }
}

/// The texts at those places as one.
fn join_places(joined: &mut JoinedTexts, texts: &[&StringViewArray], places: &[Place], separator: &str) -> Result<()> {
    let text = |(chunk, row): Place| texts[chunk].value(row);
    let length: usize = places.iter().map(|place| text(*place).len()).sum();
    joined.start(length + places.len().saturating_sub(1) * separator.len())?;
    for (index, &place) in places.iter().enumerate() {
        joined.push(text(place), index == 0, separator);
    }
    joined.end()
}

/// The texts of runs as one.
fn join_runs<K: RunKeys>(joined: &mut JoinedTexts, runs: &Runs, own: &[u64], separator: &str) -> Result<()> {
    let size = runs.size(own);
    let separators = size.rows.saturating_sub(1) * separator.len() as u64;
    joined.start(usize::try_from(size.value_bytes + separators).unwrap_or(usize::MAX))?;
    let mut is_first = true;
    each_piece::<K>(runs, own, |piece| {
        let parts = piece.parts(VALUES)?;
        let texts = parts.iter().map(|part| part.as_string_view_opt()).collect::<Option<Vec<_>>>();
        let texts = texts.ok_or_else(|| Error::internal("a run of texts without texts"))?;
        for &(block, row) in piece.places() {
            joined.push(texts[block].value(row), is_first, separator);
            is_first = false;
        }
        Ok(())
    })?;
    joined.end()
}

fn is_text(column: &ArrayRef) -> bool {
    *column.data_type() == DataType::Utf8View
}

/// Bytes of a row of a column, on average.
fn fixed_bytes(column: &ArrayRef) -> usize {
    let variable = variable_bytes(column) / column.len().max(1);
    column.data_type().primitive_width().unwrap_or(variable).max(1)
}

/// How many of the rows make up a block: one at least, where there are any.
fn rows_of_block(chunks: &[Chunk], places: &[Place], block_bytes: usize) -> usize {
    let Some(&(chunk, _)) = places.first() else { return 0 };
    let Chunk { keys, values, .. } = &chunks[chunk];
    let fixed = fixed_bytes(keys) + if is_text(values) { VIEW_BYTES } else { fixed_bytes(values) };
    let (mut bytes, mut rows) = (0, 0);
    for &(chunk, row) in places {
        let text = chunks[chunk].values.as_string_view_opt();
        // The length of a text is the lowest 32 bits of its view.
        bytes += fixed + text.map_or(0, |texts| texts.views()[row] as u32 as usize);
        rows += 1;
        if bytes >= block_bytes {
            break;
        }
    }
    rows
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
        let [values, keys, runs] = states else {
            return Err(Error::internal("the state of array_agg has three columns"));
        };
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
        self.runs.merge(Some(runs), groups)
    }

    fn use_runs(&mut self, store: &Arc<dyn RunStore>) {
        self.runs.connect(store);
    }

    fn shed(&mut self, least: usize) -> Result<bool> {
        if !self.runs.can_write() {
            return Ok(false);
        }
        let is_chosen: Vec<bool> = self.bytes_of_groups().iter().map(|bytes| *bytes >= least.max(1)).collect();
        self.write_runs(&is_chosen)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let key_type = self.key_type();
        let runs = self.runs.state(self.group_count)?;
        let rows = self.take_ordered()?;
        let values: LargeListArray = rows.lists(rows.column(&self.value_type, |chunk| &chunk.values)?, None)?;
        let keys: LargeListArray = rows.lists(rows.column(&key_type, |chunk| &chunk.keys)?, None)?;
        Ok(vec![Arc::new(values), Arc::new(keys), runs])
    }

    fn state_types(&self) -> Vec<DataType> {
        let list = |of: DataType| DataType::LargeList(Arc::new(Field::new_list_field(of, true)));
        vec![list(self.value_type.clone()), list(self.key_type()), Runs::state_type()]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        if !self.runs.is_empty() {
            let with_runs = self.runs.of_groups(self.group_count);
            self.write_runs(&with_runs)?;
        }
        let runs = std::mem::take(&mut self.runs);
        let rows = self.take_ordered()?;
        match self.output {
            Output::List if runs.is_empty() => {
                let items = rows.column(&self.value_type, |chunk| &chunk.values)?;
                let lists: ListArray = rows.lists(items, Some(rows.present()))?;
                Ok(Arc::new(lists))
            }
            _ if self.order.is_some() => self.results::<LargeBinaryArray>(&rows, &runs),
            _ => self.results::<Positions>(&rows, &runs),
        }
    }

    fn join_runs(&mut self) -> Result<()> {
        match self.order {
            Some(_) => self.runs.join::<LargeBinaryArray>(Merged::into_blocks),
            None => self.runs.join::<Positions>(Merged::into_blocks),
        }
    }

    fn finish_growth(&self) -> FinishGrowth {
        let results = self.runs.sizes().iter().map(|size| self.result_bytes(size.rows, size.value_bytes)).sum();
        FinishGrowth { meanwhile: self.runs.reading(), results }
    }

    fn result_bytes(&self, values: u64, bytes: u64) -> u64 {
        match &self.output {
            Output::Text(separator) => bytes + values * separator.len() as u64,
            Output::List => bytes_of_items(&self.value_type, values, bytes),
        }
    }

    /// States and results are a copy, beside what ordering needs.
    fn memory(&self) -> usize {
        2 * self.held
            + self.rows * self.row_overhead()
            + self.group_count * GROUP_BYTES
            + self.runs.memory(self.group_count)
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
        2 * chunk + keys + rows * self.row_overhead() + new_groups * GROUP_BYTES + Runs::growth(new_groups)
    }

    fn merge_growth(&self, states: &[ArrayRef], new_groups: usize) -> usize {
        let Some((runs, rows)) = states.split_last() else { return 0 };
        let bytes = rows.iter().map(variable_bytes).sum();
        self.growth(runs.len(), new_groups, bytes) + self.runs.merge_growth(runs)
    }
}
