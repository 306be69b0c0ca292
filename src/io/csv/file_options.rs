//! Options of `read_csv` about many files: how they are looked at, how their columns match, and what their paths say.

use super::options::{CsvOption, SampleSize, boolean, text, whole_number, wrong_kind};
use crate::io::hive::{HivePartitioning, parse_hive_types};
use crate::io::options::OptionValue;

/// The options.
pub(super) const FILE_OPTIONS: &[CsvOption] = &[
    CsvOption {
        names: &["files_to_sniff"],
        usage: "write a number of files, or -1 for all: files_to_sniff = 10",
        set: |options, value| {
            options.files_to_sniff = match value {
                OptionValue::Number(number) if *number == -1.0 => None,
                OptionValue::Text(text) if text.eq_ignore_ascii_case("all") => None,
                other => match whole_number(other)? {
                    0 => return Err("0, which leaves nothing to infer types from".into()),
                    files => Some(usize::try_from(files).unwrap_or(usize::MAX)),
                },
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["infer"],
        usage: "write infer = 'sample', or 'full' to look at every record",
        set: |options, value| {
            options.sample_size = match (text(value)?.to_ascii_lowercase().as_str(), options.sample_size) {
                ("full" | "all", _) => SampleSize::All,
                ("sample", SampleSize::All) => SampleSize::Windows,
                ("sample", other) => other,
                (other, _) => return Err(format!("'{other}', which is none of sample and full")),
            };
            Ok(())
        },
    },
    CsvOption {
        names: &["union_by_name"],
        usage: "write union_by_name = true, or false to match columns by position",
        set: |options, value| {
            options.union_by_name = boolean(value)?;
            Ok(())
        },
    },
    CsvOption {
        names: &["hive_partitioning"],
        usage: "write hive_partitioning = true, false or 'auto'",
        set: |options, value| {
            options.hive.partitioning = HivePartitioning::parse(value).ok_or_else(|| wrong_kind(value))?;
            Ok(())
        },
    },
    CsvOption {
        names: &["hive_types"],
        usage: "write hive_types = {'year': 'INTEGER'}",
        set: |options, value| {
            let types = parse_hive_types(value).map_err(|error| format!("wrong: {}", error.kind().message))?;
            options.hive.types = types.ok_or_else(|| wrong_kind(value))?;
            Ok(())
        },
    },
    CsvOption {
        names: &["schema_file"],
        usage: "write the path of a schema file: schema_file = 'sales.toml'",
        set: |options, value| {
            options.schema_file = Some(text(value)?.into());
            Ok(())
        },
    },
];
