//! What a file is: where its text starts, its delimiter and quote, whether it has a header.

use memchr::{memchr, memchr_iter, memrchr};

use super::dialect::Dialect;
use super::file::{InputFile, TextReader};
use super::formats::Formats;
use super::infer::{Guess, Guesses};
use super::options::{CsvOptions, Delimiter, Header};
use super::rules::{ColumnRules, Rules};
use super::serial::{NextQuote, Scan};
use super::values::trim;
use crate::error::{DataLocation, Error, Result};

/// Delimiters that are tried, in the order in which they win a draw.
pub const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Delimiters that are believed only where every record agrees: the caret, and the control characters that Hive and
/// ASCII have for the purpose. Blanks and colons are never guessed, since they stand in moments and texts.
const RARE_DELIMITERS: [u8; 3] = [b'^', 0x01, 0x1f];
/// The score of one in which every record has the same number of fields, without that number.
const PERFECT: usize = 1000 * FIELDS;
/// In scores, the place of the number of fields.
const FIELDS: usize = 100_000;
/// Records that are cut with each of them at most.
const TRIED_RECORDS: usize = 500;

/// The head of a file.
#[derive(Debug)]
pub struct Head {
    /// Reads on behind them; of a plain file also any other part.
    pub reader: TextReader,
    /// Where the first record may start: behind a byte order mark, the lines to skip, and notes.
    pub start: u64,
    /// The text from there on.
    pub bytes: Vec<u8>,
    /// Whether the text ends with them.
    pub is_all: bool,
}

impl Head {
    /// Reads so many bytes of text at the head of a file, and skips lines as the options say.
    ///
    /// # Errors
    /// A data error, where the file cannot be read or is something other than text in UTF-8.
    pub fn read(input: &InputFile, options: &CsvOptions, amount: u64) -> Result<Self> {
        let mut reader = TextReader::new(input, input.open()?)?;
        let size = amount.min(input.len) as usize;
        let mut bytes = vec![0; size];
        let mut filled = reader.fill(input, &mut bytes)?;
        check_content(&bytes[..filled], input)?;
        let mut used = if bytes[..filled].starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        // Where in the text the bytes start.
        let mut offset = 0;
        let mut lines = options.skip;
        while lines > 0 {
            match memchr(b'\n', &bytes[used..filled]) {
                Some(index) => {
                    used += index + 1;
                    lines -= 1;
                }
                None => {
                    used = filled;
                    if reader.has_ended(input) {
                        break;
                    }
                    offset += filled as u64;
                    (used, filled) = (0, reader.fill(input, &mut bytes)?);
                }
            }
        }
        bytes.copy_within(used..filled, 0);
        filled -= used;
        if !reader.has_ended(input) && filled < size {
            filled += reader.fill(input, &mut bytes[filled..])?;
        }
        bytes.truncate(filled);
        Ok(Self { start: offset + used as u64, is_all: reader.has_ended(input), bytes, reader })
    }

    /// The dialect: what the options say, and the delimiter and the quote that cut the most records into the same number
    /// of fields.
    ///
    /// Where the user names no quote, it is `"` unless the file has none around a field, and `'` stand around fields in a
    /// way that is no accident: each that is opened is closed in front of a delimiter or line end, and either a column
    /// is in such quotes from top to bottom, or only with them all records have the same number of fields.
    pub fn dialect(&self, options: &CsvOptions) -> Dialect {
        let (score, dialect) = self.best(options, options.quote);
        let may_be_single = options.detects_quote
            && dialect.quote == Some(b'"')
            && options.delimiter.is_none_or(|delimiter| delimiter != Delimiter::from(b'\''))
            && ![options.escape, options.comment, options.thousands].contains(&Some(b'\''))
            && options.decimal_separator != b'\'';
        if may_be_single && self.quoting(&dialect) == Quoting::None {
            let (single_score, single) = self.best(options, Some(b'\''));
            let is_better = match self.quoting(&single) {
                Quoting::Columns => single_score / FIELDS >= score / FIELDS,
                Quoting::Fields => single_score >= PERFECT && score < PERFECT,
                Quoting::None | Quoting::Doubtful => false,
            };
            if is_better {
                return single;
            }
        }
        dialect
    }

