//! Settings of a session, with their names as SET, flags, environment and configuration files write them.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::memory::{Thresholds, default_budget};
use crate::types::{format_bytes, parse_bytes};

/// Threads that a session may have; more would cost memory and gain nothing.
const MOST_THREADS: usize = 1024;

/// Who runs the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// A pool of threads that the session owns.
    Threads,
    /// The calling thread, one task after another: for debugging.
    Synchronous,
}

/// Settings of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The memory budget in bytes.
    pub memory_limit: u64,
    /// Fractions of the budget.
    pub thresholds: Thresholds,
    /// Worker threads.
    pub threads: usize,
    /// Who runs the tasks.
    pub scheduler: Scheduler,
    /// The folder for spill files.
    pub temp_dir: PathBuf,
    /// Bytes of spill files at most; `None` is 90 % of the disk that is free when the session starts.
    pub max_spill: Option<u64>,
    /// Rows in a batch, at most.
    pub batch_size: usize,
    /// Bytes of a CSV file that make one partition.
    pub partition_bytes: u64,
    /// The zone in which timestamps with zone are shown and texts without an offset are read.
    pub time_zone: String,
    /// Optimizer rules that are switched off, by name.
    pub disabled_rules: Vec<String>,
    /// The schema file for CSV files that it knows.
    pub schema_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory_limit: default_budget(),
            thresholds: Thresholds::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            scheduler: Scheduler::Threads,
            temp_dir: std::env::temp_dir(),
            max_spill: None,
            batch_size: 8192,
            partition_bytes: 2 << 20,
            time_zone: "UTC".into(),
            disabled_rules: Vec::new(),
            schema_file: None,
        }
    }
}

/// A setting's name, what it means, how it is shown and how it is set.
pub struct Setting {
    /// The name; a dot in it is written `__` in the environment.
    pub name: &'static str,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// Its value as text that `set` reads back.
    pub show: fn(&Config) -> String,
    /// Sets it from text.
    set: fn(&mut Config, &str) -> Result<()>,
}

/// All settings, in the order in which they are shown.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "memory_limit",
        meaning: "memory budget: bytes (2GB) or a share of the machine's (60%)",
        show: |config| config.memory_limit.to_string(),
        set: |config, text| {
            config.memory_limit = match text.trim().strip_suffix('%') {
                Some(percent) => (default_budget() as f64 / 0.75 * fraction(percent, 100.0)?) as u64,
                None => parse_bytes(text)?,
            };
            if config.memory_limit < 1 << 20 {
                return Err(Error::usage(format!(
                    "a memory limit of {} is too small",
                    format_bytes(config.memory_limit)
                ))
                .with_hint("the least is 1MiB; 64MB is a practical minimum"));
            }
            Ok(())
        },
    },
    Setting {
        name: "memory.target",
        meaning: "share of the budget above which sinks begin to spill",
        show: |config| config.thresholds.target.to_string(),
        set: |config, text| {
            config.thresholds.target = fraction(text, 1.0)?;
            Ok(())
        },
    },
    Setting {
        name: "memory.spill",
        meaning: "share of the budget above which a sink that wants to grow spills first",
        show: |config| config.thresholds.spill.to_string(),
        set: |config, text| {
            config.thresholds.spill = fraction(text, 1.0)?;
            Ok(())
        },
    },
    Setting {
        name: "memory.pause",
        meaning: "share of the budget above which no further task starts",
        show: |config| config.thresholds.pause.to_string(),
        set: |config, text| {
            config.thresholds.pause = fraction(text, 1.0)?;
            Ok(())
        },
    },
    Setting {
        name: "memory.terminate",
        meaning: "share of the budget above which a query ends with an error",
        show: |config| config.thresholds.terminate.to_string(),
        set: |config, text| {
            config.thresholds.terminate = fraction(text, 1.0)?;
            Ok(())
        },
    },
    Setting {
        name: "threads",
        meaning: "worker threads",
        show: |config| config.threads.to_string(),
        set: |config, text| {
            config.threads = count(text)?;
            if config.threads > MOST_THREADS {
                return Err(Error::usage(format!("{text} threads are more than {MOST_THREADS}")));
            }
            Ok(())
        },
    },
    Setting {
        name: "scheduler",
        meaning: "threads, or synchronous: all in the calling thread",
        show: |config| {
            match config.scheduler {
                Scheduler::Threads => "threads",
                Scheduler::Synchronous => "synchronous",
            }
            .into()
        },
        set: |config, text| {
            config.scheduler = match text {
                "threads" => Scheduler::Threads,
                "synchronous" | "sync" => Scheduler::Synchronous,
                _ => {
                    return Err(Error::usage(format!("there is no scheduler '{text}'"))
                        .with_hint("write threads or synchronous"));
                }
            };
            Ok(())
        },
    },
    Setting {
        name: "temp_dir",
        meaning: "folder for spill files",
        show: |config| config.temp_dir.display().to_string(),
        set: |config, text| {
            config.temp_dir = PathBuf::from(text);
            Ok(())
        },
    },
    Setting {
        name: "max_spill",
        meaning: "bytes of spill files at most; auto: 90% of the free disk",
        show: |config| config.max_spill.map_or_else(|| "auto".into(), |bytes| bytes.to_string()),
        set: |config, text| {
            config.max_spill = if text == "auto" { None } else { Some(parse_bytes(text)?) };
            Ok(())
        },
    },
    Setting {
        name: "batch_size",
        meaning: "rows in a batch, at most",
        show: |config| config.batch_size.to_string(),
        set: |config, text| {
            config.batch_size = count(text)?.min(1 << 20);
            Ok(())
        },
    },
    Setting {
        name: "partition_bytes",
        meaning: "bytes of a CSV file that make one partition",
        show: |config| config.partition_bytes.to_string(),
        set: |config, text| {
            config.partition_bytes = parse_bytes(text)?;
            if config.partition_bytes == 0 {
                return Err(Error::usage("a partition has at least one byte"));
            }
            Ok(())
        },
    },
    Setting {
        name: "time_zone",
        meaning: "zone in which timestamps with zone are shown and read",
        show: |config| config.time_zone.clone(),
        set: |config, text| {
            crate::types::temporal::parse_zone(text)?;
            config.time_zone = text.to_string();
            Ok(())
        },
    },
    Setting {
        name: "disabled_rules",
        meaning: "optimizer rules switched off, separated by commas",
        show: |config| config.disabled_rules.join(","),
        set: |config, text| {
            config.disabled_rules =
                text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(String::from).collect();
            Ok(())
        },
    },
    Setting {
        name: "schema_file",
        meaning: "schema file for tables of CSV files that it knows; empty: none",
        show: |config| config.schema_file.as_ref().map_or_else(String::new, |path| path.display().to_string()),
        set: |config, text| {
            config.schema_file = if text.is_empty() { None } else { Some(PathBuf::from(text)) };
            Ok(())
        },
    },
];

