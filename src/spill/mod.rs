//! Spill files: batches written to unlinked temporary files as checked, compressed blocks, under a quota.

mod block;
mod file;
mod manager;

pub use file::{SpillFile, SpillReader, SpillSegment, SpillWriter};
pub use manager::SpillManager;
