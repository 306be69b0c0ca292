//! Cutting into records and fields, against a slow reader and the `csv` crate, at every place a file can be cut.

use proptest::prelude::*;

use super::*;
use crate::io::csv::Header;
use crate::io::csv::dialect::Dialect;
use crate::io::csv::structure::count_records;
use crate::io::csv::tokenizer::{Stop, Stretch, Tokenizer};
use crate::io::csv::tokens::Tokens;

/// A reader of one byte after the other, as the grammar in the module's documentation says. `None` where a quote is
/// never closed.
fn read_slowly(text: &[u8], dialect: &Dialect) -> Option<Vec<Vec<Vec<u8>>>> {
    let (mut records, mut at) = (Vec::new(), 0);
    let at_line_end = |at: usize| match text.get(at) {
        None => Some(at),
        Some(b'\n') => Some(at + 1),
        Some(b'\r') if text.get(at + 1).is_none_or(|next| *next == b'\n') => Some((at + 2).min(text.len())),
        Some(_) => None,
    };
    while at < text.len() {
        if dialect.comment == Some(text[at]) {
            at += text[at..].iter().position(|byte| *byte == b'\n').map_or(text.len() - at, |index| index + 1);
            continue;
        }
        if let Some(next) = at_line_end(at) {
            if dialect.empty_lines {
                records.push(vec![Vec::new()]);
            }
            at = next;
            continue;
        }
        let mut record = vec![Vec::new()];
        let mut in_quotes = false;
        let mut at_field_start = true;
        loop {
            let field = record.last_mut().unwrap();
            if in_quotes {
                let byte = *text.get(at)?;
                if dialect.escape == Some(byte) {
                    field.push(*text.get(at + 1)?);
                    at += 2;
                } else if dialect.quote == Some(byte) {
                    if text.get(at + 1) == Some(&byte) {
                        field.push(byte);
                        at += 2;
                    } else {
                        in_quotes = false;
                        at += 1;
                    }
                } else {
                    field.push(byte);
                    at += 1;
                }
            } else if let Some(next) = at_line_end(at) {
                at = next;
                break;
            } else if text[at] == dialect.delimiter {
                record.push(Vec::new());
                at_field_start = true;
                at += 1;
                continue;
            } else if at_field_start && dialect.quote == Some(text[at]) {
                in_quotes = true;
                at += 1;
            } else {
                field.push(text[at]);
                at += 1;
            }
            at_field_start = false;
        }
        records.push(record);
    }
    Some(records)
}

fn read_by_csv_crate(text: &[u8], dialect: &Dialect) -> Vec<Vec<Vec<u8>>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .quoting(dialect.quote.is_some())
        .quote(dialect.quote.unwrap_or(b'"'))
        .escape(dialect.escape)
        .comment(dialect.comment)
        .from_reader(text);
    reader.byte_records().map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

/// Our reading of the text, with rows padded to equal length.
fn read_by_table(text: &[u8], dialect: &Dialect, partition_bytes: u64, batch_size: usize) -> Result<Rows> {
    let options = CsvOptions::default()
        .delimiter(dialect.delimiter)
        .quote(dialect.quote)
        .escape(dialect.escape)
        .comment(dialect.comment)
        .header(Header::No)
        .all_varchar(true)
        .null_padding(true);
    let table = files(&[text]).open_and_keep(options)?;
    let rows = read(&table.0, None, config(partition_bytes, batch_size))?;
    let counted = read(&table.0, Some(vec![]), config(partition_bytes, batch_size))?;
    assert_eq!(counted.len(), rows.len(), "rows that are only counted");
    Ok(rows)
}

impl Files {
    fn open_and_keep(self, options: CsvOptions) -> Result<(Arc<CsvTable>, tempfile::TempDir)> {
        Ok((self.open(options)?, self.folder))
    }
}

fn expected(records: &[Vec<Vec<u8>>]) -> Vec<Vec<String>> {
    let width = records.iter().map(Vec::len).max().unwrap_or(0);
    let text = |field: Option<&Vec<u8>>| field.map_or(String::new(), |field| String::from_utf8(field.clone()).unwrap());
    records.iter().map(|record| (0..width).map(|index| text(record.get(index))).collect()).collect()
}

