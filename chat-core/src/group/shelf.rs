//! What the MLS state needs of a store: three plain methods over byte keys.

use std::collections::BTreeMap;

/// Records of one write batch, as MLS sees them.
pub(crate) trait Shelf {
    /// The value under a key, this batch's changes included.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Stores a value.
    fn put(&mut self, key: &[u8], value: Vec<u8>);

    /// Removes a value.
    fn delete(&mut self, key: &[u8]);
}

/// Changes that are kept apart until it is known whether they count.
pub(crate) struct Scratch<'a> {
    below: &'a mut dyn Shelf,
    changes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Scratch<'a> {
    pub(crate) fn over(below: &'a mut dyn Shelf) -> Self {
        Self { below, changes: BTreeMap::new() }
    }

    /// What was changed.
    pub(crate) fn into_changes(self) -> Changes {
        Changes(self.changes)
    }
}

/// Changes that may come to count.
#[must_use = "changes are lost unless they are kept"]
pub(crate) struct Changes(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Changes {
    /// They count.
    pub(crate) fn keep(self, shelf: &mut dyn Shelf) {
        for (key, value) in self.0 {
            match value {
                Some(value) => shelf.put(&key, value),
                None => shelf.delete(&key),
            }
        }
    }
}

impl Shelf for Scratch<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.changes.get(key).map_or_else(|| self.below.get(key), Clone::clone)
    }

    fn put(&mut self, key: &[u8], value: Vec<u8>) {
        self.changes.insert(key.to_vec(), Some(value));
    }

    fn delete(&mut self, key: &[u8]) {
        self.changes.insert(key.to_vec(), None);
    }
}
