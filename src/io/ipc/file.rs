//! One Arrow file: its schema as the engine sees it, and where its batches are.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::read_footer_length;
use arrow::ipc::{Block, root_as_footer};

use super::decoder::{Decoder, run};
use super::message::{CONTINUATION, Messages, Place};
use crate::error::{Error, Result};
use crate::io::nested::{Part, Step, follow, parts};
use crate::io::parquet::convert::{convert, engine_type};
use crate::memory::MemoryReservation;
use crate::types::{DataType, INTERVAL, SchemaRef, TEXT, list_of};

/// The first and the last bytes of a file.
const MAGIC: &[u8; 6] = b"ARROW1";
/// The first bytes of the format that Feather was before.
const FEATHER_1: &[u8; 4] = b"FEA1";
/// The length of the footer and the magic bytes.
const TRAILER: usize = 10;

/// A column of a file that the engine can read.
#[derive(Debug)]
pub(super) struct FileColumn {
    pub name: String,
    /// The place among the file's columns of the one that it is, or is a part of.
    pub index: usize,
    /// What leads from there to it.
    path: Vec<Step>,
    /// Its type without dictionaries, runs and the larger forms of text and lists.
    plain: DataType,
    /// The engine's type.
    pub data_type: DataType,
}

impl FileColumn {
    /// Values of the file as the engine's type of the column over all files.
    pub fn convert(&self, array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let array = &follow(array, &self.path)?;
        let plain = if *array.data_type() == self.plain {
            array.clone()
        } else {
            cast_with_options(array, &self.plain, &CastOptions { safe: false, ..CastOptions::default() })?
        };
        convert(&plain, &self.data_type, to)
    }
}

/// Where batches are.
#[derive(Debug)]
pub(super) enum Batches {
    /// Where the footer says.
    Listed { dictionaries: Vec<Place>, batches: Vec<Place> },
    /// One behind another, from that byte on.
    InOrder { start: u64 },
}

/// An Arrow file whose schema was read.
#[derive(Debug)]
pub(super) struct IpcFile {
    pub path: PathBuf,
    pub size: u64,
    modified: Option<SystemTime>,
    schema: SchemaRef,
    pub columns: Vec<FileColumn>,
    pub batches: Batches,
}

impl IpcFile {
    /// Reads the footer of a file, or the schema of a stream.
    pub fn open(path: &Path, skip_unsupported: bool, zone: &str) -> Result<Self> {
        let failed = |error: std::io::Error| Error::io("read", path, &error);
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::data(format!("'{}' is not a regular file", path.display()))
                .with_file(path)
                .with_hint("files are read in parts and more than once: write a pipe to a file first"));
        }
        let file = File::open(path).map_err(failed)?;
        let size = metadata.len();
        let mut head = [0; 8];
        let known = head.len().min(usize::try_from(size).unwrap_or(usize::MAX));
        file.read_exact_at(&mut head[..known], 0).map_err(failed)?;
        if head.starts_with(FEATHER_1) {
            return Err(Error::data(format!("'{}' is Feather of version 1", path.display()))
                .with_file(path)
                .with_hint("write it again by a tool of today: version 2 is Arrow's IPC file"));
        }
        let (schema, batches) = match head.starts_with(MAGIC) {
            true => footer(path, &file, size)?,
            false if head.starts_with(&CONTINUATION) => stream(path, file, size)?,
            false => {
                return Err(Error::data(format!("'{}' is neither an Arrow file nor a stream", path.display()))
                    .with_file(path)
                    .with_hint("read CSV files by read_csv('…'), and Parquet by read_parquet('…')"));
            }
        };
        let columns = columns(path, &schema, skip_unsupported, zone)?;
        Ok(Self { path: path.to_path_buf(), size, modified: metadata.modified().ok(), schema, columns, batches })
    }

    /// The index of a column by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Opens the file again.
    pub fn reopen(&self) -> Result<Messages> {
        let failed = |error: std::io::Error| Error::io("open", &self.path, &error);
        let file = File::open(&self.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.len() != self.size || metadata.modified().ok() != self.modified {
            return Err(Error::data(format!("'{}' changed while it was being read", self.path.display()))
                .with_file(&self.path)
                .with_hint("run the query again when the file is complete"));
        }
        Ok(Messages { path: self.path.clone(), file, size: self.size })
    }

    /// Decodes batches of some columns, by ascending index, with the dictionaries that the footer lists. Those of a stream are
    /// among its batches.
    pub fn decoder(&self, columns: Vec<usize>, mut memory: MemoryReservation) -> Result<Decoder> {
        let Batches::Listed { dictionaries, .. } = &self.batches else {
            return Ok(Decoder::new(self.path.clone(), self.schema.clone(), columns, memory));
        };
        let messages = self.reopen()?;
        // What a dictionary takes while it is read; the decoder knows what it takes then.
        let longest = dictionaries.iter().map(Place::bytes).max().unwrap_or(0);
        memory.grow(longest)?;
        let mut decoder = Decoder::new(self.path.clone(), self.schema.clone(), columns, memory);
        for place in dictionaries {
            decoder.add_dictionary(&messages.at(place, &mut |_| Ok(()))?)?;
        }
        Ok(decoder)
    }
}

