//! CSV files as one table: their dialect, and one schema for all of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::detect::Head;
use super::dialect::Dialect;
use super::file::InputFile;
use super::footer::footer_start;
use super::infer::Guesses;
use super::nulls::Nulls;
use super::options::{CsvOptions, OnError, ParseDates};
use super::rules::{ColumnRules, Rules};
use super::sample::{FileSample, sample};
use super::scan::CsvSource;
use super::widen::{Misfit, Widened, Widening};
use crate::config::{Config, suggest};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::source::{ScanRequest, Source, Table};
use crate::types::temporal::{Zone, parse_zone};
use crate::types::{DataType, Field, Schema, SchemaRef, TEXT, timestamp_tz};

/// CSV files as one table. Columns are matched by name, in the order in which the files show them; where a file lacks
/// one, it is null.
#[derive(Debug)]
pub struct CsvTable {
    layout: Arc<Layout>,
    files: Vec<Arc<CsvFile>>,
    label: String,
}

/// What all files of a table have in common.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// All columns of the table.
    pub schema: SchemaRef,
    /// Whether each column's type was inferred, and not declared.
    pub inferred: Vec<bool>,
    /// The column with the file's path.
    pub filename: Option<usize>,
    pub dialect: Dialect,
    /// What is null in columns without rules of their own.
    pub nulls: Nulls,
    /// The rules of each column that its reader has to know.
    pub rules: Vec<Option<Arc<ColumnRules>>>,
    /// The zone of timestamps whose text has none.
    pub zone: Zone,
    pub options: CsvOptions,
    /// What asks for wider types, where they may be widened.
    pub widening: Option<Arc<Widening>>,
}

/// One file of a table.
#[derive(Debug)]
pub(super) struct CsvFile {
    pub input: Arc<InputFile>,
    /// Where its records start.
    pub data_start: u64,
    /// Fields that a record should have.
    pub width: usize,
    /// For each column of the table, the field that holds it.
    pub fields: Vec<Option<usize>>,
}

impl CsvTable {
    /// Looks at the files and makes one table of them.
    ///
    /// The first file with content decides on the delimiter and on whether there is a header, for all; names, types and
    /// sizes come from every file.
    ///
    /// Types are inferred from samples of all files: the narrowest of BOOLEAN, BIGINT, DECIMAL(38,0), DOUBLE, DATE, TIME,
    /// TIMESTAMP with and without zone, and VARCHAR that holds all that a column showed. Numbers with leading zeros or
    /// a plus are text, since they are mostly codes; so is a column that showed no value. A value elsewhere in the file
    /// that does not fit is met when it is read, as [`CsvOptions::on_error`] says, and never changed to fit.
    ///
    /// # Errors
    /// A usage error for options that do not fit the files, a data error for files that cannot be read, are no CSV, or
    /// are all empty.
    pub fn open(files: Vec<PathBuf>, mut options: CsvOptions, config: &Config) -> Result<Arc<Self>> {
        options.check()?;
        let zone = parse_zone(&config.time_zone)?;
        let rules = Rules::new(&options)?;
        let mut opened: Vec<(Arc<InputFile>, Option<FileSample>)> = Vec::with_capacity(files.len());
        let mut first: Option<(Dialect, bool, usize)> = None;
        for path in files {
            let mut input = InputFile::new(path, &options)?;
            if options.skip_footer > 0 && input.is_stream() {
                return Err(Error::usage("skip_footer cannot be used on a compressed or transcoded file")
                    .with_file(&input.path)
                    .with_hint("its end is not known before all of it is read: decompress or convert it first"));
            }
            if options.skip_footer > 0 {
                let end = footer_start(&input, options.skip_footer)?;
                input = input.ending_at(end);
            }
            let input = Arc::new(input);
            let head = Head::read(&input, &options)?;
            let (dialect, header) = match first {
                Some((dialect, header, _)) => (dialect, Some(header)),
                None => (head.dialect(&options), None),
            };
            let sampled = sample(&input, &head, dialect, header, &options, &rules)?;
            if let Some(sampled) = &sampled {
                match first {
                    None => first = Some((dialect, sampled.has_header, sampled.names.len())),
                    Some((_, _, width)) => check_delimiter(&input, &head, dialect, sampled, width, &options)?,
                }
            }
            opened.push((input, sampled));
        }
        let Some((dialect, _, _)) = first else {
            return Err(all_empty(&opened));
        };

        let (names, guesses) = merge(&opened);
        resolve_columns(&mut options, &names)?;
        // Now by the names that the columns have.
        let rules = Rules::new(&options)?;
        let declared: HashMap<&str, &DataType> =
            options.types.iter().map(|(name, data_type)| (name.as_str(), data_type)).collect();
        let mut fields = Vec::with_capacity(names.len() + 1);
        let mut inferred = Vec::with_capacity(names.len() + 1);
        let mut readers = Vec::with_capacity(names.len() + 1);
        for (name, guesses) in names.iter().zip(guesses) {
            let data_type = match declared.get(name.as_str()) {
                Some(DataType::Timestamp(_, Some(_))) => timestamp_tz(&config.time_zone),
                Some(declared) => (*declared).clone(),
                None if options.all_varchar => TEXT,
                None => rules.of(name).data_type(guesses, &config.time_zone),
            };
            readers.push(rules.for_reader(name, &data_type));
            fields.push(Field::new(name, data_type, true));
            inferred.push(!declared.contains_key(name.as_str()));
        }
        let filename = options.filename.as_ref().map(|_| fields.len());
        if let Some(name) = &options.filename {
            if names.contains(name) {
                return Err(Error::usage(format!("the files have a column '{name}' already"))
                    .with_hint("name the column with their paths otherwise: filename = 'path'"));
            }
            fields.push(Field::new(name, TEXT, false));
            inferred.push(false);
            readers.push(None);
        }
        let schema = Arc::new(Schema::new(fields));
        let files: Vec<_> = opened.into_iter().map(|(input, sampled)| CsvFile::new(input, sampled, &schema)).collect();
        let label = label_of(&files);
        let nulls = rules.usual().nulls.clone();
        let widening = (options.on_error == OnError::Widen).then(|| Arc::new(Widening::new(&config.time_zone, rules)));
        let rules = readers;
        let layout = Arc::new(Layout { schema, inferred, filename, dialect, nulls, rules, zone, options, widening });
        Ok(Arc::new(Self { layout, files, label }))
    }

