//! What a file holds, from samples of its head, middle and end, or from all of it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use memchr::memchr;

use super::chunks::Chunks;
use super::detect::{Head, has_header, has_other_header, is_above_values};
use super::dialect::Dialect;
use super::file::{InputFile, TextReader};
use super::infer::{Guess, Guesses};
use super::locate::Place;
use super::machine::{Machine, State};
use super::options::{CsvOptions, SampleSize};
use super::rules::{ColumnRules, Rules};
use super::serial::{NextQuote, Scan};
use super::tokens::Span;
use super::values::trim;
use crate::context::CancelToken;
use crate::error::{DataLocation, Error, Result};
use crate::memory::{MemoryPool, MemoryReservation};
use crate::metrics::OperatorMetrics;

/// Bytes of a sample.
const WINDOW: u64 = 64 << 10;
/// A file of that many bytes is its own sample, and of a stream no more is looked at.
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
    /// How fields are to be understood.
    pub rules: &'a Rules,
    /// The names that columns have by position, whatever their file calls them; none where they match by name.
    pub names: &'a [String],
    /// Where records are reserved that are longer than what is read at once.
    pub memory: &'a Arc<MemoryPool>,
}

impl Sampler<'_> {
    /// Looks at a file. `header` says whether the first record of the files before it holds names; `for_types`, whether
    /// more than the names is looked for. `None` for a file without any record.
    ///
    /// # Errors
    /// A data error, where the file cannot be read, its header is not well formed, or it has one and those before it have
    /// none, or the other way round. What is wrong with other records is left to whoever reads them.
    pub fn sample(
        &self,
        input: &InputFile,
        head: &mut Head,
        header: Option<bool>,
        for_types: bool,
    ) -> Result<Option<FileSample>> {
        let options = self.options;
        // Of a stream only the head can be looked at without decoding all.
        let is_stream = input.is_stream();
        let small = !is_stream && input.len.saturating_sub(head.start) <= SMALL;
        let (rows, stop) = match options.sample_size {
            _ if !for_types => (0, input.len),
            SampleSize::Rows(rows) => (rows, input.len),
            SampleSize::Windows if is_stream => (u64::MAX, head.start.saturating_add(SMALL)),
            SampleSize::All if is_stream => (u64::MAX, input.len),
            // A pass over all is for later, in parallel.
            SampleSize::Windows | SampleSize::All if small => (u64::MAX, input.len),
            SampleSize::Windows | SampleSize::All => (u64::MAX, head.start + WINDOW),
        };
        let (block, reader) = (Cow::Borrowed(head.bytes.as_slice()), &mut head.reader);
        let mut records = Records::new(self, input, reader, (block, head.start, head.is_all), stop);
        if !records.next(true)? {
            return Ok(None);
        }
        let first = records.texts();
        let (first_offset, behind_first) = (records.record_offset(), records.offset());

        let known = header.or_else(|| has_header(options, &first, self.rules));
        let (own, own_of_data) =
            (self.rules_of_record(&first, known.unwrap_or(true), input), self.rules_of_record(&first, false, input));
        let mut columns = self.columns(&own);
        // Rules go by names. Where only the values tell whether there are any, they are looked at in both ways.
        let mut without_header = known.is_none().then(|| self.columns(&own_of_data));
        let mut taken = 0;
        while taken < rows && records.next(false)? {
            columns.add(&records);
            without_header.iter_mut().for_each(|columns| columns.add(&records));
            taken += 1;
        }
        let has_header = known.unwrap_or_else(|| is_above_values(&first, &columns.guesses, self.rules));
        columns = without_header.filter(|_| !has_header).unwrap_or(columns);
        let widest = columns.guesses.len();
        columns.guesses.resize(widest.max(first.len()), Guesses::default());
        if header.is_some() && has_other_header(options, has_header, (&first, &columns.look(&first)), &columns.guesses)
        {
            return Err(Place { input, offset: first_offset }.other_header(has_header, &first));
        }

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
        let seen = records.offset();
        if for_types && !small && !is_stream {
            let middle = data_start.max(input.len / 2 - WINDOW / 2);
            for start in [middle, input.len - WINDOW] {
                if start > seen {
                    columns.add_window(self, input, &mut head.reader, start)?;
                }
            }
        }
        columns.guesses.truncate(width);
        Ok(Some(FileSample { has_header, names, data_start, guesses: columns.guesses }))
    }

    /// What the records that start in one chunk of a file with these columns show. It must be a plain file.
    ///
    /// # Errors
    /// A data error, where the file cannot be read.
    pub fn look_at_all(
        &self,
        input: &InputFile,
        names: &[String],
        (chunks, chunk): (&Chunks, usize),
        machine: &Machine,
    ) -> Result<Vec<Guesses>> {
        let mut reader = TextReader::new(input, input.open()?)?;
        let mut state = chunks.start_state(chunk, machine, input, &CancelToken::default())?;
        let (start, stop) = chunks.range(chunk);
        let nothing = (Cow::Owned(Vec::new()), start, start >= input.len);
        let mut records = Records::new(self, input, &mut reader, nothing, stop);
        records.skip_to_start(&mut state, machine)?;
        let own = self.rules_of_columns(names);
        let mut columns = self.columns(&own);
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

    fn columns<'a>(&'a self, own: &'a [Option<&'a ColumnRules>]) -> Columns<'a> {
        Columns { guesses: Vec::new(), usual: self.rules.usual(), own, scratch: Vec::new() }
    }

    /// The rules of the columns that have their own, if the first record holds names, or if not.
    fn rules_of_record(&self, first: &[Vec<u8>], has_header: bool, input: &InputFile) -> Vec<Option<&ColumnRules>> {
        if self.rules.are_uniform() {
            return Vec::new();
        }
        let text = |text: &Vec<u8>| String::from_utf8_lossy(trim(text)).into();
        let header = if has_header { first.iter().map(text).collect() } else { Vec::new() };
        let width = first.len().max(self.options.names.len());
        // What is wrong with the names is told once they are known.
        self.rules_of_columns(&complete_names(header, width, self.options, input).unwrap_or_default())
    }

    /// The rules of the columns that have their own.
    fn rules_of_columns(&self, names: &[String]) -> Vec<Option<&ColumnRules>> {
        let known = self.names.iter().chain(names.iter().skip(self.names.len()));
        self.rules.of_columns(&known.take(names.len()).map(String::as_str).collect::<Vec<_>>())
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
        ))
        .with_hint(match options.names_are_all {
            true => {
                "columns says all of them, in the order of the file; types = {'column': 'TYPE'} says the types of some"
            }
            false => "leave out the last ones; columns beyond those that are named keep the names of the header",
        }));
    }
    let mut names: Vec<String> = Vec::with_capacity(width);
    let mut taken = HashSet::with_capacity(width);
    // The number that a name gets when it comes again: with thousands of one name, not all are tried each time.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for index in 0..width {
        let given = options.names.get(index).or(header.get(index)).filter(|name| !name.is_empty());
        let wanted = given.cloned().unwrap_or_else(|| format!("column{index}"));
        let mut name = wanted.clone();
        while !taken.insert(name.clone()) {
            let number = numbers.entry(wanted.clone()).or_insert(1);
            name = format!("{wanted}_{number}");
            *number += 1;
        }
        names.push(name);
    }
    Ok(names)
}

