//! Runs statements one after another: connects each to Ctrl-C, the progress display and the output.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::args::ProgressMode;
use super::interrupt::Interrupts;
use super::output::{Output, Target};
use super::progress::{ProgressDisplay, Show};
use super::report::{Failure, SourceText, tell};
use super::terminal::Terminal;
use crate::error::{Error, Result};
use crate::session::{Outcome, Receiver, RunOptions, Session};
use crate::sql::Parsed;
use crate::types::format_count;

/// What every command works with.
#[derive(Debug)]
pub struct Runner {
    /// The session.
    pub session: Session,
    /// Where results go.
    pub output: Output,
    /// What the standard streams are connected to.
    pub terminal: Terminal,
    interrupts: Interrupts,
    progress: ProgressMode,
    rejected: u64,
}

/// What a statement left behind, and how long it took.
#[derive(Clone, Debug)]
pub struct Finished {
    /// What it left behind.
    pub outcome: Outcome,
    /// From the start to the last row written.
    pub elapsed: Duration,
}

impl Runner {
    /// A runner that writes all results to one output.
    pub fn new(
        session: Session,
        output: Output,
        terminal: Terminal,
        interrupts: Interrupts,
        progress: ProgressMode,
    ) -> Self {
        Self { session, output, terminal, interrupts, progress, rejected: 0 }
    }

    /// Rows that were rejected by all statements so far.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Runs all statements of a text; `done` hears of each one that finished. The first error ends it.
    ///
    /// # Errors
    /// What failed, with the text it is about.
    pub fn script(
        &mut self,
        source: &SourceText,
        mut done: impl FnMut(&mut Self, Finished) -> Result<()>,
    ) -> Result<(), Failure> {
        let statements =
            self.session.parse(&source.text).map_err(|error| Failure::Error(error, Some(source.clone())))?;
        for statement in &statements {
            let place = source.statement(statement);
            let finished = self.statement(statement).and_then(|finished| done(self, finished));
            finished.map_err(|error| self.failure(error, Some(place)))?;
        }
        Ok(())
    }

    /// Runs one text whose result goes to the output.
    ///
    /// # Errors
    /// What failed, with the text it is about.
    pub fn query(&mut self, sql: &str) -> Result<(), Failure> {
        self.script(&SourceText::new(sql), |_, _| Ok(()))
    }

    /// Runs the one statement of a text for a receiver of ours.
    ///
    /// # Errors
    /// What failed.
    pub fn collect(&mut self, sql: &str, receiver: &mut dyn Receiver) -> Result<Outcome> {
        let statements = self.session.parse(sql)?;
        let [statement] = statements.as_slice() else {
            return Err(Error::internal(format!("{} statements where one was meant", statements.len())));
        };
        let session = self.session.clone();
        self.watched(Show::Nothing, |options| session.run(statement, options, receiver))
    }

    /// Does work that Ctrl-C interrupts and whose progress shows, also where it is no statement.
    ///
    /// # Errors
    /// Those of the work.
    pub fn work<T>(&mut self, work: impl FnOnce(&Session, &RunOptions) -> Result<T>) -> Result<T> {
        let session = self.session.clone();
        self.watched(self.show(false), |options| work(&session, options))
    }

    /// The error with its text, unless it only says that nobody reads on.
    pub fn failure(&self, error: Error, source: Option<SourceText>) -> Failure {
        if self.output.is_broken() { Failure::BrokenPipe } else { Failure::Error(error, source) }
    }

    fn statement(&mut self, statement: &Parsed) -> Result<Finished> {
        let start = Instant::now();
        let (session, width) = (self.session.clone(), self.terminal.width());
        let show = self.show(true);
        let options = RunOptions::default();
        let mut printer = self.output.receiver(width, &options.cancel);
        let outcome = watch(&self.interrupts, show, &options, || session.run(statement, &options, &mut printer))?;
        printer.finish()?;
        self.count_rejected(&options);
        Ok(Finished { outcome, elapsed: start.elapsed() })
    }

    fn watched<T>(&mut self, show: Show, work: impl FnOnce(&RunOptions) -> Result<T>) -> Result<T> {
        let options = RunOptions::default();
        let result = watch(&self.interrupts, show, &options, || work(&options))?;
        self.count_rejected(&options);
        Ok(result)
    }

    fn count_rejected(&mut self, options: &RunOptions) {
        let rejected = options.progress.rows_rejected.load(Relaxed);
        let nulled = options.progress.values_nulled.load(Relaxed);
        let for_instance =
            options.progress.misfit.get().map_or_else(String::new, |misfit| format!(", for instance:\n  {misfit}"));
        if rejected > 0 {
            let rows = if rejected == 1 { "row" } else { "rows" };
            tell(&format!("warning: {} {rows} did not fit and were rejected{for_instance}", format_count(rejected)));
        }
        if nulled > 0 {
            let values = if nulled == 1 { "value" } else { "values" };
            tell(&format!("warning: {} {values} did not fit and became null{for_instance}", format_count(nulled)));
        }
        self.rejected += rejected;
    }

    /// A bar would be drawn into rows that stream to the same terminal.
    fn show(&self, prints: bool) -> Show {
        let plan = self.output.plan();
        let collides = prints && self.terminal.stdout && plan.target == Target::Stdout && plan.format.streams();
        match (self.progress, self.terminal.stderr) {
            (ProgressMode::Off, _) | (ProgressMode::Auto, false) => Show::Nothing,
            (_, true) if collides => Show::Nothing,
            (_, true) => Show::Bar,
            (ProgressMode::On, false) => Show::Lines,
        }
    }
}

/// The bar is gone when this returns, so that a table can be printed.
fn watch<T>(interrupts: &Interrupts, show: Show, options: &RunOptions, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let _interruptible = interrupts.watch(&options.cancel);
    let _display = ProgressDisplay::start(show, Arc::clone(&options.progress));
    work()
}
