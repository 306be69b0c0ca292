//! Data sets for trials and benchmarks: the columns of `dask.datasets.timeseries`, and those of the group-by task of the
//! h2o.ai db-benchmark.
//!
//! Every value is a function of the seed, the row's number and the column, so that the same seed gives the same bytes
//! whatever the threads, blocks or files. Blocks of rows are made in parallel while the ones before them are written; files
//! get their names only once all of them are whole.

mod groupby;
mod random;
mod timeseries;

use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use rayon::prelude::*;

use crate::context::CancelToken;
use crate::error::{Error, Result};
use crate::io::write::atomic::check_target;
use crate::io::write::csv::CsvFormat;
use crate::io::write::{
    AtomicFile, CsvOptions, FileSink, OutputFormat, WriteContext, WriteOptions, WriteSummary, WrittenFile,
};
use crate::memory::MemoryReservation;

pub use self::groupby::{GroupbyOptions, groupby};
pub use self::timeseries::{TimeseriesOptions, timeseries};

/// Rows made at a time by one thread: about a megabyte of CSV.
const BLOCK_ROWS: u64 = 16_384;

/// What a generator wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenerateSummary {
    /// Files.
    pub files: u64,
    /// Rows in all of them.
    pub rows: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Who may stop a generator, who wants to know how far it is, and what it may use.
pub struct GenerateControl<'a> {
    /// Looked at before every block.
    pub cancel: &'a CancelToken,
    /// Called with the rows written and the rows in all.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Threads that make blocks and encode them, and memory for both. Without threads, it is the current pool's.
    pub write: WriteContext,
}

/// Rows as a function of their number.
trait Dataset: Sync {
    fn schema(&self) -> &SchemaRef;

    /// The rows of those numbers.
    fn batch(&self, rows: Range<u64>) -> Result<RecordBatch>;
}

/// A file to make: its path and the numbers of its rows.
type Part = (PathBuf, Range<u64>);

/// Makes the folder of the output, where only that is missing.
fn make_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir(folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::usage(format!("cannot make the folder '{}': the one around it is missing", folder.display()))
                .with_hint("make that one first")
        }
        std::io::ErrorKind::AlreadyExists => {
            Error::usage(format!("'{}' is a file, not a folder", folder.display())).with_hint("name a folder by -o")
        }
        _ => Error::io("make", folder, &error),
    })
}

/// Writes all parts, or none.
fn write_parts(
    dataset: &dyn Dataset,
    parts: &[Part],
    options: &WriteOptions,
    control: &GenerateControl<'_>,
) -> Result<GenerateSummary> {
    match control.write.threads() {
        Some(threads) => threads.install(|| write_all(dataset, parts, options, control)),
        None => write_all(dataset, parts, options, control),
    }
}

fn write_all(
    dataset: &dyn Dataset,
    parts: &[Part],
    options: &WriteOptions,
    control: &GenerateControl<'_>,
) -> Result<GenerateSummary> {
    for (path, _) in parts {
        check_target(path, options.existing)?;
    }
    let total: u64 = parts.iter().map(|(_, rows)| rows.end - rows.start).sum();
    let mut done = 0;
    let mut written = Vec::with_capacity(parts.len());
    for (path, rows) in parts {
        let mut progress = |rows: u64| {
            done += rows;
            (control.progress)(done, total);
        };
        written.push(match options.format_of(path)? {
            OutputFormat::Csv => write_csv(dataset, path, rows.clone(), options, control.cancel, &mut progress)?,
            _ => write_batches(dataset, path, rows.clone(), options, control, &mut progress)?,
        });
    }
    let mut summary = GenerateSummary::default();
    for file in written {
        let WriteSummary { rows, bytes } = file.commit()?;
        summary.files += 1;
        summary.rows += rows;
        summary.bytes += bytes;
    }
    Ok(summary)
}

