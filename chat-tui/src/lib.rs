//! The terminal client: a screen for people, JSON-RPC for programs, both thin shells around
//! [`chat_client::Client`].

pub mod app;
pub mod args;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(test)]
mod desk;
pub mod failure;
pub mod hostile;
pub mod keymap;
pub mod model;
pub mod passphrase;
pub mod picture;
pub mod rpc;
pub mod signals;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;
