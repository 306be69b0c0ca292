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
/// How long ago speed counts for little.
const MEMORY: Duration = Duration::from_secs(10);
/// What takes longer is not foretold: mostly it stands still.
const LONGEST: Duration = Duration::from_secs(100 * 24 * 3600);

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
            let mut meter = Meter::default();
            if show == Show::Lines {
                let mut told = Duration::ZERO;
                while wait(FRAME) {
                    let now = start.elapsed();
                    meter.update(Figures::read(&progress), now);
                    if now.saturating_sub(told) >= LINE {
                        told = now;
                        tell(&meter.describe());
                    }
                }
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            loop {
                meter.update(Figures::read(&progress), start.elapsed());
                if meter.seen.total().is_some() && bar.length().is_none() {
                    bar.set_length(1000);
                    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent:>3}% {msg}") {
                        bar.set_style(style.progress_chars("━╸ "));
                    }
                }
                bar.set_position(meter.shown);
                bar.set_message(meter.describe());
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    done: u64,
    expected: u64,
    rows: u64,
    spilled: u64,
    files: u64,
    all_files: u64,
}

impl Figures {
    fn read(progress: &Progress) -> Self {
        Self {
            done: progress.bytes_done.load(Relaxed),
            expected: progress.bytes_total.load(Relaxed),
            rows: progress.rows_read.load(Relaxed),
            spilled: progress.bytes_spilled.load(Relaxed),
            files: progress.files_done.load(Relaxed),
            all_files: progress.files_total.load(Relaxed),
        }
    }

    /// All bytes, where they are known.
    fn total(&self) -> Option<u64> {
        (self.expected > 0).then(|| self.expected.max(self.done))
    }
}

/// What the counters mean, moment after moment: how far the work is, which never goes back unless it starts again, how
/// fast it is now, and how long it will take at that speed.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    seen: Figures,
    at: Duration,
    /// When the first bytes were read, as far as is known.
    since: Duration,
    /// Bytes a second, of late.
    rate: f64,
    /// Thousandths that were shown.
    shown: u64,
}

impl Meter {
    /// Takes note of the counters. `now` is the time since the work began.
    fn update(&mut self, figures: Figures, now: Duration) {
        if figures.done < self.seen.done {
            // The work starts again, and all that was known of it is void.
            *self = Self { at: self.at, since: self.at, ..Self::default() };
        }
        let seconds = now.saturating_sub(self.at).as_secs_f64();
        if self.seen.done == 0 {
            self.since = self.at;
        }
        if seconds > 0.0 && figures.done > 0 {
            let late = (figures.done - self.seen.done) as f64 / seconds;
            let whole = now.saturating_sub(self.since).as_secs_f64();
            // At first all that there is counts alike; later, what is long ago counts less and less.
            let weight = (seconds / whole.max(seconds)).max(1.0 - (-seconds / MEMORY.as_secs_f64()).exp());
            self.rate += (late - self.rate) * weight;
        }
        (self.seen, self.at) = (figures, now);
        if let Some(total) = figures.total() {
            let thousandths = (u128::from(figures.done) * 1000 / u128::from(total)) as u64;
            // All is read before all is written.
            let is_open = figures.files < figures.all_files;
            self.shown = self.shown.max(if is_open { thousandths.min(990) } else { thousandths });
        }
    }

    /// `1.2 GiB of 2.8 GiB, 410.0 MiB/s, 12,345,678 rows, 3 of 12 files, 1.0 GiB spilled, 4 s left`
    fn describe(&self) -> String {
        let figures = self.seen;
        let mut parts = Vec::new();
        if let Some(total) = figures.total() {
            parts.push(format!("{} of {}", format_bytes(figures.done), format_bytes(total)));
            parts.push(format!("{}/s", format_bytes(self.rate as u64)));
        }
        parts.push(format!("{} rows", format_count(figures.rows)));
        if figures.all_files > 1 {
            parts.push(format!("{} of {} files", format_count(figures.files), format_count(figures.all_files)));
        }
        if figures.spilled > 0 {
            parts.push(format!("{} spilled", format_bytes(figures.spilled)));
        }
        parts.push(match self.left() {
            Some(left) => format!("{} left", format_seconds(left)),
            None => format_seconds(self.at.as_secs_f64()),
        });
        parts.join(", ")
    }

