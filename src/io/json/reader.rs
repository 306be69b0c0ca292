//! A scan of JSON files: partitions that are byte ranges, and the batches of each.

use std::collections::HashMap;
use std::str::from_utf8;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;

use super::columns::ColumnReader;
use super::records::{Cut, Records};
use super::syntax::{self, Fault, Value};
use super::table::{JsonFile, TableLayout, broken_record, location};
use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::csv::OnError;
use crate::io::csv::columns::{Failure, Failures};
use crate::io::csv::pool::BlockPool;
use crate::io::csv::scan::count_rows;
use crate::io::source::{BatchStream, ScanRequest, Source, rows_of_width};
use crate::metrics::OperatorMetrics;
use crate::rejects::{Chunk, Reason, Reject, RejectFile, RejectScan};
use crate::types::{Scalar, Schema, SchemaRef, format_bytes, sql_name};

/// A key that comes twice, and one that no column is there for.
const TWICE: &str = "a key comes twice";
const UNKNOWN_KEY: &str = "a key has no column";

/// A scan of JSON files.
#[derive(Debug)]
pub(super) struct JsonSource {
    plan: Arc<ScanPlan>,
    /// Made with the first partition that is opened.
    pool: OnceLock<Arc<BlockPool>>,
    files_pruned: usize,
}

/// What all partitions of a scan share.
#[derive(Debug)]
struct ScanPlan {
    layout: Arc<TableLayout>,
    files: Vec<Arc<JsonFile>>,
    parts: Vec<Part>,
    /// The columns to give, by index into the table's.
    projection: Vec<usize>,
    schema: SchemaRef,
    /// The columns that are read from records, by index into the table's.
    read: Vec<usize>,
    /// The keys by which records have columns, and where each is put among `read`.
    keys: Vec<(String, Option<usize>)>,
    places: HashMap<String, usize>,
    /// The number of the scan in the statement's log of rejects.
    number: usize,
    limit: Option<usize>,
}

/// A byte range of a file.
#[derive(Clone, Copy, Debug)]
struct Part {
    file: usize,
    piece: usize,
    start: u64,
    stop: u64,
    /// What progress counts.
    bytes: u64,
}

impl JsonSource {
    pub fn new(
        layout: &Arc<TableLayout>,
        files: Vec<Arc<JsonFile>>,
        request: &ScanRequest,
        context: &QueryContext,
    ) -> Result<Self> {
        let projection = request.projection.clone().unwrap_or_else(|| (0..layout.schema.fields().len()).collect());
        let schema: SchemaRef = Arc::new(Schema::project(&layout.schema, &projection)?);
        // To judge a record alike in every query, it is read whole where it may be rejected.
        let is_judged = layout.options.shared.errors() == OnError::Reject;
        let of_records = layout.keys.iter().filter_map(|(_, column)| *column);
        let read: Vec<usize> = of_records.filter(|column| is_judged || projection.contains(column)).collect();
        let slot = |column: usize| read.iter().position(|known| *known == column);
        let keys: Vec<(String, Option<usize>)> =
            layout.keys.iter().map(|(name, column)| (name.clone(), column.and_then(slot))).collect();
        let places = keys.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        let size = layout.options.shared.blocksize.unwrap_or(context.config.partition_bytes).max(1);
        let mut parts = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let input = &file.input;
            if !file.is_lines || input.is_stream() {
                parts.push(Part { file: index, piece: 0, start: 0, stop: input.len, bytes: input.size });
                continue;
            }
            for piece in 0..usize::try_from(input.len.div_ceil(size)).unwrap_or(usize::MAX) {
                let start = piece as u64 * size;
                let stop = input.len.min(start + size);
                parts.push(Part { file: index, piece, start, stop, bytes: stop - start });
            }
        }
        let number = context.rejects.register(RejectScan {
            files: files.iter().map(|file| file.input.clone() as Arc<dyn RejectFile>).collect(),
            schema: layout.schema.clone(),
            limit: layout.options.shared.max_rejects,
            target: layout.options.shared.rejects.clone(),
        });
        let (layout, limit) = (layout.clone(), request.limit.filter(|_| request.filters.is_empty()));
        let plan = ScanPlan { layout, files, parts, projection, schema, read, keys, places, number, limit };
        Ok(Self { plan: Arc::new(plan), pool: OnceLock::new(), files_pruned: 0 })
    }

    /// Tells of files that the conditions ruled out before.
    pub fn with_files_pruned(self, files_pruned: usize) -> Self {
        Self { files_pruned, ..self }
    }
}

impl Source for JsonSource {
    fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    fn partitions(&self) -> usize {
        self.plan.parts.len()
    }

