//! CSV files as one table: one schema for all of them, and where each file has its columns.

use std::collections::{HashMap, HashSet};
use std::ops::Index;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dialect::Dialect;
use super::file::InputFile;
use super::infer::Guesses;
use super::nulls::Nulls;
use super::options::{CsvOptions, OnError, ParseDates};
use super::rules::{ColumnRules, Rules};
use super::scan::CsvSource;
use super::schema_file::SchemaFile;
use super::survey::{Seen, survey};
use super::widen::{Misfit, Widened, Widening};
use crate::config::{Config, suggest};
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::io::content::ContentSum;
use crate::io::hive::{PartitionColumn, partition_columns};
use crate::io::options::Options;
use crate::io::path_columns::PathColumns;
use crate::io::source::{ScanRequest, Source, Table};
use crate::memory::MemoryPool;
use crate::types::temporal::{Zone, parse_zone};
use crate::types::{DataType, Field, Scalar, Schema, SchemaRef, TEXT, sql_name, timestamp_tz};

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
    /// How many columns stand in files; the file's path and partitions come behind them.
    pub file_columns: usize,
    pub in_paths: PathColumns,
    pub dialect: Dialect,
    pub has_header: bool,
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

impl Layout {
    /// The value that a column has in all rows of a file, where it stands in the file's path.
    pub fn constant(&self, column: usize, file: &CsvFile) -> Option<Scalar> {
        self.in_paths.constant(column, file.index)
    }
}

/// One file of a table.
#[derive(Debug)]
pub(super) struct CsvFile {
    pub input: Arc<InputFile>,
    /// Its place among the files that were opened together.
    pub index: usize,
    /// Where its records start.
    pub data_start: u64,
    /// Fields that a record should have.
    pub width: usize,
    /// The name of each field; none, where the file has no record.
    pub names: Arc<[String]>,
    /// For each column of the table, the field that holds it.
    pub fields: Arc<FieldsOf>,
}

/// For each column of a table, the field of a file that holds it, by the column's index. Only columns that the file has take
/// room: of thousands of files each may have a few of thousands of columns.
#[derive(Debug)]
pub(super) struct FieldsOf {
    columns: usize,
    /// Columns that the file has, ascending, each with its field.
    held: Box<[(usize, Option<usize>)]>,
}

impl FieldsOf {
    /// `columns` holds the table's columns by name.
    fn new(names: &[String], columns: &HashMap<&str, usize>, count: usize) -> Self {
        let fields = names.iter().enumerate();
        let mut held: Vec<_> =
            fields.filter_map(|(field, name)| Some((*columns.get(name.as_str())?, Some(field)))).collect();
        held.sort_unstable();
        Self { columns: count, held: held.into() }
    }

    /// How many columns the table has.
    pub fn len(&self) -> usize {
        self.columns
    }
}

impl Index<usize> for FieldsOf {
    type Output = Option<usize>;

    fn index(&self, column: usize) -> &Option<usize> {
        let place = self.held.binary_search_by_key(&column, |(known, _)| *known).ok();
        place.and_then(|place| self.held.get(place)).map_or(&None, |(_, field)| field)
    }
}

/// A column that stands in files.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    pub data_type: DataType,
    /// Whether the type was inferred, and not declared.
    pub inferred: bool,
}

/// A file, where its records start, and the names of their fields.
pub(super) type Opened = (Arc<InputFile>, u64, Arc<[String]>);

