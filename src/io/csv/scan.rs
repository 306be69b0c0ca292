//! A scan: partitions of files, and the stream of batches from each.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, StringViewBuilder, new_null_array};
use arrow::compute::filter;

use super::blocks::Blocks;
use super::chunks::Chunks;
use super::columns::{ColumnReader, Failure, Failures, Run, raw_field};
use super::dialect::Dialect;
use super::locate::Place;
use super::machine::{Machine, State};
use super::options::OnError;
use super::table::{CsvFile, Layout};
use super::tokenizer::{Stop, Tokenizer, Tokens};
use crate::batch::record_batch;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, ScanRequest, Source, rows_of_width};
use crate::metrics::OperatorMetrics;
use crate::types::{DataType, Scalar, Schema, SchemaRef, TEXT};

/// A scan of CSV files: one partition per chunk of each file.
#[derive(Debug)]
pub struct CsvSource {
    plan: Arc<ScanPlan>,
    /// The number of the first partition of each file, and of one behind the last.
    first_partition: Vec<usize>,
    /// Files that the conditions ruled out.
    files_pruned: usize,
}

/// What all partitions of a scan share.
#[derive(Debug)]
struct ScanPlan {
    layout: Arc<Layout>,
    files: Vec<(Arc<CsvFile>, Chunks)>,
    machine: Machine,
    /// The columns to give, by index into the table's.
    projection: Vec<usize>,
    schema: SchemaRef,
    limit: Option<usize>,
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
        let schema: SchemaRef = Arc::new(Schema::new(
            projection
                .iter()
                .map(|column| layout.schema.fields().get(*column).cloned())
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| Error::internal("a scan of CSV asks for a column that the table does not have"))?,
        ));
        let files: Vec<_> = files
            .iter()
            .map(|file| (file.clone(), Chunks::new(file.data_start, file.input.len, context.config.partition_bytes)))
            .collect();
        let mut first_partition = vec![0];
        let mut partitions = 0;
        for (_, chunks) in &files {
            partitions += chunks.len();
            first_partition.push(partitions);
        }
        let machine = Machine::new(layout.dialect);
        let plan = ScanPlan { layout, files, machine, projection, schema, limit: request.limit };
        Ok(Self { plan: Arc::new(plan), first_partition, files_pruned: 0 })
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

impl Source for CsvSource {
    fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    fn partitions(&self) -> usize {
        self.first_partition.last().copied().unwrap_or(0)
    }

    fn files_pruned(&self) -> usize {
        self.files_pruned
    }

    fn partition_bytes(&self, partition: usize) -> u64 {
        self.locate(partition).map_or(0, |(file, chunk)| {
            let (start, stop) = self.plan.files[file].1.range(chunk);
            stop - start
        })
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let (file, chunk) = self.locate(partition)?;
        let stream = PartitionStream {
            plan: self.plan.clone(),
            file,
            chunk,
            context: context.clone(),
            metrics: metrics.clone(),
            reader: None,
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
    plan: Arc<ScanPlan>,
    file: usize,
    chunk: usize,
    context: QueryContext,
    metrics: Arc<OperatorMetrics>,
    reader: Option<PartitionReader>,
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
        while !self.is_finished && self.rows_left > 0 {
            match self.next_batch() {
                // All of its rows were rejected, or there were none.
                Ok(batch) if batch.num_rows() == 0 => {}
                Ok(batch) => {
                    self.rows_left -= batch.num_rows();
                    return Some(Ok(batch));
                }
                Err(error) => {
                    self.is_finished = true;
                    return Some(Err(error));
                }
            }
        }
        // Frees the block, which the caller may hold on to for as long as it holds the stream.
        self.reader = None;
        None
    }
}

impl PartitionStream {
    fn next_batch(&mut self) -> Result<RecordBatch> {
        self.context.cancel.check()?;
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(PartitionReader::open(&self.plan, self.file, self.chunk, &self.context)?),
        };
        let rows = rows_of_width(self.context.config.batch_size, self.plan.schema.fields().len()).min(self.rows_left);
        let read = reader.read_batch(rows, &self.plan, &self.context)?;
        self.is_finished = reader.is_finished;

        let (start, stop) = self.plan.files[self.file].1.range(self.chunk);
        let done = if self.is_finished { stop } else { reader.blocks.offset().clamp(start, stop) } - start;
        let progress = &self.context.progress;
        progress.bytes_done.fetch_add(done - self.reported_bytes, Relaxed);
        self.reported_bytes = done;
        progress.rows_read.fetch_add((read.batch.num_rows() + read.rejected) as u64, Relaxed);
        progress.rows_rejected.fetch_add(read.rejected as u64, Relaxed);
        self.metrics.add("bytes read", reader.blocks.bytes_read() - self.reported_reads);
        self.reported_reads = reader.blocks.bytes_read();
        if read.rejected > 0 {
            self.metrics.add("rows rejected", read.rejected as u64);
        }
        if read.nulled > 0 {
            progress.values_nulled.fetch_add(read.nulled, Relaxed);
            self.metrics.add("values set to null", read.nulled);
        }
        Ok(read.batch)
    }
}

