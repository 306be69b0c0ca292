//! `median`, `quantile` and `quantile_disc`: they keep the values of all groups and sort each group at the end.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, LargeListArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Float64Type};

use super::rows::vec_memory;
use super::values::{Ranked, with_primitive};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// The value at `fraction` of the sorted values, interpolated between the two next to it.
pub(super) fn continuous(fraction: f64) -> Box<dyn Accumulator> {
    let pick = move |values: &mut [f64]| interpolated(values, fraction);
    Box::new(Collected::<Float64Type, _>::new(&DataType::Float64, pick))
}

/// The first of the sorted values that at least `fraction` of them do not exceed.
pub(super) fn discrete(fraction: f64, data_type: &DataType) -> Result<Box<dyn Accumulator>> {
    with_primitive!(data_type, Kept => {
        let pick = move |values: &mut [<Kept as ArrowPrimitiveType>::Native]| {
            let rank = (fraction * values.len() as f64).ceil() as usize;
            let index = rank.clamp(1, values.len()) - 1;
            *values.select_nth_unstable_by(index, |a, b| a.rank(*b)).1
        };
        Ok(Box::new(Collected::<Kept, _>::new(data_type, pick)) as Box<dyn Accumulator>)
    })
}

fn interpolated(values: &mut [f64], fraction: f64) -> f64 {
    let place = fraction * (values.len() - 1) as f64;
    let index = place.floor() as usize;
    let (_, &mut low, above) = values.select_nth_unstable_by(index, |a, b| a.rank(*b));
    let share = place - index as f64;
    above.iter().copied().min_by(|a, b| a.rank(*b)).map_or(low, |high| between(low, high, share))
}

/// The value at a share of the way from one to the next.
pub(super) fn between(low: f64, high: f64, share: f64) -> f64 {
    // Equal infinities have no difference.
    if share > 0.0 && low.rank(high) != Ordering::Equal { low + (high - low) * share } else { low }
}

/// Values in a chunk. Chunks, because one vector of all values would need twice its size to grow.
const CHUNK: usize = 4096;

struct Chunk<N> {
    groups: Vec<u32>,
    values: Vec<N>,
}

/// All values of all groups, and how one is picked, or made, from those of a group.
pub(super) struct Collected<T: ArrowPrimitiveType, P> {
    data_type: DataType,
    pick: P,
    group_count: usize,
    chunks: Vec<Chunk<T::Native>>,
}

impl<T: ArrowPrimitiveType, P> Collected<T, P>
where
    T::Native: Ranked,
{
    pub(super) fn new(data_type: &DataType, pick: P) -> Self {
        Self { data_type: data_type.clone(), pick, group_count: 0, chunks: Vec::new() }
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

    fn array(&self, values: Vec<T::Native>, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let array = PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), nulls)?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}

impl<T: ArrowPrimitiveType, P> Accumulator for Collected<T, P>
where
    T::Native: Ranked,
    P: Fn(&mut [T::Native]) -> T::Native + Send,
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
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let (values, starts) = self.by_group();
        let field = Arc::new(Field::new_list_field(self.data_type.clone(), true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(starts));
        Ok(vec![Arc::new(LargeListArray::try_new(field, offsets, self.array(values, None)?, None)?)])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::LargeList(Arc::new(Field::new_list_field(self.data_type.clone(), true)))]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let (mut values, starts) = self.by_group();
        let ends = || starts.windows(2).map(|ends| ends[0] as usize..ends[1] as usize);
        let nulls: NullBuffer = ends().map(|range| !range.is_empty()).collect();
        let picked = ends().map(|range| match &mut values[range] {
            [] => T::Native::default(),
            values => (self.pick)(values),
        });
        let picked = picked.collect();
        self.array(picked, Some(nulls))
    }

    /// Sorting by group needs the values a second time, and two numbers a group.
    fn memory(&self) -> usize {
        let chunk = |chunk: &Chunk<T::Native>| {
            vec_memory(&chunk.groups) + vec_memory(&chunk.values) + chunk.values.len() * size_of::<T::Native>()
        };
        let full = self.chunks.len().saturating_sub(2) * CHUNK * (size_of::<u32>() + 2 * size_of::<T::Native>());
        let ends = self.chunks.first().into_iter().chain(self.chunks.iter().skip(1).last());
        full + ends.map(chunk).sum::<usize>() + self.group_count * (2 * size_of::<i64>() + size_of::<T::Native>())
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        let values = rows + bytes / size_of::<T::Native>();
        let per_value = size_of::<u32>() + 2 * size_of::<T::Native>();
        // A new chunk is allocated as a whole; the first one doubles instead.
        let chunk = if self.chunks.is_empty() { values.min(CHUNK) } else { CHUNK };
        (values + chunk) * per_value + new_groups * (2 * size_of::<i64>() + size_of::<T::Native>())
    }
}
