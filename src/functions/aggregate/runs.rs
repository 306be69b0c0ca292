//! Sorted runs: the parts of large groups that went to disk, merged when the group is finished. The ids of a group's runs
//! are a part of its state, so that they go wherever the group goes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, LargeListArray, PrimitiveArray, UInt64Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, UInt64Type};

use super::rows::{vec_growth, vec_memory};
use super::values::Ranked;
use crate::error::{Error, Result};

/// Values of a run that are in memory at once: all runs of a group that are read make up about two batches.
pub(super) const BLOCK_VALUES: usize = 1024;
/// So many runs of a group are merged into one, so that reading them takes little memory.
const MOST_RUNS: usize = 16;

/// The blocks of a run, in order.
pub type Blocks = Box<dyn Iterator<Item = Result<ArrayRef>> + Send>;

/// Where runs are kept. Ids are of all accumulators of an aggregation.
pub trait RunStore: Send + Sync {
    /// Keeps a run, and gives its id.
    ///
    /// # Errors
    /// Where the disk or the quota is full, and those of the blocks.
    fn write(&self, blocks: &mut dyn Iterator<Item = Result<ArrayRef>>) -> Result<u64>;

    /// Reads a run.
    ///
    /// # Errors
    /// Where there is no such run.
    fn read(&self, run: u64) -> Result<Blocks>;

    /// How many values a run has.
    fn values(&self, run: u64) -> u64;
}

/// The runs of all groups of an accumulator.
#[derive(Default)]
pub(super) struct Runs {
    /// `None` where nothing can be written.
    store: Option<Arc<dyn RunStore>>,
    /// Groups with the ids of their runs.
    runs: Vec<(u32, u64)>,
}

impl Runs {
    pub(super) fn connect(&mut self, store: &Arc<dyn RunStore>) {
        self.store = Some(store.clone());
    }

    pub(super) fn can_write(&self) -> bool {
        self.store.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether each of so many groups has any.
    pub(super) fn of_groups(&self, group_count: usize) -> Vec<bool> {
        let mut any = vec![false; group_count];
        self.runs.iter().for_each(|run| any[run.0 as usize] = true);
        any
    }

    /// Writes sorted values of a group, which has its `own` runs already.
    pub(super) fn write<T: ArrowPrimitiveType<Native: Ranked>>(
        &mut self,
        group: u32,
        own: &[u64],
        data_type: &DataType,
        sorted: &[T::Native],
    ) -> Result<()> {
        let store = self.store.clone().ok_or_else(|| Error::internal("runs without a place to go"))?;
        if own.len() >= MOST_RUNS {
            let mut blocks = Merged::<T>::new(&store, own)?.blocks(data_type);
            let merged = store.write(&mut blocks)?;
            self.runs.retain(|run| run.0 != group);
            self.runs.push((group, merged));
        }
        let mut blocks = sorted.chunks(BLOCK_VALUES).map(|values| Ok(block::<T>(values.to_vec(), data_type)));
        self.runs.push((group, store.write(&mut blocks)?));
        Ok(())
    }

    /// The runs of each group that has any.
    pub(super) fn by_group(&self) -> BTreeMap<u32, Vec<u64>> {
        let mut by_group: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for &(group, run) in &self.runs {
            by_group.entry(group).or_default().push(run);
        }
        by_group
    }

    /// How many values the runs have, and all of them in order.
    pub(super) fn merged<T: ArrowPrimitiveType<Native: Ranked>>(&self, runs: &[u64]) -> Result<(u64, Merged<T>)> {
        let store = self.store.as_ref().ok_or_else(|| Error::internal("runs without a place to come from"))?;
        Ok((runs.iter().map(|run| store.values(*run)).sum(), Merged::new(store, runs)?))
    }

    pub(super) fn state_type() -> DataType {
        DataType::LargeList(Arc::new(Field::new_list_field(DataType::UInt64, true)))
    }

    /// The ids of each group as a list; leaves none behind.
    pub(super) fn state(&mut self, group_count: usize) -> Result<ArrayRef> {
        let mut by_group = self.by_group();
        self.runs = Vec::new();
        let (mut ids, mut starts) = (Vec::new(), Vec::with_capacity(group_count + 1));
        starts.push(0i64);
        for group in 0..group_count {
            ids.extend(by_group.remove(&(group as u32)).unwrap_or_default());
            starts.push(ids.len() as i64);
        }
        let field = Arc::new(Field::new_list_field(DataType::UInt64, true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(starts));
        Ok(Arc::new(LargeListArray::try_new(field, offsets, Arc::new(UInt64Array::from(ids)), None)?))
    }

    pub(super) fn merge(&mut self, state: Option<&ArrayRef>, groups: &[u32]) -> Result<()> {
        let lists = state.ok_or_else(|| Error::internal("a state without its runs"))?.as_list::<i64>();
        let ids = lists.values().as_primitive::<UInt64Type>().values();
        for (&group, ends) in groups.iter().zip(lists.value_offsets().windows(2)) {
            self.runs.extend(ids[ends[0] as usize..ends[1] as usize].iter().map(|id| (group, *id)));
        }
        Ok(())
    }

    /// The ids, and their state.
    pub(super) fn memory(&self, group_count: usize) -> usize {
        2 * vec_memory(&self.runs) + (group_count + 1) * size_of::<i64>()
    }

    /// Nothing but runs that are merged adds any.
    pub(super) fn growth(&self, new_groups: usize, bytes: usize) -> usize {
        let ids = if bytes > 0 { 2 * vec_growth(&self.runs, new_groups.max(1)) } else { 0 };
        ids + (new_groups + 1) * size_of::<i64>()
    }
}

fn block<T: ArrowPrimitiveType>(values: Vec<T::Native>, data_type: &DataType) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.into(), None).with_data_type(data_type.clone()))
}