/// Where a column of the output comes from.
enum Output {
    /// Fields, by the index of their reader.
    Read(usize),
    /// The file does not have the column.
    Null(DataType),
    /// The path of the file.
    Filename,
    /// The same in every row of the file.
    Constant(Scalar),
}

/// Reads the records that start in one chunk.
struct PartitionReader {
    file: Arc<CsvFile>,
    blocks: Blocks,
    tokenizer: Tokenizer,
    tokens: Tokens,
    readers: Vec<ColumnReader>,
    /// For each reader, its column in the table.
    columns: Vec<usize>,
    outputs: Vec<Output>,
    has_text: bool,
    is_finished: bool,
}

/// A batch, and what was not kept of its rows.
struct ReadBatch {
    batch: RecordBatch,
    rejected: usize,
    nulled: u64,
}

impl PartitionReader {
    fn open(plan: &ScanPlan, file: usize, chunk: usize, context: &QueryContext) -> Result<Self> {
        let (csv, chunks) = &plan.files[file];
        let layout = &plan.layout;
        let handle = csv.input.open()?;
        let state = chunks.start_state(chunk, &plan.machine, &csv.input, &handle, &context.cancel)?;
        let (start, stop) = chunks.range(chunk);
        let mut blocks = Blocks::new(csv.input.clone(), handle, start, stop);
        skip_record(&mut blocks, state, stop, plan, context)?;

        let mut columns = Vec::new();
        if layout.options.on_error == OnError::Reject {
            columns.extend((0..csv.fields.len()).filter(|column| csv.fields[*column].is_some()));
        }
        let mut outputs = Vec::with_capacity(plan.projection.len());
        for column in &plan.projection {
            outputs.push(match csv.fields[*column] {
                _ if layout.filename == Some(*column) => Output::Filename,
                None => match layout.constant(*column, csv) {
                    Some(value) => Output::Constant(value),
                    None => Output::Null(layout.schema.field(*column).data_type().clone()),
                },
                Some(_) => Output::Read(columns.iter().position(|known| known == column).unwrap_or_else(|| {
                    columns.push(*column);
                    columns.len() - 1
                })),
            });
        }
        let wanted: Vec<usize> = columns.iter().filter_map(|column| csv.fields[*column]).collect();
        let readers = columns
            .iter()
            .enumerate()
            .map(|(slot, column)| {
                ColumnReader::new(slot, layout.schema.field(*column).data_type(), layout.inferred[*column])
            })
            .collect::<Result<_>>()?;
        // Who asks for no column only counts records, for which their fields need not be found.
        let expected = (!wanted.is_empty()).then_some(csv.width);
        let dialect = Dialect { empty_lines: csv.width == 1, ..layout.dialect };
        Ok(Self {
            blocks,
            tokenizer: Tokenizer::new(dialect, &wanted, expected, layout.options.max_line_size),
            tokens: Tokens::default(),
            readers,
            has_text: columns.iter().any(|column| *layout.schema.field(*column).data_type() == TEXT),
            columns,
            outputs,
            file: csv.clone(),
            is_finished: false,
        })
    }

    /// Reads up to `wanted` records; fewer only at the end of the partition.
    fn read_batch(&mut self, wanted: usize, plan: &ScanPlan, context: &QueryContext) -> Result<ReadBatch> {
        let mut failures = Failures::new(plan.layout.options.on_error);
        let mut rows = 0;
        loop {
            self.tokens.clear();
            let from = self.blocks.position();
            let (next, stop) = self.tokenizer.tokenize(
                self.blocks.buffer(),
                from,
                self.blocks.stop_position(),
                self.blocks.at_end_of_file(),
                wanted - rows,
                &mut self.tokens,
            );
            failures.base = rows;
            self.append(from, next, plan, context, &mut failures)?;
            rows += self.tokens.rows();
            self.blocks.set_position(next);
            let record = &self.blocks.buffer()[next.min(self.blocks.buffer().len())..];
            let place = Place { input: &self.file.input, offset: self.blocks.offset() };
            match stop {
                Stop::Done => {
                    self.is_finished = rows < wanted;
                    return self.finish(rows, plan, failures);
                }
                Stop::NeedsMore => {
                    context.cancel.check()?;
                    self.blocks.refill()?;
                    self.tokenizer.new_block();
                }
                Stop::Unterminated => return Err(place.unterminated(record)),
                Stop::TooLong => return Err(place.too_long(plan.layout.options.max_line_size, record)),
            }
        }
    }

