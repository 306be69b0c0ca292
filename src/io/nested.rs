//! Nested columns of files as columns of the engine, which has lists of values and nothing deeper.
//!
//! A struct is a column for each of its fields, `place.x`. A list of structs is a list for each field, `items.sku` and `items.qty`,
//! with the same number of items in a row; a map is a list of keys and one of values, `m.key` and `m.value`. Each such *part* has a
//! path that leads to it from the file's column, and is null where something on the way is: a field of a null struct,
//! all fields of a null list; and an item of each where a struct in a list is null.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, make_array};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};

use crate::error::{Error, Result};
use crate::types::list_of;

/// The names of the parts of a map, whatever the file calls them.
const MAP_PARTS: [&str; 2] = ["key", "value"];

/// A step from a column towards a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the field of a struct.
    Field(String),
    /// To the items of a list, or the entries of a map; what is found there is a list again.
    Items,
}

/// What a column of a file is as a column of the engine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// The column's name, and those of the fields below.
    pub name: String,
    /// How it is found in the file's column.
    pub path: Vec<Step>,
    /// The type of what is found there.
    pub data_type: DataType,
    /// Its first leaf among those of the column.
    pub leaf: usize,
    /// For the keys of a map a leaf of its values, and the other way round: readers want both.
    pub partner: Option<usize>,
}

/// The parts of a column.
pub(super) fn parts(field: &Field) -> Vec<Part> {
    let mut found = Vec::new();
    let at = At { name: field.name().clone(), path: Vec::new(), leaf: 0, partner: None, is_in_list: false };
    visit(field.data_type(), at, &mut found);
    found
}

/// How many leaves a type has in a Parquet schema.
pub(super) fn leaves_of(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaves_of(field.data_type())).sum(),
        DataType::Map(item, _) => leaves_of(item.data_type()),
        other => items_of(other).map_or(1, |item| leaves_of(item.data_type())),
    }
}

/// Where the walk through a type is.
#[derive(Clone)]
struct At {
    name: String,
    path: Vec<Step>,
    leaf: usize,
    partner: Option<usize>,
    is_in_list: bool,
}

impl At {
    fn below(&self, field: &str, name: &str, leaf: usize) -> Self {
        let mut below = self.clone();
        below.name = format!("{}.{name}", self.name);
        below.path.push(Step::Field(field.to_string()));
        below.leaf = leaf;
        below
    }

    fn items(mut self) -> Self {
        self.path.push(Step::Items);
        self.is_in_list = true;
        self
    }
}

fn items_of(data_type: &DataType) -> Option<&FieldRef> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Some(item),
        _ => None,
    }
}

fn visit(data_type: &DataType, at: At, found: &mut Vec<Part>) {
    let structs = |data_type: &DataType| matches!(data_type, DataType::Struct(_));
    match data_type {
        DataType::Struct(fields) => {
            let mut leaf = at.leaf;
            for field in fields {
                visit(field.data_type(), at.below(field.name(), field.name(), leaf), found);
                leaf += leaves_of(field.data_type());
            }
        }
        DataType::Map(entries, _) if !at.is_in_list => {
            let DataType::Struct(fields) = entries.data_type() else { return };
            let (at, first) = (at.items(), at_first_value(fields));
            let mut leaf = at.leaf;
            for (field, name) in fields.iter().zip(MAP_PARTS) {
                let mut below = at.below(field.name(), name, leaf);
                below.partner = Some(if leaf == at.leaf { at.leaf + first } else { at.leaf });
                visit(field.data_type(), below, found);
                leaf += leaves_of(field.data_type());
            }
        }
        other => match items_of(other) {
            Some(item) if !at.is_in_list && structs(item.data_type()) => visit(item.data_type(), at.items(), found),
            _ => {
                let At { name, path, leaf, partner, is_in_list } = at;
                let data_type = if is_in_list { list_of(other.clone()) } else { other.clone() };
                found.push(Part { name, path, data_type, leaf, partner });
            }
        },
    }
}

/// The first leaf of the values of a map, behind those of its keys.
fn at_first_value(fields: &[FieldRef]) -> usize {
    fields.first().map_or(0, |key| leaves_of(key.data_type()))
}