    /// The same table with another name for EXPLAIN, such as the glob that the user wrote.
    #[must_use]
    pub fn with_label(&self, label: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { layout: self.layout.clone(), files: self.files.clone(), label: label.into() })
    }

    /// Whether a query may have to start again with [`widened`](Self::widened).
    pub fn may_widen(&self) -> bool {
        self.layout.widening.is_some()
    }

    /// Where the first value is that asked for a wider type since the table was opened or widened.
    pub fn first_misfit(&self) -> Option<Misfit> {
        self.layout.widening.as_ref()?.first()
    }

    /// The table with types that hold the values too that did not fit, and what was widened: by all of them that were
    /// met, or only by those of one row. `None` where there are none.
    pub fn widened(&self, row: Option<Misfit>) -> Option<(Arc<Self>, Vec<Widened>)> {
        let widening = self.layout.widening.as_ref()?;
        let (schema, widened) = widening.apply(&self.layout.schema, row)?;
        let fresh = widening.fresh();
        // What is plain for one type may not be for another. The column of paths has no rules, and no field either.
        let rules = schema.fields().iter().map(|field| fresh.rules_for_reader(field)).collect();
        let layout = Arc::new(Layout { schema, rules, widening: Some(Arc::new(fresh)), ..(*self.layout).clone() });
        Some((Arc::new(Self { layout, files: self.files.clone(), label: self.label.clone() }), widened))
    }

    /// The files, in the order of their rows.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(|file| file.input.path())
    }

    /// The table of one of the files, by its index in [`files`](Self::files), with the schema of all; `None` where there
    /// is no such file.
    pub fn for_file(&self, index: usize) -> Option<Arc<Self>> {
        let file = self.files.get(index)?.clone();
        let label = file.input.path().display().to_string();
        Some(Arc::new(Self { layout: self.layout.clone(), files: vec![file], label }))
    }
}

impl Table for CsvTable {
    fn describe(&self) -> String {
        match self.files.len() {
            1 => format!("csv '{}'", self.label),
            count => format!("csv '{}' ({count} files)", self.label),
        }
    }

    fn schema(&self) -> &SchemaRef {
        &self.layout.schema
    }

    fn scan(&self, request: &ScanRequest, context: &QueryContext) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(CsvSource::new(self.layout.clone(), &self.files, request, context)?))
    }
}

impl CsvFile {
    fn new(input: Arc<InputFile>, sampled: Option<FileSample>, schema: &Schema) -> Arc<Self> {
        let Some(sampled) = sampled else {
            let fields = vec![None; schema.fields().len()];
            return Arc::new(Self { data_start: input.len, width: 0, fields, input });
        };
        let positions: HashMap<&str, usize> =
            sampled.names.iter().enumerate().map(|(position, name)| (name.as_str(), position)).collect();
        let fields = schema.fields().iter().map(|field| positions.get(field.name().as_str()).copied()).collect();
        Arc::new(Self { input, data_start: sampled.data_start, width: sampled.names.len(), fields })
    }
}

