//! Reading what we and others wrote, and what is wrong with files.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ::parquet::arrow::ArrowWriter;
use ::parquet::file::properties::WriterProperties;
use arrow::array::*;
use arrow::datatypes::{DataType, Field, i256};
use proptest::prelude::*;

mod facts;
mod kept;
mod lists;
mod nested;
mod pruning;
mod twin;

use super::*;
use crate::batch::record_batch;
use crate::context::CancelToken;
use crate::expr::{BinaryOp, BoundExpr, UnaryOp};
use crate::io::options::OptionValue;
use crate::io::write::{FileSink, WriteContext, WriteOptions};
use crate::memory::{MemoryPool, Thresholds};
use crate::metrics::{OperatorMetrics, Progress};
use crate::spill::SpillManager;
use crate::types::temporal::format_value;
use crate::types::{Scalar, TEXT, timestamp_tz};

fn context(batch_size: usize) -> QueryContext {
    QueryContext {
        config: Arc::new(Config { batch_size, ..Config::default() }),
        memory: MemoryPool::new(1 << 30, Thresholds::default(), None),
        spill: SpillManager::new(&std::env::temp_dir(), Some(0)),
        cancel: CancelToken::default(),
        progress: Arc::new(Progress::default()),
        rejects: Arc::default(),
    }
}

/// Writes a file as another program would.
fn foreign(path: &Path, columns: Vec<(&str, ArrayRef)>, row_group: usize) -> PathBuf {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(row_group)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path.to_path_buf()
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn open(files: &[PathBuf]) -> Result<Arc<ParquetTable>> {
    ParquetTable::open(files.to_vec(), &Vec::new(), &Config::default())
}

fn options(name: &str, value: OptionValue) -> Options {
    vec![(name.to_string(), value)]
}

fn read(table: &ParquetTable, request: &ScanRequest, context: &QueryContext) -> Result<Vec<RecordBatch>> {
    let source = table.scan(request, context)?;
    let metrics = OperatorMetrics::new();
    let mut batches = Vec::new();
    for partition in 0..source.partitions() {
        for batch in source.open(partition, context, &metrics)? {
            let batch = batch?;
            assert_eq!(batch.schema(), *source.schema());
            assert!(batch.num_rows() <= context.config.batch_size);
            batches.push(batch);
        }
    }
    Ok(batches)
}

/// All rows as text.
fn rows(table: &ParquetTable, request: &ScanRequest) -> Vec<Vec<Option<String>>> {
    let batches = read(table, request, &context(3)).unwrap();
    let cells = |batch: &RecordBatch, row| batch.columns().iter().map(|array| format_value(array, row)).collect();
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| cells(batch, row))).collect()
}

fn column(table: &ParquetTable, index: usize) -> Vec<Option<String>> {
    let request = ScanRequest { projection: Some(vec![index]), ..ScanRequest::default() };
    rows(table, &request).into_iter().map(|mut row| row.remove(0)).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some(text.to_string())).collect()
}

#[test]
fn every_type_comes_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.parquet");
    let batch = crate::io::write::tests::all_types();
    let mut sink = FileSink::new(&path, &WriteOptions::default(), &batch.schema(), &WriteContext::default()).unwrap();
    sink.write(&batch).unwrap();
    sink.write(&batch.slice(1, 2)).unwrap();
    sink.commit().unwrap();
    let config = Config { time_zone: "America/New_York".into(), ..Config::default() };
    let table = ParquetTable::open(vec![path], &Vec::new(), &config).unwrap();
    assert_eq!(table.schema().fields(), batch.schema().fields());
    assert_eq!(table.row_count(), Some(5));
    let read = read(&table, &ScanRequest::default(), &context(8192)).unwrap();
    let read = arrow::compute::concat_batches(table.schema(), &read).unwrap();
    let columns = read.columns().iter().map(|column| column.slice(0, 3)).collect();
    assert_eq!(record_batch(&batch.schema(), columns, 3).unwrap(), batch);
    assert_eq!(read.slice(3, 2), batch.slice(1, 2));
}

