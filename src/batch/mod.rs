//! Helpers over Arrow arrays that several operators share.

mod checksum;
mod coalesce;
mod hash;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, GenericListArray, MutableArrayData, OffsetSizeTrait, RecordBatch,
    RecordBatchOptions, make_array,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Field, FieldRef, Float32Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
    SchemaRef,
};

pub use checksum::{ColumnSum, TableSum};
pub use coalesce::Coalescer;
pub use hash::hash_rows;

use crate::error::Result;

/// Values so that what SQL calls equal has equal bits: `-0.0` becomes `0.0`, every NaN the same one, and intervals count
/// 24 hours as a day and 30 days as a month; so in lists. Other types pass as they are.
pub fn normalize_equal(array: &ArrayRef) -> ArrayRef {
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
        DataType::Interval(IntervalUnit::MonthDayNano) => Arc::new(
            array.as_primitive::<IntervalMonthDayNanoType>().unary::<_, IntervalMonthDayNanoType>(normalize_interval),
        ),
        DataType::List(item)
            if matches!(item.data_type(), DataType::Float32 | DataType::Float64 | DataType::Interval(_)) =>
        {
            with_items(array.as_list::<i32>(), normalize_equal)
        }
        _ => array.clone(),
    }
}

/// The lists with other items, one for each.
fn with_items<O: OffsetSizeTrait>(lists: &GenericListArray<O>, f: impl Fn(&ArrayRef) -> ArrayRef) -> ArrayRef {
    let items = f(lists.values());
    match GenericListArray::try_new(item_field(lists), lists.offsets().clone(), items, lists.nulls().cloned()) {
        Ok(changed) => Arc::new(changed),
        // The items are as many, and of the type, as they were.
        Err(_) => Arc::new(lists.clone()),
    }
}

/// The lists without items that belong to none of them, as slices have them.
pub fn shown_items<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> GenericListArray<O> {
    let (first, last) = (lists.value_offsets().first().copied(), lists.value_offsets().last().copied());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let items = lists.values().slice(first.as_usize(), (last - first).as_usize());
    let offsets = lists.offsets().iter().map(|&offset| offset - first).collect::<Vec<_>>();
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    GenericListArray::try_new(item_field(lists), offsets, items, lists.nulls().cloned())
        .unwrap_or_else(|_| lists.clone())
}

fn item_field<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> FieldRef {
    match lists.data_type() {
        DataType::List(field) | DataType::LargeList(field) => field.clone(),
        _ => Arc::new(Field::new_list_field(lists.values().data_type().clone(), true)),
    }
}

/// The array without the texts that none of its views show: views that were taken from others keep all text of those
/// alive. Other types pass as they are.
pub fn drop_hidden_text(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Utf8View => Arc::new(array.as_string_view().gc()),
        DataType::List(item) if *item.data_type() == DataType::Utf8View => {
            with_items(&shown_items(array.as_list::<i32>()), drop_hidden_text)
        }
        DataType::LargeList(item) if *item.data_type() == DataType::Utf8View => {
            with_items(&shown_items(array.as_list::<i64>()), drop_hidden_text)
        }
        _ => array.clone(),
    }
}

/// The array in memory of its own, of just the size that it needs.
pub fn own_copy(array: &ArrayRef) -> Result<ArrayRef> {
    if *array.data_type() == DataType::Utf8View {
        return Ok(drop_hidden_text(array));
    }
    let data = array.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, array.len());
    copy.try_extend(0, 0, array.len())?;
    Ok(drop_hidden_text(&make_array(copy.freeze())))
}

fn normalize_interval(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    const NANOS_PER_DAY: i64 = 86_400_000_000_000;
    let days = i64::from(interval.months) * 30 + i64::from(interval.days) + interval.nanoseconds / NANOS_PER_DAY;
    let nanos = interval.nanoseconds % NANOS_PER_DAY;
    // One sign for both, so that there is one way to write each.
    let (days, nanos) = match (days.signum(), nanos.signum()) {
        (1, -1) => (days - 1, nanos + NANOS_PER_DAY),
        (-1, 1) => (days + 1, nanos - NANOS_PER_DAY),
        _ => (days, nanos),
    };
    match (i32::try_from(days / 30), i32::try_from(days % 30)) {
        (Ok(months), Ok(days)) => IntervalMonthDayNano::new(months, days, nanos),
        _ => interval,
    }
}

/// A batch of columns, also of none.
pub fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// Bytes of memory that a batch keeps alive. An allocation that several columns show parts of (a block read back from
/// disk, the text of a file) counts once; two batches that share one count it each, see [`compact`].
pub fn batch_memory(batch: &RecordBatch) -> u64 {
    kept_bytes(batch.columns()) + 64
}

/// The batch in memory of its own, where it shows less than half of what it keeps alive: what is kept for long must
/// not hold on to the file it came from, nor count what other batches count too.
pub fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let shown: u64 = batch.columns().iter().map(shown_bytes).sum();
    if kept_bytes(batch.columns()) <= 2 * shown + SLACK {
        return Ok(batch.clone());
    }
    let columns = batch.columns().iter().map(compact_array).collect::<Result<_>>()?;
    record_batch(&batch.schema(), columns, batch.num_rows())
}

