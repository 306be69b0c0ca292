//! Rejects as batches, in the order of the data, with the lines that they are in.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::Int64Type;

use super::log::Part;
use super::{Reject, RejectLog, RejectScan, reject_schema};
use crate::batch::record_batch;
use crate::error::{Error, Result};
use crate::spill::SpillReader;

/// Rows of a batch at most.
const BATCH_ROWS: usize = 4096;
/// The position of `line` among the columns.
const LINE: usize = 1;
/// The position of `byte_offset`.
const BYTE_OFFSET: usize = 2;

/// Rejects of one file.
#[derive(Clone, Debug)]
pub struct RejectBatch {
    /// The file.
    pub path: PathBuf,
    /// Rows of [`reject_schema`].
    pub batch: RecordBatch,
}

/// Counts the lines of a file.
type Lines = Box<dyn FnMut(u64) -> Option<u64> + Send>;

/// Reads a log, task by task, and counts lines on the way: each file is read once, up to its last reject.
pub struct RejectReader {
    log: Arc<RejectLog>,
    parts: VecDeque<Part>,
    spilled: Option<SpillReader>,
    /// The scan and file that lines are counted in.
    counted: Option<((usize, usize), Lines)>,
}

impl RejectReader {
    pub(super) fn new(log: Arc<RejectLog>, parts: VecDeque<Part>) -> Self {
        Self { log, parts, spilled: None, counted: None }
    }

    /// The next batch of the first part, lines missing; `None` where the part has no more.
    fn next_of(&mut self) -> Option<Result<RecordBatch>> {
        let part = self.parts.front_mut()?;
        loop {
            if let Some(batch) = self.spilled.as_mut().and_then(Iterator::next) {
                return Some(batch);
            }
            self.spilled = part.pieces.pop_front().map(|piece| piece.reader());
            if self.spilled.is_none() {
                return self.log.in_memory(part, BATCH_ROWS);
            }
        }
    }

    fn with_lines(&mut self, batch: &RecordBatch) -> Result<RejectBatch> {
        let Some(part) = self.parts.front() else { return Err(Error::internal("rejects of no file")) };
        let Some(file) = part.scan.files.get(part.chunk.file) else {
            return Err(Error::internal("rejects of a file that was not scanned"));
        };
        let of = (part.chunk.scan, part.chunk.file);
        if self.counted.as_ref().is_none_or(|(known, _)| *known != of) {
            self.counted = Some((of, file.lines()));
        }
        let offsets = batch.column(BYTE_OFFSET).as_primitive::<Int64Type>();
        let mut line_of = |offset: i64| {
            let (_, lines) = self.counted.as_mut()?;
            i64::try_from(lines(u64::try_from(offset).ok()?)?).ok()
        };
        let lines: Int64Array = offsets.iter().map(|offset| line_of(offset?)).collect();
        let mut columns = batch.columns().to_vec();
        columns[LINE] = Arc::new(lines);
        let batch = record_batch(&reject_schema(), columns, batch.num_rows())?;
        Ok(RejectBatch { path: file.path().to_path_buf(), batch })
    }
}

impl Iterator for RejectReader {
    type Item = Result<RejectBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_of() {
                Some(Ok(batch)) => return Some(self.with_lines(&batch)),
                Some(Err(error)) => return Some(Err(error)),
                None => drop(self.parts.pop_front()?),
            }
        }
    }
}

/// Rejects of one file as a batch in which the lines are missing.
pub(super) fn batch_of(scan: &RejectScan, file: usize, rejects: &[Reject]) -> Result<RecordBatch> {
    let path = scan.files.get(file).map(|file| file.path().to_string_lossy());
    let texts = |text: &dyn Fn(&Reject) -> Option<String>| -> ArrayRef {
        Arc::new(rejects.iter().map(text).collect::<StringViewArray>())
    };
    let owned = |text: &Option<Box<str>>| text.as_ref().map(ToString::to_string);
    let offsets = rejects.iter().map(|reject| i64::try_from(reject.offset).ok());
    let columns: Vec<ArrayRef> = vec![
        texts(&|_| path.as_ref().map(ToString::to_string)),
        Arc::new(Int64Array::new_null(rejects.len())),
        Arc::new(offsets.collect::<Int64Array>()),
        texts(&|reject| scan.column(reject).map(String::from)),
        texts(&|reject| Some(scan.reason(reject))),
        texts(&|reject| owned(&reject.raw)),
        texts(&|reject| owned(&reject.record)),
    ];
    debug_assert!(columns.iter().all(|column| column.len() == rejects.len()));
    record_batch(&reject_schema(), columns, rejects.len())
}
