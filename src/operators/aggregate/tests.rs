//! The whole aggregation against a slow twin, at many budgets, numbers of workers and batch sizes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, IntervalMonthDayNanoArray, NullArray, RecordBatch, StringViewArray,
};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, TimeUnit};

use proptest::prelude::*;

mod wide;

use super::table::GroupTable;
use super::*;
use crate::config::Config;
use crate::context::CancelToken;
use crate::memory::{MemoryPool, Thresholds};
use crate::spill::SpillManager;
use crate::types::temporal::{format_float, format_value};
use crate::types::{Scalar, TEXT};

/// Key, text key, number, float, text.
type Row = (Option<f64>, Option<String>, Option<i64>, Option<f64>, Option<String>);

/// A row of a result as text.
type Shown = Vec<Option<String>>;

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn rows(count: usize, keys: u64, seed: u64) -> Vec<Row> {
    let mut state = seed;
    let mut next = |below: u64| random(&mut state) % below;
    (0..count)
        .map(|_| {
            let key = match next(keys) {
                0 => None,
                1 => Some(f64::NAN),
                2 => Some(-0.0),
                3 => Some(0.0),
                4 => Some(-f64::NAN),
                key => Some(key as f64),
            };
            let text_key = match next(3) {
                0 => None,
                1 => Some(String::new()),
                key => Some(format!("a key longer than a view can hold {key}")),
            };
            let number = (next(10) > 0).then(|| next(1000) as i64 - 500);
            // Quarters, so that the twin's sums are exact.
            let float = (next(10) > 0).then(|| next(4000) as f64 / 4.0);
            let text = (next(10) > 0).then(|| format!("{}{}", "some text ".repeat(next(4) as usize), next(50)));
            (key, text_key, number, float, text)
        })
        .collect()
}

fn batches(rows: &[Row], batch_rows: usize) -> Vec<RecordBatch> {
    let batch = |rows: &[Row]| {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("k", Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>())),
            ("s", Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<StringViewArray>())),
            ("n", Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>())),
            ("f", Arc::new(rows.iter().map(|row| row.3).collect::<Float64Array>())),
            ("t", Arc::new(rows.iter().map(|row| row.4.as_deref()).collect::<StringViewArray>())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    rows.chunks(batch_rows).map(batch).collect()
}

fn column(index: usize) -> BoundExpr {
    let types = [DataType::Float64, TEXT, DataType::Int64, DataType::Float64, TEXT];
    BoundExpr::column(index, ["k", "s", "n", "f", "t"][index], &types[index])
}

fn call(function: &'static str, args: Vec<BoundExpr>, distinct: bool) -> AggregateExpr {
    let types: Vec<_> = args.iter().map(BoundExpr::data_type).collect();
    let signature = (crate::functions::aggregate::lookup(function).unwrap().resolve)(&types).unwrap();
    AggregateExpr { function, args, distinct, filter: None, order_by: Vec::new(), data_type: signature.result }
}

fn aggregates() -> Vec<AggregateExpr> {
    let half = BoundExpr::Literal(Scalar::float64(0.5));
    vec![
        call("count", vec![], false),
        call("sum", vec![column(2)], false),
        call("sum", vec![column(3)], false),
        call("min", vec![column(4)], false),
        call("count", vec![column(2)], true),
        call("quantile", vec![column(3), half], false),
        call("last", vec![column(4)], false),
    ]
}

fn twin(rows: &[Row], keys: bool) -> Vec<Shown> {
    let mut groups: BTreeMap<Shown, Vec<&Row>> = BTreeMap::new();
    if !keys {
        groups.insert(Vec::new(), Vec::new());
    }
    for row in rows {
        let key = row.0.map(|key| format_float(if key.is_nan() { f64::NAN } else { key + 0.0 }));
        groups.entry(if keys { vec![key, row.1.clone()] } else { Vec::new() }).or_default().push(row);
    }
    let results = groups.into_iter().map(|(mut shown, rows)| {
        let numbers: Vec<i64> = rows.iter().filter_map(|row| row.2).collect();
        let mut floats: Vec<f64> = rows.iter().filter_map(|row| row.3).collect();
        floats.sort_by(f64::total_cmp);
        let middle = floats.len().saturating_sub(1);
        shown.push(Some(rows.len().to_string()));
        shown.push((!numbers.is_empty()).then(|| numbers.iter().sum::<i64>().to_string()));
        shown.push((!floats.is_empty()).then(|| format_float(floats.iter().sum())));
        shown.push(rows.iter().filter_map(|row| row.4.clone()).min());
        shown.push(Some(numbers.iter().collect::<BTreeSet<_>>().len().to_string()));
        let median = || (floats[middle / 2] + floats[middle.div_ceil(2)]) / 2.0;
        shown.push((!floats.is_empty()).then(|| format_float(median())));
        shown.push(rows.last().and_then(|row| row.4.clone()));
        shown
    });
    let mut results: Vec<_> = results.collect();
    results.sort();
    results
}

