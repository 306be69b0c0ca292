//! The layers of configuration: defaults, the system's file, the user's, `--config`, the environment, flags. Later ones
//! win, and every value remembers where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::config::{Config, SETTINGS};
use crate::error::{DataLocation, Error, Result};

/// What variables of the environment begin with.
const PREFIX: &str = "HIGHWATER_";

/// The variable with the filter for logs; it is no setting.
pub const LOG_VARIABLE: &str = "HIGHWATER_LOG";

/// The file for all users.
const SYSTEM_FILE: &str = "/etc/highwater/config.toml";

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    #[default]
    Default,
    /// A line of a file.
    File(PathBuf, u64),
    /// A variable of the environment.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// The settings, and where each came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layers {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

/// A file that may hold settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// Whether it is an error that it is not there.
    pub required: bool,
}

/// One assignment of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    value: String,
    origin: Origin,
}

impl Entry {
    /// Names the place of the assignment in the error about it.
    fn locate(&self, error: &Error) -> Error {
        let message = &error.kind().message;
        let located = match &self.origin {
            Origin::Default => Error::usage(message),
            Origin::File(path, line) => Error::usage(message).with_location(location(path, *line)),
            Origin::Environment(variable) => Error::usage(format!("{variable}: {message}")),
            Origin::Flag(flag) => Error::usage(format!("{flag}: {message}")),
        };
        match &error.kind().hint {
            Some(hint) => located.with_hint(hint),
            None => located,
        }
    }
}

impl Layers {
    /// Reads all layers, lowest first.
    ///
    /// # Errors
    /// A usage error that names file and line, variable or flag, for an unknown name or a value that does not fit.
    pub fn load(
        files: &[ConfigFile],
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(&'static str, &'static str, &str)],
    ) -> Result<Self> {
        let mut entries = Vec::new();
        for file in files {
            entries.extend(read_file(file)?);
        }
        entries.extend(read_environment(environment));
        entries.extend(flags.iter().map(|(flag, name, value)| Entry {
            name: (*name).to_string(),
            value: (*value).to_string(),
            origin: Origin::Flag(flag),
        }));
        Self::apply(entries)
    }

    fn apply(entries: Vec<Entry>) -> Result<Self> {
        let mut layers = Self::default();
        let mut winners: BTreeMap<&'static str, Entry> = BTreeMap::new();
        for entry in entries {
            let wanted = entry.name.to_ascii_lowercase().replace('-', "_");
            match SETTINGS.iter().find(|setting| setting.name == wanted) {
                Some(setting) => winners.insert(setting.name, entry),
                None => match layers.config.set(&entry.name, &entry.value) {
                    Ok(()) => None,
                    Err(error) => return Err(entry.locate(&error)),
                },
            };
        }
        // Settings must fit together after each assignment, so one may have to wait for another: go round as long as
        // that helps.
        let mut pending: Vec<(&'static str, Entry)> = winners.into_iter().collect();
        while !pending.is_empty() {
            let before = pending.len();
            let mut first_error = None;
            pending.retain(|(name, entry)| match layers.config.set(name, &entry.value) {
                Ok(()) => {
                    layers.origins.insert(name, entry.origin.clone());
                    false
                }
                Err(error) => {
                    first_error.get_or_insert_with(|| entry.locate(&error));
                    true
                }
            });
            if pending.len() == before
                && let Some(error) = first_error
            {
                return Err(error);
            }
        }
        Ok(layers)
    }

    /// Where a setting came from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or_default()
    }
}

/// The files of a process, lowest first.
pub fn config_files(explicit: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Vec<ConfigFile> {
    let mut files = vec![ConfigFile { path: SYSTEM_FILE.into(), required: false }];
    if let Some(folder) = user_folder("XDG_CONFIG_HOME", ".config", variable) {
        files.push(ConfigFile { path: folder.join("config.toml"), required: false });
    }
    files.extend(explicit.map(|path| ConfigFile { path: path.to_path_buf(), required: true }));
    files
}

/// The user's folder for our files of one kind, by the XDG rules: an absolute path in the variable, else below `$HOME`.
pub fn user_folder(xdg: &str, below_home: &str, variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(xdg).or_else(|| Some(absolute("HOME")?.join(below_home)))?;
    Some(base.join("highwater"))
}

/// A variable of the environment, where it is set and is text.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The variables of the environment that are text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read_environment(environment: impl IntoIterator<Item = (String, String)>) -> Vec<Entry> {
    let ours = |(variable, value): (String, String)| {
        let rest = variable.strip_prefix(PREFIX)?;
        if variable == LOG_VARIABLE {
            return None;
        }
        let name = rest.to_ascii_lowercase().replace("__", ".");
        Some(Entry { name, value, origin: Origin::Environment(variable) })
    };
    environment.into_iter().filter_map(ours).collect()
}

fn read_file(file: &ConfigFile) -> Result<Vec<Entry>> {
    let text = match std::fs::read_to_string(&file.path) {
        Ok(text) => text,
        Err(error) if !file.required && is_absent(&error) => return Ok(Vec::new()),
        Err(error) => {
            return Err(Error::usage(format!("cannot read the configuration '{}': {error}", file.path.display())));
        }
    };
    let table = DeTable::parse(&text).map_err(|error| {
        let line = line_at(&text, error.span().map_or(0, |span| span.start));
        Error::usage(format!("the configuration is no TOML: {}", error.message()))
            .with_location(location(&file.path, line))
    })?;
    let mut entries = Vec::new();
    flatten(table.get_ref(), "", &text, &file.path, &mut entries)?;
    Ok(entries)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Names of nested tables are joined by dots: `[memory] target = 0.5` is `memory.target`.
fn flatten(table: &DeTable<'_>, prefix: &str, text: &str, path: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    for (key, value) in table {
        let name = format!("{prefix}{}", key.get_ref());
        let line = line_at(text, key.span().start);
        if let DeValue::Table(inner) = value.get_ref() {
            flatten(inner, &format!("{name}."), text, path, entries)?;
            continue;
        }
        let value = value_text(value.get_ref()).ok_or_else(|| {
            Error::usage(format!("the value of '{name}' is of no use"))
                .with_hint("write a text, a number, true, false or a list of these")
                .with_location(location(path, line))
        })?;
        entries.push(Entry { name, value, origin: Origin::File(path.to_path_buf(), line) });
    }
    Ok(())
}

