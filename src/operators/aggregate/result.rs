//! The groups of an aggregation as the source of the next stage: each partition is merged when it is read.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::keys::Keys;
use super::layout::Layout;
use super::partition::{Kind, LAST_LEVEL, PARTITIONS, PartitionFiles, SLICES, Sliced, Spilled};
use super::rows::InputRows;
use super::spilling::SpillingTable;
use super::table::FinishedGroups;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;

/// So many spilled rows of a partition are worth to be cut in memory. Those of unit tests get there too.
const CUT_ROWS: u64 = if cfg!(test) { 100 } else { 1 << 18 };

/// States or rows of one partition.
#[derive(Debug)]
pub(super) enum Part {
    /// Those slices of what a worker kept in memory.
    Memory(Arc<Sliced>, Range<usize>),
    /// A spill file.
    Spilled(Spilled),
}

impl Part {
    /// How many rows, not states, it has in memory.
    fn rows_in_memory(&self) -> usize {
        match self {
            Self::Memory(sliced, slices) if sliced.kind() == Kind::Rows => sliced.count_in(slices),
            _ => 0,
        }
    }
}

/// What has groups that occur nowhere else. Where it does not fit into memory it is cut by the bits of `level`.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) parts: Vec<Part>,
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
        let Portion { parts, level } = portion;
        let files = (level <= LAST_LEVEL).then(|| PartitionFiles::new(&self.layout, &self.metrics));
        let cut = level < LAST_LEVEL && self.worth_cutting(&parts);
        let mut table =
            SpillingTable::new(&self.layout, Keys::States, level, files.clone(), &self.context, &self.metrics)?;
        table.reserve(parts.iter().map(Part::rows_in_memory).sum());
        for part in parts {
            self.merge(part, &mut table, cut)?;
        }
        match files.filter(|files| files.spilled()) {
            Some(files) => {
                table.spill()?;
                self.portions.extend(spilled_portions(&files, level + 1).rev());
            }
            None if cut => {
                let portions = memory_portions(table.take()?, level, &self.layout, self.context.config.batch_size);
                self.portions.extend(portions.into_iter().rev());
            }
            None => {
                let (groups, reservation) = table.finish()?;
                self.finished = Some(Finished { groups, next: 0, _reservation: reservation });
            }
        }
        Ok(())
    }

    /// Whether what was spilled is so much that it is first cut in memory, where it fits: tables that stay in the cache
    /// save more than that costs.
    fn worth_cutting(&self, parts: &[Part]) -> bool {
        let spilled = parts.iter().filter_map(|part| match part {
            Part::Spilled(Spilled { kind: Kind::Rows, file }) => Some(file),
            _ => None,
        });
        let (rows, memory) = spilled.fold((0, 0), |(rows, memory), file| (rows + file.rows(), memory + file.memory()));
        // Another worker may do the same.
        rows > CUT_ROWS && self.context.memory.reservation("aggregate", &self.metrics).try_grow(2 * memory)
    }

    fn merge(&self, part: Part, table: &mut SpillingTable, cut: bool) -> Result<()> {
        match part {
            Part::Memory(sliced, slices) => {
                sliced.blocks(slices).try_for_each(|block| self.merge_block(&block?, sliced.kind(), table, cut))
            }
            Part::Spilled(Spilled { kind, file }) => {
                let mut reading = self.context.memory.reservation("aggregate", &self.metrics);
                reading.grow(file.largest_block())?;
                file.into_reader().try_for_each(|block| self.merge_block(&block?, kind, table, cut))
            }
        }
    }

    fn merge_block(&self, block: &RecordBatch, kind: Kind, table: &mut SpillingTable, cut: bool) -> Result<()> {
        self.context.cancel.check()?;
        let rows = || InputRows::from_batch(block, &self.layout.rows);
        match kind {
            Kind::States => table.merge(block),
            Kind::Rows if cut => table.put_aside(&rows()),
            Kind::Rows => table.update(&rows()),
        }
    }
}

/// What is in memory, sliced at that level, as portions: few where there is little.
pub(super) fn memory_portions(all: Vec<Sliced>, level: u32, layout: &Layout, batch_size: usize) -> Vec<Portion> {
    let rows: usize = all.iter().map(Sliced::count).sum();
    let wanted = if layout.global { 1 } else { (rows / batch_size.max(1)).clamp(1, SLICES) };
    let width = SLICES / (1 << wanted.ilog2());
    // A portion of several partitions is cut into these first, so that its groups come in their order.
    let level = if width > SLICES / PARTITIONS { level } else { level + 1 };
    let all: Vec<_> = all.into_iter().map(Arc::new).collect();
    let portion = |start: usize| {
        let parts = all.iter().map(|sliced| Part::Memory(sliced.clone(), start..start + width));
        Portion { parts: parts.collect(), level }
    };
    (0..SLICES).step_by(width).map(portion).collect()
}

/// What was spilled, partition by partition.
pub(super) fn spilled_portions(files: &PartitionFiles, level: u32) -> impl DoubleEndedIterator<Item = Portion> {
    (0..PARTITIONS).map(move |partition| {
        let parts = files.take(partition).into_iter().map(Part::Spilled).collect();
        Portion { parts, level }
    })
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
