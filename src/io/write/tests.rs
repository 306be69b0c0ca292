//! Each format against known answers, and files that are whole or not there.

use std::fs;
use std::sync::{Arc, Mutex};

use ::arrow::array::*;
use ::arrow::buffer::{NullBuffer, OffsetBuffer};
use ::arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema, SchemaRef};
use ::arrow::ipc::reader::FileReader;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorClass;
use crate::types::{INTERVAL, TEXT, TIME, TIMESTAMP, list_of, timestamp_tz};

/// Three lists: the first items, null, and the others.
fn lists(first: usize, items: ArrayRef) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths([first, 0, items.len() - first]);
    let DataType::List(field) = list_of(items.data_type().clone()) else { unreachable!() };
    Arc::new(ListArray::new(field, offsets, items, Some(NullBuffer::from(vec![true, false, true]))))
}

/// A column of every type; each has a null.
pub(crate) fn all_types() -> RecordBatch {
    let zone = timestamp_tz("America/New_York");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(NullArray::new(3))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("i8", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)]))),
        ("i16", Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)]))),
        ("i32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        ("f32", Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::INFINITY)]))),
        ("f64", Arc::new(Float64Array::from(vec![Some(-1e-300), None, Some(f64::NEG_INFINITY)]))),
        (
            "d",
            Arc::new(
                Decimal128Array::from(vec![Some(-123_456), None, Some(5)]).with_precision_and_scale(30, 4).unwrap(),
            ),
        ),
        ("t", Arc::new(StringViewArray::from(vec![Some(""), None, Some("a text, longer than a \"view\"")]))),
        ("date", Arc::new(Date32Array::from(vec![Some(-1), None, Some(19_000)]))),
        ("time", Arc::new(Time64MicrosecondArray::from(vec![Some(0), None, Some(86_399_999_999)]))),
        ("ts", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1_372_680_000_000_000)]))),
        (
            "tz",
            Arc::new(
                TimestampMicrosecondArray::from(vec![Some(-1), None, Some(1_372_680_000_000_000)]).with_data_type(zone),
            ),
        ),
        (
            "i",
            Arc::new(IntervalMonthDayNanoArray::from(vec![
                Some(IntervalMonthDayNano::new(14, 3, 4_500_000_000)),
                None,
                Some(IntervalMonthDayNano::new(0, 0, 0)),
            ])),
        ),
        ("l", lists(2, Arc::new(Int64Array::from(vec![Some(7), None])))),
        ("lt", lists(1, Arc::new(StringViewArray::from(vec!["a, b", "a text, longer than a \"view\""])))),
        ("lz", lists(0, Arc::new(TimestampMicrosecondArray::from(vec![-1]).with_timezone("America/New_York")))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// An output that can be looked at.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn written(format: OutputFormat, options: &WriteOptions, schema: &SchemaRef, batches: &[RecordBatch]) -> Vec<u8> {
    let out = Shared::default();
    let mut writer =
        create_writer(format, options, schema, Box::new(out.clone()), Path::new("out"), &WriteContext::default())
            .unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    let summary = writer.finish().unwrap();
    let bytes = out.bytes();
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(summary.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
    bytes
}

fn text(format: OutputFormat, options: &WriteOptions, batch: &RecordBatch) -> String {
    String::from_utf8(written(format, options, &batch.schema(), std::slice::from_ref(batch))).unwrap()
}

#[test]
fn csv_of_all_types() {
    let expected = "\
n,b,i8,i16,i32,i64,f32,f64,d,t,date,time,ts,tz,i,l,lt,lz
,true,-128,-32768,-2147483648,-9223372036854775808,0.1,-1e-300,-12.3456,\"\",1969-12-31,00:00:00,1969-12-31 23:59:59.999999,1969-12-31 18:59:59.999999-05,1 year 2 mons 3 days 00:00:04.5,\"[7, NULL]\",\"['a, b']\",[]
,,,,,,,,,,,,,,,,,
,false,127,32767,2147483647,9223372036854775807,Infinity,-Infinity,0.0005,\"a text, longer than a \"\"view\"\"\",2022-01-08,23:59:59.999999,2013-07-01 12:00:00,2013-07-01 08:00:00-04,00:00:00,[],\"['a text, longer than a \"\"view\"\"']\",[1969-12-31 18:59:59.999999-05]
";
    assert_eq!(text(OutputFormat::Csv, &WriteOptions::default(), &all_types()), expected);
}

#[test]
fn csv_tells_nulls_from_texts_that_look_like_them() {
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec![Some("NA"), None, Some(""), Some("N;A"), Some("a\nb")]));
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-2), Some(3), Some(4)]));
    let batch = RecordBatch::try_from_iter([("a;b", texts), ("i", ints)]).unwrap();
    let mut options = WriteOptions::default();
    options.csv.null = "NA".into();
    options.csv.delimiter = Some(b';');
    let expected = "\"a;b\";i\n\"NA\";1\nNA;NA\n\"\";-2\n\"N;A\";3\n\"a\nb\";4\n";
    assert_eq!(text(OutputFormat::Csv, &options, &batch), expected);
    options.csv = CsvOptions { delimiter: Some(b'-'), header: false, ..CsvOptions::default() };
    assert_eq!(text(OutputFormat::Csv, &options, &batch), "NA-1\n-\n\"\"-\"-2\"\nN;A-3\n\"a\nb\"-4\n");
    assert!(text(OutputFormat::Tsv, &WriteOptions::default(), &batch).starts_with("a;b\ti\nNA\t1\n\t\n"));
}