    fn files_pruned(&self) -> usize {
        self.files_pruned
    }

    fn partition_bytes(&self, partition: usize) -> u64 {
        self.plan.parts.get(partition).map_or(0, |part| part.bytes)
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let missing = || Error::internal(format!("a scan of JSON has no partition {partition}"));
        let part = *self.plan.parts.get(partition).ok_or_else(missing)?;
        let file = self.plan.files.get(part.file).ok_or_else(missing)?.clone();
        let threads = context.config.threads;
        let pool = self
            .pool
            .get_or_init(|| BlockPool::new("json blocks", &context.memory, metrics, self.partitions(), threads));
        let (plan, keys) = (self.plan.clone(), self.plan.keys.len());
        Ok(Box::new(PartitionStream {
            cells: vec![Vec::new(); plan.read.len()],
            met: vec![0; keys],
            rows_left: plan.limit.unwrap_or(usize::MAX),
            plan,
            pool: pool.clone(),
            file,
            part,
            context: context.clone(),
            metrics: metrics.clone(),
            records: None,
            spans: Vec::new(),
            broken: Vec::new(),
            number: 0,
            error: None,
            reported_bytes: 0,
            reported_reads: 0,
            is_finished: false,
        }))
    }
}

/// A record of a batch that cannot be read.
#[derive(Debug)]
struct Broken {
    row: usize,
    what: &'static str,
    /// The key that is wrong.
    key: Option<String>,
}

/// The batches of one partition. Nothing is read before the first is asked for.
struct PartitionStream {
    plan: Arc<ScanPlan>,
    pool: Arc<BlockPool>,
    file: Arc<JsonFile>,
    part: Part,
    context: QueryContext,
    metrics: Arc<OperatorMetrics>,
    records: Option<Records>,
    /// Where the records of the batch lie in the block.
    spans: Vec<(usize, usize)>,
    /// The values of each column that is read, record by record.
    cells: Vec<Vec<Value>>,
    broken: Vec<Broken>,
    /// The number of the record, and of the one in which each key was met last.
    number: u64,
    met: Vec<u64>,
    rows_left: usize,
    /// What ended the partition.
    error: Option<Error>,
    reported_bytes: u64,
    reported_reads: u64,
    is_finished: bool,
}

