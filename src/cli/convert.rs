//! `highwater convert`: runs the conversion, and sums it up in one line.

use std::time::{Duration, Instant};

use super::report::Failure;
use super::runner::Runner;
use crate::session::{ConvertOptions, ConvertSummary};
use crate::types::{format_bytes, format_count};

/// Converts, and prints the closing line.
pub fn run(runner: &mut Runner, options: &ConvertOptions) -> Result<(), Failure> {
    let start = Instant::now();
    let summary = runner.work(|session, run| session.convert(options, run))?;
    runner.output.say(&closing_line(&summary, start.elapsed())).map_err(|error| runner.failure(error, None))
}

fn closing_line(summary: &ConvertSummary, elapsed: Duration) -> String {
    format!(
        "{} {}, {} rows read, {} written, {} rejected, {} → {} in {:.1} s\n",
        format_count(summary.files),
        if summary.files == 1 { "file" } else { "files" },
        format_count(summary.rows_read),
        format_count(summary.rows_written),
        format_count(summary.rows_rejected),
        format_bytes(summary.bytes_in),
        format_bytes(summary.bytes_out),
        elapsed.as_secs_f64(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_accounts_for_every_row() {
        let summary = ConvertSummary {
            files: 12,
            rows_read: 336_776,
            rows_written: 336_776,
            rows_rejected: 0,
            values_nulled: 0,
            bytes_in: 30_198_989,
            bytes_out: 5_347_738,
        };
        assert_eq!(
            closing_line(&summary, Duration::from_millis(1234)),
            "12 files, 336,776 rows read, 336,776 written, 0 rejected, 28.8 MiB → 5.1 MiB in 1.2 s\n"
        );
    }
}
