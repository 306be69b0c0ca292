//! Looking at files before they are read: how they hold objects, and what their keys show.

use std::path::PathBuf;
use std::sync::Arc;

use memchr::memchr;

use super::infer::Shapes;
use super::options::{JsonOptions, Layout};
use super::records::{Cut, Records};
use super::syntax::object;
use super::table::{JsonFile, broken_record};
use crate::config::Config;
use crate::context::CancelToken;
use crate::error::{Error, Result};
use crate::io::csv::SampleSize;
use crate::io::csv::file::{InputFile, TextReader, UNKNOWN};
use crate::io::csv::pool::BlockPool;
use crate::io::csv::survey::in_parallel;
use crate::memory::MemoryPool;
use crate::metrics::OperatorMetrics;

/// Bytes of a sample.
const WINDOW: u64 = 64 << 10;
/// A file of that many bytes is its own sample, and of one that is one partition no more is looked at.
const SMALL: u64 = 3 * WINDOW;
/// Bytes of a record that a sample goes to the end of.
const MOST_PENDING: usize = 64 << 20;
/// How many times as long as the file a decompressed text is expected to be.
const EXPANSION: u64 = 8;
/// Files that a thread takes at once.
const TAKEN: usize = 4;

/// Looks at files, in parallel: the files, and what their keys show together.
///
/// # Errors
/// Of the first file that has one: a data error for a file that cannot be read.
pub fn survey(
    paths: &[PathBuf],
    options: &JsonOptions,
    config: &Config,
    memory: &Arc<MemoryPool>,
) -> Result<(Vec<Arc<JsonFile>>, Shapes)> {
    let seen = in_parallel(paths.len(), TAKEN, config, |index| {
        let input = Arc::new(InputFile::new(paths[index].clone(), &options.shared)?);
        let is_lines = match options.layout {
            Layout::Lines => true,
            Layout::Values => false,
            Layout::Detect => has_lines(&input)?,
        };
        let file = JsonFile { input, index, is_lines };
        let shapes = if options.types_are_all { Shapes::default() } else { look_at(&file, options, memory)? };
        Ok((Arc::new(file), shapes))
    })?;
    let mut all = Shapes::default();
    let mut files = Vec::with_capacity(seen.len());
    for (file, shapes) in seen {
        all.merge(shapes);
        files.push(file);
    }
    Ok((files, all))
}

/// Whether the first record of a file is all of its line: it is not where that begins an array, or ends within an object.
fn has_lines(input: &InputFile) -> Result<bool> {
    let mut head = vec![0; SMALL.min(input.size.saturating_mul(EXPANSION)) as usize];
    let filled = TextReader::new(input, input.open()?)?.fill(input, &mut head)?;
    let head = head.get(..filled).unwrap_or_default();
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if head.first() == Some(&b'[') {
        return Ok(false);
    }
    let Some(end) = memchr(b'\n', head) else { return Ok(true) };
    Ok(!object(&head[..end], &mut |_, _| Ok(())).is_err_and(|fault| fault.is_cut_off))
}

/// What the keys of a file show in its head, middle and end, or in all of it. What is not well formed is left to whoever
/// reads it, unless nothing else is there.
fn look_at(file: &JsonFile, options: &JsonOptions, memory: &Arc<MemoryPool>) -> Result<Shapes> {
    let len = file.input.len;
    let is_whole = options.shared.sample_size == SampleSize::All || (len != UNKNOWN && len <= SMALL);
    let rows = match options.shared.sample_size {
        SampleSize::Rows(rows) => rows,
        SampleSize::Windows | SampleSize::All => u64::MAX,
    };
    let mut look = Look { file, memory, shapes: Shapes::default(), seen: 0, first_fault: None };
    match file.is_lines && len != UNKNOWN {
        _ if is_whole => look.at(0, len, u64::MAX, rows)?,
        false => look.at(0, len, SMALL, rows)?,
        true => {
            look.at(0, WINDOW, u64::MAX, rows)?;
            let middle = len / 2 - WINDOW / 2;
            look.at(middle, middle + WINDOW, u64::MAX, u64::MAX)?;
            look.at(len - WINDOW, len, u64::MAX, u64::MAX)?;
        }
    }
    match look.first_fault {
        Some(error) if look.seen == 0 => Err(error),
        _ => Ok(look.shapes),
    }
}

struct Look<'a> {
    file: &'a JsonFile,
    memory: &'a Arc<MemoryPool>,
    shapes: Shapes,
    /// Records that are well formed.
    seen: u64,
    first_fault: Option<Error>,
}

impl Look<'_> {
    /// Looks at the records that start in a range, up to so many bytes of text, or so many records.
    fn at(&mut self, start: u64, stop: u64, bytes: u64, rows: u64) -> Result<()> {
        let pool = BlockPool::new("json blocks", self.memory, &OperatorMetrics::new(), 1, 1);
        let mut records = Records::new(self.file, &pool, start, stop)?;
        let cancel = CancelToken::default();
        records.align(&cancel)?;
        let mut taken = 0;
        while taken < rows && records.blocks.offset().saturating_sub(start) < bytes {
            match records.next() {
                Cut::Done | Cut::Broken(_) => break,
                Cut::NeedsMore if records.blocks.pending() > MOST_PENDING => break,
                Cut::NeedsMore => records.blocks.refill()?,
                Cut::Record(range) => {
                    taken += 1;
                    let record = records.blocks.buffer().get(range.clone()).unwrap_or_default();
                    match self.shapes.add(record) {
                        Ok(()) => self.seen += 1,
                        Err(fault) if self.first_fault.is_none() => {
                            let offset = records.blocks.offset_of(range.start);
                            self.first_fault = Some(broken_record(&self.file.input, offset, fault.what, record));
                        }
                        Err(_) => {}
                    }
                }
            }
        }
        Ok(())
    }
}
