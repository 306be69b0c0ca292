//! Helpers over Arrow arrays that several operators share.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Float32Type, Float64Type, SchemaRef};

use crate::error::Result;

/// Floats so that what SQL calls equal has equal bits: `-0.0` becomes `0.0`, and every NaN the same one. Other types
/// pass as they are.
pub fn normalize_floats(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => Arc::new(
            array
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|value| if value.is_nan() { f64::NAN } else { value + 0.0 }),
        ),
        DataType::Float32 => Arc::new(
            array
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|value| if value.is_nan() { f32::NAN } else { value + 0.0 }),
        ),
        _ => array.clone(),
    }
}

/// A batch of columns, also of none.
pub fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// Bytes of memory that a batch keeps alive. A buffer that several columns show parts of counts for each of them.
pub fn batch_memory(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| column.get_array_memory_size() as u64).sum::<u64>() + 64
}

/// The batch with string views that point into buffers of their own, where they show less than half of what they keep
/// alive: what is kept for long must not hold on to the file it came from.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(compact_array).collect();
    record_batch(&batch.schema(), columns, batch.num_rows())
}

fn compact_array(array: &ArrayRef) -> ArrayRef {
    if *array.data_type() != DataType::Utf8View {
        return array.clone();
    }
    let views = array.as_string_view();
    let kept: usize = views.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    if kept > 2 * views.total_buffer_bytes_used() { Arc::new(views.gc()) } else { array.clone() }
}