/// Columns while they are looked at.
struct Columns<'a> {
    guesses: Vec<Guesses>,
    usual: &'a ColumnRules,
    /// The rules of each column, as far as they are not the usual ones.
    own: &'a [Option<&'a ColumnRules>],
    scratch: Vec<u8>,
}

impl<'a> Columns<'a> {
    fn rules_of(&self, column: usize) -> &'a ColumnRules {
        self.own.get(column).copied().flatten().unwrap_or(self.usual)
    }

    fn add(&mut self, records: &Records<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (column, span) in records.fields.iter().enumerate() {
            let text = span.text(&records.block, &records.dialect, &mut scratch);
            self.look_at(column, text, span.is_quoted());
        }
        self.scratch = scratch;
    }

    fn add_texts(&mut self, texts: &[Vec<u8>]) {
        texts.iter().enumerate().for_each(|(column, text)| self.look_at(column, text, false));
    }

    /// What each field of a row looks like.
    fn look(&self, texts: &[Vec<u8>]) -> Vec<Guess> {
        texts.iter().enumerate().map(|(column, text)| self.rules_of(column).guess(text, false)).collect()
    }

    fn look_at(&mut self, column: usize, text: &[u8], is_quoted: bool) {
        let rules = self.rules_of(column);
        if self.guesses.len() <= column {
            self.guesses.resize(column + 1, Guesses::default());
        }
        let guesses = &mut self.guesses[column];
        if !guesses.is_text() {
            rules.look_at(guesses, text, is_quoted);
        }
    }

    /// Adds a window somewhere in the file, where it is known, or next to certain, where a record starts.
    fn add_window(
        &mut self,
        sampler: &Sampler<'_>,
        input: &InputFile,
        reader: &mut TextReader,
        start: u64,
    ) -> Result<()> {
        let width = self.guesses.len();
        let end = (start + WINDOW).min(input.len);
        let mut bytes = vec![0; (end - start) as usize];
        reader.seek(input, start)?;
        let filled = reader.fill(input, &mut bytes)?;
        bytes.truncate(filled);
        let Some((offset, is_certain)) = record_start(&bytes, sampler.dialect) else {
            return Ok(());
        };
        let is_last = reader.has_ended(input);
        let mut records = Records::new(sampler, input, reader, (Cow::Owned(bytes), start, is_last), end);
        records.at = offset;
        let mut seen = sampler.columns(self.own);
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

/// Records of a range of a text one by one with all of their fields.
struct Records<'a> {
    input: &'a InputFile,
    /// Reads on where the block ends.
    reader: &'a mut TextReader,
    dialect: Dialect,
    max_record: usize,
    /// Records that start here or later are not of the range.
    stop: u64,
    /// The text from `offset` on, used up to `at`.
    block: Cow<'a, [u8]>,
    offset: u64,
    at: usize,
    /// Where in the text the current record starts.
    start: u64,
    /// Whether the block ends where the text does.
    is_last: bool,
    quotes: NextQuote,
    fields: Vec<Span>,
    memory: &'a Arc<MemoryPool>,
    /// What holds a record that is longer than usual.
    reservation: Option<MemoryReservation>,
}