/// The error of a file that is not as it should be.
pub(super) fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::data(format!("cannot read '{}': {error}", path.display()))
        .with_file(path)
        .with_hint("the file may be damaged or truncated: write or copy it again")
}

/// The schema of a stream, and where its batches begin.
fn stream(path: &Path, file: File, size: u64) -> Result<(SchemaRef, Batches)> {
    let messages = Messages { path: path.to_path_buf(), file, size };
    let first = messages.next(0, &mut |_| Ok(()))?.ok_or_else(|| damaged(path, &"the stream is empty"))?;
    let header = first.header().map_err(|error| damaged(path, &error))?;
    let schema = header.header_as_schema().ok_or_else(|| damaged(path, &"the stream does not begin with a schema"))?;
    let schema = Arc::new(run(path, || try_fb_to_schema(schema))?);
    Ok((schema, Batches::InOrder { start: first.end }))
}

/// The schema of a file and where its batches are.
fn footer(path: &Path, file: &File, size: u64) -> Result<(SchemaRef, Batches)> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let mut trailer = [0; TRAILER];
    let behind = size.checked_sub(TRAILER as u64);
    if let Some(at) = behind {
        file.read_exact_at(&mut trailer, at).map_err(failed)?;
    }
    let (Some(behind), Ok(length)) = (behind, read_footer_length(trailer)) else {
        return Err(Error::data(format!("'{}' is truncated: it does not end as Arrow files do", path.display()))
            .with_file(path)
            .with_hint("its writer may not have finished: write or copy the file again"));
    };
    let start = behind.checked_sub(length as u64).ok_or_else(|| damaged(path, &"its footer has no such length"))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start).map_err(failed)?;
    let footer = root_as_footer(&bytes).map_err(|error| damaged(path, &error))?;
    let schema = footer.schema().ok_or_else(|| damaged(path, &"its footer has no schema"))?;
    let schema = Arc::new(run(path, || try_fb_to_schema(schema))?);
    let place = |block: &Block| {
        let metadata = u64::try_from(block.metaDataLength()).ok()?;
        let place = Place {
            offset: u64::try_from(block.offset()).ok()?,
            metadata,
            body: u64::try_from(block.bodyLength()).ok()?,
        };
        place.offset.checked_add(metadata)?.checked_add(place.body).filter(|end| *end <= size).map(|_| place)
    };
    let places = |blocks: Option<Vec<Block>>| -> Result<Vec<Place>> {
        let places = blocks.unwrap_or_default().iter().map(place).collect::<Option<_>>();
        places.ok_or_else(|| damaged(path, &"its footer names batches beyond its end"))
    };
    let dictionaries = places(footer.dictionaries().map(|blocks| blocks.iter().copied().collect()))?;
    let batches = places(footer.recordBatches().map(|blocks| blocks.iter().copied().collect()))?;
    Ok((schema, Batches::Listed { dictionaries, batches }))
}

/// The columns that the engine can read.
fn columns(path: &Path, schema: &SchemaRef, skip_unsupported: bool, zone: &str) -> Result<Vec<FileColumn>> {
    let (mut columns, mut unsupported) = (Vec::new(), Vec::new());
    let found = schema.fields().iter().enumerate();
    let found = found.flat_map(|(index, field)| parts(field).into_iter().map(move |part| (index, part)));
    let mut names = HashSet::new();
    for (index, Part { name, path: steps, data_type: found, .. }) in found {
        if !names.insert(name.clone()) {
            return Err(Error::data(format!("'{}' has two columns \"{name}\"", path.display()))
                .with_file(path)
                .with_column(&name));
        }
        let plain = plain(&found);
        let data_type = if plain == INTERVAL { Some(INTERVAL) } else { engine_type(&plain, zone) };
        match data_type {
            Some(data_type) => columns.push(FileColumn { name, index, path: steps, plain, data_type }),
            None => unsupported.push(format!("\"{name}\" ({found})")),
        }
    }
    if unsupported.is_empty() || skip_unsupported {
        return Ok(columns);
    }
    let unsupported = unsupported.join(", ");
    Err(Error::data(format!("'{}' has columns of types that cannot be read: {unsupported}", path.display()))
        .with_file(path)
        .with_hint("read_arrow('…', skip_unsupported = true) leaves such columns out"))
}

/// The type without dictionaries, runs and the larger forms of text and lists.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::RunEndEncoded(_, values) => plain(values.data_type()),
        DataType::Utf8 | DataType::LargeUtf8 => TEXT,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => list_of(plain(item.data_type())),
        DataType::Interval(_) => INTERVAL,
        other => other.clone(),
    }
}
