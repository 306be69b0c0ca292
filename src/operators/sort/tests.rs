//! The sort and the top-N against a slow stable twin that compares scalars.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, NullArray, RecordBatch, StringViewArray,
    Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};

use super::*;
use crate::expr::BoundExpr;
use crate::operators::testing::{context, drive, random, read};
use crate::operators::top_n::TopN;
use crate::types::{DataType, TimeUnit};

type Random = Box<dyn FnMut(u64) -> u64>;

fn key(batch: &RecordBatch, column: usize, descending: bool, nulls_first: bool) -> SortExpr {
    let field = batch.schema().field(column).clone();
    SortExpr { expr: BoundExpr::column(column, field.name(), field.data_type()), descending, nulls_first }
}

/// One column of every type the engine has, with few distinct values, and the row's number last.
fn rows_of_every_type(rows: usize, start: usize, random: &mut Random) -> RecordBatch {
    fn some<T>(rows: usize, random: &mut Random, make: impl Fn(u64) -> T) -> Vec<Option<T>> {
        (0..rows).map(|_| (random(8) > 0).then(|| make(random(12)))).collect()
    }
    let signed = |n: u64| n as i64 - 6;
    let floats = [f64::NAN, -f64::NAN, 0.0, -0.0, 1.5, -1.5, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e-300];
    let float = move |n: u64| floats[n as usize % floats.len()];
    let text = |n: u64| {
        ["", "a", "ab", "b", "ä", "Z", "a text that is longer than a view's twelve bytes", "\0", "a\0"][n as usize % 9]
    };
    let interval = |n: u64| {
        let hour = 3_600_000_000_000;
        [
            IntervalMonthDayNano::new(1, 0, 0),
            IntervalMonthDayNano::new(0, 30, 0),
            IntervalMonthDayNano::new(0, 0, 24 * hour),
            IntervalMonthDayNano::new(0, 1, 0),
            IntervalMonthDayNano::new(0, 2, -25 * hour),
            IntervalMonthDayNano::new(i32::MAX, i32::MAX, i64::MAX),
            IntervalMonthDayNano::new(i32::MIN, 0, i64::MIN),
        ][n as usize % 7]
    };
    let timestamps = some(rows, random, |n| signed(n) * 1_000_003);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("null", Arc::new(NullArray::new(rows))),
        ("bool", Arc::new(BooleanArray::from(some(rows, random, |n| n > 5)))),
        ("i8", Arc::new(Int8Array::from(some(rows, random, |n| signed(n) as i8 * 21)))),
        ("i16", Arc::new(Int16Array::from(some(rows, random, |n| signed(n) as i16 * 300)))),
        ("i32", Arc::new(Int32Array::from(some(rows, random, |n| signed(n) as i32 * 70_000)))),
        ("i64", Arc::new(Int64Array::from(some(rows, random, |n| signed(n).wrapping_mul(i64::MAX / 5))))),
        ("f32", Arc::new(Float32Array::from(some(rows, random, |n| float(n) as f32)))),
        ("f64", Arc::new(Float64Array::from(some(rows, random, float)))),
        (
            "dec",
            Arc::new(
                Decimal128Array::from(some(rows, random, |n| i128::from(signed(n)) << 90))
                    .with_precision_and_scale(38, 3)
                    .unwrap(),
            ),
        ),
        ("text", Arc::new(StringViewArray::from(some(rows, random, text)))),
        ("date", Arc::new(Date32Array::from(some(rows, random, |n| signed(n) as i32)))),
        ("time", Arc::new(Time64MicrosecondArray::from(some(rows, random, |n| n as i64)))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(timestamps.clone()))),
        ("tstz", Arc::new(TimestampMicrosecondArray::from(timestamps).with_timezone("Europe/Berlin"))),
        ("interval", Arc::new(IntervalMonthDayNanoArray::from(some(rows, random, interval)))),
        ("row", Arc::new(Int64Array::from_iter_values((start..start + rows).map(|row| row as i64)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// How SQL compares two values that are not null.
fn compare_values(array: &ArrayRef, a: usize, b: usize) -> Ordering {
    macro_rules! by {
        ($type:ty) => {{
            let values = array.as_primitive::<$type>();
            values.value(a).cmp(&values.value(b))
        }};
    }
    let float = |a: f64, b: f64| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap(),
        (a, b) => a.cmp(&b),
    };
    match array.data_type() {
        DataType::Boolean => array.as_boolean().value(a).cmp(&array.as_boolean().value(b)),
        DataType::Int8 => by!(Int8Type),
        DataType::Int16 => by!(Int16Type),
        DataType::Int32 => by!(Int32Type),
        DataType::Int64 => by!(Int64Type),
        DataType::Date32 => by!(Date32Type),
        DataType::Time64(TimeUnit::Microsecond) => by!(Time64MicrosecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => by!(TimestampMicrosecondType),
        DataType::Decimal128(_, _) => by!(Decimal128Type),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            float(values.value(a).into(), values.value(b).into())
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            float(values.value(a), values.value(b))
        }
        DataType::Utf8View => array.as_string_view().value(a).cmp(array.as_string_view().value(b)),
        DataType::Interval(_) => {
            let hours = |row| {
                let value = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let days = i128::from(value.months) * 30 + i128::from(value.days);
                days * 86_400 * 1_000_000_000 + i128::from(value.nanoseconds)
            };
            hours(a).cmp(&hours(b))
        }
        other => panic!("{other}"),
    }
}

/// The rows in the order of the keys, by the standard library's stable sort.
fn twin(rows: &RecordBatch, keys: &[SortExpr]) -> RecordBatch {
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    order.sort_by(|&a, &b| {
        let compare = |key: &SortExpr| {
            let array = rows.column(key.expr.columns()[0]);
            let is_null = |row| *array.data_type() == DataType::Null || array.is_null(row);
            match (is_null(a), is_null(b)) {
                (true, true) => Ordering::Equal,
                (true, false) if key.nulls_first => Ordering::Less,
                (true, false) => Ordering::Greater,
                (false, true) if key.nulls_first => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) if key.descending => compare_values(array, b, a),
                (false, false) => compare_values(array, a, b),
            }
        };
        keys.iter().map(compare).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    });
    take(rows, &order)
}

fn take(rows: &RecordBatch, order: &[usize]) -> RecordBatch {
    let indices = arrow::array::UInt64Array::from_iter_values(order.iter().map(|row| *row as u64));
    arrow::compute::take_record_batch(rows, &indices).unwrap()
}

fn concat(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    arrow::compute::concat_batches(schema, batches).unwrap()
}

/// Arrays compare by their bits, so NaN is equal to itself.
fn assert_same(actual: &RecordBatch, expected: &RecordBatch, what: &str) {
    assert_eq!(actual.num_rows(), expected.num_rows(), "{what}");
    let number = |batch: &RecordBatch| batch.column(batch.num_columns() - 1).clone();
    assert_eq!(&number(actual), &number(expected), "{what}");
    for (actual, expected) in actual.columns().iter().zip(expected.columns()) {
        assert_eq!(actual, expected, "{what}");
    }
}

fn tasks(count: usize, most_rows: u64, seed: u64) -> (Vec<Vec<RecordBatch>>, RecordBatch) {
    let mut random: Random = Box::new(random(seed));
    let mut start = 0;
    let mut tasks = Vec::new();
    for _ in 0..count {
        let batches = (0..random(4)).map(|_| {
            let rows = random(most_rows) as usize;
            start += rows;
            rows_of_every_type(rows, start - rows, &mut random)
        });
        tasks.push(batches.collect::<Vec<_>>());
    }
    let all: Vec<_> = tasks.iter().flatten().cloned().collect();
    let schema = rows_of_every_type(0, 0, &mut random).schema();
    (tasks, concat(&schema, &all))
}

#[test]
fn every_type_sorts_as_the_twin_does_in_both_directions_with_nulls_at_both_ends() {
    let (tasks, all) = tasks(7, 60, 1);
    let context = context(1 << 30, 64);
    for column in 0..all.num_columns() {
        for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
            let keys = vec![key(&all, column, descending, nulls_first)];
            let sink = SortSink::new(all.schema(), keys.clone(), OperatorMetrics::new());
            let source = drive(&sink, &context, 2, &tasks).unwrap();
            let sorted = concat(&all.schema(), &read(&source, &context).unwrap());
            assert_same(&sorted, &twin(&all, &keys), &format!("{} {descending} {nulls_first}", keys[0]));
        }
    }
}

