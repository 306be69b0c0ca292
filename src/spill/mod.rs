//! Spill files: batches written to unlinked temporary files as checked, compressed blocks, under a quota.

mod block;
mod file;
mod manager;
mod pieces;

pub use file::{SharedSpillFile, SpillBlock, SpillReader, SpillSegment, SpillWriter};
pub use manager::SpillManager;
pub use pieces::{SpillPiece, SpillPieces};
