//! The one error type: five classes, each saying what happened, where, and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A region of SQL text: lines and columns count from 1, columns in characters, the end is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Line and column of the first character.
    pub start: (u64, u64),
    /// Line and column just behind the last character.
    pub end: (u64, u64),
}

/// Which of the five classes (and cancellation) an error belongs to; it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// A wrong option, argument or call.
    Usage,
    /// SQL, or an expression of the API, that does not parse or bind.
    Sql,
    /// Input that cannot be read, or a value that does not fit.
    Data,
    /// Memory or disk ran out.
    Resource,
    /// The user interrupted.
    Cancelled,
    /// A defect of the engine.
    Internal,
}

/// Where in the input a data error is. Every part is optional, since not every error knows all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataLocation {
    /// The file.
    pub file: Option<PathBuf>,
    /// Line in the file, from 1; of the first line of a record that spans several.
    pub line: Option<u64>,
    /// Offset in bytes from the start of the file, of the record or the field.
    pub byte_offset: Option<u64>,
    /// The column's name.
    pub column: Option<String>,
    /// The raw text, shortened where it is long.
    pub raw: Option<String>,
}

/// One consumer of memory or disk, as listed by a resource error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerUsage {
    /// The operator's name.
    pub name: String,
    /// Bytes held.
    pub bytes: u64,
}

/// What happened. Boxed in [`Error`] so that `Result` stays small.
#[derive(Clone, Debug)]
pub struct ErrorKind {
    /// The class, which decides the exit code.
    pub class: ErrorClass,
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// Where in the SQL text.
    pub span: Option<Span>,
    /// Where in the data.
    pub location: DataLocation,
    /// Who held memory or disk.
    pub consumers: Vec<ConsumerUsage>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ErrorKind {
    /// Writes what stands below the message, each line after a line break: the place in the data, the consumers, the hint.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_details(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let location = &self.location;
        let mut place = Vec::new();
        if let Some(file) = &location.file {
            place.push(format!("file '{}'", file.display()));
        }
        if let Some(line) = location.line {
            place.push(format!("line {line}"));
        }
        if let Some(offset) = location.byte_offset {
            place.push(format!("byte {offset}"));
        }
        if let Some(column) = &location.column {
            place.push(format!("column \"{column}\""));
        }
        if !place.is_empty() {
            write!(f, "\n  in {}", place.join(", "))?;
        }
        if let Some(raw) = &location.raw {
            write!(f, "\n  text: {raw:?}")?;
        }
        for consumer in &self.consumers {
            write!(f, "\n  {}: {}", consumer.name, crate::types::format_bytes(consumer.bytes))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// An error of the engine.
///
/// ```
/// use highwater::error::{Error, ErrorClass};
/// let error = Error::usage("no such option").with_hint("see --help");
/// assert_eq!(error.class(), ErrorClass::Usage);
/// assert_eq!(error.to_string(), "no such option\nhint: see --help");
/// ```
#[derive(Clone)]
pub struct Error(Box<ErrorKind>);

impl Error {
    fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self(Box::new(ErrorKind {
            class,
            message: message.into(),
            span: None,
            location: DataLocation::default(),
            consumers: Vec::new(),
            hint: None,
        }))
    }

    /// A wrong option, argument or call.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Usage, message)
    }

    /// SQL or an expression that does not parse, bind or type-check.
    pub fn sql(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Sql, message)
    }

    /// Input that cannot be read, or a value that does not fit.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Data, message)
    }

    /// Memory or disk ran out.
    pub fn resource(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Resource, message)
    }

    /// The user interrupted the query.
    pub fn cancelled() -> Self {
        Self::new(ErrorClass::Cancelled, "the query was interrupted")
    }

    /// A defect of the engine.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Internal, message)
    }

    /// An operating system error about a file. A full disk is a resource error, all others are data errors.
    pub fn io(action: &str, path: &Path, error: &std::io::Error) -> Self {
        let message = format!("cannot {action} '{}': {error}", path.display());
        let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        let built = if full { Self::resource(message) } else { Self::data(message) };
        built.with_file(path)
    }

    /// Adds what to do about it; a hint that is there already stays.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Takes the hint away.
    #[must_use]
    pub fn without_hint(mut self) -> Self {
        self.0.hint = None;
        self
    }

    /// Adds the place in the SQL text; the innermost one, set first, stays.
    #[must_use]
    pub fn with_span(mut self, span: Span) -> Self {
        if matches!(self.0.class, ErrorClass::Sql | ErrorClass::Usage | ErrorClass::Data) {
            self.0.span.get_or_insert(span);
        }
        self
    }

    /// Adds the whole location in the data.
    #[must_use]
    pub fn with_location(mut self, location: DataLocation) -> Self {
        self.0.location = location;
        self
    }

    /// Adds the file, unless one is known.
    #[must_use]
    pub fn with_file(mut self, path: &Path) -> Self {
        self.0.location.file.get_or_insert_with(|| path.to_path_buf());
        self
    }

    /// Adds the column's name, unless one is known.
    #[must_use]
    pub fn with_column(mut self, column: &str) -> Self {
        self.0.location.column.get_or_insert_with(|| column.to_string());
        self
    }

    /// Adds who held memory or disk, largest first.
    #[must_use]
    pub fn with_consumers(mut self, mut consumers: Vec<ConsumerUsage>) -> Self {
        consumers.sort_by_key(|consumer| std::cmp::Reverse(consumer.bytes));
        self.0.consumers = consumers;
        self
    }

    /// The class.
    pub fn class(&self) -> ErrorClass {
        self.0.class
    }

    /// All there is to know, for a caller that prints it in its own way.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// The process's exit code: 1 SQL, data and internal errors; 2 usage; 3 resources; 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self.0.class {
            ErrorClass::Sql | ErrorClass::Data | ErrorClass::Internal => 1,
            ErrorClass::Usage => 2,
            ErrorClass::Resource => 3,
            ErrorClass::Cancelled => 130,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = &*self.0;
        match kind.class {
            ErrorClass::Internal => write!(f, "internal error: {}", kind.message)?,
            _ => write!(f, "{}", kind.message)?,
        }
        if let Some(span) = kind.span {
            write!(f, "\n  at line {}, column {} of the statement", span.start.0, span.start.1)?;
        }
        kind.write_details(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Error {}

/// What takes a value or its text may be given the value, which cannot fail.
impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Kernels of Arrow fail on values (overflow, division by zero, a cast) or on a defect of ours.
impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::DivideByZero => Self::data("division by zero"),
            ArrowError::ArithmeticOverflow(message) => Self::data(format!("arithmetic overflow: {message}")),
            ArrowError::CastError(message) | ArrowError::ParseError(message) => Self::data(message),
            ArrowError::ComputeError(message) => Self::data(message),
            ArrowError::IoError(message, _) => Self::data(message),
            other => Self::internal(other.to_string()),
        }
    }
}
