//! Gap filling against a slow twin, over random series, fills and batch sizes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type, IntervalMonthDayNano, TimestampMicrosecondType};
use proptest::prelude::*;

use super::FillGapsFactory;
use crate::context::QueryContext;
use crate::error::{ErrorClass, Result};
use crate::expr::{BoundExpr, GapColumn, GapFill, Line, Reach};
use crate::metrics::OperatorMetrics;
use crate::operators::OperatorFactory;
use crate::operators::testing::{context, operate, random};
use crate::types::{DataType, Field, Scalar, Schema, SchemaRef, TIMESTAMP};

/// Microseconds from one bucket to the next.
const WIDTH: i64 = 10;

/// A row: of a series, at a time, with values. Rows that the twin makes up are no rows of the input.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    key: Option<i64>,
    time: Option<i64>,
    values: Vec<Option<f64>>,
    made: bool,
}

fn schema(values: usize) -> SchemaRef {
    let mut fields = vec![Field::new("key", DataType::Int64, true), Field::new("time", TIMESTAMP, true)];
    fields.extend((0..values).map(|index| Field::new(format!("v{index}"), DataType::Float64, true)));
    Arc::new(Schema::new(fields))
}

fn batch(schema: &SchemaRef, rows: &[Row]) -> RecordBatch {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.key).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.time).collect::<TimestampMicrosecondArray>()),
    ];
    for index in 0..schema.fields().len() - 2 {
        columns.push(Arc::new(rows.iter().map(|row| row.values[index]).collect::<Float64Array>()));
    }
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

fn rows_of(batches: &[RecordBatch], schema: &SchemaRef) -> Vec<Row> {
    let all = concat_batches(schema, batches).unwrap();
    let keys = all.column(0).as_primitive::<Int64Type>().iter();
    let times = all.column(1).as_primitive::<TimestampMicrosecondType>().iter();
    let value = |index: usize, row: usize| all.column(index).as_primitive::<Float64Type>().iter().nth(row).flatten();
    keys.zip(times)
        .enumerate()
        .map(|(row, (key, time))| {
            let values = (2..schema.fields().len()).map(|index| value(index, row)).collect();
            Row { key, time, values, made: false }
        })
        .collect()
}

fn moment(micros: i64) -> BoundExpr {
    BoundExpr::Literal(Scalar::timestamp(micros, None))
}

fn factory(fills: &[GapFill], start: Option<i64>, finish: Option<i64>) -> FillGapsFactory {
    let mut columns = vec![GapColumn::Key, GapColumn::Bucket];
    columns.extend(fills.iter().cloned().map(GapColumn::Value));
    let width = Scalar::interval(IntervalMonthDayNano::new(0, 0, WIDTH * 1000));
    let args = vec![BoundExpr::Literal(width), BoundExpr::column(1, "time", &TIMESTAMP)];
    let bucket = BoundExpr::Call { name: "time_bucket", args, data_type: TIMESTAMP };
    let bounds = |bound: Option<i64>| bound.map(moment).into_iter().collect::<Vec<_>>();
    FillGapsFactory::new(schema(fills.len()), columns, bucket, bounds(start), bounds(finish), OperatorMetrics::new())
}

