//! The pool: one budget, four thresholds, and the ledger of who holds what.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
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

/// Who holds memory that can be done without, such as a cache.
pub trait Spare: std::fmt::Debug + Send + Sync {
    /// Gives all of it back, and says whether there was any. It is called by whoever needs memory, on any thread.
    fn give_back(&self) -> bool;
}

/// What SET can change.
#[derive(Clone, Copy, Debug)]
struct Limits {
    budget: u64,
    thresholds: Thresholds,
}

/// The memory budget of a session, shared by all of its queries.
///
/// What counts is the larger of two figures: the ledger, which sums the reservations, and the anonymous resident
/// memory of the process, sampled at most every few milliseconds, which also sees what nobody reserved.
#[derive(Debug)]
pub struct MemoryPool {
    limits: RwLock<Limits>,
    reserved: AtomicU64,
    resident: AtomicU64,
    /// What was reserved when `resident` was sampled.
    reserved_then: AtomicU64,
    /// Nanoseconds since `started`; 0 before the first sample.
    sampled_at: AtomicU64,
    started: Instant,
    /// Gives memory that the allocator keeps back to the system; set by the binary that owns the allocator.
    purge: Option<fn()>,
    consumers: Mutex<Vec<(u64, String, u64)>>,
    next_id: AtomicU64,
    spares: Mutex<Vec<Weak<dyn Spare>>>,
    refusals: Option<Refusals>,
}

/// The test switch: memory is refused at random where the caller can do without.
#[derive(Debug)]
struct Refusals {
    one_in: u64,
    drawn: AtomicU64,
}

impl Refusals {
    /// Whether to refuse this time: the numbers of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn draw(&self) -> bool {
        const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut word = self.drawn.fetch_add(GAMMA, Relaxed).wrapping_add(GAMMA);
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ word >> 31).is_multiple_of(self.one_in)
    }
}

impl MemoryPool {
    /// A pool of `budget` bytes. With `purge`, the resident memory of the process counts too: it is asked to give
    /// free memory back before a high figure is believed. Without, only the ledger counts: a library cannot answer
    /// for the rest of the process.
    pub fn new(budget: u64, thresholds: Thresholds, purge: Option<fn()>) -> Arc<Self> {
        Arc::new(Self::with(budget, thresholds, purge))
    }

    fn with(budget: u64, thresholds: Thresholds, purge: Option<fn()>) -> Self {
        Self {
            limits: RwLock::new(Limits { budget, thresholds }),
            reserved: AtomicU64::new(0),
            resident: AtomicU64::new(0),
            reserved_then: AtomicU64::new(0),
            sampled_at: AtomicU64::new(0),
            started: Instant::now(),
            purge,
            consumers: Mutex::default(),
            next_id: AtomicU64::new(0),
            spares: Mutex::default(),
            refusals: None,
        }
    }

    /// A pool without purge for tests of spilling: one in `one_in` requests that can be refused is, at random from `seed`, and
    /// as often memory seems short. The answer of a query must not depend on it.
    pub fn refusing(budget: u64, thresholds: Thresholds, one_in: u64, seed: u64) -> Arc<Self> {
        let refusals = Some(Refusals { one_in: one_in.max(1), drawn: AtomicU64::new(seed) });
        Arc::new(Self { refusals, ..Self::with(budget, thresholds, None) })
    }

    /// The budget in bytes.
    pub fn budget(&self) -> u64 {
        self.limits().budget
    }

