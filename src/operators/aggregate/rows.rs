//! Rows as an aggregation takes them: the columns of keys, arguments and filters, each expression once.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};

use std::ops::Range;
use std::sync::Arc;

use crate::batch::{record_batch, variable_bytes};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::eval::{Evaluator, Predicate};
use crate::expr::{AggregateExpr, BoundExpr};

/// What a column of the rows is.
#[derive(Clone, Debug, PartialEq)]
enum RowExpr {
    /// The value of a key or an argument.
    Value(BoundExpr),
    /// Whether a filter is true.
    Filter(BoundExpr),
}

/// The columns that one aggregate takes.
#[derive(Clone, Debug)]
pub(super) struct AggregateColumns {
    /// Those of its arguments that are not constant, then the keys of its ORDER BY.
    pub(super) arguments: Vec<usize>,
    /// Its filter.
    pub(super) filter: Option<usize>,
}

/// The columns of the rows: first the keys, then what else aggregates take, and last the positions, where one asks.
#[derive(Debug)]
pub(super) struct RowLayout {
    exprs: Vec<RowExpr>,
    keys: usize,
    pub(super) aggregates: Vec<AggregateColumns>,
    needs_positions: bool,
    pub(super) schema: SchemaRef,
}

impl RowLayout {
    /// `aggregates` come with the number of their arguments that are columns.
    pub(super) fn new<'a>(
        keys: &[BoundExpr],
        aggregates: impl Iterator<Item = (&'a AggregateExpr, usize)>,
        needs_positions: bool,
    ) -> Self {
        let mut exprs: Vec<_> = keys.iter().cloned().map(RowExpr::Value).collect();
        let mut column = |expr: RowExpr| {
            exprs.iter().position(|other| *other == expr).unwrap_or_else(|| {
                exprs.push(expr);
                exprs.len() - 1
            })
        };
        let aggregates = aggregates.map(|(aggregate, columns)| {
            let arguments = aggregate.args.iter().take(columns);
            // With DISTINCT they are among the arguments.
            let order = aggregate.order_by.iter().filter(|_| !aggregate.distinct).map(|key| &key.expr);
            AggregateColumns {
                arguments: arguments.chain(order).map(|arg| column(RowExpr::Value(arg.clone()))).collect(),
                filter: aggregate.filter.as_ref().map(|filter| column(RowExpr::Filter(filter.clone()))),
            }
        });
        let aggregates = aggregates.collect();
        let types = exprs.iter().map(|expr| match expr {
            RowExpr::Value(expr) => expr.data_type(),
            RowExpr::Filter(_) => DataType::Boolean,
        });
        let positions = needs_positions.then_some(DataType::UInt64);
        let fields = types.chain(positions).map(|of| Field::new("row", of, true)).collect::<Vec<_>>();
        Self { exprs, keys: keys.len(), aggregates, needs_positions, schema: Arc::new(Schema::new(fields)) }
    }
}

/// Computes the columns of rows.
pub(super) struct RowEvaluator {
    columns: Vec<ColumnEvaluator>,
}

enum ColumnEvaluator {
    Value(Evaluator, DataType),
    Filter(Predicate),
}

impl RowEvaluator {
    pub(super) fn new(layout: &RowLayout, config: &Arc<Config>) -> Result<Self> {
        let columns = layout.exprs.iter().map(|expr| {
            Ok(match expr {
                RowExpr::Value(expr) => ColumnEvaluator::Value(Evaluator::new(expr, config)?, expr.data_type()),
                RowExpr::Filter(expr) => ColumnEvaluator::Filter(Predicate::new(expr, config)?),
            })
        });
        Ok(Self { columns: columns.collect::<Result<_>>()? })
    }

    /// The rows of a batch, which stand at `positions` of the input.
    pub(super) fn evaluate(&self, batch: &RecordBatch, positions: Vec<u64>) -> Result<InputRows> {
        let columns = self.columns.iter().map(|column| match column {
            ColumnEvaluator::Filter(filter) => Ok(Arc::new(filter.mask(batch)?) as ArrayRef),
            ColumnEvaluator::Value(value, expected) => {
                let column = value.evaluate_array(batch)?;
                if column.data_type() == expected {
                    return Ok(column);
                }
                Err(Error::internal(format!("an aggregation takes {expected}, not {}", column.data_type())))
            }
        });
        Ok(InputRows { count: batch.num_rows(), columns: columns.collect::<Result<_>>()?, positions: positions.into() })
    }
}

/// Rows with the columns of a [`RowLayout`].
#[derive(Debug)]
pub(super) struct InputRows {
    /// How many there are.
    pub(super) count: usize,
    /// All columns but the positions.
    pub(super) columns: Vec<ArrayRef>,
    /// Where each row stands in the input; empty where no aggregate asks.
    pub(super) positions: ScalarBuffer<u64>,
}

impl InputRows {
    /// The columns of the key.
    pub(super) fn keys(&self, layout: &RowLayout) -> &[ArrayRef] {
        &self.columns[..layout.keys]
    }

    /// Some of the rows.
    pub(super) fn slice(&self, rows: Range<usize>) -> Self {
        let positions = match self.positions.is_empty() {
            true => ScalarBuffer::default(),
            false => self.positions.slice(rows.start, rows.len()),
        };
        Self {
            count: rows.len(),
            columns: self.columns.iter().map(|column| column.slice(rows.start, rows.len())).collect(),
            positions,
        }
    }

    /// Cuts the rows so that no piece of more than one row has more than so many bytes of texts and lists.
    pub(super) fn pieces(&self, most_bytes: usize) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        self.cut(0..self.count, most_bytes, &mut pieces);
        pieces
    }

    fn cut(&self, rows: Range<usize>, most_bytes: usize, pieces: &mut Vec<Range<usize>>) {
        let bytes = |column: &ArrayRef| variable_bytes(&column.slice(rows.start, rows.len()));
        if rows.len() <= 1 || self.columns.iter().map(bytes).sum::<usize>() <= most_bytes {
            pieces.push(rows);
        } else {
            let middle = rows.start + rows.len() / 2;
            self.cut(rows.start..middle, most_bytes, pieces);
            self.cut(middle..rows.end, most_bytes, pieces);
        }
    }

    /// The rows as a batch, to be kept.
    pub(super) fn to_batch(&self, layout: &RowLayout) -> Result<RecordBatch> {
        let mut columns = self.columns.clone();
        if layout.needs_positions {
            columns.push(Arc::new(UInt64Array::new(self.positions.clone(), None)));
        }
        record_batch(&layout.schema, columns, self.count)
    }

    /// The rows of a batch as [`InputRows::to_batch`] made it.
    pub(super) fn from_batch(batch: &RecordBatch, layout: &RowLayout) -> Self {
        let mut columns = batch.columns().to_vec();
        let positions = if layout.needs_positions { columns.pop() } else { None };
        let positions =
            positions.map_or_else(ScalarBuffer::default, |column| column.as_primitive::<UInt64Type>().values().clone());
        Self { count: batch.num_rows(), columns, positions }
    }
}