#[test]
fn json_is_exact_and_has_no_nan() {
    let all = all_types().slice(0, 2);
    let expected = concat!(
        r#"{"n":null,"b":true,"i8":-128,"i16":-32768,"i32":-2147483648,"i64":-9223372036854775808,"f32":0.1,"#,
        r#""f64":-1.0e-300,"d":-12.3456,"t":"","date":"1969-12-31","time":"00:00:00","#,
        r#""ts":"1969-12-31T23:59:59.999999","tz":"1969-12-31T23:59:59.999999Z","#,
        r#""i":"1 year 2 mons 3 days 00:00:04.5","l":[7,null],"lt":["a, b"],"lz":[]}"#,
        "\n",
        r#"{"n":null,"b":null,"i8":null,"i16":null,"i32":null,"i64":null,"f32":null,"f64":null,"d":null,"t":null,"#,
        r#""date":null,"time":null,"ts":null,"tz":null,"i":null,"l":null,"lt":null,"lz":null}"#,
        "\n"
    );
    assert_eq!(text(OutputFormat::JsonLines, &WriteOptions::default(), &all), expected);
    let floats: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 1.5]));
    let batch = RecordBatch::try_from_iter([("x", floats)]).unwrap();
    assert_eq!(text(OutputFormat::Json, &WriteOptions::default(), &batch), r#"[{"x":null},{"x":1.5}]"#);
    assert_eq!(text(OutputFormat::Json, &WriteOptions::default(), &batch.slice(0, 0)), "[]");
}

#[test]
fn arrow_files_read_back() {
    let batch = all_types();
    let bytes = written(
        OutputFormat::Arrow,
        &WriteOptions::default(),
        &batch.schema(),
        &[batch.slice(0, 2), batch.slice(2, 1)],
    );
    let read: Vec<RecordBatch> =
        FileReader::try_new(std::io::Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, [batch.slice(0, 2), batch.slice(2, 1)]);
}

#[test]
fn parquet_is_the_same_for_the_same_batches() {
    let batch = all_types();
    let write =
        || written(OutputFormat::Parquet, &WriteOptions::default(), &batch.schema(), &[batch.clone(), batch.clone()]);
    assert_eq!(write(), write());
}

