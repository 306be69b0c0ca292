//! `arg_min` and `arg_max`: the value of one column where another is least, or greatest.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, UInt64Type};

use super::rows::{vec_growth, vec_memory};
use super::values::{Values, with_values};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// What an `arg_min` or `arg_max` looks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// How a value of the ordering column compares to the one it replaces.
    pub(super) replaces: Ordering,
    /// Whether rows count where the value itself is null.
    pub(super) keeps_nulls: bool,
}

/// The position of no row.
const NO_ROW: u64 = u64::MAX;

/// The best row of each group: by the ordering column, of type `O`, then by its position, the first wins.
struct ArgExtreme<O> {
    search: Search,
    types: [DataType; 2],
    positions: Vec<u64>,
    order: O,
    values: Box<dyn RowValues>,
    /// The groups and rows of a batch that beat what was known; kept for its memory.
    better: Vec<(u32, u32)>,
}

/// Values that are replaced a batch at a time, so that their type need not be known row by row.
pub(super) trait RowValues: Send {
    fn resize(&mut self, groups: usize);

    /// Sets the values of groups to those of rows, one after another.
    fn set(&mut self, array: &ArrayRef, groups_and_rows: &[(u32, u32)]);

    fn take(&mut self) -> Result<ArrayRef>;

    fn memory(&self) -> usize;

    fn growth(&self, new_groups: usize, bytes: usize) -> usize;
}

struct Nullable<V> {
    valid: Vec<bool>,
    values: V,
}

impl<V: Values> RowValues for Nullable<V> {
    fn resize(&mut self, groups: usize) {
        self.valid.resize(groups, false);
        self.values.resize(groups);
    }

    fn set(&mut self, array: &ArrayRef, groups_and_rows: &[(u32, u32)]) {
        let column = V::column(array);
        for &(group, row) in groups_and_rows {
            let (group, row) = (group as usize, row as usize);
            self.valid[group] = column.is_valid(row);
            if self.valid[group] {
                self.values.set(group, V::read(column, row));
            }
        }
    }

    fn take(&mut self) -> Result<ArrayRef> {
        self.values.take(Some(NullBuffer::from(std::mem::take(&mut self.valid))))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.valid) + self.values.memory()
    }

    fn growth(&self, new_groups: usize, bytes: usize) -> usize {
        vec_growth(&self.valid, new_groups) + self.values.growth(new_groups, bytes)
    }
}

/// Values of a type, or nulls.
pub(super) fn row_values(data_type: &DataType) -> Result<Box<dyn RowValues>> {
    with_values!(data_type, Kept => {
        Ok(Box::new(Nullable { valid: Vec::new(), values: Kept::new(data_type) }) as Box<dyn RowValues>)
    })
}

/// `arg_min` or `arg_max` of a value of one type by an ordering of another.
pub(super) fn arg_extreme(search: Search, value: &DataType, order: &DataType) -> Result<Box<dyn Accumulator>> {
    let values = row_values(value)?;
    with_values!(order, Kept => Ok(Box::new(ArgExtreme {
        search,
        types: [value.clone(), order.clone()],
        positions: Vec::new(),
        order: Kept::new(order),
        values,
        better: Vec::new(),
    }) as Box<dyn Accumulator>))
}

impl<O: Values> ArgExtreme<O> {
    fn take_rows(&mut self, value: &ArrayRef, order: &ArrayRef, rows: &GroupedRows<'_>) {
        self.positions.resize(rows.group_count, NO_ROW);
        self.order.resize(rows.group_count);
        self.values.resize(rows.group_count);
        let skipped = if self.search.keeps_nulls { None } else { value.nulls() };
        let column = O::column(order);
        let nulls = NullBuffer::union(skipped, column.nulls());
        let Self { search, positions, order, better, .. } = self;
        better.clear();
        rows.for_each(nulls.as_ref(), |row, group| {
            let (found, position) = (O::read(column, row), rows.positions[row]);
            let wins = positions[group] == NO_ROW
                || match O::compare(found, order.get(group)) {
                    Ordering::Equal => position < positions[group],
                    other => other == search.replaces,
                };
            if wins {
                positions[group] = position;
                order.set(group, found);
                better.push((group as u32, row as u32));
            }
        });
        self.values.set(value, better);
    }
}

impl<O: Values> Accumulator for ArgExtreme<O> {
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let [value, order] = arguments else { return Err(Error::internal("arg_min takes two arguments")) };
        self.take_rows(value, order, rows);
        Ok(())
    }

    fn needs_positions(&self) -> bool {
        true
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[u32], group_count: usize) -> Result<()> {
        let [value, order, positions] = states else {
            return Err(Error::internal("the state of arg_min has three columns"));
        };
        let positions = positions.as_primitive::<UInt64Type>().values();
        self.take_rows(value, order, &GroupedRows { groups, group_count, filter: None, positions });
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ArrayRef>> {
        let positions = std::mem::take(&mut self.positions);
        let seen: NullBuffer = positions.iter().map(|position| *position != NO_ROW).collect();
        let order = self.order.take(Some(seen))?;
        Ok(vec![self.values.take()?, order, Arc::new(UInt64Array::from(positions))])
    }

    fn state_types(&self) -> Vec<DataType> {
        let [value, order] = self.types.clone();
        vec![value, order, DataType::UInt64]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.positions = Vec::new();
        self.order = O::new(&self.types[1]);
        self.values.take()
    }

    fn memory(&self) -> usize {
        vec_memory(&self.positions) + vec_memory(&self.better) + self.order.memory() + self.values.memory()
    }

    fn growth(&self, rows: usize, new_groups: usize, bytes: usize) -> usize {
        // The list is empty before a batch.
        let better = if rows > self.better.capacity() { 2 * rows.max(4) * size_of::<(u32, u32)>() } else { 0 };
        vec_growth(&self.positions, new_groups)
            + better
            + self.order.growth(new_groups, bytes)
            + self.values.growth(new_groups, bytes)
    }
}
