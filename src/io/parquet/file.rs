//! One Parquet file: its footer, its columns as the engine sees them, and the bounds of its row groups.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ColumnOrder, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::{SchemaDescriptor, Type};

use super::ReadOptions;
use super::convert::{INTERVAL_BYTES, convert, engine_type};
use super::footer::{check_ends, check_places, check_schema};
use super::kept::KeptIndexes;
use super::prune::Bounds;
use crate::error::{Error, Result};
use crate::io::nested::{Part, Step, leaves_of, parts};
use crate::panics::guarded;
use crate::types::{TEXT, is_float, is_list, list_item};

/// Bytes of what is known of a leaf besides the library's metadata: its fields, names and types.
const LEAF_BYTES: usize = 768;

/// A column of a file that the engine can read, or a part of one: fields of a column `place` are columns `place.x`, `place.y`.
#[derive(Debug)]
pub(super) struct FileColumn {
    pub name: String,
    /// What leads from the file's column to this one; nothing where it is one itself.
    pub path: Vec<Step>,
    /// Its place among the file's columns.
    pub root: usize,
    /// Its place among the leaves of the file's schema.
    pub leaf: usize,
    /// Another leaf that the Parquet reader wants with it.
    pub partner: Option<usize>,
    /// The type of the arrays that the Parquet reader gives.
    pub read_type: DataType,
    /// The engine's type.
    pub data_type: DataType,
}

impl FileColumn {
    /// The column as the Parquet reader gives it.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.read_type.clone(), true)
    }

    /// The leaves that are read for it.
    pub fn leaves(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.leaf).chain(self.partner)
    }

    /// Whether there may be NaN, the greatest value here, which is not among the bounds that Parquet keeps.
    pub fn may_be_nan(&self) -> bool {
        is_float(&self.read_type) || self.read_type == DataType::Float16
    }
}

/// What tells a file from another of the same name and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: (i64, i64),
    inode: (u64, u64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self { modified: (found.mtime(), found.mtime_nsec()), inode: (found.dev(), found.ino()) }
    }
}

/// When a file was changed in any way, also by what sets its time of modification back. Links to it and its rights count too, so
/// that this tells whether something that was kept may still be used, not whether a file may be read on.
fn changed_at(found: &Metadata) -> (i64, i64) {
    (found.ctime(), found.ctime_nsec())
}

/// Whether a change that came after `now` would have another time than that. Clocks of file systems go by some milliseconds, or
/// seconds.
fn is_settled((seconds, nanos): (i64, i64), now: SystemTime) -> bool {
    let tick = if nanos == 0 { Duration::from_secs(2) } else { Duration::from_millis(50) };
    let changed = u64::try_from(seconds).ok().zip(u32::try_from(nanos).ok());
    let changed = changed.map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok();
    changed.zip(now).is_some_and(|(changed, now)| changed.saturating_add(tick) < now)
}

/// A file whose footer was read.
#[derive(Debug)]
pub(super) struct ParquetFile {
    pub path: PathBuf,
    pub length: u64,
    /// When it was written to last, and which file it is.
    stamp: Stamp,
    changed: (i64, i64),
    is_settled: bool,
    pub metadata: ArrowReaderMetadata,
    pub columns: Vec<FileColumn>,
    /// What was read of it since.
    pub indexes: KeptIndexes,
}

