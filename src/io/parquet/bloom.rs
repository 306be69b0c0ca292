//! Row groups that hold none of the values a condition asks for, told by the bloom filters of their columns.
//!
//! Filters are the split block bloom filters of the Parquet format (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient
//! Bloom Filters", 2007): what they do not contain is not there, what they contain may be.

use std::sync::Arc;

use arrow::datatypes::DataType;
use parquet::basic::Type as PhysicalType;
use parquet::bloom_filter::Sbbf;

use super::file::{FileColumn, ParquetFile};
use super::input::RowGroupInput;
use super::kept::Bloom;
use crate::expr::{BinaryOp, BoundExpr};
use crate::panics::guarded;
use crate::types::{Scalar, TEXT, is_integer};

/// Bytes of a block of a filter.
const BLOCK_BYTES: usize = 32;

/// Whether a condition can be true of a row, as far as `may_contain` knows whether a column may have a value.
pub(super) fn may_match(condition: &BoundExpr, may_contain: &dyn Fn(usize, &Scalar) -> bool) -> bool {
    let may_equal = |operand: &BoundExpr, value: &BoundExpr| match (column(operand), value) {
        (Some(column), BoundExpr::Literal(value)) if !value.is_null() => may_contain(column, value),
        _ => true,
    };
    match condition {
        BoundExpr::Binary { left, op: BinaryOp::And, right, .. } => {
            may_match(left, may_contain) && may_match(right, may_contain)
        }
        BoundExpr::Binary { left, op: BinaryOp::Or, right, .. } => {
            may_match(left, may_contain) || may_match(right, may_contain)
        }
        BoundExpr::Binary { left, op: BinaryOp::Equal | BinaryOp::NotDistinctFrom, right, .. } => {
            may_equal(left, right) && may_equal(right, left)
        }
        BoundExpr::InList { expr, list, negated: false } => list.iter().any(|value| may_equal(expr, value)),
        _ => true,
    }
}

/// The column that is compared, or a whole number's conversion to a wider one.
fn column(operand: &BoundExpr) -> Option<usize> {
    match operand {
        BoundExpr::Column { index, .. } => Some(*index),
        BoundExpr::Cast { expr, to, try_cast: false } if is_integer(to) && is_integer(&expr.data_type()) => {
            column(expr)
        }
        _ => None,
    }
}

/// The bloom filter of a column in a row group, where it has one that can be read.
pub(super) fn read(input: &RowGroupInput, file: &ParquetFile, column: &FileColumn) -> Option<Arc<Bloom>> {
    let chunk = input.metadata.row_group(input.row_group).column(column.leaf);
    chunk.bloom_filter_offset()?;
    let read = || {
        let filter = guarded(|| Sbbf::read_from_column_chunk(chunk, &input.plain()));
        let filter = filter.ok()?.ok()?.filter(|filter| filter.num_blocks() > 0);
        let bytes = filter.as_ref().map_or(0, |filter| filter.num_blocks() * BLOCK_BYTES);
        Some((filter, bytes as u64))
    };
    file.indexes.bloom(input.row_group, column.leaf, read).filter(|filter| filter.is_some())
}

/// Whether a column may have a value, which is of the type that the column has over all files, or a wider integer.
pub(super) fn may_contain(filter: &Sbbf, file: &ParquetFile, column: &FileColumn, value: &Scalar) -> bool {
    // Filters hold values as they lie in the file: what is converted when it is read is not looked up.
    if column.read_type != column.data_type {
        return true;
    }
    let physical = file.metadata.parquet_schema().column(column.leaf).physical_type();
    match (physical, &column.data_type) {
        (PhysicalType::INT32, own) if is_integer(own) && is_integer(value.data_type()) => {
            value.as_i64().and_then(|value| i32::try_from(value).ok()).is_some_and(|value| filter.check(&value))
        }
        (PhysicalType::INT64, DataType::Int64) if is_integer(value.data_type()) => {
            value.as_i64().is_none_or(|value| filter.check(&value))
        }
        (PhysicalType::BYTE_ARRAY, own) if *own == TEXT => value.as_str().is_none_or(|value| filter.check(value)),
        // Zero is equal to its negative, which is stored otherwise.
        (PhysicalType::DOUBLE, DataType::Float64) if *value.data_type() == DataType::Float64 => {
            value.as_f64().is_none_or(|value| value == 0.0 || value.is_nan() || filter.check(&value))
        }
        _ => true,
    }
}