/// All names in the order in which they first appear, and what their columns showed in all files.
fn merge(files: &[(Arc<InputFile>, Option<FileSample>)]) -> (Vec<String>, Vec<Guesses>) {
    let (mut names, mut guesses): (Vec<String>, Vec<Guesses>) = (Vec::new(), Vec::new());
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for sampled in files.iter().filter_map(|(_, sampled)| sampled.as_ref()) {
        for (name, seen) in sampled.names.iter().zip(&sampled.guesses) {
            let position = *positions.entry(name).or_insert_with(|| {
                names.push(name.clone());
                guesses.push(Guesses::default());
                names.len() - 1
            });
            guesses[position].merge(*seen);
        }
    }
    (names, guesses)
}

/// Brings the names of columns in options to those of the files, and types by position to names.
fn resolve_columns(options: &mut CsvOptions, names: &[String]) -> Result<()> {
    for (wanted, _) in &mut options.types {
        resolve_column("types", wanted, names)?;
    }
    for (wanted, _) in &mut options.null_strings_of {
        resolve_column("nullstr", wanted, names)?;
    }
    for wanted in &mut options.force_not_null {
        resolve_column("force_not_null", wanted, names)?;
    }
    if let ParseDates::Columns(columns) = &mut options.parse_dates {
        for wanted in columns {
            resolve_column("parse_dates", wanted, names)?;
        }
    }
    let by_position = std::mem::take(&mut options.types_by_position);
    if by_position.len() > names.len() {
        return Err(Error::usage(format!(
            "the option 'types' has {} types, but the files have {} columns",
            by_position.len(),
            names.len()
        )));
    }
    for (name, data_type) in names.iter().zip(by_position) {
        if !options.types.iter().any(|(named, _)| named == name) {
            options.types.push((name.clone(), data_type));
        }
    }
    Ok(())
}

/// Brings a name to that of a column; case matters only where two columns differ in it.
fn resolve_column(option: &str, wanted: &mut String, names: &[String]) -> Result<()> {
    if names.contains(wanted) {
        return Ok(());
    }
    let mut similar = names.iter().filter(|name| name.eq_ignore_ascii_case(wanted));
    if let (Some(name), None) = (similar.next(), similar.next()) {
        *wanted = name.clone();
        return Ok(());
    }
    let error = Error::usage(format!("the option '{option}' names a column '{wanted}', which no file has"));
    Err(match suggest(wanted, names.iter().map(String::as_str)) {
        Some(near) => error.with_hint(format!("did you mean '{near}'?")),
        None => error.with_hint(format!("columns are {}", names.join(", "))),
    })
}

/// A file that seems to have another delimiter than the first would be read as one column that nobody expects.
fn check_delimiter(
    input: &InputFile,
    head: &Head,
    dialect: Dialect,
    sampled: &FileSample,
    width: usize,
    options: &CsvOptions,
) -> Result<()> {
    if width == 1 || sampled.names.len() != 1 {
        return Ok(());
    }
    let own = head.dialect(options).delimiter;
    if own == dialect.delimiter {
        return Ok(());
    }
    Err(Error::data(format!(
        "'{}' seems to have the delimiter {:?}, and the files before it {:?}",
        input.path().display(),
        char::from(own),
        char::from(dialect.delimiter)
    ))
    .with_file(input.path())
    .with_hint("read it by itself, or set delim for all files"))
}

fn all_empty(files: &[(Arc<InputFile>, Option<FileSample>)]) -> Error {
    match files {
        [] => Error::usage("no CSV file is given"),
        [(input, _)] => Error::data(format!("'{}' is empty: it has no header and no rows", input.path().display()))
            .with_file(input.path()),
        files => Error::data(format!("all {} files are empty: they have no header and no rows", files.len())),
    }
}

/// The one file, or the folder that all are in.
fn label_of(files: &[Arc<CsvFile>]) -> String {
    let mut paths = files.iter().map(|file| file.input.path());
    let first = paths.next().unwrap_or(Path::new(""));
    if files.len() == 1 {
        return first.display().to_string();
    }
    let mut folder = first.parent().unwrap_or(Path::new(""));
    for path in paths {
        while !path.starts_with(folder) {
            folder = folder.parent().unwrap_or(Path::new(""));
        }
    }
    folder.join("*").display().to_string()
}
