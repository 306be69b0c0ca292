//! A file as it was when the query was planned, and the reading of its text.
//!
//! Most files are *plain*: their bytes are the text, and any part of them can be read by itself. What is compressed or in
//! another encoding is a *stream* (see [`decode`](super::decode)), whose text can only be read in order.
//!
//! Files are read by `pread` into memory of our own and never mapped: a file that another process truncates under a map
//! kills this one by SIGBUS, and here it is an error.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::{pread, retry_on_intr};

use super::decode::{Compression, Decoding, Encoding, Fault, MAGIC_BYTES, Stream};
use super::options::CsvOptions;
use crate::error::{DataLocation, Error, Result};
use crate::io::content::ContentSum;

/// The length of a text that is not known before it is read.
pub const UNKNOWN: u64 = u64::MAX;
/// Bytes that decide on an encoding.
const MARK_BYTES: usize = 4;

/// A file as it was when the query was planned.
#[derive(Clone, Debug)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes of its text that are read: [`UNKNOWN`] of a stream.
    pub len: u64,
    /// Bytes on disk.
    pub size: u64,
    modified: Option<SystemTime>,
    /// Takes the checksums of what is read, where somebody wants to know that of the file.
    pub content: Option<Arc<ContentSum>>,
    /// What makes text of its bytes; `None` where they are the text.
    decoding: Option<Decoding>,
    /// Bytes that the decompressor needs.
    decoder_memory: u64,
}

impl InputFile {
    /// Looks at the file, and finds out whether it must be decoded.
    ///
    /// # Errors
    /// A data error, where it is missing, unreadable, no regular file, or not compressed or encoded as the options or
    /// its name say.
    pub fn new(path: PathBuf, options: &CsvOptions) -> Result<Self> {
        let mut input = Self::plain(path)?;
        let file = input.open()?;
        input.find_decoding(file, options)?;
        Ok(input)
    }

    /// A file that is known to be text as it is. It is not opened.
    ///
    /// # Errors
    /// A data error, where it is missing or no regular file.
    pub fn plain(path: PathBuf) -> Result<Self> {
        // Not even to be looked at is it opened, since opening a pipe would wait for its writer.
        let meta = std::fs::metadata(&path).map_err(|error| Error::io("read", &path, &error))?;
        if !meta.is_file() {
            return Err(Error::data(format!("'{}' is not a regular file", path.display()))
                .with_file(&path)
                .with_hint("files are read in parts and more than once: write a pipe to a file first"));
        }
        let size = meta.len();
        Ok(Self {
            len: size,
            size,
            modified: meta.modified().ok(),
            content: None,
            decoding: None,
            decoder_memory: 0,
            path,
        })
    }

    /// The same, of which only the first `len` bytes are read. Must be a plain file.
    #[must_use]
    pub fn ending_at(self, len: u64) -> Self {
        Self { len: len.min(self.size), ..self }
    }

    fn find_decoding(&mut self, file: File, options: &CsvOptions) -> Result<()> {
        let mut magic = Vec::new();
        self.read(&file, 0, self.size.min(MAGIC_BYTES as u64) as usize, &mut magic)?;
        let compression = match options.compression {
            Compression::Auto => match Compression::of_content(&magic) {
                Compression::None => Compression::of_ending(&self.path),
                found => found,
            },
            wanted => wanted,
        };
        self.decoder_memory = compression.memory(&magic);
        if !compression.fits(&magic) {
            return Err(self.not_compressed(compression, options.compression));
        }
        let mut decoding = Decoding { compression, encoding: options.encoding.unwrap_or(Encoding::UTF_8) };
        if options.encoding.is_none_or(Encoding::is_utf16) {
            if compression != Compression::None {
                self.set_decoding(Decoding { encoding: Encoding::UTF_8, ..decoding });
                magic.clear();
                magic.resize(MARK_BYTES, 0);
                let filled = TextReader::new(self, file)?.fill(self, &mut magic)?;
                magic.truncate(filled);
            }
            let found = Encoding::of_mark(&magic);
            decoding.encoding = match (options.encoding, found) {
                (Some(Encoding::UTF_16) | None, Some(found)) => found,
                (Some(wanted), Some(found)) if wanted != found => return Err(self.other_order(wanted, found)),
                (wanted, _) => wanted.unwrap_or(Encoding::UTF_8),
            };
        }
        self.set_decoding(decoding);
        Ok(())
    }

    fn set_decoding(&mut self, decoding: Decoding) {
        self.decoding = (!decoding.is_plain()).then_some(decoding);
        self.len = if decoding.is_plain() { self.size } else { UNKNOWN };
    }

