//! Searching in lists and maps. A map is a list of keys and one of values beside it (`plan::nested` makes two of one).

use arrow::array::{Array, AsArray, ListArray, UInt32Array};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type};

use super::kernel::{argument, finish, list, map_boolean, map_primitive, rows_of};
use super::signature::{Call, Take};
use super::{ScalarFunction, Signature, Value};
use crate::batch::normalize_equal;
use crate::error::{Error, Result};
use crate::types::coercion::common_type;
use crate::types::{Scalar, TEXT, list_item, list_of, sql_name};

const CATEGORY: &str = "list";

/// The value that a map has for a key.
pub const MAP_EXTRACT_VALUE: &str = "map_extract_value";
/// The keys of a map.
pub const MAP_KEYS: &str = "map_keys";
/// The values of a map.
pub const MAP_VALUES: &str = "map_values";

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "list_contains" | "array_contains" | "list_has" | "array_has",
        "list_contains(list, value)",
        "Whether the value is an item of the list; null where one of them is null.",
        |call| {
            let arguments = call.arguments(&[Take::List, Take::Any], &[])?;
            searched(call, arguments, DataType::Boolean)
        },
        |args, rows, _| {
            let found = Search::new(args, 1, rows)?;
            map_boolean(args, rows, |row| Ok(found.at(row).map(|place| place.is_some())))
        }
    ),
    function!(
        "list_position" | "array_position" | "list_indexof" | "array_indexof",
        "list_position(list, value)",
        "The index of the first item that is the value, from 1; null where there is none.",
        |call| {
            let arguments = call.arguments(&[Take::List, Take::Any], &[])?;
            searched(call, arguments, DataType::Int64)
        },
        |args, rows, _| {
            let found = Search::new(args, 1, rows)?;
            map_primitive::<Int64Type>(args, rows, |row| {
                Ok(found.at(row).flatten().and_then(|place| i64::try_from(place + 1).ok()))
            })
        }
    ),
    function!(
        "map_extract_value",
        "map_extract_value(map, key)",
        "The value that the map has for the key; null where there is none. map[key] and element_at(map, key) are the same.",
        |call| {
            let [_, values, _] = call.types else {
                return Err(call.error("it takes a map and a key: a map m is the lists m.key and m.value"));
            };
            let value = list_item(values).cloned().unwrap_or(DataType::Null);
            let arguments = call.arguments(&[Take::List, Take::List, Take::Any], &[])?;
            searched(call, arguments, value)
        },
        |args, rows, _| map_value(args, rows)
    ),
    function!(
        "map_keys",
        "map_keys(map)",
        "The keys of the map, as a list: the column map.key.",
        |call| Err(call.error("it takes a map")),
        |_, _, _| Err(Error::internal("a map that was not bound"))
    ),
    function!(
        "map_values",
        "map_values(map)",
        "The values of the map, as a list: the column map.value.",
        |call| Err(call.error("it takes a map")),
        |_, _, _| Err(Error::internal("a map that was not bound"))
    ),
];

/// The signature of a search for the last argument among the items of the first, which meet in one type.
fn searched(call: &Call<'_>, mut arguments: Vec<DataType>, result: DataType) -> Result<Signature> {
    let (Some(item), Some(wanted)) = (arguments.first().and_then(list_item).cloned(), arguments.last().cloned()) else {
        return Err(call.error("it takes a list"));
    };
    // A text may be a constant that says a date, say.
    let met = if wanted == TEXT { Some(item.clone()) } else { common_type(&item, &wanted) };
    let Some(met) = met.filter(|met| list_item(met).is_none()) else {
        return Err(call.error(&format!("there is no {} among items of {}", sql_name(&wanted), sql_name(&item))));
    };
    if let [first, .., last] = arguments.as_mut_slice() {
        (*first, *last) = (list_of(met.clone()), met);
    }
    Ok(Signature { arguments, result })
}

/// Where a value is in a list: the place of the first item that is it; `None` where the list or the value is null.
type Found = Option<Option<usize>>;

/// Where a value is in each list.
struct Search {
    found: Vec<Found>,
    /// It is the same for all rows.
    is_one: bool,
}

impl Search {
    /// Looks for the argument `value` in the lists of the first one.
    fn new(args: &[Value], value: usize, rows: usize) -> Result<Self> {
        let (lists, wanted) = (argument(args, 0)?, argument(args, value)?);
        let is_one = lists.is_scalar() && wanted.is_scalar();
        let found = match lists.is_scalar() {
            true => in_one_list(lists, wanted, if is_one { 1 } else { rows_of(args, rows) })?,
            false => in_lists(lists, wanted)?,
        };
        Ok(Self { found, is_one })
    }

    fn at(&self, row: usize) -> Found {
        self.found.get(if self.is_one { 0 } else { row }).copied().flatten()
    }
}

fn lists_of(value: &Value) -> Result<&ListArray> {
    value.values().as_list_opt::<i32>().ok_or_else(|| Error::internal("a search in what is no list"))
}

