//! Windows of late reading: which rows of some that follow each other passed the conditions, and what was read of them.

use std::sync::Arc;

use arrow::array::{BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use super::batches::BatchReader;
use crate::batch::{batch_memory, compact, record_batch};
use crate::error::Result;

/// Bytes of a run of rows in a selection, which whoever reads by it copies.
const SELECTOR_BYTES: usize = 2 * size_of::<RowSelector>();

/// The rows of a window that passed.
pub(super) struct Window {
    pub selection: RowSelection,
    /// What was read of them, by the table's columns `slots`.
    pub held: RecordBatch,
    pub slots: Vec<usize>,
    /// Reads what is missing; `None` where nothing is.
    pub missing: Option<BatchReader>,
    pub missing_slots: Vec<usize>,
    /// Rows put out.
    pub done: usize,
    /// Bytes of what is held and of the selection.
    pub bytes: u64,
    /// Bytes that are reserved.
    pub reserved: u64,
}

/// Rows that pass a stage, as they are found.
pub(super) struct Passed {
    mask: BooleanBufferBuilder,
    batches: Vec<RecordBatch>,
    /// The columns that are needed later, as places in the batches.
    places: Vec<usize>,
    slots: Vec<usize>,
    schema: SchemaRef,
    /// Bytes of the rows, and of the selection of them.
    rows_bytes: u64,
    selection_bytes: u64,
}

impl Passed {
    pub fn new(slots: &[usize], is_later: impl Fn(&usize) -> bool, schema: &SchemaRef) -> Self {
        let places: Vec<usize> = (0..slots.len()).filter(|place| is_later(&slots[*place])).collect();
        let kept = places.iter().map(|place| slots[*place]).collect();
        let fields: Vec<_> = places.iter().map(|place| schema.fields()[*place].clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        Self {
            mask: BooleanBufferBuilder::new(0),
            batches: Vec::new(),
            places,
            slots: kept,
            schema,
            rows_bytes: 0,
            selection_bytes: 0,
        }
    }

    /// Bytes of the rows that passed, and of the selection of them.
    pub fn held(&self) -> u64 {
        self.rows_bytes + self.selection_bytes
    }

    /// Bytes that are to be reserved. Rows are held twice for a moment, when batches are put together.
    pub fn bytes(&self) -> u64 {
        let copies = if self.batches.len() > 1 { 2 } else { 1 };
        self.rows_bytes * copies + self.selection_bytes
    }

    pub fn add(&mut self, batch: &RecordBatch, mask: &BooleanArray) -> Result<()> {
        self.mask.append_buffer(mask.values());
        let kept = mask.true_count();
        // Each run of rows that pass, or do not, is a selector.
        let runs = 2 * kept.min(mask.len() - kept) + 1;
        self.selection_bytes += (runs * SELECTOR_BYTES + mask.len() / 8) as u64;
        if kept > 0 {
            let kept = compact(&filter_record_batch(&batch.project(&self.places)?, mask)?)?;
            self.rows_bytes += batch_memory(&kept);
            self.batches.push(kept);
        }
        Ok(())
    }

    /// The rows that passed of those that were selected before.
    pub fn finish(mut self, before: RowSelection) -> Result<Window> {
        let rows = self.batches.iter().map(RecordBatch::num_rows).sum();
        let held = if self.schema.fields().is_empty() {
            record_batch(&self.schema, Vec::new(), rows)?
        } else {
            concat_batches(&self.schema, &self.batches)?
        };
        let selection = before.and_then(&RowSelection::from_boolean_buffer(self.mask.finish()));
        let bytes = batch_memory(&held) + self.selection_bytes;
        Ok(Window {
            selection,
            held,
            bytes,
            slots: self.slots,
            missing: None,
            missing_slots: Vec::new(),
            done: 0,
            reserved: 0,
        })
    }
}

pub(super) fn joined(left: &SchemaRef, right: &SchemaRef) -> SchemaRef {
    Arc::new(Schema::new(left.fields().iter().chain(right.fields()).cloned().collect::<Vec<_>>()))
}

pub(super) fn beside(schema: &SchemaRef, left: &RecordBatch, right: &RecordBatch) -> Result<RecordBatch> {
    let columns = left.columns().iter().chain(right.columns()).cloned().collect();
    record_batch(schema, columns, left.num_rows())
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn the_selection_of_a_window_was_not_counted() {
        let numbers = Int64Array::from_iter_values(0..10_000);
        let batch = RecordBatch::try_from_iter([("a", Arc::new(numbers) as _)]).unwrap();
        // Every other row passes, and no column is needed later.
        let mut passed = Passed::new(&[0], |_| false, &batch.schema());
        let every_other = BooleanArray::from_iter((0..10_000).map(|row| Some(row % 2 == 0)));
        (0..10).for_each(|_| passed.add(&batch, &every_other).unwrap());
        let selectors = 100_000 * size_of::<RowSelector>() as u64;
        assert!(passed.held() >= selectors && passed.bytes() >= selectors, "{}", passed.held());
        let window = passed.finish(RowSelection::from(vec![RowSelector::select(100_000)])).unwrap();
        assert_eq!((window.held.num_rows(), window.selection.row_count()), (50_000, 50_000));
        assert!(window.bytes >= selectors);
        // Long runs take next to nothing, rows count twice while they are put together.
        let mut passed = Passed::new(&[0], |_| true, &batch.schema());
        let none = BooleanArray::from(vec![false; 10_000]);
        let all = BooleanArray::from(vec![true; 10_000]);
        (0..4).for_each(|_| passed.add(&batch, &none).unwrap());
        assert!(passed.held() < 10_000, "{}", passed.held());
        (0..2).for_each(|_| passed.add(&batch, &all).unwrap());
        assert!(passed.held() >= 160_000 && passed.bytes() >= 320_000, "{} {}", passed.held(), passed.bytes());
        let window = passed.finish(RowSelection::from(vec![RowSelector::select(60_000)])).unwrap();
        assert_eq!((window.held.num_rows(), window.selection.row_count()), (20_000, 20_000));
    }
}