#[test]
fn several_keys_sort_as_the_twin_does_at_every_budget_batch_size_and_number_of_workers() {
    let (tasks, all) = tasks(60, 400, 2);
    for (budget, batch_size, workers) in [
        (1 << 30, 8192, 1),
        (1 << 30, 100, 3),
        (4 << 20, 8192, 2),
        (3 << 20, 1, 1),
        (2 << 20, 50, 3),
        (1 << 20, 512, 1),
    ] {
        for columns in [vec![9, 7], vec![1, 14, 2], vec![13], vec![]] {
            let keys: Vec<_> =
                columns.iter().map(|&column| key(&all, column, column % 2 == 0, column % 3 == 0)).collect();
            let expected = twin(&all, &keys);
            let context = context(budget, batch_size);
            let metrics = OperatorMetrics::new();
            let sink = SortSink::new(all.schema(), keys.clone(), metrics.clone());
            let source = drive(&sink, &context, workers, &tasks).unwrap();
            let what = format!("{columns:?} at {budget} bytes, {batch_size} rows, {workers} workers");
            assert_eq!(metrics.spilled_bytes.load(Relaxed) > 0, budget <= 4 << 20, "{what}");
            for _ in 0..2 {
                let batches = read(&source, &context).unwrap();
                assert!(batches.iter().all(|batch| batch.num_rows() <= batch_size), "{what}");
                assert_same(&concat(&all.schema(), &batches), &expected, &what);
            }
            drop((source, sink));
            assert!(metrics.peak_reserved.load(Relaxed) <= budget);
            assert_eq!((context.memory.reserved(), context.spill.used()), (0, 0), "{what}");

            for fetch in [0, 1, 10, 3000, usize::MAX] {
                let sink = TopN::new(all.schema(), keys.clone(), fetch, OperatorMetrics::new());
                let source = drive(&sink, &context, workers, &tasks).unwrap();
                let first = concat(&all.schema(), &read(&source, &context).unwrap());
                let wanted = expected.slice(0, fetch.min(expected.num_rows()));
                assert_same(&first, &wanted, &format!("first {fetch} by {what}"));
                drop((source, sink));
                assert_eq!((context.memory.reserved(), context.spill.used()), (0, 0), "{what}");
            }
        }
    }
}