/// Item by item: the list is not repeated for each row.
fn in_one_list(lists: &Value, wanted: &Value, rows: usize) -> Result<Vec<Found>> {
    let lists = lists_of(lists)?;
    if lists.is_null(0) {
        return Ok(vec![None; rows]);
    }
    let (items, wanted) = (normalize_equal(&lists.value(0)), normalize_equal(wanted.values()));
    let mut found: Vec<Found> = (0..rows).map(|row| wanted.is_valid(row).then_some(None)).collect();
    for item in (0..items.len()).filter(|item| items.is_valid(*item)) {
        let is_equal = eq(&wanted, &Value::Scalar(Scalar::from_array(&items, item)))?;
        for row in is_equal.values().set_indices() {
            if let Some(Some(place @ None)) = found.get_mut(row) {
                *place = Some(item);
            }
        }
    }
    Ok(found)
}

/// All items of all lists at once.
fn in_lists(lists: &Value, wanted: &Value) -> Result<Vec<Found>> {
    let lists = lists_of(lists)?;
    let is_same = wanted.is_scalar();
    let (items, wanted) = (normalize_equal(lists.values()), normalize_equal(wanted.values()));
    let ends = lists.value_offsets().windows(2).map(|ends| ends[0] as usize..ends[1] as usize);
    let is_equal = if is_same {
        eq(&items, &Value::Scalar(Scalar::from_array(&wanted, 0)))?
    } else {
        let mut rows = vec![0_u32; items.len()];
        for (row, items) in ends.clone().enumerate() {
            if let Some(rows) = rows.get_mut(items) {
                rows.fill(row as u32);
            }
        }
        eq(&items, &take(&wanted, &UInt32Array::from(rows), None)?)?
    };
    let is_it = |item: &usize| is_equal.is_valid(*item) && is_equal.value(*item);
    let found = ends.enumerate().map(|(row, mut items)| {
        let start = items.start;
        let is_known = lists.is_valid(row) && wanted.is_valid(if is_same { 0 } else { row });
        is_known.then(|| items.find(is_it).map(|item| item - start))
    });
    Ok(found.collect())
}

fn map_value(args: &[Value], rows: usize) -> Result<Value> {
    let found = Search::new(args, 2, rows)?;
    let values = list(args, 1)?;
    let place = |row: usize| {
        let key = found.at(row).flatten()?;
        let row = values.valid_index(row)?;
        let (start, end) =
            (values.array().value_offsets()[row] as usize, values.array().value_offsets()[row + 1] as usize);
        u32::try_from(start + key).ok().filter(|_| start + key < end)
    };
    let places: UInt32Array = (0..rows_of(args, rows)).map(place).collect();
    Ok(finish(args, take(values.array().values(), &places, None)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    use super::*;

    type List = Option<Vec<Option<i64>>>;

    fn lists(of: &[List]) -> ArrayRef {
        let items: Int64Array = of.iter().flatten().flatten().copied().collect();
        let offsets = OffsetBuffer::from_lengths(of.iter().map(|list| list.as_ref().map_or(0, Vec::len)));
        let nulls = NullBuffer::from(of.iter().map(Option::is_some).collect::<Vec<_>>());
        let field = Arc::new(Field::new_list_field(DataType::Int64, true));
        Arc::new(ListArray::new(field, offsets, Arc::new(items), Some(nulls)))
    }

    /// The argument, or its first row for all rows.
    fn argument_of(array: ArrayRef, is_one: bool) -> Value {
        if is_one { Value::Scalar(Scalar::from_array(&array, 0)) } else { Value::Array(array) }
    }

    proptest! {
        #[test]
        fn places_are_those_of_a_plain_search(
            rows in prop::collection::vec(
                (prop::option::of(prop::collection::vec(prop::option::of(0_i64..4), 0..5)), prop::option::of(0_i64..5)),
                1..12,
            ),
            one_list: bool,
            one_value: bool,
            hidden in 0_usize..3,
        ) {
            let start = hidden.min(rows.len() - 1);
            let shown = &rows[start..];
            let all: Vec<List> = rows.iter().map(|(list, _)| list.clone()).collect();
            let wanted: ArrayRef = Arc::new(shown.iter().map(|(_, value)| *value).collect::<Int64Array>());
            let args = [
                argument_of(lists(&all).slice(start, shown.len()), one_list),
                argument_of(wanted, one_value),
            ];
            let found = Search::new(&args, 1, shown.len()).unwrap();
            for row in 0..shown.len() {
                let list = &shown[if one_list { 0 } else { row }].0;
                let value = shown[if one_value { 0 } else { row }].1;
                let expected = match (list, value) {
                    (Some(list), Some(value)) => Some(list.iter().position(|item| *item == Some(value))),
                    _ => None,
                };
                prop_assert_eq!(found.at(row), expected);
            }
        }
    }
}
