//! Which files a user means: a file, a folder or a glob, expanded in a stable order.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf, absolute};

use ::glob::{MatchOptions, Pattern, glob_with};

use crate::config::suggest;
use crate::error::{Error, Result};

/// Names or endings that a message lists at most.
const LISTED: usize = 5;
/// Patterns that braces may expand to at most.
const MAX_ALTERNATIVES: usize = 10_000;
/// How globs match. A leading dot must be written out, which is checked here: the crate's own option for that cannot read
/// names that are no UTF-8.
const AS_IN_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// The files that `patterns` mean, each once: patterns in their order, the files of one pattern sorted by path.
///
/// A pattern is the path of a file, of a folder, or a glob with `*`, `?`, `[..]`, `**` and `{a,b}`. What exists under
/// its literal name is taken literally. A folder means all files below it whose name ends in one of `endings` (such as
/// `.csv`, in any case; none given: all files), except hidden ones and names that start with `_`, which other tools
/// use for their own notes. A folder that a glob matches is expanded in the same way.
///
/// # Errors
/// A data error, which names the pattern and what is there instead, where a pattern means no file at all.
pub fn expand(patterns: &[String], endings: &[&str]) -> Result<Vec<PathBuf>> {
    if patterns.is_empty() {
        return Err(Error::usage("no input file is given"));
    }
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for pattern in patterns {
        let mut found = expand_one(pattern, endings)?;
        found.sort();
        files.extend(found.into_iter().filter(|path| seen.insert(path.clone())));
    }
    Ok(files)
}

fn expand_one(pattern: &str, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let path = Path::new(pattern);
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return files_in_folder(path, endings),
        Ok(_) => return Ok(vec![path.to_path_buf()]),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(Error::io("read", path, &error));
        }
        Err(_) => {}
    }
    if !is_glob(pattern) {
        return Err(missing(path));
    }
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for alternative in braces(pattern)? {
        matches(&alternative, &mut files, &mut folders)?;
    }
    // `**` matches folders and the files in them alike: folders count only where the pattern means nothing else.
    if files.is_empty() {
        for folder in &folders {
            collect(folder, endings, &mut files, &mut HashSet::new())?;
        }
    }
    if files.is_empty() { Err(no_match(pattern)) } else { Ok(files) }
}

/// What patterns would mean, were it there: what is written beside the files that they mean must not be read by them the
/// next time.
pub struct FilePatterns {
    endings: Vec<String>,
    /// Files, with links resolved.
    files: Vec<PathBuf>,
    /// Folders, with links resolved, of which all files are meant that have one of the endings.
    folders: Vec<PathBuf>,
    /// Globs, with how many of their components are plain names.
    globs: Vec<(Pattern, usize)>,
}

impl FilePatterns {
    /// The patterns of [`expand`].
    ///
    /// # Errors
    /// A usage error for a glob that is not well formed.
    pub fn new(patterns: &[String], endings: &[&str]) -> Result<Self> {
        let endings = endings.iter().map(ToString::to_string).collect();
        let mut found = Self { endings, files: Vec::new(), folders: Vec::new(), globs: Vec::new() };
        for pattern in patterns {
            let path = Path::new(pattern);
            if path.is_dir() {
                found.folders.push(resolved(path));
                continue;
            }
            if path.exists() || !is_glob(pattern) {
                found.files.push(resolved(path));
                continue;
            }
            let (mut files, mut folders) = (Vec::new(), Vec::new());
            for alternative in braces(pattern)? {
                matches(&alternative, &mut files, &mut folders)?;
                let parts: Vec<_> = Path::new(&alternative).iter().collect();
                let (head, tail) = parts.split_at(literal_prefix(&alternative).min(parts.len()));
                let folder = resolved(&head.iter().collect::<PathBuf>());
                let glob =
                    Path::new(&Pattern::escape(&folder.to_string_lossy())).join(tail.iter().collect::<PathBuf>());
                let glob = Pattern::new(&glob.to_string_lossy()).map_err(|error| malformed(&alternative, error.msg))?;
                found.globs.push((glob, folder.iter().count()));
            }
            if files.is_empty() {
                found.folders.extend(folders.iter().map(|folder| resolved(folder)));
            }
        }
        Ok(found)
    }

