//! Statements that start again with wider types: `on_error = 'widen'`.
//!
//! A statement opens its files through a catalog of its own. When it ends with an error in data, and values were met that
//! do not fit the types of such a table, the catalog widens these types and the statement is bound, planned and run
//! again. Nothing was given out before: see `query` for results, and files have no name until they are whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalog::{check_run, is_csv, open_csv, resolved};
use super::rejects::reads_all;
use super::{Outcome, Receiver, RunOptions, Session};
use crate::error::{Error, ErrorClass, Result};
use crate::io::csv::{CsvOptions, CsvTable, OnError};
use crate::io::options::Options;
use crate::io::source::Table;
use crate::metrics::Progress;
use crate::plan::LogicalPlan;
use crate::sql::{self, Catalog, CatalogEntry, FileFormat, Parsed, Statement};

impl Session {
    /// Binds and runs a statement, again where types had to be widened.
    ///
    /// # Errors
    /// All that can go wrong with a query.
    pub fn run(&self, statement: &Parsed, options: &RunOptions, receiver: &mut dyn Receiver) -> Result<Outcome> {
        let catalog = StatementCatalog { session: self, options, opened: Mutex::default() };
        let mut widened = String::new();
        loop {
            let bound = sql::bind(statement, &catalog, &self.config());
            // A wider type may not bind any more: the sum of what turned out to be text.
            let bound = bound.map_err(|error| because(error, &widened))?;
            let reads_all = plan_of(&bound).is_none_or(reads_all);
            let error = match self.run_bound(bound, options, catalog.may_restart(), receiver) {
                Err(error) if error.class() == ErrorClass::Data => error,
                outcome => return outcome,
            };
            match catalog.widen(reads_all, &options.progress) {
                Some(note) => widened = note,
                None => return Err(error),
            }
            options.progress.restart();
        }
    }
}

/// The error of a statement that binds no more, with why types are not what they were.
fn because(error: Error, widened: &str) -> Error {
    if widened.is_empty() {
        return error;
    }
    let hint = error.kind().hint.as_ref().map_or_else(String::new, |hint| format!("{hint}; "));
    error.without_hint().with_hint(format!("{hint}{widened}"))
}

/// Tells what was widened; the answer is the last note.
pub(super) fn tell_widened(notes: impl IntoIterator<Item = String>, progress: &Progress) -> Option<String> {
    let mut last = None;
    for note in notes {
        tracing::info!("{note}");
        progress.add_note(note.clone());
        last = Some(note);
    }
    last
}

fn plan_of(statement: &Statement) -> Option<&LogicalPlan> {
    match statement {
        Statement::Query(plan)
        | Statement::Explain { plan, .. }
        | Statement::CreateTableAs { plan, .. }
        | Statement::Insert { plan, .. }
        | Statement::Copy { plan, .. } => Some(plan),
        _ => None,
    }
}

/// What one statement sees: the session's catalog, and files whose types it may widen.
struct StatementCatalog<'a> {
    session: &'a Session,
    options: &'a RunOptions,
    opened: Mutex<Vec<Opened>>,
}

/// Files that were opened with `on_error = 'widen'`.
struct Opened {
    format: FileFormat,
    patterns: Vec<String>,
    options: Options,
    table: Arc<CsvTable>,
}

impl StatementCatalog<'_> {
    fn opened(&self) -> MutexGuard<'_, Vec<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the statement may have to start again.
    fn may_restart(&self) -> bool {
        !self.opened().is_empty()
    }

    /// Widens types by all values that were met and do not fit. Where not all is read, which ones were met depends on who
    /// was faster: then only those of the first row count, which is needed.
    fn widen(&self, reads_all: bool, progress: &Progress) -> Option<String> {
        let mut opened = self.opened();
        let first = opened.iter().filter_map(|opened| opened.table.first_misfit()).min();
        let row = first.filter(|_| !reads_all);
        let mut notes = Vec::new();
        for opened in opened.iter_mut() {
            if let Some((table, widened)) = opened.table.widened(row) {
                opened.table = table;
                notes.extend(widened.iter().map(ToString::to_string));
            }
        }
        tell_widened(notes, progress)
    }
}

impl Catalog for StatementCatalog<'_> {
    fn entry(&self, name: &str) -> Option<CatalogEntry> {
        self.session.entry(name)
    }

    fn names(&self) -> Vec<String> {
        self.session.names()
    }

    fn rejects(&self) -> Arc<dyn Table> {
        Catalog::rejects(self.session)
    }

    fn open_files(&self, format: FileFormat, patterns: &[String], options: &Options) -> Result<Arc<dyn Table>> {
        // Files that are not there may be the rejects; what else is wrong with them is told when they are opened.
        if self.options.rejects.is_some() {
            match resolved(format, patterns).unwrap_or(FileFormat::Csv) {
                FileFormat::Parquet | FileFormat::Arrow => {}
                format => check_run(format, self.options, patterns)?,
            }
        }
        let is_same = |known: &&Opened| {
            known.format == format && known.patterns.as_slice() == patterns && known.options == *options
        };
        if let Some(known) = self.opened().iter().find(is_same) {
            return Ok(known.table.clone());
        }
        let widens = !options.is_empty() && is_csv(format, patterns)?;
        let parsed = widens.then(|| CsvOptions::parse(options)).transpose()?;
        let Some(parsed) = parsed.filter(|parsed| parsed.errors() == OnError::Widen) else {
            return self.session.open_files(format, patterns, options);
        };
        let table = open_csv(patterns, parsed, &self.session.config(), &self.session.runtime().memory)?;
        let (patterns, options) = (patterns.to_vec(), options.clone());
        self.opened().push(Opened { format, patterns, options, table: table.clone() });
        Ok(table)
    }
}
