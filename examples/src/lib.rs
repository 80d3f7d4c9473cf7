//! Examples, each one lesson; see the files beside this folder.
