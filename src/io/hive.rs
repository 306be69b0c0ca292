//! Hive partitions: columns that stand in the paths of files, as in `sales/year=2024/country=CH/part-0.csv`, and the files
//! that a condition over such columns rules out.

use std::path::{Component, Path};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::{Field, Schema};

use super::options::OptionValue;
use crate::batch::record_batch;
use crate::config::{Config, suggest};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::eval::cast::cast_array;
use crate::expr::BoundExpr;
use crate::types::temporal::parse_date;
use crate::types::{DataType, TEXT, parse_type, sql_name, timestamp_tz};

/// How a partition is called whose value is null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Whether paths hold columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HivePartitioning {
    /// Where all files have the same names of partitions in their paths.
    #[default]
    Detect,
    /// They do.
    Yes,
    /// They do not.
    No,
}

/// How the paths of files are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HiveOptions {
    /// Whether they hold columns.
    pub partitioning: HivePartitioning,
    /// The types of some of these columns, which are then not inferred.
    pub types: Vec<(String, DataType)>,
}

impl HivePartitioning {
    /// Reads the option `hive_partitioning`: true, false or `auto`; `None` for anything else.
    pub fn parse(value: &OptionValue) -> Option<Self> {
        let text = match value {
            OptionValue::Boolean(truth) => truth.to_string(),
            OptionValue::Text(text) => text.to_ascii_lowercase(),
            _ => return None,
        };
        match text.as_str() {
            "auto" | "detect" => Some(Self::Detect),
            "true" => Some(Self::Yes),
            "false" => Some(Self::No),
            _ => None,
        }
    }
}

/// Reads the option `hive_types`, a map of names to types; `None` for something else.
///
/// # Errors
/// A usage error for a type that there is not.
pub fn parse_hive_types(value: &OptionValue) -> Result<Option<Vec<(String, DataType)>>> {
    let OptionValue::Map(entries) = value else { return Ok(None) };
    let mut types = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let OptionValue::Text(text) = value else { return Ok(None) };
        types.push((name.clone(), parse_type(text)?));
    }
    Ok(Some(types))
}

/// A column that stands in paths.
#[derive(Clone, Debug)]
pub struct PartitionColumn {
    /// Its name.
    pub name: String,
    /// Its value in each file.
    pub values: ArrayRef,
}

/// The columns that stand in the paths of files, as folders called `name=value`, in the order of the folders. They must be
/// the same in all files; otherwise there are none.
///
/// A column is BIGINT where all of its values are whole numbers, of which those of two digits may begin with a zero
/// (`month=05`), DATE where all are days, else VARCHAR. `__HIVE_DEFAULT_PARTITION__` is null, and `%2F` a slash; nothing is
/// the empty text in columns of text, and null in others.
///
/// # Errors
/// A usage error, where partitions are asked for and files do not have them, or types for some that are not there; a
/// data error for a value that does not fit its type.
pub fn partition_columns<'a>(
    paths: impl Iterator<Item = &'a Path> + Clone,
    options: &HiveOptions,
    config: &Config,
) -> Result<Vec<PartitionColumn>> {
    let is_wanted = options.partitioning == HivePartitioning::Yes || !options.types.is_empty();
    if options.partitioning == HivePartitioning::No {
        return Ok(Vec::new());
    }
    let Some(first) = paths.clone().next() else { return Ok(Vec::new()) };
    let names: Vec<String> = partitions(first).map(|(name, _)| decoded(name)).collect();
    let mut texts: Vec<Vec<Option<String>>> = vec![Vec::new(); names.len()];
    for path in paths.clone() {
        let mut found = 0;
        for (name, value) in partitions(path) {
            if names.get(found).is_none_or(|expected| decoded(name) != *expected) {
                found = usize::MAX;
                break;
            }
            texts[found].push((value != NULL).then(|| decoded(value)));
            found += 1;
        }
        if found != names.len() {
            return if is_wanted { Err(not_partitioned(first, path)) } else { Ok(Vec::new()) };
        }
    }
    if is_wanted && names.is_empty() {
        return Err(not_partitioned(first, first));
    }
    if let Some((index, _)) = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        let error = Error::usage(format!("'{}' has the partition '{}' twice", first.display(), names[index]));
        return if is_wanted { Err(error.with_hint("write hive_partitioning = false")) } else { Ok(Vec::new()) };
    }
    for (name, _) in &options.types {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            let error = Error::usage(format!("the option 'hive_types' names '{name}', which is no partition"));
            return Err(match suggest(name, names.iter().map(String::as_str)) {
                Some(near) => error.with_hint(format!("did you mean '{near}'?")),
                None => error.with_hint(format!("partitions are {}", names.join(", "))),
            });
        }
    }
    names.into_iter().zip(texts).map(|(name, texts)| column(name, texts, paths.clone(), options, config)).collect()
}

