//! The groups of an aggregation as the source of the next stage: each partition is merged when it is read.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::keys::Keys;
use super::layout::Layout;
use super::partition::{Kind, MOST_BITS, PartitionFile, SLICES, Sliced, Spilled};
use super::rows::InputRows;
use super::spilling::SpillingTable;
use super::table::FinishedGroups;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;

/// A batch of the result takes one in so many bytes of the budget at most, on average.
const BATCH_SHARE: u64 = 16;

/// So many spilled rows of a partition are worth to be cut in memory. Those of unit tests get there too.
const CUT_ROWS: usize = if cfg!(test) { 100 } else { 1 << 17 };

/// States or rows of one partition.
#[derive(Debug)]
pub(super) enum Part {
    /// Those slices of what a worker kept in memory.
    Memory(Arc<Sliced>, Range<usize>),
    /// Blocks of a spill file.
    Spilled(Vec<Spilled>),
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

/// What has groups that occur nowhere else. Where it does not fit into memory it is cut by the bits of the hash that follow
/// those used so far.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) parts: Vec<Part>,
    pub(super) used: u32,
}

/// What becomes of the spilled rows of a partition.
#[derive(Clone, Copy, PartialEq)]
enum Rows {
    /// They are grouped by one table.
    Grouped,
    /// They are cut in memory: tables that stay in the cache save more than that costs.
    Cut,
    /// They are more than the memory holds, so that they are cut, also on disk, unless a table finds groups to repeat.
    GroupedOrCut,
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
    /// Rows of a batch.
    step: usize,
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
                finished.next = (start + finished.step).min(finished.groups.rows());
                return Ok(Some(finished.groups.batch(start..finished.next)?));
            }
            self.finished = None;
            let Some(portion) = self.portions.pop() else { return Ok(None) };
            self.process(portion)?;
        }
    }

    fn process(&mut self, portion: Portion) -> Result<()> {
        let Portion { parts, used } = portion;
        let file = (used <= MOST_BITS).then(|| PartitionFile::new(&self.layout, &self.metrics));
        let rows = if file.is_some() { self.what_becomes_of(&parts) } else { Rows::Grouped };
        let mut table =
            SpillingTable::new(&self.layout, Keys::States, used, file.clone(), &self.context, &self.metrics)?;
        table.reserve(parts.iter().map(Part::rows_in_memory).sum());
        for part in parts {
            self.merge(part, &mut table, rows)?;
        }
        let is_whole = !table.is_cut() && !file.as_ref().is_some_and(|file| file.spilled());
        if is_whole && !table.try_reserve_results()? {
            table.spill()?;
        }
        match file.filter(|file| file.spilled()) {
            Some(file) => {
                table.spill()?;
                self.portions.extend(spilled_portions(&file, used).into_iter().rev());
            }
            None if table.is_cut() => {
                let portions = memory_portions(table.take()?, used, &self.layout, self.context.config.batch_size);
                self.portions.extend(portions.into_iter().rev());
            }
            None => {
                let (groups, reservation) = table.finish()?;
                let most_bytes = self.context.memory.budget() / BATCH_SHARE;
                let step = groups.rows_of_batch(most_bytes, self.context.config.batch_size);
                self.finished = Some(Finished { groups, next: 0, step, _reservation: reservation });
            }
        }
        Ok(())
    }

    fn what_becomes_of(&self, parts: &[Part]) -> Rows {
        let spilled = parts.iter().flat_map(|part| match part {
            Part::Spilled(blocks) => blocks.as_slice(),
            Part::Memory(..) => &[],
        });
        let blocks = spilled.filter(|spilled| spilled.kind == Kind::Rows).map(|spilled| &spilled.block);
        let (rows, memory) =
            blocks.fold((0, 0), |(rows, memory), block| (rows + block.rows(), memory + block.memory()));
        if rows <= CUT_ROWS {
            Rows::Grouped
        } else if self.context.memory.reservation("aggregate", &self.metrics).try_grow(2 * memory) {
            // Twice, as another worker may do the same.
            Rows::Cut
        } else {
            Rows::GroupedOrCut
        }
    }

    fn merge(&self, part: Part, table: &mut SpillingTable, rows: Rows) -> Result<()> {
        match part {
            Part::Memory(sliced, slices) => {
                sliced.blocks(slices).try_for_each(|block| self.merge_block(&block?, sliced.kind(), table, rows))
            }
            Part::Spilled(blocks) => {
                let mut reading = self.context.memory.reservation("aggregate", &self.metrics);
                reading.grow(blocks.iter().map(|spilled| spilled.block.memory()).max().unwrap_or(0))?;
                let mut blocks = blocks.into_iter();
                blocks.try_for_each(|Spilled { kind, block }| self.merge_block(&block.into_batch()?, kind, table, rows))
            }
        }
    }

    fn merge_block(&self, block: &RecordBatch, kind: Kind, table: &mut SpillingTable, rows: Rows) -> Result<()> {
        self.context.cancel.check()?;
        let input = || InputRows::from_batch(block, &self.layout.rows);
        match (kind, rows) {
            (Kind::States, _) => table.merge(block),
            (Kind::Rows, Rows::Grouped) => table.update(&input()),
            (Kind::Rows, Rows::Cut) => table.put_aside(&input()),
            (Kind::Rows, Rows::GroupedOrCut) => table.update_or_put_aside(&input()),
        }
    }
}

/// What is in memory, sliced by the bits that follow the used ones, as portions: few where there is little.
pub(super) fn memory_portions(all: Vec<Sliced>, used: u32, layout: &Layout, batch_size: usize) -> Vec<Portion> {
    let rows: usize = all.iter().map(Sliced::count).sum();
    let wanted = if layout.global { 1 } else { (rows / batch_size.max(1)).clamp(1, SLICES) };
    let bits = wanted.ilog2();
    let width = SLICES >> bits;
    let all: Vec<_> = all.into_iter().map(Arc::new).collect();
    let portion = |start: usize| {
        let slices = start..start + width;
        let some = all.iter().filter(|sliced| sliced.count_in(&slices) > 0);
        let parts = some.map(|sliced| Part::Memory(sliced.clone(), slices.clone()));
        Portion { parts: parts.collect(), used: used + bits }
    };
    (0..SLICES).step_by(width).map(portion).collect()
}

/// What was spilled, partition by partition; `used` bits had been used to cut before.
pub(super) fn spilled_portions(file: &PartitionFile, used: u32) -> Vec<Portion> {
    let (partitions, bits) = file.take();
    let portion = |blocks| Portion { parts: vec![Part::Spilled(blocks)], used: used + bits };
    partitions.into_iter().map(portion).collect()
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
