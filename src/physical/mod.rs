//! Lowers a logical plan to a graph of stages: streaming nodes become operators of a pipeline, pipeline breakers end a
//! stage. One file a node; each also says what EXPLAIN shows of it.

mod describe;
mod plan_aggregate;
mod plan_expand;
mod plan_fill_gaps;
mod plan_filter;
mod plan_limit;
mod plan_project;
mod plan_scan;
mod plan_sort;
mod plan_union;
mod plan_unnest;
mod plan_values;
mod plan_window;

use std::sync::Arc;

pub use describe::{Described, MemoryUse};

use crate::context::QueryContext;
use crate::error::Result;
use crate::exec::{OperatorNode, Pipeline, Stage, StageGraph, StageInput, StageSink};
use crate::io::source::Source;
use crate::metrics::OperatorMetrics;
use crate::operators::{OperatorFactory, Sink};
use crate::plan::LogicalPlan;

/// A lowered query.
#[derive(Debug)]
pub struct PhysicalPlan {
    /// What runs.
    pub graph: StageGraph,
    /// What EXPLAIN shows of it.
    pub described: Described,
}

/// Lowers a plan. Reads metadata of tables, no rows.
///
/// # Errors
/// Where a table cannot be scanned.
pub fn lower(plan: &LogicalPlan, context: &QueryContext) -> Result<PhysicalPlan> {
    let mut lowering = Lowering { context, stages: Vec::new() };
    let chain = lowering.lower(plan)?;
    let last = Stage { pipelines: chain.pipelines, sink: None };
    Ok(PhysicalPlan { graph: StageGraph { stages: lowering.stages, last }, described: chain.described })
}

/// Pipelines that are still open at their end.
struct Chain {
    pipelines: Vec<Pipeline>,
    described: Described,
}

struct Lowering<'a> {
    context: &'a QueryContext,
    stages: Vec<Stage>,
}

impl Lowering<'_> {
    fn lower(&mut self, plan: &LogicalPlan) -> Result<Chain> {
        match plan {
            LogicalPlan::Scan(node) => self.plan_scan(node),
            LogicalPlan::Values(node) => Ok(Self::plan_values(node)),
            LogicalPlan::Filter(node) => self.plan_filter(node),
            LogicalPlan::Project(node) => self.plan_project(node),
            LogicalPlan::Aggregate(node) => self.plan_aggregate(node),
            LogicalPlan::Sort(node) => self.plan_sort(node),
            LogicalPlan::Limit(node) => self.plan_limit(node),
            LogicalPlan::FillGaps(node) => self.plan_fill_gaps(node),
            LogicalPlan::Union(node) => self.plan_union(node),
            LogicalPlan::Expand(node) => self.plan_expand(node),
            LogicalPlan::Window(node) => self.plan_window(node),
            LogicalPlan::Unnest(node) => self.plan_unnest(node),
        }
    }

    /// A chain that starts at a source.
    fn start(source: Arc<dyn Source>, headline: String, memory: MemoryUse) -> Chain {
        let metrics = OperatorMetrics::new();
        let pipeline =
            Pipeline { input: StageInput::Source(source), input_metrics: metrics.clone(), operators: Vec::new() };
        Chain { pipelines: vec![pipeline], described: Described::new(headline, memory, metrics, Vec::new()) }
    }

    /// Appends a streaming operator to every pipeline of the chain.
    fn stream(mut chain: Chain, factory: Arc<dyn OperatorFactory>, headline: String) -> Chain {
        let metrics = OperatorMetrics::new();
        for pipeline in &mut chain.pipelines {
            pipeline.operators.push(OperatorNode { factory: factory.clone(), metrics: metrics.clone() });
        }
        let described = Described::new(headline, MemoryUse::Streams, metrics, vec![chain.described]);
        Chain { described, ..chain }
    }

    /// Ends the chain's stage in a sink; what follows reads the sink's result.
    fn end_stage(
        &mut self,
        chain: Chain,
        headline: String,
        memory: MemoryUse,
        make: impl FnOnce(Arc<OperatorMetrics>) -> Result<Arc<dyn Sink>>,
    ) -> Result<Chain> {
        let metrics = OperatorMetrics::new();
        let sink = StageSink { sink: make(metrics.clone())?, metrics: metrics.clone() };
        let index = self.stages.len();
        self.stages.push(Stage { pipelines: chain.pipelines, sink: Some(sink) });
        // What the sink gives on is counted as its output, also the time it takes to finish it.
        let pipeline =
            Pipeline { input: StageInput::Stage(index), input_metrics: metrics.clone(), operators: Vec::new() };
        let described = Described::new(headline, memory, metrics, vec![chain.described]);
        Ok(Chain { pipelines: vec![pipeline], described })
    }
}