struct Run {
    budget: u64,
    workers: usize,
    batch_size: usize,
    metrics: Arc<OperatorMetrics>,
    context: QueryContext,
    _dir: tempfile::TempDir,
}

impl Run {
    fn new(budget: u64, workers: usize, batch_size: usize) -> Self {
        Self::with_memory(MemoryPool::new(budget, Thresholds::default(), None), workers, batch_size)
    }

    fn with_memory(memory: Arc<MemoryPool>, workers: usize, batch_size: usize) -> Self {
        let budget = memory.budget();
        let dir = tempfile::tempdir().unwrap();
        let context = QueryContext {
            config: Arc::new(Config { batch_size, ..Config::default() }),
            memory,
            spill: SpillManager::new(dir.path(), Some(1 << 30)),
            cancel: CancelToken::default(),
            progress: Arc::default(),
            rejects: Arc::default(),
        };
        Self { budget, workers, batch_size, metrics: OperatorMetrics::new(), context, _dir: dir }
    }

    fn sink(&self, keys: Vec<BoundExpr>, aggregates: Vec<AggregateExpr>) -> HashAggregate {
        let types = keys.iter().map(BoundExpr::data_type).chain(aggregates.iter().map(|one| one.data_type.clone()));
        let fields: Vec<_> = types.enumerate().map(|(at, of)| Field::new(format!("c{at}"), of, true)).collect();
        let named = |at: usize| format!("c{at}");
        let key_count = keys.len();
        HashAggregate::new(
            keys.into_iter().enumerate().map(|(at, key)| (key, named(at))).collect(),
            aggregates.into_iter().enumerate().map(|(at, one)| (one, named(key_count + at))).collect(),
            Arc::new(Schema::new(fields)),
            self.metrics.clone(),
        )
        .unwrap()
    }

    /// Tasks of three batches each, dealt out to the workers, who take turns.
    fn feed(&self, sink: &HashAggregate, batches: &[RecordBatch]) -> Result<Arc<dyn Source>> {
        let mut locals: Vec<_> =
            (0..self.workers).map(|_| sink.local(&self.context, self.workers)).collect::<Result<_>>()?;
        let tasks: Vec<_> = batches.chunks(3).enumerate().collect();
        for turn in tasks.chunks(self.workers) {
            for (local, (task, batches)) in locals.iter_mut().zip(turn) {
                let task = TaskId { partition: *task };
                for batch in *batches {
                    assert_eq!(sink.sink(local, task, batch.clone())?, Flow::Continue);
                }
                sink.task_done(local, task)?;
            }
        }
        for local in locals {
            sink.combine(local)?;
        }
        sink.finish(&self.context)
    }

    fn read(&self, source: &dyn Source) -> Result<Vec<Shown>> {
        let mut shown = Vec::new();
        for partition in 0..source.partitions() {
            for batch in source.open(partition, &self.context, &OperatorMetrics::new())? {
                let batch = batch?;
                assert!(batch.num_rows() <= self.batch_size);
                assert_eq!(batch.schema(), *source.schema());
                for row in 0..batch.num_rows() {
                    shown.push(batch.columns().iter().map(|column| format_value(column, row)).collect::<Shown>());
                }
            }
        }
        shown.sort();
        Ok(shown)
    }

    fn check_nothing_is_left(&self) {
        assert_eq!(self.context.memory.reserved(), 0);
        assert_eq!(self.context.spill.used(), 0);
        assert!(OperatorMetrics::get(&self.metrics.peak_reserved) <= self.budget);
    }

    fn spilled(&self) -> u64 {
        OperatorMetrics::get(&self.metrics.spilled_bytes)
    }

    fn over(&self, rows: &[Row], batch_rows: usize) -> Vec<Shown> {
        let sink = self.sink(vec![column(0), column(1)], aggregates());
        let source = self.feed(&sink, &batches(rows, batch_rows)).unwrap();
        self.read(&*source).unwrap()
    }
}