/// What the operator makes of rows in batches of these sizes, in turn.
fn filled(factory: &FillGapsFactory, rows: &[Row], sizes: &[usize], context: &QueryContext) -> Result<Vec<Row>> {
    let mut batches = Vec::new();
    let mut rest = rows;
    for size in sizes.iter().cycle() {
        let (now, later) = rest.split_at((*size).min(rest.len()));
        batches.push(batch(&factory.schema, now));
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    let output = operate(factory, context, &batches)?;
    assert!(output.iter().all(|batch| batch.num_rows() <= context.config.batch_size));
    Ok(rows_of(&output, &factory.schema))
}

/// The same, slowly.
fn twin(rows: &[Row], fills: &[GapFill], start: Option<i64>, finish: Option<i64>) -> Vec<Row> {
    let mut result = Vec::new();
    let mut series: BTreeMap<(bool, Option<i64>), Vec<Row>> = BTreeMap::new();
    for row in rows {
        series.entry((row.key.is_none(), row.key)).or_default().push(row.clone());
    }
    for ((_, key), rows) in series {
        let times: Vec<i64> = rows.iter().filter_map(|row| row.time).collect();
        let mut all: BTreeMap<i64, Row> = BTreeMap::new();
        let from = start.map(|start| start.div_euclid(WIDTH) * WIDTH).or(times.first().copied());
        if let (Some(from), Some(until)) = (from, finish.or(times.last().copied())) {
            for time in (from..until).step_by(WIDTH as usize) {
                let made = Row { key, time: Some(time), values: vec![None; fills.len()], made: true };
                all.insert(time, made);
            }
        }
        all.extend(rows.iter().filter_map(|row| Some((row.time?, row.clone()))));
        let before: Vec<Row> = all.into_values().collect();
        for index in 0..before.len() {
            let values = fills.iter().enumerate().map(|(column, fill)| value(&before, index, column, fill)).collect();
            result.push(Row { values, made: false, ..before[index].clone() });
        }
        // A bucket without a time is a series of its own.
        for row in rows.iter().filter(|row| row.time.is_none()) {
            let alone = std::slice::from_ref(row);
            let values = fills.iter().enumerate().map(|(column, fill)| value(alone, 0, column, fill)).collect();
            result.push(Row { values, ..row.clone() });
        }
    }
    result
}

fn value(rows: &[Row], index: usize, column: usize, fill: &GapFill) -> Option<f64> {
    let own = rows[index].values[column];
    let over_nulls = match fill {
        GapFill::Null => false,
        GapFill::Constant { over_nulls, .. }
        | GapFill::Previous { over_nulls, .. }
        | GapFill::Next { over_nulls, .. } => *over_nulls,
        GapFill::Linear(line) => line.over_nulls,
    };
    if own.is_some() || !(rows[index].made || over_nulls) {
        return own;
    }
    // The nearest row that is known, or null where null is known.
    let known = |mut others: Box<dyn Iterator<Item = usize>>| {
        others.find(|&other| !rows[other].made && (!over_nulls || rows[other].values[column].is_some()))
    };
    let before = known(Box::new((0..index).rev())).and_then(|row| Some((row, rows[row].values[column]?)));
    let behind = known(Box::new(index + 1..rows.len())).and_then(|row| Some((row, rows[row].values[column]?)));
    let time = |row: usize| rows[row].time.unwrap();
    let buckets = |from: usize, to: usize| ((time(to) - time(from)) / WIDTH) as usize;
    let within = |reach: &Option<Reach>, buckets: usize, time: i64| match reach {
        None => true,
        Some(Reach::Buckets(most)) => buckets as u64 <= *most,
        Some(Reach::Time(interval)) => time * 1000 <= interval.nanoseconds,
    };
    match fill {
        GapFill::Null => None,
        GapFill::Constant { value, .. } => value.as_f64(),
        GapFill::Previous { limit, .. } => {
            let (row, value) = before?;
            within(limit, buckets(row, index), time(index) - time(row)).then_some(value)
        }
        GapFill::Next { limit, .. } => {
            let (row, value) = behind?;
            within(&limit.map(Reach::Buckets), buckets(index, row), 0).then_some(value)
        }
        GapFill::Linear(Line { over_time, limit, max_gap, .. }) => {
            let ((first, from), (last, to)) = (before?, behind?);
            let reaches = within(&limit.map(Reach::Buckets), buckets(first, index), 0);
            let joins = within(max_gap, buckets(first, last) - 1, time(last) - time(first));
            let (covered, length) = match over_time {
                true => (time(index) - time(first), time(last) - time(first)),
                false => (buckets(first, index) as i64, buckets(first, last) as i64),
            };
            (reaches && joins).then(|| (to - from) / length as f64 * covered as f64 + from)
        }
    }
}

fn reach() -> impl Strategy<Value = Option<Reach>> {
    prop_oneof![
        Just(None),
        (0u64..5).prop_map(|count| Some(Reach::Buckets(count))),
        (0i64..60).prop_map(|micros| Some(Reach::Time(IntervalMonthDayNano::new(0, 0, micros * 1000)))),
    ]
}

fn fill() -> impl Strategy<Value = GapFill> {
    let limit = || proptest::option::of(1u64..4);
    prop_oneof![
        Just(GapFill::Null),
        any::<bool>().prop_map(|over_nulls| GapFill::Constant { value: Scalar::float64(-1.0), over_nulls }),
        (reach(), any::<bool>()).prop_map(|(limit, over_nulls)| GapFill::Previous { limit, over_nulls }),
        (limit(), any::<bool>()).prop_map(|(limit, over_nulls)| GapFill::Next { limit, over_nulls }),
        (any::<bool>(), limit(), reach(), any::<bool>()).prop_map(|(over_time, limit, max_gap, over_nulls)| {
            GapFill::Linear(Line { over_time, limit, max_gap, over_nulls })
        }),
    ]
}

/// Rows in the order of a sort, of some series.
fn series(seed: u64, columns: usize) -> Vec<Row> {
    let mut random = random(seed);
    let mut rows = Vec::new();
    let nulls = random(10);
    for key in [Some(-3), Some(0), Some(7), None] {
        let mut time = (random(30) as i64 - 15) * WIDTH;
        let value = |random: &mut dyn FnMut(u64) -> u64| (random(10) >= nulls).then(|| random(100) as f64);
        for _ in 0..random(9) {
            let values = (0..columns).map(|_| value(&mut random)).collect();
            rows.push(Row { key, time: Some(time), values, made: false });
            time += (1 + if random(3) == 0 { random(8) as i64 } else { 0 }) * WIDTH;
        }
        if random(3) == 0 {
            let values = (0..columns).map(|_| value(&mut random)).collect();
            rows.push(Row { key, time: None, values, made: false });
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn gaps_are_filled_as_the_twin_fills_them(
        seed in any::<u64>(),
        fills in proptest::collection::vec(fill(), 0..5),
        start in proptest::option::of(-200i64..100),
        finish in proptest::option::of(-100i64..300),
        sizes in proptest::collection::vec(1usize..12, 1..4),
        batch_size in 1usize..20,
    ) {
        let rows = series(seed, fills.len());
        let expected = twin(&rows, &fills, start, finish);
        let ours = filled(&factory(&fills, start, finish), &rows, &sizes, &context(1 << 30, batch_size)).unwrap();
        prop_assert_eq!(ours, expected);
    }
}

fn row(time: i64, value: Option<f64>) -> Row {
    Row { key: Some(1), time: Some(time * WIDTH), values: vec![value], made: false }
}

#[test]
fn a_long_gap_is_put_out_batch_by_batch_and_only_while_it_is_taken() {
    let line = GapFill::Linear(Line { over_time: true, limit: None, max_gap: None, over_nulls: true });
    let factory = factory(&[line], None, None);
    let context = context(1 << 20, 100);
    let mut operator = factory.create(&context).unwrap();
    let mut given = Vec::new();
    let rows = [row(0, Some(0.0)), row(900_000_000, Some(9e8))];
    operator.push(batch(&factory.schema, &rows), &mut |_| panic!("rows come by advance")).unwrap();
    for _ in 0..10 {
        let more = operator.advance(&mut |batch| {
            given.push(batch);
            Ok(())
        });
        assert!(more.unwrap());
    }
    let rows = rows_of(&given, &factory.schema);
    assert_eq!(rows.len(), 1000);
    assert!(rows.iter().enumerate().all(|(index, row)| row.values == [Some(index as f64)]));
    assert_eq!(OperatorMetrics::get(&factory.metrics.peak_reserved), 0);
}

#[test]
fn a_gap_beyond_all_reason_is_an_error() {
    let factory = factory(&[GapFill::Null], None, None);
    let rows = [row(0, None), row(1_000_000_002, None)];
    let error = filled(&factory, &rows, &[2], &context(1 << 30, 100)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Data);
    assert!(error.to_string().contains("wider buckets"), "{error}");
}

#[test]
fn rows_that_wait_for_a_value_are_reserved_and_more_than_the_budget_are_an_error() {
    let fill = GapFill::Next { limit: None, over_nulls: true };
    let factory = factory(&[fill], None, None);
    let rows: Vec<Row> = (0..20_000).map(|time| row(time, (time == 19_999).then_some(4.0))).collect();
    let ours = filled(&factory, &rows, &[100], &context(16 << 20, 1000)).unwrap();
    assert!(ours.iter().all(|row| row.values == [Some(4.0)]));
    assert!(OperatorMetrics::get(&factory.metrics.peak_reserved) > 20_000 * 24);
    assert_eq!(OperatorMetrics::get(&factory.metrics.reserved), 0);
    let error = filled(&factory, &rows, &[100], &context(300_000, 1000)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Resource);
}

#[test]
fn without_rows_and_keys_the_range_is_filled_all_the_same() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("time", TIMESTAMP, true)]));
    let width = Scalar::interval(IntervalMonthDayNano::new(0, 0, WIDTH * 1000));
    let args = vec![BoundExpr::Literal(width), BoundExpr::column(0, "time", &TIMESTAMP)];
    let bucket = BoundExpr::Call { name: "time_bucket", args, data_type: TIMESTAMP };
    let columns = vec![GapColumn::Bucket];
    let (starts, finishes) = (vec![moment(0)], vec![moment(45)]);
    let factory = FillGapsFactory::new(schema, columns, bucket, starts, finishes, OperatorMetrics::new());
    let output = operate(&factory, &context(1 << 30, 2), &[]).unwrap();
    assert_eq!(output.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2, 2, 1]);
}
