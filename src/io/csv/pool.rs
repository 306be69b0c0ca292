//! The memory of blocks: taken under the budget, shown by batches as Arrow buffers, and used again when the last batch
//! that shows it is gone.

use std::fmt;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::buffer::Buffer;

use crate::error::Result;
use crate::memory::{MemoryPool, MemoryReservation};
use crate::metrics::OperatorMetrics;

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
    reservation: MemoryReservation,
    idle: Vec<Vec<u8>>,
    /// Partitions that were not read yet. Behind the last one nothing is kept for another.
    readers_to_come: usize,
}

impl BlockPool {
    /// Memory out of the budget by the name of the format, for so many partitions, which `threads` threads read.
    pub fn new(
        name: &str,
        memory: &Arc<MemoryPool>,
        metrics: &Arc<OperatorMetrics>,
        partitions: usize,
        threads: usize,
    ) -> Arc<Self> {
        let reservation = memory.reservation(name, metrics);
        Arc::new(Self {
            state: Mutex::new(State { reservation, idle: Vec::new(), readers_to_come: partitions }),
            // What each of them reads, and what one of them has just given on.
            keep: threads + 1,
        })
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

    /// Reserves what a reader needs beside blocks. It tells how much that was when it is done.
    ///
    /// # Errors
    /// A resource error, where there is not enough.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        self.lock().grow(bytes)
    }

    /// To be told when one of the partitions was read or given up, with what was reserved for it.
    pub fn reader_is_done(&self, reserved: u64) {
        let mut state = self.lock();
        state.reservation.shrink(reserved);
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
        (state.reservation.bytes(), idle)
    }
}

impl fmt::Debug for BlockPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockPool").field("keep", &self.keep).finish_non_exhaustive()
    }
}

impl State {
    /// Reserves `usual` bytes, or a half, a fourth and so on of them down to `smallest` where those are refused, and says
    /// how many.
    fn reserve(&mut self, smallest: usize, usual: usize) -> Result<usize> {
        let mut amount = usual;
        while !self.try_grow(amount as u64) {
            if amount == smallest {
                self.grow(amount as u64)?;
                break;
            }
            amount = (amount / 2).next_multiple_of(GRAIN).max(smallest);
        }
        Ok(amount)
    }

    /// As [`MemoryReservation::try_grow`], at the cost of what lies idle.
    fn try_grow(&mut self, bytes: u64) -> bool {
        if self.reservation.try_grow(bytes) {
            return true;
        }
        // It has the wrong size, or the whole session is short of memory.
        self.drop_idle();
        self.reservation.try_grow(bytes)
    }

    /// As [`MemoryReservation::grow`], at the cost of what lies idle.
    fn grow(&mut self, bytes: u64) -> Result<()> {
        if self.try_grow(bytes) {
            return Ok(());
        }
        self.reservation.grow(bytes)
    }

    fn drop_idle(&mut self) {
        for bytes in std::mem::take(&mut self.idle) {
            self.release(bytes);
        }
    }

    fn release(&mut self, bytes: Vec<u8>) {
        let amount = bytes.len() as u64;
        drop(bytes);
        self.reservation.shrink(amount);
    }
}

/// Bytes allocated for a block.
fn allocation(block: usize) -> usize {
    block.max(1).next_multiple_of(GRAIN)
}

/// Memory that can be written to. Its pool gets it back when it is dropped.
#[derive(Debug)]
pub struct Block {
    /// All of it is initialized.
    bytes: Vec<u8>,
    pool: Arc<BlockPool>,
}