#[test]
fn types_of_others_become_ours() {
    let dir = tempfile::tempdir().unwrap();
    let dictionary: DictionaryArray<arrow::datatypes::Int32Type> = vec!["x", "y", "x"].into_iter().collect();
    let wide = Decimal256Array::from(vec![i256::from_i128(7), i256::from_i128(-8), i256::ZERO]);
    let halves = arrow::compute::cast(&Float32Array::from(vec![0.5, -2.0, f32::NAN]), &DataType::Float16).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("u8", Arc::new(UInt8Array::from(vec![0, 1, u8::MAX]))),
        ("u16", Arc::new(UInt16Array::from(vec![0, 1, u16::MAX]))),
        ("u32", Arc::new(UInt32Array::from(vec![0, 1, u32::MAX]))),
        ("u64", Arc::new(UInt64Array::from(vec![0, 1, u64::MAX]))),
        ("f16", halves),
        ("utf8", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("large", Arc::new(LargeStringArray::from(vec!["a", "b", "c"]))),
        ("dict", Arc::new(dictionary)),
        ("s", Arc::new(TimestampSecondArray::from(vec![0, -1, 1]))),
        ("ms", Arc::new(TimestampMillisecondArray::from(vec![0, -1, 1]))),
        ("ns", Arc::new(TimestampNanosecondArray::from(vec![0, -1000, 1000]).with_timezone("+02:00"))),
        ("d64", Arc::new(Date64Array::from(vec![0, -86_400_000, 86_400_000]))),
        ("t32", Arc::new(Time32MillisecondArray::from(vec![0, 1, 86_399_999]))),
        ("t64", Arc::new(Time64NanosecondArray::from(vec![0, 1000, 86_399_999_999_000]))),
        ("d256", Arc::new(wide.with_precision_and_scale(20, 1).unwrap())),
    ];
    let path = foreign(&dir.path().join("a.parquet"), columns, 2);
    let table = open(&[path]).unwrap();
    let types: Vec<DataType> = table.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    use crate::types::{TIME, TIMESTAMP};
    let expected = [
        (DataType::Int16, ["0", "1", "255"]),
        (DataType::Int32, ["0", "1", "65535"]),
        (DataType::Int64, ["0", "1", "4294967295"]),
        (DataType::Decimal128(20, 0), ["0", "1", "18446744073709551615"]),
        (DataType::Float32, ["0.5", "-2.0", "NaN"]),
        (TEXT, ["a", "b", "c"]),
        (TEXT, ["a", "b", "c"]),
        (TEXT, ["x", "y", "x"]),
        (TIMESTAMP, ["1970-01-01 00:00:00", "1969-12-31 23:59:59", "1970-01-01 00:00:01"]),
        (TIMESTAMP, ["1970-01-01 00:00:00", "1969-12-31 23:59:59.999", "1970-01-01 00:00:00.001"]),
        (
            timestamp_tz("UTC"),
            ["1970-01-01 00:00:00+00", "1969-12-31 23:59:59.999999+00", "1970-01-01 00:00:00.000001+00"],
        ),
        (DataType::Date32, ["1970-01-01", "1969-12-31", "1970-01-02"]),
        (TIME, ["00:00:00", "00:00:00.001", "23:59:59.999"]),
        (TIME, ["00:00:00", "00:00:00.000001", "23:59:59.999999"]),
        (DataType::Decimal128(20, 1), ["0.7", "-0.8", "0.0"]),
    ];
    for (index, (data_type, values)) in expected.into_iter().enumerate() {
        assert_eq!(types[index], data_type, "{}", table.schema().field(index).name());
        assert_eq!(column(&table, index), some(&values), "{}", table.schema().field(index).name());
    }
}

