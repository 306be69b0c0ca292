//! `bit_and`, `bit_or` and `bit_xor` of integers.

use std::ops::{BitAnd, BitOr, BitXor};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type};

use super::rows::{vec_growth, vec_memory};
use super::{Accumulator, GroupedRows};
use crate::error::{Error, Result};

/// How two integers become one.
#[derive(Clone, Copy, Debug)]
pub(super) enum BitOperation {
    And,
    Or,
    Xor,
}

struct BitFold<T: ArrowPrimitiveType> {
    operation: BitOperation,
    seen: Vec<bool>,
    values: Vec<T::Native>,
}

/// All values of a group combined; null where there is none.
pub(super) fn bit_fold(operation: BitOperation, data_type: &DataType) -> Result<Box<dyn Accumulator>> {
    fn new<T: ArrowPrimitiveType>(operation: BitOperation) -> Box<BitFold<T>> {
        Box::new(BitFold { operation, seen: Vec::new(), values: Vec::new() })
    }
    Ok(match data_type {
        DataType::Int8 => new::<Int8Type>(operation),
        DataType::Int16 => new::<Int16Type>(operation),
        DataType::Int32 => new::<Int32Type>(operation),
        DataType::Int64 => new::<Int64Type>(operation),
        other => return Err(Error::internal(format!("no bits of type {other}"))),
    })
}

impl<T: ArrowPrimitiveType> Accumulator for BitFold<T>
where
    T::Native: BitAnd<Output = T::Native> + BitOr<Output = T::Native> + BitXor<Output = T::Native>,
{
    fn update(&mut self, arguments: &[ArrayRef], rows: &GroupedRows<'_>) -> Result<()> {
        let column =
            arguments.first().ok_or_else(|| Error::internal("bit_and, bit_or and bit_xor take an argument"))?;
        let column = column.as_primitive::<T>();
        self.seen.resize(rows.group_count, false);
        self.values.resize(rows.group_count, T::Native::default());
        let (operation, seen, values) = (self.operation, &mut self.seen, &mut self.values);
        rows.for_each_value(column.values(), column.nulls(), |group, value| {
            let known = values[group];
            values[group] = match operation {
                BitOperation::And if !seen[group] => value,
                BitOperation::And => known & value,
                // Zero, where there was none.
                BitOperation::Or => known | value,
                BitOperation::Xor => known ^ value,
            };
            seen[group] = true;
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
        vec![T::DATA_TYPE]
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let nulls = NullBuffer::from(std::mem::take(&mut self.seen));
        let values = ScalarBuffer::from(std::mem::take(&mut self.values));
        Ok(Arc::new(PrimitiveArray::<T>::try_new(values, Some(nulls))?))
    }

    fn memory(&self) -> usize {
        vec_memory(&self.seen) + vec_memory(&self.values)
    }

    fn growth(&self, _: usize, new_groups: usize, _: usize) -> usize {
        vec_growth(&self.seen, new_groups) + vec_growth(&self.values, new_groups)
    }
}
