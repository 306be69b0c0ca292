//! Groups by partition: a table's groups in the order of partitions, and the spill files of the partitions.
//!
//! A partition is five bits of the hash, further bits at each level of recursion. They are taken from the middle: the
//! hash table tells groups apart by the lowest bits and by the highest seven, which have to differ within a partition.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::UInt64Type;

use super::layout::{HASH_COLUMN, Layout};
use crate::batch::batch_memory;
use crate::context::QueryContext;
use crate::error::Result;
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::spill::{SpillFile, SpillWriter};

const RADIX_BITS: u32 = 5;
/// Partitions at each level.
pub(super) const PARTITIONS: usize = 1 << RADIX_BITS;
/// The last level of recursion: 32^6 partitions. What is too large there is so for another reason than many groups.
pub(super) const LAST_LEVEL: u32 = 5;
const FIRST_SHIFT: u32 = 52;
/// Further bits that cut what is in memory: a table of one slice fits into the cache where one of a partition does not.
const SLICE_BITS: u32 = 3;
/// Slices of all partitions of a level.
pub(super) const SLICES: usize = PARTITIONS << SLICE_BITS;
/// Bytes of a spilled block, about.
const BLOCK_BYTES: u64 = 1 << 20;

fn slice_of(hash: u64, level: u32) -> usize {
    (hash >> (FIRST_SHIFT - RADIX_BITS * level - SLICE_BITS)) as usize % SLICES
}

/// The slices of a partition.
fn slices_of(partition: usize) -> Range<usize> {
    partition << SLICE_BITS..(partition + 1) << SLICE_BITS
}

/// The hash with the bits that cut partitions in front, those of the first level first: groups in this order are in the
/// order of their partitions at every level.
pub(super) fn radix_first(hash: u64) -> u64 {
    hash.rotate_left(u64::BITS - FIRST_SHIFT - RADIX_BITS)
}

/// A table's groups as states, and their order by slice. Nothing is copied until a slice is read.
#[derive(Debug)]
pub(super) struct DrainedGroups {
    states: RecordBatch,
    /// The rows of `states`, slice by slice.
    order: Vec<u32>,
    /// Where each slice starts in `order`, and the end of the last one.
    starts: Vec<usize>,
    /// Rows that are read at once.
    block_rows: usize,
    /// The memory of all this.
    reservation: MemoryReservation,
}

impl DrainedGroups {
    /// Orders states by slice. The reservation must cover the states; it shrinks to what is held from now on.
    pub(super) fn new(
        states: RecordBatch,
        level: u32,
        batch_size: usize,
        mut reservation: MemoryReservation,
    ) -> Result<Self> {
        let hashes = states.column(HASH_COLUMN).as_primitive::<UInt64Type>().values();
        let mut starts = vec![0; SLICES + 1];
        for &hash in hashes {
            starts[slice_of(hash, level) + 1] += 1;
        }
        for slice in 1..starts.len() {
            starts[slice] += starts[slice - 1];
        }
        let mut next = starts.clone();
        let mut order = vec![0; hashes.len()];
        for (row, &hash) in hashes.iter().enumerate() {
            let place = &mut next[slice_of(hash, level)];
            order[*place] = row as u32;
            *place += 1;
        }
        let held = batch_memory(&states);
        let block_bytes = BLOCK_BYTES.min(reservation.pool().budget() / 64);
        let fitting = block_bytes * states.num_rows() as u64 / held.max(1);
        let block_rows = usize::try_from(fitting).unwrap_or(batch_size).clamp(1, batch_size.max(1));
        reservation.resize(held + (order.len() * size_of::<u32>()) as u64)?;
        Ok(Self { states, order, starts, block_rows, reservation })
    }

    pub(super) fn rows(&self) -> usize {
        self.order.len()
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> u64 {
        self.reservation.bytes()
    }

    /// The states of some slices, copied block by block.
    pub(super) fn blocks(&self, slices: Range<usize>) -> impl Iterator<Item = Result<RecordBatch>> {
        let rows = &self.order[self.starts[slices.start]..self.starts[slices.end]];
        rows.chunks(self.block_rows).map(|rows| {
            let indices = UInt32Array::from(rows.to_vec());
            Ok(arrow::compute::take_record_batch(&self.states, &indices)?)
        })
    }
}

/// A spill file for each partition that got any groups. Shared by the workers that spill.
#[derive(Debug)]
pub(super) struct PartitionFiles {
    level: u32,
    layout: Arc<Layout>,
    metrics: Arc<OperatorMetrics>,
    writers: Vec<Mutex<Option<SpillWriter>>>,
    spilled: AtomicBool,
}

impl PartitionFiles {
    pub(super) fn new(level: u32, layout: &Arc<Layout>, metrics: &Arc<OperatorMetrics>) -> Arc<Self> {
        Arc::new(Self {
            level,
            layout: layout.clone(),
            metrics: metrics.clone(),
            writers: (0..PARTITIONS).map(|_| Mutex::default()).collect(),
            spilled: AtomicBool::new(false),
        })
    }

    /// Which bits of the hash tell the partition.
    pub(super) fn level(&self) -> u32 {
        self.level
    }

    /// Whether any groups were written.
    pub(super) fn spilled(&self) -> bool {
        self.spilled.load(Relaxed)
    }

    /// Appends a table's groups to the files of their partitions.
    pub(super) fn write(&self, groups: &DrainedGroups, context: &QueryContext) -> Result<()> {
        for (partition, slot) in self.writers.iter().enumerate() {
            for block in groups.blocks(slices_of(partition)) {
                context.cancel.check()?;
                let block = block?;
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                let writer = match &mut *slot {
                    Some(writer) => writer,
                    None => slot.insert(context.spill.create("aggregate", &self.layout.state_schema, &self.metrics)?),
                };
                let before = writer.bytes();
                writer.write(&block)?;
                context.progress.bytes_spilled.fetch_add(writer.bytes() - before, Relaxed);
            }
        }
        self.spilled.store(true, Relaxed);
        Ok(())
    }

    /// The file of a partition, once.
    pub(super) fn take(&self, partition: usize) -> Option<SpillFile> {
        let mut slot = self.writers.get(partition)?.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take().map(SpillWriter::finish)
    }
}