fn column<'a>(
    name: String,
    texts: Vec<Option<String>>,
    paths: impl Iterator<Item = &'a Path>,
    options: &HiveOptions,
    config: &Config,
) -> Result<PartitionColumn> {
    let declared = options.types.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
    let data_type = match declared {
        Some((_, DataType::Timestamp(_, Some(_)))) => timestamp_tz(&config.time_zone),
        Some((_, declared)) => declared.clone(),
        None => inferred(&texts),
    };
    let is_value = |text: &&str| data_type == TEXT || !text.is_empty();
    let array: ArrayRef =
        Arc::new(StringViewArray::from_iter(texts.iter().map(|text| text.as_deref().filter(is_value))));
    match cast_array(&array, &data_type, false, config) {
        Ok(values) => Ok(PartitionColumn { name, values }),
        Err(_) => {
            let fits = cast_array(&array, &data_type, true, config)?;
            let misfits =
                texts.iter().zip(paths).enumerate().filter(|(row, _)| fits.is_null(*row) && array.is_valid(*row));
            let mut misfits = misfits.filter_map(|(_, (text, path))| Some((text.as_deref()?, path)));
            let (text, path) = misfits.next().unwrap_or(("", Path::new("")));
            Err(Error::data(format!("the partition {name}={text} is no {}", sql_name(&data_type)))
                .with_column(&name)
                .with_file(path)
                .with_hint(format!("write hive_types = {{'{name}': 'VARCHAR'}}")))
        }
    }
}

/// The type that holds all values.
fn inferred(texts: &[Option<String>]) -> DataType {
    let mut values = texts.iter().flatten().filter(|text| !text.is_empty()).peekable();
    if values.peek().is_none() {
        return TEXT;
    }
    if values.clone().all(|text| is_number(text)) {
        DataType::Int64
    } else if values.all(|text| text.len() == 10 && text.contains('-') && parse_date(text).is_some()) {
        DataType::Date32
    } else {
        TEXT
    }
}

/// Whether a text is a whole number and not a code: months and hours may begin with a zero.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_code = digits.len() > 2 && digits.starts_with('0');
    !is_code && digits.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i64>().is_ok()
}

/// Name and value of each folder `name=value` of a path, as they are written.
fn partitions(path: &Path) -> impl Iterator<Item = (&str, &str)> {
    let folders = path.parent().into_iter().flat_map(Path::components);
    folders.filter_map(|part| match part {
        Component::Normal(name) => name.to_str()?.split_once('=').filter(|(name, _)| !name.is_empty()),
        _ => None,
    })
}

