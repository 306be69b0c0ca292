//! The log of one statement: counts rejects, keeps them in order within bounded memory, and says when there are too many.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;

use super::read::{RejectReader, batch_of};
use super::{Reject, RejectScan};
use crate::error::{Error, ErrorClass, Result};
use crate::memory::{MemoryPool, MemoryReservation};
use crate::metrics::OperatorMetrics;
use crate::spill::{SpillManager, SpillSegment, SpillWriter};
use crate::types::format_count;

/// Bytes of rejects that are kept in memory. Without a file to write all of them to, those that come first in the data
/// are kept up to here, whatever the budget: which ones must not depend on it. With one, the others are spilled.
pub const SHOWN_BYTES: u64 = 4 << 20;
/// Rows of a batch that is spilled, at most.
const SPILL_ROWS: usize = 4096;

/// What a task reads: the number of its scan, the number of the file in it, and of the piece of the file. Ordered as the
/// data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chunk {
    /// The number that [`RejectLog::register`] gave.
    pub scan: usize,
    /// The file, by its index in the scan.
    pub file: usize,
    /// The piece of the file.
    pub piece: usize,
}

/// What did not fit while a statement read its files. Shared by all its tasks.
#[derive(Debug, Default)]
pub struct RejectLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    scans: Vec<Arc<RejectScan>>,
    chunks: BTreeMap<Chunk, Kept>,
    /// The first reject in the order of the data.
    first: Option<(Chunk, Reject)>,
    found: u64,
    rows: u64,
    limit: Option<u64>,
    /// Whether all are kept, on disk where memory is too small.
    keeps_all: bool,
    /// Nothing at or behind this place in the data is kept any more.
    cut: Option<(Chunk, u64)>,
    bytes: u64,
    memory: Option<MemoryReservation>,
    writer: Option<SpillWriter>,
}

/// The rejects of one task.
#[derive(Debug, Default)]
struct Kept {
    rows: u64,
    pieces: Vec<SpillSegment>,
    /// Those behind the pieces.
    rejects: Vec<Reject>,
}

/// What a reader needs to know of one task.
pub(super) struct Part {
    pub scan: Arc<RejectScan>,
    pub chunk: Chunk,
    pub pieces: VecDeque<SpillSegment>,
    /// Those in memory that were read already.
    pub taken: usize,
}

impl RejectLog {
    /// Begins a scan; the answer is its number in [`Chunk`].
    pub fn register(&self, scan: RejectScan) -> usize {
        let mut state = self.state();
        state.keeps_all |= scan.target.is_some();
        state.allow(scan.limit);
        state.scans.push(Arc::new(scan));
        state.scans.len() - 1
    }

    /// Keeps all rejects, however many: they will be written to a file.
    pub fn keep_all(&self) {
        self.state().keeps_all = true;
    }

    /// Allows at most so many rejected rows; of several limits the least holds.
    pub fn allow(&self, rows: Option<u64>) {
        self.state().allow(rows);
    }

    /// Adds what a task found behind what it found before: `rejects` in the order of the data, of which `rows` rows
    /// were left out. Where this task goes beyond the limit, counting those before it in the order of the data, says how
    /// many of these rows are still allowed, and how the query ends at the next: where a single worker would have ended
    /// too.
    ///
    /// # Errors
    /// A resource error where memory or disk is full.
    pub fn add(
        &self,
        chunk: Chunk,
        rejects: Vec<Reject>,
        rows: u64,
        memory: &Arc<MemoryPool>,
        spill: &Arc<SpillManager>,
    ) -> Result<Option<(u64, Error)>> {
        let mut state = self.state();
        let Some(first) = rejects.first() else { return Ok(None) };
        if state.first.as_ref().is_none_or(|(known, _)| chunk < *known) {
            state.first = Some((chunk, first.clone()));
        }
        state.found += rejects.len() as u64;
        state.rows += rows;
        state.chunks.entry(chunk).or_default().rows += rows;
        state.keep(chunk, rejects, memory, spill)?;
        let Some(limit) = state.limit else { return Ok(None) };
        let rejected = state.chunks.range(..=chunk).map(|(_, kept)| kept.rows).sum::<u64>();
        let allowed = (limit + rows).saturating_sub(rejected);
        Ok((rejected > limit).then(|| (allowed, Error::data(too_many(limit)))))
    }

