//! Against a twin that makes rows one by one, and the bounds of what is put out at once.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, ListArray, StringViewArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use super::*;
use crate::operators::testing::{context, operate};
use crate::types::temporal::format_value;
use crate::types::{DataType, Field, Schema, TEXT, list_of};

/// Items, with nulls among them; `None` is a null list.
type List = Option<Vec<Option<i64>>>;

#[derive(Clone, Debug)]
struct Row {
    id: i64,
    a: List,
    b: List,
}

impl Row {
    fn name(&self) -> Option<String> {
        (self.id % 3 > 0).then(|| format!("the name of row {}", self.id))
    }
}

fn lists(of: &[List]) -> ListArray {
    let lengths = of.iter().map(|list| list.as_ref().map_or(0, Vec::len));
    let items: Int64Array = of.iter().flatten().flatten().copied().collect();
    let nulls = NullBuffer::from(of.iter().map(Option::is_some).collect::<Vec<_>>());
    let field = Arc::new(Field::new_list_field(DataType::Int64, true));
    ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(items), Some(nulls))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let ids: Int64Array = rows.iter().map(|row| Some(row.id)).collect();
    let names: StringViewArray = rows.iter().map(Row::name).collect();
    let column = |of: fn(&Row) -> List| Arc::new(lists(&rows.iter().map(of).collect::<Vec<_>>())) as ArrayRef;
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(ids)),
        ("name", Arc::new(names)),
        ("a", column(|row| row.a.clone())),
        ("b", column(|row| row.b.clone())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Unnests the first of `a` and `b`, or both; `id`, `name` and `b` pass.
fn factory(count: usize, keeps_empty: bool, numbers_items: bool) -> UnnestFactory {
    let list = list_of(DataType::Int64);
    let passed = [("id", DataType::Int64), ("name", TEXT), ("b", list.clone())];
    let items = [("a", DataType::Int64), ("b", DataType::Int64)].into_iter().take(count);
    let numbers = [("ordinality", DataType::Int64)].into_iter().take(numbers_items.into());
    let fields = passed.into_iter().chain(items).chain(numbers);
    let fields = fields.map(|(name, data_type)| Field::new(name, data_type, true)).collect::<Vec<_>>();
    let lists = [BoundExpr::column(2, "a", &list), BoundExpr::column(3, "b", &list)];
    UnnestFactory {
        passed: vec![0, 1, 3],
        lists: lists.into_iter().take(count).collect(),
        numbers_items,
        keeps_empty,
        schema: Arc::new(Schema::new(fields)),
        metrics: OperatorMetrics::new(),
    }
}

/// The rows that the factory is to make, as texts.
fn twin(rows: &[Row], factory: &UnnestFactory) -> Vec<Vec<Option<String>>> {
    let mut output = Vec::new();
    for row in rows {
        let lists = [&row.a, &row.b].map(|list| list.clone().unwrap_or_default());
        let lists = &lists[..factory.lists.len()];
        let longest = lists.iter().map(Vec::len).max().unwrap();
        for item in 0..longest.max(factory.keeps_empty.into()) {
            let number = |number: i64| number.to_string();
            let shown = |list: &Vec<Option<i64>>| {
                let items = list.iter().map(|item| item.map_or("NULL".into(), number)).collect::<Vec<String>>();
                format!("[{}]", items.join(", "))
            };
            let mut made = vec![Some(number(row.id)), row.name(), row.b.as_ref().map(shown)];
            made.extend(lists.iter().map(|list| list.get(item).copied().flatten().map(number)));
            if factory.numbers_items {
                made.push((item < longest).then(|| number(item as i64 + 1)));
            }
            output.push(made);
        }
    }
    output
}

fn shown(batches: &[RecordBatch]) -> Vec<Vec<Option<String>>> {
    let row = |batch: &RecordBatch, row| batch.columns().iter().map(|column| format_value(column, row)).collect();
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |index| row(batch, index))).collect()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let item = || prop_oneof![1 => Just(None), 4 => (0_i64..9).prop_map(Some)];
    let list = move || prop_oneof![1 => Just(None), 1 => Just(Some(Vec::new())), 4 => prop::collection::vec(item(), 0..7).prop_map(Some)];
    let row = (0_i64..100, list(), list()).prop_map(|(id, a, b)| Row { id, a, b });
    prop::collection::vec(row, 0..20)
}

proptest! {
    #[test]
    fn rows_are_those_of_the_twin(
        rows in rows(),
        cut in 0_usize..20,
        hidden in (0_usize..5, 0_usize..5),
        batch_size in 1_usize..9,
        lists in 1_usize..=2,
        keeps_empty: bool,
        numbers_items: bool,
    ) {
        let factory = factory(lists, keeps_empty, numbers_items);
        // Parts of a batch, whose lists show parts of their items.
        let whole = batch(&rows);
        let (start, end) = (hidden.0.min(rows.len()), rows.len().saturating_sub(hidden.1).max(hidden.0.min(rows.len())));
        let cut = (start + cut).min(end);
        let inputs = [whole.slice(start, cut - start), whole.slice(cut, end - cut)];
        let output = operate(&factory, &context(1 << 30, batch_size), &inputs).unwrap();
        prop_assert!(output.iter().all(|batch| (1..=batch_size).contains(&batch.num_rows())));
        prop_assert_eq!(shown(&output), twin(&rows[start..end], &factory));
    }
}

#[test]
fn items_of_one_column_are_not_copied() {
    let rows: Vec<Row> = (0..50).map(|id| Row { id, a: Some(vec![Some(id), None, Some(7)]), b: None }).collect();
    let input = batch(&rows);
    let items = input.column(2).as_list::<i32>().values().as_primitive::<Int64Type>().values().inner().data_ptr();
    let output = operate(&factory(1, false, false), &context(1 << 30, 64), &[input]).unwrap();
    assert_eq!(output.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [64, 64, 22]);
    for batch in &output {
        assert_eq!(batch.column(3).as_primitive::<Int64Type>().values().inner().data_ptr(), items);
    }
}

#[test]
fn long_lists_beside_items_make_small_batches() {
    let long = || Some((0..100_000).map(Some).collect::<Vec<_>>());
    let rows: Vec<Row> = (0..2).map(|id| Row { id, a: Some(vec![Some(id); 40]), b: long() }).collect();
    let output = operate(&factory(1, false, false), &context(1 << 30, 8192), &[batch(&rows)]).unwrap();
    let most = output.iter().map(|batch| shown_bytes(batch.column(2))).max().unwrap();
    assert!(most <= 2 * REPEATED_BYTES, "{most}");
    assert_eq!(output.iter().map(RecordBatch::num_rows).sum::<usize>(), 80);
    assert!(output.len() > 5);
}

#[test]
fn lists_that_memory_has_no_room_for_are_an_error() {
    let rows: Vec<Row> = (0..1000).map(|id| Row { id, a: None, b: None }).collect();
    let id = BoundExpr::column(0, "id", &DataType::Int64);
    let made = BoundExpr::Call { name: "list_value", args: vec![id; 40], data_type: list_of(DataType::Int64) };
    let factory = UnnestFactory { lists: vec![made], ..factory(1, false, false) };
    let error = operate(&factory, &context(100_000, 64), &[batch(&rows)]).unwrap_err();
    assert!(error.to_string().contains("unnest"), "{error}");
    let output = operate(&factory, &context(10_000_000, 64), &[batch(&rows)]).unwrap();
    assert_eq!(output.iter().map(RecordBatch::num_rows).sum::<usize>(), 40_000);
}
