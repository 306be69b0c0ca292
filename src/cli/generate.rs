//! `highwater generate`: data to try out and to measure with.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::report::Failure;
use super::runner::Runner;
use crate::config::{Config, Scheduler};
use crate::error::{Error, Result};
use crate::generate::{GenerateControl, GenerateSummary, GroupbyOptions, TimeseriesOptions, groupby, timeseries};
use crate::session::RunOptions;
use crate::types::{format_bytes, format_count};

/// What to generate, checked.
#[derive(Clone, Debug)]
pub enum GeneratePlan {
    /// A time series.
    Timeseries(TimeseriesOptions),
    /// The table of the group-by benchmark.
    Groupby(GroupbyOptions),
}

/// Generates, and prints the closing line.
pub fn run(runner: &mut Runner, plan: &GeneratePlan) -> Result<(), Failure> {
    let start = Instant::now();
    let GenerateSummary { files, rows, bytes } = runner.work(|session, run| generate(&session.config(), plan, run))?;
    let line = format!(
        "{} {}, {} rows, {} in {:.1} s\n",
        format_count(files),
        if files == 1 { "file" } else { "files" },
        format_count(rows),
        format_bytes(bytes),
        start.elapsed().as_secs_f64(),
    );
    runner.output.say(&line).map_err(|error| runner.failure(error, None))
}

/// The generators work on the pool of threads that they are called in.
fn generate(config: &Config, plan: &GeneratePlan, run: &RunOptions) -> Result<GenerateSummary> {
    let threads = match config.scheduler {
        Scheduler::Threads => config.threads,
        Scheduler::Synchronous => 1,
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::resource(format!("cannot start {threads} threads: {error}")))?;
    let control =
        GenerateControl { cancel: &run.cancel, progress: &|done, _| run.progress.rows_read.store(done, Relaxed) };
    pool.install(|| match plan {
        GeneratePlan::Timeseries(options) => timeseries(options, &control),
        GeneratePlan::Groupby(options) => groupby(options, &control),
    })
}