/// A run that is being read.
struct Cursor<T: ArrowPrimitiveType> {
    blocks: Blocks,
    block: PrimitiveArray<T>,
    row: usize,
}

impl<T: ArrowPrimitiveType> Cursor<T> {
    fn open(blocks: Blocks) -> Result<Option<Self>> {
        let mut cursor = Self { blocks, block: PrimitiveArray::new_null(0), row: 0 };
        Ok(cursor.next_block()?.then_some(cursor))
    }

    fn value(&self) -> T::Native {
        self.block.value(self.row)
    }

    fn next_block(&mut self) -> Result<bool> {
        self.row = 0;
        loop {
            match self.blocks.next().transpose()? {
                None => return Ok(false),
                Some(block) if block.is_empty() => {}
                Some(block) => {
                    let block = block.as_primitive_opt::<T>().cloned();
                    self.block = block.ok_or_else(|| Error::internal("a run of another type"))?;
                    return Ok(true);
                }
            }
        }
    }

    /// Goes on; whether there is a further value.
    fn advance(&mut self) -> Result<bool> {
        self.row += 1;
        if self.row < self.block.len() { Ok(true) } else { self.next_block() }
    }
}

/// The values of several runs in order.
pub(super) struct Merged<T: ArrowPrimitiveType> {
    /// A heap, the run with the least value first.
    cursors: Vec<Cursor<T>>,
}

impl<T: ArrowPrimitiveType<Native: Ranked>> Merged<T> {
    fn new(store: &Arc<dyn RunStore>, runs: &[u64]) -> Result<Self> {
        let cursors = runs.iter().map(|run| Cursor::open(store.read(*run)?)).filter_map(Result::transpose);
        let mut merged = Self { cursors: cursors.collect::<Result<_>>()? };
        for at in (0..merged.cursors.len() / 2).rev() {
            merged.sift_down(at);
        }
        Ok(merged)
    }

    /// Blocks of all values that are left.
    fn blocks(mut self, data_type: &DataType) -> impl Iterator<Item = Result<ArrayRef>> {
        let data_type = data_type.clone();
        std::iter::from_fn(move || {
            let values = self.by_ref().take(BLOCK_VALUES).collect::<Result<Vec<_>>>();
            match values {
                Err(error) => Some(Err(error)),
                Ok(values) if values.is_empty() => None,
                Ok(values) => Some(Ok(block::<T>(values, &data_type))),
            }
        })
    }

    fn sift_down(&mut self, mut at: usize) {
        let less = |cursors: &[Cursor<T>], a: usize, b: usize| cursors[a].value().rank(cursors[b].value()).is_lt();
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

    fn step(&mut self) -> Result<Option<T::Native>> {
        let Some(first) = self.cursors.first_mut() else { return Ok(None) };
        let value = first.value();
        if !first.advance()? {
            self.cursors.swap_remove(0);
        }
        self.sift_down(0);
        Ok(Some(value))
    }
}

impl<T: ArrowPrimitiveType<Native: Ranked>> Iterator for Merged<T> {
    type Item = Result<T::Native>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
