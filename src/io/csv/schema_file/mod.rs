//! Schema files: what is known about CSV files, kept so that they need not be looked at again.
//!
//! `text` reads and writes the format. Here a schema becomes a table: files that are as they were need only be found, new
//! and changed ones are sampled and must fit.

mod text;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};

use super::dialect::Dialect;
use super::file::InputFile;
use super::footer::without_footer;
use super::options::{CsvOptions, Delimiter, Header, ParseDates};
use super::rules::Rules;
use super::sample::{FileSample, Sampler};
use super::survey::{TAKEN, find, in_parallel, look_at};
use super::table::{Column, CsvTable, match_case, resolve_columns};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::io::hive::{HiveOptions, HivePartitioning, partition_columns};
use crate::io::options::Options;
use crate::memory::MemoryPool;
use crate::types::{DataType, sql_name, timestamp_tz};

/// A schema file.
#[derive(Debug)]
pub struct SchemaFile {
    path: PathBuf,
    delimiter: Delimiter,
    quote: Option<u8>,
    has_header: bool,
    /// Options of `read_csv` that the files are read with.
    options: Options,
    /// Columns that stand in the files' paths.
    partitions: Vec<(String, DataType)>,
    columns: Vec<Column>,
    /// The names of fields, by position, each as many files have them.
    headers: Vec<Arc<[String]>>,
    files: Vec<KnownFile>,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownFile {
    path: String,
    size: u64,
    modified: String,
    /// Whether it is compressed or in another encoding.
    is_stream: bool,
    /// Where in its text the records start.
    start: u64,
    /// The names of its fields; `None`, where it has no record.
    header: Option<usize>,
}

impl SchemaFile {
    /// The schema file that files are to be opened with: that of the options, or that of the session, where it knows one
    /// of the files.
    ///
    /// # Errors
    /// A data error, where it cannot be read or is damaged.
    pub fn for_files(files: &[PathBuf], options: &CsvOptions, config: &Config) -> Result<Option<Self>> {
        if let Some(path) = &options.schema_file {
            return Self::read(path).map(Some);
        }
        let Some(path) = &config.schema_file else { return Ok(None) };
        let schema = Self::read(path)?;
        let places = Places::new();
        let known: HashSet<PathBuf> = schema.files.iter().map(|file| places.of(Path::new(&file.path))).collect();
        Ok(files.iter().any(|file| known.contains(&places.of(file))).then_some(schema))
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io("read the schema file", path, &error))?;
        text::parse(path, &text)
    }

    /// The schema file of a table that was opened with these options.
    ///
    /// # Errors
    /// A usage error, where an option cannot be kept.
    pub fn render(table: &CsvTable, options: &Options) -> Result<String> {
        let layout = table.layout();
        let inferred = layout.inferred.iter().take(layout.file_columns);
        let columns = layout.schema.fields().iter().zip(inferred);
        let mut headers: Vec<Arc<[String]>> = Vec::new();
        let mut positions: HashMap<Arc<[String]>, usize> = HashMap::new();
        let files = table.csv_files().iter().map(|file| KnownFile {
            path: file.input.path().to_string_lossy().into_owned(),
            size: file.input.size,
            modified: moment(file.input.modified()),
            is_stream: file.input.is_stream(),
            start: if file.width > 0 { file.data_start } else { 0 },
            header: (file.width > 0).then(|| {
                *positions.entry(file.names.clone()).or_insert_with(|| {
                    headers.push(file.names.clone());
                    headers.len() - 1
                })
            }),
        });
        let files = files.collect();
        let partitions = layout.in_paths.partitions().iter();
        let schema = Self {
            path: PathBuf::new(),
            delimiter: layout.dialect.long_delimiter.unwrap_or(Delimiter::from(layout.dialect.delimiter)),
            quote: layout.dialect.quote,
            has_header: layout.has_header,
            options: text::kept(options),
            partitions: partitions
                .map(|(column, values)| (layout.schema.field(*column).name().clone(), values.data_type().clone()))
                .collect(),
            columns: columns
                .map(|(field, inferred)| Column {
                    name: field.name().clone(),
                    data_type: field.data_type().clone(),
                    inferred: *inferred,
                })
                .collect(),
            headers,
            files,
        };
        // What is written can be read again.
        CsvOptions::parse(&schema.options)?;
        Ok(text::render(&schema))
    }

