//! Where the files of a conversion lie: outputs, the manifest beside them, and the staging in which they are made, which one
//! process has at a time.
//!
//! | | a folder `out` | one file `out.parquet` |
//! | --- | --- | --- |
//! | outputs | in `out` | `out.parquet` |
//! | manifest | `_out.manifest.jsonl` | `_out.parquet.manifest.jsonl` |
//! | staging | `.out.highwater` | `.out.parquet.highwater` |
//!
//! The manifest lies beside the folder and not in it, since some readers want to read every file of a folder, whatever it
//! is called; names that start with `_` are left out by most. The staging is gone when nothing is to be gone on with.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf, absolute};

use crate::error::{Error, Result};
use crate::io::write::atomic::remove_leftovers;
use crate::io::write::staging::{Entry, Staging, new_files, unfinished};

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
    /// What is written: the folder or file, without links.
    target: PathBuf,
    /// Where its staging lies.
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
        let room = Staging::kept_for(&whole);
        let (root, file) = match is_file {
            true => (folder.to_path_buf(), Some(PathBuf::from(name))),
            false => (whole.clone(), None),
        };
        let target = whole.clone();
        Ok(Self { shown: output.to_path_buf(), root, file, manifest, target, room })
    }

    /// An output as the user would name it.
    pub fn show(&self, output: &Path) -> PathBuf {
        if self.file.is_some() { self.shown.clone() } else { self.shown.join(output) }
    }

    /// Takes the staging. Nobody else has it until it is dropped.
    ///
    /// # Errors
    /// A usage error where another process has it; a data error where nothing can be written there.
    pub fn enter(&self) -> Result<Staging> {
        match Staging::enter(&self.target)? {
            Entry::Ours(staging) => Ok(staging),
            Entry::Taken(holder) => {
                let holder = holder.map_or(String::new(), |holder| format!(" (process {holder})"));
                let message = format!("another conversion{holder} is writing to '{}'", self.shown.display());
                Err(Error::usage(message).with_hint("wait until it is done, or write elsewhere"))
            }
        }
    }

    /// Where files lie that are made, or complete but not to be seen yet, by the paths that they will have.
    pub fn staging(&self) -> PathBuf {
        new_files(&self.room)
    }

    /// Where an output lies until it is to be seen.
    pub fn staged(&self, output: &Path) -> PathBuf {
        unfinished(&self.staging().join(output))
    }

    /// What is written about files that are not to be seen yet.
    pub fn journal(&self) -> PathBuf {
        self.room.join("journal")
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

    /// Checks that the manifest is not where the output or a file in the making is.
    ///
    /// # Errors
    /// A usage error where it is.
    pub fn check_manifest(&self) -> Result<()> {
        let (manifest, shown) = (resolved(&self.manifest), self.manifest.display());
        if manifest == resolved(&self.target) {
            return Err(Error::usage(format!("the manifest '{shown}' would have the name of the output"))
                .with_hint("name another file by --manifest"));
        }
        if manifest.starts_with(resolved(&self.room)) {
            return Err(Error::usage(format!("the manifest '{shown}' would lie among files that are being made"))
                .with_hint("name a file elsewhere by --manifest"));
        }
        Ok(())
    }

    /// Checks that the manifest takes the place of no input and of no file that may be written.
    ///
    /// # Errors
    /// A usage error where it does.
    pub fn check_manifest_among<'a>(
        &self,
        inputs: &[PathBuf],
        mut outputs: impl Iterator<Item = &'a Path>,
        ending: &str,
    ) -> Result<()> {
        let (manifest, shown) = (resolved(&self.manifest), self.manifest.display());
        if inputs.iter().any(|input| resolved(input) == manifest) {
            return Err(Error::usage(format!("the manifest '{shown}' would overwrite an input"))
                .with_hint("name another file by --manifest"));
        }
        let root = resolved(&self.root);
        // Which files there will be in a folder is known only at the end, but not what they end in.
        let may_be_written =
            self.file.is_none() && manifest.starts_with(&root) && manifest.extension() == Some(OsStr::new(ending));
        if may_be_written || outputs.any(|output| resolved(&root.join(output)) == manifest) {
            return Err(Error::usage(format!("the manifest '{shown}' would have the name of an output"))
                .with_hint("name a file outside of the output by --manifest"));
        }
        Ok(())
    }

    /// Checks that a file can be renamed from where it is made to where it goes.
    ///
    /// # Errors
    /// A usage error where a link or another file system in the output is in between.
    pub fn check_same_device(&self, output: &Path) -> Result<()> {
        let target = resolved(&self.root.join(output));
        match (device_around(&target), device_around(&self.room)) {
            (Some(theirs), Some(ours)) if theirs != ours => Err(Error::usage(format!(
                "'{}' lies on another file system than '{}', and cannot be replaced in one step",
                self.show(output).display(),
                self.shown.display()
            ))
            .with_file(&target)
            .with_hint("take away the link that leads there, or convert to that file system")),
            _ => Ok(()),
        }
    }
}

/// The number of the file system that a file is made on.
fn device_around(path: &Path) -> Option<u64> {
    path.ancestors().skip(1).find_map(|folder| fs::metadata(folder).ok()).map(|folder| folder.dev())
}

/// A path without links, also where its end is not there yet.
fn resolved(path: &Path) -> PathBuf {
    let whole = absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let there = whole.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, there)) => plain(&there.join(whole.strip_prefix(above).unwrap_or(Path::new("")))),
        None => whole,
    }
}

/// A path without `.` and `..`, as it is written.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_by_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(&dir.path().join("out"), false, None).unwrap();
        let staging = place.enter().unwrap();
        let error = place.enter().unwrap_err();
        assert!(error.to_string().contains(&format!("(process {})", std::process::id())), "{error}");
        assert_eq!(error.exit_code(), 2);
        drop(staging);
        drop(place.enter().unwrap());
    }

    #[test]
    fn places_are_beside_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let one = Place::new(&root.join("x.parquet"), true, None).unwrap();
        assert_eq!(one.manifest, root.join("_x.parquet.manifest.jsonl"));
        assert_eq!((one.root, one.file), (root.clone(), Some("x.parquet".into())));
        let many = Place::new(&root.join("out/"), false, None).unwrap();
        assert_eq!((many.manifest, many.room), (root.join("_out.manifest.jsonl"), root.join(".out.highwater")));
        assert!(Place::new(Path::new("/"), false, None).is_err());
    }
}