    /// The dialect with the best delimiter for that quote, and its score.
    fn best(&self, options: &CsvOptions, quote: Option<u8>) -> (usize, Dialect) {
        let (escape, comment) = (options.escape, options.comment);
        let with = |delimiter: u8| Dialect { quote, escape, comment, ..Dialect::new(delimiter) };
        if let Some(delimiter) = options.delimiter {
            let dialect = Dialect { quote, escape, comment, ..Dialect::delimited(delimiter) };
            return (self.score(&dialect, options), dialect);
        }
        let in_numbers = |byte: &u8| [Some(options.decimal_separator), options.thousands].contains(&Some(*byte));
        // What numbers are written with does not stand between them, unless the file leaves no doubt.
        let is_free = |byte: &u8| ![quote, escape, comment].contains(&Some(*byte)) && !in_numbers(byte);
        let mut best = (0, None);
        for dialect in DELIMITERS.into_iter().filter(is_free).map(with) {
            let score = self.score(&dialect, options);
            let wins_a_draw = score >= PERFECT && best.0 >= PERFECT && self.has_decimal_commas(&dialect);
            if score > best.0 || wins_a_draw {
                best = (score, Some(dialect));
            }
        }
        if best.0 < PERFECT {
            for dialect in RARE_DELIMITERS.into_iter().filter(is_free).map(with) {
                let score = self.score(&dialect, options);
                if score >= PERFECT && self.counts(&dialect).len() > 1 {
                    return (score, dialect);
                }
            }
        }
        if best.1.is_none() {
            for dialect in DELIMITERS.into_iter().filter(in_numbers).map(with) {
                let score = self.score(&dialect, options);
                if score > best.0
                    && quote.is_some_and(|quote| quote != dialect.delimiter)
                    && !self.is_one_value(options)
                {
                    best = (score, Some(dialect));
                }
            }
        }
        if best.1.is_none() && (options.names.len() > 1 || self.counts(&with(b',')).is_empty()) {
            // There are columns, or the first record is longer than what is known of it.
            let count = |byte: &u8| memchr_iter(*byte, &self.bytes).count();
            // Of several that are as frequent, the first.
            let most = DELIMITERS.into_iter().filter(is_free).rev().max_by_key(count);
            return (0, with(most.unwrap_or(b',')));
        }
        // A single column, maybe of text in which commas stand.
        let absent = || [b',', 0x1f, 0x01].into_iter().filter(is_free).find(|byte| !self.bytes.contains(byte));
        (best.0, best.1.unwrap_or_else(|| with(absent().unwrap_or(b','))))
    }

    /// The number of fields of the first records.
    fn counts(&self, dialect: &Dialect) -> Vec<usize> {
        let (mut counts, mut quotes, mut at) = (Vec::new(), NextQuote::default(), self.notes_end());
        while at < self.bytes.len() && counts.len() < TRIED_RECORDS {
            match dialect.record(&self.bytes, at, self.is_all, &mut quotes, |_, _| {}) {
                Scan::Record { fields, next } => {
                    counts.push(fields);
                    at = next;
                }
                Scan::Nothing { next } => at = next,
                Scan::Incomplete | Scan::Unterminated => break,
            }
        }
        counts
    }

    /// How well a dialect fits: thousandths of the records that have the most frequent number of fields, which must be
    /// more than one; among equals, more fields are better. Where the first record has one field, and no other number of
    /// fields is as frequent as one, the delimiter is part of texts, unless it is known that there are more columns.
    fn score(&self, dialect: &Dialect, options: &CsvOptions) -> usize {
        let mut counts = self.counts(dialect);
        let first = counts.first().copied();
        counts.sort_unstable();
        let groups = counts.chunk_by(|a, b| a == b).filter(|group| group[0] > 1);
        let Some(mode) = groups.max_by_key(|group| group.len()) else { return 0 };
        let ones = counts.partition_point(|fields| *fields == 1);
        if first == Some(1) && ones >= mode.len() && options.names.len() < 2 {
            return 0;
        }
        let share = mode.len() * 1000 / counts.len();
        share * FIELDS + mode[0].min(FIELDS - 1)
    }

