//! The stage graph: what `physical` makes of a plan, and what runs.

use std::sync::Arc;

use crate::io::source::Source;
use crate::metrics::OperatorMetrics;
use crate::operators::{OperatorFactory, Sink};

/// The stages of a query, in an order in which each one's inputs go before it.
#[derive(Debug)]
pub struct StageGraph {
    /// Those that end in a sink.
    pub stages: Vec<Stage>,
    /// The one whose batches are the result; it has no sink.
    pub last: Stage,
}

impl StageGraph {
    /// How many partitions the tables that are read have together.
    pub fn partitions(&self) -> usize {
        let pipelines = self.stages.iter().chain([&self.last]).flat_map(|stage| &stage.pipelines);
        let partitions = pipelines.map(|pipeline| match &pipeline.input {
            StageInput::Source(source) => source.partitions(),
            StageInput::Stage(_) => 0,
        });
        partitions.sum()
    }

    /// Whether the result is told while tables are still being read.
    pub fn streams_input(&self) -> bool {
        self.last.pipelines.iter().any(|pipeline| matches!(pipeline.input, StageInput::Source(_)))
    }

    /// Bytes of input that will be read, as far as the sources know.
    pub fn input_bytes(&self) -> u64 {
        let pipelines = self.stages.iter().chain([&self.last]).flat_map(|stage| &stage.pipelines);
        let bytes = pipelines.map(|pipeline| match &pipeline.input {
            StageInput::Source(source) => (0..source.partitions()).map(|index| source.partition_bytes(index)).sum(),
            StageInput::Stage(_) => 0,
        });
        bytes.sum()
    }
}

/// Pipelines that feed one sink, one pipeline's rows after another's.
#[derive(Debug)]
pub struct Stage {
    /// At least one.
    pub pipelines: Vec<Pipeline>,
    /// What ends the stage; `None` for the last one.
    pub sink: Option<StageSink>,
}

/// A sink with its counters.
#[derive(Clone, Debug)]
pub struct StageSink {
    /// The sink.
    pub sink: Arc<dyn Sink>,
    /// Its counters.
    pub metrics: Arc<OperatorMetrics>,
}

/// A source and a chain of streaming operators.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Where rows come from.
    pub input: StageInput,
    /// Counters of the source.
    pub input_metrics: Arc<OperatorMetrics>,
    /// The operators, first to last.
    pub operators: Vec<OperatorNode>,
}

/// The input of a pipeline.
#[derive(Clone, Debug)]
pub enum StageInput {
    /// A table's scan.
    Source(Arc<dyn Source>),
    /// The result of an earlier stage by its index.
    Stage(usize),
}

/// An operator with its counters.
#[derive(Clone, Debug)]
pub struct OperatorNode {
    /// Makes the operator for each task.
    pub factory: Arc<dyn OperatorFactory>,
    /// Its counters, shared by all tasks.
    pub metrics: Arc<OperatorMetrics>,
}