#[test]
fn an_interval_that_parquet_cannot_hold_is_an_error() {
    for interval in [IntervalMonthDayNano::new(0, -1, 0), IntervalMonthDayNano::new(0, 0, 1000)] {
        let array: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![interval]));
        let batch = RecordBatch::try_from_iter([("gap", array)]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut sink = FileSink::new(
            &dir.path().join("a.parquet"),
            &WriteOptions::default(),
            &batch.schema(),
            &WriteContext::default(),
        )
        .unwrap();
        let error = sink.write(&batch).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Data);
        assert_eq!(error.kind().location.column.as_deref(), Some("gap"));
        drop(sink);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_sink_makes_its_file_at_once_and_only_when_committed() {
    let dir = tempfile::tempdir().unwrap();
    for format in OutputFormat::NAMES {
        let target = dir.path().join(format!("out.{format}"));
        let batch = all_types();
        let mut sink =
            FileSink::new(&target, &WriteOptions::default(), &batch.schema(), &WriteContext::default()).unwrap();
        sink.write(&batch).unwrap();
        assert!(!target.exists());
        let summary = sink.commit().unwrap();
        assert_eq!((summary.rows, summary.bytes), (3, fs::metadata(&target).unwrap().len()));
        assert!(FileSink::new(&target, &WriteOptions::default(), &batch.schema(), &WriteContext::default()).is_err());
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), OutputFormat::NAMES.len());
}

proptest! {
    #[test]
    fn csv_texts_read_back_by_another_reader(
        texts in prop::collection::vec(("[a\"',;\\r\\n é-]{0,6}", "[x\",\\n]{0,3}"), 0..20),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'-', b'a']),
        quote in prop::sample::select(vec![b'"', b'\'']),
    ) {
        let columns = [0, 1].map(|column| -> ArrayRef {
            let texts = texts.iter().map(|(left, right)| if column == 0 { left } else { right });
            Arc::new(StringViewArray::from_iter_values(texts))
        });
        let batch = RecordBatch::try_from_iter(["a", "b, \"c\""].into_iter().zip(columns)).unwrap();
        let csv = CsvOptions { delimiter: Some(delimiter), quote, ..CsvOptions::default() };
        let mut options = WriteOptions::default();
        options.csv = csv;
        let written = text(OutputFormat::Csv, &options, &batch);
        let mut reader =
            ::csv::ReaderBuilder::new().delimiter(delimiter).quote(quote).from_reader(written.as_bytes());
        prop_assert_eq!(reader.headers().unwrap(), &::csv::StringRecord::from(vec!["a", "b, \"c\""]));
        let read: Vec<(String, String)> = reader.deserialize().map(Result::unwrap).collect();
        prop_assert_eq!(read, texts);
    }
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_a_resource_error_in_every_format() {
    let batch = all_types();
    for name in OutputFormat::NAMES {
        let format = OutputFormat::from_name(name).unwrap();
        let write = || {
            let mut writer = create_writer(
                format,
                &WriteOptions::default(),
                &batch.schema(),
                Box::new(Full),
                Path::new("out"),
                &WriteContext::default(),
            )?;
            writer.write(&batch)?;
            writer.finish()
        };
        let error = write().unwrap_err();
        assert_eq!(error.exit_code(), 3, "{name}: {error}");
        assert!(error.to_string().contains("'out'"), "{error}");
    }
}

#[test]
fn an_empty_result_is_a_whole_file() {
    let schema: SchemaRef = Arc::new(Schema::new(vec![
        Field::new("a", TEXT, true),
        Field::new("b", TIMESTAMP, true),
        Field::new("c", TIME, true),
        Field::new("d", INTERVAL, true),
        Field::new("e", DataType::Null, true),
    ]));
    let empty = |format| written(format, &WriteOptions::default(), &schema, &[]);
    assert_eq!(empty(OutputFormat::Csv), b"a,b,c,d,e\n");
    assert_eq!(empty(OutputFormat::Json), b"[]");
    assert_eq!(empty(OutputFormat::JsonLines), b"");
    assert!(empty(OutputFormat::Parquet).ends_with(b"PAR1"));
}