impl ParquetFile {
    /// Reads the footer.
    pub fn open(path: &Path, options: &ReadOptions, zone: &str) -> Result<Self> {
        let now = SystemTime::now();
        let file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
        let found = file.metadata().map_err(|error| Error::io("read", path, &error))?;
        let (length, stamp, changed) = (found.len(), Stamp::of(&found), changed_at(&found));
        check_ends(&file, path, length)?;
        check_schema(&file, length).map_err(|what| damaged(path, &what))?;
        let damaged = |error: ParquetError| damaged(path, &error);
        // The library ends in a panic at some damages.
        let load = |options| {
            guarded(|| ArrowReaderMetadata::load(&file, options))
                .unwrap_or_else(|panic| Err(ParquetError::General(format!("its decoder stopped at '{panic}'"))))
                .map_err(damaged)
        };
        let mut found = load(ArrowReaderOptions::new())?;
        if let Some(changed) = intervals_as_bytes(&found).map_err(damaged)? {
            let options = ArrowReaderOptions::new().with_parquet_schema(Arc::new(changed));
            found = load(options)?;
        }
        check_places(path, found.metadata(), length)?;
        let physical = |leaf: usize| found.parquet_schema().column(leaf).physical_type();
        let mut leaf = 0;
        let fields = found.schema().fields().iter();
        let fields = fields.map(|field| read_field(field, &mut leaf, &physical, options.binary_as_string));
        let wanted = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        if leaf != found.parquet_schema().num_columns() {
            return Err(Error::internal(format!("{leaf} leaves where '{}' has others", path.display())));
        }
        let hinted = ArrowReaderOptions::new().with_schema(wanted);
        let metadata = ArrowReaderMetadata::try_new(found.metadata().clone(), hinted).map_err(damaged)?;
        let columns = columns(path, &metadata, options, zone)?;
        let (path, is_settled) = (path.to_path_buf(), is_settled(changed, now));
        Ok(Self { path, length, stamp, changed, is_settled, metadata, columns, indexes: KeptIndexes::default() })
    }

    /// Whether the file is still the one whose footer was read.
    pub fn is_unchanged(&self) -> bool {
        let is_same = |found: &Metadata| {
            found.len() == self.length && Stamp::of(found) == self.stamp && changed_at(found) == self.changed
        };
        std::fs::metadata(&self.path).is_ok_and(|found| is_same(&found))
    }

    /// Whether [`is_unchanged`](Self::is_unchanged) can be relied on: of a file that was just written, a further change might not show.
    pub fn is_settled(&self) -> bool {
        self.is_settled
    }

    /// Bytes of memory that the footer takes, about.
    pub fn memory(&self) -> u64 {
        let leaves = self.metadata.parquet_schema().num_columns();
        (self.metadata.metadata().memory_size() + leaves * LEAF_BYTES + size_of::<Self>()) as u64
    }

