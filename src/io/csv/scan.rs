//! A scan: partitions of files, and the stream of batches from each.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;

use super::chunks::Chunks;
use super::machine::Machine;
use super::pool::BlockPool;
use super::reader::PartitionReader;
use super::table::{CsvFile, Layout};
use crate::batch::Coalescer;
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::eval::Predicate;
use crate::expr::BoundExpr;
use crate::io::source::{BatchStream, ScanRequest, Source, rows_of_width};
use crate::metrics::{OperatorMetrics, Progress};
use crate::rejects::{RejectFile, RejectScan};
use crate::types::{Schema, SchemaRef};

/// A scan of CSV files: one partition per chunk of each file.
#[derive(Debug)]
pub struct CsvSource {
    plan: Arc<ScanPlan>,
    /// The number of the first partition of each file, and of one behind the last.
    first_partition: Vec<usize>,
    /// Made with the first partition that is opened.
    pool: OnceLock<Arc<BlockPool>>,
    /// Files that the conditions ruled out.
    files_pruned: usize,
}

/// What all partitions of a scan share.
#[derive(Debug)]
pub(super) struct ScanPlan {
    pub layout: Arc<Layout>,
    pub files: Vec<(Arc<CsvFile>, Chunks)>,
    pub machine: Machine,
    /// The columns to give, by index into the table's.
    pub projection: Vec<usize>,
    pub schema: SchemaRef,
    /// What only rows that are given fulfil.
    pub condition: Option<Condition>,
    /// The number of the scan in the statement's log of rejects.
    pub number: usize,
    limit: Option<usize>,
}

/// The filters of a scan: the columns that they need are read first, and the others only of the rows that pass.
#[derive(Debug)]
pub(super) struct Condition {
    pub predicate: Predicate,
    /// The columns that it is over, by index into the table's.
    pub columns: Vec<usize>,
    pub schema: SchemaRef,
}

impl Condition {
    fn new(filters: &[BoundExpr], table: &Schema, config: &Arc<Config>) -> Result<Option<Self>> {
        let mut columns: Vec<usize> = filters.iter().flat_map(BoundExpr::columns).collect();
        columns.sort_unstable();
        columns.dedup();
        let position = |column: usize| columns.iter().position(|known| *known == column).unwrap_or(column);
        let filters = filters.iter().map(|filter| filter.clone().renumber(&position));
        let Some(condition) = BoundExpr::conjunction(filters) else { return Ok(None) };
        let predicate = Predicate::new(&condition, config)?;
        Ok(Some(Self { predicate, schema: project(table, &columns)?, columns }))
    }
}

fn project(schema: &Schema, columns: &[usize]) -> Result<SchemaRef> {
    let fields = columns.iter().map(|column| schema.fields().get(*column).cloned()).collect::<Option<Vec<_>>>();
    let missing = || Error::internal("a scan of CSV asks for a column that the table does not have");
    Ok(Arc::new(Schema::new(fields.ok_or_else(missing)?)))
}

impl CsvSource {
    pub(super) fn new(
        layout: Arc<Layout>,
        files: &[Arc<CsvFile>],
        request: &ScanRequest,
        context: &QueryContext,
    ) -> Result<Self> {
        let all = 0..layout.schema.fields().len();
        let projection = request.projection.clone().unwrap_or_else(|| all.collect());
        let schema = project(&layout.schema, &projection)?;
        let condition = Condition::new(&request.filters, &layout.schema, &context.config)?;
        let wanted = layout.options.blocksize.unwrap_or(context.config.partition_bytes);
        let partition_bytes = layout.dialect.chunk_size(wanted);
        let files: Vec<_> = files
            .iter()
            .map(|file| (file.clone(), Chunks::new(file.data_start, file.input.len, partition_bytes)))
            .collect();
        let mut first_partition = vec![0];
        let mut partitions = 0;
        for (_, chunks) in &files {
            partitions += chunks.len();
            first_partition.push(partitions);
        }
        let machine = Machine::new(layout.dialect);
        let number = context.rejects.register(RejectScan {
            files: files.iter().map(|(file, _)| file.input.clone() as Arc<dyn RejectFile>).collect(),
            schema: layout.schema.clone(),
            limit: layout.options.max_rejects,
            target: layout.options.rejects.clone(),
        });
        let limit = request.limit;
        let plan = ScanPlan { layout, files, machine, projection, schema, condition, number, limit };
        Ok(Self { plan: Arc::new(plan), first_partition, pool: OnceLock::new(), files_pruned: 0 })
    }

    /// Tells of files that the conditions ruled out before.
    pub(super) fn with_files_pruned(self, files_pruned: usize) -> Self {
        Self { files_pruned, ..self }
    }

    /// The file and the chunk that a partition is.
    fn locate(&self, partition: usize) -> Result<(usize, usize)> {
        let file = self.first_partition.partition_point(|first| *first <= partition);
        match file.checked_sub(1).and_then(|file| Some((file, self.first_partition.get(file)?))) {
            Some((file, first)) if file < self.plan.files.len() => Ok((file, partition - first)),
            _ => Err(Error::internal(format!("a scan of CSV has no partition {partition}"))),
        }
    }
}

