//! Where the files of each part go, and what they are called.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::inputs::Part;
use super::place::{Place, plain};
use super::plan::whole_path;
use super::{ConvertOptions, Layout};
use crate::error::{Error, Result};
use crate::io::csv::Compression;
use crate::io::write::{FileNames, FolderOptions, OutputFormat};

/// Where the files of a part go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The folder below the place's root.
    pub folder: PathBuf,
    pub names: FileNames,
}

impl Target {
    /// The only file at a path from the place's root.
    pub fn one(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_os_string();
        Self { folder: path.parent().map(Path::to_path_buf).unwrap_or_default(), names: FileNames::One(name) }
    }

    /// The one file, where there are not many, from the place's root.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.names {
            FileNames::One(name) => Some(self.folder.join(name)),
            FileNames::Numbered(_) | FileNames::Pattern(_) => None,
        }
    }

    /// The files as a pattern, from the place's root.
    pub fn pattern(&self, folder: &FolderOptions, format: OutputFormat) -> PathBuf {
        let partitions: PathBuf = folder.partition_by.iter().map(|column| format!("{column}=*")).collect();
        let name = match &self.names {
            FileNames::Pattern(names) => FileNames::Pattern(names.replace("{i}", "*")).name(0, format),
            FileNames::Numbered(stem) => {
                let mut name = stem.clone();
                name.push(format!("_*.{}", format.extension()));
                name.into()
            }
            FileNames::One(name) => name.into(),
        };
        self.folder.join(partitions).join(name)
    }

    /// Something that is there already, is not ours, and may have the name of a file of the part.
    pub fn in_the_way(&self, place: &Place, format: OutputFormat, is_ours: &dyn Fn(&Path) -> bool) -> Option<PathBuf> {
        let folder = place.root.join(&self.folder);
        let path = match &self.names {
            FileNames::One(_) | FileNames::Numbered(_) => {
                // Where there are others, there is a first.
                let first = self.names.name(0, format);
                fs::symlink_metadata(folder.join(&first)).is_ok().then(|| self.folder.join(first))
            }
            // Whoever reads the folder reads all that is in it.
            FileNames::Pattern(_) => {
                let names = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
                let mut shown = names.filter(|name| !name.as_encoded_bytes().starts_with(b"."));
                shown.next().map(|name| self.folder.join(name))
            }
        };
        path.filter(|path| !is_ours(path))
    }
}

/// The target of each part. Files of folders keep their paths below the folders that were named, others those below the
/// folder that all have in common.
///
/// # Errors
/// A usage error where two parts would go to one file, or names of files would differ from run to run.
pub(super) fn targets(
    convert: &ConvertOptions,
    place: &Place,
    parts: &[Part],
    folder: &FolderOptions,
    format: OutputFormat,
) -> Result<Vec<Target>> {
    if let Some(file) = &place.file {
        return Ok(vec![Target::one(file)]);
    }
    if folder.file_names.contains("{uuid}") {
        return Err(Error::usage("random names of files cannot be found again when a conversion is resumed")
            .with_hint("write {i} for a number"));
    }
    if convert.layout != Layout::PerFile {
        let names = FileNames::Pattern(folder.file_names.clone());
        return Ok(parts.iter().map(|_| Target { folder: PathBuf::new(), names: names.clone() }).collect());
    }
    if folder.file_names != FolderOptions::default().file_names {
        return Err(Error::usage("with one output per input, files have the names of their inputs")
            .with_hint("leave filename_pattern out"));
    }
    let files: Vec<&Path> = parts.iter().flat_map(|part| &part.files).map(PathBuf::as_path).collect();
    // However they are written, nothing is to leave the output.
    let wholes: Vec<PathBuf> = files.iter().map(|file| plain(&whole_path(file))).collect();
    let named: Vec<&Path> = convert.inputs.iter().map(Path::new).collect();
    let common = if named.iter().all(|path| path.is_dir()) {
        let named: Vec<PathBuf> = named.into_iter().map(|path| plain(&whole_path(path))).collect();
        common_folder(named.iter().map(PathBuf::as_path))
    } else {
        common_folder(wholes.iter().map(|file| file.parent().unwrap_or(Path::new(""))))
    };
    let mut taken = HashMap::new();
    let mut targets = Vec::with_capacity(files.len());
    for (file, whole) in files.into_iter().zip(&wholes) {
        let below = whole.strip_prefix(&common).ok().or(whole.file_name().map(Path::new));
        let mut output = below.unwrap_or(Path::new("")).to_path_buf();
        if Compression::of_ending(&output) != Compression::None {
            output.set_extension("");
        }
        output.set_extension(format.extension());
        if let Some(other) = taken.insert(output.clone(), file) {
            return Err(Error::usage(format!(
                "'{}' and '{}' would both become '{}'",
                other.display(),
                file.display(),
                convert.output.join(&output).display()
            ))
            .with_hint("convert them into different folders, or merge them by --layout merge"));
        }
        let mut target = Target::one(&output);
        if folder.is_wanted() {
            target.names = FileNames::Numbered(output.file_stem().unwrap_or_default().to_os_string());
        }
        targets.push(target);
    }
    Ok(targets)
}

fn common_folder<'a>(mut folders: impl Iterator<Item = &'a Path>) -> PathBuf {
    let Some(first) = folders.next() else {
        return PathBuf::new();
    };
    folders.fold(first.to_path_buf(), |common, folder| {
        common.components().zip(folder.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::options::OptionValue;
    use crate::io::write::WriteOptions;

    #[test]
    fn what_is_in_the_way_of_numbered_files_has_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path(), false, None).unwrap();
        let target = |names| Target { folder: "x".into(), names };
        let numbered = target(FileNames::Numbered("a".into()));
        fs::create_dir(dir.path().join("x")).unwrap();
        let found = |target: &Target| target.in_the_way(&place, OutputFormat::Csv, &|_| false);
        fs::write(dir.path().join("x/a.csv"), "").unwrap();
        assert_eq!(found(&numbered), None);
        fs::write(dir.path().join("x/a_0.csv"), "").unwrap();
        assert_eq!(found(&numbered), Some("x/a_0.csv".into()));
        assert_eq!(numbered.in_the_way(&place, OutputFormat::Csv, &|path| path.ends_with("a_0.csv")), None);
        assert_eq!(numbered.pattern(&FolderOptions::default(), OutputFormat::Csv), Path::new("x/a_*.csv"));
        let one = target(FileNames::One("b.csv".into()));
        assert_eq!((found(&one), one.file()), (None, Some("x/b.csv".into())));
        let columns = OptionValue::List(vec![OptionValue::Text("k".into()), OptionValue::Text("l".into())]);
        let keys = WriteOptions::parse(&vec![("partition_by".into(), columns)]).unwrap().folder;
        let pattern = target(FileNames::Pattern(keys.file_names.clone())).pattern(&keys, OutputFormat::Parquet);
        assert_eq!(pattern, Path::new("x/k=*/l=*/data_*.parquet"));
    }
}