impl CsvTable {
    /// Looks at the files and makes one table of them.
    ///
    /// The first file with content decides on the delimiter and on whether there is a header, for all, and one that differs
    /// is refused; names, types and sizes come from every file. With the option [`schema_file`](CsvOptions::schema_file), all of that comes from there,
    /// and only files that are new or have changed are looked at.
    ///
    /// Types are inferred from samples of all files: the narrowest of BOOLEAN, BIGINT, DECIMAL(38,0), DOUBLE, DATE, TIME,
    /// TIMESTAMP with and without zone, and VARCHAR that holds all that a column showed. Numbers with leading zeros or
    /// a plus are text, since they are mostly codes; so is a column that showed no value. Where doubles would round a
    /// whole number that was seen, the column is a DECIMAL wide enough, else VARCHAR. A value elsewhere in the file
    /// that does not fit is met when it is read, as [`CsvOptions::on_error`] says, and never changed to fit.
    ///
    /// Folders called `name=value` in the paths are columns too, behind all others; one that the files have as well is taken
    /// from the path.
    ///
    /// # Errors
    /// A usage error for options that do not fit the files, a data error for files that cannot be read, are no CSV, or
    /// are all empty; a resource error for records at which memory runs out.
    pub fn open(
        files: Vec<PathBuf>,
        mut options: CsvOptions,
        config: &Config,
        memory: &Arc<MemoryPool>,
    ) -> Result<Arc<Self>> {
        options.check()?;
        if let Some(schema_file) = SchemaFile::for_files(&files, &options, config)? {
            return schema_file.open(files, options, config, memory);
        }
        let mut survey = survey(files, &options, &Rules::new(&options)?, config, memory)?;
        if !options.union_by_name {
            match_by_position(&mut survey.files)?;
        }
        let (names, guesses) = merge(&mut survey.files);
        let in_paths = partition_columns(survey.files.iter().map(|(input, _)| input.path()), &options.hive, config)?;
        resolve_columns(&mut options, &names, &in_paths)?;
        // Now by the names that the columns have.
        let rules = Rules::new(&options)?;
        let declared: HashMap<&str, &DataType> =
            options.types.iter().map(|(name, data_type)| (name.as_str(), data_type)).collect();
        let column = |(name, guesses): (String, Guesses)| {
            let declared = declared.get(name.as_str()).copied();
            let data_type = match declared {
                Some(DataType::Timestamp(_, Some(_))) => timestamp_tz(&config.time_zone),
                Some(declared) => declared.clone(),
                None if options.all_varchar => TEXT,
                None => rules.of(&name).data_type(guesses, &config.time_zone),
            };
            Column { name, data_type, inferred: declared.is_none() }
        };
        let columns = names.into_iter().zip(guesses).map(column).collect();
        let mut shared = Shared::default();
        let opened = survey.files.into_iter().map(|(input, sampled)| match sampled {
            Some(sampled) => (input, sampled.data_start, shared.names(sampled.names)),
            None => (input.clone(), input.len, shared.names(Vec::new())),
        });
        let opened = opened.collect();
        Self::assemble(columns, opened, in_paths, survey.dialect, survey.has_header, options, config)
    }