/// Batches of a number, pseudo-random texts of `width` bytes, and the row's number.
fn wide(start: u64, rows: u64, width: usize) -> RecordBatch {
    let mut random = random(start);
    let mut text = || {
        let mut text = String::with_capacity(width + 16);
        while text.len() < width {
            text.push_str(&format!("{:016x}", random(u64::MAX)));
        }
        text.truncate(width);
        text
    };
    let texts: StringViewArray = (0..rows).map(|_| Some(text())).collect();
    RecordBatch::try_from_iter([
        ("text", Arc::new(texts) as ArrayRef),
        ("row", Arc::new(Int64Array::from_iter_values((start..start + rows).map(|row| row as i64))) as ArrayRef),
    ])
    .unwrap()
}

fn assert_sorted(batches: impl Iterator<Item = Result<RecordBatch>>) -> usize {
    let mut last = (String::new(), -1);
    let mut rows = 0;
    for batch in batches {
        let batch = batch.unwrap();
        rows += batch.num_rows();
        let (texts, numbers) = (batch.column(0).as_string_view(), batch.column(1).as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            let next = (texts.value(row), numbers.value(row));
            assert!((last.0.as_str(), last.1) < next);
            last = (next.0.to_string(), next.1);
        }
    }
    rows
}

#[test]
fn three_hundred_thousand_texts_sort_within_eight_mib() {
    let context = context(8 << 20, 4096);
    let metrics = OperatorMetrics::new();
    let first = wide(0, 1, 100);
    let sink = SortSink::new(first.schema(), vec![key(&first, 0, false, false)], metrics.clone());
    let mut locals: Vec<_> = (0..2).map(|_| sink.local(&context, 2).unwrap()).collect();
    for partition in 0..100 {
        let batch = wide(partition * 3000, 3000, 100);
        let task = TaskId { partition: partition as usize };
        sink.sink(&mut locals[partition as usize % 2], task, batch).unwrap();
    }
    locals.into_iter().for_each(|local| sink.combine(local).unwrap());
    let source = sink.finish(&context).unwrap();
    assert_eq!(assert_sorted(source.open(0, &context, &metrics).unwrap()), 300_000);
    assert!(metrics.spilled_bytes.load(Relaxed) > 10 << 20);
    let passes = metrics.extra().get("merge passes").copied().unwrap_or(0);
    assert!(metrics.spill_files.load(Relaxed) <= 4 + passes, "runs of a worker share a file");
    assert!(metrics.peak_reserved.load(Relaxed) <= 8 << 20);
    assert!(context.memory.reserved() < 8 << 20);
}

