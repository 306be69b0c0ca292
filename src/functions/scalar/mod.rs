//! Scalar functions: their registry, signatures and implementations.

use arrow::array::ArrayRef;

use crate::config::Config;
use crate::error::Result;
use crate::types::{DataType, Scalar};

/// A column, or one value for all rows.
#[derive(Clone, Debug)]
pub enum Value {
    /// One value a row.
    Array(ArrayRef),
    /// The same for all rows.
    Scalar(Scalar),
}

impl Value {
    /// The type.
    pub fn data_type(&self) -> &DataType {
        match self {
            Self::Array(array) => array.data_type(),
            Self::Scalar(scalar) => scalar.data_type(),
        }
    }

    /// As a column of `rows` rows.
    pub fn into_array(self, rows: usize) -> ArrayRef {
        match self {
            Self::Array(array) => array,
            Self::Scalar(scalar) => scalar.to_array(rows),
        }
    }
}

/// What a function takes and gives, for arguments of certain types.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The types that the arguments are brought to, one each.
    pub arguments: Vec<DataType>,
    /// The type of the result.
    pub result: DataType,
}

/// A scalar function. A value of it depends on its arguments and the settings alone.
pub struct ScalarFunction {
    /// The name, in lower case.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// The group it is listed under in the documentation.
    pub category: &'static str,
    /// How it is called: `round(x, digits)`.
    pub usage: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// Finds the signature for the types of the arguments; an SQL error that says what is accepted, where none fits.
    pub resolve: fn(&[DataType]) -> Result<Signature>,
    /// Evaluates over `rows` rows; the arguments have the types of the signature, the result its type.
    pub evaluate: fn(&[Value], usize, &Config) -> Result<Value>,
}

/// The function of that name.
pub fn lookup(name: &str) -> Option<&'static ScalarFunction> {
    let _ = name;
    None
}

/// All functions.
pub fn all() -> impl Iterator<Item = &'static ScalarFunction> {
    std::iter::empty()
}