impl Block {
    /// The bytes that text may stand in; what they hold is of no meaning.
    pub fn memory(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first `len` bytes as a buffer.
    pub fn into_buffer(self, len: usize) -> Buffer {
        let len = len.min(self.bytes.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Thresholds;

    fn pool(budget: u64, partitions: usize) -> (Arc<MemoryPool>, Arc<BlockPool>) {
        let memory = MemoryPool::new(budget, Thresholds::default(), None);
        let pool = BlockPool::new("csv blocks", &memory, &OperatorMetrics::new(), partitions, 1);
        (memory, pool)
    }

    fn buffer(pool: &Arc<BlockPool>, text: &[u8]) -> Buffer {
        let mut block = pool.take(text.len(), text.len()).unwrap();
        block.memory()[..text.len()].copy_from_slice(text);
        block.into_buffer(text.len())
    }

    #[test]
    fn memory_is_used_again_only_when_nobody_shows_it() {
        let (memory, pool) = pool(1 << 20, 10);
        let first = buffer(&pool, &[b'a'; 5000]);
        let shown = first.slice_with_length(100, 50);
        let address = first.as_ptr();
        drop(first);
        let second = buffer(&pool, &[b'b'; 5000]);
        assert_ne!(second.as_ptr(), address);
        assert_eq!(shown.as_slice(), [b'a'; 50]);
        drop(shown);
        assert_eq!(pool.held(), (16 << 10, 8 << 10));
        let third = buffer(&pool, &[b'c'; 4900]);
        assert_eq!(third.as_ptr(), address);
        assert_eq!(memory.reserved(), 16 << 10);
        drop((second, third));
        assert!(buffer(&pool, &[b'd'; 5000]).into_vec::<u8>().is_err(), "nobody gets the memory as his own");
    }

    #[test]
    fn idle_memory_is_bounded_and_goes_with_the_last_reader() {
        let (memory, pool) = pool(1 << 20, 2);
        let buffers: Vec<_> = (0..5).map(|_| buffer(&pool, b"text")).collect();
        assert_eq!(memory.reserved(), 5 * 4096);
        drop(buffers);
        assert_eq!(pool.held(), (2 * 4096, 2 * 4096));
        let large = buffer(&pool, &[0; 50_000]);
        assert_eq!(pool.held().1, 2 * 4096, "too small");
        drop(large);
        let small = buffer(&pool, b"small");
        assert_eq!(pool.held().1, 4096);
        pool.reserve(100).unwrap();
        assert_eq!(memory.reserved(), 3 * 4096 - 4096 + 100);
        pool.reader_is_done(100);
        pool.reader_is_done(0);
        assert_eq!(pool.held(), (4096, 0));
        drop(small);
        assert_eq!(memory.reserved(), 0);
    }

    #[test]
    fn what_is_short_is_taken_smaller_and_what_is_not_there_is_an_error() {
        let (memory, pool) = pool(1_000_000, 10);
        let idle = buffer(&pool, &[0; 300_000]);
        drop(idle);
        let first = pool.take(10_000, 690_000).unwrap();
        assert_eq!(pool.held(), (first.bytes.len() as u64, 0), "what was idle had to go");
        let mut second = pool.take(100_000, 600_000).unwrap();
        assert_eq!(second.memory().len(), allocation(100_000));
        let error = pool.take(400_000, 600_000).unwrap_err();
        assert!(error.to_string().starts_with("csv blocks needs"), "{error}");
        drop((first, second, pool));
        assert_eq!(memory.reserved(), 0);
    }

    #[test]
    fn threads_share_a_pool() {
        let (memory, pool) = pool(1 << 30, usize::MAX);
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let pool = &pool;
                scope.spawn(move || {
                    let mut shown: Vec<Buffer> = Vec::new();
                    for round in 0..500usize {
                        let text = vec![thread; 1 + round * 37 % 9000];
                        shown.push(buffer(pool, &text));
                        if shown.len() > 3 {
                            let old = shown.swap_remove(round % 4);
                            assert!(old.iter().all(|byte| *byte == thread));
                        }
                    }
                });
            }
        });
        let (reserved, idle) = pool.held();
        assert_eq!((reserved, memory.reserved()), (idle, idle));
    }
}
