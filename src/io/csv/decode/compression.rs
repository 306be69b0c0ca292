//! Compressed files: what tells a format, and its decoder.
//!
//! A file may be several compressed pieces one behind the other (members of gzip, frames of zstd and LZ4, streams of
//! bzip2 and xz), as `cat a.gz b.gz > c.gz` makes them: they are one text. Every format says where it ends, so that a
//! file that was cut off is told from one that is complete, wherever it was cut.

use std::io::{BufRead, ErrorKind, Read, Result};
use std::path::Path;

use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder;

use super::Fault;
use super::raw::RawFile;

/// How files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As the first bytes of each file say, and otherwise the ending of its name.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// gzip, `.gz`.
    Gzip,
    /// Zstandard, `.zst`.
    Zstd,
    /// The frames of LZ4, `.lz4`.
    Lz4,
    /// bzip2, `.bz2`; needs the cargo feature `bz2`.
    Bzip2,
    /// xz, `.xz`; needs the cargo feature `xz`.
    Xz,
}

/// Bytes at the start of a file that tell its compression, and the memory that it takes: the longest header of zstd.
pub const MAGIC_BYTES: usize = 18;
const GZIP: &[u8] = b"\x1f\x8b";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
const LZ4: &[u8] = b"\x04\x22\x4d\x18";
const XZ: &[u8] = b"\xfd7zXZ\0";
const BZIP2: &[u8] = b"BZh";
/// Behind `BZh` and the size of blocks, a first block or the end. The first bytes alone could be text.
const BZIP2_BLOCKS: [&[u8]; 2] = [b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90"];
/// The last three of the four bytes of a frame that zstd and LZ4 skip; the first is from 0x50 to 0x5f.
const SKIPPABLE: &[u8] = b"\x2a\x4d\x18";
/// The largest window that the zstd library decodes unless told otherwise.
const ZSTD_WINDOW: u64 = 128 << 20;
/// Memory that a decoder of xz may take; `xz -9` needs 65 MiB.
#[cfg(feature = "xz")]
const XZ_MEMORY: u64 = 256 << 20;

impl Compression {
    /// Reads a value of the option `compression`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "auto" | "infer" | "detect" => Self::Auto,
            "none" | "uncompressed" => Self::None,
            "gzip" | "gz" => Self::Gzip,
            "zstd" | "zst" => Self::Zstd,
            "lz4" => Self::Lz4,
            "bz2" | "bzip2" => Self::Bzip2,
            "xz" => Self::Xz,
            _ => return None,
        })
    }

    /// How the option `compression` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Bzip2 => "bz2",
            Self::Xz => "xz",
        }
    }

    /// What the first bytes of a file say: text and what is unknown is not compressed.
    pub fn of_content(head: &[u8]) -> Self {
        let is_bzip2 = |rest: &[u8]| {
            matches!(rest.first(), Some(b'1'..=b'9')) && BZIP2_BLOCKS.iter().any(|block| rest[1..].starts_with(block))
        };
        if head.starts_with(GZIP) {
            Self::Gzip
        } else if head.starts_with(ZSTD) || is_skippable(head) {
            // LZ4 has the same frames to skip, but hardly begins with one; parallel zstd does.
            Self::Zstd
        } else if head.starts_with(LZ4) {
            Self::Lz4
        } else if head.starts_with(XZ) {
            Self::Xz
        } else if head.strip_prefix(BZIP2).is_some_and(is_bzip2) {
            Self::Bzip2
        } else {
            Self::None
        }
    }

    /// What the ending of a file's name says.
    pub fn of_ending(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let known = [Self::Gzip, Self::Zstd, Self::Lz4, Self::Bzip2, Self::Xz];
        known.into_iter().find(|known| known.ending().eq_ignore_ascii_case(ending)).unwrap_or(Self::None)
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
            other => other.name(),
        }
    }

    /// Whether a file that starts with these bytes may be of this format; it is cut off where it has fewer.
    pub fn fits(self, head: &[u8]) -> bool {
        let begins_with = |magic: &[u8]| head.starts_with(magic) || magic.starts_with(head);
        match self {
            Self::Auto | Self::None => true,
            Self::Gzip => begins_with(GZIP),
            Self::Zstd => begins_with(ZSTD) || is_skippable(head),
            Self::Lz4 => begins_with(LZ4) || is_skippable(head),
            Self::Bzip2 => begins_with(BZIP2),
            Self::Xz => begins_with(XZ),
        }
    }

    /// Memory that decoding a file with these first bytes takes, about. Other parts of the file may ask for more.
    pub fn memory(self, head: &[u8]) -> u64 {
        match self {
            Self::Auto | Self::None => 0,
            // A window of 32 KiB, tables, and the buffer in front.
            Self::Gzip => 256 << 10,
            Self::Zstd => zstd_window(head).unwrap_or(8 << 20) + (512 << 10),
            // Blocks of 64 KiB to 4 MiB: one that is compressed, and two that are not.
            Self::Lz4 => match head.get(5).map(|descriptor| descriptor >> 4 & 7) {
                Some(size @ 4..=7) => 3 * (1 << (8 + 2 * size)) + (256 << 10),
                _ => 12 << 20,
            },
            Self::Bzip2 => 4 << 20,
            // What the usual levels need; the largest takes 65 MiB.
            Self::Xz => 9 << 20,
        }
    }

    /// The text of a compressed file.
    pub fn decoder(self, mut raw: RawFile) -> Result<Box<dyn Read + Send>> {
        // Some decoders take no bytes at all for a complete file.
        if !matches!(self, Self::Auto | Self::None) && raw.fill_buf()?.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(match self {
            Self::Auto | Self::None => Box::new(raw),
            Self::Gzip => Box::new(Gzip { member: Some(GzDecoder::new(raw)) }),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(raw)?),
            Self::Lz4 => Box::new(Lz4 { frame: FrameDecoder::new(NoEnd(raw)), is_between_frames: true }),
            #[cfg(feature = "bz2")]
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(raw)),
            #[cfg(feature = "xz")]
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(raw, stream))
            }
            #[cfg(not(feature = "bz2"))]
            Self::Bzip2 => return Err(Fault::NotBuiltIn("bz2").into()),
            #[cfg(not(feature = "xz"))]
            Self::Xz => return Err(Fault::NotBuiltIn("xz").into()),
        })
    }
}