#[test]
fn many_runs_are_merged_in_several_passes_and_their_disk_is_freed_on_the_way() {
    let context = context(1 << 20, 1024);
    let metrics = OperatorMetrics::new();
    let first = wide(0, 1, 100);
    let sink = SortSink::new(first.schema(), vec![key(&first, 0, false, false)], metrics.clone());
    let tasks: Vec<_> = (0..100).map(|task| vec![wide(task * 300, 300, 100)]).collect();
    let source = drive(&sink, &context, 1, &tasks).unwrap();
    assert!(metrics.extra()["merge passes"] >= 2, "{:?}", metrics.extra());
    let written = metrics.spilled_bytes.load(Relaxed);
    assert!(context.spill.used() < written * 2 / 3, "{} of {written}", context.spill.used());
    assert_eq!(assert_sorted(source.open(0, &context, &metrics).unwrap()), 30_000);
    assert!(metrics.peak_reserved.load(Relaxed) <= 1 << 20);
    drop((source, sink));
    assert_eq!((context.memory.reserved(), context.spill.used()), (0, 0));
}

#[test]
fn blocks_stay_small_where_a_few_rows_are_much_wider() {
    // The wide rows lie next to each other once they are sorted.
    let context = context(16 << 20, 8192);
    let widths = (0..16).map(|task| if task % 4 == 0 { 40_000 } else { 10 });
    let tasks: Vec<_> = (0..)
        .zip(widths)
        .map(|(task, width)| vec![wide(task * 100, if width > 10 { 20 } else { 100 }, width)])
        .collect();
    let first = wide(0, 1, 10);
    let metrics = OperatorMetrics::new();
    let sink = SortSink::new(first.schema(), vec![key(&first, 0, true, false)], metrics.clone());
    let source = drive(&sink, &context, 1, &tasks).unwrap();
    let batches = read(&source, &context).unwrap();
    let largest = batches.iter().map(crate::batch::batch_memory).max().unwrap();
    assert!(largest < 300_000, "{largest}");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 4 * 20 + 12 * 100);
}

