//! The command line. Passwords have no place on it: other users of the machine can read it.

use std::ffi::OsString;
use std::path::PathBuf;

use chat_client::{Kept, Pin, RelayAddress};
use clap::{Args as Group, Parser, Subcommand, ValueEnum};

/// End-to-end encrypted chat in the terminal.
///
/// Without a command the terminal interface opens. A password is asked for on the screen, or taken
/// from CHAT_PASSWORD; it is never an argument.
#[derive(Debug, Parser)]
#[command(name = "chat-tui", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The relay and the profile of the terminal interface.
    #[command(flatten)]
    pub profile: Profile,
}

/// What to do instead of opening the terminal interface.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts a relay of its own and an echo bot, and opens the terminal interface ready to register.
    /// Nothing is kept.
    #[cfg(feature = "demo")]
    Demo,
    /// Speaks JSON-RPC 2.0 on stdin and stdout, one object a line.
    Rpc(Rpc),
    /// Estimates the password on stdin, for the program that started this one.
    #[command(hide = true, name = ESTIMATE)]
    Estimate,
    /// Decodes one picture from stdin and ends: how this program keeps pictures of others out of itself.
    #[command(hide = true)]
    Picture {
        /// What is asked.
        words: Vec<OsString>,
    },
}

/// What makes the program estimate a password and end.
pub const ESTIMATE: &str = "estimate-password";

/// Which relay, and where this device's data lies.
#[derive(Debug, Default, Group)]
pub struct Profile {
    /// The relay. Default: the one that the profile was used with last.
    #[arg(long, value_name = "HOST:PORT")]
    pub relay: Option<RelayAddress>,
    /// SHA-256 of the relay certificate's public key. Default: a certificate that the system's roots
    /// accept, else the one seen first.
    #[arg(long, value_name = "sha256:HEX")]
    pub pin: Option<Pin>,
    /// Directory of the profile. Default: chat-tui in the user's data directory.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Lines instead of a screen: for screen readers, dumb terminals and pipes.
    #[arg(long)]
    pub plain: bool,
    /// Locks the profile with a passphrase or the system's keyring, or unlocks it for good. Default: as it
    /// is.
    #[arg(long, value_enum, value_name = "HOW")]
    pub store_key: Option<KeyPlace>,
}

/// What keeps the key of a profile's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyPlace {
    /// A file that only its owner reads.
    File,
    /// The same file, sealed under a passphrase: asked for, or taken from CHAT_STORE_PASSPHRASE.
    Passphrase,
    /// The system's keyring, when the program is built with it.
    Keyring,
}

impl From<KeyPlace> for Kept {
    fn from(place: KeyPlace) -> Self {
        match place {
            KeyPlace::File => Self::Bare,
            KeyPlace::Passphrase => Self::Sealed,
            KeyPlace::Keyring => Self::Keyring,
        }
    }
}

/// Options of the headless client.
#[derive(Debug, Group)]
pub struct Rpc {
    /// Directory of the profile; made when it is not there.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// The relay. Default: the one that the profile was used with last.
    #[arg(long, value_name = "HOST:PORT")]
    pub relay: Option<RelayAddress>,
    /// SHA-256 of the relay certificate's public key.
    #[arg(long, value_name = "sha256:HEX")]
    pub pin: Option<Pin>,
    /// What acknowledges a notification that must not be missed.
    #[arg(long, value_enum, default_value = "auto")]
    pub ack: AckMode,
    /// Locks the profile with the passphrase in CHAT_STORE_PASSPHRASE or the system's keyring, or unlocks it
    /// for good. Default: as it is.
    #[arg(long, value_enum, value_name = "HOW")]
    pub store_key: Option<KeyPlace>,
    /// Files of accepted people and of rooms up to this many bytes are fetched without being asked for.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub auto_download: u64,
    /// So many bytes come that way within 24 hours; what is over waits to be asked for.
    #[arg(long, value_name = "BYTES")]
    pub auto_download_day: Option<u64>,
}

/// What acknowledges a notification that must not be missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AckMode {
    /// Writing it to stdout.
    Auto,
    /// The method `ack`; until then it comes again at each start.
    Manual,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(words: &str) -> Result<Args, clap::error::ErrorKind> {
        Args::try_parse_from(words.split(' ')).map_err(|error| error.kind())
    }

    #[test]
    fn the_table_of_arguments_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_commands_of_the_contract_are_understood() {
        let pin = format!("sha256:{}", "ab".repeat(32));
        let args = parse(&format!("chat-tui rpc --data d --relay 127.0.0.1:1 --pin {pin} --ack manual")).unwrap();
        let Some(Command::Rpc(rpc)) = args.command else { panic!("rpc is a command") };
        assert_eq!((rpc.relay.unwrap().port(), rpc.ack), (1, AckMode::Manual));
        assert_eq!(rpc.pin.unwrap().to_string(), pin);

        let args = parse("chat-tui --relay localhost:1 --data d --store-key passphrase").unwrap();
        assert!(args.command.is_none());
        assert_eq!(args.profile.store_key, Some(KeyPlace::Passphrase));
        assert_eq!(args.profile.data, Some(PathBuf::from("d")));
    }

    #[test]
    fn a_password_is_no_argument_and_a_bad_pin_no_pin() {
        use clap::error::ErrorKind;
        assert_eq!(parse("chat-tui rpc --data d --password x").unwrap_err(), ErrorKind::UnknownArgument);
        assert_eq!(parse("chat-tui rpc --data d --pin sha256:00").unwrap_err(), ErrorKind::ValueValidation);
        assert_eq!(parse("chat-tui rpc --data d --relay nowhere:0").unwrap_err(), ErrorKind::ValueValidation);
        assert_eq!(parse("chat-tui rpc").unwrap_err(), ErrorKind::MissingRequiredArgument);
    }
}
