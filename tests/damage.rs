//! Thousands of damaged Arrow files, streams and Parquet files, compressed and not: each is an answer or an error that names the file, never a
//! panic, never the end of the process, and never an allocation beyond the budget.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::*;
use arrow::datatypes::Int32Type;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use highwater::config::Config;
use highwater::prelude::*;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};

/// The largest piece of memory that anybody asked for.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

const BUDGET: u64 = 48 << 20;

fn session() -> Session {
    Session::new(Config { threads: 1, memory_limit: BUDGET, ..Config::default() }).unwrap()
}

/// One test at a time, which is to blame for what is allocated. A panic that is told as an error of the file takes no backtrace, which
/// needs memory of its own, as in the binary.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !highwater::panics::is_guarded() {
            report(panic)
        }
    }));
    alone
}

fn rows(from: i64, to: i64) -> RecordBatch {
    let texts: StringArray = (from..to).map(|i| (i % 5 != 0).then(|| format!("a text of the row {i}"))).collect();
    let views: StringViewArray = (from..to).map(|i| (i % 7 != 0).then(|| format!("a view of the row {i}"))).collect();
    let dictionary: DictionaryArray<Int32Type> =
        (from..to).map(|i| Some(["red", "green", "blue"][i as usize % 3])).collect();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(
        (from..to).map(|i| (i % 4 != 0).then(|| (0..i % 3).map(|item| Some(item as i32)).collect::<Vec<_>>())),
    );
    let columns: [(&str, ArrayRef); 6] = [
        ("i", Arc::new(Int64Array::from_iter_values(from..to))),
        ("t", Arc::new(texts)),
        ("v", Arc::new(views)),
        ("d", Arc::new(dictionary)),
        ("l", Arc::new(lists)),
        ("b", Arc::new(BooleanArray::from_iter((from..to).map(|i| (i % 3 != 0).then_some(i % 2 == 0))))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn written(path: &Path, is_stream: bool, compression: Option<CompressionType>) -> Vec<u8> {
    let batches = [rows(0, 150), rows(150, 200)];
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let (file, schema) = (File::create(path).unwrap(), batches[0].schema());
    if is_stream {
        let mut writer = StreamWriter::try_new_with_options(file, &schema, options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer = FileWriter::try_new_with_options(file, &schema, options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.finish().unwrap();
    }
    fs::read(path).unwrap()
}

#[test]
fn a_damaged_length_of_a_compressed_buffer_ended_the_process() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut variants = 0;
    for compression in [Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD), None] {
        for (is_stream, name) in [(false, "bad.arrow"), (true, "bad.arrows")] {
            let path = dir.path().join(name);
            let good = written(&path, is_stream, compression);
            let session = session();
            let sql = format!("SELECT count(i), max(t), max(v), max(d), count(l), count(b) FROM '{}'", path.display());
            let mut run = |bytes: &[u8], what: &str| {
                fs::write(&path, bytes).unwrap();
                LARGEST.store(0, Relaxed);
                let result = session.sql(&sql).and_then(|frame| frame.compute());
                let largest = LARGEST.load(Relaxed) as u64;
                assert!(largest < BUDGET, "{name} {compression:?} {what}: {largest} bytes at once");
                variants += 1;
                let kind = match &result {
                    Ok(_) => "read".to_string(),
                    Err(error) => {
                        let text = error.to_string();
                        // A schema may have lost its columns.
                        let is_of_the_file = text.contains(name) || text.contains("there is no column");
                        let is_told = error.exit_code() == 3 || (error.exit_code() == 1 && is_of_the_file);
                        assert!(is_told && !text.contains("panicked"), "{name} {compression:?} {what}: {text}");
                        format!("exit code {}", error.exit_code())
                    }
                };
                *kinds.entry(kind).or_default() += 1;
                result.is_ok()
            };
            assert!(run(&good, "nothing is wrong"));
            for (step, at) in (0..good.len() - 8).step_by(24).enumerate() {
                let word = [1_i64 << 40, -7, 1 << 28, 300][step % 4];
                let mut bytes = good.clone();
                bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
                run(&bytes, &format!("{word} at byte {at}"));
            }
            for (step, at) in (0..good.len()).step_by(29).enumerate() {
                let mut bytes = good.clone();
                bytes[at] ^= [0x01, 0x80, 0xff, 0x55, 0x10][step % 5];
                run(&bytes, &format!("byte {at}"));
            }
            for length in (0..good.len()).step_by(97) {
                run(&good[..length], &format!("the first {length} bytes"));
            }
        }
    }
    assert!(variants > 2000 && kinds["read"] > 100 && kinds["exit code 1"] > 300, "{variants}: {kinds:?}");
}

fn mixed(properties: WriterProperties) -> Vec<u8> {
    let texts: StringArray = (0..400).map(|i| (i % 5 != 0).then(|| format!("a text of the row {i}"))).collect();
    let few: StringArray = (0..400).map(|i| (i % 3 != 0).then(|| format!("value {}", i % 9))).collect();
    let lists = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>(
        (0..400).map(|i| (i % 4 != 0).then(|| (0..i % 3).map(Some).collect::<Vec<_>>())),
    );
    let long: StringArray = (0..400).map(|i| (i % 6 != 0).then(|| format!("the same beginning and {i}"))).collect();
    let columns: [(&str, ArrayRef); 6] = [
        ("i", Arc::new(Int64Array::from_iter((0..400).map(|i| (i % 7 != 0).then_some(i * 1000))))),
        ("t", Arc::new(texts)),
        ("few", Arc::new(few)),
        ("s", Arc::new(long)),
        ("l", Arc::new(lists)),
        ("b", Arc::new(BooleanArray::from_iter((0..400).map(|i| (i % 3 != 0).then_some(i % 2 == 0))))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn damaged_levels_were_a_panic_of_the_engine() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.parquet");
    let sql = format!("SELECT count(i), max(t), max(few), count(l), count(b), max(s) FROM '{}'", path.display());
    let session = session();
    let answer = || session.sql(&sql).and_then(|frame| frame.compute());
    let (mut variants, mut named, mut stopped, mut worst) = (0, 0, 0, Vec::new());
    for (version, compression, encoding) in [
        (WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED, None),
        (WriterVersion::PARQUET_2_0, Compression::UNCOMPRESSED, None),
        (WriterVersion::PARQUET_1_0, Compression::SNAPPY, Some(Encoding::PLAIN)),
        (WriterVersion::PARQUET_2_0, Compression::ZSTD(ZstdLevel::default()), Some(Encoding::DELTA_BYTE_ARRAY)),
    ] {
        let mut properties = WriterProperties::builder().set_writer_version(version).set_compression(compression);
        if let Some(encoding) = encoding {
            properties = properties.set_dictionary_enabled(false).set_column_encoding("t".into(), encoding);
            properties = properties.set_column_encoding("s".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY);
            properties = properties.set_column_encoding("i".into(), Encoding::DELTA_BINARY_PACKED);
        }
        let good = mixed(properties.build());
        fs::write(&path, &good).unwrap();
        answer().unwrap();
        for at in (4..good.len() - 8).step_by(3) {
            let mut bytes = good.clone();
            bytes[at] ^= [0x01, 0x80, 0xff, 0x55, 0x10][at % 5];
            fs::write(&path, &bytes).unwrap();
            variants += 1;
            LARGEST.store(0, Relaxed);
            let answer = answer();
            let largest = LARGEST.load(Relaxed) as u64;
            assert!(largest < BUDGET, "{version:?} {compression:?} byte {at}: {largest} bytes at once");
            if let Err(error) = answer {
                let text = error.to_string();
                let is_told = error.exit_code() == 3 || (error.exit_code() == 1 && text.contains("bad.parquet"));
                assert!(is_told && !text.contains("panicked"), "{version:?} {compression:?} byte {at}: {text}");
                named += usize::from(text.contains("of row group 0"));
                if text.contains("its decoder stopped at") {
                    stopped += 1;
                    worst = bytes;
                }
            }
        }
    }
    assert!(variants > 4_000 && named > 150 && stopped > 2, "{variants} {named} {stopped}");
    // The binary tells the error once, and nothing of a defect.
    fs::write(&path, worst).unwrap();
    let mut binary = std::process::Command::new(env!("CARGO_BIN_EXE_highwater"));
    let told = String::from_utf8(binary.args(["-c", &sql]).output().unwrap().stderr).unwrap();
    assert!(told.contains("its decoder stopped at") && !told.contains("internal error"), "{told}");
}