#[test]
fn any_budget_number_of_workers_and_batch_size_gives_the_same_groups() {
    for (count, keys) in [(0, 10), (3_000, 8), (6_000, 1_500)] {
        let rows = rows(count, keys, count as u64 + 1);
        let expected = twin(&rows, true);
        for (budget, workers, batch_size) in
            [(1 << 30, 1, 8192), (1 << 30, 3, 100), (2 << 20, 2, 1000), (1 << 20, 1, 333), (1 << 20, 4, 8192)]
        {
            let run = Run::new(budget, workers, batch_size);
            let found = run.over(&rows, batch_size);
            assert_eq!(found.len(), expected.len(), "{count} rows, {budget} bytes, {workers} workers");
            assert_eq!(found, expected, "{count} rows, {budget} bytes, {workers} workers");
            run.check_nothing_is_left();
            if keys > 1000 {
                assert_eq!(run.spilled() > 0, budget <= 2 << 20, "{budget} bytes, {workers} workers");
            }
        }
    }
}

/// Rows of which a share has one and the same key, in the order of a shuffle.
fn skewed(mut rows: Vec<Row>, percent: u64) -> Vec<Row> {
    let mut state = percent;
    for row in &mut rows {
        if random(&mut state) % 100 < percent {
            (row.0, row.1) = (Some(7.0), None);
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn memory_refused_at_random_changes_no_group(
        count in prop::sample::select(vec![0usize, 1, 30, 200, 700]), keys in prop::sample::select(vec![1u64, 8, 60, 100_000]),
        percent in prop::sample::select(vec![0u64, 0, 90]), one_in in 1u64..12, seed in any::<u64>(),
        workers in 1usize..4, batch_rows in 1usize..90, plain in any::<bool>(),
    ) {
        let rows = skewed(rows(count, keys, seed), percent);
        let run = Run::with_memory(MemoryPool::refusing(1 << 30, Thresholds::default(), one_in, seed), workers, batch_rows);
        let sink = run.sink(vec![column(0), column(1)], aggregates());
        let source = run.feed(&sink, &batches(&rows, batch_rows)).unwrap();
        prop_assert_eq!(run.read(&*source).unwrap(), twin(&rows, true));
        drop((source, sink));
        run.check_nothing_is_left();
        if plain {
            let sink = run.sink(Vec::new(), aggregates());
            let source = run.feed(&sink, &batches(&rows, batch_rows)).unwrap();
            prop_assert_eq!(run.read(&*source).unwrap(), twin(&rows, false));
        }
    }
}

#[test]
fn wide_states_and_sketches_come_back_from_disk_as_they_went() {
    let half = || BoundExpr::Literal(Scalar::float64(0.5));
    let aggregates = || {
        vec![
            call("covar_samp", vec![column(3), column(3)], false),
            call("corr", vec![column(3), column(0)], false),
            call("kurtosis", vec![column(3)], false),
            call("arg_max", vec![column(4), column(2)], false),
            call("arg_min_null", vec![column(2), column(4)], false),
            call("mode", vec![column(4)], false),
            call("product", vec![column(3)], true),
            call("bit_xor", vec![column(2)], false),
            call("approx_count_distinct", vec![column(4)], false),
            call("approx_quantile", vec![column(3), half()], false),
        ]
    };
    for keys in [8, 1_500] {
        let rows = rows(12_000, keys, keys);
        let over = |run: &Run| {
            let sink = run.sink(vec![column(0), column(1)], aggregates());
            let source = run.feed(&sink, &batches(&rows, run.batch_size)).unwrap();
            run.read(&*source).unwrap()
        };
        let expected = over(&Run::new(1 << 30, 1, 8192));
        for (budget, workers, batch_size) in
            [(1 << 30, 3, 100), (6 << 20, 3, 512), (4 << 20, 2, 1000), (3 << 20, 1, 333)]
        {
            let run = Run::new(budget, workers, batch_size);
            assert_eq!(over(&run), expected, "{keys} keys, {budget} bytes, {workers} workers");
            assert!(run.spilled() > 0 || keys < 1000 || budget == 1 << 30, "{budget} bytes, {workers} workers");
            run.check_nothing_is_left();
        }
    }
}

#[test]
fn without_keys_there_is_one_row_also_over_no_rows() {
    for count in [0, 5_000] {
        let rows = rows(count, 10, 7);
        for workers in [1, 3] {
            let run = Run::new(8 << 20, workers, 512);
            let sink = run.sink(Vec::new(), aggregates());
            let source = run.feed(&sink, &batches(&rows, 512)).unwrap();
            assert_eq!(source.partitions(), 1);
            assert_eq!(run.read(&*source).unwrap(), twin(&rows, false));
            drop((source, sink));
            run.check_nothing_is_left();
        }
    }
}

#[test]
fn keys_alone_give_the_distinct_rows() {
    let rows = rows(5_000, 20, 3);
    let run = Run::new(1 << 20, 2, 256);
    let sink = run.sink(vec![column(2)], Vec::new());
    let source = run.feed(&sink, &batches(&rows, 256)).unwrap();
    let expected: BTreeSet<_> = rows.iter().map(|row| vec![row.2.map(|n| n.to_string())]).collect();
    assert_eq!(run.read(&*source).unwrap(), expected.into_iter().collect::<Vec<_>>());
    let again = source.open(0, &run.context, &run.metrics).err().unwrap();
    assert!(again.to_string().contains("was read before"), "{again}");
}

fn distinct_numbers(count: i64) -> Vec<RecordBatch> {
    let batch = |start: i64| {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(start..(start + 4096).min(count)));
        RecordBatch::try_from_iter([("n", numbers)]).unwrap()
    };
    (0..count).step_by(4096).map(batch).collect()
}

fn count_by_number(run: &Run) -> HashAggregate {
    let number = || BoundExpr::column(0, "n", &DataType::Int64);
    run.sink(vec![number()], vec![call("count", vec![], false), call("avg", vec![number()], false)])
}

#[test]
fn tables_by_slice_are_made_where_rows_of_many_groups_come_in_no_order() {
    let mut state = 5;
    let scattered: Vec<i64> = (0..3_000).map(|_| (random(&mut state) % 70) as i64).collect();
    let sorted: Vec<i64> = (0..3_000).map(|row| row / 43).collect();
    let mostly_few: Vec<i64> = (0..3_000).map(|row| if row % 43 == 0 { row / 43 } else { row % 4 }).collect();
    for (numbers, cut) in [(scattered, true), (sorted, false), (mostly_few, false)] {
        let run = Run::new(1 << 30, 1, 32);
        let sink = count_by_number(&run);
        let mut local = sink.local(&run.context, 1).unwrap();
        for numbers in numbers.chunks(32) {
            let numbers: ArrayRef = Arc::new(Int64Array::from(numbers.to_vec()));
            let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
            sink.sink(&mut local, TaskId { partition: 0 }, batch).unwrap();
        }
        assert_eq!(worker(&mut local).unwrap().table.has_tables_by_slice(), cut, "{:?}", &numbers[..100]);
        sink.combine(local).unwrap();
        let found = run.read(&*sink.finish(&run.context).unwrap()).unwrap();
        let count = |number: i64| numbers.iter().filter(|other| **other == number).count();
        let expected = (0..70).map(|number| [number.to_string(), count(number).to_string(), format!("{number}.0")]);
        let mut expected: Vec<Shown> = expected.map(|row| row.map(Some).to_vec()).collect();
        expected.sort();
        assert_eq!(found, expected);
        run.check_nothing_is_left();
    }
}

#[test]
fn many_distinct_keys_stay_below_a_small_budget() {
    let run = Run::new(4 << 20, 2, 4096);
    let sink = count_by_number(&run);
    let source = run.feed(&sink, &distinct_numbers(200_000)).unwrap();
    let mut seen = vec![false; 200_000];
    for row in run.read(&*source).unwrap() {
        let number: usize = row[0].as_ref().unwrap().parse().unwrap();
        assert!(!std::mem::replace(&mut seen[number], true), "{number} is in two groups");
        assert_eq!(row[1..], [Some("1".into()), Some(format!("{number}.0"))]);
    }
    assert!(seen.iter().all(|seen| *seen));
    assert!(run.spilled() > 0);
    run.check_nothing_is_left();
}

#[test]
fn a_partition_too_large_for_memory_is_cut_further() {
    // Spilled by a sink with memory enough for that, read where a partition does not fit.
    let run = Run::new(4 << 20, 1, 1024);
    let sink = count_by_number(&run);
    let source = run.feed(&sink, &distinct_numbers(300_000)).unwrap();
    let files = OperatorMetrics::get(&run.metrics.spill_files);
    assert_eq!(files, 1, "all partitions share a file");
    let mut other_operator = run.context.memory.reservation("other", &OperatorMetrics::new());
    other_operator.grow(2_600_000).unwrap();
    assert_eq!(run.read(&*source).unwrap().len(), 300_000);
    assert!(OperatorMetrics::get(&run.metrics.spill_files) > files);
    drop(other_operator);
    run.check_nothing_is_left();
}

#[test]
fn a_sum_that_overflows_names_its_column() {
    let run = Run::new(8 << 20, 1, 1024);
    let number = BoundExpr::column(0, "n", &DataType::Int64);
    let sink = run.sink(Vec::new(), vec![call("sum", vec![number], false)]);
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1]));
    let source = run.feed(&sink, &[RecordBatch::try_from_iter([("n", numbers)]).unwrap()]).unwrap();
    let error = run.read(&*source).unwrap_err();
    assert!(error.to_string().contains("out of the range of BIGINT\n  in column \"c0\""), "{error}");
}