    /// The table of files about which everything is known; options name columns as the files do.
    pub(super) fn assemble(
        columns: Vec<Column>,
        files: Vec<Opened>,
        in_paths: Vec<PartitionColumn>,
        dialect: Dialect,
        has_header: bool,
        options: CsvOptions,
        config: &Config,
    ) -> Result<Arc<Self>> {
        let file_columns = columns.len();
        let rules = Rules::new(&options)?;
        let (mut fields, mut inferred, mut readers) = (Vec::new(), Vec::new(), Vec::new());
        for Column { name, data_type, inferred: is_inferred } in columns {
            readers.push(rules.for_reader(&name, &data_type));
            fields.push(Field::new(name, data_type, true));
            inferred.push(is_inferred);
        }
        let paths = files.iter().map(|(input, _, _)| input.path());
        let in_paths = PathColumns::with_partitions(paths, options.filename.as_deref(), in_paths, &mut fields)?;
        inferred.resize(fields.len(), false);
        readers.resize(fields.len(), None);
        let schema = Arc::new(Schema::new(fields));
        let zone = parse_zone(&config.time_zone)?;
        let count = schema.fields().len();
        let mut columns: HashMap<&str, usize> =
            schema.fields().iter().enumerate().map(|(column, field)| (field.name().as_str(), column)).collect();
        // A column that stands in paths is read from no field.
        for (column, _) in in_paths.partitions() {
            columns.remove(schema.field(*column).name().as_str());
        }
        let mut shapes: HashMap<Arc<[String]>, Arc<FieldsOf>> = HashMap::new();
        let files: Vec<_> = files
            .into_iter()
            .enumerate()
            .map(|(index, (input, data_start, names))| {
                let fields = || Arc::new(FieldsOf::new(&names, &columns, count));
                let fields = shapes.entry(names.clone()).or_insert_with(fields);
                Arc::new(CsvFile { input, index, data_start, width: names.len(), fields: fields.clone(), names })
            })
            .collect();
        let label = label_of(&files);
        let nulls = rules.usual().nulls.clone();
        let widening = (options.on_error == OnError::Widen).then(|| Arc::new(Widening::new(&config.time_zone, rules)));
        let layout = Layout {
            schema,
            inferred,
            file_columns,
            in_paths,
            dialect,
            has_header,
            nulls,
            rules: readers,
            zone,
            options,
            widening,
        };
        Ok(Arc::new(Self { layout: Arc::new(layout), files, label }))
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

    /// The same table, and for each of its files what takes the checksum of its bytes while they are read.
    pub fn with_content_sums(&self) -> (Arc<Self>, Vec<Arc<ContentSum>>) {
        let sums: Vec<Arc<ContentSum>> = self.files.iter().map(|_| Arc::default()).collect();
        let with_sum = |(file, sum): (&Arc<CsvFile>, &Arc<ContentSum>)| {
            let mut input = (*file.input).clone();
            input.content = Some(sum.clone());
            let input = Arc::new(input);
            Arc::new(CsvFile { input, names: file.names.clone(), fields: file.fields.clone(), ..**file })
        };
        let files = self.files.iter().zip(&sums).map(with_sum).collect();
        (Arc::new(Self { layout: self.layout.clone(), files, label: self.label.clone() }), sums)
    }
}

impl CsvTable {
    /// The text of a schema file of these files, to open them by another time without looking at them: see
    /// [`CsvOptions::schema_file`]. `options` are those that the table was opened with.
    ///
    /// # Errors
    /// A usage error, where an option cannot be kept.
    pub fn schema_file(&self, options: &Options) -> Result<String> {
        SchemaFile::render(self, options)
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn csv_files(&self) -> &[Arc<CsvFile>] {
        &self.files
    }

    /// The files that may hold rows which the conditions keep.
    fn files_for(&self, request: &ScanRequest, context: &QueryContext) -> Result<Vec<Arc<CsvFile>>> {
        let places = self.files.iter().map(|file| file.index);
        let keep = self.layout.in_paths.files_to_read(places, &request.filters, &context.config)?;
        Ok(self.files.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| file.clone()).collect())
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
        let files = self.files_for(request, context)?;
        let source = CsvSource::new(self.layout.clone(), &files, request, context)?;
        Ok(Arc::new(source.with_files_pruned(self.files.len() - files.len())))
    }
}

/// Names that many files have, kept once.
#[derive(Debug, Default)]
struct Shared(HashMap<Vec<String>, Arc<[String]>>);

impl Shared {
    /// The names, shared with other files that have the same.
    fn names(&mut self, names: Vec<String>) -> Arc<[String]> {
        if let Some(shared) = self.0.get(&names) {
            return shared.clone();
        }
        let shared: Arc<[String]> = names.as_slice().into();
        self.0.insert(names, shared.clone());
        shared
    }
}

/// Gives the columns of all files the names that they have in the first one with content.
///
/// # Errors
/// A data error, where a file has more or fewer columns.
fn match_by_position(files: &mut [Seen]) -> Result<()> {
    let first = files.iter().find_map(|(input, sampled)| Some((input.clone(), sampled.as_ref()?.names.clone())));
    let Some((first, names)) = first else { return Ok(()) };
    for (input, sampled) in files.iter_mut().filter_map(|(input, sampled)| Some((input, sampled.as_mut()?))) {
        if sampled.names.len() != names.len() {
            return Err(Error::data(format!(
                "'{}' has {} columns, and '{}' has {}: by position they must be the same",
                input.path().display(),
                sampled.names.len(),
                first.path().display(),
                names.len()
            ))
            .with_file(input.path())
            .with_hint("leave union_by_name = false out, to match columns by name"));
        }
        sampled.names.clone_from(&names);
    }
    Ok(())
}

/// All names in the order in which they first appear, and what their columns showed in all files. Names of one file that
/// differ from those of an earlier one in nothing but case become these.
fn merge(files: &mut [Seen]) -> (Vec<String>, Vec<Guesses>) {
    let (mut names, mut guesses): (Vec<String>, Vec<Guesses>) = (Vec::new(), Vec::new());
    let mut positions: HashMap<String, usize> = HashMap::new();
    for sampled in files.iter_mut().filter_map(|(_, sampled)| sampled.as_mut()) {
        if sampled.names.iter().any(|name| !positions.contains_key(name)) {
            match_case(&names, &mut sampled.names);
        }
        for (name, seen) in sampled.names.iter().zip(&sampled.guesses) {
            let position = match positions.get(name) {
                Some(position) => *position,
                None => {
                    positions.insert(name.clone(), names.len());
                    names.push(name.clone());
                    guesses.push(Guesses::default());
                    names.len() - 1
                }
            };
            guesses[position].merge(*seen);
        }
    }
    (names, guesses)
}

/// Gives names that are known in another case only the case in which they are known, unless that is in doubt.
pub(super) fn match_case(known: &[String], names: &mut [String]) {
    let own: HashSet<String> = names.iter().cloned().collect();
    let mut free: HashMap<String, Vec<&String>> = HashMap::new();
    for name in known.iter().filter(|name| !own.contains(*name)) {
        free.entry(name.to_ascii_lowercase()).or_default().push(name);
    }
    let known: HashSet<&String> = known.iter().collect();
    for name in names.iter_mut().filter(|name| !known.contains(*name)) {
        if let Some([found]) = free.remove(&name.to_ascii_lowercase()).as_deref() {
            name.clone_from(found);
        }
    }
}

/// Brings the names of columns in options to those of the files, and types by position to names.
///
/// # Errors
/// A usage error for a name that no file has, and for the type of a column that stands in paths, unless it has that type.
pub(super) fn resolve_columns(options: &mut CsvOptions, names: &[String], in_paths: &[PartitionColumn]) -> Result<()> {
    let known = KnownNames::new(names, in_paths);
    for (wanted, data_type) in &mut options.types {
        known.resolve("types", wanted, Some(data_type))?;
    }
    for (wanted, _) in &mut options.null_strings_of {
        known.resolve("nullstr", wanted, None)?;
    }
    for wanted in &mut options.force_not_null {
        known.resolve("force_not_null", wanted, None)?;
    }
    if let ParseDates::Columns(columns) = &mut options.parse_dates {
        for wanted in columns {
            known.resolve("parse_dates", wanted, None)?;
        }
    }
    let by_position = std::mem::take(&mut options.types_by_position);
    if by_position.len() > names.len() {
        return Err(Error::usage(format!(
            "the option 'types' has {} types, but the files have {} columns",
            by_position.len(),
            names.len()
        ))
        .with_hint(
            "leave out the last types: a type is for the column at its place, and those behind them are inferred",
        ));
    }
    let named: HashSet<String> = options.types.iter().map(|(name, _)| name.clone()).collect();
    let by_position = names.iter().zip(by_position).filter(|(name, _)| !named.contains(*name));
    options.types.extend(by_position.map(|(name, data_type)| (name.clone(), data_type)));
    options.types.iter().try_for_each(|(name, data_type)| known.check_type(name, data_type))
}

/// The columns that options may name.
struct KnownNames<'a> {
    names: &'a [String],
    in_paths: &'a [PartitionColumn],
    exact: HashSet<&'a str>,
    /// By their names in lower case; `None`, where several differ in case only.
    in_any_case: HashMap<String, Option<&'a str>>,
}

