//! Aggregates whose states grow with their rows: groups that do not fit leave memory in sorted runs.

use super::*;
use crate::expr::{SortExpr, UnaryOp};

/// 200 000 of them, all different.
fn many_numbers() -> Vec<RecordBatch> {
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..200_000).map(f64::from)));
    let whole = RecordBatch::try_from_iter([("n", floats)]).unwrap();
    (0..whole.num_rows()).step_by(1000).map(|start| whole.slice(start, 1000)).collect()
}

fn ordered_by(of: AggregateExpr, keys: &[(BoundExpr, bool)]) -> AggregateExpr {
    let key = |(expr, descending): &(BoundExpr, bool)| SortExpr {
        expr: expr.clone(),
        descending: *descending,
        nulls_first: *descending,
    };
    AggregateExpr { order_by: keys.iter().map(key).collect(), ..of }
}

/// One of each kind, more than one over different arguments.
fn wide_aggregates() -> Vec<AggregateExpr> {
    let separator = || BoundExpr::Literal(Scalar::text("; "));
    vec![
        call("count", vec![column(4)], true),
        call("sum", vec![column(3)], true),
        call("mode", vec![column(4)], false),
        call("median", vec![column(3)], true),
        call("median", vec![column(3)], false),
        call("array_agg", vec![column(2)], false),
        call("array_agg", vec![column(4)], true),
        ordered_by(call("array_agg", vec![column(3)], true), &[(column(3), true)]),
        ordered_by(call("string_agg", vec![column(4), separator()], false), &[(column(2), false), (column(3), true)]),
        AggregateExpr {
            filter: Some(BoundExpr::Unary { op: UnaryOp::IsNotNull, expr: Box::new(column(2)) }),
            ..call("string_agg", vec![column(4), separator()], false)
        },
    ]
}

