//! Sorted runs: the parts of large groups that went to disk, merged when the group is finished. The ids of a group's runs
//! are a part of its state, so that they go wherever the group goes.
//!
//! A run is blocks of columns: first the keys by which its rows are sorted, then what belongs to each.
//!
//! | accumulators | keys | what belongs to them |
//! | --- | --- | --- |
//! | `quantile`, `product` | the values | |
//! | `mode`, `distinct` | the encoded values | how often they occur, or where first |
//! | `gathered` | places in the order | the values |

mod merge;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, LargeListArray, UInt64Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, UInt64Type};

pub(super) use self::merge::{Gathering, Merged, RunKeys};
use super::rows::{vec_growth, vec_memory};
use crate::error::{Error, Result};

/// A group has no more runs than that, so that merging them takes little memory.
const MOST_RUNS: usize = 16;
/// So many of them, the smallest, become one where there would be more: each row is written anew a number of times that
/// grows as the logarithm of the rows.
const JOINED_RUNS: usize = 8;
/// Rows of a block at most, and rows that are gathered at once.
const BLOCK_ROWS: usize = 8192;
/// Blocks that an accumulator may hold while a group is finished, besides those that are read.
const SLACK_BLOCKS: usize = 32;

/// The columns of a block.
pub type RunBlock = Vec<ArrayRef>;

/// The blocks of a run, in order.
pub type Blocks = Box<dyn Iterator<Item = Result<RunBlock>> + Send>;

/// How large a run is, or several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunSize {
    /// Its rows.
    pub rows: u64,
    /// Memory of all its blocks.
    pub memory: u64,
    /// Bytes of texts and lists in the last column.
    pub value_bytes: u64,
    /// Memory that reading takes: its largest block.
    pub reading: u64,
}

impl RunSize {
    /// Of runs that are read at the same time.
    fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            memory: self.memory + other.memory,
            value_bytes: self.value_bytes + other.value_bytes,
            reading: self.reading + other.reading,
        }
    }
}

/// Where runs are kept. Ids are of all accumulators of an aggregation.
pub trait RunStore: Send + Sync {
    /// Keeps a run, and gives its id.
    ///
    /// # Errors
    /// Where the disk or the quota is full, and those of the blocks.
    fn write(&self, blocks: &mut dyn Iterator<Item = Result<RunBlock>>) -> Result<u64>;

    /// Reads a run for the only time.
    ///
    /// # Errors
    /// Where there is no such run.
    fn read(&self, run: u64) -> Result<Blocks>;

    /// How large a run is.
    fn size(&self, run: u64) -> RunSize;

    /// How large a block may become, but for one of a single row.
    fn block_bytes(&self) -> usize;
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

    fn store(&self) -> Result<&Arc<dyn RunStore>> {
        self.store.as_ref().ok_or_else(|| Error::internal("runs without a place of their own"))
    }

    /// How large a block may become.
    pub(super) fn block_bytes(&self) -> usize {
        self.store.as_ref().map_or(usize::MAX, |store| store.block_bytes())
    }

    /// Bytes that may be held while a group is finished.
    pub(super) fn slack(&self) -> usize {
        self.block_bytes().saturating_mul(SLACK_BLOCKS)
    }

    /// Whether each of so many groups has any.
    pub(super) fn of_groups(&self, group_count: usize) -> Vec<bool> {
        let mut any = vec![false; group_count];
        self.runs.iter().for_each(|run| any[run.0 as usize] = true);
        any
    }

    /// Writes a run of a group, which has its `own` runs already. Where they are many, some are made one: `join` makes the
    /// blocks of merged runs, each of so many rows.
    pub(super) fn write<K: RunKeys>(
        &mut self,
        group: u32,
        own: &[u64],
        blocks: &mut dyn Iterator<Item = Result<RunBlock>>,
        join: impl Fn(Merged<K>, usize) -> Blocks,
    ) -> Result<()> {
        self.join_to::<K>(MOST_RUNS - 1, group, own.to_vec(), &join)?;
        self.runs.push((group, self.store()?.write(blocks)?));
        Ok(())
    }

    /// Makes the runs of each group as few as they may be: states that were merged bring more together.
    pub(super) fn join<K: RunKeys>(&mut self, join: impl Fn(Merged<K>, usize) -> Blocks) -> Result<()> {
        let many = self.by_group().into_iter().filter(|(_, own)| own.len() > MOST_RUNS);
        many.into_iter().try_for_each(|(group, own)| self.join_to::<K>(MOST_RUNS, group, own, &join))
    }

    fn join_to<K: RunKeys>(
        &mut self,
        most: usize,
        group: u32,
        mut own: Vec<u64>,
        join: &impl Fn(Merged<K>, usize) -> Blocks,
    ) -> Result<()> {
        let store = self.store()?.clone();
        while own.len() > most {
            own.sort_by_key(|run| std::cmp::Reverse(store.size(*run).rows));
            let smallest = own.split_off(own.len() - JOINED_RUNS);
            let rows = self.rows_at_once(self.size(&smallest));
            let joined = store.write(&mut join(self.merged::<K>(&smallest)?, rows))?;
            self.runs.retain(|run| !smallest.contains(&run.1));
            self.runs.push((group, joined));
            own.push(joined);
        }
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

    /// How large some runs are together.
    pub(super) fn size(&self, runs: &[u64]) -> RunSize {
        let Some(store) = &self.store else { return RunSize::default() };
        runs.iter().map(|run| store.size(*run)).fold(RunSize::default(), RunSize::and)
    }

    /// How large the runs of each group are.
    pub(super) fn sizes(&self) -> Vec<RunSize> {
        self.by_group().values().map(|runs| self.size(runs)).collect()
    }

    /// How many rows of that size make up a block, on average.
    pub(super) fn rows_at_once(&self, size: RunSize) -> usize {
        let fitting = (self.block_bytes() as u64).saturating_mul(size.rows) / size.memory.max(1);
        usize::try_from(fitting).unwrap_or(BLOCK_ROWS).clamp(1, BLOCK_ROWS)
    }

    /// The rows of some runs, in the order of their keys.
    pub(super) fn merged<K: RunKeys>(&self, runs: &[u64]) -> Result<Merged<K>> {
        let store = self.store()?;
        Merged::new(runs.iter().map(|run| store.read(*run)))
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

    /// Bytes by which `memory` rises with so many groups.
    pub(super) fn growth(new_groups: usize) -> usize {
        (new_groups + 1) * size_of::<i64>()
    }

    /// Bytes by which it can rise at most with those ids.
    pub(super) fn merge_growth(&self, state: &ArrayRef) -> usize {
        let ends =
            state.as_list_opt::<i64>().map(|lists| (lists.value_offsets().first(), lists.value_offsets().last()));
        let Some((Some(first), Some(last))) = ends else { return 0 };
        2 * vec_growth(&self.runs, (last - first) as usize)
    }

    /// Memory that reading the runs of one group takes at most: each block twice, while it is decompressed.
    pub(super) fn reading(&self) -> usize {
        let reading = self.sizes().iter().map(|size| 2 * size.reading).max().unwrap_or(0);
        usize::try_from(reading).unwrap_or(usize::MAX)
    }
}
