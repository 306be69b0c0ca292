//! Looking at many files: the first with content decides on the dialect, then all are sampled in parallel.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use super::chunks::Chunks;
use super::detect::Head;
use super::dialect::Dialect;
use super::file::InputFile;
use super::footer::without_footer;
use super::machine::Machine;
use super::options::{CsvOptions, SampleSize};
use super::rules::Rules;
use super::sample::{FileSample, SMALL, Sampler};
use crate::config::{Config, Scheduler};
use crate::error::{Error, Result};
use crate::memory::MemoryPool;

/// Bytes read of a file of which only the header is of interest.
const HEADER: u64 = 16 << 10;
/// Bytes read of the head of a larger file.
const HEAD: u64 = 64 << 10;
/// Files that a thread takes at once.
pub const TAKEN: usize = 16;
/// The least bytes that are worth a task of their own.
const TASK: u64 = 1 << 20;

/// A file and what it holds: nothing, where it has no record.
pub type Seen = (Arc<InputFile>, Option<FileSample>);

/// What files hold.
#[derive(Debug)]
pub struct Survey {
    /// How they are written.
    pub dialect: Dialect,
    /// Whether their first records hold names: those of all, or of none.
    pub has_header: bool,
    /// The files in their order.
    pub files: Vec<Seen>,
}

/// Looks at files. What comes out does not depend on the number of threads: neither the samples, nor which error is told.
///
/// # Errors
/// Of the first file that has one: a data error for a file that cannot be read, is no CSV, has another delimiter or
/// differs in having a header; also where no file has a record. A resource error
/// for a record that does not fit into the memory budget.
pub fn survey(
    paths: Vec<PathBuf>,
    options: &CsvOptions,
    rules: &Rules,
    config: &Config,
    memory: &Arc<MemoryPool>,
) -> Result<Survey> {
    let count = paths.len();
    let mut files = Vec::with_capacity(count);
    let mut rest = paths.into_iter();
    let mut first = None;
    for path in rest.by_ref() {
        let input = find(path, options)?;
        let mut head = read_head(&input, options, true)?;
        let sampler = Sampler { dialect: head.dialect(options), options, rules, names: &[], memory };
        head.skip_notes(&sampler.dialect, options, rules.usual());
        let sampled = sampler.sample(&input, &mut head, None, needs_types(options))?;
        if let Some(sampled) = &sampled {
            first = Some((sampler, sampled.has_header, sampled.names.clone()));
        }
        files.push((input, sampled));
        if first.is_some() {
            break;
        }
    }
    let Some((sampler, has_header, names)) = first else {
        return Err(all_empty(&files));
    };
    let width = names.len();
    let sampler = if options.union_by_name { sampler } else { Sampler { names: &names, ..sampler } };
    let (rest, done): (Vec<PathBuf>, usize) = (rest.collect(), files.len());
    let later = in_parallel(rest.len(), TAKEN, config, |index| {
        let input = find(rest[index].clone(), options)?;
        let sampled = look_at(&sampler, &input, has_header, width, is_sniffed(done + index, count, options))?;
        Ok((input, sampled))
    })?;
    files.extend(later);
    if options.sample_size == SampleSize::All && needs_types(options) {
        look_at_all(&sampler, &mut files, config)?;
    }
    Ok(Survey { dialect: sampler.dialect, has_header, files })
}

/// Looks at a file, of which it is known how it is written, and how many columns others have.
///
/// # Errors
/// A data error for a file that cannot be read, is no CSV, has another delimiter, or differs in having a header.
pub fn look_at(
    sampler: &Sampler<'_>,
    input: &InputFile,
    has_header: bool,
    width: usize,
    for_types: bool,
) -> Result<Option<FileSample>> {
    let mut head = read_head(input, sampler.options, for_types)?;
    head.skip_notes(&sampler.dialect, sampler.options, sampler.rules.usual());
    let sampled = sampler.sample(input, &mut head, Some(has_header), for_types)?;
    if let Some(sampled) = &sampled {
        check_delimiter(sampler, input, &head, sampled, width)?;
    }
    Ok(sampled)
}

/// The file, without what the options leave out at its end.
pub fn find(path: PathBuf, options: &CsvOptions) -> Result<Arc<InputFile>> {
    Ok(Arc::new(without_footer(InputFile::new(path, options)?, options.skip_footer)?))
}

/// Whether any type is not given. Columns that are wider in some records are found with the types.
fn needs_types(options: &CsvOptions) -> bool {
    !options.names_are_all || options.null_padding
}

fn read_head(input: &InputFile, options: &CsvOptions, for_types: bool) -> Result<Head> {
    let amount = match input.len {
        _ if !for_types => HEADER,
        // One read is enough.
        len if len <= SMALL || input.is_stream() => SMALL,
        _ => HEAD,
    };
    Head::read(input, options, amount)
}

/// Whether types are inferred from a file too: from that many, evenly spread, the first and the last among them.
fn is_sniffed(index: usize, count: usize, options: &CsvOptions) -> bool {
    match options.files_to_sniff {
        _ if !needs_types(options) => false,
        Some(wanted) if wanted < count => {
            let steps = wanted.saturating_sub(1).max(1) as u128;
            let last = (count - 1) as u128;
            // The k-th file that is sniffed has the index k × last ÷ steps, rounded down.
            let nearest = (index as u128 * steps).div_ceil(last);
            wanted > 1 && nearest * last / steps == index as u128
        }
        _ => true,
    }
}

