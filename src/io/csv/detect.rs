//! What a file is: where its text starts, its delimiter, whether it has a header.

use arrow::buffer::Buffer;
use memchr::{memchr, memchr_iter};

use super::dialect::Dialect;
use super::file::{InputFile, TextReader};
use super::infer::{Guess, Guesses};
use super::options::{CsvOptions, Header};
use super::pool::BlockPool;
use super::rules::Rules;
use super::tokenizer::{NextQuote, Scan};
use super::values::trim;
use crate::error::{Error, Result};

/// Bytes at the head of a file that are looked at.
const HEAD: usize = 64 << 10;
/// Delimiters that are tried, in the order in which they win a draw.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records that are cut with each of them at most.
const TRIED_RECORDS: usize = 500;

/// The head of a file.
#[derive(Debug)]
pub struct Head {
    /// Where the first record may start: behind a byte order mark and the lines to skip.
    pub start: u64,
    /// The text from there on, 64 KiB at most.
    pub bytes: Buffer,
    /// Whether the text ends with them.
    pub is_all: bool,
}

impl Head {
    /// Reads the head of a file, and skips lines as the options say.
    ///
    /// # Errors
    /// A data error, where the file cannot be read or is something other than text in UTF-8.
    pub fn read(input: &InputFile, options: &CsvOptions) -> Result<Self> {
        let mut reader = TextReader::new(input, input.open()?)?;
        let size = usize::try_from(input.len).map_or(HEAD, |len| len.min(HEAD));
        let mut block = BlockPool::unmetered().take(size, size)?;
        let bytes = &mut block.memory()[..size];
        let mut filled = reader.fill(input, bytes)?;
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
                    (used, filled) = (0, reader.fill(input, bytes)?);
                }
            }
        }
        bytes.copy_within(used..filled, 0);
        filled -= used;
        filled += reader.fill(input, &mut bytes[filled..])?;
        let is_all = reader.has_ended(input);
        Ok(Self { start: offset + used as u64, is_all, bytes: block.into_buffer(filled) })
    }

    /// The dialect: what the options say, and the delimiter that cuts the most records into the same number of fields.
    pub fn dialect(&self, options: &CsvOptions) -> Dialect {
        let (quote, escape, comment) = (options.quote, options.escape, options.comment);
        let with = |delimiter| Dialect { quote, escape, comment, ..Dialect::new(delimiter) };
        if let Some(delimiter) = options.delimiter {
            return Dialect { long_delimiter: delimiter.if_long(), ..with(delimiter.first_byte()) };
        }
        // What numbers are written with does not stand between them.
        let separators = [Some(options.decimal_separator), options.thousands];
        let taken = [options.quote, options.escape, options.comment].into_iter().chain(separators);
        let is_free = |byte: &u8| !taken.clone().any(|other| other == Some(*byte));
        let mut best = None;
        for dialect in DELIMITERS.into_iter().filter(is_free).map(with) {
            let score = self.score(&dialect);
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, dialect));
            }
        }
        best.map_or(with(b','), |(_, dialect)| dialect)
    }

    /// How well a dialect fits: thousandths of the records that have the most frequent number of fields, which must be
    /// more than one; among equals, more fields are better.
    fn score(&self, dialect: &Dialect) -> usize {
        let (mut counts, mut quotes, mut at) = (Vec::new(), NextQuote::default(), 0);
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
        counts.sort_unstable();
        let groups = counts.chunk_by(|a, b| a == b).filter(|group| group[0] > 1);
        let Some(mode) = groups.max_by_key(|group| group.len()) else { return 0 };
        let share = mode.len() * 1000 / counts.len();
        share * 100_000 + mode[0].min(99_999)
    }
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
    if memchr(0, head).is_some() {
        return refuse("binary: it has NUL bytes", "if it is text in UTF-16, write encoding='utf-16le' or 'utf-16be'");
    }
    let returns = memchr_iter(b'\r', head).count();
    if returns > 1 && memchr(b'\n', head).is_none() {
        return refuse("text with lines that end with a carriage return alone", "convert it first: tr '\\r' '\\n'");
    }
    Ok(())
}

/// Whether the first row holds names: unless it looks like data.
///
/// `later` is what the columns showed in the rows after the first. Where the user gave names, a first row of text
/// could be either, and is a header only where it says the same, or where a column holds no text after it.
/// Where they gave all names and types, a first row that says something else is data, which then fits or not.
pub fn has_header(options: &CsvOptions, first: &[Vec<u8>], later: &[Guesses], rules: &Rules) -> bool {
    match options.header {
        Header::Yes => return true,
        Header::No => return false,
        Header::Detect => {}
    }
    let says_the_same =
        first.iter().zip(&options.names).all(|(text, name)| trim(text).eq_ignore_ascii_case(name.as_bytes()));
    if options.names_are_all {
        return says_the_same && first.len() == options.names.len();
    }
    let guesses: Vec<Guess> = first.iter().map(|text| rules.usual().guess(text, false)).collect();
    let has_data = guesses.iter().any(|guess| !matches!(guess, Guess::Null | Guess::Text));
    if has_data || !guesses.contains(&Guess::Text) {
        return false;
    }
    if options.names.is_empty() {
        return true;
    }
    says_the_same || guesses.iter().zip(later).any(|(guess, later)| *guess == Guess::Text && later.has_type())
}
