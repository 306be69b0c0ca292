//! How the files of a COPY get their place: built in a staging, made durable, then moved.
//!
//! A folder that is not there yet, or is replaced, takes its place in one step. Where files are added to one, each is renamed
//! into it when all are complete; one whose name was taken by somebody else meanwhile takes the next.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::names::FileNames;
use super::{FolderPlan, Making};
use crate::error::{Error, Result};
use crate::io::write::output::write_error;
use crate::io::write::staging::{
    Staging, finished, is_staging, make_durable, make_names_durable, old_files, parent_of, rename_new,
};
use crate::io::write::{Existing, OutputFormat, WriteOptions};

/// Endings of files that a folder may have that is replaced: what else there is may be somebody's only copy.
const DATA_ENDINGS: [&str; 22] = [
    "parquet", "pq", "parq", "csv", "tsv", "tab", "txt", "json", "jsonl", "ndjson", "arrow", "ipc", "feather", "orc",
    "avro", "gz", "zst", "lz4", "bz2", "xz", "snappy", "crc",
];
/// What other tools put beside data.
const MARKERS: [&str; 4] = ["_SUCCESS", "_metadata", "_common_metadata", "_delta_log"];

/// A folder of files that is made, replaced or added to. Dropped before [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub struct NewFolder {
    target: PathBuf,
    staging: Staging,
    existing: Existing,
    /// Whether the target was there, and stays.
    adds: bool,
    names: FileNames,
    format: OutputFormat,
}

impl NewFolder {
    /// Begins a folder.
    ///
    /// # Errors
    /// A usage error where the folder is there and may not be changed, or options do not fit; a data error where it cannot
    /// be written.
    pub fn begin(target: &Path, options: &WriteOptions) -> Result<Self> {
        let (existing, format) = (options.existing, options.format_of(target)?);
        let names = FileNames::Pattern(options.folder.file_names.clone());
        let (target, adds) = match fs::symlink_metadata(target) {
            Ok(_) => over(target, existing)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if target.file_name().is_none() {
                    return Err(Error::usage(format!("'{}' names no folder", target.display())));
                }
                (target.to_path_buf(), false)
            }
            Err(error) => return Err(Error::io("write", target, &error)),
        };
        let staging = Staging::begin(&target)?;
        let replaces = target.is_dir() && !adds;
        if replaces && staging.is_within(&target) {
            return Err(Error::usage(format!(
                "'{}' cannot be replaced, since it is a file system of its own or the folder around it may not be written",
                target.display()
            ))
            .with_hint("write to a folder in it"));
        }
        Ok(Self { target, staging, existing, adds, names, format })
    }

    /// What its files are made by.
    pub fn plan(&self) -> FolderPlan {
        let (adds, target) = (self.adds && self.existing == Existing::Append, self.target.clone());
        FolderPlan {
            making: Making {
                root: self.staging.new_files(),
                target: self.target.clone(),
                is_taken: Box::new(move |below| adds && fs::symlink_metadata(target.join(below)).is_ok()),
            },
            below: PathBuf::new(),
            names: self.names.clone(),
        }
    }

    /// Gives the folder its name, or adds its files to those that are there.
    ///
    /// # Errors
    /// Where the folder was changed meanwhile, or the disk fails; then nothing is new.
    pub fn commit(self) -> Result<()> {
        if self.adds || !self.take_place()? {
            let mut added = Added::default();
            if let Err((place, error)) = self.add(&self.staging.new_files(), &self.target, &mut added) {
                added.take_back();
                return Err(match error.kind() {
                    ErrorKind::AlreadyExists => came_meanwhile(&place),
                    _ => write_error(&place, &error),
                });
            }
            let folders = added.folders.iter().map(PathBuf::as_path);
            let synced = make_names_durable(&self.target, folders.collect::<Vec<_>>().into_iter());
            return synced.map_err(|error| write_error(&self.target, &error));
        }
        make_durable(parent_of(&self.target)).map_err(|error| write_error(&self.target, &error))
    }

    /// The files become the target; false where it has come to be there, and they are to be added to it.
    fn take_place(&self) -> Result<bool> {
        let failed = |error: io::Error| write_error(&self.target, &error);
        let new = self.staging.new_files();
        finish_names(&new).map_err(failed)?;
        if self.existing != Existing::Overwrite || fs::symlink_metadata(&self.target).is_err() {
            return match rename_new(&new, &self.target) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => match self.existing {
                    Existing::Append | Existing::Replace if self.target.is_dir() => Ok(false),
                    _ => Err(came_meanwhile(&self.target)),
                },
                Err(error) => Err(failed(error)),
            };
        }
        // Once more: somebody may have put something there meanwhile.
        check_replaceable(&self.target)?;
        match renameat_with(CWD, &new, CWD, &self.target, RenameFlags::EXCHANGE) {
            // What was there goes with the staging.
            Ok(()) => Ok(true),
            // Not every file system can; then there is a moment without either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let old = old_files(self.staging.root());
                fs::rename(&self.target, &old).map_err(failed)?;
                if let Err(error) = fs::rename(&new, &self.target) {
                    let _ = fs::rename(&old, &self.target);
                    return Err(failed(error));
                }
                Ok(true)
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Moves what is in a folder of the staging to one of the target; the error is of that path.
    fn add(&self, from: &Path, to: &Path, added: &mut Added) -> Result<(), (PathBuf, io::Error)> {
        let at = |place: &Path| {
            let place = place.to_path_buf();
            move |error| (place, error)
        };
        added.folders.push(to.to_path_buf());
        for entry in fs::read_dir(from).map_err(at(from))? {
            let name = PathBuf::from(entry.map_err(at(from))?.file_name());
            let source = from.join(&name);
            if source.is_dir() {
                let place = to.join(&name);
                match fs::create_dir(&place) {
                    Ok(()) => added.made.push(place.clone()),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists && place.is_dir() => {}
                    Err(error) => return Err((place, error)),
                }
                self.add(&source, &place, added)?;
                continue;
            }
            let mut place = to.join(finished(&name));
            if self.existing == Existing::Replace {
                fs::rename(&source, &place).map_err(at(&place))?;
                continue;
            }
            let mut number = 0;
            loop {
                match rename_new(&source, &place) {
                    // Somebody else has taken the name that was free before.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists && self.existing == Existing::Append => {
                        place = to.join(self.names.name(number, self.format));
                        number += 1;
                    }
                    Err(error) => return Err((place, error)),
                    Ok(()) => break,
                }
            }
            added.moved.push((source, place));
        }
        Ok(())
    }
}

