//! Windows against frames by their definition, row by row; memory.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringViewArray, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int64Type, Schema};
use proptest::prelude::*;

use super::*;
use crate::error::ErrorClass;
use crate::expr::Edge;
use crate::operators::testing::{context, operate};
use crate::types::{DataType, Field, TEXT, TIMESTAMP};

/// A row: its partition, its key, its value.
type Row = (Option<i64>, Option<i64>, Option<i64>);

fn batch(rows: &[Row]) -> RecordBatch {
    let texts = rows.iter().map(|row| row.0.map(|key| format!("a key longer than a view, {key}")));
    let columns: [(&str, ArrayRef); 3] = [
        ("k", Arc::new(texts.collect::<StringViewArray>())),
        ("t", Arc::new(rows.iter().map(|row| row.1).collect::<TimestampMicrosecondArray>())),
        ("x", Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

fn call(function: &'static str, args: Vec<BoundExpr>) -> AggregateExpr {
    AggregateExpr { function, args, distinct: false, filter: None, order_by: Vec::new(), data_type: DataType::Int64 }
}

fn factory(frame: Frame, partitions: bool, functions: &[&'static str]) -> WindowFactory {
    let input = batch(&[]).schema();
    let x = BoundExpr::column(2, "x", &DataType::Int64);
    let mut aggregates = vec![call("count", Vec::new())];
    aggregates.extend(functions.iter().map(|function| call(function, vec![x.clone()])));
    let added = aggregates.iter().map(|aggregate| Field::new(aggregate.to_string(), DataType::Int64, true));
    let fields: Vec<Field> = input.fields().iter().map(|field| field.as_ref().clone()).chain(added).collect();
    WindowFactory {
        partition_by: if partitions { vec![BoundExpr::column(0, "k", &TEXT)] } else { Vec::new() },
        key: Some(BoundExpr::column(1, "t", &TIMESTAMP)),
        frame,
        min_periods: 1,
        aggregates,
        schema: Arc::new(Schema::new(fields)),
        metrics: OperatorMetrics::new(),
    }
}

/// Whether a row is in the frame of another one of its partition, both by number and key.
fn is_inside(frame: Frame, (own, own_key): (usize, Option<i64>), (row, key): (usize, Option<i64>)) -> bool {
    let ahead = row as i64 - own as i64;
    if frame.uses_key() && (own_key.is_none() || key.is_none()) {
        return false;
    }
    let key_ahead = key.unwrap_or(0) - own_key.unwrap_or(0);
    let behind_start = match frame.start {
        Edge::Unbounded => true,
        Edge::Rows(rows) => ahead >= rows,
        Edge::Key { distance, closed } => key_ahead > distance || (closed && key_ahead == distance),
    };
    let before_end = match frame.end {
        Edge::Unbounded => true,
        Edge::Rows(rows) => ahead <= rows,
        Edge::Key { distance, closed } => key_ahead < distance || (closed && key_ahead == distance),
    };
    behind_start && before_end
}

/// Count of rows, sum and least value for each row.
fn twin(rows: &[Row], frame: Frame, partitions: bool) -> Vec<(Option<i64>, Option<i64>, Option<i64>)> {
    let result = |(own, row): (usize, &Row)| {
        let others = rows.iter().enumerate().filter(|(_, other)| !partitions || other.0 == row.0);
        let inside: Vec<&Row> = others
            .filter(|(index, other)| is_inside(frame, (own, row.1), (*index, other.1)))
            .map(|(_, other)| other)
            .collect();
        let values: Vec<i64> = inside.iter().filter_map(|row| row.2).collect();
        let sum = (!values.is_empty()).then(|| values.iter().sum());
        ((!inside.is_empty()).then_some(inside.len() as i64), sum, values.into_iter().min())
    };
    rows.iter().enumerate().map(result).collect()
}

fn edges() -> impl Strategy<Value = Frame> {
    let key = || (-4i64..5, any::<bool>()).prop_map(|(distance, closed)| Edge::Key { distance, closed });
    let edge = || prop_oneof![1 => Just(Edge::Unbounded), 3 => (-4i64..5).prop_map(Edge::Rows), 4 => key()];
    (edge(), edge()).prop_map(|(start, end)| Frame { start, end }).prop_filter("one after the other", |frame| {
        match (frame.start, frame.end) {
            (Edge::Rows(start), Edge::Rows(end)) => start <= end + 1,
            (Edge::Key { distance: start, .. }, Edge::Key { distance: end, .. }) => start <= end,
            // Frames that mix keys with other edges end with their row at the latest.
            (Edge::Key { distance, .. }, Edge::Rows(rows)) => distance <= 0 && rows == 0,
            (Edge::Rows(rows), Edge::Key { distance, .. }) => rows <= -1 && distance >= 0,
            (Edge::Unbounded, Edge::Key { distance, .. }) => distance <= 0,
            (Edge::Key { .. }, Edge::Unbounded) => false,
            _ => true,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn frames_are_those_of_their_definition(
        rows in prop::collection::vec((
            prop::option::weighted(0.8, 0i64..3), prop::option::weighted(0.9, 0i64..12), prop::option::weighted(0.8, -9i64..9)
        ), 0..60),
        frame in edges(), partitions in any::<bool>(), size in 1usize..20,
    ) {
        let mut rows = rows;
        rows.sort_by_key(|row| {
            (partitions && row.0.is_none(), if partitions { row.0 } else { None }, row.1.is_none(), row.1)
        });
        let batches: Vec<RecordBatch> = rows.chunks(size).map(batch).collect();
        let factory = factory(frame, partitions, &["sum", "min"]);
        let found = operate(&factory, &context(1 << 30, 100), &batches).unwrap();
        prop_assert_eq!(found.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(),
            batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>());
        let found = concat_batches(&factory.schema, &found).unwrap();
        let column = |index: usize| found.column(index).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
        let (counts, sums, least) = (column(3), column(4), column(5));
        let found: Vec<_> = counts.into_iter().zip(sums).zip(least).map(|((a, b), c)| (a, b, c)).collect();
        let wanted = twin(&rows, frame, partitions);
        prop_assert_eq!(found, wanted, "{} over {:?}", frame, rows);
    }
}

fn long_input(rows: i64) -> Vec<RecordBatch> {
    let rows: Vec<Row> = (0..rows).map(|row| (None, Some(row), Some(row % 100))).collect();
    rows.chunks(1000).map(batch).collect()
}

#[test]
fn memory_is_that_of_the_window() {
    let frame = |start| Frame { start, end: Edge::Rows(0) };
    let short = factory(frame(Edge::Rows(-2000)), false, &["sum", "max"]);
    operate(&short, &context(1 << 20, 1000), &long_input(200_000)).unwrap();
    assert!(OperatorMetrics::get(&short.metrics.peak_reserved) < 400_000);
    let growing = factory(frame(Edge::Unbounded), false, &["sum", "max", "min"]);
    operate(&growing, &context(1 << 20, 1000), &long_input(200_000)).unwrap();
    assert!(OperatorMetrics::get(&growing.metrics.peak_reserved) < 400_000);
}

#[test]
fn a_window_beyond_the_budget_is_an_error_that_says_what_to_do() {
    let long = factory(Frame { start: Edge::Rows(-150_000), end: Edge::Rows(0) }, false, &["sum"]);
    let context = context(1 << 20, 1000);
    let error = operate(&long, &context, &long_input(200_000)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Resource);
    assert!(error.to_string().contains("take a shorter window"), "{error}");
    assert_eq!(context.memory.reserved(), 0);
}
