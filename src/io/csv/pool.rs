//! The memory of blocks: taken under the budget, shown by batches as Arrow buffers, and used again when the last batch
//! that shows it is gone.

use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::buffer::Buffer;

use crate::error::Result;
use crate::memory::{MemoryPool, MemoryReservation};
use crate::metrics::OperatorMetrics;

/// Readable bytes behind the text of every block, all of them zero: as many as the widest load of a processor takes.
pub const PADDING: usize = 64;
/// Allocations are multiples of this: of a page, for they are mostly mapped and given back by pages.
const GRAIN: usize = 4 << 10;
/// Memory is used again for a block that needs at least so much of it: the batches of a small block must not hold on to
/// a large one.
const WORST_FIT: usize = 2;

/// The memory for the blocks of one scan, shared by all who read its partitions.
///
/// All of it, idle or shown by a batch, is covered by a reservation.
pub struct BlockPool {
    state: Mutex<State>,
    /// How many idle pieces are kept.
    keep: usize,
}

struct State {
    /// `None` where there is no budget.
    reservation: Option<MemoryReservation>,
    idle: Vec<Vec<u8>>,
    /// Partitions that were not read yet. Behind the last one nothing is kept for another.
    readers_to_come: usize,
}

impl BlockPool {
    /// Memory out of the budget, for so many partitions, which `threads` threads read.
    pub fn new(memory: &Arc<MemoryPool>, metrics: &Arc<OperatorMetrics>, partitions: usize, threads: usize) -> Arc<Self> {
        let reservation = Some(memory.reservation("csv blocks", metrics));
        Arc::new(Self {
            state: Mutex::new(State { reservation, idle: Vec::new(), readers_to_come: partitions }),
            // What each of them reads, and what one of them has just given on.
            keep: threads + 1,
        })
    }

    /// Memory outside of any budget, for a look at the start of files while a query is planned.
    pub fn unmetered() -> Arc<Self> {
        let state = State { reservation: None, idle: Vec::new(), readers_to_come: 0 };
        Arc::new(Self { state: Mutex::new(state), keep: 0 })
    }

    /// Memory for a block of `wanted` bytes, or of fewer down to `least` where the budget is short.
    ///
    /// `wanted` is taken only up to the threshold at which operators spill; `least` up to that at which queries end, so
    /// that operators that hold their share leave enough for a reader to go on.
    ///
    /// # Errors
    /// A resource error, where there is not even enough for `least`.
    pub fn take(self: &Arc<Self>, least: usize, wanted: usize) -> Result<Block> {
        let block = |bytes| Block { bytes, pool: self.clone() };
        let (smallest, usual) = (allocation(least), allocation(wanted));
        let mut state = self.lock();
        let fits = |bytes: &Vec<u8>| bytes.len() >= usual && bytes.len() / WORST_FIT <= usual;
        if let Some(index) = state.idle.iter().position(fits) {
            return Ok(block(state.idle.swap_remove(index)));
        }
        let amount = state.reserve(smallest, usual)?;
        drop(state);
        Ok(block(vec![0; amount]))
    }

    /// To be told when one of the partitions was read or given up.
    pub fn reader_is_done(&self) {
        let mut state = self.lock();
        state.readers_to_come = state.readers_to_come.saturating_sub(1);
        if state.readers_to_come == 0 {
            state.drop_idle();
        }
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut state = self.lock();
        if state.readers_to_come > 0 && state.idle.len() < self.keep {
            state.idle.push(bytes);
        } else {
            state.release(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes reserved, and how many of them are idle.
    #[cfg(test)]
    pub fn held(&self) -> (u64, u64) {
        let state = self.lock();
        let idle = state.idle.iter().map(|bytes| bytes.len() as u64).sum();
        (state.reservation.as_ref().map_or(0, MemoryReservation::bytes), idle)
    }
}

impl fmt::Debug for BlockPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockPool").field("keep", &self.keep).finish_non_exhaustive()
    }
}

impl State {
    /// Reserves `usual` bytes, or `smallest` where those are refused, and says which.
    fn reserve(&mut self, smallest: usize, usual: usize) -> Result<usize> {
        let Some(reservation) = &mut self.reservation else { return Ok(usual) };
        if reservation.try_grow(usual as u64) {
            return Ok(usual);
        }
        // What lies idle has the wrong size, or the whole session is short of memory.
        self.drop_idle();
        let Some(reservation) = &mut self.reservation else { return Ok(usual) };
        if smallest < usual && reservation.try_grow(usual as u64) {
            return Ok(usual);
        }
        reservation.grow(smallest as u64)?;
        Ok(smallest)
    }

    fn drop_idle(&mut self) {
        for bytes in std::mem::take(&mut self.idle) {
            self.release(bytes);
        }
    }

    fn release(&mut self, bytes: Vec<u8>) {
        let amount = bytes.len() as u64;
        drop(bytes);
        if let Some(reservation) = &mut self.reservation {
            reservation.shrink(amount);
        }
    }
}

/// Bytes allocated for a block.
fn allocation(block: usize) -> usize {
    (block + PADDING).next_multiple_of(GRAIN)
}

/// Memory that can be written to. Its pool gets it back when it is dropped.
#[derive(Debug)]
pub struct Block {
    /// All of it is initialized, and the last [`PADDING`] bytes are for nothing else.
    bytes: Vec<u8>,
    pool: Arc<BlockPool>,
}

impl Block {
    /// The bytes that text may stand in; what they hold is of no meaning.
    pub fn memory(&mut self) -> &mut [u8] {
        let end = self.bytes.len() - PADDING;
        &mut self.bytes[..end]
    }

    /// The first `len` bytes as a buffer, behind which there are [`PADDING`] zeros in the same allocation: they may be read
    /// by the buffer's pointer, though they are not part of it.
    pub fn into_buffer(mut self, len: usize) -> Buffer {
        let len = len.min(self.memory().len());
        self.bytes[len..len + PADDING].fill(0);
        let owner = Arc::new(self);
        let start = NonNull::from(owner.bytes.as_slice()).cast();
        // SAFETY: the pointer is to the memory of `owner`, of which at least `len` bytes are initialized. It is neither
        // moved nor written to before the last buffer drops its owner, which nobody else holds.
        unsafe { Buffer::from_custom_allocation(start, len, owner) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.bytes));
    }
}
