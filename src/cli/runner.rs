//! Runs statements one after another: connects each to Ctrl-C, the progress display and the output.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::ProgressMode;
use super::interrupt::Interrupts;
use super::output::{Output, Target, on_one_line};
use super::progress::{ProgressDisplay, Show};
use super::rejects::Rejects;
use super::report::{Failure, SourceText, tell};
use super::terminal::Terminal;
use crate::error::{Error, Result};
use crate::session::{Outcome, RunOptions, Session};
use crate::sql::Parsed;

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
    rejects: Rejects,
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
        rejects: Rejects,
    ) -> Self {
        Self { session, output, terminal, interrupts, progress, rejects }
    }

    /// Rows that were rejected by all statements so far.
    pub fn rejected(&self) -> u64 {
        self.rejects.rows()
    }

    /// Counts rows that were rejected by an earlier run, which this one went on with.
    pub fn add_rejected(&mut self, rows: u64) {
        self.rejects.add(rows);
    }

    /// No statement follows.
    ///
    /// # Errors
    /// Where the file of rejects cannot be completed.
    pub fn finish(&self) -> Result<()> {
        self.rejects.finish()
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
        let options = self.rejects.options();
        let mut printer = self.output.receiver(width, &options.cancel, session.write_context(&options));
        let run = || session.run(statement, &options, &mut printer);
        let outcome = watch(&self.interrupts, show, &options, run);
        tell_notes(&options);
        let outcome = outcome?;
        printer.finish()?;
        self.rejects.sum_up(&options.progress);
        Ok(Finished { outcome, elapsed: start.elapsed() })
    }

    fn watched<T>(&mut self, show: Show, work: impl FnOnce(&RunOptions) -> Result<T>) -> Result<T> {
        let options = self.rejects.options();
        let result = watch(&self.interrupts, show, &options, || work(&options));
        tell_notes(&options);
        let result = result?;
        self.rejects.sum_up(&options.progress);
        Ok(result)
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

/// What a statement has to say besides its result, and why it may have failed.
fn tell_notes(options: &RunOptions) {
    options.progress.notes().iter().for_each(|note| tell(&format!("note: {}", on_one_line(note))));
}

/// The bar is gone when this returns, so that a table can be printed.
fn watch<T>(interrupts: &Interrupts, show: Show, options: &RunOptions, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let _interruptible = interrupts.watch(&options.cancel);
    let _display = ProgressDisplay::start(show, Arc::clone(&options.progress));
    work()
}
