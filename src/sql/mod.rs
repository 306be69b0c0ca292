//! SQL: [`parse`] cuts a text into statements, [`bind`] turns one into a [`Statement`] over plans.
//!
//! A text goes through these files in this order:
//!
//! 1. `split`: statements at semicolons
//! 2. `prepare`, `dialect`, `utility`, `parse`: tokens to sqlparser's tree, with `syntax` for the errors
//! 3. `bind`: a statement to a [`Statement`], with `definition` for CREATE, INSERT and DROP
//! 4. `query`, `table`, `values`: queries drive `plan::PlanBuilder`
//! 5. `expression`, `call`, `literal`, `option`: what stands inside of them
//!
//! Names and types are bound by `plan`. Every expression carries its place in the text (`span`), so that errors can be
//! shown under it. What SQL has and the engine does not is refused by name: no clause is ignored in silence.

mod bind;
mod call;
mod definition;
mod dialect;
mod expression;
mod literal;
mod option;
mod parse;
mod prepare;
mod query;
mod span;
mod split;
mod statement;
mod syntax;
mod table;
mod unnest;
mod utility;
mod values;

#[cfg(test)]
mod tests;

pub use bind::bind;
pub use parse::{Parsed, parse};
pub use split::is_complete;
pub use statement::{Catalog, CatalogEntry, FileFormat, Statement, View};
