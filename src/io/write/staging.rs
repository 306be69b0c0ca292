//! Where files lie while they are made: a folder beside the file or folder that they are for, on the same file system, which
//! one process has at a time. Its name begins with a dot and the files in it end in `.part`, so that no pattern that means
//! data finds them.
//!
//! | for `out` | | goes |
//! | --- | --- | --- |
//! | `.out.highwater-PID-N` | of one statement | with the statement; if its process was killed, with the next one that writes beside it |
//! | `.out.highwater` | of the conversions to `out` | when nothing in it is to be gone on with |
//!
//! In each, `lock` is locked by whoever works in it, and `new` holds the files, by the paths that they will have. In `old`
//! lies for a moment the folder that is replaced, on file systems that cannot exchange two: there it is its only copy. Only
//! where `out` is a file system of its own, or the folder around it may not be written, a staging lies within.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, CWD, RenameFlags, access, renameat_with};
use rustix::io::Errno;

use super::atomic::is_alive;
use crate::error::{Error, Result};

/// What files end in that are not complete, or not to be seen yet.
const UNFINISHED: &str = ".part";
/// What the names of stagings have behind those of their targets.
const MARK: &str = ".highwater";
/// Bytes of a target's name that are a part of the name of its staging.
const LONGEST_NAME: usize = 180;
/// Names of so many folders are made durable one by one; of more of them all together.
const SYNCED_ALONE: usize = 32;

/// A folder for files in the making, which is ours. Dropped, it is gone, but for what a conversion goes on with.
#[derive(Debug)]
pub struct Staging {
    root: PathBuf,
    /// What it is for.
    target: PathBuf,
    /// Locked for as long as it is open.
    held: File,
    /// Folders above that were not there before, innermost first.
    made: Vec<PathBuf>,
    /// Whether files in it outlive it.
    keeps: bool,
}

/// What becomes of an attempt to enter a staging.
#[derive(Debug)]
pub enum Entry {
    /// It is ours.
    Ours(Staging),
    /// Another process has it; its number, where it is known.
    Taken(Option<String>),
}

impl Staging {
    /// Where the staging of a target lies whose files outlive the process; links in the path are followed already.
    pub fn kept_for(target: &Path) -> PathBuf {
        home_of(target).join(format!("{}{MARK}", prefix_of(target)))
    }

    /// Enters the staging of a target that is [kept](Self::kept_for), and makes it where there is none.
    ///
    /// # Errors
    /// A data error where nothing can be written there.
    pub fn enter(target: &Path) -> Result<Entry> {
        Self::enter_as(&Self::kept_for(target), target, true)
    }

    /// A staging of its own for one statement that writes to a target. Those that processes left behind which were killed
    /// are removed from the same folder.
    ///
    /// # Errors
    /// A data error where nothing can be written there.
    pub fn begin(target: &Path) -> Result<Self> {
        let home = home_of(target);
        remove_dead(&home);
        let (prefix, process) = (prefix_of(target), std::process::id());
        let mut number = 0;
        loop {
            let root = home.join(format!("{prefix}{MARK}-{process}-{number}"));
            number += 1;
            if fs::symlink_metadata(&root).is_ok() {
                continue;
            }
            if let Entry::Ours(staging) = Self::enter_as(&root, target, false)? {
                let new = staging.new_files();
                fs::create_dir_all(&new).map_err(|error| Error::io("write", target, &error))?;
                return Ok(staging);
            }
        }
    }

    /// The folder of the files, by the paths that they will have.
    pub fn new_files(&self) -> PathBuf {
        new_files(&self.root)
    }

    /// The staging itself, for what is no file in the making.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it lies within a folder.
    pub fn is_within(&self, folder: &Path) -> bool {
        self.root.starts_with(folder)
    }