#[test]
fn a_cancelled_query_stops() {
    let run = Run::new(8 << 20, 1, 1024);
    let sink = count_by_number(&run);
    let source = run.feed(&sink, &distinct_numbers(10_000)).unwrap();
    run.context.cancel.cancel();
    assert_eq!(run.read(&*source).unwrap_err().exit_code(), 130);
    assert_eq!(run.feed(&count_by_number(&run), &distinct_numbers(10)).unwrap_err().exit_code(), 130);
}

#[test]
fn a_filter_applies_to_its_aggregate_alone() {
    let run = Run::new(8 << 20, 1, 1024);
    let mut filtered = call("count", vec![], false);
    filtered.filter = Some(BoundExpr::Literal(Scalar::boolean(false)));
    let sink = run.sink(Vec::new(), vec![filtered, call("count", vec![], false)]);
    let source = run.feed(&sink, &distinct_numbers(10)).unwrap();
    assert_eq!(run.read(&*source).unwrap(), [[Some("0".to_string()), Some("10".to_string())]]);
}

#[test]
fn long_texts_that_are_nearly_all_different_are_put_aside_and_found_again() {
    let text = |number: usize| Some(format!("a text that is longer than a view can hold {number}"));
    let row = |number: usize| (None, None, Some(number as i64), None, text(number % 700));
    let rows: Vec<Row> = (0..1400).map(row).collect();
    for (batch_rows, workers) in [(30, 1), (7, 2), (200, 1)] {
        let run = Run::new(64 << 20, workers, 100);
        let sink = run.sink(vec![column(4)], vec![call("count", vec![], false)]);
        let source = run.feed(&sink, &batches(&rows, batch_rows)).unwrap();
        let mut found = run.read(&*source).unwrap();
        found.sort();
        let mut expected: Vec<Shown> = (0..700).map(|number| vec![text(number), Some("2".into())]).collect();
        expected.sort();
        assert_eq!(found, expected, "batches of {batch_rows}, {workers} workers");
    }
}