    /// Whether its text can only be read in order, from the start to an end that nobody knows.
    pub fn is_stream(&self) -> bool {
        self.decoding.is_some()
    }

    /// Bytes of memory that decoding it takes beside the blocks of text, as far as the start of the file tells.
    pub fn decoder_memory(&self) -> u64 {
        self.decoder_memory
    }

    /// Opens it again.
    ///
    /// # Errors
    /// A data error, also where it is not the file that was planned with.
    pub fn open(&self) -> Result<File> {
        let file = File::open(&self.path).map_err(|error| Error::io("read", &self.path, &error))?;
        self.check_unchanged(&file)?;
        Ok(file)
    }

    /// Checks that the file is as it was when the query was planned, by its length and the time of its last change.
    ///
    /// # Errors
    /// A data error, where it is not.
    pub fn check_unchanged(&self, file: &File) -> Result<()> {
        let meta: Metadata = file.metadata().map_err(|error| Error::io("read", &self.path, &error))?;
        if meta.len() != self.size || meta.modified().ok() != self.modified {
            return Err(self.changed());
        }
        Ok(())
    }

    /// The error for a file that another process writes to.
    pub fn changed(&self) -> Error {
        Error::data(format!("'{}' changed while it was being read", self.path.display()))
            .with_file(&self.path)
            .with_hint("run the query again when the file is complete")
    }

    /// Appends `amount` bytes from `offset` on to `buffer`. The range must lie within the file.
    ///
    /// # Errors
    /// A data error, where reading fails or the file ends early.
    pub fn read(&self, file: &File, offset: u64, amount: usize, buffer: &mut Vec<u8>) -> Result<()> {
        let start = buffer.len();
        buffer.resize(start + amount, 0);
        self.read_exact(file, offset, &mut buffer[start..])
    }

    /// Fills the target with the bytes from `offset` on. They must lie within the file.
    fn read_exact(&self, file: &File, offset: u64, target: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < target.len() {
            match retry_on_intr(|| pread(file, &mut target[filled..], offset + filled as u64)) {
                Ok(0) => return Err(self.changed()),
                Ok(read) => filled += read,
                Err(error) => return Err(Error::io("read", &self.path, &error.into())),
            }
        }
        Ok(())
    }

    /// When it was written to last, where the file system knows.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a decoder says, with the place in the decoded text up to which all was good.
    fn undecodable(&self, error: std::io::Error, (offset, line): (u64, u64)) -> Error {
        let name = self.path.display();
        let format = self.decoding.map_or(Compression::None, |decoding| decoding.compression).name();
        let located = |message: String, hint: &str| {
            let location = DataLocation {
                file: Some(self.path.clone()),
                line: Some(line),
                byte_offset: Some(offset),
                ..DataLocation::default()
            };
            Error::data(message).with_location(location).with_hint(hint)
        };
        let cut_off = || {
            let message = format!("'{name}' is cut off: its {format} data end before they are complete");
            located(message, "copy it again; the place is the end of the text that is there")
        };
        let error = match error.downcast::<Fault>() {
            Ok(Fault::Changed) => return self.changed(),
            Ok(Fault::CutOff) => return cut_off(),
            Ok(Fault::TrailingGarbage) => {
                let message = format!("'{name}' has something else behind the end of its {format} data");
                return located(
                    message,
                    "take it away; several compressed texts may follow one another, and nothing else",
                );
            }
            Ok(Fault::NotBuiltIn(feature)) => {
                return Error::usage(format!("'{name}' is compressed ({format}), which this build cannot read"))
                    .with_hint(format!("build with the cargo feature '{feature}', or decompress the file first"));
            }
            Ok(Fault::Malformed { encoding, offset: encoded }) => {
                let of = if format == "none" { "the file" } else { "the decompressed file" };
                let message = format!("byte {encoded} of {of} '{name}' has no meaning in the encoding {encoding}");
                return located(message, "name the right encoding, such as encoding='windows-1252'");
            }
            Err(error) => error,
        };
        if error.raw_os_error().is_some() {
            return Error::io("read", &self.path, &error);
        }
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            return cut_off();
        }
        located(format!("'{name}' is corrupt: its {format} data cannot be read ({error})"), "copy or compress it again")
    }

    fn not_compressed(&self, compression: Compression, wanted: Compression) -> Error {
        let (name, format) = (self.path.display(), compression.name());
        let error = if wanted == Compression::Auto {
            Error::data(format!("'{name}' has the ending of {format}, but its content is something else"))
        } else {
            Error::data(format!("'{name}' is not compressed as {format}"))
        };
        error.with_file(&self.path).with_hint("is it text? Then use compression='none'")
    }

    fn other_order(&self, wanted: Encoding, found: Encoding) -> Error {
        let message =
            format!("'{}' begins with the mark of {}, and not of {}", self.path.display(), found.name(), wanted.name());
        Error::data(message).with_file(&self.path).with_hint("use encoding='utf-16', which follows the mark")
    }
}

