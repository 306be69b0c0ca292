//! The sorted rows, merged while they are read.

use std::sync::{Arc, Mutex, PoisonError};

use super::merge::{Cursor, Merge, merge_memory};
use super::run::{BlockLimits, Run};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::operators::buffer::range;
use crate::types::SchemaRef;

/// Sorted rows as one partition, merged from runs in memory and on disk. Runs stay until the source and its readers
/// are dropped, so it can be read again.
#[derive(Debug)]
pub(super) struct SortedSource {
    pub(super) name: &'static str,
    pub(super) schema: SchemaRef,
    pub(super) runs: Vec<Arc<Run>>,
    pub(super) blocks: BlockLimits,
    pub(super) fetch: Option<usize>,
    /// What the first reader holds while it merges; further ones reserve their own.
    pub(super) memory: Mutex<Option<MemoryReservation>>,
    pub(super) metrics: Arc<OperatorMetrics>,
}

impl Source for SortedSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        1
    }

    fn open(&self, partition: usize, context: &QueryContext, _: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        if partition != 0 {
            return Err(Error::internal("sorted rows are one partition"));
        }
        let reserved = self.memory.lock().unwrap_or_else(PoisonError::into_inner).take();
        let memory = match reserved {
            Some(memory) => memory,
            None => {
                let mut memory = context.memory.reservation(self.name, &self.metrics);
                memory.grow(merge_memory(&self.runs, self.blocks))?;
                memory
            }
        };
        let cursors = self.runs.iter().map(Cursor::shared).collect::<Result<_>>()?;
        let blocks = self.blocks.with_rows(context.config.batch_size);
        let merge = Merge::new(cursors, &self.schema, blocks, &context.cancel);
        let merged = merge.inspect(move |_| {
            let _ = &memory;
        });
        Ok(Box::new(range(merged, 0, self.fetch.map_or(u64::MAX, |fetch| fetch as u64))))
    }
}
