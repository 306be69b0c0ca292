//! Where the files of a conversion lie: outputs, the manifest beside them, and the room in which they are made, which one
//! process has at a time.
//!
//! | | a folder `out` | one file `out.parquet` |
//! | --- | --- | --- |
//! | outputs | in `out` | `out.parquet` |
//! | manifest | `_out.manifest.jsonl` | `_out.parquet.manifest.jsonl` |
//! | room | `out/_highwater` | `_out.parquet.highwater` |
//!
//! The manifest lies beside the folder and not in it, since some readers want to read every file of a folder, whatever it
//! is called; names that start with `_` are left out by most. The room is on the file system of the outputs, so that files
//! can be renamed from it, and is gone when nothing is to be gone on with.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

use crate::error::{Error, Result};
use crate::io::write::atomic::{remove_leftovers, sync_folder_of};

/// Where things lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The folder or file, as the user named it.
    pub shown: PathBuf,
    /// The folder that the paths of outputs start from.
    pub root: PathBuf,
    /// The name of the one output; `None` where there may be many.
    pub file: Option<PathBuf>,
    /// What was converted to what.
    pub manifest: PathBuf,
    /// The folder for what is not complete.
    room: PathBuf,
}

impl Place {
    /// The place of the outputs in a folder, or of one file.
    ///
    /// # Errors
    /// A usage error for a path that names nothing.
    pub fn new(output: &Path, is_file: bool, manifest: Option<&Path>) -> Result<Self> {
        let whole = absolute(output).map_err(|error| Error::io("find", output, &error))?;
        // Links are followed, so that what they point at is replaced and not they.
        let whole = whole.canonicalize().unwrap_or(whole);
        let (Some(folder), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(Error::usage(format!("'{}' cannot be the output of a conversion", output.display()))
                .with_hint("name a folder in it"));
        };
        let beside = |ending: &str| {
            let mut beside = std::ffi::OsString::from("_");
            beside.push(name);
            beside.push(ending);
            folder.join(beside)
        };
        let manifest = match manifest {
            Some(path) => absolute(path).map_err(|error| Error::io("find", path, &error))?,
            None => beside(".manifest.jsonl"),
        };
        let (root, file, room) = match is_file {
            true => (folder.to_path_buf(), Some(PathBuf::from(name)), beside(".highwater")),
            false => (whole.clone(), None, whole.join("_highwater")),
        };
        Ok(Self { shown: output.to_path_buf(), root, file, manifest, room })
    }

    /// An output as the user would name it.
    pub fn show(&self, output: &Path) -> PathBuf {
        if self.file.is_some() { self.shown.clone() } else { self.shown.join(output) }
    }

    /// Where files lie that are made, or complete but not to be seen yet, by the paths that they will have.
    pub fn staging(&self) -> PathBuf {
        self.room.join("new")
    }

    /// Where an output lies until it is to be seen: under no ending that somebody looks for below the folder.
    pub fn staged(&self, output: &Path) -> PathBuf {
        let mut name = output.as_os_str().to_os_string();
        name.push(".part");
        self.staging().join(name)
    }

    /// What is written about files that are not to be seen yet.
    pub fn journal(&self) -> PathBuf {
        self.room.join("new.jsonl")
    }

    /// Removes manifests and journals that a process was writing when it was killed. For who has the place.
    pub fn remove_leftovers(&self) {
        for written in [&self.manifest, &self.journal()] {
            if let (Some(folder), Some(name)) = (written.parent(), written.file_name()) {
                remove_leftovers(folder, |target| name == target, true);
            }
        }
    }

    /// Whether a path is that of a file which is being made.
    pub fn is_in_room(&self, path: &Path) -> bool {
        path.starts_with(&self.room)
    }
}

/// The right to write to a place. Nobody else has it until this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    place: Place,
    lock: PathBuf,
    /// Locked for as long as it is open.
    held: File,
    /// Folders that were not there before, innermost first.
    made: Vec<PathBuf>,
}

impl Room {
    /// Takes the place, whose folders are made.
    ///
    /// # Errors
    /// A usage error where another process has it; a data error where nothing can be written there.
    pub fn enter(place: &Place) -> Result<Self> {
        let lock = place.room.join("lock");
        let mut made = Vec::new();
        loop {
            made.splice(0..0, make_folders(&place.room)?);
            let held = match File::options().read(true).write(true).create(true).truncate(false).open(&lock) {
                Ok(held) => held,
                // Another process has left and taken the folder with it.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("write", &lock, &error)),
            };
            let mut room = Self { place: place.clone(), lock: lock.clone(), held, made: Vec::new() };
            if !room.lock()? {
                continue;
            }
            room.made = made;
            return Ok(room);
        }
    }

