//! Searching in lists and maps. A map is a list of keys and one of values beside it (`plan::nested` makes two of one).

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt32Array};
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

/// Where a value is in each list.
struct Search {
    lists: ListArray,
    /// The lists are one for all rows.
    is_one_list: bool,
    /// For each item whether it is the value; of one list for all rows, for each row anew.
    is_equal: BooleanArray,
    /// Which rows have a value to look for.
    wanted: ArrayRef,
    is_one_value: bool,
}

impl Search {
    /// Looks for the argument `value` in the lists of the first one, the items of all lists at once.
    fn new(args: &[Value], value: usize, rows: usize) -> Result<Self> {
        let rows = rows_of(args, rows);
        let (lists, wanted) = (argument(args, 0)?, argument(args, value)?);
        let (is_one_list, is_one_value) = (lists.is_scalar(), wanted.is_scalar());
        // One list and many values: the list is repeated.
        let array = if is_one_list && !is_one_value { lists.clone().into_array(rows) } else { lists.values().clone() };
        let is_one_list = is_one_list && is_one_value;
        let lists = array.as_list_opt::<i32>().ok_or_else(|| Error::internal("a search in what is no list"))?.clone();
        let wanted = normalize_equal(wanted.values());
        let items = normalize_equal(lists.values());
        let is_equal = if is_one_value {
            eq(&items, &Value::Scalar(Scalar::from_array(&wanted, 0)))?
        } else {
            let offsets = lists.value_offsets();
            let mut rows_of_items = vec![0_u32; items.len()];
            for (row, ends) in offsets.windows(2).enumerate() {
                if let Some(items) = rows_of_items.get_mut(ends[0] as usize..ends[1] as usize) {
                    items.fill(row as u32);
                }
            }
            eq(&items, &take(&wanted, &UInt32Array::from(rows_of_items), None)?)?
        };
        Ok(Self { lists, is_one_list, is_equal, wanted, is_one_value })
    }

    /// The place of the first item that is the value in the list of a row; `None` where the list or the value is null.
    fn at(&self, row: usize) -> Option<Option<usize>> {
        let list = if self.is_one_list { 0 } else { row };
        if self.lists.is_null(list) || self.wanted.is_null(if self.is_one_value { 0 } else { row }) {
            return None;
        }
        let offsets = self.lists.value_offsets();
        let mut items = *offsets.get(list)? as usize..*offsets.get(list + 1)? as usize;
        let start = items.start;
        Some(items.find(|&item| self.is_equal.is_valid(item) && self.is_equal.value(item)).map(|item| item - start))
    }
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
