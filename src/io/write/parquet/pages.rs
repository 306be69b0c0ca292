//! Encoded pages of the row groups under construction: in reserved memory, and in a spill file where that is refused.
//!
//! So a row group is as large as the options and the data say, whatever the budget is, and the file has the same bytes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use parquet::column::page_store::{PageKey, PageStore, PageStoreArgs, PageStoreFactory};
use parquet::errors::ParquetError;

use crate::error::{Error, Result};
use crate::io::write::WriteContext;
use crate::memory::MemoryReservation;
use crate::spill::{SpillPiece, SpillPieces};

/// Bytes below which a page or header is copied to memory of just its size.
const SMALL: usize = 1024;

/// What one file's writer holds: batches that wait, encoders at work, and pages.
#[derive(Debug)]
pub(super) struct Ledger {
    memory: Mutex<MemoryReservation>,
    /// Made once memory is refused.
    spilled: OnceLock<SpillPieces>,
    context: WriteContext,
}

impl Ledger {
    pub fn new(context: &WriteContext) -> Arc<Self> {
        let memory = Mutex::new(context.reservation("Parquet writer"));
        Arc::new(Self { memory, spilled: OnceLock::new(), context: context.clone() })
    }

    /// Takes memory if there is enough.
    #[must_use]
    pub fn try_grow(&self, bytes: u64) -> bool {
        self.memory().try_grow(bytes)
    }

    /// Takes memory that cannot be done without.
    pub fn grow(&self, bytes: u64) -> Result<()> {
        self.memory().grow(bytes)
    }

    /// Changes what a part holds, which cannot be done without.
    pub fn change(&self, held: &mut u64, bytes: u64) -> Result<()> {
        if bytes > *held {
            self.memory().grow(bytes - *held)?;
        } else {
            self.shrink(*held - bytes);
        }
        *held = bytes;
        Ok(())
    }

    pub fn shrink(&self, bytes: u64) {
        self.memory().shrink(bytes);
    }

    fn memory(&self) -> MutexGuard<'_, MemoryReservation> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spilled(&self) -> Result<&SpillPieces> {
        if let Some(file) = self.spilled.get() {
            return Ok(file);
        }
        let made = self.context.spill().create_pieces("Parquet writer", self.context.metrics())?;
        // Of two that were made at once, one is dropped, and with it its file.
        Ok(self.spilled.get_or_init(|| made))
    }
}

/// Makes the store of each column chunk.
#[derive(Debug)]
pub(super) struct Pages(pub Arc<Ledger>);

impl PageStoreFactory for Pages {
    fn create(&self, _: &PageStoreArgs<'_>) -> parquet::errors::Result<Box<dyn PageStore>> {
        Ok(Box::new(ChunkPages { ledger: self.0.clone(), pages: Vec::new(), held: 0 }))
    }
}

/// The pages of one column chunk.
struct ChunkPages {
    ledger: Arc<Ledger>,
    pages: Vec<Page>,
    held: u64,
}

enum Page {
    Memory(Bytes),
    Spilled(SpillPiece),
    Taken,
}

impl PageStore for ChunkPages {
    fn put(&mut self, value: Bytes) -> parquet::errors::Result<PageKey> {
        let bytes = value.len() as u64;
        let page = if self.ledger.try_grow(bytes) {
            self.held += bytes;
            // Headers come in buffers that are far larger than they are.
            Page::Memory(if value.len() < SMALL { Bytes::copy_from_slice(&value) } else { value })
        } else {
            self.ledger.context.count_spilled(bytes);
            Page::Spilled(self.ledger.spilled().and_then(|file| file.put(&value)).map_err(wrapped)?)
        };
        self.pages.push(page);
        Ok(PageKey::new(self.pages.len() as u64 - 1))
    }

    fn take(&mut self, key: PageKey) -> parquet::errors::Result<Bytes> {
        let page = usize::try_from(key.get()).ok().and_then(|index| self.pages.get_mut(index));
        match page.map(|page| std::mem::replace(page, Page::Taken)) {
            Some(Page::Memory(bytes)) => {
                self.ledger.shrink(bytes.len() as u64);
                self.held -= bytes.len() as u64;
                Ok(bytes)
            }
            Some(Page::Spilled(piece)) => {
                let bytes = self.ledger.spilled().and_then(|file| file.take(&piece)).map_err(wrapped)?;
                Ok(bytes.into())
            }
            Some(Page::Taken) | None => Err(ParquetError::General("a page was asked for twice".into())),
        }
    }
}

impl Drop for ChunkPages {
    fn drop(&mut self) {
        self.ledger.shrink(self.held);
    }
}

/// An error of ours on its way through the library.
fn wrapped(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

/// The error that the library gives back: ours if it was, else what `otherwise` makes of it.
pub(super) fn unwrapped(error: ParquetError, otherwise: impl FnOnce(ParquetError) -> Error) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => otherwise(ParquetError::External(other)),
        },
        other => otherwise(other),
    }
}