/// The part of an array that a path leads to. Of structs only the fields that are asked for need be there.
///
/// # Errors
/// Where the array is not of the type that the path was made for.
pub(super) fn follow(array: &ArrayRef, path: &[Step]) -> Result<ArrayRef> {
    match path.split_first() {
        None => Ok(array.clone()),
        Some((Step::Field(name), rest)) => follow(&field(array, name)?, rest),
        Some((Step::Items, rest)) => {
            let (offsets, items, nulls) = items(array)?;
            let items = follow(&items, rest)?;
            let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
            Ok(Arc::new(ListArray::try_new(field, offsets, items, nulls)?))
        }
    }
}

fn missing() -> Error {
    Error::internal("the reader left out a part of a column")
}

/// The field of a struct, null also where the struct is.
fn field(array: &ArrayRef, name: &str) -> Result<ArrayRef> {
    let structs = array.as_struct_opt().ok_or_else(missing)?;
    let field = structs.column_by_name(name).ok_or_else(missing)?;
    // Columns of type NULL have no validity of their own.
    let hidden = structs.nulls().filter(|nulls| nulls.null_count() > 0 && *field.data_type() != DataType::Null);
    let Some(hidden) = hidden else { return Ok(field.clone()) };
    let nulls = NullBuffer::union(Some(hidden), field.logical_nulls().as_ref());
    Ok(make_array(field.to_data().into_builder().nulls(nulls).build()?))
}

/// What lists are made of: where each begins and ends, the items, and which lists are null.
type Items = (OffsetBuffer<i32>, ArrayRef, Option<NullBuffer>);

fn items(array: &ArrayRef) -> Result<Items> {
    if let Some(lists) = array.as_list_opt::<i32>() {
        return Ok((lists.offsets().clone(), lists.values().clone(), lists.nulls().cloned()));
    }
    if let Some(maps) = array.as_map_opt() {
        let entries: ArrayRef = Arc::new(maps.entries().clone());
        return Ok((maps.offsets().clone(), entries, maps.nulls().cloned()));
    }
    if let Some(lists) = array.as_list_opt::<i64>() {
        let too_many = || Error::data("a batch of lists has more than 2^31 items");
        let offsets = lists.offsets().iter().map(|&offset| i32::try_from(offset).map_err(|_| too_many()));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets.collect::<Result<Vec<i32>>>()?));
        return Ok((offsets, lists.values().clone(), lists.nulls().cloned()));
    }
    if let Some(lists) = array.as_fixed_size_list_opt() {
        let length = usize::try_from(lists.value_length()).map_err(|_| missing())?;
        let offsets = OffsetBuffer::from_repeated_length(length, lists.len());
        return Ok((offsets, lists.values().clone(), lists.nulls().cloned()));
    }
    match array.data_type() {
        DataType::ListView(item) | DataType::LargeListView(item) => items(&cast(array, &DataType::List(item.clone()))?),
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Fields;

    use super::*;

    #[test]
    fn parts_have_names_paths_and_leaves() {
        let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
        let structs = |fields: Vec<Field>| DataType::Struct(Fields::from(fields));
        let item = structs(vec![
            field("sku", DataType::Utf8View),
            field("at", structs(vec![field("x", DataType::Int64)])),
            field("tags", list_of(DataType::Int32)),
        ]);
        let value = structs(vec![field("a", DataType::Int8), field("b", DataType::Int16)]);
        let entries = field("entries", structs(vec![field("k", DataType::Int64), field("v", value)]));
        let column = structs(vec![
            field("items", list_of(item)),
            field("m", DataType::Map(Arc::new(entries), false)),
            field("plain", DataType::Boolean),
            field("list", list_of(DataType::Date32)),
        ]);
        let found = parts(&field("c", column.clone()));
        let shown = found.iter().map(|part| {
            let path = part.path.iter().map(|step| match step {
                Step::Field(name) => name.as_str(),
                Step::Items => "*",
            });
            let path = path.collect::<Vec<_>>().join("/");
            format!("{} {path} {} {:?}", part.name, part.leaf, part.partner)
        });
        let expected = [
            "c.items.sku items/*/sku 0 None",
            "c.items.at.x items/*/at/x 1 None",
            "c.items.tags items/*/tags 2 None",
            "c.m.key m/*/k 3 Some(4)",
            "c.m.value.a m/*/v/a 4 Some(3)",
            "c.m.value.b m/*/v/b 5 Some(3)",
            "c.plain plain 6 None",
            "c.list list 7 None",
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        assert_eq!(leaves_of(&column), 8);
        assert_eq!(found[1].data_type, list_of(DataType::Int64));
        assert_eq!(found[2].data_type, list_of(list_of(DataType::Int32)), "a list of lists, which nobody reads");
    }
}