/// What was added to a folder so far.
#[derive(Default)]
struct Added {
    moved: Vec<(PathBuf, PathBuf)>,
    made: Vec<PathBuf>,
    /// Folders that have new names in them.
    folders: Vec<PathBuf>,
}

impl Added {
    /// Moves it back, to be removed with the staging.
    fn take_back(&self) {
        for (from, to) in self.moved.iter().rev() {
            let _ = fs::rename(to, from);
        }
        for folder in self.made.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// What is there already: where it lies, without links, and whether it is added to.
fn over(target: &Path, existing: Existing) -> Result<(PathBuf, bool)> {
    let failed = |error: io::Error| Error::io("write", target, &error);
    let shown = target.display();
    let folder = fs::canonicalize(target).map_err(failed)?;
    if !fs::metadata(&folder).map_err(failed)?.is_dir() {
        return Err(Error::usage(format!("'{shown}' is a file, and a folder is to be written"))
            .with_hint("PARTITION_BY, FILE_SIZE_BYTES and ROWS_PER_FILE write folders: name another path"));
    }
    let has_content = has_content(&folder).map_err(failed)?;
    match existing {
        Existing::Error if has_content => {
            Err(Error::usage(format!("'{shown}' exists already and is not empty")).with_hint(
                "add files to it by existing 'append' (APPEND), replace it by existing 'overwrite' (OVERWRITE), or write \
                 elsewhere",
            ))
        }
        Existing::Overwrite if has_content => {
            check_replaceable(&folder)?;
            Ok((folder, false))
        }
        _ => Ok((folder, true)),
    }
}

fn came_meanwhile(target: &Path) -> Error {
    Error::usage(format!("'{}' has come to exist while it was being written", target.display()))
        .with_hint("write again, with existing 'append' (APPEND) to add to it, or to another place")
}

/// Gives files the names that they will have, in a staging: then the folder becomes the target at once.
fn finish_names(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            finish_names(&path)?;
        } else {
            fs::rename(&path, finished(&path))?;
        }
    }
    Ok(())
}

/// Whether there is anything in a folder but hidden things.
fn has_content(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if !entry?.file_name().as_encoded_bytes().starts_with(b".") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks that a folder holds data and nothing else, since all of it goes when it is replaced.
fn check_replaceable(folder: &Path) -> Result<()> {
    let failed = |error: io::Error| Error::io("read the folder", folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        let is_leftover = is_staging(&name) || (name.starts_with('.') && name.contains(".tmp-"));
        if kind.is_dir() && !name.starts_with('.') {
            check_replaceable(&path)?;
        } else if !(is_leftover
            || MARKERS.contains(&&*name)
            || (kind.is_file() && DATA_ENDINGS.contains(&ending.as_str())))
        {
            return Err(Error::usage(format!(
                "'{}' is no file of data, and would be lost with its folder",
                path.display()
            ))
            .with_hint("take it away to replace the folder, or write elsewhere"));
        }
    }
    Ok(())
}