/// The groups of rows, and whether anything was spilled; memory is given back.
fn over(run: &Run, keys: &[usize], aggregates: Vec<AggregateExpr>, batches: &[RecordBatch]) -> (Vec<Shown>, bool) {
    let sink = run.sink(keys.iter().map(|key| column(*key)).collect(), aggregates);
    let source = run.feed(&sink, batches).unwrap();
    let found = run.read(&*source).unwrap();
    drop((source, sink));
    run.check_nothing_is_left();
    (found, run.spilled() > 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn memory_refused_at_random_changes_no_wide_state(
        count in prop::sample::select(vec![0usize, 1, 30, 200, 700]), keys in prop::sample::select(vec![1u64, 8, 60, 100_000]),
        percent in prop::sample::select(vec![0u64, 0, 90]), one_in in 1u64..12, seed in any::<u64>(),
        workers in 1usize..4, batch_rows in 1usize..90, key_columns in prop::sample::select(vec![vec![], vec![0], vec![0, 1]]),
        picked in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let batches = batches(&skewed(rows(count, keys, seed), percent), batch_rows);
        let aggregates = || {
            let all = wide_aggregates();
            picked.iter().map(|index| index.get(&all).clone()).collect::<Vec<_>>()
        };
        let refusing = MemoryPool::refusing(1 << 30, Thresholds::default(), one_in, seed);
        let (found, _) = over(&Run::with_memory(refusing, workers, batch_rows), &key_columns, aggregates(), &batches);
        // Tasks are of three batches whoever takes them, so that rows have the same places.
        let (expected, spilled) = over(&Run::new(1 << 30, 1, batch_rows), &key_columns, aggregates(), &batches);
        prop_assert!(!spilled);
        prop_assert_eq!(found, expected);
    }
}

/// Keys by the number of a row.
type KeyOf = fn(usize) -> Option<f64>;

#[test]
fn groups_larger_than_the_budget_give_what_they_give_in_memory() {
    let aggregates = || {
        vec![
            call("count", vec![column(4)], true),
            call("sum", vec![column(3)], true),
            call("mode", vec![column(4)], false),
            call("mode", vec![column(2)], false),
            call("median", vec![column(3)], true),
            call("median", vec![column(3)], false),
            call("sum", vec![column(3)], false),
        ]
    };
    let shapes: [(&str, KeyOf); 5] = [
        ("one key", |_| Some(5.0)),
        ("nine in ten of one key", |row| Some(if row % 10 > 0 { 5.0 } else { row as f64 })),
        ("no two of a key", |row| Some(row as f64)),
        ("null keys", |row| (row % 3 == 0).then_some((row % 5) as f64)),
        ("few keys", |row| Some((row % 3) as f64)),
    ];
    for (shape, key) in shapes {
        let row = |number: usize| {
            // Each value thrice, the least of the last ones once more.
            let value = number.wrapping_mul(7919) % 10_007;
            (key(number), None, Some(value as i64), Some(value as f64 / 4.0), Some(format!("some text {value}")))
        };
        let rows: Vec<Row> = (0..30_021).map(row).collect();
        let batches = batches(&rows, 1000);
        let (expected, spilled) = over(&Run::new(1 << 30, 1, 1000), &[0], aggregates(), &batches);
        assert!(!spilled);
        for (budget, workers) in [(2 << 20, 1), (3 << 20, 2), (8 << 20, 3)] {
            let (found, spilled) = over(&Run::new(budget, workers, 1000), &[0], aggregates(), &batches);
            assert!(spilled, "{shape}: {budget} bytes, {workers} workers");
            assert_eq!(found, expected, "{shape}: {budget} bytes, {workers} workers");
        }
    }
}

#[test]
fn the_median_of_one_group_leaves_memory() {
    let run = Run::new(1 << 20, 1, 1024);
    let sink = run.sink(Vec::new(), vec![call("median", vec![BoundExpr::column(0, "n", &DataType::Float64)], false)]);
    let source = run.feed(&sink, &many_numbers()).unwrap();
    assert_eq!(run.read(&*source).unwrap(), [vec![Some("99999.5".to_string())]]);
    assert!(OperatorMetrics::get(&run.metrics.spilled_bytes) > 200_000);
    drop((source, sink));
    run.check_nothing_is_left();
}

/// A list of the first numbers: their values take much less memory than their places.
fn list_of_numbers(run: &Run, count: usize) -> Result<Vec<Shown>> {
    let sink =
        run.sink(Vec::new(), vec![call("array_agg", vec![BoundExpr::column(0, "n", &DataType::Float64)], false)]);
    let source = run.feed(&sink, &many_numbers()[..count / 1000])?;
    run.read(&*source)
}

#[test]
fn a_list_that_fits_is_made_of_values_that_did_not() {
    let run = Run::new(2 << 20, 1, 1024);
    let found = list_of_numbers(&run, 100_000).unwrap();
    let expected: Vec<_> = (0..100_000).map(|n| format!("{n}.0")).collect();
    assert_eq!(found, [vec![Some(format!("[{}]", expected.join(", ")))]]);
    assert!(run.spilled() > 0);
    run.check_nothing_is_left();
}

#[test]
fn lists_of_several_groups_of_a_partition_are_made_one_after_another() {
    // Three lists of 400 KB each, which are never in memory together.
    let rows: Vec<Row> = (0..150_000).map(|n| (Some(f64::from(n % 3)), None, Some(i64::from(n)), None, None)).collect();
    let run = Run::new(1 << 20, 1, 1024);
    let (found, spilled) = over(&run, &[0], vec![call("array_agg", vec![column(2)], false)], &batches(&rows, 1000));
    assert!(spilled);
    let list = |key: i64| (0..50_000).map(|n| (3 * n + key).to_string()).collect::<Vec<_>>().join(", ");
    let expected = (0..3).map(|key| vec![Some(format!("{key}.0")), Some(format!("[{}]", list(key)))]);
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn a_budget_too_small_for_one_list_is_an_error_that_says_who_holds_it() {
    let run = Run::new(1 << 20, 1, 1024);
    let error = list_of_numbers(&run, 200_000).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().contains("aggregate"), "{error}");
    assert!(error.to_string().contains("what is made of one group does not fit"), "{error}");
    run.check_nothing_is_left();
}

#[test]
fn a_partition_that_cannot_be_cut_further_is_sorted_group_by_group() {
    let rows = rows(40_000, 40, 3);
    let aggregates = || vec![call("count", vec![column(2)], true), call("median", vec![column(3)], false)];
    let (expected, _) = over(&Run::new(1 << 30, 1, 1000), &[0], aggregates(), &batches(&rows, 1000));
    let run = Run::new(1 << 20, 1, 1000);
    let sink = run.sink(vec![column(0)], aggregates());
    let mut worker = Worker::new(&sink, &run.context, 1).unwrap();
    let mut table = SpillingTable::new(&sink.layout, Keys::Rows, 0, None, &run.context, &run.metrics).unwrap();
    for batch in batches(&rows, 1000) {
        table.update(&worker.evaluate(TaskId { partition: 0 }, &batch).unwrap()).unwrap();
    }
    assert!(run.spilled() > 0);
    assert!(table.try_reserve_results().unwrap());
    let (groups, _reservation) = table.finish().unwrap();
    let batch = groups.batch(0..groups.rows()).unwrap();
    let row = |row| batch.columns().iter().map(|column| format_value(column, row)).collect::<Shown>();
    let mut found: Vec<_> = (0..batch.num_rows()).map(row).collect();
    found.sort();
    assert_eq!(found, expected);
}
