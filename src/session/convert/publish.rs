//! Giving names to files that are complete, all at once: what replaces others, or was made by a run that might have had to
//! start again. Each step can be done twice, so that a process which ends in between is followed by another that goes on.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};

use super::manifest::Manifest;
use super::place::{Place, make_folders};
use crate::error::{Error, Result};
use crate::io::write::atomic::sync_folder_of;

/// Gives the files of a complete manifest their names, removes what the manifest before it has and it has not, and takes
/// its place. The answer is how many files were removed.
///
/// # Errors
/// Where a file is in the way that may not be replaced, or the disk fails.
pub(super) fn publish(place: &Place, manifest: &Manifest, before: Option<&Manifest>) -> Result<u64> {
    let known: HashSet<&Path> =
        before.iter().flat_map(|before| before.outputs()).map(|output| output.path.as_path()).collect();
    // A file of each folder.
    let mut folders = BTreeMap::new();
    for run in &manifest.runs {
        for output in run.parts.iter().flat_map(|part| &part.outputs) {
            let staged = place.staged(&output.path);
            if staged.exists() {
                let replaces = run.header.replaces || known.contains(output.path.as_path());
                let target = place.root.join(&output.path);
                name(&staged, &target, replaces)?;
                folders.insert(target.parent().map(Path::to_path_buf), target);
            }
        }
    }
    folders.values().try_for_each(|target| sync_folder_of(target))?;
    let kept: HashSet<&Path> = manifest.outputs().map(|output| output.path.as_path()).collect();
    let gone: Vec<PathBuf> = known.difference(&kept).map(|path| place.root.join(path)).collect();
    let mut removed = 0;
    for path in &gone {
        match fs::remove_file(path) {
            Ok(()) => removed += 1,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("remove", path, &error)),
        }
        // Folders that are empty now go too.
        let above = path.ancestors().skip(1).take_while(|folder| *folder != place.root);
        above.take_while(|folder| fs::remove_dir(folder).is_ok()).for_each(drop);
    }
    manifest.write(&place.manifest)?;
    discard(place)?;
    Ok(removed)
}

/// Forgets files that have no names yet.
///
/// # Errors
/// Where they cannot be removed.
pub(super) fn discard(place: &Place) -> Result<()> {
    match fs::remove_file(place.journal()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", &place.journal(), &error)),
        _ => super::place::sweep(&place.staging(), &|_| false),
    }
}

fn name(staged: &Path, target: &Path, replaces: bool) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("write", target, &error);
    if let Some(folder) = target.parent() {
        make_folders(folder)?;
    }
    if !replaces {
        return match rustix::fs::renameat_with(CWD, staged, CWD, target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            // Not every file system can.
            Err(_) if fs::symlink_metadata(target).is_err() => fs::rename(staged, target).map_err(failed),
            Err(error) if error == rustix::io::Errno::EXIST => {
                Err(Error::usage(format!("'{}' has come to exist meanwhile", target.display()))
                    .with_hint("move it away, and go on by --resume"))
            }
            Err(error) => Err(failed(error.into())),
        };
    }
    // A link stays, and what it points at is replaced, which keeps its permissions.
    let target = target.canonicalize().unwrap_or_else(|_| target.to_path_buf());
    if let Ok(replaced) = fs::metadata(&target) {
        fs::set_permissions(staged, replaced.permissions()).map_err(failed)?;
    }
    fs::rename(staged, &target).map_err(failed)
}