#[test]
fn keys_and_states_of_every_type_come_back_from_disk() {
    let count = 24_000i64;
    let number: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
    let micros = TimeUnit::Microsecond;
    let intervals = (0..count).map(|n| (n % 7 > 0).then(|| IntervalMonthDayNano::new(n as i32 % 5, 1, n)));
    let small: ArrayRef = Arc::new((0..count).map(|n| (n % 7 > 0).then_some(n % 100)).collect::<Int64Array>());
    let cast = |to: &DataType| arrow::compute::cast(&small, to).unwrap();
    let mut columns: Vec<ArrayRef> = vec![
        cast(&DataType::Boolean),
        cast(&DataType::Int8),
        cast(&DataType::Float32),
        cast(&DataType::Decimal128(10, 2)),
        cast(&DataType::Time64(micros)),
        cast(&DataType::Timestamp(micros, None)),
        cast(&DataType::Timestamp(micros, Some("Europe/Zurich".into()))),
        cast(&TEXT),
        arrow::compute::cast(&cast(&DataType::Int32), &DataType::Date32).unwrap(),
        Arc::new(NullArray::new(number.len())),
    ];
    columns.push(Arc::new(intervals.collect::<IntervalMonthDayNanoArray>()));
    for column in columns {
        let of = column.data_type().clone();
        let value = || BoundExpr::column(1, "x", &of);
        let mut wanted = Vec::new();
        if of != DataType::Null {
            wanted = ["min", "last", "any_value"].map(|name| call(name, vec![value()], false)).to_vec();
        }
        if matches!(of, DataType::Interval(_) | DataType::Decimal128(_, _)) {
            wanted.push(call("sum", vec![value()], false));
            wanted.push(call("sum", vec![value()], true));
        }
        if of == DataType::Boolean {
            wanted.extend(["bool_and", "count_if"].map(|name| call(name, vec![value()], false)));
        }
        let whole = RecordBatch::try_from_iter([("n", number.clone()), ("x", column)]).unwrap();
        let batches: Vec<_> = (0..24).map(|part| whole.slice(part * 1000, 1000)).collect();
        let results = [64 << 20, 1 << 20].map(|budget| {
            let run = Run::new(budget, 1, 1000);
            let keys = vec![BoundExpr::column(0, "n", &DataType::Int64), value()];
            let sink = run.sink(keys, wanted.clone());
            // Each row twice.
            let source = run.feed(&sink, &[batches.clone(), batches.clone()].concat()).unwrap();
            let shown = run.read(&*source).unwrap();
            (shown, run.spilled() > 0)
        });
        assert!(results[1].1 && !results[0].1, "{of}: a small budget spills, a large one does not");
        assert_eq!(results[0].0.len(), 24_000);
        assert_eq!(results[0].0, results[1].0, "{of}");
    }
}

