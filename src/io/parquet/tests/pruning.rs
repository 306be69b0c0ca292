//! Reading with conditions: pages and row groups that are skipped, columns that are read late, row groups in parts.

use ::parquet::file::properties::WriterPropertiesBuilder;

use super::twin::{answer, conditions, float_values, texts, value_of};
use super::*;

/// Writes a file with small pages, of three rows.
fn paged(
    path: &Path,
    columns: &[(&str, ArrayRef)],
    row_group: usize,
    change: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) -> PathBuf {
    let columns = columns.iter().map(|(name, array)| (*name, array.clone(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(row_group))
        .set_data_page_row_count_limit(3)
        .set_write_batch_size(1);
    let properties = change(properties).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path.to_path_buf()
}

fn texts_of(prefix: &str, range: std::ops::Range<i64>) -> ArrayRef {
    Arc::new(StringViewArray::from_iter_values(range.map(|n| format!("{prefix} of some length {n}"))))
}

/// Reads all partitions of a source, and says what it counted.
fn drain(source: &Arc<dyn Source>, context: &QueryContext) -> (Vec<RecordBatch>, Arc<OperatorMetrics>) {
    let metrics = OperatorMetrics::new();
    let mut batches = Vec::new();
    for partition in 0..source.partitions() {
        batches.extend(source.open(partition, context, &metrics).unwrap().map(Result::unwrap));
    }
    (batches, metrics)
}

fn integers(batches: &[RecordBatch], column: usize) -> Vec<i64> {
    let values = batches.iter().flat_map(|batch| {
        let array = batch.column(column).as_primitive::<arrow::datatypes::Int64Type>().clone();
        array.values().to_vec()
    });
    values.collect()
}

#[test]
fn pages_of_a_sorted_column_are_skipped_in_all_columns() {
    let dir = tempfile::tempdir().unwrap();
    let columns = [("i", ints(0..600)), ("t", texts_of("text", 0..600))];
    let table = open(&[paged(&dir.path().join("a.parquet"), &columns, 300, |properties| properties)]).unwrap();
    let between = [
        compare(0, DataType::Int64, BinaryOp::GreaterEqual, Scalar::int64(100)),
        compare(0, DataType::Int64, BinaryOp::Less, Scalar::int64(104)),
    ];
    let context = context(10);
    let request = ScanRequest { filters: between.to_vec(), ..ScanRequest::default() };
    let source = table.scan(&request, &context).unwrap();
    let (batches, metrics) = drain(&source, &context);
    assert_eq!(integers(&batches, 0), [100, 101, 102, 103]);
    assert_eq!(format_value(batches[0].column(1), 3).unwrap(), "text of some length 103");
    assert_eq!(metrics.extra()["row groups pruned"], 1);
    // Two of a hundred pages are read of each column.
    assert_eq!(metrics.extra()["pages pruned"], 2 * 98);
    assert_eq!(context.progress.rows_read.load(Relaxed), 6);
    let total: u64 = (0..source.partitions()).map(|partition| source.partition_bytes(partition)).sum();
    assert_eq!(context.progress.bytes_done.load(Relaxed), total);
}

#[test]
fn row_groups_whose_bloom_filters_lack_a_value_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let even: ArrayRef = ints((0..1000).map(|n| n * 2));
    let text: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..1000).map(|n| format!("t{}", n * 2))));
    let small: ArrayRef = Arc::new(Int32Array::from_iter_values((0..1000).map(|n| n * 2)));
    let float: ArrayRef = Arc::new(Float64Array::from_iter_values((0..1000).map(|n| f64::from(n) * 2.0)));
    let columns = [("i", even), ("t", text), ("s", small), ("f", float)];
    let path = dir.path().join("a.parquet");
    let table = open(&[paged(&path, &columns, 1000, |properties| {
        properties
            .set_bloom_filter_enabled(true)
            .set_statistics_enabled(::parquet::file::properties::EnabledStatistics::Chunk)
    })])
    .unwrap();
    let wide = BoundExpr::Cast {
        expr: Box::new(BoundExpr::column(2, "s", &DataType::Int32)),
        to: DataType::Int64,
        try_cast: false,
    };
    let equals = |value: i64| BoundExpr::Binary {
        left: Box::new(BoundExpr::Literal(Scalar::int64(value))),
        op: BinaryOp::Equal,
        right: Box::new(wide.clone()),
        data_type: DataType::Boolean,
    };
    let in_list = |values: &[i64]| BoundExpr::InList {
        expr: Box::new(BoundExpr::column(0, "i", &DataType::Int64)),
        list: values.iter().map(|value| BoundExpr::Literal(Scalar::int64(*value))).collect(),
        negated: false,
    };
    let context = context(100);
    for (condition, rows, pruned) in [
        (compare(0, DataType::Int64, BinaryOp::Equal, Scalar::int64(500)), 1, false),
        (compare(0, DataType::Int64, BinaryOp::Equal, Scalar::int64(501)), 0, true),
        (compare(1, TEXT, BinaryOp::Equal, Scalar::text("t500")), 1, false),
        (compare(1, TEXT, BinaryOp::Equal, Scalar::text("t501")), 0, true),
        (compare(3, DataType::Float64, BinaryOp::Equal, Scalar::float64(500.0)), 1, false),
        (compare(3, DataType::Float64, BinaryOp::Equal, Scalar::float64(501.0)), 0, true),
        (compare(3, DataType::Float64, BinaryOp::Equal, Scalar::float64(-0.0)), 1, false),
        (equals(500), 1, false),
        (equals(501), 0, true),
        (in_list(&[501, 503]), 0, true),
        (in_list(&[501, 502]), 1, false),
        (compare(0, DataType::Int64, BinaryOp::Greater, Scalar::int64(1990)), 4, false),
    ] {
        let request = ScanRequest { filters: vec![condition.clone()], ..ScanRequest::default() };
        let (batches, metrics) = drain(&table.scan(&request, &context).unwrap(), &context);
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows, "{condition}");
        assert_eq!(metrics.extra().get("row groups pruned").is_some_and(|pruned| *pruned == 1), pruned, "{condition}");
    }
}

