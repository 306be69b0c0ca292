//! The session: configuration, memory pool, thread pool, catalog. The only place that wires the phases.

mod catalog;
mod convert;
mod parts;
mod rejects;
mod restart;
mod show;
mod statement;

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

pub use crate::physical::Described;
pub use convert::{
    ConvertOptions, ConvertSummary, Difference, DryRun, Layout, OnExisting, PlannedOutput, Resume, Verify,
    VerifyOptions, VerifyReport,
};
pub use rejects::RejectFiles;
pub use show::LAID_OUT_KEY;
pub use statement::{Outcome, Receiver};

use crate::config::Config;
use crate::context::{CancelToken, QueryContext};
use crate::dataframe::DataFrame;
use crate::error::{Error, Result};
use crate::exec::{StageSink, WORKER_STACK_BYTES, run, run_into};
use crate::io::csv::CsvOptions;
use crate::io::options::Options;
use crate::io::parquet::MetadataCache;
use crate::io::source::Source;
use crate::io::write::WriteContext;
use crate::memory::{MemoryPool, MemoryReservation};
use crate::metrics::{OperatorMetrics, Progress};
use crate::operators::buffer::Materialize;
use crate::optimizer::optimize;
use crate::physical::{PhysicalPlan, lower};
use crate::plan::{LogicalPlan, PlanBuilder};
use crate::rejects::RejectLog;
use crate::spill::SpillManager;
use crate::sql::{self, Catalog, FileFormat, Parsed, Statement};
use catalog::Entries;
use rejects::reads_all;

/// A session: settings, a memory budget, worker threads, and a catalog of tables and views.
///
/// A clone is another handle to the same session.
///
/// ```
/// use highwater::prelude::*;
/// let session = Session::new(Config::default())?;
/// let result = session.sql("SELECT 1 + 1 AS two")?.compute()?;
/// assert_eq!(result.num_rows(), 1);
/// # Ok::<(), highwater::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    runtime: RwLock<Runtime>,
    entries: RwLock<Entries>,
    /// What Parquet files said about themselves.
    metadata: Arc<MetadataCache>,
    /// Those of the last statement that read CSV files.
    rejects: RwLock<Arc<RejectLog>>,
}

/// What settings decide.
#[derive(Clone)]
struct Runtime {
    config: Arc<Config>,
    memory: Arc<MemoryPool>,
    spill: Arc<SpillManager>,
    threads: Arc<rayon::ThreadPool>,
}

/// How a statement runs: who may interrupt it, and where its progress shows.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Set to interrupt.
    pub cancel: CancelToken,
    /// Counters that a progress bar reads while the statement runs.
    pub progress: Arc<Progress>,
    /// Where rejects go, besides the files that tables name for theirs.
    pub rejects: Option<Arc<RejectFiles>>,
    /// Rows that may be rejected before the statement fails; tables may allow fewer.
    pub max_rejects: Option<u64>,
}

