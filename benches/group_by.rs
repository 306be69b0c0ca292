//! The kernels of group-by and resample, apart from reading: hashing keys, finding groups, cutting time into buckets.
//! `cargo bench --bench group_by`. Compare only figures of one run.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use highwater::batch::hash_rows;
use highwater::config::Config;
use highwater::context::{CancelToken, QueryContext};
use highwater::eval::Evaluator;
use highwater::expr::{AggregateExpr, BoundExpr};
use highwater::functions::aggregate::lookup;
use highwater::memory::{MemoryPool, Thresholds};
use highwater::metrics::OperatorMetrics;
use highwater::operators::aggregate::HashAggregate;
use highwater::operators::{Sink, TaskId};
use highwater::spill::SpillManager;
use highwater::types::Scalar;
use highwater::types::interval::parse_interval;

const BATCH_ROWS: u64 = 8192;
const BATCHES: u64 = 64;

/// Numbers without a pattern, below `below`.
fn number(row: u64, below: u64) -> u64 {
    (row.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 17) % below
}

/// Keys of `groups` groups, as integer, short text and long text, and a value.
fn batch(start: u64, groups: u64) -> RecordBatch {
    let numbers: Vec<u64> = (start..start + BATCH_ROWS).map(|row| number(row, groups)).collect();
    let integers: ArrayRef = Arc::new(numbers.iter().map(|&n| Some(n as i64)).collect::<Int64Array>());
    let short: ArrayRef = Arc::new(StringViewArray::from_iter_values(numbers.iter().map(|n| format!("id{n:08}"))));
    let long: ArrayRef =
        Arc::new(StringViewArray::from_iter_values(numbers.iter().map(|n| format!("a key longer than a view {n:08}"))));
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values(numbers.iter().map(|&n| n as f64 / 64.0)));
    RecordBatch::try_from_iter([("integer", integers), ("short", short), ("long", long), ("value", values)])
        .expect("columns of one length")
}

fn column(batch: &RecordBatch, index: usize) -> BoundExpr {
    let schema = batch.schema();
    let field = schema.field(index);
    BoundExpr::column(index, field.name(), field.data_type())
}

fn context() -> QueryContext {
    QueryContext {
        config: Arc::new(Config::default()),
        memory: MemoryPool::new(8 << 30, Thresholds::default(), None),
        spill: SpillManager::new(&std::env::temp_dir(), None),
        cancel: CancelToken::default(),
        progress: Arc::default(),
        rejects: Arc::default(),
    }
}

fn hashing(criterion: &mut Criterion) {
    let batch = batch(0, 1 << 20);
    let mut group = criterion.benchmark_group("hash");
    group.throughput(Throughput::Elements(BATCH_ROWS));
    for (name, columns) in
        [("integer", vec![0]), ("short text", vec![1]), ("long text", vec![2]), ("integer and text", vec![0, 1])]
    {
        let columns: Vec<_> = columns.into_iter().map(|column| batch.column(column).clone()).collect();
        let mut hashes = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                hashes.clear();
                hash_rows(black_box(&columns), &mut hashes).expect("columns of known types");
                black_box(hashes.last().copied())
            });
        });
    }
    group.finish();
}

/// A whole aggregation by one worker, from batches in memory to its result.
fn aggregate(batches: &[RecordBatch], keys: &[usize], context: &QueryContext) -> usize {
    let keys: Vec<_> = keys.iter().map(|&key| (column(&batches[0], key), "key".to_string())).collect();
    let value = column(&batches[0], 3);
    let sum = lookup("sum").expect("a registered function");
    let data_type = (sum.resolve)(&[value.data_type()]).expect("a sum of floats").result;
    let sum = AggregateExpr {
        args: vec![value],
        distinct: false,
        filter: None,
        order_by: Vec::new(),
        data_type,
        function: sum.name,
    };
    let types = keys.iter().map(|(key, _)| key.data_type()).chain([sum.data_type.clone()]);
    let fields: Vec<_> = types.map(|of| Field::new("column", of, true)).collect();
    let metrics = OperatorMetrics::new();
    let sink = HashAggregate::new(keys, vec![(sum, "sum".into())], Arc::new(Schema::new(fields)), metrics.clone())
        .expect("an aggregation that fits its schema");
    let mut local = sink.local(context, 1).expect("a worker");
    for batch in batches {
        sink.sink(&mut local, TaskId { partition: 0 }, batch.clone()).expect("rows that fit into memory");
    }
    sink.combine(local).expect("a worker that is through");
    let source = sink.finish(context).expect("a result");
    let batches = (0..source.partitions()).flat_map(|part| source.open(part, context, &metrics).expect("a partition"));
    batches.map(|batch| batch.expect("a batch").num_rows()).sum()
}

fn probing(criterion: &mut Criterion) {
    let context = context();
    let mut group = criterion.benchmark_group("aggregate");
    group.throughput(Throughput::Elements(BATCH_ROWS * BATCHES)).sample_size(10);
    for groups in [100, 100_000, u64::from(u32::MAX)] {
        let batches: Vec<_> = (0..BATCHES).map(|number| batch(number * BATCH_ROWS, groups)).collect();
        for (name, keys) in
            [("integer", vec![0]), ("short text", vec![1]), ("long text", vec![2]), ("three keys", vec![0, 1, 2])]
        {
            group.bench_with_input(BenchmarkId::new(name, groups), &keys, |bencher, keys| {
                bencher.iter(|| black_box(aggregate(&batches, keys, &context)));
            });
        }
    }
    group.finish();
}

fn buckets(criterion: &mut Criterion) {
    let config = Arc::new(Config::default());
    let mut group = criterion.benchmark_group("time_bucket");
    group.throughput(Throughput::Elements(BATCH_ROWS));
    let in_order = (0..BATCH_ROWS as i64).map(|second| second * 1_000_000);
    let shuffled = (0..BATCH_ROWS).map(|row| number(row, 1 << 50) as i64);
    for (order, moments) in [("in order", in_order.collect::<Vec<_>>()), ("shuffled", shuffled.collect())] {
        let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(moments));
        let batch = RecordBatch::try_from_iter([("moment", moments)]).expect("one column");
        for width in ["1 hour", "1 day", "1 month"] {
            let interval = parse_interval(width, None).expect("an interval");
            let bucket = BoundExpr::Call {
                name: "time_bucket",
                args: vec![BoundExpr::Literal(Scalar::interval(interval)), column(&batch, 0)],
                data_type: DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
            };
            let evaluator = Evaluator::new(&bucket, &config).expect("a registered function");
            group.bench_function(BenchmarkId::new(width, order), |bencher| {
                bencher.iter(|| black_box(evaluator.evaluate_array(&batch).expect("buckets in range")));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, hashing, probing, buckets);
criterion_main!(benches);
