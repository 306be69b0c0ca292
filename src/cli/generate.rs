//! `highwater generate`: data to try out and to measure with.

use std::path::PathBuf;
use std::time::Instant;

use arrow::datatypes::IntervalMonthDayNano;

use super::args::GenerateFormat;
use super::report::Failure;
use super::runner::Runner;
use crate::convert::Existing;
use crate::error::{Error, Result};
use crate::session::{RunOptions, Session};
use crate::types::{format_bytes, format_count};

/// What to generate, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct GeneratePlan {
    /// Which table.
    pub shape: Shape,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// The folder.
    pub output: PathBuf,
    /// The format of the files.
    pub format: GenerateFormat,
    /// What happens if a file exists.
    pub existing: Existing,
}

/// The table that is generated.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// timestamp, id, name, x, y, as Dask's time series.
    Timeseries {
        /// The first moment, in microseconds since the epoch.
        start: i64,
        /// The end, which is not part of it.
        end: i64,
        /// Microseconds between rows; positive.
        freq: i64,
        /// Time in one file.
        partition: IntervalMonthDayNano,
    },
    /// id1 to id6, v1 to v3, as the h2o.ai benchmark.
    Groupby {
        /// Rows in all.
        rows: u64,
        /// Distinct values of a group column.
        groups: u64,
        /// Files, no more than rows.
        files: u64,
        /// Percent of nulls, 0 to 100.
        null_percent: f64,
    },
}

/// What was generated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// Files written.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Generates, and prints the closing line.
pub fn run(runner: &mut Runner, plan: &GeneratePlan) -> Result<(), Failure> {
    let start = Instant::now();
    let Generated { files, rows, bytes } = runner.work(|session, run| generate(session, plan, run))?;
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

/// The one call into the engine's generator.
fn generate(_session: &Session, plan: &GeneratePlan, run: &RunOptions) -> Result<Generated> {
    run.cancel.check()?;
    Err(Error::internal(format!("cannot generate into '{}' yet", plan.output.display())))
}