fn value_text(value: &DeValue<'_>) -> Option<String> {
    Some(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_string(),
        DeValue::Float(number) => number.as_str().to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Array(items) => {
            items.iter().map(|item| value_text(item.get_ref())).collect::<Option<Vec<_>>>()?.join(",")
        }
        DeValue::Integer(_) | DeValue::Datetime(_) | DeValue::Table(_) => return None,
    })
}

fn line_at(text: &str, offset: usize) -> u64 {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count() as u64
}

fn location(path: &Path, line: u64) -> DataLocation {
    DataLocation { file: Some(path.to_path_buf()), line: Some(line), ..DataLocation::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> ConfigFile {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        ConfigFile { path, required: true }
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect()
    }

    #[test]
    fn later_layers_win_and_every_value_knows_its_origin() {
        let folder = tempfile::tempdir().unwrap();
        let system = file(&folder, "system.toml", "threads = 3\nbatch_size = 1_024\nmax_spill = \"5GB\"\n");
        let user = file(&folder, "user.toml", "# mine\n[memory]\ntarget = 0.5\n");
        let layers = Layers::load(
            &[system.clone(), user.clone()],
            variables(&[("HIGHWATER_BATCH_SIZE", "512"), ("HIGHWATER_MEMORY__SPILL", "0.65"), ("HOME", "/")]),
            &[("--threads", "threads", "7")],
        )
        .unwrap();
        assert_eq!((layers.config.threads, layers.config.batch_size), (7, 512));
        assert_eq!(layers.config.max_spill, Some(5_000_000_000));
        assert_eq!(layers.config.thresholds.target, 0.5);
        assert_eq!(layers.origin("threads"), Origin::Flag("--threads"));
        assert_eq!(layers.origin("batch_size"), Origin::Environment("HIGHWATER_BATCH_SIZE".into()));
        assert_eq!(layers.origin("max_spill"), Origin::File(system.path, 3));
        assert_eq!(layers.origin("memory.target").to_string(), format!("{}:3", user.path.display()));
        assert_eq!(layers.origin("time_zone"), Origin::Default);
    }

    #[test]
    fn values_that_fit_only_together_may_come_in_any_order_and_layer() {
        let folder = tempfile::tempdir().unwrap();
        let user = file(&folder, "user.toml", "memory.target = 0.82\nmemory.spill = 0.85\n");
        let raised = Layers::load(&[user], variables(&[("HIGHWATER_MEMORY__PAUSE", "0.9")]), &[]).unwrap();
        assert_eq!(raised.config.thresholds.target, 0.82);
        let error = Layers::load(&[], variables(&[("HIGHWATER_MEMORY__TARGET", "0.9")]), &[]).unwrap_err();
        assert!(error.to_string().starts_with("HIGHWATER_MEMORY__TARGET: the thresholds"), "{error}");
    }

    #[test]
    fn errors_name_file_and_line_or_variable_or_flag() {
        let folder = tempfile::tempdir().unwrap();
        let wrong_name = file(&folder, "a.toml", "threads = 2\n\n[memory]\ntarge = 0.5\n");
        let error = Layers::load(&[wrong_name], [], &[]).unwrap_err();
        assert!(error.to_string().contains("a.toml', line 4"), "{error}");
        assert!(error.to_string().contains("did you mean 'memory.target'"), "{error}");
        let wrong_value = file(&folder, "b.toml", "threads = \"many\"");
        assert!(Layers::load(&[wrong_value], [], &[]).unwrap_err().to_string().contains("b.toml', line 1"));
        let no_toml = file(&folder, "c.toml", "threads = 2\nthreads 3\n");
        let error = Layers::load(&[no_toml], [], &[]).unwrap_err();
        assert!(error.to_string().contains("c.toml', line 2"), "{error}");
        let error = Layers::load(&[], variables(&[("HIGHWATER_THREDS", "2")]), &[]).unwrap_err();
        assert!(error.to_string().starts_with("HIGHWATER_THREDS: "), "{error}");
        let error = Layers::load(&[], [], &[("--threads", "threads", "0")]).unwrap_err();
        assert!(error.to_string().starts_with("--threads: "), "{error}");
        assert_eq!(error.exit_code(), 2);
        let absent = ConfigFile { path: folder.path().join("absent.toml"), required: true };
        assert!(Layers::load(std::slice::from_ref(&absent), [], &[]).is_err());
        assert!(Layers::load(&[ConfigFile { required: false, ..absent }], [], &[]).is_ok());
    }

    #[test]
    fn files_follow_the_xdg_rules() {
        let home = |name: &str| (name == "HOME").then(|| "/home/ann".to_string());
        let paths: Vec<PathBuf> = config_files(None, home).into_iter().map(|file| file.path).collect();
        assert_eq!(paths, [Path::new(SYSTEM_FILE), Path::new("/home/ann/.config/highwater/config.toml")]);
        let xdg = |name: &str| Some(if name == "HOME" { "/home/ann" } else { "/xdg" }.to_string());
        assert_eq!(user_folder("XDG_STATE_HOME", ".local/state", xdg), Some("/xdg/highwater".into()));
    }
}
