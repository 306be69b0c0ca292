//! `histogram`: how many values are in each of some bins of equal width. Counts add up in any order.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, LargeListArray, ListArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};

use super::rows::{vec_growth, vec_memory};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};
use crate::types::Scalar;

/// More bins are no histogram, and would fill the memory group by group.
const MOST_BINS: i64 = 100_000;

/// Bins of equal width from `low` to `high`, which belongs to the last one, as NumPy has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins {
    low: f64,
    high: f64,
    count: usize,
}

impl Bins {
    /// From the constants of a call.
    pub(super) fn new(constants: &[Scalar]) -> Result<Self> {
        let wrong = |what: &str| {
            Error::sql(format!("histogram: {what}")).with_hint("it is called as histogram(x, low, high, bins)")
        };
        let [low, high, count] = constants else { return Err(wrong("low, high and the number of bins are needed")) };
        let (Some(low), Some(high)) = (low.as_f64(), high.as_f64()) else {
            return Err(wrong("low and high must not be null"));
        };
        if !(low < high && (high - low).is_finite()) {
            return Err(wrong(&format!("low must be less than high, but they are {low} and {high}")));
        }
        match count.as_i64().filter(|count| (1..=MOST_BINS).contains(count)) {
            Some(count) => Ok(Self { low, high, count: count as usize }),
            None => Err(wrong(&format!("the number of bins must be from 1 to {MOST_BINS}, not {count}"))),
        }
    }

    fn edge(&self, bin: usize) -> f64 {
        if bin == self.count { self.high } else { self.low + (self.high - self.low) * (bin as f64 / self.count as f64) }
    }

    /// The bin of a value; `None` outside of all of them, and for NaN.
    fn find(&self, value: f64) -> Option<usize> {
        if !(self.low..=self.high).contains(&value) {
            return None;
        }
        let share = (value - self.low) / (self.high - self.low);
        let bin = ((share * self.count as f64) as usize).min(self.count - 1);
        // What was rounded may be off by one.
        Some(if value < self.edge(bin) {
            bin.saturating_sub(1)
        } else if bin + 1 < self.count && value >= self.edge(bin + 1) {
            bin + 1
        } else {
            bin
        })
    }
}

/// Counts of all bins of all groups, group by group.
pub(super) struct Histogram {
    bins: Bins,
    counts: Vec<i64>,
}

impl Histogram {
    pub(super) fn new(bins: Bins) -> Self {
        Self { bins, counts: Vec::new() }
    }

    /// All counts, and where those of each group start; leaves none behind.
    fn take(&mut self) -> (ArrayRef, usize) {
        let groups = self.counts.len() / self.bins.count;
        (Arc::new(Int64Array::from(std::mem::take(&mut self.counts))), groups)
    }
}

fn item_field() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Int64, true))
}

impl Accumulator for Histogram {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("histogram takes an argument"))?;
        let column = column.as_primitive::<Float64Type>();
        let Self { bins, counts } = self;
        counts.resize(rows.group_count * bins.count, 0);
        rows.for_each_value(column.values(), arrow::array::Array::nulls(column), |group, value| {
            if let Some(bin) = bins.find(value) {
                counts[group * bins.count + bin] += 1;
            }
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let state = states.first().ok_or_else(|| Error::internal("the state of a histogram has a column"))?;
        let lists = state.as_list::<i64>();
        let values = lists.values().as_primitive::<Int64Type>().values();
        let bins = self.bins.count;
        self.counts.resize(group_count * bins, 0);
        for (&group, start) in groups.iter().zip(lists.value_offsets()) {
            let start = *start as usize;
            let own = &mut self.counts[group as usize * bins..][..bins];
            own.iter_mut().zip(&values[start..start + bins]).for_each(|(count, more)| *count += more);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let bins = self.bins.count;
        let (counts, groups) = self.take();
        let offsets = OffsetBuffer::from_repeated_length(bins, groups);
        Ok(vec![Arc::new(LargeListArray::try_new(item_field(), offsets, counts, None)?)])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::LargeList(item_field())]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let bins = self.bins.count;
        let (counts, groups) = self.take();
        let offset = |group: usize| i32::try_from(group * bins);
        let offsets = (0..=groups).map(offset).collect::<Result<Vec<_>, _>>().map_err(|_| {
            Error::resource("the histograms of all groups at work have more than 2147483647 bins")
                .with_hint("use fewer bins, or a smaller --memory-limit, so that fewer groups are at work at a time")
        })?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(ListArray::try_new(item_field(), offsets, counts, None)?))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.counts) + (self.counts.len() / self.bins.count + 1) * size_of::<i64>()
    }

    fn growth(&self, _: usize, new_groups: usize, _: usize) -> usize {
        // The first group is there without being new where there are no keys.
        let groups = new_groups.max(usize::from(self.counts.is_empty()));
        vec_growth(&self.counts, groups * self.bins.count) + groups * size_of::<i64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_bin_above_them_and_the_last_one_to_the_last_bin() {
        let bins = Bins::new(&[Scalar::float64(0.0), Scalar::float64(0.3), Scalar::int64(3)]).unwrap();
        assert_eq!([0.0, 0.05, 0.1, 0.2, 0.25, 0.3].map(|x| bins.find(x)), [0, 0, 1, 2, 2, 2].map(Some));
        assert_eq!([-0.001, 0.301, f64::NAN, f64::INFINITY].map(|x| bins.find(x)), [None; 4]);
        for bin in 0..3 {
            assert_eq!(bins.find(bins.edge(bin)), Some(bin));
        }
    }

    #[test]
    fn bins_that_are_none_are_refused() {
        let of = |low: f64, high: f64, count: i64| {
            Bins::new(&[Scalar::float64(low), Scalar::float64(high), Scalar::int64(count)])
        };
        for wrong in
            [of(1.0, 1.0, 3), of(2.0, 1.0, 3), of(f64::NAN, 1.0, 3), of(0.0, f64::INFINITY, 3), of(0.0, 1.0, 0)]
        {
            assert!(wrong.unwrap_err().to_string().contains("histogram"));
        }
        assert!(of(0.0, 1.0, MOST_BINS + 1).is_err());
        assert!(Bins::new(&[]).is_err());
    }
}
