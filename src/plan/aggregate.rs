//! Aggregate: groups rows by keys and aggregates each group.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::{LogicalPlan, NamedExpr};
use crate::expr::AggregateExpr;

/// One row for each distinct combination of keys: the keys, then the aggregates. Nulls and NaNs each make one group.
/// Without keys there is exactly one row, also over no input.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// What is grouped.
    pub input: Box<LogicalPlan>,
    /// The keys.
    pub keys: Vec<NamedExpr>,
    /// The aggregates with the names of their columns.
    pub aggregates: Vec<(AggregateExpr, String)>,
    /// Keys, then aggregates.
    pub schema: SchemaRef,
}

impl Aggregate {
    /// An aggregation of a plan.
    pub fn plan(input: LogicalPlan, keys: Vec<NamedExpr>, aggregates: Vec<(AggregateExpr, String)>) -> LogicalPlan {
        let keys_fields = keys.iter().map(|key| Field::new(&key.name, key.expr.data_type(), true));
        let fields = keys_fields
            .chain(aggregates.iter().map(|(aggregate, name)| Field::new(name, aggregate.data_type.clone(), true)));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        LogicalPlan::Aggregate(Self { input: Box::new(input), keys, aggregates, schema })
    }

    /// The distinct rows of a plan.
    pub fn distinct(input: LogicalPlan) -> LogicalPlan {
        let keys = (0..input.schema().fields().len())
            .map(|index| NamedExpr { expr: input.column(index), name: input.schema().field(index).name().clone() })
            .collect();
        Self::plan(input, keys, Vec::new())
    }
}