impl<'a> Records<'a> {
    /// The first bytes of the range, or none; where they start, and whether the text ends with them.
    fn new(
        sampler: &Sampler<'a>,
        input: &'a InputFile,
        reader: &'a mut TextReader,
        (block, offset, is_last): (Cow<'a, [u8]>, u64, bool),
        stop: u64,
    ) -> Self {
        let (dialect, max_record) = (sampler.dialect, sampler.options.max_line_size);
        Self {
            input,
            reader,
            dialect,
            max_record,
            stop,
            block,
            offset,
            at: 0,
            start: offset,
            is_last,
            quotes: NextQuote::default(),
            fields: Vec::new(),
            memory: sampler.memory,
            reservation: None,
        }
    }

    /// Where in the text the next record may start.
    fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Where in the text the current record starts.
    fn record_offset(&self) -> u64 {
        self.start
    }

    /// Goes to the next record; false at the end. A record that is not well formed is an end too, unless it
    /// `must_be_well_formed`.
    fn next(&mut self, must_be_well_formed: bool) -> Result<bool> {
        while self.offset() < self.stop {
            let scan = if self.at < self.block.len() {
                self.fields.clear();
                let fields = &mut self.fields;
                self.dialect.record(&self.block, self.at, self.is_last, &mut self.quotes, |_, span| fields.push(span))
            } else if self.is_last {
                return Ok(false);
            } else {
                Scan::Incomplete
            };
            let place = Place { input: self.input, offset: self.offset() };
            match scan {
                Scan::Record { next, .. } => {
                    (self.start, self.at) = (place.offset, next);
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
                if self.is_last {
                    return Ok(());
                }
                self.refill()?;
            }
            let rest = &self.block[self.at..];
            self.at += machine.record_end(state, rest).unwrap_or(rest.len());
        }
        Ok(())
    }

    /// Reads on, behind what is not used yet. A record that is larger than the block gets one of twice the size each time,
    /// as far as records may be that long and the memory budget allows.
    fn refill(&mut self) -> Result<()> {
        let next = self.offset + self.block.len() as u64;
        let pending = self.block.len() - self.at;
        let in_range = self.stop.saturating_sub(next);
        let wanted = if in_range == 0 { OVERHANG } else { READ.min(in_range.saturating_add(OVERHANG)) };
        let twice = (pending as u64).min((self.max_record as u64).saturating_sub(pending as u64));
        let amount = wanted.max(twice).min(self.input.len.saturating_sub(next)) as usize;
        self.reserve(pending + amount)?;
        let mut bytes = Vec::with_capacity(pending + amount);
        bytes.extend_from_slice(&self.block[self.at..]);
        bytes.resize(pending + amount, 0);
        self.reader.seek(self.input, next)?;
        let filled = self.reader.fill(self.input, &mut bytes[pending..])?;
        bytes.truncate(pending + filled);
        self.is_last = self.reader.has_ended(self.input);
        self.offset += self.at as u64;
        self.at = 0;
        self.block = Cow::Owned(bytes);
        self.quotes = NextQuote::default();
        Ok(())
    }

    /// Reserves twice the memory of a block that is larger than usual: for the one before it while it is copied, and then
    /// for what its fields mean.
    fn reserve(&mut self, size: usize) -> Result<()> {
        if size as u64 <= 2 * READ {
            return Ok(());
        }
        let reservation = || self.memory.reservation("looking at csv files", &OperatorMetrics::new());
        let reservation = self.reservation.get_or_insert_with(reservation);
        reservation.grow((2 * size as u64).saturating_sub(reservation.bytes()))
    }

    /// What the record's fields mean.
    fn texts(&self) -> Vec<Vec<u8>> {
        let mut scratch = Vec::new();
        self.fields.iter().map(|span| span.text(&self.block, &self.dialect, &mut scratch).to_vec()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_header_of_one_name_a_hundred_thousand_times_is_no_hang() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let options = CsvOptions::default();
        let input = InputFile::new(file.path().into(), &options).unwrap();
        let mut header = vec!["x".to_string(); 100_000];
        header[1] = "x_7".into();
        let start = Instant::now();
        let names = complete_names(header, 100_000, &options, &input).unwrap();
        assert_eq!((names[1].as_str(), names[8].as_str(), names[99_999].as_str()), ("x_7", "x_8", "x_99999"));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 100_000);
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
