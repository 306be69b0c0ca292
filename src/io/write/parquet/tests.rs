//! The same rows and options give the same bytes, whoever encodes them and in whatever batches they come; and what is
//! written is what was meant, as the library's own reader sees it.

use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use proptest::prelude::*;

use super::*;
use crate::io::options::{OptionValue, Options};
use crate::io::write::tests::{Shared, all_types};
use crate::io::write::{OutputFormat, WriteOptions, create_writer};
use crate::memory::{MemoryPool, Thresholds};
use crate::spill::SpillManager;
use crate::types::list_of;

fn options(pairs: &[(&str, &str)]) -> WriteOptions {
    let options: Options =
        pairs.iter().map(|(name, value)| (name.to_string(), OptionValue::Text(value.to_string()))).collect();
    WriteOptions::parse(&options).unwrap()
}

fn try_write(batches: &[RecordBatch], options: &WriteOptions, context: &WriteContext) -> Result<Vec<u8>> {
    let out = Shared::default();
    let (schema, name) = (batches[0].schema(), Path::new("out"));
    let mut writer = create_writer(OutputFormat::Parquet, options, &schema, Box::new(out.clone()), name, context)?;
    for batch in batches {
        writer.write(batch)?;
    }
    let summary = writer.finish()?;
    let bytes = out.bytes();
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(summary.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    Ok(bytes)
}

fn write(batches: &[RecordBatch], options: &WriteOptions) -> Vec<u8> {
    try_write(batches, options, &WriteContext::default()).unwrap()
}

fn metadata(bytes: &[u8]) -> ParquetMetaData {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    reader.try_parse(&Bytes::copy_from_slice(bytes)).unwrap();
    reader.finish().unwrap()
}

fn read(bytes: &[u8]) -> RecordBatch {
    let bytes = Bytes::copy_from_slice(bytes);
    let metadata = ArrowReaderMetadata::load(&bytes, Default::default()).unwrap();
    let schema = metadata.schema().clone();
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata).build().unwrap();
    concat_batches(&schema, &reader.map(|batch| batch.unwrap()).collect::<Vec<_>>()).unwrap()
}

fn context(threads: usize, budget: u64, one_in: Option<u64>, dir: &Path) -> WriteContext {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let memory = match one_in {
        Some(one_in) => MemoryPool::refusing(budget, Thresholds::default(), one_in, 5),
        None => MemoryPool::new(budget, Thresholds::default(), None),
    };
    WriteContext::new(Arc::new(pool), memory, SpillManager::new(dir, None), Arc::default())
}

/// A clock, a few names, a number with nulls here and there, a float, and lists.
fn table(rows: usize) -> RecordBatch {
    let numbers = 0..rows as i64;
    let clock = TimestampMicrosecondArray::from_iter_values(numbers.clone().map(|n| n * 1_000_000));
    let names = StringViewArray::from_iter_values(numbers.clone().map(|n| {
        if n % 97 == 0 { "a name that is longer than a view".to_string() } else { format!("n{}", n * n % 13) }
    }));
    let gaps: Int64Array = numbers.clone().map(|n| (n % 5000 > 40 || n < 3000).then_some(n * 7919 % 100_003)).collect();
    let floats = Float64Array::from_iter_values(numbers.clone().map(|n| (n as f64).sin()));
    let lengths = (0..rows).map(|n| n % 4);
    let items: Int64Array = (0..lengths.clone().sum::<usize>() as i64).map(|n| (n % 11 > 0).then_some(n)).collect();
    let DataType::List(field) = list_of(DataType::Int64) else { unreachable!() };
    let present = NullBuffer::from_iter((0..rows).map(|n| n % 8 != 4));
    let lists = ListArray::new(field, OffsetBuffer::from_lengths(lengths), Arc::new(items), Some(present));
    RecordBatch::try_from_iter_with_nullable([
        ("clock", Arc::new(clock) as ArrayRef, true),
        ("name", Arc::new(names), true),
        ("gaps", Arc::new(gaps), true),
        ("x", Arc::new(floats), true),
        ("l", Arc::new(lists), true),
    ])
    .unwrap()
}

