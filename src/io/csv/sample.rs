//! What a file holds, from samples of its head, middle and end, or from all of it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;

use memchr::memchr;

use super::chunks::Chunks;
use super::detect::{Head, has_header};
use super::dialect::Dialect;
use super::file::InputFile;
use super::infer::Guesses;
use super::locate::Place;
use super::machine::{Machine, State};
use super::nulls::Nulls;
use super::options::{CsvOptions, SampleSize};
use super::tokenizer::{NextQuote, Scan, Span};
use super::values::trim;
use crate::context::CancelToken;
use crate::error::{DataLocation, Error, Result};

/// Bytes of a sample.
const WINDOW: u64 = 64 << 10;
/// A file of that many bytes is its own sample.
pub const SMALL: u64 = 3 * WINDOW;
/// Bytes read at once where more than a window is needed.
const READ: u64 = 256 << 10;
/// Bytes read beyond the end of a range, to complete its last record.
const OVERHANG: u64 = 4 << 10;

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

/// How files are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Sampler<'a> {
    /// Cuts records into fields.
    pub dialect: Dialect,
    /// What the user says.
    pub options: &'a CsvOptions,
    /// What is null.
    pub nulls: &'a Nulls,
}

impl Sampler<'_> {
    /// Looks at a file. `header` says whether the first record holds names, where that is known; `for_types`, whether
    /// more than the names is looked for. `None` for a file without any record.
    ///
    /// # Errors
    /// A data error, where the file cannot be read or its header is not well formed. What is wrong with other records
    /// is left to whoever reads them.
    pub fn sample(
        &self,
        input: &InputFile,
        head: &Head,
        header: Option<bool>,
        for_types: bool,
    ) -> Result<Option<FileSample>> {
        let options = self.options;
        let small = input.len - head.start <= SMALL;
        let (rows, stop) = match options.sample_size {
            _ if !for_types => (0, input.len),
            SampleSize::Rows(rows) => (rows, input.len),
            // A pass over all is for later, in parallel.
            SampleSize::Windows | SampleSize::All if small => (u64::MAX, input.len),
            SampleSize::Windows | SampleSize::All => (u64::MAX, head.start + WINDOW),
        };
        let mut records = Records::new(self, input, &head.file, Cow::Borrowed(&head.bytes), head.start, stop);
        if !records.next(true)? {
            return Ok(None);
        }
        let first = records.texts();
        let behind_first = records.offset();

        let mut columns = self.columns();
        let mut taken = 0;
        while taken < rows && records.next(false)? {
            columns.add(&records);
            taken += 1;
        }
        let widest = columns.guesses.len();
        columns.guesses.resize(widest.max(first.len()), Guesses::default());

        let has_header = header.unwrap_or_else(|| has_header(options, &first, &columns.guesses, self.nulls));
        let mut width = first.len();
        if options.null_padding {
            width = width.max(options.names.len());
            if !has_header {
                width = width.max(widest);
            }
        }
        if !has_header && for_types {
            columns.add_texts(&first);
        }
        let names = if has_header { header_names(&first, input, head.start)? } else { Vec::new() };
        let names = complete_names(names, width, options, input)?;
        columns.guesses.resize(width, Guesses::default());

        let data_start = if has_header { behind_first } else { head.start };
        if for_types && !small {
            let middle = data_start.max(input.len / 2 - WINDOW / 2);
            let seen = records.offset();
            for start in [middle, input.len - WINDOW] {
                if start > seen {
                    columns.add_window(self, input, &head.file, start)?;
                }
            }
        }
        columns.guesses.truncate(width);
        Ok(Some(FileSample { has_header, names, data_start, guesses: columns.guesses }))
    }

    /// What the records that start in one chunk of a file show.
    ///
    /// # Errors
    /// A data error, where the file cannot be read.
    pub fn look_at_all(
        &self,
        input: &InputFile,
        chunks: &Chunks,
        chunk: usize,
        machine: &Machine,
    ) -> Result<Vec<Guesses>> {
        let file = input.open()?;
        let mut state = chunks.start_state(chunk, machine, input, &file, &CancelToken::default())?;
        let (start, stop) = chunks.range(chunk);
        let mut records = Records::new(self, input, &file, Cow::Owned(Vec::new()), start, stop);
        records.skip_to_start(&mut state, machine)?;
        let mut columns = self.columns();
        while records.next(false)? {
            columns.add(&records);
        }
        Ok(columns.guesses)
    }

    /// Gives a file that turned out to have records wider than its first one names for the further columns, where
    /// the options ask for such records to be read.
    ///
    /// # Errors
    /// None that the first names did not have.
    pub fn widen(&self, sampled: &mut FileSample, guesses: &[Guesses], input: &InputFile) -> Result<()> {
        if self.options.null_padding && !sampled.has_header && guesses.len() > sampled.names.len() {
            sampled.names = complete_names(Vec::new(), guesses.len(), self.options, input)?;
            sampled.guesses.resize(guesses.len(), Guesses::default());
        }
        sampled.guesses.iter_mut().zip(guesses).for_each(|(all, seen)| all.merge(*seen));
        Ok(())
    }

    fn columns(&self) -> Columns<'_> {
        Columns { guesses: Vec::new(), nulls: self.nulls, scratch: Vec::new() }
    }
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
                .with_hint("convert the file first, for instance by iconv -f LATIN1 -t UTF-8")),
        })
        .collect()
}

