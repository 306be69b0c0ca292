//! Normalised keys: for each row, bytes whose order is the order that ORDER BY asks for.
//!
//! The bytes are those of arrow-row, after values that SQL calls equal were made equal (zeros, NaNs, intervals), and end
//! with the position of the row in the input. So no two keys are equal, ties keep the order of the input, and the
//! result does not depend on which worker sorted what.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, RecordBatch, UInt64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use arrow_row::{RowConverter, SortField};

use crate::batch::normalize_equal;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::expr::SortExpr;
use crate::operators::TaskId;
use crate::types::interval::NANOS_PER_SECOND;

/// Bits of a position that count rows in a task; those above are the task's.
const ROW_BITS: u32 = 40;
/// Scale of the decimal that intervals are compared as: none.
const INTERVAL_KEY: DataType = DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0);

/// Makes the keys of one task after another.
#[derive(Debug)]
pub(in crate::operators) struct SortKeys {
    exprs: Vec<Evaluator>,
    converter: RowConverter,
    /// The task at work and how many of its rows have keys.
    task: Option<TaskId>,
    rows: u64,
}

impl SortKeys {
    /// Keys of these expressions, the first one first.
    pub(in crate::operators) fn new(keys: &[SortExpr], config: &Arc<Config>) -> Result<Self> {
        let exprs = keys.iter().map(|key| Evaluator::new(&key.expr, config)).collect::<Result<_>>()?;
        let fields = keys.iter().map(|key| {
            let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
            let data_type = match key.expr.data_type() {
                DataType::Interval(IntervalUnit::MonthDayNano) => INTERVAL_KEY,
                other => other,
            };
            SortField::new_with_options(data_type, options)
        });
        let position = SortField::new(DataType::UInt64);
        let converter = RowConverter::new(fields.chain(std::iter::once(position)).collect())?;
        Ok(Self { exprs, converter, task: None, rows: 0 })
    }

    /// The keys of the next batch of the task, whose batches come one after another.
    pub(in crate::operators) fn encode(&mut self, task: TaskId, batch: &RecordBatch) -> Result<BinaryArray> {
        if self.task != Some(task) {
            self.task = Some(task);
            self.rows = 0;
        }
        let start = position(task, self.rows)?;
        self.rows += batch.num_rows() as u64;
        let mut columns = Vec::with_capacity(self.exprs.len() + 1);
        for expr in &self.exprs {
            columns.push(comparable(&expr.evaluate_array(batch)?));
        }
        columns.push(Arc::new(UInt64Array::from_iter_values(start..start + batch.num_rows() as u64)));
        Ok(self.converter.convert_columns(&columns)?.try_into_binary()?)
    }
}

/// Where a row stands in the whole input.
fn position(task: TaskId, row: u64) -> Result<u64> {
    let partition = task.partition as u64;
    if partition >> (u64::BITS - ROW_BITS) != 0 || row >> ROW_BITS != 0 {
        return Err(Error::internal(format!("row {row} of partition {partition} is too far to be numbered")));
    }
    Ok(partition << ROW_BITS | row)
}

fn comparable(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => Arc::new(
            column
                .as_primitive::<IntervalMonthDayNanoType>()
                .unary::<_, Decimal128Type>(interval_nanos)
                .with_data_type(INTERVAL_KEY),
        ),
        _ => normalize_equal(column),
    }
}

/// Intervals compare as PostgreSQL's do: a month is 30 days, a day 24 hours.
fn interval_nanos(interval: IntervalMonthDayNano) -> i128 {
    const DAY: i128 = 24 * 3600 * NANOS_PER_SECOND as i128;
    (i128::from(interval.months) * 30 + i128::from(interval.days)) * DAY + i128::from(interval.nanoseconds)
}

/// The first bytes of a key as a number, which orders keys as far as they go.
pub(in crate::operators) fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}