fn cut(whole: &RecordBatch, sizes: impl IntoIterator<Item = usize>) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut from = 0;
    for size in sizes {
        let size = size.min(whole.num_rows() - from);
        batches.push(whole.slice(from, size));
        from += size;
    }
    batches.push(whole.slice(from, whole.num_rows() - from));
    batches
}

#[test]
fn neither_batches_nor_threads_nor_memory_show_in_the_file() {
    let whole = table(40_000);
    let dir = tempfile::tempdir().unwrap();
    for pairs in [
        &[][..],
        &[("row_group_size", "7001"), ("compression", "snappy")],
        &[("row_group_bytes", "300000"), ("parquet_version", "V2"), ("bloom_filter", "true")],
        &[("row_group_size", "100"), ("compression", "none"), ("page_index", "false")],
    ] {
        let options = options(pairs);
        let expected = write(std::slice::from_ref(&whole), &options);
        let sizes: [&mut dyn Iterator<Item = usize>; 3] =
            [&mut std::iter::repeat_n(8192, 4), &mut std::iter::repeat_n(999, 40), &mut (0..200).map(|n| n * 37 % 300)];
        for (number, sizes) in sizes.into_iter().enumerate() {
            let batches = cut(&whole, sizes);
            for context in [
                WriteContext::default(),
                context(1, 1 << 30, None, dir.path()),
                context(4, 1 << 30, None, dir.path()),
                context(3, 1 << 30, Some(2), dir.path()),
                context(2, 8 << 20, None, dir.path()),
            ] {
                let bytes = try_write(&batches, &options, &context).unwrap();
                assert!(bytes == expected, "{pairs:?}, cut {number}: other bytes");
            }
        }
    }
}

#[test]
fn pages_spill_where_memory_is_refused_and_all_of_it_is_given_back() {
    let whole = table(100_000);
    let dir = tempfile::tempdir().unwrap();
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let memory = MemoryPool::new(4 << 20, Thresholds::default(), None);
    let spill = SpillManager::new(dir.path(), None);
    let context = WriteContext::new(pool, memory.clone(), spill.clone(), Arc::default());
    let batches = cut(&whole, std::iter::repeat_n(1000, 100));
    let options = options(&[("compression", "none"), ("dictionary", "false")]);
    let bytes = try_write(&batches, &options, &context).unwrap();
    assert!(bytes == write(&[whole], &options));
    assert!(context.metrics().spilled_bytes.load(std::sync::atomic::Ordering::Relaxed) > 100_000);
    assert_eq!((memory.reserved(), spill.used()), (0, 0));
}

#[test]
fn a_writer_that_is_fed_from_the_only_thread_of_the_pool_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let context = context(1, 64 << 20, None, dir.path());
    let pool = context.threads().unwrap().clone();
    let whole = table(20_000);
    let bytes = pool.install(|| try_write(std::slice::from_ref(&whole), &WriteOptions::default(), &context).unwrap());
    assert!(bytes == write(&[whole], &WriteOptions::default()));
}

#[test]
fn room_for_nulls_that_are_not_there_does_not_show() {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values((0..30_000).map(|n| n % 1000)));
    let texts: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..30_000).map(|n| format!("t{}", n % 99))));
    let bare = RecordBatch::try_from_iter_with_nullable([("a", values, true), ("t", texts, true)]).unwrap();
    let columns = bare.columns().iter().map(|column| {
        let all = NullBuffer::new_valid(column.len());
        make_array(column.to_data().into_builder().nulls(Some(all)).build().unwrap())
    });
    let roomy = RecordBatch::try_new(bare.schema(), columns.collect()).unwrap();
    assert!(write(&[bare], &WriteOptions::default()) == write(&[roomy], &WriteOptions::default()));
}

