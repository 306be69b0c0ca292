//! Files whose text is not what their bytes are: compressed ones, and those in another encoding than UTF-8.
//!
//! Such a file is a *stream*: its text can only be read in order, in one pass, and nobody knows how long it is before
//! the end. The layers are the file (`raw`), the decompressor (`compression`) and the converter to UTF-8 (`encoding`);
//! each holds a buffer of fixed size, and the decompressor what its format asks for (a window of 128 MiB at most), which
//! whoever reads a partition reserves.
//! Offsets and lines of errors are those of the text that comes out.

mod compression;
mod encoding;
mod raw;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use memchr::memchr_iter;

pub use compression::{Compression, MAGIC_BYTES};
pub use encoding::Encoding;
use raw::RawFile;

/// Bytes asked of a decoder at once. What a decoder had decoded when it met corrupt data may be lost, so less is better.
const STEP: usize = 64 << 10;

/// What has to be done to the bytes of a file, so that they are text in UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoding {
    /// How they are compressed.
    pub compression: Compression,
    /// How the text is encoded.
    pub encoding: Encoding,
}

impl Decoding {
    /// Whether there is nothing to do.
    pub fn is_plain(self) -> bool {
        matches!(self.compression, Compression::Auto | Compression::None) && self.encoding == Encoding::UTF_8
    }
}

/// Why a stream cannot be decoded any further; what no other error of the system or of a decoder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file is not what it was when the query was planned.
    Changed,
    /// The compressed data end too early.
    CutOff,
    /// Behind the compressed data there is something else.
    TrailingGarbage,
    /// The decompressor is not part of this build; the cargo feature that has it.
    NotBuiltIn(&'static str),
    /// Bytes that mean nothing in the encoding.
    Malformed {
        /// The encoding's name.
        encoding: &'static str,
        /// Where in the encoded text, which is the file unless that is compressed.
        offset: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed => f.write_str("it changed"),
            Self::CutOff => f.write_str("it is cut off"),
            Self::TrailingGarbage => f.write_str("something else follows its compressed data"),
            Self::NotBuiltIn(feature) => write!(f, "the cargo feature '{feature}' is off"),
            Self::Malformed { encoding, offset } => write!(f, "its byte {offset} is not {encoding}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for std::io::Error {
    fn from(fault: Fault) -> Self {
        Self::other(fault)
    }
}

/// The text of a file that has to be decoded, in order.
pub struct Stream {
    text: Box<dyn Read + Send>,
    /// Bytes of the file that were read.
    raw_read: Arc<AtomicU64>,
    /// Bytes of the text that were given.
    offset: u64,
    /// Line ends in them.
    lines: u64,
    /// What was found behind them.
    fault: Option<std::io::Error>,
    is_finished: bool,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl Stream {
    /// Decodes the first `size` bytes of a file.
    ///
    /// # Errors
    /// Those of decompressors, as they come.
    pub fn new(file: Arc<File>, size: u64, decoding: Decoding) -> std::io::Result<Self> {
        let raw_read = Arc::<AtomicU64>::default();
        let bytes = decoding.compression.decoder(RawFile::new(file, size, raw_read.clone()))?;
        let text = decoding.encoding.transcoder(bytes);
        Ok(Self { text, raw_read, offset: 0, lines: 0, fault: None, is_finished: false })
    }

    /// Fills the target; less only at the end of the text, or before an error, which the next call returns. So what is
    /// in front of the error is read whatever the sizes of targets are.
    ///
    /// # Errors
    /// Those of decoders, as they come; a [`Fault`] in them says more.
    pub fn fill(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        if let Some(fault) = self.fault.take() {
            self.is_finished = true;
            return Err(fault);
        }
        let mut filled = 0;
        while filled < target.len() && !self.is_finished {
            let step = target.len().min(filled + STEP);
            match self.text.read(&mut target[filled..step]) {
                Ok(0) => self.is_finished = true,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => {
                    self.is_finished = true;
                    return Err(error);
                }
                Err(error) => {
                    self.fault = Some(error);
                    break;
                }
            }
        }
        self.offset += filled as u64;
        self.lines += memchr_iter(b'\n', &target[..filled]).count() as u64;
        Ok(filled)
    }

    /// Whether all was given.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// The offset and the line, from 1, of what was not given yet.
    pub fn place(&self) -> (u64, u64) {
        (self.offset, self.lines + 1)
    }

    /// Bytes of the file that were read.
    pub fn raw_read(&self) -> u64 {
        self.raw_read.load(Relaxed)
    }
}
