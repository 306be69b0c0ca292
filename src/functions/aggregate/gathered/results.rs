//! The results: items of lists, and texts made of many, put together piece by piece.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, NullBufferBuilder, StringViewArray, make_array, make_view, new_empty_array};
use arrow::buffer::{Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::concat;
use arrow::datatypes::DataType;

use crate::batch::own_copy;
use crate::error::{Error, Result};

/// Bytes of a block of texts that are put together; a longer text has a block of its own.
const TEXT_BLOCK: usize = 1 << 20;

/// Texts that are written piece by piece, where they stay.
#[derive(Default)]
pub(super) struct JoinedTexts {
    views: Vec<u128>,
    blocks: Vec<Buffer>,
    /// The block that is being filled.
    block: Vec<u8>,
    /// Where the text at hand starts in it.
    start: usize,
}

impl JoinedTexts {
    /// Makes place for a text of that length.
    pub(super) fn start(&mut self, length: usize) -> Result<()> {
        if i32::try_from(length).is_err() {
            return Err(Error::resource(format!("a text of {length} bytes is longer than a text can be"))
                .with_hint("group by more keys, or join fewer values"));
        }
        if self.block.capacity() - self.block.len() < length {
            let capacity = length.max((2 * self.block.capacity()).clamp(64, TEXT_BLOCK));
            let full = std::mem::replace(&mut self.block, Vec::with_capacity(capacity));
            self.blocks.push(Buffer::from(full));
        }
        self.start = self.block.len();
        Ok(())
    }

    /// Adds a value to the text, behind the separator but for the first.
    pub(super) fn push(&mut self, value: &str, is_first: bool, separator: &str) {
        if !is_first {
            self.block.extend_from_slice(separator.as_bytes());
        }
        self.block.extend_from_slice(value.as_bytes());
    }

    pub(super) fn end(&mut self) -> Result<()> {
        let number = |number: usize| u32::try_from(number).map_err(|_| Error::internal("a block of texts too many"));
        self.views.push(make_view(&self.block[self.start..], number(self.blocks.len())?, number(self.start)?));
        Ok(())
    }

    pub(super) fn finish(mut self, nulls: NullBuffer) -> Result<ArrayRef> {
        self.blocks.push(Buffer::from(self.block));
        Ok(Arc::new(StringViewArray::try_new(ScalarBuffer::from(self.views), self.blocks, Some(nulls))?))
    }
}

/// A column that grows by pieces: values of a fixed width in their final place, others in pieces of their own.
pub(super) struct Items {
    data_type: DataType,
    count: usize,
    grown: Grown,
}

enum Grown {
    Fixed { width: usize, values: MutableBuffer, nulls: NullBufferBuilder },
    Pieces(Vec<ArrayRef>),
}

impl Items {
    /// Room for so many values.
    pub(super) fn new(data_type: &DataType, capacity: usize) -> Self {
        let grown = match data_type.primitive_width() {
            Some(width) => Grown::Fixed {
                width,
                values: MutableBuffer::with_capacity(capacity * width),
                nulls: NullBufferBuilder::new(capacity),
            },
            None => Grown::Pieces(Vec::new()),
        };
        Self { data_type: data_type.clone(), count: 0, grown }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, piece: &ArrayRef) -> Result<()> {
        self.count += piece.len();
        match &mut self.grown {
            Grown::Pieces(pieces) => pieces.push(own_copy(piece)?),
            Grown::Fixed { width, values, nulls } => {
                let data = piece.to_data();
                let bytes = data.buffers().first().map(Buffer::as_slice).unwrap_or_default();
                let bytes = bytes.get(data.offset() * *width..(data.offset() + data.len()) * *width);
                values.extend_from_slice(bytes.ok_or_else(|| Error::internal("a column without its values"))?);
                match piece.nulls() {
                    Some(own) => nulls.append_buffer(own),
                    None => nulls.append_n_non_nulls(piece.len()),
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<ArrayRef> {
        match self.grown {
            Grown::Pieces(pieces) if pieces.is_empty() => Ok(new_empty_array(&self.data_type)),
            Grown::Pieces(pieces) => {
                let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref()).collect();
                Ok(concat(&pieces)?)
            }
            Grown::Fixed { values, mut nulls, .. } => {
                let data = arrow::array::ArrayData::builder(self.data_type).len(self.count);
                Ok(make_array(data.add_buffer(values.into()).nulls(nulls.finish()).build()?))
            }
        }
    }
}

/// Bytes of so many items of a list, which have so many bytes of texts or lists, at most.
pub(super) fn bytes_of_items(data_type: &DataType, values: u64, bytes: u64) -> u64 {
    let view = size_of::<u128>() as u64;
    match data_type.primitive_width() {
        Some(width) => values * width as u64 + values.div_ceil(4),
        // While pieces are put together, their views are there twice.
        None if *data_type == DataType::Utf8View => bytes + 2 * values * view + values.div_ceil(4),
        None => 2 * (bytes + values),
    }
}