/// One name per column, each different: those of the options, then of the header; `column3` where there is none, and
/// `x_1` for the second `x`.
fn complete_names(header: Vec<String>, width: usize, options: &CsvOptions, input: &InputFile) -> Result<Vec<String>> {
    if options.names.len() > width {
        return Err(Error::usage(format!(
            "the option 'names' has {} names, but '{}' has {width} columns",
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

/// Columns while they are looked at.
struct Columns<'a> {
    guesses: Vec<Guesses>,
    nulls: &'a Nulls,
    scratch: Vec<u8>,
}

impl Columns<'_> {
    fn add(&mut self, records: &Records<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (column, span) in records.fields.iter().enumerate() {
            self.look_at(column, span.text(&records.block, &records.dialect, &mut scratch));
        }
        self.scratch = scratch;
    }

    fn add_texts(&mut self, texts: &[Vec<u8>]) {
        texts.iter().enumerate().for_each(|(column, text)| self.look_at(column, text));
    }

    fn look_at(&mut self, column: usize, text: &[u8]) {
        if self.guesses.len() <= column {
            self.guesses.resize(column + 1, Guesses::default());
        }
        let guesses = &mut self.guesses[column];
        if !guesses.is_text() {
            let text = trim(text);
            if self.nulls.is_null(text) { guesses.add_null() } else { guesses.add(text) }
        }
    }

    /// Adds a window somewhere in the file, where it is known, or next to certain, where a record starts.
    fn add_window(&mut self, sampler: &Sampler<'_>, input: &InputFile, file: &File, start: u64) -> Result<()> {
        let width = self.guesses.len();
        let end = (start + WINDOW).min(input.len);
        let mut bytes = Vec::new();
        input.read(file, start, (end - start) as usize, &mut bytes)?;
        let Some((offset, is_certain)) = record_start(&bytes, sampler.dialect) else {
            return Ok(());
        };
        let mut records = Records::new(sampler, input, file, Cow::Owned(bytes), start, end);
        records.at = offset;
        let mut seen = sampler.columns();
        while records.next(false)? {
            if !is_certain && records.fields.len() != width {
                return Ok(());
            }
            seen.add(&records);
        }
        self.guesses.iter_mut().zip(&seen.guesses).for_each(|(all, seen)| all.merge(*seen));
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

/// Records of a range of a file one by one with all of their fields.
struct Records<'a> {
    input: &'a InputFile,
    file: &'a File,
    dialect: Dialect,
    max_record: usize,
    /// Records that start here or later are not of the range.
    stop: u64,
    /// Bytes of the file from `offset` on, used up to `at`.
    block: Cow<'a, [u8]>,
    offset: u64,
    at: usize,
    quotes: NextQuote,
    fields: Vec<Span>,
}

impl<'a> Records<'a> {
    /// `block` holds the first bytes of the range, or none.
    fn new(
        sampler: &Sampler<'_>,
        input: &'a InputFile,
        file: &'a File,
        block: Cow<'a, [u8]>,
        offset: u64,
        stop: u64,
    ) -> Self {
        let (dialect, max_record) = (sampler.dialect, sampler.options.max_line_size);
        let quotes = NextQuote::default();
        Self { input, file, dialect, max_record, stop, block, offset, at: 0, quotes, fields: Vec::new() }
    }

    /// Where in the file the next record may start.
    fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    fn at_end_of_file(&self) -> bool {
        self.offset + self.block.len() as u64 >= self.input.len
    }

    /// Goes to the next record; false at the end. A record that is not well formed is an end too, unless it
    /// `must_be_well_formed`.
    fn next(&mut self, must_be_well_formed: bool) -> Result<bool> {
        while self.offset() < self.stop {
            let is_last_block = self.at_end_of_file();
            let scan = if self.at < self.block.len() {
                self.fields.clear();
                let fields = &mut self.fields;
                self.dialect.record(&self.block, self.at, is_last_block, &mut self.quotes, |_, span| fields.push(span))
            } else if is_last_block {
                return Ok(false);
            } else {
                Scan::Incomplete
            };
            let place = Place { input: self.input, offset: self.offset() };
            match scan {
                Scan::Record { next, .. } => {
                    self.at = next;
                    return Ok(true);
                }
                Scan::Nothing { next } => self.at = next,
                Scan::Unterminated if must_be_well_formed => return Err(place.unterminated(&self.block[self.at..])),
                Scan::Unterminated => return Ok(false),
                Scan::Incomplete if self.block.len() - self.at > self.max_record => {
                    return if must_be_well_formed {
                        Err(place.too_long(self.max_record, &self.block[self.at..]))
                    } else {
                        Ok(false)
                    };
                }
                Scan::Incomplete => self.refill()?,
            }
        }
        Ok(false)
    }

    /// Goes to the first record that starts in the range, which starts in that state.
    fn skip_to_start(&mut self, state: &mut State, machine: &Machine) -> Result<()> {
        while *state != State::RecordStart && self.offset() < self.stop {
            if self.at == self.block.len() {
                if self.at_end_of_file() {
                    return Ok(());
                }
                self.refill()?;
            }
            let rest = &self.block[self.at..];
            self.at += machine.record_end(state, rest).unwrap_or(rest.len());
        }
        Ok(())
    }

    /// Reads on, behind what is not used yet. A record that is larger than the block gets one of twice the size each time.
    fn refill(&mut self) -> Result<()> {
        let next = self.offset + self.block.len() as u64;
        let pending = self.block.len() - self.at;
        let in_range = self.stop.saturating_sub(next);
        let wanted = if in_range == 0 { OVERHANG } else { READ.min(in_range.saturating_add(OVERHANG)) };
        let amount = wanted.max(pending as u64).min(self.input.len.saturating_sub(next)) as usize;
        let mut bytes = Vec::with_capacity(pending + amount);
        bytes.extend_from_slice(&self.block[self.at..]);
        self.input.read(self.file, next, amount, &mut bytes)?;
        self.offset += self.at as u64;
        self.at = 0;
        self.block = Cow::Owned(bytes);
        self.quotes = NextQuote::default();
        Ok(())
    }

    /// What the record's fields mean.
    fn texts(&self) -> Vec<Vec<u8>> {
        let mut scratch = Vec::new();
        self.fields.iter().map(|span| span.text(&self.block, &self.dialect, &mut scratch).to_vec()).collect()
    }
}
