//! Puts the small batches that a selective condition leaves together to larger ones.

use arrow::array::RecordBatch;
use arrow::compute::BatchCoalescer;

use super::compact;
use crate::error::Result;

/// Collects rows until there are enough for a batch, in their order. Batches of at least a quarter of that are passed
/// on without another copy.
#[derive(Debug)]
pub struct Coalescer {
    batch_size: usize,
    /// Made with the first batch, which tells the schema.
    rest: Option<BatchCoalescer>,
}

impl Coalescer {
    /// Batches of at most `batch_size` rows.
    pub fn new(batch_size: usize) -> Self {
        Self { batch_size, rest: None }
    }

    /// Adds a batch of at least one column.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let pass = (self.batch_size / 4).max(1);
        let rest = self.rest.get_or_insert_with(|| {
            BatchCoalescer::new(batch.schema(), self.batch_size).with_biggest_coalesce_batch_size(Some(pass))
        });
        // A few rows that wait must not hold on to the text of all batches they came from.
        let batch = if batch.num_rows() > pass { batch } else { compact(&batch)? };
        Ok(rest.push_batch(batch)?)
    }

    /// The next batch that is complete.
    pub fn pop(&mut self) -> Option<RecordBatch> {
        self.rest.as_mut()?.next_completed_batch()
    }

    /// Completes a batch of what is left, which then can be taken.
    pub fn finish(&mut self) -> Result<()> {
        match &mut self.rest {
            Some(rest) => Ok(rest.finish_buffered_batch()?),
            None => Ok(()),
        }
    }
}
