//! What makes a frame compute: results in memory, as an iterator, in files, or kept in the session.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use crossbeam_channel::{Receiver, bounded};

use super::DataFrame;
use crate::batch::batch_memory;
use crate::context::CancelToken;
use crate::error::{Error, Result};
use crate::exec::WORKER_STACK_BYTES;
use crate::io::options::{OptionValue, Options};
use crate::io::stored::StoredTable;
use crate::io::write::WriteSummary;
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::plan::{LogicalPlan, PlanBuilder};
use crate::session::{Described, RunOptions, Session};
use crate::types::SchemaRef;

/// Batches between the engine and the one who iterates.
const BATCHES_AHEAD: usize = 4;

impl DataFrame {
    /// The whole result as one batch. It must fit into the memory budget; what does not is read by
    /// [`batches`](Self::batches).
    ///
    /// # Errors
    /// All that can go wrong with a query; a resource error where the result is larger than the budget.
    pub fn compute(&self) -> Result<RecordBatch> {
        let (batches, _held) = self.collect_batches()?;
        Ok(concat_batches(self.schema(), &batches)?)
    }

    /// [`compute`](Self::compute) by its name in Polars.
    ///
    /// # Errors
    /// As [`compute`](Self::compute).
    pub fn collect(&self) -> Result<RecordBatch> {
        self.compute()
    }

    /// The batches, and the memory they are held in.
    fn collect_batches(&self) -> Result<(Vec<RecordBatch>, MemoryReservation)> {
        let mut held = self.session.reservation("result", &OperatorMetrics::new());
        let mut batches = Vec::new();
        self.session.stream(self.logical_plan(), &RunOptions::default(), &mut |batch| {
            let batch = crate::batch::compact(&batch)?;
            // Twice, since the batches become one at the end.
            held.grow(2 * batch_memory(&batch))?;
            batches.push(batch);
            Ok(())
        })?;
        Ok((batches, held))
    }