fn count(text: &str) -> Result<usize> {
    match text.trim().parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(Error::usage(format!("'{text}' is no positive whole number"))),
    }
}

fn fraction(text: &str, whole: f64) -> Result<f64> {
    match text.trim().parse::<f64>() {
        Ok(value) if value > 0.0 && value <= whole => Ok(value / whole),
        _ => Err(Error::usage(format!("'{text}' is not between 0 and {whole}"))),
    }
}

impl Config {
    /// Sets one setting by its name (hyphens count as underscores) and checks that all fit together.
    ///
    /// # Errors
    /// A usage error for an unknown name, which suggests a near one, or a value that does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wanted = name.to_ascii_lowercase().replace('-', "_");
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == wanted) else {
            let error = Error::usage(format!("there is no setting '{name}'"));
            return Err(match suggest(&wanted, SETTINGS.iter().map(|setting| setting.name)) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint("SHOW ALL lists the settings"),
            });
        };
        let mut changed = self.clone();
        (setting.set)(&mut changed, value.trim())
            .map_err(|error| error.with_hint(format!("{}: {}", setting.name, setting.meaning)))?;
        let Thresholds { target, spill, pause, terminate } = changed.thresholds;
        if !(target <= spill && spill <= pause && pause <= terminate) {
            return Err(Error::usage(format!(
                "the thresholds target {target}, spill {spill}, pause {pause}, terminate {terminate} do not ascend"
            )));
        }
        *self = changed;
        Ok(())
    }

    /// A setting's value as text.
    pub fn get(&self, name: &str) -> Option<String> {
        let wanted = name.to_ascii_lowercase().replace('-', "_");
        SETTINGS.iter().find(|setting| setting.name == wanted).map(|setting| (setting.show)(self))
    }
}

/// The candidate that `wanted` was most likely meant to be, where one is near enough: for "did you mean".
pub fn suggest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(wanted.len()) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_back_what_it_shows() {
        let config = Config::default();
        for setting in SETTINGS {
            let mut other = Config::default();
            other.set(setting.name, &(setting.show)(&config)).unwrap();
            assert_eq!(other, config, "{}", setting.name);
        }
    }

    #[test]
    fn wrong_settings_are_refused_with_a_suggestion() {
        let mut config = Config::default();
        let error = config.set("memory_limt", "1GB").unwrap_err();
        assert!(error.to_string().contains("did you mean 'memory_limit'"), "{error}");
        assert!(config.set("memory.target", "0.99").is_err());
        assert!(config.set("threads", "0").is_err());
        assert!(config.set("memory_limit", "10 KB").is_err());
        config.set("memory-limit", "50%").unwrap();
    }
}
