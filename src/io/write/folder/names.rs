//! What the files of a folder are called.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::io::write::OutputFormat;

/// The names of files that are written one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileNames {
    /// `{i}` is a number from 0 in each folder, and `{uuid}` a random one.
    Pattern(String),
    /// `a_0.parquet`, `a_1.parquet` and so on.
    Numbered(OsString),
    /// There is only one file.
    One(OsString),
}

impl FileNames {
    /// The name of the file of a number.
    pub fn name(&self, number: u64, format: OutputFormat) -> PathBuf {
        match self {
            Self::Pattern(pattern) => {
                let mut name = pattern.replace("{i}", &number.to_string());
                if name.contains("{uuid}") {
                    name = name.replace("{uuid}", &uuid());
                }
                let ending = format!(".{}", format.extension());
                if name.ends_with(&ending) { name.into() } else { (name + &ending).into() }
            }
            Self::Numbered(stem) => {
                let mut name = stem.clone();
                name.push(format!("_{number}.{}", format.extension()));
                name.into()
            }
            Self::One(name) => name.into(),
        }
    }

    /// Whether there may be several files.
    pub fn are_many(&self) -> bool {
        !matches!(self, Self::One(_))
    }
}

/// A random identifier of version 4: the keys of the standard library's hash maps are random.
fn uuid() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let random = || RandomState::new().build_hasher().finish();
    let (high, low) = (random() & !0xf000 | 0x4000, random() & !(3 << 62) | 1 << 63);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & ((1 << 48) - 1)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        let of = |pattern: &str, number, format| {
            let name = FileNames::Pattern(pattern.into()).name(number, format);
            name.to_str().unwrap().to_string()
        };
        assert_eq!(of("data_{i}", 7, OutputFormat::Parquet), "data_7.parquet");
        assert_eq!(of("{i}.csv", 0, OutputFormat::Csv), "0.csv");
        let (first, second) = (of("{uuid}", 0, OutputFormat::Csv), of("{uuid}", 0, OutputFormat::Csv));
        assert_ne!(first, second);
        assert_eq!((first.len(), &first[14..15]), (40, "4"), "{first}");
        assert_eq!(FileNames::Numbered("a{i}".into()).name(3, OutputFormat::Csv), PathBuf::from("a{i}_3.csv"));
    }
}