/// Blocks that are turned to text in parallel, since that is most of the work.
fn write_csv(
    dataset: &dyn Dataset,
    path: &Path,
    rows: Range<u64>,
    options: &WriteOptions,
    cancel: &CancelToken,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<WrittenFile> {
    let csv = CsvOptions { delimiter: options.csv.delimiter.or(Some(b',')), ..options.csv.clone() };
    let format = CsvFormat::new(&csv);
    let file = AtomicFile::create(path, options.existing)?;
    let mut out = file.writer()?;
    let mut bytes = 0;
    let mut put = |text: &[u8]| {
        bytes += text.len() as u64;
        out.write_all(text).map_err(|error| Error::io("write", path, &error))
    };
    if csv.header {
        let mut header = Vec::new();
        format.append_header(dataset.schema(), &mut header);
        put(&header)?;
    }
    let summary_rows = rows.end - rows.start;
    in_blocks(
        rows,
        cancel,
        &|rows, text: &mut Vec<u8>| {
            text.clear();
            format.append_rows(&dataset.batch(rows)?, text, &mut |_| Ok(()))
        },
        &mut |rows, text| {
            put(text)?;
            progress(rows);
            Ok(())
        },
    )?;
    out.flush().map_err(|error| Error::io("write", path, &error))?;
    drop(out);
    WrittenFile::new(file, WriteSummary { rows: summary_rows, bytes })
}

/// Blocks that are made in parallel, and encoded one after another.
fn write_batches(
    dataset: &dyn Dataset,
    path: &Path,
    rows: Range<u64>,
    options: &WriteOptions,
    control: &GenerateControl<'_>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<WrittenFile> {
    let mut sink = FileSink::new(path, options, dataset.schema(), &control.write)?;
    in_blocks(
        rows,
        control.cancel,
        &|rows, block: &mut Option<(RecordBatch, MemoryReservation)>| {
            let batch = dataset.batch(rows)?;
            let mut held = control.write.reservation("generator");
            held.grow(batch.get_array_memory_size() as u64)?;
            *block = Some((batch, held));
            Ok(())
        },
        &mut |rows, block| {
            if let Some((batch, _held)) = block.take() {
                sink.write(&batch)?;
            }
            progress(rows);
            Ok(())
        },
    )?;
    sink.seal()
}

/// Calls `make` for each block of rows in parallel and `take` in order, in two windows: while the blocks of one are taken,
/// those of the next are made. So memory is bounded by two blocks per thread, and the slots are used again and again.
fn in_blocks<T: Default + Send>(
    rows: Range<u64>,
    cancel: &CancelToken,
    make: &(dyn Fn(Range<u64>, &mut T) -> Result<()> + Sync),
    take: &mut (dyn FnMut(u64, &mut T) -> Result<()> + Send),
) -> Result<()> {
    let window = rayon::current_num_threads().max(1) as u64 * BLOCK_ROWS;
    let slots = || (0..window / BLOCK_ROWS).map(|_| T::default()).collect::<Vec<T>>();
    let block = |window: &Range<u64>, index: usize| {
        let start = (window.start + index as u64 * BLOCK_ROWS).min(window.end);
        start..(start + BLOCK_ROWS).min(window.end)
    };
    let make_window = |window: &Range<u64>, slots: &mut Vec<T>| {
        slots.par_iter_mut().enumerate().try_for_each(|(index, slot)| {
            cancel.check()?;
            let rows = block(window, index);
            if rows.is_empty() { Ok(()) } else { make(rows, slot) }
        })
    };
    let mut take_window = |window: &Range<u64>, slots: &mut Vec<T>| {
        for (index, slot) in slots.iter_mut().enumerate() {
            let rows = block(window, index);
            if !rows.is_empty() {
                take(rows.end - rows.start, slot)?;
            }
        }
        Ok(())
    };
    let next = |start: u64| start..(start + window).min(rows.end);
    let (mut ready, mut coming) = (slots(), slots());
    let mut current = next(rows.start);
    make_window(&current, &mut ready)?;
    while !current.is_empty() {
        let following = next(current.end);
        let (taken, made) = rayon::join(|| take_window(&current, &mut ready), || make_window(&following, &mut coming));
        taken.and(made)?;
        std::mem::swap(&mut ready, &mut coming);
        current = following;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
