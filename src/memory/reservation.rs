//! A reservation: how an operator holds more than one batch.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::memory::MemoryPool;
use crate::memory::pool::Threshold;
use crate::metrics::OperatorMetrics;

/// Memory held by one operator in one task. Given back when dropped.
///
/// Who can spill calls [`try_grow`](Self::try_grow), spills where that is refused, and tries again; what must be held
/// anyway (a single batch, the block being read back) is taken by [`grow`](Self::grow).
#[derive(Debug)]
pub struct MemoryReservation {
    pool: Arc<MemoryPool>,
    id: u64,
    bytes: u64,
    metrics: Arc<OperatorMetrics>,
}

impl MemoryReservation {
    pub(super) fn new(pool: Arc<MemoryPool>, id: u64, metrics: Arc<OperatorMetrics>) -> Self {
        Self { pool, id, bytes: 0, metrics }
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The pool that it is held in.
    pub fn pool(&self) -> &Arc<MemoryPool> {
        &self.pool
    }

    /// Takes `bytes` more where use stays below the `spill` threshold; otherwise takes nothing and returns false:
    /// the caller spills and tries again.
    #[must_use]
    pub fn try_grow(&mut self, bytes: u64) -> bool {
        self.take(bytes, Threshold::Spill)
    }

    /// Takes `bytes` more that cannot be done without, up to the `terminate` threshold.
    ///
    /// # Errors
    /// A resource error that lists the consumers.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        if self.take(bytes, Threshold::Terminate) { Ok(()) } else { Err(self.exhausted(bytes)) }
    }

    /// Changes to a total that may be smaller or larger than now; see [`try_grow`](Self::try_grow).
    #[must_use]
    pub fn try_resize(&mut self, total: u64) -> bool {
        if total <= self.bytes {
            self.shrink(self.bytes - total);
            return true;
        }
        self.try_grow(total - self.bytes)
    }

    /// Changes to a total that cannot be done without; see [`grow`](Self::grow).
    ///
    /// # Errors
    /// A resource error that lists the consumers.
    pub fn resize(&mut self, total: u64) -> Result<()> {
        if total <= self.bytes {
            self.shrink(self.bytes - total);
            return Ok(());
        }
        self.grow(total - self.bytes)
    }

    /// Gives back `bytes`, at most what is held.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        if bytes > 0 {
            self.pool.remove(self.id, bytes);
            self.metrics.release(bytes);
            self.bytes -= bytes;
        }
    }

    /// Hands `bytes`, at most what is held, to a reservation of the same name, without giving them back meanwhile.
    pub fn split(&mut self, bytes: u64) -> Self {
        let bytes = bytes.min(self.bytes);
        let mut other = self.pool.reservation(&self.pool.name_of(self.id), &self.metrics);
        self.pool.transfer(self.id, other.id, bytes);
        self.bytes -= bytes;
        other.bytes = bytes;
        other
    }

    /// Gives back all.
    pub fn free(&mut self) {
        self.shrink(self.bytes);
    }

    /// The error of memory that ran out here.
    pub fn exhausted(&self, wanted: u64) -> Error {
        self.pool.exhausted(&self.pool.name_of(self.id), wanted)
    }

    fn take(&mut self, bytes: u64, threshold: Threshold) -> bool {
        let taken = self.pool.try_add(self.id, bytes, threshold);
        if taken {
            self.bytes += bytes;
            self.metrics.reserve(bytes);
        }
        taken
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        self.free();
        self.pool.unregister(self.id);
    }
}