fn with_threads(threads: usize) -> QueryContext {
    let base = context(8192);
    QueryContext { config: Arc::new(Config { threads, ..base.config.as_ref().clone() }), ..base }
}

#[test]
fn the_last_row_groups_are_read_in_parts_so_that_threads_end_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = foreign(&dir.path().join("a.parquet"), vec![("i", ints(0..1_600_000))], 200_000);
    let table = open(&[path]).unwrap();
    let sizes = |threads| {
        let context = with_threads(threads);
        let source = table.scan(&ScanRequest::default(), &context).unwrap();
        let sizes: Vec<usize> = (0..source.partitions())
            .map(|at| {
                let batches = source.open(at, &context, &OperatorMetrics::new()).unwrap();
                batches.map(|batch| batch.unwrap().num_rows()).sum()
            })
            .collect();
        assert_eq!(integers(&drain(&source, &context).0, 0).into_iter().sum::<i64>(), 1_600_000 * 1_599_999 / 2);
        sizes
    };
    assert_eq!(sizes(1), [200_000; 8]);
    let two = sizes(2);
    assert_eq!(two[..5], [200_000; 5]);
    assert_eq!(two[5..], [100_000; 6]);
}

#[test]
fn a_large_row_group_is_read_in_parts_whose_rows_are_in_order() {
    let dir = tempfile::tempdir().unwrap();
    // Values that do not compress: many pages of a megabyte.
    let mixed = |n: i64| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64;
    let columns: Vec<(&str, ArrayRef)> = vec![("i", ints(0..3_000_000)), ("m", ints((0..3_000_000).map(mixed)))];
    let path = foreign(&dir.path().join("a.parquet"), columns, 10_000_000);
    let table = open(&[path]).unwrap();
    for (threads, parts) in [(1, 1), (4, 16)] {
        let context = with_threads(threads);
        let source = table.scan(&ScanRequest::default(), &context).unwrap();
        assert_eq!(source.partitions(), parts);
        let (batches, _) = drain(&source, &context);
        assert!(integers(&batches, 0).into_iter().eq(0..3_000_000));
        let total: u64 = (0..parts).map(|partition| source.partition_bytes(partition)).sum();
        assert_eq!(context.progress.bytes_done.load(Relaxed), total);
    }
}

#[test]
fn pages_that_do_not_fit_into_memory_are_an_error_of_that_query() {
    let dir = tempfile::tempdir().unwrap();
    let mixed = |n: i64| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64;
    let path = foreign(&dir.path().join("a.parquet"), vec![("m", ints((0..300_000).map(mixed)))], 10_000_000);
    let table = open(&[path]).unwrap();
    let base = context(8192);
    let small = QueryContext { memory: MemoryPool::new(1 << 20, Thresholds::default(), None), ..base };
    let error = read(&table, &ScanRequest::default(), &small).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("parquet pages"), "{error}");
    assert_eq!(small.memory.reserved(), 0);
}

