//! Window: a streaming operator over rows in order, which are one partition.

use std::sync::Arc;

use super::{Chain, Described, Lowering, MemoryUse};
use crate::error::{Error, Result};
use crate::exec::OperatorNode;
use crate::metrics::OperatorMetrics;
use crate::operators::in_order::InOrder;
use crate::operators::window::WindowFactory;
use crate::plan::{LogicalPlan, Window};

impl Lowering<'_> {
    pub(super) fn plan_window(&mut self, node: &Window) -> Result<Chain> {
        let headline = LogicalPlan::Window(node.clone()).headline();
        let chain = self.lower(&node.input)?;
        let mut chain = match (is_one_partition(&node.input), node.is_in_input_order()) {
            (true, _) => chain,
            (false, true) => {
                let schema = node.input.schema().clone();
                self.end_stage(chain, "Rows in order".into(), MemoryUse::MaySpill, |metrics| {
                    Ok(Arc::new(InOrder::new(schema, metrics)))
                })?
            }
            (false, false) => return Err(Error::internal(format!("{headline} is not over a sort"))),
        };
        let metrics = OperatorMetrics::new();
        let factory = WindowFactory {
            partition_by: node.partition_by.clone(),
            key: node.key(),
            frame: node.frame,
            min_periods: node.min_periods,
            aggregates: node.aggregates.iter().map(|(aggregate, _)| aggregate.clone()).collect(),
            schema: node.schema.clone(),
            metrics: metrics.clone(),
        };
        let factory = Arc::new(factory);
        for pipeline in &mut chain.pipelines {
            pipeline.operators.push(OperatorNode { factory: factory.clone(), metrics: metrics.clone() });
        }
        let memory = MemoryUse::Bounded("the rows of a window".into());
        Ok(Chain { described: Described::new(headline, memory, metrics, vec![chain.described]), ..chain })
    }
}

/// Whether all rows come in order, in one task: those of a sort and what streams over it, and rows given in the query.
fn is_one_partition(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(node) => node.fetch.is_none(),
        LogicalPlan::Values(_) | LogicalPlan::Window(_) => true,
        LogicalPlan::Filter(node) => is_one_partition(&node.input),
        LogicalPlan::Project(node) => is_one_partition(&node.input),
        _ => false,
    }
}
