//! The rows that a node is evaluated over: a batch, or some rows of it that conditions have left.

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter, take};
use arrow::datatypes::UInt32Type;

use crate::error::{Error, Result};

/// A batch with a choice of its rows. Columns are gathered when they are asked for, so that a choice costs nothing for
/// columns that nobody reads.
#[derive(Clone)]
pub(super) struct Rows<'a> {
    batch: &'a RecordBatch,
    chosen: Option<UInt32Array>,
}

impl<'a> Rows<'a> {
    /// All rows.
    pub fn all(batch: &'a RecordBatch) -> Self {
        Self { batch, chosen: None }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.batch.num_rows(), UInt32Array::len)
    }

    /// A column at these rows.
    pub fn column(&self, index: usize) -> Result<ArrayRef> {
        let column = self.batch.columns().get(index).ok_or_else(|| {
            Error::internal(format!("column {index} of a batch with {} columns", self.batch.num_columns()))
        })?;
        Ok(match &self.chosen {
            None => column.clone(),
            Some(chosen) => take(column, chosen, None)?,
        })
    }

    /// Those of these rows where the mask, which has no nulls, is set.
    pub fn select(&self, mask: &BooleanArray) -> Result<Self> {
        let chosen = match &self.chosen {
            Some(chosen) => filter(chosen, mask)?.as_primitive::<UInt32Type>().clone(),
            None => UInt32Array::from_iter_values(mask.values().set_indices_u32()),
        };
        Ok(Self { batch: self.batch, chosen: Some(chosen) })
    }
}