#[test]
fn all_types_come_back() {
    let all = all_types();
    for pairs in [&[][..], &[("parquet_version", "V2")], &[("parquet_version", "V1"), ("dictionary", "true")]] {
        let back = read(&write(&[all.clone(), all.clone()], &options(pairs)));
        let both = concat_batches(&all.schema(), &[all.clone(), all.clone()]).unwrap();
        for (name, index) in [("b", 1), ("i8", 2), ("i64", 5), ("f64", 7), ("d", 8), ("date", 10), ("ts", 12)] {
            assert_eq!(back.column_by_name(name).unwrap(), both.column(index), "{name}");
        }
        let texts = arrow::compute::cast(back.column_by_name("t").unwrap(), &DataType::Utf8View).unwrap();
        assert_eq!(&texts, both.column(9));
        assert_eq!(back.column_by_name("l").unwrap().as_list::<i32>().value(0).len(), 2);
    }
}

#[test]
fn row_groups_end_by_rows_and_by_bytes() {
    let whole = table(10_000);
    let rows = |pairs: &[(&str, &str)]| -> Vec<i64> {
        let bytes = write(&cut(&whole, [3, 5000, 1]), &options(pairs));
        metadata(&bytes).row_groups().iter().map(|group| group.num_rows()).collect()
    };
    assert_eq!(rows(&[]), [10_000]);
    assert_eq!(rows(&[("row_group_size", "4000")]), [4000, 4000, 2000]);
    let by_bytes = rows(&[("row_group_size_bytes", "100kb")]);
    assert!(by_bytes.len() > 3 && by_bytes[0] > 1000 && by_bytes[0] < 3000, "{by_bytes:?}");
    assert_eq!(rows(&[("row_group_bytes", "1")]).len(), 10_000);
    assert_eq!(read(&write(std::slice::from_ref(&whole), &options(&[("row_group_bytes", "20kb")]))).num_rows(), 10_000);
}

#[test]
fn options_reach_the_file() {
    let whole = table(10_000);
    let map = |entries: &[(&str, OptionValue)]| {
        OptionValue::Map(entries.iter().map(|(name, value)| (name.to_string(), value.clone())).collect())
    };
    let spelled = ["clock:codec=snappy,encoding=plain,bloom", "x:codec=gzip,level=9,encoding=byte_stream_split"];
    let columns = spelled.map(|spelled| crate::io::write::column_option(spelled).unwrap());
    let pairs: Options = vec![
        ("compression".into(), OptionValue::Text("zstd".into())),
        ("column_options".into(), OptionValue::Map(columns.to_vec())),
        ("kv_metadata".into(), map(&[("source", OptionValue::Text("station 7".into()))])),
        ("sorting_columns".into(), OptionValue::Text("clock".into())),
        ("data_page_size".into(), OptionValue::Number(16384.0)),
    ];
    let bytes = write(std::slice::from_ref(&whole), &WriteOptions::parse(&pairs).unwrap());
    let metadata = metadata(&bytes);
    let group = metadata.row_group(0);
    let [clock, name, _, x, _] = group.columns() else { panic!("{group:?}") };
    assert_eq!((clock.compression(), name.compression()), (Compression::SNAPPY, Compression::ZSTD(Default::default())));
    assert!(matches!(x.compression(), Compression::GZIP(_)));
    let has = |column: &parquet::file::metadata::ColumnChunkMetaData, encoding| {
        column.encodings().any(|found| found == encoding)
    };
    assert!(!has(clock, Encoding::DELTA_BINARY_PACKED) && has(clock, Encoding::PLAIN));
    assert!(has(x, Encoding::BYTE_STREAM_SPLIT) && has(name, Encoding::RLE_DICTIONARY));
    assert!(clock.bloom_filter_offset().is_some() && name.bloom_filter_offset().is_none());
    assert!(clock.offset_index_offset().is_some());
    assert_eq!(group.sorting_columns().unwrap()[0].column_idx, 0);
    let pair = &metadata.file_metadata().key_value_metadata().unwrap()[0];
    assert_eq!((pair.key.as_str(), pair.value.as_deref()), ("source", Some("station 7")));
    let index = metadata.page_index_for_row_group(0);
    let pages = index.offset_index(3).unwrap().page_locations();
    assert!(pages.len() > 3, "{}", pages.len());
    let without = write(&[whole], &options(&[("page_index", "false")]));
    assert!(self::metadata(&without).row_group(0).column(0).offset_index_offset().is_none());
}