    /// Changes the budget and the thresholds for all reservations to come; what is held stays held.
    pub fn set_limits(&self, budget: u64, thresholds: Thresholds) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Limits { budget, thresholds };
    }

    fn limits(&self) -> Limits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
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

    /// Takes note of memory that is given back before any other.
    pub fn add_spare(&self, spare: Weak<dyn Spare>) {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        spares.retain(|spare| spare.strong_count() > 0);
        spares.push(spare);
    }

    /// Whether memory was given back that others can do without.
    fn give_back(&self) -> bool {
        let spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spares.iter().filter_map(Weak::upgrade).filter(|spare| spare.give_back()).count() > 0
    }

    /// Where use stands now.
    pub fn pressure(&self) -> Pressure {
        let mut pressure = self.pressure_of(self.used());
        if pressure > Pressure::None && self.give_back() {
            pressure = self.pressure_of(self.used());
        }
        if self.refuses() { pressure.max(Pressure::Spill) } else { pressure }
    }

    /// The smallest share of the budget that each of `sharers` sinks may count on before it has to spill.
    pub fn fair_share(&self, sharers: usize) -> u64 {
        self.limit(self.limits().thresholds.target) / (sharers.max(1) as u64)
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
        let used = self.used();
        let unreserved = used.saturating_sub(self.reserved());
        if unreserved > 0 {
            consumers.push(ConsumerUsage { name: "the process besides".into(), bytes: unreserved });
        }
        Error::resource(format!(
            "{operator} needs {} more memory, but {} of the budget of {} are in use",
            format_bytes(wanted),
            format_bytes(used),
            format_bytes(self.budget())
        ))
        .with_consumers(consumers)
        .with_hint("raise --memory-limit, use fewer --threads, or a smaller batch_size (SET batch_size = 1024)")
    }

    fn refuses(&self) -> bool {
        self.refusals.as_ref().is_some_and(Refusals::draw)
    }

    /// Adds to the ledger where the sum stays at or below the threshold.
    pub(super) fn try_add(&self, id: u64, bytes: u64, threshold: Threshold) -> bool {
        if matches!(threshold, Threshold::Spill) && self.refuses() {
            return false;
        }
        self.add(id, bytes, threshold) || (self.give_back() && self.add(id, bytes, threshold))
    }

    fn add(&self, id: u64, bytes: u64, threshold: Threshold) -> bool {
        let limit = self.limit(match threshold {
            Threshold::Spill => self.limits().thresholds.spill,
            Threshold::Terminate => self.limits().thresholds.terminate,
        });
        // Added only where it fits: what another thread is refused must not be seen as used.
        let fits = |reserved: u64| reserved.checked_add(bytes).filter(|sum| *sum <= limit);
        if self.reserved.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return false;
        }
        if !self.resident_fits(bytes, limit) {
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

    pub(super) fn transfer(&self, from: u64, to: u64, bytes: u64) {
        self.record(from, |held| held - bytes);
        self.record(to, |held| held + bytes);
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
        (self.budget() as f64 * fraction) as u64
    }

    /// The larger of ledger and resident memory.
    fn used(&self) -> u64 {
        let reserved = self.reserved();
        match self.purge {
            Some(purge) => reserved.max(self.sample(purge, self.limit(self.limits().thresholds.target))),
            None => reserved,
        }
    }

    fn pressure_of(&self, used: u64) -> Pressure {
        let above = |fraction| used > self.limit(fraction);
        if above(self.limits().thresholds.terminate) {
            Pressure::Terminate
        } else if above(self.limits().thresholds.pause) {
            Pressure::Pause
        } else if above(self.limits().thresholds.spill) {
            Pressure::Spill
        } else if above(self.limits().thresholds.target) {
            Pressure::Target
        } else {
            Pressure::None
        }
    }

    /// Whether `bytes` more of resident memory stay at or below `limit`. Nothing is refused because of an old sample:
    /// who has just spilled would spill again for nothing, or end the query.
    fn resident_fits(&self, bytes: u64, limit: u64) -> bool {
        let Some(purge) = self.purge else { return true };
        let limit = limit.saturating_sub(bytes);
        // What was granted since the sample will be resident soon.
        let granted = || self.reserved().saturating_sub(bytes).saturating_sub(self.reserved_then.load(Relaxed));
        self.sample(purge, limit).saturating_add(granted()) <= limit || self.sample_now(purge, limit) <= limit
    }

    /// Resident memory as of the last few milliseconds.
    fn sample(&self, purge: fn(), limit: u64) -> u64 {
        let now = self.started.elapsed().as_nanos().max(1) as u64;
        let last = self.sampled_at.load(Relaxed);
        let due = last == 0 || now.saturating_sub(last) >= SAMPLE_EVERY_NANOS;
        if due && self.sampled_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok() {
            return self.sample_now(purge, limit);
        }
        self.resident.load(Relaxed)
    }

    /// Resident memory now; where it is above `limit`, the allocator gives back what it can first.
    fn sample_now(&self, purge: fn(), limit: u64) -> u64 {
        let mut resident = anonymous_resident().unwrap_or(0);
        if resident > limit {
            purge();
            resident = anonymous_resident().unwrap_or(0);
        }
        self.resident.store(resident, Relaxed);
        self.reserved_then.store(self.reserved(), Relaxed);
        resident
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn pool(budget: u64) -> Arc<MemoryPool> {
        MemoryPool::new(budget, Thresholds::default(), None)
    }

    #[test]
    fn reservations_grow_to_their_thresholds_and_no_further() {
        let pool = pool(1000);
        let metrics = OperatorMetrics::new();
        let mut sort = pool.reservation("sort", &metrics);
        assert!(sort.try_grow(700));
        assert!(!sort.try_grow(1));
        sort.grow(250).unwrap();
        let error = sort.grow(1).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert_eq!((sort.bytes(), pool.reserved()), (950, 950));
        assert!(!sort.try_grow(u64::MAX), "a sum that overflows is refused");
        assert!(sort.try_resize(100));
        assert_eq!(pool.reserved(), 100);
        sort.shrink(1_000_000);
        assert_eq!((sort.bytes(), pool.reserved()), (0, 0));
        assert_eq!(OperatorMetrics::get(&metrics.peak_reserved), 950);
        assert_eq!(OperatorMetrics::get(&metrics.reserved), 0);
    }

    #[test]
    fn a_split_reservation_holds_what_the_whole_one_held() {
        let pool = pool(1000 << 10);
        let metrics = OperatorMetrics::new();
        let mut whole = pool.reservation("sort", &metrics);
        whole.grow(300 << 10).unwrap();
        let part = whole.split(100 << 10);
        let rest = whole.split(1 << 30);
        assert_eq!((whole.bytes(), part.bytes(), rest.bytes()), (0, 100 << 10, 200 << 10));
        assert_eq!(pool.reserved(), 300 << 10);
        drop(part);
        assert_eq!(pool.reserved(), 200 << 10);
        drop((whole, rest));
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn pressure_rises_with_the_ledger() {
        let pool = pool(1000);
        let mut held = pool.reservation("any", &OperatorMetrics::new());
        for (bytes, pressure) in [
            (600, Pressure::None),
            (601, Pressure::Target),
            (701, Pressure::Spill),
            (801, Pressure::Pause),
            (950, Pressure::Pause),
        ] {
            held.resize(bytes).unwrap();
            assert_eq!(pool.pressure(), pressure, "{bytes}");
        }
        assert_eq!(pool.fair_share(2), 300);
        assert_eq!(pool.fair_share(0), 600);
    }

    #[test]
    fn what_can_be_done_without_is_given_back_before_anybody_is_refused() {
        #[derive(Debug)]
        struct Cache(Mutex<MemoryReservation>);
        impl Spare for Cache {
            fn give_back(&self) -> bool {
                let Ok(mut held) = self.0.try_lock() else { return false };
                let any = held.bytes() > 0;
                held.free();
                any
            }
        }
        let pool = pool(1000);
        let metrics = OperatorMetrics::new();
        let cache = Arc::new(Cache(Mutex::new(pool.reservation("cache", &metrics))));
        let spare: Weak<Cache> = Arc::downgrade(&cache);
        pool.add_spare(spare);
        let fill = || assert!(cache.0.lock().unwrap().try_grow(300));
        fill();
        let mut sort = pool.reservation("sort", &metrics);
        assert!(sort.try_grow(500), "the cache makes room");
        assert_eq!(pool.reserved(), 500);
        sort.free();
        fill();
        assert!(!cache.0.lock().unwrap().try_grow(500), "who asks for the cache itself is refused");
        sort.grow(310).unwrap();
        assert_eq!((pool.pressure(), pool.reserved()), (Pressure::None, 310));
    }

    #[test]
    fn the_error_lists_who_holds_memory_summed_by_name() {
        let pool = pool(1 << 20);
        let metrics = OperatorMetrics::new();
        let mut reservations: Vec<_> =
            ["sort", "aggregate", "sort", "idle"].map(|name| pool.reservation(name, &metrics)).into();
        for (reservation, bytes) in reservations.iter_mut().zip([100 << 10, 300 << 10, 250 << 10, 0]) {
            reservation.grow(bytes).unwrap();
        }
        let error = reservations[0].grow(1 << 20).unwrap_err();
        let consumers: Vec<_> = error.kind().consumers.iter().map(|used| (used.name.as_str(), used.bytes)).collect();
        assert_eq!(consumers, [("sort", 350 << 10), ("aggregate", 300 << 10)]);
        assert!(error.to_string().starts_with("sort needs"), "{error}");
        drop(reservations);
        assert_eq!(pool.reserved(), 0);
        assert!(pool.lock().is_empty(), "dropped reservations leave the ledger");
    }

    #[test]
    fn threads_together_never_hold_more_than_the_limit_and_small_wishes_are_not_refused_for_large_ones() {
        let pool = pool(1_000_000);
        let metrics = OperatorMetrics::new();
        std::thread::scope(|scope| {
            // What never fits must not push aside what always does.
            let greedy = scope.spawn(|| {
                let mut reservation = pool.reservation("greedy", &metrics);
                (0..20_000).filter(|_| reservation.try_grow(900_000)).count()
            });
            for seed in 1..4u64 {
                let (pool, metrics) = (&pool, &metrics);
                scope.spawn(move || {
                    let mut reservation = pool.reservation("small", metrics);
                    for step in 0..5_000 {
                        assert!(reservation.try_resize(seed * step % 200_000), "what fits is not refused");
                        assert!(pool.reserved() <= 700_000);
                    }
                });
            }
            assert_eq!(greedy.join().unwrap(), 0);
        });
        assert_eq!(pool.reserved(), 0);
        assert!(OperatorMetrics::get(&metrics.peak_reserved) <= 700_000);
    }

    #[test]
    fn resident_memory_counts_where_the_process_is_ours() {
        static PURGES: AtomicUsize = AtomicUsize::new(0);
        fn purge() {
            PURGES.fetch_add(1, Relaxed);
        }
        // Any process has more than a page resident.
        let pool = MemoryPool::new(4096, Thresholds::default(), Some(purge));
        let mut reservation = pool.reservation("sort", &OperatorMetrics::new());
        assert!(!reservation.try_grow(1));
        assert!(PURGES.load(Relaxed) > 0, "the allocator is asked to give back memory before a refusal");
        assert_eq!(pool.reserved(), 0);
        // An old sample that was too high is taken anew before anything is refused.
        let pool = MemoryPool::new(1 << 40, Thresholds::default(), Some(purge));
        assert_eq!(pool.pressure(), Pressure::None);
        pool.resident.store(1 << 50, Relaxed);
        let mut reservation = pool.reservation("sort", &OperatorMetrics::new());
        assert!(reservation.try_grow(1 << 20));
    }
}
