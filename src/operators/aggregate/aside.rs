//! Rows that are put aside: where nearly every row makes a group of its own, a large table that is searched for each costs
//! more than it saves. Such rows are sorted by slice of their hash, a part of them at a time, and grouped slice by slice
//! in the end, by tables that fit into the cache (the partitioning of Boncz, Manegold and Kersten, "Database
//! Architecture Optimized for the New Bottleneck: Memory Access", VLDB 1999).

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};

use super::layout::Layout;
use super::partition::{Sliced, slice_of, sort_by_slice};
use crate::batch::{batch_memory, compact, compacted_memory, hash_rows, record_batch};
use crate::error::Result;
use crate::memory::MemoryReservation;

/// Rows that are sorted at once: a column of them fits into the cache, and a slice of them is worth a call. Unit tests get
/// there too.
const PART_ROWS: usize = if cfg!(test) { 20 } else { 1 << 17 };
/// No more of the budget than one in so many bytes is sorted at once.
const PART_SHARE: u64 = 32;

/// What rows of so much memory need until they are sorted.
fn needed(memory: u64, rows: usize) -> u64 {
    // Held once more while sorted, with the order and the slice of each row.
    let sorting = 2 * size_of::<u32>() + size_of::<u8>();
    2 * memory + (rows * sorting) as u64
}

/// Rows put aside that are not sorted yet.
#[derive(Debug)]
pub(super) struct RowsAside {
    layout: Arc<Layout>,
    /// The bits of the hash that were used to cut before.
    used: u32,
    batch_size: usize,
    batches: Vec<RecordBatch>,
    /// The slice of each row.
    slices: Vec<u8>,
    /// What is held, and what sorting it needs.
    reservation: MemoryReservation,
    /// The hashes of the batch at hand; kept for their memory.
    hashes: Vec<u64>,
}

impl RowsAside {
    pub(super) fn new(layout: &Arc<Layout>, used: u32, batch_size: usize, reservation: MemoryReservation) -> Self {
        Self {
            layout: layout.clone(),
            used,
            batch_size,
            batches: Vec::new(),
            slices: Vec::new(),
            reservation,
            hashes: Vec::new(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.slices.len()
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> u64 {
        self.reservation.bytes()
    }

    /// Whether the rows may be held, which is reserved then.
    pub(super) fn try_reserve(&mut self, batch: &RecordBatch) -> bool {
        self.reservation.try_grow(needed(compacted_memory(batch), batch.num_rows()))
    }

    /// Reserves what cannot be done without for the rows.
    pub(super) fn reserve(&mut self, batch: &RecordBatch) -> Result<()> {
        self.reservation.grow(needed(compacted_memory(batch), batch.num_rows()))
    }

    /// Takes rows that were reserved; they are put aside, to be sorted by slice once there are enough.
    pub(super) fn push(&mut self, batch: &RecordBatch, keys: &[ArrayRef]) -> Result<()> {
        let foreseen = needed(compacted_memory(batch), batch.num_rows());
        let batch = compact(batch)?;
        self.reservation.shrink(foreseen.saturating_sub(needed(batch_memory(&batch), batch.num_rows())));
        self.hashes.clear();
        hash_rows(keys, &mut self.hashes)?;
        let used = self.used;
        self.slices.extend(self.hashes.iter().map(|&hash| slice_of(hash, used)));
        self.batches.push(batch);
        Ok(())
    }

    /// Whether there are enough rows to be sorted.
    pub(super) fn is_full(&self) -> bool {
        self.count() >= PART_ROWS || self.reservation.bytes() > self.reservation.pool().budget() / PART_SHARE
    }

    /// The rows by slice; leaves none. `fresh` holds what comes after.
    pub(super) fn sort(&mut self, fresh: MemoryReservation) -> Result<Sliced> {
        let reservation = std::mem::replace(&mut self.reservation, fresh);
        let slices = std::mem::take(&mut self.slices);
        let batches = std::mem::take(&mut self.batches);
        // There are far fewer than 2^32.
        let (order, starts) = sort_by_slice(slices.iter().copied(), 0..slices.len() as u32);
        let order = UInt32Array::from(order);
        // One column after another: what it is copied to meanwhile stays in the cache, and leaves no gaps in memory.
        let column = |column: usize| {
            let parts: Vec<_> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
            Ok(take(&concat(&parts)?, &order, None)?)
        };
        let schema = &self.layout.rows.schema;
        let columns = (0..schema.fields().len()).map(column).collect::<Result<_>>()?;
        let sorted = compact(&record_batch(schema, columns, order.len())?)?;
        Sliced::rows(sorted, starts, self.batch_size, reservation)
    }
}