fn agrees(text: &[u8], dialect: &Dialect, partition_bytes: u64, batch_size: usize) -> Result<(), TestCaseError> {
    let read = read_by_table(text, dialect, partition_bytes, batch_size);
    // In files of one column empty lines are records.
    let one_column = read_slowly(text, dialect)
        .is_some_and(|records| !records.is_empty() && records.iter().all(|record| record.len() == 1));
    match read_slowly(text, &Dialect { empty_lines: one_column, ..*dialect }) {
        None => prop_assert!(read.is_err(), "a quote that is never closed is an error"),
        Some(records) if records.is_empty() => prop_assert!(read.is_err(), "an empty file is an error"),
        Some(records) => {
            let rows = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let rows: Vec<Vec<String>> =
                rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect();
            prop_assert_eq!(rows, expected(&records));
        }
    }
    Ok(())
}

/// Reads with blocks that end wherever `steps`, over and over, say. `None` where a quote is never closed.
fn read_in_blocks(text: &[u8], dialect: &Dialect, steps: &[usize], batch: usize) -> Option<Vec<Vec<Vec<u8>>>> {
    const WIDTH: usize = 100;
    let fields: Vec<usize> = (0..WIDTH).collect();
    let mut tokenizer = Tokenizer::new(*dialect, &fields, Some(WIDTH), 1 << 20);
    let (mut records, mut scratch, mut steps) = (Vec::new(), Vec::new(), steps.iter().cycle());
    let (mut start, mut end) = (0, 0);
    loop {
        let block = &text[start..end];
        let is_last = end == text.len();
        let mut tokens = Tokens::new(WIDTH);
        let stretch = Stretch { block, stop: usize::MAX, at_end_of_file: is_last };
        let (next, stop) = tokenizer.tokenize(&stretch, 0, batch, &mut tokens);
        // What is counted without a look at each record is as many.
        if stop == Stop::Done
            && let Some(counted) = count_records(dialect, &block[..next], 0, next)
        {
            let ended = tokens.starts.iter().filter(|start| (**start as usize) < counted.next).count();
            assert_eq!(counted.records, ended);
            assert!(counted.next == next || !block[..next].ends_with(b"\n"));
        }
        for row in 0..tokens.rows() {
            let spans = (0..WIDTH).map(|slot| tokens.column(slot)[row]);
            let present = spans.take_while(|span| !span.is_missing());
            records.push(present.map(|span| span.text(block, dialect, &mut scratch).to_vec()).collect());
        }
        start += next;
        match stop {
            Stop::Done if tokens.rows() < batch => return Some(records),
            Stop::Done => {}
            Stop::NeedsMore => end = (end + steps.next().unwrap()).min(text.len()),
            Stop::Unterminated => return None,
            Stop::TooLong => panic!("no record is too long"),
        }
        tokenizer.new_block();
    }
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let quote = prop_oneof![4 => Just(Some(b'"')), 1 => Just(None)];
    let escape = prop_oneof![3 => Just(None), 1 => Just(Some(b'\\'))];
    let comment = prop_oneof![3 => Just(None), 1 => Just(Some(b'#'))];
    (quote, escape, comment).prop_map(|(quote, escape, comment)| Dialect {
        quote,
        escape,
        comment,
        ..Dialect::new(b',')
    })
}

/// Texts of pieces that matter. A `\r` alone comes with a newline, since a file with nothing else is refused.
fn texts(pieces: &'static [&'static str], longest: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..longest).prop_map(|pieces| pieces.concat() + "\n")
}

const PIECES: &[&str] =
    &["a", "bc", "\"", "\"\"", ",", "\n", "\r\n", "\r", "\\", "#", " ", "ü", "\"a,\n\"", ",\"", "\","];
