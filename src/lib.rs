//! Highwater: an out-of-core dataframe query engine.

pub mod batch;
pub mod cli;
pub mod config;
pub mod context;
pub mod convert;
pub mod error;
pub mod eval;
pub mod expr;
pub mod functions;
pub mod generate;
pub mod io;
pub mod memory;
pub mod metrics;
pub mod operators;
pub mod plan;
pub mod session;
pub mod spill;
pub mod sql;
pub mod types;