#[test]
fn a_wide_column_of_a_second_condition_was_held_for_a_whole_partition() {
    let dir = tempfile::tempdir().unwrap();
    let rows = 200_000;
    let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..rows).map(|n| format!("{n:0>150}"))));
    let path = foreign(&dir.path().join("a.parquet"), vec![("i", ints(0..rows)), ("t", texts)], 1 << 20);
    let table = open(&[path]).unwrap();
    let base = context(8192);
    let small = QueryContext { memory: MemoryPool::new(24 << 20, Thresholds::default(), None), ..base };
    let filters = vec![
        compare(0, DataType::Int64, BinaryOp::GreaterEqual, Scalar::int64(0)),
        compare(1, TEXT, BinaryOp::Greater, Scalar::text("")),
    ];
    let request = ScanRequest { filters, projection: Some(vec![1]), ..ScanRequest::default() };
    let source = table.scan(&request, &small).unwrap();
    let metrics = OperatorMetrics::new();
    let mut found = 0;
    for partition in 0..source.partitions() {
        let batches = source.open(partition, &small, &metrics).unwrap();
        found += batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>();
    }
    assert_eq!(found, 200_000);
    // Of 30 MB.
    let peak = OperatorMetrics::get(&metrics.peak_reserved);
    assert!(peak < 20 << 20, "{peak}");
}

#[test]
fn a_file_that_was_replaced_by_one_of_the_same_size_was_read_as_if_it_were_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let table = open(&[foreign(&path, vec![("i", ints(0..10))], 5)]).unwrap();
    let other = foreign(&dir.path().join("b.parquet"), vec![("i", ints(10..20))], 5);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), std::fs::metadata(&other).unwrap().len());
    std::fs::rename(other, &path).unwrap();
    let error = read(&table, &ScanRequest::default(), &context(10)).unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn rows_that_match_are_given_whether_columns_are_read_late_or_not(
        ints in prop::collection::vec(prop::option::weighted(0.8, -3i64..4), 1..120),
        sorted in any::<bool>(),
        floats in prop::collection::vec(prop::option::weighted(0.8, float_values()), 120),
        texts in prop::collection::vec(prop::option::weighted(0.8, texts()), 120),
        filters in prop::collection::vec(conditions(), 1..4),
        projection in prop::collection::vec(0usize..4, 0..5),
        row_group in 1usize..60,
        batch_size in 1usize..20,
        bloom in any::<bool>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let rows = ints.len();
        let mut ints = ints;
        if sorted {
            ints.sort_unstable();
        }
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("i", Arc::new(Int64Array::from(ints))),
            ("f", Arc::new(Float64Array::from(floats[..rows].to_vec()))),
            ("t", Arc::new(StringViewArray::from_iter(texts[..rows].iter().cloned()))),
            ("n", super::ints(0..rows as i64)),
        ];
        let change = if bloom {
            |properties: WriterPropertiesBuilder| properties.set_bloom_filter_enabled(true)
        } else {
            |properties: WriterPropertiesBuilder| properties
        };
        let table = open(&[paged(&dir.path().join("a.parquet"), &columns, row_group, change)]).unwrap();
        let context = context(batch_size);
        let expected: Vec<Vec<Option<String>>> = (0..rows)
            .filter(|&row| {
                let values: Vec<_> = columns.iter().map(|(_, array)| value_of(array, row)).collect();
                filters.iter().all(|filter| answer(filter, &values) == Some(true))
            })
            .map(|row| projection.iter().map(|column| format_value(&columns[*column].1, row)).collect())
            .collect();
        let request = ScanRequest { filters, projection: Some(projection), ..ScanRequest::default() };
        let source = table.scan(&request, &context).unwrap();
        prop_assert!(source.applies_filters());
        // The second time, it is known how many rows pass.
        for _ in 0..2 {
            let (batches, _) = drain(&source, &context);
            let found: Vec<Vec<Option<String>>> = batches
                .iter()
                .flat_map(|batch| (0..batch.num_rows()).map(move |row| {
                    batch.columns().iter().map(|array| format_value(array, row)).collect()
                }))
                .collect();
            prop_assert_eq!(&found, &expected);
            prop_assert!(batches.iter().all(|batch| (1..=batch_size).contains(&batch.num_rows())));
            prop_assert!(batches.iter().all(|batch| batch.schema() == *source.schema()));
        }
        prop_assert_eq!(context.memory.reserved(), 0);
    }
}
