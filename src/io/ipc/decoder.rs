//! Messages to batches of some columns, and the dictionaries that all of them share. What a message takes is reserved before it is
//! decoded.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::ipc;
use arrow::ipc::MessageHeader;
use arrow::ipc::reader::{RecordBatchDecoder, read_dictionary};

use super::file::damaged;
use super::message::{Message, decompressed_bytes, decompressed_dictionary};
use crate::batch::array_memory;
use crate::error::{Error, Result};
use crate::memory::MemoryReservation;
use crate::panics::guarded;
use crate::types::SchemaRef;

/// Decodes messages of a file or stream.
#[derive(Debug)]
pub(super) struct Decoder {
    path: PathBuf,
    schema: SchemaRef,
    /// The columns to decode, by ascending index.
    columns: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// For the dictionaries.
    memory: MemoryReservation,
}

impl Decoder {
    pub fn new(path: PathBuf, schema: SchemaRef, columns: Vec<usize>, memory: MemoryReservation) -> Self {
        Self { path, schema, columns, dictionaries: HashMap::new(), memory }
    }

    /// What a message says.
    pub fn header<'m>(&self, message: &'m Message) -> Result<ipc::Message<'m>> {
        message.header().map_err(|error| damaged(&self.path, &error))
    }

    /// Keeps a dictionary for the batches to come, in place of the one of the same number, or behind it.
    pub fn add_dictionary(&mut self, message: &Message) -> Result<()> {
        let header = self.header(message)?;
        let Some((dictionary, batch)) =
            header.header_as_dictionary_batch().and_then(|dictionary| Some((dictionary, dictionary.data()?)))
        else {
            return Err(self.unexpected(&header));
        };
        let bytes = decompressed_dictionary(batch, &message.body).map_err(|what| damaged(&self.path, &what))?;
        let before = if dictionary.isDelta() { self.dictionaries.get(&dictionary.id()) } else { None };
        let before = before.map_or(0, array_memory);
        self.memory.grow(bytes.saturating_add(message.bytes()).saturating_add(before))?;
        let (schema, dictionaries) = (&self.schema, &mut self.dictionaries);
        run(&self.path, || read_dictionary(&message.body, dictionary, schema, dictionaries, &header.version()))?;
        let held = self.dictionaries.values().map(array_memory).sum();
        self.memory.resize(held)
    }

    /// The rows of a message, with `memory` for what is decompressed, beside that of the message itself.
    pub fn batch(&self, message: &Message, memory: &mut MemoryReservation) -> Result<RecordBatch> {
        let header = self.header(message)?;
        let Some(batch) = header.header_as_record_batch() else { return Err(self.unexpected(&header)) };
        let fields = self.schema.fields().iter().enumerate();
        let fields = fields.map(|(index, field)| (field, self.columns.binary_search(&index).is_ok()));
        let bytes = decompressed_bytes(&header, batch, &message.body, fields);
        memory.grow(bytes.map_err(|what| damaged(&self.path, &what))?)?;
        run(&self.path, || {
            let version = header.version();
            let decoder =
                RecordBatchDecoder::try_new(&message.body, batch, self.schema.clone(), &self.dictionaries, &version)?;
            decoder.with_projection(Some(&self.columns)).read_record_batch()
        })
    }

    /// Whether a message is a dictionary, and not a batch.
    pub fn is_dictionary(&self, message: &Message) -> Result<bool> {
        Ok(self.header(message)?.header_type() == MessageHeader::DictionaryBatch)
    }

    fn unexpected(&self, header: &ipc::Message<'_>) -> Error {
        damaged(&self.path, &format!("there is a message of the kind {:?} among its batches", header.header_type()))
    }
}

/// Runs the decoder of the library, which ends in a panic at some damages.
pub(super) fn run<T>(path: &Path, decode: impl FnOnce() -> std::result::Result<T, ArrowError>) -> Result<T> {
    match guarded(decode) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(damaged(path, &error)),
        Err(panic) => Err(damaged(path, &format!("its decoder stopped at '{panic}'"))),
    }
}