impl<'a> KnownNames<'a> {
    fn new(names: &'a [String], in_paths: &'a [PartitionColumn]) -> Self {
        let mut in_any_case: HashMap<String, Option<&str>> = HashMap::with_capacity(names.len());
        for name in names {
            let twin = in_any_case.entry(name.to_ascii_lowercase());
            twin.and_modify(|name| *name = None).or_insert(Some(name.as_str()));
        }
        Self { names, in_paths, exact: names.iter().map(String::as_str).collect(), in_any_case }
    }

    /// Brings a name to that of a column; case matters only where two columns differ in it. `data_type` is what the option
    /// says about it.
    fn resolve(&self, option: &str, wanted: &mut String, data_type: Option<&DataType>) -> Result<()> {
        if self.exact.contains(wanted.as_str()) {
            return Ok(());
        }
        if let Some(Some(name)) = self.in_any_case.get(&wanted.to_ascii_lowercase()) {
            *wanted = (*name).to_string();
            return Ok(());
        }
        if self.in_path(wanted).is_some() {
            return Err(stands_in_paths(option, wanted, data_type));
        }
        let error = Error::usage(format!("the option '{option}' names a column '{wanted}', which no file has"));
        Err(match suggest(wanted, self.names.iter().map(String::as_str)) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint(format!("columns are {}", self.names.join(", "))),
        })
    }

    /// A column that the files have too is taken from their paths, with the type that it has there.
    fn check_type(&self, name: &str, data_type: &DataType) -> Result<()> {
        match self.in_path(name) {
            Some(partition) if sql_name(partition.values.data_type()) != sql_name(data_type) => {
                Err(stands_in_paths("types", name, Some(data_type)))
            }
            _ => Ok(()),
        }
    }

    fn in_path(&self, name: &str) -> Option<&PartitionColumn> {
        self.in_paths.iter().find(|partition| partition.name.eq_ignore_ascii_case(name))
    }
}

fn stands_in_paths(option: &str, name: &str, data_type: Option<&DataType>) -> Error {
    let error =
        Error::usage(format!("the option '{option}' names the column '{name}', which is taken from the files' paths"));
    error.with_hint(match data_type {
        Some(data_type) => format!("write hive_types = {{'{name}': '{}'}}", sql_name(data_type)),
        None => "leave it out, or write hive_partitioning = false".into(),
    })
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
