//! A folder of files that appears whole or not at all: built under a hidden name, made durable, then put into its place.
//!
//! A folder that is not there yet, or is replaced, is built beside its place and takes it in one step. Where files are added to
//! one, they are built in a hidden folder within, and moved when all are complete; folders of partitions that are new
//! are moved as a whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::super::Existing;
use super::super::output::write_error;
use crate::error::{Error, Result};

/// Endings of files that a folder may have that is replaced: what else there is may be somebody's only copy.
const DATA_ENDINGS: [&str; 22] = [
    "parquet", "pq", "parq", "csv", "tsv", "tab", "txt", "json", "jsonl", "ndjson", "arrow", "ipc", "feather", "orc",
    "avro", "gz", "zst", "lz4", "bz2", "xz", "snappy", "crc",
];
/// What other tools put beside data.
const MARKERS: [&str; 4] = ["_SUCCESS", "_metadata", "_common_metadata", "_delta_log"];

/// A folder under construction. Dropped before [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub(super) struct Staging {
    target: PathBuf,
    /// Where files are written.
    root: PathBuf,
    existing: Existing,
    /// Whether the root lies within the target, which stays.
    within: bool,
    /// Folders above the target that were made for it, innermost first.
    made: Vec<PathBuf>,
    committed: bool,
}

impl Staging {
    /// Begins a folder.
    pub fn begin(target: &Path, existing: Existing) -> Result<Self> {
        match fs::symlink_metadata(target) {
            Ok(_) => Self::over(target, existing),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let Some(name) = target.file_name() else {
                    return Err(Error::usage(format!("'{}' names no folder", target.display())));
                };
                let parent = parent_of(target);
                let made = make_folders(parent)?;
                let root = hidden(parent, &name.to_string_lossy(), target);
                let staging = |root| Self {
                    target: target.to_path_buf(),
                    root,
                    existing,
                    within: false,
                    made: made.clone(),
                    committed: false,
                };
                root.map(staging).inspect_err(|_| remove_empty(&made))
            }
            Err(error) => Err(Error::io("write", target, &error)),
        }
    }

    /// Begins what is added to a folder, or replaces it.
    fn over(target: &Path, existing: Existing) -> Result<Self> {
        let failed = |error: io::Error| Error::io("write", target, &error);
        let shown = target.display();
        let folder = fs::canonicalize(target).map_err(failed)?;
        let metadata = fs::metadata(&folder).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(Error::usage(format!("'{shown}' is a file, and a folder is to be written"))
                .with_hint("PARTITION_BY, FILE_SIZE_BYTES and ROWS_PER_FILE write folders: name another path"));
        }
        let has_content = has_content(&folder).map_err(failed)?;
        if has_content && existing == Existing::Error {
            return Err(exists(target));
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let (root, within) = if has_content && existing == Existing::Overwrite {
            check_replaceable(&folder)?;
            let parent = parent_of(&folder);
            // Only within one file system can a folder take the place of another.
            if fs::metadata(parent).map_err(failed)?.dev() != metadata.dev() {
                return Err(Error::usage(format!("'{shown}' is a file system of its own and cannot be replaced"))
                    .with_hint("write to a folder in it"));
            }
            let root = hidden(parent, &name, target)?;
            fs::set_permissions(&root, metadata.permissions()).map_err(failed)?;
            (root, false)
        } else {
            (hidden(&folder, &name, target)?, true)
        };
        Ok(Self { target: folder, root, existing, within, made: Vec::new(), committed: false })
    }

    /// Where a file is written that will lie at a path below the target.
    pub fn place(&self, below: &Path) -> PathBuf {
        self.root.join(below)
    }

    /// Where it will be.
    pub fn final_place(&self, below: &Path) -> PathBuf {
        self.target.join(below)
    }

    /// Whether a file at a path below the target is there that stays.
    pub fn is_taken(&self, below: &Path) -> bool {
        self.within && self.existing != Existing::Replace && self.target.join(below).exists()
    }

    /// Puts all files into their place.
    pub fn commit(mut self) -> Result<()> {
        if self.within {
            let mut moved = Vec::new();
            let placed = move_all(&self.root, &self.target, self.existing, &mut moved);
            if let Err((place, error)) = placed {
                // What is moved back is removed with the root.
                for (from, to) in moved.iter().rev() {
                    let _ = fs::rename(to, from);
                }
                return Err(if error.kind() == ErrorKind::AlreadyExists {
                    exists(&place)
                } else {
                    write_error(&place, &error)
                });
            }
            self.committed = true;
            // Nothing of worth is left in it.
            let _ = fs::remove_dir_all(&self.root);
        } else {
            self.take_place()?;
        }
        make_durable(parent_of(&self.target)).map_err(|error| write_error(&self.target, &error))
    }

    /// The root becomes the target.
    fn take_place(&mut self) -> Result<()> {
        let failed = |error: io::Error| write_error(&self.target, &error);
        if self.existing != Existing::Overwrite || fs::symlink_metadata(&self.target).is_err() {
            match rename(&self.root, &self.target, RenameFlags::NOREPLACE) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(exists(&self.target)),
                renamed => renamed.map_err(failed)?,
            }
            self.committed = true;
            return Ok(());
        }
        // Once more: somebody may have put something there meanwhile.
        check_replaceable(&self.target)?;
        let old = match renameat_with(CWD, &self.root, CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => self.root.clone(),
            // Not every file system can; then there is a moment without either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let mut old = self.root.clone().into_os_string();
                old.push("-old");
                let old = PathBuf::from(old);
                fs::rename(&self.target, &old).map_err(failed)?;
                if let Err(error) = fs::rename(&self.root, &self.target) {
                    let _ = fs::rename(&old, &self.target);
                    return Err(failed(error));
                }
                old
            }
            Err(error) => return Err(failed(error.into())),
        };
        self.committed = true;
        if let Err(error) = fs::remove_dir_all(&old) {
            tracing::warn!("'{}', which was replaced, cannot be removed: {error}", old.display());
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to tell; the next one to write takes another name.
            let _ = fs::remove_dir_all(&self.root);
            remove_empty(&self.made);
        }
    }
}

