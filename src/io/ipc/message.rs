//! The messages of Arrow's files and streams: where each lies, its bytes, and what its buffers take when they are decompressed.
//!
//! The library's decoder believes what a message says of itself, and an allocation that fails ends the process: so lengths are
//! checked here, and memory is reserved, before anything is decoded.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::{FieldRef, UnionMode};
use arrow::ipc::{self, CompressionType, MetadataVersion, RecordBatch, root_as_message};

use super::file::damaged;
use crate::error::{Error, Result};
use crate::types::DataType;

/// A message begins with these bytes, but for those of Arrow before 0.15.
pub(super) const CONTINUATION: [u8; 4] = [0xff; 4];
/// A compressed buffer begins with its length when it is decompressed.
const LENGTH_BYTES: usize = 8;
/// What stands there, where the buffer is not compressed.
const NOT_COMPRESSED: i64 = -1;
/// Bytes that a byte can become: with LZ4 the length of a run grows by 255 for a byte, and with zstd a block of four bytes is a run
/// of at most 128 KiB.
const MOST_BY_LZ4: u64 = 256;
const MOST_BY_ZSTD: u64 = (128 << 10) / 4;

/// Where a message lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub offset: u64,
    /// Bytes before the body.
    pub metadata: u64,
    pub body: u64,
}

impl Place {
    /// All of its bytes.
    pub fn bytes(&self) -> u64 {
        self.metadata.saturating_add(self.body)
    }
}

/// The bytes of a message.
#[derive(Debug)]
pub(super) struct Message {
    metadata: Buffer,
    pub body: Buffer,
    /// Where the next one begins.
    pub end: u64,
}

impl Message {
    /// What it says.
    pub fn header(&self) -> std::result::Result<ipc::Message<'_>, String> {
        let bytes = self.metadata.as_slice();
        let skipped = if bytes.starts_with(&CONTINUATION) { 8 } else { 4 };
        let message = bytes.get(skipped..).ok_or("a message is too short")?;
        root_as_message(message).map_err(|error| error.to_string())
    }

    pub fn bytes(&self) -> u64 {
        (self.metadata.len() + self.body.len()) as u64
    }
}

/// A file that messages are read of, by position.
#[derive(Debug)]
pub(super) struct Messages {
    pub path: PathBuf,
    pub file: File,
    pub size: u64,
}

impl Messages {
    /// The message at a place that lies within the file. `reserve` is asked for its memory before.
    pub fn at(&self, place: &Place, reserve: &mut dyn FnMut(u64) -> Result<()>) -> Result<Message> {
        reserve(place.bytes())?;
        let metadata = self.read(place.offset, place.metadata)?;
        let body = self.read(place.offset.saturating_add(place.metadata), place.body)?;
        Ok(Message { metadata, body, end: place.offset.saturating_add(place.bytes()) })
    }

    /// The message of a stream that begins at an offset; `None` at the end.
    pub fn next(&self, offset: u64, reserve: &mut dyn FnMut(u64) -> Result<()>) -> Result<Option<Message>> {
        let left = self.size.saturating_sub(offset);
        let truncated = || damaged(&self.path, &format!("it ends within a message, which begins at byte {offset}"));
        if left == 0 {
            return Ok(None);
        }
        let prefix = self.read(offset, left.min(8))?;
        let length_at = if prefix.starts_with(&CONTINUATION) { 4 } else { 0 };
        let length =
            prefix.get(length_at..length_at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(truncated)?;
        let length = match i32::from_le_bytes(length) {
            0 => return Ok(None),
            length => u64::try_from(length)
                .map_err(|_| damaged(&self.path, &format!("the message at byte {offset} has a length below zero")))?,
        };
        let metadata = length + length_at as u64 + 4;
        if metadata > left {
            return Err(truncated());
        }
        reserve(metadata)?;
        let mut message = Message { metadata: self.read(offset, metadata)?, body: Buffer::default(), end: 0 };
        let body = message.header().map_err(|error| damaged(&self.path, &error))?.bodyLength();
        let body = u64::try_from(body).ok().filter(|body| *body <= left - metadata).ok_or_else(truncated)?;
        reserve(body)?;
        message.body = self.read(offset + metadata, body)?;
        message.end = offset + metadata + body;
        Ok(Some(message))
    }

    fn read(&self, offset: u64, length: u64) -> Result<Buffer> {
        let length = usize::try_from(length).map_err(|_| damaged(&self.path, &"a message is too long"))?;
        let mut buffer = MutableBuffer::try_from_len_zeroed(length).map_err(|error| damaged(&self.path, &error))?;
        self.file.read_exact_at(buffer.as_slice_mut(), offset).map_err(|error| failed(&self.path, &error))?;
        Ok(buffer.into())
    }
}

/// The error of bytes that cannot be read; a file that became shorter meanwhile is damaged.
fn failed(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => damaged(path, &"it ends early"),
        _ => Error::io("read", path, error),
    }
}

/// What is checked of a batch of rows or of a dictionary before it is decoded.
struct Checked<'a> {
    batch: RecordBatch<'a>,
    body: &'a [u8],
    version: MetadataVersion,
    nodes: usize,
    buffers: usize,
    counts: usize,
    /// Bytes of the buffers that are decompressed.
    bytes: u64,
}

