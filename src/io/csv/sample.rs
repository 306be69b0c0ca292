//! What a file holds, from samples of its head, middle and end.

use std::collections::HashSet;
use std::sync::Arc;

use memchr::memchr;

use super::blocks::Blocks;
use super::detect::{Head, has_header};
use super::dialect::Dialect;
use super::file::InputFile;
use super::infer::Guesses;
use super::locate::Place;
use super::machine::{Machine, State};
use super::options::{CsvOptions, Header, SampleSize};
use super::pool::BlockPool;
use super::rules::{ColumnRules, Rules};
use super::tokenizer::{NextQuote, Scan, Span};
use super::values::trim;
use crate::error::{DataLocation, Error, Result};

/// Bytes of a sample.
const WINDOW: u64 = 64 << 10;

/// What a file holds.
#[derive(Debug, Default)]
pub struct FileSample {
    /// Whether the first record holds names.
    pub has_header: bool,
    /// The columns' names, by position; without a header, generated ones.
    pub names: Vec<String>,
    /// Where the first record behind the header starts.
    pub data_start: u64,
    /// What each column showed.
    pub guesses: Vec<Guesses>,
}

/// Looks at a file. `header` says whether the first record holds names, where that is known. `None` for a file without
/// any record.
///
/// # Errors
/// A data error, where the file cannot be read or its header is not well formed. What is wrong with other records
/// is left to whoever reads them.
pub fn sample(
    input: &Arc<InputFile>,
    head: &Head,
    dialect: Dialect,
    header: Option<bool>,
    options: &CsvOptions,
    rules: &Rules,
) -> Result<Option<FileSample>> {
    // Of a stream only the head can be looked at without decoding all.
    let is_stream = input.is_stream();
    let small = !is_stream && input.len - head.start <= 3 * WINDOW;
    let (rows, stop) = match options.sample_size {
        SampleSize::Windows if is_stream => (u64::MAX, head.start + 3 * WINDOW),
        SampleSize::Windows if !small => (u64::MAX, head.start + WINDOW),
        SampleSize::Rows(rows) => (rows, input.len),
        SampleSize::Windows | SampleSize::All => (u64::MAX, input.len),
    };
    let blocks = Blocks::behind_head(input.clone(), head, BlockPool::unmetered(), stop);
    let mut records = Records::new(input, blocks, dialect, options.max_line_size);
    if !records.next(true)? {
        return Ok(None);
    }
    let first = records.texts();
    let behind_first = records.blocks.offset();

    let own = rules_by_position(rules, &first, options, input);
    let mut columns = Columns { guesses: Vec::new(), usual: rules.usual(), own: &own, dialect };
    let mut taken = 0;
    while taken < rows && records.next(false)? {
        columns.add(&records);
        taken += 1;
    }
    let widest = columns.guesses.len();
    columns.guesses.resize(widest.max(first.len()), Guesses::default());

    let has_header = header.unwrap_or_else(|| has_header(options, &first, &columns.guesses, rules));
    let mut width = first.len();
    if options.null_padding {
        width = width.max(options.names.len());
        if !has_header {
            width = width.max(widest);
        }
    }
    if !has_header {
        columns.add_texts(&first);
    }
    let names = if has_header { header_names(&first, input, head.start)? } else { Vec::new() };
    let names = complete_names(names, width, options, input)?;
    columns.guesses.resize(width, Guesses::default());

    let data_start = if has_header { behind_first } else { head.start };
    if !small && !is_stream && options.sample_size != SampleSize::All {
        let middle = data_start.max(input.len / 2 - WINDOW / 2);
        for start in [middle, input.len - WINDOW] {
            if start > records.blocks.offset() {
                columns.add_window(input, start, width, options.max_line_size)?;
            }
        }
    }
    columns.guesses.truncate(width);
    Ok(Some(FileSample { has_header, names, data_start, guesses: columns.guesses }))
}

