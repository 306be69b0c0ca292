//! One block of a spill file: a header, and a batch in Arrow's IPC format, compressed by LZ4.
//!
//! ```text
//! payload length u32 | raw length u32 | CRC-32 of the payload u32 | codec u8 | payload
//! ```

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{ByteViewType, DataType};
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::writer::StreamWriter;

use crate::batch::{batch_memory, drop_hidden_text, record_batch};
use crate::error::{Error, Result};

/// Bytes of a block's header.
pub(super) const HEADER_BYTES: usize = 13;

const CODEC_NONE: u8 = 0;
const CODEC_LZ4: u8 = 1;

/// What a block's header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockHeader {
    pub payload_bytes: usize,
    pub raw_bytes: usize,
    checksum: u32,
    codec: u8,
}

impl BlockHeader {
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self { payload_bytes: word(0) as usize, raw_bytes: word(4) as usize, checksum: word(8), codec: bytes[12] }
    }
}

/// A block as it is written.
pub(super) struct Block {
    /// Header and payload.
    pub bytes: Vec<u8>,
    /// Memory of the batch once it is read back.
    pub raw_bytes: usize,
}

/// The block of a batch.
pub(super) fn encode(batch: &RecordBatch) -> Result<Block> {
    let compact = compact_views(batch)?;
    let expected = usize::try_from(batch_memory(&compact)).unwrap_or(0) + 4096;
    let mut writer = StreamWriter::try_new(Vec::with_capacity(expected), &compact.schema())?;
    writer.write(&compact)?;
    let raw = writer.into_inner()?;
    let mut block = vec![0; HEADER_BYTES + lz4_flex::block::get_maximum_output_size(raw.len())];
    let mut payload_bytes = lz4_flex::block::compress_into(&raw, &mut block[HEADER_BYTES..])
        .map_err(|error| Error::internal(format!("cannot compress a spill block: {error}")))?;
    let mut codec = CODEC_LZ4;
    if payload_bytes >= raw.len() {
        block[HEADER_BYTES..HEADER_BYTES + raw.len()].copy_from_slice(&raw);
        payload_bytes = raw.len();
        codec = CODEC_NONE;
    }
    block.truncate(HEADER_BYTES + payload_bytes);
    let too_large = |_| {
        Error::resource("a single row of a spill file, such as the state of one group, takes more than 4 GiB")
            .with_hint("group by more keys, or aggregate fewer or shorter values")
    };
    let checksum = crc32fast::hash(&block[HEADER_BYTES..]);
    block[0..4].copy_from_slice(&u32::try_from(payload_bytes).map_err(too_large)?.to_le_bytes());
    block[4..8].copy_from_slice(&u32::try_from(raw.len()).map_err(too_large)?.to_le_bytes());
    block[8..12].copy_from_slice(&checksum.to_le_bytes());
    block[12] = codec;
    Ok(Block { bytes: block, raw_bytes: raw.len() })
}

/// The error of a block that does not read back.
pub(super) fn damaged() -> Error {
    Error::resource("a block read back from a spill file is not what was written")
        .with_hint("the disk under --temp-dir may be faulty")
}

/// The batch of a block's payload.
pub(super) fn decode(header: BlockHeader, payload: Vec<u8>) -> Result<RecordBatch> {
    if crc32fast::hash(&payload) != header.checksum {
        return Err(damaged());
    }
    let raw = match header.codec {
        CODEC_NONE => payload,
        CODEC_LZ4 => lz4_flex::block::decompress(&payload, header.raw_bytes)
            .map_err(|error| Error::internal(format!("cannot decompress a spill block: {error}")))?,
        other => return Err(Error::internal(format!("there is no spill codec {other}"))),
    };
    let mut buffer = Buffer::from(raw);
    let mut decoder = StreamDecoder::new().with_require_alignment(false);
    match decoder.decode(&mut buffer)? {
        Some(batch) => Ok(batch),
        None => Err(Error::internal("a spill block without a batch")),
    }
}

fn compact_view_array<T: ByteViewType>(array: &GenericByteViewArray<T>) -> ArrayRef {
    let kept: usize = array.data_buffers().iter().map(|buffer| buffer.len()).sum();
    if kept > array.total_buffer_bytes_used() { Arc::new(array.gc()) } else { Arc::new(array.clone()) }
}

/// String views may point into buffers much larger than what they show; only what they show is written.
fn compact_views(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            DataType::Utf8View => compact_view_array(column.as_string_view()),
            DataType::BinaryView => compact_view_array(column.as_binary_view()),
            _ => drop_hidden_text(column),
        })
        .collect();
    record_batch(&batch.schema(), columns, batch.num_rows())
}