impl Session {
    /// A session as a library uses it: only what it reserves itself counts against the budget.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub fn new(config: Config) -> Result<Self> {
        let memory = MemoryPool::new(config.memory_limit, config.thresholds, None);
        Self::build(config, memory)
    }

    /// A session of a process that is all ours: its whole anonymous memory counts, and `purge` makes the allocator
    /// give back what is free.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub fn with_purge(config: Config, purge: fn()) -> Result<Self> {
        let memory = MemoryPool::new(config.memory_limit, config.thresholds, Some(purge));
        Self::build(config, memory)
    }

    /// A session for tests of spilling: of the requests for memory that can be refused, one in `one_in` is, at random. No
    /// answer may depend on it.
    ///
    /// # Errors
    /// Where threads cannot be started.
    pub fn refusing_memory(config: Config, one_in: u64, seed: u64) -> Result<Self> {
        let memory = MemoryPool::refusing(config.memory_limit, config.thresholds, one_in, seed);
        Self::build(config, memory)
    }

    fn build(config: Config, memory: Arc<MemoryPool>) -> Result<Self> {
        let metadata = MetadataCache::new(&memory);
        let runtime = Runtime {
            memory,
            spill: SpillManager::new(&config.temp_dir, config.max_spill),
            threads: thread_pool(config.threads)?,
            config: Arc::new(config),
        };
        let (runtime, entries, rejects) = (RwLock::new(runtime), RwLock::default(), RwLock::default());
        let shared = Shared { runtime, entries, metadata, rejects };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The settings now.
    pub fn config(&self) -> Arc<Config> {
        self.runtime().config
    }

    /// Changes a setting by its name, for the statements that follow.
    ///
    /// # Errors
    /// A usage error for an unknown name or a wrong value.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let mut config = (*self.config()).clone();
        config.set(name, value)?;
        let old = self.runtime();
        let threads = if config.threads == old.config.threads { old.threads } else { thread_pool(config.threads)? };
        let same_disk = config.temp_dir == old.config.temp_dir && config.max_spill == old.config.max_spill;
        let spill = if same_disk { old.spill } else { SpillManager::new(&config.temp_dir, config.max_spill) };
        old.memory.set_limits(config.memory_limit, config.thresholds);
        let runtime = Runtime { config: Arc::new(config), memory: old.memory, spill, threads };
        *self.shared.runtime.write().unwrap_or_else(PoisonError::into_inner) = runtime;
        Ok(())
    }

    /// Cuts a text into statements.
    ///
    /// # Errors
    /// An SQL error with its place where one does not parse.
    pub fn parse(&self, text: &str) -> Result<Vec<Parsed>> {
        sql::parse(text)
    }

    /// A query as a lazy frame.
    ///
    /// # Errors
    /// An SQL error where the text is no single query.
    pub fn sql(&self, text: &str) -> Result<DataFrame> {
        let statements = self.parse(text)?;
        let [statement] = statements.as_slice() else {
            return Err(Error::sql(format!("sql() takes one query, but there are {} statements", statements.len()))
                .with_hint("run several statements by execute()"));
        };
        match self.bind(statement)? {
            Statement::Query(plan) => Ok(DataFrame::new(self.clone(), PlanBuilder::from_plan(plan))),
            _ => Err(Error::sql("sql() takes a query").with_hint("run other statements by execute()")),
        }
    }

    /// Runs statements one after another, for what they do; results of queries are dropped.
    ///
    /// # Errors
    /// The first error; what was done before it stays.
    pub fn execute(&self, text: &str) -> Result<()> {
        struct Nobody;
        impl Receiver for Nobody {
            fn schema(&mut self, _: &SchemaRef) -> Result<()> {
                Ok(())
            }
            fn batch(&mut self, _: RecordBatch) -> Result<()> {
                Ok(())
            }
        }
        for statement in self.parse(text)? {
            self.run(&statement, &RunOptions::default(), &mut Nobody)?;
        }
        Ok(())
    }

    /// CSV files as one lazy frame: paths, globs and folders. Reads samples only.
    ///
    /// # Errors
    /// Where no file matches, or one is no CSV.
    pub fn read_csv(&self, pattern: &str, options: CsvOptions) -> Result<DataFrame> {
        let table = catalog::open_csv(
            &[pattern.to_string()],
            catalog::exact_types(options),
            &self.config(),
            &self.runtime().memory,
        )?;
        Ok(DataFrame::new(self.clone(), PlanBuilder::scan(table)))
    }

    /// The text of a schema file of CSV files (paths, globs and folders, read with options as `read_csv` has them), which
    /// spares looking at them another time: see [`CsvOptions::schema_file`].
    ///
    /// # Errors
    /// As [`read_csv`](Self::read_csv); a usage error for Parquet files, which hold their schema themselves.
    pub fn csv_schema(&self, patterns: &[String], options: &Options) -> Result<String> {
        match catalog::resolved(FileFormat::Detect, patterns)? {
            FileFormat::Csv | FileFormat::Detect => {}
            FileFormat::Json => return Err(Error::usage("schema files are for CSV, and not for JSON")),
            FileFormat::Parquet | FileFormat::ParquetFacts(_) | FileFormat::Arrow => {
                return Err(Error::usage("schema files are for CSV: Parquet files hold their schema themselves"));
            }
        }
        let config = Config { schema_file: None, ..(*self.config()).clone() };
        catalog::open_csv(patterns, CsvOptions::parse(options)?, &config, &self.runtime().memory)?.schema_file(options)
    }

    /// [`read_csv`](Self::read_csv) by its name in Polars.
    ///
    /// # Errors
    /// As [`read_csv`](Self::read_csv).
    pub fn scan_csv(&self, pattern: &str, options: CsvOptions) -> Result<DataFrame> {
        self.read_csv(pattern, options)
    }

    /// Parquet files as one lazy frame: paths, globs and folders. Reads metadata only.
    ///
    /// # Errors
    /// Where no file matches, or one is no Parquet file.
    pub fn read_parquet(&self, pattern: &str) -> Result<DataFrame> {
        let table = self.open_files(FileFormat::Parquet, &[pattern.to_string()], &Options::new())?;
        Ok(DataFrame::new(self.clone(), PlanBuilder::scan(table)))
    }

    /// [`read_parquet`](Self::read_parquet) by its name in Polars.
    ///
    /// # Errors
    /// As [`read_parquet`](Self::read_parquet).
    pub fn scan_parquet(&self, pattern: &str) -> Result<DataFrame> {
        self.read_parquet(pattern)
    }

    /// JSON files as one lazy frame: paths, globs and folders; an object a line, or arrays of objects. Reads samples only. Options are those
    /// of `read_json` in SQL.
    ///
    /// # Errors
    /// Where no file matches, or one is no JSON.
    pub fn read_json(&self, pattern: &str, options: &Options) -> Result<DataFrame> {
        let table = self.open_files(FileFormat::Json, &[pattern.to_string()], options)?;
        Ok(DataFrame::new(self.clone(), PlanBuilder::scan(table)))
    }

    /// [`read_json`](Self::read_json) by its name in Polars.
    ///
    /// # Errors
    /// As [`read_json`](Self::read_json).
    pub fn scan_ndjson(&self, pattern: &str, options: &Options) -> Result<DataFrame> {
        self.read_json(pattern, options)
    }

    /// Arrow IPC files (Feather) and streams as one lazy frame: paths, globs and folders. Reads metadata only.
    ///
    /// # Errors
    /// Where no file matches, or one is no Arrow file.
    pub fn read_arrow(&self, pattern: &str) -> Result<DataFrame> {
        let table = self.open_files(FileFormat::Arrow, &[pattern.to_string()], &Options::new())?;
        Ok(DataFrame::new(self.clone(), PlanBuilder::scan(table)))
    }

    /// [`read_arrow`](Self::read_arrow) by its name in Polars.
    ///
    /// # Errors
    /// As [`read_arrow`](Self::read_arrow).
    pub fn scan_ipc(&self, pattern: &str) -> Result<DataFrame> {
        self.read_arrow(pattern)
    }

    /// A table or view of the session as a lazy frame.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn table(&self, name: &str) -> Result<DataFrame> {
        self.sql(&format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")))
    }

    /// The tables and views with their columns, by name: for completion and SHOW TABLES.
    pub fn tables(&self) -> Vec<(String, SchemaRef)> {
        self.entries().tables()
    }

    /// The optimized plan.
    pub(crate) fn optimized(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        optimize(plan.clone(), &self.config())
    }

    /// Optimizes and lowers a plan.
    pub(crate) fn lower(&self, plan: &LogicalPlan, options: &RunOptions) -> Result<(PhysicalPlan, QueryContext)> {
        self.lower_in(plan, options, &Arc::default())
    }

    fn lower_in(
        &self,
        plan: &LogicalPlan,
        options: &RunOptions,
        log: &Arc<RejectLog>,
    ) -> Result<(PhysicalPlan, QueryContext)> {
        let runtime = self.runtime();
        let context = QueryContext {
            config: runtime.config.clone(),
            memory: runtime.memory.clone(),
            spill: runtime.spill.clone(),
            cancel: options.cancel.clone(),
            progress: options.progress.clone(),
            rejects: log.clone(),
        };
        let optimized = optimize(plan.clone(), &runtime.config)?;
        tracing::debug!("optimized plan:\n{optimized}");
        let physical = lower(&optimized, &context)?;
        // A statement of many queries, such as a conversion, knows its total itself.
        let total = &options.progress.bytes_total;
        let _ = total.compare_exchange(0, physical.graph.input_bytes(), Relaxed, Relaxed);
        Ok((physical, context))
    }

    /// Runs a plan and gives its batches to `receive`, in order. What it used is in the answer.
    pub(crate) fn stream(
        &self,
        plan: &LogicalPlan,
        options: &RunOptions,
        receive: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Described> {
        self.logged(options, |log| self.stream_in(plan, options, log, receive))
    }

    /// [`stream`](Self::stream) as one of the queries of a statement.
    fn stream_in(
        &self,
        plan: &LogicalPlan,
        options: &RunOptions,
        log: &Arc<RejectLog>,
        receive: &mut dyn FnMut(RecordBatch) -> Result<()>,
    ) -> Result<Described> {
        let (physical, context) = self.lower_in(plan, options, log)?;
        log.verdict(run(physical.graph, &context, &self.runtime().threads, receive), reads_all(plan))?;
        Ok(physical.described)
    }

    /// Runs a plan and keeps its rows, in memory or spilled, to be read again and again.
    pub(crate) fn keep(&self, plan: &LogicalPlan, options: &RunOptions) -> Result<Arc<dyn Source>> {
        self.logged(options, |log| {
            let (physical, context) = self.lower_in(plan, options, log)?;
            let metrics = OperatorMetrics::new();
            let sink = Arc::new(Materialize::new(plan.schema().clone(), "table", metrics.clone()));
            let kept = run_into(physical.graph, StageSink { sink, metrics }, &context, &self.runtime().threads);
            log.verdict(kept, reads_all(plan))
        })
    }

    /// Memory of the session for the caller's own use.
    pub(crate) fn reservation(&self, name: &str, metrics: &Arc<OperatorMetrics>) -> MemoryReservation {
        self.runtime().memory.reservation(name, metrics)
    }

    /// What writers of the session use: its threads, memory and spill files.
    pub(crate) fn write_context(&self, options: &RunOptions) -> WriteContext {
        let Runtime { threads, memory, spill, .. } = self.runtime();
        WriteContext::new(threads, memory, spill, options.progress.clone())
    }

    fn bind(&self, statement: &Parsed) -> Result<Statement> {
        sql::bind(statement, self, &self.config())
    }

    fn runtime(&self) -> Runtime {
        self.shared.runtime.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.shared.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries_mut(&self) -> RwLockWriteGuard<'_, Entries> {
        self.shared.entries.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("config", &self.config()).finish_non_exhaustive()
    }
}

fn thread_pool(threads: usize) -> Result<Arc<rayon::ThreadPool>> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(WORKER_STACK_BYTES)
        .thread_name(|index| format!("highwater-{index}"))
        .build()
        .map(Arc::new)
        .map_err(|error| Error::resource(format!("cannot start {threads} threads: {error}")))
}
