//! Where blobs lie: in a folder of the data directory, or in an object store with the folder before it.

mod folder;
#[cfg(feature = "object_store")]
mod objects;

use std::path::Path;

use chat_relay::blobstore::BlobStore;

use crate::config::BlobPlace;

/// What holds the blobs of a relay.
pub(crate) type AnyBlobs = Box<dyn BlobStore>;

/// Why the blobs can't be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobPlaceError {
    /// The folder can't be opened.
    #[error("the folder of the blobs can't be opened")]
    Folder(#[source] std::io::Error),
    /// The object store's place or its credentials are not usable.
    #[cfg(feature = "object_store")]
    #[error("the object store of the blobs can't be used")]
    Objects(#[source] object_store::Error),
    /// This program was built without the feature that it takes.
    #[error("blobs in an object store take a program with the feature object_store")]
    NotBuilt,
}

/// Opens what the operator chose; uploads under way lie in `folder` either way.
pub(crate) fn open(place: &BlobPlace, folder: &Path) -> Result<AnyBlobs, BlobPlaceError> {
    let uploads = folder::FolderBlobs::open(folder).map_err(BlobPlaceError::Folder)?;
    match place {
        BlobPlace::Folder => Ok(Box::new(uploads)),
        BlobPlace::Objects(url) => objects(url, uploads),
    }
}

#[cfg(feature = "object_store")]
fn objects(url: &str, uploads: folder::FolderBlobs) -> Result<AnyBlobs, BlobPlaceError> {
    Ok(Box::new(objects::ObjectBlobs::at(url, uploads)?))
}

#[cfg(not(feature = "object_store"))]
fn objects(_: &str, _: folder::FolderBlobs) -> Result<AnyBlobs, BlobPlaceError> {
    Err(BlobPlaceError::NotBuilt)
}
