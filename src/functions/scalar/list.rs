//! Functions of lists: making one, its length, its items, its text. Items are counted from 1, from the end below 0.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{interleave, take};
use arrow::datatypes::{DataType, Field, Int64Type};

use super::kernel::{Argument, argument, finish, list, map_primitive, map_text, primitive, rows_of, text};
use super::signature::Take;
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::temporal::format_value;
use crate::types::{TEXT, list_item, list_of};

const CATEGORY: &str = "list";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "list_value" | "list_pack",
        "list_value(item, …)",
        "A list of these items; [1, 2] and ARRAY[1, 2] are the same.",
        |call| {
            let item = match call.types {
                [] => return Err(call.error("a list without items has no type")),
                types if types.iter().any(|item| list_item(item).is_some()) => {
                    return Err(call.error("lists of lists are not there yet"));
                }
                _ => match call.common(0)? {
                    DataType::Null => TEXT,
                    item => item,
                },
            };
            Ok(Signature { arguments: vec![item.clone(); call.types.len()], result: list_of(item) })
        },
        |args, rows, _| value(args, rows)
    ),
    function!(
        "array_length" | "cardinality" | "list_length",
        "array_length(list)",
        "The number of items, nulls among them.",
        |call| call.returns(&[Take::List], &[], DataType::Int64),
        |args, rows, _| length(args, rows)
    ),
    function!(
        "list_extract" | "array_extract" | "list_element" | "element_at",
        "list_extract(list, index)",
        "The item with that index, from 1, or below 0 from the end; null where there is none. list[index] is the same.",
        |call| {
            let arguments = call.arguments(&[Take::List, Take::Integer], &[])?;
            let item = arguments.first().and_then(list_item).cloned().unwrap_or(DataType::Null);
            Ok(Signature { arguments, result: item })
        },
        |args, rows, _| {
            let (lists, indices) = (list(args, 0)?, primitive::<Int64Type>(args, 1)?);
            let places = (0..rows_of(args, rows)).map(|row| place(&lists, row, indices.get(row)?));
            // A list has fewer than 2^31 items.
            let places: UInt32Array = places.map(|place| place.and_then(|place| u32::try_from(place).ok())).collect();
            Ok(finish(args, take(lists.array().values(), &places, None)?))
        }
    ),
    function!(
        "array_to_string" | "list_to_string",
        "array_to_string(list, separator [, null])",
        "The items as one text; nulls are left out, or stand as that text.",
        |call| call.returns(&[Take::List, Take::Text], &[Take::Text], TEXT),
        |args, rows, _| joined(args, rows)
    ),
    function!(
        "unnest",
        "unnest(list)",
        "A row for each item; rows without items go. Several in one SELECT go on side by side, the shorter ones null behind their \
         end. In FROM: FROM t, unnest(t.list) AS u(item), and LEFT JOIN … ON true, which keeps rows without items.",
        |call| Err(call.error("it stands in SELECT, GROUP BY, ORDER BY and FROM")),
        |_, _, _| Err(Error::internal("unnest was not bound to a node of the plan"))
    ),
];

/// Where the items of the list at a row are.
fn items(lists: &Argument<&ListArray>, row: usize) -> Option<std::ops::Range<usize>> {
    let row = lists.valid_index(row)?;
    let offsets = lists.array().value_offsets();
    Some(offsets[row] as usize..offsets[row + 1] as usize)
}

fn place(lists: &Argument<&ListArray>, row: usize, index: i64) -> Option<usize> {
    let items = items(lists, row)?;
    let length = i64::try_from(items.len()).ok()?;
    let from_start = match index {
        1.. => index - 1,
        _ => length.checked_add(index).filter(|_| index < 0)?,
    };
    (0..length).contains(&from_start).then(|| items.start + from_start as usize)
}

/// The number of items of each list.
pub(super) fn length(args: &[Value], rows: usize) -> Result<Value> {
    let lists = list(args, 0)?;
    map_primitive::<Int64Type>(args, rows, |row| Ok(items(&lists, row).and_then(|items| items.len().try_into().ok())))
}

fn value(args: &[Value], rows: usize) -> Result<Value> {
    let rows = rows_of(args, rows);
    let item = argument(args, 0)?.data_type().clone();
    let columns: Vec<&dyn Array> = args.iter().map(|arg| arg.values().as_ref()).collect();
    let stride = |column: usize| usize::from(!args[column].is_scalar());
    let places: Vec<_> =
        (0..rows).flat_map(|row| (0..columns.len()).map(move |column| (column, row * stride(column)))).collect();
    i32::try_from(places.len()).map_err(|_| Error::resource("a batch of lists has more than 2^31 items"))?;
    let items = interleave(&columns, &places)?;
    let offsets = OffsetBuffer::from_repeated_length(columns.len(), rows);
    let lists: ArrayRef =
        Arc::new(ListArray::try_new(Arc::new(Field::new_list_field(item, true)), offsets, items, None)?);
    Ok(finish(args, lists))
}

fn joined(args: &[Value], rows: usize) -> Result<Value> {
    let (lists, separator) = (list(args, 0)?, text(args, 1)?);
    let null = if args.len() > 2 { Some(text(args, 2)?) } else { None };
    let values = lists.array().values();
    let texts = values.as_string_view_opt();
    map_text(args, rows, |row, out| {
        let (Some(items), Some(separator)) = (items(&lists, row), separator.get(row)) else { return Ok(None) };
        let null = null.as_ref().and_then(|null| null.get(row));
        let mut is_first = true;
        for item in items.filter(|item| null.is_some() || values.is_valid(*item)) {
            if !std::mem::take(&mut is_first) {
                out.push_str(separator);
            }
            match texts {
                _ if values.is_null(item) => out.push_str(null.unwrap_or_default()),
                Some(texts) => out.push_str(texts.value(item)),
                None => out.push_str(&format_value(values, item).unwrap_or_default()),
            }
        }
        Ok(Some(()))
    })
}