/// The window of the first frame, out of its header (RFC 8878, 3.1.1.1): what a decoder keeps of the text behind it.
fn zstd_window(head: &[u8]) -> Option<u64> {
    let [descriptor, rest @ ..] = head.strip_prefix(ZSTD)? else { return None };
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = *rest.first()?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7)).filter(|window| *window <= ZSTD_WINDOW);
    }
    // The whole text is the window. An id of a dictionary stands in front of its length.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let (bytes, base) = [(1, 0), (2, 256), (4, 0), (8, 0)][usize::from(descriptor >> 6)];
    let length = rest.get(dictionary..dictionary + bytes)?;
    let length = length.iter().rev().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
    Some((length + base).min(ZSTD_WINDOW))
}

fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, rest @ ..] if rest.starts_with(SKIPPABLE))
}

/// The members of a gzip file. They are opened one by one, since what stands behind the last must be looked at: it is
/// the start of another member, or something that does not belong there.
struct Gzip {
    /// Always there; an option, so that a member can hand on the file.
    member: Option<GzDecoder<RawFile>>,
}

impl Read for Gzip {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(target)?;
            if read > 0 || target.is_empty() {
                return Ok(read);
            }
            let rest = member.get_mut().fill_buf()?;
            if rest.is_empty() {
                break;
            }
            if rest.starts_with(&[0]) {
                skip_padding(member.get_mut())?;
                break;
            }
            if !Compression::Gzip.fits(&rest[..rest.len().min(MAGIC_BYTES)]) {
                return Err(Fault::TrailingGarbage.into());
            }
            self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
        }
        Ok(0)
    }
}

/// Skips the zeros with which tapes and block devices fill up a file. Nothing may stand behind them.
fn skip_padding(raw: &mut RawFile) -> Result<()> {
    loop {
        let rest = raw.fill_buf()?;
        match rest.len() {
            0 => return Ok(()),
            _ if rest.iter().any(|byte| *byte != 0) => return Err(Fault::TrailingGarbage.into()),
            padding => raw.consume(padding),
        }
    }
}

/// The frames of an LZ4 file.
struct Lz4 {
    frame: FrameDecoder<NoEnd>,
    is_between_frames: bool,
}

/// A file that must not end: the decoder takes an end between two blocks of a frame for the end of the frame.
struct NoEnd(RawFile);

impl Read for NoEnd {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        match self.0.read(target)? {
            0 if !target.is_empty() => Err(Fault::CutOff.into()),
            read => Ok(read),
        }
    }
}

impl Read for Lz4 {
    fn read(&mut self, target: &mut [u8]) -> Result<usize> {
        loop {
            if self.is_between_frames {
                let raw = &mut self.frame.get_mut().0;
                while matches!(raw.fill_buf()?.first(), Some(0x50..=0x5f)) {
                    skip_frame(raw)?;
                }
                match raw.fill_buf()?.first() {
                    None => return Ok(0),
                    first if first == LZ4.first() => self.is_between_frames = false,
                    Some(_) => return Err(Fault::TrailingGarbage.into()),
                }
            }
            let read = self.frame.read(target)?;
            if read > 0 || target.is_empty() {
                return Ok(read);
            }
            self.is_between_frames = true;
        }
    }
}

/// Skips a frame with notes of whoever wrote the file: a magic number, the length, and so many bytes.
fn skip_frame(raw: &mut RawFile) -> Result<()> {
    let mut head = [0; 8];
    raw.read_exact(&mut head)?;
    if !is_skippable(&head) {
        return Err(Fault::TrailingGarbage.into());
    }
    let [.., a, b, c, d] = head;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    match std::io::copy(&mut raw.take(length), &mut std::io::sink())? {
        skipped if skipped == length => Ok(()),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}
