//! `count(*)` and `count(x)`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::column::{HeldColumn, count_valid};
use super::{Frames, SlidingAggregate, WindowKind};
use crate::error::Result;

pub(super) struct Count {
    kind: WindowKind,
    start: u64,
    end: u64,
    count: u64,
}

impl Count {
    pub(super) fn new(kind: WindowKind) -> Self {
        Self { kind, start: 0, end: 0, count: 0 }
    }

    fn slide_to(&mut self, column: &HeldColumn, start: u64, end: u64) -> Result<()> {
        if start >= self.end {
            (self.start, self.end, self.count) = (start, start, 0);
        }
        self.count += count_valid(column, self.end, end)?;
        self.end = self.end.max(end);
        self.count -= count_valid(column, self.start, start)?;
        self.start = start;
        Ok(())
    }
}

impl SlidingAggregate for Count {
    fn evaluate(&mut self, argument: Option<&HeldColumn>, frames: Frames<'_>) -> Result<ArrayRef> {
        let mut counts = Int64Array::builder(frames.starts.len());
        for (&start, &end) in frames.starts.iter().zip(frames.ends) {
            let rows = end - start;
            let count = match argument {
                None => rows,
                Some(column) => {
                    self.slide_to(column, start, end)?;
                    self.count
                }
            };
            counts.append_option((rows >= self.kind.min_periods).then_some(count as i64));
        }
        Ok(Arc::new(counts.finish()))
    }

    fn memory(&self) -> usize {
        0
    }

    fn growth(&self, _: usize, frames: usize, _: usize) -> usize {
        2 * frames * size_of::<i64>()
    }
}