    /// Whether the lock was taken; not, where its file was removed meanwhile.
    fn lock(&mut self) -> Result<bool> {
        let held = &mut self.held;
        match held.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = held.read_to_string(&mut holder).is_ok() && !holder.is_empty();
                let holder = if known { format!(" (process {})", holder.trim()) } else { String::new() };
                // The file is the other's.
                self.lock = PathBuf::new();
                return Err(Error::usage(format!(
                    "another conversion{holder} is writing to '{}'",
                    self.place.shown.display()
                ))
                .with_hint("wait until it is done, or write elsewhere"));
            }
            // A file system without locks.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &self.lock, &error)),
        }
        let same = |ours: fs::Metadata, there: fs::Metadata| (ours.dev(), ours.ino()) == (there.dev(), there.ino());
        let is_there = held.metadata().and_then(|ours| Ok(same(ours, fs::metadata(&self.lock)?))).unwrap_or(false);
        if !is_there {
            self.lock = PathBuf::new();
            return Ok(false);
        }
        let told = held.set_len(0).and_then(|()| write!(held, "{}", std::process::id()));
        told.map_err(|error| Error::io("write", &self.lock, &error))?;
        Ok(true)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.lock.as_os_str().is_empty() {
            return;
        }
        // What a process leaves that cannot remove it is taken by the next one. Only empty folders go.
        remove_empty(&self.place.staging());
        let _ = fs::remove_file(&self.lock);
        let _ = fs::remove_dir(&self.place.room);
        self.made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

/// Makes a folder and those above it; the answer is which were not there, innermost first.
pub(super) fn make_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    fs::create_dir_all(folder).map_err(|error| Error::io("make", folder, &error))?;
    // What lies in them is not to be lost with their names.
    missing.iter().try_for_each(|folder| sync_folder_of(folder))?;
    Ok(missing)
}

/// Removes all files below a folder but some, and folders that are empty then.
///
/// # Errors
/// Where the folder cannot be read or a file not be removed.
pub(super) fn sweep(folder: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read the folder", folder, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("read the folder", folder, &error))?;
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sweep(&path, keep)?;
        } else if !keep(&path) {
            fs::remove_file(&path).map_err(|error| Error::io("remove", &path, &error))?;
        }
    }
    let _ = fs::remove_dir(folder);
    Ok(())
}

fn remove_empty(folder: &Path) {
    // Nothing is removed but folders, and what fails is left to the next one.
    let _ = sweep(folder, &|_| true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_by_one_at_a_time_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/out");
        let place = Place::new(&out, false, None).unwrap();
        let room = Room::enter(&place).unwrap();
        let error = Room::enter(&place).unwrap_err();
        assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
        assert_eq!(error.exit_code(), 2);
        drop(room);
        assert!(!dir.path().join("a").exists());
        drop(Room::enter(&place).unwrap());
    }

    #[test]
    fn a_lock_that_a_killed_process_left_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path(), false, None).unwrap();
        fs::create_dir_all(&place.room).unwrap();
        fs::write(place.room.join("lock"), "999999999").unwrap();
        let room = Room::enter(&place).unwrap();
        assert_eq!(fs::read_to_string(&room.lock).unwrap(), std::process::id().to_string());
    }

    #[test]
    fn places_are_beside_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let one = Place::new(&root.join("x.parquet"), true, None).unwrap();
        assert_eq!(one.manifest, root.join("_x.parquet.manifest.jsonl"));
        assert_eq!((one.root, one.file), (root.clone(), Some("x.parquet".into())));
        let many = Place::new(&root.join("out/"), false, None).unwrap();
        assert_eq!((many.manifest, many.room), (root.join("_out.manifest.jsonl"), root.join("out/_highwater")));
        assert!(Place::new(Path::new("/"), false, None).is_err());
    }

    #[test]
    fn sweeping_keeps_what_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("x/y")).unwrap();
        fs::write(dir.path().join("x/y/a"), "").unwrap();
        fs::write(dir.path().join("x/b"), "").unwrap();
        sweep(&dir.path().join("x"), &|path| path.ends_with("b")).unwrap();
        assert!(dir.path().join("x/b").exists() && !dir.path().join("x/y").exists());
    }
}