    /// Seconds that the rest takes at the speed of late; `None` where nobody can tell.
    fn left(&self) -> Option<f64> {
        let left = self.seen.total()?.checked_sub(self.seen.done).filter(|left| *left > 0)?;
        let seconds = left as f64 / self.rate;
        (self.seen.done > 0 && seconds < LONGEST.as_secs_f64()).then_some(seconds)
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

    const MIB: u64 = 1 << 20;

    fn figures(done: u64, expected: u64) -> Figures {
        Figures { done: done * MIB, expected: expected * MIB, rows: 12_345_678, ..Figures::default() }
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn figures_tell_rate_and_time_left() {
        let mut meter = Meter::default();
        meter.update(figures(1024, 3072), seconds(64.0));
        assert_eq!(meter.describe(), "1.0 GiB of 3.0 GiB, 16.0 MiB/s, 12,345,678 rows, 2 min 8 s left");
        let done = Figures { spilled: 5 << 20, files: 2, all_files: 3, ..figures(3072, 3072) };
        meter.update(done, seconds(192.0));
        assert!(meter.describe().ends_with("12,345,678 rows, 2 of 3 files, 5.0 MiB spilled, 3 min 12 s"));
        let mut nothing = Meter::default();
        nothing.update(Figures::default(), seconds(0.9));
        assert_eq!(nothing.describe(), "0 rows, 1 s");
    }

    #[test]
    fn a_steady_speed_is_told_right_from_the_first_moment() {
        // Files are looked at for two seconds, before a byte of them counts.
        let mut meter = Meter::default();
        for tenth in 0..20 {
            meter.update(Figures::default(), seconds(f64::from(tenth) / 10.0));
            assert_eq!(meter.left(), None);
        }
        for tenth in 1..=1000_u64 {
            let now = 1.9 + tenth as f64 / 10.0;
            meter.update(figures(tenth * 10, 10_000), seconds(now));
            if let Some(left) = meter.left() {
                assert!((left - (101.9 - now)).abs() < 0.5, "{now}: {left} s left");
            }
            assert!((meter.rate / MIB as f64 - 100.0).abs() < 0.5, "{now}: {}", meter.rate);
            assert_eq!(meter.shown, tenth);
        }
    }

    #[test]
    fn a_change_of_speed_shows_within_half_a_minute_and_a_standstill_is_not_foretold() {
        let mut meter = Meter::default();
        (1..=600_u64).for_each(|tenth| meter.update(figures(tenth * 10, 100_000), seconds(tenth as f64 / 10.0)));
        (1..=300_u64)
            .for_each(|tenth| meter.update(figures(6000 + tenth, 100_000), seconds(60.0 + tenth as f64 / 10.0)));
        assert!(meter.rate < 16.0 * MIB as f64, "{}", meter.rate);
        (1..=6000_u64).for_each(|tenth| meter.update(figures(6300, 100_000), seconds(90.0 + tenth as f64 / 10.0)));
        assert_eq!(meter.left(), None);
        assert!(meter.describe().ends_with("11 min 30 s"), "{}", meter.describe());
    }

    #[test]
    fn what_is_shown_never_goes_back_and_is_all_only_when_all_is_written() {
        let mut meter = Meter::default();
        let mut shown = 0;
        // More turns up than was known.
        for (step, (done, expected)) in
            [(100, 400), (200, 400), (300, 900), (800, 900), (900, 900)].into_iter().enumerate()
        {
            let open = Figures { files: 1, all_files: 2, ..figures(done, expected) };
            meter.update(open, seconds(step as f64));
            assert!(meter.shown >= shown && meter.shown < 1000, "{}", meter.shown);
            shown = meter.shown;
        }
        meter.update(Figures { files: 2, all_files: 2, ..figures(900, 900) }, seconds(6.0));
        assert_eq!(meter.shown, 1000);
        // Types were widened: it begins anew, and says so.
        meter.update(figures(9, 900), seconds(7.0));
        assert_eq!((meter.shown, meter.rate as u64), (10, 9 * MIB));
    }
}