    /// Whether all lines, but for the first of several, which may be a name, hold a single value or nothing: `1,5` where `,`
    /// is the decimal separator.
    fn is_one_value(&self, options: &CsvOptions) -> bool {
        let Ok(formats) = Formats::new(options) else { return false };
        let text = &self.bytes[self.notes_end()..];
        // The last line may be cut off.
        let complete = if self.is_all { text.len() } else { memrchr(b'\n', text).unwrap_or(0) };
        let lines =
            text[..complete].split(|byte| *byte == b'\n').map(|line| trim(line.strip_suffix(b"\r").unwrap_or(line)));
        let mut lines = lines.filter(|line| !line.is_empty()).take(TRIED_RECORDS);
        let is_value = |line: &[u8]| formats.guess(line) != Guess::Text;
        let first = lines.next().is_none_or(is_value);
        lines.next().map_or(first, |second| is_value(second) && lines.all(is_value))
    }

    /// Whether commas stand in the fields of a dialect, all of them in numbers: `1,5;2,5` could be cut at both.
    fn has_decimal_commas(&self, dialect: &Dialect) -> bool {
        let is_number = |text: &[u8]| {
            text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b',' | b'.' | b'-' | b'+'))
                && text.first().is_some_and(|byte| *byte != b',')
        };
        let (mut any, mut all) = (false, true);
        self.each_field(dialect, |_, _, text, _| {
            if memchr(b',', text).is_some() {
                any = true;
                all &= is_number(trim(text));
            }
        });
        any && all
    }

    /// How the dialect's quote is used.
    fn quoting(&self, dialect: &Dialect) -> Quoting {
        let Some(quote) = dialect.quote else { return Quoting::None };
        let (mut any, mut closed) = (false, true);
        // For each column: fields in quotes, and whether all below the first record are.
        let mut columns: Vec<(usize, bool)> = Vec::new();
        self.each_field(dialect, |record, column, raw, is_quoted| {
            if columns.len() <= column {
                columns.resize(column + 1, (0, true));
            }
            if is_quoted {
                any = true;
                columns[column].0 += 1;
                // With its quotes, where it holds doubled ones or goes on behind the closing one.
                if raw.first() == Some(&quote) {
                    let inner = raw.strip_prefix(&[quote]).and_then(|rest| rest.strip_suffix(&[quote]));
                    closed &= inner.is_some_and(|inner| {
                        let quotes: Vec<usize> = memchr_iter(quote, inner).collect();
                        quotes.len().is_multiple_of(2) && quotes.chunks_exact(2).all(|pair| pair[0] + 1 == pair[1])
                    });
                }
            } else if record > 0 && !trim(raw).is_empty() {
                columns[column].1 = false;
            }
        });
        match () {
            () if !any => Quoting::None,
            () if !closed => Quoting::Doubtful,
            () if columns.iter().any(|(quoted, all)| *quoted > 1 && *all) => Quoting::Columns,
            () => Quoting::Fields,
        }
    }

    /// Calls `emit` with record, column, raw text of each field, and whether it is quoted.
    fn each_field(&self, dialect: &Dialect, mut emit: impl FnMut(usize, usize, &[u8], bool)) {
        let (mut record, mut quotes, mut at) = (0, NextQuote::default(), self.notes_end());
        while at < self.bytes.len() && record < TRIED_RECORDS {
            let mut spans = Vec::new();
            match dialect.record(&self.bytes, at, self.is_all, &mut quotes, |_, span| spans.push(span)) {
                Scan::Record { next, .. } => {
                    for (column, span) in spans.into_iter().enumerate() {
                        emit(record, column, span.raw(&self.bytes), span.is_quoted());
                    }
                    record += 1;
                    at = next;
                }
                Scan::Nothing { next } => at = next,
                Scan::Incomplete | Scan::Unterminated => break,
            }
        }
    }

    /// Where the lines end that the file starts with and that begin with `#`; 0 where nothing follows them.
    fn notes_end(&self) -> usize {
        let mut at = 0;
        while self.bytes.get(at) == Some(&b'#') {
            match memchr(b'\n', &self.bytes[at..]) {
                Some(index) => at += index + 1,
                None => return 0,
            }
        }
        if at < self.bytes.len() { at } else { 0 }
    }

    /// Leaves out the lines at the start that begin with `#` and are notes, where the options say nothing about comments and
    /// short records.
    /// The header may begin so too: it has as many fields as the first record behind such lines, and that one either has data,
    /// or the `#` stands next to a name.
    pub fn skip_notes(&mut self, dialect: &Dialect, options: &CsvOptions, rules: &ColumnRules) {
        let end = self.notes_end();
        if end == 0 || options.comment.is_some() || options.null_padding {
            return;
        }
        let mut has_data = false;
        let scan = dialect.record(&self.bytes, end, self.is_all, &mut NextQuote::default(), |_, span| {
            let text = span.raw(&self.bytes);
            has_data |= is_data(rules.guess(text, false), text);
        });
        let Scan::Record { fields, .. } = scan else { return };
        let is_note = |line: &[u8]| {
            let differs = memchr_iter(dialect.delimiter, line).count() + 1 != fields;
            fields > 1 && (differs || (line.starts_with(b"# ") && !has_data))
        };
        let mut at = 0;
        while at < end
            && let Some(index) = memchr(b'\n', &self.bytes[at..])
            && is_note(&self.bytes[at..at + index])
        {
            at += index + 1;
        }
        self.bytes.drain(..at);
        self.start += at as u64;
    }
}