#[test]
fn threads_that_share_a_budget_sort_as_one_does() {
    let first = wide(0, 1, 60);
    let sort = |threads: usize| {
        let context = context(3 << 20, 1000);
        let metrics = OperatorMetrics::new();
        let sink = SortSink::new(first.schema(), vec![key(&first, 0, true, false)], metrics.clone());
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut local = sink.local(&context, threads).unwrap();
                    loop {
                        let partition = next.fetch_add(1, Relaxed);
                        if partition >= 80 {
                            break sink.combine(local).unwrap();
                        }
                        let batch = wide(partition as u64 * 700 % 9100, 700, 60);
                        sink.sink(&mut local, TaskId { partition }, batch).unwrap();
                    }
                });
            }
        });
        assert!(metrics.spilled_bytes.load(Relaxed) > 0);
        let source = sink.finish(&context).unwrap();
        concat(&first.schema(), &read(&source, &context).unwrap())
    };
    let alone = sort(1);
    assert_eq!(alone.num_rows(), 80 * 700);
    assert_eq!(sort(4), alone);
}

#[test]
fn input_in_order_makes_one_run_that_is_not_sorted_again() {
    let mut buffer = RunBuffer::default();
    let batch = wide(0, 100, 20);
    let context = context(1 << 30, 100);
    let sink = SortSink::new(batch.schema(), vec![key(&batch, 1, false, false)], OperatorMetrics::new());
    let mut local = sink.sort_local(&context, 1).unwrap();
    for partition in 0..3 {
        buffer.push(local.encode(TaskId { partition }, &wide(partition as u64 * 100, 100, 20)).unwrap());
    }
    assert!(buffer.is_sorted());
    buffer.push(local.encode(TaskId { partition: 3 }, &batch).unwrap());
    assert!(!buffer.is_sorted());
}

#[test]
fn a_cancelled_sort_stops_and_gives_everything_back() {
    let context = context(1 << 20, 1024);
    let first = wide(0, 1, 100);
    let sink = SortSink::new(first.schema(), vec![key(&first, 0, false, false)], OperatorMetrics::new());
    let tasks: Vec<_> = (0..30).map(|task| vec![wide(task * 300, 300, 100)]).collect();
    let source = drive(&sink, &context, 1, &tasks).unwrap();
    let mut reader = source.open(0, &context, &OperatorMetrics::new()).unwrap();
    assert!(reader.next().unwrap().is_ok());
    context.cancel.cancel();
    assert_eq!(reader.next().unwrap().unwrap_err().exit_code(), 130);
    assert!(reader.next().is_none());
    assert_eq!(drive(&sink, &context, 1, &tasks).unwrap_err().exit_code(), 130);
    drop((reader, source, sink));
    assert_eq!((context.memory.reserved(), context.spill.used()), (0, 0));
}

#[test]
fn a_budget_that_others_hold_is_an_error_that_lists_them() {
    let context = context(1 << 20, 1024);
    let mut other = context.memory.reservation("aggregate", &OperatorMetrics::new());
    other.grow(990_000).unwrap();
    let first = wide(0, 1, 100);
    let sink = SortSink::new(first.schema(), vec![key(&first, 0, false, false)], OperatorMetrics::new());
    let error = drive(&sink, &context, 1, &[vec![wide(0, 300, 100)]]).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert_eq!(error.kind().consumers[0].name, "aggregate");
}

#[test]
fn a_top_n_keeps_little_more_than_it_needs() {
    let context = context(64 << 20, 1024);
    let first = wide(0, 1, 100);
    let metrics = OperatorMetrics::new();
    let sink = TopN::new(first.schema(), vec![key(&first, 0, false, false)], 10, metrics.clone());
    let tasks: Vec<_> = (0..100).map(|task| vec![wide(task * 1000, 1000, 100)]).collect();
    let source = drive(&sink, &context, 2, &tasks).unwrap();
    assert_eq!(assert_sorted(source.open(0, &context, &metrics).unwrap()), 10);
    assert!(metrics.peak_reserved.load(Relaxed) < 4 << 20, "{}", metrics.peak_reserved.load(Relaxed));
    assert_eq!(metrics.spilled_bytes.load(Relaxed), 0);
}
