//! Options of readers and writers as SQL, the API and the command line write them: a name and a value.

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    /// `delim = ';'`
    Text(String),
    /// `header = true`
    Boolean(bool),
    /// `skip = 2`
    Number(f64),
    /// `nullstr = ['NA', '-']`
    List(Vec<OptionValue>),
    /// `types = {'a': 'BIGINT'}`
    Map(Vec<(String, OptionValue)>),
}

/// Options in the order in which they were written; names in lower case.
pub type Options = Vec<(String, OptionValue)>;