    /// Whether a file at that path would be meant.
    pub fn mean(&self, path: &Path) -> bool {
        let path = resolved(path);
        let in_folder = |folder: &PathBuf| {
            path.strip_prefix(folder).is_ok_and(|below| !below.iter().any(is_left_out))
                && path.file_name().is_some_and(|name| self.endings.iter().any(|ending| ends_with(name, ending)))
        };
        let by_glob = |(glob, literal): &(Pattern, usize)| {
            let asks_for_hidden = Path::new(glob.as_str()).iter().skip(*literal).any(is_hidden);
            glob.matches_path_with(&path, AS_IN_A_SHELL)
                && (asks_for_hidden || !path.iter().skip(*literal).any(is_hidden))
        };
        self.files.contains(&path) || self.folders.iter().any(in_folder) || self.globs.iter().any(by_glob)
    }
}

/// A path without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let there = path.ancestors().find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    match there.and_then(|(folder, real)| Some((path.strip_prefix(folder).ok()?, real))) {
        Some((rest, real)) if rest == Path::new("") => real,
        Some((rest, real)) => real.join(rest),
        None => path,
    }
}

/// What one glob without braces matches.
fn matches(pattern: &str, files: &mut Vec<PathBuf>, folders: &mut Vec<PathBuf>) -> Result<()> {
    let literal = literal_prefix(pattern);
    let asks_for_hidden = Path::new(pattern).iter().skip(literal).any(is_hidden);
    let paths = glob_with(pattern, AS_IN_A_SHELL).map_err(|error| malformed(pattern, error.msg))?;
    for path in paths {
        let path = path.map_err(|error| Error::io("read", error.path(), error.error()))?;
        if !asks_for_hidden && path.iter().skip(literal).any(is_hidden) {
            continue;
        }
        if path.is_dir() { folders.push(path) } else { files.push(path) }
    }
    Ok(())
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '{'])
}

fn malformed(pattern: &str, problem: &str) -> Error {
    Error::usage(format!("the glob '{pattern}' is not well formed: {problem}"))
}

fn files_in_folder(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(folder, endings, &mut files, &mut HashSet::new())?;
    if !files.is_empty() {
        return Ok(files);
    }
    let more = if endings.len() > LISTED { " and the like" } else { "" };
    let what = match &endings[..endings.len().min(LISTED)] {
        [] => "no files".into(),
        listed => format!("no file ending in {}{more}", listed.join(", ")),
    };
    Err(with_content(Error::data(format!("the folder '{}' has {what}", folder.display())), folder))
}

/// Adds the files below `folder`; `visited` holds device and number of the folders before, and guards against links that
/// lead back up.
fn collect(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>, visited: &mut HashSet<(u64, u64)>) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("read the folder", folder, &error);
    let meta = fs::metadata(folder).map_err(failed)?;
    if !visited.insert((meta.dev(), meta.ino())) {
        return Ok(());
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if is_left_out(&name) {
            continue;
        }
        let path = folder.join(&name);
        // Most systems tell without asking again; links are followed.
        let is_folder = entry.file_type().ok().filter(|kind| !kind.is_symlink()).map(|kind| kind.is_dir());
        if is_folder.unwrap_or_else(|| path.is_dir()) {
            collect(&path, endings, files, visited)?;
        } else if endings.is_empty() || endings.iter().any(|ending| ends_with(&name, ending)) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a folder that is named does not mean what is in it by that name: what is hidden, and what other tools put beside
/// data, such as `_SUCCESS`, but not the partitions of a column `_x`.
fn is_left_out(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    is_hidden(name) || (bytes.starts_with(b"_") && !bytes.contains(&b'='))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") && name != "." && name != ".."
}

fn ends_with(name: &OsStr, ending: &str) -> bool {
    let (name, ending) = (name.as_encoded_bytes(), ending.as_bytes());
    name.len() > ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending)
}