    /// The table of files by this schema. Files that are as they were are not opened, unless they must be decoded or end
    /// before their last lines.
    ///
    /// # Errors
    /// A usage error for options that say other things than the schema; a data error for a file that is new or has
    /// changed, and that does not fit.
    pub fn open(
        mut self,
        files: Vec<PathBuf>,
        options: CsvOptions,
        config: &Config,
        memory: &Arc<MemoryPool>,
    ) -> Result<Arc<CsvTable>> {
        for column in &mut self.columns {
            if matches!(column.data_type, DataType::Timestamp(_, Some(_))) {
                column.data_type = timestamp_tz(&config.time_zone);
            }
        }
        let mut options = self.options_with(options)?;
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let in_paths = partition_columns(files.iter().map(PathBuf::as_path), &options.hive, config)?;
        resolve_columns(&mut options, &names, &in_paths)?;
        let (options, rules) = (&options, &Rules::new(&options)?);
        let (quote, escape, comment) = (self.quote, options.escape, options.comment);
        let dialect = Dialect { quote, escape, comment, ..Dialect::delimited(self.delimiter) };
        let by_position = if options.union_by_name { &[][..] } else { &names };
        let sampler = Sampler { dialect, options, rules, names: by_position, memory };
        let places = Places::new();
        let known: HashMap<PathBuf, &KnownFile> =
            self.files.iter().map(|file| (places.of(Path::new(&file.path)), file)).collect();
        let width = self.headers.iter().map(|names| names.len()).max().unwrap_or(0);
        let opened = in_parallel(files.len(), TAKEN, config, |index| {
            let path = &files[index];
            let plain = InputFile::plain(path.clone())?;
            let known = known.get(&places.of(path)).filter(|known| {
                known.size == plain.size && !known.modified.is_empty() && known.modified == moment(plain.modified())
            });
            if let Some(known) = known {
                let input = match known.is_stream {
                    true => find(path.clone(), options)?,
                    false => Arc::new(without_footer(plain, options.skip_footer)?),
                };
                return Ok(match known.header.and_then(|header| self.headers.get(header)) {
                    Some(names) => (input, known.start, names.clone()),
                    None => (input.clone(), input.len, Vec::new().into()),
                });
            }
            let input = find(path.clone(), options)?;
            match look_at(&sampler, &input, self.has_header, width, true)? {
                None => Ok((input.clone(), input.len, Vec::new().into())),
                Some(mut sampled) => {
                    self.check(&input, &mut sampled, &sampler)?;
                    Ok((input, sampled.data_start, sampled.names.into()))
                }
            }
        })?;
        CsvTable::assemble(self.columns, opened, in_paths, dialect, self.has_header, options.clone(), config)
    }

    /// Checks that a file has the columns of the schema, or some of them, and values that fit, and brings its names to
    /// those of the schema.
    fn check(&self, input: &InputFile, sampled: &mut FileSample, sampler: &Sampler<'_>) -> Result<()> {
        let known: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let (file, schema) = (input.path().display(), self.path.display());
        if sampler.options.union_by_name {
            match_case(&known, &mut sampled.names);
        } else if sampled.names.len() == known.len() {
            sampled.names.clone_from(&known);
        } else {
            let message =
                format!("'{file}' has {} columns, and the schema file '{schema}' {}", sampled.names.len(), known.len());
            return Err(self.outdated(message, input));
        }
        let columns: HashMap<&str, &Column> =
            self.columns.iter().map(|column| (column.name.as_str(), column)).collect();
        for (name, guesses) in sampled.names.iter().zip(&sampled.guesses) {
            let Some(column) = columns.get(name.as_str()) else {
                let message =
                    format!("'{file}' has a column \"{name}\", which the schema file '{schema}' does not have");
                return Err(self.outdated(message, input).with_column(name));
            };
            let in_path = self.partitions.iter().any(|(partition, _)| partition.eq_ignore_ascii_case(name));
            let fits = || sampler.rules.of(name).fits(*guesses, &column.data_type);
            if column.inferred && !in_path && !fits() {
                let message = format!(
                    "the column \"{name}\" of '{file}' has values that are no {}, its type in the schema file '{schema}'",
                    sql_name(&column.data_type)
                );
                return Err(self.outdated(message, input).with_column(name));
            }
        }
        Ok(())
    }

    fn outdated(&self, message: String, input: &InputFile) -> Error {
        Error::data(message).with_file(input.path()).with_hint(format!(
            "the file is new or has changed since: write the schema file anew by highwater schema … -o '{}' --existing \
             overwrite",
            self.path.display()
        ))
    }

