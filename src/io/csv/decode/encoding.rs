//! Encodings of text: their names, and the way to UTF-8.
//!
//! Nothing is ever replaced: bytes that mean nothing in the encoding are an error.

use std::io::{Read, Result};

use encoding_rs::mem::convert_latin1_to_utf8_partial;
use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE};

use super::Fault;

/// Bytes of the encoded text that are converted at once.
const INPUT: usize = 32 << 10;
/// A target must have that many bytes to be written to directly: more than the longest character.
const SMALLEST_TARGET: usize = 64;

/// How the text of files is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Utf8,
    /// The byte order mark decides on the order; little endian without one.
    Utf16,
    Utf16Le,
    Utf16Be,
    /// Every byte is the code point of its number, which the WHATWG's label of that name does not mean.
    Latin1,
    Other(&'static encoding_rs::Encoding),
}

impl Encoding {
    /// UTF-8, which is not converted.
    pub const UTF_8: Self = Self(Kind::Utf8);
    /// UTF-16 with the order of bytes that its mark says, and little endian without one.
    pub const UTF_16: Self = Self(Kind::Utf16);
    /// UTF-16, little endian.
    pub const UTF_16LE: Self = Self(Kind::Utf16Le);
    /// UTF-16, big endian.
    pub const UTF_16BE: Self = Self(Kind::Utf16Be);
    /// ISO 8859-1: every byte is the code point of its number.
    pub const LATIN_1: Self = Self(Kind::Latin1);

    /// The encoding of that name: a label of the [WHATWG](https://encoding.spec.whatwg.org/#names-and-labels) or a usual
    /// spelling of it, in any case. Unlike there, `latin-1` is ISO 8859-1, and `windows-1252` another encoding; ASCII
    /// is read as the UTF-8 that it is.
    pub fn for_label(label: &str) -> Option<Self> {
        let label = label.trim().to_ascii_lowercase().replace('_', "-");
        Some(match label.as_str() {
            "utf8" | "utf-8" | "utf-8-sig" | "utf8-sig" | "ascii" | "us-ascii" => Self::UTF_8,
            "utf16" | "utf-16" => Self::UTF_16,
            "utf16le" | "utf-16le" | "utf-16-le" => Self::UTF_16LE,
            "utf16be" | "utf-16be" | "utf-16-be" => Self::UTF_16BE,
            "latin1" | "latin-1" | "iso-8859-1" | "iso8859-1" | "iso88591" | "l1" | "cp819" | "ibm819" => Self::LATIN_1,
            label => match encoding_rs::Encoding::for_label_no_replacement(label.as_bytes())? {
                known if known == UTF_8 => Self::UTF_8,
                known => Self(Kind::Other(known)),
            },
        })
    }

    /// The encoding that a byte order mark at the start of a file tells.
    pub fn of_mark(head: &[u8]) -> Option<Self> {
        match head {
            // UTF-32, which nobody reads.
            [0xff, 0xfe, 0, 0, ..] => None,
            [0xff, 0xfe, ..] => Some(Self::UTF_16LE),
            [0xfe, 0xff, ..] => Some(Self::UTF_16BE),
            _ => None,
        }
    }

    /// Its name, for messages.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Utf8 => "UTF-8",
            Kind::Utf16 => "UTF-16",
            Kind::Utf16Le => UTF_16LE.name(),
            Kind::Utf16Be => UTF_16BE.name(),
            Kind::Latin1 => "ISO-8859-1",
            Kind::Other(encoding) => encoding.name(),
        }
    }

    /// Whether this is UTF-16 of any order.
    pub fn is_utf16(self) -> bool {
        matches!(self.0, Kind::Utf16 | Kind::Utf16Le | Kind::Utf16Be)
    }

    /// UTF-8 from a text in this encoding, without the byte order mark of UTF-16.
    pub fn transcoder(self, source: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        let converter = match self.0 {
            Kind::Utf8 => return source,
            Kind::Latin1 => Converter::Latin1,
            Kind::Utf16 | Kind::Utf16Le => Converter::Other(UTF_16LE.new_decoder_with_bom_removal()),
            Kind::Utf16Be => Converter::Other(UTF_16BE.new_decoder_with_bom_removal()),
            Kind::Other(encoding) => Converter::Other(encoding.new_decoder_with_bom_removal()),
        };
        Box::new(Transcoder {
            encoding: self,
            source,
            converter,
            input: vec![0; INPUT],
            used: 0,
            filled: 0,
            offset: 0,
            source_ended: false,
            fault: None,
            is_finished: false,
            rest: [0; SMALLEST_TARGET],
            rest_used: 0,
            rest_filled: 0,
        })
    }
}