/// Bytes that decompressing a batch takes, of the fields `wanted` alone.
///
/// # Errors
/// What is wrong, where a buffer does not lie in the body or cannot be as long as it says.
pub(super) fn decompressed_bytes<'a>(
    message: &ipc::Message<'_>,
    batch: RecordBatch<'_>,
    body: &[u8],
    fields: impl Iterator<Item = (&'a FieldRef, bool)>,
) -> std::result::Result<u64, String> {
    let rows = batch.length();
    if rows < 0 {
        return Err(format!("a batch has {rows} rows"));
    }
    let mut checked = Checked { batch, body, version: message.version(), nodes: 0, buffers: 0, counts: 0, bytes: 0 };
    for (field, is_wanted) in fields {
        let length = checked.node_length().filter(|length| *length != rows);
        if let (Some(length), true) = (length, is_wanted) {
            return Err(format!("the column \"{}\" has {length} rows in a batch of {rows}", field.name()));
        }
        checked
            .visit(field.data_type(), is_wanted)
            .map_err(|what| format!("the column \"{}\" {what}", field.name()))?;
    }
    Ok(checked.bytes)
}

/// Bytes that decompressing a dictionary takes, of which every buffer is needed.
pub(super) fn decompressed_dictionary(batch: RecordBatch<'_>, body: &[u8]) -> std::result::Result<u64, String> {
    let version = MetadataVersion::V5;
    let mut checked = Checked { batch, body, version, nodes: 0, buffers: 0, counts: 0, bytes: 0 };
    let rows = batch.length();
    if rows < 0 || checked.node_length().is_some_and(|length| length != rows) {
        return Err(format!("a dictionary has {rows} values"));
    }
    while checked.batch.buffers().is_some_and(|buffers| checked.buffers < buffers.len()) {
        checked.buffer(true).map_err(|what| format!("a dictionary {what}"))?;
    }
    Ok(checked.bytes)
}

impl Checked<'_> {
    /// The rows that the next node tells of.
    fn node_length(&self) -> Option<i64> {
        let nodes = self.batch.nodes()?;
        (self.nodes < nodes.len()).then(|| nodes.get(self.nodes).length())
    }

    /// Goes over the buffers of a field and those below it, as they are laid out in the body.
    fn visit(&mut self, data_type: &DataType, is_wanted: bool) -> std::result::Result<(), String> {
        if self.node_length().is_some_and(|length| length < 0) && is_wanted {
            return Err("has a number of values below zero".into());
        }
        self.nodes += 1;
        let own = match data_type {
            DataType::Null | DataType::RunEndEncoded(_, _) => 0,
            DataType::Struct(_) | DataType::FixedSizeList(_, _) => 1,
            DataType::Utf8 | DataType::Binary | DataType::LargeUtf8 | DataType::LargeBinary => 3,
            DataType::ListView(_) | DataType::LargeListView(_) => 3,
            DataType::Utf8View | DataType::BinaryView => 2 + self.variadic()?,
            DataType::Union(_, mode) => {
                usize::from(self.version < MetadataVersion::V5) + 1 + usize::from(*mode == UnionMode::Dense)
            }
            _ => 2,
        };
        for _ in 0..own {
            self.buffer(is_wanted)?;
        }
        match data_type {
            DataType::Struct(fields) => fields.iter().try_for_each(|field| self.visit(field.data_type(), is_wanted)),
            DataType::Union(fields, _) => {
                fields.iter().try_for_each(|(_, field)| self.visit(field.data_type(), is_wanted))
            }
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::LargeListView(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => self.visit(item.data_type(), is_wanted),
            DataType::RunEndEncoded(ends, values) => {
                self.visit(ends.data_type(), is_wanted)?;
                self.visit(values.data_type(), is_wanted)
            }
            _ => Ok(()),
        }
    }

    /// How many buffers hold the texts of a column of views.
    fn variadic(&mut self) -> std::result::Result<usize, String> {
        let counts = self.batch.variadicBufferCounts().filter(|counts| self.counts < counts.len());
        let count = counts.map(|counts| counts.get(self.counts));
        self.counts += 1;
        let buffers = self.batch.buffers().map_or(0, |buffers| buffers.len());
        let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= buffers);
        count.ok_or_else(|| "does not say how many buffers it has".into())
    }

    /// Checks the next buffer; one that is missing is left to the decoder.
    fn buffer(&mut self, is_wanted: bool) -> std::result::Result<(), String> {
        let at = self.buffers;
        self.buffers += 1;
        let Some(buffer) = self.batch.buffers().filter(|buffers| at < buffers.len()).map(|buffers| buffers.get(at))
        else {
            return Ok(());
        };
        if !is_wanted {
            return Ok(());
        }
        let place = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let bytes = place.and_then(|(start, length)| self.body.get(start..start.checked_add(length)?));
        let bytes = bytes.ok_or("lies outside of its batch")?;
        let (Some(compression), false) = (self.batch.compression(), bytes.is_empty()) else { return Ok(()) };
        let (length, compressed) = bytes.split_first_chunk::<LENGTH_BYTES>().ok_or("has a buffer without a length")?;
        let length = i64::from_le_bytes(*length);
        if length == NOT_COMPRESSED {
            return Ok(());
        }
        let most = if compression.codec() == CompressionType::LZ4_FRAME { MOST_BY_LZ4 } else { MOST_BY_ZSTD };
        let most = (compressed.len() as u64).saturating_mul(most);
        let decompressed = u64::try_from(length).ok().filter(|length| *length <= most);
        let decompressed = decompressed
            .ok_or_else(|| format!("has {} compressed bytes, which cannot become {length}", compressed.len()))?;
        self.bytes = self.bytes.saturating_add(decompressed);
        Ok(())
    }
}
