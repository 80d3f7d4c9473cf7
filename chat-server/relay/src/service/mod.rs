//! The services, a file a noun. None calls another; `dispatch` brings them together.

pub(crate) mod accounts;
pub(crate) mod blobs;
pub(crate) mod devices;
pub(crate) mod directory;
pub(crate) mod entrance;
pub(crate) mod mailboxes;
pub(crate) mod packages;
pub(crate) mod prekeys;
pub(crate) mod presence;
pub(crate) mod records;
pub(crate) mod rooms;
pub(crate) mod sends;
