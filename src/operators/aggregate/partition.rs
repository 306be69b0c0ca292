//! States and rows by slice of the hash, in memory and in a spill file.
//!
//! A slice is eight bits of the hash, further bits at each level of recursion. They are taken from the middle: the hash
//! table tells groups apart by the lowest bits and by the highest seven, which have to differ within a slice. A partition
//! is what is kept apart on disk and read at once: one slice, or a few that lie side by side.

use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::UInt64Type;

use super::layout::{HASH_COLUMN, Layout};
use crate::batch::batch_memory;
use crate::context::QueryContext;
use crate::error::Result;
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::spill::{SharedSpillFile, SpillBlock};

/// Bits of a slice.
const SLICE_BITS: u32 = 8;
/// Slices at each level.
pub(super) const SLICES: usize = 1 << SLICE_BITS;
/// Where so many bits are used up, nothing is cut further: there are millions of partitions, and what is too large in one
/// of them is so for another reason than many groups.
pub(super) const MOST_BITS: u32 = 24;
/// The bits that cut lie below this one.
const FIRST_BIT: u32 = 57;
/// Partitions on disk: fewer where memory is small, since each gets a block of its own whenever a worker spills.
const PARTITION_BITS: std::ops::RangeInclusive<u32> = 5..=SLICE_BITS;
/// That much of the budget for each partition makes blocks of about half of it where two workers share the budget.
const BUDGET_OF_PARTITION: u64 = 1 << 20;
/// Bytes of a spilled block, about.
const BLOCK_BYTES: u64 = 1 << 20;

/// The slice of a hash, of which `used` bits have been used to cut before; there are as many as a byte has values.
pub(super) fn slice_of(hash: u64, used: u32) -> u8 {
    (hash >> (FIRST_BIT - SLICE_BITS - used)) as u8
}

const _: () = assert!(SLICES == 1 << u8::BITS);

/// The hash with the bits that cut partitions in front, those of the first level first: groups in this order are in the
/// order of their partitions at every level.
pub(super) fn radix_first(hash: u64) -> u64 {
    hash.rotate_left(u64::BITS - FIRST_BIT)
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
        used: u32,
        batch_size: usize,
        reservation: MemoryReservation,
    ) -> Result<Self> {
        let hashes = states.column(HASH_COLUMN).as_primitive::<UInt64Type>().values();
        // There are fewer than 2^32 groups.
        let (order, starts) = sort_by_slice(hashes.iter().map(|&hash| slice_of(hash, used)), 0..hashes.len() as u32);
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
        let fitting = block_bytes(self.reservation.pool().budget()) * self.batch.num_rows() as u64 / memory.max(1);
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

    /// Bytes that a row takes, about.
    fn row_bytes(&self) -> u64 {
        self.reservation.bytes() / self.batch.num_rows().max(1) as u64
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

/// The size of blocks that a budget allows for.
fn block_bytes(budget: u64) -> u64 {
    BLOCK_BYTES.min(budget / 64)
}

/// A spilled block of states or rows.
#[derive(Debug)]
pub(super) struct Spilled {
    pub(super) kind: Kind,
    pub(super) block: SpillBlock,
}

/// The spill file of a level, and which blocks in it belong to which partition. Shared by the workers that spill.
#[derive(Debug)]
pub(super) struct PartitionFile {
    layout: Arc<Layout>,
    metrics: Arc<OperatorMetrics>,
    /// Made when something is spilled.
    opened: Mutex<Option<Arc<Opened>>>,
}

#[derive(Debug)]
struct Opened {
    file: SharedSpillFile,
    /// The bits of the hash that tell partitions apart.
    bits: u32,
    partitions: Vec<Mutex<Vec<Spilled>>>,
}

impl PartitionFile {
    pub(super) fn new(layout: &Arc<Layout>, metrics: &Arc<OperatorMetrics>) -> Arc<Self> {
        Arc::new(Self { layout: layout.clone(), metrics: metrics.clone(), opened: Mutex::default() })
    }

    /// Whether anything was written.
    pub(super) fn spilled(&self) -> bool {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn open(&self, context: &QueryContext) -> Result<Arc<Opened>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let wanted = (context.memory.budget() / BUDGET_OF_PARTITION).max(1).ilog2();
        let bits = wanted.clamp(*PARTITION_BITS.start(), *PARTITION_BITS.end());
        let file = context.spill.create_shared("aggregate", &self.metrics)?;
        let partitions = (0..1 << bits).map(|_| Mutex::default()).collect();
        Ok(opened.insert(Arc::new(Opened { file, bits, partitions })).clone())
    }

    /// Writes all of it, partition by partition, in blocks as large as may be.
    pub(super) fn write(&self, all: &[Sliced], context: &QueryContext) -> Result<()> {
        let opened = self.open(context)?;
        let width = SLICES >> opened.bits;
        let block_bytes = block_bytes(context.memory.budget());
        let block_rows = context.config.batch_size.max(1);
        for (partition, blocks) in opened.partitions.iter().enumerate() {
            let slices = partition * width..(partition + 1) * width;
            for kind in [Kind::States, Kind::Rows] {
                let mut block = GrowingBlock::default();
                for sliced in all.iter().filter(|sliced| sliced.kind() == kind) {
                    for piece in sliced.blocks(slices.clone()) {
                        context.cancel.check()?;
                        let piece = piece?;
                        let bytes = piece.num_rows() as u64 * sliced.row_bytes();
                        if block.rows + piece.num_rows() > block_rows || block.bytes + bytes > block_bytes {
                            self.write_block(&opened, kind, blocks, &mut block, context)?;
                        }
                        block.push(piece, bytes);
                    }
                }
                self.write_block(&opened, kind, blocks, &mut block, context)?;
            }
        }
        Ok(())
    }

    fn write_block(
        &self,
        opened: &Opened,
        kind: Kind,
        blocks: &Mutex<Vec<Spilled>>,
        block: &mut GrowingBlock,
        context: &QueryContext,
    ) -> Result<()> {
        let GrowingBlock { pieces, .. } = std::mem::take(block);
        let schema = match kind {
            Kind::States => &self.layout.state_schema,
            Kind::Rows => &self.layout.rows.schema,
        };
        let batch = match pieces.as_slice() {
            [] => return Ok(()),
            [piece] => piece.clone(),
            pieces => concat_batches(schema, pieces)?,
        };
        drop(pieces);
        let block = opened.file.write(&batch)?;
        context.progress.bytes_spilled.fetch_add(block.bytes(), Relaxed);
        blocks.lock().unwrap_or_else(PoisonError::into_inner).push(Spilled { kind, block });
        Ok(())
    }

    /// What was spilled of each partition, once, and the bits of the hash that tell them apart.
    pub(super) fn take(&self) -> (Vec<Vec<Spilled>>, u32) {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        opened.map_or((Vec::new(), 0), |opened| {
            let take = |blocks: &Mutex<Vec<Spilled>>| {
                std::mem::take(&mut *blocks.lock().unwrap_or_else(PoisonError::into_inner))
            };
            (opened.partitions.iter().map(take).collect(), opened.bits)
        })
    }
}

/// Pieces of a partition on their way into a block.
#[derive(Debug, Default)]
struct GrowingBlock {
    pieces: Vec<RecordBatch>,
    rows: usize,
    bytes: u64,
}

impl GrowingBlock {
    fn push(&mut self, piece: RecordBatch, bytes: u64) {
        self.rows += piece.num_rows();
        self.bytes += bytes;
        self.pieces.push(piece);
    }
}
