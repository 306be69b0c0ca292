//! Many files as one table, where files tell their columns themselves: one schema for all, and what they are called together.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::types::coercion::common_type;
use crate::types::{DataType, Field, sql_name};

/// One schema for all files, from the columns of one after another: columns in the order in which they are first met, by their names, types
/// merged.
///
/// # Errors
/// A data error for a column whose types in two files have none in common.
pub fn one_schema<'a>(columns: impl Iterator<Item = (&'a Path, &'a str, &'a DataType)>) -> Result<Vec<Field>> {
    // Each column's name and type, and the file that the type came from.
    let mut merged: Vec<(&str, DataType, &Path)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (path, name, found) in columns {
        let place = *places.entry(name).or_insert(merged.len());
        let Some((_, data_type, origin)) = merged.get_mut(place) else {
            merged.push((name, found.clone(), path));
            continue;
        };
        match common_type(data_type, found) {
            Some(common) if common == *data_type => {}
            Some(common) => (*data_type, *origin) = (common, path),
            None => {
                return Err(Error::data(format!(
                    "the column \"{name}\" is {} in '{}' and {} in '{}'",
                    sql_name(data_type),
                    origin.display(),
                    sql_name(found),
                    path.display()
                ))
                .with_column(name)
                .with_file(path)
                .with_hint("read the files apart, cast the column, and join them by UNION ALL"));
            }
        }
    }
    Ok(merged.into_iter().map(|(name, data_type, _)| Field::new(name, data_type, true)).collect())
}

/// What files of a format are called in plans: the one, or what several have in common, as a glob of their folder and ending.
pub fn described(format: &str, paths: &[PathBuf]) -> String {
    match paths {
        [path] => format!("{format} '{}'", path.display()),
        paths => format!("{format} '{}' ({} files)", pattern(paths), paths.len()),
    }
}

fn pattern(paths: &[PathBuf]) -> String {
    let Some(first) = paths.first() else { return String::new() };
    let same = |part: fn(&Path) -> Option<&OsStr>| paths.iter().all(|path| part(path) == part(first));
    let folder = first.parent().unwrap_or(Path::new(""));
    if !same(|path| path.parent().map(Path::as_os_str)) {
        return format!("{}, …", first.display());
    }
    match first.extension() {
        Some(ending) if same(Path::extension) => folder.join(format!("*.{}", ending.to_string_lossy())),
        _ => folder.join("*"),
    }
    .display()
    .to_string()
}
