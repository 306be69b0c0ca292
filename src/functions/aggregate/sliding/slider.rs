//! The loop over frames: which values enter, which leave, and when a result is told.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::column::{HeldColumn, Reader};
use super::{Frames, SlidingAggregate, WindowKind};
use crate::error::{Error, Result};
use crate::functions::aggregate::values::Values;

/// What an aggregate keeps of the values in a window.
pub(super) trait Slide: Send {
    /// What it takes.
    type Input: Values;
    /// What it gives.
    type Output: Values;

    /// A value enters in front; `column` holds it and, unless windows only grow, all others of the window.
    fn enter(&mut self, row: u64, value: <Self::Input as Values>::Item<'_>, column: &HeldColumn) -> Result<()>;

    /// A value leaves behind.
    fn leave(&mut self, row: u64, value: <Self::Input as Values>::Item<'_>);

    /// All values leave at once.
    fn clear(&mut self);

    /// The result for the values inside, of which there are `count`, at least one.
    fn result<'a>(
        &'a mut self,
        count: u64,
        column: &'a HeldColumn,
    ) -> Result<Option<<Self::Output as Values>::Item<'a>>>;

    /// The row whose value the result is, where it is that of one. Such a row comes once and stays for a while.
    fn winner(&self) -> Option<u64> {
        None
    }

    /// Bytes of memory held.
    fn memory(&self) -> usize;

    /// Bytes by which that can rise at most while `rows` values enter, of columns that take so many bytes.
    fn growth(&self, rows: usize, bytes: usize) -> usize;
}

/// An aggregate of values that are not null.
pub(super) struct Slider<S> {
    slide: S,
    result_type: DataType,
    kind: WindowKind,
    /// The rows that are inside.
    start: u64,
    end: u64,
    /// How many of them are not null.
    count: u64,
}

impl<S: Slide> Slider<S> {
    pub(super) fn new(slide: S, result_type: &DataType, kind: WindowKind) -> Self {
        Self { slide, result_type: result_type.clone(), kind, start: 0, end: 0, count: 0 }
    }
}

impl<S: Slide> SlidingAggregate for Slider<S> {
    fn evaluate(&mut self, argument: Option<&HeldColumn>, frames: Frames<'_>) -> Result<ArrayRef> {
        let column = argument.ok_or_else(|| Error::internal("an aggregate over a window takes an argument"))?;
        let (mut entering, mut leaving) = (Reader::<S::Input>::new(column), Reader::<S::Input>::new(column));
        let wanted = self.kind.min_periods.max(1);
        let mut results = S::Output::new(&self.result_type);
        results.resize(frames.starts.len());
        let mut valid = vec![false; frames.starts.len()];
        let mut winner = None;
        for (index, (&start, &end)) in frames.starts.iter().zip(frames.ends).enumerate() {
            if start >= self.end {
                // Nothing of what was inside still is; rows between were in no window.
                self.slide.clear();
                (self.start, self.end, self.count) = (start, start, 0);
            }
            while self.end < end {
                if let Some(value) = entering.value(self.end)? {
                    self.slide.enter(self.end, value, column)?;
                    self.count += 1;
                }
                self.end += 1;
            }
            while self.start < start {
                if let Some(value) = leaving.value(self.start)? {
                    self.slide.leave(self.start, value);
                    self.count -= 1;
                }
                self.start += 1;
            }
            let before = winner.take();
            if self.count < wanted {
                continue;
            }
            winner = self.slide.winner();
            if winner.is_some() && winner == before {
                // One text for all frames in which it wins, not one for each.
                results.repeat(index);
                valid[index] = true;
            } else if let Some(result) = self.slide.result(self.count, column)? {
                results.set(index, result);
                valid[index] = true;
            }
        }
        results.take(Some(NullBuffer::from(valid)))
    }

    fn memory(&self) -> usize {
        self.slide.memory()
    }

    fn growth(&self, rows: usize, frames: usize, bytes: usize) -> usize {
        let results = S::Output::new(&self.result_type).growth(frames, bytes + self.slide.memory()) + frames;
        self.slide.growth(rows, bytes) + results
    }
}
