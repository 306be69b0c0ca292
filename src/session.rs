//! The session: configuration, memory pool, thread pool, catalog. The only place that wires the phases.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::config::Config;
use crate::context::CancelToken;
use crate::error::{Error, Result};
use crate::metrics::Progress;

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    config: Arc<Config>,
}

/// How a statement runs: who may interrupt it, and where its progress shows.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Set to interrupt.
    pub cancel: CancelToken,
    /// Counters that a progress bar reads while the statement runs.
    pub progress: Arc<Progress>,
}

/// What a statement left behind.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A result, which was given to the receiver batch by batch.
    Rows { schema: SchemaRef, rows: u64 },
    /// Something done, in words: `created table t (12 rows)`.
    Done { message: String },
}

/// Takes the result of a statement: first the columns, once, then the batches.
pub trait Receiver {
    /// The columns of the result that follows.
    fn schema(&mut self, schema: &SchemaRef) -> Result<()>;
    /// Some rows.
    fn batch(&mut self, batch: RecordBatch) -> Result<()>;
}

/// A statement that was parsed and not yet bound.
#[derive(Clone, Debug)]
pub struct ParsedStatement {
    /// Its text, to show errors under; spans count from its start.
    pub text: String,
}

impl Session {
    /// A session as a library uses it: only what it reserves itself counts against the budget.
    pub fn new(config: Config) -> Result<Self> {
        Ok(Self { config: Arc::new(config) })
    }

    /// A session of a process that is all ours: its whole anonymous memory counts, and `purge` makes the allocator
    /// give back what is free.
    pub fn with_purge(config: Config, purge: fn()) -> Result<Self> {
        let _ = purge;
        Self::new(config)
    }

    /// The settings now.
    pub fn config(&self) -> Arc<Config> {
        self.config.clone()
    }

    /// Cuts a text into statements; an SQL error with its place where one does not parse.
    pub fn parse(&self, sql: &str) -> Result<Vec<ParsedStatement>> {
        Ok(vec![ParsedStatement { text: sql.to_string() }])
    }

    /// Binds and runs a statement.
    pub fn run(
        &self,
        statement: &ParsedStatement,
        options: &RunOptions,
        receiver: &mut dyn Receiver,
    ) -> Result<Outcome> {
        let _ = (options, receiver);
        Err(Error::internal(format!("cannot run {} yet", statement.text)))
    }

    /// The tables and views with their columns, by name: for completion and SHOW TABLES.
    pub fn tables(&self) -> Vec<(String, SchemaRef)> {
        Vec::new()
    }
}