/// Names in a header: without blanks around them.
fn header_names(first: &[Vec<u8>], input: &InputFile, start: u64) -> Result<Vec<String>> {
    first
        .iter()
        .map(|text| match std::str::from_utf8(trim(text)) {
            Ok(name) => Ok(name.to_string()),
            Err(_) => Err(Error::data("a column's name is not valid UTF-8")
                .with_location(DataLocation {
                    file: Some(input.path().to_path_buf()),
                    byte_offset: Some(start),
                    raw: Some(String::from_utf8_lossy(text).into_owned()),
                    ..DataLocation::default()
                })
                .with_hint("name the encoding, such as encoding='windows-1252'")),
        })
        .collect()
}

/// One name per column, each different: those of the options, then of the header; `column3` where there is none, and
/// `x_1` for the second `x`.
fn complete_names(header: Vec<String>, width: usize, options: &CsvOptions, input: &InputFile) -> Result<Vec<String>> {
    let wrong = if options.names_are_all { options.names.len() != width } else { options.names.len() > width };
    if wrong {
        return Err(Error::usage(format!(
            "the option '{}' has {} names, but '{}' has {width} columns",
            if options.names_are_all { "columns" } else { "names" },
            options.names.len(),
            input.path().display()
        )));
    }
    let mut names: Vec<String> = Vec::with_capacity(width);
    let mut taken = HashSet::with_capacity(width);
    for index in 0..width {
        let given = options.names.get(index).or(header.get(index)).filter(|name| !name.is_empty());
        let wanted = given.cloned().unwrap_or_else(|| format!("column{index}"));
        let mut name = wanted.clone();
        let mut number = 1;
        while !taken.insert(name.clone()) {
            name = format!("{wanted}_{number}");
            number += 1;
        }
        names.push(name);
    }
    Ok(names)
}

/// The rules of the columns that have their own, before it is known whether the first record holds the names.
fn rules_by_position<'a>(
    rules: &'a Rules,
    first: &[Vec<u8>],
    options: &CsvOptions,
    input: &InputFile,
) -> Vec<Option<&'a ColumnRules>> {
    if rules.are_uniform() {
        return Vec::new();
    }
    let width = first.len().max(options.names.len());
    let header = match options.header {
        Header::No => Vec::new(),
        Header::Yes | Header::Detect => first.iter().map(|text| String::from_utf8_lossy(trim(text)).into()).collect(),
    };
    // What is wrong with the names is told once they are known.
    let names = complete_names(header, width, options, input).unwrap_or_default();
    let own = |(index, name): (usize, &String)| {
        rules.in_any_case(name).or_else(|| rules.in_any_case(&format!("column{index}")))
    };
    names.iter().enumerate().map(own).collect()
}

/// Columns while they are sampled.
struct Columns<'a> {
    guesses: Vec<Guesses>,
    usual: &'a ColumnRules,
    /// The rules of each column, as far as they are not the usual ones.
    own: &'a [Option<&'a ColumnRules>],
    dialect: Dialect,
}

impl Columns<'_> {
    fn guess(&mut self, column: usize, text: &[u8], is_quoted: bool) {
        if self.guesses.len() <= column {
            self.guesses.resize(column + 1, Guesses::default());
        }
        if !self.guesses[column].is_text() {
            let rules = self.own.get(column).copied().flatten().unwrap_or(self.usual);
            self.guesses[column].add(rules.guess(text, is_quoted));
        }
    }

    fn add(&mut self, records: &Records) {
        let mut scratch = Vec::new();
        for (column, span) in records.fields.iter().enumerate() {
            let text = span.text(records.blocks.buffer(), &self.dialect, &mut scratch);
            self.guess(column, text, span.is_quoted());
        }
    }

    fn add_texts(&mut self, texts: &[Vec<u8>]) {
        texts.iter().enumerate().for_each(|(column, text)| self.guess(column, text, false));
    }

    /// Adds a window somewhere in the file, where it is known, or next to certain, where a record starts.
    fn add_window(&mut self, input: &Arc<InputFile>, start: u64, width: usize, max_record: usize) -> Result<()> {
        let end = (start + WINDOW).min(input.len);
        let mut bytes = Vec::new();
        input.read(&input.open()?, start, (end - start) as usize, &mut bytes)?;
        let Some((offset, is_certain)) = record_start(&bytes, self.dialect) else {
            return Ok(());
        };
        let start = start + offset as u64;
        let blocks = Blocks::new(input.clone(), input.open()?, BlockPool::unmetered(), start, end)?;
        let mut records = Records::new(input, blocks, self.dialect, max_record);
        let mut seen = Columns { guesses: vec![Guesses::default(); width], ..*self };
        while records.next(false)? {
            if !is_certain && records.fields.len() != width {
                return Ok(());
            }
            seen.add(&records);
        }
        for (all, seen) in self.guesses.iter_mut().zip(&seen.guesses) {
            all.merge(*seen);
        }
        Ok(())
    }
}