#[test]
fn memory_never_rises_by_more_than_was_foreseen() {
    let run = Run::new(1 << 30, 1, 8192);
    for (count, keys) in [(20_000, 10), (20_000, 100_000)] {
        let sink = run.sink(vec![column(0), column(1)], aggregates());
        let mut worker = Worker::new(&sink, &run.context, 1).unwrap();
        let mut table = GroupTable::new(&sink.layout, Keys::Rows).unwrap();
        for (step, batch) in batches(&rows(count, keys, 5), 700).iter().enumerate() {
            let input = worker.evaluate(TaskId { partition: step }, batch).unwrap();
            table.prepare(&input).unwrap();
            let rows = 0..batch.num_rows();
            let foreseen = table.memory() + table.update_growth(&input, &rows);
            table.update(&input, rows).unwrap();
            assert!(table.memory() <= foreseen, "{} bytes, {foreseen} foreseen at batch {step}", table.memory());
        }
        let states = table.drain().unwrap();
        let mut merged = GroupTable::new(&sink.layout, Keys::States).unwrap();
        for start in (0..states.num_rows()).step_by(333) {
            let states = states.slice(start, 333.min(states.num_rows() - start));
            let foreseen = merged.memory() + merged.merge_growth(&states);
            merged.merge(&states).unwrap();
            assert!(merged.memory() <= foreseen, "{} bytes, {foreseen} foreseen at state {start}", merged.memory());
        }
    }
}

#[test]
fn long_keys_are_reserved_before_they_are_encoded() {
    let text = |number: usize| Some(format!("{number}{}", "x".repeat(9_000)));
    let row = |number: usize| (None, text(number), None, None, text(number));
    let rows: Vec<Row> = (0..600).chain(0..600).map(row).collect();
    let run = Run::new(8 << 20, 1, 8192);
    let sink = run.sink(vec![column(1), column(4)], vec![call("count", vec![], false)]);
    let mut local = sink.local(&run.context, 1).unwrap();
    for batch in batches(&rows, 600) {
        sink.sink(&mut local, TaskId { partition: 0 }, batch).unwrap();
        // All keys of a batch are 11 MB once they are encoded.
        assert!(OperatorMetrics::get(&run.metrics.peak_reserved) > 1 << 20);
        assert!(worker(&mut local).unwrap().table.memory() < 6 << 20);
    }
    sink.combine(local).unwrap();
    let found = run.read(&*sink.finish(&run.context).unwrap()).unwrap();
    assert_eq!(found.len(), 600);
    assert!(found.iter().all(|row| row[2] == Some("2".into())));
    assert!(run.spilled() > 0);
}

#[test]
fn correlations_of_values_of_very_different_size_leave_memory() {
    let value = |n: u32| Some(f64::from(n % 7 + 1) * if n.is_multiple_of(2) { 1e150 } else { 1e-150 });
    let row = |n: u32| (Some(f64::from(n / 2)), None, None, value(n), None);
    let rows: Vec<Row> = (0..12_000).map(row).collect();
    let over = |budget: u64| {
        let run = Run::new(budget, 2, 1000);
        let sink = run.sink(vec![column(0)], vec![call("corr", vec![column(3), column(0)], false)]);
        let source = run.feed(&sink, &batches(&rows, 1000)).unwrap();
        (run.read(&*source).unwrap(), run.spilled() > 0)
    };
    let (found, spilled) = over(6 << 20);
    assert!(spilled);
    assert_eq!(found, over(1 << 30).0);
}