    /// Appends the records that were cut from the block between `from` and `to` to the columns.
    fn append(
        &mut self,
        from: usize,
        to: usize,
        plan: &ScanPlan,
        context: &QueryContext,
        failures: &mut Failures,
    ) -> Result<()> {
        if self.readers.is_empty() || self.tokens.rows() == 0 {
            return Ok(());
        }
        let layout = &plan.layout;
        let block = self.blocks.buffer();
        let run = Run {
            block,
            tokens: &self.tokens,
            is_utf8: self.has_text && simdutf8::basic::from_utf8(&block[from..to]).is_ok(),
            dialect: &layout.dialect,
            nulls: &layout.nulls,
            zone: &layout.zone,
        };
        for (row, fields) in &self.tokens.ragged {
            if *fields > self.file.width || !layout.options.null_padding {
                failures.ragged(*row, *fields, self.file.width);
            }
        }
        for reader in &mut self.readers {
            reader.append(&run, failures);
        }
        let example = failures.example.take().filter(|_| context.progress.misfit.get().is_none());
        let Some(first) = failures.first.or(example) else { return Ok(()) };
        let error = self.misfit(first, to, &run, plan);
        if failures.first.is_some() {
            return Err(error);
        }
        // Another thread may have told of one already.
        let _ = context.progress.misfit.set(error.without_hint().to_string());
        Ok(())
    }

    /// What does not fit, and where.
    fn misfit(&self, first: Failure, to: usize, run: &Run<'_>, plan: &ScanPlan) -> Error {
        let (layout, block) = (&plan.layout, run.block);
        let start = self.tokens.starts[first.row] as usize;
        let place = Place { input: &self.file.input, offset: self.blocks.offset_of(start) };
        let Some(slot) = first.slot else {
            let fields = self.tokens.ragged.iter().find(|(row, _)| *row == first.row).map_or(0, |(_, fields)| *fields);
            let end = self.tokens.starts.get(first.row + 1).map_or(to, |next| *next as usize);
            return place.ragged(fields, self.file.width, block[start..end].trim_ascii_end());
        };
        let column = self.columns[slot];
        let field = layout.schema.field(column);
        let raw = raw_field(run, first.row, slot);
        match field.data_type() {
            DataType::Utf8View => place.bad_text(field.name(), raw),
            data_type => place.bad_value(field.name(), data_type, layout.inferred[column], raw),
        }
    }

    /// Makes a batch of what was appended, without the rows that are rejected.
    fn finish(&mut self, rows: usize, plan: &ScanPlan, failures: Failures) -> Result<ReadBatch> {
        let columns: Vec<ArrayRef> = self.readers.iter_mut().map(ColumnReader::finish).collect();
        let rejected = failures.rejected.iter().filter(|rejected| **rejected).count();
        let kept = rows - rejected;
        let mask = (rejected > 0).then(|| {
            let keeps = |row: usize| !failures.rejected.get(row).copied().unwrap_or(false);
            BooleanArray::from_iter((0..rows).map(|row| Some(keeps(row))))
        });
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for output in &self.outputs {
            outputs.push(match output {
                Output::Read(index) => match &mask {
                    Some(mask) => filter(columns[*index].as_ref() as &dyn Array, mask)?,
                    None => columns[*index].clone(),
                },
                Output::Null(data_type) => new_null_array(data_type, kept),
                Output::Constant(value) => value.to_array(kept),
                Output::Filename => {
                    let mut builder = StringViewBuilder::new();
                    builder.try_append_value_n(self.file.input.path().to_string_lossy(), kept)?;
                    Arc::new(builder.finish())
                }
            });
        }
        Ok(ReadBatch { batch: record_batch(&plan.schema, outputs, kept)?, rejected, nulled: failures.nulled })
    }
}

/// Goes to the first record that starts in the range: leaves out what is left of the one that the range starts in.
fn skip_record(
    blocks: &mut Blocks,
    mut state: State,
    stop: u64,
    plan: &ScanPlan,
    context: &QueryContext,
) -> Result<()> {
    while state != State::RecordStart && blocks.offset() < stop {
        if blocks.pending() == 0 {
            if blocks.at_end_of_file() {
                return Ok(());
            }
            context.cancel.check()?;
            blocks.refill()?;
        }
        let position = blocks.position();
        let end = plan.machine.record_end(&mut state, &blocks.buffer()[position..]);
        blocks.set_position(end.map_or(blocks.buffer().len(), |end| position + end));
    }
    Ok(())
}
