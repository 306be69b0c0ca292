//! Limit: ends its stage, so that no more partitions are read than the rows need.

use std::sync::Arc;

use super::{Chain, Lowering, MemoryUse};
use crate::error::Result;
use crate::operators::limit::LimitSink;
use crate::plan::{Limit, LogicalPlan};

impl Lowering<'_> {
    pub(super) fn plan_limit(&mut self, node: &Limit) -> Result<Chain> {
        let headline = LogicalPlan::Limit(node.clone()).headline();
        let chain = self.lower(&node.input)?;
        let (skip, fetch, schema) = (node.skip, node.fetch, node.input.schema().clone());
        self.end_stage(chain, headline, MemoryUse::MaySpill, |metrics| {
            Ok(Arc::new(LimitSink::new(schema, skip, fetch, metrics)))
        })
    }
}