#[test]
fn an_order_that_is_claimed_but_not_kept_is_an_error() {
    let numbers = |values: Vec<Option<f64>>| {
        RecordBatch::try_from_iter_with_nullable([("a", Arc::new(Float64Array::from(values)) as ArrayRef, true)])
            .unwrap()
    };
    let context = WriteContext::default();
    let sorted = |by: &str, batches: &[RecordBatch]| try_write(batches, &options(&[("sorting_columns", by)]), &context);
    let up = [numbers(vec![Some(-0.0), Some(0.0)]), numbers(vec![Some(0.0), Some(-0.0), Some(f64::NAN), None])];
    sorted("a", &up).unwrap();
    let error = sorted("a desc", &up).unwrap_err();
    assert!(error.to_string().contains("row 5 is not in the order of a"), "{error}");
    assert!(error.to_string().contains("ORDER BY"), "{error}");
    assert!(sorted("a nulls first", &up).is_err());
    sorted("a desc", &[numbers(vec![None, Some(f64::INFINITY), Some(1.0)])]).unwrap();
    let unknown = sorted("aa", &up).unwrap_err().to_string();
    assert!(unknown.contains("did you mean 'a'"), "{unknown}");
}

#[test]
fn options_of_columns_that_cannot_be_are_refused() {
    let whole = table(10);
    for (spelled, part) in [
        ("clok:bloom", "did you mean 'clock'"),
        ("name:encoding=delta", "has no encoding"),
        ("x:encoding=delta_byte_array", "has no encoding"),
        ("clock:encoding=rle", "has no encoding"),
    ] {
        let entry = crate::io::write::column_option(spelled).unwrap();
        let pairs: Options = vec![("column_options".into(), OptionValue::Map(vec![entry]))];
        let options = WriteOptions::parse(&pairs).unwrap();
        let error = try_write(std::slice::from_ref(&whole), &options, &WriteContext::default()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_cut_gives_the_same_bytes_and_the_same_values(
        values in prop::collection::vec(prop::option::weighted(0.9, -50_i64..50), 1..6000),
        sizes in prop::collection::vec(1_usize..3000, 0..8),
        group in 1_usize..5000,
    ) {
        let texts: StringViewArray = values.iter().map(|value| value.map(|value| "long".repeat(value.unsigned_abs() as usize))).collect();
        let times = Int64Array::from(values.clone()).reinterpret_cast::<arrow::datatypes::TimestampMicrosecondType>();
        let columns: [(&str, ArrayRef); 3] =
            [("i", Arc::new(Int64Array::from(values.clone()))), ("t", Arc::new(texts)), ("ts", Arc::new(times))];
        let whole = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
        prop_assert_eq!(whole.column(2).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
        let options = options(&[("row_group_size", &group.to_string())]);
        let bytes = write(&cut(&whole, sizes), &options);
        prop_assert!(bytes == write(std::slice::from_ref(&whole), &options));
        let back = read(&bytes);
        prop_assert_eq!(back.column(0), whole.column(0));
        prop_assert_eq!(&arrow::compute::cast(back.column(1), &DataType::Utf8View).unwrap(), whole.column(1));
    }
}
