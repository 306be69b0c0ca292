//! Results as they are printed, letter by letter.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray};

use super::*;
use crate::io::write::Existing;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const STYLE: Style = Style { types: true, width: None, max_rows: 40, color: false };

fn table(batch: &RecordBatch, style: Style) -> String {
    let out = Shared::default();
    let mut writer = Box::new(TableWriter::new(&batch.schema(), style, Box::new(out.clone())));
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    out.text()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn cities() -> RecordBatch {
    batch(vec![
        ("city", Arc::new(StringViewArray::from(vec![Some("東京"), Some("Zürich"), None, Some("a\nb")]))),
        ("people", Arc::new(Int64Array::from(vec![Some(13_960_000), Some(415_367), Some(-1), None]))),
        ("share", Arc::new(Float64Array::from(vec![0.5, 12.25, f64::NAN, 1e20]))),
    ])
}

#[test]
fn tables_align_by_the_width_of_characters() {
    insta::assert_snapshot!(table(&cities(), STYLE), @r"
    ┌─────────┬──────────┬────────┐
    │ city    │   people │  share │
    │ VARCHAR │   BIGINT │ DOUBLE │
    ├─────────┼──────────┼────────┤
    │ 東京    │ 13960000 │    0.5 │
    │ Zürich  │   415367 │  12.25 │
    │ NULL    │       -1 │    NaN │
    │ a\nb    │     NULL │  1e+20 │
    └─────────┴──────────┴────────┘
    ");
}

#[test]
fn rows_beyond_the_most_are_counted_not_kept() {
    let numbers = batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..12_345)))]);
    insta::assert_snapshot!(table(&numbers, Style { max_rows: 2, types: false, ..STYLE }), @r"
    ┌───┐
    │ n │
    ├───┤
    │ 0 │
    │ 1 │
    └───┘
    … 12,345 rows, showing 2
    ");
    assert_eq!(table(&numbers, Style { max_rows: 0, ..STYLE }).lines().count(), 12_345 + 5);
}

#[test]
fn long_texts_are_cut_to_the_terminal_and_numbers_never() {
    let texts = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1_234_567_890_123_456]))),
        ("text", Arc::new(StringViewArray::from(vec!["the quick brown fox jumps over the lazy dog"]))),
        ("moment", Arc::new(TimestampMicrosecondArray::from(vec![1_359_590_400_000_000]).with_timezone("UTC"))),
    ]);
    let shown = table(&texts, Style { width: Some(70), ..STYLE });
    insta::assert_snapshot!(shown, @r"
    ┌──────────────────┬────────────────────────┬────────────────────────┐
    │               id │ text                   │ moment                 │
    │           BIGINT │ VARCHAR                │ TIMESTAMPTZ            │
    ├──────────────────┼────────────────────────┼────────────────────────┤
    │ 1234567890123456 │ the quick brown fox j… │ 2013-01-31 00:00:00+00 │
    └──────────────────┴────────────────────────┴────────────────────────┘
    ");
    assert!(shown.lines().all(|line| cells::width(line) <= 70));
}

#[test]
fn columns_in_the_middle_are_left_out_where_they_do_not_fit() {
    let names: Vec<String> = (0..20).map(|n| format!("column_{n}")).collect();
    let columns = names.iter().map(|name| (name.as_str(), Arc::new(Int64Array::from(vec![1 << 40])) as ArrayRef));
    let wide = batch(columns.collect());
    for width in 5..200 {
        let shown = table(&wide, Style { width: Some(width), ..STYLE });
        let widest = shown.lines().take(6).map(cells::width).max().unwrap();
        assert!(widest <= width.max(23), "{widest} in {width}\n{shown}");
    }
    insta::assert_snapshot!(table(&wide, Style { width: Some(60), ..STYLE }), @r"
    ┌───────────────┬───────────────┬───┬───────────────┐
    │      column_0 │      column_1 │ … │     column_19 │
    │        BIGINT │        BIGINT │ … │        BIGINT │
    ├───────────────┼───────────────┼───┼───────────────┤
    │ 1099511627776 │ 1099511627776 │ … │ 1099511627776 │
    └───────────────┴───────────────┴───┴───────────────┘
    … 20 columns, showing 3
    ");
}

#[test]
fn colour_marks_names_types_and_nulls_and_takes_no_room() {
    let nulls = batch(vec![("n", Arc::new(Int64Array::from(vec![None, Some(7)])))]);
    let colored = table(&nulls, Style { color: true, ..STYLE });
    assert!(colored.contains("\u{1b}[1mn\u{1b}[0m") && colored.contains("\u{1b}[2mNULL\u{1b}[0m"));
    let bare = colored.replace("\u{1b}[0m", "").replace("\u{1b}[1m", "").replace("\u{1b}[2m", "");
    assert_eq!(bare, table(&nulls, STYLE));
}

#[test]
fn plans_are_printed_as_they_are() {
    let lines = batch(vec![("plan", Arc::new(StringViewArray::from(vec!["Sort\n  Scan", "done"])))]);
    let metadata = std::collections::HashMap::from([(crate::session::LAID_OUT_KEY.to_string(), String::new())]);
    let schema = Arc::new(lines.schema().as_ref().clone().with_metadata(metadata));
    let lines = lines.with_schema(schema).unwrap();
    assert_eq!(table(&lines, Style { width: Some(4), ..STYLE }), "Sort\n  Scan\ndone\n");
}

#[test]
fn markdown_escapes_what_would_end_a_cell() {
    let odd = batch(vec![
        ("a|b", Arc::new(StringViewArray::from(vec![Some("x|y"), Some("two\nlines"), None]))),
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ]);
    let out = Shared::default();
    let mut writer = Box::new(MarkdownWriter::new(&odd.schema(), Box::new(out.clone())).unwrap());
    writer.write(&odd).unwrap();
    writer.finish().unwrap();
    insta::assert_snapshot!(out.text(), @r"
    | a\|b | n |
    |:---|---:|
    | x\|y | 1 |
    | two<br>lines | 2 |
    | NULL | 3 |
    ");
}

#[test]
fn lines_align_names_and_part_rows() {
    let out = Shared::default();
    let mut writer = Box::new(LineWriter::new(&cities().schema(), Box::new(out.clone())));
    writer.write(&cities().slice(0, 1)).unwrap();
    writer.write(&cities().slice(2, 1)).unwrap();
    writer.finish().unwrap();
    assert_eq!(
        out.text(),
        "  city = 東京\npeople = 13960000\n share = 0.5\n\n  city = NULL\npeople = -1\n share = NaN\n"
    );
}

#[test]
fn a_file_takes_one_result() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.md");
    let target = Target::File { path: path.clone(), existing: Existing::Error };
    let mut output = Output::new(OutputPlan { format: Format::Markdown, target, max_rows: 40, color: false });
    assert_eq!(output.close().unwrap_err().exit_code(), 2);
    output.print(&cities(), None).unwrap();
    output.close().unwrap();
    assert!(output.print(&cities(), None).unwrap_err().to_string().contains("one result"));
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2 + 4);
}

#[test]
fn endings_stand_for_formats() {
    assert_eq!(Format::from_ending(Path::new("a/b.PARQUET")), Some(Format::Parquet));
    assert_eq!(Format::from_ending(Path::new("b.ndjson")), Some(Format::Jsonl));
    assert_eq!(Format::from_ending(Path::new("b")), None);
}