/// How many components of a pattern, from its start, are plain names.
fn literal_prefix(pattern: &str) -> usize {
    Path::new(pattern).iter().take_while(|part| !part.to_string_lossy().contains(['*', '?', '['])).count()
}

/// The patterns without braces that a pattern with `{a,b}` stands for; braces may be nested. A brace that is not
/// closed stands for itself.
fn braces(pattern: &str) -> Result<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_string()];
    while let Some(text) = open.pop() {
        if open.len() + done.len() > MAX_ALTERNATIVES {
            return Err(Error::usage(format!("the braces of '{pattern}' mean more than {MAX_ALTERNATIVES} patterns")));
        }
        match alternatives(&text) {
            None => done.push(text),
            Some((head, items, tail)) => {
                open.extend(items.iter().rev().map(|item| format!("{head}{item}{tail}")));
            }
        }
    }
    Ok(done)
}

/// Text before the first pair of braces, the items in it, and the text behind.
fn alternatives(text: &str) -> Option<(&str, Vec<&str>, &str)> {
    let start = text.find('{')?;
    let (mut depth, mut item, mut items) = (0, start + 1, Vec::new());
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < start) {
        match character {
            '{' => depth += 1,
            ',' if depth == 1 => {
                items.push(&text[item..at]);
                item = at + 1;
            }
            '}' if depth == 1 => {
                items.push(&text[item..at]);
                return Some((&text[..start], items, &text[at + 1..]));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The error for a literal path with nothing there.
fn missing(path: &Path) -> Error {
    let error = Error::data(format!("there is no file '{}'", path.display())).with_file(path);
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return error.with_hint(format!("there is no folder '{}' either", folder.display()));
    }
    let names = content(folder);
    let wanted = path.file_name().unwrap_or_default().to_string_lossy();
    match suggest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => error.with_hint(format!("did you mean '{}'?", path.with_file_name(near).display())),
        None => with_content(error, folder),
    }
}

/// The error for a glob that matches nothing.
fn no_match(pattern: &str) -> Error {
    let error = Error::data(format!("no file matches '{pattern}'"));
    let is_meta = |part: &Component<'_>| is_glob(&part.as_os_str().to_string_lossy());
    let literal: PathBuf = Path::new(pattern).components().take_while(|part| !is_meta(part)).collect();
    let folder = if literal == Path::new("") { Path::new(".") } else { &literal };
    if folder.is_dir() {
        with_content(error, folder)
    } else {
        error.with_hint(format!("there is no folder '{}'", folder.display()))
    }
}

/// Adds what is in the folder as a hint.
fn with_content(error: Error, folder: &Path) -> Error {
    let names = content(folder);
    let shown = names.iter().take(LISTED).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let hint = match names.len() {
        0 => format!("the folder '{}' is empty", folder.display()),
        count if count <= LISTED => format!("in '{}' there is {shown}", folder.display()),
        count => format!("in '{}' there is {shown} and {} more", folder.display(), count - LISTED),
    };
    error.with_hint(hint)
}

/// Names in a folder, sorted, without hidden ones.
fn content(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok())
        .map(|entry| entry.file_name())
        .filter(|name| !is_hidden(name))
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x\n").unwrap();
        }
        folder
    }

    fn found(folder: &tempfile::TempDir, patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|p| format!("{}/{p}", folder.path().display())).collect();
        let files = expand(&patterns, &[".csv"]).unwrap();
        files.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
    }

    const TREE: &[&str] =
        &["b.csv", "a.CSV", "a.txt", "_notes.csv", ".hidden.csv", "x/d.csv", "x/.git/e.csv", "2013-01.csv"];

    #[test]
    fn a_folder_means_its_files_in_order_without_hidden_ones() {
        assert_eq!(found(&folder(TREE), &[""]), ["2013-01.csv", "a.CSV", "b.csv", "x/d.csv"]);
    }

    #[test]
    fn partitions_of_a_column_that_begins_as_what_is_left_out_are_read() {
        assert_eq!(found(&folder(&["_x=1/a.csv", "_log/a.csv", "_a.csv"]), &[""]), ["_x=1/a.csv"]);
    }

    #[test]
    fn globs_match_as_in_a_shell() {
        let tree = folder(TREE);
        assert_eq!(found(&tree, &["*.csv"]), ["2013-01.csv", "_notes.csv", "b.csv"]);
        assert_eq!(found(&tree, &["?.csv", "*/d.csv"]), ["b.csv", "x/d.csv"]);
        assert_eq!(found(&tree, &["**/*.csv"]), ["2013-01.csv", "_notes.csv", "b.csv", "x/d.csv"]);
        assert_eq!(found(&tree, &["{x/d,b,nothing}.{csv,tsv}"]), ["b.csv", "x/d.csv"]);
        assert_eq!(found(&tree, &["[ab].{CSV,txt}"]), ["a.CSV", "a.txt"]);
        assert_eq!(found(&tree, &[".hid*"]), [".hidden.csv"]);
        assert_eq!(found(&tree, &["x*"]), ["x/d.csv"]);
    }

    #[test]
    fn a_file_named_twice_is_read_once_and_patterns_keep_their_order() {
        assert_eq!(found(&folder(TREE), &["x", "b.csv", "*.csv"]), ["x/d.csv", "b.csv", "2013-01.csv", "_notes.csv"]);
    }

    #[test]
    fn a_name_with_glob_characters_that_exists_is_taken_literally() {
        assert_eq!(found(&folder(&["a[1].csv", "a1.csv"]), &["a[1].csv"]), ["a[1].csv"]);
    }

    #[test]
    fn what_matches_nothing_is_named_with_what_is_there() {
        let tree = folder(TREE);
        let fails = |pattern: &str| {
            let pattern = format!("{}/{pattern}", tree.path().display());
            expand(std::slice::from_ref(&pattern), &[".parquet"]).unwrap_err().to_string()
        };
        assert!(fails("bb.csv").contains("did you mean"), "{}", fails("bb.csv"));
        assert!(fails("*.parquet").contains("'2013-01.csv'"), "{}", fails("*.parquet"));
        assert!(fails("").contains("no file ending in .parquet"), "{}", fails(""));
        assert!(fails("nowhere/*.csv").contains("there is no folder"), "{}", fails("nowhere/*.csv"));
        assert!(fails("[").contains("no") || fails("[").contains("well formed"), "{}", fails("["));
        assert!(expand(&[], &[]).is_err());
    }

    #[test]
    fn what_is_not_there_yet_may_be_meant() {
        let tree = folder(&["a.csv", "x/b.csv", "only/y/c.csv"]);
        let root = tree.path().display().to_string();
        let mean = |pattern: &str, path: &str| {
            let patterns = FilePatterns::new(&[format!("{root}/{pattern}")], &[".csv"]).unwrap();
            patterns.mean(&tree.path().join(path))
        };
        assert!(mean("*.csv", "bad.csv") && mean("*.csv", "x/../bad.csv") && mean("x/../*.csv", "bad.csv"));
        assert!(!mean("*.csv", "bad.txt") && !mean("*.csv", "x/bad.csv") && !mean("*.csv", ".bad.csv"));
        assert!(mean("**/*.csv", "x/new/bad.csv") && mean("{x,y}/*.csv", "y/bad.csv") && mean("", "x/bad.csv"));
        assert!(!mean("", "bad.txt") && !mean("", "_bad.csv") && !mean("x", "bad.csv"));
        assert!(mean("a.csv", "a.csv") && !mean("a.csv", "bad.csv") && mean("bad.csv", "bad.csv"));
        assert!(mean("onl*", "only/bad.csv") && !mean("*", "x/bad.csv"), "folders count where there are no files");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_up_is_followed_once() {
        let tree = folder(&["x/a.csv"]);
        std::os::unix::fs::symlink(tree.path(), tree.path().join("x/up")).unwrap();
        assert_eq!(found(&tree, &[""]), ["x/a.csv"]);
    }
}