    /// How a statement ends that ended like that as far as its tasks know. `reads_all` is false where a LIMIT may have
    /// left data unread, which then counts only as far as it was needed.
    ///
    /// # Errors
    /// The statement's own error, or that of too many rejected rows, with the first of them.
    pub fn verdict<T>(&self, outcome: Result<T>, reads_all: bool) -> Result<T> {
        let state = self.state();
        let Some(limit) = state.limit.filter(|limit| state.rows > *limit) else { return outcome };
        let is_limit = match &outcome {
            Ok(_) => reads_all,
            Err(error) => error.class() == ErrorClass::Data && error.kind().message == too_many(limit),
        };
        if !is_limit {
            return outcome;
        }
        let hint = "raise max_rejects, or look at what did not fit: --rejects FILE, or SELECT * FROM rejects() in the same session";
        let error = match &state.first {
            Some((chunk, first)) => match state.scans.get(chunk.scan) {
                Some(scan) => {
                    let message = format!("{}; the first: {}", too_many(limit), scan.reason(first));
                    scan.error(message, chunk.file, first)
                }
                None => Error::data(too_many(limit)),
            },
            None => Error::data(too_many(limit)),
        };
        Err(error.with_hint(hint))
    }

    /// How many scans there were.
    pub fn scans(&self) -> usize {
        self.state().scans.len()
    }

    /// Whether files were scanned at all.
    pub fn has_scans(&self) -> bool {
        !self.state().scans.is_empty()
    }

    /// Whether more rows were rejected than are allowed.
    pub fn is_over_limit(&self) -> bool {
        let state = self.state();
        state.limit.is_some_and(|limit| state.rows > limit)
    }

    /// Values and rows that did not fit.
    pub fn found(&self) -> u64 {
        self.state().found
    }

    /// Whether those found first are all that is kept.
    pub fn is_cut(&self) -> bool {
        self.state().cut.is_some()
    }

    /// The first reject in the order of the data: what is wrong, and where. Reads the file up to there.
    pub fn first(&self) -> Option<Error> {
        let state = self.state();
        let (chunk, reject) = state.first.as_ref()?;
        let scan = state.scans.get(chunk.scan)?;
        Some(scan.error(scan.reason(reject), chunk.file, reject))
    }

    /// The files that scans want their rejects to be written to, each with the numbers of these scans.
    pub fn targets(&self) -> BTreeMap<PathBuf, Vec<usize>> {
        let mut targets = BTreeMap::<PathBuf, Vec<usize>>::new();
        for (number, scan) in self.state().scans.iter().enumerate() {
            if let Some(target) = &scan.target {
                targets.entry(target.clone()).or_default().push(number);
            }
        }
        targets
    }

    /// Whether a path is that of a file that was scanned.
    pub fn has_read(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        let scans = self.state().scans.clone();
        let mut files = scans.iter().flat_map(|scan| &scan.files);
        files.any(|file| {
            file.path().file_name() == path.file_name() && file.path().canonicalize().is_ok_and(|file| file == path)
        })
    }

    /// All that is kept, in the order of the data, or what is kept of some scans. For when the statement has ended.
    pub fn read(self: &Arc<Self>, scans: Option<&[usize]>) -> RejectReader {
        let state = self.state();
        let wanted = state.chunks.iter().filter(|(chunk, _)| scans.is_none_or(|scans| scans.contains(&chunk.scan)));
        let parts = wanted.filter_map(|(chunk, kept)| {
            let scan = state.scans.get(chunk.scan)?.clone();
            Some(Part { scan, chunk: *chunk, pieces: kept.pieces.iter().cloned().collect(), taken: 0 })
        });
        RejectReader::new(self.clone(), parts.collect())
    }

