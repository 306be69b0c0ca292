//! The pool: one budget, four thresholds, and the ledger of who holds what.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::{ConsumerUsage, Error};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::types::format_bytes;

/// Fractions of the budget, with Dask's names and meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Sinks begin to spill cold partitions.
    pub target: f64,
    /// A sink that wants to grow spills first.
    pub spill: f64,
    /// No new task starts while another runs.
    pub pause: f64,
    /// The query ends with an error that lists the consumers.
    pub terminate: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { target: 0.60, spill: 0.70, pause: 0.80, terminate: 0.95 }
    }
}

/// Where the use of memory stands against the thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// Below all of them.
    None,
    /// Above `target`.
    Target,
    /// Above `spill`.
    Spill,
    /// Above `pause`.
    Pause,
    /// Above `terminate`.
    Terminate,
}

/// How often the process's resident memory is looked at, at most.
const SAMPLE_EVERY_NANOS: u64 = 5_000_000;

/// The memory budget of a session, shared by all of its queries.
///
/// What counts is the larger of two figures: the ledger, which sums the reservations, and the anonymous resident
/// memory of the process, sampled at most every few milliseconds, which also sees what nobody reserved.
#[derive(Debug)]
pub struct MemoryPool {
    budget: u64,
    thresholds: Thresholds,
    reserved: AtomicU64,
    resident: AtomicU64,
    sampled_at: AtomicU64,
    started: Instant,
    /// Gives memory that the allocator keeps back to the system; set by the binary that owns the allocator.
    purge: Option<fn()>,
    consumers: Mutex<Vec<(u64, String, u64)>>,
    next_id: AtomicU64,
}

impl MemoryPool {
    /// A pool of `budget` bytes. With `purge`, the resident memory of the process counts too: it is asked to give
    /// free memory back before a high figure is believed. Without, only the ledger counts: a library cannot answer
    /// for the rest of the process.
    pub fn new(budget: u64, thresholds: Thresholds, purge: Option<fn()>) -> Arc<Self> {
        Arc::new(Self {
            budget,
            thresholds,
            reserved: AtomicU64::new(0),
            resident: AtomicU64::new(0),
            sampled_at: AtomicU64::new(0),
            started: Instant::now(),
            purge,
            consumers: Mutex::default(),
            next_id: AtomicU64::new(0),
        })
    }

    /// The budget in bytes.
    pub fn budget(&self) -> u64 {
        self.budget
    }

    /// Bytes reserved now.
    pub fn reserved(&self) -> u64 {
        self.reserved.load(Relaxed)
    }

    /// A new reservation of zero bytes for the operator of that name.
    pub fn reservation(self: &Arc<Self>, name: &str, metrics: &Arc<OperatorMetrics>) -> MemoryReservation {
        let id = self.next_id.fetch_add(1, Relaxed);
        self.lock().push((id, name.to_string(), 0));
        MemoryReservation::new(self.clone(), id, metrics.clone())
    }

    /// Where use stands now.
    pub fn pressure(&self) -> Pressure {
        self.pressure_of(self.used())
    }

    /// The smallest share of the budget that each of `sharers` sinks may count on before it has to spill.
    pub fn fair_share(&self, sharers: usize) -> u64 {
        self.limit(self.thresholds.target) / (sharers.max(1) as u64)
    }

    /// The error that says who holds the memory and what would help.
    pub fn exhausted(&self, operator: &str, wanted: u64) -> Error {
        let mut consumers: Vec<ConsumerUsage> = Vec::new();
        for (_, name, bytes) in self.lock().iter().filter(|(_, _, bytes)| *bytes > 0) {
            match consumers.iter_mut().find(|consumer| consumer.name == *name) {
                Some(consumer) => consumer.bytes += bytes,
                None => consumers.push(ConsumerUsage { name: name.clone(), bytes: *bytes }),
            }
        }
        Error::resource(format!(
            "{operator} needs {} more memory, but {} of the budget of {} are in use",
            format_bytes(wanted),
            format_bytes(self.used()),
            format_bytes(self.budget)
        ))
        .with_consumers(consumers)
        .with_hint("raise --memory-limit, use fewer --threads, or a smaller batch_size (SET batch_size = 1024)")
    }

    /// Adds to the ledger where the sum stays at or below the threshold.
    pub(super) fn try_add(&self, id: u64, bytes: u64, threshold: Threshold) -> bool {
        let limit = self.limit(match threshold {
            Threshold::Spill => self.thresholds.spill,
            Threshold::Terminate => self.thresholds.terminate,
        });
        let before = self.reserved.fetch_add(bytes, Relaxed);
        let fits = before + bytes <= limit && (self.purge.is_none() || self.resident_with(bytes, limit) <= limit);
        if !fits {
            self.reserved.fetch_sub(bytes, Relaxed);
            return false;
        }
        self.record(id, |held| held + bytes);
        true
    }

    pub(super) fn remove(&self, id: u64, bytes: u64) {
        self.reserved.fetch_sub(bytes, Relaxed);
        self.record(id, |held| held - bytes);
    }

    pub(super) fn unregister(&self, id: u64) {
        self.lock().retain(|(other, _, _)| *other != id);
    }

    pub(super) fn name_of(&self, id: u64) -> String {
        let consumers = self.lock();
        consumers.iter().find(|(other, _, _)| *other == id).map_or_else(String::new, |(_, name, _)| name.clone())
    }

    fn record(&self, id: u64, change: impl Fn(u64) -> u64) {
        if let Some((_, _, bytes)) = self.lock().iter_mut().find(|(other, _, _)| *other == id) {
            *bytes = change(*bytes);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, String, u64)>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn limit(&self, fraction: f64) -> u64 {
        (self.budget as f64 * fraction) as u64
    }

    /// The larger of ledger and resident memory.
    fn used(&self) -> u64 {
        let reserved = self.reserved();
        if self.purge.is_none() {
            return reserved;
        }
        reserved.max(self.resident_with(0, self.limit(self.thresholds.target)))
    }

    fn pressure_of(&self, used: u64) -> Pressure {
        let above = |fraction| used > self.limit(fraction);
        if above(self.thresholds.terminate) {
            Pressure::Terminate
        } else if above(self.thresholds.pause) {
            Pressure::Pause
        } else if above(self.thresholds.spill) {
            Pressure::Spill
        } else if above(self.thresholds.target) {
            Pressure::Target
        } else {
            Pressure::None
        }
    }

    /// Resident memory plus `bytes`; where that is above `limit`, the allocator gives back what it can first.
    fn resident_with(&self, bytes: u64, limit: u64) -> u64 {
        let now = self.started.elapsed().as_nanos() as u64;
        let last = self.sampled_at.load(Relaxed);
        let due = now.saturating_sub(last) >= SAMPLE_EVERY_NANOS;
        if due && self.sampled_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
            let mut resident = anonymous_resident().unwrap_or(0);
            if resident + bytes > limit
                && let Some(purge) = self.purge
            {
                purge();
                resident = anonymous_resident().unwrap_or(0);
            }
            self.resident.store(resident, Relaxed);
        }
        self.resident.load(Relaxed) + bytes
    }
}

/// Which threshold a reservation may grow up to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Threshold {
    Spill,
    Terminate,
}

/// Anonymous resident memory of this process in bytes: resident pages without those of files and shared memory.
fn anonymous_resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let mut fields = text.split_ascii_whitespace();
    let resident: u64 = fields.nth(1)?.parse().ok()?;
    let shared: u64 = fields.next()?.parse().ok()?;
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}
