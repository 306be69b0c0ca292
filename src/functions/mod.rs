//! Scalar and aggregate functions: one registry that SQL, the API and the documentation all read.

pub mod aggregate;
pub mod scalar;
