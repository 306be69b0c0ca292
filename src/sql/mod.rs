//! SQL: `parse` cuts a text into statements, `bind` turns one into a [`Statement`] over plans.

mod statement;

pub use statement::{Catalog, CatalogEntry, FileFormat, Statement};
