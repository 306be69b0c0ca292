//! Streams give the text that went into them, at whatever sizes of targets, or an error.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::error::{Error, ErrorClass, Result};
use crate::io::csv::CsvOptions;
use crate::io::csv::file::{InputFile, TextReader};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd_frame(text: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn lz4(text: &[u8]) -> Vec<u8> {
    let info = lz4_flex::frame::FrameInfo::new().content_checksum(true).block_size(lz4_flex::frame::BlockSize::Max64KB);
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[cfg(feature = "bz2")]
fn bzip2_stream(text: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[cfg(feature = "xz")]
fn xz(text: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

type Compressor = fn(&[u8]) -> Vec<u8>;

/// Every format of this build: its ending, and how to write it.
fn formats() -> Vec<(&'static str, Compressor)> {
    vec![
        ("gz", gzip),
        ("zst", zstd_frame),
        ("lz4", lz4),
        #[cfg(feature = "bz2")]
        ("bz2", bzip2_stream),
        #[cfg(feature = "xz")]
        ("xz", xz),
    ]
}

/// A file of that name with that content.
fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

/// The whole text, asked for in pieces of one size.
fn text_in_pieces(input: &InputFile, piece: usize) -> Result<Vec<u8>> {
    let mut reader = TextReader::new(input, input.open()?)?;
    let (mut text, mut target) = (Vec::new(), vec![0; piece]);
    while !reader.has_ended(input) {
        let filled = reader.fill(input, &mut target)?;
        text.extend_from_slice(&target[..filled]);
    }
    Ok(text)
}

fn text_with(name: &str, content: &[u8], options: &CsvOptions) -> Result<Vec<u8>> {
    let (_folder, path) = file(name, content);
    text_in_pieces(&InputFile::new(path, options)?, 4096)
}

fn text_of(name: &str, content: &[u8]) -> Result<Vec<u8>> {
    text_with(name, content, &CsvOptions::default())
}

fn error_of(name: &str, content: &[u8], options: &CsvOptions) -> Error {
    let error = text_with(name, content, options).expect_err("the file is read");
    assert_eq!(error.class(), ErrorClass::Data);
    assert!(error.kind().location.file.is_some(), "{error}");
    error
}

/// Rows that compress well, and numbers that hardly do.
fn sample(rows: usize) -> Vec<u8> {
    let mut text = b"id,name,amount\n".to_vec();
    let mut state = 7u64;
    for row in 0..rows {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        writeln!(text, "{row},an ordinary name,{}", state >> 20).unwrap();
    }
    text
}

#[test]
fn every_format_gives_back_its_text() {
    let text = sample(20_000);
    for (ending, compress) in formats() {
        let content = compress(&text);
        assert!(content.len() < text.len());
        // By the ending, or by the first bytes whatever the ending is.
        for name in [format!("a.csv.{ending}"), "a.csv".into(), "a.csv.GZ".into(), "a".into()] {
            let (_folder, path) = file(&name, &content);
            let input = InputFile::new(path, &CsvOptions::default()).unwrap();
            assert!(input.is_stream() && input.size == content.len() as u64);
            for piece in [13, 4096, 1 << 20] {
                assert!(text_in_pieces(&input, piece).unwrap() == text, "{name} {piece}");
            }
        }
        for empty in [compress(b""), [compress(b""), compress(b"")].concat()] {
            assert_eq!(text_of("a.csv", &empty).unwrap(), b"", "{ending}");
        }
    }
}

#[test]
fn the_memory_of_a_decoder_is_told_by_the_first_bytes() {
    let text = sample(200_000);
    let zstd = |level: i32, window: u32, is_long_known: bool| {
        let mut encoder = zstd::Encoder::new(Vec::new(), level).unwrap();
        encoder.window_log(window).unwrap();
        if is_long_known {
            encoder.set_pledged_src_size(Some(text.len() as u64)).unwrap();
        }
        encoder.write_all(&text).unwrap();
        Compression::Zstd.memory(&encoder.finish().unwrap()[..MAGIC_BYTES])
    };
    assert_eq!(zstd(3, 20, false), (1 << 20) + (512 << 10));
    assert_eq!(zstd(3, 26, false), (64 << 20) + (512 << 10));
    let all = zstd(3, 26, true);
    assert!((text.len() as u64..text.len() as u64 * 2 + (1 << 20)).contains(&all), "{all}");
    assert_eq!(Compression::Zstd.memory(b"\x28\xb5\x2f"), (8 << 20) + (512 << 10), "cut off");
    assert_eq!(Compression::Lz4.memory(&lz4(b"abc")), 3 * (64 << 10) + (256 << 10));
    assert_eq!(Compression::None.memory(b"abc"), 0);
}

#[test]
fn compressed_files_one_behind_the_other_are_one_text() {
    for (ending, compress) in formats() {
        let parts = [sample(300), Vec::new(), b"x".to_vec(), sample(5000)];
        let content = parts.iter().flat_map(|part| compress(part)).collect::<Vec<_>>();
        assert!(text_of("a.csv", &content).unwrap() == parts.concat(), "{ending}");
    }
}

#[test]
fn frames_to_skip_are_no_text() {
    let skip = b"\x53\x2a\x4d\x18\x05\0\0\0notes";
    for (ending, compress) in [("zst", zstd_frame as Compressor), ("lz4", lz4)] {
        let content = [&skip[..], &compress(b"a\n1\n"), skip, skip, &compress(b"2\n"), skip].concat();
        assert_eq!(text_of(&format!("a.{ending}"), &content[skip.len()..]).unwrap(), b"a\n1\n2\n", "{ending}");
        let options = CsvOptions::default().compression(Compression::of_ending(format!("a.{ending}").as_ref()));
        assert_eq!(text_with("a", &content, &options).unwrap(), b"a\n1\n2\n", "{ending}");
        let cut = &content[..content.len() - 2];
        assert!(text_with("a", cut, &options).is_err(), "{ending}");
    }
}

#[test]
fn a_file_that_was_cut_off_is_an_error_wherever_it_was_cut() {
    let parts = [sample(12), sample(3)];
    for (ending, compress) in formats() {
        let (first, second) = (compress(&parts[0]), compress(&parts[1]));
        let content = [first.clone(), second].concat();
        for cut in 0..content.len() {
            let result = text_of(&format!("a.csv.{ending}"), &content[..cut]);
            if cut == first.len() {
                assert!(result.unwrap() == parts[0], "the first file is complete");
                continue;
            }
            let error = result.expect_err("the file is read").to_string();
            let what = ["is cut off", "is corrupt", "something else"];
            assert!(what.iter().any(|what| error.contains(what)), "{ending} {cut}: {error}");
        }
    }
    let error = error_of("a.csv", &gzip(&parts[0])[..60], &CsvOptions::default());
    assert!(error.to_string().contains("is cut off: its gzip data end before they are complete"), "{error}");
    assert!(error.kind().location.byte_offset.is_some() && error.kind().location.line.is_some(), "{error}");
}

#[test]
fn a_wrong_bit_is_an_error_or_changes_nothing() {
    let text = sample(12);
    for (ending, compress) in formats() {
        let content = compress(&text);
        for at in 0..content.len() * 8 {
            let mut wrong = content.clone();
            wrong[at / 8] ^= 1 << (at % 8);
            if let Ok(read) = text_of(&format!("a.csv.{ending}"), &wrong) {
                assert!(read == text, "{ending} {at}");
            }
        }
    }
}

#[test]
fn something_behind_the_compressed_data_is_an_error() {
    for (ending, compress) in formats() {
        for garbage in [&b"garbage"[..], b"\0\0\0\0\0", b"\0\0x", b"\n", b"a,b\n1,2\n3,4\n5,6\n7,8\n"] {
            let name = format!("a.csv.{ending}");
            let content = [compress(b"a,b\n1,2\n"), garbage.to_vec()].concat();
            let is_padding = garbage.iter().all(|byte| *byte == 0);
            if ending == "gz" && is_padding {
                assert_eq!(text_of(&name, &content).unwrap(), b"a,b\n1,2\n");
                let long = [compress(b"a,b\n1,2\n"), vec![0; 300_000]].concat();
                assert_eq!(text_of(&name, &long).unwrap(), b"a,b\n1,2\n");
            } else if ending != "xz" || !garbage.starts_with(b"\0") {
                // xz may be padded, by fours.
                let error = error_of(&name, &content, &CsvOptions::default()).to_string();
                let says_so = error.contains("has something else behind the end of its");
                assert!(says_so || !["gz", "lz4"].contains(&ending), "{error}");
                // The decoder of xz keeps what it decoded in the step in which it met the error.
                assert!(ending == "xz" || (error.contains("line 3") && error.contains("byte 8")), "{error}");
            }
        }
    }
}

#[test]
fn what_is_not_compressed_as_it_says_is_refused() {
    for name in ["a.csv.gz", "a.csv.zst", "a.csv.lz4", "a.csv.bz2", "a.csv.xz"] {
        let error = error_of(name, b"a,b\n1,2\n", &CsvOptions::default()).to_string();
        assert!(error.contains("has the ending of") && error.contains("compression='none'"), "{error}");
        let options = CsvOptions::default().compression(Compression::None);
        assert_eq!(text_with(name, b"a,b\n1,2\n", &options).unwrap(), b"a,b\n1,2\n");
        assert!(error_of(name, b"", &CsvOptions::default()).to_string().contains("is cut off"));
    }
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Lz4, Compression::Bzip2, Compression::Xz] {
        let options = CsvOptions::default().compression(compression);
        let error = error_of("a.csv", b"a,b\n1,2\n", &options).to_string();
        assert!(error.contains("is not compressed as"), "{error}");
        assert_eq!(Compression::parse(compression.name()), Some(compression));
    }
    assert_eq!(text_of("BZh9.csv", b"BZh9,a\n1,2\n").unwrap(), b"BZh9,a\n1,2\n", "text, in spite of its first bytes");
}

#[cfg(not(feature = "bz2"))]
#[test]
fn formats_that_are_not_built_in_name_their_feature() {
    for (content, feature) in [(&b"BZh91AY&SY..."[..], "bz2"), (b"\xfd7zXZ\0...", "xz")] {
        let error = text_of("a.csv", content).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert!(error.to_string().contains(&format!("the cargo feature '{feature}'")), "{error}");
    }
}

/// A text in UTF-16 with `mark` in front.
fn utf16(text: &str, is_big: bool, mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    let bytes = |unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
}

fn encoded(label: &str) -> CsvOptions {
    CsvOptions::default().encoding(Encoding::for_label(label).unwrap())
}

#[test]
fn utf_16_is_known_by_its_mark_or_by_the_option() {
    let text = "stadt,größe\nZürich,1\n東京,𝟚\n";
    for is_big in [false, true] {
        let marked = utf16(text, is_big, true);
        let (own, other) = if is_big { ("utf-16be", "utf-16le") } else { ("utf-16le", "utf-16be") };
        for options in [CsvOptions::default(), encoded("utf-16"), encoded(own)] {
            assert_eq!(text_with("a.csv", &marked, &options).unwrap(), text.as_bytes());
            assert_eq!(text_with("a.csv", &gzip(&marked), &options).unwrap(), text.as_bytes());
        }
        assert_eq!(text_with("a.csv", &utf16(text, is_big, false), &encoded(own)).unwrap(), text.as_bytes());
        let error = error_of("a.csv", &marked, &encoded(other)).to_string();
        assert!(error.contains("begins with the mark of"), "{error}");
    }
    assert_eq!(text_with("a.csv", &utf16(text, false, false), &encoded("UTF16")).unwrap(), text.as_bytes());
    assert_eq!(text_of("a.csv", b"\xff\xfe").unwrap(), b"");
}

#[test]
fn labels_mean_what_people_mean_by_them() {
    let all: Vec<u8> = (0..=255).collect();
    let latin1: String = all.iter().map(|byte| char::from(*byte)).collect();
    for label in ["latin-1", "latin1", "LATIN_1", "iso-8859-1", "ISO8859-1", " l1 "] {
        assert_eq!(text_with("a.csv", &all, &encoded(label)).unwrap(), latin1.as_bytes(), "{label}");
    }
    let windows = text_with("a.csv", &all, &encoded("windows-1252")).unwrap();
    assert_ne!(windows, latin1.as_bytes());
    assert_eq!(text_with("a.csv", b"\x80\x99", &encoded("cp1252")).unwrap(), "€™".as_bytes());
    assert_eq!(text_with("a.csv", b"\xcf\xf0\xe8", &encoded("windows-1251")).unwrap(), "При".as_bytes());
    assert_eq!(text_with("a.csv", b"\x93\x8c\x8b\x9e", &encoded("shift_jis")).unwrap(), "東京".as_bytes());
    assert_eq!(text_with("a.csv", b"\xb6\xab\xbe\xa9", &encoded("gbk")).unwrap(), "东京".as_bytes());
    for label in ["utf-8", "UTF8", "utf_8", "ascii", "us-ascii", "utf-8-sig"] {
        assert_eq!(Encoding::for_label(label), Some(Encoding::UTF_8));
    }
    for label in ["", "utf-7", "utf-32", "klingon", "iso-2022-kr", "replacement"] {
        assert_eq!(Encoding::for_label(label), None, "{label}");
    }
    let (_folder, path) = file("a.csv", b"a,b\n");
    assert!(!InputFile::new(path, &encoded("ascii")).unwrap().is_stream(), "there is nothing to convert");
}

#[test]
fn bytes_without_a_meaning_are_an_error_and_never_replaced() {
    let place = |error: &Error| (error.kind().location.line, error.kind().location.byte_offset);
    let mut lone = utf16("a,b\n1,", false, true);
    lone.extend([0x00, 0xd8]);
    lone.extend(utf16(",2\n", false, false));
    let error = error_of("a.csv", &lone, &CsvOptions::default());
    assert!(error.to_string().contains("byte 14 of the file") && error.to_string().contains("UTF-16LE"), "{error}");
    assert_eq!(place(&error), (Some(2), Some(6)));

    let mut odd = utf16("a\n1\n", true, true);
    odd.push(0);
    let error = error_of("a.csv", &gzip(&odd), &CsvOptions::default());
    assert!(error.to_string().contains("byte 10 of the decompressed file"), "{error}");
    assert_eq!(place(&error), (Some(3), Some(4)));

    let error = error_of("a.csv", b"a\n\x93\x8c\n\x93\xff\n", &encoded("shift-jis"));
    assert!(error.to_string().contains("byte 5 of the file"), "{error}");
    assert_eq!(place(&error), (Some(3), Some(6)));
    let error = error_of("a.csv", b"a\n\x93", &encoded("shift-jis"));
    assert_eq!(place(&error), (Some(2), Some(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_in_any_layers_and_pieces(text in "(\\PC|\n|,){0,400}", piece in 1usize..100, format in 0usize..3, is_big: bool) {
        let (_, compress) = formats()[format];
        let text = text.repeat(20);
        let marked = utf16(&text, is_big, true);
        // A mark inside of the text stays.
        for content in [marked.clone(), compress(&marked), compress(text.as_bytes())] {
            let (_folder, path) = file("a.csv", &content);
            let input = InputFile::new(path, &CsvOptions::default()).unwrap();
            prop_assert!(text_in_pieces(&input, piece).unwrap() == text.as_bytes());
        }
    }

    #[test]
    fn rubbish_is_an_error_or_text(content in proptest::collection::vec(any::<u8>(), 0..300), format in 0usize..5) {
        let magics: [&[u8]; 5] = [b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xff\xfe", b"\xfe\xff"];
        let content = [magics[format], &content].concat();
        if let Ok(text) = text_of("a.csv", &content) {
            prop_assert!(std::str::from_utf8(&text).is_ok() || format < 3);
        }
    }
}
