//! Columns of lists, from others and from ourselves.

use arrow::datatypes::{Int32Type, TimestampNanosecondType};

use super::*;
use crate::types::list_of;

#[test]
fn lists_of_others_are_read_and_ours_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let lists = vec![Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(3)])];
    let numbers = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
    let of_moments = vec![None, Some(vec![Some(5_000), None]), Some(vec![]), None];
    let moments = LargeListArray::from_iter_primitive::<TimestampNanosecondType, _, _>(of_moments);
    let mut texts = ListBuilder::new(StringBuilder::new());
    texts.values().append_value("a longer text than a view");
    texts.values().append_null();
    texts.append(true);
    (0..3).for_each(|_| texts.append(false));
    let columns: Vec<(&str, ArrayRef)> =
        vec![("n", Arc::new(numbers)), ("m", Arc::new(moments)), ("s", Arc::new(texts.finish())), ("a", ints(0..4))];
    let foreign = foreign(&dir.path().join("foreign.parquet"), columns, 3);
    let expected = [
        some(&["[1, NULL]", "NULL", "[a longer text than a view, NULL]", "0"]),
        some(&["NULL", "[1970-01-01 00:00:00.000005, NULL]", "NULL", "1"]),
        some(&["[]", "[]", "NULL", "2"]),
        some(&["[3]", "NULL", "NULL", "3"]),
    ];
    let expected =
        expected.map(|row| row.into_iter().map(|cell| cell.filter(|cell| cell != "NULL")).collect::<Vec<_>>());
    let table = open(std::slice::from_ref(&foreign)).unwrap();
    assert_eq!(rows(&table, &ScanRequest::default()), expected);
    // The footer counts the nulls among the items: nothing is ruled out by them.
    let is_null =
        BoundExpr::Unary { op: UnaryOp::IsNull, expr: Box::new(BoundExpr::column(0, "n", &list_of(DataType::Int32))) };
    let request = ScanRequest { filters: vec![is_null], ..ScanRequest::default() };
    assert!(rows(&table, &request).contains(&expected[1]));
    let batches = read(&table, &ScanRequest::default(), &context(10)).unwrap();
    let ours = dir.path().join("ours.parquet");
    let mut sink = FileSink::new(&ours, &WriteOptions::default(), table.schema(), &WriteContext::default()).unwrap();
    batches.iter().for_each(|batch| sink.write(batch).unwrap());
    sink.commit().unwrap();
    assert_eq!(rows(&open(&[ours]).unwrap(), &ScanRequest::default()), expected);
}
