//! `parquet_metadata` and `parquet_schema`.

use super::*;

fn facts(facts: ParquetFacts, path: &Path) -> Vec<Vec<(String, Option<String>)>> {
    let table = ParquetFactsTable::open(facts, &[path.to_path_buf()], &Config::default()).unwrap();
    let source = table.scan(&ScanRequest::default(), &context(100)).unwrap();
    let batch = source.open(0, &context(100), &OperatorMetrics::new()).unwrap().next().unwrap().unwrap();
    let names: Vec<String> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(table.row_count(), Some(batch.num_rows() as u64));
    let cell = |row: usize, column: usize| (names[column].clone(), format_value(batch.column(column), row));
    (0..batch.num_rows()).map(|row| (0..names.len()).map(|column| cell(row, column)).collect()).collect()
}

fn of<'a>(row: &'a [(String, Option<String>)], name: &str) -> Option<&'a str> {
    row.iter().find(|(known, _)| known == name).unwrap().1.as_deref()
}

#[test]
fn footers_are_tables_also_of_files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let structs: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Float64, true)),
        Arc::new(Float64Array::from(vec![Some(1.5), None, Some(0.5)])) as ArrayRef,
    )]));
    let amounts = Int64Array::from(vec![Some(7), None, Some(-3)]);
    let path = foreign(&dir.path().join("a.parquet"), vec![("amount", Arc::new(amounts)), ("place", structs)], 2);
    let rows = facts(ParquetFacts::Metadata, &path);
    assert_eq!(rows.len(), 4);
    let first = &rows[0];
    assert_eq!(of(first, "path_in_schema"), Some("amount"));
    assert_eq!((of(first, "row_group_id"), of(first, "row_group_num_rows")), (Some("0"), Some("2")));
    assert_eq!((of(first, "stats_min"), of(first, "stats_max")), (Some("7"), Some("7")));
    assert_eq!((of(first, "stats_null_count"), of(first, "num_values")), (Some("1"), Some("2")));
    assert_eq!((of(first, "type"), of(first, "compression")), (Some("INT64"), Some("UNCOMPRESSED")));
    assert_eq!((of(&rows[1], "path_in_schema"), of(&rows[1], "stats_min")), (Some("place.x"), Some("1.5")));
    let elements = facts(ParquetFacts::Schema, &path);
    let shown: Vec<_> = elements.iter().map(|row| (of(row, "name"), of(row, "type"), of(row, "column_type"))).collect();
    assert_eq!(
        shown,
        [
            (Some("arrow_schema"), None, None),
            (Some("amount"), Some("INT64"), Some("BIGINT")),
            (Some("place"), None, None),
            (Some("x"), Some("DOUBLE"), Some("DOUBLE")),
        ]
    );
    assert!(ParquetFactsTable::open(ParquetFacts::Schema, &[dir.path().join("b")], &Config::default()).is_err());
}
