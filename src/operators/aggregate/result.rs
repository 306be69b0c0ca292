//! The groups of an aggregation as the source of the next stage: each partition is merged when it is read.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::keys::Keys;
use super::layout::Layout;
use super::partition::{DrainedGroups, LAST_LEVEL, PARTITIONS, PartitionFiles};
use super::spilling::SpillingTable;
use super::table::FinishedGroups;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::spill::SpillFile;

/// States of one partition.
#[derive(Debug)]
pub(super) enum States {
    /// Those slices of a worker's table that stayed in memory.
    Memory(Arc<DrainedGroups>, Range<usize>),
    /// A spill file.
    File(SpillFile),
}

/// States whose groups occur nowhere else. Where they do not fit into memory they are cut by the bits of `level`.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) states: Vec<States>,
    pub(super) level: u32,
}

/// The result of an aggregation. A partition can be opened once: reading it gives its memory and disk back.
#[derive(Debug)]
pub(super) struct AggregateSource {
    layout: Arc<Layout>,
    metrics: Arc<OperatorMetrics>,
    partitions: Vec<Mutex<Option<Portion>>>,
}

impl AggregateSource {
    pub(super) fn new(layout: &Arc<Layout>, metrics: &Arc<OperatorMetrics>, portions: Vec<Portion>) -> Self {
        let partitions = portions.into_iter().map(|portion| Mutex::new(Some(portion))).collect();
        Self { layout: layout.clone(), metrics: metrics.clone(), partitions }
    }
}

impl Source for AggregateSource {
    fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn open(&self, partition: usize, context: &QueryContext, _: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let slot = self.partitions.get(partition);
        let portion = slot.and_then(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take());
        let portion = portion.ok_or_else(|| {
            Error::internal(format!("partition {partition} of an aggregation does not exist, or was read before"))
        })?;
        Ok(Box::new(ResultStream {
            layout: self.layout.clone(),
            metrics: self.metrics.clone(),
            context: context.clone(),
            portions: vec![portion],
            finished: None,
        }))
    }
}

/// Groups that are complete, put out from `next` on.
struct Finished {
    groups: FinishedGroups,
    next: usize,
    _reservation: MemoryReservation,
}

/// Merges portions one after another, and cuts those that are too large into further ones.
struct ResultStream {
    layout: Arc<Layout>,
    metrics: Arc<OperatorMetrics>,
    context: QueryContext,
    portions: Vec<Portion>,
    finished: Option<Finished>,
}

impl ResultStream {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.context.cancel.check()?;
            if let Some(finished) = &mut self.finished
                && finished.next < finished.groups.rows()
            {
                let start = finished.next;
                finished.next = (start + self.context.config.batch_size.max(1)).min(finished.groups.rows());
                return Ok(Some(finished.groups.batch(start..finished.next)?));
            }
            self.finished = None;
            let Some(portion) = self.portions.pop() else { return Ok(None) };
            self.process(portion)?;
        }
    }

    fn process(&mut self, portion: Portion) -> Result<()> {
        let level = portion.level;
        let files = (level <= LAST_LEVEL).then(|| PartitionFiles::new(level, &self.layout, &self.metrics));
        let mut table = SpillingTable::new(&self.layout, Keys::States, files.clone(), &self.context, &self.metrics)?;
        for states in portion.states {
            self.merge(states, &mut table)?;
        }
        match files.filter(|files| files.spilled()) {
            None => {
                let (groups, reservation) = table.finish()?;
                self.finished = Some(Finished { groups, next: 0, _reservation: reservation });
            }
            Some(files) => {
                table.spill()?;
                let parts = (0..PARTITIONS).rev().filter_map(|partition| files.take(partition));
                self.portions.extend(parts.map(|file| Portion { states: vec![States::File(file)], level: level + 1 }));
            }
        }
        Ok(())
    }

    fn merge(&self, states: States, table: &mut SpillingTable) -> Result<()> {
        match states {
            States::Memory(groups, slices) => {
                for block in groups.blocks(slices) {
                    self.context.cancel.check()?;
                    table.merge(&block?)?;
                }
            }
            States::File(file) => {
                let mut reading = self.context.memory.reservation("aggregate", &self.metrics);
                reading.grow(file.largest_block())?;
                for block in file.into_reader() {
                    self.context.cancel.check()?;
                    table.merge(&block?)?;
                }
            }
        }
        Ok(())
    }
}

impl Iterator for ResultStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.next_batch().transpose();
        if matches!(batch, Some(Err(_))) {
            self.portions.clear();
            self.finished = None;
        }
        batch
    }
}
