//! Where the relay's rows lie: SQLite behind the core's storage trait.

mod rows;
mod schema;
mod sqlite;
mod write;

pub use schema::OpenError;
pub(crate) use schema::open_beside;
pub use sqlite::SqliteStorage;