/// How a quote is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoting {
    /// Not at all.
    None,
    /// Fields begin with one and do not end with one.
    Doubtful,
    /// Around some fields.
    Fields,
    /// Around all values of a column.
    Columns,
}

/// Refuses what is no text at a glance. The head is that of the text, behind a decoder where there is one: what looks
/// compressed or encoded in it was not to be decoded, or is so twice.
fn check_content(head: &[u8], input: &InputFile) -> Result<()> {
    const COMPRESSED: &str = "decompress it first, or leave out the option compression";
    const UTF_16: &str = "leave out the option encoding, or write encoding='utf-16'";
    const SIGNS: [(&[u8], &str, &str); 12] = [
        (b"PAR1", "a Parquet file", "use read_parquet"),
        (b"ARROW1", "an Arrow file", "convert it to Parquet or CSV first"),
        (b"\x1f\x8b", "compressed (gzip)", COMPRESSED),
        (b"\x28\xb5\x2f\xfd", "compressed (zstd)", COMPRESSED),
        (b"\x04\x22\x4d\x18", "compressed (lz4)", COMPRESSED),
        (b"\xfd7zXZ\0", "compressed (xz)", COMPRESSED),
        (b"BZh91AY&SY", "compressed (bzip2)", COMPRESSED),
        (b"PK\x03\x04", "a ZIP archive", "unpack it first; a spreadsheet must be saved as CSV"),
        (b"\xff\xfe\0\0", "UTF-32 text", "convert it first: iconv -f UTF-32 -t UTF-8"),
        (b"\xff\xfe", "UTF-16 text", UTF_16),
        (b"\xfe\xff", "UTF-16 text", UTF_16),
        (b"SQLite format 3", "an SQLite database", "export its tables as CSV first"),
    ];
    let refuse = |what: &str, hint: &str| {
        Err(Error::data(format!("'{}' is {what}, and no CSV in UTF-8", input.path().display()))
            .with_file(input.path())
            .with_hint(hint))
    };
    if let Some((_, what, hint)) = SIGNS.iter().find(|(sign, _, _)| head.starts_with(sign)) {
        return refuse(what, hint);
    }
    check_nuls(head, input)?;
    let returns = memchr_iter(b'\r', head).count();
    if returns > 1 && memchr(b'\n', head).is_none() {
        return refuse("text with lines that end with a carriage return alone", "convert it first: tr '\\r' '\\n'");
    }
    Ok(())
}