    /// The next rejects of a task that are in memory, lines missing.
    pub(super) fn in_memory(&self, part: &mut Part, rows: usize) -> Option<Result<RecordBatch>> {
        let state = self.state();
        let rejects = state.chunks.get(&part.chunk)?.rejects.get(part.taken..)?;
        let rejects = &rejects[..rejects.len().min(rows)];
        part.taken += rejects.len();
        (!rejects.is_empty()).then(|| batch_of(&part.scan, part.chunk.file, rejects))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(limit: u64) -> String {
    match limit {
        0 => "a row was rejected, and max_rejects allows none".into(),
        1 => "more than 1 row was rejected, which is all that max_rejects allows".into(),
        _ => format!("more than {} rows were rejected, which is all that max_rejects allows", format_count(limit)),
    }
}

impl State {
    fn allow(&mut self, rows: Option<u64>) {
        if let Some(rows) = rows {
            self.limit = Some(self.limit.map_or(rows, |limit| limit.min(rows)));
        }
    }

    fn keep(
        &mut self,
        chunk: Chunk,
        rejects: Vec<Reject>,
        memory: &Arc<MemoryPool>,
        spill: &Arc<SpillManager>,
    ) -> Result<()> {
        let cut = self.cut;
        let kept = rejects.into_iter().filter(|reject| cut.is_none_or(|cut| (chunk, reject.offset) < cut));
        let kept: Vec<Reject> = kept.collect();
        let bytes = kept.iter().map(Reject::memory).sum::<u64>();
        if kept.is_empty() {
            return Ok(());
        }
        let reservation =
            self.memory.get_or_insert_with(|| memory.reservation("rejected rows", &OperatorMetrics::new()));
        if self.keeps_all {
            if self.bytes + bytes > SHOWN_BYTES || !reservation.try_grow(bytes) {
                self.chunks.entry(chunk).or_default().rejects.extend(kept);
                return self.spill(spill);
            }
        } else {
            reservation.grow(bytes)?;
        }
        self.bytes += bytes;
        self.chunks.entry(chunk).or_default().rejects.extend(kept);
        if !self.keeps_all {
            self.cut();
        }
        Ok(())
    }

    /// Drops what comes last in the data until the rest fits. What is behind a dropped row is never kept again, so that
    /// what remains is the same in whichever order rejects are found.
    fn cut(&mut self) {
        let mut chunks = self.chunks.iter_mut().rev();
        let mut freed = 0;
        let mut last = chunks.next();
        while self.bytes - freed > SHOWN_BYTES {
            let Some((chunk, kept)) = &mut last else { break };
            let is_first = |offset| self.first.as_ref().is_some_and(|(c, r)| c == *chunk && r.offset == offset);
            match kept.rejects.last() {
                // The first row is shown however long it is.
                Some(reject) if is_first(reject.offset) => break,
                Some(reject) => {
                    let place = (**chunk, reject.offset);
                    // All of a row goes, or nothing.
                    while let Some(reject) = kept.rejects.pop_if(|reject| reject.offset == place.1) {
                        freed += reject.memory();
                    }
                    self.cut = Some(place);
                }
                None => last = chunks.next(),
            }
        }
        self.bytes -= freed;
        if let Some(memory) = &mut self.memory {
            memory.shrink(freed);
        }
    }

    /// Writes all that is in memory, each task's behind what it wrote before.
    fn spill(&mut self, spill: &Arc<SpillManager>) -> Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(spill.create("rejected rows", &OperatorMetrics::new())?),
        };
        for (chunk, kept) in self.chunks.iter_mut().filter(|(_, kept)| !kept.rejects.is_empty()) {
            let Some(scan) = self.scans.get(chunk.scan) else { continue };
            for rejects in kept.rejects.chunks(SPILL_ROWS) {
                writer.write(&batch_of(scan, chunk.file, rejects)?)?;
            }
            kept.rejects = Vec::new();
            kept.pieces.push(writer.cut());
        }
        self.bytes = 0;
        if let Some(memory) = &mut self.memory {
            memory.free();
        }
        Ok(())
    }
}
