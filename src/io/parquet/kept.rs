//! What is kept of Parquet files from one statement to the next: footers, page indexes and bloom filters.
//!
//! A file is known by its path, size, time and inode; one that differs in any of them is read again. What is kept is reserved like all
//! memory, takes a share of the budget at most, and is given back as soon as anybody else is short of memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};

use parquet::bloom_filter::Sbbf;

use super::file::ParquetFile;
use super::index::LeafIndex;
use crate::memory::{MemoryPool, MemoryReservation, Spare};
use crate::metrics::OperatorMetrics;

/// The part of the budget that is taken at most.
const SHARE: u64 = 8;

/// What a file is read with, besides its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub path: PathBuf,
    pub binary_as_string: bool,
    pub skip_unsupported: bool,
    pub zone: String,
}

/// The files that statements of a session read last.
#[derive(Debug)]
pub struct MetadataCache(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    files: HashMap<Key, Entry>,
    memory: MemoryReservation,
    /// The number of the table that was opened last.
    opening: u64,
}

#[derive(Debug)]
struct Entry {
    file: Arc<ParquetFile>,
    /// Bytes of the footer.
    bytes: u64,
    /// The number of the last table that the file is a part of.
    opening: u64,
}

impl MetadataCache {
    /// A cache whose memory is that of a session.
    pub fn new(pool: &Arc<MemoryPool>) -> Arc<Self> {
        let memory = pool.reservation("parquet metadata", &OperatorMetrics::new());
        let cache = Arc::new(Self(Mutex::new(Kept { files: HashMap::new(), memory, opening: 0 })));
        let spare: Weak<Self> = Arc::downgrade(&cache);
        pool.add_spare(spare);
        cache
    }

    /// The number of a table that is about to be opened.
    pub(super) fn opening(&self) -> u64 {
        let mut kept = self.lock();
        kept.opening += 1;
        kept.opening
    }

    /// A file that is as it was.
    pub(super) fn get(&self, key: &Key, opening: u64) -> Option<Arc<ParquetFile>> {
        let file = {
            let mut kept = self.lock();
            let entry = kept.files.get_mut(key)?;
            entry.opening = opening;
            entry.file.clone()
        };
        if file.is_unchanged() {
            return Some(file);
        }
        self.lock().remove(key);
        None
    }

    /// Keeps a file, where that pushes aside no other of the same table.
    pub(super) fn put(self: &Arc<Self>, key: Key, file: &Arc<ParquetFile>, opening: u64) {
        let bytes = file.memory();
        let mut kept = self.lock();
        kept.remove(&key);
        if file.is_settled() && kept.make_room(bytes, opening) {
            file.indexes.keep(Arc::downgrade(self));
            kept.files.insert(key, Entry { file: file.clone(), bytes, opening });
        }
    }

    fn grow(&self, bytes: u64) -> bool {
        let mut kept = self.lock();
        let opening = kept.opening;
        kept.make_room(bytes, opening)
    }

