//! A scan of Arrow files: batches of a file in partitions, and the batches of each.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use super::decoder::Decoder;
use super::file::{Batches, IpcFile};
use super::message::{Messages, Place};
use crate::batch::{batch_memory, record_batch};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{BatchStream, Source, rows_of_width};
use crate::memory::MemoryReservation;
use crate::metrics::OperatorMetrics;
use crate::types::{DataType, Scalar, SchemaRef};

/// Where a column of a scan comes from.
#[derive(Clone, Debug)]
pub(super) enum OutputColumn {
    /// A column of the file, brought to that type.
    Read { column: usize, to: DataType },
    /// The same in all rows.
    Constant(Scalar),
}

/// A scan of Arrow files.
#[derive(Debug)]
pub(super) struct IpcSource {
    schema: SchemaRef,
    files: Vec<ScannedFile>,
    parts: Vec<Part>,
    limit: Option<usize>,
    files_pruned: usize,
}

/// A file of a scan.
#[derive(Debug)]
struct ScannedFile {
    file: Arc<IpcFile>,
    outputs: Vec<OutputColumn>,
    /// The columns of the file that are read, by ascending place in it.
    roots: Vec<usize>,
    /// Made by the first partition of the file that is read, and shared by the others.
    decoder: Mutex<Option<Arc<Decoder>>>,
}

/// Batches of a file that follow each other; of a stream all.
#[derive(Clone, Debug)]
struct Part {
    file: usize,
    blocks: std::ops::Range<usize>,
    bytes: u64,
}

impl IpcSource {
    pub fn new(
        schema: SchemaRef,
        files: Vec<(Arc<IpcFile>, Vec<OutputColumn>)>,
        limit: Option<usize>,
        partition_bytes: u64,
        files_pruned: usize,
    ) -> Self {
        let scanned = |(file, outputs): (Arc<IpcFile>, Vec<OutputColumn>)| {
            let read = outputs.iter().filter_map(|output| match output {
                OutputColumn::Read { column, .. } => Some(file.columns.get(*column)?.index),
                OutputColumn::Constant(_) => None,
            });
            let mut roots: Vec<usize> = read.collect();
            roots.sort_unstable();
            roots.dedup();
            ScannedFile { file, outputs, roots, decoder: Mutex::default() }
        };
        let files: Vec<ScannedFile> = files.into_iter().map(scanned).collect();
        let mut parts: Vec<Part> = Vec::new();
        for (index, scanned) in files.iter().enumerate() {
            let Batches::Listed { batches, .. } = &scanned.file.batches else {
                parts.push(Part { file: index, blocks: 0..0, bytes: scanned.file.size });
                continue;
            };
            for (number, block) in batches.iter().enumerate() {
                let bytes = block.bytes();
                match parts.last_mut() {
                    // Small batches are not worth a task each.
                    Some(part) if part.file == index && part.bytes + bytes <= partition_bytes => {
                        part.blocks.end = number + 1;
                        part.bytes += bytes;
                    }
                    _ => parts.push(Part { file: index, blocks: number..number + 1, bytes }),
                }
            }
        }
        Self { schema, files, parts, limit, files_pruned }
    }
}

impl ScannedFile {
    /// The decoder of the file's batches, with all dictionaries, whose memory is reserved.
    fn decoder(&self, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<Arc<Decoder>> {
        let mut made = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoder) = &*made {
            return Ok(decoder.clone());
        }
        let decoder = Arc::new(self.new_decoder(context, metrics)?);
        Ok(made.insert(decoder).clone())
    }

    fn new_decoder(&self, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<Decoder> {
        self.file.decoder(self.roots.clone(), context.memory.reservation("arrow dictionaries", metrics))
    }
}

impl Source for IpcSource {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn partitions(&self) -> usize {
        self.parts.len()
    }

    fn files_pruned(&self) -> usize {
        self.files_pruned
    }

    fn partition_bytes(&self, partition: usize) -> u64 {
        self.parts.get(partition).map_or(0, |part| part.bytes)
    }