/// Bytes of memory that [`compact`] leaves at most.
pub fn compacted_memory(batch: &RecordBatch) -> u64 {
    let shown: u64 = batch.columns().iter().map(shown_bytes).sum();
    kept_bytes(batch.columns()).min(2 * shown + SLACK) + SLACK
}

/// What buffers are rounded up to is not worth a copy.
const SLACK: u64 = 1024;

/// The column in memory of its own, where it shows less than half of what it keeps alive.
pub fn compact_array(array: &ArrayRef) -> Result<ArrayRef> {
    if array_memory(array) <= 2 * shown_bytes(array) {
        return Ok(array.clone());
    }
    own_copy(array)
}

/// Bytes of memory that a column keeps alive.
pub fn array_memory(array: &ArrayRef) -> u64 {
    kept_bytes(std::slice::from_ref(array))
}

/// Bytes of the allocations behind the columns, each once.
fn kept_bytes(columns: &[ArrayRef]) -> u64 {
    let mut allocations = Vec::new();
    for column in columns {
        add_allocations(&column.to_data(), &mut allocations);
    }
    allocations.sort_unstable_by_key(|(address, bytes)| (*address, std::cmp::Reverse(*bytes)));
    allocations.dedup_by_key(|(address, _)| *address);
    allocations.iter().map(|(_, bytes)| *bytes as u64).sum()
}

/// The addresses and sizes of the allocations behind an array and its items.
fn add_allocations(data: &ArrayData, allocations: &mut Vec<(usize, usize)>) {
    for buffer in data.buffers().iter().chain(data.nulls().map(|nulls| nulls.buffer())) {
        // Allocations that are not Arrow's own do not tell their capacity.
        allocations.push((buffer.data_ptr().as_ptr() as usize, buffer.capacity().max(buffer.len())));
    }
    data.child_data().iter().for_each(|items| add_allocations(items, allocations));
}

/// Bytes that the array needs for what it shows.
pub fn shown_bytes(array: &ArrayRef) -> u64 {
    if let Some(lists) = array.as_list_opt::<i32>() {
        let lists = shown_items(lists);
        return (size_of_val(&**lists.offsets()) + array.len() / 8) as u64 + shown_bytes(lists.values());
    }
    let bytes = match array.as_string_view_opt() {
        Some(views) => {
            let long = if views.data_buffers().is_empty() { 0 } else { views.total_buffer_bytes_used() };
            size_of_val(&**views.views()) + long + array.len() / 8
        }
        None => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_buffer_memory_size()),
    };
    bytes as u64
}

/// Bytes of an encoded item of a list, besides those of a text.
const ENCODED_ITEM_BYTES: usize = 64;

/// Bytes of texts, binaries and lists that a column shows; none for types of a fixed width outside of lists.
pub fn variable_bytes(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().lengths().map(|length| length as usize).sum(),
        DataType::LargeBinary => {
            let offsets = array.as_binary::<i64>().value_offsets();
            let shown = offsets.last().copied().unwrap_or(0) - offsets.first().copied().unwrap_or(0);
            shown as usize + array.len() * size_of::<i64>()
        }
        DataType::List(_) => {
            let lists = shown_items(array.as_list::<i32>());
            // Each item is encoded on its own, in blocks.
            lists.values().len() * ENCODED_ITEM_BYTES + 2 * variable_bytes(lists.values())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let first = list.value_offsets().first().copied().unwrap_or(0) as usize;
            let last = list.value_offsets().last().copied().unwrap_or(0) as usize;
            let shown = list.values().slice(first, last - first);
            match shown.data_type().primitive_width() {
                Some(width) => width * shown.len(),
                None => variable_bytes(&shown),
            }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringViewArray};

    use super::*;

    fn batch(rows: i64) -> RecordBatch {
        let numbers: Int64Array = (0..rows).map(|n| (n % 7 != 0).then_some(n)).collect();
        let texts: StringViewArray = (0..rows).map(|n| Some(format!("a text longer than a view {n}"))).collect();
        RecordBatch::try_from_iter([("n", Arc::new(numbers) as ArrayRef), ("t", Arc::new(texts) as ArrayRef)]).unwrap()
    }

    #[test]
    fn a_small_part_of_a_batch_is_copied_and_a_large_one_is_not() {
        let whole = batch(10_000);
        let part = whole.slice(5_000, 100);
        assert!(batch_memory(&part) > 500_000);
        let copy = compact(&part).unwrap();
        assert_eq!(copy, part);
        assert!(batch_memory(&copy) <= compacted_memory(&part));
        assert!(batch_memory(&copy) < 20_000, "{}", batch_memory(&copy));
        let most = whole.slice(0, 9_000);
        assert_eq!(batch_memory(&compact(&most).unwrap()), batch_memory(&most));
    }

    #[test]
    fn an_allocation_that_columns_share_counts_once() {
        let column = batch(10_000).column(0).clone();
        let once = RecordBatch::try_from_iter([("a", column.clone())]).unwrap();
        let twice = RecordBatch::try_from_iter([("a", column.clone()), ("b", column)]).unwrap();
        assert_eq!(batch_memory(&twice), batch_memory(&once));
    }
}