    fn enter_as(root: &Path, target: &Path, keeps: bool) -> Result<Entry> {
        let failed = |error: io::Error| Error::io("write", target, &error);
        let lock = lock_of(root);
        let mut made = Vec::new();
        loop {
            made.splice(0..0, make_missing(root).map_err(failed)?);
            let mut held = match File::options().read(true).write(true).create(true).truncate(false).open(&lock) {
                Ok(held) => held,
                // Another process has left and taken the folder with it.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            match held.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Entry::Taken(holder(&mut held))),
                // A file system without locks.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(Error::io("lock", &lock, &error)),
            }
            if !is_same_file(&held, &lock) {
                // It was removed meanwhile.
                continue;
            }
            let told = held.set_len(0).and_then(|()| write!(held, "{}", std::process::id()));
            told.map_err(failed)?;
            made.retain(|folder| folder != root);
            return Ok(Entry::Ours(Self { root: root.to_path_buf(), target: target.to_path_buf(), held, made, keeps }));
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let lock = lock_of(&self.root);
        if !is_same_file(&self.held, &lock) {
            return;
        }
        // What cannot be removed is left to the next one.
        if self.keeps {
            // Folders only, and of these the empty ones.
            let _ = sweep(&new_files(&self.root), &|_| true);
            let _ = fs::remove_file(lock);
            let _ = fs::remove_dir(&self.root);
        } else if put_back(&self.root, Some(&self.target)) {
            let _ = fs::remove_dir_all(&self.root);
        }
        self.made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

/// The folder of the files of a staging.
pub fn new_files(root: &Path) -> PathBuf {
    root.join("new")
}

/// Where what is replaced lies, on file systems that cannot exchange it with what replaces it.
pub(super) fn old_files(root: &Path) -> PathBuf {
    root.join("old")
}

/// The name of a file until it is complete and to be seen.
pub fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(UNFINISHED);
    name.into()
}

/// The name that a file will have: without the ending of those that are not complete.
pub(super) fn finished(name: &Path) -> PathBuf {
    if name.extension().is_some_and(|ending| ending == &UNFINISHED[1..]) {
        name.with_extension("")
    } else {
        name.to_path_buf()
    }
}

/// Whether a name is that of a staging.
pub(super) fn is_staging(name: &str) -> bool {
    name.starts_with('.') && name.contains(MARK)
}

fn lock_of(root: &Path) -> PathBuf {
    root.join("lock")
}

/// The folder that stagings of a target lie in.
fn home_of(target: &Path) -> PathBuf {
    let around = parent_of(target);
    let apart = |own: fs::Metadata, around: fs::Metadata| own.is_dir() && own.dev() != around.dev();
    let is_apart = fs::metadata(target).and_then(|own| Ok(apart(own, fs::metadata(around)?))).unwrap_or(false);
    let is_closed = || target.is_dir() && access(around, Access::WRITE_OK).is_err();
    if is_apart || is_closed() { target.to_path_buf() } else { around.to_path_buf() }
}

/// What the names of stagings of a target begin with: a long name is cut, and told from others by its checksum.
fn prefix_of(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default();
    let text = name.to_string_lossy();
    match name.to_str() {
        Some(whole) if whole.len() <= LONGEST_NAME => format!(".{whole}"),
        _ => {
            let head = &text[..text.floor_char_boundary(LONGEST_NAME)];
            format!(".{head}~{:08x}", crc32fast::hash(name.as_encoded_bytes()))
        }
    }
}

/// The name of the target whose staging's name begins so; `None` where it was cut, or is no text.
fn name_of(prefix: &str) -> Option<&str> {
    prefix.strip_prefix('.').filter(|name| name.len() <= LONGEST_NAME && !name.contains(char::REPLACEMENT_CHARACTER))
}

/// Gives a target back what was moved out of its place, where nothing took that. The answer is whether all else in the
/// staging may go: not where it is the only copy of something.
fn put_back(root: &Path, target: Option<&Path>) -> bool {
    let old = old_files(root);
    if !is_there(&old) {
        return true;
    }
    let Some(target) = target else { return false };
    if is_there(target) {
        return true;
    }
    match rename_new(&old, target) {
        Ok(()) => {
            let _ = File::open(parent_of(target)).and_then(|folder| folder.sync_all());
            true
        }
        Err(error) => {
            tracing::warn!("'{}' cannot be put back to '{}': {error}", old.display(), target.display());
            false
        }
    }
}

/// Whether there is something, or may be.
fn is_there(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Who says in a lock that it is theirs.
fn holder(lock: &mut File) -> Option<String> {
    let mut holder = String::new();
    let known = lock.read_to_string(&mut holder).is_ok();
    Some(holder.trim().to_string()).filter(|holder| known && !holder.is_empty())
}

fn is_same_file(held: &File, path: &Path) -> bool {
    let number = |meta: fs::Metadata| (meta.dev(), meta.ino());
    held.metadata().and_then(|ours| Ok(number(ours) == number(fs::metadata(path)?))).unwrap_or(false)
}

/// Removes the stagings of statements whose processes are no more. What one of them was replacing when it was killed gets
/// its name again.
fn remove_dead(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let parts = name.to_str().filter(|name| name.starts_with('.')).and_then(|name| name.rsplit_once(MARK));
        let Some((prefix, owner)) = parts else { continue };
        let Some((process, _)) = owner.strip_prefix('-').and_then(|owner| owner.split_once('-')) else { continue };
        let (root, is_number) = (entry.path(), |text: &str| text.parse::<u32>().is_ok());
        if !is_number(process) || !root.is_dir() {
            continue;
        }
        // One without a lock is just being made, or was being removed: whoever makes it looks whether it is still there.
        let lock = File::options().read(true).write(true).create(true).truncate(false).open(lock_of(&root));
        let Ok(lock) = lock else { continue };
        let is_dead = match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => !is_alive(process),
        };
        if !is_dead {
            continue;
        }
        let target = name_of(prefix).map(|name| folder.join(name));
        if !put_back(&root, target.as_deref()) {
            tracing::warn!("'{}' holds what a process was replacing when it was killed", old_files(&root).display());
        } else if let Err(error) = fs::remove_dir_all(&root) {
            tracing::debug!("'{}', which a process left that is no more, cannot be removed: {error}", root.display());
        }
    }
}

/// The folder around a path.
pub(super) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes a folder and those above it, durably; the answer is which were not there, innermost first.
///
/// # Errors
/// A data error where one cannot be made.
pub fn make_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    make_missing(folder).map_err(|error| Error::io("make", folder, &error))
}