/// Reads the text of an open file in order; of a plain file from anywhere.
#[derive(Debug)]
pub struct TextReader {
    file: Arc<File>,
    stream: Option<Stream>,
    offset: u64,
    /// Bytes of the file that were read.
    raw_read: u64,
}

impl TextReader {
    /// Reads from the start. Nothing is read yet.
    ///
    /// # Errors
    /// A usage error, where this build lacks the decoder; a data error, where there is nothing to decode.
    pub fn new(input: &InputFile, file: File) -> Result<Self> {
        let file = Arc::new(file);
        let stream = match input.decoding {
            Some(decoding) => Some(
                Stream::new(file.clone(), input.size, decoding).map_err(|error| input.undecodable(error, (0, 1)))?,
            ),
            None => None,
        };
        Ok(Self { file, stream, offset: 0, raw_read: 0 })
    }

    /// Fills the target with the text that follows, and checks that the file is still the one that was planned with.
    /// Less only at the end, or before an error that the next call returns.
    ///
    /// # Errors
    /// A data error, where reading or decoding fails, or the file changed.
    pub fn fill(&mut self, input: &InputFile, target: &mut [u8]) -> Result<usize> {
        let filled = match &mut self.stream {
            None => {
                let left = usize::try_from(input.len.saturating_sub(self.offset)).unwrap_or(usize::MAX);
                let amount = target.len().min(left);
                input.read_exact(&self.file, self.offset, &mut target[..amount])?;
                self.raw_read += amount as u64;
                amount
            }
            Some(stream) => {
                let filled = stream.fill(target);
                let filled = filled.map_err(|error| input.undecodable(error, stream.place()));
                self.raw_read = stream.raw_read();
                // A file that changed is most likely corrupt for that reason.
                if filled.is_err() {
                    input.check_unchanged(&self.file)?;
                }
                filled?
            }
        };
        self.offset += filled as u64;
        input.check_unchanged(&self.file)?;
        Ok(filled)
    }

    /// Goes to an offset of the text: a stream only forward, and decodes all that lies between.
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    pub fn seek(&mut self, input: &InputFile, offset: u64) -> Result<()> {
        const STEP: u64 = 64 << 10;
        if self.stream.is_none() {
            self.offset = offset;
        }
        let mut skipped = vec![0; STEP.min(offset.saturating_sub(self.offset)) as usize];
        while self.offset < offset {
            let step = STEP.min(offset - self.offset) as usize;
            if self.fill(input, &mut skipped[..step])? == 0 && self.has_ended(input) {
                return Err(input.changed());
            }
        }
        Ok(())
    }

    /// Whether the end of the text was met: after the last byte of a plain file, and once a stream gave less than was
    /// asked for.
    pub fn has_ended(&self, input: &InputFile) -> bool {
        self.stream.as_ref().map_or(self.offset >= input.len, Stream::is_finished)
    }

    /// Bytes of the file that were read.
    pub fn raw_read(&self) -> u64 {
        self.raw_read
    }

    /// Tells the system that the file will be read from the start to the end.
    #[cfg(target_os = "linux")]
    pub fn will_read_all(&self) {
        // A hint: what fails here costs time at most.
        let _ = rustix::fs::fadvise(&*self.file, 0, None, rustix::fs::Advice::Sequential);
    }

    /// Tells the system that a range will be read soon.
    #[cfg(target_os = "linux")]
    pub fn will_read(&self, offset: u64, amount: usize) {
        if let Some(amount) = std::num::NonZeroU64::new(amount as u64) {
            let _ = rustix::fs::fadvise(&*self.file, offset, Some(amount), rustix::fs::Advice::WillNeed);
        }
    }

    /// Other systems read ahead as they like.
    #[cfg(not(target_os = "linux"))]
    pub fn will_read_all(&self) {}

    /// Other systems read ahead as they like.
    #[cfg(not(target_os = "linux"))]
    pub fn will_read(&self, _: u64, _: usize) {}
}
