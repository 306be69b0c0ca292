//! Fields of structs as columns.

use arrow::buffer::NullBuffer;
use arrow::datatypes::Fields;

use super::*;

/// `{x, deep: {name, tags}}`, of which each level may be null.
fn place() -> ArrayRef {
    let mut tags = ListBuilder::new(Int64Builder::new());
    tags.append_value([Some(1), None]);
    tags.append_null();
    tags.append_value([]);
    tags.append_value([Some(4)]);
    let tags = tags.finish();
    let names = StringArray::from(vec![Some("a"), Some("hidden"), None, Some("d")]);
    let deep_fields: Fields =
        vec![Field::new("name", DataType::Utf8, true), Field::new("tags", tags.data_type().clone(), true)].into();
    let deep = StructArray::new(
        deep_fields,
        vec![Arc::new(names), Arc::new(tags)],
        Some(NullBuffer::from(vec![true, false, true, true])),
    );
    let fields: Fields = vec![
        // A field that is never null by itself, in a struct that may be.
        Field::new("x", DataType::Int64, false),
        Field::new("deep", deep.data_type().clone(), true),
    ]
    .into();
    let valid = NullBuffer::from(vec![true, true, true, false]);
    Arc::new(StructArray::new(fields, vec![ints(10..14), Arc::new(deep)], Some(valid)))
}

#[test]
fn fields_of_structs_are_columns_and_null_where_a_struct_above_is() {
    let dir = tempfile::tempdir().unwrap();
    let columns = vec![("before", ints(0..4)), ("place", place()), ("after", ints(4..8))];
    let table = open(&[foreign(&dir.path().join("a.parquet"), columns, 3)]).unwrap();
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["before", "place.x", "place.deep.name", "place.deep.tags", "after"]);
    let all = rows(&table, &ScanRequest::default());
    let shown = |row: [Option<&str>; 5]| row.map(|cell| cell.map(String::from)).to_vec();
    assert_eq!(
        all,
        [
            shown([Some("0"), Some("10"), Some("a"), Some("[1, NULL]"), Some("4")]),
            shown([Some("1"), Some("11"), None, None, Some("5")]),
            shown([Some("2"), Some("12"), None, Some("[]"), Some("6")]),
            shown([Some("3"), None, None, None, Some("7")]),
        ]
    );
    for projection in [vec![2], vec![3, 1], vec![1, 4, 2], vec![2, 2]] {
        let request = ScanRequest { projection: Some(projection.clone()), ..ScanRequest::default() };
        let expected: Vec<Vec<_>> =
            all.iter().map(|row| projection.iter().map(|column| row[*column].clone()).collect()).collect();
        assert_eq!(rows(&table, &request), expected, "{projection:?}");
    }
    for (condition, expected) in [
        (compare(1, DataType::Int64, BinaryOp::Equal, Scalar::int64(12)), 1),
        (compare(2, TEXT, BinaryOp::Equal, Scalar::text("hidden")), 0),
        (
            BoundExpr::Unary { op: UnaryOp::IsNull, expr: Box::new(BoundExpr::column(1, "place.x", &DataType::Int64)) },
            1,
        ),
    ] {
        let request = ScanRequest { filters: vec![condition.clone()], ..ScanRequest::default() };
        assert_eq!(rows(&table, &request).len(), expected, "{condition}");
    }
}

#[test]
fn a_field_without_a_type_in_a_struct_that_may_be_null() {
    let dir = tempfile::tempdir().unwrap();
    let fields: Fields = vec![Field::new("a", DataType::Int64, true), Field::new("n", DataType::Null, true)].into();
    let structs = StructArray::new(
        fields,
        vec![ints(1..4), Arc::new(NullArray::new(3))],
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let table = open(&[foreign(&dir.path().join("a.parquet"), vec![("s", Arc::new(structs))], 10)]).unwrap();
    let expected: Vec<Vec<Option<String>>> =
        vec![vec![Some("1".into()), None], vec![None, None], vec![Some("3".into()), None]];
    assert_eq!(rows(&table, &ScanRequest::default()), expected);
}
