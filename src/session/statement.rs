//! Running bound statements.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::show::{self, laid_out};
use super::{RunOptions, Session};
use crate::error::{Error, Result};
use crate::io::stored::StoredTable;
use crate::plan::{LogicalPlan, Scan};
use crate::sql::{CatalogEntry, Statement};
use crate::types::{format_bytes, format_count};

/// What a statement left behind.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A result, which was given to the receiver batch by batch.
    Rows {
        /// How many rows it had.
        rows: u64,
    },
    /// Something done, in words: `created table t (12 rows)`.
    Done {
        /// The words.
        message: String,
    },
}

/// Takes the result of a statement: first the columns, once, then the batches.
pub trait Receiver {
    /// The columns of the result that follows.
    ///
    /// # Errors
    /// Ends the statement.
    fn schema(&mut self, schema: &SchemaRef) -> Result<()>;

    /// Some rows.
    ///
    /// # Errors
    /// Ends the statement.
    fn batch(&mut self, batch: RecordBatch) -> Result<()>;
}

impl Session {
    pub(super) fn run_bound(
        &self,
        statement: Statement,
        options: &RunOptions,
        may_restart: bool,
        receiver: &mut dyn Receiver,
    ) -> Result<Outcome> {
        match statement {
            Statement::Query(plan) => self.query(&plan, options, may_restart, receiver),
            Statement::Explain { analyze, plan } => self.explain(analyze, &plan, options, receiver),
            Statement::CreateView { name, or_replace, view } => {
                self.check_free(&name, or_replace)?;
                self.entries_mut().put(&name, CatalogEntry::View(view));
                done(format!("created view {name}"))
            }
            Statement::CreateTable { name, or_replace, if_not_exists, schema } => {
                if if_not_exists && self.entries().get(&name).is_some() {
                    return done(format!("{name} is there already"));
                }
                self.check_free(&name, or_replace)?;
                self.put_table(StoredTable::empty(&name, schema), &name);
                done(format!("created table {name}"))
            }
            Statement::CreateTableAs { name, or_replace, if_not_exists, plan } => {
                if if_not_exists && self.entries().get(&name).is_some() {
                    return done(format!("{name} is there already"));
                }
                self.check_free(&name, or_replace)?;
                let part = self.keep(&plan, options)?;
                let rows = part.row_count().unwrap_or(0);
                self.put_table(StoredTable::empty(&name, plan.schema().clone()).with_part(part), &name);
                done(format!("created table {name} ({} rows)", format_count(rows)))
            }
            Statement::Insert { name, plan } => self.insert(&name, &plan, options),
            Statement::Drop { name, if_exists } => {
                if !self.entries_mut().remove(&name) && !if_exists {
                    return Err(self.entries().unknown(&name));
                }
                done(format!("dropped {name}"))
            }
            Statement::Describe { schema } => give(&show::describe(&schema)?, receiver),
            Statement::ShowTables => give(&show::tables(&self.entries().tables())?, receiver),
            Statement::ShowFunctions => give(&show::functions()?, receiver),
            Statement::ShowSettings { name } => give(&show::settings(&self.config(), name.as_deref())?, receiver),
            Statement::Set { name, value } => {
                self.set(&name, &value)?;
                done(format!("{name} is {}", self.config().get(&name).unwrap_or(value)))
            }
            Statement::Copy { plan, target, options: write } => {
                let (summary, files) = self.copy(&plan, &target, &write, options)?;
                let files = match files {
                    None => String::new(),
                    Some(1) => "1 file in ".into(),
                    Some(files) => format!("{} files in ", format_count(files)),
                };
                done(format!(
                    "wrote {} rows, {}, to {files}'{}'",
                    format_count(summary.rows),
                    format_bytes(summary.bytes),
                    target.display()
                ))
            }
        }
    }

    fn query(
        &self,
        plan: &LogicalPlan,
        options: &RunOptions,
        may_restart: bool,
        receiver: &mut dyn Receiver,
    ) -> Result<Outcome> {
        if may_restart && self.lower(plan, options)?.0.graph.streams_input() {
            // Nothing may be told before the last of the input was read.
            let part = self.keep(plan, options)?;
            let kept = StoredTable::empty("kept", plan.schema().clone()).with_part(part);
            return self.query(&Scan::all(Arc::new(kept)), options, false, receiver);
        }
        // The columns are told with the first rows, so that a query that fails before them has put out nothing.
        let mut told = false;
        let mut rows = 0;
        self.stream(plan, options, &mut |batch| {
            if !std::mem::replace(&mut told, true) {
                receiver.schema(plan.schema())?;
            }
            rows += batch.num_rows() as u64;
            receiver.batch(batch)
        })?;
        if !told {
            receiver.schema(plan.schema())?;
        }
        Ok(Outcome::Rows { rows })
    }

    fn explain(
        &self,
        analyze: bool,
        plan: &LogicalPlan,
        options: &RunOptions,
        receiver: &mut dyn Receiver,
    ) -> Result<Outcome> {
        let text = if analyze {
            let since = Instant::now();
            let mut rows = 0;
            let described = self.stream(plan, options, &mut |batch| {
                rows += batch.num_rows() as u64;
                Ok(())
            })?;
            let total = format!("{} rows in {:.3} s\n", format_count(rows), since.elapsed().as_secs_f64());
            described.after_run().render() + &total
        } else {
            self.lower(plan, options)?.0.described.before_run().render()
        };
        give(&laid_out("plan", &text)?, receiver)
    }

    fn insert(&self, name: &str, plan: &LogicalPlan, options: &RunOptions) -> Result<Outcome> {
        let part = self.keep(plan, options)?;
        let rows = part.row_count().unwrap_or(0);
        let mut entries = self.entries_mut();
        let table = match entries.get(name) {
            Some(CatalogEntry::Table(table)) => table.clone(),
            Some(CatalogEntry::View(_)) => {
                return Err(Error::sql(format!("'{name}' is a view: nothing can be inserted")));
            }
            None => return Err(entries.unknown(name)),
        };
        let any: &dyn Any = &*table;
        let Some(stored) = any.downcast_ref::<StoredTable>() else {
            return Err(Error::internal(format!("'{name}' is no table of the session")));
        };
        let grown = stored.with_part(part);
        entries.put(name, CatalogEntry::Table(Arc::new(grown)));
        done(format!("inserted {} rows into {name}", format_count(rows)))
    }

    fn check_free(&self, name: &str, or_replace: bool) -> Result<()> {
        if or_replace || self.entries().get(name).is_none() {
            return Ok(());
        }
        Err(Error::sql(format!("'{name}' is there already")).with_hint("write CREATE OR REPLACE, or DROP it first"))
    }

    fn put_table(&self, table: StoredTable, name: &str) {
        self.entries_mut().put(name, CatalogEntry::Table(Arc::new(table)));
    }
}

fn done(message: String) -> Result<Outcome> {
    Ok(Outcome::Done { message })
}

fn give(batch: &RecordBatch, receiver: &mut dyn Receiver) -> Result<Outcome> {
    receiver.schema(&batch.schema())?;
    receiver.batch(batch.clone())?;
    Ok(Outcome::Rows { rows: batch.num_rows() as u64 })
}