/// Refuses what is binary or wide text by the share of its NUL bytes and control characters. A few NULs in text are
/// characters like others.
fn check_nuls(head: &[u8], input: &InputFile) -> Result<()> {
    let Some(first) = memchr(0, head) else { return Ok(()) };
    // What ends in the middle of a character may be text.
    let is_text = str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    let nuls = memchr_iter(0, head).count();
    let controls = nuls + head.iter().filter(|byte| matches!(byte, 2..=8 | 0x0e..=0x1a)).count();
    let (what, hint) = if controls > head.len() / 4 {
        ("binary, or text in UTF-16", "if it is text in UTF-16, write encoding='utf-16le' or 'utf-16be'")
    } else if !is_text && controls > head.len() / 32 {
        ("binary", "if it is of another program, export it as CSV first")
    } else {
        return Ok(());
    };
    let location = DataLocation {
        file: Some(input.path().to_path_buf()),
        line: Some(memchr_iter(b'\n', &head[..first]).count() as u64 + 1),
        byte_offset: Some(first as u64),
        ..DataLocation::default()
    };
    let (name, total) = (input.path().display(), head.len());
    Err(Error::data(format!("'{name}' is {what}: {nuls} of its first {total} bytes are NUL, from this one on"))
        .with_location(location)
        .with_hint(hint))
}

/// Whether a text that looks like this is a value, and hardly a name: one that reads as something else than text, or codes
/// and numbers as people write them, such as `007`, `1,5` and `1 000`.
fn is_data(guess: Guess, text: &[u8]) -> bool {
    let text = trim(text);
    let is_digits = || {
        text.iter().any(u8::is_ascii_digit)
            && text.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b' ' | b'-' | b'+' | b'\''))
    };
    match guess {
        Guess::Null => false,
        Guess::Text => is_digits(),
        _ => true,
    }
}

/// Whether the first row holds names: unless it looks like data. `None` where it does not tell.
///
/// Where the user gave names, a first row of text could be either, unless it says the same: see [`is_above_values`].
/// Where they gave all names and types, a first row that says something else is data, which then fits or not.
pub fn has_header(options: &CsvOptions, first: &[Vec<u8>], rules: &Rules) -> Option<bool> {
    match options.header {
        Header::Yes => return Some(true),
        Header::No => return Some(false),
        Header::Detect => {}
    }
    if options.names_are_all {
        return Some(repeats_names(options, first) && first.len() == options.names.len());
    }
    let guesses: Vec<Guess> = first.iter().map(|text| rules.usual().guess(text, false)).collect();
    let has_data = first.iter().zip(&guesses).any(|(text, guess)| is_data(*guess, text));
    if has_data || !guesses.contains(&Guess::Text) {
        return Some(false);
    }
    (options.names.is_empty() || repeats_names(options, first)).then_some(true)
}

/// Whether a first row has a text in a column that holds anything but text after it, which is a name most likely. `later`
/// is what the columns showed there.
pub fn is_above_values(first: &[Vec<u8>], later: &[Guesses], rules: &Rules) -> bool {
    let is_text = |text: &[u8]| rules.usual().guess(text, false) == Guess::Text;
    first.iter().zip(later).any(|(text, later)| later.has_type() && is_text(text))
}

/// Whether the first row of a further file is data where the files before it have names, or names where they have data:
/// read as in those, a row would be lost, or names would be values.
///
/// `guesses` are what its fields look like, and `later` is what the columns showed in the rows after it. A row of text
/// stands for names only where it must: each column of anything but text begins with a text.
pub fn has_other_header(
    options: &CsvOptions,
    has_header: bool,
    (first, guesses): (&[Vec<u8>], &[Guess]),
    later: &[Guesses],
) -> bool {
    if options.header != Header::Detect {
        return false;
    }
    let repeats_names = !options.names.is_empty() && repeats_names(options, first);
    let has_data = first.iter().zip(guesses).any(|(text, guess)| is_data(*guess, text));
    if has_header {
        !repeats_names && (options.names_are_all || has_data || !guesses.contains(&Guess::Text))
    } else {
        let mut of_values = guesses.iter().zip(later).filter(|(_, later)| later.has_type()).peekable();
        repeats_names || (!has_data && of_values.peek().is_some() && of_values.all(|(guess, _)| *guess == Guess::Text))
    }
}

/// Whether a row holds the names that the user gave, as far as they go.
fn repeats_names(options: &CsvOptions, row: &[Vec<u8>]) -> bool {
    row.iter().zip(&options.names).all(|(text, name)| trim(text).eq_ignore_ascii_case(name.as_bytes()))
}
