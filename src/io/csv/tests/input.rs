//! Where text comes from: compressed files, other encodings, files that change while they are read, and memory.

use std::io::Write;

use super::*;
use crate::error::ErrorClass;
use crate::io::csv::{Compression, Encoding, OnError, SampleSize};

fn options() -> CsvOptions {
    CsvOptions::default()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// More than the samples and than a block of a stream.
fn rows(rows: usize, odd: &str) -> String {
    let mut text = String::from("id,amount,note\n");
    for row in 0..rows {
        match row {
            39_999 => text.push_str(odd),
            _ => text.push_str(&format!("{row},{},\"an ordinary\nrow {row:06}\"\n", row % 100)),
        }
    }
    text
}

#[test]
fn streams_are_read_like_plain_files_whatever_the_partitions_and_batches_are() {
    let text = rows(50_000, "39999,7,odd\n");
    let wide = text.replace("ordinary", "ungewöhnliche");
    let plain = files(&[text.as_bytes(), wide.as_bytes(), b"id\n"]);
    let streams =
        files(&[gzip(text.as_bytes()), zstd::encode_all(&*utf16(&wide), 1).unwrap(), gzip(b"\xef\xbb\xbfid\n")]);
    let expected = plain.rows(options()).unwrap();
    let table = streams.open(options()).unwrap();
    assert_eq!(schema(&table), "id BIGINT, amount BIGINT, note VARCHAR");
    for partition_bytes in [1000, 1 << 20] {
        for batch_size in [1000, 8192] {
            let (read, _, metrics) = read_counted(&table, None, config(partition_bytes, batch_size)).unwrap();
            assert!(read == expected, "{partition_bytes} {batch_size}");
            let sizes: u64 = streams.paths.iter().map(|path| path.metadata().unwrap().len()).sum();
            assert_eq!(metrics.extra()["bytes read"], sizes);
        }
    }
    assert_eq!(read(&table, Some(vec![]), Config::default()).unwrap().len(), expected.len());
    let context = context(Config::default());
    let source = table.scan(&ScanRequest::default(), &context).unwrap();
    assert_eq!(source.partitions(), 3, "one for each file");
}

#[test]
fn streams_can_be_mixed_with_plain_files_and_skip_lines() {
    let text = "made by x\nat noon\nid,b\n1,2\n";
    let content = [text.as_bytes().to_vec(), gzip(text.as_bytes()), utf16(text)];
    assert_eq!(show(&files(&content).rows(options().skip(2)).unwrap()), "1|2\n1|2\n1|2");
    let long = format!("{}\nid,b\n1,2\n", "x".repeat(200_000));
    let content = [long.as_bytes().to_vec(), gzip(long.as_bytes())];
    assert_eq!(show(&files(&content).rows(options().skip(1)).unwrap()), "1|2\n1|2");
    assert!(files(&[gzip(b"a\nb\n")]).error(options().skip(5)).contains("is empty"));
    assert!(files(&[gzip(b"")]).error(options()).contains("is empty"));
    let header = (0..30_000).map(|column| format!("column{column}")).collect::<Vec<_>>().join(",");
    let table = files(&[gzip(format!("{header}\n{}\n", vec!["1"; 30_000].join(",")).as_bytes())]);
    assert_eq!(table.open(options()).unwrap().schema().fields().len(), 30_000, "a header beyond the head");
}

#[test]
fn errors_in_streams_have_the_line_and_the_offset_of_the_decoded_text() {
    let text = rows(50_000, "39999,abc,odd\n");
    let offset = rows(50_000, "").find("40000,").unwrap() as u64;
    for content in [gzip(text.as_bytes()), utf16(&text)] {
        let table = files(&[content]);
        let error = table.rows(options()).unwrap_err();
        let location = &error.kind().location;
        assert_eq!((location.line, location.byte_offset), (Some(2 * 39_999 + 2), Some(offset)));
        assert_eq!(location.raw.as_deref(), Some("abc"));
        assert_eq!(table.rows(options().on_error(OnError::Reject)).unwrap().len(), 49_999);
        let all = table.open(options().sample_size(SampleSize::All)).unwrap();
        assert_eq!(schema(&all), "id BIGINT, amount VARCHAR, note VARCHAR");
        let some = table.open(options().sample_size(SampleSize::Rows(41_000))).unwrap();
        assert_eq!(schema(&some), "id BIGINT, amount VARCHAR, note VARCHAR");
    }
}

#[test]
fn the_first_of_two_errors_in_a_stream_is_told() {
    let text = rows(50_000, "39999,abc,odd\n");
    let mut content = gzip(text.as_bytes());
    content.truncate(content.len() - 100);
    let table = files(&[content]);
    assert!(table.error(options()).contains("line 80000"), "the value stands before the end of what is there");
    let error = table.error(options().on_error(OnError::Null));
    assert!(error.contains("is cut off"), "{error}");
    let count = read(&table.open(options()).unwrap(), Some(vec![]), Config::default()).unwrap_err();
    assert!(count.to_string().contains("is cut off"), "{count}");
    let small = gzip(b"a,b\n1,2\n3,4\n");
    for cut in 0..small.len() {
        let named = files(&[&small[..cut]]);
        assert!(named.rows(options().compression(Compression::Gzip)).is_err(), "{cut}");
    }
}

#[test]
fn encodings_are_read_as_asked() {
    let latin = files(&[b"id,gr\xf6\xdfe\n1,Z\xfcrich \x80\n"]);
    let read = |label: &str| latin.rows(options().encoding(Encoding::for_label(label).unwrap()));
    assert_eq!(show(&read("windows-1252").unwrap()), "1|Zürich €");
    assert_eq!(show(&read("latin-1").unwrap()), "1|Zürich \u{80}");
    assert!(read("utf-8").is_err());
    let marked = files(&[utf16("id,b\n1,2\n")]);
    let error = marked.error(options().encoding(Encoding::UTF_8));
    assert!(error.contains("UTF-16") && error.contains("leave out the option encoding"), "{error}");
    assert!(marked.error(options().encoding(Encoding::LATIN_1)).contains("NUL"));
}

#[test]
fn what_is_in_a_compressed_file_is_looked_at_too() {
    for (inside, what) in [
        (&b"PAR1\x15\x04"[..], "Parquet"),
        (b"a\0,\0b\0\n\0", "NUL"),
        (b"PK\x03\x04", "ZIP"),
        (&gzip(b"a,b\n"), "compressed (gzip)"),
    ] {
        let error = files(&[gzip(inside)]).error(options());
        assert!(error.contains(what), "{error}");
    }
    let error = files(&[gzip(b"a,b\n1,2\n")]).error(options().compression(Compression::None));
    assert!(error.contains("compressed (gzip)") && error.contains("option compression"), "{error}");
}

#[test]
fn a_small_file_that_becomes_a_large_text_is_read_in_little_memory() {
    let bomb = |byte: u8, head: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(head).unwrap();
        for _ in 0..100 {
            encoder.write_all(&vec![byte; 1 << 20]).unwrap();
        }
        encoder.finish().unwrap()
    };
    assert!(files(&[bomb(0, b"")]).error(options()).contains("NUL"));
    assert!(files(&[bomb(b'x', b"")]).error(options().max_line_size(1 << 20)).contains("longer than 1.0 MiB"));
    let mut content = b"a,b\n".to_vec();
    content.extend(b"1,2\n".repeat(100_000));
    let table = files(&[bomb(b'x', &content)]);
    let opened = table.open(options().max_line_size(4 << 20)).unwrap();
    let context = context(Config::default());
    let metrics = OperatorMetrics::new();
    let source = opened.scan(&ScanRequest::default(), &context).unwrap();
    let result: Result<Vec<_>> = source.open(0, &context, &metrics).unwrap().collect();
    assert!(result.unwrap_err().to_string().contains("longer than 4.0 MiB"));
    let peak = metrics.peak_reserved.load(Relaxed);
    assert!((5 << 20..32 << 20).contains(&peak), "{peak}");
    drop(source);
    assert_eq!(context.memory.reserved(), 0);
    // Lines that are short are no harm at all, and neither are empty ones.
    assert_eq!(
        read(&files(&[bomb(b'\n', b"a,b\n1,2\n")]).open(options()).unwrap(), None, Config::default()).unwrap().len(),
        1
    );
}

