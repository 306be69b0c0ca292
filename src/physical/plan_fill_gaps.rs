//! FillGaps: a streaming operator over the one partition that a sort gives.

use std::sync::Arc;

use super::{Chain, Described, Lowering, MemoryUse};
use crate::error::{Error, Result};
use crate::exec::OperatorNode;
use crate::expr::GapColumn;
use crate::metrics::OperatorMetrics;
use crate::operators::fill_gaps::FillGapsFactory;
use crate::plan::{FillGaps, LogicalPlan};

impl Lowering<'_> {
    pub(super) fn plan_fill_gaps(&mut self, node: &FillGaps) -> Result<Chain> {
        if !node.has_sorted_input() {
            return Err(Error::internal("gaps are to be filled between rows that are not sorted"));
        }
        let headline = LogicalPlan::FillGaps(node.clone()).headline();
        let waits = |column: &GapColumn| matches!(column, GapColumn::Value(fill) if fill.waits());
        let memory = match node.columns.iter().any(waits) {
            true => MemoryUse::Bounded("rows until the next known value".into()),
            false => MemoryUse::Streams,
        };
        let mut chain = self.lower(&node.input)?;
        let metrics = OperatorMetrics::new();
        let factory = FillGapsFactory::new(
            node.input.schema().clone(),
            node.columns.clone(),
            node.bucket.clone(),
            node.starts.clone(),
            node.finishes.clone(),
            metrics.clone(),
        );
        let [pipeline] = chain.pipelines.as_mut_slice() else {
            return Err(Error::internal("gaps are to be filled in rows of several pipelines"));
        };
        pipeline.operators.push(OperatorNode { factory: Arc::new(factory), metrics: metrics.clone() });
        Ok(Chain { described: Described::new(headline, memory, metrics, vec![chain.described]), ..chain })
    }
}
