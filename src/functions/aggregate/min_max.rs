//! `min` and `max`.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;

use super::rows::{vec_growth, vec_memory};
use super::values::{Values, with_values};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// The least value of each group, or the greatest.
pub(super) struct Extreme<V> {
    /// How a value compares to the one it replaces.
    replaces: Ordering,
    data_type: DataType,
    seen: Vec<bool>,
    values: V,
}

/// `min` for `Less`, `max` for `Greater`.
pub(super) fn extreme(replaces: Ordering, data_type: &DataType) -> Result<Box<dyn Accumulator>> {
    with_values!(data_type, Kept => Ok(Box::new(Extreme {
        replaces,
        data_type: data_type.clone(),
        seen: Vec::new(),
        values: Kept::new(data_type),
    }) as Box<dyn Accumulator>))
}

impl<V: Values> Accumulator for Extreme<V> {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let array = arguments.first().ok_or_else(|| Error::internal("min and max take an argument"))?;
        self.seen.resize(rows.group_count, false);
        self.values.resize(rows.group_count);
        let (replaces, seen, values) = (self.replaces, &mut self.seen, &mut self.values);
        let column = V::column(array);
        rows.for_each(column.nulls(), |row, group| {
            let value = V::read(column, row);
            if !seen[group] || V::compare(value, values.get(group)) == replaces {
                seen[group] = true;
                values.set(group, value);
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
        vec![self.data_type.clone()]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let nulls = NullBuffer::from(std::mem::take(&mut self.seen));
        self.values.take(Some(nulls))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.seen) + self.values.memory()
    }

    fn growth(&self, _: usize, new_groups: usize, bytes: usize) -> usize {
        vec_growth(&self.seen, new_groups) + self.values.growth(new_groups, bytes)
    }
}
