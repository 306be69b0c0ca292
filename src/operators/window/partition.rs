//! Where partitions start: rows in order whose keys differ from those of the row before.

use arrow::array::RecordBatch;
use arrow_row::{OwnedRow, RowConverter, SortField};

use crate::batch::normalize_equal;
use crate::context::QueryContext;
use crate::error::Result;
use crate::eval::Evaluator;
use crate::expr::BoundExpr;

/// Compares the keys of rows that follow one another.
#[derive(Debug)]
pub(super) struct PartitionStarts {
    keys: Vec<Evaluator>,
    converter: RowConverter,
    last: Option<OwnedRow>,
    is_first: bool,
}

impl PartitionStarts {
    pub(super) fn new(keys: &[BoundExpr], context: &QueryContext) -> Result<Self> {
        let fields = keys.iter().map(|key| SortField::new(key.data_type())).collect();
        let keys = keys.iter().map(|key| Evaluator::new(key, &context.config)).collect::<Result<_>>()?;
        Ok(Self { keys, converter: RowConverter::new(fields)?, last: None, is_first: true })
    }

    /// The rows of the next batch at which partitions start.
    pub(super) fn find(&mut self, batch: &RecordBatch, starts: &mut Vec<usize>) -> Result<()> {
        starts.clear();
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.keys.is_empty() {
            starts.extend(std::mem::take(&mut self.is_first).then_some(0));
            return Ok(());
        }
        let columns = self.keys.iter().map(|key| Ok(normalize_equal(&key.evaluate_array(batch)?)));
        let rows = self.converter.convert_columns(&columns.collect::<Result<Vec<_>>>()?)?;
        if self.last.as_ref().is_none_or(|last| last.row() != rows.row(0)) {
            starts.push(0);
        }
        starts.extend((1..rows.num_rows()).filter(|&row| rows.row(row) != rows.row(row - 1)));
        self.last = Some(rows.row(rows.num_rows() - 1).owned());
        Ok(())
    }
}
