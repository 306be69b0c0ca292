//! Files that appear whole or not at all: written under a hidden name beside the target, made durable, then renamed.

use std::fs::TryLockError::WouldBlock;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::output::write_error;
use super::staging::rename_new;
use crate::error::{Error, Result};

/// Bytes gathered before the system is asked to write.
const BUFFER_BYTES: usize = 256 << 10;

/// What to do about a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse.
    #[default]
    Error,
    /// Replace it, once the new one is whole.
    Overwrite,
    /// Of a folder: add files under new names, and touch none that are there.
    Append,
    /// Of a folder: replace files of the same names, and leave the others.
    Replace,
}

impl Existing {
    /// Reads `error`, `overwrite`, `append` or `overwrite_or_ignore`.
    ///
    /// # Errors
    /// A usage error for anything else.
    pub fn from_name(name: &str) -> Result<Self> {
        match name.to_ascii_lowercase().as_str() {
            "error" => Ok(Self::Error),
            "overwrite" => Ok(Self::Overwrite),
            "append" => Ok(Self::Append),
            "overwrite_or_ignore" => Ok(Self::Replace),
            _ => Err(Error::usage(format!("'{name}' is no answer to files that exist"))
                .with_hint("write error, overwrite, append or overwrite_or_ignore")),
        }
    }
}

impl Existing {
    /// Whether a file that is there stays.
    fn keeps(self) -> bool {
        matches!(self, Self::Error | Self::Append)
    }
}

/// Checks that a file may be made at `target`, and says where it will lie: links are followed, so that what they point
/// at is replaced and not they.
///
/// # Errors
/// A usage error where the target exists and may not be replaced, is no regular file, or its folder is missing.
pub fn check_target(target: &Path, existing: Existing) -> Result<PathBuf> {
    let shown = target.display();
    if target.file_name().is_none() {
        return Err(Error::usage(format!("'{shown}' names no file")));
    }
    let found = match fs::symlink_metadata(target) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = folder_of(target);
            if folder.is_dir() {
                return Ok(target.to_path_buf());
            }
            return Err(Error::usage(format!("cannot write '{shown}': there is no folder '{}'", folder.display()))
                .with_hint("make the folder first"));
        }
        Err(error) => return Err(Error::io("write", target, &error)),
    };
    let resolved = if found.is_symlink() {
        fs::canonicalize(target).map_err(|error| Error::io("follow the link", target, &error))?
    } else {
        target.to_path_buf()
    };
    let metadata = fs::metadata(&resolved).map_err(|error| Error::io("write", target, &error))?;
    if metadata.is_dir() {
        return Err(Error::usage(format!("cannot write '{shown}': it is a folder")).with_hint("name a file in it"));
    }
    if !metadata.is_file() {
        return Err(Error::usage(format!("cannot write '{shown}': it is no regular file"))
            .with_hint("write to standard output and redirect it"));
    }
    if existing.keeps() {
        return Err(exists(target));
    }
    Ok(resolved)
}

fn exists(target: &Path) -> Error {
    Error::usage(format!("'{}' exists already", target.display()))
        .with_hint("replace it by --existing overwrite (in COPY: existing 'overwrite'), or write elsewhere")
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("."),
    }
}

/// A file under construction. Dropped before [`commit`](Self::commit), it leaves nothing.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    temporary: PathBuf,
    existing: Existing,
    /// Open until the file is whole.
    file: Option<File>,
    committed: bool,
}

impl AtomicFile {
    /// Begins a file. Its temporary name begins with a dot, so that globs do not find it.
    ///
    /// # Errors
    /// As [`check_target`], and where the folder cannot be written.
    pub fn create(target: &Path, existing: Existing) -> Result<Self> {
        let target = check_target(target, existing)?;
        let folder = folder_of(&target);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        // Another task of this process may be writing to the same target.
        let mut number = 0;
        let (temporary, file) = loop {
            let temporary = folder.join(format!(".{name}.tmp-{}-{number}", std::process::id()));
            match File::options().write(true).create_new(true).open(&temporary) {
                Ok(file) => break (temporary, file),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io("write", &target, &error)),
            }
        };
        // Tells others that somebody is at it; not every file system can.
        let _ = file.try_lock();
        let created = Self { target, temporary, existing, file: Some(file), committed: false };
        // A file that is replaced keeps its permissions.
        if let Ok(replaced) = fs::metadata(&created.target)
            && let Some(file) = &created.file
        {
            file.set_permissions(replaced.permissions())
                .map_err(|error| Error::io("write", &created.target, &error))?;
        }
        Ok(created)
    }

    /// Where the file will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// A buffered way into the file; it must be flushed before the file is made whole.
    ///
    /// # Errors
    /// Where the process has too many files open.
    pub fn writer(&self) -> Result<Box<dyn Write + Send>> {
        let file = match &self.file {
            Some(file) => file.try_clone().map_err(|error| write_error(&self.target, &error))?,
            None => return Err(Error::internal("a file that is whole cannot be written")),
        };
        Ok(Box::new(BufWriter::with_capacity(BUFFER_BYTES, file)))
    }

    /// All is written: makes it durable and closes the file, which keeps its temporary name.
    ///
    /// # Errors
    /// Where the disk is full or fails.
    pub fn seal(&mut self) -> Result<()> {
        match self.file.take() {
            Some(file) => file.sync_all().map_err(|error| write_error(&self.target, &error)),
            None => Ok(()),
        }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// Where the target has come to exist meanwhile and may not be replaced, or the disk fails.
    pub fn commit(mut self) -> Result<()> {
        self.seal()?;
        self.rename().map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => exists(&self.target),
            _ => write_error(&self.target, &error),
        })?;
        self.committed = true;
        sync_folder_of(&self.target)
    }

    fn rename(&self) -> io::Result<()> {
        if self.existing.keeps() {
            rename_new(&self.temporary, &self.target)
        } else {
            fs::rename(&self.temporary, &self.target)
        }
    }
}

