//! Structs, lists of structs and maps as columns for their parts.

use arrow::buffer::{NullBuffer, OffsetBuffer};
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

/// Lists of structs `{sku, deep: {n}}` and maps of text to numbers, with nulls at each level: of the list, its structs, the
/// structs below, and the values.
fn lists_and_maps() -> Vec<(&'static str, ArrayRef)> {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3), Some(4), Some(5)]));
    let deep_fields: Fields = vec![Field::new("n", DataType::Int32, true)].into();
    let deep =
        StructArray::new(deep_fields, vec![numbers], Some(NullBuffer::from(vec![true, true, true, false, true])));
    let fields: Fields =
        vec![Field::new("sku", DataType::Utf8, true), Field::new("deep", deep.data_type().clone(), true)].into();
    let skus = Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("d"), Some("e")]));
    let valid = NullBuffer::from(vec![true, true, false, true, true]);
    let structs = StructArray::new(fields, vec![skus, Arc::new(deep)], Some(valid));
    let item = Arc::new(Field::new("element", structs.data_type().clone(), true));
    let valid = NullBuffer::from(vec![true, false, true, true, true]);
    let offsets = OffsetBuffer::from_lengths([2, 0, 0, 3, 0]);
    let items = ListArray::new(item, offsets, Arc::new(structs), Some(valid));
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for row in [Some(vec![("x", Some(1)), ("y", None)]), None, Some(Vec::new()), Some(vec![("y", Some(4))]), None] {
        for (key, value) in row.iter().flatten() {
            maps.keys().append_value(key);
            maps.values().append_option(*value);
        }
        maps.append(row.is_some()).unwrap();
    }
    vec![("before", ints(0..5)), ("items", Arc::new(items)), ("m", Arc::new(maps.finish())), ("after", ints(5..10))]
}

const LISTED: [[Option<&str>; 6]; 5] = [
    [Some("0"), Some("[a, b]"), Some("[1, NULL]"), Some("[x, y]"), Some("[1, NULL]"), Some("5")],
    [Some("1"), None, None, None, None, Some("6")],
    [Some("2"), Some("[]"), Some("[]"), Some("[]"), Some("[]"), Some("7")],
    [Some("3"), Some("[NULL, d, e]"), Some("[NULL, NULL, 5]"), Some("[y]"), Some("[4]"), Some("8")],
    [Some("4"), Some("[]"), Some("[]"), None, None, Some("9")],
];

#[test]
fn lists_of_structs_and_maps_are_lists_of_their_parts() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&[foreign(&dir.path().join("a.parquet"), lists_and_maps(), 3)]).unwrap();
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["before", "items.sku", "items.deep.n", "m.key", "m.value", "after"]);
    // Any choice of parts is the same as all of them: of a list some fields, of a map one side.
    for chosen in 0..64_usize {
        let projection: Vec<usize> = (0..6).filter(|column| chosen & (1 << column) != 0).rev().collect();
        let request = ScanRequest { projection: Some(projection.clone()), ..ScanRequest::default() };
        let expected: Vec<Vec<_>> =
            LISTED.iter().map(|row| projection.iter().map(|column| row[*column].map(String::from)).collect()).collect();
        assert_eq!(rows(&table, &request), expected, "{projection:?}");
    }
    // Columns read late, beside one that a condition is on.
    for (row, expected) in LISTED.iter().enumerate() {
        let condition = compare(0, DataType::Int64, BinaryOp::Equal, Scalar::int64(row as i64));
        let request = ScanRequest { projection: Some(vec![2, 4]), filters: vec![condition], ..ScanRequest::default() };
        assert_eq!(rows(&table, &request), [vec![expected[2].map(String::from), expected[4].map(String::from)]]);
    }
}

#[test]
fn parts_that_were_read_are_written_as_lists_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let table = open(&[foreign(&dir.path().join("a.parquet"), lists_and_maps(), 3)]).unwrap();
    let path = dir.path().join("again.parquet");
    let mut sink = FileSink::new(&path, &WriteOptions::default(), table.schema(), &WriteContext::default()).unwrap();
    for batch in read(&table, &ScanRequest::default(), &context(2)).unwrap() {
        sink.write(&batch).unwrap();
    }
    sink.commit().unwrap();
    let again = open(&[path]).unwrap();
    assert_eq!(again.schema(), table.schema());
    assert_eq!(rows(&again, &ScanRequest::default()), rows(&table, &ScanRequest::default()));
}

#[test]
fn lists_of_lists_are_named_and_left_out_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut inner = ListBuilder::new(Int64Builder::new());
    inner.append_value([Some(1)]);
    inner.append_null();
    let inner: ArrayRef = Arc::new(inner.finish());
    let fields: Fields =
        vec![Field::new("n", DataType::Int64, true), Field::new("tags", inner.data_type().clone(), true)].into();
    let structs = StructArray::new(fields, vec![ints(1..3), inner.clone()], None);
    let list = |items: ArrayRef| -> ArrayRef {
        let item = Arc::new(Field::new("element", items.data_type().clone(), true));
        Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([2]), items, None))
    };
    let columns = vec![("lists", list(inner)), ("items", list(Arc::new(structs))), ("id", ints(0..1))];
    let path = foreign(&dir.path().join("a.parquet"), columns, 10);
    let error = open(std::slice::from_ref(&path)).unwrap_err().to_string();
    assert!(error.contains("\"lists\" (list of lists), \"items.tags\" (list of lists)"), "{error}");
    let skipping = options("skip_unsupported", OptionValue::Boolean(true));
    let table = ParquetTable::open(vec![path], &skipping, &Config::default()).unwrap();
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["items.n", "id"]);
    assert_eq!(column(&table, 0), some(&["[1, 2]"]));
}

#[test]
fn lists_of_a_fixed_size_are_lists() {
    let dir = tempfile::tempdir().unwrap();
    let mut vectors = FixedSizeListBuilder::new(Float32Builder::new(), 2);
    for vector in [Some([1.0, 0.5]), None, Some([2.0, 0.25])] {
        vector.unwrap_or_default().iter().for_each(|value| vectors.values().append_value(*value));
        vectors.append(vector.is_some());
    }
    let table = open(&[foreign(&dir.path().join("a.parquet"), vec![("v", Arc::new(vectors.finish()))], 10)]).unwrap();
    let expected = [Some("[1.0, 0.5]"), None, Some("[2.0, 0.25]")];
    assert_eq!(column(&table, 0), expected.map(|text| text.map(String::from)));
}
