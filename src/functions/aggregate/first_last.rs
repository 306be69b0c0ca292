//! `first`, `last` and `any_value`: by the place of the rows in the input, not by the order in which they arrive here.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, UInt64Type};

use super::rows::{vec_growth, vec_memory};
use super::values::{Values, with_values};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// Which row's value is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edge {
    /// The first row's, null or not.
    First,
    /// The last row's, null or not.
    Last,
    /// That of the first row where it is not null.
    FirstValid,
}

/// The rank of a group without rows; that of a row is less, and the least rank wins.
const NO_ROW: u64 = u64::MAX;

pub(super) struct EdgeValue<V> {
    edge: Edge,
    data_type: DataType,
    ranks: Vec<u64>,
    valid: Vec<bool>,
    values: V,
}

/// `first`, `last` or `any_value` of a type.
pub(super) fn edge_value(edge: Edge, data_type: &DataType) -> Result<Box<dyn Accumulator>> {
    with_values!(data_type, Kept => Ok(Box::new(EdgeValue {
        edge,
        data_type: data_type.clone(),
        ranks: Vec::new(),
        valid: Vec::new(),
        values: Kept::new(data_type),
    }) as Box<dyn Accumulator>))
}

impl<V: Values> EdgeValue<V> {
    fn resize(&mut self, groups: usize) {
        self.ranks.resize(groups, NO_ROW);
        self.valid.resize(groups, false);
        self.values.resize(groups);
    }

    #[inline]
    fn offer(&mut self, group: usize, rank: u64, column: &V::Array, row: usize) {
        if rank < self.ranks[group] {
            self.ranks[group] = rank;
            self.valid[group] = column.is_valid(row);
            if self.valid[group] {
                self.values.set(group, V::read(column, row));
            }
        }
    }
}

impl<V: Values> Accumulator for EdgeValue<V> {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let array = arguments.first().ok_or_else(|| Error::internal("first and last take an argument"))?;
        self.resize(rows.group_count);
        let column = V::column(array);
        let skipped = if self.edge == Edge::FirstValid { column.nulls() } else { None };
        let last = self.edge == Edge::Last;
        rows.for_each(skipped, |row, group| {
            let position = rows.positions[row];
            self.offer(group, if last { NO_ROW - 1 - position } else { position }, column, row);
        });
        Ok(())
    }

    fn needs_positions(&self) -> bool {
        true
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let [values, ranks] = states else { return Err(Error::internal("the state of first has two columns")) };
        self.resize(group_count);
        let (column, ranks) = (V::column(values), ranks.as_primitive::<UInt64Type>());
        for (row, (&group, &rank)) in groups.iter().zip(ranks.values()).enumerate() {
            self.offer(group as usize, rank, column, row);
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let ranks = UInt64Array::from(std::mem::take(&mut self.ranks));
        Ok(vec![self.finish()?, Arc::new(ranks)])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.data_type.clone(), DataType::UInt64]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.ranks = Vec::new();
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        self.values.take(Some(nulls))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.ranks) + vec_memory(&self.valid) + self.values.memory()
    }

    fn growth(&self, _: usize, new_groups: usize, bytes: usize) -> usize {
        vec_growth(&self.ranks, new_groups)
            + vec_growth(&self.valid, new_groups)
            + self.values.growth(new_groups, bytes)
    }
}
