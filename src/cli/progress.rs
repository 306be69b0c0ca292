//! Progress on standard error, by bytes of input. Shown only when a statement takes longer than half a second, and
//! taken away at its end.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::report::tell;
use crate::metrics::Progress;
use crate::types::{format_bytes, format_count};

/// Statements that are done by then show no progress.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Not at all.
    Nothing,
    /// As a bar that is drawn over and over.
    Bar,
    /// As lines.
    Lines,
}

/// Shows progress until it is dropped.
#[derive(Debug)]
pub struct ProgressDisplay {
    running: Option<(Sender<()>, JoinHandle<()>)>,
}

impl ProgressDisplay {
    /// Starts to show these counters. Where no thread can be had, nothing is shown.
    pub fn start(show: Show, progress: Arc<Progress>) -> Self {
        if show == Show::Nothing {
            return Self { running: None };
        }
        let (stop, stopped) = channel();
        let start = Instant::now();
        let work = move || {
            let wait = |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if !wait(PATIENCE) {
                return;
            }
            if show == Show::Lines {
                while wait(LINE) {
                    tell(&Figures::read(&progress).describe(start.elapsed()));
                }
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            loop {
                let figures = Figures::read(&progress);
                if let (Some(total), None) = (figures.total(), bar.length()) {
                    bar.set_length(total);
                    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3}% {msg}") {
                        bar.set_style(style.progress_chars("━╸ "));
                    }
                }
                bar.set_length(figures.total().unwrap_or(0));
                bar.set_position(figures.done);
                bar.set_message(figures.describe(start.elapsed()));
                bar.tick();
                if !wait(FRAME) {
                    break;
                }
            }
            bar.finish_and_clear();
        };
        let thread = std::thread::Builder::new().name("progress".into()).spawn(work);
        Self { running: thread.ok().map(|thread| (stop, thread)) }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            // A display that panicked has nothing left to clear.
            let _ = thread.join();
        }
    }
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    done: u64,
    expected: u64,
    rows: u64,
    spilled: u64,
}

impl Figures {
    fn read(progress: &Progress) -> Self {
        Self {
            done: progress.bytes_done.load(Relaxed),
            expected: progress.bytes_total.load(Relaxed),
            rows: progress.rows_read.load(Relaxed),
            spilled: progress.bytes_spilled.load(Relaxed),
        }
    }

    /// All bytes, where they are known.
    fn total(&self) -> Option<u64> {
        (self.expected > 0).then(|| self.expected.max(self.done))
    }

    /// `1.2 GiB of 2.8 GiB, 410.0 MiB/s, 12,345,678 rows, 1.0 GiB spilled, 4 s left`
    fn describe(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let mut parts = Vec::new();
        if let Some(total) = self.total() {
            let rate = self.done as f64 / seconds;
            parts.push(format!("{} of {}", format_bytes(self.done), format_bytes(total)));
            parts.push(format!("{}/s", format_bytes(rate as u64)));
        }
        parts.push(format!("{} rows", format_count(self.rows)));
        if self.spilled > 0 {
            parts.push(format!("{} spilled", format_bytes(self.spilled)));
        }
        match self.total() {
            Some(total) if self.done > 0 && self.done < total => {
                let left = seconds / self.done as f64 * (total - self.done) as f64;
                parts.push(format!("{} left", format_seconds(left)));
            }
            _ => parts.push(format_seconds(seconds)),
        }
        parts.join(", ")
    }
}

/// `4 s`, `2 min 5 s`, `3 h 20 min`.
fn format_seconds(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_tell_rate_and_time_left() {
        let mut figures = Figures { done: 1 << 30, expected: 3 << 30, rows: 12_345_678, spilled: 0 };
        assert_eq!(
            figures.describe(Duration::from_secs(64)),
            "1.0 GiB of 3.0 GiB, 16.0 MiB/s, 12,345,678 rows, 2 min 8 s left"
        );
        figures.spilled = 5 << 20;
        figures.done = figures.expected;
        assert!(figures.describe(Duration::from_secs(3)).ends_with("12,345,678 rows, 5.0 MiB spilled, 3 s"));
        assert_eq!(Figures::default().describe(Duration::from_millis(900)), "0 rows, 1 s");
    }
}