/// Moves what is in a folder to another one; the error is of that path.
fn move_all(
    from: &Path,
    to: &Path,
    existing: Existing,
    moved: &mut Vec<(PathBuf, PathBuf)>,
) -> Result<(), (PathBuf, io::Error)> {
    let at = |place: &Path| {
        let place = place.to_path_buf();
        move |error| (place, error)
    };
    for entry in fs::read_dir(from).map_err(at(from))? {
        let name = entry.map_err(at(from))?.file_name();
        let (source, place) = (from.join(&name), to.join(&name));
        if source.is_dir() && place.is_dir() {
            move_all(&source, &place, existing, moved)?;
            continue;
        }
        if existing == Existing::Replace && source.is_file() {
            fs::rename(&source, &place).map_err(at(&place))?;
        } else {
            rename(&source, &place, RenameFlags::NOREPLACE).map_err(at(&place))?;
            moved.push((source, place));
        }
    }
    Ok(())
}

/// Renames without replacing, also where the file system cannot check and rename in one step.
fn rename(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, flags) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if fs::symlink_metadata(to).is_ok() => {
            Err(ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

fn exists(target: &Path) -> Error {
    Error::usage(format!("'{}' exists already and is not empty", target.display())).with_hint(
        "add files to it by existing 'append' (APPEND), replace it by existing 'overwrite' (OVERWRITE), or write elsewhere",
    )
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
        let is_leftover = name.starts_with('.') && name.contains(".tmp-");
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

/// Makes a hidden folder that nobody else has.
fn hidden(folder: &Path, name: &str, target: &Path) -> Result<PathBuf> {
    let mut number = 0;
    loop {
        let path = folder.join(format!(".{name}.tmp-{}-{number}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io("write", target, &error)),
        }
    }
}

/// Makes a folder and those above it; the answer is which were not there, innermost first.
fn make_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
    Ok(missing)
}

fn remove_empty(folders: &[PathBuf]) {
    for folder in folders {
        let _ = fs::remove_dir(folder);
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes all that lies on the file system of a folder durable: one call for any number of small files.
#[cfg(target_os = "linux")]
pub(super) fn make_durable(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Makes the names in a folder durable; files are made so one by one.
#[cfg(not(target_os = "linux"))]
pub(super) fn make_durable(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