    /// The options that the schema holds, and of the caller's those that say nothing about what is in the files.
    ///
    /// # Errors
    /// A usage error for an option of the caller that says something else than the schema.
    fn options_with(&self, given: CsvOptions) -> Result<CsvOptions> {
        let mut kept = CsvOptions::parse(&self.options).map_err(|error| text::damaged_options(&self.path, &error))?;
        let usual = CsvOptions::default();
        let agrees = |name: &str, agrees: bool| match agrees {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "the schema file '{}' says otherwise than the option '{name}'",
                self.path.display()
            ))
            .with_hint("leave the option out, or write the schema file anew: --existing overwrite")),
        };
        let has_header = if self.has_header { Header::Yes } else { Header::No };
        // Every option is named, so that whoever adds one decides on which side it is.
        let CsvOptions {
            delimiter,
            quote,
            detects_quote,
            escape,
            comment,
            header,
            names,
            names_are_all,
            types,
            types_by_position,
            all_varchar,
            assume_missing,
            parse_dates,
            null_strings,
            null_strings_of,
            force_not_null,
            allow_quoted_nulls,
            decimal_separator,
            thousands,
            dateformat,
            timestampformat,
            filename,
            skip,
            skip_footer,
            sample_size,
            on_error,
            null_padding,
            ignore_extra,
            max_rejects,
            rejects,
            max_line_size,
            compression,
            encoding,
            blocksize,
            files_to_sniff,
            union_by_name,
            hive,
            schema_file,
        } = given;
        agrees("delim", delimiter.is_none_or(|delimiter| delimiter == self.delimiter))?;
        agrees("quote", detects_quote || quote == self.quote)?;
        agrees("escape", escape == usual.escape || escape == kept.escape)?;
        agrees("comment", comment == usual.comment || comment == kept.comment)?;
        agrees("header", header == Header::Detect || header == has_header)?;
        if names_are_all {
            agrees("columns", names.iter().eq(self.columns.iter().map(|column| &column.name)))?;
        } else {
            agrees("names", names.is_empty() || names == kept.names)?;
        }
        let lower = |name: &str, data_type: &DataType| (name.to_ascii_lowercase(), data_type.clone());
        let known: HashSet<_> = self.columns.iter().map(|column| lower(&column.name, &column.data_type)).collect();
        let is_column = |(name, data_type): &(String, DataType)| known.contains(&lower(name, data_type));
        agrees(if names_are_all { "columns" } else { "types" }, types.iter().all(is_column))?;
        let in_order = || types_by_position.iter().zip(&self.columns).all(|(known, column)| *known == column.data_type);
        agrees("types", types_by_position.len() <= self.columns.len() && in_order())?;
        let is_text = || self.columns.iter().all(|column| column.data_type == DataType::Utf8View);
        agrees("all_varchar", !all_varchar || is_text())?;
        agrees("assume_missing", !assume_missing || kept.assume_missing)?;
        agrees("parse_dates", parse_dates == ParseDates::Yes || parse_dates == kept.parse_dates)?;
        agrees("nullstr", null_strings.is_none() || null_strings == kept.null_strings)?;
        agrees("nullstr", null_strings_of.is_empty() || null_strings_of == kept.null_strings_of)?;
        agrees("force_not_null", force_not_null.is_empty() || force_not_null == kept.force_not_null)?;
        agrees("allow_quoted_nulls", !allow_quoted_nulls || kept.allow_quoted_nulls)?;
        let is_usual = decimal_separator == usual.decimal_separator;
        agrees("decimal_separator", is_usual || decimal_separator == kept.decimal_separator)?;
        agrees("thousands", thousands.is_none() || thousands == kept.thousands)?;
        agrees("dateformat", dateformat.is_none() || dateformat == kept.dateformat)?;
        agrees("timestampformat", timestampformat.is_none() || timestampformat == kept.timestampformat)?;
        agrees("skip", skip == usual.skip || skip == kept.skip)?;
        agrees("skip_footer", skip_footer == usual.skip_footer || skip_footer == kept.skip_footer)?;
        agrees("compression", compression == usual.compression || compression == kept.compression)?;
        agrees("encoding", encoding.is_none() || encoding == kept.encoding)?;
        agrees("null_padding", !null_padding || kept.null_padding)?;
        agrees("ignore_extra", !ignore_extra || kept.ignore_extra)?;
        agrees("union_by_name", union_by_name || !kept.union_by_name)?;
        let partitioning = if self.partitions.is_empty() { HivePartitioning::No } else { HivePartitioning::Yes };
        let same_partitioning = [partitioning, HivePartitioning::Detect].contains(&hive.partitioning);
        agrees("hive_partitioning", same_partitioning)?;
        agrees("hive_types", hive.types.is_empty() || hive.types == self.partitions)?;
        kept.hive = HiveOptions { partitioning, types: self.partitions.clone() };
        Ok(CsvOptions {
            filename,
            sample_size,
            files_to_sniff,
            on_error,
            max_rejects,
            rejects,
            max_line_size,
            blocksize,
            schema_file,
            ..kept
        })
    }
}

/// Paths that do not depend on the way in which they were given.
struct Places {
    /// The folder that the process is in, where it has one.
    current: PathBuf,
}

impl Places {
    fn new() -> Self {
        Self { current: std::env::current_dir().unwrap_or_default() }
    }

    fn of(&self, path: &Path) -> PathBuf {
        let path = self.current.join(path);
        absolute(&path).unwrap_or(path)
    }
}

/// A moment as text, to the nanosecond; empty, where it is not known.
fn moment(time: Option<SystemTime>) -> String {
    time.map_or_else(String::new, |time| DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Nanos, true))
}
