//! Where the last lines of a file begin, for those who leave them out.

use memchr::memrchr;

use super::file::InputFile;
use crate::error::{Error, Result};

/// Bytes read at once.
const READ: u64 = 64 << 10;

/// The file without its last `lines` lines.
///
/// # Errors
/// A usage error for a file that must be decoded; a data error, where it cannot be read.
pub fn without_footer(input: InputFile, lines: u64) -> Result<InputFile> {
    if lines == 0 {
        return Ok(input);
    }
    if input.is_stream() {
        return Err(Error::usage("skip_footer cannot be used on a compressed or transcoded file")
            .with_file(&input.path)
            .with_hint("its end is not known before all of it is read: decompress or convert it first"));
    }
    let end = footer_start(&input, lines)?;
    Ok(input.ending_at(end))
}

/// Where the last `lines` lines of a file begin; 0 where it has no more. What ends the last line may be missing. Quotes
/// are not looked at: a footer has none with line ends in them.
///
/// # Errors
/// A data error, where the file cannot be read.
fn footer_start(input: &InputFile, lines: u64) -> Result<u64> {
    let file = input.open()?;
    let (mut left, mut end) = (lines, input.len);
    let mut buffer = Vec::new();
    while left > 0 && end > 0 {
        let start = end.saturating_sub(READ);
        buffer.clear();
        input.read(&file, start, (end - start) as usize, &mut buffer)?;
        let mut unseen = buffer.as_slice();
        if end == input.len {
            // It ends the last line, and begins none.
            unseen = unseen.strip_suffix(b"\n").unwrap_or(unseen);
        }
        while let Some(at) = memrchr(b'\n', unseen) {
            left -= 1;
            if left == 0 {
                return Ok(start + at as u64 + 1);
            }
            unseen = &unseen[..at];
        }
        end = start;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::csv::CsvOptions;

    fn kept(text: &str, lines: u64) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let input = InputFile::new(file.path().to_path_buf(), &CsvOptions::default()).unwrap();
        text[..footer_start(&input, lines).unwrap() as usize].to_string()
    }

    #[test]
    fn lines_are_counted_from_the_end() {
        assert_eq!(kept("a\nb\nc\n", 0), "a\nb\nc\n");
        assert_eq!(kept("a\nb\nc\n", 1), "a\nb\n");
        assert_eq!(kept("a\nb\nc", 1), "a\nb\n");
        assert_eq!(kept("a\nb\nc", 2), "a\n");
        assert_eq!(kept("a\nb\n\n", 1), "a\nb\n", "an empty line counts");
        assert_eq!(kept("a\r\nb\r\n", 1), "a\r\n");
        assert_eq!(kept("a\nb\n", 2), "");
        assert_eq!(kept("a\nb\n", 9), "");
        assert_eq!(kept("", 3), "");
        let long = format!("a\n{}\nc\n", "b".repeat(200_000));
        assert_eq!(kept(&long, 1), long[..200_003]);
        assert_eq!(kept(&long, 2), "a\n");
        let many = "x\n".repeat(100_000);
        assert_eq!(kept(&many, 70_000).len(), 60_000);
    }
}