impl Iterator for PartitionStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.is_finished || self.rows_left == 0 {
                // Frees the block.
                self.records = None;
                return self.error.take().filter(|_| self.rows_left > 0).map(Err);
            }
            match self.next_batch() {
                Ok(batch) if batch.num_rows() == 0 => {}
                Ok(batch) => {
                    let batch = batch.slice(0, batch.num_rows().min(self.rows_left));
                    self.rows_left -= batch.num_rows();
                    return Some(Ok(batch));
                }
                Err(error) => {
                    self.is_finished = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl PartitionStream {
    /// The records of one block, up to a batch of them.
    fn next_batch(&mut self) -> Result<RecordBatch> {
        self.context.cancel.check()?;
        let mut records = match self.records.take() {
            Some(records) => records,
            None => {
                let mut records = Records::new(&self.file, &self.pool, self.part.start, self.part.stop)?;
                records.align(&self.context.cancel)?;
                records
            }
        };
        let wanted = rows_of_width(self.context.config.batch_size, self.plan.read.len()).min(self.rows_left);
        self.spans.clear();
        self.broken.clear();
        self.cells.iter_mut().for_each(Vec::clear);
        while self.spans.len() < wanted {
            match records.next() {
                Cut::Record(range) => {
                    let record = records.blocks.buffer().get(range.clone()).unwrap_or_default();
                    self.add(record, range.start);
                }
                Cut::Done => {
                    self.is_finished = true;
                    break;
                }
                _ if !self.spans.is_empty() => break,
                Cut::NeedsMore => {
                    self.context.cancel.check()?;
                    self.check_length(&records)?;
                    records.blocks.refill()?;
                }
                Cut::Broken(what) => {
                    let (from, offset) = (records.blocks.position(), records.blocks.offset());
                    let raw = records.blocks.buffer().get(from..).unwrap_or_default();
                    return Err(Error::data(format!("'{}' is not JSON: {what}", self.file.input.path().display()))
                        .with_location(location(&self.file.input, offset, None, raw)));
                }
            }
        }
        let batch = self.batch(&records)?;
        self.is_finished |= self.error.is_some();
        let done = if self.is_finished { self.part.bytes } else { records.blocks.bytes_done().min(self.part.bytes) };
        self.context.progress.bytes_done.fetch_add(done.saturating_sub(self.reported_bytes), Relaxed);
        self.reported_bytes = done.max(self.reported_bytes);
        let reads = records.blocks.bytes_read();
        self.metrics.add("bytes read", reads - self.reported_reads);
        self.reported_reads = reads;
        self.records = Some(records);
        Ok(batch)
    }

    fn check_length(&self, records: &Records) -> Result<()> {
        let (limit, from) = (self.plan.layout.options.shared.max_line_size, records.blocks.position());
        if records.blocks.pending() <= limit {
            return Ok(());
        }
        let raw = records.blocks.buffer().get(from..).unwrap_or_default();
        Err(Error::data(format!("a record is longer than {}", format_bytes(limit as u64)))
            .with_location(location(&self.file.input, records.blocks.offset(), None, raw))
            .with_hint("is it one array or object that is never closed? If not, set max_line_size"))
    }

    /// Finds the values of a record that starts at a place of the block.
    fn add(&mut self, record: &[u8], start: usize) {
        let Self { plan, cells, met, number, .. } = self;
        let ignores_extra = plan.layout.options.types_are_all || plan.layout.options.shared.ignore_extra;
        let row = self.spans.len();
        *number += 1;
        cells.iter_mut().for_each(|cells| cells.push(Value::default()));
        let (mut place, mut scratch, mut wrong_key) = (0, Vec::new(), None);
        let parsed = match from_utf8(record) {
            Err(_) => Err(Fault { what: "not valid UTF-8", is_cut_off: false }),
            Ok(_) => syntax::object(record, &mut |key, value| {
                let key = key.scalar(record, &mut scratch).unwrap_or_default();
                // Mostly the keys come in the order of the columns.
                if plan.keys.get(place).is_none_or(|(name, _)| name.as_bytes() != key) {
                    match from_utf8(key).ok().and_then(|key| plan.places.get(key)) {
                        Some(found) => place = *found,
                        None if ignores_extra => return Ok(()),
                        None => {
                            wrong_key = Some(String::from_utf8_lossy(key).into_owned());
                            return Err(Fault { what: UNKNOWN_KEY, is_cut_off: false });
                        }
                    }
                }
                let (Some((name, slot)), Some(met)) = (plan.keys.get(place), met.get_mut(place)) else { return Ok(()) };
                if std::mem::replace(met, *number) == *number {
                    wrong_key = Some(name.clone());
                    return Err(Fault { what: TWICE, is_cut_off: false });
                }
                if let Some(cell) = slot.and_then(|slot| cells.get_mut(slot)?.last_mut()) {
                    *cell = value.behind(start);
                }
                place += 1;
                Ok(())
            }),
        };
        if let Err(fault) = parsed {
            cells.iter_mut().filter_map(|cells| cells.last_mut()).for_each(|cell| *cell = Value::default());
            self.broken.push(Broken { row, what: fault.what, key: wrong_key });
        }
        self.spans.push((start, start + record.len()));
    }

    /// The records that were found as a batch of those that are kept.
    fn batch(&mut self, records: &Records) -> Result<RecordBatch> {
        let (plan, block) = (self.plan.clone(), records.blocks.buffer().clone());
        let (layout, rows) = (&plan.layout, self.spans.len());
        let mut failures = Failures::new(layout.options.shared.errors());
        self.broken.iter().for_each(|broken| failures.broken(broken.row));
        let mut columns = Vec::with_capacity(plan.read.len());
        for (slot, (column, cells)) in plan.read.iter().zip(&self.cells).enumerate() {
            let reader = ColumnReader {
                data_type: layout.schema.field(*column).data_type(),
                inferred: layout.inferred[*column],
                zone: &layout.zone,
            };
            columns.push(reader.read(&block, cells, &mut |row| failures.bad_value(row, slot))?);
        }
        let mut kept = rows;
        if let Some(first) = failures.first {
            // Rows before it come first: the caller may want no more than those.
            self.error = Some(self.misfit(first, &block, records));
            failures.found.clear();
            kept = first.row;
        }
        let rejected = failures.rejected();
        if let Some((row, error)) = self.log(&mut failures, &block, records)? {
            self.error = Some(error);
            kept = row;
        }
        kept = failures.keep(&mut columns, kept)?;
        count_rows(rows, rejected, failures.nulled, &self.context.progress, &self.metrics);
        let output = |column: &usize| -> ArrayRef {
            let read = plan.read.iter().position(|known| known == column).and_then(|slot| columns.get(slot));
            let constant = || layout.constant(*column, &self.file);
            let null = || Scalar::null(layout.schema.field(*column).data_type());
            read.cloned().unwrap_or_else(|| constant().unwrap_or_else(null).to_array(kept))
        };
        record_batch(&plan.schema, plan.projection.iter().map(output).collect(), kept)
    }

    /// Gives what did not fit to the statement's log. Where more records are rejected than allowed, the query ends at the
    /// first that is not.
    fn log(&self, failures: &mut Failures, block: &Buffer, records: &Records) -> Result<Option<(usize, Error)>> {
        let mut found = std::mem::take(&mut failures.found);
        if found.is_empty() {
            return Ok(None);
        }
        found.sort_by_key(|failure| (failure.row, failure.slot));
        let is_rejecting = self.plan.layout.options.shared.errors() == OnError::Reject;
        let mut last = None;
        let rejects: Vec<Reject> = found
            .into_iter()
            .map(|failure| {
                let is_first = last.replace(failure.row) != Some(failure.row);
                self.reject(failure, is_first && is_rejecting, block, records)
            })
            .collect();
        let rows: Vec<usize> = (0..failures.rejected.len()).filter(|row| failures.rejected[*row]).collect();
        let QueryContext { rejects: log, memory, spill, .. } = &self.context;
        let chunk = Chunk { scan: self.plan.number, file: self.part.file, piece: self.part.piece };
        let over = log.add(chunk, rejects, rows.len() as u64, memory, spill)?;
        Ok(over.and_then(|(allowed, error)| Some((*rows.get(allowed as usize)?, error))))
    }

    /// The record of what does not fit.
    fn reject(&self, failure: Failure, has_record: bool, block: &Buffer, records: &Records) -> Reject {
        let column = failure.slot.and_then(|slot| self.plan.read.get(slot)).copied();
        let what = self.broken.iter().find(|broken| broken.row == failure.row).map_or("not JSON", |broken| broken.what);
        Reject {
            offset: records.blocks.offset_of(self.span(failure.row).0),
            column,
            reason: if column.is_some() { Reason::Value } else { Reason::Record(what) },
            raw: failure.slot.map(|slot| Reject::text(self.raw(failure.row, slot, block))),
            record: (has_record || column.is_none()).then(|| Reject::text(self.record(failure.row, block))),
        }
    }

    fn span(&self, row: usize) -> (usize, usize) {
        self.spans.get(row).copied().unwrap_or_default()
    }

    fn record<'b>(&self, row: usize, block: &'b Buffer) -> &'b [u8] {
        let (start, end) = self.span(row);
        block.get(start..end).unwrap_or_default().trim_ascii()
    }

    /// A value as it is written.
    fn raw<'b>(&self, row: usize, slot: usize, block: &'b Buffer) -> &'b [u8] {
        self.cells.get(slot).and_then(|cells| cells.get(row)).map_or(&[], |cell| cell.raw(block))
    }

    /// What does not fit, and where.
    fn misfit(&self, first: Failure, block: &Buffer, records: &Records) -> Error {
        let layout = &self.plan.layout;
        let (input, offset) = (&self.file.input, records.blocks.offset_of(self.span(first.row).0));
        let Some(column) = first.slot.and_then(|slot| self.plan.read.get(slot)).copied() else {
            let record = self.record(first.row, block);
            return match self.broken.iter().find(|broken| broken.row == first.row) {
                Some(Broken { what: UNKNOWN_KEY, key: Some(key), .. }) => Error::data(format!(
                    "the key '{key}' has no column: no sample of the files showed it"
                ))
                .with_location(location(input, offset, Some(key), record))
                .with_hint(format!(
                    "look at all records by sample_size = -1, declare it by types = {{'{key}': 'VARCHAR'}}, or drop \
                             such values by ignore_extra = true"
                )),
                Some(Broken { what: TWICE, key: Some(key), .. }) => {
                    Error::data(format!("the key '{key}' comes twice in a record"))
                        .with_location(location(input, offset, Some(key), record))
                        .with_hint("on_error = 'reject' leaves such records out")
                }
                broken => broken_record(input, offset, broken.map_or("not JSON", |broken| broken.what), record),
            };
        };
        let (field, raw) = (layout.schema.field(column), self.raw(first.row, first.slot.unwrap_or(0), block));
        let how = if layout.inferred[column] { ", which samples of the files suggested" } else { "" };
        let all = if layout.inferred[column] { "look at all records by sample_size = -1, " } else { "" };
        let name = sql_name(field.data_type());
        Error::data(format!("a value does not fit the type of its column: {name}{how}"))
            .with_location(location(input, offset, Some(field.name()), raw))
            .with_hint(format!(
                "{all}read the column as text by types = {{'{}': 'VARCHAR'}}, or use on_error = 'null' or 'reject'",
                field.name().replace('\'', "''")
            ))
    }
}
