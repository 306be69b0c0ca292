//! Scalar functions: their registry, signatures and implementations.
//!
//! A function is one entry of its category's `FUNCTIONS` table: names, documentation, how argument types resolve, and
//! a kernel over whole columns. SQL, the DataFrame API and the documentation all read the same tables.

use arrow::array::{Array, ArrayRef, Datum};

use crate::config::Config;
use crate::error::Result;
use crate::types::{DataType, Scalar};

/// One entry of a category's table. `resolve` is given the call, so that its errors show the usage.
macro_rules! function {
    ($name:literal $(| $alias:literal)*, $usage:literal, $meaning:literal, $resolve:expr, $evaluate:expr $(,)?) => {
        $crate::functions::scalar::ScalarFunction {
            name: $name,
            aliases: &[$($alias),*],
            category: CATEGORY,
            usage: $usage,
            meaning: $meaning,
            resolve: |types| {
                let resolve: fn(
                    &$crate::functions::scalar::signature::Call<'_>,
                ) -> $crate::error::Result<$crate::functions::scalar::Signature> = $resolve;
                resolve(&$crate::functions::scalar::signature::Call { usage: $usage, types })
            },
            evaluate: $evaluate,
        }
    };
}

pub mod bucket;
pub mod calendar;
mod conditional;
mod datetime;
mod extract;
pub mod gaps;
pub mod kernel;
mod list;
mod math;
pub mod ordering;
mod padding;
mod regexp;
mod rounding;
mod search;
mod signature;
mod text;

#[cfg(test)]
pub(crate) mod tests;

pub use search::{MAP_EXTRACT_VALUE, MAP_KEYS, MAP_VALUES};

/// The function that makes rows of the items of a list.
pub const UNNEST: &str = "unnest";

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

    /// The column, or the array of length one that holds the constant.
    pub fn values(&self) -> &ArrayRef {
        match self {
            Self::Array(array) => array,
            Self::Scalar(scalar) => scalar.as_array(),
        }
    }

    /// Whether it is one value for all rows.
    pub fn is_scalar(&self) -> bool {
        matches!(self, Self::Scalar(_))
    }

    /// What a kernel gave for this value alone, in the same shape: one value stays one value.
    pub fn like_me(&self, result: ArrayRef) -> Value {
        if self.is_scalar() && result.len() == 1 {
            Value::Scalar(Scalar::from_array(&result, 0))
        } else {
            Value::Array(result)
        }
    }
}

/// Arrow's kernels take values as they are, constants without being repeated.
impl Datum for Value {
    fn get(&self) -> (&dyn Array, bool) {
        (self.values(), self.is_scalar())
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

impl std::fmt::Debug for ScalarFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const CATEGORIES: &[&[ScalarFunction]] = &[
    conditional::FUNCTIONS,
    text::FUNCTIONS,
    padding::FUNCTIONS,
    regexp::FUNCTIONS,
    math::FUNCTIONS,
    rounding::FUNCTIONS,
    extract::FUNCTIONS,
    datetime::FUNCTIONS,
    bucket::FUNCTIONS,
    gaps::FUNCTIONS,
    list::FUNCTIONS,
    search::FUNCTIONS,
];

/// All functions, by category.
pub fn all() -> impl Iterator<Item = &'static ScalarFunction> {
    CATEGORIES.iter().flat_map(|category| category.iter())
}

/// The function of that name or alias, in lower case.
pub fn lookup(name: &str) -> Option<&'static ScalarFunction> {
    all().find(|function| function.name == name || function.aliases.contains(&name))
}

/// The parameters of a call, in their order, where they may be given by name; what stands for those left out is NULL.
pub fn parameters(name: &str) -> Option<&'static [&'static str]> {
    bucket::parameters(name).or_else(|| gaps::parameters(name))
}

/// All names and aliases, for completion and "did you mean".
pub fn names() -> impl Iterator<Item = &'static str> {
    all().flat_map(|function| std::iter::once(function.name).chain(function.aliases.iter().copied()))
}
