//! `median`, `quantile` and `quantile_disc`: they keep the values of all groups and sort each group at the end. What a
//! large group has too much of goes to disk in sorted runs.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, LargeListArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Float64Type};

use super::rows::vec_memory;
use super::runs::{Merged, RunStore, Runs};
use super::values::{Ranked, with_primitive};
use super::{Accumulator, FinishGrowth, GroupedRows};
use crate::batch::variable_bytes;
use crate::error::{Error, Result};

/// The value at `fraction` of the sorted values, interpolated between the two next to it.
pub(super) fn continuous(fraction: f64) -> Box<dyn Accumulator> {
    Box::new(Collected::<Float64Type, _>::new(&DataType::Float64, Continuous(fraction)))
}

/// The first of the sorted values that at least `fraction` of them do not exceed.
pub(super) fn discrete(fraction: f64, data_type: &DataType) -> Result<Box<dyn Accumulator>> {
    with_primitive!(data_type, Kept => {
        Ok(Box::new(Collected::<Kept, _>::new(data_type, Discrete(fraction))) as Box<dyn Accumulator>)
    })
}

/// The value at a share of the way from one to the next.
pub(super) fn between(low: f64, high: f64, share: f64) -> f64 {
    // Equal infinities have no difference.
    if share == 0.0 || low.rank(high) == Ordering::Equal {
        return low;
    }
    let distance = high - low;
    // It may be infinite where what lies between is not.
    if distance.is_finite() { low + distance * share } else { low * (1.0 - share) + high * share }
}

/// What is made of the values of a group, of which there is at least one, all [`Ranked::normal`]. Both ways give the same.
pub(super) trait OfSorted<N: Ranked>: Send {
    /// Of all values, in any order.
    fn of(&self, values: &mut [N]) -> N;

    /// Of so many values that come in order.
    fn of_sorted(&self, count: usize, values: &mut dyn Iterator<Item = Result<N>>) -> Result<N>;
}

/// One of the sorted values, or between two of them.
trait Pick<N: Ranked>: Send {
    /// The index of the value that is looked for.
    fn index(&self, count: usize) -> usize;

    /// The result, of that value and the next one.
    fn pick(&self, count: usize, value: N, next: Option<N>) -> N;
}

impl<N: Ranked, P: Pick<N>> OfSorted<N> for P {
    fn of(&self, values: &mut [N]) -> N {
        let count = values.len();
        let (_, &mut value, above) = values.select_nth_unstable_by(self.index(count), |a, b| a.rank_normal(*b));
        self.pick(count, value, above.iter().copied().min_by(|a, b| a.rank_normal(*b)))
    }

    fn of_sorted(&self, count: usize, values: &mut dyn Iterator<Item = Result<N>>) -> Result<N> {
        for _ in 0..self.index(count) {
            values.next().transpose()?;
        }
        let value = values.next().transpose()?.ok_or_else(|| Error::internal("a run ends early"))?;
        Ok(self.pick(count, value, values.next().transpose()?))
    }
}

struct Continuous(f64);

impl Continuous {
    fn place(&self, count: usize) -> f64 {
        self.0 * (count - 1) as f64
    }
}

impl Pick<f64> for Continuous {
    fn index(&self, count: usize) -> usize {
        self.place(count).floor() as usize
    }

    fn pick(&self, count: usize, low: f64, next: Option<f64>) -> f64 {
        let share = self.place(count) - self.index(count) as f64;
        match next {
            Some(high) => between(low, high, share),
            None => low,
        }
    }
}

struct Discrete(f64);

impl<N: Ranked> Pick<N> for Discrete {
    fn index(&self, count: usize) -> usize {
        // 0.07 of 100 values is a hair more than 7, since 0.07 is no double, and the seventh is meant.
        let (place, nearest) = (self.0 * count as f64, (self.0 * count as f64).round());
        let is_whole = (place - nearest).abs() <= 2.0 * f64::EPSILON * place;
        let rank = if is_whole { nearest } else { place.ceil() } as usize;
        rank.clamp(1, count) - 1
    }

    fn pick(&self, _: usize, value: N, _: Option<N>) -> N {
        value
    }
}

/// Values in a chunk. Chunks, because one vector of all values would need twice its size to grow.
const CHUNK: usize = 4096;