    /// The first rows. No more of the input is read than they need.
    ///
    /// # Errors
    /// As [`compute`](Self::compute).
    pub fn head(&self, rows: usize) -> Result<RecordBatch> {
        self.limit(rows).compute()
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// As [`compute`](Self::compute).
    pub fn count_rows(&self) -> Result<u64> {
        let counted = self.select([crate::expr::count_all()])?.compute()?;
        let count = crate::types::Scalar::from_array(counted.column(0), 0).as_i64();
        count.and_then(|count| u64::try_from(count).ok()).ok_or_else(|| Error::internal("count(*) gave no count"))
    }

    /// Calls `f` with each batch of the result, in order, in this thread; an error of it ends the query. The answer says
    /// what each operator used.
    ///
    /// # Errors
    /// All that can go wrong with a query, and the errors of `f`.
    pub fn for_each_batch(&self, mut f: impl FnMut(RecordBatch) -> Result<()>) -> Result<Described> {
        self.session.stream(self.logical_plan(), &RunOptions::default(), &mut f)
    }

    /// An iterator over the batches of the result, in order. The query runs a few batches ahead in the background, and ends
    /// when the iterator is dropped.
    pub fn batches(&self) -> Batches {
        Batches::start(self.session.clone(), self.logical_plan().clone())
    }

    /// Computes the frame once and keeps its rows in the session, in memory or spilled: what is built on it reads them.
    ///
    /// # Errors
    /// All that can go wrong with a query.
    pub fn persist(&self) -> Result<Self> {
        let part = self.session.keep(self.logical_plan(), &RunOptions::default())?;
        let table = StoredTable::empty("persisted", self.schema().clone()).with_part(part);
        Ok(Self::new(self.session.clone(), PlanBuilder::scan(Arc::new(table))))
    }

    /// How many partitions the frame's inputs are read in: byte ranges of CSV files, row groups of Parquet files.
    ///
    /// # Errors
    /// Where files cannot be opened.
    pub fn npartitions(&self) -> Result<usize> {
        let (physical, _) = self.session.lower(self.logical_plan(), &RunOptions::default())?;
        Ok(physical.graph.partitions())
    }

    /// The optimized plan and, below it, the operators that run: what streams, what may spill.
    ///
    /// # Errors
    /// Where files cannot be opened.
    pub fn explain(&self) -> Result<String> {
        let optimized = self.session.optimized(self.logical_plan())?;
        let (physical, _) = self.session.lower(self.logical_plan(), &RunOptions::default())?;
        Ok(format!("{optimized}\n{}", physical.described.before_run().render()))
    }

    /// Runs the query, drops its rows, and says what each operator used.
    ///
    /// # Errors
    /// All that can go wrong with a query.
    pub fn explain_analyze(&self) -> Result<String> {
        Ok(self.for_each_batch(|_| Ok(()))?.after_run().render())
    }

    /// Writes the result to a Parquet file, or, with `partition_on`, `file_size` or `rows_per_file`, to a folder of such files; all
    /// is there completely or not at all. Options are those of `COPY … TO`.
    ///
    /// ```
    /// # use highwater::prelude::*;
    /// # use highwater::io::options::OptionValue;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("few.parquet");
    /// # let session = Session::new(Config::default())?;
    /// let options = vec![
    ///     ("row_group_size".to_string(), OptionValue::Number(100_000.0)),
    ///     ("bloom_filter".to_string(), OptionValue::List(vec![OptionValue::Text("id".into())])),
    /// ];
    /// let written = session.sql("SELECT 7 AS id")?.to_parquet(&path, &options)?;
    /// assert_eq!(written.rows, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// All that can go wrong with a query; where the file is there already and `existing` is not `overwrite`.
    pub fn to_parquet(&self, path: impl AsRef<Path>, options: &Options) -> Result<WriteSummary> {
        self.write(path.as_ref(), "parquet", options)
    }

    /// Writes the result to a CSV file, or to a folder of them as [`to_parquet`](Self::to_parquet) does. Options are those
    /// of `COPY … TO`.
    ///
    /// # Errors
    /// As [`to_parquet`](Self::to_parquet).
    pub fn to_csv(&self, path: impl AsRef<Path>, options: &Options) -> Result<WriteSummary> {
        self.write(path.as_ref(), "csv", options)
    }

    fn write(&self, path: &Path, format: &str, options: &Options) -> Result<WriteSummary> {
        let mut all: Options = vec![("format".into(), OptionValue::Text(format.into()))];
        all.extend(options.iter().filter(|(name, _)| name != "format").cloned());
        Ok(self.session.copy(self.logical_plan(), path, &all, &RunOptions::default())?.0)
    }
}

/// Batches of a running query. Dropping it ends the query.
#[derive(Debug)]
pub struct Batches {
    schema: SchemaRef,
    receiver: Option<Receiver<Result<RecordBatch>>>,
    cancel: CancelToken,
    worker: Option<JoinHandle<()>>,
}

/// What is told where the background thread ended without a word.
fn lost() -> Error {
    Error::internal("the query that was iterated over ended unexpectedly")
        .with_hint("this is a defect: please report it")
}

impl Batches {
    fn start(session: Session, plan: LogicalPlan) -> Self {
        let (sender, receiver) = bounded(BATCHES_AHEAD);
        let options = RunOptions::default();
        let cancel = options.cancel.clone();
        let schema = plan.schema().clone();
        let failed = sender.clone();
        let run = move || {
            // Sending fails only when the iterator was dropped.
            let result =
                session.stream(&plan, &options, &mut |batch| sender.send(Ok(batch)).map_err(|_| Error::cancelled()));
            if let Err(error) = result {
                let _ = sender.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("highwater-batches".into()).stack_size(WORKER_STACK_BYTES);
        let worker = thread.spawn(run);
        if let Err(error) = &worker {
            let _ = failed.send(Err(Error::resource(format!("cannot start a thread: {error}"))));
        }
        Self { schema, receiver: Some(receiver), cancel, worker: worker.ok() }
    }

    /// The columns of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Ok(batch) = self.receiver.as_ref()?.recv() {
            return Some(batch);
        }
        // The other side has gone: at the end of the rows, or by a panic that it could not report.
        self.worker.take()?.join().err().map(|_| Err(lost()))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.receiver = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