const FIELDS: &[&str] = &[
    "",
    "a",
    "plain",
    "2013-01-01",
    "\"\"",
    "\"quoted\"",
    "\"a,b\"",
    "\"two\nlines\"",
    "\"dou\"\"bled\"",
    "zürich",
    "# no",
];
const PIECES_OF_CSV_CRATE: &[&str] = &["a", "\"", "\"\"", ",", "\n", "\r\n", "\\", "#", "ü", "\"a,\n\"", ",\"", "\","];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_cut_reads_as_the_slow_reader(
        text in texts(PIECES, 30), dialect in dialects(),
        partition_bytes in prop_oneof![1u64..4, 4u64..40, Just(1 << 20)], batch_size in prop_oneof![Just(1usize), 2usize..5, Just(8192)],
        cut in 0usize..3
    ) {
        // Also without the newline at the end, and within it.
        let text = &text.as_bytes()[..text.len() - cut.min(text.len())];
        let is_text = std::str::from_utf8(text).is_ok();
        let refused = text.iter().filter(|byte| **byte == b'\r').count() > 1 && !text.contains(&b'\n');
        if is_text && !refused {
            agrees(text, &dialect, partition_bytes, batch_size)?;
        }
    }

    #[test]
    fn long_texts_read_as_the_slow_reader(
        // Mostly well formed, so that whole windows of the index are.
        records in prop::collection::vec(
            prop::collection::vec(prop::sample::select(FIELDS), 1..4), 1..60
        ),
        strays in prop::collection::vec((0usize..2000, prop::sample::select(PIECES)), 0..3),
        ends in prop::collection::vec(prop::sample::select(&["\n", "\r\n", "\n\n"][..]), 1..4),
        dialect in dialects(),
        partition_bytes in prop_oneof![1u64..4, 40u64..400, Just(1 << 20)], batch_size in prop_oneof![2usize..9, Just(8192)]
    ) {
        let lines = records.iter().zip(ends.iter().cycle());
        let mut text: String = lines.map(|(fields, end)| fields.join(",") + end).collect();
        for (at, piece) in strays {
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            text.insert_str(at, piece);
        }
        agrees(text.as_bytes(), &dialect, partition_bytes, batch_size)?;
    }

    #[test]
    fn every_end_of_a_block_reads_as_the_slow_reader(
        text in texts(PIECES, 30), dialect in dialects(), steps in prop::collection::vec(1usize..6, 1..8),
        batch in 1usize..4, cut in 0usize..2
    ) {
        let text = &text.as_bytes()[..text.len() - cut];
        let read = read_in_blocks(text, &dialect, &steps, batch);
        prop_assert_eq!(read, read_slowly(text, &dialect));
    }

    #[test]
    fn the_slow_reader_reads_as_the_csv_crate(text in texts(PIECES_OF_CSV_CRATE, 40), dialect in dialects()) {
        if let Some(records) = read_slowly(text.as_bytes(), &dialect) {
            prop_assert_eq!(records, read_by_csv_crate(text.as_bytes(), &dialect));
        }
    }
}

#[test]
fn a_quoted_field_may_span_many_partitions() {
    let long = "line\n\"\" , ".repeat(500);
    let text = format!("1,\"{long}\",2\n3,x,4\n");
    let dialect = Dialect { quote: Some(b'"'), ..Dialect::new(b',') };
    for partition_bytes in [1, 64, 1000, 1 << 20] {
        agrees(text.as_bytes(), &dialect, partition_bytes, 10).unwrap();
    }
}

#[test]
fn records_larger_than_a_block_are_read_whole() {
    let field = "x".repeat(3 << 20);
    let text = format!("a,b\n\"{field}\",1\n{field},2\n");
    let options = CsvOptions::default().all_varchar(true);
    let rows = files(&[&text]).rows(options.clone()).unwrap();
    assert_eq!(rows, [[Some(field.clone()), Some("1".into())], [Some(field), Some("2".into())]]);
    let error = files(&[&text]).error(options.max_line_size(1 << 20));
    assert!(error.contains("a record is longer than 1.0 MiB") && error.contains("line 2"), "{error}");
}

#[test]
fn chunks_know_their_state_from_any_start() {
    // Quotes are rare, so that the tail of a chunk does not decide and chunks before it must be asked.
    let mut text = String::new();
    for row in 0..20_000 {
        match row % 4_000 {
            7 => text.push_str("\"quoted\nand, on two lines\",1\n"),
            _ => text.push_str("plain,2\n"),
        }
    }
    let table = files(&[text.as_bytes()]).open_and_keep(CsvOptions::default().header(Header::No)).unwrap();
    let whole = read(&table.0, None, config(1 << 30, 8192)).unwrap();
    assert_eq!(whole.len(), 20_000);
    for partition_bytes in [1_000, 4_096, 10_007, 50_000] {
        let context = context(config(partition_bytes, 8192));
        let source = table.0.scan(&ScanRequest::default(), &context).unwrap();
        let mut parts = Vec::new();
        // Backwards, so that no chunk before is known yet.
        for partition in (0..source.partitions()).rev() {
            let batches = source.open(partition, &context, &OperatorMetrics::new()).unwrap();
            let mut rows: Rows = Vec::new();
            for batch in batches.map(Result::unwrap) {
                for row in 0..batch.num_rows() {
                    rows.push(batch.columns().iter().map(|column| format_value(column, row)).collect());
                }
            }
            parts.push(rows);
        }
        assert!(parts.into_iter().rev().flatten().eq(whole.iter().cloned()), "{partition_bytes}");
    }
}