    /// The index of a column by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub fn rows(&self) -> u64 {
        (0..self.row_groups()).fold(0, |rows, row_group| rows.saturating_add(self.row_group_rows(row_group)))
    }

    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    pub fn row_group_rows(&self, row_group: usize) -> u64 {
        u64::try_from(self.row_group(row_group).num_rows()).unwrap_or(0)
    }

    pub fn row_group(&self, row_group: usize) -> &RowGroupMetaData {
        self.metadata.metadata().row_group(row_group)
    }

    /// Bytes of a column in a row group when they are decompressed.
    pub fn decompressed_bytes(&self, row_group: usize, column: usize) -> u64 {
        u64::try_from(self.row_group(row_group).column(self.columns[column].leaf).uncompressed_size()).unwrap_or(0)
    }

    /// Whether the file tells where the pages of a column in a row group are.
    pub fn has_page_index(&self, row_group: usize, column: usize) -> bool {
        self.row_group(row_group).column(self.columns[column].leaf).offset_index_offset().is_some()
    }

    /// Bytes of a column in a row group as an array of all its rows: dictionaries are smaller in the file.
    pub fn held_bytes(&self, row_group: usize, column: usize) -> u64 {
        let width = self.columns[column].read_type.primitive_width().unwrap_or(size_of::<u128>());
        self.decompressed_bytes(row_group, column).max(self.row_group_rows(row_group).saturating_mul(width as u64))
    }

    /// Bytes of a column in a row group, as they lie in the file.
    pub fn column_bytes(&self, row_group: usize, column: usize) -> u64 {
        u64::try_from(self.row_group(row_group).column(self.columns[column].leaf).compressed_size()).unwrap_or(0)
    }

    /// Opens the file again, to be read by position.
    pub fn reopen(&self) -> Result<File> {
        let path = &self.path;
        let changed = "it was there when the query began: do not change files while they are read";
        let failed = |error: std::io::Error| Error::io("open", path, &error).with_hint(changed);
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if found.len() != self.length || Stamp::of(&found) != self.stamp {
            let sizes = if found.len() == self.length {
                "it was written to, or replaced".to_string()
            } else {
                format!("it had {} bytes and has {}", self.length, found.len())
            };
            return Err(Error::data(format!("'{}' changed while it was read: {sizes}", path.display()))
                .with_file(path)
                .with_hint(changed));
        }
        Ok(file)
    }

    /// The error of what the Parquet reader found wrong.
    pub fn damaged(&self, error: &dyn std::fmt::Display) -> Error {
        Error::data(format!("cannot read '{}': {error}", self.path.display()))
            .with_file(&self.path)
            .with_hint("the file may be damaged or truncated: write it again")
    }

    /// What the footer knows about the values of a column in a row group, as values of the type `to`; `None` where that is
    /// nothing to rely on.
    pub fn bounds(&self, column: usize, row_group: usize, to: &DataType) -> Option<Bounds> {
        // The footer knows the items of lists, and not the lists.
        let column = self.columns.get(column).filter(|column| !is_list(&column.data_type))?;
        let group = self.row_group(row_group);
        let statistics = group.column(column.leaf).statistics()?;
        let rows = u64::try_from(group.num_rows()).ok()?;
        let nulls = statistics.null_count_opt();
        let mut bounds = Bounds {
            min: None,
            max: None,
            may_be_null: nulls != Some(0),
            may_have_value: nulls.is_none_or(|nulls| nulls < rows),
        };
        if !self.bounds_are_ordered(column) || statistics.is_min_max_deprecated() {
            return Some(bounds);
        }
        if matches!(column.read_type, DataType::Decimal128(_, _))
            && [statistics.min_bytes_opt(), statistics.max_bytes_opt()]
                .into_iter()
                .any(|bytes| bytes.is_none_or(|bytes| !(1..=16).contains(&bytes.len())))
        {
            return Some(bounds);
        }
        let field = column.field();
        let converter =
            StatisticsConverter::from_column_index(column.leaf, &field, self.metadata.parquet_schema()).ok()?;
        let value = |array: parquet::errors::Result<arrow::array::ArrayRef>| {
            Bounds::of(&convert(&array.ok()?, &column.data_type, to).ok()?, 0)
        };
        bounds.min = value(converter.row_group_mins([group]));
        bounds.max = value(converter.row_group_maxes([group]));
        if column.may_be_nan() && statistics.nan_count_opt() != Some(0) {
            bounds.max = None;
        }
        Some(bounds)
    }

    /// Whether a column holds timestamps of 96 bits, which are checked when they are read.
    pub fn is_int96(&self, column: &FileColumn) -> bool {
        self.metadata.parquet_schema().column(column.leaf).physical_type() == PhysicalType::INT96
    }

    /// Whether bounds in the footer are in the order in which the engine compares.
    pub fn bounds_are_ordered(&self, column: &FileColumn) -> bool {
        let metadata = self.metadata.metadata().file_metadata();
        let physical = metadata.schema_descr().column(column.leaf).physical_type();
        match metadata.column_order(column.leaf) {
            ColumnOrder::TYPE_DEFINED_ORDER(_) | ColumnOrder::IEEE_754_TOTAL_ORDER => {
                physical != PhysicalType::INT96 && column.read_type != DataType::FixedSizeBinary(INTERVAL_BYTES)
            }
            // Files that do not say how they compare: there is only one way for signed numbers.
            ColumnOrder::UNDEFINED => {
                matches!(physical, PhysicalType::INT32 | PhysicalType::INT64)
                    && !matches!(
                        column.read_type,
                        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64
                    )
            }
            _ => false,
        }
    }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::data(format!("cannot read the footer of '{}': {error}", path.display()))
        .with_file(path)
        .with_hint("the file may be damaged or truncated: write or copy it again")
}

/// A field as it is asked of the Parquet reader; `leaf` is its first leaf, and is moved behind its last one.
fn read_field(
    field: &Field,
    leaf: &mut usize,
    physical: &dyn Fn(usize) -> PhysicalType,
    binary_as_string: bool,
) -> Field {
    let mut below = |field: &Field| Arc::new(read_field(field, leaf, physical, binary_as_string));
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| below(field)).collect()),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            DataType::List(below(item))
        }
        DataType::Map(entries, sorted) => DataType::Map(below(entries), *sorted),
        other => {
            *leaf += 1;
            read_type(other, physical(*leaf - 1), binary_as_string)
        }
    };
    field.clone().with_data_type(data_type)
}

