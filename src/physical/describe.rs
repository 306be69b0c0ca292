//! What EXPLAIN shows of each operator before the run, and EXPLAIN ANALYZE after it.

use std::sync::Arc;

use crate::explain::Node;
use crate::metrics::OperatorMetrics;
use crate::types::{format_bytes, format_count};

/// What bounds the memory of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryUse {
    /// A batch or two.
    Streams,
    /// As much as the budget allows, then disk.
    MaySpill,
    /// By something other than the input.
    Bounded(String),
}

/// An operator of the lowered query with its counters.
#[derive(Clone, Debug)]
pub struct Described {
    headline: String,
    memory: MemoryUse,
    metrics: Arc<OperatorMetrics>,
    children: Vec<Described>,
}

impl Described {
    pub(super) fn new(
        headline: String,
        memory: MemoryUse,
        metrics: Arc<OperatorMetrics>,
        children: Vec<Described>,
    ) -> Self {
        Self { headline, memory, metrics, children }
    }

    /// The tree before the run: what streams, what may spill, what is bounded by what.
    pub fn before_run(&self) -> Node {
        let note = match &self.memory {
            MemoryUse::Streams => "streams".to_string(),
            MemoryUse::MaySpill => "may spill".to_string(),
            MemoryUse::Bounded(by) => format!("bounded by {by}"),
        };
        self.node(&|_| vec![note.clone()], &Self::before_run)
    }

    /// The tree after the run, with what each operator used.
    pub fn after_run(&self) -> Node {
        let notes = |metrics: &OperatorMetrics| {
            let mut line = format!(
                "rows {}  time {:.3} s",
                format_count(OperatorMetrics::get(&metrics.rows_out)),
                OperatorMetrics::get(&metrics.elapsed_nanos) as f64 / 1e9,
            );
            let peak = OperatorMetrics::get(&metrics.peak_reserved);
            if peak > 0 {
                line.push_str(&format!("  peak memory {}", format_bytes(peak)));
            }
            if self.memory == MemoryUse::MaySpill || OperatorMetrics::get(&metrics.spill_files) > 0 {
                line.push_str(&format!(
                    "  spilled {} in {} files",
                    format_bytes(OperatorMetrics::get(&metrics.spilled_bytes)),
                    OperatorMetrics::get(&metrics.spill_files)
                ));
            }
            let mut lines = vec![line];
            for (name, amount) in metrics.extra() {
                let shown = if name.contains("bytes") { format_bytes(amount) } else { format_count(amount) };
                lines.push(format!("{name} {shown}"));
            }
            lines
        };
        self.node(&notes, &Self::after_run)
    }

    /// The counters of this operator and of all below it, with their headlines, top down.
    pub fn metrics(&self) -> Vec<(&str, &OperatorMetrics)> {
        let mut all = vec![(self.headline.as_str(), &*self.metrics)];
        all.extend(self.children.iter().flat_map(Described::metrics));
        all
    }

    fn node(&self, notes: &dyn Fn(&OperatorMetrics) -> Vec<String>, child: &dyn Fn(&Self) -> Node) -> Node {
        Node {
            headline: self.headline.clone(),
            notes: notes(&self.metrics),
            children: self.children.iter().map(child).collect(),
        }
    }
}
