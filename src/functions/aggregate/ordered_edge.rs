//! `first`, `last` and `any_value` with an ORDER BY of their own: the row with the least key, or the greatest.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, LargeBinaryArray, UInt64Array};
use arrow::datatypes::DataType;

use super::arg_extreme::{RowValues, row_values};
use super::first_last::Edge;
use super::order::{KEY_TYPE, OrderEncoder, OrderKey, as_keys};
use super::rows::{vec_growth, vec_memory};
use super::values::{TextValues, Values};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// The best row of each group by its encoded key.
struct OrderedEdge {
    edge: Edge,
    value_type: DataType,
    order: OrderEncoder,
    /// Which groups have a row.
    seen: Vec<bool>,
    keys: TextValues,
    values: Box<dyn RowValues>,
    /// The groups and rows of a batch that beat what was known; kept for its memory.
    better: Vec<(u32, u32)>,
}

/// `first`, `last` or `any_value` of a type, in an order.
pub(super) fn ordered_edge(edge: Edge, value_type: &DataType, order: &[OrderKey]) -> Result<Box<dyn Accumulator>> {
    Ok(Box::new(OrderedEdge {
        edge,
        value_type: value_type.clone(),
        order: OrderEncoder::new(order)?,
        seen: Vec::new(),
        keys: TextValues::default(),
        values: row_values(value_type)?,
        better: Vec::new(),
    }))
}

impl OrderedEdge {
    fn take_rows(&mut self, values: &ArrayRef, keys: &LargeBinaryArray, rows: &GroupedRows<'_>) {
        self.seen.resize(rows.group_count, false);
        self.keys.resize(rows.group_count);
        self.values.resize(rows.group_count);
        let Self { edge, seen, keys: known, better, .. } = self;
        let wins = if *edge == Edge::Last { Ordering::Greater } else { Ordering::Less };
        // Of a state, groups without a row have no key.
        let skipped = if *edge == Edge::FirstValid { values.nulls() } else { keys.nulls() };
        better.clear();
        rows.for_each(skipped, |row, group| {
            let key = keys.value(row);
            if !seen[group] || key.cmp(known.get(group)) == wins {
                seen[group] = true;
                known.set(group, key);
                better.push((group as u32, row as u32));
            }
        });
        self.values.set(values, better);
    }
}

impl Accumulator for OrderedEdge {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let Some((values, order)) = arguments.split_first() else {
            return Err(Error::internal("first and last take an argument"));
        };
        let keys = self.order.encode(order, UInt64Array::from(rows.positions.to_vec()))?;
        self.take_rows(values, &keys, rows);
        Ok(())
    }

    fn needs_positions(&self) -> bool {
        true
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let [values, keys] = states else { return Err(Error::internal("the state of first has two columns")) };
        self.take_rows(values, as_keys(keys)?, &GroupedRows { groups, group_count, filter: None, positions: &[] });
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let seen = std::mem::take(&mut self.seen);
        let keys = std::mem::take(&mut self.keys);
        let keys: LargeBinaryArray =
            seen.iter().enumerate().map(|(group, seen)| seen.then(|| keys.get(group))).collect();
        Ok(vec![self.values.take()?, Arc::new(keys)])
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.value_type.clone(), KEY_TYPE]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.seen = Vec::new();
        self.keys = TextValues::default();
        self.values.take()
    }

    /// The keys are copied for a state.
    fn memory(&self) -> usize {
        vec_memory(&self.seen) + vec_memory(&self.better) + 3 * self.keys.memory() + self.values.memory()
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        // The list is empty before a batch.
        let better = if rows > self.better.capacity() { 2 * rows.max(4) * size_of::<(u32, u32)>() } else { 0 };
        let keys = self.order.bytes(rows, bytes) + bytes;
        vec_growth(&self.seen, new_groups)
            + better
            + keys
            + 3 * self.keys.growth(new_groups, keys)
            + self.values.growth(new_groups, bytes)
    }
}
