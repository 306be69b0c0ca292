//! `min` and `max`.
//!
//! Of the values in a window only those matter that no later one beats: a queue of their rows, in which every value is
//! beaten by the one before it, so that the first is the result. Each row is put in once and taken out once (Lemire,
//! Streaming maximum-minimum filter using no more than three comparisons per element, 2006). A window that only grows
//! needs no more than its best value.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::marker::PhantomData;

use arrow::datatypes::DataType;

use super::column::HeldColumn;
use super::slider::{Slide, Slider};
use super::{SlidingAggregate, WindowKind};
use crate::error::{Error, Result};
use crate::functions::aggregate::values::{Values, with_values};

/// `min` for `Less`, `max` for `Greater`.
pub(super) fn extreme(beats: Ordering, data_type: &DataType, kind: WindowKind) -> Result<Box<dyn SlidingAggregate>> {
    with_values!(data_type, Kept => Ok(if kind.only_grows {
        let mut best = Kept::new(data_type);
        best.resize(1);
        Box::new(Slider::new(Best { beats, best, row: None }, data_type, kind)) as Box<dyn SlidingAggregate>
    } else {
        let unbeaten = Unbeaten::<Kept> { beats, rows: VecDeque::new(), values: PhantomData };
        Box::new(Slider::new(unbeaten, data_type, kind)) as Box<dyn SlidingAggregate>
    }))
}

/// Of a window whose rows leave again.
struct Unbeaten<V> {
    /// How a value compares to one that it beats.
    beats: Ordering,
    rows: VecDeque<u64>,
    values: PhantomData<fn() -> V>,
}

impl<V: Values> Slide for Unbeaten<V> {
    type Input = V;
    type Output = V;

    fn enter(&mut self, row: u64, value: V::Item<'_>, column: &HeldColumn) -> Result<()> {
        while let Some(&last) = self.rows.back() {
            let order = V::compare(value, column.value::<V>(last)?);
            if order != self.beats && order != Ordering::Equal {
                break;
            }
            self.rows.pop_back();
        }
        self.rows.push_back(row);
        Ok(())
    }

    #[inline]
    fn leave(&mut self, row: u64, _: V::Item<'_>) {
        if self.rows.front() == Some(&row) {
            self.rows.pop_front();
        }
    }

    fn clear(&mut self) {
        self.rows.clear();
    }

    fn result<'a>(&'a mut self, _: u64, column: &'a HeldColumn) -> Result<Option<V::Item<'a>>> {
        let first = self.rows.front().ok_or_else(|| Error::internal("a window with values has no least one"))?;
        column.value::<V>(*first).map(Some)
    }

    fn winner(&self) -> Option<u64> {
        self.rows.front().copied()
    }

    fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<u64>()
    }

    fn growth(&self, rows: usize, _: usize) -> usize {
        let needed = self.rows.len() + rows;
        if needed <= self.rows.capacity() { 0 } else { 2 * needed.max(4) * size_of::<u64>() }
    }
}

/// Of a window that only grows.
struct Best<V> {
    beats: Ordering,
    best: V,
    /// The row of the best value; `None` before the first one.
    row: Option<u64>,
}

impl<V: Values> Slide for Best<V> {
    type Input = V;
    type Output = V;

    #[inline]
    fn enter(&mut self, row: u64, value: V::Item<'_>, _: &HeldColumn) -> Result<()> {
        if self.row.is_none() || V::compare(value, self.best.get(0)) == self.beats {
            self.row = Some(row);
            self.best.set(0, value);
        }
        Ok(())
    }

    fn leave(&mut self, _: u64, _: V::Item<'_>) {}

    fn clear(&mut self) {
        self.row = None;
    }

    fn result<'a>(&'a mut self, _: u64, _: &'a HeldColumn) -> Result<Option<V::Item<'a>>> {
        Ok(Some(self.best.get(0)))
    }

    fn winner(&self) -> Option<u64> {
        self.row
    }

    fn memory(&self) -> usize {
        self.best.memory()
    }

    /// A value that is replaced leaves a gap, and gaps are closed by a copy.
    fn growth(&self, _: usize, bytes: usize) -> usize {
        2 * self.best.growth(0, bytes)
    }
}