    fn shrink(&self, bytes: u64) {
        self.lock().memory.shrink(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare for MetadataCache {
    fn give_back(&self) -> bool {
        let mut kept = match self.0.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // It may be this thread that wants more for the cache.
            Err(TryLockError::WouldBlock) => return false,
        };
        let before = kept.memory.bytes();
        kept.retain(|_| false);
        kept.memory.bytes() < before
    }
}

impl Kept {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.files.remove(key) {
            self.memory.shrink(entry.bytes + entry.file.indexes.forget());
        }
    }

    fn retain(&mut self, keeps: impl Fn(&Entry) -> bool) {
        let Self { files, memory, .. } = self;
        files.retain(|_, entry| {
            let is_kept = keeps(entry);
            if !is_kept {
                memory.shrink(entry.bytes + entry.file.indexes.forget());
            }
            is_kept
        });
    }

    /// Reserves more. The files of tables that were opened longest ago make room, those of the table `opening` never do: of more files than
    /// there is room for, some are better than none.
    fn make_room(&mut self, bytes: u64, opening: u64) -> bool {
        let most = self.memory.pool().budget() / SHARE;
        while self.memory.bytes().saturating_add(bytes) > most {
            let oldest = self.files.values().map(|entry| entry.opening).min();
            let Some(oldest) = oldest.filter(|oldest| *oldest < opening) else { return false };
            self.retain(|entry| entry.opening != oldest);
        }
        self.memory.try_grow(bytes)
    }
}

/// A bloom filter, or that there is none to rely on.
pub(super) type Bloom = Option<Sbbf>;

/// What was read of a file's row groups besides the footer, by row group and leaf. It is kept as long as the file is in the cache.
#[derive(Debug, Default)]
pub(super) struct KeptIndexes(Mutex<Indexes>);

/// Read by whoever comes first; the others wait for it. `None` where it could not be read.
type Slot<T> = Arc<OnceLock<Option<Arc<T>>>>;
type Slots<T> = HashMap<(usize, usize), Slot<T>>;

#[derive(Debug, Default)]
struct Indexes {
    /// Where its memory is counted; nothing is kept without.
    cache: Weak<MetadataCache>,
    bytes: u64,
    pages: Slots<LeafIndex>,
    blooms: Slots<Bloom>,
}

impl KeptIndexes {
    /// The index of the pages of a leaf. `read` gives it with its size, or nothing where it cannot be read now.
    pub fn pages(
        &self,
        row_group: usize,
        leaf: usize,
        read: impl FnOnce() -> Option<(LeafIndex, u64)>,
    ) -> Option<Arc<LeafIndex>> {
        self.get((row_group, leaf), |indexes| &mut indexes.pages, read)
    }

    /// The bloom filter of a leaf.
    pub fn bloom(
        &self,
        row_group: usize,
        leaf: usize,
        read: impl FnOnce() -> Option<(Bloom, u64)>,
    ) -> Option<Arc<Bloom>> {
        self.get((row_group, leaf), |indexes| &mut indexes.blooms, read)
    }

    fn get<T>(
        &self,
        place: (usize, usize),
        slots: impl Fn(&mut Indexes) -> &mut Slots<T>,
        read: impl FnOnce() -> Option<(T, u64)>,
    ) -> Option<Arc<T>> {
        let (cache, slot) = {
            let mut indexes = self.lock();
            match indexes.cache.upgrade() {
                Some(cache) => (cache, slots(&mut indexes).entry(place).or_default().clone()),
                None => {
                    drop(indexes);
                    return read().map(|(found, _)| Arc::new(found));
                }
            }
        };
        let mut bytes = None;
        let found = slot.get_or_init(|| {
            let found = read();
            bytes = Some(found.as_ref().map(|(_, bytes)| *bytes));
            found.map(|(found, _)| Arc::new(found))
        });
        if let Some(bytes) = bytes {
            // The lock of the cache comes before that of a file.
            let is_reserved = bytes.is_some_and(|bytes| cache.grow(bytes));
            let mut indexes = self.lock();
            let is_kept = is_reserved && indexes.cache.strong_count() > 0;
            if is_kept {
                indexes.bytes += bytes.unwrap_or(0);
            } else {
                slots(&mut indexes).remove(&place);
            }
            drop(indexes);
            if is_reserved && !is_kept {
                cache.shrink(bytes.unwrap_or(0));
            }
        }
        found.clone()
    }

    /// Keeps what is read from now on.
    fn keep(&self, cache: Weak<MetadataCache>) {
        self.lock().cache = cache;
    }

    /// Drops all, and says how much was counted for it.
    fn forget(&self) -> u64 {
        std::mem::take(&mut *self.lock()).bytes
    }

    fn lock(&self) -> MutexGuard<'_, Indexes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many footers a table took from the files and from the cache, until a scan has told.
#[derive(Debug, Default)]
pub(super) struct Footers {
    pub read: AtomicU64,
    pub cached: AtomicU64,
}