/// Makes names in the folder of a file durable: without this, one could be lost in a power cut, though not the bytes.
///
/// # Errors
/// Where the disk fails.
pub fn sync_folder_of(target: &Path) -> Result<()> {
    File::open(folder_of(target)).and_then(|folder| folder.sync_all()).map_err(|error| write_error(target, &error))
}

/// Removes what a process that was killed while it wrote a file left beside it.
pub fn remove_leftovers_of(target: &Path) {
    if let Some(name) = target.file_name() {
        remove_leftovers(folder_of(target), |meant| name == meant, false);
    }
}

/// Removes what processes that were killed left in a folder: temporary files of files whose names are meant. Those of
/// processes that live stay, unless the caller knows that nobody else writes such files.
pub fn remove_leftovers(folder: &Path, is_meant: impl Fn(&str) -> bool, is_alone: bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.strip_prefix('.')?.rsplit_once(".tmp-"));
        let Some((target, (process, _))) = parts.and_then(|(target, by)| Some((target, by.split_once('-')?))) else {
            continue;
        };
        // The number may be used again, or be that of a process elsewhere; the lock is gone once a file is written.
        let is_free = || File::open(entry.path()).is_ok_and(|file| !matches!(file.try_lock(), Err(WouldBlock)));
        if is_meant(target) && (is_alone || (!is_alive(process) && is_free())) {
            // A hidden file that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether there is a process of that number.
pub(super) fn is_alive(process: &str) -> bool {
    process.parse::<u32>().is_ok() && Path::new("/proc").join(process).exists()
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to tell; a hidden file that cannot be removed is the least of such a disk's problems.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn put(file: &AtomicFile, text: &str) {
        let mut writer = file.writer().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    #[test]
    fn a_dropped_file_leaves_nothing_and_a_committed_one_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.csv");
        let file = AtomicFile::create(&target, Existing::Error).unwrap();
        put(&file, "half");
        assert!(names(dir.path())[0].starts_with(".out.csv.tmp-"), "hidden from globs");
        drop(file);
        assert!(names(dir.path()).is_empty());
        let file = AtomicFile::create(&target, Existing::Error).unwrap();
        put(&file, "whole");
        file.commit().unwrap();
        assert_eq!(names(dir.path()), ["out.csv"]);
        assert_eq!(fs::read_to_string(&target).unwrap(), "whole");
    }

    #[test]
    fn leftovers_of_processes_that_are_gone_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let own = format!(".a.csv.tmp-{}-0", std::process::id());
        for name in [".a.csv.tmp-999999999-0", &own, ".b.csv.tmp-999999999-1", ".a.csv", "a.csv"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_leftovers(dir.path(), |name| name == "a.csv", false);
        assert_eq!(names(dir.path()), [".a.csv", own.as_str(), ".b.csv.tmp-999999999-1", "a.csv"]);
        remove_leftovers(dir.path(), |name| name == "a.csv", true);
        assert_eq!(names(dir.path()), [".a.csv", ".b.csv.tmp-999999999-1", "a.csv"]);
    }

    #[test]
    fn what_a_killed_process_left_beside_a_target_is_removed_but_not_what_is_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.csv");
        let dead = dir.path().join(".a.csv.tmp-999999999-0");
        fs::write(&dead, "half").unwrap();
        // As if the process were one that cannot be seen from here.
        let file = AtomicFile::create(&target, Existing::Error).unwrap();
        let elsewhere = dir.path().join(".a.csv.tmp-999999998-0");
        fs::rename(&file.temporary, &elsewhere).unwrap();
        remove_leftovers_of(&target);
        assert_eq!(names(dir.path()), [".a.csv.tmp-999999998-0"]);
        drop(file);
        fs::rename(&elsewhere, &dead).unwrap();
        remove_leftovers_of(&target);
        assert_eq!(names(dir.path()), [""; 0]);
    }

    #[test]
    fn an_existing_file_is_refused_or_replaced_only_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.csv");
        fs::write(&target, "old").unwrap();
        let error = AtomicFile::create(&target, Existing::Error).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--existing overwrite"), "{error}");
        let file = AtomicFile::create(&target, Existing::Overwrite).unwrap();
        put(&file, "new");
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn a_file_that_came_to_exist_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.csv");
        let file = AtomicFile::create(&target, Existing::Error).unwrap();
        put(&file, "ours");
        fs::write(&target, "theirs").unwrap();
        assert!(file.commit().unwrap_err().to_string().contains("exists already"));
        assert_eq!(names(dir.path()), ["out.csv"]);
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
    }

    #[test]
    fn targets_that_are_no_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for target in [dir.path(), &dir.path().join("missing/out.csv"), Path::new("/dev/null"), Path::new("/")] {
            let error = AtomicFile::create(target, Existing::Overwrite).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        let link = dir.path().join("link");
        fs::write(dir.path().join("real"), "old").unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        let file = AtomicFile::create(&link, Existing::Overwrite).unwrap();
        put(&file, "new");
        file.commit().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&link).unwrap(), "new");
    }
}
