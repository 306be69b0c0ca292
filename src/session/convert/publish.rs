//! Giving names to files that are complete. Each step can be done twice, so that a process which ends in between is followed
//! by another that goes on.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use super::place::Place;
use crate::error::{Error, Result};
use crate::io::write::staging::{make_folders, make_names_durable, rename_new, sweep};

/// Gives the files of a complete manifest their names all at once, removes what was there before and is not in it, and takes
/// its place: where files are replaced, or where the run might have had to start again. The answer is how many files
/// were removed.
///
/// # Errors
/// Where a file is in the way that may not be replaced, or the disk fails.
pub(super) fn publish(place: &Place, manifest: &Manifest, before: Option<&Manifest>) -> Result<u64> {
    let known: HashSet<&Path> = before.iter().flat_map(|before| before.files()).collect();
    let mut names = Names::new(place);
    for run in &manifest.runs {
        for output in run.parts.iter().flat_map(|part| &part.outputs) {
            if place.staged(&output.path).exists() {
                names.give(&output.path, run.header.replaces || known.contains(output.path.as_path()))?;
            }
        }
    }
    names.finish()?;
    let kept: HashSet<&Path> = manifest.outputs().map(|output| output.path.as_path()).collect();
    let removed = remove(place, known.difference(&kept).copied())?;
    manifest.write(&place.manifest)?;
    discard(place)?;
    Ok(removed)
}

/// Files on their way from the staging to their names.
pub(super) struct Names<'a> {
    place: &'a Place,
    /// Folders that are not durable yet.
    folders: BTreeSet<PathBuf>,
}

impl<'a> Names<'a> {
    /// None yet.
    pub fn new(place: &'a Place) -> Self {
        Self { place, folders: BTreeSet::new() }
    }

    /// Gives a file its name.
    ///
    /// # Errors
    /// Where another file has it that may not be replaced, or the disk fails.
    pub fn give(&mut self, output: &Path, replaces: bool) -> Result<()> {
        let (staged, target) = (self.place.staged(output), self.place.root.join(output));
        let failed = |error: std::io::Error| Error::io("write", &target, &error);
        if let Some(folder) = target.parent()
            && !self.folders.contains(folder)
        {
            // The folders around those that are made have new names in them as well.
            let made = folder.ancestors().take_while(|folder| !folder.exists()).filter_map(Path::parent);
            self.folders.extend(made.map(Path::to_path_buf));
            fs::create_dir_all(folder).map_err(failed)?;
            self.folders.insert(folder.to_path_buf());
        }
        if !replaces {
            return rename_new(&staged, &target).map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => Error::usage(format!("'{}' has come to exist meanwhile", target.display()))
                    .with_hint("move it away, and go on by --resume"),
                _ => failed(error),
            });
        }
        // A link stays, and what it points at is replaced, which keeps its permissions.
        let resolved = target.canonicalize().unwrap_or_else(|_| target.clone());
        if let Ok(replaced) = fs::metadata(&resolved) {
            fs::set_permissions(&staged, replaced.permissions()).map_err(failed)?;
        }
        fs::rename(&staged, &resolved).map_err(failed)
    }

    /// Makes all names durable.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn finish(self) -> Result<()> {
        if self.place.file.is_none() {
            // Also where nothing is in it.
            make_folders(&self.place.root)?;
        }
        let folders: Vec<&Path> = self.folders.iter().map(PathBuf::as_path).collect();
        let synced = make_names_durable(&self.place.root, folders.into_iter());
        synced.map_err(|error| Error::io("write", &self.place.root, &error))
    }
}

/// Removes outputs that are none any more, and folders that are empty then. The answer is how many there were.
///
/// # Errors
/// Where one cannot be removed.
pub(super) fn remove<'a>(place: &Place, outputs: impl Iterator<Item = &'a Path>) -> Result<u64> {
    let mut removed = 0;
    for path in outputs.map(|output| place.root.join(output)) {
        match fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("remove", &path, &error)),
        }
        let above = path.ancestors().skip(1).take_while(|folder| *folder != place.root);
        above.take_while(|folder| fs::remove_dir(folder).is_ok()).for_each(drop);
    }
    Ok(removed)
}

/// Forgets files that have no names yet.
///
/// # Errors
/// Where they cannot be removed.
pub(super) fn discard(place: &Place) -> Result<()> {
    match fs::remove_file(place.journal()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", &place.journal(), &error)),
        _ => sweep(&place.staging(), &|_| false),
    }
}
