//! ORDER BY inside of an aggregate: keys whose bytes order the rows of a group, ties by their place in the input.

use arrow::array::{Array, ArrayRef, LargeBinaryArray, UInt64Array};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::compute::SortOptions;
use arrow::datatypes::DataType;
use arrow_row::{RowConverter, SortField};

use super::value_set::{FIXED_WIDTH, TEXT_PADDING};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};
use crate::types::{TEXT, is_list};

/// A key of ORDER BY inside of an aggregate.
#[derive(Clone, Debug)]
pub struct OrderKey {
    /// The key's type.
    pub data_type: DataType,
    /// Its direction and the place of nulls.
    pub options: SortOptions,
    /// The argument that it is, where it is one: with DISTINCT always.
    pub argument: Option<usize>,
}

/// Encodes the keys of rows, with their positions behind them: no two rows have equal keys.
pub(super) struct OrderEncoder {
    converter: RowConverter,
    keys: usize,
    /// Bytes of an encoded key at most, besides those of its texts.
    row_bytes: usize,
    has_text: bool,
}

impl OrderEncoder {
    pub(super) fn new(keys: &[OrderKey]) -> Result<Self> {
        if let Some(list) = keys.iter().find(|key| is_list(&key.data_type)) {
            let name = crate::types::sql_name(&list.data_type);
            return Err(Error::sql(format!("an aggregate cannot be ordered by lists ({name})"))
                .with_hint("leave out the brackets of ORDER BY [x], or order by an item: ORDER BY list[1]"));
        }
        let fields = keys.iter().map(|key| SortField::new_with_options(key.data_type.clone(), key.options));
        let fields = fields.chain([SortField::new(DataType::UInt64)]);
        let widths = keys.iter().map(|key| FIXED_WIDTH + if key.data_type == TEXT { TEXT_PADDING } else { 0 });
        // The position has a null byte, and keys say where they start.
        let row_bytes = widths.sum::<usize>() + 2 * size_of::<u64>() + 1;
        let has_text = keys.iter().any(|key| key.data_type == TEXT);
        Ok(Self { converter: RowConverter::new(fields.collect())?, keys: keys.len(), row_bytes, has_text })
    }

    /// The keys of rows of which the columns of ORDER BY and the positions are given.
    pub(super) fn encode(&self, columns: &[ArrayRef], positions: UInt64Array) -> Result<LargeBinaryArray> {
        let columns = columns.iter().map(normalize_equal);
        let columns: Vec<ArrayRef> = columns.chain([std::sync::Arc::new(positions) as ArrayRef]).collect();
        let encoded = self.converter.convert_columns(&columns)?.try_into_binary()?;
        let (offsets, bytes, nulls) = encoded.into_parts();
        let offsets = offsets.iter().map(|offset| i64::from(*offset)).collect::<Vec<_>>();
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(LargeBinaryArray::try_new(offsets, bytes, nulls)?)
    }

    /// Bytes of the keys of so many rows at most, with texts of so many bytes among them.
    pub(super) fn bytes(&self, rows: usize, text_bytes: usize) -> usize {
        rows * self.row_bytes + if self.has_text { text_bytes / 8 * 9 } else { 0 }
    }

    /// Bytes of a key at least.
    pub(super) fn least_bytes(&self) -> usize {
        // The position with its null byte, a byte for each key, and where the key starts.
        2 * size_of::<u64>() + 1 + self.keys
    }
}

/// The type of keys in a state.
pub(super) const KEY_TYPE: DataType = DataType::LargeBinary;

/// Keys of a state.
pub(super) fn as_keys(array: &ArrayRef) -> Result<&LargeBinaryArray> {
    array.as_any().downcast_ref().ok_or_else(|| Error::internal("keys of an ordered aggregate are binary"))
}
