//! `median` and `quantile`.
//!
//! Two heaps, one of the values up to the wanted place with the largest on top, one of those above it with the smallest
//! on top (Härdle and Steiger, Optimal median smoothing, 1995). A value that leaves stays in its heap until it comes to
//! the top, or until half of all are such; as rows leave in their order, their number tells which those are. So a row
//! costs the logarithm of the window's length.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use arrow::datatypes::Float64Type;

use super::column::HeldColumn;
use super::slider::Slide;
use crate::error::{Error, Result};
use crate::functions::aggregate::quantile::between;
use crate::functions::aggregate::values::{PrimitiveValues, Ranked};

/// A value as an integer of the same order, and its row.
type Entry = (u64, u64);

/// So many entries that have left are not worth a pass over the heaps.
const FEW: usize = 64;

pub(super) struct Quantile {
    fraction: f64,
    /// The values up to the wanted place, as far as they are inside, and how many those are.
    low: BinaryHeap<Entry>,
    low_inside: u64,
    /// Those above it.
    high: BinaryHeap<Reverse<Entry>>,
    high_inside: u64,
    /// Rows before this one have left.
    first: u64,
}

impl Quantile {
    pub(super) fn new(fraction: f64) -> Self {
        let (low, high) = (BinaryHeap::new(), BinaryHeap::new());
        Self { fraction, low, low_inside: 0, high, high_inside: 0, first: 0 }
    }

    /// Whether an entry is, or belongs, in the lower heap: all there are less than all in the other one.
    #[inline]
    fn is_low(&self, entry: Entry) -> bool {
        self.low.peek().is_some_and(|largest| entry <= *largest)
    }

    /// The largest of the lower values that are inside.
    fn top_low(&mut self) -> Option<Entry> {
        while let Some(&entry) = self.low.peek() {
            if entry.1 >= self.first {
                return Some(entry);
            }
            self.low.pop();
        }
        None
    }

    /// The smallest of the upper values that are inside.
    fn top_high(&mut self) -> Option<Entry> {
        while let Some(&Reverse(entry)) = self.high.peek() {
            if entry.1 >= self.first {
                return Some(entry);
            }
            self.high.pop();
        }
        None
    }

    /// Brings the number of lower values to `wanted`.
    fn balance(&mut self, wanted: u64) {
        while self.low_inside < wanted
            && let Some(entry) = self.top_high()
        {
            self.high.pop();
            self.low.push(entry);
            self.low_inside += 1;
            self.high_inside -= 1;
        }
        while self.low_inside > wanted
            && let Some(entry) = self.top_low()
        {
            self.low.pop();
            self.high.push(Reverse(entry));
            self.low_inside -= 1;
            self.high_inside += 1;
        }
    }
}

/// Bytes by which a heap can rise.
fn heap_growth(length: usize, capacity: usize, rows: usize) -> usize {
    if length + rows <= capacity { 0 } else { 2 * (length + rows).max(4) * size_of::<Entry>() }
}

impl Slide for Quantile {
    type Input = PrimitiveValues<Float64Type>;
    type Output = PrimitiveValues<Float64Type>;

    fn enter(&mut self, row: u64, value: f64, _: &HeldColumn) -> Result<()> {
        let entry = (ordered(value), row);
        if self.is_low(entry) {
            self.low.push(entry);
            self.low_inside += 1;
        } else {
            self.high.push(Reverse(entry));
            self.high_inside += 1;
        }
        Ok(())
    }

    fn leave(&mut self, row: u64, value: f64) {
        let inside = if self.is_low((ordered(value), row)) { &mut self.low_inside } else { &mut self.high_inside };
        *inside -= 1;
        self.first = row + 1;
        let (entries, inside) = (self.low.len() + self.high.len(), self.low_inside + self.high_inside);
        if entries > 2 * inside as usize + FEW {
            let first = self.first;
            self.low.retain(|entry| entry.1 >= first);
            self.high.retain(|entry| entry.0.1 >= first);
        }
    }

    fn clear(&mut self) {
        self.low.clear();
        self.high.clear();
        (self.low_inside, self.high_inside) = (0, 0);
    }

    fn result<'a>(&'a mut self, count: u64, _: &'a HeldColumn) -> Result<Option<f64>> {
        let place = self.fraction * (count - 1) as f64;
        let index = place.floor();
        self.balance(index as u64 + 1);
        let low = self.top_low().ok_or_else(|| Error::internal("a window with values has no median"))?;
        let low = value_of(low.0);
        let share = place - index;
        Ok(Some(match self.top_high() {
            Some(high) if share > 0.0 => between(low, value_of(high.0), share),
            _ => low,
        }))
    }

    fn memory(&self) -> usize {
        (self.low.capacity() + self.high.capacity()) * size_of::<Entry>()
    }

    /// Any of the rows may go to either heap, and what is in one to the other.
    fn growth(&self, rows: usize, _: usize) -> usize {
        let entries = self.low.len() + self.high.len();
        heap_growth(entries, self.low.capacity(), rows) + heap_growth(entries, self.high.capacity(), rows)
    }
}

/// A double as an integer of the same order: all bits flipped where it is negative, else the sign.
#[inline]
fn ordered(value: f64) -> u64 {
    let bits = value.normal().to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The double of an integer that [`ordered`] made.
#[inline]
fn value_of(ordered: u64) -> f64 {
    f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
}