    fn open(&self, partition: usize, context: &QueryContext, metrics: &Arc<OperatorMetrics>) -> Result<BatchStream> {
        let missing = || Error::internal(format!("a scan of Arrow has no partition {partition}"));
        let part = self.parts.get(partition).ok_or_else(missing)?;
        let scanned = self.files.get(part.file).ok_or_else(missing)?;
        let file = scanned.file.clone();
        let input = match &file.batches {
            Batches::InOrder { start } => {
                Input::Stream { at: *start, decoder: Box::new(scanned.new_decoder(context, metrics)?) }
            }
            Batches::Listed { batches, .. } => Input::Blocks {
                decoder: scanned.decoder(context, metrics)?,
                blocks: batches.get(part.blocks.clone()).unwrap_or_default().to_vec().into_iter(),
            },
        };
        let outputs = scanned.outputs.iter().map(|output| match output {
            OutputColumn::Constant(value) => BatchColumn::Constant(value.clone()),
            OutputColumn::Read { column, to } => {
                let root = file.columns.get(*column).map_or(0, |column| column.index);
                let position = scanned.roots.partition_point(|known| *known < root);
                BatchColumn::Read { position, column: *column, to: to.clone() }
            }
        });
        metrics.add("bytes read", part.bytes);
        Ok(Box::new(PartitionStream {
            schema: self.schema.clone(),
            outputs: outputs.collect(),
            messages: file.reopen()?,
            file,
            input,
            memory: context.memory.reservation("arrow batches", metrics),
            context: context.clone(),
            batch: None,
            rows_left: self.limit.unwrap_or(usize::MAX),
            bytes_left: part.bytes,
            is_finished: false,
        }))
    }
}

/// A column of the batches to come.
enum BatchColumn {
    Read { position: usize, column: usize, to: DataType },
    Constant(Scalar),
}

enum Input {
    /// The next message begins at a byte.
    Stream {
        at: u64,
        decoder: Box<Decoder>,
    },
    Blocks {
        decoder: Arc<Decoder>,
        blocks: std::vec::IntoIter<Place>,
    },
}

/// The batches of one partition: one of the file is held at a time, and given in parts.
struct PartitionStream {
    schema: SchemaRef,
    outputs: Vec<BatchColumn>,
    file: Arc<IpcFile>,
    messages: Messages,
    input: Input,
    memory: MemoryReservation,
    context: QueryContext,
    /// The batch of the file that is given now, and how many of its rows were.
    batch: Option<(RecordBatch, usize)>,
    rows_left: usize,
    /// Bytes that progress does not know to be done.
    bytes_left: u64,
    is_finished: bool,
}

impl PartitionStream {
    fn read(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.context.cancel.check()?;
            if let Some((batch, given)) = &mut self.batch {
                let rows = rows_of_width(self.context.config.batch_size, self.outputs.len());
                let rows = rows.min(batch.num_rows() - *given).min(self.rows_left);
                if rows > 0 {
                    let slice = batch.slice(*given, rows);
                    *given += rows;
                    self.rows_left -= rows;
                    self.context.progress.rows_read.fetch_add(rows as u64, Relaxed);
                    return self.output(&slice).map(Some);
                }
            }
            // Before the next one is read.
            self.batch = None;
            self.memory.free();
            if self.rows_left == 0 || !self.next_batch()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next batch of the file, its memory reserved before: that of its bytes, then that of what is decompressed.
    fn next_batch(&mut self) -> Result<bool> {
        let memory = &mut self.memory;
        let (batch, read) = match &mut self.input {
            Input::Stream { at, decoder } => {
                let Some(message) = self.messages.next(*at, &mut |bytes| memory.grow(bytes))? else {
                    self.done(u64::MAX);
                    return Ok(false);
                };
                let read = message.end.saturating_sub(std::mem::replace(at, message.end));
                if decoder.is_dictionary(&message)? {
                    decoder.add_dictionary(&message)?;
                    self.done(read);
                    return Ok(true);
                }
                (decoder.batch(&message, memory)?, read)
            }
            Input::Blocks { decoder, blocks } => {
                let Some(place) = blocks.next() else { return Ok(false) };
                let message = self.messages.at(&place, &mut |bytes| memory.grow(bytes))?;
                (decoder.batch(&message, memory)?, place.bytes())
            }
        };
        self.done(read);
        // What was not aligned was copied.
        let bytes = batch_memory(&batch);
        self.memory.grow(bytes.saturating_sub(self.memory.bytes()))?;
        self.batch = Some((batch, 0));
        Ok(true)
    }

    fn done(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes_left);
        self.bytes_left -= bytes;
        self.context.progress.bytes_done.fetch_add(bytes, Relaxed);
    }

    /// Rows of the file as the scan's columns.
    fn output(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.outputs.iter().zip(self.schema.fields()).map(|(output, field)| match output {
            BatchColumn::Constant(value) => Ok(value.to_array(rows.num_rows())),
            BatchColumn::Read { position, column, to } => {
                let (array, column) = rows
                    .columns()
                    .get(*position)
                    .zip(self.file.columns.get(*column))
                    .ok_or_else(|| Error::internal("the Arrow reader left out a column"))?;
                column.convert(array, to).map_err(|error| error.with_column(field.name()).with_file(&self.file.path))
            }
        });
        record_batch(&self.schema, columns.collect::<Result<_>>()?, rows.num_rows())
    }
}

impl Iterator for PartitionStream {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        let next = self.read().transpose();
        self.is_finished = !matches!(next, Some(Ok(_)));
        next
    }
}
