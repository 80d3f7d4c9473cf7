//! The services, a file a noun. None calls another; `dispatch` brings them together.

pub(crate) mod accounts;
pub(crate) mod devices;
pub(crate) mod directory;
pub(crate) mod mailboxes;
pub(crate) mod prekeys;
pub(crate) mod presence;
pub(crate) mod records;
