//! States and rows by partition, in memory and in spill files.
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

/// The slice of a hash; there are as many as a byte has values.
pub(super) fn slice_of(hash: u64, level: u32) -> u8 {
    (hash >> (FIRST_SHIFT - RADIX_BITS * level - SLICE_BITS)) as u8
}

const _: () = assert!(SLICES == 1 << u8::BITS);

/// The slices of a partition.
fn slices_of(partition: usize) -> Range<usize> {
    partition << SLICE_BITS..(partition + 1) << SLICE_BITS
}

/// The hash with the bits that cut partitions in front, those of the first level first: groups in this order are in the
/// order of their partitions at every level.
pub(super) fn radix_first(hash: u64) -> u64 {
    hash.rotate_left(u64::BITS - FIRST_SHIFT - RADIX_BITS)
}

/// What is kept apart until partitions are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The groups of a table, as states.
    States,
    /// Rows whose groups were not looked for.
    Rows,
}

/// Sorts items by their slices, by counting; those of a slice stay in their order. Also gives where each slice starts, and
/// the end of the last one.
pub(super) fn sort_by_slice<T: Copy + Default>(
    slices: impl ExactSizeIterator<Item = u8> + Clone,
    items: impl Iterator<Item = T>,
) -> (Vec<T>, Vec<usize>) {
    let mut starts = vec![0; SLICES + 1];
    for slice in slices.clone() {
        starts[usize::from(slice) + 1] += 1;
    }
    for slice in 1..starts.len() {
        starts[slice] += starts[slice - 1];
    }
    let mut next = starts.clone();
    let mut sorted = vec![T::default(); slices.len()];
    for (slice, item) in slices.zip(items) {
        let place = &mut next[usize::from(slice)];
        sorted[*place] = item;
        *place += 1;
    }
    (sorted, starts)
}

/// States or rows by slice.
#[derive(Debug)]
pub(super) struct Sliced {
    kind: Kind,
    batch: RecordBatch,
    /// Where each slice starts, and the end of the last one.
    starts: Vec<usize>,
    /// The rows of `batch`, slice by slice; `None` where they are in that order.
    order: Option<Vec<u32>>,
    /// Rows that are read at once.
    block_rows: usize,
    /// The memory of all this.
    reservation: MemoryReservation,
}

impl Sliced {
    /// States, which are not copied until a slice is read. The reservation must cover the states; it shrinks to what is
    /// held from now on.
    pub(super) fn states(
        states: RecordBatch,
        level: u32,
        batch_size: usize,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let hashes = states.column(HASH_COLUMN).as_primitive::<UInt64Type>().values();
        // There are fewer than 2^32 groups.
        let (order, starts) = sort_by_slice(hashes.iter().map(|&hash| slice_of(hash, level)), 0..hashes.len() as u32);
        let memory = batch_memory(&states) + size_of_val(order.as_slice()) as u64;
        Self { kind: Kind::States, batch: states, starts, order: Some(order), block_rows: 1, reservation }
            .with_blocks(batch_size, memory)
    }

    /// Rows that are in that order already. The reservation must cover them.
    pub(super) fn rows(
        rows: RecordBatch,
        starts: Vec<usize>,
        batch_size: usize,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let memory = batch_memory(&rows);
        Self { kind: Kind::Rows, batch: rows, starts, order: None, block_rows: 1, reservation }
            .with_blocks(batch_size, memory)
    }

    fn with_blocks(mut self, batch_size: usize, memory: u64) -> Result<Self> {
        let block_bytes = BLOCK_BYTES.min(self.reservation.pool().budget() / 64);
        let fitting = block_bytes * self.batch.num_rows() as u64 / memory.max(1);
        self.block_rows = usize::try_from(fitting).unwrap_or(batch_size).clamp(1, batch_size.max(1));
        self.reservation.resize(memory)?;
        Ok(self)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// How many states or rows there are.
    pub(super) fn count(&self) -> usize {
        self.batch.num_rows()
    }

    /// How many of them are in some slices.
    pub(super) fn count_in(&self, slices: &Range<usize>) -> usize {
        self.starts[slices.end] - self.starts[slices.start]
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> u64 {
        self.reservation.bytes()
    }

    /// What is in some slices, block by block.
    pub(super) fn blocks(&self, slices: Range<usize>) -> impl Iterator<Item = Result<RecordBatch>> {
        let Range { start, end } = self.starts[slices.start]..self.starts[slices.end];
        (start..end).step_by(self.block_rows).map(move |start| {
            let count = self.block_rows.min(end - start);
            match &self.order {
                None => Ok(self.batch.slice(start, count)),
                Some(order) => {
                    let indices = UInt32Array::from(order[start..start + count].to_vec());
                    Ok(arrow::compute::take_record_batch(&self.batch, &indices)?)
                }
            }
        })
    }
}

/// What was spilled of a partition.
#[derive(Debug)]
pub(super) struct Spilled {
    pub(super) kind: Kind,
    pub(super) file: SpillFile,
}

/// The spill files of each partition that got anything: one of states, one of rows. Shared by the workers that spill.
#[derive(Debug)]
pub(super) struct PartitionFiles {
    layout: Arc<Layout>,
    metrics: Arc<OperatorMetrics>,
    writers: Vec<Mutex<PartitionWriters>>,
    spilled: AtomicBool,
}

#[derive(Debug, Default)]
struct PartitionWriters {
    states: Option<SpillWriter>,
    rows: Option<SpillWriter>,
}

impl PartitionFiles {
    pub(super) fn new(layout: &Arc<Layout>, metrics: &Arc<OperatorMetrics>) -> Arc<Self> {
        Arc::new(Self {
            layout: layout.clone(),
            metrics: metrics.clone(),
            writers: (0..PARTITIONS).map(|_| Mutex::default()).collect(),
            spilled: AtomicBool::new(false),
        })
    }

    /// Whether anything was written.
    pub(super) fn spilled(&self) -> bool {
        self.spilled.load(Relaxed)
    }

    /// Appends to the files of all partitions.
    pub(super) fn write(&self, sliced: &Sliced, context: &QueryContext) -> Result<()> {
        for (partition, writers) in self.writers.iter().enumerate() {
            for block in sliced.blocks(slices_of(partition)) {
                context.cancel.check()?;
                let block = block?;
                let mut writers = writers.lock().unwrap_or_else(PoisonError::into_inner);
                let (slot, schema) = match sliced.kind() {
                    Kind::States => (&mut writers.states, &self.layout.state_schema),
                    Kind::Rows => (&mut writers.rows, &self.layout.rows.schema),
                };
                let writer = match slot {
                    Some(writer) => writer,
                    None => slot.insert(context.spill.create("aggregate", schema, &self.metrics)?),
                };
                let before = writer.bytes();
                writer.write(&block)?;
                context.progress.bytes_spilled.fetch_add(writer.bytes() - before, Relaxed);
            }
        }
        self.spilled.store(true, Relaxed);
        Ok(())
    }

    /// What was spilled of a partition, once.
    pub(super) fn take(&self, partition: usize) -> Vec<Spilled> {
        let Some(writers) = self.writers.get(partition) else { return Vec::new() };
        let PartitionWriters { states, rows } =
            std::mem::take(&mut *writers.lock().unwrap_or_else(PoisonError::into_inner));
        let files = [(Kind::States, states), (Kind::Rows, rows)].into_iter();
        files.filter_map(|(kind, writer)| Some(Spilled { kind, file: writer?.finish() })).collect()
    }
}
