//! Unnest: a streaming operator.

use std::sync::Arc;

use super::{Chain, Described, Lowering, MemoryUse};
use crate::error::Result;
use crate::exec::OperatorNode;
use crate::metrics::OperatorMetrics;
use crate::operators::unnest::UnnestFactory;
use crate::plan::{LogicalPlan, Unnest};

impl Lowering<'_> {
    pub(super) fn plan_unnest(&mut self, node: &Unnest) -> Result<Chain> {
        let headline = LogicalPlan::Unnest(node.clone()).headline();
        let mut chain = self.lower(&node.input)?;
        let metrics = OperatorMetrics::new();
        let factory = Arc::new(UnnestFactory {
            passed: node.passed.clone(),
            lists: node.lists.iter().map(|list| list.expr.clone()).collect(),
            numbers_items: node.ordinality.is_some(),
            keeps_empty: node.keeps_empty,
            schema: node.schema.clone(),
            metrics: metrics.clone(),
        });
        for pipeline in &mut chain.pipelines {
            pipeline.operators.push(OperatorNode { factory: factory.clone(), metrics: metrics.clone() });
        }
        let described = Described::new(headline, MemoryUse::Streams, metrics, vec![chain.described]);
        Ok(Chain { described, ..chain })
    }
}
