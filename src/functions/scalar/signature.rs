//! How the types of arguments meet what a function takes.

use super::Signature;
use crate::error::{Error, Result};
use crate::types::coercion::common_type;
use crate::types::{
    DataType, INTERVAL, TEXT, TIME, TIMESTAMP, is_integer, is_list, is_numeric, is_timestamp, list_of, sql_name,
};

/// What a parameter takes, and what it makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// Text.
    Text,
    /// A truth value.
    Boolean,
    /// Any integer, as BIGINT.
    Integer,
    /// Any number, as DOUBLE.
    Double,
    /// Any number, as it is.
    Number,
    /// An interval, or text that is one.
    Interval,
    /// A date or a timestamp of any zone, as it is.
    Moment,
    /// A timestamp of any zone as it is; a date as a timestamp.
    Timestamp,
    /// A date, time, timestamp or interval, as it is.
    Temporal,
    /// A date, time or timestamp, or interval offset.
    MomentOrInterval,
    /// A list of anything, as it is.
    List,
    /// Anything, as it is.
    Any,
    /// Anything, as text.
    AnyText,
}

impl Take {
    /// The type that an argument of type `from` is brought to; `None` where it does not fit.
    fn admit(self, from: &DataType) -> Option<DataType> {
        let null = *from == DataType::Null;
        match self {
            Self::Text => (null || *from == TEXT).then_some(TEXT),
            Self::Boolean => (null || *from == DataType::Boolean).then_some(DataType::Boolean),
            Self::Integer => (null || is_integer(from)).then_some(DataType::Int64),
            Self::Double => (null || is_numeric(from)).then_some(DataType::Float64),
            Self::Number if null => Some(DataType::Int32),
            Self::Number => is_numeric(from).then(|| from.clone()),
            Self::Interval => (null || *from == TEXT || *from == INTERVAL).then_some(INTERVAL),
            Self::Moment if null => Some(TIMESTAMP),
            Self::Moment => (is_timestamp(from) || *from == DataType::Date32).then(|| from.clone()),
            Self::Timestamp if null || *from == DataType::Date32 => Some(TIMESTAMP),
            Self::Timestamp => is_timestamp(from).then(|| from.clone()),
            Self::Temporal if *from == INTERVAL || *from == TIME => Some(from.clone()),
            Self::Temporal => Self::Moment.admit(from),
            Self::MomentOrInterval if *from == INTERVAL => Some(INTERVAL),
            Self::MomentOrInterval => Self::Moment.admit(from),
            Self::List if null => Some(list_of(TEXT)),
            Self::List => is_list(from).then(|| from.clone()),
            Self::Any => Some(from.clone()),
            Self::AnyText => Some(TEXT),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text | Self::AnyText => "text",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Double | Self::Number => "a number",
            Self::Interval => "an interval",
            Self::Moment | Self::Timestamp => "a date or timestamp",
            Self::Temporal => "a date, time, timestamp or interval",
            Self::MomentOrInterval => "a date, timestamp or interval",
            Self::List => "a list",
            Self::Any => "anything",
        }
    }
}

/// A call whose types are being resolved.
pub(super) struct Call<'a> {
    /// The usage, shown with errors.
    pub usage: &'static str,
    /// The types of the arguments.
    pub types: &'a [DataType],
}

impl Call<'_> {
    fn name(&self) -> &'static str {
        self.usage.split('(').next().unwrap_or(self.usage)
    }

    /// An error of this call; the hint shows the usage.
    pub fn error(&self, message: &str) -> Error {
        Error::sql(format!("{}: {message}", self.name())).with_hint(format!("usage: {}", self.usage))
    }

    /// The types that the arguments are brought to: all of `required`, then as many of `optional` as are given.
    pub fn arguments(&self, required: &[Take], optional: &[Take]) -> Result<Vec<DataType>> {
        let given = self.types.len();
        if given < required.len() || given > required.len() + optional.len() {
            return Err(self.error(&format!("{given} argument{} given", if given == 1 { "" } else { "s" })));
        }
        self.types
            .iter()
            .zip(required.iter().chain(optional))
            .enumerate()
            .map(|(index, (from, take))| {
                take.admit(from).ok_or_else(|| {
                    self.error(&format!("argument {} must be {}, not {}", index + 1, take.name(), sql_name(from)))
                })
            })
            .collect()
    }

    /// The signature with these parameters and this result.
    pub fn returns(&self, required: &[Take], optional: &[Take], result: DataType) -> Result<Signature> {
        Ok(Signature { arguments: self.arguments(required, optional)?, result })
    }

    /// The signature whose result has the type that the argument at `index` is brought to.
    pub fn returns_argument(&self, required: &[Take], optional: &[Take], index: usize) -> Result<Signature> {
        let arguments = self.arguments(required, optional)?;
        let result = arguments.get(index).cloned().unwrap_or(DataType::Null);
        Ok(Signature { arguments, result })
    }

    /// An error where an argument is a list, for functions that compare.
    pub fn refuse_lists(&self) -> Result<()> {
        match self.types.iter().find(|from| is_list(from)) {
            None => Ok(()),
            Some(list) => Err(self.error(&format!("{} cannot be compared", sql_name(list)))),
        }
    }

    /// The type in which all arguments from `first` on meet.
    pub fn common(&self, first: usize) -> Result<DataType> {
        let mut types = self.types.iter().skip(first);
        let start = types.next().ok_or_else(|| self.error("too few arguments given"))?.clone();
        types.try_fold(start, |met, next| {
            common_type(&met, next)
                .ok_or_else(|| self.error(&format!("{} and {} have no common type", sql_name(&met), sql_name(next))))
        })
    }
}

/// An error where the argument at `zone` names a time zone and the one at 1 is no timestamp with zone.
pub(super) fn zone_fits(call: &Call<'_>, arguments: &[DataType], zone: usize) -> Result<()> {
    let given = |index: usize| call.types.get(index).is_some_and(|given| *given != DataType::Null);
    if matches!(arguments.get(1), Some(DataType::Timestamp(_, Some(_)))) || !given(1) || !given(zone) {
        return Ok(());
    }
    Err(Error::sql(format!("{}: a time zone is for timestamps with zone", call.name())).with_hint(
        "what is in UTC becomes one by timestamp::TIMESTAMPTZ, what is local time by timestamp AT TIME ZONE 'Europe/Berlin'",
    ))
}
