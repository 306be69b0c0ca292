//! Lists of values of one type, and their text: `[1, 2, NULL]`.

use std::sync::Arc;

use arrow::array::{Array, ListArray};
use arrow::datatypes::{DataType, Field};

use super::TEXT;
use super::temporal::format_value;

/// What a null is within the text of a list.
const NULL: &str = "NULL";

/// The type of lists of a type. Items may be null, and are no lists themselves.
pub fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// The type of the items of a list; `None` of other types.
pub fn list_item(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(field) => Some(field.data_type()),
        _ => None,
    }
}

/// Whether it is a type of lists.
pub fn is_list(data_type: &DataType) -> bool {
    list_item(data_type).is_some()
}

/// The text of the list at `row`.
pub(super) fn format_list(lists: &ListArray, row: usize) -> String {
    let items = lists.value(row);
    let is_text = *items.data_type() == TEXT;
    let mut out = Vec::new();
    append_list(items.len(), &mut out, |item, out| match format_value(&items, item) {
        None => false,
        Some(text) if is_text => {
            append_text_item(&text, out);
            true
        }
        Some(text) => {
            out.extend_from_slice(text.as_bytes());
            true
        }
    });
    String::from_utf8(out).unwrap_or_default()
}

/// Appends the text of a list of so many items: `item` appends the text of one, or says that it is null.
pub fn append_list(length: usize, out: &mut Vec<u8>, mut item: impl FnMut(usize, &mut Vec<u8>) -> bool) {
    out.push(b'[');
    for index in 0..length {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        if !item(index, out) {
            out.extend_from_slice(NULL.as_bytes());
        }
    }
    out.push(b']');
}

/// Appends a text within a list: in quotes where it could be taken for something else, as DuckDB has it.
pub fn append_text_item(text: &str, out: &mut Vec<u8>) {
    let telling = |c: char| ",[]{}()'\":=\\".contains(c);
    let quoted = text.is_empty() || text.eq_ignore_ascii_case(NULL) || text.trim() != text || text.contains(telling);
    if !quoted {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'\'');
    for byte in text.bytes() {
        if byte == b'\'' || byte == b'\\' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float64Array, StringViewArray};
    use arrow::buffer::{NullBuffer, OffsetBuffer};

    use super::*;

    fn shown(items: ArrayRef) -> Option<String> {
        let DataType::List(field) = list_of(items.data_type().clone()) else { unreachable!() };
        let offsets = OffsetBuffer::from_lengths([items.len(), 0]);
        let lists = ListArray::new(field, offsets, items, Some(NullBuffer::from(vec![true, false])));
        assert_eq!(format_value(&lists, 1), None);
        format_value(&lists, 0)
    }

    #[test]
    fn lists_look_as_in_duckdb() {
        let texts = ["a", "b c", "x,y", "it's", "[a]", "", "NULL", " a", "\\"].map(Some);
        let texts = texts.into_iter().chain([None]).collect::<StringViewArray>();
        let expected = r"[a, b c, 'x,y', 'it\'s', '[a]', '', 'NULL', ' a', '\\', NULL]";
        assert_eq!(shown(Arc::new(texts)).unwrap(), expected);
        assert_eq!(shown(Arc::new(Float64Array::from(vec![Some(1.5), None]))).unwrap(), "[1.5, NULL]");
        assert_eq!(shown(Arc::new(Float64Array::from(Vec::<f64>::new()))).unwrap(), "[]");
    }
}
