//! `bool_and` and `bool_or`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;

use super::rows::{vec_growth, vec_memory};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// Whether any, or all, of the values that are not null are true; null where there is none.
#[derive(Debug)]
pub(super) struct BoolFold {
    /// The value that decides alone: true for OR, false for AND.
    decisive: bool,
    results: Vec<Option<bool>>,
}

impl BoolFold {
    pub(super) fn all() -> Self {
        Self { decisive: false, results: Vec::new() }
    }

    pub(super) fn any() -> Self {
        Self { decisive: true, results: Vec::new() }
    }
}

impl Accumulator for BoolFold {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column = arguments.first().ok_or_else(|| Error::internal("bool_and and bool_or take an argument"))?;
        let column = column.as_boolean();
        self.results.resize(rows.group_count, None);
        let (results, decisive, values) = (&mut self.results, self.decisive, column.values());
        rows.for_each(column.nulls(), |row, group| {
            let value = values.value(row);
            if value == decisive || results[group].is_none() {
                results[group] = Some(value);
            }
        });
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        self.update(states, &GroupedRows { groups, group_count, filter: None, positions: &[] })
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.finish()?])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Boolean]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::from(std::mem::take(&mut self.results))))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.results)
    }

    fn growth(&self, _: usize, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.results, new_groups)
    }
}