fn make_missing(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
    fs::create_dir_all(folder)?;
    // What lies in them is not to be lost with their names. One that is gone already was made by somebody else, too.
    let mut made = missing.iter().filter(|folder| folder.exists());
    made.try_for_each(|folder| File::open(parent_of(folder))?.sync_all())?;
    Ok(missing)
}

/// Removes all files below a folder but some, and folders that are empty then.
///
/// # Errors
/// Where the folder cannot be read or a file not be removed.
pub fn sweep(folder: &Path, keep: &dyn Fn(&Path) -> bool) -> Result<()> {
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

/// Renames without replacing, also where the file system cannot check and rename in one step: then what comes to exist in
/// between is replaced.
///
/// # Errors
/// `AlreadyExists`, and all that renaming may meet.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if fs::symlink_metadata(to).is_ok() => {
            Err(ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

/// Makes the names in folders durable: the folders one by one where they are few, else the file system of `root`, on which
/// all are.
///
/// # Errors
/// Where the disk fails.
pub fn make_names_durable<'a>(root: &Path, folders: impl ExactSizeIterator<Item = &'a Path>) -> io::Result<()> {
    if folders.len() > SYNCED_ALONE && cfg!(target_os = "linux") {
        return make_durable(root);
    }
    let mut folders = folders;
    folders.try_for_each(|folder| File::open(folder)?.sync_all())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(entry: Entry) -> Staging {
        match entry {
            Entry::Ours(staging) => staging,
            Entry::Taken(holder) => panic!("taken by {holder:?}"),
        }
    }

    #[test]
    fn a_staging_is_entered_by_one_at_a_time_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a/out");
        let root = Staging::kept_for(&target);
        assert_eq!(root, dir.path().join("a/.out.highwater"));
        let staging = ours(Staging::enter(&target).unwrap());
        let Entry::Taken(holder) = Staging::enter(&target).unwrap() else { panic!("two have it") };
        assert_eq!(holder, Some(std::process::id().to_string()));
        drop(staging);
        assert!(!dir.path().join("a").exists());
        let staging = ours(Staging::enter(&target).unwrap());
        fs::create_dir_all(staging.new_files().join("x/empty")).unwrap();
        fs::write(staging.new_files().join("x/a.part"), "kept").unwrap();
        drop(staging);
        assert!(root.join("new/x/a.part").exists() && !root.join("new/x/empty").exists());
        assert!(!root.join("lock").exists());
    }

    #[test]
    fn a_lock_that_a_killed_process_left_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let root = Staging::kept_for(&target);
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("lock"), "999999999").unwrap();
        let staging = ours(Staging::enter(&target).unwrap());
        assert_eq!(fs::read_to_string(staging.root().join("lock")).unwrap(), std::process::id().to_string());
    }

    #[test]
    fn what_killed_statements_left_is_removed_by_the_next_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        // Numbers of processes are used again: it is the lock that tells.
        let dead = dir.path().join(format!(".other.highwater-{}-0", std::process::id()));
        fs::create_dir_all(dead.join("new/k=1")).unwrap();
        fs::write(dead.join("new/k=1/data_0.parquet.part"), "half").unwrap();
        for kept in [".out.highwater", ".mine.highwater-soon-1", "out.highwater-1-1"] {
            fs::create_dir_all(dir.path().join(kept)).unwrap();
        }
        let first = Staging::begin(&target).unwrap();
        let second = Staging::begin(&target).unwrap();
        assert!(!dead.exists() && first.root().exists() && second.root().exists());
        assert!(first.root().file_name().unwrap().to_str().unwrap().starts_with(".out.highwater-"));
        drop((first, second));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn what_a_killed_statement_was_replacing_was_removed_with_its_staging() {
        let dir = tempfile::tempdir().unwrap();
        let dead = |target: &Path| {
            let root = dir.path().join(format!("{}{MARK}-999999999-0", prefix_of(target)));
            for (folder, text) in [("new", "new"), ("old", "old")] {
                fs::create_dir_all(root.join(folder)).unwrap();
                fs::write(root.join(folder).join("a.csv"), text).unwrap();
            }
            root
        };
        let text = |target: &Path| fs::read_to_string(target.join("a.csv")).unwrap();
        // Between the names: there is neither.
        let between = dir.path().join("between");
        let killed = dead(&between);
        // Behind both: what is there is what was written.
        let behind = dir.path().join("behind");
        fs::create_dir(&behind).unwrap();
        fs::write(behind.join("a.csv"), "new").unwrap();
        let killed_later = dead(&behind);
        // Whose it is, its name does not tell.
        let long = dead(&dir.path().join("x".repeat(200)));
        let kept = Staging::begin(&dir.path().join("out")).unwrap();
        assert_eq!((text(&between), text(&behind)), ("old".to_string(), "new".to_string()));
        assert!(!killed.exists() && !killed_later.exists());
        assert_eq!(text(&long.join("old")), "old");
        drop(kept);
        assert!(!dir.path().join("x".repeat(200)).exists());
    }

    #[test]
    fn what_could_not_take_its_place_gave_that_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("y".repeat(200));
        let staging = Staging::begin(&target).unwrap();
        fs::create_dir(old_files(staging.root())).unwrap();
        let root = staging.root().to_path_buf();
        drop(staging);
        assert!(target.is_dir() && !root.exists());
    }

    #[test]
    fn long_names_have_stagings_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let long = |last: &str| dir.path().join("é".repeat(120) + last);
        let staging = Staging::begin(&long("a")).unwrap();
        assert_ne!(Staging::kept_for(&long("a")), Staging::kept_for(&long("b")));
        assert!(staging.root().file_name().unwrap().len() < 255);
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

    #[test]
    fn names_of_unfinished_files_lose_their_ending() {
        assert_eq!(unfinished(Path::new("k=1/a.csv")), Path::new("k=1/a.csv.part"));
        assert_eq!(finished(Path::new("a.csv.part")), Path::new("a.csv"));
        assert_eq!(finished(Path::new("a.csv")), Path::new("a.csv"));
    }
}