/// A pass over all records of the files that are larger than their samples.
fn look_at_all(sampler: &Sampler<'_>, files: &mut [Seen], config: &Config) -> Result<()> {
    let machine = Machine::new(sampler.dialect);
    let size = sampler.dialect.chunk_size(config.partition_bytes.max(TASK));
    let mut tasks = Vec::new();
    for (index, (input, sampled)) in files.iter().enumerate() {
        let Some(sampled) = sampled else { continue };
        // Of a stream all was looked at before, since it has no parts.
        if input.len > SMALL && !input.is_stream() && is_sniffed(index, files.len(), sampler.options) {
            let chunks = Arc::new(Chunks::new(sampled.data_start, input.len, size));
            tasks.extend((0..chunks.len()).map(|chunk| (index, chunks.clone(), chunk)));
        }
    }
    let found = in_parallel(tasks.len(), 1, config, |task| {
        let (index, chunks, chunk) = &tasks[task];
        let (input, sampled) = &files[*index];
        let names = sampled.as_ref().map_or(&[][..], |sampled| &sampled.names);
        sampler.look_at_all(input, names, (chunks, *chunk), &machine)
    })?;
    for ((index, _, _), guesses) in tasks.iter().zip(&found) {
        if let (input, Some(sampled)) = &mut files[*index] {
            sampler.widen(sampled, guesses, input)?;
        }
    }
    Ok(())
}

/// The answers of `job` for each index in order, worked out by the threads that the configuration has, of which each
/// takes so many indices at once; of several errors, that of the smallest index.
///
/// # Errors
/// Those of `job`.
pub fn in_parallel<T: Send>(
    count: usize,
    taken: usize,
    config: &Config,
    job: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = match config.scheduler {
        Scheduler::Threads => config.threads.min(count.div_ceil(taken)),
        Scheduler::Synchronous => 1,
    };
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let work = || {
        let mut done = Vec::new();
        loop {
            let start = next.fetch_add(taken, Relaxed);
            for index in start..(start + taken).min(count) {
                // What comes behind an error is not asked for any more.
                if index > failed.load(Relaxed) {
                    return done;
                }
                let answer = job(index);
                if answer.is_err() {
                    failed.fetch_min(index, Relaxed);
                }
                done.push((index, answer));
            }
            if start + taken >= count {
                return done;
            }
        }
    };
    let mut answers: Vec<(usize, Result<T>)> = thread::scope(|scope| {
        // Where the system gives no thread, there are fewer.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let helpers: Vec<_> = (1..threads).filter_map(spawn).collect();
        let mut answers = work();
        for helper in helpers {
            let died = || vec![(0, Err(Error::internal("a thread that looked at files died")))];
            answers.extend(helper.join().unwrap_or_else(|_| died()));
        }
        answers
    });
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// A file that seems to have another delimiter than the first would be read as one column that nobody expects.
fn check_delimiter(
    sampler: &Sampler<'_>,
    input: &InputFile,
    head: &Head,
    sampled: &FileSample,
    width: usize,
) -> Result<()> {
    if width == 1 || sampled.names.len() != 1 {
        return Ok(());
    }
    let (own, expected) = (head.dialect(sampler.options).delimiter, sampler.dialect.delimiter);
    // A delimiter that does not occur is none: a single column has no use for it.
    if own == expected || !head.bytes.contains(&own) {
        return Ok(());
    }
    Err(Error::data(format!(
        "'{}' seems to have the delimiter {:?}, and the files before it {:?}",
        input.path().display(),
        char::from(own),
        char::from(expected)
    ))
    .with_file(input.path())
    .with_hint("read it by itself, or set delim for all files"))
}

fn all_empty(files: &[Seen]) -> Error {
    match files {
        [] => Error::usage("no CSV file is given"),
        [(input, _)] => Error::data(format!("'{}' is empty: it has no header and no rows", input.path().display()))
            .with_file(input.path()),
        files => Error::data(format!("all {} files are empty: they have no header and no rows", files.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sniffed_evenly_with_the_first_and_the_last() {
        let sniffed = |wanted, count| {
            let options = CsvOptions::default().files_to_sniff(Some(wanted));
            (0..count).filter(|index| is_sniffed(*index, count, &options)).collect::<Vec<_>>()
        };
        assert_eq!(sniffed(2, 10), [0, 9]);
        assert_eq!(sniffed(3, 10), [0, 4, 9]);
        assert_eq!(sniffed(10, 10).len(), 10);
        assert_eq!(sniffed(99, 10).len(), 10);
        for count in 1..60 {
            for wanted in 2..=count {
                assert_eq!(sniffed(wanted, count).len(), wanted, "{wanted} of {count}");
            }
        }
        assert_eq!(sniffed(1, 10), [0; 0], "the first is sampled in any case");
    }

    #[test]
    fn the_first_error_is_told_whatever_the_threads() {
        for threads in [1, 2, 7] {
            let config = Config { threads, ..Config::default() };
            let answers = in_parallel(1000, TAKEN, &config, |index| Ok(index * 2)).unwrap();
            assert_eq!(answers, (0..1000).map(|index| index * 2).collect::<Vec<_>>());
            let fails = |index: usize| if index % 300 == 299 { Err(Error::data(index.to_string())) } else { Ok(()) };
            assert_eq!(in_parallel(1000, TAKEN, &config, fails).unwrap_err().to_string(), "299");
            assert!(in_parallel(0, 1, &config, |_| Ok(())).unwrap().is_empty());
        }
    }
}
