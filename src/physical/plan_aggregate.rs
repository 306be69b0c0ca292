//! Aggregate: a pipeline breaker that ends its stage in a hash aggregation.

use std::sync::Arc;

use super::{Chain, Lowering, MemoryUse};
use crate::error::Result;
use crate::operators::aggregate::HashAggregate;
use crate::plan::{Aggregate, LogicalPlan};

impl Lowering<'_> {
    pub(super) fn plan_aggregate(&mut self, node: &Aggregate) -> Result<Chain> {
        let headline = LogicalPlan::Aggregate(node.clone()).headline();
        let memory = if node.keys.is_empty() { MemoryUse::Bounded("one group".into()) } else { MemoryUse::MaySpill };
        let chain = self.lower(&node.input)?;
        let keys = node.keys.iter().map(|key| (key.expr.clone(), key.name.clone())).collect();
        let (aggregates, schema) = (node.aggregates.clone(), node.schema.clone());
        self.end_stage(chain, headline, memory, |metrics| {
            Ok(Arc::new(HashAggregate::new(keys, aggregates, schema, metrics)?))
        })
    }
}