#[test]
fn blocks_are_reserved_while_a_batch_shows_them() {
    let text = rows(2_000, "");
    let kept = files(&[text.as_bytes()]);
    let table = kept.open(options()).unwrap();
    let context = context(config(10_000, 8192));
    let metrics = OperatorMetrics::new();
    let source = table.scan(&ScanRequest::default(), &context).unwrap();
    let mut batches = Vec::new();
    for partition in 0..source.partitions() {
        batches.extend(source.open(partition, &context, &metrics).unwrap().collect::<Result<Vec<_>>>().unwrap());
    }
    assert!(context.memory.reserved() >= text.len() as u64, "text points into the blocks");
    assert!(context.memory.reserved() < 3 * text.len() as u64);
    batches.truncate(1);
    drop(source);
    assert!((1..32 << 10).contains(&context.memory.reserved()), "{}", context.memory.reserved());
    drop(batches);
    assert_eq!(context.memory.reserved(), 0);

    // Numbers do not, so that the same memory serves all partitions.
    let source = table.scan(&ScanRequest { projection: Some(vec![0]), ..ScanRequest::default() }, &context).unwrap();
    for partition in 0..source.partitions() {
        assert!(source.open(partition, &context, &metrics).unwrap().all(|batch| batch.is_ok()));
        assert!(context.memory.reserved() <= 64 << 10);
    }
    assert_eq!(context.memory.reserved(), 0, "nothing is kept behind the last partition");
}