/// The type to ask of the Parquet reader for a leaf: text as string views, everything else as it lies there.
fn read_type(found: &DataType, physical: PhysicalType, binary_as_string: bool) -> DataType {
    match found {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => TEXT,
        DataType::Dictionary(_, values) => read_type(values, physical, binary_as_string),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView if binary_as_string => TEXT,
        // The legacy timestamps of 96 bits reach far beyond what 64 bits of nanoseconds hold.
        DataType::Timestamp(_, zone) if physical == PhysicalType::INT96 => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.clone())
        }
        other => other.clone(),
    }
}

/// The file's schema with its INTERVAL columns as plain bytes, since the Parquet reader can give months or days and
/// milliseconds of them, but not all three. `None` where there are none.
fn intervals_as_bytes(found: &ArrowReaderMetadata) -> Result<Option<SchemaDescriptor>, ParquetError> {
    let is_interval = |field: &Arc<Field>| matches!(field.data_type(), DataType::Interval(_));
    if !found.schema().fields().iter().any(is_interval) {
        return Ok(None);
    }
    let root = found.parquet_schema().root_schema();
    let fields = root.get_fields().iter().zip(found.schema().fields()).map(|(column, field)| {
        if !is_interval(field) {
            return Ok(column.clone());
        }
        let info = column.get_basic_info();
        let builder = Type::primitive_type_builder(info.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY)
            .with_length(INTERVAL_BYTES)
            .with_repetition(info.repetition())
            .with_id(info.has_id().then(|| info.id()));
        Ok(Arc::new(builder.build()?))
    });
    let fields = fields.collect::<Result<Vec<_>, ParquetError>>()?;
    let changed = Type::group_type_builder(root.name()).with_fields(fields).build()?;
    Ok(Some(SchemaDescriptor::new(Arc::new(changed))))
}

/// The columns and fields of a schema that the engine can read.
struct Found<'a> {
    zone: &'a str,
    columns: Vec<FileColumn>,
    unsupported: Vec<String>,
    has_binary: bool,
}

impl Found<'_> {
    /// Takes note of a part of the column `root`, whose first leaf is `leaf`.
    fn add(&mut self, part: Part, root: usize, leaf: usize) {
        let Part { name, path, data_type: read_type, leaf: own, partner } = part;
        match engine_type(&read_type, self.zone) {
            Some(data_type) => {
                let (partner, leaf) = (partner.map(|partner| leaf + partner), leaf + own);
                self.columns.push(FileColumn { name, path, root, leaf, partner, read_type, data_type });
            }
            None => {
                let scalar = list_item(&read_type).unwrap_or(&read_type);
                self.has_binary |= matches!(scalar, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
                self.unsupported.push(format!("\"{name}\" ({})", type_name(&read_type)));
            }
        }
    }
}

/// The columns that the engine can read.
fn columns(path: &Path, metadata: &ArrowReaderMetadata, options: &ReadOptions, zone: &str) -> Result<Vec<FileColumn>> {
    let mut found = Found { zone, columns: Vec::new(), unsupported: Vec::new(), has_binary: false };
    let mut leaf = 0;
    for (root, field) in metadata.schema().fields().iter().enumerate() {
        parts(field).into_iter().for_each(|part| found.add(part, root, leaf));
        leaf += leaves_of(field.data_type());
    }
    let Found { columns, unsupported, has_binary, .. } = found;
    let mut names = HashSet::with_capacity(columns.len());
    if let Some(column) = columns.iter().find(|column| !names.insert(column.name.as_str())) {
        let name = &column.name;
        return Err(Error::data(format!("'{}' has two columns \"{name}\"", path.display()))
            .with_file(path)
            .with_column(name));
    }
    if unsupported.is_empty() || options.skip_unsupported {
        return Ok(columns);
    }
    let hint = if has_binary {
        "read_parquet('…', binary_as_string = true) reads binary as text; skip_unsupported = true leaves such columns out"
    } else {
        "read_parquet('…', skip_unsupported = true) leaves such columns out"
    };
    Err(Error::data(format!(
        "'{}' has columns of types that cannot be read: {}",
        path.display(),
        unsupported.join(", ")
    ))
    .with_file(path)
    .with_hint(hint))
}

/// Types that have no name in SQL here, as people call them.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::List(item) => match item.data_type() {
            DataType::List(_) | DataType::Map(_, _) => "list of lists".into(),
            item => format!("list of {}", type_name(item)),
        },
        DataType::Struct(_) => "struct".into(),
        DataType::Map(_, _) => "map".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".into()
        }
        other => other.to_string(),
    }
}