impl ScanPlan {
    /// What progress counts of a partition: of a stream, the bytes of the file.
    fn partition_bytes(&self, file: usize, chunk: usize) -> u64 {
        let (csv, chunks) = &self.files[file];
        let (start, stop) = chunks.range(chunk);
        if csv.input.is_stream() { csv.input.size } else { stop - start }
    }
}

impl Source for CsvSource {
    fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    fn partitions(&self) -> usize {
        self.first_partition.last().copied().unwrap_or(0)
    }

    fn applies_filters(&self) -> bool {
        true
    }

    fn files_pruned(&self) -> usize {
        self.files_pruned
    }

    fn partition_bytes(&self, partition: usize) -> u64 {
        self.locate(partition).map_or(0, |(file, chunk)| self.plan.partition_bytes(file, chunk))
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let (file, chunk) = self.locate(partition)?;
        let threads = context.config.threads;
        let pool = self
            .pool
            .get_or_init(|| BlockPool::new("csv blocks", &context.memory, metrics, self.partitions(), threads));
        let stream = PartitionStream {
            pool: pool.clone(),
            plan: self.plan.clone(),
            file,
            chunk,
            context: context.clone(),
            metrics: metrics.clone(),
            reader: None,
            passed: Coalescer::new(context.config.batch_size),
            error: None,
            rows_left: self.plan.limit.unwrap_or(usize::MAX),
            reported_bytes: 0,
            reported_reads: 0,
            is_finished: false,
        };
        Ok(Box::new(stream))
    }
}

/// The batches of one partition. Nothing is read before the first is asked for.
struct PartitionStream {
    pool: Arc<BlockPool>,
    plan: Arc<ScanPlan>,
    file: usize,
    chunk: usize,
    context: QueryContext,
    metrics: Arc<OperatorMetrics>,
    reader: Option<PartitionReader>,
    /// Rows that fulfil the condition.
    passed: Coalescer,
    /// What ended the partition.
    error: Option<Error>,
    rows_left: usize,
    /// Bytes of the range that progress knows to be done.
    reported_bytes: u64,
    /// Bytes that the metrics know to be read.
    reported_reads: u64,
    is_finished: bool,
}

impl Iterator for PartitionStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_output().transpose()
    }
}

impl PartitionStream {
    /// What a condition leaves is put together; other batches are given as they are read.
    fn next_output(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.passed.pop() {
                return Ok(Some(batch));
            }
            if self.is_finished || self.rows_left == 0 {
                // Frees the block, which the caller may hold on to for as long as it holds the stream.
                self.reader = None;
                self.passed.finish()?;
                let last = self.passed.pop();
                return if last.is_some() { Ok(last) } else { self.error.take().map_or(Ok(None), Err) };
            }
            let batch = match self.next_batch() {
                Ok(batch) => batch,
                Err(error) => {
                    // Rows before it come first: the caller may want no more than those.
                    (self.error, self.is_finished) = (Some(error), true);
                    continue;
                }
            };
            self.rows_left -= batch.num_rows();
            // All of its rows may have been rejected, or not have passed.
            match batch.num_rows() {
                0 => {}
                _ if self.plan.condition.is_none() || batch.num_columns() == 0 => return Ok(Some(batch)),
                _ => self.passed.push(batch)?,
            }
        }
    }

    fn next_batch(&mut self) -> Result<RecordBatch> {
        self.context.cancel.check()?;
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                self.reader.insert(PartitionReader::open(&self.plan, self.file, self.chunk, &self.pool, &self.context)?)
            }
        };
        let rows = rows_of_width(self.context.config.batch_size, reader.width());
        // Of a limit nothing is known before the filter.
        let rows = if self.plan.condition.is_some() { rows } else { rows.min(self.rows_left) };
        let read = reader.read_batch(rows)?;
        self.is_finished = reader.is_finished() || read.error.is_some();
        self.error = read.error;

        let all = self.plan.partition_bytes(self.file, self.chunk);
        let done = if self.is_finished { all } else { reader.bytes_done() };
        let progress = &self.context.progress;
        progress.bytes_done.fetch_add(done - self.reported_bytes, Relaxed);
        self.reported_bytes = done;
        count_rows(read.rows, read.rejected, read.nulled, progress, &self.metrics);
        self.metrics.add("bytes read", reader.bytes_read() - self.reported_reads);
        self.reported_reads = reader.bytes_read();
        if self.plan.condition.is_some() {
            self.metrics.add("rows read", read.rows as u64);
        }
        let batch = read.batch;
        Ok(if batch.num_rows() > self.rows_left { batch.slice(0, self.rows_left) } else { batch })
    }
}

/// Counts the rows of a batch, and what did not fit in them.
pub(in crate::io) fn count_rows(
    rows: usize,
    rejected: usize,
    nulled: u64,
    progress: &Progress,
    metrics: &OperatorMetrics,
) {
    progress.rows_read.fetch_add(rows as u64, Relaxed);
    progress.rows_rejected.fetch_add(rejected as u64, Relaxed);
    progress.values_nulled.fetch_add(nulled, Relaxed);
    for (name, count) in [("rows rejected", rejected as u64), ("values set to null", nulled)] {
        if count > 0 {
            metrics.add(name, count);
        }
    }
}