#[test]
fn a_time_finer_than_a_microsecond_is_an_error_that_names_file_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let fine: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1000, 1_500_000_001]));
    let path = foreign(&dir.path().join("a.parquet"), vec![("i", ints(0..2)), ("at", fine)], 10);
    let table = open(std::slice::from_ref(&path)).unwrap();
    assert_eq!(column(&table, 0), some(&["0", "1"]));
    let error = read(&table, &ScanRequest::default(), &context(10)).unwrap_err();
    assert!(error.to_string().contains("00:00:01.500000001 is finer"), "{error}");
    assert_eq!(error.kind().location.column.as_deref(), Some("at"));
    assert_eq!(error.kind().location.file.as_deref(), Some(path.as_path()));
}

#[test]
fn files_are_matched_by_name_and_their_types_merged() {
    let dir = tempfile::tempdir().unwrap();
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let small: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let halves: ArrayRef = Arc::new(Float64Array::from(vec![0.5, 1.5]));
    let days: ArrayRef = Arc::new(Date32Array::from(vec![0, 1]));
    let moments: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1, 2]));
    let a = foreign(&dir.path().join("a.parquet"), vec![("n", small), ("t", texts), ("d", days)], 10);
    let b = foreign(&dir.path().join("b.parquet"), vec![("d", moments), ("extra", ints(7..9)), ("n", halves)], 1);
    let open = |name: Option<OptionValue>| {
        let options = name.map_or_else(Vec::new, |name| options("filename", name));
        ParquetTable::open(vec![a.clone(), b.clone()], &options, &Config::default())
    };
    let table = open(Some(OptionValue::Boolean(true))).unwrap();
    let names: Vec<&str> = table.schema().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["n", "t", "d", "extra", "filename"]);
    assert_eq!(*table.schema().field(0).data_type(), DataType::Float64);
    assert_eq!(column(&table, 0), some(&["1.0", "2.0", "0.5", "1.5"]));
    assert_eq!(column(&table, 1), vec![Some("x".into()), Some("y".into()), None, None]);
    assert_eq!(
        column(&table, 2)[..3],
        some(&["1970-01-01 00:00:00", "1970-01-02 00:00:00", "1970-01-01 00:00:00.001"])
    );
    assert_eq!(column(&table, 3), vec![None, None, Some("7".into()), Some("8".into())]);
    assert_eq!(column(&table, 4)[3], Some(b.display().to_string()));
    assert_eq!(table.describe(), format!("parquet '{}' (2 files)", dir.path().join("*.parquet").display()));
    let second = table.for_file(1).unwrap();
    assert_eq!(second.schema(), table.schema());
    assert_eq!(column(&second, 0), some(&["0.5", "1.5"]));
    assert_eq!(second.files(), std::slice::from_ref(&b));
    assert!(table.for_file(2).is_none());
    let error = open(Some(OptionValue::Text("n".into()))).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    let c = foreign(&dir.path().join("c.parquet"), vec![("n", Arc::new(BooleanArray::from(vec![true])))], 1);
    let error = ParquetTable::open(vec![a.clone(), c.clone()], &Vec::new(), &Config::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("a.parquet") && text.contains("c.parquet") && text.contains("BOOLEAN"), "{text}");
}

#[test]
fn columns_in_any_order_none_at_all_and_the_same_twice() {
    let dir = tempfile::tempdir().unwrap();
    let path = foreign(&dir.path().join("a.parquet"), vec![("a", ints(0..7)), ("b", ints(10..17))], 5);
    let table = open(&[path]).unwrap();
    let project =
        |projection: &[usize]| ScanRequest { projection: Some(projection.to_vec()), ..ScanRequest::default() };
    assert_eq!(rows(&table, &project(&[1, 0, 1]))[6], some(&["16", "6", "16"]));
    let context = context(3);
    let empty = read(&table, &project(&[]), &context).unwrap();
    assert_eq!(empty.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [3, 2, 2]);
    assert_eq!(context.progress.rows_read.load(Relaxed), 7);
    let source = table.scan(&project(&[0]), &context).unwrap();
    let both = table.scan(&project(&[0, 1]), &context).unwrap();
    assert!(source.partition_bytes(0) > 0 && source.partition_bytes(0) < both.partition_bytes(0));
    let metrics = OperatorMetrics::new();
    for partition in 0..2 {
        for batch in both.open(partition, &context, &metrics).unwrap() {
            batch.unwrap();
        }
    }
    let bytes = both.partition_bytes(0) + both.partition_bytes(1);
    // Headers of pages are not counted.
    assert!((bytes / 4..bytes).contains(&metrics.extra()["bytes read"]));
    assert_eq!(context.progress.bytes_done.load(Relaxed), bytes);
    let limited = ScanRequest { limit: Some(6), ..project(&[0]) };
    assert_eq!(rows(&table, &limited).len(), 6);
    let limited = ScanRequest { limit: Some(2), ..project(&[]) };
    assert_eq!(rows(&table, &limited).len(), 2);
    context.cancel.cancel();
    assert_eq!(read(&table, &project(&[0]), &context).unwrap_err().exit_code(), 130);
}