struct Chunk<N> {
    groups: Vec<u32>,
    values: Vec<N>,
}

fn run_block<T: ArrowPrimitiveType>(values: &[T::Native], data_type: &DataType) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(values.to_vec().into(), None).with_data_type(data_type.clone()))
}

/// All values of all groups, and how one is picked, or made, from those of a group.
pub(super) struct Collected<T: ArrowPrimitiveType, P> {
    data_type: DataType,
    pick: P,
    group_count: usize,
    chunks: Vec<Chunk<T::Native>>,
    /// The values that are not in `chunks`.
    runs: Runs,
}

impl<T: ArrowPrimitiveType, P> Collected<T, P>
where
    T::Native: Ranked,
{
    pub(super) fn new(data_type: &DataType, pick: P) -> Self {
        Self { data_type: data_type.clone(), pick, group_count: 0, chunks: Vec::new(), runs: Runs::default() }
    }

    #[inline]
    fn push(&mut self, group: u32, value: T::Native) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.values.len() < CHUNK => {
                chunk.groups.push(group);
                chunk.values.push(value.normal());
            }
            _ => {
                // The first chunk grows, so that few values need little memory.
                let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
                let mut chunk = Chunk { groups: Vec::with_capacity(capacity), values: Vec::with_capacity(capacity) };
                chunk.groups.push(group);
                chunk.values.push(value.normal());
                self.chunks.push(chunk);
            }
        }
    }

    /// The values sorted by group, and where those of each group start; leaves nothing behind.
    fn by_group(&mut self) -> (Vec<T::Native>, Vec<i64>) {
        let chunks = std::mem::take(&mut self.chunks);
        let mut starts = vec![0i64; std::mem::take(&mut self.group_count) + 1];
        for &group in chunks.iter().flat_map(|chunk| &chunk.groups) {
            starts[group as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![T::Native::default(); chunks.iter().map(|chunk| chunk.values.len()).sum()];
        for chunk in chunks {
            for (group, value) in chunk.groups.into_iter().zip(chunk.values) {
                let place = &mut next[group as usize];
                sorted[*place as usize] = value;
                *place += 1;
            }
        }
        (sorted, starts)
    }

    /// Writes the values of groups as runs: `chosen(group, count)` says which. Whether there was any.
    fn write_runs(&mut self, chosen: impl Fn(u32, usize) -> bool) -> Result<bool> {
        let group_count = self.group_count;
        let mut counts = vec![0usize; group_count];
        for &group in self.chunks.iter().flat_map(|chunk| &chunk.groups) {
            counts[group as usize] += 1;
        }
        let is_chosen: Vec<bool> =
            (0..).zip(&counts).map(|(group, count)| *count > 0 && chosen(group, *count)).collect();
        if !is_chosen.contains(&true) {
            return Ok(false);
        }
        let (mut values, starts) = self.by_group();
        let known = self.runs.by_group();
        let block_values = (self.runs.block_bytes() / size_of::<T::Native>()).max(1);
        self.group_count = group_count;
        for (group, (ends, chosen)) in (0..).zip(starts.windows(2).zip(is_chosen)) {
            let values = &mut values[ends[0] as usize..ends[1] as usize];
            if chosen {
                values.sort_unstable_by(|a, b| a.rank_normal(*b));
                let own = known.get(&group).map_or(&[][..], Vec::as_slice);
                let data_type = &self.data_type;
                let mut blocks = values.chunks(block_values).map(|values| Ok(vec![run_block::<T>(values, data_type)]));
                self.runs.write::<PrimitiveArray<T>>(group, own, &mut blocks, Merged::into_blocks)?;
            } else {
                values.iter().for_each(|value| self.push(group, *value));
            }
        }
        Ok(true)
    }

    fn array(&self, values: Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let array = PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), nulls)?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

impl<T: ArrowPrimitiveType, P: OfSorted<T::Native>> Collected<T, P>
where
    T::Native: Ranked,
{
    fn pick_merged(&self, runs: &Runs, own: &[u64]) -> Result<T::Native> {
        let count = runs.size(own).rows;
        let count = usize::try_from(count).map_err(|_| Error::internal("more values than can be counted"))?;
        self.pick.of_sorted(count, &mut runs.merged::<PrimitiveArray<T>>(own)?)
    }
}

impl<T: ArrowPrimitiveType, P> Accumulator for Collected<T, P>
where
    T::Native: Ranked,
    P: OfSorted<T::Native>,
{
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("a quantile takes an argument"))?;
        let column = column.as_primitive::<T>();
        self.group_count = rows.group_count;
        rows.for_each(column.nulls(), |row, group| self.push(group as u32, column.value(row)));
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let lists = states.first().ok_or_else(|| Error::internal("the state of a quantile has a column"))?;
        let lists = lists.as_list::<i64>();
        let values = lists.values().as_primitive::<T>().values();
        self.group_count = group_count;
        for (&group, ends) in groups.iter().zip(lists.offsets().windows(2)) {
            for &value in &values[ends[0] as usize..ends[1] as usize] {
                self.push(group, value);
            }
        }
        self.runs.merge(states.get(1), groups)
    }

    fn use_runs(&mut self, store: &Arc<dyn RunStore>) {
        self.runs.connect(store);
    }

    fn shed(&mut self, least: usize) -> Result<bool> {
        let width = size_of::<T::Native>();
        Ok(self.runs.can_write() && self.write_runs(|_, count| count * width >= least)?)
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let runs = self.runs.state(self.group_count)?;
        let (values, starts) = self.by_group();
        let field = Arc::new(Field::new_list_field(self.data_type.clone(), true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(starts));
        Ok(vec![Arc::new(LargeListArray::try_new(field, offsets, self.array(values, None)?, None)?), runs])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::LargeList(Arc::new(Field::new_list_field(self.data_type.clone(), true))), Runs::state_type()]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        if !self.runs.is_empty() {
            // Then all values of a group are in its runs, or none.
            let with_runs = self.runs.of_groups(self.group_count);
            self.write_runs(|group, _| with_runs[group as usize])?;
        }
        let runs = std::mem::take(&mut self.runs);
        let (mut values, starts) = self.by_group();
        let ends = || starts.windows(2).map(|ends| ends[0] as usize..ends[1] as usize);
        let mut valid: Vec<bool> = ends().map(|range| !range.is_empty()).collect();
        let picked = ends().map(|range| match &mut values[range] {
            [] => T::Native::default(),
            values => self.pick.of(values),
        });
        let mut picked: Vec<_> = picked.collect();
        for (group, own) in runs.by_group() {
            picked[group as usize] = self.pick_merged(&runs, &own)?;
            valid[group as usize] = true;
        }
        self.array(picked, Some(NullBuffer::from(valid)))
    }

    fn join_runs(&mut self) -> Result<()> {
        self.runs.join::<PrimitiveArray<T>>(Merged::into_blocks)
    }

    fn finish_growth(&self) -> FinishGrowth {
        FinishGrowth { meanwhile: self.runs.reading(), results: 0 }
    }

    /// Sorting by group needs the values a second time, and two numbers a group.
    fn memory(&self) -> usize {
        let chunk = |chunk: &Chunk<T::Native>| {
            vec_memory(&chunk.groups) + vec_memory(&chunk.values) + chunk.values.len() * size_of::<T::Native>()
        };
        let full = self.chunks.len().saturating_sub(2) * CHUNK * (size_of::<u32>() + 2 * size_of::<T::Native>());
        let ends = self.chunks.first().into_iter().chain(self.chunks.iter().skip(1).last());
        full + ends.map(chunk).sum::<usize>()
            + self.group_count * (2 * size_of::<i64>() + size_of::<T::Native>())
            + self.runs.memory(self.group_count)
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        let values = rows + bytes / size_of::<T::Native>();
        let per_value = size_of::<u32>() + 2 * size_of::<T::Native>();
        // A new chunk is allocated as a whole; the first one doubles instead.
        let chunk = if self.chunks.is_empty() { values.min(CHUNK) } else { CHUNK };
        (values + chunk) * per_value
            + new_groups * (2 * size_of::<i64>() + size_of::<T::Native>())
            + Runs::growth(new_groups)
    }

    fn merge_growth(&self, states: &[ArrayRef], new_groups: usize) -> usize {
        let Some((runs, values)) = states.split_last() else { return 0 };
        let bytes = values.iter().map(variable_bytes).sum();
        self.growth(runs.len(), new_groups, bytes) + self.runs.merge_growth(runs)
    }
}