#[test]
fn a_reader_goes_on_in_small_blocks_where_memory_is_short() {
    let text = rows(50_000, "39999,7,odd\n");
    let plain = files(&[text.as_bytes().to_vec(), gzip(text.as_bytes())]);
    let table = plain.open(options()).unwrap();
    let expected = read(&table, Some(vec![0]), Config::default()).unwrap();
    let small = Config { memory_limit: 700 << 10, ..Config::default() };
    assert!(read(&table, Some(vec![0]), small).unwrap() == expected);
    let error = read(&table, Some(vec![0]), Config { memory_limit: 50 << 10, ..Config::default() }).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Resource);
    assert!(error.to_string().starts_with("csv blocks needs"), "{error}");
}

/// What another process does to a file with that content.
type Change = fn(&std::path::Path, &[u8]);

#[test]
fn a_file_that_changes_between_two_blocks_is_an_error() {
    let text = rows(300_000, "39999,7,odd\n");
    for compress in [false, true] {
        let content = if compress { gzip(text.as_bytes()) } else { text.clone().into_bytes() };
        let changes: [(&str, Change); 3] = [
            ("longer", |path, _| {
                std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(b"1,2,3\n").unwrap();
            }),
            ("shorter", |path, content| {
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                file.set_len(content.len() as u64 / 2).unwrap();
            }),
            ("written again", |path, content| {
                let mut content = content.to_vec();
                let last = content.len() - 1;
                content[last] ^= 1;
                let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
                (&file).write_all(&content).unwrap();
                file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
            }),
        ];
        for (what, change) in changes {
            let table = files(&[&content]);
            let opened = table.open(options()).unwrap();
            let context = context(config(u64::MAX, 1000));
            let source = opened.scan(&ScanRequest::default(), &context).unwrap();
            let mut batches = source.open(0, &context, &OperatorMetrics::new()).unwrap();
            assert_eq!(batches.next().unwrap().unwrap().num_rows(), 1000);
            change(&table.paths[0], &content);
            let error = batches.find_map(|batch| batch.err()).expect("all is read");
            assert!(error.to_string().contains("changed while it was being read"), "{what} {compress}: {error}");
            assert_eq!(error.kind().location.file.as_ref(), Some(&table.paths[0]));
        }
    }
}

#[test]
fn a_stream_that_was_replaced_after_planning_is_an_error() {
    let table = files(&[gzip(b"a,b\n1,2\n")]);
    let opened = table.open(options()).unwrap();
    let other = table.folder.path().join("other");
    std::fs::write(&other, gzip(b"a,b\n1,2\n3,4\n")).unwrap();
    std::fs::rename(&other, &table.paths[0]).unwrap();
    let error = read(&opened, None, Config::default()).unwrap_err();
    assert!(error.to_string().contains("changed while it was being read"), "{error}");
}
