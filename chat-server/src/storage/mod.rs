//! Where the relay's rows lie: SQLite behind the core's storage trait.

mod accounts;
mod database;
mod logs;
mod rows;
mod schema;
mod sqlite;

pub use database::SqliteStorage;
pub use schema::OpenError;
pub(crate) use schema::open_beside;
