//! `highwater convert` and `highwater verify`: run a conversion, or only plan it, and say in few lines what became of it.

pub mod args;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::args::ConvertRequest;
use super::report::{Failure, plain, tell};
use super::runner::Runner;
use crate::error::{Error, ErrorClass, Result};
use crate::io::write::{AtomicFile, Existing};
use crate::session::{ConvertSummary, DryRun, VerifyOptions, VerifyReport};
use crate::types::{format_bytes, format_count, sql_name};

/// Exit code of outputs that are not as they should be.
const EXIT_DIFFERENT: u8 = 1;
/// Outputs of a plan that are listed.
const LISTED: usize = 20;

/// Converts, and prints the closing line.
pub fn run(runner: &mut Runner, request: &ConvertRequest) -> Result<(), Failure> {
    if request.dry_run {
        let plan = runner.work(|session, run| session.plan_conversion(&request.options, run))?;
        return runner.output.say(&plain(&plan_text(&plan))).map_err(|error| runner.failure(error, None));
    }
    let start = Instant::now();
    let mut summary = ConvertSummary::default();
    let outcome = runner.work(|session, run| session.convert_counted(&request.options, run, &mut summary));
    let elapsed = start.elapsed();
    let told = match &request.summary {
        Some(path) => write_summary(path, &summary_json(request, &summary, &outcome, elapsed)),
        None => Ok(()),
    };
    if outcome.is_err()
        && let Err(error) = &told
    {
        tell(&plain(&format!("note: there is no summary: {error}")));
    }
    outcome?;
    // The exit code is that of a run that nobody disturbed.
    runner.add_rejected(summary.rows_rejected_before);
    told?;
    runner.output.say(&closing_line(&summary, elapsed)).map_err(|error| runner.failure(error, None))
}

/// Verifies, and prints a report. The answer is the exit code.
pub fn verify(runner: &mut Runner, options: &VerifyOptions) -> Result<u8, Failure> {
    let report = runner.work(|session, run| session.verify(options, run))?;
    runner.output.say(&plain(&report_text(&report))).map_err(|error| runner.failure(error, None))?;
    if report.differences.is_empty() {
        return Ok(0);
    }
    tell(&format!("'{}' is not as it was converted", plain(&options.output.display().to_string())));
    Ok(EXIT_DIFFERENT)
}

fn files(count: u64) -> String {
    format!("{} {}", format_count(count), if count == 1 { "file" } else { "files" })
}

fn closing_line(summary: &ConvertSummary, elapsed: Duration) -> String {
    let mut line = format!(
        "{}, {} rows read, {} written, {} rejected, {} → {} in {:.1} s",
        files(summary.files),
        format_count(summary.rows_read),
        format_count(summary.rows_written),
        format_count(summary.rows_rejected),
        format_bytes(summary.bytes_in),
        format_bytes(summary.bytes_out),
        elapsed.as_secs_f64(),
    );
    for (count, what) in [
        (summary.files_verified, "verified"),
        (summary.files_kept, "there already"),
        (summary.files_removed, "of before removed"),
    ] {
        if count > 0 {
            line.push_str(&format!("; {} {what}", files(count)));
        }
    }
    line + "\n"
}

fn plan_text(plan: &DryRun) -> String {
    let mut text = String::new();
    for output in plan.outputs.iter().take(LISTED) {
        let inputs = match output.inputs.as_slice() {
            [input] => input.display().to_string(),
            inputs => files(inputs.len() as u64),
        };
        let done = if output.is_done { " (there already)" } else { "" };
        text.push_str(&format!("{inputs} → {}{done}\n", output.output.display()));
    }
    if plan.outputs.len() > LISTED {
        text.push_str(&format!("… and {} more\n", format_count((plan.outputs.len() - LISTED) as u64)));
    }
    for field in plan.schema.fields() {
        text.push_str(&format!("  {} {}\n", field.name(), sql_name(field.data_type())));
    }
    if plan.replaces {
        text.push_str("what is there is replaced when all is complete\n");
    }
    let about = if plan.is_exact { "" } else { "about " };
    let to_do = || plan.outputs.iter().filter(|output| !output.is_done);
    // The rows decide how many there are.
    let what = match to_do().any(|output| output.is_pattern) {
        true => "files".to_string(),
        false => files(to_do().count() as u64),
    };
    text.push_str(&format!(
        "{what} to write: {about}{} rows, {} → about {}; nothing was written\n",
        format_count(plan.rows),
        format_bytes(plan.bytes_in),
        format_bytes(plan.bytes_out),
    ));
    text
}

fn report_text(report: &VerifyReport) -> String {
    let mut text = String::new();
    for difference in &report.differences {
        text.push_str(&format!("{}: {}\n", difference.file.display(), difference.what));
    }
    let verdict = match report.differences.len() {
        0 => "all as it was converted".to_string(),
        1 => "1 difference".to_string(),
        count => format!("{} differences", format_count(count as u64)),
    };
    let inputs =
        if report.inputs > 0 { format!(", against {} read again", files(report.inputs)) } else { String::new() };
    text.push_str(&format!(
        "{}, {} rows, {} columns, {}{inputs}: {verdict}\n",
        files(report.files),
        format_count(report.rows),
        format_count(report.columns),
        format_bytes(report.bytes),
    ));
    text
}

/// What was done, and how it ended: `done`, `failed` or `interrupted`.
fn summary_json(request: &ConvertRequest, summary: &ConvertSummary, outcome: &Result<()>, elapsed: Duration) -> Value {
    let seconds = (elapsed.as_secs_f64() * 1000.0).round() / 1000.0;
    let status = match outcome {
        Ok(()) => "done",
        Err(error) if error.class() == ErrorClass::Cancelled => "interrupted",
        Err(_) => "failed",
    };
    json!({
        "highwater": env!("CARGO_PKG_VERSION"),
        "status": status,
        "error": outcome.as_ref().err().map(ToString::to_string),
        "inputs": request.options.inputs,
        "output": request.options.output.to_string_lossy(),
        "files_written": summary.files,
        "files_kept": summary.files_kept,
        "files_removed": summary.files_removed,
        "files_verified": summary.files_verified,
        "rows_read": summary.rows_read,
        "rows_written": summary.rows_written,
        "rows_rejected": summary.rows_rejected,
        "rows_rejected_before": summary.rows_rejected_before,
        "values_nulled": summary.values_nulled,
        "bytes_read": summary.bytes_in,
        "bytes_written": summary.bytes_out,
        "bytes_spilled": summary.bytes_spilled,
        "seconds": seconds,
    })
}

fn write_summary(path: &Path, summary: &Value) -> Result<()> {
    let file = AtomicFile::create(path, Existing::Overwrite)?;
    let mut out = file.writer()?;
    let written = out.write_all(format!("{summary:#}\n").as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Error::io("write", path, &error))?;
    drop(out);
    file.commit()
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
            bytes_in: 30_198_989,
            bytes_out: 5_347_738,
            ..ConvertSummary::default()
        };
        assert_eq!(
            closing_line(&summary, Duration::from_millis(1234)),
            "12 files, 336,776 rows read, 336,776 written, 0 rejected, 28.8 MiB → 5.1 MiB in 1.2 s\n"
        );
        let resumed = ConvertSummary { files_kept: 1, files_verified: 12, ..summary };
        let line = closing_line(&resumed, Duration::from_secs(1));
        assert!(line.ends_with("in 1.0 s; 12 files verified; 1 file there already\n"), "{line}");
    }
}
