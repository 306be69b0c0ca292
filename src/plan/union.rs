//! Union: UNION ALL.

use arrow::datatypes::SchemaRef;

use super::LogicalPlan;

/// All rows of all inputs, input by input. The inputs' columns have the same types; names are those of the first.
#[derive(Clone, Debug)]
pub struct Union {
    /// At least one.
    pub inputs: Vec<LogicalPlan>,
    /// The columns of the result.
    pub schema: SchemaRef,
}

impl Union {
    /// The union of plans whose columns have the same types.
    pub fn plan(inputs: Vec<LogicalPlan>) -> LogicalPlan {
        let schema = inputs[0].schema().clone();
        LogicalPlan::Union(Self { inputs, schema })
    }
}
