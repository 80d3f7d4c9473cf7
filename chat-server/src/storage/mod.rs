//! Where the relay's rows lie: SQLite behind the core's storage trait.

mod accounts;
mod answers;
mod database;
mod disk;
mod logs;
mod rooms;
mod rows;
mod schema;
mod sqlite;

pub use database::SqliteStorage;
pub use disk::{Disk, SyncFile};
pub use schema::OpenError;
pub(crate) use schema::{is_ours, open_beside};
