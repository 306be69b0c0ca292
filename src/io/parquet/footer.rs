//! What is checked of a file's ends and footer, besides what the Parquet reader checks: it takes some numbers for granted, and asks for
//! the memory that they stand for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use parquet::file::metadata::ParquetMetaData;

use super::delta::{varint, zigzag};
use crate::error::{Error, Result};

/// Bytes at each end of a Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";

/// Bytes at the end of a file: the length of the footer, and the magic ones.
const TRAILER: u64 = 8;
/// Bytes of the footer that are looked at first: most schemas, which come first, are shorter.
const SCHEMA_BYTES: u64 = 64 << 10;

/// Says what is wrong with a file that is none of ours, in words better than the reader's.
pub(super) fn check_ends(file: &File, path: &Path, length: u64) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let shown = path.display();
    let mut head = [0; 4];
    let mut tail = [0; 4];
    if length >= 4 {
        file.read_exact_at(&mut head, 0).map_err(failed)?;
    }
    if &head == MAGIC_ENCRYPTED {
        return Err(Error::data(format!("'{shown}' is encrypted")).with_file(path).with_hint("decrypt it first"));
    }
    if &head != MAGIC {
        return Err(Error::data(format!("'{shown}' is not a Parquet file"))
            .with_file(path)
            .with_hint("read CSV files by read_csv('…')"));
    }
    if length >= 12 {
        file.read_exact_at(&mut tail, length - 4).map_err(failed)?;
    }
    if &tail != MAGIC && &tail != MAGIC_ENCRYPTED {
        return Err(Error::data(format!("'{shown}' is truncated: it does not end as Parquet files do"))
            .with_file(path)
            .with_hint("its writer may not have finished: write or copy the file again"));
    }
    Ok(())
}

/// Checks that no element of the schema says that it has more children than there are elements.
///
/// # Errors
/// What is wrong. What cannot be read is left to the Parquet reader.
pub(super) fn check_schema(file: &File, length: u64) -> std::result::Result<(), String> {
    let read = |at: u64, bytes: u64| {
        let mut buffer = vec![0; usize::try_from(bytes).ok()?];
        file.read_exact_at(&mut buffer, at).ok().map(|()| buffer)
    };
    let most = || {
        let end = length.checked_sub(TRAILER)?;
        let bytes = u64::from(u32::from_le_bytes(read(end, 4)?.try_into().ok()?));
        let start = end.checked_sub(bytes)?;
        let children = |bytes| Thrift { bytes: &read(start, bytes)?, at: 0 }.children();
        children(bytes.min(SCHEMA_BYTES)).or_else(|| children(bytes).filter(|_| bytes > SCHEMA_BYTES))
    };
    let most = most();
    match most {
        Some((children, elements)) if children > elements => {
            Err(format!("a group of its schema has {children} columns, of {elements} that there are"))
        }
        _ => Ok(()),
    }
}

/// A footer, in Thrift's compact protocol.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Types of the protocol.
const I32: u8 = 5;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
/// The fields of a footer and of an element of the schema that are looked for.
const SCHEMA: i64 = 2;
const CHILDREN: i64 = 5;

impl Thrift<'_> {
    /// The most children that an element of the schema says it has, and how many elements there are.
    fn children(mut self) -> Option<(i64, i64)> {
        let mut id = 0;
        loop {
            let kind = self.field(&mut id)?;
            if (id, kind) != (SCHEMA, LIST) {
                self.skip(kind, 0)?;
                continue;
            }
            let (elements, kind) = self.list()?;
            let mut most = 0;
            for _ in 0..elements {
                if kind != STRUCT {
                    return None;
                }
                let mut id = 0;
                loop {
                    match (self.field(&mut id)?, id) {
                        (0, _) => break,
                        (I32, CHILDREN) => most = most.max(zigzag(varint(self.bytes, &mut self.at)?)),
                        (kind, _) => self.skip(kind, 0)?,
                    }
                }
            }
            return Some((most, i64::try_from(elements).ok()?));
        }
    }

    fn byte(&mut self) -> Option<u8> {
        self.at += 1;
        self.bytes.get(self.at - 1).copied()
    }

    /// The type of the next field of a struct, 0 at the end; `id` becomes its number.
    fn field(&mut self, id: &mut i64) -> Option<u8> {
        let head = self.byte()?;
        if head == 0 {
            return Some(0);
        }
        *id = match head >> 4 {
            0 => zigzag(varint(self.bytes, &mut self.at)?),
            step => id.checked_add(i64::from(step))?,
        };
        Some(head & 15)
    }

    /// How many items a list has, and of which type.
    fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let items = if head >> 4 == 15 { varint(self.bytes, &mut self.at)? } else { u64::from(head >> 4) };
        Some((items, head & 15))
    }

    /// Goes behind a value. Truth values of structs are in their type, those of lists take a byte.
    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > 32 {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => self.at += 1,
            4..=6 => drop(varint(self.bytes, &mut self.at)?),
            7 => self.at += 8,
            8 => {
                let length = usize::try_from(varint(self.bytes, &mut self.at)?).ok()?;
                self.at = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
            }
            LIST | 10 => {
                let (items, kind) = self.list()?;
                for _ in 0..items {
                    self.skip(if kind <= 2 { 3 } else { kind }, depth + 1)?;
                    (self.at <= self.bytes.len()).then_some(())?;
                }
            }
            STRUCT => {
                let mut id = 0;
                loop {
                    match self.field(&mut id)? {
                        0 => break,
                        kind => self.skip(kind, depth + 1)?,
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// Checks that there are rows, and that columns lie within the file, which the Parquet reader takes for granted.
pub(super) fn check_places(path: &Path, metadata: &ParquetMetaData, length: u64) -> Result<()> {
    for (row_group, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(Error::data(format!(
                "the footer of '{}' says that row group {row_group} has {} rows",
                path.display(),
                group.num_rows()
            ))
            .with_file(path)
            .with_hint("the file may be damaged: write or copy it again"));
        }
        for chunk in group.columns() {
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let place = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
            if place.and_then(|(start, bytes)| start.checked_add(bytes)).is_none_or(|end| end > length) {
                return Err(Error::data(format!(
                    "the footer of '{}' places the column \"{}\" of row group {row_group} outside of the file",
                    path.display(),
                    chunk.column_path().string()
                ))
                .with_file(path)
                .with_hint("the file may be damaged or truncated: write or copy it again"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_of_more_columns_than_there_are_is_refused_before_room_is_made_for_them() {
        // Version 1, and a schema of two elements: a group "s" of `children`, and a column "i".
        let footer = |children: &[u8]| {
            let elements = [&[0x15, 2, 0x19, 0x2c, 0x48, 1, b's', 0x15][..], children, &[0, 0x15, 2, 0x38, 1, b'i', 0]];
            elements.concat()
        };
        let found = |children: &[u8]| Thrift { bytes: &footer(children), at: 0 }.children();
        assert_eq!(found(&[2]), Some((1, 2)));
        assert_eq!(found(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), Some((i64::from(i32::MAX), 2)));
        let file = |children: &[u8]| {
            let footer = footer(children);
            let bytes = [b"PAR1", &footer[..], &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat();
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            check_schema(&file, bytes.len() as u64)
        };
        assert_eq!(file(&[2]), Ok(()));
        assert!(file(&[0xfe, 0xff, 0xff, 0xff, 0x0f]).unwrap_err().contains("2147483647 columns, of 2"));
        assert_eq!(file(&[0xff; 12]), Ok(()), "what is no number is left to the reader");
    }
}