#[test]
fn columns_without_a_type_of_ours_are_refused_or_left_out_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let binary: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"x", b"y"]));
    let item = Arc::new(arrow::datatypes::Field::new("x", DataType::Binary, true));
    let pair = StructArray::from(vec![(item, binary.clone())]);
    let pair_type = Arc::new(Field::new("item", pair.data_type().clone(), true));
    let ones = arrow::buffer::OffsetBuffer::from_lengths([1, 1]);
    let pairs = ListArray::new(pair_type, ones, Arc::new(pair), None);
    let columns: Vec<(&str, ArrayRef)> = vec![("p", Arc::new(pairs)), ("a", ints(0..2)), ("raw", binary)];
    let path = foreign(&dir.path().join("a.parquet"), columns, 10);
    let error = open(std::slice::from_ref(&path)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"p.x\" (list of binary), \"raw\" (binary)") && text.contains("skip_unsupported"), "{text}");
    let mut asked = options("skip_unsupported", OptionValue::Boolean(true));
    let table = ParquetTable::open(vec![path.clone()], &asked, &Config::default()).unwrap();
    assert_eq!(rows(&table, &ScanRequest::default()), [some(&["0"]), some(&["1"])]);
    asked.extend(options("binary_as_string", OptionValue::Boolean(true)));
    let table = ParquetTable::open(vec![path], &asked, &Config::default()).unwrap();
    assert_eq!(rows(&table, &ScanRequest::default()), [some(&["[x]", "0", "x"]), some(&["[y]", "1", "y"])]);
}

#[test]
fn files_that_are_not_whole_parquet_files_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let good = foreign(&dir.path().join("good.parquet"), vec![("a", ints(0..1000))], 100);
    let bytes = std::fs::read(&good).unwrap();
    let mut damaged = bytes.clone();
    let at = damaged.len() - 100;
    damaged[at..at + 40].fill(0xff);
    let cases: [(&str, &[u8], &str); 5] = [
        ("empty.parquet", b"", "is not a Parquet file"),
        ("text.parquet", b"a,b,c\n1,2,3\n", "is not a Parquet file"),
        ("short.parquet", &bytes[..bytes.len() / 2], "is truncated"),
        ("head.parquet", b"PAR1", "is truncated"),
        ("damaged.parquet", &damaged, "cannot read"),
    ];
    for (name, bytes, part) in cases {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error =
            open(std::slice::from_ref(&path)).and_then(|table| read(&table, &ScanRequest::default(), &context(10)));
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.kind().location.file, Some(path));
        assert!(error.kind().hint.is_some());
    }
    assert!(open(&[dir.path().join("none.parquet")]).is_err());
    let table = open(std::slice::from_ref(&good)).unwrap();
    std::fs::write(&good, &bytes[..bytes.len() - 1]).unwrap();
    let error = read(&table, &ScanRequest::default(), &context(10)).unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
    std::fs::remove_file(&good).unwrap();
    assert!(read(&table, &ScanRequest::default(), &context(10)).unwrap_err().kind().hint.is_some());
}

