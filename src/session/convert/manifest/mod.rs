//! The manifest: what was converted to what. A journal of JSON lines, each with its own checksum: what a run is like, and
//! one line for each part that is complete, so that another run can go on where this one ended.
//!
//! A part is recorded once its files have their names and are durable. Before they get them, they are announced: a file
//! that has its name and is not recorded is ours, and may be replaced.

mod text;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::batch::TableSum;
use crate::error::{Error, Result};
use crate::io::content::ContentSum;
use crate::io::write::staging::make_folders;
use crate::io::write::{AtomicFile, Existing};

/// The runs that made what is in a place. Most have one; each that appends adds one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Manifest {
    pub runs: Vec<Run>,
}

/// One run, which may have been interrupted and gone on with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub header: Header,
    pub parts: Vec<PartRecord>,
    /// Files of ours that may be there under their names, but are not recorded: they were about to get them when a process
    /// ended, or what they were made of is converted again.
    pub announced: BTreeSet<PathBuf>,
    /// Whether nothing of it is missing.
    pub is_done: bool,
}

/// What decides on the bytes of the outputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    /// The version of the program.
    pub version: String,
    /// Options and settings by name.
    pub options: BTreeMap<String, Value>,
    /// Names and types of columns.
    pub schema: Vec<(String, String)>,
    /// Whether files that are there already may be replaced.
    pub replaces: bool,
}

/// Some inputs, and what became of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PartRecord {
    pub inputs: Vec<InputRecord>,
    /// Rows that were left out.
    pub rejected: u64,
    /// Values that became null.
    pub nulled: u64,
    /// What the rows hold that were written.
    pub sum: TableSum,
    pub outputs: Vec<OutputRecord>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InputRecord {
    pub path: PathBuf,
    pub size: u64,
    /// When it was written to last, in nanoseconds since 1970, where that is known.
    pub modified: Option<u64>,
    pub checksum: u32,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutputRecord {
    /// From the place's root.
    pub path: PathBuf,
    pub rows: u64,
    pub size: u64,
    pub checksum: u32,
}

/// Size and time of a file now.
pub(super) fn stat(path: &Path) -> Result<(u64, Option<u64>)> {
    let meta = fs::metadata(path).map_err(|error| Error::io("read", path, &error))?;
    let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok((meta.len(), since.and_then(|since| u64::try_from(since.as_nanos()).ok())))
}

impl PartRecord {
    /// The paths of the outputs.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.outputs.iter().map(|output| output.path.clone()).collect()
    }
}

impl InputRecord {
    /// The record of the file as it is now, if its content is what it was; `None` where it differs. Content is looked at
    /// where size and time do not decide, or always.
    ///
    /// # Errors
    /// A data error where the file cannot be read.
    pub fn unchanged(&self, always: bool) -> Result<Option<Self>> {
        let (size, modified) = stat(&self.path)?;
        if size != self.size {
            return Ok(None);
        }
        let is_same_time = modified.is_some() && modified == self.modified;
        let is_same = (is_same_time && !always) || ContentSum::default().finish(&self.path, size)? == self.checksum;
        Ok(is_same.then(|| Self { modified, ..self.clone() }))
    }
}

impl Header {
    /// What differs from another header, in words, but for some options; `None` where nothing does.
    pub fn difference(&self, other: &Self, aside: &[&str]) -> Option<String> {
        if self.version != other.version {
            return Some(format!("it was begun by version {}, and this is version {}", self.version, other.version));
        }
        let names: BTreeSet<&String> = self.options.keys().chain(other.options.keys()).collect();
        let shown = |value: Option<&Value>| value.map_or("not given".to_string(), Value::to_string);
        let differs = |name: &&&String| self.options.get(**name) != other.options.get(**name);
        let mut counted = names.iter().filter(|name| !aside.contains(&name.as_str()));
        counted.find(differs).map(|name| {
            let (before, now) = (shown(self.options.get(*name)), shown(other.options.get(*name)));
            format!("{name} was {before} and is {now}")
        })
    }
}

/// How columns, names and types, differ from what they were before, in words.
pub(super) fn columns_differ(before: &[(String, String)], now: &[(String, String)]) -> Option<String> {
    let known: BTreeMap<&str, &str> = now.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
    for (name, before) in before {
        match known.get(name.as_str()) {
            None => return Some(format!("the column \"{name}\" is missing now")),
            Some(now) if now != before => return Some(format!("the column \"{name}\" was {before} and is {now}")),
            Some(_) => {}
        }
    }
    let known: HashSet<&str> = before.iter().map(|(name, _)| name.as_str()).collect();
    if let Some((name, _)) = now.iter().find(|(name, _)| !known.contains(name.as_str())) {
        return Some(format!("there is a new column \"{name}\""));
    }
    (before != now).then(|| "the columns are in another order".into())
}

impl Manifest {
    /// Reads a manifest. A last line that was not written to its end is left out. `None` where there is none.
    ///
    /// # Errors
    /// A data error where it is damaged, or of a version that is not known.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => text::parse(path, &bytes).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path, &error)),
        }
    }

    /// All outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &OutputRecord> {
        self.runs.iter().flat_map(|run| &run.parts).flat_map(|part| &part.outputs)
    }

    /// All files of ours that may be there: outputs, and what is announced.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let announced = self.runs.iter().flat_map(|run| &run.announced);
        self.outputs().map(|output| &output.path).chain(announced).map(PathBuf::as_path)
    }

    /// Whether every run came to its end.
    pub fn is_done(&self) -> bool {
        self.runs.iter().all(|run| run.is_done)
    }

    /// Writes it anew, whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |error: std::io::Error| Error::io("write", path, &error);
        let file = AtomicFile::create(path, Existing::Overwrite)?;
        let mut out = file.writer()?;
        out.write_all(text::render(self).as_bytes()).and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        file.commit()
    }
}

/// A manifest that is written line by line.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Writes what is known, and goes on from there.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn begin(path: &Path, known: &Manifest) -> Result<Self> {
        if let Some(folder) = path.parent() {
            make_folders(folder)?;
        }
        known.write(path)?;
        let file = File::options().append(true).open(path).map_err(|error| Error::io("write", path, &error))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Says that files will get their names now.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn announce<'a>(&mut self, outputs: impl Iterator<Item = &'a Path>) -> Result<()> {
        self.append(&text::announced(outputs))
    }

    /// Says that a part is complete.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn record(&mut self, part: &PartRecord) -> Result<()> {
        self.append(&text::part(part))
    }

    fn append(&mut self, line: &str) -> Result<()> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::io("write", &self.path, &error))
    }
}
