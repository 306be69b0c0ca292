//! One Parquet file: its footer, its columns as the engine sees them, and the bounds of its row groups.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ColumnOrder, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::{SchemaDescriptor, Type};

use super::ReadOptions;
use super::convert::{INTERVAL_BYTES, convert, engine_type};
use super::prune::Bounds;
use crate::error::{Error, Result};
use crate::io::nested::{Part, Step, leaves_of, parts};
use crate::types::{TEXT, is_float, is_list, list_item};

/// Bytes at each end of a Parquet file.
const MAGIC: &[u8; 4] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8; 4] = b"PARE";

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

/// A file whose footer was read.
#[derive(Debug)]
pub(super) struct ParquetFile {
    pub path: PathBuf,
    pub length: u64,
    /// When it was written to last, and which file it is.
    stamp: Stamp,
    pub metadata: ArrowReaderMetadata,
    pub columns: Vec<FileColumn>,
}

impl ParquetFile {
    /// Reads the footer.
    pub fn open(path: &Path, options: &ReadOptions, zone: &str) -> Result<Self> {
        let mut file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
        let found = file.metadata().map_err(|error| Error::io("read", path, &error))?;
        let (length, stamp) = (found.len(), Stamp::of(&found));
        check_ends(&mut file, path, length)?;
        let damaged = |error| damaged(path, &error);
        let mut found = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(damaged)?;
        if let Some(changed) = intervals_as_bytes(&found).map_err(damaged)? {
            let options = ArrowReaderOptions::new().with_parquet_schema(Arc::new(changed));
            found = ArrowReaderMetadata::load(&file, options).map_err(damaged)?;
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
        Ok(Self { path: path.to_path_buf(), length, stamp, metadata, columns })
    }

    /// The index of a column by name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub fn rows(&self) -> u64 {
        (0..self.row_groups()).map(|row_group| self.row_group_rows(row_group)).sum()
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
        self.decompressed_bytes(row_group, column).max(self.row_group_rows(row_group) * width as u64)
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

/// Says what is wrong with a file that is none of ours, in words better than the reader's.
fn check_ends(file: &mut File, path: &Path, length: u64) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("read", path, &error);
    let shown = path.display();
    let mut head = [0; 4];
    let mut tail = [0; 4];
    if length >= 4 {
        file.read_exact(&mut head).map_err(failed)?;
    }
    if &head == MAGIC_ENCRYPTED {
        return Err(Error::data(format!("'{shown}' is encrypted")).with_file(path).with_hint("decrypt it first"));
    }
    if &head != MAGIC {
        return Err(Error::data(format!("'{shown}' is not a Parquet file"))
            .with_file(path)
            .with_hint("read CSV files by read_csv('…')"));
    }
    if length >= 12 {
        file.seek(SeekFrom::End(-4)).and_then(|_| file.read_exact(&mut tail)).map_err(failed)?;
    }
    if &tail != MAGIC && &tail != MAGIC_ENCRYPTED {
        return Err(Error::data(format!("'{shown}' is truncated: it does not end as Parquet files do"))
            .with_file(path)
            .with_hint("its writer may not have finished: write or copy the file again"));
    }
    Ok(())
}

/// Checks that columns lie within the file, which the Parquet reader takes for granted.
fn check_places(path: &Path, metadata: &ParquetMetaData, length: u64) -> Result<()> {
    for (row_group, group) in metadata.row_groups().iter().enumerate() {
        for chunk in group.columns() {
            let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
            let place = u64::try_from(start).ok().zip(u64::try_from(chunk.compressed_size()).ok());
            if place.and_then(|(start, bytes)| start.checked_add(bytes)).is_none_or(|end| end > length) {
                return Err(Error::data(format!(
                    "the footer of '{}' places the column \"{}\" of row group {row_group} outside of the file",
                    path.display(),
                    chunk.column_path().string()
                ))
                .with_file(path)
                .with_hint("the file may be damaged or truncated: write or copy it again"));
            }
        }
    }
    Ok(())
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
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