#[test]
fn unknown_options_get_a_suggestion() {
    let error = ParquetTable::open(Vec::new(), &options("filenam", OptionValue::Boolean(true)), &Config::default());
    assert!(error.unwrap_err().to_string().contains("did you mean 'filename'"));
}

#[test]
fn row_groups_are_bounded_by_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let batch = RecordBatch::try_from_iter([("a", ints(0..1000))]).unwrap();
    let mut options = WriteOptions::default();
    options.parquet.row_group_bytes = 10_000;
    let mut sink = FileSink::new(&path, &options, &batch.schema(), &WriteContext::default()).unwrap();
    for _ in 0..10 {
        sink.write(&batch).unwrap();
    }
    sink.commit().unwrap();
    let table = open(&[path]).unwrap();
    assert!(table.scan(&ScanRequest::default(), &context(10)).unwrap().partitions() >= 3);
    assert_eq!(table.row_count(), Some(10_000));
}

fn compare(column: usize, data_type: DataType, op: BinaryOp, value: Scalar) -> BoundExpr {
    BoundExpr::Binary {
        left: Box::new(BoundExpr::column(column, "c", &data_type)),
        op,
        right: Box::new(BoundExpr::Literal(value)),
        data_type: DataType::Boolean,
    }
}

#[test]
fn statistics_skip_row_groups_and_the_metrics_say_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let path = foreign(&dir.path().join("a.parquet"), vec![("a", ints(0..100))], 10);
    let table = open(&[path]).unwrap();
    let context = context(100);
    let filter = compare(0, DataType::Int64, BinaryOp::GreaterEqual, Scalar::int64(85));
    let request = ScanRequest { filters: vec![filter], ..ScanRequest::default() };
    let source = table.scan(&request, &context).unwrap();
    assert_eq!(source.partitions(), 2);
    let metrics = OperatorMetrics::new();
    for partition in [0, 1, 1] {
        drop(source.open(partition, &context, &metrics).unwrap());
    }
    assert_eq!(metrics.extra()["row groups pruned"], 8);
}

#[test]
fn folders_are_columns_and_conditions_over_them_rule_out_files() {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = [("year=2023", 0..2), ("year=2024", 2..3)]
        .into_iter()
        .map(|(folder, values)| {
            let folder = dir.path().join(folder);
            std::fs::create_dir(&folder).unwrap();
            foreign(&folder.join("a.parquet"), vec![("a", ints(values))], 10)
        })
        .collect();
    let table = open(&files).unwrap();
    assert_eq!(table.schema().field(1).name(), "year");
    assert_eq!(column(&table, 1), some(&["2023", "2023", "2024"]));
    assert_eq!(column(&table.for_file(1).unwrap(), 1), some(&["2024"]));
    let filter = compare(1, DataType::Int64, BinaryOp::Equal, Scalar::int64(2024));
    let request = ScanRequest { filters: vec![filter], ..ScanRequest::default() };
    assert_eq!(rows(&table, &request), [some(&["2", "2024"])]);
    assert_eq!(table.scan(&request, &context(9)).unwrap().files_pruned(), 1);
    let off = options("hive_partitioning", OptionValue::Boolean(false));
    assert_eq!(ParquetTable::open(files, &off, &Config::default()).unwrap().schema().fields().len(), 1);
}

#[test]
fn a_column_that_a_file_lacks_is_known_to_be_null() {
    let dir = tempfile::tempdir().unwrap();
    let a = foreign(&dir.path().join("a.parquet"), vec![("a", ints(0..5))], 10);
    let b = foreign(&dir.path().join("b.parquet"), vec![("b", ints(0..5))], 10);
    let table = open(&[a, b]).unwrap();
    let null = BoundExpr::Unary { op: UnaryOp::IsNull, expr: Box::new(BoundExpr::column(0, "a", &DataType::Int64)) };
    for filter in [null, compare(1, DataType::Int64, BinaryOp::Less, Scalar::int64(3))] {
        let request = ScanRequest { filters: vec![filter], ..ScanRequest::default() };
        assert_eq!(table.scan(&request, &context(10)).unwrap().partitions(), 1);
    }
}