/// Where in a piece of a file a record starts, and whether that is certain. It is, once the piece is in the same state
/// whatever came before. A piece without any quote is most likely not inside of one; with quotes and in doubt, there is
/// no answer.
fn record_start(piece: &[u8], dialect: Dialect) -> Option<(usize, bool)> {
    let machine = Machine::new(dialect);
    let mut transition = machine.identity();
    let mut known = 0;
    for part in piece.chunks(256) {
        machine.advance(&mut transition, part);
        known += part.len();
        if let Some(mut state) = transition.constant() {
            if state == State::RecordStart {
                return Some((known, true));
            }
            return machine.record_end(&mut state, &piece[known..]).map(|end| (known + end, true));
        }
    }
    match dialect.quote {
        Some(quote) if memchr(quote, piece).is_some() => None,
        _ => memchr(b'\n', piece).map(|index| (index + 1, false)),
    }
}

/// Records of a file one by one with all of their fields.
struct Records {
    input: Arc<InputFile>,
    blocks: Blocks,
    dialect: Dialect,
    quotes: NextQuote,
    max_record: usize,
    fields: Vec<Span>,
}

impl Records {
    fn new(input: &Arc<InputFile>, blocks: Blocks, dialect: Dialect, max_record: usize) -> Self {
        let quotes = NextQuote::default();
        Self { input: input.clone(), blocks, dialect, quotes, max_record, fields: Vec::new() }
    }

    /// Goes to the next record; false at the end. A record that is not well formed is an end too, unless it
    /// `must_be_well_formed`.
    fn next(&mut self, must_be_well_formed: bool) -> Result<bool> {
        loop {
            let (at, is_last_block) = (self.blocks.position(), self.blocks.at_end_of_file());
            if at >= self.blocks.stop_position() {
                return Ok(false);
            }
            let block = self.blocks.buffer().as_slice();
            let scan = if at < block.len() {
                self.fields.clear();
                let fields = &mut self.fields;
                self.dialect.record(block, at, is_last_block, &mut self.quotes, |_, span| fields.push(span))
            } else if is_last_block {
                return Ok(false);
            } else {
                Scan::Incomplete
            };
            let place = Place { input: &self.input, offset: self.blocks.offset() };
            match scan {
                Scan::Record { next, .. } => {
                    self.blocks.set_position(next);
                    return Ok(true);
                }
                Scan::Nothing { next } => self.blocks.set_position(next),
                Scan::Unterminated if must_be_well_formed => return Err(place.unterminated(&block[at..])),
                Scan::Unterminated => return Ok(false),
                Scan::Incomplete if self.blocks.pending() > self.max_record => {
                    return if must_be_well_formed {
                        Err(place.too_long(self.max_record, &block[at..]))
                    } else {
                        Ok(false)
                    };
                }
                Scan::Incomplete => {
                    self.blocks.refill()?;
                    self.quotes = NextQuote::default();
                }
            }
        }
    }

    /// What the record's fields mean.
    fn texts(&self) -> Vec<Vec<u8>> {
        let mut scratch = Vec::new();
        self.fields.iter().map(|span| span.text(self.blocks.buffer(), &self.dialect, &mut scratch).to_vec()).collect()
    }
}