/// The folder of a value: `year=2024`. Bytes that are not plain in the address of a web page are written as `%2F` in both, as
/// DuckDB and pyarrow do, so that no value is taken for null, hidden, or several folders.
pub fn folder_name(name: &str, value: Option<&str>) -> String {
    let mut folder = String::with_capacity(name.len() + 1 + value.map_or(NULL.len(), str::len));
    // Readers leave hidden folders out.
    let hidden = name.len() - name.trim_start_matches('.').len();
    (0..hidden).for_each(|_| folder.push_str("%2E"));
    encode(&name[hidden..], &mut folder);
    folder.push('=');
    match value {
        None => folder.push_str(NULL),
        Some(NULL) => {
            folder.push_str("%5F");
            folder.push_str(&NULL[1..]);
        }
        Some(value) => encode(value, &mut folder),
    }
    folder
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for half in [byte >> 4, byte & 15] {
                out.push(char::from_digit(half.into(), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
}

/// The text with `%2F` read as a slash; as it is, where that makes no text.
fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_string();
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_string())
}

fn not_partitioned(first: &Path, path: &Path) -> Error {
    let error = if first == path {
        Error::usage(format!("there are no partitions such as year=2024 in the path '{}'", path.display()))
    } else {
        Error::usage(format!("'{}' and '{}' have other partitions", first.display(), path.display()))
    };
    error.with_hint("write hive_partitioning = false, or read files of one layout")
}

/// Puts the columns behind all others, or in the place of one that files have by the same name: the path wins. The answer is
/// where each is, with its values.
pub fn add_partitions(fields: &mut Vec<Field>, partitions: Vec<PartitionColumn>) -> Vec<(usize, ArrayRef)> {
    let mut places = Vec::with_capacity(partitions.len());
    for PartitionColumn { name, values } in partitions {
        let data_type = values.data_type().clone();
        match fields.iter().position(|field| field.name().eq_ignore_ascii_case(&name)) {
            Some(index) => {
                fields[index] = Field::new(fields[index].name(), data_type, true);
                places.push((index, values));
            }
            None => {
                places.push((fields.len(), values));
                fields.push(Field::new(name, data_type, true));
            }
        }
    }
    places
}

/// Which files may hold rows that conditions keep, by those that ask only for columns that are the same in all rows of a
/// file. `constants` holds such columns by their index in the table, with a value for each file.
///
/// A condition that fails rules out nothing: whoever checks it row by row will tell.
pub fn files_to_read(
    files: usize,
    constants: &[(usize, ArrayRef)],
    filters: &[BoundExpr],
    config: &Arc<Config>,
) -> Vec<bool> {
    let mut keep = vec![true; files];
    let position = |column: usize| constants.iter().position(|(known, _)| *known == column);
    let conditions = filters.iter().cloned().flat_map(BoundExpr::conjuncts).filter(|condition| {
        let columns = condition.columns();
        !columns.is_empty() && columns.into_iter().all(|column| position(column).is_some())
    });
    let mut batch = None;
    for condition in conditions {
        let condition = condition.renumber(&|column| position(column).unwrap_or(column));
        let Some(batch) = batch.get_or_insert_with(|| one_row_a_file(files, constants).ok()) else { break };
        let Ok(kept) = Evaluator::new(&condition, config).and_then(|condition| condition.evaluate_array(batch)) else {
            continue;
        };
        if let Some(kept) = kept.as_boolean_opt() {
            let is_true = |file: usize| file < kept.len() && kept.is_valid(file) && kept.value(file);
            keep.iter_mut().enumerate().for_each(|(file, keep)| *keep &= is_true(file));
        }
    }
    keep
}

fn one_row_a_file(files: usize, constants: &[(usize, ArrayRef)]) -> Result<RecordBatch> {
    let field = |(index, values): &(usize, ArrayRef)| Field::new(index.to_string(), values.data_type().clone(), true);
    let schema = Arc::new(Schema::new(constants.iter().map(field).collect::<Vec<_>>()));
    record_batch(&schema, constants.iter().map(|(_, values)| values.clone()).collect(), files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::temporal::format_value;

    fn columns(paths: &[&str], options: &HiveOptions) -> Result<Vec<String>> {
        let columns = partition_columns(paths.iter().map(Path::new), options, &Config::default())?;
        let shown = |column: &PartitionColumn| {
            let value = |row| format_value(&column.values, row).unwrap_or("~".into());
            let values: Vec<String> = (0..paths.len()).map(value).collect();
            format!("{} {} {}", column.name, sql_name(column.values.data_type()), values.join(" "))
        };
        Ok(columns.iter().map(shown).collect())
    }

    #[test]
    fn folders_become_columns_of_the_type_that_their_values_suggest() {
        let of = |paths: &[&str]| columns(paths, &HiveOptions::default()).unwrap();
        assert_eq!(
            of(&["d/year=2024/month=01/a.csv", "d/year=2025/month=12/b=c.csv"]),
            ["year BIGINT 2024 2025", "month BIGINT 1 12"]
        );
        assert_eq!(of(&["day=2024-02-29/a.csv", "day=2024-03-01/a.csv"]), ["day DATE 2024-02-29 2024-03-01"]);
        assert_eq!(of(&["zip=01234/a.csv", "zip=99999/a.csv"]), ["zip VARCHAR 01234 99999"]);
        assert_eq!(of(&["/n=1/a", "/n=__HIVE_DEFAULT_PARTITION__/a", "/n=/a"]), ["n BIGINT 1 ~ ~"]);
        assert_eq!(of(&["k%20y=a%2Fb%zz/x", "k y=a=b/x"]), ["k y VARCHAR a/b%zz a=b"]);
        assert_eq!(of(&["a=1/x", "b=1/x"]), [""; 0]);
        assert_eq!(of(&["a=1/x", "a=1/b=2/x"]), [""; 0]);
        assert_eq!(of(&["a=1/b=2/x", "a=1/x"]), [""; 0]);
        assert_eq!(of(&["a=1/a=2/x"]), [""; 0]);
        assert_eq!(of(&["x.csv", "=1/y.csv"]), [""; 0]);
        assert_eq!(of(&["n=99999999999999999999/a"]), ["n VARCHAR 99999999999999999999"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let values = [
            "a/b",
            "x=y",
            "50%",
            "%41",
            "\u{1f600}",
            "",
            ".",
            "..",
            "t\tn\n\0",
            " ",
            NULL,
            "NULL",
            ":*?[]{}\\'\"",
            "ü",
        ];
        let values: Vec<Option<&str>> = values.into_iter().map(Some).chain([None]).collect();
        for name in ["k", "_k", ".k", "a=b", "c/d", "ä"] {
            let paths: Vec<String> = values.iter().map(|value| format!("{}/x", folder_name(name, *value))).collect();
            assert!(paths.iter().all(|path| path.is_ascii() && !path.starts_with('.')), "{paths:?}");
            let read =
                partition_columns(paths.iter().map(Path::new), &HiveOptions::default(), &Config::default()).unwrap();
            assert_eq!((read.len(), read[0].name.as_str()), (1, name));
            assert_eq!(read[0].values.as_string_view().iter().collect::<Vec<_>>(), values);
        }
        assert_eq!(folder_name("k", Some("a b/\u{1f600}")), "k=a%20b%2F%F0%9F%98%80");
    }

    #[test]
    fn what_is_asked_for_must_be_there() {
        let yes = HiveOptions { partitioning: HivePartitioning::Yes, ..HiveOptions::default() };
        let message = |paths: &[&str], options: &HiveOptions| columns(paths, options).unwrap_err().to_string();
        assert!(message(&["x.csv"], &yes).contains("no partitions"));
        assert!(message(&["a=1/x.csv", "y.csv"], &yes).contains("'y.csv'"));
        let typed = |name: &str, data_type| HiveOptions { types: vec![(name.into(), data_type)], ..yes.clone() };
        assert_eq!(columns(&["A=1/x"], &typed("a", TEXT)).unwrap(), ["A VARCHAR 1"]);
        assert!(message(&["year=1/x"], &typed("yaer", TEXT)).contains("did you mean 'year'"));
        let error = message(&["a=1/x", "a=b/y"], &typed("a", DataType::Int32));
        assert!(error.contains("a=b is no INTEGER") && error.contains("a=b/y"), "{error}");
        let no = HiveOptions { partitioning: HivePartitioning::No, ..HiveOptions::default() };
        assert_eq!(columns(&["a=1/x"], &no).unwrap(), [""; 0]);
    }
}
