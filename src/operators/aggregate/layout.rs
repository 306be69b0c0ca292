//! What all tables of one aggregation have in common: its keys, its aggregates, and the columns of spilled states.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringViewArray, new_null_array};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_row::{RowConverter, SortField};

use super::rows::RowLayout;
use super::runs::WideRuns;
use super::texts::LONGEST_INLINE;
use crate::error::{Error, Result};
use crate::expr::{AggregateExpr, BoundExpr};
use crate::functions::aggregate::{
    Accumulator, AggregateFunction, AggregateSignature, OrderKey, RunStore, create_distinct, lookup,
};
use crate::types::Scalar;

/// Columns of a batch of states before those of the aggregates: the hash and the encoded key.
pub(super) const HASH_COLUMN: usize = 0;
pub(super) const KEY_COLUMN: usize = 1;
const STATE_COLUMNS: usize = 2;

/// One aggregate, ready to make accumulators.
struct Aggregate {
    function: &'static AggregateFunction,
    signature: AggregateSignature,
    constants: Vec<Scalar>,
    distinct: bool,
    order: Vec<OrderKey>,
    /// Its columns in a batch of states.
    columns: Range<usize>,
}

impl Aggregate {
    fn new(expr: &AggregateExpr) -> Result<Self> {
        let wrong = |what: &str| Error::internal(format!("aggregate {expr}: {what}"));
        let function = lookup(expr.function).ok_or_else(|| wrong("there is no such function"))?;
        let types: Vec<DataType> = expr.args.iter().map(BoundExpr::data_type).collect();
        let signature = (function.resolve)(&types)?;
        let columns = types.len().saturating_sub(function.constants);
        if signature.arguments.get(..columns) != types.get(..columns) || signature.result != expr.data_type {
            return Err(wrong("the types are not those of the function"));
        }
        let constants = expr.args.iter().skip(columns).map(|expr| constant(expr, function));
        let constants = constants.collect::<Result<Vec<_>>>()?;
        let order = expr.order_by.iter().map(|key| OrderKey {
            data_type: key.expr.data_type(),
            options: SortOptions { descending: key.descending, nulls_first: key.nulls_first },
            argument: expr.args.iter().position(|arg| *arg == key.expr),
        });
        let order = order.collect();
        Ok(Self { function, signature, constants, distinct: expr.distinct, order, columns: 0..0 })
    }

    /// How many of its arguments are columns, not constants.
    fn column_arguments(&self) -> usize {
        self.signature.arguments.len().saturating_sub(self.constants.len())
    }

    fn create(&self) -> Result<Box<dyn Accumulator>> {
        if self.distinct {
            create_distinct(self.function, &self.signature, &self.constants, &self.order)
        } else {
            self.function.accumulator(&self.signature, &self.constants, &self.order)
        }
    }
}

/// The value of a constant argument. A conversion around it does not change the number that functions read of it.
fn constant(expr: &BoundExpr, function: &AggregateFunction) -> Result<Scalar> {
    match expr {
        BoundExpr::Literal(value) => Ok(value.clone()),
        BoundExpr::Cast { expr, .. } => constant(expr, function),
        other => Err(Error::sql(format!("{} takes a constant here, not {other}", function.name))
            .with_hint(format!("it is called as {}", function.usage))),
    }
}

/// The keys, aggregates and schemas of one aggregation. Shared by workers and results.
pub(super) struct Layout {
    /// Encodes keys so that equal keys have equal bytes, and back.
    pub(super) converter: RowConverter,
    /// Whether there are no keys, and so exactly one group.
    pub(super) global: bool,
    /// Hash, key, states.
    pub(super) state_schema: SchemaRef,
    /// Keys, then aggregates.
    pub(super) schema: SchemaRef,
    /// The rows that are grouped.
    pub(super) rows: RowLayout,
    /// The longest that a key is encoded to that packs into a few words.
    pub(super) packed_key_bytes: usize,
    /// Whether an aggregate asks where rows stand in the input.
    pub(super) needs_positions: bool,
    /// The types of the keys.
    pub(super) key_types: Vec<DataType>,
    /// Where parts of large groups go.
    pub(super) runs: Arc<WideRuns>,
    aggregates: Vec<Aggregate>,
}

impl Layout {
    pub(super) fn new(keys: &[BoundExpr], calls: &[AggregateExpr], schema: SchemaRef) -> Result<Self> {
        let mut aggregates = calls.iter().map(Aggregate::new).collect::<Result<Vec<_>>>()?;
        if schema.fields().len() != keys.len() + aggregates.len() {
            return Err(Error::internal("the schema of an aggregation has its keys and its aggregates"));
        }
        let mut fields =
            vec![Field::new("hash", DataType::UInt64, false), Field::new("key", DataType::LargeBinary, false)];
        let mut needs_positions = false;
        for aggregate in &mut aggregates {
            let start = fields.len();
            let accumulator = aggregate.create()?;
            needs_positions |= accumulator.needs_positions();
            fields.extend(accumulator.state_types().into_iter().map(|state| Field::new("state", state, true)));
            aggregate.columns = start..fields.len();
        }
        debug_assert!(aggregates.first().is_none_or(|first| first.columns.start == STATE_COLUMNS));
        let key_types: Vec<DataType> = keys.iter().map(BoundExpr::data_type).collect();
        let converter = RowConverter::new(key_types.iter().cloned().map(SortField::new).collect())?;
        let taken = calls.iter().zip(aggregates.iter().map(Aggregate::column_arguments));
        Ok(Self {
            rows: RowLayout::new(keys, taken, needs_positions),
            packed_key_bytes: packed_key_bytes(&converter, &key_types)?,
            converter,
            global: keys.is_empty(),
            state_schema: Arc::new(Schema::new(fields)),
            schema,
            needs_positions,
            key_types,
            runs: Arc::default(),
            aggregates,
        })
    }

    /// Accumulators without groups.
    pub(super) fn accumulators(&self) -> Result<Vec<Box<dyn Accumulator>>> {
        let store: Arc<dyn RunStore> = self.runs.clone();
        let mut accumulators = self.aggregates.iter().map(Aggregate::create).collect::<Result<Vec<_>>>()?;
        accumulators.iter_mut().for_each(|accumulator| accumulator.use_runs(&store));
        Ok(accumulators)
    }

    /// The columns of each aggregate in a batch of states.
    pub(super) fn state_columns(&self) -> impl Iterator<Item = Range<usize>> {
        self.aggregates.iter().map(|aggregate| aggregate.columns.clone())
    }

    /// The name of an aggregate's column in the result.
    pub(super) fn aggregate_name(&self, index: usize) -> &str {
        self.schema.field(self.key_types.len() + index).name()
    }
}

/// The length of an encoded key whose texts are as long as they may be to be packed. Of other types all values, and
/// null, are encoded to one length.
fn packed_key_bytes(converter: &RowConverter, types: &[DataType]) -> Result<usize> {
    if types.is_empty() {
        return Ok(0);
    }
    let longest = "x".repeat(LONGEST_INLINE);
    let columns = types.iter().map(|of| match of {
        DataType::Utf8View => Arc::new(StringViewArray::from(vec![longest.as_str()])) as ArrayRef,
        _ => new_null_array(of, 1),
    });
    let rows = converter.convert_columns(&columns.collect::<Vec<_>>())?;
    Ok(rows.lengths().sum())
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout").field("schema", &self.schema).field("state_schema", &self.state_schema).finish()
    }
}