/// What turns pieces of the encoded text into UTF-8.
enum Converter {
    Latin1,
    Other(Decoder),
}

/// What a step of conversion has done.
struct Step {
    read: usize,
    written: usize,
    malformed: Option<(usize, usize)>,
    is_exhausted: bool,
}

impl Converter {
    fn step(&mut self, source: &[u8], target: &mut [u8], is_last: bool) -> Step {
        match self {
            Self::Latin1 => {
                let (read, written) = convert_latin1_to_utf8_partial(source, target);
                Step { read, written, malformed: None, is_exhausted: read == source.len() }
            }
            Self::Other(decoder) => {
                let (result, read, written) = decoder.decode_to_utf8_without_replacement(source, target, is_last);
                let malformed = match result {
                    DecoderResult::Malformed(bytes, behind) => Some((usize::from(bytes), usize::from(behind))),
                    DecoderResult::InputEmpty | DecoderResult::OutputFull => None,
                };
                Step { read, written, malformed, is_exhausted: result == DecoderResult::InputEmpty }
            }
        }
    }
}

/// UTF-8 from text in another encoding.
struct Transcoder {
    encoding: Encoding,
    source: Box<dyn Read + Send>,
    converter: Converter,
    input: Vec<u8>,
    used: usize,
    filled: usize,
    /// Where in the encoded text the unused input starts.
    offset: u64,
    source_ended: bool,
    /// Found behind text that is good and must be given first.
    fault: Option<Fault>,
    is_finished: bool,
    /// Text for targets that are too small to be written to directly.
    rest: [u8; SMALLEST_TARGET],
    rest_used: usize,
    rest_filled: usize,
}

impl Transcoder {
    /// Fills some of the target, which has room for a character; nothing only at the end.
    fn convert(&mut self, target: &mut [u8]) -> Result<usize> {
        loop {
            if let Some(fault) = self.fault.take() {
                self.is_finished = true;
                return Err(fault.into());
            }
            if self.is_finished {
                return Ok(0);
            }
            if self.used == self.filled && !self.source_ended {
                (self.used, self.filled) = (0, self.source.read(&mut self.input)?);
                self.source_ended = self.filled == 0;
            }
            let step = self.converter.step(&self.input[self.used..self.filled], target, self.source_ended);
            self.used += step.read;
            self.offset += step.read as u64;
            self.is_finished = step.is_exhausted && self.source_ended;
            if let Some((bytes, behind)) = step.malformed {
                let offset = self.offset.saturating_sub((bytes + behind) as u64);
                self.fault = Some(Fault::Malformed { encoding: self.encoding.name(), offset });
            }
            if step.written > 0 {
                return Ok(step.written);
            }
        }
    }
}

impl Read for Transcoder {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        if self.rest_used == self.rest_filled {
            if target.len() >= SMALLEST_TARGET {
                return self.convert(target);
            }
            let mut rest = self.rest;
            let filled = self.convert(&mut rest)?;
            (self.rest, self.rest_used, self.rest_filled) = (rest, 0, filled);
        }
        let amount = target.len().min(self.rest_filled - self.rest_used);
        target[..amount].copy_from_slice(&self.rest[self.rest_used..self.rest_used + amount]);
        self.rest_used += amount;
        Ok(amount)
    }
}
