//! `highwater generate`: data to try out and to measure with.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::report::Failure;
use super::runner::Runner;
use crate::error::Result;
use crate::generate::{GenerateControl, GenerateSummary, GroupbyOptions, TimeseriesOptions, groupby, timeseries};
use crate::session::{RunOptions, Session};
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
    let GenerateSummary { files, rows, bytes } = runner.work(|session, run| generate(session, plan, run))?;
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

fn generate(session: &Session, plan: &GeneratePlan, run: &RunOptions) -> Result<GenerateSummary> {
    let control = GenerateControl {
        cancel: &run.cancel,
        progress: &|done, _| run.progress.rows_read.store(done, Relaxed),
        write: session.write_context(run),
    };
    match plan {
        GeneratePlan::Timeseries(options) => timeseries(options, &control),
        GeneratePlan::Groupby(options) => groupby(options, &control),
    }
}
